//! What became of events that were sent.

use serde::{Deserialize, Serialize};

/// An event that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RejectedLine {
    /// Its line in the body, or its place in the array, from 1.
    pub line: u64,
    /// Why.
    pub error: String,
}

/// What became of a body of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IngestAnswer {
    /// Events stored: synced and visible.
    pub accepted: u64,
    /// The first of the events that were not stored.
    pub rejected: Vec<RejectedLine>,
    /// Events that were not stored, also those that `rejected` has no room for.
    pub rejected_count: u64,
    /// Events stored that are older than they are kept: they are dropped an hour later.
    #[serde(default)]
    pub expired_on_arrival: u64,
    /// The id of the first event stored.
    pub first_id: Option<String>,
    /// The id of the last event stored.
    pub last_id: Option<String>,
}
