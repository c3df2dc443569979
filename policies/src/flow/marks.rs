//! Fingerprints by which a passage is known again.
//!
//! Winnowing (Schleimer, Wilkerson and Aiken, 2003): of every `WINDOW`
//! neighbouring hashes of `SHINGLE` letters the smallest is kept. Two texts
//! that share `SPAN` letters in a row share a kept hash, wherever the passage
//! stands in each, and about one hash is kept for five letters.

use std::collections::{BTreeSet, VecDeque};

/// Letters that one fingerprint covers.
pub(crate) const SHINGLE: usize = 16;
/// Neighbouring fingerprints of which one is kept.
const WINDOW: usize = 9;
/// A passage of so many letters and digits is always known again; a Chinese
/// character counts for two.
pub(crate) const SPAN: usize = SHINGLE + WINDOW - 1;

/// The fingerprints of letters. A text shorter than a passage has one.
pub(crate) fn marks(letters: &[u32]) -> BTreeSet<u64> {
    let mut kept = BTreeSet::new();
    let mut least: VecDeque<(u64, usize)> = VecDeque::with_capacity(WINDOW);
    let (mut hash, mut count) = (0u64, 0usize);
    for (at, letter) in letters.iter().enumerate() {
        hash = hash.wrapping_mul(BASE).wrapping_add(u64::from(*letter).wrapping_add(1));
        if let Some(gone) = at.checked_sub(SHINGLE).and_then(|gone| letters.get(gone)) {
            hash = hash.wrapping_sub(u64::from(*gone).wrapping_add(1).wrapping_mul(LEAVES));
        }
        if at.saturating_add(1) < SHINGLE {
            continue;
        }
        let mixed = mix(hash);
        while least.back().is_some_and(|(other, _)| *other >= mixed) {
            least.pop_back();
        }
        least.push_back((mixed, count));
        count = count.saturating_add(1);
        while least.front().is_some_and(|(_, place)| place.saturating_add(WINDOW) < count) {
            least.pop_front();
        }
        if count >= WINDOW
            && let Some((hash, _)) = least.front()
        {
            kept.insert(*hash);
        }
    }
    if count > 0
        && count < WINDOW
        && let Some((hash, _)) = least.front()
    {
        kept.insert(*hash);
    }
    kept
}

/// Spreads the bits, so that the smallest is any (the finaliser of SplitMix64).
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The multiplier of the rolling hash, an odd number with mixed bits.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
/// `BASE` to the power of `SHINGLE`: the weight of the letter that leaves.
const LEAVES: u64 = BASE.wrapping_pow(16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_do_not_depend_on_what_stands_before() {
        let text: Vec<u32> = (0..200u32).map(|n| n * 7 % 26 + 97).collect();
        let alone = marks(&text[100..100 + SPAN]);
        assert!(marks(&text).intersection(&alone).next().is_some());
        assert!(marks(&text[..SHINGLE - 1]).is_empty());
        assert_eq!(marks(&text[..SHINGLE]).len(), 1);
    }

    #[test]
    fn one_mark_for_about_five_letters() {
        let letters: Vec<u32> =
            (0..100_000u64).map(|n| u32::try_from(mix(n) % 26).unwrap() + 97).collect();
        let kept = marks(&letters).len();
        assert!((15_000..25_000).contains(&kept), "{kept}");
    }
}
