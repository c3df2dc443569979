//! The one place of this crate that reads a clock: deadlines and durations only,
//! never a time of day.

use std::time::{Duration, Instant};

/// A moment by which an answer must have been begun, and is worth going on with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    allowed: Duration,
}

impl Deadline {
    pub(crate) fn after(allowed: Duration) -> Self {
        Self { started: now(), allowed }
    }

    pub(crate) fn passed(&self) -> bool {
        self.elapsed() > self.allowed
    }

    /// Time since the request was made, waiting included.
    pub(crate) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.started)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one file of this crate that owns the clock")]
fn now() -> Instant {
    Instant::now()
}
