//! The one place that reads the system's clocks, so that tests can hold them.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the sequencer takes the time of a record from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Microseconds since the Unix epoch.
    fn now_micros(&self) -> u64;
}

/// The system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the file that owns the wall clock")]
    fn now_micros(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// A point on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(Instant);

impl Mark {
    #[expect(clippy::disallowed_methods, reason = "the file that owns the monotonic clock")]
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// How much of `span` is left since this mark.
    pub(crate) fn left_of(self, span: Duration) -> Duration {
        span.saturating_sub(self.0.elapsed())
    }
}

/// A UTC calendar day, by which keys of commitments are filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(u64);

impl Day {
    /// The day that holds this moment (Unix milliseconds).
    pub(crate) fn of_millis(millis: u64) -> Self {
        Self(millis / 86_400_000)
    }
}

impl std::fmt::Display for Day {
    /// `YYYY-MM-DD`, by the civil-from-days algorithm of the proleptic
    /// Gregorian calendar (eras of 146,097 days, years that begin in March).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = self.0 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A moment (Unix microseconds) as RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(micros: u64) -> String {
    let day = Day::of_millis(micros / 1000);
    let seconds = micros / 1_000_000 % 86_400;
    format!("{day}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399_999_999), "2000-02-28T23:59:59Z");
    }

    #[test]
    fn days_are_gregorian() {
        for (millis, text) in [
            (0, "1970-01-01"),
            (951_782_399_999, "2000-02-28"),
            (951_782_400_000, "2000-02-29"),
            (1_679_315_147_000, "2023-03-20"),
            (4_107_542_399_000, "2100-02-28"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(Day::of_millis(millis).to_string(), text);
        }
    }
}
