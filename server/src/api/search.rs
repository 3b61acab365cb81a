//! `GET /api/v1/logs`, `POST /api/v1/logs/search`: a page of events, or the rows of a table if the query ends in one.

use super::hints::hints;
use super::query::{meta, parse_range, parse_stages};
use super::querying::{self, Writing, Written};
use super::stats::write_string;
use super::{Call, Outcome, inexact};
use crate::status::ApiError;
use logstrata_client::wire::{self, SearchQuery};
use logstrata_engine::io::Clock;
use logstrata_engine::query::{
    Answer, Cell, EventRecord, Order, QueryRequest, RowsAnswer, SearchPage,
};
use logstrata_engine::{Control, Engine, Kind};

/// Events of a page at most.
pub(crate) const LIMIT_MAX: usize = 10_000;

pub(super) async fn get(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(SearchQuery::PARAMETERS).await?;
    let query = SearchQuery {
        limit: params.number("limit", 1, LIMIT_MAX)?,
        ..SearchQuery::of_texts(|name| params.text(name))
    };
    querying::run(&state, &params, move |state, control| {
        Ok(answer(&state.engine, &*state.clock, &query, control)?.into_answer())
    })
    .await
}

/// Answers a query with a [`wire::SearchAnswer`] or a [`wire::StatsAnswer`] in JSON.
pub(crate) fn answer(
    engine: &Engine,
    clock: &dyn Clock,
    query: &SearchQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    let order = parse_order(query.order.as_deref())?;
    let request = QueryRequest {
        query: parse_stages(&query.q)?,
        text: query.q.clone(),
        range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
        limit: query.limit,
        order,
        cursor: query.cursor.clone(),
    };
    let wrong = |error| ApiError::from(error).in_query(&query.q);
    let answer = engine.query_with(&request, control).map_err(wrong)?;
    let (found, more, scanned) = match &answer {
        Answer::Events { page, .. } => (page.events.len(), &page.warnings, page.scanned),
        Answer::Rows(rows) => (rows.rows.len(), &rows.warnings, rows.scanned),
    };
    let mut warnings = more.clone();
    if matches!(answer, Answer::Rows(_)) {
        warnings.extend(unused_by_tables(query));
    }
    warnings.extend(hints(&query.q, &request.query.filter, found == 0));
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(control, took, found, warnings, request.range, scanned);
    match answer {
        Answer::Events { page, fields } => write_page(engine, &page, fields.as_deref(), &meta),
        Answer::Rows(rows) => write_rows(engine, &rows, &meta),
    }
}

/// The parameters that a table has no use for.
fn unused_by_tables(query: &SearchQuery) -> Option<String> {
    let given = [
        ("limit", query.limit.is_some()),
        ("order", query.order.is_some()),
        ("cursor", query.cursor.is_some()),
    ];
    let names: Vec<&str> =
        given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect();
    let names = names.join(", ");
    (!names.is_empty()).then(|| {
        format!(
            "the table takes no {names}: its rows are taken and ordered by `| limit` and `| sort`"
        )
    })
}

/// The parameter `order`.
pub(crate) fn parse_order(order: Option<&str>) -> Result<Order, ApiError> {
    match order {
        None | Some("desc") => Ok(Order::NewestFirst),
        Some("asc") => Ok(Order::OldestFirst),
        Some(_) => Err(ApiError::invalid("order has to be desc or asc")),
    }
}

fn write_page(
    engine: &Engine,
    page: &SearchPage,
    fields: Option<&[String]>,
    meta: &wire::QueryMeta,
) -> Result<Written, ApiError> {
    let mut writing = Writing::new(engine)?;
    let one = |event: &EventRecord, out: &mut Vec<u8>| match fields {
        None => event.write_json(out),
        Some(names) => event.write_json_of(names, out),
    };
    let write = |event: usize, out: &mut Vec<u8>| {
        writing.item(out, |out| one(&page.events[event], out));
    };
    let next_cursor = page.next_cursor.as_deref();
    let body = wire::write_search_answer(page.events.len(), write, next_cursor, meta);
    writing.end(body)
}

fn write_rows(
    engine: &Engine,
    answer: &RowsAnswer,
    meta: &wire::QueryMeta,
) -> Result<Written, ApiError> {
    let mut writing = Writing::new(engine)?;
    let write = |row: usize, out: &mut Vec<u8>| {
        writing.item(out, |out| write_row(&answer.columns, &answer.rows[row], out));
    };
    let columns = answer.approximate.iter();
    let inexact = wire::Inexact {
        other: inexact::other(answer.other.as_ref()),
        approximate: columns.map(|one| inexact::approximate(&one.column, one.bound)).collect(),
    };
    let body = wire::write_stats_answer(answer.rows.len(), write, &inexact, meta);
    writing.end(body)
}

/// Appends a row as a JSON object.
pub(crate) fn write_row(columns: &[String], cells: &[Cell], out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, cell)) in columns.iter().zip(cells).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_cell(cell.as_ref(), out);
    }
    out.push(b'}');
}

/// Appends a value as it was sent.
pub(super) fn write_cell(cell: Option<&(Kind, Vec<u8>)>, out: &mut Vec<u8>) {
    match cell {
        None => out.extend_from_slice(b"null"),
        Some((Kind::String, text)) => write_string(&String::from_utf8_lossy(text), out),
        // The other kinds' lexemes are JSON already.
        Some((_, text)) => out.extend_from_slice(text),
    }
}
