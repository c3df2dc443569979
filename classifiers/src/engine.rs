//! What one worker owns: a session of every model, and how a text goes through them.

use std::sync::Arc;

use crate::clock::Deadline;
use crate::manifest::ModelInfo;
use crate::pool::Engine;
use crate::provider::Provider;
use crate::runtime::Runtime;
use crate::scores::{Answer, ScoreError, Scores};
use crate::session::Inference;
use crate::source::Verified;
use crate::tokens::Tokens;
use crate::windows::{covered, windows};

/// One model, opened.
pub(crate) struct Model {
    inference: Inference,
    tokens: Arc<Tokens>,
    info: Arc<ModelInfo>,
}

/// The models of one worker.
pub(crate) struct Models {
    models: Vec<Model>,
    max_windows: usize,
}

impl Model {
    /// Opens a session of a verified model, and says on which provider.
    pub(crate) fn open(
        verified: &Verified,
        tokens: Arc<Tokens>,
        providers: &[Provider],
        runtime: &Runtime,
    ) -> Result<(Self, Provider), String> {
        let info = Arc::new(verified.info.clone());
        let (inference, provider) = Inference::open(&verified.model, &info, providers, runtime)?;
        Ok((Self { inference, tokens, info }, provider))
    }

    fn score(&mut self, text: &str, max_windows: usize, deadline: &Deadline) -> Answer {
        let (window, stride) = (self.info.window, self.info.stride);
        let limit = covered(max_windows, window, stride);
        let tokenized = self.tokens.tokenize(text, limit, deadline)?;
        let mut highest = vec![0.0_f32; self.info.labels.len()];
        let mut count = 0_u32;
        for range in windows(tokenized.ids.len(), window, stride) {
            if deadline.passed() {
                return Err(ScoreError::Deadline);
            }
            // The windows are cut from these very tokens; an empty one would be refused
            // by the model, not passed over.
            let ids = tokenized.ids.get(range).unwrap_or_default();
            let scores = self
                .inference
                .run(ids)
                .map_err(|reason| ScoreError::Failed(format!("`{}`: {reason}", self.info.name)))?;
            for (highest, score) in highest.iter_mut().zip(scores) {
                *highest = highest.max(score);
            }
            count = count.saturating_add(1);
        }
        Ok(Scores {
            labels: self.info.labels.iter().cloned().zip(highest.into_iter().map(ppm)).collect(),
            tokens: wide(tokenized.ids.len()),
            windows: count,
            unseen_bytes: wide(tokenized.unseen_bytes),
            micros: 0,
        })
    }
}

impl Models {
    pub(crate) fn new(models: Vec<Model>, max_windows: usize) -> Self {
        Self { models, max_windows }
    }
}

impl Engine for Models {
    fn score(&mut self, text: &str, deadline: &Deadline) -> Answer {
        let begun = deadline.elapsed();
        let mut all =
            Scores { labels: Vec::new(), tokens: 0, windows: 0, unseen_bytes: 0, micros: 0 };
        for model in &mut self.models {
            let scores = model.score(text, self.max_windows, deadline)?;
            merge(&mut all, scores);
        }
        let micros = deadline.elapsed().saturating_sub(begun).as_micros();
        all.micros = u64::try_from(micros).unwrap_or(u64::MAX);
        Ok(all)
    }
}

/// The higher score of each label; of what was seen, the least.
fn merge(all: &mut Scores, one: Scores) {
    for (label, ppm) in one.labels {
        match all.labels.iter_mut().find(|(name, _)| *name == label) {
            Some((_, highest)) => *highest = ppm.max(*highest),
            None => all.labels.push((label, ppm)),
        }
    }
    all.tokens = all.tokens.max(one.tokens);
    all.windows = all.windows.saturating_add(one.windows);
    all.unseen_bytes = all.unseen_bytes.max(one.unseen_bytes);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1000000, which u32 holds; a cast from NaN is 0, and NaN is refused before"
)]
fn ppm(score: f32) -> u32 {
    (f64::from(score) * 1e6).round().clamp(0.0, 1e6) as u32
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
