//! What stood around an event: its neighbours in the order of time, then of sequence numbers.
//!
//! Two searches that begin at the event, each in its direction: neither looks further than its page
//! needs.

use super::ast::{Field, Filter, Leaf, Test};
use super::cursor::Cursor;
use super::request::{EventRecord, Order, Scanned, SearchPage, SearchRequest, TimeRange};
use super::search;
use super::steps::Steps;
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::event::{EventId, Kind, Seq};
use crate::field;
use crate::limits::{NEIGHBOURS_MAX, QUERY_NAMES_MAX};
use crate::pool::Reservation;
use crate::scan::Control;
use std::sync::Arc;

/// The neighbours of an event are wanted.
#[derive(Debug, Clone)]
pub struct ContextRequest {
    /// The event.
    pub id: EventId,
    /// So many before it; at most 1,000.
    pub before: usize,
    /// So many after it; at most 1,000.
    pub after: usize,
    /// Only events that have the same values of these fields as the event, or as it have none; by the
    /// names that people type.
    pub same: Vec<String>,
}

/// An event and its neighbours.
#[derive(Debug, Clone)]
pub struct Context {
    /// Those before it, the oldest first: the last is next to it.
    pub before: Vec<EventRecord>,
    /// The event.
    pub event: EventRecord,
    /// Those after it, the oldest first: the first is next to it.
    pub after: Vec<EventRecord>,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
    /// That of the events: it is theirs as long as they are there.
    pub(crate) _memory: Vec<Arc<Reservation>>,
}

/// An event and its neighbours; `None` if there is no event of this id.
pub(crate) fn context(
    shared: &Arc<Shared>,
    request: &ContextRequest,
    control: &Control,
) -> Result<Option<Context>> {
    let began = shared.scans.now();
    let Some(event) = search::get(shared, request.id, &control.whole())? else { return Ok(None) };
    let filter = same_as(&event, &request.same)?;
    let mut context = Context {
        before: Vec::new(),
        event,
        after: Vec::new(),
        warnings: Vec::new(),
        scanned: Scanned::default(),
        _memory: Vec::new(),
    };
    let mut neighbours = |order, limit: usize| -> Result<Vec<EventRecord>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let limit = limit.min(NEIGHBOURS_MAX);
        let search = SearchRequest {
            query: String::new(),
            filter: filter.clone(),
            range: TimeRange::default(),
            limit,
            order,
            cursor: None,
        };
        let cursor = Cursor {
            query: 0,
            range: TimeRange::default(),
            // Whatever the search's snapshot has.
            as_of: Seq(u64::MAX),
            incarnation: shared.incarnation,
            timestamp: context.event.timestamp,
            seq: context.event.id.seq(),
            left: None,
        };
        let left = control.after(shared.scans.now().saturating_sub(began));
        let found = search::search_from(shared, &search, Some(cursor), Steps::default(), &left);
        let page = match found {
            Ok(page) => page,
            Err(error) => {
                // The event itself is there, and maybe its other side.
                control.excuses().excuse(error)?;
                return Ok(Vec::new());
            }
        };
        let SearchPage { events, next_cursor, warnings, scanned, _memory } = page;
        context.scanned += scanned;
        context._memory.extend(_memory);
        if context.warnings.is_empty() {
            context.warnings = warnings;
        }
        if next_cursor.is_some() && events.len() < limit && control.account.is_whole() {
            context.warnings.push(format!(
                "only {} of {limit} neighbours on one side: these have the size that an answer may have",
                events.len()
            ));
        }
        Ok(events)
    };
    let mut before = neighbours(Order::NewestFirst, request.before)?;
    before.reverse();
    let after = neighbours(Order::OldestFirst, request.after)?;
    Ok(Some(Context { before, after, ..context }))
}

/// What only events pass that have the same values of these fields as this one.
fn same_as(event: &EventRecord, names: &[String]) -> Result<Filter> {
    if names.len() > QUERY_NAMES_MAX {
        return Err(Error::invalid(format!("same: at most {QUERY_NAMES_MAX} fields")));
    }
    let mut parts = names.iter().map(|name| same_field(event, name)).collect::<Result<Vec<_>>>()?;
    Ok(match parts.len() {
        0 => Filter::All,
        1 => parts.swap_remove(0),
        _ => Filter::And(parts),
    })
}

fn same_field(event: &EventRecord, name: &str) -> Result<Filter> {
    let leaf = |test| {
        let field = Some(Field { name: name.to_owned(), span: 0..0 });
        Filter::Leaf(Leaf { field, test, span: 0..0 })
    };
    if name == "level" {
        return Ok(leaf(Test::Same(event.level.name().to_owned())));
    }
    if name == "timestamp" {
        return Err(Error::invalid("same: the timestamp is what neighbours are ordered by"));
    }
    // An attribute that was sent as `id` is kept as `_id`: `id` is the event's own.
    let column = if name == "id" { "_id" } else { name };
    let named = event.fields.iter().filter(|other| field::is_called(&other.name, column));
    let Some(value) = named.min_by(|a, b| a.name.cmp(&b.name)) else {
        return Ok(Filter::Not(Box::new(leaf(Test::Exists))));
    };
    let is_list = value.kind == Kind::Json;
    match std::str::from_utf8(&value.text) {
        Ok(text) if !is_list => Ok(leaf(Test::Same(text.to_owned()))),
        _ => Err(Error::invalid(format!(
            "same: the event's `{name}` is {}, which other events can't be compared with",
            if is_list { "an array or an object" } else { "not UTF-8" }
        ))),
    }
}
