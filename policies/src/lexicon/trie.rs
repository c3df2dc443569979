//! Terms as a tree of letters, in one flat array.
//!
//! The children of a node are neighbours and sorted, and the children of the
//! first of them follow: a walk down the tail of a term goes forward through
//! memory. That is what costs here: a tree of 100,000 terms is larger than a
//! cache, and a node elsewhere is a hundred times a node nearby. Building sorts
//! the terms once and then reads each letter once.

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
    nodes: Vec<Node>,
    owners: Vec<Box<[Owner]>>,
    /// The nodes that two letters lead to.
    pairs: HashMap<(char, char), u32, Mix>,
    /// How terms begin, by the number of letters: passes over almost every start
    /// of ordinary text without touching the tree.
    beginnings: [Beginnings; LETTERS.len()],
    /// Letters that are a term by themselves.
    alone: HashSet<char, Mix>,
    /// The ASCII characters, in either case, that a term begins with.
    ascii: [bool; 128],
}

/// Sixteen bytes, so that a node is in one line of the cache.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The letter that leads here; the root has none.
    letter: char,
    /// The first child; the others follow it.
    first: u32,
    children: u32,
    /// Whose terms end here: one more than a place in `owners`, 0 for
    /// nobody's; `DECODED_BELOW` where a term that looks into decoded text
    /// ends further down.
    end: u32,
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
            nodes: vec![Node { letter: '\0', first: 0, children: 0, end: 0 }],
            owners: owners.sets,
            pairs: HashMap::default(),
            beginnings: LETTERS.map(|letters| Beginnings::new(letters, &keys)),
            alone: HashSet::default(),
            ascii: [false; 128],
        };
        trie.grow(&keys)?;
        trie.mark_decoded();
        trie.index();
        Ok(trie)
    }

    /// Makes the nodes, depth first: each stands for a range of the sorted
    /// terms and the bytes that they share.
    fn grow(&mut self, keys: &[(&str, u32)]) -> Result<(), TooLarge> {
        let mut open: Vec<(usize, Range<usize>, usize)> = vec![(0, 0..keys.len(), 0)];
        while let Some((node, range, shared)) = open.pop() {
            let mut rest = keys.get(range.clone()).unwrap_or_default();
            let (mut from, mut end) = (range.start, 0);
            if let Some(((term, owner), longer)) = rest.split_first()
                && term.len() == shared
            {
                (end, rest, from) = (owner.saturating_add(1), longer, from.saturating_add(1));
            }
            let next = |term: &str| term.get(shared..).and_then(|rest| rest.chars().next());
            let (first, below) = (self.nodes.len(), open.len());
            while let Some(letter) = rest.first().and_then(|(term, _)| next(term)) {
                let count = rest.partition_point(|(term, _)| next(term) == Some(letter));
                let to = from.saturating_add(count);
                open.push((self.nodes.len(), from..to, shared.saturating_add(letter.len_utf8())));
                self.nodes.push(Node { letter, first: 0, children: 0, end: 0 });
                (from, rest) = (to, rest.get(count..).unwrap_or_default());
            }
            if self.nodes.len() > limits::LEXICON_NODES {
                return Err(TooLarge);
            }
            // The first child is grown next, so that what is below it follows.
            if let Some(children) = open.get_mut(below..) {
                children.reverse();
            }
            let children = self.nodes.len().saturating_sub(first);
            if let Some(node) = self.nodes.get_mut(node) {
                node.first = u32::try_from(first).map_err(|_| TooLarge)?;
                node.children = u32::try_from(children).map_err(|_| TooLarge)?;
                node.end = end;
            }
        }
        self.nodes.shrink_to_fit();
        Ok(())
    }

    /// Children have greater numbers than their parents: backwards, each is
    /// known before its parent asks.
    fn mark_decoded(&mut self) {
        for number in (0..self.nodes.len()).rev() {
            let Some(node) = self.nodes.get(number) else { continue };
            let below = self.children(node).iter().any(|child| {
                child.end & DECODED_BELOW != 0
                    || self.owned(child.end).iter().any(|owner| owner.decode)
            });
            if let (true, Some(node)) = (below, self.nodes.get_mut(number)) {
                node.end |= DECODED_BELOW;
            }
        }
    }

    /// Fills what is asked at each start of a text.
    fn index(&mut self) {
        let Some(root) = self.nodes.first().copied() else { return };
        let mut pairs = Vec::new();
        for node in self.children(&root) {
            pairs.extend(
                self.children(node)
                    .iter()
                    .zip(node.first..)
                    .map(|(child, number)| ((node.letter, child.letter), number)),
            );
        }
        let firsts: Vec<char> = self.children(&root).iter().map(|node| node.letter).collect();
        for case in
            firsts.into_iter().flat_map(|one| [one.to_ascii_lowercase(), one.to_ascii_uppercase()])
        {
            let place = usize::try_from(u32::from(case)).ok();
            if let Some(flag) = place.and_then(|place| self.ascii.get_mut(place)) {
                *flag = true;
            }
        }
        self.pairs = pairs.into_iter().collect();
        let alone = self.children(&root).iter().filter(|node| node.end & !DECODED_BELOW != 0);
        self.alone = alone.map(|node| node.letter).collect();
    }

    fn node(&self, at: At) -> Option<&Node> {
        self.nodes.get(usize::try_from(at.node).ok()?)
    }

    #[inline]
    fn children(&self, node: &Node) -> &[Node] {
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let first = place(node.first);
        self.nodes.get(first..first.saturating_add(place(node.children))).unwrap_or_default()
    }

    #[inline]
    fn owned(&self, end: u32) -> &[Owner] {
        let place = (end & !DECODED_BELOW).checked_sub(1).and_then(|at| usize::try_from(at).ok());
        place.and_then(|place| self.owners.get(place)).map_or(&[], |owners| owners)
    }

    /// Whether a term may begin with this ASCII character.
    #[inline]
    pub(super) fn begins(&self, byte: u8) -> bool {
        self.ascii.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// Whether a term may begin as these letters do.
    #[inline]
    pub(super) fn may_begin(&self, first: char, rest: impl Iterator<Item = char>) -> bool {
        if !self.alone.is_empty() && self.alone.contains(&first) {
            return true;
        }
        let mut letters = std::iter::once(first).chain(rest);
        let (mut hash, mut count, mut spaces) = (0, 0, 0u8);
        for beginnings in &self.beginnings {
            while count < beginnings.letters {
                let Some(letter) = letters.next() else { return true };
                spaces = if letter == ' ' { spaces.saturating_add(1) } else { 0 };
                if spaces > SPACES {
                    return true;
                }
                // More of them stand for the one that was counted.
                if spaces <= 1 {
                    (hash, count) = (with(hash, letter), count.saturating_add(1));
                }
            }
            if !beginnings.longer.has(hash) {
                return beginnings.ends.has(hash);
            }
            if beginnings.ends.has(hash) {
                return true;
            }
        }
        true
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
        let node = self.node(at)?;
        let children = self.children(node);
        let place = if children.len() <= FEW {
            children.iter().position(|child| child.letter == letter)?
        } else {
            children.binary_search_by_key(&letter, |child| child.letter).ok()?
        };
        let number = node.first.saturating_add(u32::try_from(place).ok()?);
        Some(At { node: number, spaces: u8::from(letter == ' ') })
    }

    /// Whose terms end here, of those that look at such text.
    #[inline]
    pub(super) fn ends(&self, at: At, decoded: bool) -> impl Iterator<Item = u32> {
        let owned = self.owned(self.node(at).map_or(0, |node| node.end)).iter();
        owned.filter(move |owner| owner.decode || !decoded).map(|owner| owner.list)
    }

    /// Whether a term that looks at such text ends further down.
    pub(super) fn goes_on(&self, at: At, decoded: bool) -> bool {
        self.node(at).is_some_and(|node| match decoded {
            true => node.end & DECODED_BELOW != 0,
            false => node.children > 0,
        })
    }

    /// Whether the letter that led here belongs to an ASCII word.
    #[inline]
    pub(super) fn is_word(&self, at: At) -> bool {
        self.node(at).is_some_and(|node| node.letter.is_ascii_alphanumeric() || node.letter == '_')
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |len: usize, bytes: usize| len.saturating_mul(bytes);
        [
            of(self.nodes.capacity(), size_of::<Node>()),
            of(self.pairs.capacity(), 13),
            of(self.alone.capacity(), 5),
            self.owners.iter().fold(0, |sum, set| sum.saturating_add(of(set.len(), 8))),
            self.beginnings.iter().fold(0, |sum, one| {
                sum.saturating_add(of(one.longer.words.len(), 8))
                    .saturating_add(of(one.ends.words.len(), 8))
            }),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

impl std::fmt::Debug for Trie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trie").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// The first so many letters of terms.
#[derive(Debug)]
struct Beginnings {
    letters: usize,
    /// Of terms that have as many letters as the next step asks for, or more.
    longer: Filter,
    /// Of terms that end before the next step.
    ends: Filter,
}

impl Beginnings {
    fn new(letters: usize, keys: &[(&str, u32)]) -> Beginnings {
        let mut found = [HashSet::<u64, Mix>::default(), HashSet::default()];
        let next = LETTERS.into_iter().find(|more| *more > letters).unwrap_or(letters);
        for (term, _) in keys {
            let (mut hash, mut count) = (0, 0usize);
            for letter in term.chars().take(next) {
                if count < letters {
                    hash = with(hash, letter);
                }
                count = count.saturating_add(1);
            }
            let [longer, ends] = &mut found;
            if count >= next {
                longer.insert(hash);
            } else if count >= letters {
                ends.insert(hash);
            }
        }
        let [longer, ends] = found.map(|hashes| {
            let mut filter = Filter::new(hashes.len());
            hashes.into_iter().for_each(|hash| filter.add(hash));
            filter
        });
        Beginnings { letters, longer, ends }
    }
}

/// Letters, and one more.
#[inline]
fn with(letters: u64, letter: char) -> u64 {
    mix(letters.rotate_left(23) ^ u64::from(u32::from(letter)))
}

/// A set that may say yes to a few that are not in it: a bit for each, among
/// sixteen.
#[derive(Debug)]
struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Filter {
    fn new(members: usize) -> Filter {
        let bits = members.saturating_mul(FILTER_BITS).clamp(64, FILTER_BITS_MAX);
        let bits = bits.next_power_of_two();
        let shift = 64u32.saturating_sub(bits.trailing_zeros());
        Filter { words: vec![0; bits / 64], shift }
    }

    #[inline]
    fn place(&self, letters: u64) -> (usize, u64) {
        let place = letters >> self.shift;
        (usize::try_from(place >> 6).unwrap_or(usize::MAX), 1 << (place & 63))
    }

    fn add(&mut self, letters: u64) {
        let (word, bit) = self.place(letters);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    #[inline]
    fn has(&self, letters: u64) -> bool {
        let (word, bit) = self.place(letters);
        self.words.get(word).is_some_and(|word| word & bit != 0)
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

/// One multiplication spreads letters well enough: the operator wrote the terms,
/// so nobody crafts collisions.
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
/// The letters after which a beginning is looked up. The longer ones are for
/// languages with spaces: every second word begins some term, few twelve letters
/// do.
const LETTERS: [usize; 4] = [2, 3, 6, 12];
const FILTER_BITS: usize = 16;
const FILTER_BITS_MAX: usize = 1 << 22;
