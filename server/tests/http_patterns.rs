//! Patterns of messages, of the real binary.

mod common;

use common::{Server, dir};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// So many logins, each by another user, and one error for every tenth; the last event has no message.
fn events(count: usize) -> String {
    let mut lines = String::new();
    let mut event = |second: usize, rest: &str| {
        let (minute, second) = (second / 60, second % 60);
        writeln!(lines, "{{\"timestamp\":\"2026-11-21T00:{minute:02}:{second:02}Z\",{rest}}}")
            .expect("a string takes everything");
    };
    for n in 0..count {
        let name: String = format!("{n:03}").bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        event(n, &format!("\"message\":\"user {name} logged in from 10.0.0.{n}\""));
        if n % 10 == 0 {
            event(n, &format!("\"level\":\"error\",\"message\":\"disk /dev/sd{n} failed\""));
        }
    }
    event(count, "\"service\":\"quiet\"");
    lines
}

fn patterns(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/api/v1/logs/patterns?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

fn sum(answer: &Value) -> u64 {
    let listed = answer["patterns"].as_array().expect("a list");
    listed.iter().map(|pattern| pattern["count"].as_u64().expect("a count")).sum()
}

#[test]
fn patterns_are_counted_wherever_the_events_are_stored() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines(&events(200)).status, 200);
    let mut answers = Vec::new();
    for stage in ["", "/api/v1/admin/flush", "/api/v1/admin/compact"] {
        if !stage.is_empty() {
            assert_eq!(server.request("POST", stage, &[], b"").status, 200);
        }
        let answer = patterns(&server, "");
        assert_eq!((&answer["events"], &answer["without_message"]), (&json!(221), &json!(1)));
        assert_eq!(sum(&answer), 220);
        answers.push(answer["patterns"].clone());
    }
    let first = &answers[0];
    assert_eq!(first[0]["pattern"], "user <*> logged in from <*>");
    assert_eq!((&first[0]["count"], &first[0]["share"]), (&json!(200), &json!(0.905)));
    assert_eq!(first[0]["first"], "2026-11-21T00:00:00Z");
    assert_eq!(first[0]["last"], "2026-11-21T00:03:19Z");
    assert_eq!(first[0]["example"]["message"], "user bjj logged in from 10.0.0.199");
    let id = first[0]["example"]["id"].as_str().expect("an id");
    assert_eq!(
        server.get(&format!("/api/v1/logs/{id}")).json()["message"],
        first[0]["example"]["message"]
    );
    let trend: Vec<u64> = first[0]["trend"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|count| count.as_u64().expect("a count"))
        .collect();
    assert_eq!((trend.len(), trend.iter().sum::<u64>()), (20, 200));
    assert_eq!((&first[1]["pattern"], &first[1]["count"]), (&json!("disk <*> failed"), &json!(20)));
    assert_eq!(answers[1], answers[0], "in a file");
    assert_eq!(answers[2], answers[0], "in a segment");
}

#[test]
fn what_is_not_listed_is_counted_as_other() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines(&events(50)).status, 200);
    let answer = patterns(&server, "limit=1");
    assert_eq!(answer["patterns"].as_array().map(Vec::len), Some(2));
    assert_eq!(answer["patterns"][1]["pattern"], "other");
    assert_eq!(answer["patterns"][1]["other"], true);
    assert_eq!(sum(&answer), 55);
    assert!(answer["warnings"].to_string().contains("`other`"), "{answer}");
    let answer = patterns(&server, "q=level:error");
    assert_eq!((sum(&answer), &answer["events"]), (5, &json!(5)));
}

#[test]
fn two_ranges_tell_what_is_new_and_what_is_gone() {
    let dir = dir();
    let server = Server::start(dir.path());
    let line = |second: u32, message: &str| {
        format!("{{\"timestamp\":\"2026-11-21T00:00:{second:02}Z\",\"message\":\"{message}\"}}\n")
    };
    let lines = [(1, "old way 1"), (2, "both 1 times"), (31, "both 2 times"), (32, "brand new 3")]
        .map(|(second, message)| line(second, message));
    assert_eq!(server.post_lines(&lines.concat()).status, 200);
    let answer = patterns(
        &server,
        "from=2026-11-21T00:00:30Z&compare_from=2026-11-21T00:00:00Z&compare_to=2026-11-21T00:00:30Z",
    );
    let told: Vec<_> = answer["patterns"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| json!([p["pattern"], p["count"], p["before"], p["change"]]))
        .collect();
    let expected = [
        json!(["both <*> times", 1, 1, null]),
        json!(["brand new <*>", 1, 0, "new"]),
        json!(["old way <*>", 0, 1, "gone"]),
    ];
    assert_eq!(told, expected);
    assert_eq!(answer["events"], 2);
}

#[test]
fn what_is_wrong_is_said() {
    let dir = dir();
    let server = Server::start(dir.path());
    for (query, part) in [
        ("limit=0", "1 to 1000"),
        ("compare_from=x", "of the range to compare with: from: "),
        ("q=(", "\"position\""),
        ("interval=1h", "unknown parameter"),
        ("timeout=0s", "timeout: "),
    ] {
        let answer = server.get(&format!("/api/v1/logs/patterns?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(part), "{query}: {}", answer.text());
    }
    let empty = patterns(&server, "");
    assert_eq!((&empty["patterns"], &empty["events"]), (&json!([]), &json!(0)));
}

/// Messages that are empty, long, of several lines, in JSON, in other scripts, or no texts at all.
fn awkward(count: usize) -> String {
    let mut lines = String::new();
    for n in 0..count {
        let word: String = format!("{n:03}").bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        let messages = [
            json!(""),
            json!(format!("{{\"user\":\"{word}\",\"took\":{n}}}")),
            json!(format!("{{\"job\":\"{word}\",\"left\":{n}}}")),
            json!(format!(
                "java.lang.Error: {word}\n\tat a.b.C.run(C.java:{n})\n\tat a.b.D.main(D.java:7)"
            )),
            json!("0f".repeat(1_500) + " " + &format!("x{n} ").repeat(900)),
            json!("ä".repeat(3_000 + n)),
            json!(format!("größe {n} überschritten, 用户{word}登录 {n} 🎉")),
            json!(format!("say \"{word} and no end of it {n}")),
            json!(format!("bytes \u{1}\u{2}\u{0} {n} of <*> {word}")),
            json!(n),
            json!(n % 2 == 0),
            json!(["a", n]),
            json!({"a": n}),
            Value::Null,
        ];
        for message in messages {
            let event =
                json!({"timestamp": format!("2026-11-21T00:00:00.{n:03}Z"), "message": message});
            writeln!(lines, "{event}").expect("a string takes everything");
        }
    }
    lines
}

#[test]
fn awkward_messages_are_counted_once_wherever_they_are_stored() {
    let dir = dir();
    let server = Server::start(dir.path());
    for _ in 0..2 {
        assert_eq!(server.post_lines(&awkward(80)).status, 200);
    }
    let mut answers = Vec::new();
    for stage in ["", "/api/v1/admin/flush", "/api/v1/admin/compact"] {
        if !stage.is_empty() {
            assert_eq!(server.request("POST", stage, &[], b"").status, 200);
        }
        let answer = patterns(&server, "");
        let events = answer["events"].as_u64().expect("a count");
        let without = answer["without_message"].as_u64().expect("a count");
        assert_eq!((events, sum(&answer) + without), (2 * 80 * 14, events), "{answer}");
        let of = |text: &str| {
            let listed = answer["patterns"].as_array().expect("a list");
            let found = listed.iter().find(|pattern| pattern["pattern"] == text);
            found.map_or(0, |pattern| pattern["count"].as_u64().expect("a count"))
        };
        for text in [
            "",
            "{\"user\":\"<*>\",\"took\":<*>}",
            "{\"job\":\"<*>\",\"left\":<*>}",
            "java.lang.Error: <*> at a.b.C.run(C.java:<*>) at a.b.D.main(D.java:<*>)",
        ] {
            assert_eq!(of(text), 160, "{text}: {answer}");
        }
        answers.push(answer["patterns"].clone());
    }
    assert_eq!(answers[1], answers[0], "in a file");
    assert_eq!(answers[2], answers[0], "in a segment");
}

#[test]
fn more_sentences_than_are_told_apart_are_counted_as_other() {
    let dir = dir();
    let server = Server::start(dir.path());
    let letters = |n: usize| -> String {
        (0..4).map(|at| char::from(b'a' + (n / 26_usize.pow(at) % 26) as u8)).collect()
    };
    let line = |n: usize| {
        let second = n % 60;
        let word = letters(n);
        format!("{{\"timestamp\":\"2026-11-21T00:00:{second:02}Z\",\"message\":\"free {word}\"}}\n")
    };
    let lines: String = (0..20_300).map(line).collect();
    assert_eq!(server.post_lines(&lines).status, 200);
    let answer = patterns(&server, "limit=10");
    assert_eq!((&answer["events"], sum(&answer)), (&json!(20_300), 20_300));
    let told = answer["warnings"].to_string();
    assert!(told.contains("more than 20000 different sentences: 300 events"), "{told}");
}
