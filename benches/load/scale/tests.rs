//! A small workload and its copies: what they differ in, and that what is calculated of them is what is
//! counted in their bytes by the code that counts whole workloads.

use super::copies::{self, Copies};
use super::expected::Expected;
use super::places::Places;
use crate::facts::{Facts, Window};
use crate::send::Body;
use crate::truth::{Counts, Truth};
use bytes::BytesMut;
use std::collections::{BTreeMap, BTreeSet};

const LINES: u64 = 3_000;
const BATCH: usize = 700;
const PER_DAY: u64 = 2;
const COPIES: u64 = 6;
const SERVICES: [&str; 3] = ["hdfs", "linux", "spark"];

fn workload() -> Vec<Body> {
    let mut bodies = Vec::new();
    let mut chance = 7u64;
    let mut draw = |below: u64| {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let mut body = (0, String::new());
    for line in 0..LINES {
        let micros = line * (86_400_000_000 / LINES) + draw(1_000_000);
        let service = SERVICES[draw(3) as usize];
        let message = match draw(4) {
            0 => format!("received block blk_{:06} of 2005", draw(1_000_000)),
            1 => format!("\\u001b[31mconnection from 10.{:02}.77\\n\\\"", draw(100)),
            2 if line % 5 == 0 => "session opened zephyrquartz".to_owned(),
            _ => format!("session opened for user{:03}", draw(1_000)),
        };
        let level = ["info", "info", "error", "warn"][draw(4) as usize];
        let duration = match draw(2) {
            0 => String::new(),
            _ => format!(",\"duration_ms\":{}.{}", draw(100), 1 + draw(9)),
        };
        body.0 += 1;
        body.1 += &format!(
            "{{\"timestamp\":\"{}\",\"level\":\"{level}\",\"service\":\"{service}\",\"host\":\"n\",\"message\":\
             \"{message}\",\"trace_id\":\"{:032x}\",\"span_id\":\"{:016x}\",\"user_id\":\"u{:02}\",\"category\":\
             \"c\"{duration}}}\n",
            super::calendar::time(20_777, micros),
            0x0123_4567_89ab_cdef_u128 << 64 | u128::from(line / 7),
            line,
            draw(40)
        );
        if body.0 == BATCH as u64 || line + 1 == LINES {
            let (events, text) = std::mem::take(&mut body);
            bodies.push(Body { events, bytes: text.into() });
        }
    }
    bodies
}

fn facts() -> Facts {
    let trace = |n: u64| (format!("{:032x}", 0x0123_4567_89ab_cdef_u128 << 64 | u128::from(n)), 7);
    Facts {
        events: 0,
        needles: vec![trace(3), trace(40)],
        rare: [("zephyrquartz".to_owned(), 0)].into(),
        words: ["connection", "session"].map(|word| (word.to_owned(), BTreeMap::new())).into(),
        phrases: BTreeMap::new(),
        regexes: ["77", "03"].map(|end| (format!("blk_[0-9]+{end}"), 0)).into(),
        windows: Vec::new(),
        top_users: BTreeMap::new(),
        p95: BTreeMap::new(),
    }
}

fn copied() -> Copies {
    let places = Places::find(&workload(), ["zephyrquartz"].into_iter()).unwrap();
    Copies { places, copies: COPIES, per_day: PER_DAY, first_day: 20_700 }
}

fn made(copies: &Copies, copy: u64) -> Vec<Body> {
    let make = |number| {
        let mut bytes = BytesMut::new();
        copies.make(copy, number, &mut bytes);
        let events = copies.places.bases[number].lines.len() as u64;
        Body { events, bytes: bytes.freeze() }
    };
    (0..copies.places.bases.len()).map(make).collect()
}

fn lines(bodies: &[Body]) -> Vec<serde_json::Value> {
    let text = bodies.iter().flat_map(|body| body.bytes.split(|byte| *byte == b'\n'));
    let text = text.filter(|line| !line.is_empty());
    text.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect()
}

#[test]
fn copies_differ_in_times_ids_and_drawn_digits_and_in_nothing_else() {
    let (copies, base) = (copied(), lines(&workload()));
    let mut last = String::new();
    let (mut spans, mut traces) = (BTreeSet::new(), BTreeSet::new());
    let mut changed = 0;
    for copy in 0..COPIES {
        let mut of_copy = BTreeMap::<String, String>::new();
        for (line, base) in lines(&made(&copies, copy)).iter().zip(&base) {
            let text =
                |line: &serde_json::Value, field: &str| line[field].as_str().unwrap().to_owned();
            let time = text(line, "timestamp");
            assert!(time >= last, "{time} is before {last}");
            assert!(time.starts_with(&super::calendar::date(20_700 + copy / PER_DAY)));
            last = time;
            assert!(spans.insert(text(line, "span_id")), "spans differ");
            let trace =
                of_copy.entry(text(base, "trace_id")).or_insert_with(|| text(line, "trace_id"));
            assert_eq!(*trace, text(line, "trace_id"), "a trace stays one");
            for same in ["level", "service", "host", "user_id", "category", "duration_ms"] {
                assert_eq!(line[same], base[same]);
            }
            let [message, from] = [line, base].map(|line| text(line, "message"));
            changed += u64::from(message != from);
            let kept = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "#");
            match from.strip_suffix("zephyrquartz") {
                Some(rest) => {
                    assert_eq!(message, format!("{rest}{}", copies::rare(copy, "zephyrquartz")))
                }
                None => assert_eq!(kept(&message), kept(&from)),
            }
            assert_eq!(message.contains(" of 2005"), from.contains(" of 2005"), "{message}");
        }
        assert!(
            of_copy.into_values().all(|trace| traces.insert(trace)),
            "copies have their own traces"
        );
    }
    assert!(changed > LINES * COPIES * 3 / 4, "{changed} messages are others");
    let again = |copy| made(&copies, copy).concat_bytes();
    assert_eq!(again(3), again(3));
}

trait Concat {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl Concat for Vec<Body> {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|body| body.bytes.to_vec()).collect()
    }
}

#[test]
fn what_is_expected_of_copies_is_what_is_counted_in_them() {
    let (copies, facts) = (copied(), facts());
    let truth = Truth::count(&workload(), &facts).unwrap();
    let sent = 5;
    let expected = Expected::count(&copies, sent, &facts, &truth).unwrap();
    assert_eq!(expected.day, 20_701);
    let times = |counts: &BTreeMap<String, Counts>, times: u64| {
        let mut counts = counts.clone();
        counts.values_mut().flat_map(Counts::values_mut).for_each(|count| *count *= times);
        counts
    };
    // The second of the two whole days.
    let mut of_day = self::facts();
    of_day.windows = (expected.windows.iter())
        .map(|(from, to, _)| Window { from: from.clone(), to: to.clone(), count: 0 })
        .collect();
    let counted = Truth::count(&[made(&copies, 2), made(&copies, 3)].concat(), &of_day).unwrap();
    let windows: Vec<_> = expected.windows.iter().map(|(_, _, counts)| counts.clone()).collect();
    assert_eq!(counted.windows, windows);
    assert!(windows.iter().all(|counts| counts.len() > 30), "hours and levels");
    assert_eq!(counted.regexes, expected.regexes);
    assert_eq!(counted.regexes.values().filter(|counts| counts.len() == 3).count(), 2);
    assert_eq!(counted.words, times(&truth.words, expected.in_day(1)));
    for (level, users) in &truth.top_users {
        let wanted: Vec<_> =
            users.iter().map(|(user, count)| (user.clone(), expected.in_day(*count))).collect();
        assert_eq!(counted.top_users[level], wanted);
    }
    // All that was sent.
    let mut of_all = self::facts();
    let (needles, rare): (Vec<_>, Vec<_>) =
        (0..8).map(|k| (expected.needle(k), expected.rare(k))).unzip();
    of_all.needles.clone_from(&needles);
    of_all.rare = rare.iter().cloned().collect();
    let all: Vec<_> = (0..sent).flat_map(|copy| made(&copies, copy)).collect();
    let counted = Truth::count(&all, &of_all).unwrap();
    assert_eq!(counted.events, LINES * sent);
    assert_eq!(counted.needles, needles.iter().cloned().collect());
    assert!(needles.iter().all(|(_, count)| *count == 7));
    assert!(counted.needles.len() > 4, "needles of several copies");
    assert_eq!(counted.rare, rare.into_iter().collect());
    assert!(counted.rare.values().all(|count| *count > 20));
    assert_eq!(counted.words, times(&truth.words, expected.in_all(1)));
    assert_eq!(counted.latest, expected.latest);
    assert_eq!(counted.latest_errors, expected.latest_errors);
    let levels: u64 = expected.levels().values().sum();
    assert_eq!(expected.in_all(levels), counted.events);
    for (service, figure) in &counted.p95 {
        // At most one place beside it, of some hundreds up to 100.
        assert!((figure - truth.p95[service]).abs() <= 1.0, "{service}");
    }
}
