//! Start, readiness, shutdown and restart of the real binary.
#![expect(clippy::disallowed_methods, reason = "the time of the end is measured")]

mod common;

use common::{Answer, Server, dir, logstrata};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

#[test]
fn a_stopped_server_has_kept_everything() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines("{\"message\":\"in the log\"}").status, 200);
    let flush = server.request("POST", "/api/v1/admin/flush", &[], b"");
    assert_eq!(flush.status, 200, "{}", flush.text());
    assert_eq!(server.post_lines("{\"message\":\"after the flush\"}").status, 200);
    assert_eq!(server.stop().code(), Some(0));

    let server = Server::start(dir.path());
    let mut messages = server.messages("");
    messages.sort();
    assert_eq!(messages, ["after the flush", "in the log"]);
}

#[test]
fn a_killed_server_has_kept_what_it_acknowledged() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines("{\"message\":\"acknowledged\"}").status, 200);
    // Dropped, it is killed with SIGKILL.
    drop(server);
    assert_eq!(Server::start(dir.path()).messages(""), ["acknowledged"]);
}

#[test]
fn a_request_in_flight_is_finished() {
    let dir = dir();
    let server = Server::start(dir.path());
    let body = "{\"message\":\"late\"}";
    let mut stream = server.connect();
    let head = format!(
        "POST /api/v1/logs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("is sent");
    // `100 Continue` says that the server reads the body: the request is in flight.
    assert_eq!(Answer::read(&mut stream).status, 100);
    server.terminate();
    stream.write_all(body.as_bytes()).expect("is sent");
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(Server::start(dir.path()).messages(""), ["late"]);
}

#[test]
fn half_a_head_does_not_hold_up_the_end() {
    let dir = dir();
    let server = Server::start(dir.path());
    let mut half = server.connect();
    half.write_all(b"GET /heal").expect("is sent");
    let _silent = server.connect();
    // An answer on a later connection: both were accepted.
    assert_eq!(server.get("/healthz").status, 200);
    let began = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn a_connection_carries_many_requests() {
    let dir = dir();
    let server = Server::start(dir.path());
    let mut stream = server.connect();
    for _ in 0..3 {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
        stream.write_all(request.as_bytes()).expect("is sent");
        assert_eq!(Answer::read(&mut stream).status, 200);
    }
}

#[test]
fn head_is_get_without_the_body() {
    let dir = dir();
    let server = Server::start(dir.path());
    let mut stream = server.connect();
    let request =
        format!("HEAD /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).expect("is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("ends");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_store_is_opened_once() {
    let dir = dir();
    let server = Server::start(dir.path());
    let second = logstrata()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(dir.path())
        .output()
        .expect("runs");
    assert_eq!(second.status.code(), Some(1));
    assert!(!second.stderr.is_empty());
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn readiness_and_figures_are_told() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    assert_eq!(server.get("/readyz").json()["status"], "ready");
    assert_eq!(server.post_lines("{\"message\":\"one\"}\nbad\n").status, 200);
    assert_eq!(server.get("/nowhere-9?canary-9=1").status, 404);
    let answer = server.get("/metrics");
    assert!(
        answer.header("content-type").is_some_and(|t| t.starts_with("application/openmetrics"))
    );
    let text = answer.text();
    for line in [
        "logstrata_ingest_events_total 1",
        "logstrata_ingest_rejected_events_total 1",
        "logstrata_engine_writable 1",
        "logstrata_engine_events_appended_total 1",
        "logstrata_http_requests_total{method=\"POST\",route=\"/api/v1/logs\",status=\"200\"} 1",
        "logstrata_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "logstrata_http_request_duration_seconds_count{method=\"POST\",route=\"/api/v1/logs\",\
         status=\"200\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
    }
    assert!(!text.contains("canary-9") && !text.contains("nowhere-9"), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_demo_has_events_up_to_now() {
    let temp = dir();
    let server =
        Server::start_with(logstrata().args(["serve", "--demo"]).env("TMPDIR", temp.path()));
    let count =
        server.get("/api/v1/logs/stats?from=now-3h&to=now").json()["rows"][0]["count"].as_u64();
    assert!(count.is_some_and(|count| count > 2_000), "{count:?}");
    assert_eq!(server.messages("q=level:critical&limit=10").len(), 1);
    assert!(!server.messages("q=%22connection+pool+exhausted%22").is_empty());
    assert_eq!(server.stop().code(), Some(0));
}
