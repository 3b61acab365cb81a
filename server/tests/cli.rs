//! The command line of the real binary, against a server and against a store.
#![expect(clippy::disallowed_methods, reason = "the files are the input of the program under test")]

mod common;

use common::{Server, dir, logstrata};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

fn run(args: &[&str]) -> Output {
    logstrata().args(args).output().expect("runs")
}

/// The standard output of a command that has to succeed.
fn stdout(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn file(dir: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, contents).expect("is written");
    path
}

const LINES: &str = "{\"timestamp\":\"2026-11-21T00:00:00Z\",\"level\":\"error\",\"service\":\"pay\",\
                     \"message\":\"card declined\",\"order\":{\"id\":7}}\n\
                     {\"timestamp\":\"2026-11-21T00:00:01Z\",\"message\":\"two\\nlines \\u001b[31m\"}\n";

#[test]
fn files_are_ingested_and_found_with_and_without_a_server() {
    let dir = dir();
    let store = dir.path().join("store");
    let server = Server::start(&dir.path().join("served"));
    let (url, store) = (server.url(), store.to_str().expect("UTF-8"));
    let ndjson = file(dir.path(), "app.ndjson", LINES.as_bytes());
    let array = format!("[\n{}\n]", LINES.trim_end().replace('\n', ",\n"));
    let packed = zstd::bulk::compress(array.as_bytes(), 1).expect("in memory");
    let json = file(dir.path(), "more.json.zst", &packed);
    let text = file(dir.path(), "HDFS_2k.log", b"2026-11-21T00:00:05Z ERROR disk on fire\r\n");
    let files = [&ndjson, &json, &text].map(|path| path.to_str().expect("UTF-8"));
    for target in [["--server", url.as_str()], ["--data", store]] {
        let args = ["ingest", target[0], target[1], files[0], files[1], files[2]];
        assert_eq!(stdout(&args), "stored 5 events\n");
        let with = |args: &[&str]| stdout(&[args, &target].concat());
        let found = with(&["search", "service:pay", "--limit", "1"]);
        assert_eq!(found, "2026-11-21T00:00:00Z error    pay card declined order.id=7\n");
        let found = with(&["search", "two", "--limit", "1"]);
        assert!(found.contains("two\\nlines \\u{1b}[31m"), "{found}");
        let found = with(&["search", "service:hdfs", "--json"]);
        let event: serde_json::Value = serde_json::from_str(&found).expect("one line of JSON");
        assert_eq!(event["message"], "2026-11-21T00:00:05Z ERROR disk on fire");
        assert_eq!(event["level"], "error");
        let table = with(&["stats", "--group-by", "level", "--agg", "max(order.id)"]);
        assert_eq!(
            table,
            "level  count  max(order.id)\nerror      3              7\ninfo       2              -\n"
        );
        // The query means the same with and without a server, and so does what is wrong with it.
        let query = "| extract \"card <x>\" | where x:declined";
        let table = with(&["stats", query, "--group-by", "level"]);
        assert_eq!(table, "level  count\nerror      2\n");
        let refused = run(&[&["stats", "card | top 3 level"][..], &target].concat());
        assert!(!refused.status.success());
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(
            told.contains("a search takes all\n    card | top 3 level\n           ^^^"),
            "{told}"
        );
        let rows = with(&["stats", "--group-by", "level", "--top", "1", "--json"]);
        assert_eq!(rows, "{\"level\":\"error\",\"count\":3}\n");
    }
}

#[test]
fn pages_are_put_together_up_to_the_limit() {
    let dir = dir();
    let lines: String =
        (0..2_500).map(|n| format!("{{\"ts\":{n},\"message\":\"m{n}\"}}\n")).collect();
    let path = file(dir.path(), "many.ndjson", lines.as_bytes());
    let store = dir.path().join("store");
    let target = ["--data", store.to_str().expect("UTF-8")];
    stdout(&["ingest", path.to_str().expect("UTF-8"), target[0], target[1]]);
    let count = |limit| stdout(&["search", "--limit", limit, target[0], target[1]]).lines().count();
    assert_eq!(count("2200"), 2_200);
    assert_eq!(count("100000"), 2_500);
}

#[test]
fn the_standard_input_and_a_given_service_are_taken() {
    let dir = dir();
    let store = dir.path().join("store");
    let mut child = logstrata()
        .args(["ingest", "--service", "piped", "-", "--data"])
        .arg(&store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut input = child.stdin.take().expect("is piped");
    input
        .write_all(b"{\"message\":\"a\"}\n{\"service\":\"own\",\"message\":\"b\"}")
        .expect("is read");
    drop(input);
    assert!(child.wait().expect("ends").success());
    let found =
        stdout(&["stats", "--group-by", "service", "--data", store.to_str().expect("UTF-8")]);
    assert!(found.contains("piped") && found.contains("own"), "{found}");
}

#[test]
fn rejected_events_are_told_and_fail() {
    let dir = dir();
    let server = Server::start(&dir.path().join("store"));
    let path =
        file(dir.path(), "mixed.ndjson", b"{\"message\":\"ok\"}\n{broken\n{\"message\":\"ok\"}\n");
    let missing = dir.path().join("missing.log");
    let output = run(&[
        "ingest",
        "--server",
        &server.url(),
        missing.to_str().expect("UTF-8"),
        path.to_str().expect("UTF-8"),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "stored 2 events, rejected 1\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("mixed.ndjson:2: ") && errors.contains("missing.log"), "{errors}");
    assert_eq!(server.messages("").len(), 2);
}

#[test]
fn a_line_that_no_request_can_carry_is_rejected_alone() {
    let dir = dir();
    let store = dir.path().join("store");
    let mut serve = logstrata();
    serve.args(["serve", "--data"]).arg(&store);
    serve.env("LOGSTRATA_BODY_BYTES", "2MiB").env("LOGSTRATA_EVENT_BYTES", "1MiB");
    let server = Server::start_with(&mut serve);
    let long = "x".repeat(3 << 20);
    let lines =
        format!("{{\"message\":\"a\"}}\n{{\"message\":\"{long}\"}}\n{{\"message\":\"b\"}}\n");
    let path = file(dir.path(), "long.ndjson", lines.as_bytes());
    let output = run(&["ingest", "--server", &server.url(), path.to_str().expect("UTF-8")]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "stored 2 events, rejected 1\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("long.ndjson:2: the body is larger"), "{errors}");
}

#[test]
fn a_search_makes_no_store() {
    let dir = dir();
    let missing = dir.path().join("mistyped");
    for directory in [dir.path(), &missing] {
        let output = run(&["search", "--data", directory.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("is no store"));
    }
    assert_eq!(dir.path().read_dir().expect("is there").count(), 0);
}

#[test]
fn a_wrong_query_is_shown_with_its_place() {
    let dir = dir();
    let server = Server::start(dir.path());
    let output = run(&["search", "level:error AND (", "--server", &server.url()]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("level:error AND (") && errors.contains('^'), "{errors}");
}

#[test]
fn exit_codes_tell_usage_from_failure() {
    assert_eq!(run(&["serach"]).status.code(), Some(2));
    assert_eq!(run(&["search", "--server", "ftp://x"]).status.code(), Some(2));
    // Port 1 of this machine: nobody listens there.
    let output = run(&["search", "--server", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("logstrata serve"), "{errors}");
}

#[test]
fn a_closed_pipe_ends_a_search_quietly() {
    let dir = dir();
    let lines: String = (0..5_000).map(|n| format!("{{\"message\":\"{n:0300}\"}}\n")).collect();
    let path = file(dir.path(), "many.ndjson", lines.as_bytes());
    let store = dir.path().join("store");
    let store = store.to_str().expect("UTF-8");
    stdout(&["ingest", path.to_str().expect("UTF-8"), "--data", store]);
    let mut child = logstrata()
        .args(["search", "--limit", "5000", "--data", store])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut output = child.stdout.take().expect("is piped");
    output.read_exact(&mut [0; 100]).expect("has output");
    drop(output);
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_effective_configuration_is_printed_with_its_origins() {
    let dir = dir();
    let path = file(dir.path(), "logstrata.toml", b"[limits]\nbody_bytes = '32MiB'\n");
    let output = logstrata()
        .args(["config", "--listen", "127.0.0.1:1234", "--config"])
        .arg(&path)
        .env("LOGSTRATA_DATA", "from-env")
        .output()
        .expect("runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("listen = \"127.0.0.1:1234\" # --listen\n"), "{text}");
    assert!(text.contains("data = \"from-env\" # LOGSTRATA_DATA\n"), "{text}");
    assert!(
        text.contains("body_bytes = \"32MiB\" # ") && text.contains("logstrata.toml"),
        "{text}"
    );

    let path = file(dir.path(), "typo.toml", b"[server]\nlissten = 'x'\n");
    let output = logstrata().args(["config", "--config"]).arg(&path).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("lissten"));
}
