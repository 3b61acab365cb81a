//! `Idempotency-Key`, and bodies that are their own key, through the real server.
#![expect(clippy::disallowed_methods, reason = "damages a file of the store")]

use logstrata_tests::http::{Response, request_with};
use logstrata_tests::json::{member, unquoted};
use logstrata_tests::server::Server;

const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

/// Two events and a line that is none.
const BODY: &str = "{\"message\":\"a\",\"ts\":1700000000}\n{\"message\":\"b\",\"ts\":1}\nbroken\n";

fn post(server: &Server, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    request_with(server.address(), "POST", target, headers, body).expect("answered")
}

fn send(server: &Server, key: &str, body: &str) -> Response {
    post(server, "/api/v1/logs", &[NDJSON, ("Idempotency-Key", key)], body.as_bytes())
}

fn is_replay(answer: &Response) -> bool {
    answer.head.to_ascii_lowercase().contains("\r\nidempotency-replayed: true")
}

fn events(server: &Server) -> usize {
    server.all("").len()
}

/// The value of a metric.
fn metric(server: &Server, name: &str) -> String {
    let page = server.get("/metrics", &[]).body;
    let mut lines = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.next().unwrap_or_else(|| panic!("{name} is not in\n{page}")).to_owned()
}

#[test]
fn a_batch_that_is_sent_again_gets_the_first_answer() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(dir.path());
    let first = send(&server, "one", BODY);
    assert_eq!((first.status, is_replay(&first)), (200, false), "{}", first.body);
    for restart in [false, true, true] {
        if restart {
            assert_eq!(server.post("/api/v1/admin/flush", "text/plain", b"").status, 200);
            server.kill();
            server = Server::start(dir.path());
        }
        let again = send(&server, "one", BODY);
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert!(is_replay(&again), "{}", again.head);
        assert_eq!(events(&server), 2);
    }
    // The same, compressed: a stored block of raw deflate.
    let length = u16::try_from(BODY.len()).expect("short");
    let mut deflated = vec![1];
    deflated.extend(length.to_le_bytes());
    deflated.extend((!length).to_le_bytes());
    deflated.extend(BODY.as_bytes());
    let headers = [NDJSON, ("Idempotency-Key", "one"), ("Content-Encoding", "deflate")];
    let again = post(&server, "/api/v1/logs", &headers, &deflated);
    assert!(again.body == first.body && is_replay(&again), "{again:?}");
    assert_eq!(events(&server), 2);
    assert_eq!(metric(&server, "logstrata_keys"), "1");
    assert_eq!(metric(&server, "logstrata_replays_total"), "2");
    assert_eq!(metric(&server, "logstrata_key_files_damaged"), "0");
    metric(&server, "logstrata_idempotency_oldest_seconds");
}

#[test]
fn another_batch_under_a_key_is_refused_and_a_refused_one_leaves_no_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    assert_eq!(send(&server, "one", BODY).status, 200);
    let key = [NDJSON, ("Idempotency-Key", "one")];
    for (target, body) in [("/api/v1/logs", "{}"), ("/api/v1/logs?atomic=true", BODY)] {
        let conflict = post(&server, target, &key, body.as_bytes());
        assert_eq!(conflict.status, 422, "{}", conflict.body);
        let error = member(&conflict.body, "error").expect("an error");
        assert_eq!(unquoted(member(error, "kind").expect("a kind")), "conflict");
        assert!(conflict.body.contains("another batch"), "{}", conflict.body);
    }
    // Nothing of it is stored, so the key is free.
    let refused = send(&server, "two", "broken");
    assert_eq!((refused.status, is_replay(&send(&server, "two", "broken"))), (400, false));
    assert_eq!(send(&server, "two", "{\"message\":\"mended\"}").status, 200);
    let bad = [NDJSON, ("Idempotency-Key", "a b")];
    let bad = post(&server, "/api/v1/logs", &bad, b"{}");
    assert!(bad.status == 400 && bad.body.contains("1 to 128 visible ASCII"), "{bad:?}");
    assert_eq!(events(&server), 3);
    assert_eq!(metric(&server, "logstrata_key_conflicts_total"), "2");
}

#[test]
fn the_same_batch_many_times_at_once_is_stored_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let mut body = String::new();
    for number in 0..2_000 {
        body.push_str(&format!("{{\"message\":\"event {number}\",\"n\":{number}}}\n"));
    }
    for key in ["one", "two"] {
        let answers: Vec<Response> = std::thread::scope(|scope| {
            let senders: Vec<_> =
                (0..12).map(|_| scope.spawn(|| send(&server, key, &body))).collect();
            senders.into_iter().map(|sender| sender.join().expect("answered")).collect()
        });
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert!(answers.iter().all(|answer| answer.body == answers[0].body));
        assert_eq!(answers.iter().filter(|answer| !is_replay(answer)).count(), 1);
    }
    assert_eq!(events(&server), 4_000);
}

/// One key could take every connection and all memory for bodies.
#[test]
fn a_crowd_with_one_key_waits_or_is_told_to_come_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let body: String = (0..10_000).map(|n| format!("{{\"message\":\"event {n}\"}}\n")).collect();
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..120).map(|_| scope.spawn(|| send(&server, "one", &body))).collect();
        senders.into_iter().map(|sender| sender.join().expect("answered")).collect()
    });
    let (stored, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(stored.iter().all(|answer| answer.body == stored[0].body));
    assert_eq!(stored.iter().filter(|answer| !is_replay(answer)).count(), 1);
    for answer in busy {
        assert_eq!(answer.status, 429, "{answer:?}");
        assert!(answer.head.to_ascii_lowercase().contains("\r\nretry-after: 1"), "{answer:?}");
    }
    assert!(is_replay(&send(&server, "one", &body)));
    assert_eq!(metric(&server, "logstrata_engine_events"), "10000");
}

/// The server says so, and goes on: what is sent again under a lost key is stored again.
#[test]
fn a_damaged_file_of_keys_costs_its_keys_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let first = send(&server, "one", BODY);
    assert_eq!(server.post("/api/v1/admin/flush", "text/plain", b"").status, 200);
    let second = send(&server, "two", BODY);
    server.kill();
    let path = dir.path().join("keys/0000000000000001.keys");
    let mut bytes = std::fs::read(&path).expect("written by the flush");
    bytes[60] ^= 1;
    std::fs::write(&path, &bytes).expect("damaged");
    let server = Server::start(dir.path());
    assert_eq!(metric(&server, "logstrata_key_files_damaged"), "1");
    assert_eq!(send(&server, "two", BODY).body, second.body, "the log has this one");
    let again = send(&server, "one", BODY);
    assert!(again.status == 200 && again.body != first.body && !is_replay(&again), "{again:?}");
    assert_eq!(send(&server, "one", BODY).body, again.body);
    assert_eq!(events(&server), 6);
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
    assert!(said.contains("0000000000000001.keys") && said.contains("forgotten"), "{said}");
    assert_eq!(std::fs::read(&path).expect("left alone"), bytes);
}

#[test]
fn bodies_are_keys_if_wanted_and_if_their_events_have_times() {
    let timed = "{\"message\":\"a\",\"ts\":1700000000}";
    let untimed = "{\"message\":\"a\"}";
    let unread = "{\"message\":\"a\",\"ts\":\"yesterday\"}";
    for (dedup, stored) in [("off", [2, 2, 2]), ("body", [1, 2, 2])] {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Server::start_with(dir.path(), &[("LOGSTRATA_INGEST_DEDUP", dedup)]);
        let mut before = 0;
        for (body, stored) in [timed, untimed, unread].into_iter().zip(stored) {
            let answers =
                [(); 2].map(|()| post(&server, "/api/v1/logs", &[NDJSON], body.as_bytes()));
            assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
            assert_eq!(is_replay(&answers[1]), stored == 1);
            assert_eq!(events(&server) - before, stored, "{dedup} {body}");
            before += stored;
        }
        // A key counts for itself.
        assert!(!is_replay(&send(&server, "one", timed)));
        assert_eq!(events(&server), before + 1);
    }
}
