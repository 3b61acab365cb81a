#![expect(clippy::disallowed_methods, reason = "the logs of the fixture are read from disk")]

use super::*;
use crate::ingest::parse_timestamp;
use crate::ingest::testing::{Event, events};
use logstrata_engine::Limits;
use proptest::prelude::*;
use std::path::Path;

fn at(text: &str) -> Timestamp {
    parse_timestamp(text.as_bytes()).expect("a time").timestamp
}

fn decode(lines: &[&[u8]], options: TextOptions) -> Vec<Event> {
    let mut batch = BatchBuilder::new(&Limits::default(), options.now);
    let mut decoder = TextDecoder::new(options);
    for line in lines {
        decoder.push_line(&mut batch, line).expect("small");
    }
    events(&batch.build())
}

fn options(now: &str) -> TextOptions {
    TextOptions { now: at(now), ..TextOptions::default() }
}

fn one(line: &str) -> (String, Level) {
    let now = "2026-11-21";
    let event = &decode(&[line.as_bytes()], options(now))[0];
    let time =
        if event.timestamp == at(now) { "arrival".into() } else { event.timestamp.to_string() };
    (time, event.level)
}

/// A system of Loghub: its first and last line's time as read by hand (the year-less ones for
/// [`NOW`]), and how many lines have which level.
struct System {
    name: &'static str,
    first: &'static str,
    last: &'static str,
    levels: [(Level, usize); 6],
}

const NOW: &str = "2026-11-21T00:00:00Z";

const fn system(
    name: &'static str,
    first: &'static str,
    last: &'static str,
    [trace, debug, info, warn, error, critical]: [usize; 6],
) -> System {
    let levels = [
        (Level::Trace, trace),
        (Level::Debug, debug),
        (Level::Info, info),
        (Level::Warn, warn),
        (Level::Error, error),
        (Level::Critical, critical),
    ];
    System { name, first, last, levels }
}

/// Levels: trace, debug, info, warn, error, critical. In syslog formats (Linux, Mac, OpenSSH) only
/// messages that begin with `error:` and the like have one.
const SYSTEMS: [System; 16] = [
    system(
        "Android",
        "2026-03-17T16:13:38.811Z",
        "2026-03-17T16:16:09.141Z",
        [257, 650, 920, 170, 3, 0],
    ),
    system("Apache", "2005-12-04T04:47:44Z", "2005-12-05T19:15:57Z", [0, 0, 1405, 0, 595, 0]),
    system(
        "BGL",
        "2005-06-03T22:42:50.675872Z",
        "2006-01-03T15:13:09.127918Z",
        [0, 0, 1597, 8, 48, 347],
    ),
    system("HDFS", "2008-11-09T20:36:15Z", "2008-11-11T10:20:17Z", [0, 0, 1920, 80, 0, 0]),
    system("HPC", "2004-02-26T14:12:22Z", "2005-12-15T18:25:39Z", [0, 0, 2000, 0, 0, 0]),
    system(
        "Hadoop",
        "2015-10-18T18:01:47.978Z",
        "2015-10-18T18:10:55.202Z",
        [0, 0, 1040, 808, 150, 2],
    ),
    system(
        "HealthApp",
        "2017-12-23T22:15:29.606Z",
        "2017-12-24T01:02:35.789Z",
        [0, 0, 2000, 0, 0, 0],
    ),
    system("Linux", "2026-06-14T15:16:01Z", "2026-07-27T14:42:00Z", [0, 0, 1998, 2, 0, 0]),
    system("Mac", "2026-07-01T09:00:55Z", "2026-07-08T08:10:46Z", [0, 0, 1997, 3, 0, 0]),
    system("OpenSSH", "2025-12-10T06:55:46Z", "2025-12-10T11:04:45Z", [0, 0, 1952, 0, 47, 1]),
    system(
        "OpenStack",
        "2017-05-16T00:00:00.008Z",
        "2017-05-16T00:14:47.687Z",
        [0, 0, 1969, 31, 0, 0],
    ),
    system("Proxifier", "2026-10-30T16:49:06Z", "2026-07-27T10:23:42Z", [0, 0, 2000, 0, 0, 0]),
    system("Spark", "2017-06-09T20:10:40Z", "2017-06-09T20:11:11Z", [0, 0, 2000, 0, 0, 0]),
    system("Thunderbird", "2005-11-09T20:01:01Z", "2005-11-09T20:15:32Z", [0, 0, 2000, 0, 0, 0]),
    system("Windows", "2016-09-28T04:30:30Z", "2016-09-29T02:04:40Z", [0, 0, 2000, 0, 0, 0]),
    system(
        "Zookeeper",
        "2015-07-29T17:41:44.747Z",
        "2015-08-10T18:12:34.004Z",
        [0, 0, 669, 1318, 13, 0],
    ),
];

#[test]
fn the_sixteen_systems_of_loghub() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/loghub"));
    if !root.is_dir() {
        eprintln!("skipped: the Loghub samples are not beside this repository");
        return;
    }
    for system in &SYSTEMS {
        let name = system.name;
        let path = root.join(name).join(format!("{name}_2k.log"));
        let bytes = std::fs::read(&path).expect("the sample is readable");
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        let service = Some(name.to_owned());
        let events = decode(&lines, TextOptions { service, ..options(NOW) });
        assert_eq!((events.len(), lines.len()), (2_000, 2_000), "{name}");
        for (event, line) in events.iter().zip(&lines) {
            assert_eq!(event.text("message"), line.strip_suffix(b"\r").unwrap_or(line), "{name}");
            assert_eq!(event.text("service"), name.as_bytes());
            assert_eq!(event.fields.len(), 2);
        }
        assert_eq!(events[0].timestamp, at(system.first), "{name}");
        assert_eq!(events[1_999].timestamp, at(system.last), "{name}");
        for (level, count) in system.levels {
            let found = events.iter().filter(|event| event.level == level).count();
            assert_eq!(found, count, "{name} {level}");
        }
        let arrived = events.iter().filter(|event| event.timestamp == at(NOW)).count();
        assert_eq!(arrived, 0, "{name}: each line has a time of its own");
    }
}

#[test]
fn other_layouts() {
    for (line, time, level) in [
        ("2026-01-02T03:04:05.678Z WARN disk is full", "2026-01-02T03:04:05.678Z", Level::Warn),
        (
            "2026-01-02T03:04:05+02:00 [main] ERROR com.acme.Pay - no",
            "2026-01-02T01:04:05Z",
            Level::Error,
        ),
        (
            "2026-01-02 03:04:05,123 - root - CRITICAL - stop",
            "2026-01-02T03:04:05.123Z",
            Level::Critical,
        ),
        (
            "2026-01-02 03:04:05.123 UTC [9] FATAL:  no such role",
            "2026-01-02T03:04:05.123Z",
            Level::Critical,
        ),
        (
            "2026/01/02 03:04:05 [error] 12#12: *1 open() failed",
            "2026-01-02T03:04:05Z",
            Level::Error,
        ),
        ("[2026-01-02 03:04:05,123] [warn] x", "2026-01-02T03:04:05.123Z", Level::Warn),
        ("[INF] 2026-01-02 03:04:05 x", "2026-01-02T03:04:05Z", Level::Info),
        ("ERROR 2026-01-02 03:04:05 x", "2026-01-02T03:04:05Z", Level::Error),
        ("web_1  | 2026-01-02T03:04:05Z DEBUG x", "2026-01-02T03:04:05Z", Level::Debug),
        ("2026-01-02 03:04:05 the error was fine", "2026-01-02T03:04:05Z", Level::Info),
        ("2026-01-02 03:04:05 all is well", "2026-01-02T03:04:05Z", Level::Info),
        ("2026-01-02 03:04:05 parser: ERROR IN", "2026-01-02T03:04:05Z", Level::Info),
        (
            "[Sun Jan 04 04:47:44.123456 2026] [core:error] [pid 1] x",
            "2026-01-04T04:47:44.123456Z",
            Level::Error,
        ),
        ("<11>Jan  2 03:04:05 host prog: x", "2026-01-02T03:04:05Z", Level::Error),
        (
            "<12>1 2026-01-02T03:04:05.5+01:00 host prog - - x",
            "2026-01-02T02:04:05.500Z",
            Level::Warn,
        ),
        ("Jan  2 2025 03:04:05 host prog[1]: warning: x", "2025-01-02T03:04:05Z", Level::Warn),
        ("W0102 03:04:05.678901    1234 file.go:12] x", "2026-01-02T03:04:05.678901Z", Level::Warn),
        (
            "1.2.3.4 - bob [10/Oct/2025:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1",
            "2025-10-10T20:55:36Z",
            Level::Info,
        ),
        ("1700000000.123 ERROR x", "2023-11-14T22:13:20.123Z", Level::Error),
        ("1700000000123 x", "2023-11-14T22:13:20.123Z", Level::Info),
        (
            "time=\"2026-01-02T03:04:05Z\" level=warning msg=\"a b\"",
            "2026-01-02T03:04:05Z",
            Level::Warn,
        ),
        ("level=error ts=2026-01-02T03:04:05Z caller=x", "2026-01-02T03:04:05Z", Level::Error),
        ("Feb 29 03:04:05 host prog: x", "2024-02-29T03:04:05Z", Level::Info),
        ("[WARNING] no time here", "arrival", Level::Warn),
        ("ERROR: no time here", "arrival", Level::Error),
        ("Errors happen", "arrival", Level::Info),
        ("12345", "arrival", Level::Info),
        ("2026-02-30 03:04:05 no such day", "arrival", Level::Info),
    ] {
        assert_eq!(one(line), (time.to_owned(), level), "{line}");
    }
}

#[test]
fn a_date_without_a_year_is_of_the_last_year_or_the_next_day() {
    for (now, line, wanted) in [
        ("2026-01-01T00:00:10Z", "Dec 31 23:59:59 h p: x", "2025-12-31T23:59:59Z"),
        ("2025-12-31T23:59:50Z", "Jan  1 00:00:05 h p: x", "2026-01-01T00:00:05Z"),
        ("2026-06-15T12:00:00Z", "Jun 16 12:00:00 h p: x", "2026-06-16T12:00:00Z"),
        ("2026-06-15T12:00:00Z", "Jun 16 12:00:01 h p: x", "2025-06-16T12:00:01Z"),
        ("2028-02-28T12:00:00Z", "Feb 29 01:00:00 h p: x", "2028-02-29T01:00:00Z"),
    ] {
        let events = decode(&[line.as_bytes()], options(now));
        assert_eq!(events[0].timestamp, at(wanted), "{now} {line}");
    }
}

#[test]
fn a_zone_for_times_without_one() {
    let lines: [&[u8]; 3] =
        [b"2026-01-02 03:04:05 x", b"Jan  2 03:04:05 h p: x", b"2026-01-02T03:04:05Z x"];
    let events = decode(&lines, TextOptions { offset_seconds: 3_600, ..options(NOW) });
    let times: Vec<_> = events.iter().map(|event| event.timestamp).collect();
    let shifted = at("2026-01-02T02:04:05Z");
    assert_eq!(times, [shifted, shifted, at("2026-01-02T03:04:05Z")]);
}

#[test]
fn stack_traces_keep_the_time_and_lines_keep_their_bytes() {
    let lines: [&[u8]; 5] = [
        b"before any time\r\n",
        b"2026-01-02 03:04:05 ERROR boom\n",
        b"\tat com.acme.Pay(Pay.java:12)  ",
        b"\n",
        b"\xff\xfe not UTF-8 \r",
    ];
    let events = decode(&lines, options(NOW));
    let messages: Vec<_> = events.iter().map(|event| event.text("message")).collect();
    assert_eq!(
        messages,
        [
            b"before any time".as_slice(),
            b"2026-01-02 03:04:05 ERROR boom",
            b"\tat com.acme.Pay(Pay.java:12)  ",
            b"\xff\xfe not UTF-8 ",
        ]
    );
    let times: Vec<_> = events.iter().map(|event| event.timestamp).collect();
    let time = at("2026-01-02T03:04:05Z");
    assert_eq!(times, [at(NOW), time, time, time]);
    assert!(events.iter().all(|event| event.text("service").is_empty()));
}

#[test]
fn a_line_over_the_limit_is_an_error_and_leaves_nothing() {
    let mut batch = BatchBuilder::new(&Limits::tiny(), at(NOW));
    let mut decoder = TextDecoder::new(options(NOW));
    let line = vec![b'x'; Limits::tiny().event_bytes_max + 1];
    assert!(decoder.push_line(&mut batch, &line).is_err());
    decoder.push_line(&mut batch, b"small").expect("small");
    assert_eq!(batch.len(), 1);
}

proptest! {
    #[test]
    fn no_line_panics(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        text in "[-0-9TZ:.,/ \\[\\]<>a-zJF=]{0,50}",
    ) {
        let mut all: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        all.push(text.as_bytes());
        decode(&all, TextOptions { now: Timestamp::MAX, ..TextOptions::default() });
        decode(&all, TextOptions { now: Timestamp::MIN, offset_seconds: -86_000, service: None });
    }
}

#[test]
fn a_byte_order_mark_hides_neither_time_nor_level() {
    let event = &decode(&["\u{feff}2026-01-02 03:04:05 ERROR x".as_bytes()], options(NOW))[0];
    assert_eq!((event.timestamp, event.level), (at("2026-01-02T03:04:05Z"), Level::Error));
}
