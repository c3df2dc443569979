//! All patterns that look at one view of one surface, as one automaton.
//!
//! Matching is by *starts*: from each position in order, an anchored scan with
//! the byte before it as look-behind says which patterns match there and how
//! far. That is what a stream's hold-back needs, and whole texts use the same
//! code, so the two cannot disagree. Almost every scan dies on its first bytes
//! or is skipped by a table of possible first two bytes.
//!
//! The scan runs on `regex-automata`'s lazy DFA, whose states live in a cache
//! that belongs to one call. What must survive a call (the one start that is
//! still undecided) is kept as a set of NFA states (`threads`), which mean the
//! same in every cache. The same set says exactly whether a start can still
//! become a match (`viability`): the lazy DFA being "not dead" does not, since
//! it also stands for a match that is complete but not yet reported, and for a
//! look-around that can no longer hold.

mod threads;
mod viability;

use std::panic::{RefUnwindSafe, UnwindSafe};

use regex_automata::{
    Anchored, MatchKind,
    hybrid::dfa::{Cache, DFA},
    nfa::thompson::{self, NFA, WhichCaptures},
    util::{
        pool::{Pool, PoolGuard},
        primitives::StateID,
        start,
    },
};
use regex_syntax::hir::Hir;

pub(crate) use self::threads::Threads;
use self::viability::{Side, Viability};
use crate::limits;

/// Patterns compiled together; a pattern's number is its place in the list.
pub(crate) struct Automaton {
    dfa: DFA,
    viability: Viability,
    /// Whether a match can begin with this byte.
    first: Box<[bool; 256]>,
    /// By whether a word character stands before: bit `b1` of row `b0` says
    /// whether a match can begin with these two bytes (or be the first alone,
    /// before the second).
    pair: Box<[Rows; 2]>,
    scratch: Pool<Scratch, Create>,
}

type Create = Box<dyn Fn() -> Scratch + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// Scratch memory on loan from an automaton.
pub(crate) type ScratchGuard<'a> = PoolGuard<'a, Scratch, Create>;

impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Automaton")
            .field("patterns", &self.dfa.pattern_len())
            .finish_non_exhaustive()
    }
}

/// What one call works with; nothing in it means anything to the next one.
#[derive(Debug)]
pub(crate) struct Scratch {
    cache: Cache,
    pub(crate) work: threads::Work,
}

/// How an anchored scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// No continuation changes what this start matches.
    Dead,
    /// The text ended first.
    Open,
}

impl Automaton {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// Where they exceed the size limit.
    pub(crate) fn new(patterns: &[&Hir], limit: usize) -> Result<Automaton, TooLarge> {
        let config = thompson::Config::new()
            .utf8(true)
            .nfa_size_limit(Some(limit))
            .which_captures(WhichCaptures::None);
        let nfa = NFA::compiler()
            .configure(config)
            .build_many_from_hir(patterns)
            .map_err(|_| TooLarge)?;
        let dfa = DFA::builder()
            .configure(
                DFA::config()
                    .match_kind(MatchKind::All)
                    .cache_capacity(limits::CACHE_BYTES)
                    .skip_cache_capacity_check(true)
                    .minimum_cache_clear_count(None),
            )
            .build_from_nfa(nfa)
            .map_err(|_| TooLarge)?;
        let viability = Viability::new(dfa.get_nfa());
        let (first, pair) = beginnings(dfa.get_nfa(), &viability);
        let (cached, states) = (dfa.clone(), dfa.get_nfa().states().len());
        let create =
            move || Scratch { cache: cached.create_cache(), work: threads::Work::new(states) };
        Ok(Automaton { dfa, viability, first, pair, scratch: Pool::new(Box::new(create)) })
    }

    /// Memory to work with, for one call.
    pub(crate) fn scratch(&self) -> ScratchGuard<'_> {
        self.scratch.get()
    }

    /// Whether a match can begin with this byte.
    #[inline]
    pub(crate) fn begins(&self, byte: u8) -> bool {
        self.first.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// Whether a match can begin with these bytes.
    #[inline]
    pub(crate) fn begins_with(&self, behind: Option<u8>, first: u8, second: u8) -> bool {
        let [apart, within] = &*self.pair;
        let rows = if behind.is_some_and(is_word) { within } else { apart };
        rows.get(usize::from(first))
            .and_then(|row| row.get(usize::from(second >> 6)))
            .is_some_and(|word| (word >> (second & 63)) & 1 == 1)
    }

    /// Reports every match that begins at `at`, as pattern and end.
    ///
    /// A match is reported once the byte after it (or the end of input) is
    /// known, so that look-ahead is decided.
    pub(crate) fn scan(
        &self,
        scratch: &mut Scratch,
        text: &[u8],
        at: usize,
        ended: bool,
        mut report: impl FnMut(u32, usize),
    ) -> Scan {
        match self.scan_lazily(scratch, text, at, ended, &mut report) {
            Some(scan) => scan,
            // The lazy DFA gave up. It is configured never to, but were that
            // to change, the slow way must say the same.
            None => self.scan_slowly(scratch, text, at, ended, report),
        }
    }

    fn scan_lazily(
        &self,
        scratch: &mut Scratch,
        text: &[u8],
        at: usize,
        ended: bool,
        report: &mut impl FnMut(u32, usize),
    ) -> Option<Scan> {
        let (dfa, cache) = (&self.dfa, &mut scratch.cache);
        let behind = at.checked_sub(1).and_then(|before| text.get(before)).copied();
        let config = start::Config::new().look_behind(behind).anchored(Anchored::Yes);
        let mut state = dfa.start_state(cache, &config).ok()?;
        if state.is_dead() {
            return Some(Scan::Dead);
        }
        for (index, &byte) in text.iter().enumerate().skip(at) {
            steps::take();
            state = dfa.next_state(cache, state, byte).ok()?;
            if state.is_tagged() {
                if state.is_match() {
                    (0..dfa.match_len(cache, state)).for_each(|number| {
                        report(dfa.match_pattern(cache, state, number).as_u32(), index);
                    });
                } else if state.is_dead() {
                    return Some(Scan::Dead);
                } else if state.is_quit() {
                    return None;
                }
            }
        }
        if !ended {
            return Some(Scan::Open);
        }
        state = dfa.next_eoi_state(cache, state).ok()?;
        if state.is_match() {
            (0..dfa.match_len(cache, state)).for_each(|number| {
                report(dfa.match_pattern(cache, state, number).as_u32(), text.len());
            });
        }
        Some(Scan::Dead)
    }

    fn scan_slowly(
        &self,
        scratch: &mut Scratch,
        text: &[u8],
        at: usize,
        ended: bool,
        mut report: impl FnMut(u32, usize),
    ) -> Scan {
        let behind = at.checked_sub(1).and_then(|before| text.get(before)).copied();
        let mut threads = self.threads(behind);
        for (index, &byte) in text.iter().enumerate().skip(at) {
            if !self.step(scratch, &mut threads, byte, |pattern| report(pattern, index)) {
                return Scan::Dead;
            }
        }
        if !ended {
            return Scan::Open;
        }
        self.close(scratch, &threads, |pattern| report(pattern, text.len()));
        Scan::Dead
    }

    /// The threads of a match that has consumed nothing yet.
    pub(crate) fn threads(&self, behind: Option<u8>) -> Threads {
        Threads::new(self.dfa.get_nfa().start_anchored(), behind)
    }

    /// Consumes a byte; false when no thread is left. Reports the patterns
    /// that match what was consumed before it.
    pub(crate) fn step(
        &self,
        scratch: &mut Scratch,
        threads: &mut Threads,
        byte: u8,
        report: impl FnMut(u32),
    ) -> bool {
        steps::take();
        threads.step(self.dfa.get_nfa(), &self.viability, &mut scratch.work, byte, report)
    }

    /// Reports the patterns that match at the end of input.
    pub(crate) fn close(&self, scratch: &mut Scratch, threads: &Threads, report: impl FnMut(u32)) {
        threads.close(self.dfa.get_nfa(), &mut scratch.work, report);
    }

    /// Whether a continuation can still change what this start matches. Where
    /// none can, reports the patterns that match exactly what was consumed.
    pub(crate) fn undecided(
        &self,
        scratch: &mut Scratch,
        threads: &Threads,
        report: impl FnMut(u32),
    ) -> bool {
        threads.undecided(self.dfa.get_nfa(), &self.viability, &mut scratch.work, report)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.dfa.get_nfa().memory_usage().saturating_add(self.viability.memory_bytes())
    }
}

/// How much work this thread has done, for the tests that bound it: each byte
/// that an automaton sees and each character that a decoder takes is a step.
pub(crate) mod steps {
    #[cfg(test)]
    thread_local!(static TAKEN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });

    #[inline]
    pub(crate) fn take() {
        #[cfg(test)]
        TAKEN.with(|taken| taken.set(taken.get() + 1));
    }

    #[cfg(test)]
    pub(crate) fn taken() -> u64 {
        TAKEN.with(std::cell::Cell::get)
    }
}

/// The patterns are larger together than one automaton may be.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// For each first byte, the set of second ones.
type Rows = [[u64; 4]; 256];

type Beginnings = (Box<[bool; 256]>, Box<[Rows; 2]>);

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The bytes, and the pairs of bytes, that a match can begin with, whatever
/// stands before it. One step of the threads for each, at compile time.
fn beginnings(nfa: &NFA, viability: &Viability) -> Beginnings {
    let mut work = threads::Work::new(nfa.states().len());
    let mut first = Box::new([false; 256]);
    let mut pair = Box::new([[[0u64; 4]; 256]; 2]);
    let classes = nfa.byte_classes();
    let kinds = Side::ALL.map(|side| (side, side.bytes()));
    let behinds: [&[Option<u8>]; 2] = [&[None, Some(b'\n'), Some(b'-')], &[Some(b'a')]];
    for (rows, behinds) in pair.iter_mut().zip(behinds) {
        // Computed for one byte of each class, then spread over the class.
        let mut of_class: Vec<Option<[u64; 4]>> = vec![None; 256];
        for one in classes.representatives(..).filter_map(|unit| unit.as_u8()) {
            for &behind in behinds {
                let mut threads = Threads::new(nfa.start_anchored(), behind);
                if !threads.step(nfa, viability, &mut work, one, |_| {}) {
                    continue;
                }
                let class = usize::from(classes.get(one));
                let Some(slot) = of_class.get_mut(class) else { continue };
                let row = slot.get_or_insert([0; 4]);
                threads.nexts(nfa, viability, &mut work, |start, end, after| {
                    let kind = kinds.iter().find(|(side, _)| *side == after);
                    let kind = kind.map_or([0; 4], |(_, bytes)| *bytes);
                    for ((have, bytes), kind) in row.iter_mut().zip(range(start, end)).zip(kind) {
                        *have |= bytes & kind;
                    }
                });
            }
        }
        for ((byte, flag), row) in (0..=u8::MAX).zip(first.iter_mut()).zip(rows.iter_mut()) {
            if let Some(Some(found)) = of_class.get(usize::from(classes.get(byte))) {
                *flag = true;
                *row = *found;
            }
        }
    }
    (first, pair)
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

/// NFA states as the rest of this module counts them.
fn index(id: StateID) -> usize {
    id.as_usize()
}

#[cfg(test)]
mod tests;
