//! Terms as a tree of letters, in flat arrays.
//!
//! Nodes are numbered breadth first, so the children of a node are neighbours
//! and sorted: a node costs twelve bytes, and nothing is hashed on the way
//! down. Building sorts the terms once and then reads each letter once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    ops::Range,
};

use super::term::Term;
use crate::limits;

/// Whose term it is: the place of its list among the lexicon's lists, and
/// whether it is looked for in decoded text too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) list: u32,
    pub(crate) decode: bool,
}

/// A place in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    node: u32,
    /// White space in a row that stands for the one space that led here.
    spaces: u8,
}

/// The tree.
pub(super) struct Trie {
    /// The letter that leads to each node; the root has none.
    letters: Vec<char>,
    /// The children of node `n` are `first[n]..first[n + 1]`.
    first: Vec<u32>,
    /// Whose terms end at each node: one more than a place in `owners`, 0 for
    /// nobody's; `DECODED_BELOW` where a term that looks into decoded text
    /// ends further down.
    ends: Vec<u32>,
    owners: Vec<Box<[Owner]>>,
    /// The nodes that two letters lead to.
    pairs: HashMap<(char, char), u32, Mix>,
    /// Bits of those pairs: passes over almost every start of ordinary text
    /// without touching the map.
    filter: Vec<u64>,
    filter_shift: u32,
    /// Letters that are a term by themselves.
    alone: HashSet<char, Mix>,
    /// The ASCII characters, in either case, that a term begins with.
    ascii: [bool; 128],
}

impl Trie {
    /// Builds the tree of terms with their owners.
    ///
    /// # Errors
    /// Where the tree has more nodes than its limit.
    pub(super) fn new(mut terms: Vec<(&Term, Owner)>) -> Result<Trie, TooLarge> {
        terms.sort_unstable();
        terms.dedup();
        let mut owners = Owners::default();
        let mut keys: Vec<(&str, u32)> = Vec::new();
        for same in terms.chunk_by(|a, b| a.0 == b.0) {
            if let Some((term, _)) = same.first() {
                keys.push((term.as_str(), owners.number(same.iter().map(|(_, owner)| *owner))));
            }
        }
        let mut trie = Trie {
            letters: vec!['\0'],
            first: Vec::new(),
            ends: Vec::new(),
            owners: owners.sets,
            pairs: HashMap::default(),
            filter: Vec::new(),
            filter_shift: 0,
            alone: HashSet::default(),
            ascii: [false; 128],
        };
        trie.grow(&keys)?;
        trie.mark_decoded();
        trie.index();
        Ok(trie)
    }

    /// Makes the nodes, breadth first: each stands for a range of the sorted
    /// terms and the bytes that they share.
    fn grow(&mut self, keys: &[(&str, u32)]) -> Result<(), TooLarge> {
        let mut nodes: Vec<(Range<usize>, usize)> = vec![(0..keys.len(), 0)];
        let mut node = 0usize;
        while let Some((range, shared)) = nodes.get(node).cloned() {
            node = node.saturating_add(1);
            self.first.push(u32::try_from(nodes.len()).map_err(|_| TooLarge)?);
            let mut rest = keys.get(range.clone()).unwrap_or_default();
            let mut from = range.start;
            let mut end = 0;
            if let Some(((term, owner), longer)) = rest.split_first()
                && term.len() == shared
            {
                (end, rest, from) = (owner.saturating_add(1), longer, from.saturating_add(1));
            }
            self.ends.push(end);
            let next = |term: &str| term.get(shared..).and_then(|rest| rest.chars().next());
            while let Some(letter) = rest.first().and_then(|(term, _)| next(term)) {
                let count = rest.partition_point(|(term, _)| next(term) == Some(letter));
                self.letters.push(letter);
                let to = from.saturating_add(count);
                nodes.push((from..to, shared.saturating_add(letter.len_utf8())));
                (from, rest) = (to, rest.get(count..).unwrap_or_default());
            }
            if nodes.len() > limits::LEXICON_NODES {
                return Err(TooLarge);
            }
        }
        self.first.push(u32::try_from(nodes.len()).map_err(|_| TooLarge)?);
        Ok(())
    }

    /// Children have greater numbers than their parents: backwards, each is
    /// known before its parent asks.
    fn mark_decoded(&mut self) {
        for node in (0..self.ends.len()).rev() {
            let below = self.children(node).any(|child| {
                let end = self.ends.get(child).copied().unwrap_or(0);
                end & DECODED_BELOW != 0 || self.owned(end).iter().any(|owner| owner.decode)
            });
            if let (true, Some(end)) = (below, self.ends.get_mut(node)) {
                *end |= DECODED_BELOW;
            }
        }
    }

    /// Fills what is asked at each start of a text.
    fn index(&mut self) {
        let mut pairs = Vec::new();
        for node in self.children(0) {
            let Some(&one) = self.letters.get(node) else { continue };
            for case in [one.to_ascii_lowercase(), one.to_ascii_uppercase()] {
                let flag =
                    usize::try_from(u32::from(case)).ok().and_then(|at| self.ascii.get_mut(at));
                if let Some(flag) = flag {
                    *flag = true;
                }
            }
            if self.ends.get(node).is_some_and(|end| end & !DECODED_BELOW != 0) {
                self.alone.insert(one);
            }
            pairs.extend(self.children(node).filter_map(|child| {
                Some(((one, *self.letters.get(child)?), u32::try_from(child).ok()?))
            }));
        }
        let bits = pairs.len().saturating_mul(FILTER_BITS_PER_PAIR).clamp(64, FILTER_BITS_MAX);
        let bits = bits.next_power_of_two();
        self.filter = vec![0; bits / 64];
        self.filter_shift = 64u32.saturating_sub(bits.trailing_zeros());
        for ((one, two), _) in &pairs {
            let (word, bit) = self.bit(*one, *two);
            if let Some(word) = self.filter.get_mut(word) {
                *word |= bit;
            }
        }
        self.pairs = pairs.into_iter().collect();
    }

    #[inline]
    fn bit(&self, one: char, two: char) -> (usize, u64) {
        let hash = mix(u64::from(u32::from(one)) << 21 | u64::from(u32::from(two)));
        let place = hash >> self.filter_shift;
        (usize::try_from(place >> 6).unwrap_or(usize::MAX), 1 << (place & 63))
    }

    fn children(&self, node: usize) -> Range<usize> {
        let at = |node: usize| {
            self.first.get(node).and_then(|first| usize::try_from(*first).ok()).unwrap_or(0)
        };
        at(node)..at(node.saturating_add(1))
    }

    fn owned(&self, end: u32) -> &[Owner] {
        let place = (end & !DECODED_BELOW).checked_sub(1).and_then(|at| usize::try_from(at).ok());
        place.and_then(|place| self.owners.get(place)).map_or(&[], |owners| owners)
    }

    /// Whether a term may begin with this ASCII character.
    #[inline]
    pub(super) fn begins(&self, byte: u8) -> bool {
        self.ascii.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// Whether a term may begin with these letters, or is the first alone.
    #[inline]
    pub(super) fn may_begin(&self, one: char, two: char) -> bool {
        let (word, bit) = self.bit(one, two);
        self.filter.get(word).is_some_and(|word| word & bit != 0)
            || (!self.alone.is_empty() && self.alone.contains(&one))
    }

    /// Where two letters lead, unless the first is a term by itself, which has
    /// to be met on the way.
    #[inline]
    pub(super) fn jump(&self, one: char, two: char) -> Jump {
        if !self.alone.is_empty() && self.alone.contains(&one) {
            return Jump::Walk;
        }
        match self.pairs.get(&(one, two)) {
            Some(node) => Jump::To(At { node: *node, spaces: u8::from(two == ' ') }),
            None => Jump::Nowhere,
        }
    }

    pub(super) fn root(&self) -> At {
        At { node: 0, spaces: 0 }
    }

    /// One letter on. A space of a term stands for up to `SPACES` in a row.
    #[inline]
    pub(super) fn step(&self, at: At, letter: char) -> Option<At> {
        if letter == ' ' && at.spaces > 0 {
            let spaces = at.spaces.saturating_add(1);
            return (spaces <= SPACES).then_some(At { spaces, ..at });
        }
        let range = self.children(usize::try_from(at.node).ok()?);
        let letters = self.letters.get(range.clone())?;
        let place = if letters.len() <= FEW {
            letters.iter().position(|one| *one == letter)?
        } else {
            letters.binary_search(&letter).ok()?
        };
        let node = u32::try_from(range.start.saturating_add(place)).ok()?;
        Some(At { node, spaces: u8::from(letter == ' ') })
    }

    /// Whose terms end here, of those that look at such text.
    #[inline]
    pub(super) fn ends(&self, at: At, decoded: bool) -> impl Iterator<Item = u32> {
        let end = usize::try_from(at.node).ok().and_then(|node| self.ends.get(node));
        let owned = self.owned(end.copied().unwrap_or(0)).iter();
        owned.filter(move |owner| owner.decode || !decoded).map(|owner| owner.list)
    }

    /// Whether a term that looks at such text ends further down.
    pub(super) fn goes_on(&self, at: At, decoded: bool) -> bool {
        let Ok(node) = usize::try_from(at.node) else { return false };
        if decoded {
            return self.ends.get(node).is_some_and(|end| end & DECODED_BELOW != 0);
        }
        !self.children(node).is_empty()
    }

    /// Whether the letter that led here belongs to an ASCII word.
    #[inline]
    pub(super) fn is_word(&self, at: At) -> bool {
        let letter = usize::try_from(at.node).ok().and_then(|node| self.letters.get(node));
        letter.is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_')
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |len: usize, bytes: usize| len.saturating_mul(bytes);
        [
            of(self.letters.capacity(), 4),
            of(self.first.capacity(), 4),
            of(self.ends.capacity(), 4),
            of(self.filter.capacity(), 8),
            of(self.pairs.capacity(), 13),
            of(self.alone.capacity(), 5),
            self.owners.iter().fold(0, |sum, set| sum.saturating_add(of(set.len(), 8))),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

impl std::fmt::Debug for Trie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trie").field("nodes", &self.ends.len()).finish_non_exhaustive()
    }
}

/// What two letters say of a walk.
pub(super) enum Jump {
    To(At),
    Nowhere,
    /// The walk begins at the root.
    Walk,
}

/// The terms make a larger tree than one may be.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// Sets of owners, each once.
#[derive(Default)]
struct Owners {
    numbers: BTreeMap<Vec<Owner>, u32>,
    sets: Vec<Box<[Owner]>>,
}

impl Owners {
    fn number(&mut self, owners: impl Iterator<Item = Owner>) -> u32 {
        let owners: Vec<Owner> = owners.collect();
        if let Some(known) = self.numbers.get(&owners) {
            return *known;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(owners.clone().into());
        self.numbers.insert(owners, number);
        number
    }
}

/// Two letters are 42 bits, and one multiplication spreads them well enough:
/// the operator wrote the terms, so nobody crafts collisions.
type Mix = BuildHasherDefault<Mixer>;

#[derive(Clone, Copy, Debug, Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = mix(self.0 << 21 ^ u64::from(number));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[inline]
fn mix(number: u64) -> u64 {
    let high = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    high ^ (high >> 32)
}

const DECODED_BELOW: u32 = 1 << 31;
/// White space in a row that one space of a term stands for: a line's end and
/// the next line's indentation, or the gap after a full stop.
pub(super) const SPACES: u8 = 4;
/// So many children are looked through rather than searched.
const FEW: usize = 8;
const FILTER_BITS_PER_PAIR: usize = 16;
const FILTER_BITS_MAX: usize = 1 << 22;
