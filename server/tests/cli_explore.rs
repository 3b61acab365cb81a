//! The commands with which people find their way, of a server and of a store's directory.

mod common;

use common::{Server, dir, logstrata};
use serde_json::{Value, json};

/// What a command that succeeds prints.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = logstrata().args(arguments).output().expect("the binary starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn lines() -> String {
    let line = |n: u32| {
        json!({
            "timestamp": format!("2026-11-21T10:{n:02}:00Z"), "message": format!("event {n}"),
            "level": (if n < 5 { "error" } else { "info" }), "service": "pay", "trace_id": "t/1",
            "span_id": (if n < 8 { "a" } else { "b" }),
            "parent_span_id": (if n < 8 { Value::Null } else { json!("a") }),
        })
    };
    (0..10).map(|n| format!("{}\n", line(n))).collect()
}

/// Runs every command against a target, which has the events of [`lines`].
fn check(target: [&str; 2], id: &str) {
    let run = |arguments: &[&str]| printed(&[arguments, &target].concat());
    let bars = run(&["histogram", "--interval", "5m"]);
    let expected = format!(
        "2026-11-21T10:00:00Z  5  {}\n2026-11-21T10:05:00Z  5  {}\n",
        "#".repeat(50),
        "-".repeat(50)
    );
    assert_eq!(bars, expected);
    let context = run(&["context", id, "--before", "0", "--after", "2", "--same", "level,service"]);
    let marks: Vec<&str> = context.lines().map(|line| &line[..2]).collect();
    assert_eq!(marks, ["> ", "  ", "  "], "{context}");
    let trace = run(&["trace", "t/1"]);
    let head = "pay a 420000ms 8 events 5 errors\n  pay b 60000ms 2 events\n\n2026";
    assert!(trace.starts_with(head) && trace.lines().count() == 13, "{trace}");
    let fields = run(&["fields", "--prefix", "s", "-q", "level:error"]);
    assert_eq!(
        fields,
        "field    events  kinds\nservice       5  string\nspan_id       5  string\n"
    );
    let values = run(&["fields", "level", "--json"]);
    assert_eq!(values, "{\"value\":\"error\",\"count\":5}\n{\"value\":\"info\",\"count\":5}\n");
}

#[test]
fn commands_ask_a_server_or_a_store() {
    let dir = dir();
    let server = Server::start(dir.path());
    let answer = server.post_lines(&lines()).json();
    let id = answer["first_id"].as_str().expect("is stored");
    check(["--server", &server.url()], id);
    assert!(server.stop().success());
    check(["--data", dir.path().to_str().expect("UTF-8")], id);
}
