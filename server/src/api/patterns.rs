//! `GET` and `POST /api/v1/logs/patterns`: the sentences with holes behind a result.

use super::hints::hints;
use super::query::{meta, parse_range, parse_wanted};
use super::querying::{self, Writing, Written};
use super::stats::write_string;
use super::{Call, Outcome};
use crate::status::ApiError;
use logstrata_client::wire::{self, PatternsQuery};
use logstrata_engine::io::Clock;
use logstrata_engine::query::{Pattern, PatternsRequest};
use logstrata_engine::{Control, Engine};

/// Patterns that are listed if nothing says how many.
pub(crate) const LIMIT_DEFAULT: usize = 100;
/// Patterns that are listed at most.
pub(crate) const LIMIT_MAX: usize = 1_000;

pub(super) async fn get(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(PatternsQuery::PARAMETERS).await?;
    let query = PatternsQuery {
        limit: params.number("limit", 1, LIMIT_MAX)?,
        ..PatternsQuery::of_texts(|name| params.text(name))
    };
    querying::run(&state, &params, move |state, control| {
        Ok(answer(&state.engine, &*state.clock, &query, control)?.into_answer())
    })
    .await
}

/// Answers a query with a [`wire::PatternsAnswer`] in JSON.
pub(crate) fn answer(
    engine: &Engine,
    clock: &dyn Clock,
    query: &PatternsQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    let now = clock.now();
    let compare = match (query.compare_from.as_deref(), query.compare_to.as_deref()) {
        (None, None) => None,
        (from, to) => Some(parse_range(from, to, now).map_err(|error| {
            ApiError::invalid(format!("of the range to compare with: {}", error.detail().message))
        })?),
    };
    let (filter, steps) = parse_wanted(&query.q)?;
    let request = PatternsRequest {
        filter,
        steps,
        range: parse_range(query.from.as_deref(), query.to.as_deref(), now)?,
        compare,
        limit: query.limit.unwrap_or(LIMIT_DEFAULT),
    };
    let found = engine.patterns_with(&request, control)?;
    // What was not looked at may have it.
    let compares = match (compare, control.account.is_whole()) {
        (None, _) => Compares::No,
        (Some(_), true) => Compares::Yes,
        (Some(_), false) => Compares::InPart,
    };
    let mut warnings = found.warnings;
    warnings.extend(hints(&query.q, &request.filter, found.events == 0));
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(control, took, found.patterns.len(), warnings, request.range, found.scanned);
    let listed: Vec<(&Pattern, bool)> = found
        .patterns
        .iter()
        .map(|pattern| (pattern, false))
        .chain(found.other.iter().map(|other| (other, true)))
        .collect();
    let mut writing = Writing::new(engine)?;
    let write = |index: usize, out: &mut Vec<u8>| {
        let (pattern, is_other) = listed[index];
        writing.item(out, |out| {
            write_pattern(pattern, is_other, found.events, compares, out);
        });
    };
    let totals = (found.events, found.without_message);
    let body = wire::write_patterns_answer(listed.len(), write, totals, &meta);
    writing.end(body)
}

/// Whether patterns are compared with those of another range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compares {
    No,
    Yes,
    /// Not all events were counted.
    InPart,
}

/// Appends a pattern as a JSON object.
fn write_pattern(
    pattern: &Pattern,
    is_other: bool,
    events: u64,
    compares: Compares,
    out: &mut Vec<u8>,
) {
    let share = if events == 0 { 0.0 } else { pattern.count as f64 / events as f64 };
    out.extend_from_slice(b"{\"pattern\":");
    write_string(&pattern.text, out);
    // With four digits behind the point.
    let share = (share * 1e4).round() / 1e4;
    out.extend_from_slice(format!(",\"count\":{},\"share\":{share}", pattern.count).as_bytes());
    if is_other {
        out.extend_from_slice(b",\"other\":true");
    }
    if compares != Compares::No {
        let is_known = compares == Compares::Yes && !is_other;
        let change = match (pattern.count, pattern.before) {
            (1.., 0) if is_known => "\"new\"",
            (0, 1..) if is_known => "\"gone\"",
            _ => "null",
        };
        let before = pattern.before;
        out.extend_from_slice(format!(",\"before\":{before},\"change\":{change}").as_bytes());
    }
    if let (Some(first), Some(last)) = (pattern.first, pattern.last) {
        out.extend_from_slice(format!(",\"first\":\"{first}\",\"last\":\"{last}\"").as_bytes());
    }
    if let Some(id) = pattern.example_id {
        out.extend_from_slice(format!(",\"example\":{{\"id\":\"{id}\",\"message\":").as_bytes());
        write_string(&String::from_utf8_lossy(&pattern.example), out);
        out.push(b'}');
    }
    let trend = pattern.trend.map(|count| count.to_string());
    out.extend_from_slice(format!(",\"trend\":[{}]}}", trend.join(",")).as_bytes());
}
