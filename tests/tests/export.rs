//! Exports while the store goes on: what was there at the beginning, each event once. And the command
//! that is ended before its file is whole.
#![expect(clippy::disallowed_methods, reason = "looks at files, and waits for a process")]

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{Answer, Order, QueryRequest, TimeRange, parse_query};
use logstrata_engine::{
    BatchBuilder, Control, Engine, Kind, Level, Limits, Options, Rules, Timestamp,
};
use logstrata_tests::server::spawn;
use logstrata_tests::workload::START;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECOND: i64 = 1_000_000_000;

fn store() -> Engine {
    let io = Io {
        storage: Arc::new(MemoryStorage::new()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let limits = Limits { block_rows_max: 512, generation_bytes_max: 8 << 20, ..Limits::tiny() };
    let (dir, redaction) = ("/store".into(), Rules::default());
    Engine::open(Options { dir, limits, io, redaction }).expect("opened")
}

/// Appends the events of these numbers, a second apart, five at each moment.
fn append(engine: &Engine, numbers: std::ops::Range<i64>) {
    for first in numbers.clone().step_by(200) {
        let mut batch = BatchBuilder::new(&Limits::tiny(), START);
        for number in first..numbers.end.min(first + 200) {
            let mut event = batch.event();
            event.timestamp = Timestamp(START.0 + number / 5 * SECOND);
            event.level = Level::Info;
            event.field("n", Kind::Number, number.to_string().as_bytes());
            event.finish().expect("small");
        }
        engine.append(batch.build()).expect("appended");
    }
}

fn request(text: &str, order: Order) -> QueryRequest {
    let query = parse_query(text).expect("a query");
    let range = TimeRange::default();
    QueryRequest { text: text.into(), query, range, limit: None, order, cursor: None }
}

/// The numbers of all events of an export; `between` is done after each page.
fn exported(engine: &Engine, request: &QueryRequest, mut between: impl FnMut()) -> Vec<i64> {
    let mut export = engine.export(request).expect("fits");
    let mut numbers = Vec::new();
    while let Some(answer) = engine.export_page(&mut export, &Control::default()).expect("a page") {
        let Answer::Events { page, .. } = answer else { panic!("events are wanted") };
        numbers.extend(page.events.iter().map(|event| {
            let text = event.get("n").expect("is there").text;
            std::str::from_utf8(text).expect("is text").parse::<i64>().expect("a number")
        }));
        between();
    }
    assert!(export.is_over());
    numbers
}

#[test]
fn an_export_has_what_was_there_at_its_beginning_once() {
    let engine = store();
    append(&engine, 0..12_000);
    engine.flush().expect("flushed");
    append(&engine, 12_000..24_000);
    let mut later = 24_000;
    let oldest_first = exported(&engine, &request("", Order::OldestFirst), || {
        // Among the times of those that are there, and behind them.
        append(&engine, later - 24_000..later - 23_800);
        append(&engine, later..later + 200);
        later += 200;
        engine.compact_now().expect("compacted");
    });
    assert!(later > 24_400, "there were several pages");
    assert!(oldest_first.into_iter().eq(0..24_000));

    let all = exported(&engine, &request("n:<24000", Order::NewestFirst), || {});
    let rewritten = (later - 24_000) as usize;
    assert_eq!(all.len(), 24_000 + rewritten);
    assert!(all.windows(2).all(|pair| pair[0] / 5 >= pair[1] / 5), "the newest first");
}

#[test]
fn a_limit_may_be_longer_than_a_page_and_a_sort_needs_one() {
    let engine = store();
    append(&engine, 0..11_000);
    let of = |text: &str| exported(&engine, &request(text, Order::OldestFirst), || {});
    assert!(of("| where n:>=100 | limit 10500").into_iter().eq(100..10_600));
    assert!(of("| limit 7").into_iter().eq(0..7));
    assert!(of("| sort -n | limit 3").into_iter().eq([10_999, 10_998, 10_997]));
    assert_eq!(of("n:<0"), [0_i64; 0]);
    for text in ["| sort n", "| sort n | limit 10001"] {
        let refused = engine.export(&request(text, Order::OldestFirst));
        let error = refused.expect_err("without bounds").to_string();
        assert!(error.contains("10000"), "{error}");
    }
    let page =
        engine.query_with(&request("| limit 10001", Order::NewestFirst), &Control::default());
    assert!(page.is_err(), "a page has its bound still");
}

#[test]
fn a_page_that_failed_can_be_asked_for_again() {
    let engine = store();
    append(&engine, 0..12_000);
    let mut export = engine.export(&request("", Order::OldestFirst)).expect("fits");
    let cancelled = Control::default();
    cancelled.cancel.cancel();
    let mut count = 0;
    loop {
        engine.export_page(&mut export, &cancelled).expect_err("is cancelled");
        let Some(answer) = engine.export_page(&mut export, &Control::default()).expect("a page")
        else {
            break;
        };
        let Answer::Events { page, .. } = answer else { panic!("events are wanted") };
        count += page.events.len();
        if export.is_over() {
            break;
        }
    }
    assert_eq!(count, 12_000);
}

/// A server that sends the beginning of a file and then nothing more.
fn hanging_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("is bound");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        assert!(stream.read(&mut [0; 4_096]).expect("a request") > 0);
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}5\r\na,b\r\n\r\n").as_bytes()).expect("is sent");
        // Until the client is gone.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    format!("http://{address}")
}

/// Ctrl-C left the part of a file.
#[test]
fn a_signal_removes_the_part_of_a_file() {
    for signal in ["-INT", "-TERM"] {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, url) = (dir.path().join("all.csv"), hanging_server());
        let path = path.to_str().expect("UTF-8");
        let mut child = spawn(&["export", "--format", "csv", "-o", path, "--server", &url]);
        let files = || -> Vec<(PathBuf, u64)> {
            let entries = std::fs::read_dir(dir.path()).expect("is there");
            let entry =
                |entry: std::fs::DirEntry| (entry.path(), entry.metadata().map_or(0, |m| m.len()));
            entries.map(|found| entry(found.expect("listed"))).collect()
        };
        let began = Instant::now();
        while files().iter().all(|(_, bytes)| *bytes == 0) {
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}", files());
            std::thread::sleep(Duration::from_millis(10));
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.expect("`kill` runs").success());
        assert_eq!(child.wait().expect("ended").code(), Some(1), "{signal}");
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
        assert!(said.contains("interrupted"), "{said}");
        assert_eq!(files(), [], "{signal}");
    }
}
