//! What comes back: scores, or why there are none.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How one text was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scores {
    /// Each label with the highest score that any window got, in parts per million.
    pub labels: Vec<(String, u32)>,
    /// Tokens seen, each counted once.
    pub tokens: u64,
    /// Windows that ran.
    pub windows: u32,
    /// Bytes past the last window that `max_windows` allows; 0 when all was seen.
    pub unseen_bytes: u64,
    /// Microseconds of work, waiting excluded.
    pub micros: u64,
}

impl Scores {
    /// The score of `label` in parts per million, if some model has that label.
    #[must_use]
    pub fn label(&self, label: &str) -> Option<u32> {
        self.labels.iter().find(|(name, _)| name == label).map(|(_, ppm)| *ppm)
    }
}

/// Why a text has no scores. What applies then is the caller's to decide; no score
/// is ever made up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// All places in the queue are taken. Retry later, or fall back.
    #[error("the classifier queue is full")]
    QueueFull,
    /// The deadline passed before the text was scored.
    #[error("the classifier deadline passed")]
    Deadline,
    /// A model failed on this text.
    #[error("the classifier failed: {0}")]
    Failed(String),
    /// The classifiers are closed.
    #[error("the classifiers are closed")]
    Closed,
}

pub(crate) type Answer = Result<Scores, ScoreError>;

/// Scores on their way. Await it, or [`wait`](Self::wait) on a thread of your own.
///
/// Dropping it withdraws the request if no worker has begun it.
#[derive(Debug)]
pub struct PendingScores(State);

#[derive(Debug)]
enum State {
    Idle(oneshot::Receiver<Answer>),
    Polled(oneshot::AsyncReceiver<Answer>),
    Done,
}

impl PendingScores {
    pub(crate) fn new(receiver: oneshot::Receiver<Answer>) -> Self {
        Self(State::Idle(receiver))
    }

    /// Blocks the calling thread until the answer is there.
    ///
    /// # Errors
    /// [`ScoreError`]; [`ScoreError::Closed`] too when the future was polled before,
    /// which then owns the answer.
    pub fn wait(self) -> Result<Scores, ScoreError> {
        match self.0 {
            State::Idle(receiver) => receiver.recv().unwrap_or(Err(ScoreError::Closed)),
            State::Polled(_) | State::Done => Err(ScoreError::Closed),
        }
    }
}

impl Future for PendingScores {
    type Output = Result<Scores, ScoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut receiver = match std::mem::replace(&mut self.0, State::Done) {
            State::Idle(receiver) => receiver.into_future(),
            State::Polled(receiver) => receiver,
            State::Done => return Poll::Ready(Err(ScoreError::Closed)),
        };
        match Pin::new(&mut receiver).poll(context) {
            Poll::Ready(answer) => Poll::Ready(answer.unwrap_or(Err(ScoreError::Closed))),
            Poll::Pending => {
                self.0 = State::Polled(receiver);
                Poll::Pending
            }
        }
    }
}
