//! What is asked of the engine, and what it answers.

use super::ast::Filter;
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

/// A figure of a group. All but [`Function::Uniq`] are of the values that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// The sum.
    Sum,
    /// The mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The value at this rank, in per cent: 50, 95 or 99.
    Percentile(u8),
    /// The number of different values.
    Uniq,
}

/// A table: one row a group.
#[derive(Debug, Clone, Default)]
pub struct StatsTable {
    /// By time, then by count, greatest first.
    pub rows: Vec<StatsRow>,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
    /// That of the rows: it is theirs as long as the table is there.
    pub(crate) _memory: Option<Arc<Reservation>>,
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
