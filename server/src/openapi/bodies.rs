//! Schemas of bodies that no type of the wire describes.

use logstrata_client::wire::schema::{Event, ID_PATTERN, ShownEvent};
use logstrata_client::wire::{ErrorDetail, JSON, MISSED, Missed, StatsRow, TAIL_ERROR};
use schemars::{Schema, SchemaGenerator, json_schema};

pub(crate) fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

pub(crate) fn anything(_: &mut SchemaGenerator) -> Schema {
    Schema::default()
}

/// An event, or the object that was sent.
pub(crate) fn one_event(generator: &mut SchemaGenerator) -> Schema {
    let event = generator.subschema_for::<Event>();
    let sent = json_schema!({ "type": "object", "description": "With `raw`: as it was sent." });
    json_schema!({ "anyOf": [event, sent] })
}

/// What an export is in JSON.
pub(crate) fn exported(generator: &mut SchemaGenerator) -> Schema {
    let event = generator.subschema_for::<ShownEvent>();
    let row = generator.subschema_for::<StatsRow>();
    json_schema!({ "type": "array", "items": { "anyOf": [event, row] } })
}

/// An event of a tail's stream.
pub(crate) fn told(generator: &mut SchemaGenerator) -> Schema {
    let event = generator.subschema_for::<ShownEvent>();
    let missed = generator.subschema_for::<Missed>();
    let error = generator.subschema_for::<ErrorDetail>();
    json_schema!({
        "type": "object",
        "properties": {
            "event": {
                "description": "What the data are: an event of the log, unless it is said.",
                "enum": ["message", MISSED, TAIL_ERROR],
                "default": "message",
            },
            "id": { "description": "A place in the log.", "type": "string", "pattern": ID_PATTERN },
            "data": {
                "description": "JSON.",
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": { "anyOf": [event, missed, error] },
            },
            "retry": { "description": "Milliseconds before another try.", "type": "integer" },
        },
    })
}

/// Events as JSON: one, several, or several under a name.
pub(crate) fn sent_document(_: &mut SchemaGenerator) -> Schema {
    let event = json_schema!({
        "type": "object",
        "description": "An event: any JSON object. Names that senders use for time, level, service, \
            message and so on are understood; everything else is an attribute.",
        "additionalProperties": true,
        "examples": [{ "level": "error", "service": "pay", "message": "card declined" }],
    });
    json_schema!({
        "anyOf": [
            event,
            { "type": "array", "items": { "type": "object", "additionalProperties": true } },
        ],
    })
}

pub(crate) fn flushed(_: &mut SchemaGenerator) -> Schema {
    done("flushed")
}

pub(crate) fn compacted(_: &mut SchemaGenerator) -> Schema {
    done("compacted")
}

pub(crate) fn resumed(_: &mut SchemaGenerator) -> Schema {
    done("resumed")
}

fn done(what: &str) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { what: { "const": true } },
        "required": [what],
        "additionalProperties": false,
    })
}

pub(crate) fn live(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { "status": { "const": "ok" } },
        "required": ["status"],
        "additionalProperties": false,
    })
}

pub(crate) fn ready(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "status": { "const": "ready" },
            "warnings": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["status", "warnings"],
        "additionalProperties": false,
    })
}

pub(crate) fn openapi(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { "openapi": { "type": "string" } },
        "required": ["openapi", "info", "paths"],
        "additionalProperties": true,
    })
}
