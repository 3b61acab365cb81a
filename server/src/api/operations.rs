//! What each operation is, as the document and the page at `/docs` tell it. A route names its own in
//! [`super::routes`]; a parameter that is new gets its row in `openapi/parameters.rs`.

use super::{facets, fields, patterns, timeline};
use crate::openapi::{Content, DURATION, Operation, Parameter, Tag, Takes, bodies, limit};
use crate::{metrics, sse};
use logstrata_client::wire::schema::TimelinePage;
use logstrata_client::wire::{
    ContextAnswer, ContextQuery, ErrorKind, ExportQuery, FacetsAnswer, FacetsQuery, FieldsAnswer,
    FieldsQuery, HistogramAnswer, HistogramQuery, IngestAnswer, PatternsAnswer, PatternsQuery,
    SearchAnswer, SearchQuery, SlowQueriesAnswer, StatsAnswer, StatsQuery, TailQuery,
    TimelineQuery, TraceAnswer, ValuesAnswer,
};

mod archive;
mod purge;
mod retention;
pub(super) use archive::{ARCHIVE, ARCHIVE_EXPORT, ARCHIVE_RUN, ARCHIVE_VERIFY};
pub(super) use purge::PURGE;
pub(super) use retention::{HOLD, HOLDS, RELEASE, RETENTION, RETENTION_RESUME, RETENTION_RUN};

/// Why a query may be refused.
const QUERY_ERRORS: &[ErrorKind] = &[
    ErrorKind::Busy,
    ErrorKind::Deadline,
    ErrorKind::Memory,
    ErrorKind::Corrupt,
    ErrorKind::Io,
    ErrorKind::Unsupported,
    ErrorKind::Closed,
];

/// The same, where something may be unknown.
const LOOKUP_ERRORS: &[ErrorKind] = &[
    ErrorKind::NotFound,
    ErrorKind::Busy,
    ErrorKind::Deadline,
    ErrorKind::Memory,
    ErrorKind::Corrupt,
    ErrorKind::Io,
    ErrorKind::Unsupported,
    ErrorKind::Closed,
];

/// Why the store may not do what it is told.
const STORE_ERRORS: &[ErrorKind] = &[
    ErrorKind::Busy,
    ErrorKind::Full,
    ErrorKind::Closed,
    ErrorKind::Corrupt,
    ErrorKind::Io,
    ErrorKind::Unsupported,
];

/// An id as it is read: in any case.
const ID: Takes = Takes::Like("^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$");

static EVENT_ID: Parameter =
    Parameter::new("id", ID, "41M7Y2P7SWET700000000001Q4", "The id of an event.");

const QUERY: Operation = Operation { tag: Tag::Search, errors: QUERY_ERRORS, ..Operation::PLAIN };
const EXPLORE: Operation =
    Operation { tag: Tag::Explore, errors: QUERY_ERRORS, ..Operation::PLAIN };

pub(super) static INGEST: Operation = Operation {
    id: "ingest",
    tag: Tag::Ingest,
    summary: "Stores events",
    about: "Answered once every accepted event is synced and visible. Lines that can't be read are \
        listed in the answer and the others stored; a body of which nothing was stored is 400. \
        A request that got no answer may have been stored: with an `Idempotency-Key` it can be sent \
        again, and is stored once. The body may be compressed, as `Content-Encoding` says: `gzip`, \
        `zstd` or `deflate`.",
    parameters: &["atomic"],
    headers: &[Parameter::new(
        "Idempotency-Key",
        Takes::Like("^[!-~]{1,128}$"),
        "",
        "Names the batch for 24 hours: 1 to 128 visible ASCII characters.",
    )],
    takes_events: true,
    answers: &[Content::json::<IngestAnswer>()],
    answer_headers: &[("Idempotency-Replayed", "`true` if the batch was stored before.")],
    errors: &[
        ErrorKind::Timeout,
        ErrorKind::TooLarge,
        ErrorKind::UnsupportedMediaType,
        ErrorKind::Conflict,
        ErrorKind::Busy,
        ErrorKind::Full,
        ErrorKind::Closed,
        ErrorKind::Corrupt,
        ErrorKind::Io,
        ErrorKind::Unsupported,
    ],
    ..Operation::PLAIN
};

pub(super) static SEARCH: Operation = Operation {
    id: "search",
    summary: "A page of events, or the rows of a table if the query ends in one",
    about: "Events with equal timestamps are ordered by arrival. Pages of one query show one snapshot: \
        whatever arrives meanwhile, later pages neither double nor miss events.",
    parameters: SearchQuery::PARAMETERS,
    answers: &[Content::json::<SearchAnswer>()],
    example: &[("q", "level:error"), ("limit", "3")],
    ..QUERY
};

pub(super) static STATS: Operation = Operation {
    id: "stats",
    summary: "A table of figures",
    about: "Rows are ordered by time, then by count. An event without a `group_by` field counts under \
        `null`. Percentiles are off by at most 1/256 of their value; everything else is exact.",
    parameters: StatsQuery::PARAMETERS,
    answers: &[Content::json::<StatsAnswer>()],
    example: &[("q", "level:error"), ("group_by", "service"), ("interval", "1h")],
    ..QUERY
};

pub(super) static EVENT: Operation = Operation {
    id: "event",
    summary: "One event",
    segment: Some(&EVENT_ID),
    parameters: &["raw", "tier"],
    answers: &[Content::json_as(bodies::one_event)],
    errors: LOOKUP_ERRORS,
    ..QUERY
};

pub(super) static EXPORT: Operation = Operation {
    id: "export",
    summary: "All that a query answers, as a file",
    about: "Any number of events, made while it is sent: what was there when it began, each once. What \
        goes wrong on the way breaks the connection before the end of the body, so half a file is \
        never taken for a whole one; over HTTP/1.0 it is refused. Eight are served at a time, a further \
        one is 429. A client that takes nothing for 30 seconds is left.",
    parameters: ExportQuery::PARAMETERS,
    special: &[Parameter::new(
        "timeout",
        DURATION,
        "10m",
        "The time that all of it may take; without end if it is absent.",
    )],
    answers: &[
        Content::text("application/x-ndjson", "An event or a row a line, as a search has it."),
        Content::json_as(bodies::exported),
        Content::text("text/csv", "RFC 4180, with a line of names."),
        Content::text("text/plain", "A line an event, for people."),
        Content::bytes("application/vnd.apache.parquet", "Parquet."),
        Content::bytes("application/gzip", "Any of the others, compressed."),
        Content::bytes("application/zstd", "Any of the others, compressed."),
    ],
    answer_headers: &[
        ("Content-Disposition", "A name for the file."),
        (
            "Logstrata-Warnings",
            "What may surprise, if anything does: a list of texts as JSON in ASCII.",
        ),
    ],
    example: &[("q", "level:error"), ("format", "csv")],
    ..QUERY
};

pub(super) static TAIL: Operation = Operation {
    id: "tail",
    summary: "Events as they are stored, as Server-Sent Events",
    about: "In the order in which they were stored, whatever their timestamps, each once, and only what \
        is synced. Whoever comes again with the last id that came gets what was stored behind it. Ids \
        without an event say how far the log was looked at. A reader that is too slow gets an event \
        `missed`, and goes on with what is newest; an event `warning` says what may surprise; a tail \
        that can't go on ends with an event `error`.",
    parameters: TailQuery::PARAMETERS,
    special: &[
        Parameter::new(
            "q",
            Takes::Text,
            "level:error",
            "The query; behind pipes `where`, `extract` and `fields`, everything else is refused.",
        ),
        Parameter::new(
            "after",
            ID,
            "",
            "Begin behind this id, for clients that can't set `Last-Event-ID`, which wins over it.",
        ),
    ],
    headers: &[Parameter::new(
        "Last-Event-ID",
        Takes::Like("^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25})?$"),
        "",
        "The last id that came; an empty one is none.",
    )],
    answers: &[Content {
        about: "Events, each as this schema has it. The stream does not end.",
        schema: bodies::told,
        ..Content::text(sse::CONTENT_TYPE, "")
    }],
    errors: &[
        ErrorKind::Busy,
        ErrorKind::Corrupt,
        ErrorKind::Io,
        ErrorKind::Unsupported,
        ErrorKind::Closed,
    ],
    example: &[("q", "level:error")],
    ..QUERY
};

pub(super) static PATTERNS: Operation = Operation {
    id: "patterns",
    summary: "The sentences with holes that the messages of a result are made of",
    about: "The most frequent first; counts and `without_message` add up to `events`. With a second \
        range, each pattern has its events there, and whether it is new or gone.",
    parameters: PatternsQuery::PARAMETERS,
    special: &[limit(
        patterns::LIMIT_MAX,
        patterns::LIMIT_DEFAULT,
        "Patterns that are listed at most.",
    )],
    answers: &[Content::json::<PatternsAnswer>()],
    example: &[("q", "level:error"), ("limit", "5")],
    ..EXPLORE
};

pub(super) static HISTOGRAM: Operation = Operation {
    id: "histogram",
    summary: "Counts by level over time",
    about: "Every bucket of the range is there, also those without events. `interval` and `buckets` \
        exclude each other; more than 10,000 buckets are refused.",
    parameters: HistogramQuery::PARAMETERS,
    answers: &[Content::json::<HistogramAnswer>()],
    example: &[("q", "service:pay"), ("buckets", "30")],
    ..EXPLORE
};

pub(super) static FACETS: Operation = Operation {
    id: "facets",
    summary: "The fields of a result and their commonest values",
    about: "The fields that most events have come first. Everything is exact as long as there is room: \
        `error` is what a count lacks at most.",
    parameters: FacetsQuery::PARAMETERS,
    special: &[limit(facets::VALUES_MAX, facets::VALUES_DEFAULT, "Values of each field at most.")],
    answers: &[Content::json::<FacetsAnswer>()],
    example: &[("q", "level:error"), ("fields", "service,error.type")],
    ..EXPLORE
};

pub(super) static FIELDS: Operation = Operation {
    id: "fields",
    summary: "Names of fields, for completion",
    parameters: FieldsQuery::PARAMETERS,
    special: &[limit(fields::LIMIT_MAX, fields::FIELDS_DEFAULT, "Fields at most.")],
    answers: &[Content::json::<FieldsAnswer>()],
    example: &[("prefix", "du")],
    ..EXPLORE
};

pub(super) static VALUES: Operation = Operation {
    id: "fieldValues",
    summary: "Values of a field, for completion",
    segment: Some(&Parameter::new(
        "name",
        Takes::Text,
        "service",
        "The name of the field, as people type it: `order.id`.",
    )),
    parameters: FieldsQuery::PARAMETERS,
    special: &[limit(fields::LIMIT_MAX, fields::VALUES_DEFAULT, "Values at most.")],
    answers: &[Content::json::<ValuesAnswer>()],
    example: &[("prefix", "p")],
    ..EXPLORE
};

pub(super) static CONTEXT: Operation = Operation {
    id: "context",
    summary: "An event and its neighbours",
    about: "Neighbours are in the order of time, then of arrival: the last of `before` and the first of \
        `after` stand next to the event.",
    segment: Some(&EVENT_ID),
    parameters: ContextQuery::PARAMETERS,
    answers: &[Content::json::<ContextAnswer>()],
    errors: LOOKUP_ERRORS,
    example: &[("before", "5"), ("same", "service")],
    ..EXPLORE
};

const PAGE_OF_TIMELINE: Parameter =
    limit(timeline::LIMIT_MAX, timeline::LIMIT_DEFAULT, "Events of a page at most.");

const TIMELINE: Operation = Operation {
    parameters: TimelineQuery::PARAMETERS,
    special: &[PAGE_OF_TIMELINE],
    answers: &[Content::json::<TimelinePage>()],
    example: &[("limit", "100")],
    ..EXPLORE
};

pub(super) static TRACE: Operation = Operation {
    id: "trace",
    summary: "A page of the events of a trace, and its spans",
    about: "The oldest first. The spans are those of all pages, as a tree, and come with the first page.",
    segment: Some(&Parameter::new(
        "trace_id",
        Takes::Text,
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "The trace; case does not matter.",
    )),
    answers: &[Content::json::<TraceAnswer>()],
    ..TIMELINE
};

pub(super) static CORRELATION: Operation = Operation {
    id: "correlation",
    summary: "A page of the events of a correlation id",
    about: "The oldest first.",
    segment: Some(&Parameter::new("id", Takes::Text, "order-4711", "The correlation id.")),
    ..TIMELINE
};

pub(super) static RESOURCE: Operation = Operation {
    id: "resource",
    summary: "A page of the events of a resource",
    about: "The oldest first: its whole history.",
    segment: Some(&Parameter::new("id", Takes::Text, "o-1", "The id of the resource.")),
    parameters: timeline::RESOURCE_PARAMETERS,
    example: &[("type", "order")],
    ..TIMELINE
};

pub(super) static HELP: Operation = Operation {
    id: "queryHelp",
    tag: Tag::Search,
    summary: "The language of queries, as Markdown",
    answers: &[Content::text("text/markdown", "")],
    ..Operation::PLAIN
};

pub(super) static FLUSH: Operation = Operation {
    id: "flush",
    tag: Tag::Admin,
    summary: "Writes what is in memory to a file",
    answers: &[Content::json_as(bodies::flushed)],
    errors: STORE_ERRORS,
    ..Operation::PLAIN
};

pub(super) static COMPACT: Operation = Operation {
    id: "compact",
    tag: Tag::Admin,
    summary: "Makes segments and packs of all level-0 files, whatever their age",
    about: "Files that are not encrypted as they would be now are written again. \
        500 `corrupt` names a damaged source, once the rest is done.",
    answers: &[Content::json_as(bodies::compacted)],
    errors: STORE_ERRORS,
    ..Operation::PLAIN
};

pub(super) static ENCRYPTION: Operation = Operation {
    id: "encryption",
    tag: Tag::Admin,
    summary: "What is encrypted under which key",
    about: "A key that is named nowhere but in `keys` can be given up, if nothing is unreadable. Reads a \
        few bytes of each file, once, also of those that are in the archive only.",
    answers: &[Content::json::<logstrata_client::wire::EncryptionAnswer>()],
    errors: STORE_ERRORS,
    ..Operation::PLAIN
};

pub(super) static SLOW_QUERIES: Operation = Operation {
    id: "slow_queries",
    tag: Tag::Admin,
    summary: "The latest queries that took long",
    about: "The newest first, at most 100. Secrets in their texts are replaced as redaction does it.",
    answers: &[Content::json::<SlowQueriesAnswer>()],
    ..Operation::PLAIN
};

pub(super) static LIVE: Operation = Operation {
    id: "live",
    summary: "Whether the process serves",
    answers: &[Content::json_as(bodies::live)],
    ..Operation::PLAIN
};

pub(super) static READY: Operation = Operation {
    id: "ready",
    summary: "Whether events are accepted",
    answers: &[Content::json_as(bodies::ready)],
    errors: &[ErrorKind::Busy, ErrorKind::Full, ErrorKind::Closed],
    ..Operation::PLAIN
};

pub(super) static METRICS: Operation = Operation {
    id: "metrics",
    summary: "Metrics for Prometheus",
    answers: &[Content::text(metrics::MEDIA_TYPE, "OpenMetrics.")],
    errors: &[ErrorKind::Busy],
    ..Operation::PLAIN
};

pub(super) static OPENAPI: Operation = Operation {
    id: "openapi",
    summary: "This document",
    answers: &[Content::json_as(bodies::openapi)],
    is_cached: true,
    ..Operation::PLAIN
};

pub(super) static DOCS: Operation = Operation {
    id: "docs",
    summary: "This document as a page for people",
    answers: &[Content::text("text/html", "")],
    is_cached: true,
    ..Operation::PLAIN
};

pub(super) static DOCS_STYLE: Operation = Operation {
    id: "docsStyle",
    summary: "How that page looks",
    answers: &[Content::text("text/css", "")],
    is_cached: true,
    ..Operation::PLAIN
};
