//! What a daily export needs of a store: the partitions that have events in files, the events of one in
//! the order in which they were stored, and the word of whoever exports up to where a day was.
//!
//! - `X1` an event belongs to one partition, and its sequence number never changes: what a day has up to
//!   a number is the same events for ever, whatever is compacted meanwhile, but for what is dropped.
//! - `X2` once somebody waits for exports, a section of a class that is to be exported goes only if all
//!   of it lies below the number up to which its day was. Before the first word nothing was.
//! - `X3` what exact purges took of a partition only ever gets more, for tombstones stay: whoever exports
//!   knows by the count that was when a file was written whether it has events that are to be gone.

use super::drops::Held;
use super::state::Snapshot;
use super::{Engine, Shared};
use crate::error::Result;
use crate::event::Seq;
use crate::manifest::SectionMeta;
use crate::partition::PartitionKey;
use crate::pool::Reservation;
use crate::purge::is_erasure;
use crate::query::ast::Filter;
use crate::query::{Arrivals, EventRecord, Matching, arrivals, matching};
use crate::retention::{Amount, ClassRule, DueDay};
use crate::scan::Control;
use crate::timestamp::{Day, NS_PER_DAY, Timestamp};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Events of a piece at most.
const PIECE_EVENTS_MAX: usize = 2_000;
/// What they may take, one event apart.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Up to which sequence number a day was exported, itself included, and up to which files may be.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    through: u64,
    begun: u64,
}

/// What is known of exports.
#[derive(Debug, Default)]
struct Known {
    /// How long after its begin a day is exported.
    after: Duration,
    tenants: HashMap<Arc<str>, BTreeMap<Day, Mark>>,
}

/// The marks; `None` as long as nobody exports.
#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<Option<Known>>);

/// The events of a partition that are in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPartition {
    /// Tenant, class and day.
    pub key: PartitionKey,
    /// How many events there are.
    pub events: u64,
    /// The lowest and the highest sequence number.
    pub seqs: (u64, u64),
}

/// Events of a partition, the first that were stored first.
#[derive(Debug)]
pub struct SealedPiece {
    /// The events.
    pub events: Vec<EventRecord>,
    /// Whether there are more behind the last of them.
    pub has_more: bool,
    _memory: Reservation,
}

/// How many events of a partition are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Those that exact purges took.
    pub erased: u64,
    /// All others: dropped with their sections, or lost to damage.
    pub others: u64,
}

/// What of a class and a day is due and waits for its export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDay {
    /// How much waits.
    pub day: DueDay,
    /// Since when it could be exported and dropped: it is due, its day is to be exported, and it is in a
    /// file.
    pub since: Timestamp,
}

impl Exports {
    fn mark(&self, section: &SectionMeta) -> Option<Mark> {
        let exports = self.0.lock();
        let days = exports.as_ref()?.tenants.get(&section.partition.tenant)?;
        days.get(&section.partition.day).copied()
    }

    fn raise(&self, tenant: &str, day: Day, to: impl FnOnce(&mut Mark)) {
        let mut exports = self.0.lock();
        let days = exports.get_or_insert_default().tenants.entry(tenant.into()).or_default();
        to(days.entry(day).or_default());
    }

    /// Whether what its class wants exported of a section was. Without anybody who exports there is
    /// nothing to wait for.
    pub(super) fn has(&self, rule: &ClassRule, section: &SectionMeta) -> bool {
        let is_free = !rule.export || self.0.lock().is_none();
        is_free || self.mark(section).is_some_and(|mark| section.max_seq <= mark.through)
    }

    /// Whether events of a section are in files of an export, or on their way there, as far as whoever
    /// exports has said.
    pub(super) fn may_have(&self, section: &SectionMeta) -> bool {
        self.mark(section).is_some_and(|mark| section.min_seq <= mark.begun.max(mark.through))
    }
}

impl Engine {
    /// From now on what is to be exported is dropped only once [`Engine::day_was_exported`] said so. Days
    /// are exported so long `after` their begin.
    pub fn wait_for_exports(&self, after: Duration) {
        self.shared.retention.exports.0.lock().get_or_insert_default().after = after;
    }

    /// Events of a tenant's day up to a sequence number, itself included, may be in files from now on.
    pub fn day_is_being_exported(&self, tenant: &str, day: Day, through: Seq) {
        let raise = |mark: &mut Mark| mark.begun = mark.begun.max(through.0);
        self.shared.retention.exports.raise(tenant, day, raise);
    }

    /// All events of a tenant's day up to a sequence number, itself included, are exported.
    pub fn day_was_exported(&self, tenant: &str, day: Day, through: Seq) {
        let raise = |mark: &mut Mark| mark.through = mark.through.max(through.0);
        self.shared.retention.exports.raise(tenant, day, raise);
    }

    /// The days of tenants that exact purges took events of, in order.
    pub fn erased_days(&self) -> Vec<(Arc<str>, Day)> {
        let manifest = self.shared.manifest();
        let erased = manifest.state().tombstones.iter().filter(|gone| is_erasure(gone));
        let days: BTreeSet<(&Arc<str>, Day)> = erased
            .map(|gone| (&gone.section.partition.tenant, gone.section.partition.day))
            .collect();
        days.into_iter().map(|(tenant, day)| (Arc::clone(tenant), day)).collect()
    }

    /// What the classes of a tenant's day have lost, by name; not in it are those that lost nothing.
    pub fn losses_of_day(&self, tenant: &str, day: Day) -> BTreeMap<String, Losses> {
        let manifest = self.shared.manifest();
        let mut classes: BTreeMap<String, Losses> = BTreeMap::new();
        for gone in &manifest.state().tombstones {
            let partition = &gone.section.partition;
            if partition.day != day || &*partition.tenant != tenant {
                continue;
            }
            let losses = classes.entry(partition.class.to_string()).or_default();
            let count = match is_erasure(gone) {
                true => &mut losses.erased,
                false => &mut losses.others,
            };
            *count = count.saturating_add(gone.section.rows);
        }
        classes
    }

    /// How many events of a partition up to a sequence number, itself included, are in files.
    ///
    /// # Errors
    /// `Busy` without memory, `Corrupt`, `Io`.
    pub fn sealed_count(&self, partition: &PartitionKey, through: Seq) -> Result<u64> {
        let files = Arc::clone(&self.shared.state().files);
        let sections = || files.iter().flat_map(|file| &file.meta.sections);
        let of_partition = |section: &&SectionMeta| section.partition == *partition;
        let below = sections().filter(of_partition).filter(|section| section.max_seq <= through.0);
        let below: u64 = below.map(|section| section.rows).sum();
        let is_across = |section: &SectionMeta| {
            section.partition == *partition
                && section.min_seq <= through.0
                && section.max_seq > through.0
        };
        if !sections().any(is_across) {
            return Ok(below);
        }
        let snapshot = Snapshot::of_sections(&files, is_across, through);
        let (filter, through) = (&Filter::All, through.0);
        let wanted = Matching { filter, levels: u8::MAX, before: None, through };
        let (found, _memory) = matching(&self.shared, &snapshot, wanted, &Control::default())?;
        Ok(found.iter().fold(below, |sum, range| sum.saturating_add(range.len())))
    }

    /// Every partition that has events in files, in order.
    pub fn sealed_partitions(&self) -> Vec<SealedPartition> {
        let files = Arc::clone(&self.shared.state().files);
        let mut all: BTreeMap<&PartitionKey, (u64, (u64, u64))> = BTreeMap::new();
        for section in files.iter().flat_map(|file| &file.meta.sections) {
            let (events, seqs) = all.entry(&section.partition).or_insert((0, (u64::MAX, 0)));
            *events += section.rows;
            *seqs = (seqs.0.min(section.min_seq), seqs.1.max(section.max_seq));
        }
        let found = all.into_iter();
        found
            .map(|(key, (events, seqs))| SealedPartition { key: key.clone(), events, seqs })
            .collect()
    }

    /// The first events of a partition between two sequence numbers that are in files: `after` is not
    /// among them, `through` may be.
    ///
    /// # Errors
    /// `Busy` without memory, `Corrupt`, `Io`; `Cancelled`.
    pub fn sealed_events(
        &self,
        partition: &PartitionKey,
        (after, through): (Seq, Seq),
        control: &Control,
    ) -> Result<SealedPiece> {
        let files = Arc::clone(&self.shared.state().files);
        let is_wanted = |section: &SectionMeta| {
            section.partition == *partition
                && section.max_seq > after.0
                && section.min_seq <= through.0
        };
        let snapshot = Snapshot::of_sections(&files, is_wanted, through);
        let (limit, bytes_max) = (PIECE_EVENTS_MAX, PIECE_BYTES_MAX);
        let wanted =
            Arrivals { filter: &Filter::All, steps: &[], after, through, limit, bytes_max };
        let (events, has_more, _memory) = arrivals(&self.shared, &snapshot, wanted, control)?;
        Ok(SealedPiece { events, has_more, _memory })
    }

    /// What is due at a time and waits for its export, the first to be due first. What is held without a
    /// query waits for that.
    pub fn waiting_for_export(&self, now: Timestamp) -> Vec<WaitingDay> {
        waiting(&self.shared, now)
    }
}

fn waiting(shared: &Shared, now: Timestamp) -> Vec<WaitingDay> {
    let holds = shared.manifest().state().retention.holds.clone();
    let held = Held::all(&holds);
    let files = Arc::clone(&shared.state().files);
    let after = shared.retention.exports.0.lock().as_ref().map_or(Duration::ZERO, |of| of.after);
    let after = i64::try_from(after.as_nanos()).unwrap_or(i64::MAX);
    let mut days: BTreeMap<(Timestamp, &PartitionKey), (Amount, Timestamp)> = BTreeMap::new();
    for file in files.iter() {
        for section in &file.meta.sections {
            let partition = &section.partition;
            let due = shared.retention.due(partition).filter(|due| *due <= now);
            let rule = shared.retention.rule(&partition.class);
            let (Some(due), Some(rule)) = (due, rule) else { continue };
            let is_held = held.iter().any(|held| held.holds_all_of(partition));
            if is_held || shared.retention.exports.has(rule, section) {
                continue;
            }
            let begin = i64::from(partition.day.0).saturating_mul(NS_PER_DAY);
            let exported = begin.saturating_add(after.max(NS_PER_DAY));
            let since = Timestamp(due.0.max(exported).max(file.meta.created));
            let (amount, first) =
                days.entry((due, partition)).or_insert((Amount::default(), since));
            amount.add(Amount::of(section));
            *first = since.min(*first);
        }
    }
    let waiting = days.into_iter().map(|((due, partition), (waiting, since))| WaitingDay {
        day: DueDay {
            tenant: partition.tenant.to_string(),
            class: partition.class.to_string(),
            day: partition.day,
            due,
            dropped: Amount::default(),
            held: Amount::default(),
            waiting,
            holds: Vec::new(),
        },
        since,
    });
    waiting.collect()
}
