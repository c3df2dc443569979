//! Which patterns can begin with which two bytes.

use regex_automata::nfa::thompson::NFA;

use super::{
    start_of,
    threads::{Threads, Work},
    viability::{Side, Viability},
};

/// Lists of patterns by the byte before, the first and the second; of bytes, their
/// classes, which patterns do not tell apart within.
#[derive(Debug)]
pub(super) struct Beginnings {
    classes: Box<[u16; 256]>,
    count: usize,
    /// By whether a word character stands before, first and second: where the
    /// list ends in `patterns`; the end of input is the last of the seconds.
    ends: Vec<u32>,
    patterns: Vec<u32>,
    /// By pattern, the bytes that it can begin with.
    firsts: Vec<[u64; 4]>,
}

impl Beginnings {
    /// One step of each pattern's threads for each first byte, at compile time.
    pub(super) fn new(nfa: &NFA, viability: &Viability) -> Beginnings {
        let mut work = Work::new(nfa.states().len());
        let mut classes = Box::new([0u16; 256]);
        let byte_classes = nfa.byte_classes();
        for (byte, class) in (0..=u8::MAX).zip(classes.iter_mut()) {
            *class = u16::from(byte_classes.get(byte));
        }
        let representatives: Vec<u8> =
            byte_classes.representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let count = classes.iter().copied().max().map_or(0, usize::from).saturating_add(1);
        let mut beginnings = Beginnings {
            classes,
            count,
            ends: Vec::new(),
            patterns: Vec::new(),
            firsts: Vec::new(),
        };
        let seconds = count.saturating_add(1);
        let mut lists: Vec<Vec<u32>> =
            vec![Vec::new(); count.saturating_mul(seconds).saturating_mul(2)];
        let kinds = Side::ALL.map(|side| (side, side.bytes()));
        for pattern in (0u32..).take(nfa.pattern_len()) {
            let Some(start) = start_of(nfa, pattern) else { continue };
            let mut firsts = [0u64; 4];
            // What stands before is mostly the same to what comes after.
            let mut known: Vec<(u8, Threads, [u64; 4])> = Vec::new();
            for behind in [None, Some(b'\n'), Some(b'-'), Some(b'a')] {
                let within = behind.is_some_and(is_word);
                let begun = Threads::new(vec![start], behind);
                let mut can = [0u64; 4];
                begun.nexts(nfa, viability, &mut work, |start, end, after| {
                    add(&mut can, range(start, end), &kinds, after);
                });
                for &one in representatives.iter().filter(|one| has(&can, **one)) {
                    let mut threads = begun.clone();
                    if !threads.step(nfa, viability, &mut work, one, |_| {}) {
                        continue;
                    }
                    let first = beginnings.class(one);
                    let same =
                        known.iter().find(|(byte, same, _)| *byte == one && *same == threads);
                    let next = if let Some((_, _, next)) = same {
                        *next
                    } else {
                        let mut next = [0u64; 4];
                        threads.nexts(nfa, viability, &mut work, |start, end, after| {
                            add(&mut next, range(start, end), &kinds, after);
                        });
                        known.push((one, threads, next));
                        next
                    };
                    let second = representatives.iter().filter(|two| has(&next, **two));
                    let second = second.map(|two| beginnings.class(*two));
                    // Without a second byte it is not known what follows.
                    for second in second.chain([count]) {
                        let list = beginnings.place(within, first, second);
                        if let Some(list) = lists.get_mut(list)
                            && list.last() != Some(&pattern)
                        {
                            list.push(pattern);
                        }
                    }
                    for byte in (0..=u8::MAX).filter(|byte| beginnings.class(*byte) == first) {
                        set(&mut firsts, byte);
                    }
                }
            }
            beginnings.firsts.push(firsts);
        }
        for list in lists {
            beginnings.patterns.extend(list);
            beginnings.ends.push(u32::try_from(beginnings.patterns.len()).unwrap_or(u32::MAX));
        }
        beginnings
    }

    pub(super) fn class(&self, byte: u8) -> usize {
        self.classes.get(usize::from(byte)).copied().map_or(0, usize::from)
    }

    fn place(&self, within: bool, first: usize, second: usize) -> usize {
        let row = first.saturating_add(if within { self.count } else { 0 });
        row.saturating_mul(self.count.saturating_add(1)).saturating_add(second)
    }

    /// The patterns that can begin with these bytes.
    #[inline]
    pub(super) fn of(&self, behind: Option<u8>, first: u8, second: Option<u8>) -> &[u32] {
        let second = second.map_or(self.count, |second| self.class(second));
        let place = self.place(behind.is_some_and(is_word), self.class(first), second);
        let at = |place: usize| {
            self.ends.get(place).and_then(|end| usize::try_from(*end).ok()).unwrap_or(0)
        };
        let start = place.checked_sub(1).map_or(0, at);
        self.patterns.get(start..at(place)).unwrap_or_default()
    }

    /// Whether a pattern can begin with this byte, whatever stands before it.
    #[inline]
    pub(super) fn begins(&self, pattern: u32, byte: u8) -> bool {
        let place = usize::try_from(pattern).unwrap_or(usize::MAX);
        self.firsts.get(place).is_some_and(|firsts| has(firsts, byte))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |len: usize, bytes: usize| len.saturating_mul(bytes);
        of(self.ends.len().saturating_add(self.patterns.len()), 4)
            .saturating_add(of(self.firsts.len(), 32))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn has(set: &[u64; 4], byte: u8) -> bool {
    set.get(usize::from(byte >> 6)).is_some_and(|word| (word >> (byte & 63)) & 1 == 1)
}

fn set(set: &mut [u64; 4], byte: u8) {
    if let Some(word) = set.get_mut(usize::from(byte >> 6)) {
        *word |= 1 << (byte & 63);
    }
}

/// Adds those bytes of a range that are of this kind.
fn add(set: &mut [u64; 4], range: [u64; 4], kinds: &[(Side, [u64; 4])], after: Side) {
    let kind = kinds.iter().find(|(side, _)| *side == after).map_or([0; 4], |(_, bytes)| *bytes);
    for ((have, bytes), kind) in set.iter_mut().zip(range).zip(kind) {
        *have |= bytes & kind;
    }
}

/// The set of the bytes from `start` to `end`.
fn range(start: u8, end: u8) -> [u64; 4] {
    let mut set = [0u64; 4];
    for (word, base) in set.iter_mut().zip([0u32, 64, 128, 192]) {
        let from = u32::from(start).max(base);
        let to = u32::from(end).min(base.saturating_add(63));
        if from <= to {
            let count = to.saturating_sub(from).saturating_add(1);
            *word = (u64::MAX >> 64u32.saturating_sub(count)) << from.saturating_sub(base);
        }
    }
    set
}
