//! The first events by the values of fields: every event that passes is looked at, and as many are kept
//! as were asked for.
//!
//! `O1` numbers come before texts, events without the field last, whatever the direction; equal ones
//! newest first. So the answer does not depend on who scans what.

use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::event::{Level, Value};
use crate::limits::PAGE_BYTES_MAX;
use crate::pool::{Consumer, Pool, Reservation};
use crate::query::ast::SortKey;
use crate::query::filter::Plan;
use crate::query::names;
use crate::query::request::{EventRecord, Scanned, SearchPage, SearchRequest, TimeRange};
use crate::query::selection::Selection;
use crate::query::stats::LIST_STEP_BYTES;
use crate::query::steps::Steps;
use crate::query::table::{Listing, Source, Table, begin_pass, sources};
use crate::scan::{Control, Excuses, Items};
use crate::timestamp::Timestamp;
use crate::value::Number;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Of a longer text so many bytes tell its place.
const KEY_BYTES_MAX: usize = 256;
/// Memory is reserved in steps of this.
const STEP_BYTES: usize = 256 << 10;

/// A value among others of its field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Number(Number),
    Text(Arc<[u8]>),
}

/// A part of a key: all at one place of a key have the same direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Rising(Place),
    Falling(Reverse<bool>, Reverse<Place>),
    Missing,
}

/// An event: its key, its time and number, its source and row there.
type Sorted = (Vec<Part>, Reverse<(i64, u64)>, usize, usize);

/// The first events of some sources.
struct Found {
    heap: BinaryHeap<Sorted>,
    bytes: usize,
    memory: Reservation,
    scanned: Scanned,
}

struct Pass {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    plan: Plan,
    steps: Steps,
    keys: Vec<SortKey>,
    range: TimeRange,
    limit: usize,
    sources: Vec<Source>,
    excuses: Excuses,
    /// What nobody works at.
    parts: Mutex<Vec<Found>>,
    /// Sources that are done with.
    done: AtomicUsize,
}

/// The first events by these keys, and whether they are less than was asked for, for their size.
pub(super) fn sorted(
    shared: &Arc<Shared>,
    request: &SearchRequest,
    keys: &[SortKey],
    steps: Steps,
    control: &Control,
) -> Result<(SearchPage, bool)> {
    if request.cursor.is_some() {
        return Err(Error::invalid("cursor: what is sorted has no further pages; raise the limit"));
    }
    let snapshot = shared.snapshot_for(control);
    let mut scan = shared.scans.enter(control);
    scan.item()?;
    let trace = begin_pass("sort", shared, &snapshot, control);
    let interrupt = shared.scans.interrupt(control);
    let steps = steps.of_query(trace.as_deref(), &interrupt);
    let plan = Plan::of_query(&request.filter, trace, interrupt);
    let pool = shared.pool_of(control);
    let mut listed = pool.reserve(Consumer::Query, 0)?;
    let mut pruned = 0;
    let mut before = |count| {
        listed.grow_to(count * size_of::<Source>(), LIST_STEP_BYTES)?;
        scan.item()
    };
    let (range, plan_ref, excuses) = (request.range, Some(&plan), control.excuses());
    let listing = Listing { excuses: &excuses, pruned: &mut pruned, before: &mut before };
    let sources = sources(shared, &snapshot, range, plan_ref, listing)?;
    plan.phase("list");
    let pass = Arc::new(Pass {
        shared: Arc::clone(shared),
        pool,
        plan,
        steps,
        keys: keys.to_vec(),
        range,
        limit: request.limit,
        sources,
        excuses,
        parts: Mutex::default(),
        done: AtomicUsize::new(0),
    });
    let count = pass.sources.len();
    let ended = match count > 1 && shared.scans.slots() > 1 {
        true => scan.run_all(Arc::clone(&pass) as _, count),
        false => (0..count).try_for_each(|item| scan.item().and_then(|()| pass.run(item))),
    };
    if let Err(error) = ended {
        if pass.done.load(Relaxed) == 0 {
            return Err(error);
        }
        pass.excuses.excuse(error)?;
    }
    scan.wind_up();
    pass.plan.phase("scan");
    let mut all = Found::new(&pass.pool)?;
    for part in std::mem::take(&mut *pass.parts.lock()) {
        scan.item()?;
        all.scanned += part.scanned;
        all.memory.merge(part.memory);
        for event in part.heap {
            all.add(event, pass.limit);
        }
        all.memory.grow_to(all.bytes, STEP_BYTES)?;
    }
    let mut scanned = all.scanned;
    scanned.blocks_pruned += pruned;
    // Their keys are not needed any more, and what they took is.
    let sorted = std::mem::take(&mut all.heap).into_sorted_vec().into_iter();
    let hits: Vec<_> = sorted.map(|(_, _, source, row)| (source, row)).collect();
    all.memory.shrink_to(hits.len() * size_of::<(usize, usize)>());
    let named = pass.steps.stored(keys.iter().map(|key| &*key.field.name));
    let mut warnings = names::warnings(&snapshot, &request.filter, &named);
    let (events, cut, memory) = pass.fetch(&hits, &mut || scan.item())?;
    pass.plan.phase("fetch");
    if cut {
        warnings.push(format!(
            "only the first {} of {} events: these have the size that one answer may have",
            events.len(),
            hits.len()
        ));
    }
    let _memory = Some(Arc::new(memory));
    Ok((SearchPage { events, next_cursor: None, warnings, scanned, _memory }, cut))
}

impl Found {
    fn new(pool: &Arc<Pool>) -> Result<Self> {
        let memory = pool.reserve(Consumer::Query, 0)?;
        Ok(Self { heap: BinaryHeap::new(), bytes: 0, memory, scanned: Scanned::default() })
    }

    fn add(&mut self, event: Sorted, limit: usize) {
        if self.heap.len() < limit {
            self.bytes += bytes_of(&event);
            self.heap.push(event);
        } else if let Some(mut last) = self.heap.peek_mut()
            && event < *last
        {
            self.bytes += bytes_of(&event);
            self.bytes -= bytes_of(&last);
            *last = event;
        }
    }
}

fn bytes_of((key, ..): &Sorted) -> usize {
    let part = |part: &Part| match part {
        Part::Rising(Place::Text(text)) | Part::Falling(_, Reverse(Place::Text(text))) => {
            text.len()
        }
        _ => 0,
    };
    size_of::<Sorted>() + key.iter().map(|p| size_of::<Part>() + part(p)).sum::<usize>()
}

/// Where a value stands; arrays and objects by their text.
fn place(text: &[u8]) -> Place {
    match Number::parse(text) {
        Some(number) => Place::Number(number),
        None => Place::Text(text[..text.len().min(KEY_BYTES_MAX)].into()),
    }
}

impl Part {
    fn new(place: Place, descending: bool) -> Self {
        let is_text = matches!(place, Place::Text(_));
        match descending {
            false => Self::Rising(place),
            // Numbers come first in both directions.
            true => Self::Falling(Reverse(!is_text), Reverse(place)),
        }
    }
}

impl Pass {
    fn scan(&self, index: usize, found: &mut Found) -> Result<()> {
        let source = &self.sources[index];
        let Some(known) = source.admit(&self.plan, &self.shared)? else {
            found.scanned.blocks_pruned += 1;
            return Ok(());
        };
        let _memory = self.pool.reserve(Consumer::Query, source.bytes)?;
        source.open(&self.shared)?.with_table(&self.shared, |table| {
            let timestamps = table.timestamps()?;
            let in_range = |row: usize| {
                let time = Timestamp(timestamps[row]);
                self.range.from.is_none_or(|from| time >= from)
                    && self.range.to.is_none_or(|to| time < to)
            };
            let candidates = Selection::from_fn(table.rows(), in_range);
            found.scanned.blocks += 1;
            found.scanned.rows += candidates.count() as u64;
            let selected = self.plan.evaluate(table, &known, candidates)?;
            if selected.is_empty() {
                return Ok(());
            }
            let (table, selected) = self.steps.run(table, selected)?;
            self.plan
                .takes_in("sort", selected.count(), || self.add(index, &table, &selected, found))
        })
    }

    fn add(
        &self,
        index: usize,
        table: &dyn Table,
        selected: &Selection,
        found: &mut Found,
    ) -> Result<()> {
        let mut parts: Vec<Vec<Part>> = Vec::new();
        for key in &self.keys {
            parts.push(self.parts(key, table, selected)?);
        }
        let (timestamps, seqs) = (table.timestamps()?, table.seqs()?);
        for row in selected.iter() {
            let key = parts.iter().map(|parts| parts[row].clone()).collect();
            let event = (key, Reverse((timestamps[row], seqs[row])), index, row);
            found.add(event, self.limit);
        }
        found.memory.grow_to(found.bytes, STEP_BYTES)?;
        Ok(())
    }

    /// The part of each row's key.
    fn parts(&self, key: &SortKey, table: &dyn Table, selected: &Selection) -> Result<Vec<Part>> {
        let mut parts = vec![Part::Missing; table.rows()];
        let mut put = |row: usize, place: Place| parts[row] = Part::new(place, key.descending);
        match &*key.field.name {
            "timestamp" => {
                let timestamps = table.timestamps()?;
                let place = |row: usize| Place::Number(Number::from_scaled(timestamps[row], 0));
                selected.iter().for_each(|row| put(row, place(row)));
            }
            "level" => {
                let levels = table.levels()?;
                let is_level = |row: &usize| Level::from_code(levels[*row]).is_some();
                let place = |row: usize| Place::Number(Number::from_scaled(levels[row].into(), 0));
                selected.iter().filter(is_level).for_each(|row| put(row, place(row)));
            }
            name => {
                let name = if name == "id" { "_id" } else { name };
                table.for_each_value(name, selected, &mut |row, value: Value<'_>| {
                    put(row, place(value.text));
                })?;
            }
        }
        Ok(parts)
    }

    /// The events of these hits, as many as one answer may have, whether there are more, and their memory.
    fn fetch(
        &self,
        hits: &[(usize, usize)],
        before: &mut dyn FnMut() -> Result<()>,
    ) -> Result<(Vec<EventRecord>, bool, Reservation)> {
        let pool = &self.pool;
        let bytes_max = PAGE_BYTES_MAX.min(pool.share(Consumer::Query) / 8);
        let mut memory = pool.reserve(Consumer::Query, 0)?;
        let mut by_source: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, (source, row)) in hits.iter().enumerate() {
            by_source.entry(*source).or_default().push((*row, place));
        }
        let mut events: Vec<Option<EventRecord>> = vec![None; hits.len()];
        let mut bytes = 0;
        // Places from here on are not on the page.
        let mut end = hits.len();
        for (index, mut wanted) in by_source {
            before()?;
            wanted.sort_unstable();
            wanted.retain(|(_, place)| *place < end);
            let rows: Vec<usize> = wanted.iter().map(|(row, _)| *row).collect();
            let source = &self.sources[index];
            let _memory = pool.reserve(Consumer::Query, source.bytes)?;
            let incarnation = self.shared.incarnation;
            let fetched = source.open(&self.shared).and_then(|opened| {
                opened.with_table(&self.shared, |table| table.fetch(&rows, incarnation))
            });
            let Some(fetched) = self.excuses.piece(fetched)? else { continue };
            for (mut event, (_, place)) in fetched.into_iter().zip(wanted) {
                self.steps.add_fields(&mut event);
                bytes += event.memory_bytes();
                events[place] = Some(event);
            }
            while bytes > bytes_max && end > 1 {
                end -= 1;
                bytes -= events[end].take().map_or(0, |event| event.memory_bytes());
            }
            memory.grow_to(bytes, STEP_BYTES)?;
        }
        let cut = end < hits.len();
        Ok((events.into_iter().take(end).flatten().collect(), cut, memory))
    }
}

impl Items for Pass {
    fn run(&self, item: usize) -> Result<()> {
        let found = self.parts.lock().pop();
        let mut found = found.map_or_else(|| Found::new(&self.pool), Ok)?;
        // Events are added once all of their keys are known: nothing is of a source that is damaged.
        let done = self.scan(item, &mut found);
        self.parts.lock().push(found);
        self.excuses.piece(done)?;
        self.done.fetch_add(1, Relaxed);
        Ok(())
    }
}
