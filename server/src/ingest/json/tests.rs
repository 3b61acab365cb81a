use super::event::{DEPTH_MAX, FIELD_DEPTH_MAX, FIELDS_MAX, PATH_BYTES_MAX};
use super::*;
use crate::ingest::testing::{Event, events};
use logstrata_engine::{Kind, Level, Timestamp, field};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const ARRIVAL: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn decode(body: impl AsRef<[u8]>) -> Decoded {
    let decoded = decode_ndjson(body.as_ref(), &Limits::default(), ARRIVAL);
    decoded.batch.check_invariants();
    decoded
}

fn one(line: &str) -> Event {
    let decoded = decode(line);
    assert_eq!(decoded.rejected, [], "{line}");
    let [event] = events(&decoded.batch).try_into().expect("one event");
    event
}

fn errors(body: impl AsRef<[u8]>) -> Vec<(u64, String)> {
    decode(body).rejected.into_iter().map(|rejected| (rejected.line, rejected.error)).collect()
}

fn document(body: &str) -> Result<Decoded, String> {
    decode_json(body.as_bytes(), &Limits::default(), ARRIVAL).map_err(|error| error.to_string())
}

#[test]
fn known_fields_and_attributes() {
    let event = one(
        r#"{"ts":"2026-11-21T10:20:30.5Z","severity":"ERROR","service":"pay","msg":"no\tfunds","traceId":"4bf9","order":{"id":7,"total":1.50,"items":[1, 2],"paid":false,"note":null,"meta":{}},"id":"x","user.name":"bo"}"#,
    );
    assert_eq!(event.timestamp.to_string(), "2026-11-21T10:20:30.500Z");
    assert_eq!(event.level, Level::Error);
    assert_eq!(
        event.shown(),
        [
            "_id=String x",
            "message=String no\tfunds",
            "order.id=Number 7",
            "order.items=Json [1, 2]",
            "order.meta=Json {}",
            "order.note=Null null",
            "order.paid=Bool false",
            "order.total=Number 1.50",
            "service=String pay",
            "trace_id=String 4bf9",
            "user\\.name=String bo",
        ]
    );
}

#[test]
fn the_first_alias_wins_and_the_loser_keeps_its_name() {
    for (line, wanted) in [
        (r#"{"msg":"b","message":"a"}"#, vec!["message=String a", "msg=String b"]),
        (
            r#"{"body":"c","msg":"b","log":"d"}"#,
            vec!["body=String c", "log=String d", "message=String b"],
        ),
        (r#"{"message":"","msg":"x"}"#, vec!["message=String x", "message\u{0}1=String "]),
        (r#"{"message":null,"msg":"x"}"#, vec!["message=String x", "message\u{0}1=Null null"]),
        (r#"{"message":""}"#, vec!["message=String "]),
        (
            r#"{"message":["a"],"log":{"file":{"path":"p"},"level":"warn"}}"#,
            vec!["log.file.path=String p", "message=Json [\"a\"]"],
        ),
        (
            r#"{"service":{"name":"s","version":2}}"#,
            vec!["service=String s", "service.version=Number 2"],
        ),
        (r#"{"service.name":"s","logger":"l"}"#, vec!["logger=String l", "service=String s"]),
        (
            r#"{"service.name":"s","service":"t"}"#,
            vec!["service=String t", "service\\.name=String s"],
        ),
        (
            r#"{"service":"t","service":{"name":"s"}}"#,
            vec!["service=String t", "service.name=String s"],
        ),
        (r#"{"error":"boom"}"#, vec!["error.message=String boom"]),
        (r#"{"error":true}"#, vec!["error=Bool true"]),
        (
            r#"{"error":{"name":"E","message":"m","stack":"s","code":5}}"#,
            vec![
                "error.code=Number 5",
                "error.message=String m",
                "error.stack=String s",
                "error.type=String E",
            ],
        ),
        (
            r#"{"err":{"type":"E","message":"m","stack":"s"}}"#,
            vec!["error.message=String m", "error.stack=String s", "error.type=String E"],
        ),
        (r#"{"exception":"E: m\n at x"}"#, vec!["error.stack=String E: m\n at x"]),
        (r#"{"request_id":"r"}"#, vec!["request_id=String r"]),
        (r#"{"message":5,"user_id":12}"#, vec!["message=Number 5", "user_id=Number 12"]),
        (r#"{"a":1,"a":2,"a":{"b":3}}"#, vec!["a=Number 1", "a\u{0}1=Number 2", "a.b=Number 3"]),
        (r#"{"a":{"b":1},"a.b":2}"#, vec!["a.b=Number 1", "a\\.b=Number 2"]),
        (r#"{"":0,"x":{"":1}}"#, vec!["=Number 0", "x.=Number 1"]),
    ] {
        let mut wanted = wanted;
        wanted.sort_unstable();
        assert_eq!(one(line).shown(), wanted, "{line}");
    }
}

#[test]
fn levels_and_what_is_kept_of_them() {
    for (line, level, kept) in [
        (r#"{"level":"INFO"}"#, Level::Info, vec![]),
        (r#"{"level":"warning"}"#, Level::Warn, vec!["level_text=String warning"]),
        (r#"{"level":30}"#, Level::Warn, vec!["level_text=Number 30"]),
        (r#"{"level":"3"}"#, Level::Error, vec!["level_text=String 3"]),
        (r#"{"severity_number":17}"#, Level::Error, vec!["level_text=Number 17"]),
        (r#"{"level":200,"level_name":"ERROR"}"#, Level::Error, vec!["level_text=Number 200"]),
        (r#"{"level":30,"levelname":"INFO"}"#, Level::Info, vec!["level_text=Number 30"]),
        (r#"{"level":"blue"}"#, Level::Info, vec!["level_text=String blue"]),
        (r#"{"level":"","lvl":"debug"}"#, Level::Debug, vec!["level_text=String "]),
        (r#"{"level":"error","severity":"debug"}"#, Level::Error, vec!["severity=String debug"]),
        (r#"{"log.level":"error"}"#, Level::Error, vec![]),
        (r#"{"level":{"n":1}}"#, Level::Info, vec!["level_text.n=Number 1"]),
        ("{}", Level::Info, vec![]),
    ] {
        let event = one(line);
        assert_eq!(
            (event.level, event.shown()),
            (level, kept.iter().map(|k| (*k).to_owned()).collect()),
            "{line}"
        );
    }
}

#[test]
fn times_and_what_is_kept_of_them() {
    let arrival = ARRIVAL.to_string();
    for (line, time, kept) in [
        (r#"{"time":1700000000.25}"#, "2023-11-14T22:13:20.250Z", vec![]),
        (r#"{"timestamp":"soon"}"#, &arrival, vec!["timestamp_text=String soon"]),
        (
            r#"{"timestamp":"soon","date":"2020-01-01"}"#,
            "2020-01-01T00:00:00Z",
            vec!["timestamp_text=String soon"],
        ),
        (
            r#"{"time":"soon","date":"later"}"#,
            &arrival,
            vec!["date=String later", "timestamp_text=String soon"],
        ),
        (
            r#"{"timestamp":"0001-01-01T00:00:00Z"}"#,
            "1677-09-21T00:12:43.145224192Z",
            vec!["timestamp_text=String 0001-01-01T00:00:00Z"],
        ),
        (r#"{"@timestamp":"2100-01-01T00:00:00Z"}"#, "2100-01-01T00:00:00Z", vec![]),
        (r#"{"timestamp":null}"#, &arrival, vec!["timestamp_text=Null null"]),
        (r#"{"ts":true}"#, &arrival, vec!["ts=Bool true"]),
    ] {
        let event = one(line);
        assert_eq!(
            (event.timestamp.to_string().as_str(), event.shown()),
            (time, kept.iter().map(|k| (*k).to_owned()).collect()),
            "{line}"
        );
    }
    let decoded = decode("{\"ts\":\"x\"}\n{\"ts\":\"0001-01-01\"}\n{\"ts\":0}");
    assert_eq!((decoded.times_unread, decoded.times_clamped), (1, 1));
}

/// They were shown beside the event's own time and level, under the same names: most readers of JSON
/// take the last of two.
#[test]
fn objects_are_no_second_time_or_level() {
    let event = one(r#"{"timestamp":{"a":1},"level":{"b":{"c":2}},"x":{"level":{"d":3}}}"#);
    let shown = ["level_text.b.c=Number 2", "timestamp_text.a=Number 1", "x.level.d=Number 3"];
    assert_eq!(event.shown(), shown);
}

#[test]
fn lines_that_are_no_events_are_named_and_the_others_stored() {
    let body = b"\xef\xbb\xbf{\"a\":1}\r\n\n  \n[1]\n{\"secret\":\n{\"b\":2} {\"c\":3}{\"d\":4}\n{\"x\":\"\xff\"}\n{\"e\":5} tail\n\"text\"\n{\"f\":1e999999}";
    let decoded = decode(body);
    assert_eq!(decoded.batch.len(), 5);
    assert_eq!(decoded.rejected_count, 5);
    let told: Vec<_> = decoded.rejected.iter().map(|r| (r.line, r.error.as_str())).collect();
    assert_eq!(
        told,
        [
            (4, "expected a JSON object at column 1"),
            (5, "EOF while parsing a value at column 10"),
            (7, "invalid UTF-8 at column 7"),
            (8, "expected ident at column 10"),
            (9, "expected a JSON object at column 1"),
        ]
    );
    assert_eq!(
        decode("").batch.len() + decode("\n").batch.len() + decode("\r\n\r\n").batch.len(),
        0
    );
}

#[test]
fn the_list_of_rejected_lines_is_bounded_the_count_exact() {
    let decoded = decode("nonsense\n".repeat(1_000));
    assert_eq!((decoded.rejected.len(), decoded.rejected_count), (REJECTED_LISTED_MAX, 1_000));
}

#[test]
fn no_error_quotes_the_input() {
    let secret = "hunter2";
    for line in [
        r#"{"hunter2"}"#,
        r#"{"a":hunter2}"#,
        r#""hunter2""#,
        r#"{hunter2:1}"#,
        r#"["hunter2"]"#,
        r#"{"a":"hunter2\q"}"#,
        r#"{"a":1}hunter2"#,
        r#"{"a":"hunter2"#,
        "{\"a\":\"hunter2\u{1}\"}",
    ] {
        let told = errors(line);
        assert_eq!(told.len(), 1, "{line}");
        assert!(!told[0].1.contains(secret), "{told:?}");
        let told = document(line).map(|decoded| decoded.rejected);
        assert!(!format!("{told:?}").contains(secret), "{told:?}");
    }
}

#[test]
fn nesting_becomes_fields_then_json_then_an_error() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let path = |keys: usize| vec!["a"; keys].join(".");
    assert_eq!(
        one(&nested(FIELD_DEPTH_MAX)).shown(),
        [format!("{}=Number 1", path(FIELD_DEPTH_MAX))]
    );
    let deeper = nested(FIELD_DEPTH_MAX + 3);
    assert_eq!(one(&deeper).shown(), [format!("{}=Json {}", path(FIELD_DEPTH_MAX), nested(3))]);
    assert_eq!(decode(nested(DEPTH_MAX)).batch.len(), 1);
    let too_deep = format!("the event is nested deeper than {DEPTH_MAX} levels");
    assert_eq!(errors(nested(DEPTH_MAX + 1)), [(1, too_deep.clone())]);
    let array = format!("{{\"message\":{}{}}}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert_eq!(errors(array), [(1, too_deep)]);
    assert_eq!(errors("[".repeat(1_000_000)).len(), 1);
    assert_eq!(errors(format!("{{\"a\":{}", "[".repeat(1_000_000))).len(), 1);
}

#[test]
fn events_are_bounded_in_bytes_fields_and_names() {
    let limits = Limits::tiny();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(limits.event_bytes_max));
    let decoded = decode_ndjson(format!("{large}\n{{}}").as_bytes(), &limits, ARRIVAL);
    assert_eq!((decoded.batch.len(), decoded.rejected_count), (1, 1));
    assert_eq!(decoded.rejected[0].error, "the event is larger than 8192 bytes");

    let members: Vec<_> = (0..FIELDS_MAX + 3).map(|n| format!("\"k.{n}\":{{\"n\":{n}}}")).collect();
    let event = one(&format!("{{{},\"msg\":\"m\"}}", members.join(",")));
    assert_eq!(event.fields.len(), FIELDS_MAX + 2);
    let rest: Value = serde_json::from_slice(event.text("_rest")).unwrap();
    assert_eq!(
        rest,
        json!({"k\\.1024": {"n": 1024}, "k\\.1025": {"n": 1025}, "k\\.1026": {"n": 1026}})
    );
    assert_eq!(event.text("message"), b"m");

    let key = "k".repeat(PATH_BYTES_MAX + 1);
    assert_eq!(
        one(&format!("{{\"{key}\":{{\"a\":1}}}}")).shown(),
        [format!("{key}=Json {{\"a\":1}}")]
    );
}

#[test]
fn odd_strings_come_through() {
    let event = one(
        r#"{"nul":"a\u0000b","half":"\ud800","key\u0000\ud800":1,"big":123456789012345678901234567890,"tiny":-0.0e-7}"#,
    );
    assert_eq!(event.text("nul"), b"a\0b");
    assert_eq!(event.text("half"), b"\xed\xa0\x80");
    assert_eq!(event.text("big"), b"123456789012345678901234567890");
    assert_eq!(event.text("tiny"), b"-0.0e-7");
    assert_eq!(event.fields.len(), 5);
    let megabyte = "é\\n".repeat(300_000);
    assert_eq!(one(&format!("{{\"message\":\"{megabyte}\"}}")).text("message").len(), 900_000);
}

#[test]
fn documents() {
    for (body, stored, rejected) in [
        (r#" {"a":1} "#, 1, vec![]),
        ("{\n \"a\": {\n \"b\": 1\n }\n}\n", 1, vec![]),
        (r#"[{"a":1},2,{"b":2},[],null]"#, 2, vec![2, 4, 5]),
        (r#"{ "logs" : [{"a":1},"x"]}"#, 1, vec![2]),
        (r#"{"logs":"text"}"#, 1, vec![]),
        ("[]", 0, vec![]),
    ] {
        let decoded = document(body).expect(body);
        let lines: Vec<_> = decoded.rejected.iter().map(|rejected| rejected.line).collect();
        assert_eq!((decoded.batch.len(), lines), (stored, rejected), "{body}");
    }
    for (body, told) in [
        ("", "the body is empty at line 1 column 1"),
        (" \n", "the body is empty at line 2 column 1"),
        ("\n true", "expected a JSON object or an array of objects at line 2 column 2"),
        ("[{\"a\":1},\n{\"b\"]", "expected `:` at line 2 column 5"),
        (
            "{\"a\":1}\n{\"b\":1}",
            "trailing characters (one object a line is application/x-ndjson) at line 2 column 1",
        ),
        (
            r#"{"a":1,"logs":[{}]}"#,
            "an object with an array `logs` may have no other member at line 1 column 19",
        ),
        (
            r#"{"logs":[{}],"a":1}"#,
            "an object with an array `logs` may have no other member at line 1 column 16",
        ),
    ] {
        assert_eq!(document(body).unwrap_err(), told, "{body}");
    }
    let broken = decode_json(b"[{}\n,\"\xff\"]", &Limits::default(), ARRIVAL).unwrap_err();
    assert_eq!(broken.to_string(), "invalid UTF-8 at line 2 column 3");
}

#[test]
fn a_service_for_events_without_one() {
    let mut decoder =
        JsonDecoder::new(&Limits::default(), ARRIVAL).with_service("files").after_line(10);
    decoder.push_lines(b"{}\n{\"logger\":\"own\"}\nx\n");
    assert_eq!(decoder.lines(), 13);
    let decoded = decoder.finish();
    assert_eq!(decoded.rejected[0].line, 13);
    let services: Vec<_> =
        events(&decoded.batch).iter().map(|e| e.text("service").to_vec()).collect();
    assert_eq!(services, [b"files".to_vec(), b"own".to_vec()]);
}

/// Any JSON whose top keys are no aliases.
fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}|[a.\\\\\0\"]{0,3}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("k[a-c.\\\\\0\"é]{0,3}", value, 0..8)
        .prop_map(|map| map.into_iter().collect())
}

fn reassemble(event: &Event) -> Map<String, Value> {
    let mut top = Map::new();
    for (name, kind, text) in &event.fields {
        let value = match kind {
            Kind::String => Value::from(std::str::from_utf8(text).unwrap()),
            _ => serde_json::from_slice(text).unwrap(),
        };
        let keys = field::keys(name);
        let (last, path) = keys.split_last().unwrap();
        let mut object = &mut top;
        for key in path {
            let inner = object.entry(key.to_string()).or_insert_with(|| json!({}));
            object = inner.as_object_mut().unwrap();
        }
        assert!(object.insert(last.to_string(), value).is_none());
    }
    top
}

proptest! {
    #[test]
    fn any_object_comes_back(objects in prop::collection::vec(any_object(), 1..4)) {
        let lines: Vec<_> = objects.iter().map(|o| serde_json::to_string(o).unwrap()).collect();
        // serde_json may read back a float one bit off: it must do so on both sides.
        let objects: Vec<Map<String, Value>> =
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for body in [lines.join("\n"), lines.concat()] {
            let decoded = decode(&body);
            prop_assert_eq!(&decoded.rejected, &[]);
            let back: Vec<_> = events(&decoded.batch).iter().map(reassemble).collect();
            prop_assert_eq!(&back, &objects);
        }
        let pretty = serde_json::to_string_pretty(&objects).unwrap();
        let sent: Vec<Map<String, Value>> = serde_json::from_str(&pretty).unwrap();
        let back: Vec<_> =
            events(&document(&pretty).unwrap().batch).iter().map(reassemble).collect();
        prop_assert_eq!(&back, &sent);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[{}\\]\",:a1\\\\\n]{0,60}") {
        for body in [bytes.as_slice(), text.as_bytes()] {
            decode(body);
            drop(decode_json(body, &Limits::tiny(), ARRIVAL));
        }
    }

    #[test]
    fn known_fields_of_any_kind_are_never_lost(
        members in prop::collection::vec((prop::sample::select(crate::ingest::fields::ALIASES.map(|a| a.name).to_vec()), any::<Option<u16>>()), 0..12),
    ) {
        let parts: Vec<_> = members.iter().map(|(k, v)| format!("{}:{}", json!(k), v.map_or("null".to_owned(), |v| format!("\"v{v}\"")))).collect();
        let event = one(&format!("{{{}}}", parts.join(",")));
        // Unreadable times and levels are kept as texts, so every value is still there.
        let mut sent: Vec<_> = members.iter().map(|(_, v)| v.map_or("null".to_owned(), |v| format!("v{v}"))).collect();
        let mut kept: Vec<_> = event.fields.iter().map(|(_, _, text)| String::from_utf8(text.clone()).unwrap()).collect();
        sent.sort();
        kept.sort();
        prop_assert_eq!(kept, sent);
    }
}
