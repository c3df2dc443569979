//! Whether somebody who may say so named a value.
//!
//! A value is a list of needs, each with the ways in which it can be met: an
//! address by the very address, a link by it or its host, a number by the same
//! number however it is written, anything else by its words in their order.
//! Nothing is folded here but case: an address with a Cyrillic letter is not
//! the address that the user wrote.

use super::{
    forms::is_wide,
    hash,
    tokens::{Kind, addresses, tokens},
};

/// Gives every name that a text mentions: its distinctive words, its numbers,
/// and each sequence of up to `GRAM_WORDS` words.
pub(crate) fn mentioned(text: &str, mut put: impl FnMut(u64)) {
    tokens(text, |kind, word| put(hash(tag(kind), word)));
    for number in text.split(|c: char| !is_number_char(c)) {
        readings(number, |plain| put(hash("number", &plain)));
    }
    for run in runs(text) {
        match run {
            Run::Words(words) => grams(&words, |gram| put(hash("words", &gram))),
            Run::Wide(chars) => {
                for length in 1..=GRAM_CHARS {
                    for gram in chars.windows(length) {
                        put(hash("words", &gram.iter().collect::<String>()));
                    }
                }
            }
        }
    }
}

/// Gives each word that a text points at rather than uses: capitalised inside
/// a sentence, or after a word like `to` or `from`.
pub(crate) fn pointed_at(text: &str, mut put: impl FnMut(u64)) {
    let mut before = String::from(".");
    for word in text.split_whitespace() {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric());
        let plain = plain.strip_suffix("'s").or_else(|| plain.strip_suffix("’s")).unwrap_or(plain);
        let inside = !before.ends_with(['.', '!', '?', ':']);
        let capital = plain.chars().next().is_some_and(char::is_uppercase);
        if (inside && capital) || POINTERS.contains(&before.to_lowercase().as_str()) {
            put(hash("pointed", &plain.to_lowercase()));
        }
        word.clone_into(&mut before);
    }
}

/// What has to have been said for a value to be named: all of these, each in
/// one of its ways.
pub(crate) fn needs(value: &str) -> Vec<Vec<u64>> {
    let value = value.trim();
    let mut needs: Vec<Vec<u64>> = Vec::new();
    for (kind, word) in addresses(value) {
        let way = hash(tag(kind), &word);
        match (kind, needs.last_mut()) {
            // The host of a link is another way to name the link.
            (Kind::Host, Some(link)) => link.push(way),
            _ => needs.push(vec![way]),
        }
    }
    if !needs.is_empty() {
        return needs;
    }
    if let Some(account) = account(value) {
        return vec![vec![hash(tag(Kind::Number), &account)]];
    }
    if value.chars().all(is_number_char) {
        let mut ways = Vec::new();
        readings(value, |plain| ways.push(hash("number", &plain)));
        if !ways.is_empty() {
            return vec![ways];
        }
    }
    for run in runs(value) {
        match run {
            Run::Words(words) if words.len() <= GRAM_WORDS => {
                needs.push(vec![hash("words", &words.join(" "))]);
            }
            Run::Words(words) => needs
                .extend(words.windows(GRAM_WORDS).map(|gram| vec![hash("words", &gram.join(" "))])),
            Run::Wide(chars) => {
                let size = chars.len().min(GRAM_CHARS);
                let gram = |gram: &[char]| vec![hash("words", &gram.iter().collect::<String>())];
                needs.extend(chars.windows(size.max(1)).map(gram));
            }
        }
    }
    needs
}

/// The ways to speak of somebody of this name: the whole name, or a part of it
/// that is pointed at.
pub(crate) fn person(name: &str, mut put: impl FnMut(u64)) {
    // `Anna Berg <anna@example.com>`: the address names itself.
    let name = name.split(['<', '@']).next().unwrap_or_default();
    for run in runs(name) {
        match run {
            Run::Words(words) => {
                if words.len() > 1 {
                    put(hash(
                        "words",
                        &words.get(..GRAM_WORDS.min(words.len())).unwrap_or_default().join(" "),
                    ));
                }
                for word in words.iter().filter(|word| word.chars().count() >= PART_CHARS) {
                    put(hash("pointed", word));
                }
            }
            Run::Wide(chars) if (2..=GRAM_CHARS).contains(&chars.len()) => {
                put(hash("words", &chars.iter().collect::<String>()));
            }
            Run::Wide(_) => {}
        }
    }
}

/// The ways to speak of something of this title: two or three of its words in
/// their order, four characters of it.
pub(crate) fn title(title: &str, mut put: impl FnMut(u64)) {
    for run in runs(title) {
        match run {
            Run::Words(words) => {
                for size in 2..=GRAM_WORDS {
                    words.windows(size).for_each(|gram| put(hash("words", &gram.join(" "))));
                }
                if let [word] = words.as_slice() {
                    put(hash("pointed", word));
                }
            }
            Run::Wide(chars) => {
                let gram = |gram: &[char]| put(hash("words", &gram.iter().collect::<String>()));
                chars.windows(GRAM_CHARS.min(chars.len().max(3))).for_each(gram);
            }
        }
    }
}

/// Words between punctuation, or a stretch of a script without spaces.
enum Run {
    Words(Vec<String>),
    Wide(Vec<char>),
}

fn runs(text: &str) -> Vec<Run> {
    let (mut all, mut words, mut wide) = (Vec::new(), Vec::new(), Vec::new());
    let mut word = String::new();
    for c in text.to_lowercase().chars().chain(['\n']) {
        if is_wide(c) {
            wide.push(c);
        } else if !wide.is_empty() {
            all.push(Run::Wide(std::mem::take(&mut wide)));
        }
        if c.is_alphanumeric() && !is_wide(c) {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if (is_wide(c) || matches!(c, '\n' | '.' | '!' | '?' | ',' | ';' | ':'))
            && !words.is_empty()
        {
            // A full stop inside a name (`report.pdf`) ends no more than a word.
            if matches!(c, '.' | ':' | ',') {
                continue;
            }
            all.push(Run::Words(std::mem::take(&mut words)));
        }
    }
    if !words.is_empty() {
        all.push(Run::Words(words));
    }
    all
}

fn grams(words: &[String], mut put: impl FnMut(String)) {
    for size in 1..=GRAM_WORDS {
        words.windows(size).for_each(|gram| put(gram.join(" ")));
    }
}

/// The number of an account, a card or a telephone, joined: a value that is
/// nothing but groups of which most are digits.
fn account(value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '+');
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let letters = value.chars().filter(char::is_ascii_alphabetic).count();
    (value.chars().all(plain) && digits >= ACCOUNT_DIGITS && letters <= digits).then(|| {
        value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
    })
}

fn is_number_char(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | ',' | '\'')
}

/// The plain numbers that digits with separators may mean: `1,200.50` and
/// `1.200,50` are twelve hundred and a half, `1.200` may be either.
fn readings(text: &str, mut put: impl FnMut(String)) {
    let text = text.trim_matches(['.', ',', '\'']);
    if text.is_empty() || text.len() > NUMBER_BYTES {
        return;
    }
    for (thousands, point) in [(',', '.'), ('.', ',')] {
        let plain: String = text.chars().filter(|c| *c != thousands && *c != '\'').collect();
        let plain = plain.replace(point, ".");
        let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
        if part.contains('.') {
            continue;
        }
        let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
        put(if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") });
    }
}

/// The name that a distinctive word is.
pub(crate) fn name_of(kind: Kind, word: &str) -> u64 {
    hash(tag(kind), word)
}

fn tag(kind: Kind) -> &'static str {
    match kind {
        Kind::Email => "email",
        Kind::Link => "link",
        Kind::Host => "host",
        Kind::Number => "account",
        Kind::Other => "other",
    }
}

/// Words of the longest phrase that is remembered; a longer value has all its
/// phrases of this length to be said.
const GRAM_WORDS: usize = 3;
/// The same in characters of a script without spaces.
const GRAM_CHARS: usize = 4;
/// Letters of the shortest part of a name that names somebody.
const PART_CHARS: usize = 3;
/// Digits of the shortest account number.
const ACCOUNT_DIGITS: usize = 7;
/// The longest number that anybody means as an amount.
const NUMBER_BYTES: usize = 24;
/// Words after which a name stands.
const POINTERS: &[&str] =
    &["to", "from", "by", "for", "with", "tell", "ask", "at", "an", "von", "à", "de", "para"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn named(text: &str, value: &str) -> bool {
        let mut said = BTreeSet::new();
        mentioned(text, |name| said.extend([name]));
        needs(value).iter().all(|ways| ways.iter().any(|way| said.contains(way)))
    }

    #[test]
    fn a_value_is_named_by_those_who_wrote_it() {
        for (text, value, yes) in [
            ("Send it to Bob@Example.com.", "bob@example.com", true),
            ("Send it to Bob@Example.com.", "Bob <bob@example.com>", true),
            ("Send it to bob@example.com.", "bob@example.com.evil.example", false),
            ("Send it to bob@example.com.", "b\u{43e}b@example.com", false),
            ("Send it to bob@example.com.", "bob@example.com, eve@example.com", false),
            ("Send it to bob@example.com.", "https://example.com/x", false),
            ("Look at https://shop.example/a", "https://shop.example/b?c=d", true),
            ("Look at https://shop.example/a", "https://evil.example/shop.example/a", false),
            ("Look at https://shop.example/a", "https://shop.example@evil.example/", false),
            ("Pay DE89 3704 0044 0532 0130 00", "DE89370400440532013000", true),
            ("Pay DE89370400440532013000", "de89 3704 0044 0532 0130 00", true),
            ("Pay DE89370400440532013000", "DE89370400440532013001", false),
            ("Pay GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432", true),
            (
                "To 0x52908400098527886E0F7030069857D2E4169EE7",
                "0x52908400098527886e0f7030069857d2e4169ee7",
                true,
            ),
            (
                "To 0x52908400098527886E0F7030069857D2E4169EE7",
                "0x52908400098527886e0f7030069857d2e4169ee8",
                false,
            ),
            ("Pay 1,200.50 EUR", "1200.5", true),
            ("Pay 1.200,50 EUR", "1200.50", true),
            ("Pay 50 EUR", "500", false),
            ("Post in #general that we are done", "general", true),
            ("Post in #general that we are done", "#general", true),
            ("Read q3 report.pdf to me", "q3_report.pdf", true),
            ("给张伟发邮件", "张伟", true),
            ("给张伟发邮件", "王伟", false),
            ("发布到产品讨论组", "产品讨论组", true),
            ("I live at 12 Elm Street, Springfield", "12 Elm Street, Springfield", true),
            ("I live at 12 Elm Street, Springfield", "99 Elm Street, Springfield", false),
        ] {
            assert_eq!(named(text, value), yes, "{text} {value}");
        }
    }
}
