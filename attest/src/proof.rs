//! Proofs of inclusion and consistency: made by RFC 6962 2.1.1 and 2.1.2,
//! checked by the iterative algorithms of RFC 9162 2.1.3.2 and 2.1.4.2.

use thiserror::Error;

use crate::hash::Hash;

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The index lies outside the tree.
    #[error("index {index} is not in a tree of size {size}")]
    Index {
        /// The index that was asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("size {old} is larger than size {new}")]
    Sizes {
        /// The size that should be the smaller.
        old: u64,
        /// The size that should be the larger.
        new: u64,
    },
    /// Hashes are missing or left over.
    #[error("the proof has the wrong length")]
    Length,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    Root,
}

/// Checks that `leaf` is entry `index` of the tree of `size` entries under
/// `root` (RFC 9162 2.1.3.2).
///
/// # Errors
/// The index is outside the tree, hashes are missing or left over, or they
/// lead to another root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            hash = Hash::node(sibling, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::node(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `old` entries is a prefix of the one of `new`
/// entries (RFC 9162 2.1.4.2).
///
/// # Errors
/// The sizes run backwards, hashes are missing or left over, or they lead to
/// another pair of roots.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Sizes { old, new });
    }
    if old == new || old == 0 {
        if !proof.is_empty() {
            return Err(ProofError::Length);
        }
        let expected = if old == 0 { Hash::empty_root() } else { *new_root };
        return if *old_root == expected { Ok(()) } else { Err(ProofError::Root) };
    }
    // A power of two is itself a node of the new tree, so the proof leaves it out.
    let (seed, rest) = if old.is_power_of_two() {
        if proof.is_empty() {
            return Err(ProofError::Length);
        }
        (*old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::Length)?;
        (*first, rest)
    };
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (seed, seed);
    for hash in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            old_hash = Hash::node(hash, &old_hash);
            new_hash = Hash::node(hash, &new_hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = Hash::node(&new_hash, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

/// The inclusion proof of entry `index` in the tree of `size` entries
/// (RFC 6962 2.1.1). `node(level, i)` answers with the root of the perfect
/// subtree over entries `i << level` to `(i + 1) << level`; at most 64 * 64
/// calls are made, in practice about `log2(size)`.
///
/// # Errors
/// Whatever `node` fails with; `index >= size` gives an empty proof.
pub fn prove_inclusion<E>(
    index: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if index >= size {
        return Ok(path);
    }
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range_root(middle, high, node)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, node)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof between the trees of `old` and `new` entries
/// (RFC 6962 2.1.2). `node` is as in [`prove_inclusion`].
///
/// # Errors
/// Whatever `node` fails with; sizes that run backwards give an empty proof.
pub fn prove_consistency<E>(
    old: u64,
    new: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    let (mut low, mut high, mut whole) = (0, new, true);
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range_root(middle, high, node)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, node)?);
            low = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range_root(low, high, node)?);
    }
    path.reverse();
    Ok(path)
}

/// The root of the tree over the first `size` entries.
///
/// # Errors
/// Whatever `node` fails with.
pub fn root_at<E>(
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    if size == 0 { Ok(Hash::empty_root()) } else { range_root(0, size, node) }
}

/// The largest power of two below `n` (`n >= 2`).
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The hash over entries `low..high`, which is not empty and begins where a
/// perfect subtree of at least its size may begin.
fn range_root<E>(
    low: u64,
    high: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let mut parts = Vec::with_capacity(8);
    let mut at = low;
    while at < high {
        let level = 63 - (high - at).leading_zeros();
        parts.push(node(level, at >> level)?);
        at += 1 << level;
    }
    let mut hash = None;
    for part in parts.iter().rev() {
        hash = Some(match hash {
            None => *part,
            Some(right) => Hash::node(part, &right),
        });
    }
    Ok(hash.unwrap_or_else(Hash::empty_root))
}

#[cfg(test)]
mod tests;
