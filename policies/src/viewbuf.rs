//! The bytes of a view that are still needed, each with its place in the raw text.

use std::{collections::VecDeque, ops::Range};

/// Where a piece of a view came from, in raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Byte for byte from here.
    Same(usize),
    /// All of it from this span.
    Span(usize, usize),
}

impl At {
    /// Where it begins.
    pub(crate) fn start(self) -> usize {
        match self {
            At::Same(start) | At::Span(start, _) => start,
        }
    }

    /// Where it ends, if it is the place of this character.
    pub(crate) fn end(self, c: char) -> usize {
        match self {
            At::Same(start) => start.saturating_add(c.len_utf8()),
            At::Span(_, end) => end,
        }
    }

    /// The same place, for something that is not that character byte for byte.
    pub(crate) fn spread(self, c: char) -> At {
        At::Span(self.start(), self.end(c))
    }
}

/// A stretch of view bytes that share one rule for their place.
#[derive(Clone, Copy, Debug)]
struct Piece {
    view: usize,
    at: At,
}

/// A window on a view. Positions are absolute in the view.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewBuf {
    bytes: Vec<u8>,
    /// The position of `bytes[0]`.
    base: usize,
    pieces: VecDeque<Piece>,
}

impl ViewBuf {
    /// One past the last byte.
    pub(crate) fn end(&self) -> usize {
        self.base.saturating_add(self.bytes.len())
    }

    /// The position of the first byte that is kept.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// What is kept.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of a span of positions.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &[u8] {
        let from = from.saturating_sub(self.base);
        let to = to.saturating_sub(self.base);
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// Appends bytes of the view.
    pub(crate) fn push(&mut self, bytes: &[u8], at: At) {
        if bytes.is_empty() {
            return;
        }
        let end = self.end();
        let follows = match (self.pieces.back(), at) {
            (Some(&Piece { view, at: At::Same(raw) }), At::Same(next)) => {
                raw.saturating_add(end.saturating_sub(view)) == next
            }
            _ => false,
        };
        if !follows {
            self.pieces.push_back(Piece { view: end, at });
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Where the byte at a position begins in the raw text.
    pub(crate) fn start_of(&self, position: usize) -> usize {
        match self.piece(position) {
            Some(Piece { view, at: At::Same(raw) }) => {
                raw.saturating_add(position.saturating_sub(view))
            }
            Some(Piece { at: At::Span(start, _), .. }) => start,
            None => 0,
        }
    }

    /// Where the byte at a position ends in the raw text.
    pub(crate) fn end_of(&self, position: usize) -> usize {
        match self.piece(position) {
            Some(Piece { view, at: At::Same(raw) }) => {
                raw.saturating_add(position.saturating_sub(view)).saturating_add(1)
            }
            Some(Piece { at: At::Span(_, end), .. }) => end,
            None => 0,
        }
    }

    /// Whether the view and the raw text are the same from `from` to `to`.
    pub(crate) fn same(&self, from: usize, to: usize) -> bool {
        let last = to.saturating_sub(1).max(from);
        match (self.piece(from), self.piece(last)) {
            (Some(a), Some(b)) => a.view == b.view && matches!(a.at, At::Same(_)),
            _ => false,
        }
    }

    /// Where the view is not the raw text, counted in what is kept: from where to
    /// where, the joints of what is left out between included.
    pub(crate) fn changes(&self, changes: &mut Vec<Range<usize>>) {
        changes.clear();
        let ends = self.pieces.iter().skip(1).map(|piece| piece.view).chain([self.end()]);
        for (piece, end) in self.pieces.iter().zip(ends) {
            let end = match piece.at {
                At::Same(_) => piece.view,
                At::Span(..) => end,
            };
            let Some(start) = piece.view.checked_sub(self.base) else { continue };
            let end = end.saturating_sub(self.base);
            match changes.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => changes.push(start..end),
            }
        }
    }

    /// Takes the last character away.
    pub(crate) fn pop(&mut self) -> Option<(char, At)> {
        let start = self.bytes.iter().rposition(|byte| byte & 0xc0 != 0x80)?;
        let c = std::str::from_utf8(self.bytes.get(start..)?).ok()?.chars().next()?;
        let position = self.base.saturating_add(start);
        let at = match self.piece(position)? {
            Piece { view, at: At::Same(raw) } => {
                At::Same(raw.saturating_add(position.saturating_sub(view)))
            }
            Piece { at, .. } => at,
        };
        self.bytes.truncate(start);
        while self.pieces.back().is_some_and(|piece| piece.view >= position) {
            self.pieces.pop_back();
        }
        Some((c, at))
    }

    /// Forgets what is before a position. Amortised: bytes move only when most
    /// of the buffer is dead.
    pub(crate) fn forget(&mut self, before: usize) {
        let dead = before.saturating_sub(self.base).min(self.bytes.len());
        if dead < SLACK_BYTES || dead < self.bytes.len() / 2 {
            return;
        }
        self.bytes.drain(..dead);
        self.base = self.base.saturating_add(dead);
        while self.pieces.get(1).is_some_and(|piece| piece.view <= self.base) {
            self.pieces.pop_front();
        }
    }

    fn piece(&self, position: usize) -> Option<Piece> {
        let after = self.pieces.partition_point(|piece| piece.view <= position);
        self.pieces.get(after.checked_sub(1)?).copied()
    }
}

/// Dead bytes that are not worth moving the rest for.
const SLACK_BYTES: usize = 4096;
