//! The one place that reads clocks, so that tests can hold them.

use std::time::{Duration, Instant};

/// A point on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(Instant);

impl Mark {
    /// This moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the file that owns the monotonic clock")]
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// Time since this mark.
    #[must_use]
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Microseconds since this mark.
    #[must_use]
    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A point on the clock of the timers, which tests may stop and turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick(tokio::time::Instant);

impl Tick {
    /// This moment.
    #[must_use]
    pub(crate) fn now() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// Time since this tick.
    #[must_use]
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
