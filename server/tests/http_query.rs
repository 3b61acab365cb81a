//! Searches, single events and statistics of the real binary.

mod common;

use common::{Server, dir};
use serde_json::{Value, json};
use std::fmt::Write as _;

fn events(count: usize) -> String {
    let mut lines = String::new();
    for n in 0..count {
        let (level, service) = (["info", "error"][n % 2], ["cart", "pay", "auth"][n % 3]);
        writeln!(
            lines,
            "{{\"timestamp\":\"2026-11-21T00:{:02}:{:02}Z\",\"level\":\"{level}\",\
             \"service\":\"{service}\",\"message\":\"event {n}\",\"duration_ms\":{n},\
             \"order\":{{\"id\":{n}}}}}",
            n / 60,
            n % 60
        )
        .expect("a string takes everything");
    }
    lines
}

#[test]
fn pages_follow_each_other_without_gap() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines(&events(250)).status, 200);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            server.get(&format!("/api/v1/logs?q=level:error&limit=30&cursor={cursor}")).json();
        seen.extend(
            page["logs"].as_array().expect("a list").iter().map(|e| e["order"]["id"].clone()),
        );
        assert!(page["took_ms"].is_number() && page["scanned"]["rows"].is_u64(), "{page}");
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<_> = (0..250).rev().filter(|n| n % 2 == 1).map(|n| json!(n)).collect();
    assert_eq!(seen, expected);
    assert_eq!(server.get("/api/v1/logs?cursor=nonsense").status, 400);
}

#[test]
fn the_default_limit_is_100_and_the_range_is_echoed() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines(&events(120)).status, 200);
    let page = server.get("/api/v1/logs").json();
    assert_eq!(page["logs"].as_array().map(Vec::len), Some(100));
    assert_eq!(page["range"], json!({"from": null, "to": null}));
    let range = "from=2026-11-21T00:00:10Z&to=2026-11-21T00:00:20Z";
    let page = server.get(&format!("/api/v1/logs?{range}")).json();
    assert_eq!(page["logs"].as_array().map(Vec::len), Some(10), "from is included, to is not");
    let echoed = json!({"from": "2026-11-21T00:00:10Z", "to": "2026-11-21T00:00:20Z"});
    assert_eq!(page["range"], echoed);
}

#[test]
fn an_event_is_found_by_its_id() {
    let dir = dir();
    let server = Server::start(dir.path());
    let answer = server.post_lines(&events(3)).json();
    let id = answer["last_id"].as_str().expect("has an id");
    let event = server.get(&format!("/api/v1/logs/{id}"));
    assert_eq!(event.status, 200);
    let expected = json!({
        "id": id, "timestamp": "2026-11-21T00:00:02Z", "level": "info", "service": "auth",
        "message": "event 2", "duration_ms": 2, "order": {"id": 2}
    });
    assert_eq!(event.json(), expected);
    let other = server.get("/api/v1/logs/00000000000000000000000000");
    assert_eq!((other.status, other.error().0.as_str()), (404, "not_found"));
    assert_eq!(server.get("/api/v1/logs/xyz").status, 400);
}

#[test]
fn statistics_group_and_compute() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines(&events(120)).status, 200);
    let rows = |query: &str| {
        let answer = server.get(&format!("/api/v1/logs/stats?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.json()["rows"].clone()
    };
    assert_eq!(rows(""), json!([{"count": 120}]));
    assert_eq!(
        rows("group_by=level&interval=1m&agg=count,max(duration_ms)&q=service:pay"),
        json!([
            {"time": "2026-11-21T00:00:00Z", "level": "error", "count": 10, "max(duration_ms)": 55},
            {"time": "2026-11-21T00:00:00Z", "level": "info", "count": 10, "max(duration_ms)": 58},
            {"time": "2026-11-21T00:01:00Z", "level": "error", "count": 10, "max(duration_ms)": 115},
            {"time": "2026-11-21T00:01:00Z", "level": "info", "count": 10, "max(duration_ms)": 118},
        ])
    );
    let typed = rows("group_by=duration_ms,nothing&q=duration_ms:7");
    assert_eq!(typed, json!([{"duration_ms": 7, "nothing": null, "count": 1}]));
    assert_eq!(rows("group_by=service&top=2").as_array().map(Vec::len), Some(2));
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let dir = dir();
    let server = Server::start(dir.path());
    for (path, part) in [
        ("/api/v1/logs?querry=x", "\"querry\": known are q, from"),
        ("/api/v1/logs?q=a&q=b", "twice"),
        ("/api/v1/logs?limit=10001", "1 to 10000"),
        ("/api/v1/logs?limit=0", "1 to 10000"),
        ("/api/v1/logs?order=up", "desc or asc"),
        ("/api/v1/logs?from=yesterdayish", "from: "),
        ("/api/v1/logs?q=%zz", "%"),
        ("/api/v1/logs/stats?agg=p42(x)", "p95(field)"),
        ("/api/v1/logs/stats?interval=5", "interval: "),
        ("/api/v1/logs/stats?limit=5", "group_by"),
        ("/healthz?x=1", "none is known"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        let (kind, message) = answer.error();
        assert_eq!(kind, "invalid");
        assert!(message.contains(part), "{path}: {message}");
    }
}

#[test]
fn a_syntax_error_has_its_place() {
    let dir = dir();
    let server = Server::start(dir.path());
    let answer = server.get("/api/v1/logs?q=level:error+AND+(");
    assert_eq!(answer.status, 400, "{}", answer.text());
    let error = &answer.json()["error"];
    let (start, end) = (error["position"]["start"].as_u64(), error["position"]["end"].as_u64());
    assert!(start <= end && start.is_some() && end <= Some(17), "{error}");
    let excerpt = error["excerpt"].as_str().expect("has an excerpt");
    assert!(excerpt.starts_with("level:error AND (\n") && excerpt.ends_with('^'), "{excerpt}");
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.get("/api/v2/logs").status, 404);
    assert_eq!(server.get("/").error().0, "not_found");
    let answer = server.request("DELETE", "/api/v1/logs", &[], b"");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
}

#[test]
fn an_event_comes_back_as_it_was_sent() {
    let dir = dir();
    let server = Server::start(dir.path());
    let objects = [
        r#"{"msg":"m","severity":"WARNING","ts":1700000000123,"id":"x","a":{"b":1.0},"a.b":1e400}"#,
        r#"{"timestamp":"2026-11-20T00:00:00.063177Z","level":"info","message":"m"}"#,
        r#"{"level":null,"timestamp":"2026-11-20","service":{"name":"s"},"n":18446744073709551616}"#,
        "{}",
    ];
    let ids: Vec<String> = objects
        .iter()
        .map(|object| {
            let answer = server.post_lines(object).json();
            answer["first_id"].as_str().expect("is stored").to_owned()
        })
        .collect();
    let check = |server: &Server| {
        for (object, id) in objects.iter().zip(&ids) {
            let answer = server.get(&format!("/api/v1/logs/{id}?raw"));
            assert_eq!(answer.status, 200, "{}", answer.text());
            // Numbers are compared as they are written: `Value` would round them.
            let (mut sent, mut back): (Vec<_>, Vec<_>) =
                (object.split_inclusive(['{', ',', '}']).collect(), Vec::new());
            let text = answer.text();
            back.extend(text.split_inclusive(['{', ',', '}']));
            let trim = |part: &str| part.trim_end_matches([',', '}']).to_owned();
            let mut sent: Vec<_> =
                sent.drain(..).map(trim).filter(|part| !part.is_empty()).collect();
            let mut back: Vec<_> =
                back.drain(..).map(trim).filter(|part| !part.is_empty()).collect();
            sent.sort();
            back.sort();
            assert_eq!(back, sent, "{text}");
        }
        let shown = server.get(&format!("/api/v1/logs/{}", ids[0])).text();
        // An id was the only segment of a path that was not decoded.
        let escaped = format!("%{:02x}{}", ids[0].as_bytes()[0], &ids[0][1..]);
        assert_eq!(server.get(&format!("/api/v1/logs/{escaped}")).text(), shown);
        assert!(shown.contains("\"level_text\":\"WARNING\""), "{shown}");
        // What is kept for this is not found by a search for words.
        assert!(server.messages("q=severity").is_empty());
        assert_eq!(server.get("/api/v1/logs/x?raw=2").status, 400);
    };
    check(&server);
    server.request("POST", "/api/v1/flush", &[], b"");
    check(&server);
    server.stop();
    check(&Server::start(dir.path()));
}

/// Line breaks between the tokens of a value made several lines of an event, none of which was JSON.
#[test]
fn an_event_with_an_array_over_several_lines_is_one_line() {
    let dir = dir();
    let server = Server::start(dir.path());
    let tags = "[1,\r\n  {\"a b\":\n [2, \"c\\n\"]}\n]";
    let body =
        format!("[{{\"message\":\"x\",\"tags\":{tags},\"none\":{{\n}}}},\n{{\"message\":\"y\"}}]");
    let stored = server.post("application/json", body.as_bytes()).json();
    let file = server.get("/api/v1/logs/export?order=asc").text();
    let lines: Vec<Value> =
        file.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert_eq!(lines.len(), 2, "{file}");
    let sent: Value = serde_json::from_str(tags).expect("is JSON");
    assert_eq!((&lines[0]["tags"], &lines[0]["none"]), (&sent, &json!({})));
    assert_eq!(server.get("/api/v1/logs").text().lines().count(), 1);

    // What was exported can be sent again.
    let again = common::dir();
    let second = Server::start(again.path());
    assert_eq!(second.post_lines(&file).status, 200);
    assert_eq!(second.get("/api/v1/logs").json()["logs"][1]["tags"], sent);

    let id = stored["first_id"].as_str().expect("is stored");
    let raw = server.get(&format!("/api/v1/logs/{id}?raw")).text();
    assert!(raw.contains(tags), "as it was sent: {raw}");
}
