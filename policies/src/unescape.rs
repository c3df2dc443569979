//! Percent triplets, HTML character references, quoted-printable, the escapes of
//! JSON and of languages like it, and tag characters, made plain as the text goes by.

use crate::{limits, rewrite::Plain, viewbuf::At};

/// What may be the beginning of an escape, waiting for the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unescape {
    pending: Vec<Plain>,
    /// What stood before was quoted-printable.
    quoted: bool,
}

enum Reading {
    /// No escape begins so.
    No,
    /// More is needed.
    Partly,
    /// An escape of so many characters; with another digit it might be longer.
    Done(char, usize),
    /// As `Done`, and it ends where it stands only if what follows is not part of it.
    Open(char, usize),
}

impl Unescape {
    /// Whether this text holds an escape, or ends in what may become one.
    pub(crate) fn concerns(text: &str) -> bool {
        let bytes = text.as_bytes();
        let escape = |at: usize| {
            let mut ahead = ['\0'; limits::ESCAPE_CHARS];
            let mut len = 0usize;
            for (slot, c) in ahead.iter_mut().zip(text.get(at..).unwrap_or_default().chars()) {
                *slot = c;
                len = len.saturating_add(1);
            }
            !matches!(read(ahead.get(..len).unwrap_or_default(), false), Reading::No)
        };
        memchr::memchr3_iter(b'%', b'&', b'\\', bytes).any(escape)
            || memchr::memchr_iter(b'=', bytes).any(escape)
            || memchr::memmem::find_iter(bytes, TAG_LEAD).any(|at| {
                text.get(at..).and_then(|rest| rest.chars().next()).and_then(tag).is_some()
            })
    }

    /// Whether a character begins an escape, or is one.
    pub(crate) fn begins(c: char) -> bool {
        matches!(c, '%' | '&' | '\\' | '=') || tag(c).is_some()
    }

    /// Where an unfinished escape begins in the raw text.
    pub(crate) fn hold(&self) -> Option<usize> {
        self.pending.first().map(|first| first.at.start())
    }

    /// How many bytes of a text without tags are no part of an escape; they
    /// count as taken.
    pub(crate) fn passes(&mut self, text: &str) -> usize {
        if !self.pending.is_empty() {
            return 0;
        }
        let passed = text.bytes().position(|byte| matches!(byte, b'%' | b'&' | b'\\' | b'='));
        let passed = passed.unwrap_or(text.len());
        self.quoted &= passed == 0;
        passed
    }

    /// Takes one character.
    pub(crate) fn push(&mut self, c: char, at: At, out: &mut Vec<Plain>) {
        if self.pending.is_empty() && !matches!(c, '%' | '&' | '\\' | '=') {
            self.quoted = false;
            out.push(untagged(Plain { c, at }));
            return;
        }
        self.pending.push(Plain { c, at });
        self.settle(false, out);
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, out: &mut Vec<Plain>) {
        self.settle(true, out);
    }

    /// Takes from the front of what is pending while that is decided. At most
    /// `ESCAPE_CHARS` characters are pending, so this is constant work.
    fn settle(&mut self, ended: bool, out: &mut Vec<Plain>) {
        while let Some(&first) = self.pending.first() {
            let mut text = ['\0'; limits::ESCAPE_CHARS + 1];
            let mut len = 0usize;
            for (slot, piece) in text.iter_mut().zip(&self.pending) {
                *slot = piece.c;
                len = len.saturating_add(1);
            }
            let text = text.get(..len).unwrap_or_default();
            let reading = read(text, self.quoted);
            self.quoted = first.c == '=' && matches!(reading, Reading::Done(..))
                || self.quoted && matches!(reading, Reading::Partly) && !ended;
            let taken = match reading {
                Reading::Partly if !ended => return,
                Reading::Open(_, taken) if taken == len && !ended => return,
                Reading::Done(c, taken) | Reading::Open(c, taken) => {
                    let last = self.pending.get(taken.saturating_sub(1)).unwrap_or(&first);
                    out.push(Plain { c, at: At::Span(first.at.start(), last.at.end(last.c)) });
                    taken
                }
                Reading::No | Reading::Partly => {
                    out.push(untagged(first));
                    1
                }
            };
            self.pending.drain(..taken.min(self.pending.len()));
        }
    }
}

/// A tag character as the character that it stands for; any other as it is.
fn untagged(piece: Plain) -> Plain {
    tag(piece.c).map_or(piece, |c| Plain { c, at: piece.at.spread(piece.c) })
}

/// The ASCII character that a tag character stands for.
fn tag(c: char) -> Option<char> {
    let plain = u32::from(c).checked_sub(0xe_0000)?;
    (0x20..0x7f).contains(&plain).then(|| char::from_u32(plain)).flatten()
}

/// UTF-8 of U+E0000 to U+E007F begins so.
const TAG_LEAD: &[u8] = &[0xf3, 0xa0];

fn read(text: &[char], after_quoted: bool) -> Reading {
    match text {
        ['%', ..] => triplets(text, '%'),
        ['=', ..] if after_quoted => triplets(text, '='),
        ['=', ..] => quoted(text),
        ['&', '#', 'x' | 'X', rest @ ..] => reference(rest, 16, 6, 3),
        ['&', '#', rest @ ..] if rest.first().is_none_or(|c| c.is_ascii_digit()) => {
            reference(rest, 10, 7, 2)
        }
        ['&', rest @ ..] => named(rest),
        ['\\', 'u', '{', rest @ ..] => braced(rest),
        ['\\', 'u', rest @ ..] => utf16(rest),
        ['\\', 'x', rest @ ..] => fixed(rest, 2, 2),
        ['\\', c, ..] => short(*c).map_or(Reading::No, |c| Reading::Done(c, 2)),
        ['\\'] => Reading::Partly,
        _ => Reading::No,
    }
}

/// The short escapes of JSON (RFC 8259 section 7), which languages share.
fn short(c: char) -> Option<char> {
    Some(match c {
        '"' | '\\' | '/' => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => return None,
    })
}

/// Quoted-printable, where at least two triplets follow one another: one alone
/// is an assignment in somebody's code.
fn quoted(text: &[char]) -> Reading {
    let upper = |c: &char| matches!(c, '0'..='9' | 'A'..='F');
    let fits =
        text.iter().take(6).zip(0..).all(|(c, at)| if at % 3 == 0 { *c == '=' } else { upper(c) });
    match (fits, text.len() < 6) {
        (false, _) => Reading::No,
        (true, true) => Reading::Partly,
        (true, false) => triplets(text, '='),
    }
}

/// One to four triplets that are one character of UTF-8.
fn triplets(text: &[char], mark: char) -> Reading {
    let mut bytes = [0u8; 4];
    let mut len = 0usize;
    for triplet in text.chunks(3) {
        let byte = match triplet {
            [first, high, low] if *first == mark => match (high.to_digit(16), low.to_digit(16)) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(0),
                _ => return Reading::No,
            },
            [first] if *first == mark => return Reading::Partly,
            [first, high] if *first == mark && high.is_ascii_hexdigit() => return Reading::Partly,
            _ => return Reading::No,
        };
        if let Some(slot) = bytes.get_mut(len) {
            *slot = byte;
        }
        len = len.saturating_add(1);
        match std::str::from_utf8(bytes.get(..len).unwrap_or_default()) {
            Ok(decoded) => {
                let c = decoded.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                return Reading::Done(c, len.saturating_mul(3));
            }
            // `Some` means that these bytes are wrong whatever follows.
            Err(error) if error.error_len().is_some() || len == 4 => return Reading::No,
            Err(_) => {}
        }
    }
    Reading::Partly
}

/// The digits of `&#...;` or `&#x...;`; the semicolon may be missing, as
/// browsers have it.
fn reference(rest: &[char], radix: u32, most: usize, before: usize) -> Reading {
    let digits = rest.iter().take(most).take_while(|c| c.is_digit(radix)).count();
    if digits == 0 {
        return if rest.is_empty() { Reading::Partly } else { Reading::No };
    }
    let value = rest
        .iter()
        .take(digits)
        .filter_map(|c| c.to_digit(radix))
        .fold(0u32, |value, digit| value.saturating_mul(radix).saturating_add(digit));
    let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    let taken = before.saturating_add(digits);
    match rest.get(digits) {
        Some(';') => Reading::Done(c, taken.saturating_add(1)),
        Some(_) => Reading::Done(c, taken),
        None => Reading::Open(c, taken),
    }
}

fn named(rest: &[char]) -> Reading {
    for (name, c) in NAMED {
        let mut wanted = name.chars();
        let same = rest.iter().zip(wanted.by_ref()).all(|(a, b)| *a == b);
        let length = name.chars().count();
        if same && rest.len() >= length {
            return Reading::Done(*c, length.saturating_add(1));
        }
        if same {
            return Reading::Partly;
        }
    }
    Reading::No
}

fn fixed(rest: &[char], digits: usize, before: usize) -> Reading {
    let have = rest.iter().take(digits).take_while(|c| c.is_ascii_hexdigit()).count();
    if have < digits {
        return if have == rest.len() { Reading::Partly } else { Reading::No };
    }
    let value = rest
        .iter()
        .take(digits)
        .filter_map(|c| c.to_digit(16))
        .fold(0u32, |value, digit| value.saturating_mul(16).saturating_add(digit));
    // A half of a surrogate pair alone is no character.
    let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    Reading::Done(c, before.saturating_add(digits))
}

/// One unit of UTF-16, or two that are one character: JSON writes letters for
/// mathematics and tag characters so.
fn utf16(rest: &[char]) -> Reading {
    let first = fixed(rest, 4, 2);
    let Some(high) = unit(rest).filter(|unit| (0xd800..0xdc00).contains(unit)) else {
        return first;
    };
    let after = rest.get(4..).unwrap_or_default();
    let spelled = after.iter().take(6).zip(0u8..).all(|(c, place)| match place {
        0 => *c == '\\',
        1 => *c == 'u',
        2 => matches!(c, 'd' | 'D'),
        3 => matches!(c, 'c'..='f' | 'C'..='F'),
        _ => c.is_ascii_hexdigit(),
    });
    match after.get(2..).and_then(unit) {
        _ if !spelled => first,
        None => Reading::Partly,
        Some(low) => {
            let above = (high.saturating_sub(0xd800) << 10) | low.saturating_sub(0xdc00);
            let c = char::from_u32(above.saturating_add(0x1_0000));
            Reading::Done(c.unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
    }
}

/// The number that four hexadecimal digits write.
fn unit(digits: &[char]) -> Option<u32> {
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0u32, |value, c| Some((value << 4) | c.to_digit(16)?))
}

fn braced(rest: &[char]) -> Reading {
    let digits = rest.iter().take(6).take_while(|c| c.is_ascii_hexdigit()).count();
    match rest.get(digits) {
        Some('}') if digits > 0 => match fixed(rest, digits, 3) {
            Reading::Done(c, taken) => Reading::Done(c, taken.saturating_add(1)),
            other => other,
        },
        Some(_) => Reading::No,
        None => Reading::Partly,
    }
}

/// The named references that spell ASCII text.
const NAMED: &[(&str, char)] = &[
    ("amp;", '&'),
    ("apos;", '\''),
    ("colon;", ':'),
    ("gt;", '>'),
    ("lowbar;", '_'),
    ("lt;", '<'),
    ("nbsp;", ' '),
    ("NewLine;", '\n'),
    ("period;", '.'),
    ("quot;", '"'),
    ("Tab;", '\t'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let (mut state, mut out) = (Unescape::default(), Vec::new());
        for (start, c) in text.char_indices() {
            state.push(c, At::Same(start), &mut out);
            assert!(state.pending.len() <= limits::ESCAPE_CHARS, "`{text}` waits for too much");
        }
        state.finish(&mut out);
        out.into_iter().map(|piece| piece.c).collect()
    }

    #[test]
    fn reads_what_a_reader_reads() {
        for (text, expected) in [
            ("%69gnore", "ignore"),
            ("100% %4", "100% %4"),
            ("%E4%BD%A0%e5%a5%bd!", "你好!"),
            ("%E4%BDx%41", "%E4%BDxA"),
            ("%%41", "%A"),
            ("%F0%9F%98%80", "😀"),
            ("&#105;gnore &#x69;&#x6A &#105", "ignore ij i"),
            ("R&D &amp; &lt;b&gt; &ampere", "R&D & <b> &ampere"),
            ("&&#65;&#;&#x;&", "&A&#;&#x;&"),
            ("\\u0069\\x67\\u{6e} C:\\users\\u12", "ign C:\\users\\u12"),
            (r#"{\"a\":\"b\\\\c\/d\n\"}"#, "{\"a\":\"b\\\\c/d\n\"}"),
            ("\u{e0069}\u{e0067}", "ig"),
            ("&#99999999;", "\u{fffd}9;"),
            ("\\ud83d\\ude00 \\uDB40\\uDC69.", "😀 \u{e0069}."),
            ("\\ud83d! \\ud83d\\u0041 \\ude00", "\u{fffd}! \u{fffd}A \u{fffd}"),
            ("%\u{e0041}", "%A"),
            ("=69=67=6Eore", "ignore"),
            ("=E4=BD=A0=E5=A5=BD", "你好"),
            ("a=10, b==20 c=\n", "a=10, b==20 c=\n"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
