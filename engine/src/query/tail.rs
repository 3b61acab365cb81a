//! A query that is followed: the events that pass it, in the order in which they are stored, piece
//! by piece.
//!
//! - `F1` a piece has every event that passes between two sequence numbers, each once: what is visible
//!   is a prefix of the log, so nothing can appear behind a position that was reached.
//! - `F2` a piece holds a snapshot while it is read and not longer, looks at a bounded stretch of the
//!   log, and has a bounded number of events and bytes, one event apart.

use super::ast::{Filter, Query};
use super::filter::Plan;
use super::request::{EventRecord, Step, TimeRange};
use super::search::{Arrivals, arrivals};
use super::selection::Selection;
use super::steps::Steps;
use super::table::{Source, Table, in_file, in_memory};
use super::{names, pipe};
use crate::engine::Shared;
use crate::error::Result;
use crate::event::Seq;
use crate::index::BlockIndex;
use crate::pool::{Consumer, Reservation};
use crate::scan::Control;
use std::sync::Arc;

/// Events of a piece at most.
const PIECE_EVENTS_MAX: usize = 2_000;
/// What they may take, one event apart.
const PIECE_BYTES_MAX: usize = 1 << 20;
/// Sequence numbers that a piece looks at, at most: about a hundred blocks.
const PIECE_SEQS_MAX: u64 = 1 << 20;

/// A query that can be followed: it filters and computes, event by event.
#[derive(Debug, Clone, Default)]
pub struct TailQuery {
    pub(super) filter: Filter,
    pub(super) steps: Vec<Step>,
    pub(super) fields: Option<Vec<String>>,
}

/// What was stored behind a position, up to another.
#[derive(Debug)]
pub struct TailPiece {
    /// The events that pass, in the order in which they were stored.
    pub events: Vec<EventRecord>,
    /// Everything up to here has been looked at: the next piece begins behind it.
    pub through: Seq,
    /// The last event that was visible then: if it is `through`, there was nothing more.
    pub visible: Seq,
    _memory: Option<Reservation>,
}

impl TailQuery {
    /// What of a query can be followed.
    ///
    /// # Errors
    /// `Invalid`, with the place, for stages that need all events: tables, `sort` and `limit`.
    pub fn new(query: &Query) -> Result<Self> {
        pipe::followed(query)
    }

    /// Only these fields of each event are wanted, by the names that people type.
    pub fn fields(&self) -> Option<&[String]> {
        self.fields.as_deref()
    }
}

/// What may surprise whoever follows it.
pub(crate) fn tail_warnings(shared: &Shared, query: &TailQuery) -> Vec<String> {
    names::warnings(&shared.snapshot(), &query.filter, &[])
}

/// The first events behind a position.
pub(crate) fn tail(
    shared: &Arc<Shared>,
    query: &TailQuery,
    after: Seq,
    control: &Control,
) -> Result<TailPiece> {
    let snapshot = shared.snapshot();
    let visible = snapshot.as_of;
    let through = end_of_piece(after, visible);
    if through <= after {
        return Ok(TailPiece { events: Vec::new(), through: after, visible, _memory: None });
    }
    let TailQuery { filter, steps, .. } = query;
    let (limit, bytes_max) = (PIECE_EVENTS_MAX, PIECE_BYTES_MAX);
    let wanted = Arrivals { filter, steps, after, through, limit, bytes_max };
    let (events, more, memory) = arrivals(shared, &snapshot, wanted, control)?;
    let through = events.last().filter(|_| more).map_or(through, |last| last.id.seq());
    Ok(TailPiece { events, through, visible, _memory: Some(memory) })
}

/// How many events pass behind a position, up to another.
pub(crate) fn count_between(
    shared: &Arc<Shared>,
    query: &TailQuery,
    after: Seq,
    through: Seq,
    control: &Control,
) -> Result<u64> {
    let (mut count, mut from) = (0, after);
    while from < through {
        let to = end_of_piece(from, through);
        count += count_piece(shared, query, (from.0 + 1, to.0), control)?;
        from = to;
    }
    Ok(count)
}

fn end_of_piece(after: Seq, last: Seq) -> Seq {
    last.min(Seq(after.0.saturating_add(PIECE_SEQS_MAX)))
}

fn count_piece(
    shared: &Arc<Shared>,
    query: &TailQuery,
    seqs: (u64, u64),
    control: &Control,
) -> Result<u64> {
    let snapshot = shared.snapshot();
    let mut scan = shared.scans.enter(control);
    let interrupt = shared.scans.interrupt(control);
    let steps = Steps::new(&query.steps).of_query(None, &interrupt);
    let plan = Plan::of_query(&query.filter, None, interrupt);
    let mut count = 0;
    let mut add = |source: &Source| -> Result<()> {
        scan.item()?;
        let Some(known) = source.admit(&plan, shared)? else { return Ok(()) };
        let _memory = shared.pool.reserve(Consumer::Query, source.bytes)?;
        let opened = source.open(shared)?;
        count += opened.with_table(shared, |table| count_in(table, &plan, &known, &steps, seqs))?;
        Ok(())
    };
    in_memory(&snapshot, TimeRange::default(), seqs).iter().try_for_each(&mut add)?;
    let files = snapshot.files.iter();
    for file in files.filter(|f| f.meta.seqs.start <= seqs.1 && f.meta.seqs.end > seqs.0) {
        let sources = in_file(shared, file, TimeRange::default(), Some(&plan), &mut 0)?;
        let mut among = sources.iter().filter(|s| s.seqs.0 <= seqs.1 && s.seqs.1 >= seqs.0);
        among.try_for_each(&mut add)?;
    }
    Ok(count)
}

fn count_in(
    table: &dyn Table,
    plan: &Plan,
    known: &BlockIndex,
    steps: &Steps,
    (first, last): (u64, u64),
) -> Result<u64> {
    let all = table.seqs()?;
    let among = Selection::from_fn(table.rows(), |row| (first..=last).contains(&all[row]));
    let mut passing = plan.evaluate(table, known, among)?;
    if !steps.is_empty() && !passing.is_empty() {
        passing = steps.run(table, passing)?.1;
    }
    Ok(passing.count() as u64)
}
