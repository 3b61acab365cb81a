//! Drops sections: what is due goes by an edit of the manifest, and a file with its last section.
//!
//! - `D1` nothing is dropped before it is due, while it is held, or while the archive needs it. What is
//!   held is compared again under the lock under which the edit is made.
//! - `D2` the edit is durable before readers stop to see what it drops; files go with their last reader.
//!   What a crash leaves of them is removed when the store is opened.
//! - `D3` only what is in files is dropped, and the log of that is given up: no replay brings it back.
//! - `D4` the manifest is locked for an edit of at most a thousand sections, the state for a moment, and
//!   files are removed under neither.

use super::state::{LiveFile, Shared, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Seq;
use crate::io;
use crate::limits::DROPPED_AT_ONCE_MAX;
use crate::manifest::{Edit, FileId, SectionMeta};
use crate::partition::PartitionKey;
use crate::query::ast::Filter;
use crate::query::{Arrivals, arrivals, parse};
use crate::retention::{Amount, DueDay, Hold, RetentionRun, RunKind};
use crate::scan::Control;
use crate::timestamp::{NS_PER_DAY, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Sender, channel};

/// How long what was due when it came can be found before a run that nobody asked for drops it.
const LATE_KEPT: i64 = NS_PER_DAY / 24;
/// One event is enough to hold a section; what it may take.
const HIT_BYTES_MAX: usize = 64 << 10;
/// What goes because it was due has this reason in its tombstone.
const EXPIRED: &str = "expired";

/// What a run comes to, section by section.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) run: RetentionRun,
    /// What goes, the first to be due first: the place of its day in the run, and the section.
    gone: Vec<(usize, FileId, SectionMeta)>,
    /// What was held when the plan was made.
    holds: BTreeMap<u64, Hold>,
}

/// A hold that is looked up.
pub(super) struct Held<'a> {
    hold: &'a Hold,
    filter: Option<Filter>,
}

/// Why a section that might go stays.
pub(super) enum Stays {
    /// By these holds.
    Held(BTreeSet<u64>),
    /// Until later.
    Waits,
}

/// What goes at a time, and what is due and stays.
pub(super) fn plan(shared: &Arc<Shared>, now: Timestamp, kind: RunKind) -> Result<Plan> {
    let holds = shared.manifest().state().retention.holds.clone();
    shared.state().check_open()?;
    let held = Held::all(&holds);
    let files = Arc::clone(&shared.state().files);
    let mut due = Vec::new();
    for file in files.iter() {
        for section in &file.meta.sections {
            let at = shared.retention.due(&section.partition).filter(|due| *due <= now);
            due.extend(at.map(|at| ((at, &section.partition, section.min_seq), file, section)));
        }
    }
    due.sort_unstable_by_key(|(order, _, _)| *order);
    let mut plan = Plan::of_holds(&holds);
    for ((at, _, _), file, section) in due {
        let created = file.meta.created;
        let came_late = created >= at.0;
        // What a clock that ran ahead has stamped does not wait for that time.
        let is_young = created <= now.0 && now.0 < created.saturating_add(LATE_KEPT);
        let stays = match kind == RunKind::Scheduled && came_late && is_young {
            true => Some(Stays::Waits),
            false => pinned(shared, (file, section), &held, kind),
        };
        plan.add(file, section, at, stays);
    }
    check_stopped(shared)?;
    Ok(plan)
}

/// Whether a plan was made to its end: once the store is being closed, what was not looked up counts
/// as held.
pub(super) fn check_stopped(shared: &Shared) -> Result<()> {
    match shared.retention.cancel.is_cancelled() {
        true => Err(Error::closed("the store is being closed")),
        false => Ok(()),
    }
}

/// Why a section has to stay, whatever it is to go for.
pub(super) fn pinned(
    shared: &Arc<Shared>,
    (file, section): (&LiveFile, &SectionMeta),
    held: &[Held<'_>],
    kind: RunKind,
) -> Option<Stays> {
    let rule = shared.retention.rule(&section.partition.class);
    let may_go = |rule| kind == RunKind::Forced || shared.retention.exports.has(rule, section);
    if !rule.is_some_and(may_go) {
        return Some(Stays::Waits);
    }
    let by = held_by(shared, (file, section), held);
    (!by.is_empty()).then_some(Stays::Held(by))
}

/// The numbers of the holds that hold a section.
pub(super) fn held_by(
    shared: &Arc<Shared>,
    (file, section): (&LiveFile, &SectionMeta),
    held: &[Held<'_>],
) -> BTreeSet<u64> {
    let by = held.iter().filter(|held| held.holds(shared, file, section));
    by.map(|held| held.hold.id).collect()
}

impl<'a> Held<'a> {
    /// All holds, made ready.
    pub(super) fn all(holds: &'a BTreeMap<u64, Hold>) -> Vec<Self> {
        holds.values().map(Self::new).collect()
    }

    /// A hold, made ready.
    pub(super) fn new(hold: &'a Hold) -> Self {
        let filter = hold.scope.query.as_ref().map(|query| parse(query));
        // A query of another version of the language: what it may hold, it holds.
        let filter = filter.map(|filter| filter.unwrap_or(Filter::All));
        Self { hold, filter }
    }

    /// Whether it holds all events of a partition, whatever they say.
    pub(super) fn holds_all_of(&self, partition: &crate::partition::PartitionKey) -> bool {
        self.filter.is_none() && self.hold.scope.covers(partition)
    }

    /// Whether it holds the section. What can't be read may be what is held.
    fn holds(&self, shared: &Arc<Shared>, file: &LiveFile, section: &SectionMeta) -> bool {
        let control = Control { cancel: shared.retention.cancel.clone(), ..Control::default() };
        self.holds_within(shared, file, section, &control).unwrap_or(true)
    }

    /// The same within bounds.
    ///
    /// # Errors
    /// Why its events could not be looked up.
    pub(super) fn holds_within(
        &self,
        shared: &Arc<Shared>,
        file: &LiveFile,
        section: &SectionMeta,
        control: &Control,
    ) -> Result<bool> {
        let snapshot = || Snapshot::of_section(file, section);
        self.finds(shared, &section.partition, snapshot, control)
    }

    /// Whether it would hold the partition of which a snapshot has some events.
    ///
    /// # Errors
    /// Why they could not be looked up.
    pub(super) fn finds(
        &self,
        shared: &Arc<Shared>,
        partition: &PartitionKey,
        snapshot: impl FnOnce() -> Snapshot,
        control: &Control,
    ) -> Result<bool> {
        if !self.hold.scope.covers(partition) {
            return Ok(false);
        }
        let Some(filter) = &self.filter else { return Ok(true) };
        let snapshot = snapshot();
        let wanted = Arrivals {
            filter,
            steps: &[],
            after: Seq(0),
            through: snapshot.as_of,
            limit: 1,
            bytes_max: HIT_BYTES_MAX,
        };
        let (events, more, _) = arrivals(shared, &snapshot, wanted, control)?;
        Ok(more || !events.is_empty())
    }
}

/// Drops what is due.
pub(super) fn drop_due(
    shared: &Arc<Shared>,
    now: Timestamp,
    kind: RunKind,
) -> Result<RetentionRun> {
    until_current(shared, EXPIRED, || plan(shared, now, kind))
}

/// Drops what a plan says, and makes another as long as what is live or held changes meanwhile.
pub(super) fn until_current(
    shared: &Arc<Shared>,
    reason: &str,
    make_plan: impl Fn() -> Result<Plan>,
) -> Result<RetentionRun> {
    let (remover, files) = channel::<Vec<LiveFile>>();
    std::thread::scope(|scope| {
        // It ends here, and with it the other thread.
        let remover = remover;
        let removing = std::thread::Builder::new().name("logstrata-remover".to_owned());
        let removing = removing.spawn_scoped(scope, move || {
            io::yield_to_others();
            // Those that nobody reads are removed here.
            files.into_iter().for_each(drop);
        });
        removing.expect("the system has room for a thread");
        let mut done: Option<RetentionRun> = None;
        loop {
            let mut plan = make_plan()?;
            let went = drop_planned(shared, &plan, reason, &remover);
            let (count, is_current) = went.inspect_err(|error| {
                if error.kind() == ErrorKind::Closed {
                    shared.close(error.to_string());
                }
            })?;
            if !is_current {
                plan.keep_first(count);
            }
            let run = match done.take() {
                Some(before) => joined(before, plan.run),
                None => plan.run,
            };
            if is_current {
                return Ok(run);
            }
            done = Some(run);
        }
    })
}

/// Drops the sections of a plan. Returns how many have gone, and whether that is all: otherwise what is
/// live or held has changed, and there has to be another plan.
pub(super) fn drop_planned(
    shared: &Shared,
    plan: &Plan,
    reason: &str,
    remover: &Sender<Vec<LiveFile>>,
) -> Result<(usize, bool)> {
    let mut count = 0;
    for gone in plan.gone.chunks(DROPPED_AT_ONCE_MAX) {
        if !drop_at_once(shared, plan, gone, reason, remover)? {
            return Ok((count, false));
        }
        count += gone.len();
    }
    Ok((count, true))
}

/// Drops some sections by one edit; `false` if what is live or held has changed.
fn drop_at_once(
    shared: &Shared,
    plan: &Plan,
    gone: &[(usize, FileId, SectionMeta)],
    reason: &str,
    remover: &Sender<Vec<LiveFile>>,
) -> Result<bool> {
    let mut offsets: BTreeMap<FileId, Vec<u64>> = BTreeMap::new();
    for (_, file, section) in gone {
        offsets.entry(*file).or_default().push(section.offset);
    }
    let mut manifest = shared.manifest();
    shared.state().check_open()?;
    let state = manifest.state();
    let is_live = |(_, file, section): &(usize, FileId, SectionMeta)| {
        state.files.get(file).and_then(|file| file.section(section.offset)) == Some(section)
    };
    if state.retention.holds != plan.holds || !gone.iter().all(is_live) {
        return Ok(false);
    }
    let clock_high_water = shared.retention.clock_high_water(&*shared.io.clock, state);
    let removed = offsets.clone().into_iter().collect();
    let reason = reason.to_owned();
    manifest.commit(Edit::DropSections { removed, reason, clock_high_water })?;
    let live = &manifest.state().files;
    // Only who has the manifest's lock changes the list.
    let before = Arc::clone(&shared.state().files);
    let (mut after, mut removed) = (Vec::with_capacity(before.len()), Vec::new());
    for file in before.iter() {
        match (offsets.contains_key(&file.meta.id), live.get(&file.meta.id)) {
            (false, _) => after.push(file.clone()),
            (true, Some(meta)) => {
                let meta = Arc::clone(meta);
                after.push(LiveFile { meta, file: Arc::clone(&file.file) });
            }
            (true, None) => {
                file.file.remove_when_unused();
                removed.push(file.clone());
            }
        }
    }
    let replaced = std::mem::replace(&mut shared.state().files, Arc::new(after));
    drop(manifest);
    let ids: BTreeSet<FileId> = removed.iter().map(|file| file.meta.id).collect();
    shared.cache.forget(|id| ids.contains(&id));
    drop((before, replaced));
    // It ends with the run, not before.
    let _ = remover.send(removed);
    count(shared, gone);
    Ok(true)
}

fn count(shared: &Shared, gone: &[(usize, FileId, SectionMeta)]) {
    let mut sum = Amount::default();
    gone.iter().for_each(|(_, _, section)| sum.add(Amount::of(section)));
    shared.counters.sections_dropped.fetch_add(sum.sections, Relaxed);
    shared.counters.events_dropped.fetch_add(sum.events, Relaxed);
    shared.counters.bytes_dropped.fetch_add(sum.bytes, Relaxed);
}

impl Plan {
    /// An empty one, made while this is held.
    pub(super) fn of_holds(holds: &BTreeMap<u64, Hold>) -> Self {
        Self { holds: holds.clone(), ..Self::default() }
    }

    /// Adds a section of the same day as the last, or of another.
    pub(super) fn add(
        &mut self,
        file: &LiveFile,
        section: &SectionMeta,
        due: Timestamp,
        stays: Option<Stays>,
    ) {
        let partition = &section.partition;
        let is_new = self.run.days.last().is_none_or(|day| {
            (&*day.tenant, &*day.class, day.day)
                != (&*partition.tenant, &*partition.class, partition.day)
        });
        if is_new {
            self.run.days.push(DueDay {
                tenant: partition.tenant.to_string(),
                class: partition.class.to_string(),
                day: partition.day,
                due,
                dropped: Amount::default(),
                held: Amount::default(),
                waiting: Amount::default(),
                holds: Vec::new(),
            });
        }
        let place = self.run.days.len() - 1;
        let day = &mut self.run.days[place];
        let amount = Amount::of(section);
        match stays {
            None => {
                day.dropped.add(amount);
                self.gone.push((place, file.meta.id, section.clone()));
            }
            Some(Stays::Waits) => day.waiting.add(amount),
            Some(Stays::Held(by)) => {
                day.held.add(amount);
                let all: BTreeSet<u64> = by.into_iter().chain(day.holds.drain(..)).collect();
                day.holds.extend(all);
            }
        }
    }

    /// Only what has gone counts as that; the rest is for the next plan.
    fn keep_first(&mut self, count: usize) {
        for day in &mut self.run.days {
            day.dropped = Amount::default();
            (day.held, day.waiting) = (Amount::default(), Amount::default());
            day.holds.clear();
        }
        for (place, _, section) in &self.gone[..count] {
            self.run.days[*place].dropped.add(Amount::of(section));
        }
        self.run.days.retain(|day| day.dropped.sections > 0);
    }
}

/// Two runs that followed each other, as one.
pub(super) fn joined(first: RetentionRun, then: RetentionRun) -> RetentionRun {
    let mut days = first.days;
    for day in then.days {
        let same = |other: &&mut DueDay| {
            (&other.tenant, &other.class, other.day) == (&day.tenant, &day.class, day.day)
        };
        match days.iter_mut().find(same) {
            Some(known) => {
                known.dropped.add(day.dropped);
                (known.held, known.waiting, known.holds) = (day.held, day.waiting, day.holds);
            }
            None => days.push(day),
        }
    }
    days.sort_by(|a, b| (a.due, &a.tenant, &a.class).cmp(&(b.due, &b.tenant, &b.class)));
    RetentionRun { suspended: then.suspended, days, in_memory: then.in_memory }
}
