//! The one place that reads the system's clocks, so that tests can hold them.

use std::fmt::Debug;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;

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

/// A UTC calendar day from 1970 on, by which keys of commitments are filed.
/// Reads and writes as `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u64);

/// Why a text names no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a day from 1970 to 9999: expected `YYYY-MM-DD`")]
pub struct DayError;

impl Day {
    /// The day that holds this moment (Unix milliseconds).
    pub(crate) fn of_millis(millis: u64) -> Self {
        Self(millis / 86_400_000)
    }
}

impl FromStr for Day {
    type Err = DayError;

    /// The inverse of `Display`, by days-from-civil; a day that the calendar
    /// does not have is not written the same again, and refused.
    fn from_str(text: &str) -> Result<Self, DayError> {
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<u64>().ok());
        let (Some(Some(year)), Some(Some(month @ 1..=12)), Some(Some(day @ 1..=31))) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(DayError);
        };
        if !(1970..=9999).contains(&year) {
            return Err(DayError);
        }
        let year = year - u64::from(month <= 2);
        let (era, year_of_era) = (year / 400, year % 400);
        let shifted = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let since = (era * 146_097 + day_of_era).checked_sub(719_468).ok_or(DayError)?;
        let read = Self(since);
        if read.to_string() == text { Ok(read) } else { Err(DayError) }
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
            assert_eq!(text.parse(), Ok(Day::of_millis(millis)));
        }
    }

    #[test]
    fn what_the_calendar_does_not_have_is_no_day() {
        for day in 0..20_000 {
            assert_eq!(Day(day).to_string().parse(), Ok(Day(day)));
        }
        for text in [
            "",
            "2026-11",
            "2026-11-00",
            "2026-11-31",
            "2025-02-29",
            "2026-13-01",
            "1969-12-31",
            "10000-01-01",
            "2026-1-01",
            "2026-11-023",
            "+2026-11-02",
            "2026-11-02 ",
            "2026/11/02",
            "../../../x",
        ] {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
    }
}
