//! The records that are not of one exchange.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::json::Extra;
use crate::keys::{Signer, VerifierKey};

use super::ConfigInForce;
use super::exchange::{is_false, is_zero};

/// The program started; written before anything is served. The log fills in
/// `follows`, `log_key` and `replica` itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Digest of the running configuration.
    pub configuration: Digest,
    /// The last checkpoint, a signed note, of the log that this one goes on
    /// from: in the first boot of a shard that follows another. The log fills
    /// it in itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The log's verifier key.
    pub log_key: String,
    /// Digest of the program's file.
    pub program: Digest,
    /// Execution providers really in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// A quote of the trusted execution environment, where there is one
    /// (base64url).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Which replica this is.
    pub replica: String,
    /// The program's version.
    pub version: String,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// What a `config` record is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigOf {
    /// A policy bundle.
    Policy,
    /// A set of models.
    Model,
    /// The program's settings.
    #[default]
    Settings,
}

/// A bundle, model or configuration is about to take effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Its digest.
    pub digest: Digest,
    /// The blob that holds its canonical manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// Its name.
    pub name: String,
    /// What it is.
    pub of: ConfigOf,
    /// Its version.
    pub version: String,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// A signed commitment document takes effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitmentDocument {
    /// Digest of the signed document.
    pub digest: Digest,
    /// Start of its period, Unix microseconds.
    pub from: u64,
    /// Its id.
    pub id: String,
    /// The signatory's verifier key.
    pub key: String,
    /// End of its period, Unix microseconds.
    pub to: u64,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// One category of a self-test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCount {
    /// Cases that came out as the bank says.
    pub passed: u64,
    /// Cases.
    pub total: u64,
}

/// A run of the self-test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestRun {
    /// Digest of the question bank.
    pub bank: Digest,
    /// What was in force.
    pub config: ConfigInForce,
    /// Results by category.
    pub counts: BTreeMap<String, TestCount>,
    /// The seed of the run.
    pub seed: u64,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// What one route did since the heartbeat before.
///
/// Over the heartbeats since the last `boot` the verdict counters (`aborted`,
/// `allowed`, `blocked`, `errored`, `flagged`, `redacted`) add up: never to more
/// than the route's intents plus `dropped`, never to less than the outcomes
/// that were in the log at the heartbeat before. A verifier holds them to that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteCounters {
    /// Ended as `abort`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub aborted: u64,
    /// Requests that arrived.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accepted: u64,
    /// Ended as `allow`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub allowed: u64,
    /// Ended as `block` or `approve`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub blocked: u64,
    /// Records that the `async` mode gave up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Ended as `error`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errored: u64,
    /// Passed although a part failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fail_open: u64,
    /// Ended as `flag`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flagged: u64,
    /// Sent to the upstream.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forwarded: u64,
    /// Ended as `redact`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u64,
    /// Refused before admission: no intent was written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// Decided, but only written down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shadowed: u64,
}

/// The proxy is alive, and this is what it did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Records that waited for the log.
    pub queue_depth: u64,
    /// Counters since the heartbeat before, by route.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, RouteCounters>,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// Witnesses cosigned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The cosigned checkpoint, a signed note.
    pub checkpoint: String,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// The log's key changes. Evidence only: verifiers take keys from their policy
/// file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// The new verifier key.
    pub new: String,
    /// The new key's signature over both keys (base64url).
    pub new_signature: String,
    /// The old verifier key.
    pub old: String,
    /// The old key's signature over both keys (base64url).
    pub old_signature: String,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

impl KeyChange {
    /// The change from one key to another, signed by both.
    #[must_use]
    pub fn signed(old: &Signer, new: &Signer) -> Self {
        let (old_key, new_key) = (old.verifier().to_string(), new.verifier().to_string());
        let statement = statement(&old_key, &new_key);
        let sign = |signer: &Signer| URL_SAFE_NO_PAD.encode(signer.sign(statement.as_bytes()));
        Self {
            new: new_key,
            new_signature: sign(new),
            old: old_key,
            old_signature: sign(old),
            x: Extra::new(),
        }
    }

    /// Whether both keys signed the change. Both sign
    /// `troth/v1/key\n<old key>\n<new key>\n`.
    #[must_use]
    pub fn holds(&self) -> bool {
        let statement = statement(&self.old, &self.new);
        let signed = |key: &str, signature: &str| {
            let Ok(key) = key.parse::<VerifierKey>() else { return false };
            let signature = URL_SAFE_NO_PAD.decode(signature);
            signature.is_ok_and(|signature| key.holds(statement.as_bytes(), &signature))
        };
        signed(&self.old, &self.old_signature) && signed(&self.new, &self.new_signature)
    }
}

fn statement(old: &str, new: &str) -> String {
    format!("troth/v1/key\n{old}\n{new}\n")
}

/// Openings were destroyed. Says no identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// How many keys.
    pub count: u64,
    /// The day whose keys they were, `YYYY-MM-DD`.
    pub day: String,
    /// Random, one for each erasure: so that one which a crash interrupted and
    /// the next start ended is recorded once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Why.
    pub reason: String,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// A clean stop, with counts over the whole log. Written by the log itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// The log has ended: nothing follows, but perhaps another log.
    #[serde(default, skip_serializing_if = "is_false")]
    pub end: bool,
    /// Intents in the log.
    pub intents: u64,
    /// Outcomes in the log.
    pub outcomes: u64,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}
