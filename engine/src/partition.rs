//! Partitions: the events of one tenant, one retention class and one UTC day.

use crate::timestamp::{Day, NS_PER_DAY, Timestamp, days_from_civil};
use std::fmt;
use std::sync::Arc;

/// The unit of retention: what expires together is stored together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// Whose events these are.
    pub tenant: Arc<str>,
    /// The retention class, as the rules gave it when the event came in; by default the level's name.
    pub class: Arc<str>,
    /// The partition day.
    pub day: Day,
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.class, self.day)
    }
}

/// The tenant of a store that is not shared.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// When events come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The time by the clock: that of events which name none.
    pub at: Timestamp,
    /// The day that these are filed under: that of the time, unless the store knows of a later one. A
    /// machine whose clock is set back to 1970 must not store what is due as soon as it is set right.
    pub day: Day,
}

impl From<Timestamp> for Arrival {
    fn from(at: Timestamp) -> Self {
        Self { at, day: at.day() }
    }
}

impl Arrival {
    /// The day that an event is filed under: its own if it has one between 2000-01-01 and a day after
    /// its arrival, otherwise the day of arrival. A sender with a broken clock must not open a
    /// partition for each day of three centuries, and an event of 2100 must not be kept until then.
    pub(crate) fn partition_day(self, timestamp: Timestamp) -> Day {
        let earliest = Timestamp(days_from_civil(2000, 1, 1) * NS_PER_DAY);
        let latest = Timestamp(self.at.0.saturating_add(NS_PER_DAY));
        let has_its_own = timestamp != self.at && timestamp >= earliest && timestamp <= latest;
        if has_its_own { timestamp.day() } else { self.day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implausible_days_become_the_day_of_arrival() {
        let arrival = Arrival::from(Timestamp(days_from_civil(2026, 11, 21) * NS_PER_DAY + 5));
        let day = |y, m, d| Day(days_from_civil(y, m, d) as i32);
        let at = |y, m, d| Timestamp(days_from_civil(y, m, d) * NS_PER_DAY);
        assert_eq!(arrival.partition_day(at(2005, 6, 3)), day(2005, 6, 3));
        assert_eq!(arrival.partition_day(at(2000, 1, 1)), day(2000, 1, 1));
        assert_eq!(arrival.partition_day(Timestamp(at(2000, 1, 1).0 - 1)), arrival.day);
        assert_eq!(arrival.partition_day(at(1970, 1, 1)), arrival.day);
        assert_eq!(arrival.partition_day(at(2026, 11, 22)), day(2026, 11, 22));
        assert_eq!(arrival.partition_day(Timestamp(arrival.at.0 + NS_PER_DAY)), day(2026, 11, 22));
        assert_eq!(arrival.partition_day(Timestamp(arrival.at.0 + NS_PER_DAY + 1)), arrival.day);
        assert_eq!(arrival.partition_day(at(2100, 1, 1)), arrival.day);
    }

    #[test]
    fn a_clock_that_was_set_back_files_nothing_under_the_day_that_it_says() {
        let day = |year, month, day| Day((days_from_civil(year, month, day)) as i32);
        let at = |year| Timestamp(days_from_civil(year, 1, 1) * NS_PER_DAY + 5);
        for year in [1970, 2010] {
            let arrival = Arrival { at: at(year), day: day(2026, 11, 21) };
            assert_eq!(arrival.partition_day(arrival.at), arrival.day);
            assert_eq!(
                arrival.partition_day(at(2005)),
                if year == 2010 { day(2005, 1, 1) } else { arrival.day }
            );
        }
    }
}
