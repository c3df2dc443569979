//! Signed heads: the one to offer to witnesses, and the one that is public.

use std::io;

use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::disk;
use crate::hash::Hash;
use crate::proof::{prove_consistency, root_at};

use super::builder::CHECKPOINT;
use super::shared::{Shared, lock};
use super::tail::Head;

/// Who moves the public checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Publishing {
    /// The log itself, to its newest durable head.
    #[default]
    Plain,
    /// Whoever calls [`Log::publish`](crate::Log::publish), with the
    /// cosignatures of witnesses.
    External,
}

/// A head that the log has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// How many records it covers.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Its signed note.
    pub note: Vec<u8>,
}

/// Why there is no proof between two sizes.
#[derive(Debug, Error)]
pub enum HeadError {
    /// The log has not come so far, or the sizes are the wrong way round.
    #[error("the log has {0} records")]
    Beyond(u64),
    /// The file system, or a stored tile that is gone.
    #[error("cannot read the log")]
    Io(#[from] io::Error),
}

/// Why a head is not published.
#[derive(Debug, Error)]
pub enum PublishHeadError {
    /// Not a checkpoint under this log's signature.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log has not come so far, or it has another root there.
    #[error("this is not a head of the log")]
    Foreign,
    /// A larger one is public.
    #[error("a later head is public already")]
    Behind,
    /// The file system.
    #[error("cannot read or write the log")]
    Io(#[from] io::Error),
}

impl Head {
    fn signed(&self) -> Option<SignedHead> {
        let Checkpoint { size, root, .. } = Checkpoint::claimed(&self.note).ok()?;
        Some(SignedHead { size, root, note: self.note.to_vec() })
    }
}

impl Shared {
    pub(super) fn candidate(&self) -> Option<SignedHead> {
        let head = self.read_tail(|tail| tail.head().clone());
        if head.size <= lock(&self.published).size {
            return None;
        }
        head.signed()
    }

    pub(super) fn published_head(&self) -> Option<SignedHead> {
        let head = lock(&self.published).clone();
        head.signed()
    }

    pub(super) fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, HeadError> {
        self.reaches(new)?;
        self.reaches(old)?;
        if old > new {
            return Err(HeadError::Beyond(new));
        }
        Ok(prove_consistency(old, new, &mut |level, index| self.node(level, index))?)
    }

    pub(super) fn root_at(&self, size: u64) -> Result<Hash, HeadError> {
        self.reaches(size)?;
        Ok(root_at(size, &mut |level, index| self.node(level, index))?)
    }

    fn reaches(&self, size: u64) -> Result<(), HeadError> {
        let own = self.read_tail(|tail| tail.head().size);
        if size <= own { Ok(()) } else { Err(HeadError::Beyond(own)) }
    }

    /// Moves the public checkpoint to `note`, durably; never back.
    pub(super) fn publish(&self, note: &[u8]) -> Result<(), PublishHeadError> {
        let policy = self.signers.policy();
        let head = Checkpoint::verify(note, &policy)?.checkpoint;
        match self.root_at(head.size) {
            Ok(root) if root == head.root => {}
            Ok(_) | Err(HeadError::Beyond(_)) => return Err(PublishHeadError::Foreign),
            Err(HeadError::Io(fault)) => return Err(fault.into()),
        }
        // Held while the file is written: two heads are never written at once,
        // and the file never lies behind what this process believes public.
        let _one = lock(&self.publishing);
        if head.size < lock(&self.published).size {
            return Err(PublishHeadError::Behind);
        }
        disk::write_durably(self.disk.as_ref(), CHECKPOINT, note)?;
        *lock(&self.published) = Head { size: head.size, note: note.into() };
        Ok(())
    }
}
