mod admission;
mod bounds;
mod checkpoint;
mod closing;
mod compaction;
mod compaction_faults;
mod compaction_room;
mod cut;
mod digests;
mod encryption;
mod evict;
mod explore;
mod numbers;
mod partial;
mod retention;
mod tail;

use super::*;
use crate::append::Rules;
use crate::batch::BatchBuilder;
use crate::error::ErrorKind;
use crate::event::{Kind, Level};
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::query::*;
use crate::timestamp::Timestamp;

const NOON: Timestamp = Timestamp(1_700_049_600_000_000_000);

fn options(storage: &MemoryStorage) -> Options {
    Options {
        redaction: Rules::default(),
        dir: "store".into(),
        limits: Limits::tiny(),
        io: Io {
            storage: Arc::new(storage.clone()),
            clock: Arc::new(ManualClock::new(NOON)),
            entropy: Arc::new(SeededEntropy::new(1)),
        },
    }
}

/// Events with these messages, a second apart, alternating between two levels.
fn batch(first: usize, count: usize) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for number in first..first + count {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 + number as i64 * 1_000_000_000);
        event.level = if number % 2 == 0 { Level::Info } else { Level::Error };
        event.field("message", Kind::String, format!("event number {number} came").as_bytes());
        event.field("service", Kind::String, if number % 3 == 0 { b"pay" } else { b"web" });
        event.field("took.ms", Kind::Number, format!("{}.5", number % 10).as_bytes());
        event.finish().expect("small");
    }
    builder.build()
}

fn request(query: &str, limit: usize) -> SearchRequest {
    SearchRequest {
        query: query.into(),
        filter: parse(query).expect("a query"),
        range: TimeRange::default(),
        limit,
        order: Order::NewestFirst,
        cursor: None,
    }
}

fn numbers(page: &SearchPage) -> Vec<usize> {
    let number = |event: &EventRecord| {
        let text = event.get("message").expect("every event has one").text.to_vec();
        String::from_utf8(text).unwrap().split(' ').nth(2).unwrap().parse().unwrap()
    };
    page.events.iter().map(number).collect()
}

#[test]
fn what_is_acknowledged_is_found_before_and_after_flush_and_reopening() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let check = |engine: &Engine, count: usize| {
        let all: Vec<usize> = (0..count).rev().collect();
        assert_eq!(numbers(&engine.search(&request("", 10_000)).unwrap()), all);
        let found = engine.search(&request("\"number 7\"", 10)).unwrap();
        assert_eq!(numbers(&found), if count > 7 { vec![7] } else { vec![] });
        let errors = engine.search(&request("level:error service:pay", 10_000)).unwrap();
        let expected: Vec<_> = all.iter().copied().filter(|n| n % 2 == 1 && n % 3 == 0).collect();
        assert_eq!(numbers(&errors), expected);
        assert_eq!(engine.status().events, count as u64);
    };
    let mut count = 0;
    for size in [1, 30, 1, 1, 100, 7] {
        let appended = engine.append(batch(count, size)).unwrap();
        assert_eq!(appended.count, size);
        count += size;
        check(&engine, count);
    }
    engine.flush().unwrap();
    assert!(engine.status().segment_files >= 1);
    check(&engine, count);
    engine.append(batch(count, 20)).unwrap();
    count += 20;
    check(&engine, count);
    engine.close().unwrap();

    let engine = Engine::open(options(&storage)).unwrap();
    check(&engine, count);
    engine.append(batch(count, 3)).unwrap();
    count += 3;
    drop(engine);
    // A power cut keeps what was acknowledged.
    let engine = Engine::open(options(&storage.power_cut())).unwrap();
    check(&engine, count);
    engine.flush().unwrap();
    check(&engine, count);
}

#[test]
fn ids_name_events_for_ever() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let (first, last) = engine.append(batch(0, 50)).unwrap().ids.unwrap();
    let check = |engine: &Engine| {
        for (id, number) in [(first, "number 0 "), (last, "number 49 ")] {
            let event = engine.get(id).unwrap().expect("stored");
            assert_eq!(event.id, id);
            let message = event.get("message").unwrap().text.to_vec();
            assert!(String::from_utf8(message).unwrap().contains(number));
        }
        assert_eq!(engine.get(EventId(first.0 + 1_000)).unwrap(), None);
        assert_eq!(engine.get(EventId(0)).unwrap(), None);
        assert_eq!(engine.get(EventId(u128::MAX)).unwrap(), None);
    };
    check(&engine);
    engine.flush().unwrap();
    check(&engine);
    engine.close().unwrap();
    check(&Engine::open(options(&storage)).unwrap());
}

#[test]
fn pages_neither_double_nor_miss_while_events_come_in() {
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let storage = MemoryStorage::new();
        let engine = Engine::open(options(&storage)).unwrap();
        engine.append(batch(0, 60)).unwrap();
        let mut request = SearchRequest { order, ..request("came", 7) };
        let mut seen = Vec::new();
        for round in 0.. {
            let page = engine.search(&request).unwrap();
            seen.extend(numbers(&page));
            // Late events, in the midst of what is being paged through.
            engine.append(batch(round, 3)).unwrap();
            if round == 2 {
                engine.flush().unwrap();
            }
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        if order == Order::NewestFirst {
            seen.reverse();
        }
        assert_eq!(seen, (0..60).collect::<Vec<_>>());
    }
}

#[test]
fn a_table_counts_and_measures_by_group_and_time() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 120)).unwrap();
    let request = StatsRequest {
        filter: parse("number").unwrap(),
        range: TimeRange::default(),
        group_by: vec!["service".into(), "level".into()],
        interval: Some(60_000_000_000),
        aggregates: [Function::Sum, Function::Max, Function::Uniq, Function::Percentile(500_000)]
            .map(|function| Aggregate { function, field: "took.ms".into() })
            .into(),
        top: None,
    };
    for flushed in [false, true] {
        if flushed {
            engine.flush().unwrap();
        }
        let table = engine.stats(&request).unwrap();
        assert_eq!(table.rows.len(), 8, "two minutes, two services, two levels");
        assert_eq!(table.rows.iter().map(|row| row.count).sum::<u64>(), 120);
        let first = &table.rows[0];
        assert_eq!(first.time, Some(Timestamp(NOON.0)));
        assert_eq!(first.group[0], Some((Kind::String, b"web".to_vec())));
        assert_eq!(first.count, 20);
        assert!(table.rows.iter().all(|row| row.values[2] == Some(5.0)));
        let sums: f64 = table.rows.iter().filter_map(|row| row.values[0]).sum();
        assert!((sums - 120.0 * 5.0).abs() < 1e-9, "{sums}");
    }
}

#[test]
fn counts_by_level_open_no_block_that_their_headers_answer() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 64)).unwrap();
    engine.flush().unwrap();
    let mut request = StatsRequest {
        filter: parse("").unwrap(),
        range: TimeRange::default(),
        group_by: vec!["level".into()],
        interval: Some(3_600_000_000_000),
        aggregates: Vec::new(),
        top: Some(1),
    };
    let table = engine.stats(&request).unwrap();
    assert_eq!((table.rows.len(), table.rows[0].count), (1, 32));
    assert_eq!(table.scanned.blocks, 0);
    request.range.to = Some(Timestamp(NOON.0 + 1));
    let table = engine.stats(&request).unwrap();
    assert_eq!((table.rows.len(), table.rows[0].count), (1, 1));
}

#[test]
fn an_unknown_field_is_a_warning_with_a_suggestion() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 5)).unwrap();
    for flushed in [false, true] {
        if flushed {
            engine.flush().unwrap();
        }
        let page = engine.search(&request("tok.ms:>3", 10)).unwrap();
        assert_eq!(page.warnings, ["no event has a field `tok.ms`; did you mean `took.ms`?"]);
        assert!(engine.search(&request("took.ms:>3", 10)).unwrap().warnings.is_empty());
    }
}

#[test]
fn a_second_opening_is_refused() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let error = Engine::open(options(&storage)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("another process"), "{error}");
    engine.close().unwrap();
    Engine::open(options(&storage)).unwrap();
}

#[test]
fn submissions_from_many_threads_are_all_stored_once() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                for round in 0..25 {
                    let batch = batch(thread * 1_000 + round * 4, 4);
                    while let Err(error) = engine.append(batch.clone()) {
                        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                    }
                }
            });
        }
    });
    let mut found = numbers(&engine.search(&request("", 10_000)).unwrap());
    found.sort_unstable();
    let expected: Vec<_> = (0..4).flat_map(|thread| thread * 1_000..thread * 1_000 + 100).collect();
    assert_eq!(found, expected);
}

/// The writer waited for the sealer while all rows were in tails, where the sealer has no work:
/// nothing was ever accepted again, and after a restart the store did not open.
#[test]
fn many_partitions_with_short_tails_do_not_stop_the_log() {
    let storage = MemoryStorage::new();
    let few = || {
        let mut options = options(&storage);
        options.limits.unsealed_bytes_max = 8 << 10;
        options
    };
    let finishes = |work: Box<dyn FnOnce() + Send>| {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            work();
            sender.send(()).expect("the test waits");
        });
        receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("it hangs");
    };
    let appending = few();
    finishes(Box::new(move || {
        let engine = Engine::open(appending).unwrap();
        for round in 0..3 {
            let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
            for day in 0..60 {
                let mut event = builder.event();
                event.timestamp = Timestamp(NOON.0 - (60 * round + day) * 86_400_000_000_000);
                event.field("message", Kind::String, "x".repeat(100).as_bytes());
                event.finish().expect("small");
            }
            engine.append(builder.build()).unwrap();
        }
        engine.close().unwrap();
    }));
    let opening = few();
    finishes(Box::new(move || {
        let engine = Engine::open(opening).unwrap();
        assert_eq!(engine.status().events, 180);
        engine.flush().unwrap();
    }));
}

/// The manifest kept a thousand names a file, however long: some flushes later its snapshot was
/// beyond its bound, and the flusher panicked at every start.
#[test]
fn long_names_do_not_fill_the_manifest() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for size in [20, 200, 7_000] {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for index in 0..200 {
            let mut event = builder.event();
            event.field(&format!("{index:0size$}"), Kind::Number, b"1");
            event.finish().expect("small");
        }
        engine.append(builder.build()).unwrap();
        engine.flush().unwrap();
    }
    for file in engine.shared.state().files.iter() {
        let bytes: usize = file.meta.columns.iter().map(String::len).sum();
        assert!(bytes <= crate::limits::FILE_COLUMN_NAMES_BYTES_MAX, "{bytes}");
    }
    // What is not listed may still be there: no warning.
    let unsure = engine.search(&request("missing:1", 1)).unwrap();
    assert_eq!(unsure.warnings, [""; 0]);
}

/// Every page read everything that had been on the pages before, and the first one opened every
/// file of the store.
#[test]
fn pages_read_only_what_can_be_on_them() {
    for order in [Order::NewestFirst, Order::OldestFirst, Order::Arrival] {
        let storage = MemoryStorage::new();
        let engine = Engine::open(options(&storage)).unwrap();
        for first in [0, 64, 128] {
            engine.append(batch(first, 64)).unwrap();
            engine.flush().unwrap();
        }
        // A file that is gone shows who opens it.
        let first_and_last = match order {
            Order::NewestFirst => [3, 1],
            Order::OldestFirst | Order::Arrival => [1, 3],
        };
        let path = |generation| crate::names::level_zero("store".as_ref(), generation);
        let hidden = crate::names::temporary(&path(0));
        let hide = |generation: u64| engine.shared.io.storage.rename(&path(generation), &hidden);
        let show = |generation: u64| engine.shared.io.storage.rename(&hidden, &path(generation));
        let mut request = SearchRequest { order, ..request("came", 24) };
        hide(first_and_last[1]).unwrap();
        let first = engine.search(&request).unwrap();
        show(first_and_last[1]).unwrap();
        let mut seen = numbers(&first);
        request.cursor = first.next_cursor;
        let mut blocks = Vec::new();
        while request.cursor.is_some() {
            let page = engine.search(&request).unwrap();
            seen.extend(numbers(&page));
            blocks.push(page.scanned.blocks);
            request.cursor = page.next_cursor;
        }
        if order == Order::NewestFirst {
            seen.reverse();
        }
        assert_eq!(seen, (0..192).collect::<Vec<_>>());
        // 24 of 32 events of two levels: two or three blocks of 16 each.
        assert!(blocks.iter().all(|blocks| *blocks <= 6), "{blocks:?}");
    }
}

/// Opening removed files of unfinished flushes, and then refused the store: its events were in neither.
#[test]
fn a_store_that_is_refused_keeps_the_file_of_an_unfinished_flush() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 10)).unwrap();
    engine.close().unwrap();
    let orphan = crate::names::level_zero("store".as_ref(), 1);
    storage.create(&orphan).unwrap();
    let log =
        crate::names::wal("store".as_ref(), crate::names::WalFileId { generation: 1, index: 0 });
    storage.open_for_write(&log).unwrap().write_all_at(&[0xff; 64], 0).unwrap();
    assert!(Engine::open(options(&storage)).is_err());
    assert!(storage.open(&orphan).is_ok());
}

/// Who waited in the queue when the writer thread died waited for ever.
#[test]
fn the_end_of_the_writer_is_an_answer() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let (queued, is_queued) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = std::sync::mpsc::channel::<()>();
    engine.submit(batch(0, 1), move |_| {
        begun.send(()).expect("the test waits");
        is_queued.recv().expect("the test goes on");
        panic!("a defect");
    });
    has_begun.recv().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    engine.submit(batch(1, 1), move |result| sender.send(result).expect("the test waits"));
    queued.send(()).unwrap();
    let answer = receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("an answer");
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Closed);
    assert!(engine.close().unwrap_err().to_string().contains("writer thread panicked"));
}

/// Every operation of a flush fails once, in every way; what was acknowledged is there once.
#[test]
fn a_flush_that_fails_anywhere_neither_loses_nor_doubles() {
    use crate::io::{Fault, FaultyStorage};
    use std::io::ErrorKind as Io;
    for fault in [Fault::Error(Io::StorageFull), Fault::Error(Io::Other), Fault::Halt] {
        for after in 0.. {
            let memory = MemoryStorage::new();
            let disk = FaultyStorage::new(memory.clone());
            let mut faulty = options(&memory);
            faulty.io.storage = Arc::new(disk.clone());
            let engine = Engine::open(faulty).unwrap();
            engine.append(batch(0, 40)).unwrap();
            let before = disk.operations();
            disk.fail(after, fault);
            let flushed = engine.flush();
            let reached = disk.operations() - before > after;
            let check = |engine: &Engine, count: usize| {
                let found = numbers(&engine.search(&request("", 10_000)).unwrap());
                assert_eq!(found, (0..count).rev().collect::<Vec<_>>(), "{fault:?} at {after}");
                assert_eq!(engine.status().events, count as u64);
            };
            check(&engine, 40);
            let mut count = 40;
            if engine.append(batch(40, 5)).is_ok() {
                count += 5;
                check(&engine, count);
            }
            let closed = engine.shared.state().closed.is_some();
            if flushed.is_err() && !closed && fault != Fault::Halt {
                // The file may have its final name already.
                engine.flush().unwrap();
                check(&engine, count);
            }
            drop(engine);
            let engine = Engine::open(options(&memory.power_cut())).unwrap();
            let found = engine.status().events as usize;
            // A group whose sync failed may be there or not.
            assert!(found == count || found == 45, "{found} {fault:?} at {after}");
            check(&engine, found);
            engine.flush().unwrap();
            check(&engine, found);
            if !reached {
                break;
            }
        }
    }
}

/// Of `{"a":{"b":1},"a.b":2}` a table showed another value when the rarer name had found no column
/// of its own in the block.
#[test]
fn names_shown_alike_give_the_same_value_before_and_after_flush() {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.limits.block_bytes_max = 1 << 20;
    let engine = Engine::open(options).unwrap();
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for number in 0..10 {
        let mut event = builder.event();
        if number == 5 {
            event.field("a.b", Kind::Number, b"1");
        }
        event.field("a\\.b", Kind::Number, b"2");
        if number < 2 {
            // The names with more values take the places of a block's columns.
            (0..300).for_each(|n| event.field(&format!("x{n}"), Kind::Null, b"null"));
        }
        event.finish().expect("small");
    }
    engine.append(builder.build()).unwrap();
    let request = StatsRequest {
        filter: parse("").unwrap(),
        range: TimeRange::default(),
        group_by: vec!["a.b".into()],
        interval: None,
        aggregates: vec![Aggregate { function: Function::Sum, field: "a.b".into() }],
        top: None,
    };
    let before = engine.stats(&request).unwrap().rows;
    assert_eq!(before.iter().map(|row| row.count).collect::<Vec<_>>(), [9, 1]);
    engine.flush().unwrap();
    assert_eq!(engine.stats(&request).unwrap().rows, before);
}
