//! What people ask to find their way, of the real binary: counts over time, what stood around an
//! event, timelines.

mod common;

use common::places::{for_each_place, get, refused};
use common::{Server, dir};
use serde_json::{Value, json};

fn line(n: u32) -> Value {
    json!({
        "timestamp": format!("2026-11-21T{:02}:{:02}:00Z", 10 + n / 60, n % 60),
        "level": (["info", "warn", "error"][n as usize % 3]),
        "service": (["cart", "pay"][n as usize % 2]),
        "message": format!("event {n}"),
        "n": n,
    })
}

fn counts(answer: &Value) -> Vec<u64> {
    let buckets = answer["buckets"].as_array().expect("is a list").iter();
    buckets.map(|bucket| bucket["count"].as_u64().expect("is a number")).collect()
}

#[test]
fn a_histogram_has_every_bucket_of_its_range() {
    let lines: Vec<Value> = (0..120).filter(|n| !(40..80).contains(n)).map(line).collect();
    for_each_place(&lines, |server, place| {
        let all = get(server, "/api/v1/logs/histogram");
        assert_eq!(all["interval"], "2m", "{place}: {all}");
        let expected: Vec<u64> =
            (0..60).map(|n| if (20..40).contains(&n) { 0 } else { 2 }).collect();
        assert_eq!(counts(&all), expected, "{place}");
        let first =
            json!({"time": "2026-11-21T10:00:00Z", "count": 2, "levels": {"info": 1, "warn": 1}});
        assert_eq!(all["buckets"][0], first, "{place}");
        assert_eq!(
            all["buckets"][20],
            json!({"time": "2026-11-21T10:40:00Z", "count": 0, "levels": {}})
        );
        let range = json!({"from": "2026-11-21T10:00:00Z", "to": "2026-11-21T11:59:00.000000001Z"});
        assert_eq!(all["range"], range, "{place}");

        let path = "/api/v1/logs/histogram?q=service:pay&from=2026-11-21T09:30:00Z\
                    &to=2026-11-21T11:00:00Z&interval=30m";
        let some = get(server, path);
        assert_eq!((counts(&some), &some["interval"]), (vec![0, 15, 5], &json!("30m")), "{place}");
        let none = get(server, "/api/v1/logs/histogram?q=service:none");
        assert_eq!((&none["buckets"], &none["interval"]), (&json!([]), &Value::Null), "{place}");
        let few = get(server, "/api/v1/logs/histogram?buckets=2");
        assert_eq!((counts(&few), &few["interval"]), (vec![40, 40], &json!("1h")), "{place}");
    });
}

#[test]
fn a_histogram_with_too_many_buckets_is_refused() {
    let dir = dir();
    let server = Server::start(dir.path());
    let path = |rest: &str| format!("/api/v1/logs/histogram?from=1700-01-01&to=2200-01-01&{rest}");
    assert!(refused(&server, &path("interval=1s"), 400).contains("at most 10000"));
    assert!(refused(&server, &path("interval=1s&buckets=5"), 400).contains("exclude"));
    for wrong in ["interval=0s", "buckets=0", "buckets=1001", "q=a%20%7C%20stats%20count()"] {
        refused(&server, &path(wrong), 400);
    }
    assert_eq!(get(&server, &path("buckets=60"))["interval"], "3640d");
}

/// The field `n` of each event of a list.
fn numbers(list: &Value) -> Vec<u64> {
    let events = list.as_array().expect("is a list").iter();
    events.map(|event| event["n"].as_u64().expect("has a number")).collect()
}

#[test]
fn the_context_of_an_event_is_its_neighbours_in_time_and_arrival() {
    // Four events a second, sent in an order of their own.
    let lines: Vec<Value> = (0..400u32)
        .map(|n| n * 37 % 400)
        .map(|n| {
            let mut line = json!({
                "timestamp": format!("2026-11-21T10:{:02}:{:02}Z", n / 240, n / 4 % 60),
                "service": (["cart", "pay", "auth"][n as usize % 3]),
                "message": format!("event {n}"),
                "kubernetes": {"host": format!("h{}", n % 5)},
                "n": n,
            });
            if n % 7 == 0 {
                line["zone"] = json!("a");
            }
            line
        })
        .collect();
    // By time, then by arrival.
    let mut order: Vec<(u64, usize, u64)> = lines
        .iter()
        .enumerate()
        .map(|(arrival, line)| line["n"].as_u64().map(|n| (n / 4, arrival, n)).expect("is there"))
        .collect();
    order.sort_unstable();
    let order: Vec<u64> = order.into_iter().map(|(_, _, n)| n).collect();
    for_each_place(&lines, |server, place| {
        for (n, same) in [
            (0, ""),
            (399, ""),
            (201, ""),
            (201, "service"),
            (203, "kubernetes.host"),
            (203, "service,kubernetes.host"),
            (14, "zone"),
            (15, "zone,level"),
        ] {
            let found = get(server, &format!("/api/v1/logs?q=n:{n}"));
            let id = found["logs"][0]["id"].as_str().expect("has an id").to_owned();
            let path = format!("/api/v1/logs/{id}/context?before=9&after=4&same={same}");
            let context = get(server, &path);
            let is_same = |other: &u64| {
                same.split(',').all(|name| match name {
                    "service" => other % 3 == n % 3,
                    "kubernetes.host" => other % 5 == n % 5,
                    "zone" => other.is_multiple_of(7) == (n % 7 == 0),
                    _ => true,
                })
            };
            let at = order.iter().position(|other| *other == n).expect("is there");
            let mut before: Vec<u64> =
                order[..at].iter().rev().copied().filter(is_same).take(9).collect();
            before.reverse();
            let after: Vec<u64> = order[at + 1..].iter().copied().filter(is_same).take(4).collect();
            assert_eq!(numbers(&context["before"]), before, "{place}: {n} {same}");
            assert_eq!(numbers(&context["after"]), after, "{place}: {n} {same}");
            assert_eq!(context["event"]["n"], n);
            assert_eq!(context["warnings"], json!([]));
        }
    });
}

#[test]
fn contexts_that_can_not_be_had_are_refused() {
    let dir = dir();
    let server = Server::start(dir.path());
    let answer = server.post_lines(r#"{"message":"x","tags":["a"]}"#).json();
    let id = answer["first_id"].as_str().expect("is stored");
    let path = |rest: &str| format!("/api/v1/logs/{id}/context?{rest}");
    let alone = get(&server, &path("before=0&after=1000"));
    assert_eq!((&alone["before"], &alone["after"]), (&json!([]), &json!([])));
    let typo = get(&server, &path("same=servce"));
    assert!(typo["warnings"][0].as_str().is_some_and(|w| w.contains("servce")), "{typo}");
    for wrong in ["before=1001", "after=-1", "same=a,,b", "same=timestamp", "same=tags", "x=1"] {
        refused(&server, &path(wrong), 400);
    }
    refused(&server, "/api/v1/logs/nonsense/context", 400);
    let mut other = id.to_owned();
    other.replace_range(25.., if id.ends_with('Z') { "Y" } else { "Z" });
    assert!(refused(&server, &format!("/api/v1/logs/{other}/context"), 404).contains("no event"));
}

#[test]
fn timelines_are_all_events_of_something_the_oldest_first() {
    let id = "a/b c+d%é\"";
    let encoded = "a%2Fb%20c+d%25%C3%A9%22";
    let lines: Vec<Value> = (0..90u32)
        .map(|n| {
            json!({
                "timestamp": format!("2026-11-21T10:{:02}:00Z", (n * 7) % 60),
                "message": "x",
                "n": n,
                "correlation_id": (if n % 3 == 0 { json!(id) } else { json!("other") }),
                "resource_id": (n % 4),
                "resource_type": (["order", "cart"][n as usize / 45]),
            })
        })
        .collect();
    let mut order: Vec<u64> = (0..90).collect();
    order.sort_by_key(|n| (n * 7) % 60);
    let of =
        |wanted: fn(&u64) -> bool| -> Vec<u64> { order.iter().copied().filter(wanted).collect() };
    for_each_place(&lines, |server, place| {
        let pages = |path: &str| {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = get(server, &format!("{path}&limit=7&cursor={cursor}"));
                seen.extend(numbers(&page["logs"]));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => return seen,
                }
            }
        };
        let path = format!("/api/v1/logs/correlation/{encoded}?from=2026-11-21");
        assert_eq!(pages(&path), of(|n| n % 3 == 0), "{place}");
        assert_eq!(pages("/api/v1/logs/resource/2?to=2026-11-22"), of(|n| n % 4 == 2), "{place}");
        let path = "/api/v1/logs/resource/2?type=CART";
        assert_eq!(pages(path), of(|n| n % 4 == 2 && *n >= 45), "{place}");
        assert_eq!(pages("/api/v1/logs/resource/9?timeout=5s"), [0; 0], "{place}");
    });
    let dir = dir();
    let server = Server::start(dir.path());
    refused(&server, "/api/v1/logs/resource/%zz", 400);
    refused(&server, "/api/v1/logs/resource/%ff", 400);
    refused(&server, "/api/v1/logs/correlation/a?type=b", 400);
    refused(&server, "/api/v1/logs/correlation/a?cursor=b", 400);
}

#[test]
fn a_trace_is_its_events_and_the_tree_of_its_spans() {
    let event = |second: u32, span: Value, parent: Value, service: &str, level: &str| {
        json!({
            "timestamp": format!("2026-11-21T10:00:{second:02}Z"), "level": level, "message": "x",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": span,
            "parent_span_id": parent, "service": service, "n": second,
        })
    };
    let none = Value::Null;
    let lines = [
        event(1, json!("root"), json!("0000000000000000"), "web", "info"),
        event(2, json!("auth"), json!("root"), "auth", "info"),
        event(3, json!("pay"), json!("root"), "pay", "warn"),
        event(4, json!("bank"), json!("pay"), "pay", "error"),
        event(5, json!("lost"), json!("unknown"), "web", "info"),
        event(6, json!("c1"), json!("c2"), "loop", "info"),
        event(7, json!("c2"), json!("c1"), "loop", "info"),
        event(8, none.clone(), none.clone(), "web", "info"),
        event(9, json!("root"), none, "edge", "info"),
        json!({"timestamp": "2026-11-21T10:00:03Z", "message": "x", "trace_id": "other", "n": 99}),
    ];
    for_each_place(&lines, |server, place| {
        let path = "/api/v1/logs/trace/4BF92F3577B34DA6A3CE929D0E0E4736";
        let trace = get(server, path);
        assert_eq!(numbers(&trace["logs"]), (1..10).collect::<Vec<_>>(), "{place}");
        assert_eq!((&trace["events"], &trace["events_outside_spans"]), (&json!(9), &json!(1)));
        let shape = shape_of(&trace["spans"]);
        assert_eq!(shape, "root[auth pay[bank]] lost? c1@[c2]", "{place}: {trace}");
        let root = &trace["spans"][0];
        assert_eq!(root["services"], json!(["edge", "web"]));
        assert_eq!(
            (&root["start"], &root["duration_ms"]),
            (&json!("2026-11-21T10:00:01Z"), &json!(8000.0))
        );
        assert_eq!(root["parent_span_id"], Value::Null);
        let pay = &root["children"][1];
        assert_eq!((&pay["levels"], &pay["depth"]), (&json!({"warn": 1}), &json!(1)));

        let first = get(server, &format!("{path}?limit=5"));
        assert_eq!(shape_of(&first["spans"]), shape, "of all pages");
        let cursor = first["next_cursor"].as_str().expect("has a next page");
        let second = get(server, &format!("{path}?limit=5&cursor={cursor}"));
        assert_eq!((numbers(&second["logs"]), &second["spans"]), (vec![6, 7, 8, 9], &Value::Null));
        let unknown = get(server, "/api/v1/logs/trace/unknown");
        assert_eq!((&unknown["logs"], &unknown["spans"]), (&json!([]), &json!([])));
    });
}

/// `id[children]`, with `?` behind orphans and `@` behind roots of circles.
fn shape_of(spans: &Value) -> String {
    let one = |span: &Value| {
        let id = span["span_id"].as_str().expect("has an id");
        let orphan = if span["orphan"] == true { "?" } else { "" };
        let circle = if span["circle"] == true { "@" } else { "" };
        match &*shape_of(&span["children"]) {
            "" => format!("{id}{orphan}{circle}"),
            inside => format!("{id}{orphan}{circle}[{inside}]"),
        }
    };
    let spans = spans.as_array().expect("is a list").iter();
    spans.map(one).collect::<Vec<_>>().join(" ")
}

/// A chain of spans can be longer than readers of JSON bear nesting.
#[test]
fn deep_traces_can_be_read() {
    let dir = dir();
    let server = Server::start(dir.path());
    let span = |n: u32| {
        json!({
            "message": "x", "trace_id": "t", "span_id": format!("s{n}"),
            "parent_span_id": format!("s{}", n.wrapping_sub(1)),
            "timestamp": format!("2026-11-21T10:{:02}:{:02}Z", n / 60, n % 60),
        })
    };
    let lines: Vec<String> = (0..500).map(|n| span(n).to_string()).collect();
    assert_eq!(server.post_lines(&lines.join("\n")).status, 200);
    let trace = get(&server, "/api/v1/logs/trace/t?limit=1");
    let mut spans = &trace["spans"];
    for depth in 0..48 {
        assert_eq!(spans[0]["depth"], depth);
        spans = &spans[0]["children"];
    }
    assert_eq!(spans.as_array().map(Vec::len), Some(452), "those below stand beside each other");
    assert_eq!((&spans[451]["depth"], &spans[451]["span_id"]), (&json!(499), &json!("s499")));
}
