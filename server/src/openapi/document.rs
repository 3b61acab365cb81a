//! The document: made of the table of routes, and of the schemas of the wire's types.

use super::operation::{Content, Operation, Tag};
use super::parameters::{Parameter, Place, Takes};
use super::{bodies, content};
use crate::api::Handler;
use crate::router::Route;
use crate::sse;
use crate::status::{retry_after, status_of};
use hyper::StatusCode;
use logstrata_client::encode_segment;
use logstrata_client::wire::{ErrorBody, ErrorKind, JSON, NDJSON};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Where the examples look for a server: where one listens unless it is told otherwise.
const SERVER: &str = "http://127.0.0.1:7600";
/// A form, as HTML sends it.
const FORM: &str = "application/x-www-form-urlencoded";

const ABOUT: &str = "A log server: events in, durable and searchable; questions out. Errors are JSON with \
    a `kind` that says what can be done about them. `HEAD` is answered wherever `GET` is; other methods \
    are 405, with `Allow`. A parameter is given once, an empty one counts as absent, an unknown one is \
    400. There is no authentication: the server listens on loopback alone, and refuses (403) requests \
    with a foreign `Host` or of a foreign web page. What is no HTTP, or has too large a head, is refused \
    without a body: 400, 414 or 431.";

/// Refusals that every operation knows: a wrong parameter, a foreign page, a defect.
const ALWAYS: [ErrorKind; 3] = [ErrorKind::Invalid, ErrorKind::Forbidden, ErrorKind::Internal];
/// Those of a body of parameters.
const OF_BODIES: [ErrorKind; 4] =
    [ErrorKind::Timeout, ErrorKind::TooLarge, ErrorKind::UnsupportedMediaType, ErrorKind::Busy];

/// The header of those who have an answer already.
const AT_HAND: Parameter =
    Parameter::new("If-None-Match", Takes::Text, "", "The `ETag` of the answer that is at hand.");

/// The API as OpenAPI 3.1.
///
/// # Panics
/// If a parameter has no row: the tables are part of the program.
pub(crate) fn document(routes: &[Route<Handler>]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.to_ascii_lowercase()] = operation(route, &mut generator);
    }
    let responses = responses(&mut generator);
    let tags = Tag::ALL.map(|tag| json!({ "name": tag.name(), "description": tag.about() }));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Logstrata",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The HTTP API of the Logstrata log server.",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": responses,
        },
    });
    speak_json(&mut document);
    document
}

/// Whether a route takes its parameters in a body.
fn asks_in_body(route: &Route<Handler>) -> bool {
    let operation = route.operation;
    let in_url = operation.takes_events || operation.in_url;
    route.method == "POST" && !in_url && !operation.parameters.is_empty()
}

fn operation(route: &Route<Handler>, generator: &mut SchemaGenerator) -> Value {
    let operation = route.operation;
    let in_body = asks_in_body(route);
    let mut object = json!({
        "operationId": if in_body { format!("{}ByPost", operation.id) } else { operation.id.to_owned() },
        "tags": [operation.tag.name()],
        "summary": operation.summary,
        "responses": answers(operation, in_body, generator),
        "x-codeSamples": [{ "lang": "Shell", "label": "curl", "source": curl(route) }],
    });
    if !operation.about.is_empty() {
        object["description"] = json!(operation.about);
    }
    let query = operation.parameters.iter().filter(|_| !in_body);
    let query = query.map(|name| parameter(operation, name).object("query"));
    let path = operation.segment.map(|segment| segment.object("path"));
    let headers = operation.headers.iter().chain(operation.is_cached.then_some(&AT_HAND));
    let headers = headers.map(|header| header.object("header"));
    let all: Vec<Value> = path.into_iter().chain(query).chain(headers).collect();
    if !all.is_empty() {
        object["parameters"] = json!(all);
    }
    if in_body {
        object["requestBody"] = body_of_parameters(operation);
    } else if operation.takes_events {
        object["requestBody"] = body_of_events(generator);
    }
    object
}

fn parameter(operation: &Operation, name: &str) -> &'static Parameter {
    let row = operation.parameter(name);
    row.unwrap_or_else(|| panic!("{}: the parameter {name} has no row", operation.id))
}

fn body_of_parameters(operation: &Operation) -> Value {
    let schema = |place| {
        let members = operation.parameters.iter().map(|name| {
            let member = parameter(operation, name).member(place);
            ((*name).to_owned(), member)
        });
        json!({
            "type": "object",
            "properties": members.collect::<Map<_, _>>(),
            "additionalProperties": false,
        })
    };
    json!({
        "description": "The parameters, for queries that are too long for a URL.",
        "required": true,
        "content": {
            JSON: { "schema": schema(Place::Json) },
            FORM: { "schema": schema(Place::Form) },
        },
    })
}

fn body_of_events(generator: &mut SchemaGenerator) -> Value {
    let example = "{\"level\":\"error\",\"service\":\"pay\",\"message\":\"card declined\"}\n";
    json!({
        "description": "Events; none is fine, too. Without a `Content-Type`, the form is told by the \
            beginning of the body.",
        "required": false,
        "content": {
            NDJSON: {
                "schema": { "type": "string", "description": "One JSON object a line." },
                "example": example,
            },
            JSON: { "schema": bodies::sent_document(generator) },
        },
    })
}

fn answers(operation: &Operation, in_body: bool, generator: &mut SchemaGenerator) -> Value {
    let mut answers = Map::new();
    let contents: Map<String, Value> = operation
        .answers
        .iter()
        .map(|content| (content.media_type.to_owned(), media_type(content, generator)))
        .collect();
    let mut success = json!({ "description": operation.summary, "content": contents });
    let header = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    for (name, about) in operation.answer_headers {
        success["headers"][*name] = header(about);
    }
    if operation.is_cached {
        success["headers"]["ETag"] = header("Says which version it is.");
        let unchanged = "It is what `If-None-Match` names.";
        answers.insert("304".into(), json!({ "description": unchanged }));
    }
    answers.insert("200".into(), success);
    let of_body = OF_BODIES.iter().filter(|_| in_body);
    for kind in ALWAYS.iter().chain(operation.errors).chain(of_body) {
        let status = status_of(*kind);
        let reference = format!("#/components/responses/{}", name_of(status));
        answers.insert(status.as_str().to_owned(), json!({ "$ref": reference }));
    }
    Value::Object(answers)
}

fn media_type(content: &Content, generator: &mut SchemaGenerator) -> Value {
    let mut schema = (content.schema)(generator);
    if !content.about.is_empty() {
        schema.insert("description".into(), json!(content.about));
    }
    json!({ "schema": schema })
}

/// The name of a status among the components.
fn name_of(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    reason.chars().filter(char::is_ascii_alphabetic).collect()
}

/// The refusals, by their status: each kind as the docstrings of [`ErrorKind`] have it.
fn responses(generator: &mut SchemaGenerator) -> Value {
    let body = content::<ErrorBody>(generator);
    let kinds = generator.definitions()["ErrorKind"]["oneOf"].as_array().cloned();
    let mut responses = Map::new();
    for described in kinds.expect("every kind has a docstring") {
        let name = described["const"].as_str().unwrap_or_default();
        let about = described["description"].as_str().unwrap_or_default();
        let kind: ErrorKind = serde_json::from_value(json!(name)).expect("is a kind");
        let status = status_of(kind);
        let response = responses.entry(name_of(status)).or_insert_with(
            || json!({ "description": "", "content": { JSON: { "schema": body } } }),
        );
        let before = response["description"].as_str().unwrap_or_default();
        let described = format!("{before} `{name}`: {about}");
        response["description"] = json!(described.trim_start());
        if retry_after(kind, status).is_some() {
            response["headers"]["Retry-After"] = json!({
                "description": "Seconds after which another try makes sense.",
                "required": true,
                "schema": { "type": "integer", "minimum": 1 },
            });
        }
    }
    Value::Object(responses)
}

/// The call as a line for a shell.
fn curl(route: &Route<Handler>) -> String {
    let operation = route.operation;
    let mut url = format!("{SERVER}{}", route.path);
    if let Some(segment) = operation.segment {
        let name = format!("{{{}}}", segment.name);
        url = url.replace(&name, &encode_segment(segment.example));
    }
    if operation.takes_events {
        return format!(
            "echo '{{\"level\":\"error\",\"service\":\"pay\",\"message\":\"card declined\"}}' |\n  \
             curl -s {url} -H 'Content-Type: {NDJSON}' --data-binary @-"
        );
    }
    let is_stream = operation.answers.iter().any(|content| content.media_type == sse::CONTENT_TYPE);
    let switches = match (route.method, operation.example.is_empty(), is_stream) {
        ("GET", _, true) => "-sNG",
        ("GET", false, _) => "-sG",
        ("GET", true, _) => "-s",
        ("DELETE", false, _) => "-sG -X DELETE",
        ("DELETE", true, _) => "-s -X DELETE",
        (_, true, _) => "-s -X POST",
        (_, false, _) => "-s",
    };
    let plain =
        |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let pairs = operation.example.iter().map(|(name, value)| match plain(value) {
        true => format!(" -d {name}={value}"),
        false => format!(" --data-urlencode '{name}={value}'"),
    });
    format!("curl {switches} {url}{}", pairs.collect::<String>())
}

/// The docstrings of the wire's types say `None` where JSON has `null`; and what a client takes for a
/// member that is missing is nothing to tell of members that are there.
fn speak_json(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.replace("`None`", "`null`").replace('\n', " ");
            }
            members.values_mut().for_each(speak_json);
        }
        Value::Array(items) => items.iter_mut().for_each(speak_json),
        _ => {}
    }
}
