//! The rows of the evasion matrix: what is done to a text so that a reader still
//! understands it and a detector does not. Each is a function of the text and
//! of a seed, so that a failure can be made again.

use super::random::Random;

/// What a category's texts are, which says what can be done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sentences for a model, which reads whatever people read.
    Words,
    /// Commands, paths and queries, which a machine reads: what it would not
    /// run, nobody has to catch.
    Code,
    /// Tokens, numbers and keys: every character counts, but they can be
    /// encoded, and hidden among what is not seen.
    Exact,
    /// Addresses that a reader's program loads: it undoes escapes, nothing else.
    Address,
}

/// One row.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The kinds that it applies to.
    pub(super) kinds: &'static [Kind],
    /// Whether the text ends up in another alphabet: such a row comes last, and
    /// two of them are a nested encoding.
    pub(super) encodes: bool,
    pub(super) apply: fn(&str, &mut Random) -> String,
}

use Kind::{Address, Code, Exact, Words};

const fn row(
    name: &'static str,
    kinds: &'static [Kind],
    encodes: bool,
    apply: fn(&str, &mut Random) -> String,
) -> Row {
    Row { name, kinds, encodes, apply }
}

/// The matrix. Not in it: other languages (patterns of their own), Morse and
/// ASCII art (no view), and splits over messages and arguments (the caller joins
/// those); splits over pieces of a stream are made of every row.
pub(super) const ROWS: &[Row] = &[
    row("case", &[Words], false, case),
    row("white-space", &[Words], false, white_space),
    row("zero-width", &[Words, Code, Exact], false, zero_width),
    row("bidi", &[Words, Code, Exact], false, bidi),
    row("selectors", &[Words, Code, Exact], false, selectors),
    row("soft-hyphen", &[Words, Code, Exact], false, |text, _| between(text, "\u{ad}")),
    row("homoglyphs", &[Words], false, homoglyphs),
    row("full-width", &[Words], false, full_width),
    row("mathematical", &[Words], false, mathematical),
    row("diacritics", &[Words], false, |text, _| after_letters(text, "\u{301}")),
    row("zalgo", &[Words], false, |text, _| after_letters(text, "\u{316}\u{334}\u{30d}")),
    row("deletion", &[Words], false, deletion),
    row("leet", &[Words], false, leet),
    row("spaced", &[Words], false, |text, _| spaced(text, ' ')),
    row("dotted", &[Words], false, |text, _| spaced(text, '.')),
    row("upside-down", &[Words], false, upside_down),
    row("tags", &[Words, Exact], true, tags),
    row("smuggled", &[Words, Exact], true, smuggled),
    row("percent", &[Words, Code, Exact], true, percent),
    row("percent-value", &[Address], false, percent_value),
    row("entities", &[Words, Code, Exact], true, entities),
    row("u-escapes", &[Words, Code, Exact], true, u_escapes),
    row("x-escapes", &[Words, Code, Exact], true, x_escapes),
    row("base64", &[Words, Code, Exact], true, |text, _| base64(text, false)),
    row("base64-url", &[Words, Code, Exact], true, |text, _| base64(text, true)),
    row("base32", &[Words, Code, Exact], true, base32),
    row("hex", &[Words, Code, Exact], true, |text, _| hex::encode(text)),
    row("rot13", &[Words, Code, Exact], true, rot13),
    row("json-key", &[Words, Code, Exact], false, json_key),
];

fn chars(text: &str, mut map: impl FnMut(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    text.chars().for_each(|c| map(c, &mut out));
    out
}

fn case(text: &str, random: &mut Random) -> String {
    chars(text, |c, out| {
        if random.one_in(2) { out.extend(c.to_uppercase()) } else { out.extend(c.to_lowercase()) }
    })
}

fn white_space(text: &str, random: &mut Random) -> String {
    chars(text, |c, out| match c {
        ' ' => out.push_str(random.word(&["\t", "  ", "\n", "\u{a0}", "\u{2003}", "\u{3000}"])),
        c => out.push(c),
    })
}

/// Something between any two letters or digits.
fn between(text: &str, what: &str) -> String {
    let mut before = ' ';
    chars(text, |c, out| {
        if c.is_alphanumeric() && before.is_alphanumeric() {
            out.push_str(what);
        }
        out.push(c);
        before = c;
    })
}

fn after_letters(text: &str, what: &str) -> String {
    chars(text, |c, out| {
        out.push(c);
        if c.is_ascii_alphabetic() {
            out.push_str(what);
        }
    })
}

fn zero_width(text: &str, random: &mut Random) -> String {
    let mut before = ' ';
    chars(text, |c, out| {
        if c.is_alphanumeric() && before.is_alphanumeric() {
            let hidden = ["\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}", "\u{feff}"];
            out.push_str(random.word(&hidden));
        }
        out.push(c);
        before = c;
    })
}

fn bidi(text: &str, random: &mut Random) -> String {
    let mut before = ' ';
    chars(text, |c, out| {
        if c.is_alphanumeric() && before.is_alphanumeric() && random.one_in(2) {
            let controls = ["\u{202a}\u{202c}", "\u{2066}\u{2069}", "\u{200e}", "\u{200f}"];
            out.push_str(random.word(&controls));
        }
        out.push(c);
        before = c;
    })
}

fn selectors(text: &str, random: &mut Random) -> String {
    let mut before = ' ';
    chars(text, |c, out| {
        if c.is_alphanumeric() && before.is_alphanumeric() {
            out.push_str(random.word(&["\u{fe00}", "\u{fe0f}", "\u{e0101}", "\u{e01ef}"]));
        }
        out.push(c);
        before = c;
    })
}

fn homoglyphs(text: &str, random: &mut Random) -> String {
    chars(text, |c, out| {
        let found = GLYPHS.iter().find(|(plain, _)| *plain == c);
        out.push(match found {
            Some((_, like)) if !random.one_in(3) => *like,
            _ => c,
        });
    })
}

/// Letters and the ones that look like them.
const GLYPHS: &[(char, char)] = &[
    ('a', 'а'),
    ('c', 'с'),
    ('e', 'е'),
    ('i', 'і'),
    ('j', 'ј'),
    ('o', 'ο'),
    ('p', 'р'),
    ('s', 'ѕ'),
    ('x', 'х'),
    ('y', 'у'),
    ('h', 'һ'),
    ('v', 'ν'),
    ('A', 'Α'),
    ('B', 'В'),
    ('E', 'Ε'),
    ('I', 'Ι'),
    ('M', 'М'),
    ('O', 'О'),
    ('P', 'Р'),
    ('T', 'Т'),
    ('Y', 'Υ'),
];

fn full_width(text: &str, _: &mut Random) -> String {
    chars(text, |c, out| {
        out.push(match c {
            ' ' => '\u{3000}',
            '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
            c => c,
        });
    })
}

fn mathematical(text: &str, random: &mut Random) -> String {
    // Bold, sans-serif bold, monospaced: complete blocks.
    let base = *random.choose(&[0x1d400u32, 0x1d5d4, 0x1d670]);
    chars(text, |c, out| {
        out.push(match c {
            'A'..='Z' => char::from_u32(base + u32::from(c) - 0x41).unwrap_or(c),
            'a'..='z' => char::from_u32(base + 26 + u32::from(c) - 0x61).unwrap_or(c),
            c => c,
        });
    })
}

/// A letter too many, and the control that takes it back.
fn deletion(text: &str, random: &mut Random) -> String {
    chars(text, |c, out| {
        if c.is_ascii_alphabetic() && random.one_in(3) {
            out.push_str(random.word(&["x\u{8}", "q\u{7f}", "z\u{8}"]));
        }
        out.push(c);
    })
}

fn leet(text: &str, random: &mut Random) -> String {
    chars(text, |c, out| {
        let digit = match c.to_ascii_lowercase() {
            'a' => '4',
            'e' => '3',
            'i' => '1',
            'o' => '0',
            's' => '5',
            't' => '7',
            _ => c,
        };
        out.push(if random.one_in(4) { c } else { digit });
    })
}

/// `i g n o r e   a l l`: a mark between letters, three spaces between words. What
/// is not seen is between no letters, and what sits on a letter stays with it.
fn spaced(text: &str, mark: char) -> String {
    let mut before = ' ';
    chars(text, |c, out| {
        let unseen = is_unseen(c);
        if !unseen && c.is_alphanumeric() && before.is_alphanumeric() {
            out.push(mark);
        }
        if c == ' ' {
            out.push_str("   ");
        } else {
            out.push(c);
        }
        before = if unseen { before } else { c };
    })
}

/// What shows nothing, and marks that are drawn with the letter before them.
fn is_unseen(c: char) -> bool {
    let mut folded = String::new();
    crate::fold::fold(c, |part| folded.push(part));
    folded.is_empty() || unicode_normalization::char::is_combining_mark(c)
}

fn upside_down(text: &str, _: &mut Random) -> String {
    let (plain, turned) = ("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz");
    let lower = text.to_ascii_lowercase();
    let flipped = chars(&lower, |c, out| {
        out.push(plain.find(c).and_then(|at| turned.chars().nth(at)).unwrap_or(c));
    });
    flipped.chars().rev().collect()
}

fn tags(text: &str, _: &mut Random) -> String {
    let hidden = chars(text, |c, out| {
        let tag = if matches!(c, ' '..='~') { u32::from(c) + 0xe_0000 } else { u32::from(c) };
        out.push(char::from_u32(tag).unwrap_or(c));
    });
    format!("Hello!\n{hidden}")
}

/// Bytes as variation selectors behind a smile.
fn smuggled(text: &str, _: &mut Random) -> String {
    let mut out = String::from("😀");
    out.extend(text.bytes().filter_map(|byte| {
        let byte = u32::from(byte);
        char::from_u32(if byte < 16 { 0xfe00 + byte } else { 0xe_0100 + byte - 16 })
    }));
    out
}

fn percent(text: &str, random: &mut Random) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() && !random.one_in(2) {
            out.push(c);
        } else {
            let mut bytes = [0u8; 4];
            c.encode_utf8(&mut bytes)
                .bytes()
                .for_each(|byte| out.push_str(&format!("%{byte:02x}")));
        }
    }
    out
}

/// Letters of an address's values in percent, and nothing of its frame.
fn percent_value(text: &str, random: &mut Random) -> String {
    let mut value = false;
    chars(text, |c, out| {
        value = c == '=' || (value && (c.is_ascii_alphanumeric() || c == '%'));
        if value && c.is_ascii_lowercase() && random.one_in(6) {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    })
}

fn entities(text: &str, random: &mut Random) -> String {
    chars(text, |c, out| {
        let code = u32::from(c);
        out.push_str(&if random.one_in(2) {
            format!("&#{code};")
        } else {
            format!("&#x{code:x};")
        });
    })
}

fn u_escapes(text: &str, _: &mut Random) -> String {
    let mut units = [0u16; 2];
    chars(text, |c, out| {
        c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
    })
}

fn x_escapes(text: &str, _: &mut Random) -> String {
    chars(text, |c, out| match u32::from(c) {
        code @ 0..=0x7f => out.push_str(&format!("\\x{code:02x}")),
        _ => out.push(c),
    })
}

/// Digits of a power of two, first bits first; `pad` to whole groups.
fn digits(text: &str, bits: u32, alphabet: &[u8]) -> String {
    let (mut value, mut count, mut out) = (0u32, 0u32, String::new());
    for byte in text.bytes() {
        value = (value << 8 | u32::from(byte)) & 0xffff;
        count += 8;
        while count >= bits {
            count -= bits;
            let digit = (value >> count) & ((1 << bits) - 1);
            out.extend(
                usize::try_from(digit).ok().and_then(|at| alphabet.get(at)).map(|b| char::from(*b)),
            );
        }
    }
    if count > 0 {
        let digit = (value << (bits - count)) & ((1 << bits) - 1);
        out.extend(
            usize::try_from(digit).ok().and_then(|at| alphabet.get(at)).map(|b| char::from(*b)),
        );
    }
    out
}

fn base64(text: &str, url: bool) -> String {
    let mut alphabet = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if url {
        alphabet[62..].copy_from_slice(b"-_");
    }
    let mut out = digits(text, 6, &alphabet);
    while !url && !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

fn base32(text: &str, _: &mut Random) -> String {
    let mut out = digits(text, 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    while !out.len().is_multiple_of(8) {
        out.push('=');
    }
    out
}

fn rot13(text: &str, _: &mut Random) -> String {
    let turn = |c: char, first: u8| {
        u8::try_from(c).map_or(c, |byte| char::from((byte - first + 13) % 26 + first))
    };
    chars(text, |c, out| {
        out.push(match c {
            'a'..='z' => turn(c, b'a'),
            'A'..='Z' => turn(c, b'A'),
            c => c,
        });
    })
}

fn json_key(text: &str, _: &mut Random) -> String {
    serde_json::json!({ text: true }).to_string()
}
