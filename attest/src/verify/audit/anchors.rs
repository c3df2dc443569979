//! What witnesses are said to have seen: the checkpoints inside `anchor`
//! records, and the age of the public one.

use std::io;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::note::NoteError;
use crate::proof::{prove_consistency, verify_consistency};
use crate::record::Anchor;
use crate::tile::{TILE_WIDTH, Tile, split_hashes, tile_root};
use crate::verify::LogSource;
use crate::verify::report::FaultKind;
use crate::verify::tree::Tree;

use super::{Audit, Check};

impl Audit<'_> {
    /// An `anchor` record: its checkpoint is the log's own, and of a size that
    /// the log had.
    pub(super) fn anchor(&mut self, index: u64, anchor: &Anchor) {
        let note = anchor.checkpoint.as_bytes();
        let read = match Checkpoint::verify(note, self.policy) {
            Ok(head) => Ok((head.checkpoint, head.quorum && self.policy.asks_for_witnesses())),
            // Signed with a former key: its root is held to the tree, and that is all
            // that it is worth.
            Err(CheckpointError::Note(NoteError::NoKnownKey)) => {
                Checkpoint::claimed(note).map(|claimed| (claimed, false))
            }
            Err(fault) => Err(fault),
        };
        let (anchored, witnessed) = match read {
            Ok(read) => read,
            Err(fault) => {
                let what = format!("the anchor: {fault}");
                return self.fault(Some(index), FaultKind::Tampered, what);
            }
        };
        let own = self.head.as_ref();
        let own = own.is_none_or(|own| own.checkpoint.origin == anchored.origin);
        if !own || anchored.size > index {
            let what = "the anchor is of another log, or of a size that the log had not yet";
            return self.fault(Some(index), FaultKind::Tampered, what);
        }
        if witnessed {
            self.semantics.anchored(anchored.size);
        }
        self.checks.push_back(Check::Anchor(index, anchored));
    }

    /// Remembers the root at the head of a frame: the tiles over it may not be
    /// stored yet.
    pub(super) fn remember_root(&mut self) {
        if self.roots.len() >= MAX_ROOTS {
            self.roots.pop_first();
        }
        self.roots.insert(self.tree.size(), self.tree.root());
    }

    /// Holds an anchored root against the tree: by memory, or by a consistency
    /// proof out of the stored tiles, which proves itself.
    pub(super) fn check_anchor(
        &mut self,
        log: &dyn LogSource,
        index: u64,
        anchored: &Checkpoint,
    ) -> io::Result<()> {
        let (old, new) = (anchored.size, self.tree.size());
        let holds = if let Some(root) = self.roots.get(&old) {
            *root == anchored.root
        } else {
            let tree = &self.tree;
            let proof = prove_consistency(old, new, &mut |level, at| node(log, tree, level, at));
            match proof {
                Ok(proof) => {
                    let root = &tree.root();
                    verify_consistency(old, new, &proof, &anchored.root, root).is_ok()
                }
                Err(Lack::Tile) => {
                    let what = "the tiles to check the anchor with are missing";
                    self.fault(Some(index), FaultKind::Incomplete, what);
                    return Ok(());
                }
                Err(Lack::Io(fault)) => return Err(fault),
            }
        };
        if !holds {
            let what = "the anchor has another root than the entries lead to";
            self.fault(Some(index), FaultKind::Tampered, what);
        }
        Ok(())
    }

    /// Whether there is anything newer than the caller asks for.
    pub(super) fn judge_age(&mut self) {
        let (Some(since), Some(head)) = (self.options.fresh_since, &self.head) else { return };
        let (fresh, what) = if self.policy.asks_for_witnesses() {
            let fresh = self.policy.satisfied_since(&head.witnesses, since / 1_000_000);
            (fresh, "the quorum's cosignatures are older than was asked for")
        } else if let Some(time) = self.semantics.last_time() {
            (time >= since, "the last record is older than was asked for")
        } else {
            if self.tree.size() > 0 {
                let what = "no record was read that would tell how old the log is";
                self.fault(None, FaultKind::Insufficient, what);
            }
            return;
        };
        if !fresh {
            self.fault(None, FaultKind::Stale, what);
        }
    }
}

/// Why a node is not known.
enum Lack {
    Tile,
    Io(io::Error),
}

/// The root of a perfect subtree: from the right edge, from its stored tile, or
/// from the two below it. At most eight levels deep within a tile's height.
fn node(log: &dyn LogSource, tree: &Tree, level: u32, index: u64) -> Result<Hash, Lack> {
    if let Some(hash) = tree.node(level, index) {
        return Ok(hash);
    }
    let tile_level = u8::try_from(level / 8).map_err(|_| Lack::Tile)?;
    let from = index << (level % 8);
    let tile = Tile::hashes(tile_level, from / TILE_WIDTH);
    if let Some(bytes) = log.read(&tile.to_string(), 8192).map_err(Lack::Io)? {
        let start = usize::try_from(from % TILE_WIDTH).map_err(|_| Lack::Tile)?;
        let hashes = split_hashes(&bytes, 256).unwrap_or_default();
        let part = hashes.get(start..start + (1 << (level % 8)));
        return part.and_then(tile_root).ok_or(Lack::Tile);
    }
    if level.is_multiple_of(8) {
        return Err(Lack::Tile);
    }
    let left = node(log, tree, level - 1, index * 2)?;
    Ok(Hash::node(&left, &node(log, tree, level - 1, index * 2 + 1)?))
}

/// Heads of frames whose roots are remembered; segments hold fewer.
const MAX_ROOTS: usize = 65_536;
