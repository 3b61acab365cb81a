//! A page of events: the newest (or oldest) that match, without reading what can't be among them.

mod fetch;
mod pass;

use super::cursor::{Cursor, query_hash};
use super::filter::Plan;
use super::names;
use super::request::{EventRecord, Order, Scanned, SearchPage, SearchRequest, TimeRange};
use super::stats::LIST_STEP_BYTES;
use super::table::{Source, blocks_of, in_file, in_memory, sources_of, times_in};
use crate::engine::{LiveFile, Shared, Snapshot};
use crate::error::Result;
use crate::event::{EventId, Seq};
use crate::limits::PAGE_ROWS_MAX;
use crate::pool::{Consumer, Reservation};
use crate::scan::{Control, Scan};
use crate::timestamp::Timestamp;
use pass::{Best, Hit, Kept, ManySources, Pass, Rank};
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Blocks that a query opens on its own thread before others help: most queries need no more.
pub(super) const ALONE_OPENED_MAX: u64 = 2;
/// Sources that it looks at, whether it opens them or not.
pub(super) const ALONE_VISITED_MAX: u64 = 1_024;
/// Sources that a search hands out at once, for each turn: in between it looks whether the page is
/// full.
const HANDED_OUT_MAX: usize = 16;

/// What a part takes: it is listed, and queued.
const PART_BYTES: usize = size_of::<Source>() + size_of::<Part>() + size_of::<(i64, usize)>();

/// What is left to scan, or was scanned.
enum Part {
    Source(Arc<Source>),
    /// A file of which nothing is read yet.
    File(LiveFile),
}

struct Search<'a> {
    shared: &'a Arc<Shared>,
    scan: Scan<'a>,
    pass: Arc<Pass>,
    parts: Vec<Part>,
    /// The memory of the parts.
    listed: Reservation,
    /// The parts that are left, the one with the best rank first.
    queue: BinaryHeap<(i64, usize)>,
    best: Best,
    scanned: Scanned,
    /// Sources handed out the last time.
    handed_out: usize,
}

/// A page of events.
pub(crate) fn search(
    shared: &Arc<Shared>,
    request: &SearchRequest,
    control: &Control,
) -> Result<SearchPage> {
    let cursor = request
        .cursor
        .as_ref()
        .map(|text| Cursor::decode(text, request, shared.incarnation))
        .transpose()?;
    let snapshot = shared.snapshot();
    let limit = request.limit.min(PAGE_ROWS_MAX);
    let pass = Pass {
        plan: Plan::new(&request.filter),
        order: request.order,
        range: cursor.map_or(request.range, |cursor| cursor.range),
        as_of: cursor.map_or(snapshot.as_of, |cursor| cursor.as_of),
        below: cursor.map(|cursor| rank(request.order, cursor.timestamp.0, cursor.seq.0)),
        kept: Kept::new(&shared.pool),
    };
    let mut search = Search {
        shared,
        scan: shared.scans.enter(control),
        pass: Arc::new(pass),
        parts: Vec::new(),
        listed: shared.pool.reserve(Consumer::Query, 0)?,
        queue: BinaryHeap::new(),
        // One more tells whether there is a next page.
        best: Best::new(limit + 1),
        scanned: Scanned::default(),
        handed_out: 0,
    };
    search.scan_best_first(&snapshot)?;
    let mut hits = std::mem::replace(&mut search.best, Best::new(0)).into_sorted();
    let more = hits.len() > limit;
    hits.truncate(limit);
    let (events, memory) = search.fetch_page(&hits)?;
    let more = more || events.len() < hits.len();
    let next_cursor = hits[..events.len()].last().filter(|_| more).map(|(rank, ..)| {
        let (timestamp, seq) = unrank(request.order, *rank);
        let Pass { as_of, range, .. } = *search.pass;
        let incarnation = shared.incarnation;
        let query = query_hash(request);
        Cursor { query, range, as_of, incarnation, timestamp, seq }.encode()
    });
    Ok(SearchPage {
        events,
        next_cursor,
        warnings: names::warnings(&snapshot, &request.filter, &[]),
        scanned: search.scanned,
        _memory: Some(Arc::new(memory)),
    })
}

fn rank(order: Order, timestamp: i64, seq: u64) -> Rank {
    match order {
        Order::NewestFirst => (timestamp, seq),
        // The complement turns the order round without overflow.
        Order::OldestFirst => (!timestamp, !seq),
    }
}

fn unrank(order: Order, (timestamp, seq): Rank) -> (Timestamp, Seq) {
    match order {
        Order::NewestFirst => (Timestamp(timestamp), Seq(seq)),
        Order::OldestFirst => (Timestamp(!timestamp), Seq(!seq)),
    }
}

/// The best rank that an event of these times can have.
fn best_rank(order: Order, times: (Timestamp, Timestamp)) -> i64 {
    match order {
        Order::NewestFirst => times.1.0,
        Order::OldestFirst => !times.0.0,
    }
}

impl Part {
    /// The number of blocks, or runs of rows.
    fn blocks(&self) -> u64 {
        match self {
            Self::Source(_) => 1,
            Self::File(file) => blocks_of(file),
        }
    }
}

impl Search<'_> {
    /// Scans what can hold the best events first, until the rest can't improve the page. A file
    /// is not opened before.
    fn scan_best_first(&mut self, snapshot: &Snapshot) -> Result<()> {
        let prunes = self.shared.prunes();
        let (range, levels) = match prunes {
            true => (self.pass.range_left(), self.pass.plan.levels),
            false => (TimeRange::default(), u8::MAX),
        };
        for source in in_memory(snapshot, range) {
            self.add(source.times, Part::Source(Arc::new(source)));
        }
        let as_of = self.pass.as_of;
        for file in snapshot.files.iter().filter(|file| file.meta.seqs.start <= as_of.0) {
            match times_in(file, range, levels) {
                Some(times) => self.add(times, Part::File(file.clone())),
                None => self.scanned.blocks_pruned += blocks_of(file),
            }
        }
        // Counted apart: they say nothing of how many sources a page needs.
        let mut ruled_out = 0;
        while let Some(index) = self.next_part() {
            self.scan.item()?;
            self.listed.grow_to(self.parts.len() * PART_BYTES, LIST_STEP_BYTES)?;
            match &self.parts[index] {
                Part::Source(source) => {
                    let source = Arc::clone(source);
                    match self.to_hand_out() {
                        0 | 1 => self.scan_here(index, &source)?,
                        count => self.scan_together((index, source), count)?,
                    }
                }
                Part::File(file) => {
                    let (file, plan) = (file.clone(), Some(&self.pass.plan));
                    for source in in_file(self.shared, &file, range, plan, &mut ruled_out)? {
                        self.add(source.times, Part::Source(Arc::new(source)));
                    }
                }
            }
        }
        let left = self.queue.iter().map(|(_, index)| self.parts[*index].blocks());
        self.scanned.blocks_pruned += left.sum::<u64>() + ruled_out;
        Ok(())
    }

    fn add(&mut self, times: (Timestamp, Timestamp), part: Part) {
        self.queue.push((best_rank(self.pass.order, times), self.parts.len()));
        self.parts.push(part);
    }

    /// Takes the part with the best rank, unless it can't improve the page.
    fn next_part(&mut self) -> Option<usize> {
        let (best, index) = *self.queue.peek()?;
        if self.shared.prunes() && self.best.worst().is_some_and(|worst| best < worst.0) {
            return None;
        }
        self.queue.pop();
        Some(index)
    }

    fn scan_here(&mut self, index: usize, source: &Source) -> Result<()> {
        self.pass.scan(self.shared, index, source, &mut self.best, &mut self.scanned)
    }

    /// How many sources are worth scanning at once: none beyond those that the page is likely to
    /// need, at the rate at which events were found so far.
    fn to_hand_out(&self) -> usize {
        let slots = self.shared.scans.slots();
        let Scanned { blocks, blocks_pruned, .. } = self.scanned;
        let alone = blocks < ALONE_OPENED_MAX && blocks + blocks_pruned < ALONE_VISITED_MAX;
        if slots < 2 || alone || self.queue.is_empty() {
            return 1;
        }
        let found = self.best.len() as u64;
        let wanted = self.best.limit() as u64 - found;
        let visited = blocks + blocks_pruned;
        let needed = match wanted.checked_mul(visited).and_then(|n| n.checked_div(found)) {
            Some(needed) => usize::try_from(needed).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        // Twice as many each time: a few too many cost little after many.
        let most = (self.handed_out * 2).clamp(2 * slots, HANDED_OUT_MAX * slots);
        needed.min(most)
    }

    /// Scans up to `count` sources, from `first` on, with the help of other threads.
    fn scan_together(&mut self, first: (usize, Arc<Source>), count: usize) -> Result<()> {
        let mut sources = vec![first];
        while sources.len() < count
            && let Some((_, index)) = self.queue.peek()
            && let Part::Source(source) = &self.parts[*index]
        {
            let source = Arc::clone(source);
            let Some(index) = self.next_part() else { break };
            sources.push((index, source));
        }
        if let [(index, source)] = &*sources {
            return self.scan_here(*index, source);
        }
        self.handed_out = sources.len();
        let count = sources.len();
        let best = std::mem::replace(&mut self.best, Best::new(0));
        let many = ManySources::new(self.shared, &self.pass, sources, best);
        self.scan.run_all(Arc::clone(&many) as _, count)?;
        let (best, scanned) = many.take_found();
        self.best = best;
        self.scanned += scanned;
        Ok(())
    }
}

/// The event of this id: found by the statistics of sections and blocks alone.
pub(crate) fn get(
    shared: &Arc<Shared>,
    id: EventId,
    control: &Control,
) -> Result<Option<EventRecord>> {
    if id.incarnation() != shared.incarnation {
        return Ok(None);
    }
    let snapshot: Snapshot = shared.snapshot();
    let seq = id.seq().0;
    let first_ns = id.millis().saturating_mul(1_000_000);
    let range = TimeRange {
        from: Some(Timestamp(first_ns)),
        to: first_ns.checked_add(1_000_000).map(Timestamp),
    };
    let mut scan = shared.scans.enter(control);
    scan.item()?;
    for source in sources_of(shared, &snapshot, range, seq, &mut || scan.item())? {
        scan.item()?;
        let _memory = shared.pool.reserve(Consumer::Query, source.bytes)?;
        let found = source.open(shared)?.with_table(shared, |table| {
            let Ok(row) = table.seqs()?.binary_search(&seq) else { return Ok(None) };
            Ok(table.fetch(&[row], shared.incarnation)?.pop().filter(|event| event.id == id))
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
