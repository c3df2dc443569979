//! What the engine holds in memory: the frames of the segments that still
//! exist, and the hashes that are not in durable tiles yet.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hash::Hash;
use crate::tile::{MAX_LEVEL, TILE_WIDTH, tile_root};
use crate::wal::Frame;

/// The signed head of the write-ahead log.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) note: Arc<[u8]>,
}

/// One level of the tree, in tile levels (each 256 times the one below).
#[derive(Debug, Default)]
struct Level {
    /// The index of the first hash held; a multiple of 256.
    first: u64,
    hashes: Vec<Hash>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tail {
    levels: Vec<Level>,
    frames: VecDeque<Arc<Frame>>,
    head: Head,
    bytes: usize,
}

impl Tail {
    /// The state at `size`, whose right edge `edge(level)` tells: the hashes of
    /// the incomplete tile of each level.
    pub(super) fn new<E>(
        size: u64,
        note: Arc<[u8]>,
        mut edge: impl FnMut(u8, u64) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let mut levels = Vec::new();
        for level in 0..=MAX_LEVEL {
            let count = size >> (8 * u32::from(level));
            let hashes =
                if count.is_multiple_of(TILE_WIDTH) { Vec::new() } else { edge(level, count)? };
            levels.push(Level { first: count - count % TILE_WIDTH, hashes });
        }
        Ok(Self { levels, frames: VecDeque::new(), head: Head { size, note }, bytes: 0 })
    }

    /// The same, under this signed head.
    pub(super) fn with_note(mut self, note: Arc<[u8]>) -> Self {
        self.head.note = note;
        self
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Bytes of the frames held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a frame that is durable, with the hashes of its entries.
    pub(super) fn push(&mut self, frame: Arc<Frame>, leaves: &[Hash]) {
        for leaf in leaves {
            self.push_hash(*leaf);
        }
        self.head = Head { size: frame.end(), note: frame.note().into() };
        self.bytes += frame.bytes().len();
        self.frames.push_back(frame);
    }

    fn push_hash(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in &mut self.levels {
            level.hashes.push(hash);
            if !level.hashes.len().is_multiple_of(256) {
                return;
            }
            // Full: its root is a hash of the next level.
            let from = level.hashes.len() - 256;
            match level.hashes.get(from..).and_then(tile_root) {
                Some(root) => hash = root,
                None => return,
            }
        }
    }

    /// Hashes `from..to` of a tile level, when all are here.
    pub(super) fn hashes(&self, level: u8, from: u64, to: u64) -> Option<Vec<Hash>> {
        let level = self.levels.get(usize::from(level))?;
        let from = usize::try_from(from.checked_sub(level.first)?).ok()?;
        let to = usize::try_from(to.checked_sub(level.first)?).ok()?;
        level.hashes.get(from..to).map(<[Hash]>::to_vec)
    }

    /// The entry at this index, when its frame is here.
    pub(super) fn entry(&self, index: u64) -> Option<Vec<u8>> {
        let place = self.frames.partition_point(|frame| frame.end() <= index);
        self.frames.get(place)?.entry(index).map(<[u8]>::to_vec)
    }

    /// Forgets frames that end at or before `frames_before`, and hashes of full
    /// tiles of the tree's first `durable` entries.
    pub(super) fn trim(&mut self, frames_before: u64, durable: u64) {
        while self.frames.front().is_some_and(|frame| frame.end() <= frames_before) {
            if let Some(frame) = self.frames.pop_front() {
                self.bytes = self.bytes.saturating_sub(frame.bytes().len());
            }
        }
        for (place, level) in (0_u32..).zip(&mut self.levels) {
            let count = durable >> (8 * place);
            let keep_from = count - count % TILE_WIDTH;
            let gone = usize::try_from(keep_from.saturating_sub(level.first)).unwrap_or(0);
            if gone > 0 && gone <= level.hashes.len() {
                level.hashes.drain(..gone);
                level.first = keep_from;
            }
        }
    }
}
