//! What a person says of one tool call that was held for them: `approval`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::commit::Commitment;
use crate::hash::Digest;
use crate::json::Extra;
use crate::keys::{KeyKind, Signer, VerifierKey};

/// What the approver decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalDecision {
    /// The call may pass, once.
    Allow,
    /// The call may not pass.
    #[default]
    Deny,
}

impl ApprovalDecision {
    /// The decision as the record writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// An approver's signed statement about one tool call that was held.
///
/// It says whose key signed it; whose key counts is for the reader to know, as
/// with an operator's [`Statement`](super::Statement). It is about one call and
/// nothing else: who makes it, which tool, with which arguments, judged under
/// which bundle, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Digest of the bundle whose policies asked for a person.
    pub bundle: Digest,
    /// Keyed commitment to the tool's name and its arguments: see
    /// [`Approval::content`]. Its key is that of the field
    /// [`Approval::FIELD`] of the record `id`.
    pub call: Commitment,
    /// What was decided.
    pub decision: ApprovalDecision,
    /// Digest of the tool's definition, as in a `toolcall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
    /// The exchange whose call was held first.
    pub exchange: String,
    /// Until when it holds, Unix microseconds.
    pub expires: u64,
    /// The held call's id, a UUID version 7: no other call ever has it.
    pub id: String,
    /// The approver's verifier key.
    pub key: String,
    /// Pseudonym of who makes the call.
    pub principal: String,
    /// The signature (base64url).
    pub signature: String,
    /// Pseudonym of the tenant.
    pub tenant: String,
    /// The tool's name; `unnamed` where it is no plain name.
    pub tool: String,
    /// Fields of later versions; not under the signature.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// Why an approval does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ApprovalFault {
    /// A field that no log writes: empty, long, or of more than one word.
    #[error("a field of the approval is empty, too long, or holds more than plain ASCII")]
    Form,
    /// The key is no key of notes.
    #[error("the approval's key is not an Ed25519 verifier key")]
    Key,
    /// The signature is not this key's over this approval.
    #[error("the approval is not signed by the key that it names, for this log")]
    Signature,
    /// It came too late.
    #[error("the approval had expired")]
    Expired,
}

impl Approval {
    /// The field of the record `id` whose key commits to the call.
    pub const FIELD: &'static str = "call";

    /// What is committed to: a JSON array of the tool's name and its arguments
    /// as they were sent, without white space. So neither can be mistaken for
    /// a part of the other.
    #[must_use]
    pub fn content(tool: &str, arguments: &str) -> Vec<u8> {
        // Two strings always have a JSON form.
        serde_json::to_vec(&[tool, arguments]).unwrap_or_default()
    }

    /// The same, signed for the log of this origin: `key` and `signature` are
    /// the signer's.
    ///
    /// # Errors
    /// A field has no place in a record.
    pub fn signed(mut self, origin: &str, signer: &Signer) -> Result<Self, ApprovalFault> {
        self.key = signer.verifier().to_string();
        self.check_form()?;
        let message = self.message(origin);
        self.signature = URL_SAFE_NO_PAD.encode(signer.sign(message.as_bytes()));
        Ok(self)
    }

    /// Whether it is well formed and its key signed it for the log of this
    /// origin.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, origin: &str) -> Result<(), ApprovalFault> {
        self.check_form()?;
        let key: VerifierKey = self.key.parse().map_err(|_| ApprovalFault::Key)?;
        if key.kind() != KeyKind::Note {
            return Err(ApprovalFault::Key);
        }
        let signature =
            URL_SAFE_NO_PAD.decode(&self.signature).map_err(|_| ApprovalFault::Signature)?;
        if key.holds(self.message(origin).as_bytes(), &signature) {
            Ok(())
        } else {
            Err(ApprovalFault::Signature)
        }
    }

    /// Whether it still holds at `time`, with `tolerance` between clocks (all
    /// Unix microseconds).
    ///
    /// # Errors
    /// It has expired.
    pub fn check_time(&self, time: u64, tolerance: u64) -> Result<(), ApprovalFault> {
        if time > self.expires.saturating_add(tolerance) {
            return Err(ApprovalFault::Expired);
        }
        Ok(())
    }

    fn check_form(&self) -> Result<(), ApprovalFault> {
        let plain = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let fields = [&self.exchange, &self.id, &self.principal, &self.tenant];
        let good = fields.iter().all(|field| plain(field, MAX_ID_BYTES))
            && plain(&self.tool, MAX_TOOL_BYTES);
        if good { Ok(()) } else { Err(ApprovalFault::Form) }
    }

    /// What the key signs: no line can hold a newline, so each approval has one
    /// message and each message one approval.
    ///
    /// ```text
    /// troth/v1/approval
    /// <decision>
    /// <origin>
    /// <key>
    /// <id>
    /// <exchange>
    /// <tenant>
    /// <principal>
    /// <tool>
    /// <definition, or nothing>
    /// <call>
    /// <bundle>
    /// <expires>
    /// ```
    fn message(&self, origin: &str) -> String {
        let definition = self.definition.map(|digest| digest.to_string()).unwrap_or_default();
        format!(
            "troth/v1/approval\n{}\n{origin}\n{}\n{}\n{}\n{}\n{}\n{}\n{definition}\n{}\n{}\n{}\n",
            self.decision.as_str(),
            self.key,
            self.id,
            self.exchange,
            self.tenant,
            self.principal,
            self.tool,
            self.call,
            self.bundle,
            self.expires,
        )
    }
}

const MAX_ID_BYTES: usize = 64;
const MAX_TOOL_BYTES: usize = 128;

#[cfg(test)]
mod tests;
