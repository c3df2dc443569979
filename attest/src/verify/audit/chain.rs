//! Where a log goes on from another: what its first boot says of that one's
//! end.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::NoteError;
use crate::record::Boot;
use crate::verify::report::{FaultKind, Follows};

use super::Audit;

impl Audit<'_> {
    /// A `boot`: the first one may chain the log to one that has ended.
    pub(super) fn chain(&mut self, index: u64, boot: &Boot) {
        let first = !std::mem::replace(&mut self.booted, true);
        let Some(note) = &boot.follows else { return };
        if !first {
            self.fault(
                Some(index),
                FaultKind::Tampered,
                "only a log's first boot may follow a log",
            );
            return;
        }
        let verified = Checkpoint::verify(note.as_bytes(), self.policy);
        let read = match verified {
            Ok(head) => Ok((head.checkpoint, true)),
            // Nobody has to know every log that was ever followed.
            Err(CheckpointError::Note(NoteError::NoKnownKey)) => {
                Checkpoint::claimed(note.as_bytes()).map(|head| (head, false))
            }
            Err(fault) => Err(fault),
        };
        match read {
            Ok((head, verified)) => {
                let (origin, size) = (head.origin, head.size);
                self.follows =
                    Some(Follows { origin, size, root: head.root.to_string(), verified });
            }
            Err(fault) => {
                let what = format!("the end of the log that it follows: {fault}");
                self.fault(Some(index), FaultKind::Tampered, what);
            }
        }
    }

    /// Whether the log goes on from where the one before it ended.
    pub(super) fn judge_chain(&mut self) {
        let Some(before) = &self.options.follows else { return };
        if !before.is_ok() {
            let gravest = before.faults.iter().map(|fault| fault.kind).min();
            let what = format!("the log that this one follows is {}", before.status);
            self.fault(None, gravest.unwrap_or(FaultKind::Tampered), what);
            return;
        }
        if !before.ended {
            self.fault(None, FaultKind::Incomplete, "the log that this one follows has not ended");
            return;
        }
        if !self.booted {
            let what = "no boot was read that would name the log before";
            self.fault(None, FaultKind::Insufficient, what);
            return;
        }
        let goes_on = self.follows.as_ref().is_some_and(|follows| {
            follows.origin == before.origin
                && follows.size == before.size
                && follows.root == before.root
        });
        if !goes_on {
            let what = "its first boot does not go on from the end of the log before";
            self.fault(None, FaultKind::Tampered, what);
        }
    }
}
