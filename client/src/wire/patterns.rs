//! The sentences with holes behind a result.

use super::{QueryMeta, StatsRow, write_list};
use serde::{Deserialize, Serialize};

/// Where the patterns behind a query are asked for.
pub const PATTERNS_PATH: &str = "/api/v1/logs/patterns";

/// The sentences with holes behind a result.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PatternsAnswer {
    /// The most frequent first; what is not listed is the last, under `other`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::schema::Pattern>"))]
    pub patterns: Vec<StatsRow>,
    /// The events that match.
    pub events: u64,
    /// Those of them without a message, which have no pattern.
    pub without_message: u64,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// What follows the patterns; see [`write_patterns_answer`].
#[derive(Debug, Clone, Serialize)]
struct PatternsTail<'a> {
    events: u64,
    without_message: u64,
    #[serde(flatten)]
    meta: &'a QueryMeta,
}

/// Writes a [`PatternsAnswer`]; `write_pattern` appends the n-th pattern's JSON.
pub fn write_patterns_answer(
    patterns: usize,
    write_pattern: impl FnMut(usize, &mut Vec<u8>),
    (events, without_message): (u64, u64),
    meta: &QueryMeta,
) -> Vec<u8> {
    let tail = PatternsTail { events, without_message, meta };
    write_list("patterns", patterns, write_pattern, &tail)
}
