//! The witness protocol (C2SP tlog-witness 1.0.0): what a log asks, what a
//! witness answers, and the witness itself. HTTP is for whoever has it.

mod server;

use std::fmt::Write as _;

use thiserror::Error;

use crate::checkpoint::parse_decimal;
use crate::hash::Hash;
use crate::keys::VerifierKey;
use crate::note::{Note, NoteError};
use crate::trust::TrustPolicy;

pub use server::{Witness, WitnessError, WitnessReply};

/// The body of an `add-checkpoint` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to have cosigned last; 0: none.
    pub old: u64,
    /// The consistency proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: Vec<u8>,
}

impl AddCheckpoint {
    /// The body's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("old {}\n", self.old);
        for hash in &self.proof {
            // Writing to a string does not fail.
            let _ = writeln!(head, "{hash}");
        }
        head.push('\n');
        [head.as_bytes(), &self.note].concat()
    }

    /// Reads a body; nothing of it is believed.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > MAX_REQUEST_BYTES {
            return None;
        }
        let text = std::str::from_utf8(body).ok()?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = parse_decimal(lines.next()?.strip_prefix("old ")?)?;
        let proof: Vec<Hash> = lines.map(Hash::parse).collect::<Option<_>>()?;
        (proof.len() <= MAX_PROOF).then(|| Self { old, proof, note: note.into() })
    }
}

/// Why a witness's answer is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CosignatureError {
    /// Not signature lines, or one of a known witness that does not verify.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// No line of a witness that the policy lists.
    #[error("no cosignature of a witness that the policy lists")]
    Nobody,
}

/// A witness's cosignature on a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Whose it is, by its place in the policy.
    pub witness: usize,
    /// When, Unix seconds.
    pub time: u64,
    /// The signature line, its newline included.
    pub line: String,
}

/// Reads the body of a witness's answer: the lines that the policy's witnesses
/// signed over the checkpoint in `note`. Other lines are left out.
///
/// # Errors
/// The body is not signature lines, a known witness's does not verify, or
/// there is none of a known one.
pub fn cosignatures(
    body: &[u8],
    note: &[u8],
    policy: &TrustPolicy,
) -> Result<Vec<Cosignature>, CosignatureError> {
    let body = std::str::from_utf8(body).map_err(|_| NoteError::Text)?;
    let own = Note::parse(note)?;
    let text = own.unverified_text();
    let mut found: Vec<Cosignature> = Vec::new();
    for line in body.split_inclusive('\n') {
        let whole = format!("{text}\n{line}");
        let read = Note::parse(whole.as_bytes())?;
        for (witness, time) in read.cosigned(policy.witness_keys())? {
            if found.iter().all(|known| known.witness != witness) {
                found.push(Cosignature { witness, time, line: line.to_owned() });
            }
        }
    }
    if found.is_empty() { Err(CosignatureError::Nobody) } else { Ok(found) }
}

/// The note with further signature lines, in the order of the policy's
/// witnesses.
#[must_use]
pub fn with_cosignatures(note: &[u8], cosignatures: &[Cosignature]) -> Vec<u8> {
    let mut ordered: Vec<&Cosignature> = cosignatures.iter().collect();
    ordered.sort_by_key(|cosignature| cosignature.witness);
    let mut bytes = note.to_vec();
    for cosignature in ordered {
        bytes.extend_from_slice(cosignature.line.as_bytes());
    }
    bytes
}

/// The path below a witness's prefix that tells the last checkpoint that it has
/// cosigned for `origin`.
#[must_use]
pub fn last_cosigned_path(origin: &str) -> String {
    format!("{}/checkpoint", crate::hash::Digest::of(origin.as_bytes()))
}

/// A log that a witness follows, by its key.
fn is_of(key: &VerifierKey, origin: &str) -> bool {
    key.name() == origin
}

/// A request is a few lines and a note.
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// No tree is deeper.
const MAX_PROOF: usize = 63;

#[cfg(test)]
mod tests;
