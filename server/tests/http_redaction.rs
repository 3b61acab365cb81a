//! Secrets that are posted to the real binary are found nowhere: not in answers, not in errors, not
//! in its log, not in its files.
#![expect(clippy::disallowed_methods, reason = "looks into the store's files")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Server, dir, logstrata};
use std::path::Path;

/// Part of every secret below.
const CANARY: &str = "c4n4ry99";

fn lines() -> String {
    let c = CANARY;
    let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{c}");
    let messages = [
        format!("login password={c} ok"),
        format!("Authorization: Bearer {c}"),
        format!("cookie: sid={c}; a=b"),
        format!("jwt {jwt}"),
        format!("to postgres://u:{c}@db/x"),
        format!("-----BEGIN PRIVATE KEY-----\\n{c}\\n-----END PRIVATE KEY-----"),
        format!("ghp_0123456789abcdef0123{c}"),
        format!("xoxb-123456789012-{c}"),
        format!("AIza0123456789abcdefghijklm{c}"),
        format!("sk_live_0123456789{c}"),
    ];
    let mut lines: String =
        messages.iter().map(|text| format!("{{\"message\":\"{text}\"}}\n")).collect();
    for attributes in [
        format!("\"password\":\"{c}\",\"apiKey\":\"{c}\",\"Set-Cookie\":\"{c}\""),
        format!(
            "\"user\":{{\"credentials\":{{\"a\":\"{c}\",\"b\":[\"{c}\"]}},\"note\":\"pwd={c}\"}}"
        ),
        format!("\"list\":[{{\"client_secret\":\"{c}\"}},\"token={c}\",[[\"http://a:{c}@b\"]]]"),
        format!("\"p\\u0061ssword\":\"{c}\",\"token\":[1,\"{c}\"],\"msg\":\"secret: {c}\""),
        format!("\"severity\":\"token={c}\",\"time\":\"password={c}\""),
        format!("\"sessions\":{{\"{jwt}\":{{\"age\":1}}}},\"l\":[{{\"{jwt}\":1}}]"),
        format!("\"env\":[{{\"name\":\"DB_PASSWORD\",\"value\":\"{c}\"}}]"),
    ] {
        lines.push_str(&format!("{{\"message\":\"m\",{attributes}}}\n"));
    }
    // Two ids: how it was sent is kept as a whole.
    lines.push_str(&format!(
        "{{\"message\":\"password={c} \u{fffd}\",\"message_base64\":\"{}\",\"id\":1,\"_id\":2}}\n",
        canary_in_base64()
    ));
    lines
}

fn canary_in_base64() -> String {
    STANDARD.encode([b"password=", CANARY.as_bytes(), b" \xff"].concat())
}

/// Whether any file below `dir` holds the canary, in whatever is zstd or plain there.
fn is_in_files(dir: &Path) -> bool {
    let in_base64 = canary_in_base64();
    let found = |bytes: &[u8]| {
        [CANARY, in_base64.as_str()]
            .iter()
            .any(|text| memchr::memmem::find(bytes, text.as_bytes()).is_some())
    };
    let frames = |bytes: &[u8]| {
        let starts = memchr::memmem::find_iter(bytes, b"\x28\xb5\x2f\xfd");
        starts.into_iter().any(|start| {
            let frame = std::io::Cursor::new(&bytes[start..]);
            let mut plain = Vec::new();
            let mut decoder = zstd::stream::read::Decoder::with_buffer(frame).expect("a decoder");
            // What follows the frame is no zstd: what came before counts.
            let _ = std::io::Read::read_to_end(&mut decoder, &mut plain);
            found(&plain)
        })
    };
    std::fs::read_dir(dir).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_in_files(&path);
        }
        let bytes = std::fs::read(&path).expect("readable");
        found(&bytes) || frames(&bytes)
    })
}

#[test]
fn secrets_are_nowhere() {
    let dir = dir();
    let server = Server::start(dir.path());
    let answer = server.post_lines(&lines());
    assert_eq!(answer.json()["accepted"], 18, "{}", answer.text());
    let all = server.get("/api/v1/logs?limit=100").text();
    assert!(all.contains("[redacted:password]") && all.contains("[redacted:jwt]"));
    assert!(!all.contains(CANARY), "{all}");
    for event in server.get("/api/v1/logs?limit=100").json()["logs"].as_array().expect("a list") {
        let id = event["id"].as_str().expect("an id");
        let sent = server.get(&format!("/api/v1/logs/{id}?raw=true")).text();
        assert!(!sent.contains(CANARY) && !sent.contains(&canary_in_base64()), "{sent}");
    }
    assert_eq!(server.messages(&format!("q=*{CANARY}*")), [""; 0]);
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("logstrata_redactions_total{rule=\"jwt\"} 3"), "{metrics}");
    assert!(!is_in_files(dir.path()), "in the log");
    server.request("POST", "/api/v1/flush", &[], b"");
    assert!(!is_in_files(dir.path()), "in the files");
}

#[test]
fn without_redaction_the_same_search_finds_them() {
    let dir = dir();
    let server = Server::start_with(
        logstrata()
            .arg("serve")
            .arg("--data")
            .arg(dir.path())
            .env("LOGSTRATA_REDACTION_ENABLED", "false"),
    );
    assert_eq!(server.post_lines(&lines()).json()["accepted"], 18);
    assert!(is_in_files(dir.path()));
}

#[test]
fn errors_quote_nothing_that_was_sent() {
    let dir = dir();
    let server = Server::start(dir.path());
    let c = CANARY;
    for body in [
        c.to_owned(),
        format!("{{\"{c}\":{c}}}"),
        format!("{{\"password\":\"{c}"),
        format!("[\"{c}\"]"),
        format!("{{\"a\":\"{c}\"}} {c}"),
        format!("\"{c}\""),
        format!("{{\"a\":\"\\{c}\"}}"),
        format!("{{\"a\":{}\"{c}\"{}}}", "[".repeat(200), "]".repeat(200)),
        format!("{{\"logs\":[1],\"{c}\":2}}"),
        format!("{{\"{c}\":1,\"logs\":[]}}"),
    ] {
        for content_type in ["application/x-ndjson", "application/json", &format!("text/{c}")] {
            let answer = server.post(content_type, body.as_bytes());
            assert!(!answer.text().contains(c), "{body}: {}", answer.text());
        }
    }
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", c)];
    let answer = server.request("POST", "/api/v1/logs", &headers, b"{}");
    assert!(answer.status == 415 && !answer.text().contains(c), "{}", answer.text());
}
