//! What regular expressions remember while they search is bounded over all of a query. A test of its own
//! process: it looks at the memory of all of it.
#![expect(clippy::disallowed_methods, reason = "the memory of the process is read")]

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{Answer, Order, QueryRequest, TimeRange, parse_query};
use logstrata_engine::{BatchBuilder, Control, Engine, Kind, Limits, Options, Rules};
use logstrata_tests::dice::Dice;
use logstrata_tests::workload::START;
use std::sync::Arc;

const EVENTS: usize = 1_000;
const TEXT_BYTES: usize = 400;

/// Events with random letters.
fn store(limits: &Limits) -> Engine {
    let io = Io {
        storage: Arc::new(MemoryStorage::new()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let (dir, redaction) = ("/store".into(), Rules::none());
    let options = Options { dir, limits: limits.clone(), io, redaction };
    let engine = Engine::open(options).expect("opened");
    let mut dice = Dice::new(7);
    for _ in 0..EVENTS / 50 {
        let mut batch = BatchBuilder::new(limits, START);
        for _ in 0..50 {
            let text: Vec<u8> = (0..TEXT_BYTES).map(|_| b'a' + dice.below(26) as u8).collect();
            let mut event = batch.event();
            event.field("message", Kind::String, &text);
            event.finish().expect("small");
        }
        engine.append(batch.build()).expect("appended");
    }
    engine.flush().expect("flushed");
    engine
}

/// Anonymous memory, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.expect("RssAnon in kB") << 10
}

/// Each could take 8 MiB on each thread, so that all took a quarter of a gigabyte and more.
#[test]
fn what_the_patterns_of_a_query_remember_stays_within_what_it_may_take() {
    // Of a store with small logs, as these are in memory here.
    let limits = Limits { query_bytes_max: 48 << 20, scans_max: 2, ..Limits::tiny() };
    let engine = store(&limits);
    // Which of so many letters came where takes a state each, and more states than there is room for.
    let pattern = |nth: usize| format!("message:~\"[a-m][b-z].{{{}}}[A-E]\"", 20 + nth);
    let text: String = (0..32).map(|nth| format!("{} OR ", pattern(nth))).collect();
    let text = format!("{text}nowhere");
    let request = QueryRequest {
        query: parse_query(&text).expect("a query"),
        text,
        range: TimeRange::default(),
        limit: None,
        order: Order::NewestFirst,
        cursor: None,
    };
    let before = memory();
    let answer = engine.query_with(&request, &Control::default()).expect("answered");
    let Answer::Events { page, .. } = answer else { panic!("no events") };
    assert!(page.events.is_empty());
    // The request has the patterns, and these what they remember.
    let taken = memory().saturating_sub(before);
    println!("{} MiB", taken >> 20);
    assert!(taken > 1 << 20, "they were looked for");
    assert!(taken <= limits.query_bytes_max, "{} MiB", taken >> 20);
    drop(request);
}
