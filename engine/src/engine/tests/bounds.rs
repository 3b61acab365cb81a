//! What a sender of odd events can make the store take.

use super::*;
use crate::limits::{BATCH_PARTS_MAX, MEMTABLE_NAMES_MAX};

/// Events of this many days, one each, going back from [`NOON`].
fn days(count: i64) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for day in 0..count {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 - day * 86_400_000_000_000);
        event.field("message", Kind::String, b"x");
        event.finish().expect("small");
    }
    builder.build()
}

#[test]
fn a_batch_of_random_days_opens_few_partitions() {
    let count = BATCH_PARTS_MAX as i64 + 100;
    let batch = days(count);
    batch.check_invariants();
    assert!(batch.parts().len() <= BATCH_PARTS_MAX + 1, "{}", batch.parts().len());
    let engine = Engine::open(options(&MemoryStorage::new())).unwrap();
    engine.append(batch).unwrap();
    let page = engine.search(&request("", 10_000)).unwrap();
    assert_eq!(page.events.len() as i64, count);
    let oldest = page.events.last().unwrap().timestamp;
    assert_eq!(oldest.0, NOON.0 - (count - 1) * 86_400_000_000_000, "times stay as they were sent");
}

#[test]
fn too_many_open_partitions_cut_the_generation() {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.limits.partitions_open_max = 10;
    let engine = Engine::open(options).unwrap();
    for _ in 0..5 {
        engine.append(days(20)).unwrap();
    }
    engine.flush().unwrap();
    assert!(engine.status().flushes >= 2, "{} flushes", engine.status().flushes);
    assert_eq!(engine.search(&request("", 10_000)).unwrap().events.len(), 100);
}

#[test]
fn more_names_than_are_remembered_raise_no_false_warning() {
    let engine =
        Engine::open(Options { limits: Limits::default(), ..options(&MemoryStorage::new()) })
            .unwrap();
    for start in (0..=MEMTABLE_NAMES_MAX).step_by(1_000) {
        let mut builder = BatchBuilder::new(&Limits::default(), NOON);
        for number in start..start + 1_000 {
            let mut event = builder.event();
            event.field(&format!("field{number}"), Kind::Number, b"1");
            event.finish().expect("small");
        }
        engine.append(builder.build()).unwrap();
    }
    let last = format!("field{}:1", MEMTABLE_NAMES_MAX + 500);
    let page = engine.search(&request(&last, 10)).unwrap();
    assert_eq!((page.events.len(), page.warnings.len()), (1, 0));
}

#[test]
fn figures_of_what_is_no_column_are_refused() {
    let engine = Engine::open(options(&MemoryStorage::new())).unwrap();
    engine.append(batch(0, 5)).unwrap();
    let table = |group_by: &str, field: &str| {
        let aggregate = Aggregate { function: Function::Max, field: field.into() };
        engine.stats(&StatsRequest {
            filter: parse("").unwrap(),
            range: TimeRange::default(),
            group_by: vec![group_by.into()],
            interval: None,
            aggregates: vec![aggregate],
            top: None,
        })
    };
    assert!(table("level", "service").is_ok());
    for (group_by, field) in [("timestamp", "service"), ("level", "level"), ("level", "timestamp")]
    {
        let error = table(group_by, field).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[test]
fn a_page_ends_before_it_takes_too_much_and_the_next_goes_on() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(Options { limits: Limits::default(), ..options(&storage) }).unwrap();
    let text = vec![b'x'; 1 << 20];
    for number in 0..40 {
        let mut builder = BatchBuilder::new(&Limits::default(), NOON);
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 + number);
        event.field("message", Kind::String, &text);
        event.finish().expect("small enough");
        engine.append(builder.build()).unwrap();
    }
    for flushed in [false, true] {
        if flushed {
            engine.flush().unwrap();
        }
        let mut request = request("", 100);
        let mut times = Vec::new();
        loop {
            let page = engine.search(&request).unwrap();
            assert!((1..=15).contains(&page.events.len()), "{} events", page.events.len());
            times.extend(page.events.iter().map(|event| event.timestamp.0 - NOON.0));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        assert_eq!(times, (0..40).rev().collect::<Vec<_>>());
    }
}

#[test]
fn the_different_levels_can_be_counted() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 5)).unwrap();
    let request = StatsRequest {
        filter: parse("").unwrap(),
        range: TimeRange::default(),
        group_by: Vec::new(),
        interval: None,
        aggregates: vec![Aggregate { function: Function::Uniq, field: "level".into() }],
        top: None,
    };
    let table = engine.stats(&request).unwrap();
    assert_eq!(table.rows[0].values, [Some(2.0)]);
}

/// A store that had closed for a failed sync went on: what was in memory was flushed, and its log
/// given up.
#[test]
fn a_store_that_has_closed_leaves_the_disk_alone() {
    use crate::io::FaultyStorage;
    let memory = MemoryStorage::new();
    let disk = FaultyStorage::new(memory.clone());
    let mut options = options(&memory);
    options.io.storage = Arc::new(disk.clone());
    options.limits.idle_group_after_ms = 0;
    let engine = Engine::open(options).unwrap();
    engine.append(batch(0, 10)).unwrap();
    engine.flush().unwrap();
    engine.append(batch(10, 10)).unwrap();
    engine.settle();
    engine.shared.close("a sync has failed".to_owned());
    let before = disk.operations();
    assert_eq!(engine.flush().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(engine.compact_now().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(engine.append(batch(20, 1)).unwrap_err().kind(), ErrorKind::Closed);
    engine.queue.order_cut();
    engine.settle();
    assert_eq!(disk.operations(), before);
    assert_eq!(numbers(&engine.search(&request("", 100)).unwrap()).len(), 20, "reads go on");
    engine.close().unwrap_err();
    assert_eq!(disk.operations(), before);
}
