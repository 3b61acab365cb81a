//! When the keeper reports and days are exported: a cron expression, by the clock of a time zone.

use croner::Cron;
use croner::errors::CronError;
use jiff::Zoned;
use jiff::tz::{Offset, TimeZone};
use logstrata_engine::Timestamp;
use std::fmt;

/// A cron expression of five fields, or of six with seconds first, or of seven with a year last; in UTC
/// unless another time zone is said. What falls into an hour that a clock leaves out comes right behind
/// it; what falls into one that it has twice comes the first time.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Box<Cron>,
    zone: TimeZone,
}

impl Schedule {
    /// The schedule of a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let cron: Cron = text.parse().map_err(|error: CronError| {
            format!("{text:?} is no cron expression, like \"0 3 * * *\": {error}")
        })?;
        Ok(Self { text: text.to_owned(), cron: Box::new(cron), zone: TimeZone::UTC })
    }

    /// The same by the clock of a time zone.
    pub(crate) fn in_zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// The first point in time behind this one that it names; `None` if there is none.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        at(&self.cron.find_next_occurrence(&self.civil(after), false).ok()?)
    }

    /// The last point in time up to this one that it names; `None` if there is none.
    pub(crate) fn last(&self, now: Timestamp) -> Option<Timestamp> {
        at(&self.cron.find_previous_occurrence(&self.civil(now), true).ok()?)
    }

    /// A point in time by its clock, without the part of the second.
    fn civil(&self, time: Timestamp) -> Zoned {
        let seconds = time.0.div_euclid(1_000_000_000);
        let whole =
            jiff::Timestamp::from_second(seconds).expect("every i64 of nanoseconds is in reach");
        whole.to_zoned(self.zone.clone())
    }
}

fn at(time: &Zoned) -> Option<Timestamp> {
    i64::try_from(time.timestamp().as_nanosecond()).ok().map(Timestamp)
}

/// The time zone of a text: `UTC`, `+02:00`, or a name of the IANA database like `Europe/Berlin`; of the
/// machine's database if it has one, since that is kept up to date, or of the one in the binary.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn zone_of(text: &str) -> Result<TimeZone, String> {
    let zone = match text.as_bytes() {
        [b'+' | b'-', ..] => offset(text).map(TimeZone::fixed),
        _ => TimeZone::get(text).ok().filter(|zone| !zone.is_unknown()),
    };
    zone.ok_or_else(|| {
        format!(
            "{text:?} is neither UTC, nor a distance from it like +02:00, nor like Europe/Berlin"
        )
    })
}

/// The offset of a text like `+02:00`, between -14:59 and +14:59.
fn offset(text: &str) -> Option<Offset> {
    let (sign, time) = text.split_at_checked(1)?;
    let (hours, minutes) = time.split_once(':')?;
    let number = |text: &str, max: i32| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i32>().ok().filter(|number| is_plain && *number <= max)
    };
    let seconds = number(hours, 14)? * 3_600 + number(minutes, 59)? * 60;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

impl Default for Schedule {
    /// Each day at 03:00.
    fn default() -> Self {
        Self::new("0 3 * * *").expect("is an expression")
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::days_from_civil;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn of((year, month, day): (i64, u32, u32), hour: i64) -> Timestamp {
        Timestamp((days_from_civil(year, month, day) * 24 + hour) * HOUR)
    }

    fn next(cron: &str, day: (i64, u32, u32), hour: i64) -> String {
        let after = Timestamp(of(day, hour).0 + 1);
        Schedule::new(cron).expect("an expression").next(after).expect("comes").to_string()
    }

    fn zoned(cron: &str, zone: &str) -> Schedule {
        Schedule::new(cron).expect("an expression").in_zone(zone_of(zone).expect("a zone"))
    }

    #[test]
    fn times_come_as_they_are_said() {
        let default = Schedule::default().to_string();
        assert_eq!(next(&default, (2026, 11, 21), 2), "2026-11-21T03:00:00Z");
        assert_eq!(next(&default, (2026, 11, 21), 3), "2026-11-22T03:00:00Z");
        assert_eq!(next("30 4 29 2 *", (2026, 1, 1), 0), "2028-02-29T04:30:00Z");
        assert_eq!(next("0 0 * * MON", (2026, 11, 21), 0), "2026-11-23T00:00:00Z");
        assert_eq!(next("*/15 * * * *", (1969, 12, 31), 23), "1969-12-31T23:15:00Z");
        assert_eq!(next("0 0 0 1 1 * 2199", (2026, 11, 21), 0), "2199-01-01T00:00:00Z");
    }

    #[test]
    fn a_clock_can_be_ahead_and_what_was_missed_is_known() {
        let at = |hour: i64| of((2026, 11, 21), hour);
        let schedule = zoned("0 2 * * *", "+05:00");
        assert_eq!(schedule.next(at(0)), Some(at(21)));
        assert_eq!(schedule.last(at(0)), Some(at(-3)));
        assert_eq!(schedule.last(at(21)), Some(at(21)));
        assert_eq!(schedule.last(Timestamp(at(21).0 - 1)), Some(at(-3)));
        let yearly = Schedule::new("0 0 1 1 *").expect("an expression");
        assert_eq!(yearly.last(at(0)), Some(of((2026, 1, 1), 0)));
        assert_eq!(Schedule::new("0 0 0 1 1 * 2199").expect("an expression").last(at(0)), None);
    }

    #[test]
    fn a_clock_that_is_put_on_or_back_runs_once_that_day() {
        let berlin = zoned("30 2 * * *", "Europe/Berlin");
        let next = |after| berlin.next(after).expect("comes").to_string();
        // In winter an hour ahead, in summer two.
        assert_eq!(next(of((2026, 1, 10), 0)), "2026-01-10T01:30:00Z");
        assert_eq!(next(of((2026, 7, 10), 0)), "2026-07-10T00:30:00Z");
        // 02:30 is left out: 03:00 is the next that there is.
        assert_eq!(next(of((2026, 3, 29), 0)), "2026-03-29T01:00:00Z");
        assert_eq!(next(of((2026, 3, 29), 1)), "2026-03-30T00:30:00Z");
        // 02:30 comes twice.
        assert_eq!(next(of((2026, 10, 25), 0)), "2026-10-25T00:30:00Z");
        assert_eq!(next(of((2026, 10, 25), 1)), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_is_no_time_zone_is_refused() {
        for text in [
            "",
            "+2",
            "+15:00",
            "-1:00",
            "+02:60",
            "CEST?",
            "Europe/Nowhere",
            "../x",
            "Etc/Unknown",
        ] {
            assert!(zone_of(text).expect_err(text).contains("Europe/Berlin"), "{text}");
        }
        assert_eq!(zone_of("UTC").expect("a zone"), TimeZone::UTC);
        let offset = zone_of("-03:30").expect("a zone").to_fixed_offset().expect("is fixed");
        assert_eq!(offset.seconds(), -12_600);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "daily", "61 * * * *", "* * *"] {
            assert!(Schedule::new(text).expect_err(text).contains("cron"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_time_has_a_day_of_the_schedule_around_it(time: i64, zone in "UTC|[+-]0[0-9]:30|Asia/Kolkata") {
            let (schedule, time) = (zoned("0 2 * * *", &zone), Timestamp(time));
            if let Some(next) = schedule.next(time) {
                prop_assert!(next > time && next.0.saturating_sub(time.0) <= 25 * HOUR);
            }
            if let Some(last) = schedule.last(time) {
                prop_assert!(last <= time && time.0.saturating_sub(last.0) <= 25 * HOUR);
            }
        }
    }
}
