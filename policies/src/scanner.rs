//! One automaton over one view of a text that arrives in pieces.

use std::{collections::VecDeque, ops::Range};

use crate::{
    automaton::{Automaton, Scan, Scratch, Threads},
    lexicon::{Cursor, Lexicon, Text},
    limits,
    viewbuf::{At, ViewBuf},
};

/// A match: the pattern's number and its place in the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) pattern: u32,
    pub(crate) span: Range<usize>,
}

/// Which matches count. Of the matches of one pattern at one start the longest
/// that is accepted is a hit.
pub(crate) trait Accept {
    /// Whether the pattern's matches are looked at before they count; only
    /// then are shorter ones kept.
    fn inspects(&self, pattern: u32) -> bool;
    /// Whether this text counts.
    fn accepts(&self, pattern: u32, text: &[u8]) -> bool;
}

/// How much is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// What can be decided: somebody waits for it.
    Now,
    /// What is cheap to decide: more of the text comes, and nobody waits.
    Later,
    /// All: the text has ended.
    Ended,
}

/// The scan of a view, from the first start that is not decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    view: ViewBuf,
    /// Every start before this one is decided.
    start: usize,
    /// Where `start` is undecided: its threads, having consumed all there is.
    open: Option<Threads>,
    /// How far the threads have consumed.
    seen: usize,
    /// What matched at `start` so far.
    found: Vec<(u32, usize)>,
    /// How far terms have been looked for.
    terms: Cursor,
    /// Where the view is the raw text, another scanner looks at it.
    compares: bool,
}

impl Scanner {
    /// A scanner that goes on from here over another view, which has been the
    /// same as this one so far. The undecided start is tried afresh.
    pub(crate) fn fork(&self) -> Scanner {
        Scanner {
            view: self.view.clone(),
            start: self.start,
            open: None,
            seen: self.start,
            found: Vec::new(),
            terms: self.terms.fork(),
            compares: self.compares,
        }
    }

    /// Says that another scanner looks at the same text as far as it is the raw
    /// one, so that only the matches that what differs has a part in are its own.
    pub(crate) fn compare(&mut self, compares: bool) {
        self.compares = compares;
    }

    /// As `fork`, but without the last characters, which are given back, and
    /// with the starts tried again that they may have decided.
    pub(crate) fn fork_before(&self, chars: usize) -> (Scanner, VecDeque<(char, At)>) {
        let mut fork = self.fork();
        let mut taken = VecDeque::new();
        while taken.len() < chars {
            let Some(last) = fork.view.pop() else { break };
            taken.push_front(last);
        }
        fork.start = fork.view.end().saturating_sub(limits::DELETED_BYTES).max(fork.view.base());
        fork.seen = fork.start;
        fork.terms = Cursor::from(fork.start);
        (fork, taken)
    }

    /// The view's bytes of a span.
    pub(crate) fn text(&self, span: &Range<usize>) -> &[u8] {
        self.view.slice(span.start, span.end)
    }

    /// At most so many bytes of the view before a position.
    pub(crate) fn behind(&self, position: usize, bytes: usize) -> &[u8] {
        self.view.slice(position.saturating_sub(bytes).max(self.view.base()), position)
    }

    /// Where the view ends, in raw bytes.
    pub(crate) fn raw_end(&self) -> usize {
        match self.view.end() {
            0 => 0,
            end => self.view.end_of(end.saturating_sub(1)),
        }
    }

    /// Appends to the view. Nothing is scanned before `advance`.
    pub(crate) fn push(&mut self, bytes: &[u8], at: At) {
        self.view.push(bytes, at);
    }

    /// Where the undecided text begins, in raw bytes; `None` when all is
    /// decided. The first `lead` bytes of a match are not held.
    pub(crate) fn hold(&self, lead: usize) -> Option<usize> {
        let (start, end) = (self.undecided(), self.view.end());
        if start >= end {
            return None;
        }
        if lead == 0 {
            return Some(self.view.start_of(start));
        }
        let led = start.saturating_add(lead);
        (led <= end).then(|| self.view.end_of(led.saturating_sub(1)))
    }

    /// The raw span of a match without its first `lead` bytes, and whether the
    /// view is the raw text there.
    pub(crate) fn place(&self, span: &Range<usize>, lead: usize) -> (Range<usize>, bool) {
        let end = self.view.end_of(span.end.saturating_sub(1));
        let start = if lead == 0 {
            self.view.start_of(span.start)
        } else {
            self.view.end_of(span.start.saturating_add(lead).saturating_sub(1)).min(end)
        };
        (start..end, self.view.same(span.start, span.end))
    }

    /// Forgets what nothing will ask for again. Before the first undecided
    /// start is kept what context words, deletions and look-behinds look at.
    pub(crate) fn forget(&mut self) {
        self.view.forget(self.undecided().saturating_sub(HISTORY_BYTES));
    }

    /// The first start that is not decided, for patterns and terms.
    fn undecided(&self) -> usize {
        self.start.min(self.terms.start())
    }

    /// Decides as many starts as can be decided for terms, and gives their
    /// matches: a list's number is added to `first`.
    pub(crate) fn advance_terms(
        &mut self,
        lexicon: Option<&Lexicon>,
        text: Text,
        first: u32,
        out: &mut Vec<Match>,
    ) {
        let Some(lexicon) = lexicon else {
            self.terms.pass(&self.view);
            return;
        };
        self.terms.advance(lexicon, &self.view, text, |list, span| {
            out.push(Match { pattern: first.saturating_add(list), span });
        });
    }

    /// Decides as many starts as can be decided, and gives their matches.
    pub(crate) fn advance(
        &mut self,
        automaton: &Automaton,
        accept: &impl Accept,
        scratch: &mut Scratch,
        pace: Pace,
        out: &mut Vec<Match>,
    ) {
        let ended = pace == Pace::Ended;
        if !self.resume(automaton, accept, scratch, ended, out) {
            return;
        }
        // What is left for later is looked at again then: no more than a match is long.
        let told = self.advance_marked(automaton, accept, scratch, ended, out);
        if told && pace == Pace::Later {
            return;
        }
        let mut patterns = std::mem::take(&mut scratch.patterns);
        while let Some(listed) = self.skip(automaton) {
            patterns.clear();
            self.found.clear();
            match self.glance(automaton, accept, scratch, listed, ended) {
                Glance::Open => break,
                Glance::Decided => {
                    self.conclude(accept, out);
                    continue;
                }
                Glance::Longer => self.found.clear(),
            }
            for &pattern in listed {
                if self.scan(automaton, accept, scratch, pattern, ended) == Scan::Open {
                    patterns.push(pattern);
                }
            }
            if !patterns.is_empty() && self.opens(automaton, accept, scratch, &patterns) {
                break;
            }
            self.conclude(accept, out);
        }
        scratch.patterns = patterns;
    }

    /// Looks at a few bytes from `start` on for all of these patterns at once:
    /// almost always none of them goes on for longer.
    fn glance(
        &mut self,
        automaton: &Automaton,
        accept: &impl Accept,
        scratch: &mut Scratch,
        patterns: &[u32],
        ended: bool,
    ) -> Glance {
        let behind = self.behind_start();
        let (start, found) = (self.start, &mut self.found);
        let end = self.view.end().min(start.saturating_add(GLANCE_BYTES));
        let mut at = start;
        let mut threads = match self.view.slice(start, end) {
            [first, second, ..] => {
                let begun =
                    automaton.begun(scratch, patterns, behind, [*first, *second], |one, after| {
                        note(accept, found, one, start.saturating_add(after));
                    });
                let Some(threads) = begun else { return Glance::Decided };
                at = at.saturating_add(2);
                threads
            }
            _ => automaton.threads(patterns, behind),
        };
        for &byte in self.view.slice(at, end) {
            if !automaton.step(scratch, &mut threads, byte, |one| note(accept, found, one, at)) {
                return Glance::Decided;
            }
            at = at.saturating_add(1);
        }
        if at < self.view.end() {
            return Glance::Longer;
        }
        if ended {
            automaton.close(scratch, &threads, |one| note(accept, found, one, at));
        } else if automaton.undecided(scratch, &threads, |one| note(accept, found, one, at)) {
            self.open = Some(threads);
            self.seen = at;
            return Glance::Open;
        }
        Glance::Decided
    }

    /// Decides the starts that passes over the text can tell apart; false where
    /// there was too much for them.
    fn advance_marked(
        &mut self,
        automaton: &Automaton,
        accept: &impl Accept,
        scratch: &mut Scratch,
        ended: bool,
        out: &mut Vec<Match>,
    ) -> bool {
        let base = self.view.base();
        let from = self.start.saturating_sub(base);
        let passes = automaton.passes();
        let mut changes = std::mem::take(&mut scratch.changes);
        let changed = self.compares.then(|| {
            self.view.changes(&mut changes);
            changes.as_slice()
        });
        let mut marks = passes.marks(&mut scratch.pass, self.view.bytes(), from, ended, changed);
        scratch.changes = changes;
        while let Some(at) = marks.next(self.start.saturating_sub(base)) {
            self.start = base.saturating_add(at);
            self.found.clear();
            for mark in marks.here() {
                if automaton.begins(mark.pattern, self.view.bytes(), at) {
                    self.scan(automaton, accept, scratch, mark.pattern, ended);
                }
            }
            self.conclude(accept, out);
        }
        self.start = self.start.max(base.saturating_add(marks.upto));
        let told = !marks.gave_up;
        marks.give_back(&mut scratch.pass);
        told
    }

    /// The byte before `start`, as far as it is kept.
    fn behind_start(&self) -> Option<u8> {
        let before = self.start.checked_sub(1).filter(|before| *before >= self.view.base())?;
        self.view.slice(before, self.start).first().copied()
    }

    /// Notes a pattern's matches at `start`.
    fn scan(
        &mut self,
        automaton: &Automaton,
        accept: &impl Accept,
        scratch: &mut Scratch,
        pattern: u32,
        ended: bool,
    ) -> Scan {
        let base = self.view.base();
        let at = self.start.saturating_sub(base);
        let found = &mut self.found;
        automaton.scan(scratch, pattern, self.view.bytes(), at, ended, |end| {
            note(accept, found, pattern, base.saturating_add(end));
        })
    }

    /// Goes on with the start that was undecided; false while it still is.
    fn resume(
        &mut self,
        automaton: &Automaton,
        accept: &impl Accept,
        scratch: &mut Scratch,
        ended: bool,
        out: &mut Vec<Match>,
    ) -> bool {
        let Some(mut threads) = self.open.take() else { return true };
        let mut alive = true;
        let found = &mut self.found;
        for &byte in self.view.slice(self.seen, self.view.end()) {
            let at = self.seen;
            alive = automaton.step(scratch, &mut threads, byte, |pattern| {
                note(accept, found, pattern, at);
            });
            self.seen = self.seen.saturating_add(1);
            if !alive {
                break;
            }
        }
        let at = self.seen;
        if alive && ended {
            automaton.close(scratch, &threads, |pattern| note(accept, found, pattern, at));
        } else if alive
            && automaton.undecided(scratch, &threads, |pattern| note(accept, found, pattern, at))
        {
            self.open = Some(threads);
            return false;
        }
        self.conclude(accept, out);
        true
    }

    /// The scans of these patterns from `start` reached the end of what there is:
    /// whether it is undecided. The threads are kept, so that it is not scanned
    /// again.
    fn opens(
        &mut self,
        automaton: &Automaton,
        accept: &impl Accept,
        scratch: &mut Scratch,
        patterns: &[u32],
    ) -> bool {
        let behind = self.behind_start();
        let mut threads = automaton.threads(patterns, behind);
        let end = self.view.end();
        for &byte in self.view.slice(self.start, end) {
            if !automaton.step(scratch, &mut threads, byte, |_| {}) {
                return false;
            }
        }
        let found = &mut self.found;
        if automaton.undecided(scratch, &threads, |pattern| note(accept, found, pattern, end)) {
            self.open = Some(threads);
            self.seen = end;
            return true;
        }
        false
    }

    /// The matches at `start` are known: gives the longest accepted of each
    /// pattern and goes to the next start.
    fn conclude(&mut self, accept: &impl Accept, out: &mut Vec<Match>) {
        if !self.found.is_empty() {
            self.found.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
            let mut done = None;
            for &(pattern, end) in &self.found {
                let counts = done != Some(pattern)
                    && (!accept.inspects(pattern)
                        || accept.accepts(pattern, self.view.slice(self.start, end)));
                if counts {
                    out.push(Match { pattern, span: self.start..end });
                    done = Some(pattern);
                }
            }
            self.found.clear();
        }
        self.start = self.start.saturating_add(1);
    }

    /// Goes to the next start that a match may begin with: of which patterns.
    fn skip<'a>(&mut self, automaton: &'a Automaton) -> Option<&'a [u32]> {
        let mut behind = self.behind_start();
        let mut rest = self.view.slice(self.start, self.view.end());
        while let Some((&first, after)) = rest.split_first() {
            // The last byte has no second: what it may begin is all that is known.
            let listed = automaton.beginning_with(behind, first, after.first().copied());
            if !listed.is_empty() {
                return Some(listed);
            }
            (behind, rest) = (Some(first), after);
            self.start = self.start.saturating_add(1);
        }
        None
    }
}

/// What a few bytes from a start on said.
enum Glance {
    /// What matches there is known.
    Decided,
    /// What matches there is not known before more of the text comes.
    Open,
    /// They were too few.
    Longer,
}

fn note(accept: &impl Accept, found: &mut Vec<(u32, usize)>, pattern: u32, end: usize) {
    if !accept.inspects(pattern)
        && let Some(known) = found.iter_mut().find(|known| known.0 == pattern)
    {
        known.1 = known.1.max(end);
        return;
    }
    found.push((pattern, end));
}

/// So many bytes are looked at from a start on for all patterns at once.
const GLANCE_BYTES: usize = 8;
/// Bytes kept before the first undecided start: what a deletion rewinds, the
/// characters that it can reach, and one to look behind.
const HISTORY_BYTES: usize = limits::DELETED_BYTES + 4 * limits::DELETED_CHARS + 1;
const _: () = assert!(HISTORY_BYTES > limits::CONTEXT_BYTES);
