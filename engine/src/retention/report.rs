//! What a run of the keeper does or would do, and how a store stands.

use super::hold::Hold;
use super::policy::Preset;
use super::rule::ClassRule;
use crate::timestamp::{Day, Timestamp};

/// So much of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Sections.
    pub sections: u64,
    /// Their events.
    pub events: u64,
    /// Their bytes in files.
    pub bytes: u64,
}

impl Amount {
    pub(crate) fn add(&mut self, other: Self) {
        self.sections += other.sections;
        self.events += other.events;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// What is in `other` is not in it any more.
    pub(crate) fn take(&mut self, other: Self) {
        self.sections -= other.sections;
        self.events -= other.events;
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// What a hold holds as of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HoldCover {
    /// Sections, whole.
    pub stored: Amount,
    /// Events that are in no file yet, of partitions that are held as soon as they are.
    pub in_memory: u64,
}

/// Who asks for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Nobody: events that were due when they came have an hour in which they can be found.
    Scheduled,
    /// Somebody: all that is due goes at once.
    Requested,
    /// Somebody, and what was not exported goes, too.
    Forced,
}

/// The sections of a class and a day that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDay {
    /// Whose events these are.
    pub tenant: String,
    /// Their class.
    pub class: String,
    /// Their partition day.
    pub day: Day,
    /// Since when they are due.
    pub due: Timestamp,
    /// What goes, or went.
    pub dropped: Amount,
    /// What is held.
    pub held: Amount,
    /// What has to wait: until it was exported, because it came late, or for a clock that can be trusted.
    pub waiting: Amount,
    /// The holds that hold any of it.
    pub holds: Vec<u64>,
}

/// A run of the keeper, or what it would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionRun {
    /// Why nothing was dropped although it may be due, if so.
    pub suspended: Option<String>,
    /// What is due, the first to be due first.
    pub days: Vec<DueDay>,
    /// Events that are due and in no file yet: a run that somebody requests writes them to files first.
    pub in_memory: u64,
}

impl RetentionRun {
    /// The same while the clock is in doubt: nothing goes, what would waits.
    pub(crate) fn suspended(mut self, why: String) -> Self {
        for day in &mut self.days {
            day.waiting.add(std::mem::take(&mut day.dropped));
        }
        Self { suspended: Some(why), ..self }
    }

    /// What goes, or went, together.
    pub fn dropped(&self) -> Amount {
        self.sum(|day| day.dropped)
    }

    /// What is held, together.
    pub fn held(&self) -> Amount {
        self.sum(|day| day.held)
    }

    /// What has to wait, together.
    pub fn waiting(&self) -> Amount {
        self.sum(|day| day.waiting)
    }

    fn sum(&self, of: impl Fn(&DueDay) -> Amount) -> Amount {
        self.days.iter().fold(Amount::default(), |mut sum, day| {
            sum.add(of(day));
            sum
        })
    }
}

/// How a class stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassStatus {
    /// Its name.
    pub name: String,
    /// Its rule; `None` if nobody knows one: it is kept for ever.
    pub rule: Option<ClassRule>,
    /// Whether new events can be of it.
    pub is_configured: bool,
    /// What of it is in files.
    pub stored: Amount,
    /// What of that has left the disk for the archive.
    pub evicted: Amount,
    /// Its events that are in no file yet.
    pub events_in_memory: u64,
    /// Its oldest day in files.
    pub oldest: Option<Day>,
    /// When the first of its days is due.
    pub next_drop: Option<Timestamp>,
    /// The holds that can hold any of it.
    pub holds: Vec<u64>,
}

/// How a store stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionStatus {
    /// The preset behind the rules.
    pub preset: Preset,
    /// Why nothing is dropped, if so.
    pub suspended: Option<String>,
    /// Every class with a rule or with events: those of the rules in their order, then others by name.
    pub classes: Vec<ClassStatus>,
    /// What is held.
    pub holds: Vec<Hold>,
}
