//! What is asked of the engine, and what it answers.

use super::ast::{Bin, Extract, Filter, Query};
use crate::event::{EventId, Kind, Level};
use crate::pool::Reservation;
use crate::timestamp::Timestamp;
use std::sync::Arc;

/// Points in time from `from` (inclusive) to `to` (exclusive); `None` is without bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first point in time wanted.
    pub from: Option<Timestamp>,
    /// The first point in time no longer wanted.
    pub to: Option<Timestamp>,
}

/// The order of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest event first.
    #[default]
    NewestFirst,
    /// The oldest event first.
    OldestFirst,
    /// In the order in which events were stored, whatever their time.
    Arrival,
}

/// A query with stages is asked.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    /// The query as it was typed; a cursor is bound to it.
    pub text: String,
    /// The query, parsed.
    pub query: Query,
    /// When the events happened.
    pub range: TimeRange,
    /// Events at most, if it answers events; at most 10,000. If it is absent, what the query's own
    /// `limit` says, else 100.
    pub limit: Option<usize>,
    /// The order of events that are not sorted.
    pub order: Order,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// What a query with stages answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A page of events.
    Events {
        /// The page.
        page: SearchPage,
        /// Only these fields of each event are wanted, by the names that people type.
        fields: Option<Vec<String>>,
    },
    /// The rows of a table.
    Rows(RowsAnswer),
}

/// The rows of a table.
#[derive(Debug, Clone, Default)]
pub struct RowsAnswer {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// As many cells as there are columns in each.
    pub rows: Vec<Vec<Cell>>,
    /// What the last row is, if it is of all groups that have no row of their own.
    pub other: Option<OtherGroups>,
    /// Of which columns the figures are not exact, and how far.
    pub approximate: Vec<Approximate>,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
    /// That of the rows: it is theirs as long as they are there.
    pub(crate) _memory: Option<Arc<Reservation>>,
}

/// A column whose figures are not exact.
#[derive(Debug, Clone, PartialEq)]
pub struct Approximate {
    /// Its name.
    pub column: String,
    /// How far they are off.
    pub bound: ErrorBound,
}

/// How far a figure is off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErrorBound {
    /// By this part of its value at most.
    Relative(f64),
    /// By this part of its value, as a standard error: two thirds are nearer, one of twenty is off by more
    /// than twice as much.
    Standard(f64),
    /// What has no row may have so many events, and so belong to the rows.
    LeftOut(u64),
}

/// A value and what it is in JSON; `None` if there is none.
pub type Cell = Option<(Kind, Vec<u8>)>;

/// What is done with the events that pass the filter, before they are counted or shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Adds the fields that a text has.
    Extract(Extract),
    /// Adds the step in which a number lies.
    Bin(Bin),
    /// Keeps what passes.
    Where(Filter),
}

/// A page of events is wanted.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The query as it was typed; a cursor is bound to it.
    pub query: String,
    /// The query, parsed.
    pub filter: Filter,
    /// When the events happened.
    pub range: TimeRange,
    /// Events at most; at most 10,000.
    pub limit: usize,
    /// The order.
    pub order: Order,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// A page of events.
#[derive(Debug, Clone, Default)]
pub struct SearchPage {
    /// The events, in the order asked for.
    pub events: Vec<EventRecord>,
    /// Where the next page begins; `None` if there is none.
    pub next_cursor: Option<String>,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
    /// That of the events: it is theirs as long as the page is there.
    pub(crate) _memory: Option<Arc<Reservation>>,
}

/// What a query took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Blocks whose columns were read.
    pub blocks: u64,
    /// Blocks that the time range, the statistics or the filters ruled out.
    pub blocks_pruned: u64,
    /// Rows that the filter was evaluated on.
    pub rows: u64,
}

impl std::ops::AddAssign for Scanned {
    fn add_assign(&mut self, more: Self) {
        self.blocks += more.blocks;
        self.blocks_pruned += more.blocks_pruned;
        self.rows += more.rows;
    }
}

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Its public id.
    pub id: EventId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// How bad it is.
    pub level: Level,
    /// All other fields, by column name (see [`crate::field`]).
    pub fields: Vec<EventField>,
    /// What the decoder kept of how the event was sent (see [`crate::field::AS_SENT`]).
    pub as_sent: Option<EventField>,
}

impl EventRecord {
    /// Adds a field of the event, or what is hidden beside them.
    pub(crate) fn push(&mut self, field: EventField) {
        match crate::field::is_hidden(&field.name) {
            true => self.as_sent = Some(field),
            false => self.fields.push(field),
        }
    }
}

/// A field of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventField {
    /// The column name.
    pub name: Arc<str>,
    /// What the value was in JSON.
    pub kind: Kind,
    /// Its lexeme.
    pub text: Vec<u8>,
}

/// A table is wanted.
#[derive(Debug, Clone)]
pub struct StatsRequest {
    /// The query, parsed.
    pub filter: Filter,
    /// When the events happened.
    pub range: TimeRange,
    /// The fields that group events, by the names that people type; `level` is one.
    pub group_by: Vec<String>,
    /// The width of a time bucket in nanoseconds, above 0; buckets are aligned to the epoch.
    pub interval: Option<i64>,
    /// What to compute of each group besides its count.
    pub aggregates: Vec<Aggregate>,
    /// Only this many groups, those with the highest counts.
    pub top: Option<usize>,
}

/// One figure of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The figure.
    pub function: Function,
    /// The field that it is of, by the name that people type.
    pub field: String,
}

/// A figure of a group. All but [`Function::Count`] and [`Function::Uniq`] are of the values that are
/// numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// The number of events that have the field.
    Count,
    /// The sum.
    Sum,
    /// The mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The value at this rank, in millionths: 950,000 for the 95th percentile.
    Percentile(u32),
    /// The number of different values.
    Uniq,
}

/// A table: one row a group.
#[derive(Debug, Clone, Default)]
pub struct StatsTable {
    /// By time, then by count, greatest first.
    pub rows: Vec<StatsRow>,
    /// What is in none of the rows, because there are more groups than there may be.
    pub other: Option<OtherGroups>,
    /// With `top`: a group that is not in the rows may have so many events, which is more than the last
    /// of them has. `None` if the rows are those with the highest counts.
    pub left_out_max: Option<u64>,
    /// How far each aggregate is off; `None` for those that are exact.
    pub error_bounds: Vec<Option<ErrorBound>>,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
    /// That of the rows: it is theirs as long as the table is there.
    pub(crate) _memory: Option<Arc<Reservation>>,
}

/// The events of all groups that a table does not tell one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherGroups {
    /// Their figures. The value of each field that groups is [`OtherGroups::NAME`]; there is no time.
    pub row: StatsRow,
    /// None of these groups has more events.
    pub group_events_max: u64,
}

impl OtherGroups {
    /// What stands in the place of the values that group.
    pub const NAME: &str = "other";
}

/// A group and its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsRow {
    /// The start of the time bucket, if an interval was asked for.
    pub time: Option<Timestamp>,
    /// The value of each `group_by` field; `None` for events without it.
    pub group: Vec<Option<(Kind, Vec<u8>)>>,
    /// The number of events.
    pub count: u64,
    /// The value of each aggregate; `None` if no event had a number there.
    pub values: Vec<Option<f64>>,
}

impl StatsRow {
    /// The row of a table without groups in which no event is.
    pub(crate) fn of_nothing(request: &StatsRequest) -> Self {
        let value = |aggregate: &Aggregate| match aggregate.function {
            Function::Count | Function::Uniq => Some(0.0),
            _ => None,
        };
        let values = request.aggregates.iter().map(value).collect();
        Self { time: None, group: Vec::new(), count: 0, values }
    }
}
