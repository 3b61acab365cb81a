//! What goes in comes out: everything that JSON can carry, through the real server and back, and
//! lines of files that are not UTF-8.

use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::json::{self, elements, leaves, member, members, quoted};
use logstrata_tests::server::{Server, run};

fn server() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    (dir, server)
}

/// The event of this id, as the server writes it.
fn get(server: &Server, id: &str) -> String {
    let answer = server.get(&format!("/api/v1/logs/{id}"), &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Stores an event, looks it up in memory and, after a flush, in a file.
fn there_and_back(server: &Server, event: &str) -> String {
    let id = server.store(&[event]);
    let from_memory = get(server, &id);
    assert_eq!(server.post("/api/v1/admin/flush", "text/plain", b"").status, 200);
    assert_eq!(get(server, &id), from_memory, "a file shows what memory did");
    assert_eq!(json::unquoted(member(&from_memory, "id").expect("id")), id);
    from_memory
}

#[test]
fn values_stay_as_they_were_sent() {
    let (_dir, server) = server();
    let long = quoted(&"a 1 MB line ".repeat(90_000));
    let deep = format!("{}1{}", "[".repeat(126), "]".repeat(126));
    let values = [
        "0",
        "-0",
        "-0.0",
        "1.0",
        "1",
        "1e400",
        "-1E-400",
        "0.10",
        "1e+2",
        "123456789012345678901234567890",
        "18446744073709551616",
        "-9223372036854775809",
        "3.14159265358979323846264338327950288",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[ 1 , 2.0 ]",
        r#"[{"a":{"b":[]}},null,"x"]"#,
        r#""""#,
        r#"" ""#,
        r#""\u0000\u0001\u001f\u007f""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u00e9\ud83d\ude00 é 😀 日本語 ß İ \u2028""#,
        r#""null""#,
        r#""1.0""#,
        r#""4bf92f3577b34da6a3ce929d0e0e4736""#,
        r#""4BF92F3577B34DA6A3CE929D0E0E4736""#,
        r#""00f067aa0ba902b7""#,
        r#""2026-11-21T10:00:00Z""#,
        &long,
        &deep,
    ];
    for value in values {
        let event = format!(r#"{{"message":"m","value":{value},"after":1}}"#);
        let stored = there_and_back(&server, &event);
        let shown = leaves(&stored).into_iter().find(|(way, _)| way == &["value"]);
        let sent = leaves(&event).into_iter().find(|(way, _)| way == &["value"]);
        assert_eq!(shown, sent);
        assert_eq!(member(&stored, "message"), Some("\"m\""));
    }
    for text in
        ["", " ", "\0", "\u{1b}[31mred\u{1b}[0m", "tab\tand\r\nlines\n", &"ß".repeat(600_000)]
    {
        let stored = there_and_back(&server, &format!("{{\"x\":1,\"message\":{}}}", quoted(text)));
        assert_eq!(member(&stored, "message"), Some(&*quoted(text)));
    }
}

#[test]
fn names_stay_as_they_were_sent() {
    let (_dir, server) = server();
    let nested = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
    for event in [
        r#"{"":1,"a.b":2,"a":{"b":3,"b.c":4},"a\\b":5,"nul\u0000":6,"\\":7,".":8,"..":9,"a.":10}"#,
        r#"{"k":1,"k":2,"k":"3","k":{"x":1},"k":{"x":2},"o":{"d":null,"d":[],"d":{}}}"#,
        r#"{"odd name":1,"\"quoted\"":2,"é":3,"日本":{"語":4},"a\nb":5,"UPPER":6,"upper":7}"#,
        r#"{"_id":1,"_rest":2,"level_text":3,"message_base64":"x","timestamp_text":4}"#,
        &nested,
    ] {
        let stored = there_and_back(&server, event);
        assert_eq!(attributes(&stored), leaves(event));
    }
    let stored = there_and_back(&server, r#"{"id":"mine","x":{"id":7}}"#);
    assert_eq!(member(&stored, "_id"), Some("\"mine\""), "`id` is the event's own");
    assert_eq!(member(&stored, "x"), Some(r#"{"id":7}"#));
}

/// What the sender gave: everything but the three fields that every event has.
fn attributes(event: &str) -> Vec<json::Leaf> {
    let own =
        |way: &[String]| matches!(way, [name] if matches!(&**name, "id" | "timestamp" | "level"));
    leaves(event).into_iter().filter(|(way, _)| !own(way)).collect()
}

#[test]
fn known_fields_by_any_of_their_names() {
    let (_dir, server) = server();
    let stored = there_and_back(
        &server,
        r#"{"msg":"loser","message":"winner","severity":"WARNING","logger":"pay","error":"boom",
            "traceId":"4bf9","ts":1700000000.5,"service":{"name":"x"}}"#
            .replace('\n', " ")
            .as_str(),
    );
    let expected = [
        ("message", "\"winner\""),
        ("msg", "\"loser\""),
        ("level", "\"warn\""),
        ("level_text", "\"WARNING\""),
        ("trace_id", "\"4bf9\""),
        ("timestamp", "\"2023-11-14T22:13:20.500Z\""),
        ("error", r#"{"message":"boom"}"#),
    ];
    for (name, value) in expected {
        assert_eq!(member(&stored, name), Some(value), "{name} in {stored}");
    }
    assert_eq!(member(&stored, "service"), Some("\"x\""), "service.name comes before logger");
}

#[test]
fn times_of_any_year() {
    let (_dir, server) = server();
    for (sent, shown) in [
        ("\"1970-01-01T00:00:00Z\"", "1970-01-01T00:00:00Z"),
        ("\"1969-12-31T23:59:59.999999999Z\"", "1969-12-31T23:59:59.999999999Z"),
        ("\"2100-06-01T12:00:00.123456789+02:00\"", "2100-06-01T10:00:00.123456789Z"),
        ("\"2262-04-11T23:47:16.854775807Z\"", "2262-04-11T23:47:16.854775807Z"),
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("1700000000123", "2023-11-14T22:13:20.123Z"),
        ("\"1700000000123456789\"", "2023-11-14T22:13:20.123456789Z"),
    ] {
        let stored =
            there_and_back(&server, &format!("{{\"timestamp\":{sent},\"message\":\"m\"}}"));
        assert_eq!(member(&stored, "timestamp"), Some(&*quoted(shown)), "{sent}");
    }
    let far = there_and_back(&server, r#"{"timestamp":"0001-01-01T00:00:00Z"}"#);
    assert_eq!(member(&far, "timestamp"), Some("\"1677-09-21T00:12:43.145224192Z\""));
    assert_eq!(member(&far, "timestamp_text"), Some("\"0001-01-01T00:00:00Z\""));

    let found = |from: &str, to: &str| {
        let answer = server.get("/api/v1/logs", &[("from", from), ("to", to)]);
        elements(member(&answer.body, "logs").expect("logs")).len()
    };
    assert_eq!(found("2100-01-01T00:00:00Z", "2101-01-01T00:00:00Z"), 1);
    assert_eq!(found("1969-01-01T00:00:00Z", "1970-01-01T00:00:00Z"), 1);
    assert_eq!(found("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000001Z"), 2);
}

#[test]
fn bad_lines_are_named_and_the_others_stored() {
    let (_dir, server) = server();
    let too_deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let too_large = format!("{{\"a\":{}}}", quoted(&"x".repeat(5 << 20)));
    let lines: [&[u8]; 9] = [
        br#"{"message":"one"}"#,
        too_deep.as_bytes(),
        b"{\"message\":\"tw\xffo\"}",
        br#"{"message":"thr"#,
        too_large.as_bytes(),
        b"[1,2]",
        b"\"text\"",
        b"",
        br#"{"message":"nine"}"#,
    ];
    let body = lines.join(&b'\n');
    let answer = server.post("/api/v1/logs", "application/x-ndjson", &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(member(&answer.body, "accepted"), Some("2"), "{}", answer.body);
    let rejected = elements(member(&answer.body, "rejected").expect("rejected"));
    let numbers: Vec<_> = rejected.iter().map(|line| member(line, "line").expect("line")).collect();
    assert_eq!(numbers, ["2", "3", "4", "5", "6", "7"], "{}", answer.body);
    let messages: Vec<_> =
        server.all("").iter().map(|e| member(e, "message").expect("m").to_owned()).collect();
    assert_eq!(messages, ["\"one\"", "\"nine\""]);

    let all_or_none = server.post("/api/v1/logs?atomic=true", "application/x-ndjson", &body);
    assert_eq!(all_or_none.status, 400, "{}", all_or_none.body);
    assert_eq!(server.all("").len(), 2, "none of the second request is stored");
}

#[test]
fn lines_of_files_byte_for_byte() {
    let (dir, server) = server();
    let lines: [&[u8]; 5] =
        [b"plain line", b"caf\xe9 \xff\xfe end", b"tab\there", b"\x80", b"  x  "];
    let path = dir.path().join("latin.log");
    write(&path, &lines.join(&b'\n'));
    let output = run(&["ingest", "--server", &server.url(), path.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let events = server.all("");
    let shown: Vec<_> = events.iter().map(|event| message_bytes(event)).collect();
    assert_eq!(shown, lines);
    let broken = events.iter().filter(|e| member(e, "message_base64").is_some()).count();
    assert_eq!(broken, 2, "only what is not UTF-8 is shown twice");
    assert_eq!(server.all("message:end").len(), 1, "words beside broken bytes are found");
}

#[expect(clippy::disallowed_methods, reason = "a file to be read by the command")]
fn write(path: &std::path::Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("written");
}

fn message_bytes(event: &str) -> Vec<u8> {
    match member(event, "message_base64") {
        Some(base64) => decode_base64(&json::unquoted(base64)),
        None => json::unquoted(member(event, "message").expect("message")).into_bytes(),
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for digit in text.trim_end_matches('=').chars() {
        bits = bits << 6 | DIGITS.find(digit).expect("a digit of base 64") as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[test]
fn any_json_object() {
    let (_dir, server) = server();
    for_each_seed("--test roundtrip any_json", 6, |seed| {
        let mut dice = Dice::new(seed);
        let objects: Vec<String> = (0..200).map(|_| object(&mut dice, 4)).collect();
        server.store(&objects);
        if dice.chance(50) {
            assert_eq!(server.post("/api/v1/admin/flush", "text/plain", b"").status, 200);
        }
        let stored = server.all("");
        let stored = &stored[stored.len() - objects.len()..];
        for (stored, sent) in stored.iter().zip(&objects) {
            serde_json::from_str::<&serde_json::value::RawValue>(stored).expect("answers are JSON");
            assert_eq!(attributes(stored), leaves(sent), "sent {sent}, got {stored}");
        }
    });
}

/// An object with names that are no aliases.
fn object(dice: &mut Dice, depth: usize) -> String {
    const NAMES: &[&str] = &["a", "b", "a.b", "", "c\\d", "e f", "é", "k\u{0}", "x", "_id", "z9"];
    let members = (0..dice.below(6)).map(|_| {
        let name = quoted(dice.pick(NAMES));
        let value =
            if depth > 0 && dice.chance(40) { object(dice, depth - 1) } else { value(dice) };
        format!("{name}:{value}")
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn value(dice: &mut Dice) -> String {
    const NUMBERS: &[&str] = &["0", "-0.0", "1.0", "42", "1e400", "5E-2", "99999999999999999999"];
    const TEXTS: &[&str] = &["", "a", "42", "null", "\u{0}\u{1f}", "é😀", "\"\\/", "10.0.0.1"];
    match dice.below(6) {
        0 => dice.pick(NUMBERS).to_owned(),
        1 => dice.pick(&["true", "false", "null"]).to_owned(),
        2 => {
            let elements: Vec<_> = (0..dice.below(3)).map(|_| value(dice)).collect();
            format!("[{}]", elements.join(", "))
        }
        3 => format!("\"{:016x}\"", dice.roll()),
        _ => quoted(dice.pick(TEXTS)),
    }
}

#[test]
fn more_attributes_than_fields_are_kept_together() {
    let (_dir, server) = server();
    let attributes: Vec<String> = (0..1_200).map(|n| format!("\"n{n:04}\":{n}.0")).collect();
    let stored = there_and_back(&server, &format!("{{{}}}", attributes.join(",")));
    let mut found: Vec<(String, &str)> = members(&stored);
    let rest = member(&stored, "_rest").expect("what is too much");
    found.extend(members(rest));
    for n in 0..1_200 {
        let value = found.iter().find(|(name, _)| *name == format!("n{n:04}")).map(|(_, v)| *v);
        assert_eq!(value, Some(&*format!("{n}.0")), "n{n:04}");
    }
}
