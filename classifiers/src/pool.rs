//! Worker threads behind one bounded queue.
//!
//! A worker owns its engine: ONNX Runtime sessions run with `&mut self`, and one
//! session with one thread per worker is two to six times faster under load than
//! one session with several (measured; the crate's README has the figures).

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::Deadline;
use crate::scores::{Answer, PendingScores, ScoreError};

/// What a worker runs.
pub(crate) trait Engine: Send + 'static {
    /// Scores one text; gives up with [`ScoreError::Deadline`] when `deadline` passes.
    fn score(&mut self, text: &str, deadline: &Deadline) -> Answer;
}

struct Job {
    text: Arc<str>,
    deadline: Deadline,
    answer: oneshot::Sender<Answer>,
}

struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    limit: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole after every statement that changes it, so a panic
        // elsewhere while it was held leaves nothing half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads and their queue. Dropping it closes it.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts one thread for each engine; at most `limit` texts wait for them.
    pub(crate) fn start<E: Engine>(engines: Vec<E>, limit: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { jobs: VecDeque::new(), closed: false }),
            ready: Condvar::new(),
            limit,
        });
        // Made before the first thread, so that those which did start are joined when
        // a later one cannot.
        let pool = Self { shared, threads: Mutex::new(Vec::new()) };
        for (number, engine) in engines.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            let thread = thread::Builder::new()
                .name(format!("classify-{number}"))
                .spawn(move || work(engine, &shared))?;
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pool)
    }

    /// Queues `text`; never blocks.
    pub(crate) fn submit(
        &self,
        text: Arc<str>,
        allowed: Duration,
    ) -> Result<PendingScores, ScoreError> {
        let (answer, receiver) = oneshot::channel();
        let job = Job { text, deadline: Deadline::after(allowed), answer };
        let mut queue = self.shared.lock();
        if queue.closed {
            return Err(ScoreError::Closed);
        }
        if queue.jobs.len() >= self.shared.limit {
            return Err(ScoreError::QueueFull);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.ready.notify_one();
        Ok(PendingScores::new(receiver))
    }

    /// Texts that wait for a worker now.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// Refuses new texts, answers those that wait with [`ScoreError::Closed`], and
    /// returns when every thread has ended. Idempotent.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut queue = self.shared.lock();
            queue.closed = true;
            std::mem::take(&mut queue.jobs)
        };
        self.shared.ready.notify_all();
        for job in waiting {
            // The caller may be gone: then nobody needs the answer.
            job.answer.send(Err(ScoreError::Closed)).ok();
        }
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A worker catches what its engine throws; one that died all the same has
            // nothing left to wait for.
            thread.join().ok();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

fn work<E: Engine>(mut engine: E, shared: &Shared) {
    while let Some(job) = next(shared) {
        if job.answer.is_closed() {
            continue;
        }
        if job.deadline.passed() {
            job.answer.send(Err(ScoreError::Deadline)).ok();
            continue;
        }
        // The tokenizer and the runtime are other people's code, fed by strangers: what
        // they throw costs one answer, not the worker.
        let answer =
            panic::catch_unwind(AssertUnwindSafe(|| engine.score(&job.text, &job.deadline)))
                .unwrap_or_else(|_| Err(ScoreError::Failed("it panicked".into())));
        job.answer.send(answer).ok();
    }
}

fn next(shared: &Shared) -> Option<Job> {
    let mut queue = shared.lock();
    loop {
        if queue.closed {
            return None;
        }
        if let Some(job) = queue.jobs.pop_front() {
            return Some(job);
        }
        queue = shared.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests;
