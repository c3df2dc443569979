//! What an operator says under a key of their own: `incident`, `review`,
//! `stop`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::json::Extra;
use crate::keys::{KeyKind, Signer, VerifierKey};

use super::Record;

/// What a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Something went wrong.
    Incident,
    /// A person looked at something.
    Review,
    /// The service was halted. The statement says so; it halts nothing itself.
    Stop,
}

impl StatementKind {
    /// The kind as the record writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Review => "review",
            Self::Stop => "stop",
        }
    }

    /// The record that holds a statement of this kind.
    #[must_use]
    pub fn record(self, statement: Statement) -> Record {
        match self {
            Self::Incident => Record::Incident(statement),
            Self::Review => Record::Review(statement),
            Self::Stop => Record::Stop(statement),
        }
    }
}

/// An operator's signed statement: `incident`, `review` or `stop`.
///
/// It says whose key signed it; whose key counts is for the reader to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// When it was signed, Unix microseconds: one that is logged at another
    /// time is an old one, logged again.
    pub at: u64,
    /// Whose verifier key.
    pub key: String,
    /// Which records it is about, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<u64>,
    /// The signature (base64url).
    pub signature: String,
    /// What is stated.
    pub statement: String,
    /// Fields of later versions; not under the signature.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// Why a statement does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StatementFault {
    /// Too long, or not plain text.
    #[error("the statement is empty, longer than {MAX_STATEMENT_BYTES} bytes, or not plain text")]
    Text,
    /// Too many records, or not in ascending order.
    #[error("the records of a statement are at most {MAX_RECORDS}, each once, in ascending order")]
    Records,
    /// A record that is not in the log yet.
    #[error("the statement is about a record that does not stand before it")]
    Later,
    /// The key is no key of notes.
    #[error("the statement's key is not an Ed25519 verifier key")]
    Key,
    /// The signature is not this key's over this statement.
    #[error("the statement is not signed by the key that it names, for this log")]
    Signature,
    /// It was signed at another time.
    #[error("the statement was signed at another time than now: is a clock wrong?")]
    Time,
}

impl Statement {
    /// A statement for the log of this origin, signed at `at` (Unix
    /// microseconds).
    ///
    /// # Errors
    /// The text or the records have no place in a record.
    pub fn signed(
        kind: StatementKind,
        origin: &str,
        records: Vec<u64>,
        statement: &str,
        at: u64,
        signer: &Signer,
    ) -> Result<Self, StatementFault> {
        let mut signed = Self {
            at,
            key: signer.verifier().to_string(),
            records,
            statement: statement.to_owned(),
            ..Self::default()
        };
        signed.check_form()?;
        let message = signed.message(kind, origin);
        signed.signature = URL_SAFE_NO_PAD.encode(signer.sign(message.as_bytes()));
        Ok(signed)
    }

    /// Whether it is well formed and its key signed it, as this kind, for the
    /// log of this origin.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, kind: StatementKind, origin: &str) -> Result<(), StatementFault> {
        self.check_form()?;
        let key: VerifierKey = self.key.parse().map_err(|_| StatementFault::Key)?;
        if key.kind() != KeyKind::Note {
            return Err(StatementFault::Key);
        }
        let signature =
            URL_SAFE_NO_PAD.decode(&self.signature).map_err(|_| StatementFault::Signature)?;
        if key.holds(self.message(kind, origin).as_bytes(), &signature) {
            Ok(())
        } else {
            Err(StatementFault::Signature)
        }
    }

    /// Whether it may stand at `index`, stamped with `time`, when clocks
    /// differ by no more than `tolerance` (all microseconds).
    ///
    /// # Errors
    /// It is about later records, or it was signed at another time.
    pub fn check_place(&self, index: u64, time: u64, tolerance: u64) -> Result<(), StatementFault> {
        if self.records.last().is_some_and(|last| *last >= index) {
            return Err(StatementFault::Later);
        }
        if self.at.abs_diff(time) > tolerance {
            return Err(StatementFault::Time);
        }
        Ok(())
    }

    fn check_form(&self) -> Result<(), StatementFault> {
        let text = &self.statement;
        let odd = |c: char| c.is_control() && c != '\n';
        if text.trim().is_empty() || text.len() > MAX_STATEMENT_BYTES || text.chars().any(odd) {
            return Err(StatementFault::Text);
        }
        let ascending = self.records.is_sorted_by(|one, next| one < next);
        if !ascending || self.records.len() > MAX_RECORDS {
            return Err(StatementFault::Records);
        }
        Ok(())
    }

    /// What the key signs: no line before the text can hold a newline, so each
    /// statement has one message and each message one statement.
    ///
    /// ```text
    /// troth/v1/statement
    /// <kind>
    /// <origin>
    /// <key>
    /// <at>
    /// <records, separated by commas>
    /// <text, to the end>
    /// ```
    fn message(&self, kind: StatementKind, origin: &str) -> String {
        let mut message =
            format!("troth/v1/statement\n{}\n{origin}\n{}\n{}\n", kind.as_str(), self.key, self.at);
        for (place, record) in self.records.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(message, "{comma}{record}");
        }
        message.push('\n');
        message.push_str(&self.statement);
        message
    }
}

/// So that a record holds it, whatever must be escaped in it.
const MAX_STATEMENT_BYTES: usize = 2048;
const MAX_RECORDS: usize = 64;

#[cfg(test)]
mod tests;
