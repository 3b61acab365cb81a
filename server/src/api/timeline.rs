//! `GET /api/v1/logs/trace/{trace_id}`, `/logs/correlation/{id}`, `/logs/resource/{id}`: all events of
//! something, the oldest first.

use super::context::push_events;
use super::params::Params;
use super::query::{meta, parse_range};
use super::querying::{self, Writing, Written};
use super::{Call, Outcome};
use crate::status::ApiError;
use logstrata_client::wire::{self, SpanFacts, TimelineQuery, TraceTail};
use logstrata_engine::io::Clock;
use logstrata_engine::query::ast::{Field, Filter, Leaf, Test};
use logstrata_engine::query::{Order, SearchRequest, Span, Spans};
use logstrata_engine::{Control, Engine, Level};

/// Events of a page if nothing is said of them.
pub(crate) const LIMIT_DEFAULT: usize = 1_000;
/// Events of a page at most.
pub(crate) const LIMIT_MAX: usize = 10_000;
/// What may be said of the timeline of a resource: its type, too.
pub(super) const RESOURCE_PARAMETERS: &[&str] =
    &["from", "to", "limit", "cursor", "timeout", "partial", "tier", "type"];
/// Spans within each other: readers of JSON bound how deep it nests, at 128 for example, and a span
/// takes two levels.
const DEPTH_MAX: usize = 48;

pub(super) async fn trace(call: Call) -> Outcome {
    let (id, params, query) = asked(&call, TimelineQuery::PARAMETERS)?;
    querying::run(&call.state, &params, move |state, control| {
        Ok(trace_answer(&state.engine, &*state.clock, &id, &query, control)?.into_answer())
    })
    .await
}

pub(super) async fn correlation(call: Call) -> Outcome {
    let (id, params, query) = asked(&call, TimelineQuery::PARAMETERS)?;
    querying::run(&call.state, &params, move |state, control| {
        let fields = [("correlation_id", id.as_str())];
        Ok(page(&state.engine, &*state.clock, &fields, &query, control)?.into_answer())
    })
    .await
}

pub(super) async fn resource(call: Call) -> Outcome {
    let (id, params, query) = asked(&call, RESOURCE_PARAMETERS)?;
    let kind = params.text("type");
    querying::run(&call.state, &params, move |state, control| {
        let mut fields = vec![("resource_id", id.as_str())];
        fields.extend(kind.as_deref().map(|kind| ("resource_type", kind)));
        Ok(page(&state.engine, &*state.clock, &fields, &query, control)?.into_answer())
    })
    .await
}

fn asked(
    call: &Call,
    known: &'static [&'static str],
) -> Result<(String, Params, TimelineQuery), ApiError> {
    let params = call.params(known)?;
    let query = TimelineQuery {
        limit: params.number("limit", 1, LIMIT_MAX)?,
        ..TimelineQuery::of_texts(|name| params.text(name))
    };
    Ok((call.segment()?, params, query))
}

/// The events that have these values, as `field:"value"` has them.
fn request(
    fields: &[(&str, &str)],
    query: &TimelineQuery,
    clock: &dyn Clock,
) -> Result<SearchRequest, ApiError> {
    let leaf = |(name, value): &(&str, &str)| {
        let field = Some(Field { name: (*name).to_owned(), span: 0..0 });
        Filter::Leaf(Leaf { field, test: Test::Text((*value).to_owned()), span: 0..0 })
    };
    let mut parts: Vec<Filter> = fields.iter().map(leaf).collect();
    let filter = if parts.len() == 1 { parts.swap_remove(0) } else { Filter::And(parts) };
    let named = fields.iter().map(|(name, value)| format!("{name}:{value:?}"));
    Ok(SearchRequest {
        query: named.collect::<Vec<_>>().join(" "),
        filter,
        range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
        limit: query.limit.unwrap_or(LIMIT_DEFAULT),
        order: Order::OldestFirst,
        cursor: query.cursor.clone(),
    })
}

/// Answers with a page of events, a [`wire::SearchAnswer`], in JSON.
fn page(
    engine: &Engine,
    clock: &dyn Clock,
    fields: &[(&str, &str)],
    query: &TimelineQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    let request = request(fields, query, clock)?;
    let page = engine.search_with(&request, control)?;
    let took = clock.monotonic().saturating_sub(began);
    let meta =
        meta(control, took, page.events.len(), page.warnings.clone(), request.range, page.scanned);
    let mut writing = Writing::new(engine)?;
    let write = |event: usize, out: &mut Vec<u8>| {
        writing.item(out, |out| page.events[event].write_json(out));
    };
    let next_cursor = page.next_cursor.as_deref();
    let body = wire::write_search_answer(page.events.len(), write, next_cursor, &meta);
    writing.end(body)
}

/// Answers with a [`wire::TraceAnswer`] in JSON.
pub(crate) fn trace_answer(
    engine: &Engine,
    clock: &dyn Clock,
    id: &str,
    query: &TimelineQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    let request = request(&[("trace_id", id)], query, clock)?;
    let found = engine.trace_with(&request, control)?;
    let (page, spans) = (&found.page, found.spans.as_ref());
    let took = clock.monotonic().saturating_sub(began);
    let meta =
        meta(control, took, page.events.len(), page.warnings.clone(), request.range, page.scanned);
    let mut writing = Writing::new(engine)?;
    let mut out = Vec::new();
    out.extend_from_slice(b"{\"logs\":");
    push_events(&mut writing, &mut out, &page.events);
    out.extend_from_slice(b",\"spans\":");
    match spans {
        Some(spans) => push_tree(&mut writing, &mut out, spans),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b',');
    let tail = TraceTail {
        next_cursor: page.next_cursor.as_deref(),
        events: spans.map(|spans| spans.events),
        events_outside_spans: spans.map(|spans| spans.events_outside),
        meta: &meta,
    };
    wire::push_members(&mut out, &tail);
    writing.end(out)
}

/// Appends the spans as a list of [`wire::SpanNode`]. Each stands behind its parent: what is open is
/// ended down to the depth of the next.
fn push_tree(writing: &mut Writing, out: &mut Vec<u8>, spans: &Spans) {
    let mut open = 0;
    let mut is_first = true;
    out.push(b'[');
    for span in &spans.spans {
        let depth = span.depth.min(DEPTH_MAX);
        writing.item(out, |out| {
            while open > depth {
                out.extend_from_slice(b"]}");
                (open, is_first) = (open - 1, false);
            }
            if !is_first {
                out.push(b',');
            }
            let facts = serde_json::to_vec(&facts(span)).expect("plain values always serialize");
            out.extend_from_slice(facts.strip_suffix(b"}").expect("a struct is an object"));
            out.extend_from_slice(b",\"children\":[");
            (open, is_first) = (open + 1, true);
        });
    }
    out.extend(b"]}".repeat(open));
    out.push(b']');
}

fn facts(span: &Span) -> SpanFacts {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let levels = Level::ALL.iter().zip(span.levels).filter(|(_, count)| *count > 0);
    SpanFacts {
        span_id: text(&span.id),
        parent_span_id: span.parent.as_ref().map(text),
        depth: span.depth,
        start: span.start.to_string(),
        end: span.end.to_string(),
        duration_ms: span.end.0.abs_diff(span.start.0) as f64 / 1e6,
        count: span.levels.iter().sum(),
        levels: levels.map(|(level, count)| (level.name().to_owned(), count)).collect(),
        services: span.services.iter().map(text).collect(),
        orphan: span.is_orphan,
        circle: span.is_in_circle,
    }
}
