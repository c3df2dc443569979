//! Time in the tests: the one place that reads the clock.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen before it calls that a failure. Generous, because a
/// shared machine may be slow; nothing is ever asserted to be faster than this.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time since it was started.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the file that owns the clock of the tests")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks `question` again and again until it answers, at most for [`PATIENCE`].
///
/// # Panics
/// When it does not answer in time; `what` says what was awaited.
pub fn eventually<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(watch.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
