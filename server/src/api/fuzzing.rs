//! Any text as what requests tell in their query strings. For fuzz targets, not for products.

use super::aggregate::{parse_aggregates, parse_group_by};
use super::hints::hints;
use super::query::{parse_names, parse_range, parse_stages, parse_wanted};
use super::stats::parse_interval;
use super::tail::position_of;
use crate::units::{parse_bytes, parse_duration};
use logstrata_engine::query::TailQuery;
use logstrata_engine::{Seq, Timestamp};

/// Reads `text` as a query, with the excerpt of its error or the hints about it, and as every other
/// parameter. Must not panic.
pub fn parameters(text: &str) {
    if let Ok((filter, _)) = parse_wanted(text) {
        let _ = hints(text, &filter, true);
    }
    if let Ok(query) = parse_stages(text) {
        let _ = TailQuery::new(&query);
    }
    let _ = position_of("after", text, 0, Seq(u64::MAX));
    let _ = (parse_group_by(text, true), parse_aggregates(text), parse_interval(text));
    let _ = parse_names("same", text);
    let _ = (parse_bytes(text), parse_duration(text));
    let (from, to) = text.split_once('&').unwrap_or((text, "now"));
    if let Ok(range) = parse_range(Some(from), Some(to), Timestamp(1_700_000_000_000_000_000)) {
        assert!(range.from <= range.to);
    }
}
