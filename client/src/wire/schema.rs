//! JSON schemas of what no derived `Serialize` writes: events, rows, patterns, and answers that are one
//! thing or another.
//!
//! A schema says what the server writes, not what a client must send: members that are always there are
//! required.
#![expect(dead_code, reason = "the fields are read by the derived schemas alone")]

use super::{QueryMeta, SearchAnswer, StatsAnswer, StatsRow};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// What an id looks like: 26 characters of Crockford's base 32, as the server writes them.
pub const ID_PATTERN: &str = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$";

/// The members that have a meaning to Logstrata, besides `id`, `timestamp` and `level`: their names,
/// dotted, and what they hold.
pub const KNOWN_MEMBERS: [(&str, &str); 15] = [
    ("service", "The program that tells."),
    ("category", "The kind of the event: `audit`."),
    ("action", "What was done: `login`."),
    ("message", "The text for people."),
    ("trace_id", "The trace that it is of."),
    ("span_id", "The span of the trace."),
    ("parent_span_id", "The span that called that span."),
    ("correlation_id", "What events of one matter share."),
    ("user_id", "Who did it."),
    ("resource_type", "What it was done to: its type."),
    ("resource_id", "What it was done to: its id."),
    ("ip", "The address that it came from."),
    ("error.type", "The class of the error."),
    ("error.message", "What the error says."),
    ("error.stack", "Where the error happened."),
];

/// An event as the server writes it.
#[derive(Debug)]
pub struct Event;

impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An event: flat at the top, its attributes nested as they were sent. A \
                known field has the value that was sent, text as a rule. Text that is not UTF-8 is \
                shown with U+FFFD, and whole beside it as `<name>_base64`. A key that was sent twice \
                is there twice.",
            "type": "object",
            "properties": event_members(),
            "required": ["id", "timestamp", "level"],
            "additionalProperties": true,
        })
    }
}

/// An event of a search, which has only the fields that a stage `fields` wants.
#[derive(Debug)]
pub struct ShownEvent;

impl JsonSchema for ShownEvent {
    fn schema_name() -> Cow<'static, str> {
        "ShownEvent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An event as `Event` has it; behind a stage `fields`, only the fields that \
                it names.",
            "type": "object",
            "properties": event_members(),
            "additionalProperties": true,
        })
    }
}

fn event_members() -> Value {
    let mut members = json!({
        "id": {
            "description": "Its id: time and place in the log.",
            "type": "string",
            "pattern": ID_PATTERN,
        },
        "timestamp": {
            "description": "When it happened, in UTC, to the nanosecond.",
            "type": "string",
            "format": "date-time",
        },
        "level": {
            "type": "string",
            "enum": ["trace", "debug", "info", "warn", "error", "critical"],
        },
    });
    for (name, about) in KNOWN_MEMBERS {
        let about = json!({ "description": about });
        match name.split_once('.') {
            None => members[name] = about,
            Some((outer, inner)) => members[outer]["properties"][inner] = about,
        }
    }
    members
}

impl JsonSchema for StatsRow {
    fn schema_name() -> Cow<'static, str> {
        "Row".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A row of a table: its columns by name. Groups have the values that events \
                have, figures are numbers; `null` is none.",
            "type": "object",
            "additionalProperties": true,
        })
    }
}

/// A page of events.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SearchPage {
    /// The events, in the order that was asked for.
    #[schemars(with = "Vec<ShownEvent>")]
    logs: Vec<Value>,
    /// Where the next page begins; `None` if there is none.
    next_cursor: Option<String>,
    #[serde(flatten)]
    meta: QueryMeta,
}

/// A page of a timeline.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TimelinePage {
    /// The events, the oldest first.
    #[schemars(with = "Vec<Event>")]
    logs: Vec<Value>,
    /// Where the next page begins; `None` if there is none.
    next_cursor: Option<String>,
    #[serde(flatten)]
    meta: QueryMeta,
}

impl JsonSchema for SearchAnswer {
    fn schema_name() -> Cow<'static, str> {
        "SearchAnswer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let page = generator.subschema_for::<SearchPage>();
        let table = generator.subschema_for::<StatsAnswer>();
        json_schema!({
            "description": "A page of events; of a query that ends in a table, its rows.",
            "oneOf": [page, table],
        })
    }
}

/// A sentence with holes, and the events behind it. Of what is not listed there is one with `other`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Pattern {
    /// The sentence, with `<*>` for what varies.
    pattern: String,
    /// The events that it stands for.
    count: u64,
    /// Of all events, from 0 to 1.
    share: f64,
    /// It stands for all patterns that are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<bool>,
    /// With a second range: the events there.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    /// With a second range: whether it is in one of the two only.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Option<Change>>,
    /// When the first of its events happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    first: Option<String>,
    /// When the last of its events happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    last: Option<String>,
    /// The latest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<PatternExample>,
    /// The events in equal parts of the range.
    trend: [u64; 20],
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Change {
    New,
    Gone,
}

/// An event of a pattern.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PatternExample {
    /// Its id.
    id: String,
    /// Its message, or the beginning of it.
    message: String,
}

/// What a value was in JSON; `json` is an array, or an object without members.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ValueKind {
    /// Text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// Anything else.
    Json,
}
