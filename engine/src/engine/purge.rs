//! Purges on an open store.
//!
//! - `G1` what matches is in files before anything goes, and its log is given up: nothing comes back by a
//!   replay.
//! - `G2` an exact purge is one edit: before it nothing is gone, behind it everything. What it took events
//!   from goes with its last reader, and at the latest when the store is opened.
//! - `G3` nobody else makes files of files meanwhile, so what a merge reads is never what is going.
//! - `G4` behind an exact purge the log's old files are cleared and the manifest begins anew: both knew
//!   what the events were like. Until the manifest has, what is left to do is known from it.
//! - `G5` that an exact purge took something is marked in the directory until the archive has given it up.
//! - `G6` what nobody waits for any more, or what is in the way of closing the store, ends within a block,
//!   and at the latest with a request to the archive; what is one edit has changed nothing then.

mod exact;
mod owed;
mod touched;
mod whole;

use super::Engine;
use super::drops::{Held, held_by};
use super::state::{LiveFile, Shared, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Seq;
use crate::manifest::{FileId, Range64, SectionMeta};
use crate::partition::PartitionKey;
use crate::pool::Reservation;
use crate::purge::{Counted, PurgeDay, PurgeRule, PurgeRun};
use crate::query::ast::Filter;
use crate::query::{Matching, matching};
use crate::retention::{Amount, Hold};
use crate::scan::{Cancel, Control};
use crate::timestamp::Day;
use exact::{commit, rewrite};
pub(super) use owed::Owed;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use whole::drop_whole;

/// How often it is looked whether the log's files of a generation are given up.
const SCRUBS_MAX: usize = 20;

/// What a purge finds.
#[derive(Debug, Default)]
struct Plan {
    run: PurgeRun,
    found: Vec<Found>,
    holds: BTreeMap<u64, Hold>,
}

/// A section that is to go, all of it or in part.
#[derive(Debug)]
struct Found {
    file: LiveFile,
    section: SectionMeta,
    /// The numbers of the events that match, if others don't.
    gone: Option<Gone>,
    /// How many that are.
    events: u64,
}

/// Numbers of events, and the memory that they take.
#[derive(Debug)]
struct Gone {
    seqs: Vec<Range64>,
    _memory: Option<Reservation>,
}

impl Gone {
    const NONE: Self = Self { seqs: Vec::new(), _memory: None };

    fn events(&self) -> u64 {
        self.seqs.iter().map(|range| range.len()).sum()
    }
}

impl Found {
    fn place(&self) -> (FileId, u64) {
        (self.file.meta.id, self.section.offset)
    }
}

/// What a rule asks of each event, and up to which.
struct Wanted<'a> {
    rule: &'a PurgeRule,
    filter: Filter,
    levels: u8,
    through: Seq,
    /// `G6`
    cancel: Cancel,
}

impl<'a> Wanted<'a> {
    fn new(rule: &'a PurgeRule, through: Seq, cancel: Cancel) -> Result<Self> {
        Ok(Self { rule, filter: rule.filter()?, levels: rule.level_mask(), through, cancel })
    }

    /// `G6`: an error once nobody waits for it.
    fn check_wanted(&self) -> Result<()> {
        match self.cancel.is_cancelled() {
            true => Err(Error::cancelled("the purge was given up")),
            false => Ok(()),
        }
    }

    fn control(&self) -> Control {
        Control { cancel: self.cancel.clone(), ..Control::default() }
    }

    fn matching(&self) -> Matching<'_> {
        let Self { rule, filter, levels, through, .. } = self;
        Matching { filter, levels: *levels, before: rule.before, through: through.0 }
    }

    fn is_of_class(&self, partition: &PartitionKey) -> bool {
        self.rule.class.as_ref().is_none_or(|class| **class == *partition.class)
    }

    /// The numbers of the events of a section that match: all of them, or these.
    fn found_in(
        &self,
        shared: &Arc<Shared>,
        (file, section): (&LiveFile, &SectionMeta),
    ) -> Result<Option<Gone>> {
        let before = self.rule.before.map_or(i64::MAX, |before| before.0);
        let is_ruled_out = section.levels & self.levels == 0
            || section.min_ts >= before && self.rule.before.is_some()
            || section.min_seq > self.through.0;
        if is_ruled_out || !self.is_of_class(&section.partition) {
            return Ok(Some(Gone::NONE));
        }
        let is_covered = self.filter == Filter::All
            && section.levels & !self.levels == 0
            && (self.rule.before.is_none() || section.max_ts < before)
            && section.max_seq <= self.through.0;
        if is_covered {
            return Ok(None);
        }
        let snapshot = Snapshot::of_section(file, section);
        let (seqs, memory) = matching(shared, &snapshot, self.matching(), &self.control())?;
        let gone = Gone { seqs, _memory: Some(memory) };
        Ok((gone.events() < section.rows).then_some(gone))
    }
}

/// What is done with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlanFor {
    /// It is told: nothing has to be kept of what was found.
    Count,
    /// It is carried out.
    Work,
}

/// What matches, section by section.
fn plan(shared: &Arc<Shared>, wanted: &Wanted<'_>, work: PlanFor) -> Result<Plan> {
    let holds = shared.manifest().state().retention.holds.clone();
    shared.state().check_open()?;
    let held = Held::all(&holds);
    let snapshot = shared.snapshot();
    let mut plan = Plan {
        run: PurgeRun {
            through: wanted.through,
            all_holds: holds.keys().copied().collect(),
            ..PurgeRun::default()
        },
        ..Plan::default()
    };
    let mut days: BTreeMap<(Arc<str>, Day, Arc<str>), PurgeDay> = BTreeMap::new();
    for file in snapshot.files.iter() {
        for section in &file.meta.sections {
            wanted.check_wanted()?;
            let gone = wanted.found_in(shared, (file, section))?;
            let events = gone.as_ref().map_or(section.rows, Gone::events);
            if events == 0 {
                continue;
            }
            let by = held_by(shared, (file, section), &held);
            let PartitionKey { tenant, class, day } = &section.partition;
            let entry = days.entry((Arc::clone(class), *day, Arc::clone(tenant)));
            let entry = entry.or_insert_with(|| PurgeDay {
                tenant: tenant.to_string(),
                class: class.to_string(),
                day: *day,
                whole: Amount::default(),
                touched: Amount::default(),
                held: Amount::default(),
                holds: Vec::new(),
                exported: false,
            });
            entry.exported |= shared.retention.exports.may_have(section);
            let amount = Amount { sections: 1, events, bytes: section.len };
            match (by.is_empty(), &gone) {
                (false, _) => entry.held.add(amount),
                (true, None) => entry.whole.add(amount),
                (true, Some(_)) => entry.touched.add(amount),
            }
            if by.is_empty() {
                if work == PlanFor::Work {
                    let (file, section) = (file.clone(), section.clone());
                    plan.found.push(Found { file, section, gone, events });
                }
            } else {
                let all: BTreeSet<u64> = by.into_iter().chain(entry.holds.drain(..)).collect();
                entry.holds.extend(all);
            }
        }
    }
    plan.run.in_memory = in_memory(shared, snapshot, wanted)?;
    plan.run.days = days.into_values().collect();
    plan.holds = holds;
    // Once the store is being closed, what was not looked up counts as held.
    wanted.check_wanted()?;
    Ok(plan)
}

/// How many events match that are not in files.
fn in_memory(shared: &Arc<Shared>, mut snapshot: Snapshot, wanted: &Wanted<'_>) -> Result<u64> {
    snapshot.files = Arc::default();
    snapshot.memtables.retain(|(partition, _)| wanted.is_of_class(partition));
    let (seqs, _memory) = matching(shared, &snapshot, wanted.matching(), &wanted.control())?;
    Ok(Gone { seqs, _memory: None }.events())
}

impl Engine {
    /// What a purge would take, of the events there are now. Changes nothing, and keeps nobody from it.
    ///
    /// # Errors
    /// `Invalid` for a rule that makes no sense; `Corrupt`, `Io`, `Cancelled`, `Away`; `Memory` or `Busy` if
    /// what matches takes too much; `Closed`, also once [`Engine::stop_drops`] was called.
    pub fn purge_plan(&self, rule: &PurgeRule, cancel: &Cancel) -> Result<PurgeRun> {
        let shared = &self.shared;
        let through = shared.state().last_seq();
        let wanted = Wanted::new(rule, through, cancel.or(&shared.retention.cancel))?;
        let counted = plan(shared, &wanted, PlanFor::Count);
        Ok(counted.map_err(|error| ended(shared, error))?.run)
    }

    /// Why ages can't be told at the moment, if the clock is not to be trusted: then nothing may go for its
    /// age.
    pub fn clock_doubt(&self) -> Option<String> {
        self.shared.retention.look(&*self.shared.io.clock).1
    }

    /// Takes what matches of the events up to `through`: whole sections and, if it is exact, events of
    /// others. Answers `None` and takes nothing if what matches or what holds there are is not what was
    /// `counted`. What is held meanwhile stays.
    ///
    /// # Errors
    /// `Invalid` for a rule that makes no sense; `Corrupt` if a section can't be read, or is not what was
    /// written; `Memory` or `Busy` if what matches takes too much; `Full`, `Io`, `Away`; `Closed`, also
    /// once [`Engine::stop_drops`] was called. The message says if events are gone nevertheless. An exact
    /// purge that failed is run again: what it had not cleared is cleared then.
    pub fn purge(
        &self,
        rule: &PurgeRule,
        exact: bool,
        through: Seq,
        counted: Option<&Counted>,
    ) -> Result<Option<PurgeRun>> {
        let shared = &self.shared;
        let wanted = Wanted::new(rule, through, shared.retention.cancel.clone())?;
        let _running = shared.retention.running.lock();
        shared.state().check_open()?;
        self.flush()?;
        let run = self.purge_planned(&wanted, exact, counted);
        let run = run.inspect_err(|error| {
            if error.kind() == ErrorKind::Closed {
                shared.close(error.to_string());
            }
        });
        let Some(run) = run.map_err(|error| ended(shared, error))? else {
            return Ok(None);
        };
        if exact {
            shared.counters.purged(run.taken(true));
            self.clear().map_err(|error| gone_already(error, "the events are gone"))?;
        }
        self.compactions.wake();
        Ok(Some(run))
    }

    fn purge_planned(
        &self,
        wanted: &Wanted<'_>,
        exact: bool,
        counted: Option<&Counted>,
    ) -> Result<Option<PurgeRun>> {
        let shared = &self.shared;
        loop {
            // `G3`
            let _rewriting = shared.retention.rewriting.lock();
            let mut plan = plan(shared, wanted, PlanFor::Work)?;
            if counted.is_some_and(|counted| *counted != plan.run.counted()) {
                return Ok(None);
            }
            let is_done = match exact {
                false => drop_whole(shared, &mut plan, wanted)?,
                true => match rewrite(shared, &plan, wanted)? {
                    Some(rewritten) => commit(shared, &plan, rewritten)?,
                    None => true,
                },
            };
            if is_done {
                return Ok(Some(plan.run));
            }
        }
    }

    /// `G4`
    pub(super) fn clear(&self) -> Result<()> {
        let generation = self.shared.manifest().state().committed_generation.unwrap_or(0);
        let mut is_clear = false;
        for _ in 0..SCRUBS_MAX {
            let (done, scrubbed) = channel();
            self.queue.order_scrub((generation, done));
            let ended = |_| Error::closed("the writer thread has ended");
            is_clear = scrubbed.recv().map_err(ended)??;
            if is_clear {
                break;
            }
            // Behind a flush the files of the one before are given up.
            self.flush()?;
        }
        if !is_clear {
            return Err(Error::busy(
                "files of the log that had events that are gone are not given up yet; run the purge again",
            ));
        }
        self.shared.manifest().forget_purged()
    }

    /// Does what a purge could not that was cut off. Without room it is for the next.
    pub(super) fn finish_purge(&self) -> Result<()> {
        if !self.shared.manifest().has_purge() {
            return Ok(());
        }
        match self.clear() {
            Err(error) if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Corrupt) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

/// Why a purge ended that was given up.
fn ended(shared: &Shared, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Cancelled if shared.retention.cancel.is_cancelled() => {
            let what = format!("the store is being closed: {error}");
            Error::closed(what)
        }
        _ => error,
    }
}

/// An error behind the first edit.
fn gone_already(error: Error, what: &str) -> Error {
    let message = format!("{what}, but: {error}");
    error.with_message(message)
}

impl super::state::Counters {
    fn purged(&self, amount: Amount) {
        self.sections_dropped.fetch_add(amount.sections, Relaxed);
        self.events_dropped.fetch_add(amount.events, Relaxed);
        self.bytes_dropped.fetch_add(amount.bytes, Relaxed);
    }
}
