//! Which NFA states can still lead to a match.

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::look::Look;

use super::index;

/// What stands before a position, as far as look-arounds can tell; and, in the
/// same order, what stands after it (`Edge` being the end of input).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Edge,
    Word,
    Newline,
    Other,
}

impl Side {
    pub(super) const ALL: [Side; 4] = [Side::Edge, Side::Word, Side::Newline, Side::Other];

    pub(super) fn of(byte: Option<u8>) -> Side {
        match byte {
            None => Side::Edge,
            Some(b'\n') => Side::Newline,
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => Side::Word,
            Some(_) => Side::Other,
        }
    }

    /// The set of the bytes of this kind.
    pub(super) fn bytes(self) -> [u64; 4] {
        let mut set = [0u64; 4];
        for byte in (0..=u8::MAX).filter(|byte| Side::of(Some(*byte)) == self) {
            if let Some(word) = set.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
        set
    }

    fn place(self) -> u16 {
        match self {
            Side::Edge => 0,
            Side::Word => 1,
            Side::Newline => 2,
            Side::Other => 3,
        }
    }

    fn word(self) -> bool {
        self == Side::Word
    }
}

/// A bit for each pair of what stands before and what stands after.
pub(super) type Contexts = u16;

const ALL: Contexts = u16::MAX;

pub(super) fn context(before: Side, after: Side) -> Contexts {
    1 << (before.place() * 4 + after.place())
}

/// The four contexts that have this before them.
pub(super) fn after_any(before: Side) -> Contexts {
    0b1111 << (before.place() * 4)
}

/// The contexts that have this after them.
fn before_any(after: Side) -> Contexts {
    0b0001_0001_0001_0001 << after.place()
}

/// Whether a look-around holds.
pub(super) fn holds(look: Look, before: Side, after: Side) -> bool {
    let (b, a) = (before.word(), after.word());
    match look {
        Look::Start => before == Side::Edge,
        Look::End => after == Side::Edge,
        Look::StartLF => matches!(before, Side::Edge | Side::Newline),
        Look::EndLF => matches!(after, Side::Edge | Side::Newline),
        Look::WordAscii => b != a,
        Look::WordAsciiNegate => b == a,
        Look::WordStartAscii => !b && a,
        Look::WordEndAscii => b && !a,
        Look::WordStartHalfAscii => !b,
        Look::WordEndHalfAscii => !a,
        // `Pattern::check` refuses these.
        _ => false,
    }
}

/// For each NFA state, in which contexts it can still reach a match.
#[derive(Debug)]
pub(super) struct Viability {
    /// By consuming at least one byte more.
    pub(super) more: Vec<Contexts>,
    /// Without consuming anything.
    pub(super) now: Vec<Contexts>,
}

impl Viability {
    pub(super) fn new(nfa: &NFA) -> Viability {
        let states = nfa.states();
        let (offsets, sources) = predecessors(states);
        let mut viability = Viability { more: vec![0; states.len()], now: vec![0; states.len()] };
        // A worklist fixed point: each state is looked at again only when a
        // successor gained a context, at most 32 times in all.
        let mut queued = vec![true; states.len()];
        let mut work: Vec<usize> = (0..states.len()).collect();
        while let Some(id) = work.pop() {
            if let Some(flag) = queued.get_mut(id) {
                *flag = false;
            }
            let Some(state) = states.get(id) else { continue };
            let (more, now) = viability.of(state);
            let changed =
                viability.more.get(id) != Some(&more) || viability.now.get(id) != Some(&now);
            if !changed {
                continue;
            }
            if let Some(slot) = viability.more.get_mut(id) {
                *slot = more;
            }
            if let Some(slot) = viability.now.get_mut(id) {
                *slot = now;
            }
            let from = offsets.get(id).copied().unwrap_or(0);
            let to = offsets.get(id.saturating_add(1)).copied().unwrap_or(from);
            for &source in sources.get(from..to).unwrap_or_default() {
                if let Some(flag) = queued.get_mut(source)
                    && !*flag
                {
                    *flag = true;
                    work.push(source);
                }
            }
        }
        viability
    }

    /// Whether this state can reach a match, given what stands before it.
    pub(super) fn live(&self, id: usize, before: Side) -> bool {
        let either =
            self.more.get(id).copied().unwrap_or(0) | self.now.get(id).copied().unwrap_or(0);
        either & after_any(before) != 0
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.more.len().saturating_add(self.now.len()).saturating_mul(size_of::<Contexts>())
    }

    fn pair(&self, id: usize) -> (Contexts, Contexts) {
        (self.more.get(id).copied().unwrap_or(0), self.now.get(id).copied().unwrap_or(0))
    }

    fn of(&self, state: &State) -> (Contexts, Contexts) {
        match state {
            State::Match { .. } => (0, ALL),
            State::Fail => (0, 0),
            State::Capture { next, .. } => self.pair(index(*next)),
            State::Look { look, next } => {
                let mask = contexts_of(*look);
                let (more, now) = self.pair(index(*next));
                (more & mask, now & mask)
            }
            State::Union { alternates } => alternates.iter().fold((0, 0), |(more, now), id| {
                let (m, n) = self.pair(index(*id));
                (more | m, now | n)
            }),
            State::BinaryUnion { alt1, alt2 } => {
                let (m1, n1) = self.pair(index(*alt1));
                let (m2, n2) = self.pair(index(*alt2));
                (m1 | m2, n1 | n2)
            }
            State::ByteRange { trans } => {
                (self.consuming(trans.start, trans.end, index(trans.next)), 0)
            }
            State::Sparse(sparse) => (
                sparse.transitions.iter().fold(0, |more, trans| {
                    more | self.consuming(trans.start, trans.end, index(trans.next))
                }),
                0,
            ),
            State::Dense(dense) => (
                (0..=u8::MAX)
                    .zip(dense.transitions.iter())
                    .fold(0, |more, (byte, next)| more | self.consuming(byte, byte, index(*next))),
                0,
            ),
        }
    }

    /// The contexts in which some byte of the range leads to a live state.
    fn consuming(&self, start: u8, end: u8, next: usize) -> Contexts {
        [Side::Word, Side::Newline, Side::Other]
            .into_iter()
            .filter(|side| meets(*side, start, end) && self.live(next, *side))
            .fold(0, |more, side| more | before_any(side))
    }
}

/// Whether a byte of this kind is in the range.
fn meets(side: Side, start: u8, end: u8) -> bool {
    let overlaps = |from: u8, to: u8| start <= to && from <= end;
    match side {
        Side::Edge => false,
        Side::Newline => overlaps(b'\n', b'\n'),
        Side::Word => {
            overlaps(b'0', b'9')
                || overlaps(b'A', b'Z')
                || overlaps(b'_', b'_')
                || overlaps(b'a', b'z')
        }
        Side::Other => {
            overlaps(0, b'\t')
                || overlaps(0x0b, b'/')
                || overlaps(b':', b'@')
                || overlaps(b'[', b'^')
                || overlaps(b'`', b'`')
                || overlaps(b'{', 0xff)
        }
    }
}

fn contexts_of(look: Look) -> Contexts {
    let mut mask = 0;
    for before in Side::ALL {
        for after in Side::ALL {
            if holds(look, before, after) {
                mask |= context(before, after);
            }
        }
    }
    mask
}

/// For each state, the states that lead to it: where its list begins, and the
/// lists one after the other.
fn predecessors(states: &[State]) -> (Vec<usize>, Vec<usize>) {
    let mut offsets = vec![0usize; states.len().saturating_add(1)];
    for state in states {
        successors(state, |next| {
            if let Some(count) = offsets.get_mut(next.saturating_add(1)) {
                *count = count.saturating_add(1);
            }
        });
    }
    let mut sum = 0usize;
    for offset in &mut offsets {
        sum = sum.saturating_add(*offset);
        *offset = sum;
    }
    let mut fill = offsets.clone();
    let mut sources = vec![0usize; sum];
    for (id, state) in states.iter().enumerate() {
        successors(state, |next| {
            if let Some(place) = fill.get_mut(next) {
                if let Some(slot) = sources.get_mut(*place) {
                    *slot = id;
                }
                *place = place.saturating_add(1);
            }
        });
    }
    (offsets, sources)
}

fn successors(state: &State, mut each: impl FnMut(usize)) {
    match state {
        State::ByteRange { trans } => each(index(trans.next)),
        State::Sparse(sparse) => {
            sparse.transitions.iter().for_each(|trans| each(index(trans.next)))
        }
        State::Dense(dense) => dense.transitions.iter().for_each(|next| each(index(*next))),
        State::Look { next, .. } | State::Capture { next, .. } => each(index(*next)),
        State::Union { alternates } => alternates.iter().for_each(|id| each(index(*id))),
        State::BinaryUnion { alt1, alt2 } => {
            each(index(*alt1));
            each(index(*alt2));
        }
        State::Fail | State::Match { .. } => {}
    }
}
