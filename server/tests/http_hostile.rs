//! Clients that mean no good, or do not know better: what they can hold of the server is bounded, and
//! others are served meanwhile.

mod common;

use common::{Answer, Server, dir, logstrata};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// Connections that an attacker opens, if this process may have as many.
const CONNECTIONS: u64 = 10_000;
const BUDGET_BYTES: u64 = 256 << 20;
/// What the issue of memory promises beside a tenth more than the budget.
const BESIDES_BYTES: u64 = 64 << 20;
const LINE: &str = "{\"message\":\"from a good client\"}\n";

fn start(dir: &Path) -> Server {
    Server::start_with(logstrata().args(["serve", "--memory", "256MiB", "--data"]).arg(dir))
}

fn assert_serves(server: &Server) {
    let stored = server.post_lines(LINE);
    assert_eq!(stored.status, 200, "{}", stored.text());
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.get("/api/v1/logs?q=good&limit=1").status, 200);
}

fn assert_in_budget(server: &Server) {
    let (peak, max) = (server.memory("VmHWM"), BUDGET_BYTES / 10 * 11 + BESIDES_BYTES);
    assert!(peak <= max, "{peak} bytes, of which mapped files and code are some; at most {max}");
}

/// Raises what this process may open. Returns how many connections it may have.
fn connections() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS + 1_000;
    let current = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum })
        .expect("up to the maximum everybody may");
    (current - 500).min(CONNECTIONS)
}

#[test]
fn idle_connections_and_half_heads_keep_nobody_out() {
    let dir = dir();
    let server = start(dir.path());
    let mut streams: Vec<TcpStream> = Vec::new();
    for number in 0..connections() {
        let mut stream = server.connect();
        // A head that never ends; the server may have closed the connection.
        if number % 2 == 0 {
            let _ = stream.write_all(b"POST /api/v1/logs HTTP/1.1\r\nHost: local");
        }
        streams.push(stream);
        if number % 1_000 == 999 {
            assert_serves(&server);
        }
    }
    assert_serves(&server);
    assert!(server.metric("logstrata_http_connections") <= 1_024);
    assert!(server.metric("logstrata_http_connections_evicted_total") > 0);
    assert_in_budget(&server);
    assert_eq!(server.stop().code(), Some(0), "half a head is not waited for");
}

#[test]
fn a_client_that_works_is_not_closed_for_idle_ones() {
    let dir = dir();
    let server = start(dir.path());
    let mut working = server.connect();
    let head = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.extend((0..100).map(|_| server.connect()));
        working.write_all(head.as_bytes()).expect("is open");
        assert_eq!(Answer::read(&mut working).status, 200);
    }
    assert!(server.metric("logstrata_http_connections_evicted_total") > 0);
}

/// A thousand heads of 256 KiB were more than what the budget may be exceeded by.
#[test]
fn a_head_of_200_kib_is_refused() {
    let dir = dir();
    let server = start(dir.path());
    let mut stream = server.connect();
    let filler = "a".repeat(200 << 10);
    let head = format!(
        "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Filler: {filler}\r\n\r\n",
        server.address
    );
    let mut answer = Vec::new();
    // The connection is closed behind the answer; what was on its way may have undone it.
    let done = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_end(&mut answer));
    assert!(done.is_err() || answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
    assert_serves(&server);
}

#[test]
fn half_sent_bodies_hold_little_and_leave_nothing() {
    let dir = dir();
    let server = start(dir.path());
    let head = format!(
        "POST /api/v1/logs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: 60000000\r\n\r\n{{\"message\":\"half\"}}\n",
        server.address
    );
    let mut streams = Vec::new();
    // All together they announce twenty times the budget.
    for _ in 0..100 {
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).expect("is sent");
        streams.push(stream);
    }
    assert_serves(&server);
    assert_in_budget(&server);
    drop(streams);
    assert_serves(&server);
    assert!(server.messages("q=half").is_empty());
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_body_of_a_gigabyte_is_refused_while_it_comes() {
    let dir = dir();
    let server = start(dir.path());
    let head = format!(
        "POST /api/v1/logs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        server.address
    );
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).expect("is sent");
    let mut chunk = b"100000\r\n".to_vec();
    chunk.extend_from_slice(&LINE.as_bytes().repeat((1 << 20) / LINE.len() + 1)[..1 << 20]);
    chunk.extend_from_slice(b"\r\n");
    let mut sent = 0;
    let refusal = loop {
        match stream.write_all(&chunk) {
            Ok(()) => sent += 1,
            // The connection is closed behind the answer; what was on its way may have undone it.
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nobody reads"),
            Err(_) => break None,
        }
        assert!(sent < 1_024, "a gigabyte was taken");
        stream.set_nonblocking(true).expect("can be set");
        let answered = stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
        stream.set_nonblocking(false).expect("can be set");
        if answered {
            break Some(Answer::read(&mut stream));
        }
    };
    if let Some(refusal) = refusal {
        assert_eq!((refusal.status, refusal.error().0.as_str()), (413, "too_large"));
    }
    assert!(server.messages("").is_empty(), "nothing of it is stored");
    assert_serves(&server);
    assert_in_budget(&server);
}

/// A gibibyte of spaces.
fn bomb(encoder: impl Write) {
    let mut encoder = encoder;
    let spaces = vec![b' '; 1 << 20];
    (0..1_024).for_each(|_| encoder.write_all(&spaces).expect("in memory"));
}

#[test]
fn bombs_burst_at_the_limit() {
    let dir = dir();
    let server = start(dir.path());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb(&mut gzip);
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).expect("in memory");
    bomb(&mut zstd);
    let gzip = gzip.finish().expect("in memory");
    // A gzip file may have many members.
    let members = gzip.repeat(3);
    let bombs = [("gzip", gzip), ("gzip", members), ("zstd", zstd.finish().expect("in memory"))];
    for (encoding, bytes) in &bombs {
        let headers = [("Content-Type", "application/x-ndjson"), ("Content-Encoding", encoding)];
        let answer = server.request("POST", "/api/v1/logs", &headers, bytes);
        assert_eq!((answer.status, answer.error().0.as_str()), (413, "too_large"), "{encoding}");
    }
    assert_serves(&server);
    assert_in_budget(&server);
}

#[test]
fn deep_json_is_one_bad_line_or_one_value() {
    let dir = dir();
    let server = start(dir.path());
    let (open, close) = ("[".repeat(1_000_000), "]".repeat(1_000_000));
    let (objects, ends) = ("{\"a\":".repeat(500_000), "}".repeat(500_000));
    let lines = [
        open.clone(),
        format!("{{\"message\":\"arrays\",\"deep\":{open}{close}}}"),
        format!("{{\"message\":\"objects\",\"deep\":{objects}1{ends}}}"),
        format!("{{\"message\":\"open\",\"deep\":{objects}"),
        LINE.trim_end().to_owned(),
    ];
    let answer = server.post_lines(&lines.join("\n"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    assert!(json["rejected_count"].as_u64() >= Some(2), "{json}");
    assert_eq!(server.messages("q=good"), ["from a good client"]);
    for id in ["arrays", "objects"] {
        // Either it was taken, and is given back, or it was rejected.
        assert!(server.messages(&format!("q={id}")).len() <= 1);
    }
    let array = server.post("application/json", format!("{open}{close}").as_bytes());
    assert!((400..500).contains(&array.status), "{}", array.text());
    let query = format!("/api/v1/logs?q={}", "(".repeat(10_000));
    assert_eq!(server.get(&query).status, 400);
    assert_serves(&server);
    assert_in_budget(&server);
}
