//! A term as the scan meets it.

use crate::{fold::fold, limits};

/// A term of a lexicon, in the letters that the scan compares: folded as the
/// folded view is, lower case, every run of white space one space, none at
/// either end. Two spellings that come to the same are one term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(Box<str>);

/// Why a text is no term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermFault {
    /// Nothing of it is left that could be seen.
    Empty,
    /// It holds a control character: the list was exported badly.
    Control(char),
    /// It is longer than the bound, which is in bytes.
    Long(usize),
}

impl std::fmt::Display for TermFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TermFault::Empty => f.write_str("the term has no visible character"),
            TermFault::Control(c) => {
                write!(f, "the term holds the control character U+{:04X}", u32::from(*c))
            }
            TermFault::Long(most) => write!(f, "the term is longer than {most} bytes"),
        }
    }
}

impl std::error::Error for TermFault {}

impl Term {
    /// Reads a term.
    ///
    /// # Errors
    /// Where it could never be found, or was not meant.
    pub fn parse(text: &str) -> Result<Term, TermFault> {
        if let Some(control) = text.chars().find(|c| c.is_control() || *c == '\u{fffd}') {
            return Err(TermFault::Control(control));
        }
        let mut plain = String::new();
        for c in text.chars() {
            fold(c, |part| match letter(part) {
                ' ' if plain.is_empty() || plain.ends_with(' ') => {}
                part => plain.push(part),
            });
        }
        let plain = plain.trim_end_matches(' ');
        match plain.len() {
            0 => Err(TermFault::Empty),
            length if length > limits::TERM_BYTES => Err(TermFault::Long(limits::TERM_BYTES)),
            _ => Ok(Term(plain.into())),
        }
    }

    /// Its letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A character of a folded text as terms spell it. What is folded once more
/// after its case was taken away is spelled as its small form is: `П` as `п`.
#[inline]
pub(super) fn letter(c: char) -> char {
    match c {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' => ' ',
        _ if c.is_ascii() => c.to_ascii_lowercase(),
        '\u{3041}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => c,
        _ => small(c),
    }
}

fn small(c: char) -> char {
    let only = |mut letters: std::char::ToLowercase| match (letters.next(), letters.next()) {
        (Some(one), None) => one,
        _ => c,
    };
    let lower = only(c.to_lowercase());
    if lower == c {
        return c;
    }
    let (mut last, mut count) = (lower, 0u32);
    fold(lower, |part| {
        last = part;
        count = count.saturating_add(1);
    });
    if count == 1 { last.to_ascii_lowercase() } else { lower }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_look_the_same_are_one_term() {
        for (written, plain) in [
            ("Slot Machine", "slot machine"),
            ("  ｓｌｏｔ\u{3000} machine ", "slot machine"),
            ("sl\u{200b}ot macհine", "slot machine"),
            ("Ｄǐngbaò", "dingbao"),
            ("赌 博", "赌 博"),
            ("Порно", "пopho"),
            ("ПОРНО", "пopho"),
        ] {
            let term = Term::parse(written).unwrap();
            // What one spelling comes to the other comes to as well.
            let expected = Term::parse(plain).unwrap();
            assert_eq!(term, expected, "{written}");
        }
        assert_eq!(Term::parse("ПОРНО"), Term::parse("порно"));
    }

    #[test]
    fn what_cannot_be_a_term_is_refused_with_its_reason() {
        assert_eq!(Term::parse("a\u{7}b"), Err(TermFault::Control('\u{7}')));
        assert_eq!(Term::parse("坏\u{fffd}"), Err(TermFault::Control('\u{fffd}')));
        assert_eq!(Term::parse(" \u{200b}\u{301} "), Err(TermFault::Empty));
        let most = limits::TERM_BYTES;
        assert!(Term::parse(&"x".repeat(most)).is_ok());
        assert_eq!(Term::parse(&"x".repeat(most + 1)), Err(TermFault::Long(most)));
    }

    /// The scan folds a text first and compares letters then: whatever a term
    /// says must be what the same text comes to there.
    #[test]
    fn a_letter_of_a_letter_is_itself() {
        ('\0'..=char::MAX).for_each(|c| {
            fold(c, |part| {
                let once = letter(part);
                assert_eq!(letter(once), once, "U+{:04X}", u32::from(c));
            });
        });
    }
}
