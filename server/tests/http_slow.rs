//! Queries that took long, as the real binary tells them.

mod common;

use common::{Server, dir, logstrata};
use std::process::Stdio;

#[test]
fn slow_queries_are_counted_logged_and_kept_without_secrets() {
    let dir = dir();
    let log = tempfile::NamedTempFile::new().expect("a file");
    let mut command = logstrata();
    command.env("LOGSTRATA_QUERY_SLOW", "0ms").arg("serve").arg("--data").arg(dir.path());
    command.stderr(Stdio::from(log.reopen().expect("opens")));
    let server = Server::start_with(&mut command);
    assert_eq!(
        server.post_lines("{\"message\":\"some text\"}\n{\"message\":\"more\"}").status,
        200
    );
    assert_eq!(server.get("/api/v1/logs?q=text+password:hunter2&from=now-1h").status, 200);
    assert_eq!(server.get("/api/v1/logs/stats?group_by=message").status, 200);
    let json = [("Content-Type", "application/json")];
    let body = br#"{"q":"wrong ("}"#;
    assert_eq!(server.request("POST", "/api/v1/logs/search", &json, body).status, 400);

    let answer = server.get("/api/v1/admin/slow-queries").json();
    assert_eq!((&answer["total"], &answer["threshold_ms"]), (&3.into(), &0.0.into()), "{answer}");
    let slow = answer["slow_queries"].as_array().expect("a list");
    let member = |name: &str| slow.iter().map(|slow| slow[name].clone()).collect::<Vec<_>>();
    let paths = ["/api/v1/logs/search", "/api/v1/logs/stats", "/api/v1/logs"];
    assert_eq!(member("path"), paths, "the newest first");
    assert_eq!(
        member("error"),
        ["invalid".into(), serde_json::Value::Null, serde_json::Value::Null]
    );
    assert_eq!(member("method"), ["POST", "GET", "GET"]);
    assert_eq!(member("rows"), [0, 2, 0]);
    let query = slow[2]["query"].as_str().expect("is text");
    assert!(query.starts_with("text password:[redacted:password]"), "{query}");
    assert_eq!(slow[2]["from"], "now-1h");
    assert!(slow[1]["scanned"]["rows"].as_u64() == Some(2), "{slow:?}");
    assert!(slow.iter().all(|slow| slow["peer"].as_str().is_some_and(|p| p.starts_with("127."))));
    assert!(slow.iter().all(|slow| slow["took_ms"].as_f64().is_some_and(|ms| ms > 0.0)));
    assert_eq!(server.metric("logstrata_queries_slow_total"), 3);
    assert_eq!(server.metric("logstrata_query_duration_seconds_count"), 3);

    // A flood of them makes few lines; the list is bounded.
    for n in 0..120 {
        assert_eq!(server.get(&format!("/api/v1/logs?q=n{n}")).status, 200);
    }
    let answer = server.get("/api/v1/admin/slow-queries").json();
    let slow = answer["slow_queries"].as_array().expect("a list");
    assert_eq!((slow.len(), &answer["total"]), (100, &123.into()));
    assert_eq!(slow[0]["query"], "n119");
    server.stop();
    let text = String::from_utf8(std::io::read_to_string(log).expect("reads").into_bytes());
    let text = text.expect("UTF-8");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("slow_query")).collect();
    assert!(lines.len() >= 10 && lines.len() < 60, "{} lines", lines.len());
    assert!(lines[0].contains("password:[redacted:password]"), "{}", lines[0]);
    assert!(!text.contains("hunter2"));
}

#[test]
fn fast_queries_are_none_of_them() {
    let dir = dir();
    let mut command = logstrata();
    command.env("LOGSTRATA_QUERY_SLOW", "off").arg("serve").arg("--data").arg(dir.path());
    let server = Server::start_with(&mut command);
    assert_eq!(server.get("/api/v1/logs").status, 200);
    let answer = server.get("/api/v1/admin/slow-queries").json();
    assert_eq!((&answer["total"], &answer["threshold_ms"]), (&0.into(), &serde_json::Value::Null));
    assert_eq!(server.metric("logstrata_queries_slow_total"), 0);
}
