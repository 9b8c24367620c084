//! Times, in UTC.

use std::{fmt, time::Duration};

/// How a line shows its time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TimeStyle {
    /// Time of day: `12:00:00.000001`.
    #[default]
    Clock,
    /// None (`-t`).
    None,
    /// Seconds since 1970 (`-tt`).
    Epoch,
    /// Since the line before (`-ttt`).
    Delta,
    /// Date and time of day (`-tttt`).
    Date,
    /// Since the first line (`-ttttt`).
    FromFirst,
}

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// A time, in nanoseconds since 1970, to be shown.
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub(super) nanoseconds: u64,
    /// Nine digits behind the point, else six.
    pub(super) fine: bool,
}

impl Time {
    /// Microseconds are cut, never rounded up into the next second.
    fn fraction(self, out: &mut impl fmt::Write) -> fmt::Result {
        let rest = self.nanoseconds % SECOND;
        if self.fine { write!(out, ".{rest:09}") } else { write!(out, ".{:06}", rest / 1000) }
    }

    /// `1700000000.000001`.
    pub(super) fn epoch(self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{}", self.nanoseconds / SECOND)?;
        self.fraction(out)
    }

    /// `12:00:00.000001`.
    pub(super) fn clock(self, out: &mut impl fmt::Write) -> fmt::Result {
        self.hours(self.nanoseconds / SECOND % DAY, out)
    }

    /// `2024-01-01`, `separator`, `12:00:00.000001`.
    pub(super) fn date(self, separator: char, out: &mut impl fmt::Write) -> fmt::Result {
        let (year, month, day) = civil(self.nanoseconds / SECOND / DAY);
        write!(out, "{year:04}-{month:02}-{day:02}{separator}")?;
        self.clock(out)
    }

    /// A span of time: ` 00:00:00.000001`, with a minus for one backwards.
    pub(super) fn span(
        from: Duration,
        to: Duration,
        fine: bool,
        out: &mut impl fmt::Write,
    ) -> fmt::Result {
        let (sign, span) = if to < from { ('-', from - to) } else { (' ', to - from) };
        let span = Self { nanoseconds: u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), fine };
        out.write_char(sign)?;
        span.hours(span.nanoseconds / SECOND, out)
    }

    fn hours(self, seconds: u64, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        self.fraction(out)
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar (eras of 400 years that begin in March).
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / ERA, shifted % ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(nanoseconds: u64, fine: bool) -> String {
        let mut out = String::new();
        Time { nanoseconds, fine }.date(' ', &mut out).unwrap();
        out
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(19_723), (2024, 1, 1));
        assert_eq!(civil(20_513), (2026, 3, 1));
    }

    #[test]
    fn fractions_are_cut_not_rounded() {
        assert_eq!(date(1_700_000_000_999_999_999, false), "2023-11-14 22:13:20.999999");
        assert_eq!(date(1_700_000_000_000_000_001, true), "2023-11-14 22:13:20.000000001");
        assert_eq!(date(u64::MAX, true), "2554-07-21 23:34:33.709551615");
    }

    #[test]
    fn a_span_backwards_has_a_minus() {
        let mut out = String::new();
        Time::span(Duration::from_secs(2), Duration::from_millis(500), false, &mut out).unwrap();
        assert_eq!(out, "-00:00:01.500000");
    }
}
