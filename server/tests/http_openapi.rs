//! The document of the API and its page, of the real binary: what they say is what it does.
#![expect(clippy::disallowed_methods, reason = "makes the directory of an archive")]

mod common;

use common::{Answer, Server, dir};
use serde_json::Value;
use std::io::{Read as _, Write as _};

const DOCUMENT: &str = "/api/v1/openapi.json";
const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const EVENT: &str =
    "{\"service\":\"pay\",\"trace_id\":\"t\",\"span_id\":\"s\",\"message\":\"declined 1\"}\n";

/// A server with an archive, so that each path has something to answer.
fn started() -> (tempfile::TempDir, Server) {
    let dir = dir();
    let (data, archive) = (dir.path().join("data"), dir.path().join("archive"));
    std::fs::create_dir(&archive).expect("is made");
    let mut command = common::logstrata();
    command.env("LOGSTRATA_ARCHIVE_URL", format!("file://{}", archive.display()));
    command.env("LOGSTRATA_ARCHIVE_EXPORT_AFTER", "7d");
    let server = Server::start_with(command.arg("serve").arg("--data").arg(data));
    assert_eq!(server.post_lines(&EVENT.repeat(150)).status, 200);
    (dir, server)
}

/// Every operation: its path, its method, and what it is.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let each = paths.flat_map(|(path, item)| {
        let item = item.as_object().expect("operations").iter();
        item.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    each.collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A path that there is something at.
fn filled(server: &Server, path: &str) -> String {
    let id = server.get("/api/v1/logs?limit=1").json()["logs"][0]["id"].clone();
    let value = match path {
        "/api/v1/retention/holds/{id}" => "1".to_owned(),
        "/api/v1/logs/{id}" | "/api/v1/logs/{id}/context" => id.as_str().expect("an id").to_owned(),
        _ => "service".to_owned(),
    };
    match path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?.1))) {
        Some((head, tail)) => format!("{head}{value}{tail}"),
        None => path.to_owned(),
    }
}

/// The parameters that an operation takes, in its body or its URL.
fn parameters(operation: &Value) -> (Vec<&str>, bool) {
    let members = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
    if let Some(members) = members.as_object() {
        return (members.keys().map(String::as_str).collect(), true);
    }
    let query = list(&operation["parameters"]).filter(|row| row["in"] == "query");
    (query.map(|row| row["name"].as_str().expect("a name")).collect(), false)
}

fn sent(server: &Server, method: &str, path: &str, operation: &Value) -> Answer {
    let path = filled(server, path);
    match operation["operationId"].as_str() {
        Some("ingest") => server.request("POST", &path, &[NDJSON], EVENT.as_bytes()),
        // What it makes is what is released behind it.
        Some("holdByPost") => {
            let hold = b"{\"class\":\"debug\",\"owner\":\"ann\",\"reason\":\"case\"}";
            server.request("POST", &path, &[JSON], hold)
        }
        // Somebody has to say so.
        Some("releaseHold") => server.request("DELETE", &format!("{path}?by=bob"), &[], b""),
        // It has to say what goes.
        Some("purge") => {
            server.request("DELETE", &format!("{path}?level=trace&dry_run=true"), &[], b"")
        }
        _ if parameters(operation).1 => server.request("POST", &path, &[JSON], b"{}"),
        _ => server.request(&method.to_ascii_uppercase(), &path, &[], b""),
    }
}

#[test]
fn every_path_of_the_document_answers_as_it_says() {
    let (_dir, server) = started();
    let document = server.get(DOCUMENT).json();
    let operations = operations(&document);
    assert!(operations.len() > 20, "{}", operations.len());
    for (path, method, operation) in operations {
        let answer = sent(&server, method, path, operation);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        let media_type = answer.header("content-type").expect("has a type");
        let media_type = media_type.split(';').next().expect("a type");
        let told = operation["responses"]["200"]["content"].get(media_type);
        assert!(told.is_some(), "{method} {path}: {media_type}");
    }
}

#[test]
fn what_is_answered_to_get_is_answered_to_head() {
    let (_dir, server) = started();
    let document = server.get(DOCUMENT).json();
    for (path, _, _) in operations(&document).iter().filter(|(_, method, _)| *method == "get") {
        let path = filled(&server, path);
        let mut stream = server.connect();
        let host = server.address;
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("ends");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{path}: no body");
    }
}

#[test]
fn the_parameters_told_are_those_that_are_taken() {
    let (_dir, server) = started();
    let document = server.get(DOCUMENT).json();
    for (path, method, operation) in operations(&document) {
        let (mut told, in_body) = parameters(operation);
        let path = filled(&server, path);
        let method = method.to_ascii_uppercase();
        let answer = match in_body {
            true => server.request(&method, &path, &[JSON], b"{\"no_such\":1}"),
            false => server.request(&method, &format!("{path}?no_such=1"), &[], b""),
        };
        let (kind, message) = answer.error();
        assert_eq!((answer.status, kind.as_str()), (400, "invalid"), "{method} {path}");
        let known = message.split_once("known are ").map_or("", |(_, names)| names);
        let mut known: Vec<&str> = known.split(", ").filter(|name| !name.is_empty()).collect();
        known.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, known, "{method} {path}: {message}");
    }
}

#[test]
fn other_methods_are_refused_with_those_that_there_are() {
    let (_dir, server) = started();
    let document = server.get(DOCUMENT).json();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let answer = server.request("PATCH", &filled(&server, path), &[], b"");
        assert_eq!(answer.status, 405, "{path}");
        let allow: Vec<String> =
            answer.header("allow").expect("is told").split(", ").map(str::to_lowercase).collect();
        for method in item.as_object().expect("operations").keys() {
            assert!(allow.contains(method), "{path}: {method}");
        }
    }
}

/// It was looked at only if there was no `Last-Event-ID`, so a wrong one showed at the first connection
/// that had to begin anew.
#[test]
fn an_after_that_is_no_id_is_refused_also_where_the_header_wins() {
    let (_dir, server) = started();
    let id = server.get("/api/v1/logs?limit=1").json()["logs"][0]["id"].clone();
    let header = [("Last-Event-ID", id.as_str().expect("an id"))];
    let answer = server.request("GET", "/api/v1/logs/tail?after=x", &header, b"");
    assert_eq!(answer.status, 400);
    assert!(answer.error().1.starts_with("after: not an id"), "{}", answer.text());
    assert_eq!(server.request("GET", "/api/v1/logs/tail", &header, b"").status, 200);
}

/// `after` is a number of neighbours elsewhere: a body was held against that.
#[test]
fn an_id_in_the_body_of_a_tail_is_text() {
    let (_dir, server) = started();
    let id = server.get("/api/v1/logs?limit=1").json()["logs"][0]["id"].clone();
    let tail =
        |body: String| server.request("POST", "/api/v1/logs/tail", &[JSON], body.as_bytes()).status;
    assert_eq!(tail(format!("{{\"after\":{id}}}")), 200);
    assert_eq!(tail("{\"after\":7}".into()), 400);
}

#[test]
fn a_page_has_as_many_events_as_the_document_says() {
    let (_dir, server) = started();
    let document = server.get(DOCUMENT).json();
    let search = &document["paths"]["/api/v1/logs"]["get"];
    let limit = list(&search["parameters"]).find(|row| row["name"] == "limit").expect("is told");
    let page = server.get("/api/v1/logs").json();
    assert_eq!(
        Some(page["logs"].as_array().expect("events").len() as u64),
        limit["schema"]["default"].as_u64()
    );
}

#[test]
fn the_page_is_kept_by_caches_and_takes_nothing_from_elsewhere() {
    let (_dir, server) = started();
    for (path, media_type) in [
        (DOCUMENT, "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/style.css", "text/css; charset=utf-8"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)));
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").expect("is there");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
        let tag = answer.header("etag").expect("is there").to_owned();
        let again = server.request("GET", path, &[("If-None-Match", &tag)], b"");
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(&*tag)));
    }
    let page = server.get("/docs").text();
    let linked = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    for target in linked.filter(|target| !target.starts_with('#')) {
        assert_eq!(server.get(target).status, 200, "{target}");
    }
}
