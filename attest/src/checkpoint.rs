//! C2SP checkpoints: what a log says of itself at one size.

use std::fmt;

use thiserror::Error;

use crate::hash::Hash;
use crate::keys::Signer;
use crate::note::{Note, NoteError};
use crate::trust::TrustPolicy;

/// The three lines of a checkpoint: origin, size, root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, which is also its key's name.
    pub origin: String,
    /// How many entries the tree holds.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Not a note, or not one of ours.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not origin, size and root.
    #[error("the checkpoint is not origin, size and root")]
    Form,
    /// Signed by a known key, but for another log.
    #[error("the checkpoint is of another log")]
    Origin,
    /// Too few of the policy's witnesses cosigned.
    #[error("the checkpoint lacks the witnesses that the policy asks for")]
    Quorum,
}

/// A checkpoint that the policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    /// What the log said.
    pub checkpoint: Checkpoint,
    /// Names (of the policy file) of the witnesses that cosigned, with Unix
    /// seconds.
    pub witnesses: Vec<(String, u64)>,
    /// Whether they satisfy the policy's quorum.
    pub quorum: bool,
}

impl Checkpoint {
    /// Reads the text of a checkpoint: no leading zeros, no extension lines,
    /// canonical base64, sizes below 2^62.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Form)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        if origin.is_empty() {
            return Err(CheckpointError::Form);
        }
        let size = parse_decimal(size).ok_or(CheckpointError::Form)?;
        let root = Hash::parse(root).ok_or(CheckpointError::Form)?;
        if size == 0 && root != Hash::empty_root() {
            return Err(CheckpointError::Form);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// The note of this checkpoint under one signature.
    #[must_use]
    pub fn sign(&self, signer: &Signer) -> String {
        let text = self.to_string();
        format!("{text}\n{}", signer.signature_line(&text))
    }

    /// What a signed checkpoint claims, nothing of it checked: for tools that
    /// copy a log and compute its root themselves.
    pub(crate) fn claimed(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::parse(Note::parse(bytes)?.unverified_text())
    }

    /// Reads a signed checkpoint and checks signature and origin. Whether the
    /// quorum holds is told, not demanded: a log's own head is signed by
    /// nobody else.
    ///
    /// # Errors
    /// The note is not a checkpoint, or not signed by a log of the policy.
    pub fn verify(
        bytes: &[u8],
        policy: &TrustPolicy,
    ) -> Result<VerifiedCheckpoint, CheckpointError> {
        let note = Note::parse(bytes)?;
        let verified = note.verify(policy.logs(), policy.witness_keys())?;
        let checkpoint = Self::parse(verified.text)?;
        // A key signs for the log that it names, and for no other.
        let named = |place: &usize| {
            policy.logs().get(*place).is_some_and(|key| key.name() == checkpoint.origin)
        };
        if !verified.logs.iter().any(named) {
            return Err(CheckpointError::Origin);
        }
        let places: Vec<usize> = verified.witnesses.iter().map(|(place, _)| *place).collect();
        let quorum = policy.satisfied_by(&places);
        let witnesses = verified
            .witnesses
            .iter()
            .map(|(place, time)| (policy.witness_name(*place).to_owned(), *time))
            .collect();
        Ok(VerifiedCheckpoint { checkpoint, witnesses, quorum })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

/// A decimal without sign or leading zeros, below 2^62 (so that no shift or
/// sum over tile coordinates can overflow).
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok().filter(|size| *size < MAX_SIZE)
}

/// No tree is larger.
pub(crate) const MAX_SIZE: u64 = 1 << 62;
