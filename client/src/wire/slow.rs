//! Queries that took long.

use super::Scanned;
use serde::{Deserialize, Serialize};

/// Where the latest slow queries are.
pub const SLOW_QUERIES_PATH: &str = "/api/v1/admin/slow-queries";

/// A query that took long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SlowQuery {
    /// When it ended, RFC 3339.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub time: String,
    /// The method of its request.
    pub method: String,
    /// The path of its request.
    pub path: String,
    /// The query's text, without what redaction takes out; the beginning of a long one.
    pub query: String,
    /// The parameter `from`, as it was sent.
    pub from: Option<String>,
    /// The parameter `to`, as it was sent.
    pub to: Option<String>,
    /// Milliseconds, with what it waited for others.
    pub took_ms: f64,
    /// What it took.
    pub scanned: Scanned,
    /// Events, or rows of a table.
    pub rows: u64,
    /// The most memory that it had at a time.
    pub memory_bytes: u64,
    /// The kinds of what the answer lacked.
    pub partial: Vec<String>,
    /// The kind of the error that it ended with.
    pub error: Option<String>,
    /// Who asked: address and port.
    pub peer: Option<String>,
}

/// The latest slow queries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SlowQueriesAnswer {
    /// The newest first.
    pub slow_queries: Vec<SlowQuery>,
    /// Slow queries since the server began, also those that are not kept.
    pub total: u64,
    /// From so many milliseconds on a query is slow; `None` if none is.
    pub threshold_ms: Option<f64>,
}
