//! How many events the groups of a table have, in bounded memory: at least as many as they really have.
//!
//! A count-min sketch (Cormode and Muthukrishnan, "An improved data stream summary: the count-min
//! sketch and its applications", 2005): each group has a counter in each of several rows, which it
//! shares with others; the least of its counters is nearest.
//!
//! - `W1` [`Weights::most`] is never below the number of events that were added. It is above it by at
//!   most `e / width` of all events, but for one group in `e^ROWS`.
//! - `W2` Counters only add up: what they are does not depend on who adds what, and when.

use crate::error::Result;
use crate::pool::{Consumer, Pool, Reservation};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of each group.
const ROWS: usize = 3;
/// Counters of a row, for each group that is kept.
const COUNTERS_PER_GROUP: usize = 2;

/// Counters that groups share.
#[derive(Debug)]
pub(super) struct Weights {
    /// One row behind the other.
    counters: Vec<AtomicU64>,
    /// A power of two.
    width: usize,
    _memory: Reservation,
}

impl Weights {
    /// Counters to find so many of the greatest groups.
    pub(super) fn new(pool: &Arc<Pool>, groups: usize) -> Result<Self> {
        let width = (groups * COUNTERS_PER_GROUP).next_power_of_two();
        let count = ROWS * width;
        let memory = pool.reserve(Consumer::Query, count * size_of::<AtomicU64>())?;
        let counters = (0..count).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { counters, width, _memory: memory })
    }

    /// Adds the events of a group.
    pub(super) fn add(&self, hash: u64, events: u64) {
        for place in self.places(hash) {
            self.counters[place].fetch_add(events, Ordering::Relaxed);
        }
    }

    /// A group has no more events than this.
    pub(super) fn most(&self, hash: u64) -> u64 {
        let counts = self.places(hash).map(|place| self.counters[place].load(Ordering::Relaxed));
        counts.into_iter().min().unwrap_or(u64::MAX)
    }

    /// The counter of each row.
    fn places(&self, hash: u64) -> [usize; ROWS] {
        let (first, step) = (hash as u32, (hash >> 32) as u32);
        std::array::from_fn(|row| {
            let place = first.wrapping_add(step.wrapping_mul(row as u32)) as usize;
            row * self.width + (place & (self.width - 1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use xxhash_rust::xxh3::xxh3_64;

    fn hash(group: u64) -> u64 {
        xxh3_64(&group.to_le_bytes())
    }

    #[test]
    fn no_group_has_more_than_is_told_and_few_have_much_less() {
        let weights = Weights::new(&Pool::new(1 << 30), 1_000).unwrap();
        let mut exact: HashMap<u64, u64> = HashMap::new();
        for n in 0..100_000u64 {
            let group = if n % 4 == 0 { n / 4 % 50 } else { n };
            weights.add(hash(group), 1);
            *exact.entry(group).or_default() += 1;
        }
        let bound = (std::f64::consts::E / weights.width as f64 * 100_000.0) as u64;
        let mut beyond = 0;
        for (group, events) in &exact {
            let most = weights.most(hash(*group));
            assert!(most >= *events);
            beyond += usize::from(most > events + bound);
        }
        assert!(beyond <= exact.len() / 20, "{beyond} of {}", exact.len());
    }

    #[test]
    fn who_adds_what_makes_no_difference() {
        let weights = || Weights::new(&Pool::new(1 << 30), 10).unwrap();
        let (one, many) = (weights(), weights());
        (0..1_000).for_each(|n| one.add(hash(n % 77), n));
        std::thread::scope(|scope| {
            for part in 0..4 {
                let many = &many;
                scope.spawn(move || {
                    (0..1_000).filter(|n| n % 4 == part).for_each(|n| many.add(hash(n % 77), n));
                });
            }
        });
        (0..77).for_each(|group| assert_eq!(one.most(hash(group)), many.most(hash(group))));
    }
}
