//! All patterns that look at one view of one surface, as one automaton.
//!
//! Matching is by *starts*: from each position in order, an anchored scan with
//! the byte before it as look-behind says which patterns match there and how
//! far. That is what a stream's hold-back needs, and whole texts use the same
//! code, so the two cannot disagree. A table says which patterns can begin with
//! the first two bytes; in long texts, passes over them say it for all starts
//! at once (`passes`).
//!
//! Each pattern is scanned by itself: states of hundreds of patterns together
//! are a new one for almost every word of a text, and each costs what thousands
//! of steps do.
//!
//! The scan runs on `regex-automata`'s lazy DFA, whose states live in a cache
//! that belongs to one call. What must survive a call (the one start that is
//! still undecided) is kept as a set of NFA states (`threads`), which mean the
//! same in every cache. The same set says exactly whether a start can still
//! become a match (`viability`): the lazy DFA being "not dead" does not, since
//! it also stands for a match that is complete but not yet reported, and for a
//! look-around that can no longer hold.

mod beginnings;
mod parts;
mod passes;
mod threads;
mod viability;

use std::{
    collections::HashMap,
    ops::Range,
    panic::{RefUnwindSafe, UnwindSafe},
};

use regex_automata::{
    Anchored, MatchKind,
    hybrid::dfa::{Cache, DFA},
    nfa::thompson::{self, NFA, WhichCaptures},
    util::{
        pool::{Pool, PoolGuard},
        primitives::{PatternID, StateID},
        start,
    },
};
use regex_syntax::hir::Hir;

pub(crate) use self::threads::Threads;
use self::viability::{Side, Viability};
use self::{beginnings::Beginnings, passes::Passes};
use crate::limits;

/// Patterns compiled together; a pattern's number is its place in the list.
pub(crate) struct Automaton {
    dfa: DFA,
    passes: Passes,
    viability: Viability,
    beginnings: Beginnings,
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
    pub(crate) pass: passes::Pass,
    pub(crate) work: threads::Work,
    /// Lists to work with.
    pub(crate) patterns: Vec<u32>,
    pub(crate) changes: Vec<Range<usize>>,
    /// What two bytes come to, by what stands before them and their classes.
    begun: HashMap<(Side, usize, usize), Begun>,
}

/// What two bytes come to.
#[derive(Debug)]
struct Begun {
    /// Patterns that match before the first or the second of them.
    matched: Vec<(u32, usize)>,
    threads: Option<Threads>,
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
    /// Compiles the patterns, each with how many bytes before a match say something
    /// about it; `squeezes` where some are spelled or in leet.
    ///
    /// # Errors
    /// Where they exceed the size limit.
    pub(crate) fn new(
        patterns: &[(&Hir, usize)],
        squeezes: bool,
        limit: usize,
    ) -> Result<Automaton, TooLarge> {
        let dfa = lazy(&patterns.iter().map(|(hir, _)| *hir).collect::<Vec<_>>(), limit)?;
        let passes = Passes::new(patterns, squeezes, limit)?;
        let viability = Viability::new(dfa.get_nfa());
        let beginnings = Beginnings::new(dfa.get_nfa(), &viability);
        let (cached, passed) = (dfa.clone(), passes.clone());
        let states = dfa.get_nfa().states().len();
        let create = move || Scratch {
            cache: cached.create_cache(),
            pass: passed.pass(),
            work: threads::Work::new(states),
            patterns: Vec::new(),
            changes: Vec::new(),
            begun: HashMap::new(),
        };
        let scratch = Pool::new(Box::new(create) as Create);
        Ok(Automaton { dfa, passes, viability, beginnings, scratch })
    }

    /// What there is to find where matches begin in a long text.
    pub(crate) fn passes(&self) -> &Passes {
        &self.passes
    }

    /// Memory to work with, for one call.
    pub(crate) fn scratch(&self) -> ScratchGuard<'_> {
        self.scratch.get()
    }

    /// The patterns that can begin with these bytes; with the first of them, where
    /// the second is not known.
    #[inline]
    pub(crate) fn beginning_with(
        &self,
        behind: Option<u8>,
        first: u8,
        second: Option<u8>,
    ) -> &[u32] {
        self.beginnings.of(behind, first, second)
    }

    /// The threads of these patterns' matches after two bytes; none where no match
    /// goes on. Reports the patterns that match before that, and where.
    ///
    /// Patterns are those that can begin with the two bytes, so that what they come
    /// to is remembered by them.
    pub(crate) fn begun(
        &self,
        scratch: &mut Scratch,
        patterns: &[u32],
        behind: Option<u8>,
        bytes: [u8; 2],
        mut report: impl FnMut(u32, usize),
    ) -> Option<Threads> {
        let [first, second] = bytes.map(|byte| self.beginnings.class(byte));
        let key = (Side::of(behind), first, second);
        if !scratch.begun.contains_key(&key) {
            let (mut threads, mut matched) = (self.threads(patterns, behind), Vec::new());
            let goes_on = (0usize..).zip(bytes).all(|(at, byte)| {
                self.step(scratch, &mut threads, byte, |pattern| matched.push((pattern, at)))
            });
            if scratch.begun.len() >= limits::BEGUN {
                scratch.begun.clear();
            }
            let begun = Begun { matched, threads: goes_on.then_some(threads) };
            scratch.begun.insert(key, begun);
        }
        let begun = scratch.begun.get(&key)?;
        begun.matched.iter().for_each(|(pattern, at)| report(*pattern, *at));
        begun.threads.as_ref().map(|threads| threads.after(bytes[1]))
    }

    /// Whether a pattern can begin at a place of a text that has ended.
    #[inline]
    pub(crate) fn begins(&self, pattern: u32, text: &[u8], at: usize) -> bool {
        let Some(&first) = text.get(at) else { return false };
        self.beginnings.begins(pattern, first) && {
            let behind = at.checked_sub(1).and_then(|before| text.get(before)).copied();
            let second = text.get(at.saturating_add(1)).copied();
            self.beginnings.of(behind, first, second).binary_search(&pattern).is_ok()
        }
    }

    /// Reports the ends of a pattern's matches that begin at `at`.
    ///
    /// A match is reported once the byte after it (or the end of input) is
    /// known, so that look-ahead is decided.
    pub(crate) fn scan(
        &self,
        scratch: &mut Scratch,
        pattern: u32,
        text: &[u8],
        at: usize,
        ended: bool,
        mut report: impl FnMut(usize),
    ) -> Scan {
        match self.scan_lazily(scratch, pattern, text, at, ended, &mut report) {
            Some(scan) => scan,
            // The lazy DFA gave up. It is configured never to, but were that
            // to change, the slow way must say the same.
            None => self.scan_slowly(scratch, pattern, text, at, ended, report),
        }
    }

    fn scan_lazily(
        &self,
        scratch: &mut Scratch,
        pattern: u32,
        text: &[u8],
        at: usize,
        ended: bool,
        report: &mut impl FnMut(usize),
    ) -> Option<Scan> {
        let (dfa, cache) = (&self.dfa, &mut scratch.cache);
        let behind = at.checked_sub(1).and_then(|before| text.get(before)).copied();
        let pattern = PatternID::new(usize::try_from(pattern).ok()?).ok()?;
        let config = start::Config::new().look_behind(behind).anchored(Anchored::Pattern(pattern));
        let mut state = dfa.start_state(cache, &config).ok()?;
        if state.is_dead() {
            return Some(Scan::Dead);
        }
        for (index, &byte) in text.iter().enumerate().skip(at) {
            steps::take();
            state = dfa.next_state(cache, state, byte).ok()?;
            if state.is_tagged() {
                if state.is_match() {
                    report(index);
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
            report(text.len());
        }
        Some(Scan::Dead)
    }

    fn scan_slowly(
        &self,
        scratch: &mut Scratch,
        pattern: u32,
        text: &[u8],
        at: usize,
        ended: bool,
        mut report: impl FnMut(usize),
    ) -> Scan {
        let behind = at.checked_sub(1).and_then(|before| text.get(before)).copied();
        let mut threads = self.threads(&[pattern], behind);
        for (index, &byte) in text.iter().enumerate().skip(at) {
            if !self.step(scratch, &mut threads, byte, |_| report(index)) {
                return Scan::Dead;
            }
        }
        if !ended {
            return Scan::Open;
        }
        self.close(scratch, &threads, |_| report(text.len()));
        Scan::Dead
    }

    /// The threads of these patterns' matches that have consumed nothing yet.
    pub(crate) fn threads(&self, patterns: &[u32], behind: Option<u8>) -> Threads {
        let nfa = self.dfa.get_nfa();
        let starts = patterns.iter().filter_map(|pattern| start_of(nfa, *pattern));
        Threads::new(starts.collect(), behind)
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
        let own = self.dfa.get_nfa().memory_usage().saturating_add(self.viability.memory_bytes());
        own.saturating_add(self.passes.memory_bytes())
            .saturating_add(self.beginnings.memory_bytes())
    }
}

/// The patterns as one lazy automaton.
fn lazy(patterns: &[&Hir], limit: usize) -> Result<DFA, TooLarge> {
    let config = thompson::Config::new()
        .utf8(true)
        .nfa_size_limit(Some(limit))
        .which_captures(WhichCaptures::None);
    let nfa =
        NFA::compiler().configure(config).build_many_from_hir(patterns).map_err(|_| TooLarge)?;
    DFA::builder()
        .configure(
            DFA::config()
                .match_kind(MatchKind::All)
                .starts_for_each_pattern(true)
                .cache_capacity(limits::CACHE_BYTES)
                .skip_cache_capacity_check(true)
                .minimum_cache_clear_count(None),
        )
        .build_from_nfa(nfa)
        .map_err(|_| TooLarge)
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

    #[inline]
    pub(crate) fn take_many(steps: usize) {
        #[cfg(test)]
        TAKEN.with(|taken| taken.set(taken.get() + steps as u64));
        #[cfg(not(test))]
        let _ = steps;
    }

    #[cfg(test)]
    pub(crate) fn taken() -> u64 {
        TAKEN.with(std::cell::Cell::get)
    }
}

/// The patterns are larger together than one automaton may be.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// Where a pattern's matches begin.
fn start_of(nfa: &NFA, pattern: u32) -> Option<StateID> {
    nfa.start_pattern(PatternID::new(usize::try_from(pattern).ok()?).ok()?)
}

/// NFA states as the rest of this module counts them.
fn index(id: StateID) -> usize {
    id.as_usize()
}

#[cfg(test)]
mod tests;
