//! The right edge of a tree: the roots of its perfect subtrees, from which the
//! next root follows in constant memory.

use crate::hash::Hash;

/// A tree that only grows and remembers at most 64 hashes.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the perfect subtrees, the largest (leftmost) first; as many as
    /// `size` has bits set.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries the tree holds.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of one entry.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Adds the root of a perfect subtree of `1 << level` entries. The size
    /// must be a multiple of that; anything else is ignored, and the root then
    /// matches nothing.
    pub fn push_subtree(&mut self, level: u32, root: Hash) {
        if self.size.trailing_zeros() < level && self.size != 0 {
            return;
        }
        let (mut hash, mut place) = (root, self.size >> level);
        while place & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = Hash::node(&left, &hash);
            }
            place >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1 << level;
    }

    /// The root over everything added so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Hash::empty_root() };
        peaks.fold(*last, |right, left| Hash::node(left, &right))
    }
}
