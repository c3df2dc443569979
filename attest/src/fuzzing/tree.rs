//! The tree's arithmetic: proofs, and the paths and bytes of tiles.

use std::convert::Infallible;
use std::sync::LazyLock;

use crate::checkpoint::MAX_SIZE;
use crate::hash::Hash;
use crate::proof::{
    prove_consistency, prove_inclusion, root_at, verify_consistency, verify_inclusion,
};
use crate::tile::{Entries, MAX_LEVEL, Tile, push_entry, split_hashes};

use super::{Choices, path, tree_hash};

/// Entries of the tree that proofs are tried against.
const ENTRIES: usize = 70;

/// Its leaves; entry i is `{"seq":i}`, as in the published vectors.
static LEAVES: LazyLock<Vec<Hash>> = LazyLock::new(|| {
    (0..ENTRIES).map(|i| Hash::leaf(format!("{{\"seq\":{i}}}").as_bytes())).collect()
});

/// The root at each size.
static ROOTS: LazyLock<Vec<Hash>> =
    LazyLock::new(|| (0..=ENTRIES).map(|size| tree_hash(&LEAVES[..size])).collect());

/// Every perfect subtree by level, for the algorithms under test.
static NODES: LazyLock<Vec<Vec<Hash>>> = LazyLock::new(|| {
    let level = |level: u32| LEAVES.chunks_exact(1 << level).map(tree_hash).collect();
    (0..7).map(level).collect()
});

fn node(level: u32, index: u64) -> Result<Hash, Infallible> {
    Ok(NODES[usize::try_from(level).unwrap()][usize::try_from(index).unwrap()])
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

/// Proofs of inclusion and consistency: of all proofs for an index and a size
/// one verifies, the one that RFC 6962 defines; and numbers of any size are
/// answered in time.
pub fn proof(bytes: &[u8]) -> bool {
    let mut choices = Choices(bytes);
    match choices.byte() % 3 {
        0 => inclusion(&mut choices),
        1 => consistency(&mut choices),
        _ => large_numbers(&mut choices),
    }
}

fn inclusion(choices: &mut Choices<'_>) -> bool {
    let (size, index) = (choices.below(ENTRIES + 1), choices.below(ENTRIES + 1));
    let turned = choices.byte();
    let expected = if index < size { path(index, &LEAVES[..size]) } else { Vec::new() };
    let made = prove_inclusion(wide(index), wide(size), &mut node);
    assert_eq!(made.as_ref(), Ok(&expected));
    assert_eq!(root_at(wide(size), &mut node), Ok(ROOTS[size]));
    // An odd choice asks for the leaf of another entry.
    let of = if turned & 1 == 1 { choices.below(ENTRIES) } else { index.min(ENTRIES - 1) };
    let given = hashes(choices, &expected);
    let verified =
        verify_inclusion(&LEAVES[of], wide(index), wide(size), &given, &ROOTS[size]).is_ok();
    assert_eq!(verified, index < size && of == index && given == expected);
    verified
}

fn consistency(choices: &mut Choices<'_>) -> bool {
    let (new, old) = (choices.below(ENTRIES + 1), choices.below(ENTRIES + 1));
    let turned = choices.byte();
    let expected = if old == 0 || old >= new { Vec::new() } else { extension(old, new) };
    let made = prove_consistency(wide(old), wide(new), &mut node);
    assert_eq!(made.as_ref(), Ok(&expected));
    let given = hashes(choices, &expected);
    let (mut old_root, mut new_root) = (ROOTS[old], ROOTS[new]);
    if turned & 1 == 1 {
        old_root.0[usize::from(turned >> 3)] ^= 1;
    }
    if turned & 2 == 2 {
        new_root.0[usize::from(turned >> 3)] ^= 1;
    }
    let roots_hold = match turned & 3 {
        0 => true,
        // Everything follows from nothing; at one size the roots need be equal.
        2 => old == 0,
        3 => old == new && old != 0,
        _ => false,
    };
    let verified = verify_consistency(wide(old), wide(new), &given, &old_root, &new_root).is_ok();
    assert_eq!(verified, old <= new && roots_hold && given == expected);
    verified
}

/// RFC 6962 2.1.2, `PROOF(m, D[n])`.
fn extension(old: usize, new: usize) -> Vec<Hash> {
    fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![tree_hash(leaves)] };
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut inner, outer) = if old <= left.len() {
            (subproof(old, left, whole), tree_hash(right))
        } else {
            (subproof(old - left.len(), right, false), tree_hash(left))
        };
        inner.push(outer);
        inner
    }
    subproof(old, &LEAVES[..new], true)
}

/// The hashes of a proof as the bytes choose them: the expected ones to begin
/// with, then edited.
fn hashes(choices: &mut Choices<'_>, expected: &[Hash]) -> Vec<Hash> {
    let mut given = expected.to_vec();
    while !choices.0.is_empty() && given.len() < 80 {
        let (edit, at) = (choices.byte(), usize::from(choices.byte()));
        let place = at % given.len().max(1);
        match edit % 7 {
            0 => given.push(LEAVES[at % ENTRIES]),
            1 => given.push(Hash(choices.take())),
            2 => given.insert(place, NODES[at % 7][0]),
            3 if !given.is_empty() => drop(given.remove(place)),
            4 if !given.is_empty() => given[place].0[at % 32] ^= choices.byte(),
            5 if !given.is_empty() => given.swap(0, place),
            _ if !given.is_empty() => given.truncate(at % (given.len() + 1)),
            _ => given.push(ROOTS[at % ENTRIES]),
        }
    }
    given
}

fn large_numbers(choices: &mut Choices<'_>) -> bool {
    let (first, second) = (choices.u64(), choices.u64());
    let leaf = Hash::leaf(b"of no tree");
    let mut proof = Vec::new();
    while !choices.0.is_empty() && proof.len() < 130 {
        proof.push(Hash([choices.byte(); 32]));
    }
    let (one, other) = (Hash([1; 32]), Hash([2; 32]));
    assert!(verify_inclusion(&leaf, first, second, &proof, &one).is_err());
    assert!(verify_consistency(first, second, &proof, &one, &other).is_err());
    false
}

/// Paths of tiles, each spelt in one way, and the bytes of bundles and tiles.
pub fn tile(bytes: &[u8]) -> bool {
    bundle(bytes);
    for width in [0, 1, bytes.len() / 32, bytes.len() / 32 + 1] {
        let Ok(width) = u16::try_from(width) else { continue };
        let split = split_hashes(bytes, width);
        assert_eq!(split.is_some(), bytes.len() == usize::from(width) * 32);
        let again: Vec<u8> = split.into_iter().flatten().flat_map(|hash| hash.0).collect();
        assert!(again.is_empty() || again == bytes);
    }
    // Any tile has a path, which leads back to it.
    let mut choices = Choices(bytes);
    let level = Some(choices.byte() % (MAX_LEVEL + 2)).filter(|level| *level <= MAX_LEVEL);
    let width = u16::from(choices.byte()) + 1;
    let index = choices.u64() >> (choices.byte() % 64);
    let made = Tile { level, index, width };
    let read = Tile::parse(&made.to_string());
    assert_eq!(read, Some(made).filter(|tile| tile.index < 1 << 54));
    let _ = made.needs_size();

    let parsed = std::str::from_utf8(bytes).ok().and_then(Tile::parse);
    let Some(tile) = parsed else { return false };
    assert_eq!(tile.to_string().as_bytes(), bytes);
    assert!((1..=256).contains(&tile.width) && tile.index < 1 << 54);
    let shift = 8 * u32::from(tile.level.unwrap_or(0));
    let hashes = u128::from(tile.index) * 256 + u128::from(tile.width);
    let needs = u128::from(tile.needs_size());
    assert_eq!(needs, (hashes << shift).min(u128::from(u64::MAX)));
    // A tree of that size has the tile, or a wider one; a smaller tree has not.
    if needs < u128::from(MAX_SIZE).min(1 << 18) {
        let has = |size: u128| {
            Tile::all(u64::try_from(size).unwrap()).any(|other| {
                (other.level, other.index) == (tile.level, tile.index) && other.width >= tile.width
            })
        };
        assert!(has(needs) && !has(needs - 1));
    }
    true
}

/// An entry bundle ends, and is made of what it was taken apart into.
fn bundle(bytes: &[u8]) {
    let mut again = Vec::new();
    let mut entries = Entries(bytes);
    while let Some(entry) = entries.next() {
        let Some(entry) = entry else {
            assert!(entries.next().is_none(), "a broken bundle ends where it breaks");
            return;
        };
        assert!(push_entry(&mut again, entry));
    }
    assert_eq!(again, bytes);
}
