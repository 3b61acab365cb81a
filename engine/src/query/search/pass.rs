//! The scan of one source for a page, and of many at once.

use super::rank::{Rank, arrival_seq, rank, ranks};
use super::{Order, TimeRange};
use crate::engine::Shared;
use crate::error::Result;
use crate::event::Seq;
use crate::index::BlockIndex;
use crate::pool::{Consumer, Pool, Refused, Reservation};
use crate::query::filter::Plan;
use crate::query::request::Scanned;
use crate::query::selection::Selection;
use crate::query::steps::Steps;
use crate::query::table::{EventTable, Opened, Source};
use crate::scan::{Excuses, Items};
use crate::timestamp::Timestamp;
use crate::trace::Pruned;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

/// The times of more rows are unpacked at once.
const SINGLE_ROWS_MAX: usize = 64;

/// An event of the page: its rank, its source, its row there.
pub(super) type Hit = (Rank, usize, usize);

/// The best events so far, as many as the page takes.
#[derive(Debug)]
pub(super) struct Best {
    heap: BinaryHeap<Reverse<Hit>>,
    limit: usize,
    /// What events must beat before that.
    floor: Option<Rank>,
}

/// What is looked for.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) plan: Plan,
    pub(super) steps: Steps,
    pub(super) order: Order,
    pub(super) range: TimeRange,
    pub(super) as_of: Seq,
    /// Only events that rank below this are wanted.
    pub(super) below: Option<Rank>,
    pub(super) kept: Kept,
    /// The query's memory.
    pub(super) pool: Arc<Pool>,
    pub(super) excuses: Excuses,
}

/// Sources that had events for the page, by their index: these events need not be decoded twice.
#[derive(Debug)]
pub(super) struct Kept {
    bytes_max: usize,
    sources: Mutex<HashMap<usize, (Opened, Reservation)>>,
}

/// Sources that several threads scan.
pub(super) struct ManySources {
    shared: Arc<Shared>,
    pass: Arc<Pass>,
    sources: Vec<(usize, Arc<Source>)>,
    found: Mutex<FoundSoFar>,
}

/// What several threads have found.
struct FoundSoFar {
    best: Best,
    scanned: Scanned,
    /// Which sources are scanned.
    done: Vec<bool>,
}

impl Best {
    pub(super) fn new(limit: usize) -> Self {
        Self { heap: BinaryHeap::new(), limit, floor: None }
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A place for as many events that would improve this.
    fn improvement(&self) -> Self {
        Self { heap: BinaryHeap::new(), limit: self.limit, floor: self.worst() }
    }

    /// The rank that an event must beat, once the page is full.
    pub(super) fn worst(&self) -> Option<Rank> {
        let worst = self.heap.peek().filter(|_| self.heap.len() == self.limit);
        worst.map(|worst| worst.0.0).or(self.floor)
    }

    fn add(&mut self, hit: Hit) {
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(hit));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && worst.0.0 < hit.0
        {
            *worst = Reverse(hit);
        }
    }

    /// The best first.
    pub(super) fn into_sorted(self) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().map(|hit| hit.0).collect()
    }
}

impl Kept {
    /// What kept sources may take. The best come first: later ones are less likely on the page.
    const BYTES_MAX: usize = 48 << 20;

    /// Nothing is kept yet. It will be at most an eighth of what queries can always have.
    pub(super) fn new(pool: &Pool) -> Self {
        let bytes_max = Self::BYTES_MAX.min(pool.share(Consumer::Query) / 8);
        Self { bytes_max, sources: Mutex::default() }
    }

    /// Keeps a source, if there is room and queries don't need the memory for more than time.
    fn keep(&self, index: usize, opened: Opened, pool: &Pool, memory: Reservation) {
        if pool.status().queries > pool.share(Consumer::Query) as u64 / 2 {
            return;
        }
        let mut sources = self.sources.lock();
        let bytes: usize = sources.values().map(|(_, memory)| memory.bytes()).sum();
        if bytes + memory.bytes() <= self.bytes_max {
            sources.insert(index, (opened, memory));
        }
    }

    /// A source with the memory that it has, if it was kept.
    pub(super) fn take(&self, index: usize) -> Option<(Opened, Reservation)> {
        self.sources.lock().remove(&index)
    }

    /// Reserves memory; gives back what is kept only to save time if there is no other. Another
    /// thread of the query may have done so meanwhile: it is tried again in any case.
    pub(super) fn reserve(&self, pool: &Arc<Pool>, bytes: usize) -> Result<Reservation, Refused> {
        pool.reserve(Consumer::Query, bytes).or_else(|_| {
            self.sources.lock().clear();
            pool.reserve(Consumer::Query, bytes)
        })
    }
}

impl Pass {
    /// The range in which the events of this page and the later ones lie.
    pub(super) fn range_left(&self) -> TimeRange {
        let mut range = self.range;
        match (self.order, self.below) {
            (_, None) | (Order::Arrival, _) => {}
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

    /// The first and the last sequence number that events of this page and the later ones can have.
    pub(super) fn seqs_left(&self) -> (u64, u64) {
        let first = match (self.order, self.below) {
            // Ranks are complements: the next one is below.
            (Order::Arrival, Some((last, _))) => arrival_seq(last).saturating_add(1),
            _ => 0,
        };
        (first, self.as_of.0)
    }

    /// Scans a source, if it can hold an event that matches; one that is damaged is left out, if that
    /// is tolerated.
    pub(super) fn scan(
        &self,
        shared: &Shared,
        index: usize,
        source: &Source,
        best: &mut Best,
        scanned: &mut Scanned,
    ) -> Result<()> {
        let done = self.scan_whole(shared, index, source, best, scanned);
        self.excuses.piece(done).map(drop)
    }

    fn scan_whole(
        &self,
        shared: &Shared,
        index: usize,
        source: &Source,
        best: &mut Best,
        scanned: &mut Scanned,
    ) -> Result<()> {
        let admitted = match source.seqs.0 <= self.as_of.0 {
            true => source.admit(&self.plan, shared)?,
            false => {
                if let Some(trace) = &self.plan.trace {
                    trace.pruned(source.tier(), Pruned::Time, 1);
                }
                None
            }
        };
        let Some(known) = admitted else {
            scanned.blocks_pruned += 1;
            return Ok(());
        };
        let memory = self.kept.reserve(&self.pool, source.bytes)?;
        let opened = source.open_again(shared)?;
        let found = opened.with_table(shared, |table| {
            self.scan_table(index, source, table, &known, best, scanned)
        })?;
        if found {
            self.kept.keep(index, opened, &self.pool, memory);
        }
        Ok(())
    }

    /// Adds the events of a source that improve the page. Returns whether there are any.
    fn scan_table(
        &self,
        index: usize,
        source: &Source,
        table: &dyn EventTable,
        known: &BlockIndex,
        best: &mut Best,
        scanned: &mut Scanned,
    ) -> Result<bool> {
        let candidates = match best.worst() {
            // The filter may leave few rows whose times have to be looked at.
            None if self.wants_all_of(source) => Selection::all(table.rows()),
            worst => self.wanted(table, worst)?,
        };
        scanned.blocks += 1;
        scanned.rows += candidates.count() as u64;
        let mut candidates = self.plan.evaluate(table, known, candidates)?;
        if !self.steps.is_empty() && !candidates.is_empty() {
            candidates = self.steps.run(table, candidates)?.1;
        }
        if candidates.is_empty() {
            return Ok(false);
        }
        self.add(index, table, &candidates, best)?;
        Ok(true)
    }

    /// Whether every event of a source is in the range, visible, and not on a page before.
    fn wants_all_of(&self, source: &Source) -> bool {
        let (first, last) = source.times;
        let (_, greatest) = ranks(self.order, source.times, source.seqs);
        self.range.from.is_none_or(|from| first >= from)
            && self.range.to.is_none_or(|to| last < to)
            && source.seqs.1 <= self.as_of.0
            && self.below.is_none_or(|below| greatest < below)
    }

    /// The rows that would improve the page if they match.
    fn wanted(&self, table: &dyn EventTable, worst: Option<Rank>) -> Result<Selection> {
        let timestamps = table.timestamps()?;
        let (first, last) = self.times_wanted(worst);
        let mut wanted = Selection::from_fn(table.rows(), |row| {
            let timestamp = timestamps[row];
            (first <= timestamp) & (timestamp <= last)
        });
        // Of the times at both ends the sequence numbers decide.
        let is_certain = |row: usize| {
            self.order != Order::Arrival && first < timestamps[row] && timestamps[row] < last
        };
        let seqs_decide = table.rows() > 0 && table.seq(table.rows() - 1)? > self.as_of.0;
        let uncertain: Vec<usize> =
            wanted.iter().filter(|row| seqs_decide || !is_certain(*row)).collect();
        for row in uncertain {
            let (timestamp, seq) = (timestamps[row], table.seq(row)?);
            let rank = rank(self.order, timestamp, seq);
            let is_wanted = self.range.from.is_none_or(|from| timestamp >= from.0)
                && self.range.to.is_none_or(|to| timestamp < to.0)
                && seq <= self.as_of.0
                && self.below.is_none_or(|below| rank < below)
                && worst.is_none_or(|worst| rank > worst);
            if !is_wanted {
                wanted.remove(row);
            }
        }
        Ok(wanted)
    }

    /// The first and the last time at which events would improve the page.
    fn times_wanted(&self, worst: Option<Rank>) -> (i64, i64) {
        let first = self.range.from.map_or(i64::MIN, |from| from.0);
        let last = self.range.to.map_or(i64::MAX, |to| to.0);
        match self.order {
            Order::NewestFirst => (
                worst.map_or(first, |worst| first.max(worst.0)),
                self.below.map_or(last, |below| last.min(below.0)),
            ),
            Order::OldestFirst => (
                self.below.map_or(first, |below| first.max(!below.0)),
                worst.map_or(last, |worst| last.min(!worst.0)),
            ),
            Order::Arrival => (first, last),
        }
    }

    /// Adds rows that match.
    fn add(
        &self,
        index: usize,
        table: &dyn EventTable,
        rows: &Selection,
        best: &mut Best,
    ) -> Result<()> {
        let is_by_time = self.order != Order::Arrival;
        let timestamps = match rows.count() > SINGLE_ROWS_MAX && is_by_time {
            true => Some(table.timestamps()?),
            false => None,
        };
        let mut add = |row: usize| -> Result<()> {
            let timestamp = match &timestamps {
                Some(timestamps) => timestamps[row],
                None if is_by_time => table.timestamp(row)?,
                None => 0,
            };
            // Most of many rows are ruled out by their time alone.
            let most = rank(self.order, timestamp, self.most_seq());
            if is_by_time && best.worst().is_some_and(|worst| most <= worst) {
                return Ok(());
            }
            best.add((rank(self.order, timestamp, table.seq(row)?), index, row));
            Ok(())
        };
        match self.order {
            // Rows are about in the order of their times: what comes first rules out the others.
            Order::NewestFirst => rows.iter_back().try_for_each(&mut add),
            Order::OldestFirst | Order::Arrival => rows.iter().try_for_each(&mut add),
        }
    }

    /// The sequence number of which events of one time rank best.
    fn most_seq(&self) -> u64 {
        match self.order {
            Order::NewestFirst => u64::MAX,
            Order::OldestFirst | Order::Arrival => 0,
        }
    }
}

impl ManySources {
    pub(super) fn new(
        shared: &Arc<Shared>,
        pass: &Arc<Pass>,
        sources: Vec<(usize, Arc<Source>)>,
        best: Best,
    ) -> Arc<Self> {
        let done = vec![false; sources.len()];
        let found = Mutex::new(FoundSoFar { best, scanned: Scanned::default(), done });
        Arc::new(Self { shared: Arc::clone(shared), pass: Arc::clone(pass), sources, found })
    }

    /// What was found, with what was there before; and the sources that are not scanned: their places
    /// here, and their indexes.
    pub(super) fn take_found(&self) -> (Best, Scanned, Vec<(usize, usize)>) {
        let mut found = self.found.lock();
        let left = (0..self.sources.len()).filter(|item| !found.done[*item]);
        let left = left.map(|item| (item, self.sources[item].0)).collect();
        (std::mem::replace(&mut found.best, Best::new(0)), std::mem::take(&mut found.scanned), left)
    }
}

impl Items for ManySources {
    fn run(&self, item: usize) -> Result<()> {
        let (index, source) = &self.sources[item];
        let mut best = self.found.lock().best.improvement();
        let mut scanned = Scanned::default();
        self.pass.scan(&self.shared, *index, source, &mut best, &mut scanned)?;
        let mut found = self.found.lock();
        best.heap.into_iter().for_each(|hit| found.best.add(hit.0));
        found.scanned += scanned;
        found.done[item] = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use crate::memtable::RowSlice;
    use crate::pool::{Consumer, Pool, Reservation};
    use crate::query::table::Opened;
    use crate::timestamp::Timestamp;
    use std::sync::Arc;

    fn source() -> Opened {
        let (rows, times) = (Arc::default(), (Timestamp(0), Timestamp(0)));
        Opened::Rows(RowSlice { rows, range: 0..0, times, bytes: 0 })
    }

    /// A pool of which others have all that queries are not sure to get, and what is left to them.
    fn contended() -> (Arc<Pool>, Reservation, usize) {
        let pool = Pool::new(64 << 20);
        let all = pool.share(Consumer::Query);
        let rest = (64 << 20) - all - pool.share(Consumer::Compaction);
        let others = pool.reserve(Consumer::Ingest, rest).unwrap();
        (pool, others, all)
    }

    #[test]
    fn what_is_kept_gives_way_to_what_is_needed() {
        let (pool, others, all) = contended();
        let kept = Kept::new(&pool);
        kept.keep(0, source(), &pool, pool.reserve(Consumer::Query, all / 16).unwrap());
        kept.keep(1, source(), &pool, pool.reserve(Consumer::Query, all / 16).unwrap());
        kept.keep(2, source(), &pool, pool.reserve(Consumer::Query, all / 16).unwrap());
        assert_eq!(pool.status().queries as usize, all / 16 * 2, "the third is too much");
        drop(kept.reserve(&pool, all / 2).unwrap());
        assert_eq!(pool.status().queries as usize, all / 16 * 2, "there was room");
        drop(kept.reserve(&pool, all).unwrap());
        assert_eq!(pool.status().queries, 0);
        assert!(kept.take(0).is_none());
        drop(others);
    }

    /// Threads of one query need memory at the same time: the second found that the first had
    /// given up what was kept, and did not try again.
    #[test]
    fn what_another_thread_gave_up_is_had() {
        let (pool, _others, all) = contended();
        let kept = Kept::new(&pool);
        let used = pool.reserve(Consumer::Query, all / 2).unwrap();
        std::thread::scope(|scope| {
            let sources = kept.sources.lock();
            let reserving = scope.spawn(|| kept.reserve(&pool, all).map(drop));
            while pool.status().refusals[Consumer::Query as usize] == 0 {
                std::thread::yield_now();
            }
            drop((used, sources));
            reserving.join().unwrap().unwrap();
        });
    }

    #[test]
    fn nothing_is_kept_while_queries_need_their_memory() {
        let (pool, _others, all) = contended();
        let kept = Kept::new(&pool);
        let busy = pool.reserve(Consumer::Query, all / 2).unwrap();
        kept.keep(0, source(), &pool, pool.reserve(Consumer::Query, 1).unwrap());
        assert!(kept.take(0).is_none());
        drop(busy);
        kept.keep(0, source(), &pool, pool.reserve(Consumer::Query, 1).unwrap());
        assert!(kept.take(0).is_some());
    }
}
