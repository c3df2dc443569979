//! Reading ahead: threads take bundles in order and judge them one by one, and
//! whoever follows the order takes the results. How many threads there are
//! changes nothing but the time.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::LogSource;
use super::bundle::Bundle;

/// The result of reading a bundle.
pub(super) type Judged = io::Result<Option<Bundle>>;

/// The bundles that are ahead.
#[derive(Debug)]
pub(super) struct Ahead {
    state: Mutex<State>,
    changed: Condvar,
    window: u64,
}

#[derive(Debug)]
struct State {
    /// The next bundle that no thread has begun.
    begun: u64,
    /// The next bundle that was not taken.
    taken: u64,
    end: u64,
    judged: BTreeMap<u64, Judged>,
    /// Threads that still work.
    workers: usize,
}

impl Ahead {
    /// Runs `body` while `threads` threads read bundles ahead of it. At most
    /// four bundles for each thread wait at once, so memory is bounded.
    pub(super) fn run<R>(
        log: &dyn LogSource,
        bundles: Range<u64>,
        threads: usize,
        body: impl FnOnce(&Self) -> R,
    ) -> R {
        let ahead = Self {
            state: Mutex::new(State {
                begun: bundles.start,
                taken: bundles.start,
                end: bundles.end,
                judged: BTreeMap::new(),
                workers: 0,
            }),
            changed: Condvar::new(),
            window: u64::try_from(threads).unwrap_or(1).saturating_mul(4),
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let worker = Worker::begin(&ahead);
                // One that cannot be started is one fewer: it signs off when
                // it is dropped.
                let _ = std::thread::Builder::new()
                    .name("verify".to_owned())
                    .spawn_scoped(scope, move || worker.work(log));
            }
            let end = End(&ahead);
            let result = body(&ahead);
            drop(end);
            result
        })
    }

    /// The bundle at `index`; nothing when no thread will judge it.
    pub(super) fn take(&self, index: u64) -> Option<Judged> {
        let mut state = self.lock();
        loop {
            if let Some(judged) = state.judged.remove(&index) {
                state.taken = index.saturating_add(1);
                self.changed.notify_all();
                return Some(judged);
            }
            if state.workers == 0 || index >= state.end || index < state.taken {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next bundle to judge, as soon as it is in the window.
    fn claim(&self) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if state.begun >= state.end {
                return None;
            }
            if state.begun < state.taken.saturating_add(self.window) {
                state.begun += 1;
                return Some(state.begun - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's part.
struct Worker<'a>(&'a Ahead);

impl<'a> Worker<'a> {
    fn begin(ahead: &'a Ahead) -> Self {
        ahead.lock().workers += 1;
        Self(ahead)
    }

    fn work(self, log: &dyn LogSource) {
        while let Some(index) = self.0.claim() {
            let judged = Bundle::read(log, index);
            self.0.lock().judged.insert(index, judged);
            self.0.changed.notify_all();
        }
    }
}

impl Drop for Worker<'_> {
    /// Also when a source panicked: nobody waits for a thread that is gone.
    fn drop(&mut self) {
        self.0.lock().workers -= 1;
        self.0.changed.notify_all();
    }
}

/// Sends the threads home, however the body ends.
struct End<'a>(&'a Ahead);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.end = state.begun;
        self.0.changed.notify_all();
    }
}
