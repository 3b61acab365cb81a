//! Something that is gathered from every event that matches, by one thread or by several.
//!
//! - `G1` what is found does not depend on who scans what, unless it says that it is approximate.
//! - `G2` there are at most as many partial findings as turns at a time.
//! - `G3` what is left out because it is damaged is left out as a whole.

use super::ast::Filter;
use super::filter::Plan;
use super::request::{Scanned, Step, TimeRange};
use super::selection::Selection;
use super::stats::LIST_STEP_BYTES;
use super::steps::Steps;
use super::table::{
    EventTable, Listing, Source, begin_pass, blocks_of, in_file, in_memory, sources,
    tell_pruned_file, times_in,
};
use crate::engine::{Shared, Snapshot};
use crate::error::Result;
use crate::pool::{Consumer, Pool};
use crate::scan::{Control, Excuses, Items, Reader, reader};
use crate::timestamp::Timestamp;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// What is gathered.
pub(super) trait Gather: Send + Sync + 'static {
    /// What it is for.
    const NAME: &'static str;
    /// What one worker at a time has found.
    type Found: Send;

    /// Nothing is found yet.
    fn begin(&self, pool: &Arc<Pool>) -> Result<Self::Found>;

    /// Takes in the selected rows of a table: at least one.
    fn take(
        &self,
        table: &dyn EventTable,
        selected: &Selection,
        found: &mut Self::Found,
    ) -> Result<()>;

    /// Takes in what another worker has found.
    fn merge(&self, all: &mut Self::Found, part: Self::Found) -> Result<()>;
}

/// The events that something is gathered from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Events<'a> {
    pub(super) filter: &'a Filter,
    /// What is done to those that pass it.
    pub(super) steps: &'a [Step],
    pub(super) range: TimeRange,
    /// Only so many blocks, or slices of rows, are looked at: the newest.
    pub(super) sources_max: Option<usize>,
}

/// What was found.
pub(super) struct Gathered<F> {
    pub(super) found: F,
    pub(super) scanned: Scanned,
    pub(super) snapshot: Snapshot,
    /// Events of the blocks and files that were not looked at; of those, the range may leave out some.
    pub(super) rows_left_out: u64,
}

struct Pass<G: Gather> {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    plan: Plan,
    steps: Steps,
    range: TimeRange,
    sources: Vec<Source>,
    gather: G,
    excuses: Excuses,
    /// What nobody works at.
    parts: Mutex<Vec<(G::Found, Scanned)>>,
    /// Sources that are done with.
    done: AtomicUsize,
}

/// Gathers from all events that match.
pub(super) fn gather<G: Gather>(
    shared: &Arc<Shared>,
    events: Events<'_>,
    gather: G,
    control: &Control,
) -> Result<Gathered<G::Found>> {
    let snapshot = shared.snapshot_for(control);
    let mut scan = shared.scans.enter(control);
    scan.item()?;
    let trace = begin_pass(G::NAME, shared, &snapshot, control);
    let interrupt = shared.scans.interrupt(control);
    let steps = Steps::new(events.steps).of_query(trace.as_deref(), &interrupt);
    let plan = Plan::of_query(events.filter, trace, interrupt);
    let pool = shared.pool_of(control);
    let mut listed = pool.reserve(Consumer::Query, 0)?;
    let mut pruned = 0;
    let mut before = |count| {
        listed.grow_to(count * size_of::<Source>(), LIST_STEP_BYTES)?;
        scan.item()
    };
    let range = events.range;
    let excuses = control.excuses();
    let listing = Listing { excuses: &excuses, pruned: &mut pruned, before: &mut before };
    let (sources, rows_left_out) = match events.sources_max {
        None => (sources(shared, &snapshot, range, Some(&plan), listing)?, 0),
        Some(most) => newest(shared, &snapshot, range, (most, &plan), listing)?,
    };
    plan.phase("list");
    let count = sources.len();
    let pass = Arc::new(Pass {
        shared: Arc::clone(shared),
        pool,
        plan,
        steps,
        range,
        sources,
        gather,
        excuses,
        parts: Mutex::default(),
        done: AtomicUsize::new(0),
    });
    let ended = match count > 1 && shared.scans.slots() > 1 {
        true => scan.run_all(Arc::clone(&pass) as _, count),
        false => (0..count).try_for_each(|item| scan.item().and_then(|()| pass.run(item))),
    };
    if let Err(error) = ended {
        // Figures of nothing are no answer.
        if pass.done.load(Relaxed) == 0 {
            return Err(error);
        }
        pass.excuses.excuse(error)?;
    }
    scan.wind_up();
    pass.plan.phase("scan");
    let mut parts = std::mem::take(&mut *pass.parts.lock()).into_iter();
    // The others are merged into the first: one alone is not held twice.
    let (mut found, mut scanned) = match parts.next() {
        Some(first) => first,
        None => (pass.gather.begin(&pass.pool)?, Scanned::default()),
    };
    scanned.blocks_pruned += pruned;
    for (part, more) in parts {
        scan.item()?;
        pass.gather.merge(&mut found, part)?;
        scanned += more;
    }
    drop(scan);
    pass.plan.phase("merge");
    Ok(Gathered { found, scanned, snapshot, rows_left_out })
}

/// The newest sources of a range, at most so many, and the number of events in the others. Files are
/// opened, the newest first, until their blocks are as many: the others tell their rows unopened.
fn newest(
    shared: &Shared,
    snapshot: &Snapshot,
    range: TimeRange,
    (most, plan): (usize, &Plan),
    listing: Listing<'_>,
) -> Result<(Vec<Source>, u64)> {
    let Listing { excuses, pruned, before } = listing;
    let trace = plan.trace.as_deref();
    let mut files = Vec::new();
    for file in snapshot.files.iter() {
        match times_in(file, range, u8::MAX) {
            Some((_, latest)) => files.push((latest, file)),
            None => {
                *pruned += blocks_of(file);
                tell_pruned_file(trace, file, range);
            }
        }
    }
    files.sort_by_key(|(latest, _)| Reverse(*latest));
    let _listing = reader().map(Reader::lists_cold);
    let (mut sources, mut rows_left_out) = (Vec::new(), 0);
    for (_, file) in files {
        if sources.len() < most {
            before(sources.len())?;
            let opened = excuses.piece(in_file(shared, file, range, None, pruned))?;
            sources.extend(opened.into_iter().flatten());
        } else {
            let sections = file.meta.sections.iter();
            rows_left_out += sections.map(|section| section.rows).sum::<u64>();
        }
    }
    let memory = in_memory(snapshot, range, (0, u64::MAX));
    if let Some(trace) = trace {
        trace.listed_in_memory(memory.len());
    }
    sources.extend(memory);
    if most < sources.len() {
        sources.sort_by_key(|source| Reverse(source.times.1));
        rows_left_out += sources.drain(most..).map(|source| source.rows as u64).sum::<u64>();
    }
    Ok((sources, rows_left_out))
}

impl<G: Gather> Pass<G> {
    fn scan(&self, source: &Source, found: &mut G::Found, scanned: &mut Scanned) -> Result<()> {
        let Some(known) = source.admit(&self.plan, &self.shared)? else {
            scanned.blocks_pruned += 1;
            return Ok(());
        };
        let _memory = self.pool.reserve(Consumer::Query, source.bytes)?;
        source.open(&self.shared)?.with_table(&self.shared, |table| {
            let candidates = match contains(self.range, source.times) {
                true => Selection::all(table.rows()),
                false => {
                    let timestamps = table.timestamps()?;
                    let time = |row: usize| Timestamp(timestamps[row]);
                    let in_range = |row| contains(self.range, (time(row), time(row)));
                    Selection::from_fn(table.rows(), in_range)
                }
            };
            scanned.blocks += 1;
            scanned.rows += candidates.count() as u64;
            let selected = self.plan.evaluate(table, &known, candidates)?;
            if selected.is_empty() || self.steps.is_empty() {
                return self.take(table, &selected, found);
            }
            let (table, selected) = self.steps.run(table, selected)?;
            self.take(&table, &selected, found)
        })
    }
}

impl<G: Gather> Pass<G> {
    fn take(
        &self,
        table: &dyn EventTable,
        selected: &Selection,
        found: &mut G::Found,
    ) -> Result<()> {
        match selected.is_empty() {
            true => Ok(()),
            false => self
                .plan
                .takes_in(G::NAME, selected.count(), || self.gather.take(table, selected, found)),
        }
    }

    /// The same as a scan, so that nothing is taken in of a source that is damaged.
    fn scan_apart(
        &self,
        source: &Source,
        found: &mut G::Found,
        scanned: &mut Scanned,
    ) -> Result<()> {
        let mut apart = self.gather.begin(&self.pool)?;
        let done = self.scan(source, &mut apart, scanned);
        match self.excuses.piece(done)? {
            Some(()) => self.gather.merge(found, apart),
            None => Ok(()),
        }
    }
}

impl<G: Gather> Items for Pass<G> {
    fn run(&self, item: usize) -> Result<()> {
        let part = self.parts.lock().pop();
        let (mut found, mut scanned) = match part {
            Some(part) => part,
            None => (self.gather.begin(&self.pool)?, Scanned::default()),
        };
        let source = &self.sources[item];
        let done = match self.excuses.skip_damage() {
            false => self.scan(source, &mut found, &mut scanned),
            true => self.scan_apart(source, &mut found, &mut scanned),
        };
        self.done.fetch_add(usize::from(done.is_ok()), Relaxed);
        self.parts.lock().push((found, scanned));
        done
    }
}

fn contains(range: TimeRange, times: (Timestamp, Timestamp)) -> bool {
    range.from.is_none_or(|from| times.0 >= from) && range.to.is_none_or(|to| times.1 < to)
}
