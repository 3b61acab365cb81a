//! Queries with stages, sent in every way, to the real binary.

mod common;

use common::{Server, dir};
use serde_json::{Value, json};

fn server_with_events(dir: &std::path::Path) -> Server {
    let server = Server::start(dir);
    let line = |n: u32| {
        let service = ["cart", "pay", "auth"][n as usize % 3];
        json!({
            "timestamp": format!("2026-11-21T00:00:{n:02}Z"),
            "service": service,
            "message": format!("user={} took {}ms", n % 4, n * 10),
            "order": {"id": n, "total": 1.5},
            "duration_ms": n * 10,
        })
    };
    let lines: Vec<String> = (0..30).map(|n| line(n).to_string()).collect();
    assert_eq!(server.post_lines(&lines.join("\n")).status, 200);
    server
}

fn post(server: &Server, path: &str, kind: &str, body: &str) -> (u16, Value) {
    let answer = server.request("POST", path, &[("Content-Type", kind)], body.as_bytes());
    (answer.status, answer.json())
}

#[test]
fn a_table_is_rows_and_all_else_is_logs() {
    let dir = dir();
    let server = server_with_events(dir.path());
    let query =
        "duration_ms:>100 | stats count(), max(duration_ms) as slowest by service | sort service";
    let body = json!({ "q": query, "from": "2026-11-21" }).to_string();
    let (status, table) = post(&server, "/api/v1/logs/search", "application/json", &body);
    assert_eq!(status, 200, "{table}");
    let row =
        |service, count, slowest| json!({"service": service, "count": count, "slowest": slowest});
    let rows = [row("auth", 7, 290), row("cart", 6, 270), row("pay", 6, 280)];
    assert_eq!(table["rows"], json!(rows));
    assert!(table.get("logs").is_none() && table["took_ms"].is_number());

    let form = "q=%7C+sort+-duration_ms+%7C+limit+2+%7C+fields+order,level";
    let kind = "application/x-www-form-urlencoded";
    let (status, page) = post(&server, "/api/v1/logs/search", kind, form);
    assert_eq!(status, 200, "{page}");
    let event = |n| json!({"level": "info", "order": {"id": n, "total": 1.5}});
    assert_eq!(page["logs"], json!([event(29), event(28)]));
    assert_eq!(page["next_cursor"], Value::Null);

    let query = "service:pay+%7C+extract+%22user=%3Cuser:int%3E%20%22+%7C+top+1+user";
    let table = server.get(&format!("/api/v1/logs?q={query}")).json();
    assert_eq!(table["rows"], json!([{"user": 0, "count": 3}]), "{table}");
}

#[test]
fn what_is_wrong_has_its_place() {
    let dir = dir();
    let server = server_with_events(dir.path());
    let wrong = |path: &str, body: Value| {
        let (status, answer) = post(&server, path, "application/json", &body.to_string());
        assert_eq!(status, 400, "{answer}");
        answer["error"].clone()
    };
    let error = wrong("/api/v1/logs/search", json!({"q": "a | statz count()"}));
    assert_eq!(error["position"], json!({"start": 4, "end": 9}));
    assert_eq!(error["excerpt"], "a | statz count()\n    ^^^^^");
    // These are of the language, but mean nothing.
    for (query, part, excerpt) in [
        ("a | stats p101(b)", "no figure", "          ^^^^^^^"),
        ("a | limit 5 | where b", "put it before", "              ^^^^^^^"),
        ("| stats sum(a), avg(b) as sum(a)", "two columns", "                ^^^^^^"),
        ("| stats count() by bin(5m), bin(1h)", "two bins", "  ^^^^^"),
        ("| top 3 service | where a:1", "no column `a`", "                  ^^^^^^^^^"),
    ] {
        for path in ["/api/v1/logs/search", "/api/v1/logs/export"] {
            let error = wrong(path, json!({ "q": query }));
            let message = error["message"].as_str().expect("has a message");
            assert!(message.contains(part) && !message.contains("at byte"), "{message}");
            let shown = error["excerpt"].as_str().expect("has an excerpt");
            let carets = shown.strip_prefix(query).and_then(|rest| rest.strip_prefix('\n'));
            assert!(carets.is_some_and(|carets| carets.starts_with(excerpt)), "{shown}");
        }
    }
    let error = wrong("/api/v1/logs/stats", json!({"q": "a | stats count()"}));
    assert!(error["message"].as_str().is_some_and(
        |m| m.starts_with("`stats` can't be used here") && m.ends_with("a search takes all")
    ));
    let error = wrong("/api/v1/logs/search", json!({"querry": "a"}));
    assert!(error["message"].as_str().is_some_and(|m| m.contains("unknown parameter")));
    let (status, _) = post(&server, "/api/v1/logs/search", "text/csv", "q");
    assert_eq!(status, 415);
    let long = json!({ "q": "a".repeat(600_000) }).to_string();
    assert_eq!(post(&server, "/api/v1/logs/search", "application/json", &long).0, 413);
}

/// They were taken and did nothing.
#[test]
fn a_table_tells_what_it_has_no_use_for() {
    let dir = dir();
    let server = server_with_events(dir.path());
    for (parameters, part) in [
        (json!({"limit": 1}), Some("takes no limit:")),
        (
            json!({"limit": 1, "order": "asc", "cursor": "x"}),
            Some("takes no limit, order, cursor:"),
        ),
        (json!({"limit": null}), None),
    ] {
        let mut parameters = parameters;
        parameters["q"] = "| top 3 service".into();
        let body = parameters.to_string();
        let (status, table) = post(&server, "/api/v1/logs/search", "application/json", &body);
        assert_eq!(status, 200, "{table}");
        let warnings = table["warnings"].as_array().expect("a list");
        let told =
            |part: &str| warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains(part)));
        assert_eq!(warnings.len(), usize::from(part.is_some()), "{table}");
        assert!(part.is_none_or(told), "{table}");
        assert_eq!(table["rows"].as_array().map(Vec::len), Some(3));
    }
}

/// 0.99999 was the maximum, and 0.99994 the same as 0.9999.
#[test]
fn a_quantile_is_of_the_rank_that_its_column_names() {
    let dir = dir();
    let server = Server::start(dir.path());
    let lines: Vec<String> = (0..=20_000).map(|n| json!({"n": n}).to_string()).collect();
    assert_eq!(server.post_lines(&lines.join("\n")).status, 200);
    let q = "| stats quantile(n,0.9) as a, quantile(n,0.99), quantile(n,0.00005)";
    let body = json!({ "q": q }).to_string();
    let (status, table) = post(&server, "/api/v1/logs/search", "application/json", &body);
    assert_eq!(status, 200, "{table}");
    let figure = |name: &str| table["rows"][0][name].as_f64().expect("a number");
    assert!((figure("a") - 18_000.0).abs() <= 18_000.0 / 256.0);
    assert!((figure("quantile(n,0.99)") - 19_800.0).abs() <= 19_800.0 / 256.0);
    assert!((figure("quantile(n,0.00005)") - 1.0).abs() <= 1.0 / 256.0, "{table}");
    let body = json!({"q": "| stats quantile(n, 0.9999999)"}).to_string();
    let (status, refused) = post(&server, "/api/v1/logs/search", "application/json", &body);
    assert!(status == 400 && refused.to_string().contains("six digits"), "{refused}");
}

#[test]
fn the_help_is_the_page_of_the_language() {
    let dir = dir();
    let server = Server::start(dir.path());
    let help = server.get("/api/v1/query/help");
    assert_eq!(help.status, 200);
    let text = String::from_utf8(help.body).expect("UTF-8");
    assert!(text.contains("## Stages") && text.contains("`conn*`") && !text.contains("<!--"));
}
