//! What searches and statistics share: the query text, the time range, the answer's figures.

use super::hints::translate_levels;
use super::plan::plan_of;
use crate::ingest::parse_query_time;
use crate::status::ApiError;
use logstrata_client::wire;
use logstrata_engine::query::ast::{Filter, Query, StageKind};
use logstrata_engine::query::{
    Scanned, Step, SyntaxError, TimeRange, events_of, parse_events, parse_query,
};
use logstrata_engine::{Control, Effort, Gap, Reads, Timestamp};
use std::time::Duration;

/// The longest query text, in bytes.
const QUERY_BYTES_MAX: usize = 64 << 10;

/// Parses a query that wants events: a filter, and what is done to each that passes it.
///
/// # Errors
/// `Invalid` with the place in the text, also for stages of all events.
pub(crate) fn parse_wanted(text: &str) -> Result<(Filter, Vec<Step>), ApiError> {
    let mut query = parsed(text, parse_events)?;
    translate_levels_of(&mut query);
    events_of(&query).map_err(|error| ApiError::from(error).in_query(text))
}

/// Parses a query with the stages behind its pipes.
///
/// # Errors
/// `Invalid` with the place in the text.
pub(crate) fn parse_stages(text: &str) -> Result<Query, ApiError> {
    let mut query = parsed(text, parse_query)?;
    translate_levels_of(&mut query);
    Ok(query)
}

fn translate_levels_of(query: &mut Query) {
    translate_levels(&mut query.filter);
    for stage in &mut query.stages {
        if let StageKind::Where(filter) = &mut stage.kind {
            translate_levels(filter);
        }
    }
}

fn parsed<T>(text: &str, parse: fn(&str) -> Result<T, SyntaxError>) -> Result<T, ApiError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "the query has {} bytes, at most {QUERY_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    parse(text).map_err(|error| {
        let position = wire::Position { start: error.span.start, end: error.span.end };
        ApiError::invalid(error.message).at(position).in_query(text)
    })
}

/// The parameters `from` and `to`.
pub(crate) fn parse_range(
    from: Option<&str>,
    to: Option<&str>,
    now: Timestamp,
) -> Result<TimeRange, ApiError> {
    let point = |name: &str, text: Option<&str>| match text {
        None => Ok(None),
        Some(text) => parse_query_time(text, now)
            .map(Some)
            .map_err(|why| ApiError::invalid(format!("{name}: {why}"))),
    };
    let range = TimeRange { from: point("from", from)?, to: point("to", to)? };
    if let (Some(from), Some(to)) = (range.from, range.to)
        && from > to
    {
        return Err(ApiError::invalid(format!("from ({from}) lies after to ({to})")));
    }
    Ok(range)
}

/// The names of a parameter that takes several, separated by commas.
pub(crate) fn parse_names(parameter: &str, text: &str) -> Result<Vec<String>, ApiError> {
    /// Names at most.
    const NAMES_MAX: usize = 16;
    let mut names: Vec<String> = Vec::new();
    if text.trim().is_empty() {
        return Ok(names);
    }
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            let message = format!("{parameter} has an empty name between its commas");
            return Err(ApiError::invalid(message));
        }
        if names.iter().any(|before| before == name) {
            return Err(ApiError::invalid(format!("{parameter} names {name:?} twice")));
        }
        // Here, not behind the loop: what is compared to all before it must stay few.
        if names.len() == NAMES_MAX {
            let message = format!("{parameter} takes at most {NAMES_MAX} fields");
            return Err(ApiError::invalid(message));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// What an answer tells besides its rows.
pub(crate) fn meta(
    control: &Control,
    took: Duration,
    answered: usize,
    warnings: Vec<String>,
    range: TimeRange,
    scanned: Scanned,
) -> wire::QueryMeta {
    let shown = |point: Option<Timestamp>| point.map(|point| point.to_string());
    let Scanned { blocks, blocks_pruned, rows } = scanned;
    control.account.tell(Effort { blocks, blocks_pruned, rows, answered: answered as u64 });
    let gap = |gap: Gap| wire::Gap { kind: gap.kind.name().to_owned(), message: gap.message };
    wire::QueryMeta {
        // With three digits behind the point.
        took_ms: (took.as_secs_f64() * 1e6).round() / 1e3,
        warnings,
        range: wire::ResolvedRange { from: shown(range.from), to: shown(range.to) },
        scanned: wire::Scanned { blocks, blocks_pruned, rows },
        partial: control.account.gaps().into_iter().map(gap).collect(),
        tiers: control.account.reads().map(tiers),
        plan: control.account.plan().map(|plan| Box::new(plan_of(control, plan))),
    }
}

fn tiers(reads: Reads) -> wire::Tiers {
    wire::Tiers {
        local: wire::LocalTier { blocks: reads.local_blocks, bytes: reads.local_bytes },
        archive: wire::ArchiveTier {
            blocks: reads.archive_blocks,
            bytes_cached: reads.cached_bytes,
            bytes_fetched: reads.fetched_bytes,
            requests: reads.requests,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_can_not_end_before_it_begins() {
        let range = |from, to| parse_range(from, to, Timestamp(1_700_000_000_000_000_000));
        let (early, late) = (Some("2026-11-20T00:00:00Z"), Some("2026-11-21T00:00:00Z"));
        let day = range(early, late).expect("valid");
        assert!(day.from < day.to);
        assert_eq!(range(None, None).expect("all time"), TimeRange::default());
        let error = range(late, early).expect_err("backwards");
        assert!(error.detail().message.contains("lies after"));
        let error = range(Some("soon"), None).expect_err("no time").detail().message.clone();
        assert!(error.starts_with("from: "), "{error}");
    }
}
