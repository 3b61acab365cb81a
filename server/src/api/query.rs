//! What searches and statistics share: the query text, the time range, the answer's figures.

use super::hints::translate_levels;
use crate::ingest::parse_query_time;
use crate::status::ApiError;
use logstrata_client::wire;
use logstrata_engine::Timestamp;
use logstrata_engine::query::ast::Filter;
use logstrata_engine::query::{Scanned, SyntaxError, TimeRange, parse};
use std::time::Duration;

/// The longest query text, in bytes.
const QUERY_BYTES_MAX: usize = 64 << 10;

/// Parses a query.
///
/// # Errors
/// `Invalid` with the place in the text.
pub(crate) fn parse_filter(text: &str) -> Result<Filter, ApiError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "the query has {} bytes, at most {QUERY_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    let parsed = parse(text).map_err(|error| {
        let position = wire::Position { start: error.span.start, end: error.span.end };
        let excerpt = excerpt(text, &error);
        ApiError::invalid(error.message).at(position, excerpt)
    });
    parsed.map(|mut filter| {
        translate_levels(&mut filter);
        filter
    })
}

/// The line of the error, and below it carets under the error.
fn excerpt(text: &str, error: &SyntaxError) -> String {
    let at = |offset: usize| text.floor_char_boundary(offset.min(text.len()));
    let (start, end) = (at(error.span.start), at(error.span.end));
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let line: String =
        text[line_start..line_end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let before = text[line_start..start].chars().count();
    let carets = text[start..end.clamp(start, line_end)].chars().count().max(1);
    format!("{line}\n{}{}", " ".repeat(before), "^".repeat(carets))
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

/// What an answer tells besides its rows.
pub(crate) fn meta(
    took: Duration,
    warnings: Vec<String>,
    range: TimeRange,
    scanned: Scanned,
) -> wire::QueryMeta {
    let shown = |point: Option<Timestamp>| point.map(|point| point.to_string());
    let Scanned { blocks, blocks_pruned, rows } = scanned;
    wire::QueryMeta {
        // With three digits behind the point.
        took_ms: (took.as_secs_f64() * 1e6).round() / 1e3,
        warnings,
        range: wire::ResolvedRange { from: shown(range.from), to: shown(range.to) },
        scanned: wire::Scanned { blocks, blocks_pruned, rows },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: std::ops::Range<usize>) -> String {
        excerpt(text, &SyntaxError { message: String::new(), span })
    }

    #[test]
    fn carets_stand_under_the_error() {
        assert_eq!(shown("level:(", 6..7), "level:(\n      ^");
        assert_eq!(shown("größe:> x", 8..9), "größe:> x\n      ^", "characters, not bytes");
        assert_eq!(shown("abc", 3..3), "abc\n   ^", "the end of the text has a caret, too");
        assert_eq!(shown("a\nb\tcc d\ne", 4..6), "b cc d\n  ^^", "only its own line");
        assert_eq!(shown("ab\ncd", 1..4), "ab\n ^");
    }

    #[test]
    fn spans_outside_the_text_do_no_harm() {
        assert_eq!(shown("é", 1..9), "é\n^");
        assert_eq!(shown("", 5..9), "\n^");
    }

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
