//! What each parameter is: one table for the document, and for what a body of parameters may hold.

use crate::api::{context, histogram, search};
use serde_json::{Map, Value, json};

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Any text.
    Text,
    /// A point in time: text, in JSON also a number since the epoch.
    Time,
    /// Text that looks like this.
    Like(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Whole {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
        /// What stands for it if it is absent.
        default: Option<u64>,
    },
    /// `true` or `false`.
    Switch,
    /// A switch that its name alone turns on.
    Flag,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
    /// What stands for it if it is absent: empty if nothing does, or nothing that is always the same.
    pub(crate) default: &'static str,
    /// A value that makes sense.
    pub(crate) example: &'static str,
    /// What it does.
    pub(crate) about: &'static str,
}

/// Events of a page if nothing is said of them: the engine's.
const PAGE_DEFAULT: usize = 100;

/// Durations, as [`crate::units::parse_duration`] reads them.
pub(crate) const DURATION: Takes = Takes::Like("^[0-9]+([mM][sS]|[sSmMhHdDwW])$");

/// A whole number up to `max`.
const fn whole(min: u64, max: usize, default: usize) -> Takes {
    Takes::Whole { min, max: max as u64, default: Some(default as u64) }
}

/// The parameter `limit` where it is not that of a search.
pub(crate) const fn limit(max: usize, default: usize, about: &'static str) -> Parameter {
    row("limit", whole(1, max, default), "", "3", about)
}

const fn row(
    name: &'static str,
    takes: Takes,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Parameter {
    Parameter { name, takes, default, example, about }
}

/// What the parameters are wherever an operation has nothing else to say of them. A parameter has one
/// row here: that is all there is to do for a new one.
#[rustfmt::skip]
const COMMON: &[Parameter] = &[
    row("q", Takes::Text, "", "level:error service:pay", "The query; empty is every event. `/api/v1/query/help` tells its language."),
    row("from", Takes::Time, "", "now-1h", "The first point in time wanted: RFC 3339, a date, epoch seconds to nanoseconds by magnitude, `now`, `now-15m`."),
    row("to", Takes::Time, "", "now", "The first point in time no longer wanted."),
    row("timeout", DURATION, "", "5s", "The time that the query may take; at most what the server is configured to give, which is also the default."),
    row("partial", Takes::Switch, "", "false", "Whether the answer may lack something: with `true` also what is damaged, with `false` nothing. Without it, only what there was no time or memory for, and what is in an archive that can't be read."),
    row("tier", Takes::OneOf(&["all", "hot"]), "all", "hot", "`hot` leaves the archive alone: only what is on the server's machine is looked at, and nothing of the archive is missed."),
    row("explain", Takes::Flag, "false", "true", "The answer tells what the query did: `plan`."),
    row("limit", whole(1, search::LIMIT_MAX, PAGE_DEFAULT), "", "3", "Events of a page at most; a page also ends before its events take 16 MiB of memory."),
    row("order", Takes::OneOf(&["desc", "asc"]), "desc", "asc", "`desc`: the newest first; `asc`: the oldest first."),
    row("cursor", Takes::Text, "", "", "The `next_cursor` of the page before: the rest of the request has to be the same."),
    row("group_by", Takes::Text, "", "service,level", "Fields, separated by commas, at most 16."),
    row("interval", DURATION, "", "5m", "The width of a time bucket; buckets are aligned to the epoch."),
    row("agg", Takes::Text, "", "p95(duration_ms)", "Figures, separated by commas, at most 32: `sum(f)`, `avg(f)`, `min(f)`, `max(f)`, `p50(f)`, `p95(f)`, `p99(f)`, `uniq(f)`. `count` is always there."),
    row("top", Takes::Whole { min: 1, max: u64::MAX, default: None }, "", "10", "Only so many groups, those with the most events in all time buckets together."),
    row("buckets", whole(1, histogram::BUCKETS_MAX, histogram::BUCKETS_DEFAULT), "", "30", "Without `interval`: the narrowest width is taken that makes at most so many buckets."),
    row("fields", Takes::Text, "", "service,level", "Only these fields, separated by commas."),
    row("prefix", Takes::Text, "", "du", "How names, or values, begin, in any case."),
    row("format", Takes::OneOf(&["ndjson", "json", "csv", "txt", "parquet"]), "ndjson", "csv", "What the file is."),
    row("compress", Takes::OneOf(&["gzip", "zstd"]), "", "gzip", "The file itself is compressed; not for `parquet`, which is compressed within."),
    row("compare_from", Takes::Time, "", "now-2h", "The start of a second range, to tell which patterns are new or gone."),
    row("compare_to", Takes::Time, "", "now-1h", "The end of the second range."),
    row("before", whole(0, context::NEIGHBOURS_MAX, context::NEIGHBOURS_DEFAULT), "", "5", "Neighbours before the event at most."),
    row("after", whole(0, context::NEIGHBOURS_MAX, context::NEIGHBOURS_DEFAULT), "", "5", "Neighbours after the event at most."),
    row("same", Takes::Text, "", "service", "Fields, separated by commas, at most 16: only events with the same values of these, byte for byte, or without them if the event has none."),
    row("type", Takes::Text, "", "order", "The type of the resource; any if it is absent."),
    row("raw", Takes::Flag, "false", "true", "The event as it was sent, without its id."),
    row("atomic", Takes::Switch, "false", "true", "All events are stored, or none: with any rejected line, nothing is stored."),
];

/// What a parameter is wherever an operation has nothing else to say of it.
pub(crate) fn common(name: &str) -> Option<&'static Parameter> {
    COMMON.iter().find(|row| row.name == name)
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a URL or a header: all is text.
    Text,
    /// In a form: the same.
    Form,
    /// In a JSON object.
    Json,
}

impl Parameter {
    /// One that is absent unless it is given.
    pub(crate) const fn new(
        name: &'static str,
        takes: Takes,
        example: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, takes, default: "", example, about }
    }

    /// Its schema.
    pub(super) fn schema(&self, place: Place) -> Value {
        let mut schema = match self.takes {
            Takes::Text | Takes::Time => json!({ "type": "string" }),
            Takes::Like(pattern) => json!({ "type": "string", "pattern": pattern }),
            Takes::OneOf(words) => json!({ "type": "string", "enum": words }),
            Takes::Whole { min, max, default } => {
                let mut schema = json!({ "type": "integer", "minimum": min });
                if max < u64::MAX {
                    schema["maximum"] = json!(max);
                }
                if let Some(default) = default {
                    schema["default"] = json!(default);
                }
                schema
            }
            Takes::Switch | Takes::Flag => json!({ "type": "boolean" }),
        };
        if !self.default.is_empty() {
            schema["default"] = self.value(self.default);
        }
        if place == Place::Text {
            return schema;
        }
        // Nothing is as good as an empty text; in JSON, as `null`.
        if let Takes::Like(pattern) = self.takes {
            schema["pattern"] = json!(format!("^$|{pattern}"));
        }
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(json!(""));
        }
        if place == Place::Json {
            schema["type"] = match self.takes {
                Takes::Time => json!(["string", "number", "null"]),
                _ => json!([schema["type"], "null"]),
            };
            if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                words.push(Value::Null);
            }
        }
        schema
    }

    /// As a parameter of a URL, or a header.
    pub(super) fn object(&self, place: &str) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), json!(self.name));
        object.insert("in".into(), json!(place));
        object.insert("description".into(), json!(self.about));
        object.insert("schema".into(), self.schema(Place::Text));
        match place {
            "path" => _ = object.insert("required".into(), json!(true)),
            "query" => _ = object.insert("allowEmptyValue".into(), json!(true)),
            _ => {}
        }
        if !self.example.is_empty() {
            object.insert("example".into(), self.value(self.example));
        }
        Value::Object(object)
    }

    /// As a member of a body.
    pub(super) fn member(&self, place: Place) -> Value {
        let mut schema = self.schema(place);
        schema["description"] = json!(self.about);
        if !self.example.is_empty() {
            schema["examples"] = json!([self.value(self.example)]);
        }
        schema
    }

    /// A value of it, of its text.
    fn value(&self, text: &str) -> Value {
        match self.takes {
            Takes::Whole { .. } | Takes::Switch | Takes::Flag => {
                serde_json::from_str(text).expect("the table has numbers and switches in JSON")
            }
            Takes::Text | Takes::Time | Takes::Like(_) | Takes::OneOf(_) => json!(text),
        }
    }
}
