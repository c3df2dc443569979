//! Lists of terms: up to 250,000, in any script, looked for in one pass.
//!
//! All lists of a surface are one tree (`trie.rs`). From each start that a term
//! may begin at, in order, the scan walks down the tree (`cursor.rs`): the same
//! definition of a hit as patterns have, and so the same hold-back, by the
//! depth of the tree. Almost every start is passed over: one inside an ASCII
//! word because a term that begins like a word begins where a word begins, the
//! others by a bit for their first two letters.
//!
//! Terms are looked for in the folded view and in what is unescaped and
//! decoded, not in the raw view as well: whatever spells a term raw spells it
//! folded.
//!
//! # What was measured
//!
//! On two shared cores of an AMD EPYC, 1 MiB each of real English and Chinese,
//! lists half English (three or four words), half Chinese (four to six
//! characters), all drawn from the texts' own words. "Frequent": by their
//! frequency, so that half of all words begin a term, which no real list does;
//! "distinct": each word as often as any other. The tree alone, processor time:
//!
//! | terms | build | memory | English frequent, distinct | Chinese |
//! |---|---|---|---|---|
//! | 10,000 | 0.01 s | 1 to 2 MiB | 10, 9 ns a byte | 6 ns a byte |
//! | 100,000 | 0.05 to 0.07 s | 15 to 24 MiB | 26 to 30, 18 to 21 | 8 to 10 |
//! | 200,000 | 0.10 to 0.14 s | 29 to 46 MiB | 47, 24 | 11 to 13 |
//!
//! The same 100,000 frequent terms in libraries, search alone, on the same
//! machine: `aho-corasick` (contiguous NFA) 53 ns a byte of English and 31 of
//! Chinese, built in 1.8 s; `daachorse` by characters 50 and 13, built in 1.0 s;
//! by bytes 50 and 31, in 1.3 s. Neither gives the hold of a stream.
//!
//! A raw pass of the patterns of `baseline`, `secrets`, both `pii` bundles and
//! `injection` is 45 to 70 ns a byte of English and 24 to 55 of Chinese; 100,000
//! terms make it about 2.1 times as long in English, and 1.4 (real text) to 2.1
//! (characters that are equally frequent) times in Chinese.
//! `cargo bench -p troth-policies --bench lexicon` measures that in one run.

mod cursor;
mod list;
mod term;
mod trie;

pub use self::term::{Term, TermFault};
use self::trie::Trie;
pub(crate) use self::{
    cursor::{Cursor, Text},
    list::List,
    trie::{Owner, TooLarge},
};
use crate::limits;

/// The lists of one surface, compiled.
#[derive(Debug)]
pub(crate) struct Lexicon {
    trie: Trie,
    /// The detector of each list.
    detectors: Vec<u32>,
    /// The bytes of the shortest term that is looked for in decoded text.
    shortest_decoded: Option<usize>,
}

impl Lexicon {
    /// Compiles lists, each with its detector and whether it looks into
    /// decoded text, as far as its terms are long enough for that.
    ///
    /// # Errors
    /// Where they are too large together.
    pub(crate) fn new<'t>(
        lists: impl IntoIterator<Item = (u32, bool, &'t [Term])>,
    ) -> Result<Lexicon, TooLarge> {
        let (mut terms, mut detectors) = (Vec::new(), Vec::new());
        let mut shortest_decoded = None;
        for (list, (detector, decode, all)) in (0u32..).zip(lists) {
            detectors.push(detector);
            for term in all {
                let length = term.as_str().len();
                let decode = decode && length >= limits::DECODE_MIN_BYTES;
                if decode {
                    let least = shortest_decoded.unwrap_or(length);
                    shortest_decoded = Some(length.min(least));
                }
                terms.push((term, Owner { list, decode }));
            }
        }
        if terms.len() > limits::LEXICON_TERMS {
            return Err(TooLarge);
        }
        Ok(Lexicon { trie: Trie::new(terms)?, detectors, shortest_decoded })
    }

    /// The detector of each list, in order.
    pub(crate) fn detectors(&self) -> &[u32] {
        &self.detectors
    }

    /// The bytes of the shortest term that is looked for in decoded text.
    pub(crate) fn shortest_decoded(&self) -> Option<usize> {
        self.shortest_decoded
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.trie.memory_bytes()
    }
}

#[cfg(test)]
mod tests;
