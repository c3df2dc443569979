//! The keys that sign a log's heads: one, or two while the log's key changes.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::keys::{Signer, VerifierKey};
use crate::note::NoteError;
use crate::trust::TrustPolicy;

/// See the module.
#[derive(Debug)]
pub(super) struct Signers {
    current: Signer,
    /// The key before, as long as some verifiers know no other.
    previous: Option<Signer>,
}

impl Signers {
    pub(super) fn new(current: Signer, previous: Option<Signer>) -> Self {
        Self { current, previous }
    }

    /// The log's name, which all of its keys have.
    pub(super) fn name(&self) -> &str {
        self.current.name()
    }

    /// The key that signs for as long as the log has this configuration.
    pub(super) fn current(&self) -> &Signer {
        &self.current
    }

    pub(super) fn previous(&self) -> Option<&Signer> {
        self.previous.as_ref()
    }

    pub(super) fn verifier(&self) -> VerifierKey {
        self.current.verifier()
    }

    /// The checkpoint as a note under every key: whoever trusts one of them can
    /// verify it.
    pub(super) fn sign(&self, checkpoint: &Checkpoint) -> String {
        let mut note = checkpoint.sign(&self.current);
        if let Some(previous) = &self.previous {
            note.push_str(&previous.signature_line(&checkpoint.to_string()));
        }
        note
    }

    /// Believes either key.
    pub(super) fn policy(&self) -> TrustPolicy {
        let previous = self.previous.iter().map(Signer::verifier);
        TrustPolicy::for_logs([self.verifier()].into_iter().chain(previous).collect())
    }

    /// Whether the current key has signed this head of the log.
    ///
    /// # Errors
    /// Neither key has.
    pub(super) fn signed(&self, note: &[u8]) -> Result<bool, CheckpointError> {
        Checkpoint::verify(note, &self.policy())?;
        match Checkpoint::verify(note, &TrustPolicy::for_log(&self.verifier())) {
            Ok(_) => Ok(true),
            Err(CheckpointError::Note(NoteError::NoKnownKey)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}
