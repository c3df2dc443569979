//! Words near a hit that say how much it counts.
//!
//! Only words *before* it: what comes after it is not known when a stream must
//! say what the hit is, and waiting for it would hold text that is decided.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::{fold::fold, limits};

/// A list of words, how far before a hit they may stand, and what the hit then
/// counts.
#[derive(Clone, Debug)]
pub(crate) struct Nearby {
    words: AhoCorasick,
    within: usize,
    pub(crate) score: u32,
}

impl Nearby {
    /// `within` is in bytes of the view; `None` where the words cannot be put
    /// together.
    pub(crate) fn new(words: &[String], within: usize, score: u32) -> Option<Nearby> {
        let mut folded = Vec::new();
        for word in words {
            for word in [word.clone(), word.to_lowercase(), word.to_uppercase()] {
                let mut plain = String::new();
                word.chars().for_each(|c| fold(c, |part| plain.push(part)));
                if plain.is_empty() {
                    return None;
                }
                folded.push(word);
                folded.push(plain);
            }
        }
        let words = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(folded)
            .ok()?;
        Some(Nearby { words, within: within.min(limits::CONTEXT_BYTES), score })
    }

    /// The bytes before a hit that `stands` asks for: one more than count, so
    /// that the first word's own beginning is known.
    pub(crate) fn bytes(&self) -> usize {
        self.within.saturating_add(1)
    }

    /// Whether one of the words stands in the text before a hit.
    pub(crate) fn stands(&self, before: &[u8]) -> bool {
        let skipped = before.len().saturating_sub(self.within);
        self.words.find_overlapping_iter(before).any(|found| {
            let byte = |at: Option<usize>| at.and_then(|at| before.get(at)).copied();
            let inside = |edge: Option<u8>, beyond: Option<u8>| {
                edge.is_some_and(is_word) && beyond.is_some_and(is_word)
            };
            found.start() >= skipped
                && !inside(byte(Some(found.start())), byte(found.start().checked_sub(1)))
                && !inside(byte(found.end().checked_sub(1)), byte(Some(found.end())))
        })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_whole_and_near() {
        let nearby = Nearby::new(&["card".to_owned(), "卡号".to_owned()], 8, 1).unwrap();
        for (before, stands) in [
            ("card ", true),
            ("CARD: ", true),
            ("x card no ", true),
            ("x card no. ", false),
            ("discard ", false),
            ("cards ", false),
            ("card", true),
            ("卡号：", false),
            ("卡号:", true),
            ("", false),
        ] {
            assert_eq!(nearby.stands(before.as_bytes()), stands, "{before}");
        }
        assert!(Nearby::new(&["\u{200b}".to_owned()], 8, 1).is_none());
    }
}
