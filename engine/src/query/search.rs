//! A page of events: the newest (or oldest) that match, without reading what can't be among them.

use super::cursor::{Cursor, query_hash};
use super::filter::Plan;
use super::names;
use super::request::{EventRecord, Order, Scanned, SearchPage, SearchRequest, TimeRange};
use super::selection::Selection;
use super::table::{Source, Table, in_file, in_memory, sources_of, times_in};
use crate::engine::{LiveFile, Shared, Snapshot};
use crate::error::Result;
use crate::event::{EventId, Seq};
use crate::index::BlockIndex;
use crate::limits::{FETCH_BYTES_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::timestamp::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// The place of an event in the order asked for: the greater, the earlier on the page.
type Rank = (i64, u64);

/// An event of the page: its rank, its source, its row there.
type Hit = (Rank, usize, usize);

/// What is left to scan, or was scanned.
enum Part {
    Source(Source),
    /// A file of which nothing is read yet.
    File(LiveFile),
}

struct Search<'a> {
    shared: &'a Shared,
    plan: Plan,
    order: Order,
    range: TimeRange,
    as_of: Seq,
    /// Only events that rank below this are wanted.
    below: Option<Rank>,
    limit: usize,
    best: BinaryHeap<Reverse<Hit>>,
    scanned: Scanned,
}

/// A page of events.
pub(crate) fn search(shared: &Shared, request: &SearchRequest) -> Result<SearchPage> {
    let cursor = request
        .cursor
        .as_ref()
        .map(|text| Cursor::decode(text, request, shared.incarnation))
        .transpose()?;
    let snapshot = shared.snapshot();
    let limit = request.limit.min(PAGE_ROWS_MAX);
    let mut search = Search {
        shared,
        plan: Plan::new(&request.filter),
        order: request.order,
        range: cursor.map_or(request.range, |cursor| cursor.range),
        as_of: cursor.map_or(snapshot.as_of, |cursor| cursor.as_of),
        below: cursor.map(|cursor| rank(request.order, cursor.timestamp.0, cursor.seq.0)),
        // One more tells whether there is a next page.
        limit: limit + 1,
        best: BinaryHeap::new(),
        scanned: Scanned::default(),
    };
    let parts = search.scan_best_first(&snapshot)?;
    let mut hits: Vec<Hit> = std::mem::take(&mut search.best).into_iter().map(|r| r.0).collect();
    hits.sort_unstable_by(|a, b| b.cmp(a));
    let more = hits.len() > limit;
    hits.truncate(limit);
    let events = search.fetch_page(&parts, &hits)?;
    let more = more || events.len() < hits.len();
    let next_cursor = hits[..events.len()].last().filter(|_| more).map(|(rank, ..)| {
        let (timestamp, seq) = unrank(request.order, *rank);
        let as_of = search.as_of;
        let incarnation = shared.incarnation;
        let query = query_hash(request);
        Cursor { query, range: search.range, as_of, incarnation, timestamp, seq }.encode()
    });
    Ok(SearchPage {
        events,
        next_cursor,
        warnings: names::warnings(&snapshot, &request.filter, &[]),
        scanned: search.scanned,
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
            Self::File(file) => file.meta.sections.iter().map(|s| u64::from(s.blocks)).sum(),
        }
    }
}

impl Search<'_> {
    /// Scans what can hold the best events first, until the rest can't improve the page. A file
    /// is not opened before. Returns what hits refer to.
    fn scan_best_first(&mut self, snapshot: &Snapshot) -> Result<Vec<Part>> {
        let prunes = self.shared.prunes();
        let (range, levels) = match prunes {
            true => (self.range_left(), self.plan.levels),
            false => (TimeRange::default(), u8::MAX),
        };
        let mut parts = Vec::new();
        let mut queue = BinaryHeap::new();
        let order = self.order;
        let add = |queue: &mut BinaryHeap<_>, parts: &mut Vec<_>, times, part| {
            queue.push((best_rank(order, times), parts.len()));
            parts.push(part);
        };
        for source in in_memory(snapshot, range) {
            add(&mut queue, &mut parts, source.times, Part::Source(source));
        }
        for file in snapshot.files.iter().filter(|file| file.meta.seqs.start <= self.as_of.0) {
            match times_in(file, range, levels) {
                Some(times) => add(&mut queue, &mut parts, times, Part::File(file.clone())),
                None => self.scanned.blocks_pruned += Part::File(file.clone()).blocks(),
            }
        }
        while let Some((best, index)) = queue.pop() {
            if prunes && self.worst().is_some_and(|worst| best < worst.0) {
                let left = queue.iter().map(|(_, index)| parts[*index].blocks());
                self.scanned.blocks_pruned += parts[index].blocks() + left.sum::<u64>();
                break;
            }
            match &parts[index] {
                Part::Source(source) => self.scan(index, source)?,
                Part::File(file) => {
                    for source in in_file(self.shared, file, range, Some(&self.plan))? {
                        add(&mut queue, &mut parts, source.times, Part::Source(source));
                    }
                }
            }
        }
        Ok(parts)
    }

    /// The range in which the events of this page and the later ones lie.
    fn range_left(&self) -> TimeRange {
        let mut range = self.range;
        match (self.order, self.below) {
            (_, None) => {}
            (Order::NewestFirst, Some((last, _))) => {
                let to = last.checked_add(1).map(Timestamp);
                range.to = [range.to, to].into_iter().flatten().min();
            }
            (Order::OldestFirst, Some((last, _))) => {
                range.from = range.from.max(Some(Timestamp(!last)));
            }
        }
        range
    }

    /// The rank that an event must beat, once the page is full.
    fn worst(&self) -> Option<Rank> {
        let worst = self.best.peek().filter(|_| self.best.len() == self.limit)?;
        Some(worst.0.0)
    }

    fn scan(&mut self, index: usize, source: &Source) -> Result<()> {
        let shared = self.shared;
        let admitted = match source.seqs.0 <= self.as_of.0 {
            true => source.admit(&self.plan, shared)?,
            false => None,
        };
        let Some(known) = admitted else {
            self.scanned.blocks_pruned += 1;
            return Ok(());
        };
        source.with_table(shared, |table| self.scan_table(index, table, &known))
    }

    fn scan_table(&mut self, index: usize, table: &dyn Table, known: &BlockIndex) -> Result<()> {
        let timestamps = table.timestamps()?;
        let seqs = table.seqs()?;
        let worst = self.worst();
        let wanted = |row: usize| {
            let (timestamp, seq) = (timestamps[row], seqs[row]);
            let rank = rank(self.order, timestamp, seq);
            self.range.from.is_none_or(|from| timestamp >= from.0)
                && self.range.to.is_none_or(|to| timestamp < to.0)
                && seq <= self.as_of.0
                && self.below.is_none_or(|below| rank < below)
                && worst.is_none_or(|worst| rank > worst)
        };
        let candidates = Selection::from_fn(table.rows(), wanted);
        self.scanned.blocks += 1;
        self.scanned.rows += candidates.count() as u64;
        let candidates = self.plan.evaluate(table, known, candidates)?;
        for row in candidates.iter() {
            let rank = rank(self.order, timestamps[row], seqs[row]);
            if self.best.len() < self.limit {
                self.best.push(Reverse((rank, index, row)));
            } else if let Some(mut worst) = self.best.peek_mut()
                && worst.0.0 < rank
            {
                *worst = Reverse((rank, index, row));
            }
        }
        Ok(())
    }

    /// The events of the hits, in their order, as many as one page may take: at least one, for the
    /// next page has to get further.
    fn fetch_page(&self, parts: &[Part], hits: &[Hit]) -> Result<Vec<EventRecord>> {
        let mut events: Vec<EventRecord> = Vec::new();
        let mut bytes = 0;
        let mut rest = hits;
        while !rest.is_empty() {
            let (next, later) = rest.split_at(fetched_at_once(parts, rest));
            rest = later;
            for event in self.fetch(parts, next)? {
                bytes += event.bytes();
                if bytes > PAGE_BYTES_MAX && !events.is_empty() {
                    return Ok(events);
                }
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The events of the hits, in their order; each source is read once.
    fn fetch(&self, parts: &[Part], hits: &[Hit]) -> Result<Vec<EventRecord>> {
        let mut by_source: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, (_, source, row)) in hits.iter().enumerate() {
            by_source.entry(*source).or_default().push((*row, place));
        }
        let mut events: Vec<Option<EventRecord>> = vec![None; hits.len()];
        for (source, mut wanted) in by_source {
            wanted.sort_unstable();
            let rows: Vec<usize> = wanted.iter().map(|(row, _)| *row).collect();
            let fetched = source_of(parts, source)
                .with_table(self.shared, |table| table.fetch(&rows, self.shared.incarnation))?;
            assert_eq!(fetched.len(), wanted.len(), "one event a row");
            for (event, (_, place)) in fetched.into_iter().zip(wanted) {
                events[place] = Some(event);
            }
        }
        Ok(events.into_iter().flatten().collect())
    }
}

fn source_of(parts: &[Part], index: usize) -> &Source {
    let Part::Source(source) = &parts[index] else { unreachable!("rows are of sources") };
    source
}

/// How many of the hits, from the first on, lie in sources that may be decoded at once.
fn fetched_at_once(parts: &[Part], hits: &[Hit]) -> usize {
    let mut sources = BTreeSet::new();
    let mut bytes = 0usize;
    for (place, (_, source, _)) in hits.iter().enumerate() {
        if sources.insert(*source) {
            bytes = bytes.saturating_add(source_of(parts, *source).bytes);
            if bytes > FETCH_BYTES_MAX && place > 0 {
                return place;
            }
        }
    }
    hits.len()
}

/// The event of this id: found by the statistics of sections and blocks alone.
pub(crate) fn get(shared: &Shared, id: EventId) -> Result<Option<EventRecord>> {
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
    for source in sources_of(shared, &snapshot, range, seq)? {
        let found = source.with_table(shared, |table| {
            let Ok(row) = table.seqs()?.binary_search(&seq) else { return Ok(None) };
            Ok(table.fetch(&[row], shared.incarnation)?.pop().filter(|event| event.id == id))
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
