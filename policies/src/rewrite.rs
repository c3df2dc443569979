//! Readings of a text that write it otherwise, character by character as it
//! goes by, with the raw place of each: what a reader of escapes, a terminal, a
//! shell or a URL parser makes of it.

use std::collections::VecDeque;

use crate::{finding::View, limits, shell::Shell, unescape::Unescape, url::Url, viewbuf::At};

/// A piece of the rewritten text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) c: char,
    pub(crate) at: At,
}

/// One reading, and what it waits for.
#[derive(Clone, Debug)]
pub(crate) enum Rewrite {
    Unescape(Unescape),
    Delete(Delete),
    Shell(Shell),
    Url(Url),
    Rot13,
}

impl Rewrite {
    /// Whether it turns letters.
    pub(crate) fn turns(&self) -> bool {
        matches!(self, Rewrite::Rot13)
    }

    /// What a finding in it says.
    pub(crate) fn view(&self) -> View {
        match self {
            Rewrite::Unescape(_) => View::Unescaped,
            Rewrite::Delete(_) => View::Deleted,
            Rewrite::Shell(_) => View::Shell,
            Rewrite::Url(_) => View::Url,
            Rewrite::Rot13 => View::Rot13,
        }
    }

    /// Whether a text that it has not begun to rewrite holds something to
    /// rewrite, or ends in what may become that.
    pub(crate) fn concerns(&self, text: &str) -> bool {
        match self {
            Rewrite::Unescape(_) => Unescape::concerns(text),
            Rewrite::Delete(_) => memchr::memchr2(0x08, 0x7f, text.as_bytes()).is_some(),
            Rewrite::Shell(_) => Shell::concerns(text),
            Rewrite::Url(_) => Url::concerns(text),
            Rewrite::Rot13 => text.bytes().any(|byte| byte.is_ascii_alphabetic()),
        }
    }

    /// The same of one character.
    pub(crate) fn concerns_char(&self, c: char) -> bool {
        match self {
            Rewrite::Unescape(_) => Unescape::begins(c),
            Rewrite::Delete(_) => is_deletion(c),
            Rewrite::Shell(_) => Shell::begins(c),
            Rewrite::Url(_) => c == ':',
            Rewrite::Rot13 => c.is_ascii_alphabetic(),
        }
    }

    /// Where what it waits for begins in the raw text.
    pub(crate) fn hold(&self) -> Option<usize> {
        match self {
            Rewrite::Unescape(state) => state.hold(),
            Rewrite::Delete(state) => state.line.front().map(|piece| piece.at.start()),
            Rewrite::Shell(state) => state.hold(),
            Rewrite::Url(state) => state.hold(),
            Rewrite::Rot13 => None,
        }
    }

    /// How many bytes at the beginning of a text, which has no tags in it, it
    /// would give on as they are; they count as taken.
    pub(crate) fn passes(&mut self, text: &str) -> usize {
        match self {
            Rewrite::Unescape(state) => state.passes(text),
            Rewrite::Delete(_) | Rewrite::Rot13 => 0,
            Rewrite::Shell(state) => state.passes(text),
            Rewrite::Url(state) => state.passes(text),
        }
    }

    /// Takes one character.
    pub(crate) fn push(&mut self, c: char, at: At, out: &mut Vec<Plain>) {
        match self {
            Rewrite::Unescape(state) => state.push(c, at, out),
            Rewrite::Delete(state) => state.push(c, at, out),
            Rewrite::Shell(state) => state.push(c, at, out),
            Rewrite::Url(state) => state.push(c, at, out),
            // As long as it was, so that it stands where it stood.
            Rewrite::Rot13 => out.push(Plain { c: rot13(c), at }),
        }
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, out: &mut Vec<Plain>) {
        match self {
            Rewrite::Unescape(state) => state.finish(out),
            Rewrite::Delete(state) => out.extend(state.line.drain(..)),
            Rewrite::Shell(state) => state.finish(out),
            Rewrite::Url(state) => state.finish(out),
            Rewrite::Rot13 => {}
        }
    }
}

/// A letter thirteen further in its alphabet, and any other character as it is.
pub(crate) fn rot13(c: char) -> char {
    let turn = |first: u8| {
        let place = u8::try_from(c).unwrap_or(first).saturating_sub(first);
        char::from(first.saturating_add((place.saturating_add(13)) % 26))
    };
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        _ => c,
    }
}

/// Backspace and delete take away what stands before them, as a terminal shows
/// it. The last few characters wait in a line, where they can be taken away;
/// so the reading begins only at the first deletion, and what the line held
/// then comes from the view before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delete {
    line: VecDeque<Plain>,
    /// Deletions in a row.
    row: u32,
}

impl Delete {
    /// A reading that begins after these characters.
    pub(crate) fn after(line: VecDeque<Plain>) -> Delete {
        Delete { line, row: 0 }
    }

    fn push(&mut self, c: char, at: At, out: &mut Vec<Plain>) {
        if is_deletion(c) {
            self.line.pop_back();
            self.row = self.row.saturating_add(1);
            if self.row < limits::REMOVED_RUN {
                return;
            }
        }
        self.row = 0;
        // So many deletions in a row end a match, as other invisible runs do.
        self.line.push_back(Plain { c: if is_deletion(c) { ' ' } else { c }, at });
        if self.line.len() > limits::DELETED_CHARS {
            out.extend(self.line.pop_front());
        }
    }
}

pub(crate) fn is_deletion(c: char) -> bool {
    matches!(c, '\u{8}' | '\u{7f}')
}
