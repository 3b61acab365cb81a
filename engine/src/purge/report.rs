//! What a purge takes, or would take.

use crate::event::Seq;
use crate::partition::PartitionKey;
use crate::retention::Amount;
use crate::timestamp::Day;
use std::collections::BTreeSet;

/// What a purge took or would take, and what it leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeRun {
    /// Events with higher numbers are not looked at: they came later.
    pub through: Seq,
    /// Events that match and were in memory only when they were counted.
    pub in_memory: u64,
    /// What is in files, by class, day and tenant.
    pub days: Vec<PurgeDay>,
    /// The numbers of all holds there were.
    pub all_holds: Vec<u64>,
}

/// What a purge is confirmed by: nothing goes if it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The number of all events that match, whether they go or stay.
    pub events: u64,
    /// The numbers of all holds, which rise.
    pub holds: Vec<u64>,
}

/// What a purge finds in a class on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeDay {
    /// Whose events these are.
    pub tenant: String,
    /// Their class.
    pub class: String,
    /// Their partition day.
    pub day: Day,
    /// Sections all of whose events match.
    pub whole: Amount,
    /// Sections of which some events match, with those events, and the bytes of the sections. Only an exact
    /// purge takes them.
    pub touched: Amount,
    /// Sections that match and are held, with the events that match. They stay.
    pub held: Amount,
    /// What holds them.
    pub holds: Vec<u64>,
    /// Whether files of the daily export may have some of these events. Whoever exports writes those anew
    /// behind an exact purge; others change none.
    pub exported: bool,
}

impl PurgeRun {
    /// Everything that goes.
    pub fn taken(&self, exact: bool) -> Amount {
        let mut sum = self.sum(|day| day.whole);
        if exact {
            sum.add(self.sum(|day| day.touched));
        }
        sum
    }

    /// Everything that matches and stays.
    pub fn left(&self, exact: bool) -> Amount {
        let mut sum = self.sum(|day| day.held);
        if !exact {
            sum.add(self.sum(|day| day.touched));
        }
        sum
    }

    /// The number of all events that match, whether they go or stay: what a purge is counted by.
    pub fn matching(&self) -> u64 {
        let files = self.taken(true).events.saturating_add(self.left(true).events);
        files.saturating_add(self.in_memory)
    }

    /// What a purge of the same is confirmed by.
    pub fn counted(&self) -> Counted {
        Counted { events: self.matching(), holds: self.all_holds.clone() }
    }

    /// A section that was to go stays, held by these, or has gone without us.
    pub(crate) fn stays(
        &mut self,
        partition: &PartitionKey,
        amount: Amount,
        by: Option<BTreeSet<u64>>,
    ) {
        let is_its = |day: &&mut PurgeDay| {
            (&*day.tenant, &*day.class, day.day)
                == (&*partition.tenant, &*partition.class, partition.day)
        };
        let day = self.days.iter_mut().find(is_its).expect("it was planned");
        day.whole.take(amount);
        if let Some(by) = by {
            day.held.add(amount);
            let all: BTreeSet<u64> = by.into_iter().chain(day.holds.drain(..)).collect();
            day.holds.extend(all);
        }
    }

    fn sum(&self, part: impl Fn(&PurgeDay) -> Amount) -> Amount {
        let mut sum = Amount::default();
        self.days.iter().for_each(|day| sum.add(part(day)));
        sum
    }
}
