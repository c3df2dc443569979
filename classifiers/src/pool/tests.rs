use std::sync::mpsc::{self, Receiver, SyncSender};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::scores::Scores;

/// An engine that says what it began, and goes on when it is told to.
struct Gate {
    begun: SyncSender<String>,
    go: Arc<Mutex<Receiver<()>>>,
}

impl Engine for Gate {
    fn score(&mut self, text: &str, _: &Deadline) -> Answer {
        self.begun.send(text.into()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        assert_ne!(text, "throw", "thrown on purpose");
        Ok(scores(text))
    }
}

fn scores(text: &str) -> Scores {
    let labels = vec![(text.into(), 1)];
    Scores { labels, tokens: 1, windows: 1, unseen_bytes: 0, micros: 0 }
}

/// A pool of `workers` gated workers; what they begin; and the means to let one go on.
fn gated(workers: usize, limit: usize) -> (Pool, Receiver<String>, SyncSender<()>) {
    let (begun, begins) = mpsc::sync_channel(64);
    let (go, gone) = mpsc::sync_channel(16);
    let gone = Arc::new(Mutex::new(gone));
    let engines = (0..workers).map(|_| Gate { begun: begun.clone(), go: Arc::clone(&gone) });
    (Pool::start(engines.collect(), limit).unwrap(), begins, go)
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn the_queue_takes_its_limit_and_no_more() {
    let (pool, begins, go) = gated(1, 2);
    let running = pool.submit("running".into(), LONG).unwrap();
    assert_eq!(begins.recv().unwrap(), "running");
    let first = pool.submit("first".into(), LONG).unwrap();
    let second = pool.submit("second".into(), LONG).unwrap();
    assert_eq!(pool.waiting(), 2);
    assert_eq!(pool.submit("third".into(), LONG).unwrap_err(), ScoreError::QueueFull);
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    assert_eq!(running.wait().unwrap(), scores("running"));
    assert_eq!(first.wait().unwrap(), scores("first"));
    assert_eq!(second.wait().unwrap(), scores("second"));
    assert_eq!(begins.try_iter().collect::<Vec<_>>(), ["first", "second"]);
}

#[test]
fn what_waits_past_its_deadline_is_not_run() {
    let (pool, begins, go) = gated(1, 8);
    let running = pool.submit("running".into(), LONG).unwrap();
    assert_eq!(begins.recv().unwrap(), "running");
    let late = pool.submit("late".into(), Duration::ZERO).unwrap();
    let patient = pool.submit("patient".into(), LONG).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(late.wait().unwrap_err(), ScoreError::Deadline);
    assert!(running.wait().is_ok() && patient.wait().is_ok());
    assert_eq!(begins.try_iter().collect::<Vec<_>>(), ["patient"]);
}

#[test]
fn what_nobody_waits_for_is_not_run() {
    let (pool, begins, go) = gated(1, 8);
    let running = pool.submit("running".into(), LONG).unwrap();
    assert_eq!(begins.recv().unwrap(), "running");
    drop(pool.submit("dropped".into(), LONG).unwrap());
    let wanted = pool.submit("wanted".into(), LONG).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert!(running.wait().is_ok() && wanted.wait().is_ok());
    assert_eq!(begins.try_iter().collect::<Vec<_>>(), ["wanted"]);
}

#[test]
fn an_engine_that_panics_costs_one_answer() {
    let (pool, _begins, go) = gated(1, 8);
    let thrown = pool.submit("throw".into(), LONG).unwrap();
    let next = pool.submit("next".into(), LONG).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert!(matches!(thrown.wait().unwrap_err(), ScoreError::Failed(_)));
    assert_eq!(next.wait().unwrap(), scores("next"));
}

#[test]
fn closing_answers_everybody_and_joins() {
    let (pool, begins, go) = gated(2, 8);
    let running = [pool.submit("a".into(), LONG).unwrap(), pool.submit("b".into(), LONG).unwrap()];
    begins.recv().unwrap();
    begins.recv().unwrap();
    let waiting = pool.submit("waiting".into(), LONG).unwrap();
    thread::scope(|scope| {
        let closing = scope.spawn(|| pool.close());
        // Answered by the close, while both workers are held: only then may they go on,
        // or one of them would take it first and wait for a word that never comes.
        assert_eq!(waiting.wait().unwrap_err(), ScoreError::Closed);
        go.send(()).unwrap();
        go.send(()).unwrap();
        closing.join().unwrap();
    });
    for pending in running {
        assert!(pending.wait().is_ok());
    }
    assert_eq!(pool.submit("after".into(), LONG).unwrap_err(), ScoreError::Closed);
    // The engines are gone with their threads, and the sender in each with them.
    assert!(begins.recv().is_err());
    pool.close();
}

#[test]
fn the_future_is_ready_when_the_answer_is() {
    let (pool, begins, go) = gated(1, 8);
    let mut pending = pool.submit("text".into(), LONG).unwrap();
    begins.recv().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert!(poll(&mut pending, &mut context).is_pending());
    assert!(poll(&mut pending, &mut context).is_pending());
    go.send(()).unwrap();
    pool.close();
    assert_eq!(poll(&mut pending, &mut context), Poll::Ready(Ok(scores("text"))));
    assert_eq!(poll(&mut pending, &mut context), Poll::Ready(Err(ScoreError::Closed)));
}

fn poll(pending: &mut PendingScores, context: &mut Context<'_>) -> Poll<Answer> {
    std::future::Future::poll(std::pin::Pin::new(pending), context)
}
