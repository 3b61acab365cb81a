//! Retention on an open store: the rules in force, and what is due.
//!
//! - `K1` the rules in force are those of the configuration, and the last of classes that it does not
//!   name and that have events; the manifest has them as soon as the store is open.

use super::exports::Exports;
use super::state::{Shared, Snapshot};
use super::{Appended, Engine, drops};
use crate::batch::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Clock;
use crate::limits::Limits;
use crate::manifest::{Edit, ManifestState, SectionMeta};
use crate::partition::{Arrival, PartitionKey};
use crate::retention::{
    Amount, Change, ClassRule, ClassStatus, ClockGuard, Hold, Keep, Ledger, RetentionRun,
    RetentionStatus, RunKind, due,
};
use crate::scan::Cancel;
use crate::timestamp::{NS_PER_DAY, Timestamp};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

/// How old the time in the manifest may become while drops find nothing to do.
const CLOCK_TOLD_AFTER: i64 = NS_PER_DAY / 4;

/// How long what is kept.
#[derive(Debug)]
pub(crate) struct Retention {
    /// The rules in force (`K1`).
    classes: BTreeMap<String, ClassRule>,
    guard: ClockGuard,
    /// The latest time that the manifest has, in nanoseconds.
    latest: AtomicI64,
    /// Up to where days were exported, if somebody exports.
    pub(super) exports: Exports,
    /// How many holds there are.
    pub(super) holds: AtomicU64,
    /// Whether the budget of the disk is passed although all was dropped that may be.
    pub(super) is_exhausted: AtomicBool,
    /// Whether the log was given up the last time that room was to be made.
    pub(super) gave_up_log: AtomicBool,
    /// Ends the lookups of what is held, when the store is being closed.
    pub(super) cancel: Cancel,
    /// Held while something is dropped: by one at a time.
    pub(super) running: Mutex<()>,
    /// Held while files are made out of files: by one at a time, which gives them their numbers.
    pub(super) rewriting: Mutex<()>,
}

impl Retention {
    /// The rules of the configuration, and of the manifest for classes that it does not name. Without a
    /// configuration those of the manifest count: whoever only looks at a store changes nothing.
    pub(crate) fn new(clock: &dyn Clock, limits: &Limits, state: &ManifestState) -> Self {
        let mut classes = state.retention.classes.clone();
        for rule in limits.retention.rules() {
            if limits.retention.is_configured() || !classes.contains_key(&rule.name) {
                classes.insert(rule.name.clone(), rule.clone());
            }
        }
        let shortest = classes.values().map(|rule| rule.keep).min().unwrap_or(Keep::Forever);
        let guard = ClockGuard::new(clock, Timestamp(state.clock_high_water), shortest);
        let latest = AtomicI64::new(state.clock_high_water);
        let holds = AtomicU64::new(state.retention.holds.len() as u64);
        let is_exhausted = AtomicBool::new(false);
        let (running, rewriting) = (Mutex::new(()), Mutex::new(()));
        let exports = Exports::default();
        Self {
            classes,
            guard,
            latest,
            exports,
            holds,
            is_exhausted,
            gave_up_log: AtomicBool::new(false),
            cancel: Cancel::default(),
            running,
            rewriting,
        }
    }

    /// The names of the classes with a rule.
    pub(super) fn class_names(&self) -> impl Iterator<Item = &str> {
        self.classes.keys().map(String::as_str)
    }

    /// The rule of a class.
    pub(super) fn rule(&self, class: &str) -> Option<&ClassRule> {
        self.classes.get(class)
    }

    /// When a partition is due; `None` if it never is.
    pub(super) fn due(&self, partition: &PartitionKey) -> Option<Timestamp> {
        due(partition.day, self.rule(&partition.class)?.keep)
    }

    /// The time, and why it is not trusted, if it is not.
    pub(super) fn look(&self, clock: &dyn Clock) -> (Timestamp, Option<String>) {
        self.guard.look(clock)
    }

    /// The latest time seen: that of a clock that is not trusted does not count.
    pub(super) fn clock_high_water(&self, clock: &dyn Clock, state: &ManifestState) -> i64 {
        let high_water = match self.look(clock) {
            (now, None) => state.clock_high_water.max(now.0),
            (_, Some(_)) => state.clock_high_water,
        };
        self.latest.fetch_max(high_water, Relaxed);
        high_water
    }
}

/// Lets the manifest have the rules in force, but for those of classes without events that the
/// configuration does not name.
pub(super) fn keep_rules(shared: &Shared) -> Result<()> {
    let snapshot = shared.snapshot();
    let mut used: BTreeSet<&str> = sections(&snapshot).map(|s| &*s.partition.class).collect();
    used.extend(snapshot.memtables.iter().map(|(partition, _)| &*partition.class));
    used.extend(shared.limits.retention.rules().iter().map(|rule| &*rule.name));
    let is_configured = shared.limits.retention.is_configured();
    let kept = |rule: &&ClassRule| !is_configured || used.contains(&*rule.name);
    let rules = shared.retention.classes.values().filter(kept);
    let rules: BTreeMap<_, _> = rules.map(|rule| (rule.name.clone(), rule.clone())).collect();
    if rules == shared.manifest().state().retention.classes {
        return Ok(());
    }
    match change(shared, |_| Ok(Change::Classes(rules.into_values().collect()))) {
        // They are in force all the same, and written down the next time.
        Err(error) if error.kind() == ErrorKind::Full => Ok(()),
        result => result.map(drop),
    }
}

/// Commits a change of what the manifest keeps of retention.
pub(super) fn change(
    shared: &Shared,
    make: impl FnOnce(&Ledger) -> Result<Change>,
) -> Result<Change> {
    let mut manifest = shared.manifest();
    shared.state().check_open()?;
    let change = make(&manifest.state().retention)?;
    let clock_high_water = match change {
        Change::Trust => shared.io.clock.now().0,
        _ => shared.retention.clock_high_water(&*shared.io.clock, manifest.state()),
    };
    let edit = Edit::Retention { change: change.clone(), clock_high_water };
    manifest.accepts(&edit).map_err(Error::invalid)?;
    let committed = manifest.commit(edit);
    let holds = manifest.state().retention.holds.len() as u64;
    drop(manifest);
    if let Err(error) = &committed
        && error.kind() == ErrorKind::Closed
    {
        shared.close(error.to_string());
    }
    committed?;
    if change == Change::Trust {
        shared.retention.latest.store(clock_high_water, Relaxed);
    }
    shared.retention.holds.store(holds, Relaxed);
    Ok(change)
}

/// How many events are due and in no file yet.
fn due_in_memory(shared: &Shared, now: Timestamp) -> u64 {
    let snapshot = shared.snapshot();
    let is_due =
        |partition: &PartitionKey| shared.retention.due(partition).is_some_and(|due| due <= now);
    let due = snapshot.memtables.iter().filter(|(partition, _)| is_due(partition));
    due.map(|(_, rows)| rows.rows()).sum()
}

fn sections(snapshot: &Snapshot) -> impl Iterator<Item = &SectionMeta> {
    snapshot.files.iter().flat_map(|file| &file.meta.sections)
}

impl Amount {
    pub(super) fn of(section: &SectionMeta) -> Self {
        Self { sections: 1, events: section.rows, bytes: section.len }
    }
}

impl Engine {
    /// What is due at a time and would be dropped then by such a run, or is held. Holds by a query are looked up in
    /// every section that is due.
    ///
    /// # Errors
    /// `Closed`.
    pub fn retention_plan(&self, now: Timestamp, kind: RunKind) -> Result<RetentionRun> {
        let doubt = self.shared.retention.look(&*self.shared.io.clock).1;
        self.planned(now, kind, doubt)
    }

    /// What a run comes to that changes nothing, which is so as long as the clock is in doubt.
    fn planned(
        &self,
        now: Timestamp,
        kind: RunKind,
        doubt: Option<String>,
    ) -> Result<RetentionRun> {
        let run = drops::plan(&self.shared, now, kind)?.run;
        let run = RetentionRun { in_memory: due_in_memory(&self.shared, now), ..run };
        Ok(match doubt {
            Some(why) => run.suspended(why),
            None => run,
        })
    }

    /// Drops what is due, by the clock of the store, unless that can't be trusted. When somebody
    /// requests it, what is due and still in memory is flushed first; while the clock is in doubt, only
    /// who requests it is told what is due.
    ///
    /// # Errors
    /// `Full`, `Io`, `Closed`: what was dropped before stays dropped.
    pub fn drop_due(&self, kind: RunKind) -> Result<RetentionRun> {
        let shared = &self.shared;
        let _running = shared.retention.running.lock();
        shared.state().check_open()?;
        let (now, doubt) = shared.retention.look(&*shared.io.clock);
        if doubt.is_some() {
            return match kind {
                RunKind::Scheduled => {
                    Ok(RetentionRun { suspended: doubt, ..RetentionRun::default() })
                }
                RunKind::Requested | RunKind::Forced => self.planned(now, kind, doubt),
            };
        }
        let is_wanted = kind != RunKind::Scheduled && due_in_memory(shared, now) > 0;
        let flushed = if is_wanted { self.flush() } else { Ok(()) };
        // On a full disk there is no room for it before something has gone.
        let has_to_wait = match flushed {
            Err(error) if error.kind() == ErrorKind::Full => true,
            flushed => flushed.map(|()| false)?,
        };
        let mut run = drops::drop_due(shared, now, kind)?;
        if has_to_wait && run.dropped().sections > 0 {
            match self.flush() {
                // What was in files has gone; what is in memory waits for more room.
                Err(error) if error.kind() == ErrorKind::Full => {}
                flushed => {
                    flushed?;
                    run = drops::joined(run, drops::drop_due(shared, now, kind)?);
                }
            }
        }
        run.in_memory = due_in_memory(shared, now);
        if run.dropped().sections > 0 {
            // A level-0 file that lost sections may be worth rewriting.
            self.compactions.wake();
        } else {
            self.tell_clock(now)?;
        }
        Ok(run)
    }

    /// Lets the manifest have the time, so that a store that is open and idle is not one that was
    /// closed for long.
    fn tell_clock(&self, now: Timestamp) -> Result<()> {
        let told = self.shared.manifest().state().clock_high_water;
        if now.0.saturating_sub(told) < CLOCK_TOLD_AFTER {
            return Ok(());
        }
        change(&self.shared, |_| Ok(Change::Clock)).map(drop)
    }

    /// Takes somebody's word that the time is right: what is due is dropped again, and no later time
    /// that the store knew counts any more.
    ///
    /// # Errors
    /// `Full`, `Io`, `Closed`.
    pub fn resume_drops(&self) -> Result<()> {
        self.shared.retention.guard.trust(&*self.shared.io.clock);
        change(&self.shared, |_| Ok(Change::Trust)).map(drop)
    }

    /// The time for events that come in now.
    pub fn arrival(&self) -> Arrival {
        let at = self.shared.io.clock.now();
        let latest = Timestamp(self.shared.retention.latest.load(Relaxed));
        Arrival { at, day: at.day().max(latest.day()) }
    }

    /// How many events of a batch were due before they came: they are stored, and dropped soon.
    pub fn expired_on_arrival(&self, batch: &Batch) -> usize {
        let now = self.shared.io.clock.now();
        let expired = batch
            .parts()
            .iter()
            .filter(|part| self.shared.retention.due(&part.key).is_some_and(|due| due <= now));
        expired.map(|part| part.rows.len()).sum()
    }

    /// `done`, which counts those events if the batch is stored.
    pub(super) fn counting_expired(
        &self,
        batch: &Batch,
        done: impl FnOnce(Result<Appended>) + Send + 'static,
    ) -> Box<dyn FnOnce(Result<Appended>) + Send> {
        let expired = self.expired_on_arrival(batch);
        if expired == 0 {
            return Box::new(done);
        }
        let shared = std::sync::Arc::clone(&self.shared);
        Box::new(move |result| {
            if result.is_ok() {
                shared.counters.expired_on_arrival.fetch_add(expired as u64, Relaxed);
            }
            drop(shared);
            done(result);
        })
    }

    /// How retention stands.
    pub fn retention_status(&self) -> RetentionStatus {
        let shared = &self.shared;
        let policy = &shared.limits.retention;
        let snapshot = shared.snapshot();
        let holds = self.holds();
        let mut classes: Vec<ClassStatus> =
            policy.rules().iter().map(|rule| of_class(shared, &rule.name, true)).collect();
        let configured = classes.len();
        let mut places: BTreeMap<String, usize> =
            classes.iter().map(|class| class.name.clone()).zip(0..).collect();
        let mut find = |name: &str| match places.get(name) {
            Some(place) => *place,
            None => {
                classes.push(of_class(shared, name, false));
                places.insert(name.to_owned(), classes.len() - 1);
                classes.len() - 1
            }
        };
        let mut stored = Vec::new();
        for file in snapshot.files.iter() {
            let is_evicted = file.file.is_evicted();
            for section in &file.meta.sections {
                stored.push((find(&section.partition.class), section, is_evicted));
            }
        }
        let mut in_memory = Vec::new();
        for (partition, rows) in &snapshot.memtables {
            in_memory.push((find(&partition.class), rows.rows()));
        }
        for (place, section, is_evicted) in stored {
            let class = &mut classes[place];
            class.stored.add(Amount::of(section));
            if is_evicted {
                class.evicted.add(Amount::of(section));
            }
            let day = section.partition.day;
            class.oldest = Some(class.oldest.map_or(day, |oldest| oldest.min(day)));
        }
        for (place, rows) in in_memory {
            classes[place].events_in_memory += rows;
        }
        for class in &mut classes {
            let keep = class.rule.as_ref().map_or(Keep::Forever, |rule| rule.keep);
            class.next_drop = class.oldest.and_then(|oldest| due(oldest, keep));
            let can_hold =
                |hold: &&Hold| hold.scope.class.as_ref().is_none_or(|c| *c == class.name);
            class.holds = holds.iter().filter(can_hold).map(|hold| hold.id).collect();
        }
        classes[configured..].sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let suspended = shared.retention.look(&*shared.io.clock).1;
        RetentionStatus { preset: policy.preset(), suspended, classes, holds }
    }
}

fn of_class(shared: &Shared, name: &str, is_configured: bool) -> ClassStatus {
    ClassStatus {
        name: name.to_owned(),
        rule: shared.retention.rule(name).cloned(),
        is_configured,
        stored: Amount::default(),
        evicted: Amount::default(),
        events_in_memory: 0,
        oldest: None,
        next_drop: None,
        holds: Vec::new(),
    }
}
