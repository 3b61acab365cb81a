//! What a query did, for those who ask with `explain=true`.

use super::ResolvedRange;
use serde::{Deserialize, Serialize};

/// What a query did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// The filter as the server understood it.
    pub query: String,
    /// The stages behind it.
    pub stages: Vec<String>,
    /// The points in time that were asked for.
    pub range: ResolvedRange,
    /// Each pass over the store, in order.
    pub passes: Vec<PlanPass>,
    /// The most memory that the query had at a time.
    pub memory_bytes: u64,
}

/// A pass over the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanPass {
    /// What it was for.
    pub name: String,
    /// Where blocks lie, and what became of them.
    pub tiers: Vec<PlanTier>,
    /// What was done with rows.
    pub operators: Vec<PlanOperator>,
    /// What was done one after the other.
    pub phases: Vec<PlanPhase>,
}

/// The blocks of a tier, or runs of rows that are in none yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanTier {
    /// `memtable`, `level-0`, `segment` or `pack`.
    pub name: String,
    /// Files; none of the memtable.
    pub files: u64,
    /// Files that were not opened, because the manifest ruled them out.
    pub files_pruned: u64,
    /// Blocks.
    pub blocks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Blocks that were ruled out.
    pub pruned: PlanPruned,
    /// Blocks whose header had the answer.
    pub answered_by_header: u64,
    /// Blocks that were read.
    pub read: PlanRead,
    /// Blocks that nobody looked at: the page was full before, or the query ended.
    pub not_looked_at: u64,
}

/// Blocks that were ruled out, by what did it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanPruned {
    /// The time range, or the part of the log that is wanted.
    pub time: u64,
    /// The levels that occur.
    pub level: u64,
    /// The index of their section, or their own filter.
    pub index: u64,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanRead {
    /// Blocks.
    pub blocks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them, compressed.
    pub bytes: u64,
}

/// Something that was done with rows, on all threads together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanOperator {
    /// What it does.
    pub name: String,
    /// Rows that came in.
    pub rows_in: u64,
    /// Rows that it let through; `None` for what takes them all in.
    pub rows_out: Option<u64>,
    /// Milliseconds of all threads.
    pub took_ms: f64,
}

/// A part of a pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanPhase {
    /// What was done.
    pub name: String,
    /// Milliseconds.
    pub took_ms: f64,
}
