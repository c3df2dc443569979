//! The forms in which a text may come back: as it is, with its escapes undone,
//! with its encoded runs decoded; and the letters that are left of a form when
//! all that a copyist may change is taken away.

use crate::{
    bitrun::Code as Alphabet, fold::fold, limits, rewrite::Plain, unescape::Unescape, viewbuf::At,
};

/// The readings of one text.
#[derive(Debug)]
pub(crate) struct Forms {
    /// The text itself first.
    pub(crate) all: Vec<String>,
    /// Whether a bound kept some of it from being read.
    pub(crate) spilled: bool,
}

impl Forms {
    /// Reads a text. The forms together are at most five times as long as the
    /// text, so the work is linear whatever is nested in what.
    pub(crate) fn of(text: &str) -> Forms {
        let mut cut = text.len().min(limits::FLOW_TEXT_BYTES);
        while !text.is_char_boundary(cut) {
            cut = cut.saturating_sub(1);
        }
        let text = text.get(..cut).unwrap_or_default();
        let mut budget = text.len().saturating_mul(4).saturating_add(SLACK_BYTES);
        let mut forms =
            Forms { all: vec![text.to_owned()], spilled: cut == limits::FLOW_TEXT_BYTES };
        let (mut from, mut depth) = (0usize, 0u8);
        while depth < limits::DECODE_DEPTH && from < forms.all.len() {
            let until = forms.all.len();
            let mut found = Vec::new();
            for form in forms.all.get(from..until).unwrap_or_default() {
                read(form, &mut |form: String| found.push(form));
            }
            for form in found {
                match budget.checked_sub(form.len()) {
                    Some(rest) => budget = rest,
                    None => {
                        forms.spilled = true;
                        continue;
                    }
                }
                if !forms.all.contains(&form) {
                    forms.all.push(form);
                }
            }
            from = until;
            depth = depth.saturating_add(1);
        }
        forms
    }
}

/// What a text says beside what it says as it stands.
fn read(text: &str, put: &mut impl FnMut(String)) {
    if text.contains('\\') {
        put(unquoted(text));
    }
    if Unescape::concerns(text) {
        put(unescaped(text));
    }
    for code in [BASE64, HEX, BASE32] {
        code.decode(text, put);
    }
}

/// The text with percent triplets, HTML references, `\u` and tag characters
/// made plain.
fn unescaped(text: &str) -> String {
    let (mut state, mut out) = (Unescape::default(), Vec::<Plain>::new());
    for (start, c) in text.char_indices() {
        state.push(c, At::Same(start), &mut out);
    }
    state.finish(&mut out);
    out.into_iter().map(|piece| piece.c).collect()
}

/// The text of a JSON string literal's inside: one layer of backslashes off.
fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'r' | 't' | 'b' | 'f') => out.push(' '),
            Some('u') => {
                let digits: String = chars.clone().take(4).collect();
                match u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4) {
                    Some(unit) => {
                        chars.nth(3);
                        // Halves of a pair carry no letters that matter here.
                        out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    None => out.push('u'),
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// How characters carry bits.
struct Code {
    bits: u32,
    /// After so many characters a byte begins at a character again.
    period: usize,
    value: fn(u8) -> Option<u8>,
}

const BASE64: Code = Code { bits: 6, period: 4, value: |byte| Alphabet::Base64.value(byte) };
const BASE32: Code = Code {
    bits: 5,
    period: 8,
    value: |byte| Alphabet::Base32.value(byte).or_else(|| Alphabet::Base32Lower.value(byte)),
};
const HEX: Code = Code { bits: 4, period: 2, value: |byte| Alphabet::Hex.value(byte) };

impl Code {
    /// Gives what the runs of the code decode to, where that can be read. A
    /// run may begin with characters that are not part of it, so the
    /// alignments are tried until one reads.
    fn decode(&self, text: &str, put: &mut impl FnMut(String)) {
        let mut run: Vec<u8> = Vec::new();
        for byte in text.bytes().chain([b' ']) {
            match (self.value)(byte) {
                Some(value) => run.push(value),
                // Mail breaks base64 into lines.
                None if matches!(byte, b'\n' | b'\r') && run.len() >= LINE_CHARS => {}
                None => {
                    if run.len() >= RUN_CHARS
                        && let Some(read) = (0..self.period).find_map(|skip| self.read(&run, skip))
                    {
                        put(read);
                    }
                    run.clear();
                }
            }
        }
    }

    fn read(&self, run: &[u8], skip: usize) -> Option<String> {
        let mut bytes = Vec::with_capacity(run.len());
        let (mut value, mut have) = (0u32, 0u32);
        for digit in run.iter().skip(skip) {
            value = ((value << self.bits) | u32::from(*digit)) & 0xffff;
            have += self.bits;
            if have >= 8 {
                have -= 8;
                bytes.push(u8::try_from((value >> have) & 0xff).unwrap_or(0));
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let odd = |c: &char| {
            *c == char::REPLACEMENT_CHARACTER
                || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        };
        let (all, bad) = (text.chars().count(), text.chars().filter(odd).count());
        // A word that happens to be of the code decodes to noise.
        (bad.saturating_mul(8) <= all && all > 0).then_some(text)
    }
}

/// The letters and digits of a text: folded, in lower case, nothing between
/// them. A character of a script without spaces says as much as two letters,
/// and counts for two.
pub(crate) fn letters(chars: impl Iterator<Item = char>) -> Vec<u32> {
    let mut out = Vec::new();
    for c in chars {
        fold(c, |plain| {
            for lower in plain.to_lowercase().filter(|c| c.is_alphanumeric()) {
                out.push(u32::from(lower));
                if is_wide(lower) {
                    out.push(u32::from(lower) | WIDE);
                }
            }
        });
    }
    out
}

/// Each letter thirteen on, which undoes itself.
pub(crate) fn turned(letters: &[u32]) -> Vec<u32> {
    let turn = |unit: &u32| match *unit {
        unit @ 0x61..=0x6d => unit + 13,
        unit @ 0x6e..=0x7a => unit - 13,
        unit => unit,
    };
    letters.iter().map(turn).collect()
}

/// Whether a character is of a script that writes without spaces.
pub(crate) fn is_wide(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The second unit of a wide character.
const WIDE: u32 = 1 << 24;
/// A shorter run of a code hides nothing that would be recognised.
const RUN_CHARS: usize = 16;
/// A line of a broken run has at least so many characters.
const LINE_CHARS: usize = 60;
/// What short texts may expand by beyond their factor.
const SLACK_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_wrapped() {
        for (text, inner) in [
            (r#"{\"to\": \"bob\"}"#, r#"{"to": "bob"}"#),
            (r#"{\\\"to\\\"}"#, r#"{"to"}"#),
            ("aGVsbG8gdGhlcmUgbXkgZnJpZW5k", "hello there my friend"),
            ("d=aGVsbG8gdGhlcmUgbXkgZnJpZW5k&x", "hello there my friend"),
            ("68656c6c6f20746865726521", "hello there!"),
            ("NBSWY3DPEB2GQZLSMUQQ", "hello there!"),
            ("aGVsbG8lMjB0aGVyZSUyMG15JTIwZnJpZW5k", "hello there my friend"),
            ("hello%20there", "hello there"),
            (r"\u5f20\u4f1f", "张伟"),
        ] {
            let forms = Forms::of(text);
            assert!(forms.all.iter().any(|form| form.trim() == inner), "{text}: {:?}", forms.all);
        }
    }

    #[test]
    fn leaves_words_alone() {
        for text in ["internationalization matters", "/usr/local/share/applications", "deadbeef"] {
            assert_eq!(Forms::of(text).all, [text]);
        }
    }
}
