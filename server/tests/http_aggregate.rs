//! Tables, counts and facets of the real binary: sent in every way, of events that were extracted
//! from, with more groups than there may be.

mod common;

use common::{Server, dir};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn line(n: u32) -> Value {
    json!({
        "timestamp": format!("2026-11-21T00:{:02}:{:02}Z", n / 60, n % 60),
        "level": (["info", "error"][usize::from(n.is_multiple_of(4))]),
        "service": (["cart", "pay", "auth"][n as usize % 3]),
        "message": format!("user={} took {}ms", n % 4, n * 10),
        "duration_ms": n * 10,
    })
}

fn server_with_events(dir: &std::path::Path) -> Server {
    let server = Server::start(dir);
    let lines: Vec<String> = (0..200).map(|n| line(n).to_string()).collect();
    assert_eq!(server.post_lines(&lines.join("\n")).status, 200);
    server
}

/// A query string of these parameters.
fn encoded(parameters: &[(&str, &str)]) -> String {
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn get(server: &Server, path: &str, parameters: &[(&str, &str)]) -> Value {
    let answer = server.get(&format!("{path}?{}", encoded(parameters)));
    assert_eq!(answer.status, 200, "{path}: {}", answer.json());
    without_time(answer.json())
}

fn post(server: &Server, path: &str, kind: &str, body: &str) -> (u16, Value) {
    let answer = server.request("POST", path, &[("Content-Type", kind)], body.as_bytes());
    (answer.status, answer.json())
}

fn asked(server: &Server, q: &str) -> Value {
    let body = json!({ "q": q }).to_string();
    let (status, answer) = post(server, "/api/v1/logs/search", JSON, &body);
    assert_eq!(status, 200, "{q}: {answer}");
    answer
}

fn without_time(mut answer: Value) -> Value {
    answer["took_ms"] = Value::Null;
    answer
}

#[test]
fn what_takes_a_query_takes_it_in_a_body_too() {
    let dir = dir();
    let server = server_with_events(dir.path());
    let to = ("to", "2026-11-21T00:03:00Z");
    let q = ("q", "service:(cart OR pay) \"took\"");
    for (path, more) in [
        ("/api/v1/logs/stats", ("group_by", "service")),
        ("/api/v1/logs/histogram", ("buckets", "7")),
        ("/api/v1/logs/facets", ("fields", "service,level")),
        ("/api/v1/fields", ("prefix", "s")),
        ("/api/v1/fields/service/values", ("prefix", "p")),
        ("/api/v1/logs/patterns", ("limit", "3")),
    ] {
        let parameters = [q, to, more];
        let expected = get(&server, path, &parameters);
        // Numbers are numbers in JSON.
        let value = |text: &str| text.parse::<u64>().map_or(json!(text), |number| json!(number));
        let object: serde_json::Map<String, Value> =
            parameters.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect();
        for (kind, body) in
            [(JSON, Value::Object(object).to_string()), (FORM, encoded(&parameters))]
        {
            let (status, answer) = post(&server, path, kind, &body);
            assert_eq!((status, without_time(answer)), (200, expected.clone()), "{path} {kind}");
        }
        assert_eq!(post(&server, path, JSON, r#"{"querry":"a"}"#).0, 400, "{path}");
        assert_eq!(post(&server, path, "text/csv", "q").0, 415, "{path}");
        let answer = server.request("POST", &format!("{path}?q=a"), &[], b"{}");
        assert_eq!(answer.status, 400, "{path}: the parameters are in the body");
        // Longer than any URL.
        let long = format!("service:pay {}", "-nothing ".repeat(1_000));
        let (status, answer) = post(&server, path, JSON, &json!({ "q": long }).to_string());
        assert_eq!(status, 200, "{path}: {answer}");
    }
}

/// Only a filter could stand before these.
#[test]
fn events_are_extracted_from_and_tested_before_they_are_counted() {
    let dir = dir();
    let server = server_with_events(dir.path());
    let stages =
        "service:pay | extract \"user=<user:int> took <ms:int>ms\" | where ms:>=700 user:1";
    // The same by what is stored: `user` is n % 4, `service` is pay for n % 3 == 1.
    let lines: Vec<Value> =
        (0..200).filter(|n| n % 3 == 1 && n % 4 == 1 && *n >= 70).map(line).collect();
    for flushed in [false, true] {
        if flushed {
            assert_eq!(server.request("POST", "/api/v1/admin/flush", &[], b"").status, 200);
        }
        let table = get(
            &server,
            "/api/v1/logs/stats",
            &[("q", stages), ("group_by", "user"), ("agg", "sum(ms)")],
        );
        let sum: u64 = lines.iter().filter_map(|line| line["duration_ms"].as_u64()).sum();
        assert_eq!(table["rows"], json!([{"user": 1, "count": lines.len(), "sum(ms)": sum}]));
        assert_eq!(table["warnings"], json!([]));

        let histogram =
            get(&server, "/api/v1/logs/histogram", &[("q", stages), ("interval", "1h")]);
        assert_eq!(histogram["buckets"].as_array().map(Vec::len), Some(1));
        assert_eq!(histogram["buckets"][0]["count"], json!(lines.len()));
        assert_eq!(histogram["range"]["from"], lines[0]["timestamp"]);

        let facets = get(&server, "/api/v1/logs/facets", &[("q", stages)]);
        assert_eq!(facets["events"], json!(lines.len()));
        let field = |name: &str| {
            let fields = facets["fields"].as_array().expect("a list");
            fields.iter().find(|field| field["name"] == name).cloned().unwrap_or_default()
        };
        assert_eq!(field("user")["values"], json!([{"value": 1, "count": lines.len()}]));
        assert_eq!(
            (&field("ms")["kinds"], &field("ms")["events"]),
            (&json!(["number"]), &json!(lines.len()))
        );
        let values = get(&server, "/api/v1/fields/ms/values", &[("q", stages), ("prefix", "7")]);
        let seven = lines.iter().filter(|line| line["duration_ms"].to_string().starts_with('7'));
        assert_eq!(values["matching"], json!(seven.count()));
        let fields = get(&server, "/api/v1/fields", &[("q", stages), ("prefix", "us")]);
        assert_eq!(fields["fields"][0]["name"], json!("user"));

        let patterns = get(&server, "/api/v1/logs/patterns", &[("q", stages)]);
        assert_eq!(patterns["events"], json!(lines.len()));
    }
}

#[test]
fn stages_that_need_all_events_are_refused_with_their_place() {
    let dir = dir();
    let server = server_with_events(dir.path());
    for path in ["stats", "histogram", "facets", "patterns"] {
        let q = "error | where a:1 | top 5 service | limit 3";
        let (status, answer) =
            post(&server, &format!("/api/v1/logs/{path}"), JSON, &json!({ "q": q }).to_string());
        assert_eq!(status, 400, "{path}: {answer}");
        let error = &answer["error"];
        assert_eq!(error["position"], json!({"start": 20, "end": 33}), "{path}");
        let message = error["message"].as_str().expect("a text");
        assert!(message.starts_with("`top` can't be used here"), "{path}: {message}");
    }
}

#[test]
fn numbers_are_counted_in_steps_beside_time_and_fields() {
    let dir = dir();
    let server = server_with_events(dir.path());
    let table =
        asked(&server, "| stats count() by bin(duration_ms, 1s) as step, level | sort step, level");
    // Levels stand by their rank.
    let mut expected: std::collections::BTreeMap<(u32, bool), u32> = Default::default();
    for n in 0..200u32 {
        *expected.entry((n * 10 / 1_000 * 1_000, n.is_multiple_of(4))).or_default() += 1;
    }
    let level = |is_error: bool| if is_error { "error" } else { "info" };
    let expected: Vec<Value> = expected
        .into_iter()
        .map(|((step, error), count)| json!({"step": step, "level": level(error), "count": count}))
        .collect();
    assert_eq!(table["rows"], json!(expected));
    assert_eq!((&table["warnings"], &table["other"]), (&json!([]), &Value::Null));

    let body = json!({"q": "| stats count() by bin(user, 1s)"}).to_string();
    let (status, answer) = post(&server, "/api/v1/logs/search", JSON, &body);
    assert_eq!((status, &answer["error"]["position"]), (400, &json!({"start": 29, "end": 31})));
}

/// A table with more groups than there may be was refused.
#[test]
fn groups_beyond_the_limit_are_counted_together() {
    const GROUPS: u32 = 100_500;
    let dir = dir();
    let server = Server::start(dir.path());
    let line = |n: u32| {
        // One user of a hundred has three events.
        let times = if n.is_multiple_of(100) { 3 } else { 1 };
        format!("{{\"user\":\"u{n}\",\"n\":{n}}}\n").repeat(times)
    };
    for some in (0..GROUPS).collect::<Vec<_>>().chunks(20_000) {
        let lines: String = some.iter().map(|n| line(*n)).collect();
        assert_eq!(server.post_lines(lines.trim_end()).status, 200);
    }
    let events = u64::from(GROUPS + 2 * GROUPS.div_ceil(100));
    let sum: u64 = (0..u64::from(GROUPS)).map(|n| if n % 100 == 0 { 3 * n } else { n }).sum();
    let parameters = [("group_by", "user"), ("agg", "sum(n)")];
    let answer = server.get(&format!("/api/v1/logs/stats?{}", encoded(&parameters)));
    let table = answer.json();
    let rows = table["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 100_001, "{}", table["warnings"]);
    let total = |column: &str| rows.iter().filter_map(|row| row[column].as_u64()).sum::<u64>();
    assert_eq!((total("count"), total("sum(n)")), (events, sum), "the rows have all events");
    let last = &rows[100_000];
    assert_eq!((&last["user"], &last["count"]), (&json!("other"), &table["other"]["events"]));
    let most = table["other"]["group_events_max"].as_u64().expect("a number");
    assert!(table["warnings"][0].as_str().is_some_and(|warning| warning.contains("`other`")));
    // Every group with more events is there.
    let thrice = rows.iter().filter(|row| row["count"] == 3).count() as u64;
    assert!(most >= 3 || thrice == u64::from(GROUPS.div_ceil(100)), "{most} {thrice}");

    let top = asked(&server, "| top 3 user");
    assert!(top["rows"].as_array().is_some_and(|rows| rows.len() == 3));
    assert!(top["rows"].as_array().is_some_and(|rows| rows.iter().all(|row| row["count"] == 3)));
    assert_eq!(top["other"], Value::Null);
    let sorted = asked(&server, "| stats count() by user | sort -count | fields user");
    let sorted = sorted["rows"].as_array().expect("rows");
    assert_eq!(sorted[sorted.len() - 1], json!({"user": "other"}));
    let limited = asked(&server, "| stats count() by user | sort -count | limit 5");
    assert_eq!(
        (limited["rows"].as_array().map(Vec::len), &limited["other"]),
        (Some(5), &Value::Null)
    );
    assert!(limited["warnings"].to_string().contains("left out"));
}
#[test]
fn a_table_is_made_of_the_rows_of_another() {
    let dir = dir();
    let server = server_with_events(dir.path());
    let table = asked(
        &server,
        "| stats count(), p50(duration_ms) as half by service, bin(1m) | stats sum(count) as events, \
         max(half), count() by service | sort service",
    );
    let row = |service, events, half: &Value| json!({"service": service, "events": events, "max(half)": half, "count": 4});
    let half = |place: usize| table["rows"][place]["max(half)"].clone();
    assert_eq!(
        table["rows"],
        json!([row("auth", 66, &half(0)), row("cart", 67, &half(1)), row("pay", 67, &half(2))])
    );
    assert_eq!(
        table["approximate"],
        json!([{"column": "max(half)", "relative_error": 0.00390625}])
    );
}
