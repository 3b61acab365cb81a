//! A page of events: the newest (or oldest) that match, without reading what can't be among them.

mod ahead;
mod fetch;
mod pass;
mod rank;
mod single;
mod stop;

use super::ast::Filter;
use super::cursor::{Cursor, query_hash};
use super::explain;
use super::filter::Plan;
use super::names;
use super::request::{EventRecord, Order, Scanned, SearchPage, SearchRequest, Step, TimeRange};
use super::stats::LIST_STEP_BYTES;
use super::steps::Steps;
use super::table::{Source, begin_pass, blocks_of, in_file, in_memory, tell_pruned_file, times_in};
use crate::engine::{LiveFile, Shared, Snapshot};
use crate::error::Result;
use crate::event::Seq;
use crate::limits::{EXPORT_PAGE_BYTES_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::pool::{Consumer, Reservation};
use crate::scan::{Control, Excuses, Items, Scan};
use crate::timestamp::Timestamp;
use crate::trace::{Pruned, Tier};
use ahead::Window;
use fetch::Fetched;
use pass::{Best, Hit, Kept, ManySources, Pass};
use rank::{Rank, place_of, rank, ranks};
pub(crate) use single::get;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

/// Blocks that a query opens on its own thread before others help: most queries need no more.
pub(super) const ALONE_OPENED_MAX: u64 = 2;
/// Sources that it looks at, whether it opens them or not.
pub(super) const ALONE_VISITED_MAX: u64 = 1_024;
/// What is scanned or fetched in less time than this is not handed out before so many blocks were opened: until a
/// helper is awake, and has in its processor's caches what it takes to decode, is not much less.
const ALONE_TIME: Duration = Duration::from_millis(1);
const ALONE_QUICK_MAX: u64 = 16;
/// Sources that a search hands out at once, for each turn: in between it looks whether the page is
/// full.
const HANDED_OUT_MAX: usize = 16;

/// What a part takes: it is listed, and queued.
const PART_BYTES: usize = size_of::<Source>() + size_of::<Part>() + size_of::<(Rank, usize)>();

/// What is left to scan, or was scanned.
enum Part {
    Source(Arc<Source>),
    /// A file of which nothing is read yet.
    File(LiveFile),
}

struct Search<'a> {
    shared: &'a Arc<Shared>,
    scan: Scan<'a>,
    excuses: Excuses,
    pass: Arc<Pass>,
    parts: Vec<Part>,
    /// The memory of the parts.
    listed: Reservation,
    /// The parts that are left, the one with the best rank first.
    queue: BinaryHeap<(Rank, usize)>,
    best: Best,
    scanned: Scanned,
    /// Blocks that earlier pages had. Counted apart: they say nothing of how many this page needs.
    passed: u64,
    /// Sources handed out the last time.
    handed_out: usize,
    began: Duration,
    window: Window,
    /// What the events of the page may take.
    page_bytes_max: usize,
}

/// The events of a page.
struct Found {
    events: Vec<EventRecord>,
    /// The rank below which the next page begins; `None` if there is none.
    next: Option<Rank>,
    scanned: Scanned,
    memory: Reservation,
}

/// A page of events.
pub(crate) fn search(
    shared: &Arc<Shared>,
    request: &SearchRequest,
    steps: Steps,
    control: &Control,
) -> Result<SearchPage> {
    let cursor = request
        .cursor
        .as_ref()
        .map(|text| Cursor::decode(text, request, shared.incarnation))
        .transpose()?;
    search_from(shared, request, cursor, steps, control)
}

/// A page of an export: it is held while a slow reader takes it, so it has less than others. The limit of
/// the request becomes that of the next page: about as many events as fit one.
pub(super) fn export_page(
    shared: &Arc<Shared>,
    request: &mut SearchRequest,
    steps: Steps,
    control: &Control,
) -> Result<SearchPage> {
    let cursor = request.cursor.as_ref();
    let cursor =
        cursor.map(|text| Cursor::decode(text, request, shared.incarnation)).transpose()?;
    let page = bounded(shared, request, cursor, steps, EXPORT_PAGE_BYTES_MAX, control)?;
    let bytes: usize = page.events.iter().map(EventRecord::memory_bytes).sum();
    let count = page.events.len();
    let fitting = count.saturating_mul(EXPORT_PAGE_BYTES_MAX).checked_div(bytes);
    request.limit = fitting.unwrap_or(PAGE_ROWS_MAX).clamp(1, PAGE_ROWS_MAX);
    Ok(page)
}

/// The events that follow the one of a cursor in the order asked for; without one, all. The cursor of
/// the request itself is not looked at.
pub(super) fn search_from(
    shared: &Arc<Shared>,
    request: &SearchRequest,
    cursor: Option<Cursor>,
    steps: Steps,
    control: &Control,
) -> Result<SearchPage> {
    bounded(shared, request, cursor, steps, PAGE_BYTES_MAX, control)
}

/// The same, of events that take at most so much, one event apart.
fn bounded(
    shared: &Arc<Shared>,
    request: &SearchRequest,
    cursor: Option<Cursor>,
    steps: Steps,
    bytes_max: usize,
    control: &Control,
) -> Result<SearchPage> {
    let snapshot = shared.snapshot_for(control);
    let pool = shared.pool_of(control);
    let limit = request.limit.min(PAGE_ROWS_MAX);
    explain::tell(control, &request.filter, request.range, Vec::new);
    let trace = begin_pass("search", shared, &snapshot, control);
    let interrupt = shared.scans.interrupt(control);
    let pass = Pass {
        steps: steps.of_query(trace.as_deref(), &interrupt),
        plan: Plan::of_query(&request.filter, trace, interrupt),
        order: request.order,
        range: cursor.map_or(request.range, |cursor| cursor.range),
        as_of: cursor.map_or(snapshot.as_of, |cursor| cursor.as_of),
        below: cursor.map(|cursor| rank(request.order, cursor.timestamp.0, cursor.seq.0)),
        kept: Kept::new(&pool),
        pool,
        excuses: control.excuses(),
    };
    let search = Search::new(shared, pass, limit, bytes_max, control)?;
    let (as_of, range) = (search.pass.as_of, search.pass.range);
    let Found { events, next, scanned, memory } = search.run(&snapshot)?;
    let next_cursor = next.map(|rank| {
        let incarnation = shared.incarnation;
        let query = query_hash(request);
        let (timestamp, seq) = place_of(request.order, rank);
        Cursor { query, range, as_of, incarnation, timestamp, seq, left: None }.encode()
    });
    Ok(SearchPage {
        events,
        next_cursor,
        warnings: names::warnings(&snapshot, &request.filter, &[]),
        scanned,
        _memory: Some(Arc::new(memory)),
    })
}

/// The first events that arrived after another, and what of them is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrivals<'a> {
    pub(crate) filter: &'a Filter,
    pub(crate) steps: &'a [Step],
    /// Only events behind this one.
    pub(crate) after: Seq,
    /// The last event that may be among them.
    pub(crate) through: Seq,
    /// So many at most.
    pub(crate) limit: usize,
    /// What they may take, one event apart.
    pub(crate) bytes_max: usize,
}

/// Events in the order in which they arrived, whether there are more, and the memory of these.
pub(crate) fn arrivals(
    shared: &Arc<Shared>,
    snapshot: &Snapshot,
    wanted: Arrivals<'_>,
    control: &Control,
) -> Result<(Vec<EventRecord>, bool, Reservation)> {
    let order = Order::Arrival;
    // A position in the log is behind everything up to it.
    let control = &control.whole();
    let (pool, interrupt) = (shared.pool_of(control), shared.scans.interrupt(control));
    let pass = Pass {
        steps: Steps::new(wanted.steps).of_query(None, &interrupt),
        plan: Plan::of_query(wanted.filter, None, interrupt),
        order,
        range: TimeRange::default(),
        as_of: wanted.through,
        below: Some(rank(order, 0, wanted.after.0)),
        kept: Kept::new(&pool),
        pool,
        excuses: control.excuses(),
    };
    let search = Search::new(shared, pass, wanted.limit, wanted.bytes_max, control)?;
    let Found { events, next, memory, .. } = search.run(snapshot)?;
    Ok((events, next.is_some(), memory))
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

impl<'a> Search<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        pass: Pass,
        limit: usize,
        page_bytes_max: usize,
        control: &Control,
    ) -> Result<Self> {
        Ok(Self {
            shared,
            scan: shared.scans.enter(control),
            excuses: control.excuses(),
            listed: pass.pool.reserve(Consumer::Query, 0)?,
            pass: Arc::new(pass),
            parts: Vec::new(),
            queue: BinaryHeap::new(),
            // One more tells whether there is a next page.
            best: Best::new(limit + 1),
            scanned: Scanned::default(),
            passed: 0,
            handed_out: 0,
            began: shared.scans.now(),
            window: Window::default(),
            page_bytes_max,
        })
    }

    fn run(mut self, snapshot: &Snapshot) -> Result<Found> {
        self.list(snapshot);
        self.pass.plan.phase("list");
        let start = self.frontier();
        let stopped = match self.scan_best_first() {
            Ok(()) => None,
            Err(error) => Some(self.stop(start, error)?),
        };
        self.pass.plan.phase("scan");
        let left = self.queue.iter().map(|(_, index)| self.parts[*index].blocks());
        self.scanned.blocks_pruned += left.sum::<u64>() + self.passed;
        let limit = self.best.limit() - 1;
        let mut hits = std::mem::replace(&mut self.best, Best::new(0)).into_sorted();
        if let Some(frontier) = stopped {
            hits.retain(|hit| hit.0 > frontier);
        }
        let more = hits.len() > limit;
        hits.truncate(limit);
        let Fetched { events, memory, taken } = self.fetch_page(&hits, stopped.is_some())?;
        self.pass.plan.phase("fetch");
        let next = match stopped {
            Some(frontier) if taken == hits.len() && !more => Some(self.behind(frontier)),
            _ if more || taken < hits.len() => taken.checked_sub(1).map(|last| hits[last].0),
            _ => None,
        };
        Ok(Found { events, next, scanned: self.scanned, memory })
    }

    /// Lists what can hold events of the page. No file is opened.
    fn list(&mut self, snapshot: &Snapshot) {
        let (range, levels) = self.bounds();
        let seqs = self.pass.seqs_left();
        for source in in_memory(snapshot, range, seqs) {
            self.add_source(source);
        }
        let pass = Arc::clone(&self.pass);
        let trace = pass.plan.trace.as_deref();
        if let Some(trace) = trace {
            trace.listed_in_memory(self.parts.len());
        }
        let may_hold =
            |file: &&LiveFile| file.meta.seqs.start <= seqs.1 && file.meta.seqs.end > seqs.0;
        for file in snapshot.files.iter().filter(may_hold) {
            match times_in(file, range, levels) {
                Some(times) => {
                    let seqs = (file.meta.seqs.start, file.meta.seqs.end.saturating_sub(1));
                    self.add(times, seqs, Part::File(file.clone()));
                }
                None => {
                    self.scanned.blocks_pruned += blocks_of(file);
                    tell_pruned_file(trace, file, range);
                }
            }
        }
    }

    /// The range and the levels by which parts are ruled out.
    fn bounds(&self) -> (TimeRange, u8) {
        match self.shared.prunes() {
            true => (self.pass.range_left(), self.pass.plan.levels),
            false => (TimeRange::default(), u8::MAX),
        }
    }

    /// Scans what can hold the best events first, until the rest can't improve the page. After an
    /// error everything that is not scanned is queued.
    fn scan_best_first(&mut self) -> Result<()> {
        // Counted apart: they say nothing of how many sources a page needs.
        let mut ruled_out = 0;
        while let Some((rank, index)) = self.next_part() {
            if let Err(error) = self.scan_part(rank, index, &mut ruled_out) {
                self.scanned.blocks_pruned += ruled_out;
                return Err(error);
            }
        }
        self.scanned.blocks_pruned += ruled_out;
        Ok(())
    }

    fn scan_part(&mut self, rank: Rank, index: usize, ruled_out: &mut u64) -> Result<()> {
        let ready = self.scan.item().and_then(|()| {
            Ok(self.listed.grow_to(self.parts.len() * PART_BYTES, LIST_STEP_BYTES)?)
        });
        let done = match (ready, &self.parts[index]) {
            (Err(error), _) => Err(error),
            (Ok(()), Part::Source(source)) => {
                let source = Arc::clone(source);
                match self.to_hand_out() {
                    0 | 1 => self.scan_here(index, &source),
                    count => return self.scan_together((rank, index, source), count),
                }
            }
            (Ok(()), Part::File(file)) => {
                let file = file.clone();
                self.open_file(&file, ruled_out)
            }
        };
        if done.is_err() {
            self.queue.push((rank, index));
        }
        done
    }

    /// Queues what a file has.
    fn open_file(&mut self, file: &LiveFile, ruled_out: &mut u64) -> Result<()> {
        self.read_ahead(file);
        let (range, _) = self.bounds();
        let first = self.pass.seqs_left().0;
        let opened = in_file(self.shared, file, range, Some(&self.pass.plan), ruled_out);
        let Some(sources) = self.excuses.piece(opened)? else { return Ok(()) };
        for source in sources {
            if source.seqs.1 >= first {
                self.add_source(source);
            }
        }
        Ok(())
    }

    fn add_source(&mut self, source: Source) {
        self.add(source.times, source.seqs, Part::Source(Arc::new(source)));
    }

    /// Adds a part, unless earlier pages had all of it.
    fn add(&mut self, times: (Timestamp, Timestamp), seqs: (u64, u64), part: Part) {
        let (worst, best) = ranks(self.pass.order, times, seqs);
        if self.shared.prunes() && self.pass.below.is_some_and(|below| worst >= below) {
            self.passed += part.blocks();
            self.tell_passed(&part);
            return;
        }
        self.queue.push((best, self.parts.len()));
        self.parts.push(part);
    }

    /// Tells of a part that earlier pages had. Of the memtable it is told what is listed.
    fn tell_passed(&self, part: &Part) {
        let Some(trace) = &self.pass.plan.trace else { return };
        match part {
            Part::File(file) => {
                trace.pruned_file(Tier::of(file.meta.id), Pruned::Time, blocks_of(file));
            }
            Part::Source(source) if source.tier() == Tier::Memtable => {}
            Part::Source(source) => trace.pruned(source.tier(), Pruned::Time, 1),
        }
    }

    /// Takes the part with the best rank, unless it can't improve the page.
    fn next_part(&mut self) -> Option<(Rank, usize)> {
        let (best, _) = *self.queue.peek()?;
        if self.shared.prunes() && self.best.worst().is_some_and(|worst| best <= worst) {
            return None;
        }
        self.queue.pop()
    }

    fn scan_here(&mut self, index: usize, source: &Source) -> Result<()> {
        self.pass.scan(self.shared, index, source, &mut self.best, &mut self.scanned)
    }

    /// How many sources are worth scanning at once: none beyond those that the page is likely to
    /// need, at the rate at which events were found so far.
    fn to_hand_out(&self) -> usize {
        let slots = self.shared.scans.slots();
        let Scanned { blocks, blocks_pruned, .. } = self.scanned;
        let alone = self.is_alone(blocks, self.began) && blocks + blocks_pruned < ALONE_VISITED_MAX;
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

    /// Whether so many blocks since then are too few for others to help.
    fn is_alone(&self, blocks: u64, since: Duration) -> bool {
        blocks == 0 || blocks < ALONE_QUICK_MAX && self.is_quick(since)
    }

    /// Whether it is so short since then that a helper would hardly be awake.
    fn is_quick(&self, since: Duration) -> bool {
        self.shared.scans.now().saturating_sub(since) < ALONE_TIME
    }

    /// Scans up to `count` sources, from `first` on, with the help of other threads. After an error
    /// those are queued again that were not scanned.
    fn scan_together(&mut self, first: (Rank, usize, Arc<Source>), count: usize) -> Result<()> {
        let (rank, index, source) = first;
        let mut ranks = vec![rank];
        let mut sources = vec![(index, source)];
        while sources.len() < count
            && let Some((_, index)) = self.queue.peek()
            && let Part::Source(source) = &self.parts[*index]
        {
            let source = Arc::clone(source);
            let Some((rank, index)) = self.next_part() else { break };
            ranks.push(rank);
            sources.push((index, source));
        }
        let count = sources.len();
        if count > 1 {
            self.handed_out = count;
        }
        let best = std::mem::replace(&mut self.best, Best::new(0));
        let many = ManySources::new(self.shared, &self.pass, sources, best);
        let done = match count {
            1 => many.run(0),
            _ => self.scan.run_all(Arc::clone(&many) as _, count),
        };
        let (best, scanned, left) = many.take_found();
        self.best = best;
        self.scanned += scanned;
        self.queue.extend(left.into_iter().map(|(item, index)| (ranks[item], index)));
        done
    }
}
