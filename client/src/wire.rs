//! Requests and answers of the API as both sides write and read them.

use crate::query_string::encode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Where events are sent and searched.
pub const LOGS_PATH: &str = "/api/v1/logs";
/// Where figures are asked for.
pub const STATS_PATH: &str = "/api/v1/logs/stats";
/// Where everything in memory is made files.
pub const FLUSH_PATH: &str = "/api/v1/admin/flush";
/// Where flushed events are made segments and packs.
pub const COMPACT_PATH: &str = "/api/v1/admin/compact";
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

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request is wrong: fix it, do not retry it.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// The path does not know this method.
    MethodNotAllowed,
    /// The batch's key is that of another batch.
    Conflict,
    /// The body is larger than the server takes.
    TooLarge,
    /// The body is of a type or in an encoding that the server does not know.
    UnsupportedMediaType,
    /// The request comes from where it must not.
    Forbidden,
    /// The body did not arrive in time.
    Timeout,
    /// Too much at once: retry later.
    Busy,
    /// The query took longer than it was given: narrow it, or give it more time.
    Deadline,
    /// No space on the server's disk: retry when there is.
    Full,
    /// Written by a version that this one does not know.
    Unsupported,
    /// Stored bytes are not what was written.
    Corrupt,
    /// The server's operating system refused a file operation.
    Io,
    /// The store accepts nothing more until the server is started again.
    Closed,
    /// A defect of the server: report it.
    Internal,
    /// A kind that this client does not know.
    #[serde(other)]
    Unknown,
}

/// A part of the query text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// What the caller can do about it.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
    /// Where in the query text, for a query that does not parse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The line of the query and a line of carets below it, for a query that does not parse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl ErrorDetail {
    /// An error without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), position: None, excerpt: None }
    }
}

/// The body of every answer that is not a success. Refused ingests add the refused lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorDetail,
    /// What became of an ingest's lines.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub ingest: Option<IngestAnswer>,
}

/// An event that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedLine {
    /// Its line in the body, or its place in the array, from 1.
    pub line: u64,
    /// Why.
    pub error: String,
}

/// What became of a body of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestAnswer {
    /// Events stored: synced and visible.
    pub accepted: u64,
    /// The first of the events that were not stored.
    pub rejected: Vec<RejectedLine>,
    /// Events that were not stored, also those that `rejected` has no room for.
    pub rejected_count: u64,
    /// The id of the first event stored.
    pub first_id: Option<String>,
    /// The id of the last event stored.
    pub last_id: Option<String>,
}

/// A page of events is wanted. Empty and `None` fields are left to the server's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// The query; empty wants every event.
    pub q: String,
    /// The first point in time wanted: RFC 3339, epoch, `now-15m`.
    pub from: Option<String>,
    /// The first point in time no longer wanted.
    pub to: Option<String>,
    /// Events at most.
    pub limit: Option<usize>,
    /// `desc` or `asc`.
    pub order: Option<String>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// The time that the query may take: `5s`.
    pub timeout: Option<String>,
}

impl SearchQuery {
    /// The parameters' names.
    pub const PARAMETERS: &'static [&'static str] =
        &["q", "from", "to", "limit", "order", "cursor", "timeout"];

    /// As a query string.
    pub fn encode(&self) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        encode_given([
            ("q", Some(self.q.as_str())),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("limit", limit.as_deref()),
            ("order", self.order.as_deref()),
            ("cursor", self.cursor.as_deref()),
            ("timeout", self.timeout.as_deref()),
        ])
    }
}

/// A table of figures is wanted. Empty and `None` fields are left to the server's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsQuery {
    /// The query; empty wants every event.
    pub q: String,
    /// The first point in time wanted: RFC 3339, epoch, `now-15m`.
    pub from: Option<String>,
    /// The first point in time no longer wanted.
    pub to: Option<String>,
    /// The fields that group events, separated by commas.
    pub group_by: Option<String>,
    /// The width of a time bucket: `30s 5m 1h 1d`.
    pub interval: Option<String>,
    /// The figures, separated by commas: `count,p95(duration_ms)`.
    pub agg: Option<String>,
    /// Only this many groups, those with the highest counts.
    pub top: Option<usize>,
    /// The time that the query may take: `5s`.
    pub timeout: Option<String>,
}

impl StatsQuery {
    /// The parameters' names.
    pub const PARAMETERS: &'static [&'static str] =
        &["q", "from", "to", "group_by", "interval", "agg", "top", "timeout"];

    /// As a query string.
    pub fn encode(&self) -> String {
        let top = self.top.map(|top| top.to_string());
        encode_given([
            ("q", Some(self.q.as_str())),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("group_by", self.group_by.as_deref()),
            ("interval", self.interval.as_deref()),
            ("agg", self.agg.as_deref()),
            ("top", top.as_deref()),
            ("timeout", self.timeout.as_deref()),
        ])
    }
}

fn encode_given<'a, const N: usize>(pairs: [(&'a str, Option<&'a str>); N]) -> String {
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    encode(given.filter(|(_, value)| !value.is_empty()))
}

/// The points in time that a query was answered for, as the server understood them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedRange {
    /// The first point in time, RFC 3339; `None` is without bound.
    pub from: Option<String>,
    /// The first point in time no longer wanted.
    pub to: Option<String>,
}

/// What a query took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// Blocks whose columns were read.
    pub blocks: u64,
    /// Blocks that the time range, the statistics or the filters ruled out.
    pub blocks_pruned: u64,
    /// Rows that the filter was evaluated on.
    pub rows: u64,
}

/// What every answer to a query tells besides its rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryMeta {
    /// Milliseconds in the server.
    pub took_ms: f64,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// The points in time that were searched.
    pub range: ResolvedRange,
    /// What it took.
    pub scanned: Scanned,
}

/// A page of events.
#[derive(Debug, Clone, Deserialize)]
pub struct SearchAnswer {
    /// The events as the server wrote them.
    pub logs: Vec<Box<RawValue>>,
    /// Where the next page begins; `None` if there is none.
    pub next_cursor: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// What follows the events in a page; see [`write_search_answer`].
#[derive(Debug, Clone, Serialize)]
struct SearchTail<'a> {
    next_cursor: Option<&'a str>,
    #[serde(flatten)]
    meta: &'a QueryMeta,
}

/// One row of a table: values by column name, as the server wrote them.
pub type StatsRow = BTreeMap<String, Box<RawValue>>;

/// A table of figures.
#[derive(Debug, Clone, Deserialize)]
pub struct StatsAnswer {
    /// By time, then by count, greatest first.
    pub rows: Vec<StatsRow>,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// Writes a [`SearchAnswer`]; `write_event` appends the n-th event's JSON.
pub fn write_search_answer(
    events: usize,
    write_event: impl FnMut(usize, &mut Vec<u8>),
    next_cursor: Option<&str>,
    meta: &QueryMeta,
) -> Vec<u8> {
    write_list("logs", events, write_event, &SearchTail { next_cursor, meta })
}

/// Writes a [`StatsAnswer`]; `write_row` appends the n-th row's JSON.
pub fn write_stats_answer(
    rows: usize,
    write_row: impl FnMut(usize, &mut Vec<u8>),
    meta: &QueryMeta,
) -> Vec<u8> {
    write_list("rows", rows, write_row, meta)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query_string::decode;

    fn meta() -> QueryMeta {
        QueryMeta {
            took_ms: 1.25,
            warnings: vec!["no field usr: did you mean user?".into()],
            range: ResolvedRange { from: Some("1970-01-01T00:00:00Z".into()), to: None },
            scanned: Scanned { blocks: 1, blocks_pruned: u64::MAX, rows: 3 },
        }
    }

    #[test]
    fn pages_read_back_with_each_event_as_it_was_written() {
        let events = ["{\"id\":\"1\",\"n\":1e999}", "{}"];
        let write = |n: usize, out: &mut Vec<u8>| out.extend_from_slice(events[n].as_bytes());
        let bytes = write_search_answer(2, write, Some("c"), &meta());
        let page: SearchAnswer = serde_json::from_slice(&bytes).expect("own encoding");
        assert_eq!(page.logs.iter().map(|event| event.get()).collect::<Vec<_>>(), events);
        assert_eq!((page.next_cursor.as_deref(), page.meta), (Some("c"), meta()));

        let bytes = write_search_answer(0, write, None, &meta());
        let page: SearchAnswer = serde_json::from_slice(&bytes).expect("own encoding");
        assert!(page.logs.is_empty() && page.next_cursor.is_none());
    }

    #[test]
    fn tables_read_back() {
        let write = |_: usize, out: &mut Vec<u8>| out.extend_from_slice(b"{\"count\":7}");
        let bytes = write_stats_answer(1, write, &meta());
        let table: StatsAnswer = serde_json::from_slice(&bytes).expect("own encoding");
        assert_eq!(table.rows[0]["count"].get(), "7");
        assert_eq!(table.meta, meta());
    }

    #[test]
    fn errors_read_back_with_and_without_refused_lines() {
        let plain = ErrorBody { error: ErrorDetail::new(ErrorKind::Busy, "later"), ingest: None };
        let text = serde_json::to_string(&plain).expect("serializes");
        assert_eq!(text, r#"{"error":{"kind":"busy","message":"later"}}"#);
        let read: ErrorBody = serde_json::from_str(&text).expect("own encoding");
        assert_eq!((read.error, read.ingest), (plain.error, None));

        let ingest = IngestAnswer {
            rejected: vec![RejectedLine { line: 1, error: "no object".into() }],
            rejected_count: 1,
            ..IngestAnswer::default()
        };
        let error = ErrorDetail::new(ErrorKind::Invalid, "nothing was stored");
        let text = serde_json::to_string(&ErrorBody { error, ingest: Some(ingest.clone()) });
        let read: ErrorBody = serde_json::from_str(&text.expect("serializes")).expect("own");
        assert_eq!(read.ingest, Some(ingest));
    }

    #[test]
    fn a_kind_of_a_later_version_is_unknown() {
        assert_eq!(serde_json::from_str::<ErrorKind>("\"haunted\"").ok(), Some(ErrorKind::Unknown));
    }

    #[test]
    fn queries_name_only_what_is_given() {
        let query = SearchQuery { q: "a b".into(), limit: Some(5), ..SearchQuery::default() };
        assert_eq!(query.encode(), "q=a+b&limit=5");
        assert_eq!(SearchQuery::default().encode(), "");
        let all = StatsQuery {
            q: "q".into(),
            from: Some("f".into()),
            to: Some("t".into()),
            group_by: Some("g".into()),
            interval: Some("i".into()),
            agg: Some("a".into()),
            top: Some(1),
            timeout: Some("x".into()),
        };
        let pairs = decode(&all.encode()).expect("own encoding");
        assert_eq!(pairs.iter().map(|(n, _)| n).collect::<Vec<_>>(), StatsQuery::PARAMETERS);
    }
}
