//! Answers that are not whole, by the real binary: what was found in time and what is not damaged is
//! answered and marked, unless the whole is wanted or nothing.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "damages a real file")]

mod common;

use common::{Server, dir};
use std::io::Write;
use std::os::unix::fs::FileExt;

/// Looks at every message, letter by letter, many times over, and finds all of them.
const SLOW: &str = "-message:/x[a-z0-9+]*x[a-z0-9+]*q1/";
const EVENTS: usize = 20_000;

/// Events a millisecond apart, in twenty files, each of which overlaps with the next.
fn filled(server: &Server) {
    for batch in 0..20 {
        let mut lines = String::new();
        for line in 0..EVENTS / 20 {
            // Of each file the first hundred change places with the last hundred of the one before.
            let place = batch * EVENTS / 20 + line;
            let number = match (line, batch) {
                (0..100, 1..) => place - 100,
                (900.., ..19) => place + 100,
                _ => place,
            };
            let noise = "x7 y3 z9 ".repeat(4);
            let (second, ms) = (number / 1_000, number % 1_000);
            lines.push_str(&format!(
                "{{\"timestamp\":\"2026-11-21T00:00:{second:02}.{ms:03}Z\",\"message\":\"event \
                 {number} {noise}\"}}\n"
            ));
        }
        assert_eq!(server.post_lines(&lines).status, 200);
        assert_eq!(server.request("POST", "/api/v1/admin/flush", &[], b"").status, 200);
    }
}

/// Milliseconds that rise until something takes less, each by a part of the one before.
fn times(part: u64) -> impl Iterator<Item = u64> {
    let next = move |ms: &u64| Some(ms + (ms / part).max(1));
    std::iter::successors(Some(2), next).take_while(|ms| *ms < 60_000)
}

/// How finely times rise, one after the other: whether there is one between too short and long enough is for
/// the machine to say.
const PARTS: [u64; 6] = [2, 2, 4, 8, 16, 32];

/// What each of these answers counts.
fn count(path: &str, answer: &serde_json::Value) -> u64 {
    let sum = |list: &str, name: &str| -> u64 {
        let list = answer[list].as_array().expect("a list");
        list.iter().map(|row| row[name].as_u64().expect("a number")).sum()
    };
    match path {
        "stats" => sum("rows", "count"),
        "histogram" => sum("buckets", "count"),
        _ => answer["events"].as_u64().expect("a number"),
    }
}

#[test]
fn figures_that_end_with_their_time_are_marked_or_refused() {
    let dir = dir();
    let server = Server::start(dir.path());
    filled(&server);
    let range = "from=2026-11-21T00:00:00Z&to=2026-11-21T00:01:00Z";
    for path in ["stats", "histogram", "facets", "patterns"] {
        let mut partial = 0;
        for part in PARTS {
            for ms in times(part) {
                let url = format!("/api/v1/logs/{path}?q={SLOW}&{range}&timeout={ms}ms");
                let strict = server.get(&format!("{url}&partial=false"));
                match strict.status {
                    200 => assert!(strict.json().get("partial").is_none(), "{}", strict.text()),
                    _ => assert_eq!((strict.status, &*strict.error().0), (504, "deadline")),
                }
                let answer = server.get(&url);
                if answer.status == 504 {
                    continue;
                }
                assert_eq!(answer.status, 200, "{}", answer.text());
                let answer = answer.json();
                if answer.get("partial").is_none() {
                    assert_eq!(count(path, &answer), EVENTS as u64);
                    break;
                }
                assert_eq!(answer["partial"][0]["kind"], "deadline", "{answer}");
                let message = answer["partial"][0]["message"].as_str().expect("is text");
                assert!(message.contains(&format!("{ms} ms")), "{message}");
                // With few helpers the last block may have been done with.
                assert!(count(path, &answer) <= EVENTS as u64);
                partial += 1;
            }
            if partial > 0 {
                break;
            }
        }
        assert!(partial > 0, "{path}");
    }
    assert_eq!(server.get("/api/v1/logs?partial=maybe").status, 400);
}

#[test]
fn pages_that_end_with_their_time_go_on_where_they_stopped() {
    let dir = dir();
    let server = Server::start(dir.path());
    filled(&server);
    for order in ["desc", "asc"] {
        let mut expected: Vec<usize> = (0..EVENTS).collect();
        if order == "desc" {
            expected.reverse();
        }
        let is_partial = PARTS.into_iter().any(|part| {
            let (numbers, partial) = walked(&server, order, part);
            assert!(numbers == expected, "{order}: {} events", numbers.len());
            partial > 0
        });
        assert!(is_partial, "{order}");
    }
}

/// The numbers of all events, a page after the other, each in the shortest time that gives one; and how
/// many of the pages were partial.
fn walked(server: &Server, order: &str, part: u64) -> (Vec<usize>, usize) {
    let (mut messages, mut partial, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let url = format!("/api/v1/logs?q={SLOW}&order={order}&limit=8000&cursor={cursor}");
        let mut answers = times(part).map(|ms| server.get(&format!("{url}&timeout={ms}ms")));
        let answer = answers.find(|answer| answer.status != 504);
        let page = answer.expect("there is time enough").json();
        partial += usize::from(page.get("partial").is_some());
        let events = page["logs"].as_array().expect("a list").iter();
        messages.extend(events.map(|e| e["message"].as_str().expect("text").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let number = |text: &String| text.split(' ').nth(1)?.parse::<usize>().ok();
    (messages.iter().filter_map(number).collect(), partial)
}

#[test]
fn what_is_damaged_is_left_out_only_if_that_is_asked_for() {
    let dir = dir();
    let server = Server::start(dir.path());
    let line = |n: usize| format!("{{\"message\":\"some text {n}\",\"service\":\"s{}\"}}\n", n % 7);
    for part in 0..2 {
        let lines: String = (part * 1_000..(part + 1) * 1_000).map(line).collect();
        assert_eq!(server.post_lines(&lines).status, 200);
        assert_eq!(server.request("POST", "/api/v1/admin/flush", &[], b"").status, 200);
    }
    server.stop();
    let files = std::fs::read_dir(dir.path().join("segments")).expect("is there");
    let mut files: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let file = std::fs::OpenOptions::new().write(true).open(&files[0]).expect("opens");
    let len = file.metadata().expect("is there").len();
    file.write_all_at(&vec![0x5a; (len - 64) as usize], 64).expect("is written");
    let name = files[0].file_name().expect("a name").to_string_lossy().into_owned();

    let server = Server::start(dir.path());
    for path in [
        "logs?q=text&limit=10000",
        "logs/stats?q=text&group_by=message",
        "logs/facets?q=text",
        "logs/histogram?q=text",
        "logs/patterns?q=text",
        "fields/service/values?q=text",
    ] {
        for parameter in ["", "&partial=false"] {
            let answer = server.get(&format!("/api/v1/{path}{parameter}"));
            assert_eq!((answer.status, &*answer.error().0), (500, "corrupt"), "{path}");
        }
        let answer = server.get(&format!("/api/v1/{path}&partial=true"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let answer = answer.json();
        let gaps = answer["partial"].as_array().expect("is marked");
        assert!(gaps.iter().all(|gap| gap["kind"] == "damaged"), "{gaps:?}");
        let named = gaps[0]["message"].as_str().expect("is text");
        assert!(named.contains(&name), "{named}");
    }
    let messages = server.messages("q=text&partial=true&limit=10000");
    assert_eq!(messages.len(), 1_000);
    assert!(messages.iter().all(|text| text.len() == "some text 1000".len()));
    // A file is never partial.
    let mut stream = server.connect();
    let head = format!("GET /api/v1/logs/export HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).expect("is sent");
    assert_eq!(common::Answer::read(&mut stream).status, 500);
    assert_eq!(server.get("/api/v1/logs/export?partial=true").status, 400);
}

/// Every path that runs a query, with one that takes long.
#[test]
fn every_query_ends_with_its_client() {
    let dir = dir();
    let server = Server::start(dir.path());
    filled(&server);
    let cancelled = || server.metric("logstrata_queries_cancelled_total");
    for path in [
        "logs?limit=10000&",
        "logs/stats?",
        "logs/histogram?from=2026-11-21T00:00:00Z&to=2026-11-21T00:01:00Z&",
        "logs/facets?",
        "logs/patterns?",
        "logs/export?",
        "fields?",
        "fields/message/values?",
    ] {
        let before = cancelled();
        // It may be done before the server hears that its client has left: then once more.
        let ended = (0..50).any(|_| {
            let mut stream = server.connect();
            let (host, q) = (server.address, SLOW);
            let head = format!("GET /api/v1/{path}q={q} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("is sent");
            drop(stream);
            server.get("/readyz");
            cancelled() > before
        });
        assert!(ended, "{path}");
    }
    assert_eq!(server.stop().code(), Some(0), "nothing runs on for nobody");
}

#[test]
fn a_query_that_needs_too_much_memory_is_partial_or_refused() {
    let dir = dir();
    let mut command = common::logstrata();
    command.env("LOGSTRATA_QUERY_BYTES", "2MiB").arg("serve").arg("--data").arg(dir.path());
    let server = Server::start_with(&mut command);
    filled(&server);
    let path = "/api/v1/logs/stats?group_by=message";
    let refused = server.get(&format!("{path}&partial=false"));
    assert_eq!((refused.status, &*refused.error().0), (400, "memory"), "{}", refused.text());
    assert!(refused.error().1.contains("limits.query_bytes"), "{}", refused.text());
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["partial"][0]["kind"], "memory", "{}", answer["partial"]);
    let rows = answer["rows"].as_array().map(Vec::len);
    assert!(rows.is_some_and(|rows| rows > 100 && rows < EVENTS), "{rows:?}");
    // The command line says so, beside the result.
    let mut command = common::logstrata();
    command.args(["stats", "--group-by", "message", "--json", "--server", &server.url()]);
    let output = command.output().expect("runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !output.stdout.is_empty(), "{complaint}");
    assert!(complaint.contains("warning: the answer is partial (memory): "), "{complaint}");
}
