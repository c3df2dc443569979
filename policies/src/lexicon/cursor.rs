//! The scan of a view for terms, start by start, as it arrives.

use std::ops::Range;

use super::{
    Lexicon,
    term::letter,
    trie::{At, Jump},
};
use crate::viewbuf::ViewBuf;

/// What kind of text it is, and whether it has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) decoded: bool,
    pub(crate) ended: bool,
}

/// How far a view has been looked at. A start is undecided while a term that
/// began there could still go on, or waits for the byte after its last: so the
/// hold is by the depth of the tree, and nothing else is held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    /// Every start before this one is decided.
    start: usize,
    /// The walk from `start`, where it is undecided.
    open: Option<Walk>,
    /// What ended on the walk so far: list and end.
    found: Vec<(u32, usize)>,
}

/// A walk down the tree; `seen` is the first byte that it has not consumed.
#[derive(Clone, Copy, Debug)]
struct Walk {
    at: At,
    seen: usize,
}

impl Cursor {
    /// Every start before this one is decided.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// A cursor whose first undecided start is this one.
    pub(crate) fn from(start: usize) -> Cursor {
        Cursor { start, open: None, found: Vec::new() }
    }

    /// A cursor that goes on from here over another view, which has been the
    /// same so far.
    pub(crate) fn fork(&self) -> Cursor {
        Cursor { start: self.start, open: None, found: Vec::new() }
    }

    /// Nothing is looked for: passes over all there is.
    pub(crate) fn pass(&mut self, view: &ViewBuf) {
        *self = Cursor { start: view.end(), ..Cursor::default() };
    }

    /// Decides as many starts as can be decided, and reports their terms.
    pub(crate) fn advance(
        &mut self,
        lexicon: &Lexicon,
        view: &ViewBuf,
        text: Text,
        mut report: impl FnMut(u32, Range<usize>),
    ) {
        loop {
            let walk = match self.open.take() {
                Some(walk) => Some(walk),
                None => self.next(lexicon, view),
            };
            let Some(mut walk) = walk else { return };
            if self.follow(lexicon, view, text, &mut walk) {
                self.open = Some(walk);
                return;
            }
            for (list, end) in self.found.drain(..) {
                report(list, self.start..end);
            }
            self.start = self.start.saturating_add(1);
        }
    }

    /// Goes to the next start that a term may begin at; `None` at the end.
    fn next(&mut self, lexicon: &Lexicon, view: &ViewBuf) -> Option<Walk> {
        let (bytes, base) = (view.bytes(), view.base());
        let mut at = self.start.saturating_sub(base);
        loop {
            let Some(&byte) = bytes.get(at) else {
                self.start = view.end();
                return None;
            };
            if byte.is_ascii() {
                let inside = is_word(byte)
                    && at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(|b| is_word(*b));
                if inside || !lexicon.trie.begins(byte) {
                    at = at.saturating_add(1);
                    continue;
                }
            } else if byte & 0xc0 == 0x80 {
                at = at.saturating_add(1);
                continue;
            }
            let (one, length) = character(bytes.get(at..).unwrap_or_default());
            let second = at.saturating_add(length);
            self.start = base.saturating_add(at);
            let root = Walk { at: lexicon.trie.root(), seen: self.start };
            let Some(rest) = bytes.get(second..).filter(|rest| !rest.is_empty()) else {
                return Some(root);
            };
            let (two, more) = character(rest);
            if lexicon.trie.may_begin(one, Letters(bytes.get(second..).unwrap_or_default())) {
                match lexicon.trie.jump(one, two) {
                    Jump::To(node) => {
                        let seen = base.saturating_add(second).saturating_add(more);
                        return Some(Walk { at: node, seen });
                    }
                    Jump::Walk => return Some(root),
                    Jump::Nowhere => {}
                }
            }
            at = second;
        }
    }

    /// Walks on; true while the start is undecided.
    fn follow(&mut self, lexicon: &Lexicon, view: &ViewBuf, text: Text, walk: &mut Walk) -> bool {
        let trie = &lexicon.trie;
        let bytes = view.bytes();
        loop {
            let at = walk.seen.saturating_sub(view.base());
            let next = bytes.get(at).copied();
            let word = trie.is_word(walk.at);
            let mut ends = trie.ends(walk.at, text.decoded).peekable();
            if next.is_none() && !text.ended {
                let waits = word && ends.peek().is_some();
                if waits || trie.goes_on(walk.at, text.decoded) {
                    return true;
                }
            }
            if !(word && next.is_some_and(is_word)) {
                self.found.extend(ends.map(|list| (list, walk.seen)));
            }
            if next.is_none() {
                return false;
            }
            let (c, length) = character(bytes.get(at..).unwrap_or_default());
            let Some(to) = trie.step(walk.at, c) else { return false };
            *walk = Walk { at: to, seen: walk.seen.saturating_add(length) };
        }
    }
}

/// The first letter of a text that is valid UTF-8, as views are, and how many
/// bytes it has. (What is not valid would be a letter that no term has.)
#[inline]
fn character(bytes: &[u8]) -> (char, usize) {
    let low = |byte: &u8| u32::from(byte & 0x3f);
    let (number, length) = match bytes {
        [one, ..] if one.is_ascii() => return (letter(char::from(*one)), 1),
        [one @ 0xc0..=0xdf, two, ..] => (u32::from(one & 0x1f) << 6 | low(two), 2),
        [one @ 0xe0..=0xef, two, three, ..] => {
            (u32::from(one & 0x0f) << 12 | low(two) << 6 | low(three), 3)
        }
        [one @ 0xf0..=0xf7, two, three, four, ..] => {
            let high = u32::from(one & 0x07) << 18 | low(two) << 12;
            (high | low(three) << 6 | low(four), 4)
        }
        _ => (0, 1),
    };
    (letter(char::from_u32(number).unwrap_or('\0')), length)
}

/// The letters of a text.
struct Letters<'t>(&'t [u8]);

impl Iterator for Letters<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        if self.0.is_empty() {
            return None;
        }
        let (letter, length) = character(self.0);
        self.0 = self.0.get(length..).unwrap_or_default();
        Some(letter)
    }
}

#[inline]
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
