//! A query with stages: what of it is a search, what a table, and what is done with a table's rows.
//!
//! Filters and computed fields run where the rows are ([`Steps`]); `stats`, `top` and `uniq` are a table;
//! what stands behind these works on its rows, of which there are few.

mod behind;
mod export;
mod lower;
mod sheet;
mod sorted;

use super::ast::{Filter, Query, StageKind};
use super::cursor::Cursor;
use super::request::{Answer, QueryRequest, SearchRequest, Step};
use super::steps::Steps;
use super::tail::TailQuery;
use super::{explain, search, stats};
use crate::engine::Shared;
use crate::error::Result;
use crate::limits::PAGE_ROWS_MAX;
use crate::scan::Control;
use behind::Behind;
pub use export::Export;
pub(crate) use export::begin as begin_export;
use lower::{Events, Lowered, lower};
use std::sync::Arc;

/// Events of a page that nothing says the length of.
const LIMIT_DEFAULT: usize = 100;

/// A query without what needs all its events.
pub(super) fn followed(query: &Query) -> Result<TailQuery> {
    for stage in &query.stages {
        if stage.kind.is_of_one_event() || matches!(stage.kind, StageKind::Fields(_)) {
            continue;
        }
        let message = format!(
            "a tail has no end, so `{}` would never be done: it takes where, extract and fields",
            stage.kind.name()
        );
        return Err(lower::error(&stage.span, message));
    }
    match lower(query, PAGE_ROWS_MAX)? {
        Lowered::Events(Events { filter, steps, fields, .. }) => {
            Ok(TailQuery { filter, steps, fields })
        }
        Lowered::Table(_) => unreachable!("tables were refused"),
    }
}

/// The events that a query wants: what passes the filter, and what is done to it then.
///
/// # Errors
/// `Invalid` for stages other than `where` and `extract`, with the place.
pub fn events_of(query: &Query) -> Result<(Filter, Vec<Step>)> {
    if let Some(stage) = query.stages.iter().find(|stage| !stage.kind.is_of_one_event()) {
        let message = format!("`{}` is not of one event", stage.kind.name());
        return Err(lower::error(&stage.span, message));
    }
    match lower(query, PAGE_ROWS_MAX)? {
        Lowered::Events(Events { filter, steps, .. }) => Ok((filter, steps)),
        Lowered::Table(_) => unreachable!("tables were refused"),
    }
}

/// What a query with stages answers.
pub(crate) fn run(
    shared: &Arc<Shared>,
    request: &QueryRequest,
    control: &Control,
) -> Result<Answer> {
    let Query { filter, stages } = &request.query;
    explain::tell(control, filter, request.range, || explain::written(stages));
    match lower(&request.query, PAGE_ROWS_MAX)? {
        Lowered::Events(events) => {
            let steps = Steps::new(&events.steps);
            let mut search = SearchRequest {
                query: request.text.clone(),
                filter: events.filter,
                range: request.range,
                limit: 0,
                order: request.order,
                cursor: request.cursor.clone(),
            };
            let left = left_of(shared, &search, events.limit)?;
            search.limit =
                [left, request.limit].into_iter().flatten().min().unwrap_or(LIMIT_DEFAULT);
            let mut page = match events.sort.is_empty() {
                true => search::search(shared, &search, steps, control)?,
                false => sorted::sorted(shared, &search, &events.sort, steps, control)?.0,
            };
            if let (Some(left), Some(next)) = (left, &page.next_cursor) {
                let left = left.saturating_sub(page.events.len());
                let cursor = Cursor::decode(next, &search, shared.incarnation)?;
                let cursor = Cursor { left: Some(left as u64), ..cursor };
                page.next_cursor = (left > 0).then(|| cursor.encode());
            }
            Ok(Answer::Events { page, fields: events.fields })
        }
        Lowered::Table(table) => {
            let (steps, behind) = (Steps::new(&table.steps), Behind::new(shared, control));
            let found = stats::stats(shared, &table.request(request.range), steps, control)?;
            table.finish(found, &behind).map(Answer::Rows)
        }
    }
}

/// The events that are still to be shown of those that the query's own `limit` asks for.
fn left_of(shared: &Shared, search: &SearchRequest, limit: Option<usize>) -> Result<Option<usize>> {
    let (Some(limit), Some(text)) = (limit, &search.cursor) else { return Ok(limit) };
    let left = Cursor::decode(text, search, shared.incarnation)?.left;
    Ok(Some(left.map_or(limit, |left| limit.min(usize::try_from(left).unwrap_or(usize::MAX)))))
}
