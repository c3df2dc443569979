//! Texts in, findings out: rules and classifiers side by side.
//!
//! Rules run on this thread while the classifiers' own threads score; a text
//! that was screened before under the same bundle and models costs one hash
//! (the history of a conversation comes again with each turn).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use troth_classifiers::{Classifiers, PendingScores, ScoreError, Scores};
use troth_policies::{Bundle, Finding, Segment};

use crate::{
    clock::Mark,
    config::OnDeadline,
    coverage::{Coverage, Look},
    dialect::Piece,
};

/// A bundle and its models, ready to read.
#[derive(Debug, Clone)]
pub(crate) struct Screener {
    bundle: Bundle,
    models: Option<Models>,
    /// What the texts' digests are of, besides the text: bundle and models.
    context: [u8; 32],
    seen: Cache<[u8; 32], Arc<Seen>>,
}

/// Classifiers with their deadline.
#[derive(Debug, Clone)]
pub(crate) struct Models {
    /// The sessions.
    pub(crate) classifiers: Classifiers,
    /// How long a text waits.
    pub(crate) deadline: Duration,
    /// What happens when the scores do not come.
    pub(crate) on_deadline: OnDeadline,
    /// The detector's name in coverage rows.
    pub(crate) name: String,
}

#[derive(Debug)]
struct Seen {
    findings: Vec<Finding>,
    /// Bytes that the rules did not see.
    truncated: u64,
    scores: Option<Scored>,
}

#[derive(Debug, Clone)]
struct Scored {
    labels: Vec<(String, u32)>,
    tokens: u64,
    truncated: u64,
}

/// What the detectors found and saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Screening {
    /// Findings; their `segment` is the index of the piece.
    pub(crate) findings: Vec<Finding>,
    /// Highest score of each label over all pieces, ppm.
    pub(crate) scores: Vec<(String, u32)>,
    /// Who saw what.
    pub(crate) coverage: Coverage,
    /// Scores that did not come.
    pub(crate) missed: Option<OnDeadline>,
    /// Microseconds of this call.
    pub(crate) micros: u64,
}

impl Screener {
    /// A screener whose memory of texts is bounded to `cache_bytes`.
    pub(crate) fn new(bundle: Bundle, models: Option<Models>, cache_bytes: u64) -> Self {
        let mut context = Sha256::new();
        context.update(bundle.digest());
        for model in models.iter().flat_map(|models| models.classifiers.models()) {
            context.update(model.digest.as_bytes());
        }
        let weigh = |_: &[u8; 32], seen: &Arc<Seen>| {
            let findings = seen.findings.len().saturating_mul(FINDING_BYTES);
            u32::try_from(findings.saturating_add(SEEN_BYTES)).unwrap_or(u32::MAX)
        };
        Self {
            bundle,
            models,
            context: context.finalize().into(),
            seen: Cache::builder().max_capacity(cache_bytes).weigher(weigh).build(),
        }
    }

    /// The bundle.
    pub(crate) const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The classifiers, where they are on.
    pub(crate) const fn models(&self) -> Option<&Models> {
        self.models.as_ref()
    }

    /// Reads all `pieces`.
    pub(crate) async fn screen(&self, pieces: &[Piece]) -> Screening {
        let started = Mark::now();
        let mut run = Run { screener: self, out: Screening::default(), waiting: VecDeque::new() };
        for (index, piece) in pieces.iter().enumerate() {
            run.piece(index, piece, pieces).await;
        }
        while let Some(waiting) = run.waiting.pop_front() {
            run.settle(waiting, pieces).await;
        }
        let mut out = run.out;
        out.findings.sort_by_key(|finding| (finding.segment, finding.span.start));
        out.micros = started.micros();
        out
    }

    /// Scores one text of a stream, with the deadline's rule applied.
    pub(crate) async fn score(&self, segment: &Segment<'_>) -> Result<Weighed, OnDeadline> {
        let Some(models) = &self.models else { return Ok(Weighed::default()) };
        let pending = models.classifiers.score(segment.text.into(), models.deadline);
        let scores = match pending {
            Ok(pending) => pending.await,
            Err(fault) => Err(fault),
        };
        match scores {
            Ok(scores) => Ok(Weighed {
                findings: self.bundle.weigh(segment, &scores.labels),
                tokens: scores.tokens,
                truncated: scores.unseen_bytes,
            }),
            Err(_) => Err(models.on_deadline),
        }
    }

    fn key(&self, piece: &Piece) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.context);
        // Each part with its length: without, a client could move a border
        // between tool and text and have its own text remembered as clean.
        let tool = piece.tool.as_deref().unwrap_or_default();
        for part in [piece.channel.as_str(), tool, &piece.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn wants_scores(&self, piece: &Piece) -> bool {
        self.models.is_some() && self.bundle.wants_scores(piece.channel)
    }
}

/// What a classifier said of a text of a stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weighed {
    pub(crate) findings: Vec<Finding>,
    pub(crate) tokens: u64,
    pub(crate) truncated: u64,
}

struct Run<'a> {
    screener: &'a Screener,
    out: Screening,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    index: usize,
    key: [u8; 32],
    findings: Vec<Finding>,
    truncated: u64,
    pending: PendingScores,
}

impl Run<'_> {
    async fn piece(&mut self, index: usize, piece: &Piece, pieces: &[Piece]) {
        let key = self.screener.key(piece);
        self.out.coverage.decoded(piece.channel, piece.text.len());
        if let Some(seen) = self.screener.seen.get(&key) {
            self.remember(index, piece, &seen);
            return;
        }
        let pending = self.submit(piece, pieces).await;
        let segment = piece.segment(index);
        let screened = if piece.text.len() > BLOCKING_BYTES {
            tokio::task::block_in_place(|| self.screener.bundle.screen(&segment))
        } else {
            self.screener.bundle.screen(&segment)
        };
        let truncated = screened.skipped.iter().map(|skip| skip.bytes).sum();
        let look = Look::Read { tokens: 0, truncated };
        self.out.coverage.looked(piece.channel, RULES, piece.text.len(), look);
        match pending {
            Some(Ok(pending)) => {
                let findings = screened.findings;
                self.waiting.push_back(Waiting { index, key, findings, truncated, pending });
            }
            Some(Err(fault)) => {
                self.out.findings.extend(screened.findings);
                self.miss(piece, &fault);
            }
            None => {
                self.out.findings.extend(screened.findings.iter().cloned());
                let seen = Seen { findings: screened.findings, truncated, scores: None };
                self.screener.seen.insert(key, Arc::new(seen));
            }
        }
    }

    /// Hands a text to the classifiers. Their queue is bounded: while it is
    /// full, the oldest text of this exchange is waited for first.
    async fn submit(
        &mut self,
        piece: &Piece,
        pieces: &[Piece],
    ) -> Option<Result<PendingScores, ScoreError>> {
        let models = self.screener.models.as_ref()?;
        if !self.screener.wants_scores(piece) {
            return None;
        }
        let text: Arc<str> = piece.text.as_str().into();
        loop {
            match models.classifiers.score(text.clone(), models.deadline) {
                Err(ScoreError::QueueFull) => match self.waiting.pop_front() {
                    Some(waiting) => self.settle(waiting, pieces).await,
                    None => return Some(Err(ScoreError::QueueFull)),
                },
                other => return Some(other),
            }
        }
    }

    async fn settle(&mut self, waiting: Waiting, pieces: &[Piece]) {
        let Some(piece) = pieces.get(waiting.index) else { return };
        let Some(models) = &self.screener.models else { return };
        match waiting.pending.await {
            Ok(scores) => {
                let scored = self.scored(piece, waiting.index, scores);
                let look = Look::Read { tokens: scored.tokens, truncated: scored.truncated };
                self.out.coverage.looked(piece.channel, &models.name, piece.text.len(), look);
                let (findings, truncated) = (waiting.findings.clone(), waiting.truncated);
                let seen = Seen { findings, truncated, scores: Some(scored) };
                self.screener.seen.insert(waiting.key, Arc::new(seen));
            }
            Err(fault) => self.miss(piece, &fault),
        }
        self.out.findings.extend(waiting.findings);
    }

    fn scored(&mut self, piece: &Piece, index: usize, scores: Scores) -> Scored {
        self.weigh(piece, index, &scores.labels);
        Scored { labels: scores.labels, tokens: scores.tokens, truncated: scores.unseen_bytes }
    }

    fn weigh(&mut self, piece: &Piece, index: usize, labels: &[(String, u32)]) {
        self.out.findings.extend(self.screener.bundle.weigh(&piece.segment(index), labels));
        for (label, score) in labels {
            match self.out.scores.iter_mut().find(|(known, _)| known == label) {
                Some((_, highest)) => *highest = (*highest).max(*score),
                None => self.out.scores.push((label.clone(), *score)),
            }
        }
    }

    fn remember(&mut self, index: usize, piece: &Piece, seen: &Seen) {
        let bytes = piece.text.len();
        let look = Look::Cached { tokens: 0, truncated: seen.truncated };
        self.out.coverage.looked(piece.channel, RULES, bytes, look);
        let segment = u32::try_from(index).unwrap_or(u32::MAX);
        let again = seen.findings.iter().cloned().map(|finding| Finding { segment, ..finding });
        self.out.findings.extend(again);
        let Some(models) = &self.screener.models else { return };
        if let Some(scored) = &seen.scores {
            let Scored { tokens, truncated, .. } = *scored;
            let look = Look::Cached { tokens, truncated };
            self.out.coverage.looked(piece.channel, &models.name, bytes, look);
            self.weigh(piece, index, &scored.labels);
        }
    }

    fn miss(&mut self, piece: &Piece, fault: &ScoreError) {
        let Some(models) = &self.screener.models else { return };
        let late = matches!(fault, ScoreError::Deadline | ScoreError::QueueFull);
        let look = if late { Look::TimedOut } else { Look::Failed };
        self.out.coverage.looked(piece.channel, &models.name, 0, look);
        self.out.missed = Some(models.on_deadline);
    }
}

/// The name of the bundle's deterministic detectors in coverage rows.
pub(crate) const RULES: &str = "rules";
/// A text that takes milliseconds leaves its thread to others first.
const BLOCKING_BYTES: usize = 128 << 10;
/// What a remembered text costs at least: key, counts and the cache's own.
const SEEN_BYTES: usize = 256;
const FINDING_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use troth_policies::{Channel, Origin};

    use super::*;
    use crate::{dialect::Place, testing};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_text_that_was_seen_in_part_is_remembered_as_that() {
        let screener = Screener::new(testing::bundle(), None, 1 << 20);
        let piece = |text: String| Piece {
            pointer: String::new(),
            channel: Channel::Assistant,
            origin: Origin::Model,
            tool: None,
            text,
            place: Place::Assembled,
            choice: None,
        };
        for (text, truncated, cached) in [
            ("KEY12345".to_owned(), 0, 1),
            ("x".to_owned() + &"aWdub3Jl".repeat(testing::RUN_BYTES / 8 + 1), 1, 0),
        ] {
            let pieces = [piece(text)];
            let first = screener.screen(&pieces).await;
            let again = screener.screen(&pieces).await;
            let row = |screening: &Screening| {
                screening.coverage.rows().find(|row| row.1 == RULES).unwrap().2
            };
            let (first, again) = (row(&first), row(&again));
            assert_eq!((first.truncated, first.cached), (truncated, 0));
            assert_eq!((again.truncated, again.cached), (truncated, cached));
            assert_eq!((first.segments, first.bytes), (again.segments, again.bytes));
        }
    }
}
