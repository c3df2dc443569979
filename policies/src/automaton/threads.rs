//! One start that is not decided yet, as a set of NFA states.

use regex_automata::{
    nfa::thompson::{NFA, State},
    util::primitives::StateID,
};

use super::{
    index,
    viability::{Side, Viability, after_any, holds},
};

/// The NFA states that a match from one start has reached, before anything
/// that consumes nothing is followed (that needs the next byte). Every one of
/// them can still reach a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Threads {
    states: Vec<StateID>,
    behind: Option<u8>,
}

/// Marks and stacks for following states; contents mean nothing between calls.
#[derive(Debug)]
pub(crate) struct Work {
    /// The round in which each state was last seen.
    seen: Vec<u32>,
    round: u32,
    stack: Vec<StateID>,
    next: Vec<StateID>,
    matched: Vec<u32>,
}

impl Work {
    pub(crate) fn new(states: usize) -> Work {
        Work {
            seen: vec![0; states],
            round: 0,
            stack: Vec::new(),
            next: Vec::new(),
            matched: Vec::new(),
        }
    }

    fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.seen.fill(0);
            self.round = 1;
        }
    }

    /// True the first time in a round.
    fn visit(&mut self, id: StateID) -> bool {
        match self.seen.get_mut(index(id)) {
            Some(seen) if *seen != self.round => {
                *seen = self.round;
                true
            }
            _ => false,
        }
    }
}

impl Threads {
    pub(super) fn new(states: Vec<StateID>, behind: Option<u8>) -> Threads {
        Threads { states, behind }
    }

    /// The same, where the last byte was this one, of the same class.
    pub(super) fn after(&self, byte: u8) -> Threads {
        Threads { states: self.states.clone(), behind: Some(byte) }
    }

    pub(super) fn step(
        &mut self,
        nfa: &NFA,
        viability: &Viability,
        work: &mut Work,
        byte: u8,
        mut report: impl FnMut(u32),
    ) -> bool {
        let mut next = std::mem::take(&mut work.next);
        next.clear();
        let after = Side::of(Some(byte));
        self.follow(nfa, work, after, |state| match state {
            State::Match { pattern_id } => report(pattern_id.as_u32()),
            State::ByteRange { trans } if trans.matches_byte(byte) => next.push(trans.next),
            State::Sparse(sparse) => next.extend(sparse.matches_byte(byte)),
            State::Dense(dense) => next.extend(dense.matches_byte(byte)),
            _ => {}
        });
        next.retain(|id| viability.live(index(*id), after));
        next.sort_unstable();
        next.dedup();
        std::mem::swap(&mut self.states, &mut next);
        work.next = next;
        self.behind = Some(byte);
        !self.states.is_empty()
    }

    /// Reports the ranges of bytes that can come next: those that lead on, and
    /// all before which a match may end.
    pub(super) fn nexts(
        &self,
        nfa: &NFA,
        viability: &Viability,
        work: &mut Work,
        mut report: impl FnMut(u8, u8, Side),
    ) {
        for after in [Side::Word, Side::Newline, Side::Other] {
            let live = |id: StateID| viability.live(index(id), after);
            self.follow(nfa, work, after, |state| match state {
                State::Match { .. } => report(0, u8::MAX, after),
                State::ByteRange { trans } if live(trans.next) => {
                    report(trans.start, trans.end, after);
                }
                State::Sparse(sparse) => {
                    let live = sparse.transitions.iter().filter(|trans| live(trans.next));
                    live.for_each(|trans| report(trans.start, trans.end, after));
                }
                State::Dense(dense) => {
                    let live = (0..=u8::MAX).zip(dense.transitions.iter());
                    live.filter(|(_, next)| viability.live(index(**next), after))
                        .for_each(|(byte, _)| report(byte, byte, after));
                }
                _ => {}
            });
        }
    }

    pub(super) fn close(&self, nfa: &NFA, work: &mut Work, mut report: impl FnMut(u32)) {
        self.follow(nfa, work, Side::Edge, |state| {
            if let State::Match { pattern_id } = state {
                report(pattern_id.as_u32());
            }
        });
    }

    pub(super) fn undecided(
        &self,
        nfa: &NFA,
        viability: &Viability,
        work: &mut Work,
        mut report: impl FnMut(u32),
    ) -> bool {
        let row = after_any(Side::of(self.behind));
        let any = |contexts: &[u16]| {
            self.states.iter().any(|id| contexts.get(index(*id)).is_some_and(|c| c & row != 0))
        };
        if any(&viability.more) {
            return true;
        }
        if !any(&viability.now) {
            return false;
        }
        // Nothing can be added; does what matches now depend on what follows?
        let mut decided = std::mem::take(&mut work.matched);
        let mut same = true;
        for (number, after) in Side::ALL.into_iter().enumerate() {
            let mut matched: Vec<u32> = Vec::new();
            self.follow(nfa, work, after, |state| {
                if let State::Match { pattern_id } = state {
                    matched.push(pattern_id.as_u32());
                }
            });
            matched.sort_unstable();
            matched.dedup();
            if number == 0 {
                decided.clear();
                decided.append(&mut matched);
            } else {
                same &= decided == matched;
            }
        }
        if same {
            decided.iter().for_each(|pattern| report(*pattern));
        }
        work.matched = decided;
        !same
    }

    /// Follows everything that consumes nothing, given what comes next.
    fn follow<'n>(
        &self,
        nfa: &'n NFA,
        work: &mut Work,
        after: Side,
        mut each: impl FnMut(&'n State),
    ) {
        work.begin();
        let before = Side::of(self.behind);
        let mut stack = std::mem::take(&mut work.stack);
        stack.clear();
        stack.extend(self.states.iter().copied());
        while let Some(id) = stack.pop() {
            if !work.visit(id) {
                continue;
            }
            let Some(state) = nfa.states().get(index(id)) else { continue };
            match state {
                State::Look { look, next } if holds(*look, before, after) => stack.push(*next),
                State::Union { alternates } => stack.extend(alternates.iter().copied()),
                State::BinaryUnion { alt1, alt2 } => stack.extend([*alt1, *alt2]),
                State::Capture { next, .. } => stack.push(*next),
                State::Look { .. } | State::Fail => {}
                _ => each(state),
            }
        }
        work.stack = stack;
    }
}
