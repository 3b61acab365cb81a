use super::*;
use crate::ingest::json::{JsonDecoder, decode_ndjson};
use logstrata_engine::Limits;
use proptest::prelude::*;
use serde::de::{Deserializer, MapAccess, Visitor};

const ARRIVAL: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// A path of keys and the value there: strings unescaped, all else as its text.
type Leaf = (Vec<Vec<u8>>, Vec<u8>);

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Vec<u8>, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key_seed(crate::ingest::json::event::Key)? {
            members.push((key.into_owned(), map.next_value()?));
        }
        Ok(members)
    }
}

fn collect(path: &[Vec<u8>], raw: &str, found: &mut Vec<Leaf>) {
    if super::super::lexeme::is_filled_object(raw) {
        let mut json = serde_json::Deserializer::from_str(raw);
        for (key, value) in json.deserialize_map(Members).expect("an object") {
            collect(&[path, &[key]].concat(), value.get(), found);
        }
        return;
    }
    let text = match kind_of(raw) {
        Kind::String => [b"\"".as_slice(), &string_text(raw)].concat(),
        _ => raw.as_bytes().to_vec(),
    };
    found.push((path.to_vec(), text));
}

/// Every value of an object by its path, sorted.
fn leaves(json: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    if super::super::lexeme::is_filled_object(json) {
        collect(&[], json, &mut found);
    }
    found.sort();
    found
}

fn as_sent(object: &str) -> (bool, String) {
    let decoded = decode_ndjson(object.as_bytes(), &Limits::default(), ARRIVAL);
    assert_eq!(decoded.rejected, [], "{object}");
    let [event] = &*decoded.batch.events() else { panic!("one event: {object}") };
    let mut out = Vec::new();
    write_as_sent(event, &mut out);
    (event.as_sent.is_some(), String::from_utf8(out).expect("JSON is UTF-8"))
}

#[track_caller]
fn comes_back(object: &str) -> bool {
    let (noted, sent) = as_sent(object);
    let shown = |leaves: Vec<Leaf>| -> Vec<String> {
        leaves.iter().map(|leaf| format!("{leaf:?}")).collect()
    };
    assert_eq!(shown(leaves(&sent)), shown(leaves(object)), "{object} came back as {sent}");
    noted
}

#[test]
fn what_is_sent_as_it_is_shown_needs_no_note() {
    for object in [
        r#"{"timestamp":"2026-11-20T00:00:00.063177Z","level":"info","service":"hdfs","message":"m","user_id":"u","a":{"b":1.0}}"#,
        r#"{"timestamp":"2026-11-20T00:00:00Z","level":"warn","error":{"type":"E"},"a.b":1e400}"#,
    ] {
        assert!(!comes_back(object), "{object}");
    }
}

#[test]
fn names_times_and_levels_come_back() {
    let base = r#""message":"m""#;
    for members in [
        r#""@timestamp":"2026-11-20T00:00:00.5Z","severity":"WARNING""#,
        r#""time":1700000000123,"lvl":30"#,
        r#""ts":1700000000.5,"level":"INFO""#,
        r#""ts":"2026-11-20 00:00:00,5+01:00","log":{"level":"error"}"#,
        r#""ts":"2026-11-20T00:00:60Z","log.level":"error""#,
        r#""timestamp":"nonsense","level":"Odd""#,
        r#""timestamp":"9999-12-31T00:00:00Z","timestamp_text":"x""#,
        r#""timestamp":null,"level":null,"time":"2026-11-20T00:00:00Z""#,
        r#""id":"x""#,
        r#""id":{"a":1}"#,
        r#""id":1,"_id":2"#,
        r#""timestamp":{"a":1},"level":{"b":{"c":2}},"timestamp_text":3"#,
        r#""_id":2"#,
        r#""msg":"n","app":"a","service":{"name":"s"},"error.type":"t","error":"e""#,
        r#""a":{"b":1},"a.b":2,"a":{"b":3},"":4,"":{"":5},"n":-0.0,"e":{},"l":[1, {"x":null}]"#,
        r#""message_base64":"bQ==""#,
        r#""s":"\ud800x\udfff","\ud800":1"#,
        r#""level_text":"x","level":"warn""#,
        r#""level_text":"x","level":"WARNING""#,
    ] {
        comes_back(&format!("{{{base},{members}}}"));
        comes_back(&format!("{{{members}}}"));
    }
    comes_back("{}");
    let many: Vec<String> = (0..1_100).map(|number| format!("\"k{number}\":{number}")).collect();
    assert!(comes_back(&format!("{{{},\"_rest\":1}}", many.join(","))));
}

#[test]
fn a_service_that_was_given_was_not_sent() {
    let mut decoder = JsonDecoder::new(&Limits::default(), ARRIVAL).with_service("given");
    decoder.push_lines(b"{\"service\":null,\"x\":1}");
    let batch = decoder.finish().batch;
    let mut out = Vec::new();
    write_as_sent(&batch.events()[0], &mut out);
    assert_eq!(leaves(std::str::from_utf8(&out).unwrap()), leaves(r#"{"x":1,"service":null}"#));
}

#[test]
fn a_damaged_note_is_none() {
    let decoded = decode_ndjson(b"{\"msg\":\"a\"}", &Limits::default(), ARRIVAL);
    let mut event = decoded.batch.events().remove(0);
    for text in [
        "",
        "[]",
        "{\"timestamp\":7}",
        "{\"timestamp\":{\"digits\":99}}",
        "{\"message\":{\"as\":5}}",
    ] {
        event.as_sent.as_mut().expect("a note").text = text.as_bytes().to_vec();
        let mut out = Vec::new();
        write_as_sent(&event, &mut out);
        serde_json::from_slice::<serde_json::Value>(&out).expect("JSON");
    }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..ALIASES.len()).prop_map(|index| ALIASES[index].name.to_owned()),
        prop::sample::select(vec![
            "id",
            "_id",
            "timestamp_text",
            "level_text",
            "message_base64",
            "_rest",
            "",
            "a",
            "b",
            "a.b",
            "error",
            "service",
            "log",
            "\\ud800",
            "\\u0000",
            "\\\\",
            "name",
            "type",
            "level",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "{}",
        "[]",
        "[ 1,{\"a\":\"b\"} ]",
        "1.0",
        "-0.0",
        "1e400",
        "18446744073709551616",
        "7",
        "30",
        "1700000000",
        "1700000000123",
        "1700000000.25",
        "\"\"",
        "\"text\"",
        "\"info\"",
        "\"WARN\"",
        "\"2026-11-20T00:00:00Z\"",
        "\"2026-11-20T00:00:00.100Z\"",
        "\"2026-11-20T00:00:00.1Z\"",
        "\"2026-11-20T00:00:00.1234567891Z\"",
        "\"2026-11-20\"",
        "\"0001-01-01T00:00:00Z\"",
        "\"bQ==\"",
        "\"\\ud800\"",
        "\"\\u0069nfo\"",
        "\"a\\nb\"",
    ])
    .prop_map(str::to_owned);
    scalar.prop_recursive(3, 12, 4, |inner| object(inner, 1))
}

fn object(value: impl Strategy<Value = String>, min: usize) -> impl Strategy<Value = String> {
    prop::collection::vec((key(), value), min..5).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
        format!("{{{}}}", members.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_object_comes_back(object in object(value(), 0)) {
        comes_back(&object);
    }
}
