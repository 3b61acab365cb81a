//! `POST /api/v1/logs` of the real binary.

mod common;

use common::{Server, dir, logstrata};
use std::io::Write;

const TWO: &str = "{\"timestamp\":\"2026-11-21T00:00:00Z\",\"message\":\"first\"}\n\
                   {\"timestamp\":\"2026-11-21T00:00:01Z\",\"message\":\"second\"}\n";

#[test]
fn accepted_events_are_visible_at_once() {
    let dir = dir();
    let server = Server::start(dir.path());
    let answer = server.post_lines(TWO);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!((json["accepted"].as_u64(), json["rejected_count"].as_u64()), (Some(2), Some(0)));
    assert_eq!(json["rejected"], serde_json::json!([]));
    let (first, last) = (json["first_id"].as_str(), json["last_id"].as_str());
    assert!(first.is_some() && first < last, "{json}");
    assert_eq!(server.messages(""), ["second", "first"]);
    assert_eq!(server.messages("order=asc"), ["first", "second"]);
}

#[test]
fn every_form_and_encoding_is_understood() {
    let dir = dir();
    let server = Server::start(dir.path());
    for (number, (content_type, body)) in [
        ("application/x-ndjson; charset=utf-8", "{\"message\":\"m\"}"),
        ("application/jsonl", "\n{\"message\":\"m\"}\r\n\n"),
        ("application/json", "{\"message\":\"m\"}"),
        ("application/json", "[ {\"message\":\n\"m\"} ]"),
        ("application/json", "{\"logs\": [{\"message\":\"m\"}]}"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = server.post(content_type, body.as_bytes());
        assert_eq!(answer.json()["accepted"], 1, "{body}: {}", answer.text());
        assert_eq!(server.messages("").len(), number + 1);
    }
    let undeclared = server.request("POST", "/api/v1/logs", &[], TWO.as_bytes());
    assert_eq!(undeclared.json()["accepted"], 2, "{}", undeclared.text());

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(TWO.as_bytes()).expect("in memory");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(TWO.as_bytes()).expect("in memory");
    for (encoding, body) in [
        ("gzip", gzip.finish().expect("in memory")),
        ("deflate", zlib.finish().expect("in memory")),
        ("zstd", zstd::bulk::compress(TWO.as_bytes(), 1).expect("in memory")),
    ] {
        let headers = [("Content-Type", "application/x-ndjson"), ("Content-Encoding", encoding)];
        let answer = server.request("POST", "/api/v1/logs", &headers, &body);
        assert_eq!(answer.json()["accepted"], 2, "{encoding}: {}", answer.text());
        let broken = server.request("POST", "/api/v1/logs", &headers, &body[..body.len() / 2]);
        assert_eq!(broken.status, 400, "{encoding}: {}", broken.text());
    }
}

#[test]
fn other_types_and_encodings_are_named() {
    let dir = dir();
    let server = Server::start(dir.path());
    for headers in [
        [("Content-Type", "text/plain"), ("Content-Encoding", "identity")],
        [("Content-Type", "application/json"), ("Content-Encoding", "br")],
    ] {
        let answer = server.request("POST", "/api/v1/logs", &headers, b"{}");
        assert_eq!(answer.status, 415);
        assert_eq!(answer.error().0, "unsupported_media_type");
    }
}

#[test]
fn bad_lines_are_listed_and_the_good_ones_stored() {
    let dir = dir();
    let server = Server::start(dir.path());
    let lines = "{\"message\":\"good\"}\nnot json\n[1]\n{\"message\":\"also good\"}\n";
    let answer = server.post_lines(lines);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    assert_eq!((json["accepted"].as_u64(), json["rejected_count"].as_u64()), (Some(2), Some(2)));
    assert_eq!(json["rejected"][0]["line"], 2);
    assert_eq!(json["rejected"][1]["line"], 3);
    assert!(!answer.text().contains("not json"), "what was sent is not quoted");
    assert_eq!(server.messages("").len(), 2);
}

#[test]
fn a_body_without_any_good_event_is_refused() {
    let dir = dir();
    let server = Server::start(dir.path());
    let answer = server.post_lines("nothing\nhere\n");
    assert_eq!((answer.status, answer.error().0.as_str()), (400, "invalid"));
    let json = answer.json();
    assert_eq!((json["accepted"].as_u64(), json["rejected_count"].as_u64()), (Some(0), Some(2)));
    assert_eq!(json["rejected"].as_array().map(Vec::len), Some(2));
    let empty = server.post_lines("");
    assert_eq!((empty.status, empty.json()["accepted"].as_u64()), (200, Some(0)));
}

#[test]
fn atomic_stores_all_or_nothing() {
    let dir = dir();
    let server = Server::start(dir.path());
    let headers = [("Content-Type", "application/x-ndjson")];
    let lines = b"{\"message\":\"good\"}\nbad\n";
    let answer = server.request("POST", "/api/v1/logs?atomic=true", &headers, lines);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json()["accepted"], 0);
    assert!(server.messages("").is_empty());
    let answer = server.request("POST", "/api/v1/logs?atomic=true", &headers, TWO.as_bytes());
    assert_eq!(answer.json()["accepted"], 2, "{}", answer.text());
}

#[test]
fn too_large_is_told_before_and_after_decompression() {
    let dir = dir();
    let server = Server::start_with(
        common::logstrata()
            .arg("serve")
            .arg("--data")
            .arg(dir.path())
            .env("LOGSTRATA_BODY_BYTES", "64KiB")
            .env("LOGSTRATA_EVENT_BYTES", "16KiB"),
    );
    // The length alone is enough: nothing of the body is sent.
    let head = format!(
        "POST /api/v1/logs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: 65537\r\n\r\n",
        server.address
    );
    let answer = server.raw(head.as_bytes());
    assert_eq!((answer.status, answer.error().0.as_str()), (413, "too_large"));

    let bomb = zstd::bulk::compress(&vec![b' '; 1 << 20], 1).expect("in memory");
    let headers = [("Content-Type", "application/x-ndjson"), ("Content-Encoding", "zstd")];
    let answer = server.request("POST", "/api/v1/logs", &headers, &bomb);
    assert_eq!((answer.status, answer.error().0.as_str()), (413, "too_large"));

    let long = format!("{{\"message\":\"{}\"}}\n{{\"message\":\"short\"}}", "x".repeat(20_000));
    let answer = server.post_lines(&long);
    assert_eq!(answer.json()["rejected_count"], 1, "{}", answer.text());
    assert_eq!(server.messages(""), ["short"]);
}

/// The same batch again gives the first answer, word for word, also after a restart.
#[test]
fn a_batch_with_a_key_is_stored_once() {
    let dir = dir();
    let server = Server::start(dir.path());
    let send = |server: &Server, key: &str, body: &str| {
        let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key)];
        server.request("POST", "/api/v1/logs", &headers, body.as_bytes())
    };
    let body = format!("{TWO}no json\n");
    let first = send(&server, "batch-1", &body);
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None));
    assert_eq!(first.json()["rejected_count"], 1);
    let again = send(&server, "batch-1", &body);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(again.text(), first.text());
    let other = send(&server, "batch-1", TWO);
    assert_eq!((other.status, &other.json()["error"]["kind"]), (422, &"conflict".into()));
    assert_eq!(send(&server, "batch-2", &body).status, 200);
    let refused = send(&server, "batch-3", "no json\n");
    assert_eq!(refused.status, 400, "nothing is stored");
    assert_eq!(send(&server, "batch-3", TWO).status, 200, "so its key is free");
    assert_eq!(send(&server, "two words", TWO).status, 400);
    assert!(server.stop().success());
    let server = Server::start(dir.path());
    let again = send(&server, "batch-1", &body);
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(server.messages("").len(), 6);
}

/// Several connections send one batch at the same time: one stores it, all get its answer.
#[test]
fn a_batch_that_is_sent_several_times_at_once_is_stored_once() {
    let dir = dir();
    let server = Server::start(dir.path());
    let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", "k")];
    let answers: Vec<String> = std::thread::scope(|scope| {
        let send = || server.request("POST", "/api/v1/logs", &headers, TWO.as_bytes());
        let senders: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        senders.into_iter().map(|sender| sender.join().expect("answered").text()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(server.messages("").len(), 2);
}

#[test]
fn equal_bodies_are_one_batch_if_the_server_is_told_so() {
    let dir = dir();
    let mut command = logstrata();
    command.env("LOGSTRATA_INGEST_DEDUP", "body").arg("serve").arg("--data").arg(dir.path());
    let server = Server::start_with(&mut command);
    for replayed in [None, Some("true")] {
        assert_eq!(server.post_lines(TWO).header("idempotency-replayed"), replayed);
    }
    // Times of arrival differ: equal bodies are two batches.
    for _ in 0..2 {
        let answer = server.post_lines("{\"message\":\"no time\"}\n");
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, None));
    }
    assert_eq!(server.messages("").len(), 4);
}
