//! What an operation says of itself.

use super::bodies;
use super::parameters::{self, Parameter, Takes};
use logstrata_client::wire::{ErrorKind, JSON};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::fmt::Debug;

/// What answers a method at a path, as callers see it. With `POST`, the parameters are in the body,
/// unless that holds events.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The name of the call in clients that are made from the document.
    pub(crate) id: &'static str,
    /// Where it belongs.
    pub(crate) tag: Tag,
    /// One line, without a full stop.
    pub(crate) summary: &'static str,
    /// What else there is to say; words in backticks are code.
    pub(crate) about: &'static str,
    /// What stands for the braces of the path.
    pub(crate) segment: Option<&'static Parameter>,
    /// The parameters' names: the very list that the handler lets through.
    pub(crate) parameters: &'static [&'static str],
    /// Those of them that are something else here than in the common table.
    pub(crate) special: &'static [Parameter],
    /// Headers with a meaning.
    pub(crate) headers: &'static [Parameter],
    /// Whether the body holds events.
    pub(crate) takes_events: bool,
    /// What a success may be; the first is the usual one.
    pub(crate) answers: &'static [Content],
    /// Headers of a success, and what they say.
    pub(crate) answer_headers: &'static [(&'static str, &'static str)],
    /// Why it may be refused, besides the reasons that all operations share.
    pub(crate) errors: &'static [ErrorKind],
    /// Whether a `POST` has its parameters in the URL all the same: they are few and short.
    pub(crate) in_url: bool,
    /// Whether a cache may keep the answer and ask whether it is still right.
    pub(crate) is_cached: bool,
    /// Parameters that make a good first call.
    pub(crate) example: &'static [(&'static str, &'static str)],
}

impl Operation {
    /// What a parameter is here.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        let special = self.special.iter().find(|row| row.name == name);
        special.or_else(|| parameters::common(name))
    }

    /// What a parameter takes here.
    pub(crate) fn takes(&self, name: &str) -> Option<Takes> {
        self.parameter(name).map(|row| row.takes)
    }

    /// One that takes nothing. What remains to be said is without it.
    pub(crate) const PLAIN: Self = Self {
        id: "",
        tag: Tag::Service,
        summary: "",
        about: "",
        segment: None,
        parameters: &[],
        special: &[],
        headers: &[],
        takes_events: false,
        answers: &[],
        answer_headers: &[],
        errors: &[],
        in_url: false,
        is_cached: false,
        example: &[],
    };
}

/// Makes a schema, and those that it refers to.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A body that an answer may have.
pub(crate) struct Content {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// What it holds.
    pub(crate) schema: SchemaOf,
    /// What else there is to say.
    pub(crate) about: &'static str,
}

impl Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("media_type", &self.media_type).finish_non_exhaustive()
    }
}

impl Content {
    /// JSON as this type has it.
    pub(crate) const fn json<T: JsonSchema>() -> Self {
        Self::json_as(content::<T>)
    }

    /// JSON of this schema.
    pub(crate) const fn json_as(schema: SchemaOf) -> Self {
        Self { media_type: JSON, schema, about: "" }
    }

    /// Text that no schema describes.
    pub(crate) const fn text(media_type: &'static str, about: &'static str) -> Self {
        Self { media_type, schema: bodies::text, about }
    }

    /// Bytes that are no text.
    pub(crate) const fn bytes(media_type: &'static str, about: &'static str) -> Self {
        Self { media_type, schema: bodies::anything, about }
    }
}

/// The schema of a type, by name.
pub(crate) fn content<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Where an operation belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Events come in.
    Ingest,
    /// Events and figures are asked for.
    Search,
    /// What a result looks like, and what stands around an event.
    Explore,
    /// How long events are kept.
    Retention,
    /// The store is told to do something.
    Admin,
    /// The server tells of itself.
    Service,
}

impl Tag {
    /// All, in the order in which they are shown.
    pub(crate) const ALL: [Self; 6] =
        [Self::Ingest, Self::Search, Self::Explore, Self::Retention, Self::Admin, Self::Service];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Search => "search",
            Self::Explore => "explore",
            Self::Retention => "retention",
            Self::Admin => "admin",
            Self::Service => "service",
        }
    }

    /// What its operations do.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Ingest => "Events come in.",
            Self::Search => "Events and figures: pages, tables, files, a live tail.",
            Self::Explore => "What a result looks like, and what stands around an event.",
            Self::Retention => "How long events are kept, and what is held.",
            Self::Admin => "The store is told to do something.",
            Self::Service => "The server tells of itself.",
        }
    }
}
