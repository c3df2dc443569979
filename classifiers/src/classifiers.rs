//! The crate's front: open models, score texts, close.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::engine::{Model, Models};
use crate::manifest::{ManifestError, ModelInfo};
use crate::pool::Pool;
use crate::provider::Provider;
use crate::runtime::Runtime;
use crate::scores::{PendingScores, ScoreError};
use crate::source::{self, ModelSource};
use crate::tokens::Tokens;

/// How models run.
///
/// # Defaults
/// - `providers`: the processor alone.
/// - `workers`: one for each core, at most 64.
/// - `queue`: 256 texts.
/// - `max_windows`: 1024, some 200,000 tokens with the built-in model.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tried in this order; the first that takes a model runs it. None that fails is
    /// replaced in silence by one that is not listed.
    pub providers: Vec<Provider>,
    /// Threads, each with a session of every model.
    pub workers: usize,
    /// Texts that may wait for a worker; one more is refused.
    pub queue: usize,
    /// Windows of one text that a model sees; what is past them is counted in
    /// [`Scores::unseen_bytes`](crate::Scores::unseen_bytes).
    pub max_windows: usize,
}

impl Default for Options {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            providers: vec![Provider::Cpu],
            workers: cores.min(MAX_WORKERS),
            queue: 256,
            max_windows: 1024,
        }
    }
}

const MAX_WORKERS: usize = 64;
const MAX_QUEUE: usize = 1 << 20;
const MAX_MAX_WINDOWS: usize = 1 << 20;

/// Why models cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An option is out of its range.
    #[error("{0}")]
    Options(&'static str),
    /// There is no manifest.
    #[error("`{place}` holds no model: neither it nor a directory in it has a manifest.toml")]
    NoModels {
        /// The directory.
        place: PathBuf,
    },
    /// There are too many.
    #[error("`{place}` holds more than {limit} models")]
    TooManyModels {
        /// The directory.
        place: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A file cannot be read.
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A manifest is wrong, or a file is not the one it names.
    #[error("`{place}`: {error}")]
    Manifest {
        /// The model's directory.
        place: PathBuf,
        /// What is wrong.
        error: ManifestError,
    },
    /// The tokenizer cannot be used.
    #[error("the tokenizer of `{model}` cannot be used: {reason}")]
    Tokenizer {
        /// The model.
        model: String,
        /// Why.
        reason: String,
    },
    /// No provider took the model, or it is not what its manifest says.
    #[error("the model `{model}` cannot be run: {reason}")]
    Model {
        /// The model.
        model: String,
        /// What each provider said.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("a worker thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Opened models behind a bounded queue. A clone is another handle to the same.
#[derive(Clone)]
pub struct Classifiers {
    pool: Arc<Pool>,
    models: Arc<[ModelInfo]>,
}

impl Classifiers {
    /// Verifies every model of `source`, opens a session of each for every worker, runs
    /// each once, and starts the workers.
    ///
    /// # Errors
    /// [`OpenError`]; no thread is left behind.
    pub fn open(
        source: &ModelSource,
        runtime: &Runtime,
        options: &Options,
    ) -> Result<Self, OpenError> {
        check(options)?;
        let verified = source::load(source)?;
        let mut infos: Vec<ModelInfo> = verified.iter().map(|model| model.info.clone()).collect();
        let mut tokens = Vec::new();
        for model in &verified {
            let loaded = Tokens::load(&model.tokenizer).map_err(|reason| OpenError::Tokenizer {
                model: model.info.name.clone(),
                reason,
            })?;
            tokens.push(Arc::new(loaded));
        }
        let mut workers = Vec::new();
        for _ in 0..options.workers {
            let mut models = Vec::new();
            for ((model, tokens), info) in verified.iter().zip(&tokens).zip(&mut infos) {
                let (opened, provider) =
                    Model::open(model, Arc::clone(tokens), &options.providers, runtime).map_err(
                        |reason| OpenError::Model { model: model.info.name.clone(), reason },
                    )?;
                info.provider = Some(provider);
                models.push(opened);
            }
            workers.push(Models::new(models, options.max_windows));
        }
        let pool = Pool::start(workers, options.queue).map_err(OpenError::Thread)?;
        Ok(Self { pool: Arc::new(pool), models: infos.into() })
    }

    /// Checks manifests and the digest of every file, and runs nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn verify(source: &ModelSource) -> Result<Vec<ModelInfo>, OpenError> {
        Ok(source::load(source)?.into_iter().map(|model| model.info).collect())
    }

    /// The models, with the provider that really runs each.
    #[must_use]
    pub fn models(&self) -> &[ModelInfo] {
        &self.models
    }

    /// Queues `text` for every model. Never blocks. `deadline` counts from now: a text
    /// still waiting when it passes is not run, and one in work is given up between two
    /// windows.
    ///
    /// # Errors
    /// [`ScoreError::QueueFull`] and [`ScoreError::Closed`].
    pub fn score(&self, text: Arc<str>, deadline: Duration) -> Result<PendingScores, ScoreError> {
        self.pool.submit(text, deadline)
    }

    /// Texts that wait for a worker now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.waiting()
    }

    /// Refuses new texts, gives up those that wait, and joins the threads. Blocks for as
    /// long as the windows in work take. Idempotent.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl std::fmt::Debug for Classifiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classifiers").field("models", &self.models).finish_non_exhaustive()
    }
}

fn check(options: &Options) -> Result<(), OpenError> {
    let faults = [
        (options.providers.is_empty(), "no provider is listed"),
        (!(1..=MAX_WORKERS).contains(&options.workers), "`workers` is 1 to 64"),
        (!(1..=MAX_QUEUE).contains(&options.queue), "`queue` is 1 to 1048576 texts"),
        (!(1..=MAX_MAX_WINDOWS).contains(&options.max_windows), "`max_windows` is 1 to 1048576"),
    ];
    match faults.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(OpenError::Options(what)),
        None => Ok(()),
    }
}
