//! `explain=true` of the real binary, and `--explain` of its command line.

mod common;

use common::{Server, dir, logstrata};
use serde_json::Value;

fn filled(server: &Server) {
    for batch in 0..3 {
        let line = |n: usize| {
            let (n, level) = (batch * 1_000 + n, ["info", "error"][n % 2]);
            let time = format!("2026-11-21T00:{:02}:{:02}Z", n / 60, n % 60);
            format!(
                "{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"service\":\"s{}\",\"message\":\"event {n}\"}}\n",
                n % 3
            )
        };
        assert_eq!(server.post_lines(&(0..1_000).map(line).collect::<String>()).status, 200);
        if batch < 2 {
            assert_eq!(server.request("POST", "/api/v1/admin/flush", &[], b"").status, 200);
        }
    }
}

fn sum(pass: &Value, pointer: &str) -> u64 {
    let tiers = pass["tiers"].as_array().expect("a list").iter();
    tiers.map(|tier| tier.pointer(pointer).and_then(Value::as_u64).expect("a number")).sum()
}

#[test]
fn a_plan_comes_with_the_answer_if_it_is_asked_for() {
    let dir = dir();
    let server = Server::start(dir.path());
    filled(&server);
    for path in ["logs", "logs/stats", "logs/histogram", "logs/facets"] {
        let plain = server.get(&format!("/api/v1/{path}?q=service:s1")).json();
        assert!(plain.get("plan").is_none(), "{path}");
        for url in ["q=service:s1&explain=true", "explain&q=service:s1"] {
            let mut answer = server.get(&format!("/api/v1/{path}?{url}")).json();
            let plan = answer["plan"].take();
            assert_eq!(plan["query"], "service:s1", "{path}: {plan}");
            for pass in plan["passes"].as_array().expect("a list") {
                let done = [
                    "/pruned/time",
                    "/pruned/level",
                    "/pruned/index",
                    "/answered_by_header",
                    "/read/blocks",
                    "/not_looked_at",
                ];
                let done: u64 = done.iter().map(|pointer| sum(pass, pointer)).sum();
                assert!(done == sum(pass, "/blocks") && done > 0, "{path}: {pass}");
                assert_eq!(sum(pass, "/rows"), 3_000, "{path}: {pass}");
                assert!(pass["phases"].as_array().is_some_and(|phases| !phases.is_empty()));
            }
            assert!(plan["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{plan}");
            for member in ["took_ms", "plan", "scanned"] {
                answer.as_object_mut().expect("an object").remove(member);
            }
            let same = answer.as_object().expect("an object").iter();
            assert!(same.clone().all(|(name, value)| plain[name] == *value), "{path}");
        }
    }
    let body = br#"{"q":"level:error | stats count() by service, bin(5m)","explain":true}"#;
    let json = [("Content-Type", "application/json")];
    let answer = server.request("POST", "/api/v1/logs/search", &json, body).json();
    let plan = &answer["plan"];
    assert_eq!(plan["stages"][0], "stats count() as count by service, bin(5m)", "{plan}");
    let filter = &plan["passes"][0]["operators"][0];
    assert_eq!((&filter["name"], &filter["rows_out"]), (&"level:error".into(), &1_500.into()));
    assert_eq!(server.get("/api/v1/logs?explain=perhaps").status, 400);
    assert_eq!(server.get("/api/v1/fields?explain=true").status, 400);
}

#[test]
fn the_command_line_shows_a_plan() {
    let dir = dir();
    let server = Server::start(dir.path());
    filled(&server);
    let shown = |arguments: &[&str]| {
        let output = logstrata().args(arguments).output().expect("runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let url = server.url();
    let text = shown(&["search", "level:error event", "--explain", "--server", &url]);
    for part in ["level:error AND event", "search: list", "level-0", "memtable", "operator"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("event 1"), "the plan stands in the place of the result");
    let text = shown(&["stats", "--group-by", "service", "--explain", "--json", "--server", &url]);
    let plan: Value = serde_json::from_str(&text).expect("a line of JSON");
    assert_eq!(plan["stages"][0], "stats count() by service");
    server.stop();
    let data = dir.path().to_str().expect("UTF-8");
    let text = shown(&["search", "level:error event", "--explain", "--data", data]);
    assert!(text.contains("level:error AND event"), "{text}");
}
