//! Requests and answers of the API as both sides write and read them.

mod archive;
mod encryption;
mod error;
mod explore;
mod ingest;
mod patterns;
mod plan;
mod purge;
mod query;
mod retention;
#[cfg(feature = "schema")]
pub mod schema;
mod search;
mod slow;
mod spans;
mod tail;

pub use archive::*;
pub use encryption::*;
pub use error::*;
pub use explore::*;
pub use ingest::*;
pub use patterns::*;
pub use plan::*;
pub use purge::*;
pub use query::*;
pub use retention::*;
pub use search::*;
pub use slow::*;
pub use spans::*;
pub use tail::*;

use serde::{Deserialize, Serialize};

/// Where events are sent and searched.
pub const LOGS_PATH: &str = "/api/v1/logs";
/// Where long searches are sent.
pub const SEARCH_PATH: &str = "/api/v1/logs/search";
/// Where figures are asked for.
pub const STATS_PATH: &str = "/api/v1/logs/stats";
/// Where queries are followed.
pub const TAIL_PATH: &str = "/api/v1/logs/tail";
/// The header that says where a tail broke off: the last id that came.
pub const LAST_EVENT_ID: &str = "last-event-id";
/// The kind of a tail's event that says that its reader was too slow.
pub const MISSED: &str = "missed";
/// The kind of a tail's last event, if it ends in an error: its data is an [`ErrorDetail`].
pub const TAIL_ERROR: &str = "error";
/// The kind of a tail's event before all others that says what may surprise: its data is a [`Warned`].
pub const TAIL_WARNING: &str = "warning";
/// The header of an export that says what may surprise: a list of texts as JSON in ASCII.
pub const WARNINGS: &str = "logstrata-warnings";
/// All that a query answers, as a file: `GET` or `POST`.
pub const EXPORT_PATH: &str = "/api/v1/logs/export";
/// Where the events of a trace are asked for.
pub const TRACE_PATH: &str = "/api/v1/logs/trace/{trace_id}";
/// Where the events of a correlation id are asked for.
pub const CORRELATION_PATH: &str = "/api/v1/logs/correlation/{id}";
/// Where the events of a resource are asked for.
pub const RESOURCE_PATH: &str = "/api/v1/logs/resource/{id}";
/// Where everything in memory is made files.
pub const FLUSH_PATH: &str = "/api/v1/admin/flush";
/// Where flushed events are made segments and packs.
pub const COMPACT_PATH: &str = "/api/v1/admin/compact";
/// Where a server says which files are under which key.
pub const ENCRYPTION_PATH: &str = "/api/v1/admin/encryption";
/// Where a server says whether it takes events.
pub const READY_PATH: &str = "/readyz";
/// The header that names a batch, so that it is stored once however often it is sent: 1 to 128
/// visible ASCII characters.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header of an answer that was given before, to the same batch.
pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";
/// One JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";
/// A JSON document.
pub const JSON: &str = "application/json";

/// The points in time that a query was answered for, as the server understood them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResolvedRange {
    /// The first point in time, RFC 3339; `None` is without bound.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub from: Option<String>,
    /// The first point in time no longer wanted.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub to: Option<String>,
}

/// What a query took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scanned {
    /// Blocks whose columns were read.
    pub blocks: u64,
    /// Blocks that the time range, the statistics or the filters ruled out.
    pub blocks_pruned: u64,
    /// Rows that the filter was evaluated on.
    pub rows: u64,
}

/// Why an answer is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// `deadline`, `memory`, `damaged` or `archive`; later versions may have more.
    pub kind: String,
    /// For people.
    pub message: String,
}

/// How much of what a query read came from where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tiers {
    /// From the server's machine, its memory included.
    pub local: LocalTier,
    /// From the archive.
    pub archive: ArchiveTier,
}

/// What was read on the server's machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LocalTier {
    /// Blocks that were opened.
    pub blocks: u64,
    /// Bytes that were read from files; what is in memory or mapped does not count.
    pub bytes: u64,
}

/// What was read of the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveTier {
    /// Blocks that were opened.
    pub blocks: u64,
    /// Bytes that the cache on the disk had.
    pub bytes_cached: u64,
    /// Bytes that came from the object store, with those that were fetched ahead.
    pub bytes_fetched: u64,
    /// The requests for them.
    pub requests: u64,
}

/// What every answer to a query tells besides its rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryMeta {
    /// Milliseconds in the server.
    pub took_ms: f64,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// The points in time that were searched.
    pub range: ResolvedRange,
    /// What it took.
    pub scanned: Scanned,
    /// What the answer lacks; nothing if it is whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<Gap>,
    /// How much came from where; nothing if all that could be asked for is on the server's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Tiers>,
    /// What the query did, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<Plan>>,
}

/// `{"name":[item,…],` and then the members of `tail`.
fn write_list(
    name: &str,
    count: usize,
    mut write_item: impl FnMut(usize, &mut Vec<u8>),
    tail: &impl Serialize,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + count * 256);
    out.extend_from_slice(format!("{{\"{name}\":[").as_bytes());
    for item in 0..count {
        if item > 0 {
            out.push(b',');
        }
        write_item(item, &mut out);
    }
    out.extend_from_slice(b"],");
    let tail = serde_json::to_vec(tail).expect("plain values always serialize");
    out.extend_from_slice(tail.strip_prefix(b"{").expect("a struct is an object"));
    out
}
