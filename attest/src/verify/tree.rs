//! The tree as its entries make it: tiles fall out as they fill up, and are
//! held against the stored ones.

use crate::frontier::Frontier;
use crate::hash::Hash;
use crate::tile::{MAX_LEVEL, TILE_WIDTH, Tile, tile_root};

/// A tile that the entries have made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) tile: Tile,
    pub(crate) hashes: Vec<Hash>,
}

/// Grows by one entry at a time; remembers less than 256 hashes per level.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { frontier: Frontier::new(), levels: vec![Vec::new(); usize::from(MAX_LEVEL) + 1] }
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Adds an entry's hash; every tile that it completes goes to `made`.
    pub(crate) fn push(&mut self, leaf: Hash, mut made: impl FnMut(Made)) {
        self.frontier.push(leaf);
        let mut hash = leaf;
        let mut count = self.frontier.size();
        for (level, hashes) in (0..=MAX_LEVEL).zip(&mut self.levels) {
            hashes.push(hash);
            if !count.is_multiple_of(TILE_WIDTH) {
                return;
            }
            count /= TILE_WIDTH;
            let full = std::mem::take(hashes);
            let Some(root) = tile_root(&full) else { return };
            made(Made { tile: Tile::hashes(level, count - 1), hashes: full });
            hash = root;
        }
    }

    /// The tiles at the right edge, which are not full.
    pub(crate) fn partial(&self) -> impl Iterator<Item = Made> {
        let size = self.frontier.size();
        (0..=MAX_LEVEL).zip(&self.levels).filter_map(move |(level, hashes)| {
            let index = (size >> (8 * u32::from(level))) / TILE_WIDTH;
            let width = u16::try_from(hashes.len()).ok().filter(|width| *width > 0)?;
            Some(Made { tile: Tile::hashes(level, index).cut(width), hashes: hashes.clone() })
        })
    }
}
