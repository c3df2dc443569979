//! One text that grows: what is held, what is cleared, what is replaced.

use std::ops::Range;

use troth_policies::{Bundle, Channel, Cleared, Finding, Hold};

use crate::{
    dialect::openai::Lane,
    redact::{self, Redaction},
};

/// What the classifiers have to do with a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scores {
    /// Nothing.
    Unwanted,
    /// Its text waits for them.
    Gate,
    /// Its text does not wait, and the record says how much did not.
    Race,
}

/// The state of one lane.
#[derive(Debug)]
pub(super) struct LaneState {
    /// Where the text is said.
    pub(super) channel: Channel,
    hold: Hold,
    /// Bytes that came.
    pub(super) length: usize,
    /// Everything before this byte is cleared by the rules.
    ruled: usize,
    /// Bytes that a bound kept the rules from seeing.
    skipped: u64,
    finished: bool,
    wants: Scores,
    /// The classifiers have spoken about everything before this byte.
    scored: usize,
    /// Text from `kept_from` on: what a classifier may still ask for.
    kept: String,
    kept_from: usize,
    /// Up to where the classifiers were asked.
    asked: usize,
    /// Where the speaker has paused: the classifiers are asked up to there
    /// although no sentence may end there.
    pauses: Vec<usize>,
    /// Tokens that they read.
    pub(super) tokens: u64,
    /// Bytes that they did not see.
    pub(super) unseen: u64,
    /// Texts that they were asked about and gave no scores for.
    pub(super) missed: u64,
    /// What is replaced.
    pub(super) redactions: Vec<Redaction>,
    /// Findings that begin after what is cleared. They are handed out once
    /// everything before them is, in their order: so what has left when one of
    /// them ends the stream does not depend on how the text was cut.
    pending: Vec<Finding>,
    /// Nothing from this byte on may leave.
    cut: Option<usize>,
}

impl LaneState {
    /// An empty lane.
    pub(super) fn new(bundle: &Bundle, lane: &Lane, wants: Scores) -> Self {
        let channel = lane.channel();
        Self {
            channel,
            hold: bundle.hold(channel),
            length: 0,
            ruled: 0,
            skipped: 0,
            finished: false,
            wants,
            scored: 0,
            kept: String::new(),
            kept_from: 0,
            asked: 0,
            pauses: Vec::new(),
            tokens: 0,
            unseen: 0,
            missed: 0,
            redactions: Vec::new(),
            pending: Vec::new(),
            cut: None,
        }
    }

    /// More text; returns the findings that it completed.
    pub(super) fn push(&mut self, text: &str, keep: bool) -> Vec<Finding> {
        self.length += text.len();
        if keep {
            self.kept.push_str(text);
        }
        let cleared = self.hold.push(text);
        self.ruled = cleared.upto;
        self.skipped += skipped(&cleared);
        self.pending.extend(cleared.findings);
        self.ripe()
    }

    fn ripe(&mut self) -> Vec<Finding> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        self.pending.sort_by_key(|finding| (finding.span.start, finding.span.end));
        let ripe = self.pending.partition_point(|finding| finding.span.start <= self.ruled);
        self.pending.drain(..ripe).collect()
    }

    /// The end of the text.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        // The rules have said all that they will say about what had come by the
        // first end; what came after it has no verdict and stays held.
        if std::mem::replace(&mut self.finished, true) {
            return Vec::new();
        }
        let cleared = self.hold.finish();
        self.ruled = cleared.upto.max(self.length);
        self.skipped += skipped(&cleared);
        self.pending.extend(cleared.findings);
        self.ripe()
    }

    /// Everything before this byte may leave.
    pub(super) fn cleared(&self) -> usize {
        let cleared = match self.wants {
            Scores::Gate => self.judged(),
            Scores::Unwanted | Scores::Race => self.ruled,
        };
        self.cut.map_or(cleared, |cut| cut.min(cleared))
    }

    /// Every detector has spoken about everything before this byte.
    pub(super) fn judged(&self) -> usize {
        match self.wants {
            Scores::Unwanted => self.ruled,
            Scores::Gate | Scores::Race => self.scored.min(self.ruled),
        }
    }

    /// Bytes of the text that are kept for the classifiers.
    pub(super) const fn kept_bytes(&self) -> usize {
        self.kept.len()
    }

    /// Bytes that the rules did not see, or that came after the end.
    pub(super) fn skipped(&self) -> u64 {
        let late = if self.finished { self.length.saturating_sub(self.ruled) } else { 0 };
        self.skipped + late as u64
    }

    /// Whether the text was cut at `at` or before it.
    pub(super) fn is_cut_off(&self, at: usize) -> bool {
        self.cut.is_some_and(|cut| cut <= at)
    }

    /// Whether nothing of it waits for the classifiers.
    pub(super) fn is_scored(&self) -> bool {
        self.wants != Scores::Gate || self.scored >= self.length
    }

    /// Nothing from `at` on may leave, nor anything of a redaction that `at` is
    /// in.
    pub(super) fn cut(&mut self, at: usize) {
        let within = |r: &&Redaction| r.span.start < at && at < r.span.end;
        let at = self.redactions.iter().find(within).map_or(at, |r| r.span.start);
        let at = self.cut.map_or(at, |cut| cut.min(at));
        self.cut = Some(at);
        let mut keep = at.saturating_sub(self.kept_from).min(self.kept.len());
        while !self.kept.is_char_boundary(keep) {
            keep -= 1;
        }
        self.kept.truncate(keep);
    }

    /// The classifiers have spoken about everything before this byte.
    pub(super) const fn scored(&self) -> usize {
        self.scored
    }

    /// The classifiers have spoken about everything before `upto`.
    pub(super) fn scored_to(&mut self, upto: usize) {
        self.scored = self.scored.max(upto);
        // What lies a window behind is never asked for again.
        let floor = upto.saturating_sub(WINDOW_BYTES);
        if floor > self.kept_from + WINDOW_BYTES {
            let mut cut = (floor - self.kept_from).min(self.kept.len());
            while !self.kept.is_char_boundary(cut) {
                cut += 1;
            }
            self.kept.drain(..cut);
            self.kept_from += cut;
        }
    }

    /// Another text goes on where this one was: what waits for the end of its
    /// last sentence must not hold everything that is said after it. A place in
    /// the text and not in a packet, so that the windows depend on the text
    /// alone; bounded, or texts that take turns would be asked about word by
    /// word.
    pub(super) fn pause(&mut self) {
        if self.pauses.len() < PAUSES && self.pauses.last() != Some(&self.length) {
            self.pauses.push(self.length);
        }
    }

    /// The text to ask the classifiers about next, with the byte that their
    /// answer clears up to: a sentence that has ended, or anything before a
    /// pause or at `end`.
    pub(super) fn due(&mut self, end: bool) -> Option<(String, usize, usize)> {
        let unasked = self.asked.checked_sub(self.kept_from)?;
        let pause = self.pauses.iter().find(|pause| **pause > self.asked);
        let paused = pause.and_then(|pause| self.kept.get(unasked..pause - self.kept_from));
        let end = end || paused.is_some();
        let fresh = paused.or_else(|| self.kept.get(unasked..))?;
        // The first sentence and not the last, and a fixed length where there
        // is none: the windows depend on the text alone.
        let length = match sentence_end(fresh) {
            Some(length) => length,
            None if end => fresh.len(),
            None => return None,
        };
        if length == 0 {
            return None;
        }
        let upto = unasked + length;
        let mut from = upto.saturating_sub(WINDOW_BYTES).min(unasked);
        while !self.kept.is_char_boundary(from) {
            from -= 1;
        }
        let text = self.kept.get(from..upto)?.to_owned();
        let start = self.kept_from + from;
        self.asked = self.kept_from + upto;
        Some((text, start, self.asked))
    }

    /// Replaces `finding`'s span.
    pub(super) fn redact(&mut self, finding: &Finding) {
        if finding.span.is_empty() {
            return;
        }
        let marker = redact::marker(&finding.category);
        redact::add(&mut self.redactions, Redaction { span: finding.span.clone(), marker });
        if let Some(cut) = self.cut {
            // It may reach over the cut, which then moves to its beginning.
            self.cut(cut);
        }
    }

    /// What of `fragment` is replaced, and by what: the marker stands in the
    /// fragment that holds the span's first byte.
    pub(super) fn replacements(&self, fragment: &Range<usize>) -> Vec<(Range<usize>, &str)> {
        let first = self.redactions.partition_point(|r| r.span.end <= fragment.start);
        let own = self.redactions.iter().skip(first);
        own.take_while(|redaction| redaction.span.start < fragment.end)
            .map(|redaction| {
                let start = redaction.span.start.max(fragment.start);
                let end = redaction.span.end.min(fragment.end);
                let begins = redaction.span.start >= fragment.start;
                let marker = if begins { redaction.marker.as_str() } else { "" };
                (start - fragment.start..end - fragment.start, marker)
            })
            .collect()
    }
}

fn skipped(cleared: &Cleared) -> u64 {
    cleared.skipped.iter().map(|skip| skip.bytes).sum()
}

/// The byte after the first sentence of `text`: after its end sign, or at a
/// fixed length.
fn sentence_end(text: &str) -> Option<usize> {
    let mut stop = false;
    for (at, c) in text.char_indices() {
        if at >= SENTENCE_BYTES || (stop && c.is_whitespace()) {
            return Some(at);
        }
        stop = matches!(c, '.' | '!' | '?' | ':' | ';');
        if matches!(c, '。' | '！' | '？' | '；' | '\n') {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// What a classifier sees at once: a few sentences, about one window of tokens.
const WINDOW_BYTES: usize = 1024;
/// Pauses of one lane.
const PAUSES: usize = 8;
/// A text without sentence ends is asked about at this length.
const SENTENCE_BYTES: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_people_end_them() {
        assert_eq!(sentence_end("One. Two"), Some(4));
        assert_eq!(sentence_end("3.14 is"), None);
        assert_eq!(sentence_end("你好。再"), Some(9));
        assert_eq!(sentence_end("a\nb"), Some(2));
        assert_eq!(sentence_end("一。二。三"), Some(6));
        assert_eq!(sentence_end(&"x".repeat(SENTENCE_BYTES)), None);
        assert_eq!(sentence_end(&"x".repeat(SENTENCE_BYTES + 1)), Some(SENTENCE_BYTES));
        assert_eq!(sentence_end(""), None);
    }
}
