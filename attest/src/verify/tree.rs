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

/// Grows by entries or by whole tiles of them; remembers less than 256 hashes
/// per level.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { frontier: Frontier::new(), levels: vec![Vec::new(); usize::from(MAX_LEVEL) + 1] }
    }

    /// A tree whose right edge is known: for each level, from the lowest, the
    /// hashes that fill no tile yet.
    pub(crate) fn resume(mut levels: Vec<Vec<Hash>>) -> Self {
        levels.resize(usize::from(MAX_LEVEL) + 1, Vec::new());
        let mut frontier = Frontier::new();
        for (level, hashes) in (0..=MAX_LEVEL).zip(&levels).rev() {
            for hash in hashes {
                frontier.push_subtree(8 * u32::from(level), *hash);
            }
        }
        Self { frontier, levels }
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Adds an entry's hash; every tile that it completes goes to `made`.
    pub(crate) fn push(&mut self, leaf: Hash, made: impl FnMut(Made)) {
        self.frontier.push(leaf);
        self.rise(0, leaf, made);
    }

    /// Adds the hashes of 256 entries, whose root is `root`, where a tile
    /// begins; anywhere else, or with another number of them, it adds nothing.
    pub(crate) fn push_tile(&mut self, hashes: Vec<Hash>, root: Hash, mut made: impl FnMut(Made)) {
        let size = self.frontier.size();
        let whole = u64::try_from(hashes.len()) == Ok(TILE_WIDTH);
        if !whole || !size.is_multiple_of(TILE_WIDTH) {
            return;
        }
        self.frontier.push_subtree(8, root);
        made(Made { tile: Tile::hashes(0, size / TILE_WIDTH), hashes });
        self.rise(1, root, made);
    }

    /// Puts a hash into its level, and the roots of full tiles into the next.
    fn rise(&mut self, from: u8, mut hash: Hash, mut made: impl FnMut(Made)) {
        let mut count = self.frontier.size() >> (8 * u32::from(from));
        for (level, hashes) in (0..=MAX_LEVEL).zip(&mut self.levels).skip(usize::from(from)) {
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

    /// The root of a perfect subtree, where the hashes at the right edge give
    /// it.
    pub(crate) fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let hashes = self.levels.get(usize::try_from(level / 8).ok()?)?;
        let size = self.frontier.size() >> (level / 8 * 8);
        let first = size - size % TILE_WIDTH;
        let width = 1_usize << (level % 8);
        let from = (index << (level % 8)).checked_sub(first)?;
        let from = usize::try_from(from).ok()?;
        tile_root(hashes.get(from..from.checked_add(width)?)?)
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
