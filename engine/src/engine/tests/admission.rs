//! What is let in, what is refused, and that a refusal leaves nothing behind.

use super::*;
use crate::io::Clock;
use crate::pool::Consumer;
use crate::query::EventField;
use crate::scan::Control;
use std::time::Duration;

#[test]
fn helpers_change_no_answer() {
    let mut answers = Vec::new();
    for scans_max in [1, 4] {
        let storage = MemoryStorage::new();
        let limits = Limits { scans_max, ..Limits::tiny() };
        let engine = Engine::open(Options { limits, ..options(&storage) }).unwrap();
        for number in 0..40 {
            engine.append(batch(number * 50, 50)).unwrap();
        }
        engine.flush().unwrap();
        engine.append(batch(2_000, 50)).unwrap();
        let of = |function| Aggregate { function, field: "took.ms".into() };
        let functions =
            [Function::Sum, Function::Avg, Function::Min, Function::Percentile(950_000)];
        let mut aggregates: Vec<_> = functions.map(of).into();
        aggregates.push(Aggregate { function: Function::Uniq, field: "message".into() });
        let table = engine.stats(&StatsRequest {
            filter: parse("number").unwrap(),
            range: TimeRange::default(),
            group_by: vec!["service".into(), "level".into()],
            interval: Some(500_000_000_000),
            aggregates,
            top: Some(3),
        });
        let table = table.unwrap();
        assert!(table.scanned.blocks > 100, "{:?}", table.scanned);
        let page = engine.search(&request("\"number 7\" OR \"number 1234\"", 10)).unwrap();
        assert_eq!(numbers(&page), [1_234, 7]);
        let page = engine.search(&request("message:/number [0-9]+1 came/", 10_000)).unwrap();
        assert_eq!(page.events.len(), 204);
        answers.push((table.rows, table.scanned, page.events));
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_full_first_page_opens_few_blocks() {
    let storage = MemoryStorage::new();
    let limits = Limits { scans_max: 4, ..Limits::tiny() };
    let engine = Engine::open(Options { limits, ..options(&storage) }).unwrap();
    for number in 0..40 {
        engine.append(batch(number * 50, 50)).unwrap();
    }
    engine.flush().unwrap();
    let page = engine.search(&request("", 20)).unwrap();
    assert_eq!(page.events.len(), 20);
    assert!(page.scanned.blocks <= 6, "{:?}", page.scanned);
}

#[test]
fn cancelled_and_late_queries_end_with_their_kind() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let id = engine.append(batch(0, 200)).unwrap().ids.unwrap().0;
    let cancelled = Control::default();
    cancelled.cancel.cancel();
    let late = Control { deadline: Some(std::time::Duration::ZERO), ..Control::default() };
    let table = StatsRequest {
        filter: parse("came").unwrap(),
        range: TimeRange::default(),
        group_by: Vec::new(),
        interval: None,
        aggregates: Vec::new(),
        top: None,
    };
    for (control, kind) in [(cancelled, ErrorKind::Cancelled), (late, ErrorKind::Deadline)] {
        let search = engine.search_with(&request("came", 10), &control).map(drop);
        let stats = engine.stats_with(&table, &control).map(drop);
        let get = engine.get_with(id, &control).map(drop);
        for result in [search, stats, get] {
            assert_eq!(result.unwrap_err().kind(), kind);
        }
    }
    assert_eq!(engine.status().pool.queries, 0, "nothing is kept");
    assert_eq!(engine.search(&request("came", 10)).unwrap().events.len(), 10);
}

/// A clock by which every look at it takes a second.
#[derive(Debug)]
struct HastyClock(ManualClock);

impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.advance(Duration::from_secs(1));
        self.0.monotonic()
    }
}

/// A table opened all files in one go, whatever became of its time and of whoever asked.
#[test]
fn a_table_ends_also_while_it_opens_files() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for number in 0..20 {
        engine.append(batch(number * 50, 50)).unwrap();
        engine.flush().unwrap();
    }
    engine.close().unwrap();
    let mut options = options(&storage);
    options.io.clock = Arc::new(HastyClock(ManualClock::new(NOON)));
    let engine = Engine::open(options).unwrap();
    let control = Control { deadline: Some(Duration::from_secs(5)), ..Control::default() };
    let table = StatsRequest {
        filter: parse("came").unwrap(),
        range: TimeRange::default(),
        group_by: Vec::new(),
        interval: None,
        aggregates: Vec::new(),
        top: None,
    };
    let error = engine.stats_with(&table, &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let files = Arc::clone(&engine.shared.state().files);
    let cache = &engine.shared.cache;
    let opened = files.iter().filter(|file| cache.sections(file.meta.id).is_some()).count();
    assert!(files.len() == 20 && opened < 6, "{opened} of {}", files.len());
}

/// A clock by which every look of the thread that made it takes a second.
#[derive(Debug)]
struct LookedAt(ManualClock, std::thread::ThreadId);

impl Clock for LookedAt {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        if std::thread::current().id() == self.1 {
            self.0.advance(Duration::from_secs(1));
        }
        self.0.monotonic()
    }
}

/// A table of many groups was merged and sorted, whatever had become of its time and of whoever
/// asked.
#[test]
fn a_table_ends_also_while_its_groups_are_put_in_order() {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    let clock = Arc::new(LookedAt(ManualClock::new(NOON), std::thread::current().id()));
    options.io.clock = Arc::clone(&clock) as _;
    options.limits.scans_max = 1;
    let engine = Engine::open(options).unwrap();
    for number in 0..100 {
        engine.append(batch(number * 50, 50)).unwrap();
    }
    engine.flush().unwrap();
    let table = |group_by: &[&str]| StatsRequest {
        filter: parse("came").unwrap(),
        range: TimeRange::default(),
        group_by: group_by.iter().map(|name| (*name).to_owned()).collect(),
        interval: None,
        aggregates: Vec::new(),
        top: Some(5),
    };
    let within = |time| Control { deadline: Some(time), ..Control::default() };
    let began = clock.0.monotonic();
    engine.stats_with(&table(&["service"]), &within(Duration::MAX)).unwrap();
    let control = within(clock.0.monotonic() - began);
    assert_eq!(engine.stats_with(&table(&["service"]), &control).unwrap().rows.len(), 2);
    let error = engine.stats_with(&table(&["message"]), &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(engine.stats(&table(&["message"])).unwrap().rows.len(), 5);
}

/// Nothing but discipline kept the threads of the network from the disk.
#[test]
#[cfg(debug_assertions)]
fn a_thread_of_the_network_can_read_no_file() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let id = engine.append(batch(0, 50)).unwrap().ids.unwrap().0;
    let get = || {
        let _turn = crate::io::network_turn();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.get(id).map(drop)))
    };
    get().expect("no file is read").unwrap();
    engine.flush().unwrap();
    assert!(get().is_err());
    assert!(engine.get(id).unwrap().is_some(), "threads and turns are as before");
}

#[test]
fn a_query_without_memory_is_refused_and_the_next_one_is_not() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 200)).unwrap();
    let mut held = engine.pool().reserve(Consumer::Query, 0).unwrap();
    while held.grow(1 << 10).is_ok() {}
    let error = engine.search(&request("came", 10)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    drop(held);
    assert_eq!(engine.search(&request("came", 10)).unwrap().events.len(), 10);
}

/// The memory of an answer was given back before the answer was written.
#[test]
fn an_answer_has_its_memory_as_long_as_it_is_there() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 2_000)).unwrap();
    let held = || engine.status().pool.queries;
    let page = engine.search(&request("", 2_000)).unwrap();
    let texts = page.events.iter().flat_map(|event| &event.fields).map(|field| field.text.len());
    assert!(held() >= texts.sum::<usize>() as u64, "{}", held());
    drop(page);
    assert_eq!(held(), 0);
    let table = engine.stats(&StatsRequest {
        filter: parse("").unwrap(),
        range: TimeRange::default(),
        group_by: vec!["message".into()],
        interval: None,
        aggregates: Vec::new(),
        top: None,
    });
    let table = table.unwrap();
    assert_eq!(table.rows.len(), 2_000);
    assert!(held() > 0);
    drop(table);
    assert_eq!(held(), 0);
}

/// A page was counted as large as its JSON, which is a third of what events with many short fields
/// take.
#[test]
fn a_page_counts_as_what_it_takes_in_memory() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for first in 0..30 {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for number in first * 100..(first + 1) * 100 {
            let mut event = builder.event();
            event.timestamp = Timestamp(NOON.0 + number);
            for name in 'a'..='m' {
                event.field(&name.to_string(), Kind::Number, b"7");
            }
            event.finish().expect("small");
        }
        engine.append(builder.build()).unwrap();
    }
    engine.flush().unwrap();
    let page = engine.search(&request("", 3_000)).unwrap();
    assert_eq!(page.events.len(), 3_000);
    let takes = |event: &EventRecord| {
        let texts = event.fields.iter().map(|field| field.text.capacity()).sum::<usize>();
        size_of::<EventRecord>() + event.fields.capacity() * size_of::<EventField>() + texts
    };
    let all: usize = page.events.iter().map(takes).sum();
    assert!(engine.status().pool.queries >= all as u64, "{:?}, not {all}", engine.status().pool);
}

/// What was fetched for a page was bounded by 128 MiB whatever the store had, so that on a small one
/// the page was refused as often as it was asked for.
#[test]
fn a_page_of_large_events_fits_into_the_share_of_queries() {
    let storage = MemoryStorage::new();
    let limits = Limits { memory_bytes_max: 64 << 20, ..Limits::tiny() };
    let engine = Engine::open(Options { limits, ..options(&storage) }).unwrap();
    for first in 0..60 {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for number in first * 50..(first + 1) * 50 {
            let mut event = builder.event();
            event.timestamp = Timestamp(NOON.0 + number);
            let message = format!("event {number} {}", "x".repeat(6_000));
            event.field("message", Kind::String, message.as_bytes());
            event.finish().expect("small enough");
        }
        engine.append(builder.build()).unwrap();
    }
    engine.flush().unwrap();
    let mut others = engine.pool().reserve(Consumer::Ingest, 0).unwrap();
    while others.grow(64 << 10).is_ok() {}
    let mut wanted = request("", 3_000);
    let mut found = 0;
    loop {
        let page = engine.search(&wanted).unwrap();
        found += page.events.len();
        wanted.cursor = page.next_cursor;
        if wanted.cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, 3_000);
}

#[test]
fn a_batch_without_memory_is_refused_whole_and_the_next_one_is_not() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 10)).unwrap();
    let mut held = engine.pool().reserve(Consumer::Ingest, 0).unwrap();
    while held.grow(1 << 10).is_ok() {}
    let error = engine.append(batch(10, 100)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(engine.status().events, 10);
    assert!(engine.status().pool.refusals[0] > 0);
    drop(held);
    engine.append(batch(10, 100)).unwrap();
    assert_eq!(engine.search(&request("", 1_000)).unwrap().events.len(), 110);
}

#[test]
fn the_pool_knows_what_memtables_take_and_gets_it_back() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for number in 0..20 {
        engine.append(batch(number * 50, 50)).unwrap();
    }
    let status = engine.status();
    assert!(status.pool.ingest > 0);
    engine.close().unwrap();

    let engine = Engine::open(options(&storage)).unwrap();
    assert!(engine.status().pool.ingest > 0, "so does what the log gave back");
    engine.flush().unwrap();
    engine.close().unwrap();
    let engine = Engine::open(options(&storage)).unwrap();
    assert_eq!(engine.status().pool.ingest, 0);
    engine.append(batch(1_000, 500)).unwrap();
    engine.flush().unwrap();
    // The flusher drops the memtable after it told of the flush.
    while engine.status().pool.ingest > 0 {
        std::thread::yield_now();
    }
}

/// What a query still reads of a memtable that was flushed counted as free.
#[test]
fn a_flushed_memtable_counts_as_long_as_a_query_reads_it() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 500)).unwrap();
    // Until the sealer is done, the memtable shrinks under whoever looks at it.
    engine.settle();
    let (before, read) = (engine.status().pool.ingest, engine.shared.snapshot());
    assert!(before > 0, "nothing was flushed yet");
    let later = engine.shared.snapshot();
    engine.flush().unwrap();
    engine.append(batch(500, 1)).unwrap();
    drop(read);
    assert!(engine.status().pool.ingest >= before, "{:?}, {before}", engine.status().pool);
    drop(later);
    engine.flush().unwrap();
    while engine.status().pool.ingest > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_refuses_appends_before_the_reserve_is_touched_and_recovers_by_itself() {
    let storage = MemoryStorage::new();
    let clock = Arc::new(ManualClock::new(NOON));
    let mut options = options(&storage);
    options.io.clock = Arc::clone(&clock) as _;
    let reserve = 1 << 20;
    options.limits.disk_reserve_bytes = Some(reserve);
    let engine = Engine::open(options).unwrap();
    engine.append(batch(0, 100)).unwrap();
    let capacity = storage.bytes() + reserve + (64 << 10);
    storage.set_capacity(Some(capacity));

    let mut stored = 100;
    let error = loop {
        clock.advance(Duration::from_secs(1));
        match engine.append(batch(stored, 50)) {
            Ok(_) => stored += 50,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    let status = engine.status();
    assert_eq!(status.not_writable.unwrap().kind(), ErrorKind::Full);
    assert_eq!(status.events, stored as u64, "nothing half-stored");
    // Reads go on, and so does what frees memory and log.
    assert_eq!(engine.search(&request("", 10_000)).unwrap().events.len(), stored);
    engine.flush().unwrap();
    assert!(storage.bytes() < capacity, "the reserve was enough");

    storage.set_capacity(Some(capacity + (4 << 20)));
    assert!(engine.append(batch(stored, 1)).is_err(), "the disk is looked at once a second");
    clock.advance(Duration::from_secs(1));
    assert!(engine.status().not_writable.is_none());
    engine.append(batch(stored, 50)).unwrap();
}
