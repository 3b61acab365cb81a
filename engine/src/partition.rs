//! Partitions: the events of one tenant, one retention class and one UTC day.

use crate::event::Level;
use crate::timestamp::{Day, NS_PER_DAY, Timestamp, days_from_civil};
use std::fmt;
use std::sync::Arc;

/// The unit of retention: what expires together is stored together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// Whose events these are.
    pub tenant: Arc<str>,
    /// The retention class; by default the name of the level.
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

/// The day that an event is filed under: its own if it lies between 2000-01-01 and a day after
/// its arrival, otherwise the day of arrival. A sender with a broken clock must not open a
/// partition for each day of three centuries, and an event of 2100 must not be kept until then.
pub(crate) fn partition_day(timestamp: Timestamp, arrival: Timestamp) -> Day {
    let earliest = Timestamp(days_from_civil(2000, 1, 1) * NS_PER_DAY);
    let latest = Timestamp(arrival.0.saturating_add(NS_PER_DAY));
    if timestamp >= earliest && timestamp <= latest { timestamp.day() } else { arrival.day() }
}

/// The retention class of an event: each level is a class.
pub(crate) fn class_of(level: Level) -> &'static str {
    level.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implausible_days_become_the_day_of_arrival() {
        let arrival = Timestamp(days_from_civil(2026, 11, 21) * NS_PER_DAY + 5);
        let day = |y, m, d| Day(days_from_civil(y, m, d) as i32);
        let at = |y, m, d| Timestamp(days_from_civil(y, m, d) * NS_PER_DAY);
        assert_eq!(partition_day(at(2005, 6, 3), arrival), day(2005, 6, 3));
        assert_eq!(partition_day(at(2000, 1, 1), arrival), day(2000, 1, 1));
        assert_eq!(partition_day(Timestamp(at(2000, 1, 1).0 - 1), arrival), arrival.day());
        assert_eq!(partition_day(at(1970, 1, 1), arrival), arrival.day());
        assert_eq!(partition_day(at(2026, 11, 22), arrival), day(2026, 11, 22));
        assert_eq!(partition_day(Timestamp(arrival.0 + NS_PER_DAY), arrival), day(2026, 11, 22));
        assert_eq!(partition_day(Timestamp(arrival.0 + NS_PER_DAY + 1), arrival), arrival.day());
        assert_eq!(partition_day(at(2100, 1, 1), arrival), arrival.day());
    }
}
