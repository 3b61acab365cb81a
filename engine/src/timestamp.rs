//! Points in time: nanoseconds since 1970-01-01T00:00:00Z, and the UTC days that they fall on.
//!
//! Calendar arithmetic follows Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

use std::fmt;

/// Nanoseconds in a second.
pub(crate) const NS_PER_SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a day. UTC days here have no leap seconds.
pub(crate) const NS_PER_DAY: i64 = 86_400 * NS_PER_SECOND;

/// Nanoseconds since the Unix epoch, UTC. Reaches from 1677-09-21 to 2262-04-11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// Days since 1970-01-01, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Day(pub i32);

impl Timestamp {
    /// The earliest point in time that can be stored.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest point in time that can be stored.
    pub const MAX: Self = Self(i64::MAX);

    /// The UTC day of this point in time.
    pub fn day(self) -> Day {
        let day = self.0.div_euclid(NS_PER_DAY);
        Day(i32::try_from(day).expect("i64 nanoseconds span about 213,000 days"))
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds since the epoch and nanoseconds, clamped to what can be stored. The flag says
    /// whether it was clamped.
    pub fn from_parts_clamped(seconds: i64, nanos: u32) -> (Self, bool) {
        let wide = i128::from(seconds) * i128::from(NS_PER_SECOND) + i128::from(nanos);
        match i64::try_from(wide) {
            Ok(ns) => (Self(ns), false),
            Err(_) if wide < 0 => (Self::MIN, true),
            Err(_) => (Self::MAX, true),
        }
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar; `month` is 1 to 12.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date (year, month, day) of a day count since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl Timestamp {
    /// The point in time that is shown like this (see [`fmt::Display`]); `None` for every other text.
    pub(crate) fn from_shown(text: &str) -> Option<Self> {
        let number = |text: &str| -> Option<i64> {
            let is_number = !text.is_empty() && text.len() <= 9;
            let is_number = is_number && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok())?
        };
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let parts = |text: &str, mark: char| -> Option<[i64; 3]> {
            let parts: Option<Vec<i64>> = text.split(mark).map(number).collect();
            parts?.try_into().ok()
        };
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let ([year, month, day], [h, m, s]) = (parts(date, '-')?, parts(time, ':')?);
        let nanos = number(&format!("{fraction:0<9}"))?;
        let days = days_from_civil(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?);
        let seconds = i128::from(days) * 86_400 + i128::from(h * 3_600 + m * 60 + s);
        let found = seconds * i128::from(NS_PER_SECOND) + i128::from(nanos);
        let found = Self(i64::try_from(found).ok()?);
        (found.to_string() == text).then_some(found)
    }
}

/// RFC 3339 in UTC, with the fewest of 0, 3, 6 or 9 fractional digits that lose nothing.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(NS_PER_SECOND);
        let nanos = self.0.rem_euclid(NS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let second_of_day = seconds.rem_euclid(86_400);
        let (h, m, s) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}")?;
        if nanos == 0 {
        } else if nanos % 1_000_000 == 0 {
            write!(f, ".{:03}", nanos / 1_000_000)?;
        } else if nanos % 1_000 == 0 {
            write!(f, ".{:06}", nanos / 1_000)?;
        } else {
            write!(f, ".{nanos:09}")?;
        }
        f.write_str("Z")
    }
}

/// The date as `2026-11-21`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(i64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip_over_eight_centuries() {
        let mut expected = (1677, 1, 1);
        let mut day = days_from_civil(1677, 1, 1);
        while expected.0 < 2300 {
            assert_eq!(civil_from_days(day), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), day);
            let leap = expected.0 % 4 == 0 && (expected.0 % 100 != 0 || expected.0 % 400 == 0);
            let last = match expected.1 {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match expected {
                (y, 12, d) if d == last => (y + 1, 1, 1),
                (y, m, d) if d == last => (y, m + 1, 1),
                (y, m, d) => (y, m, d + 1),
            };
            day += 1;
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for time in [0, -1, 1, 1_500_000_000, 1_000_001_000, i64::MAX, i64::MIN] {
            let time = Timestamp(time);
            assert_eq!(Timestamp::from_shown(&time.to_string()), Some(time));
        }
        for text in [
            "",
            "Z",
            "T",
            "2026-11-21",
            "2026-13-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "x-1-1T0:0:0Z",
        ] {
            assert_eq!(Timestamp::from_shown(text), None, "{text}");
        }
    }

    #[test]
    fn shown_with_no_more_digits_than_needed() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(Timestamp(1_500_000_000).to_string(), "1970-01-01T00:00:01.500Z");
        assert_eq!(Timestamp(1_000_001_000).to_string(), "1970-01-01T00:00:01.000001Z");
        assert_eq!(Timestamp::MAX.to_string(), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(Timestamp::MIN.to_string(), "1677-09-21T00:12:43.145224192Z");
        assert_eq!(Timestamp(-1).day(), Day(-1));
    }
}
