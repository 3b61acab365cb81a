//! `GET /api/v1/logs`: a page of events.

use super::hints::hints;
use super::query::{meta, parse_filter, parse_range};
use super::querying::{self, Writing, Written};
use super::{Call, Outcome};
use crate::status::ApiError;
use logstrata_client::wire::{self, SearchQuery};
use logstrata_engine::io::Clock;
use logstrata_engine::query::{Order, SearchRequest};
use logstrata_engine::{Control, Engine};

const LIMIT_DEFAULT: usize = 100;
/// Events of a page at most.
const LIMIT_MAX: usize = 10_000;

pub(super) async fn get(call: Call) -> Outcome {
    let params = call.params(SearchQuery::PARAMETERS)?;
    let owned = |name: &str| params.get(name).map(str::to_owned);
    let query = SearchQuery {
        q: owned("q").unwrap_or_default(),
        from: owned("from"),
        to: owned("to"),
        limit: params.number("limit", 1, LIMIT_MAX)?,
        order: owned("order"),
        cursor: owned("cursor"),
        timeout: owned("timeout"),
    };
    querying::run(&call.state, params.get("timeout"), move |state, control| {
        Ok(answer(&state.engine, &*state.clock, &query, control)?.into_answer())
    })
    .await
}

/// Answers a query with a [`wire::SearchAnswer`] in JSON.
pub(crate) fn answer(
    engine: &Engine,
    clock: &dyn Clock,
    query: &SearchQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    let order = match query.order.as_deref() {
        None | Some("desc") => Order::NewestFirst,
        Some("asc") => Order::OldestFirst,
        Some(_) => return Err(ApiError::invalid("order has to be desc or asc")),
    };
    let request = SearchRequest {
        filter: parse_filter(&query.q)?,
        query: query.q.clone(),
        range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
        limit: query.limit.unwrap_or(LIMIT_DEFAULT),
        order,
        cursor: query.cursor.clone(),
    };
    let page = engine.search_with(&request, control)?;
    let mut warnings = page.warnings;
    warnings.extend(hints(&request.filter, page.events.is_empty()));
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(took, warnings, request.range, page.scanned);
    let mut writing = Writing::new(engine)?;
    let write = |event: usize, out: &mut Vec<u8>| {
        writing.item(out, |out| page.events[event].write_json(out));
    };
    let next_cursor = page.next_cursor.as_deref();
    let body = wire::write_search_answer(page.events.len(), write, next_cursor, &meta);
    writing.end(body)
}
