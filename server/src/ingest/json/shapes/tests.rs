use super::*;
use crate::ingest::fields::ALIASES;
use crate::ingest::json::{Decoded, JsonDecoder, decode_ndjson};
use crate::ingest::testing::{Event, events};
use logstrata_engine::{Limits, Timestamp};
use proptest::prelude::*;

const ARRIVAL: Timestamp = Timestamp(1_795_132_800_000_000_000);

/// The lines that were filed because they look like one before.
fn known(lines: &[&str]) -> Vec<bool> {
    let mut decoder = JsonDecoder::new(&Limits::default(), ARRIVAL);
    let mut push = |line: &&str| {
        if decoder.shapes.push(line, &mut decoder.builder).is_some() {
            return true;
        }
        // The decoder tries again, to the same end.
        decoder.push_lines(line.as_bytes());
        false
    };
    lines.iter().map(&mut push).collect()
}

#[test]
fn what_looks_alike_is_known() {
    for (first, other) in [
        (
            r#"{"timestamp":"2026-11-20T00:00:00.453084Z","level":"info","message":"a","n":1}"#,
            r#"{"timestamp":"2026-11-20T23:59:59.000001Z","level":"info","message":"b\n","n":-2.5e3}"#,
        ),
        (
            r#"{"msg":"a","log":{"level":"INFO"},"tags":[1]}"#,
            r#"{"msg":"b","log":{"level":"INFO"},"tags":["[",2]}"#,
        ),
        ("{ \"a\" :\t{\"b\": {\"c\":null} } }\r", "{ \"a\" :\t{\"b\": {\"c\":true} } }\r"),
        (
            r#"{"ts":1795132800,"severity_number":9,"_id":"a"}"#,
            r#"{"ts":1795132801,"severity_number":9,"_id":"b"}"#,
        ),
        (r#"{"na\u006de":"é"}"#, r#"{"na\u006de":"\ud83d\ude00"}"#),
    ] {
        assert_eq!(known(&[first, first, other]), [false, false, true], "{first}");
    }
}

#[test]
fn what_could_be_filed_otherwise_is_not_known() {
    for (first, other) in [
        (r#"{"message":"a"}"#, r#"{"message":""}"#),
        (r#"{"message":"a"}"#, r#"{"message":null}"#),
        (r#"{"error":"a"}"#, r#"{"error":1}"#),
        (r#"{"level":"info"}"#, r#"{"level":"warn"}"#),
        (r#"{"time":"2026-11-20T00:00:00.453Z"}"#, r#"{"time":"2026-11-20T00:00:00.4530Z"}"#),
        (r#"{"time":"2026-11-20T00:00:00.453Z"}"#, r#"{"time":"9999-11-20T00:00:00.453Z"}"#),
        (r#"{"a":1}"#, r#"{"a":{}}"#),
        (r#"{"a":1}"#, r#"{"a":{"b":1}}"#),
        (r#"{"a":1}"#, r#"{"a":01}"#),
        (r#"{"a":"x"}"#, "{\"a\":\"\t\"}"),
        (r#"{"a":"x"}"#, r#"{"a":"\x"}"#),
        (r#"{"a":"x"}"#, r#"{"a":"x"} {}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        (r#"{"msg":"a","message":"b"}"#, r#"{"msg":"a","message":"b"}"#),
        (r#"{"message_base64":"YQ=="}"#, r#"{"message_base64":"YQ=="}"#),
    ] {
        assert_eq!(known(&[first, first, other]), [false; 3], "{first} {other}");
    }
}

#[test]
fn depth_is_counted_from_the_object() {
    let line =
        |depth: usize| format!("{{\"a\":{{\"b\":{}{}}}}}", "[".repeat(depth), "]".repeat(depth));
    let lines: Vec<_> = [1, 1, 111, 112, 126, 127].into_iter().map(line).collect();
    let decoded = decode_ndjson(lines.join("\n").as_bytes(), &Limits::default(), ARRIVAL);
    assert_eq!(decoded.batch.len(), 5);
    assert_eq!(decoded.rejected.len(), 1);
}

#[test]
fn the_tree_is_bounded() {
    let mut decoder = JsonDecoder::new(&Limits::default(), ARRIVAL);
    for n in 0..2_000 {
        decoder
            .push_lines(format!("{{\"a\":1,\"{n}\":{{\"b\":2}},\"level\":\"l{n}\"}}").as_bytes());
    }
    assert!(decoder.shapes.nodes.len() <= NODES_MAX && decoder.shapes.variants <= VARIANTS_MAX);
    let mut decoder = JsonDecoder::new(&Limits::default(), ARRIVAL);
    for n in 0..2_000 {
        decoder.push_lines(format!("{{\"level\":\"l{n}\"}}").as_bytes());
        decoder.push_lines(format!("{{\"level\":\"{}\"}}", "l".repeat(n)).as_bytes());
    }
    assert_eq!(decoder.shapes.variants, VARIANTS_MAX);
    assert_eq!(decoder.finish().batch.len(), 4_000);
}

#[test]
fn an_event_that_is_too_large_is_refused() {
    let limits = Limits::default();
    let mut decoder = JsonDecoder::new(&limits, ARRIVAL);
    let small = r#"{"level":"INFO","a":"x"}"#;
    let large = small.replace('x', &"x".repeat(limits.event_bytes_max));
    decoder.push_lines(format!("{small}\n{small}\n{large}\n{small}").as_bytes());
    let decoded = decoder.finish();
    decoded.batch.check_invariants();
    assert_eq!((decoded.batch.len(), decoded.rejected_count), (3, 1));
}

/// A value of any kind; those that some field takes as a time or level come often.
fn any_value() -> impl Strategy<Value = String> {
    let literal = prop::sample::select(vec![
        r#""info""#,
        r#""INFO""#,
        r#""warning""#,
        r#""debug""#,
        r#""2""#,
        "30",
        "9",
        "null",
        "true",
        "false",
        "0",
        "-1.50e3",
        "1795132800",
        "1795132800123",
        r#""2026-11-20T00:00:00.453084Z""#,
        r#""2026-11-20T00:00:00.453000Z""#,
        r#""2026-11-20T00:00:01Z""#,
        r#""2026-11-20T01:00:01+01:00""#,
        r#""9999-01-01T00:00:00Z""#,
        r#""""#,
        "[]",
        "[1,[2]]",
        "{}",
        r#"{"b":1}"#,
        r#""\ud800""#,
        r#""a\"b""#,
        "01",
        "-",
        r#""\x""#,
        "\"a\tb\"",
        "nul",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        3 => literal,
        2 => "[a-zA-Z0-9é ]{0,20}".prop_map(|text| format!("\"{text}\"")),
        1 => any::<i32>().prop_map(|number| number.to_string()),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).expect("into memory")),
    ]
}

/// Keys with how values are to be put behind them.
fn any_frame() -> impl Strategy<Value = Vec<String>> {
    let aliases = prop::sample::select(ALIASES.map(|alias| alias.name).to_vec());
    let often = prop::sample::select(vec![
        "timestamp",
        "level",
        "message",
        "service",
        "a",
        "b",
        "id",
        "_id",
        "level_text",
        "timestamp_text",
        "message_base64",
        "log",
        "error",
        "na\\u006de",
        "x.y",
        "",
    ]);
    let key = prop_oneof![2 => often.prop_map(str::to_owned), 1 => aliases.prop_map(str::to_owned), 1 => "[a-c]"];
    let space = prop::sample::select(vec!["", "", "", " ", "\t", "\r"]);
    prop::collection::vec((key, space, 0..6u8), 1..8).prop_map(|members| {
        let mut frame = Vec::new();
        let mut glue = "{".to_owned();
        let mut depth = 1;
        for (key, space, shape) in members {
            glue.push_str(&format!("{space}\"{key}\":{space}"));
            if shape == 0 {
                glue.push('{');
                depth += 1;
                continue;
            }
            frame.push(std::mem::take(&mut glue));
            if shape == 1 && depth > 1 {
                glue.push('}');
                depth -= 1;
            }
            glue.push(',');
        }
        if glue.ends_with(',') {
            glue.pop();
        } else {
            glue.push_str("\"z\":1");
        }
        frame.push(format!("{glue}{}", "}".repeat(depth)));
        frame
    })
}

fn line_of(frame: &[String], values: &[String]) -> String {
    let values = values.iter().cycle().map(String::as_str);
    let (last, others) = frame.split_last().expect("a frame has a tail");
    let inner: String = others.iter().zip(values).flat_map(|(glue, value)| [glue, value]).collect();
    inner + last
}

/// What is decoded of each line by itself, when there is nothing to learn from.
fn one_by_one(
    lines: &[String],
    service: Option<&str>,
) -> (Vec<Event>, Vec<(u64, String)>, [u64; 3]) {
    let (mut all, mut rejected, mut times) = (Vec::new(), Vec::new(), [0; 3]);
    for (line, number) in lines.iter().zip(0..) {
        let mut decoder = decoder(service).after_line(number);
        // A byte order mark is none behind the first line.
        decoder.push_lines(line.as_bytes());
        let decoded = decoder.finish();
        all.extend(events(&decoded.batch));
        rejected.extend(decoded.rejected.iter().map(|r| (r.line, r.error.clone())));
        times = std::array::from_fn(|at| times[at] + times_of(&decoded)[at]);
    }
    (all, rejected, times)
}

fn decoder(service: Option<&str>) -> JsonDecoder {
    let decoder = JsonDecoder::new(&Limits { event_bytes_max: 200, ..Limits::tiny() }, ARRIVAL);
    match service {
        Some(service) => decoder.with_service(service),
        None => decoder,
    }
}

fn times_of(decoded: &Decoded) -> [u64; 3] {
    [decoded.times_absent, decoded.times_unread, decoded.times_clamped]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// `P1`.
    #[test]
    fn what_is_learned_changes_nothing(
        frames in prop::collection::vec(any_frame(), 1..4),
        lines in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any_value(), 1..8)), 2..30),
        spoiled in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[{}\\[\\]\":,0a \\\\]{0,2}"), 0..3),
        service in prop::option::of("s"),
    ) {
        let mut lines: Vec<_> = lines.iter().map(|(frame, values)| line_of(&frames[frame.index(frames.len())], values)).collect();
        for (line, at, text) in spoiled {
            let place = line.index(lines.len());
            let line = &mut lines[place];
            let at = at.index(line.len());
            if line.is_char_boundary(at) && line.is_char_boundary(at + 1) {
                line.replace_range(at..at + 1, &text);
            }
        }
        let mut decoder = decoder(service.as_deref());
        decoder.push_lines(lines.join("\n").as_bytes());
        let decoded = decoder.finish();
        decoded.batch.check_invariants();
        let rejected: Vec<_> = decoded.rejected.iter().map(|r| (r.line, r.error.clone())).collect();
        let found = (events(&decoded.batch), rejected, times_of(&decoded));
        prop_assert_eq!(found, one_by_one(&lines, service.as_deref()), "{:#?}", lines);
    }
}
