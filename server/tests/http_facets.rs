//! The fields of a result and their values, of the real binary.

mod common;

use common::places::{for_each_place, get, refused};
use common::{Server, dir};
use serde_json::{Value, json};

/// Events with odd fields: nested, of several kinds, twice, and more names than a block has columns.
fn odd_lines() -> Vec<Value> {
    (0..900u32)
        .map(|n| {
            let mut line = json!({
                "timestamp": format!("2026-11-21T10:{:02}:00Z", n % 60),
                "level": (["info", "warn", "error"][n as usize % 3]),
                "service": (["Cart", "pay", "auth"][n as usize % 7 % 3]),
                "message": format!("event {n}"),
                "status": (if n % 2 == 0 { json!(200 + n % 5) } else { json!((200 + n % 5).to_string()) }),
                "client": {"id": format!("u{}", n * n % 31), "vip": n % 11 == 0},
                "trace_id": format!("{n:032x}"),
                "tags": [n % 2],
                "n": n,
            });
            if n % 4 == 0 {
                line["a.b"] = json!("dotted");
                line["a"] = json!({"b": "nested"});
            }
            line[format!("odd_{}", n % 300)] = json!(n % 3);
            if n % 9 == 0 {
                line["nothing"] = Value::Null;
            }
            line
        })
        .collect()
}

/// The value of a field by its display name, as JSON; of two, the nested one, whose column is first.
fn value_of(line: &Value, name: &str) -> Option<Value> {
    let nested = name.split('.').try_fold(line, |at, key| at.get(key));
    nested.or_else(|| line.get(name)).cloned()
}

/// A value's lexeme.
fn lexeme(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values of a field and their counts, the commonest first, by looking at each event.
fn counted(lines: &[Value], name: &str) -> Vec<(String, u64)> {
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for value in lines.iter().filter_map(|line| value_of(line, name)) {
        *counts.entry(lexeme(&value)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, a_count), (b, b_count)| (b_count, a).cmp(&(a_count, b)));
    counts
}

/// The values of an answer and their counts.
fn told(values: &Value) -> Vec<(String, u64)> {
    let one = |value: &Value| (lexeme(&value["value"]), value["count"].as_u64().expect("a number"));
    values.as_array().expect("is a list").iter().map(one).collect()
}

fn field<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let fields = answer["fields"].as_array().expect("is a list");
    let field = fields.iter().find(|field| field["name"] == name);
    field.unwrap_or_else(|| panic!("{name} is missing in {answer}"))
}

#[test]
fn facets_are_the_fields_of_a_result_and_their_values() {
    let lines = odd_lines();
    for_each_place(&lines, |server, place| {
        for (q, from, wanted) in [
            ("", 0, (|_: &Value| true) as fn(&Value) -> bool),
            ("level:error", 0, |line| line["level"] == "error"),
            ("client.vip:true", 30, |line| {
                line["client"]["vip"] == true && line["n"].as_u64().is_some_and(|n| n % 60 >= 30)
            }),
        ] {
            let lines: Vec<Value> = lines.iter().filter(|line| wanted(line)).cloned().collect();
            let path =
                format!("/api/v1/logs/facets?q={q}&from=2026-11-21T10:{from:02}:00Z&limit=7");
            let all = get(server, &path);
            assert_eq!(all["events"], lines.len(), "{place}: {q}");
            let odd = (0..300).map(|n| format!("odd_{n}"));
            let plain =
                ["level", "service", "message", "status", "client.id", "client.vip", "trace_id"];
            let plain =
                plain.iter().chain(&["tags", "a.b", "n", "nothing"]).map(ToString::to_string);
            let names = odd.chain(plain).filter(|name| !counted(&lines, name).is_empty()).count();
            assert_eq!(
                all["fields"].as_array().map(Vec::len),
                Some(names.min(200)),
                "{place}: {q}"
            );
            assert_eq!(all["cut"], names > 200, "{place}: {q}");
            for name in
                ["level", "service", "status", "client.id", "client.vip", "tags", "n", "a.b"]
            {
                let (field, counted) = (field(&all, name), counted(&lines, name));
                let events: u64 = counted.iter().map(|(_, count)| count).sum();
                assert_eq!(field["events"], events, "{place}: {q} {name}");
                assert_eq!(field["distinct"], counted.len(), "{place}: {q} {name}");
                let common = &counted[..counted.len().min(7)];
                assert_eq!(told(&field["values"]), common, "{place}: {q} {name}");
                let other = events - common.iter().map(|(_, count)| count).sum::<u64>();
                assert_eq!((&field["other"], &field["error"]), (&json!(other), &json!(0)));
            }
            assert_eq!(field(&all, "message")["values"], Value::Null, "sentences are not counted");
            assert_eq!(field(&all, "message")["events"], lines.len());
            assert_eq!(field(&all, "status")["kinds"], json!(["string", "number"]));

            let path = format!("{path}&fields=odd_33,nothing,message,lost");
            let some = get(server, &path);
            for name in ["odd_33", "nothing", "message", "lost"] {
                let counted = counted(&lines, name);
                let common = &counted[..counted.len().min(7)];
                assert_eq!(told(&field(&some, name)["values"]), common, "{place}: {q} {name}");
            }
            assert_eq!(some["fields"].as_array().map(Vec::len), Some(4));
            assert!(some["warnings"].to_string().contains("`lost`"), "{some}");
        }
    });
}

#[test]
fn fields_and_values_complete_what_is_typed() {
    let lines = odd_lines();
    for_each_place(&lines, |server, place| {
        let all = get(server, "/api/v1/fields");
        let names = all["fields"].as_array().expect("is a list").len();
        assert_eq!(
            (names, &all["events"], &all["cut"]),
            (311, &json!(900), &json!(false)),
            "{place}"
        );
        assert_eq!(
            field(&all, "client.vip"),
            &json!({"name": "client.vip", "events": 900, "kinds": ["bool"]})
        );
        assert_eq!(
            field(&all, "nothing"),
            &json!({"name": "nothing", "events": 100, "kinds": ["null"]})
        );
        assert_eq!(field(&all, "odd_299")["events"], 3);
        assert_eq!(field(&all, "a.b")["events"], 225);
        let some =
            get(server, "/api/v1/fields?prefix=CLIENT.&q=level:error&to=2026-11-21T10:30:00Z");
        let named = |name, kind| json!({"name": name, "events": 150, "kinds": [kind]});
        assert_eq!(
            some["fields"],
            json!([named("client.id", "string"), named("client.vip", "bool")])
        );
        let first = get(server, "/api/v1/fields?limit=2");
        assert_eq!(
            (first["fields"].as_array().map(Vec::len), &first["cut"]),
            (Some(2), &json!(true))
        );

        for (name, prefix) in [
            ("service", "ca"),
            ("service", "PAY"),
            ("client.id", "u1"),
            ("status", "2"),
            ("level", "W"),
            ("odd_7", ""),
            ("service", "x"),
            ("message", "Event 1"),
            ("a.b", "ne"),
        ] {
            let path = format!(
                "/api/v1/fields/{name}/values?limit=5&prefix={}",
                prefix.replace(' ', "%20")
            );
            let found = get(server, &path);
            let mut expected = counted(&lines, name);
            let is_wanted = |(value, _): &(String, u64)| {
                value.to_lowercase().starts_with(&prefix.to_lowercase())
            };
            let events: u64 = expected.iter().map(|(_, count)| count).sum();
            expected.retain(is_wanted);
            let matching: u64 = expected.iter().map(|(_, count)| count).sum();
            assert_eq!(found["distinct"], expected.len(), "{place}: {name} {prefix}");
            assert_eq!((&found["events"], &found["matching"]), (&json!(events), &json!(matching)));
            expected.truncate(5);
            assert_eq!(told(&found["values"]), expected, "{place}: {name} {prefix}");
        }
    });
    let dir = dir();
    let server = Server::start(dir.path());
    for wrong in [
        "fields?limit=0",
        "fields/timestamp/values",
        "logs/facets?fields=a,a",
        "logs/facets?fields=a,,",
        "logs/facets?limit=101",
        "fields?q=(",
        "fields/%ff/values",
    ] {
        refused(&server, &format!("/api/v1/{wrong}"), 400);
    }
    assert_eq!(get(&server, "/api/v1/fields")["fields"], json!([]));
    let none = get(&server, "/api/v1/fields/a%2Fb/values");
    assert_eq!((&none["field"], &none["values"]), (&json!("a/b"), &json!([])));
}
