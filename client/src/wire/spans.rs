//! Traces: pages of their events, and their spans as a tree.

use super::QueryMeta;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A page of the events of a trace.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TraceAnswer {
    /// The events as the server wrote them, the oldest first.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::schema::Event>"))]
    pub logs: Vec<Box<RawValue>>,
    /// With the first page, the spans of all pages that have no parent among them.
    pub spans: Option<Vec<SpanNode>>,
    /// Where the next page begins; `None` if there is none.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// With the first page, the number of events on all.
    #[serde(default)]
    pub events: Option<u64>,
    /// With the first page, the number of those that are of no span.
    #[serde(default)]
    pub events_outside_spans: Option<u64>,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// A span and those that it called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpanNode {
    /// What its events tell.
    #[serde(flatten)]
    pub span: SpanFacts,
    /// Those that it called, the earliest first. Below 48 spans they are no longer within each other,
    /// but stand in their order with their own `depth`.
    pub children: Vec<SpanNode>,
}

/// What the events of a span tell of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpanFacts {
    /// Its id.
    pub span_id: String,
    /// Its parent's, if an event tells one.
    pub parent_span_id: Option<String>,
    /// The number of spans above it.
    pub depth: usize,
    /// When its first event happened, RFC 3339.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub start: String,
    /// When its last event happened.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub end: String,
    /// Milliseconds between them.
    pub duration_ms: f64,
    /// The number of events.
    pub count: u64,
    /// The same by level, without those that no event has.
    pub levels: BTreeMap<String, u64>,
    /// The services of its events.
    pub services: Vec<String>,
    /// Whether no event is of its parent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub orphan: bool,
    /// Whether it stands above its own parent: they call each other in a circle.
    #[serde(default, skip_serializing_if = "is_false")]
    pub circle: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's interface")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What follows the events and the spans of a [`TraceAnswer`].
#[derive(Debug, Clone, Serialize)]
pub struct TraceTail<'a> {
    /// As there.
    pub next_cursor: Option<&'a str>,
    /// As there.
    pub events: Option<u64>,
    /// As there.
    pub events_outside_spans: Option<u64>,
    /// As there.
    #[serde(flatten)]
    pub meta: &'a QueryMeta,
}
