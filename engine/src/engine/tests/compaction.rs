//! Compaction on a whole store: found before and after, through crashes, failures and damage.

mod warm;

use super::*;
use crate::compact::{Job, Situation, next_job};
use crate::event::Seq;
use crate::io::{Fault, FaultyStorage, Op, Place, Rule};
use crate::manifest::FileId;
use crate::names::Name;
use std::collections::BTreeSet;
use std::io::ErrorKind as IoErrorKind;

/// A store of these many files of events, flushed one by one, thirty events each.
pub(super) fn flushed(options: Options, files: usize) -> Engine {
    let engine = Engine::open(options).unwrap();
    for number in 0..files {
        engine.append(batch(number * 30, 30)).unwrap();
        engine.flush().unwrap();
    }
    engine
}

pub(super) fn check(engine: &Engine, count: usize) {
    let found = numbers(&engine.search(&request("", 10_000)).unwrap());
    assert_eq!(found, (0..count).rev().collect::<Vec<_>>());
    assert_eq!(engine.status().events, count as u64);
    let sevens = numbers(&engine.search(&request("\"number 7\"", 10)).unwrap());
    assert_eq!(sevens, [7]);
}

/// The files in `segments/`, by kind: level-0 files, segments, packs, others.
fn on_disk(storage: &MemoryStorage) -> [usize; 4] {
    let names = storage.list("store/segments".as_ref()).unwrap();
    let count = |kind: fn(&Option<Name>) -> bool| {
        names.iter().filter(|name| kind(&Name::parse(name))).count()
    };
    [
        count(|name| matches!(name, Some(Name::LevelZero(_)))),
        count(|name| matches!(name, Some(Name::Segment(_)))),
        count(|name| matches!(name, Some(Name::Pack(_)))),
        count(|name| matches!(name, None | Some(Name::Temporary))),
    ]
}

#[test]
fn compaction_changes_files_and_no_answer() {
    let storage = MemoryStorage::new();
    let mut options_ = options(&storage);
    // What is small goes into packs, one for each class.
    options_.limits.compaction.packed_bytes_max = 3 << 10;
    let engine = flushed(options_.clone(), 4);
    let (first, _) = engine.append(batch(120, 1)).unwrap().ids.unwrap();
    engine.flush().unwrap();
    for number in 0..5 {
        engine.append(batch(121 + number * 3, 3)).unwrap();
        engine.flush().unwrap();
    }
    assert_eq!(on_disk(&storage), [10, 0, 0, 0]);
    let fields = |engine: &Engine| engine.search(&request("", 10_000)).unwrap().events;
    let blocks = |engine: &Engine| -> u32 {
        let files = Arc::clone(&engine.shared.state().files);
        files.iter().flat_map(|file| &file.meta.sections).map(|section| section.blocks).sum()
    };
    let blocks_before = blocks(&engine);
    let before = fields(&engine);
    engine.compact_now().unwrap();
    check(&engine, 136);
    assert_eq!(fields(&engine), before);
    let [level_zero, segments, packs, others] = on_disk(&storage);
    assert_eq!((level_zero, others), (0, 0));
    let status = engine.status();
    assert_eq!(status.level_zero_files, 0);
    assert_eq!(status.pack_files, packs as u64);
    assert_eq!(status.segment_files, (segments + packs) as u64);
    assert_eq!(status.compactions, (segments + packs) as u64);
    assert!(blocks(&engine) < blocks_before, "small blocks are gathered");
    let amplification = status.write_amplification();
    assert!(amplification > 1.0 && amplification < 2.0, "{amplification}");
    assert_eq!(engine.get(first).unwrap().unwrap().id, first);
    // There is nothing left to do.
    engine.compact_now().unwrap();
    assert_eq!(engine.status().compactions, status.compactions);
    engine.close().unwrap();
    let engine = Engine::open(options(&storage.power_cut())).unwrap();
    check(&engine, 136);
    assert_eq!(fields(&engine), before);
    assert_eq!(engine.get(first).unwrap().unwrap().id, first);
}

#[test]
fn many_compactions_merge_their_outputs() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for number in 0..30 {
        engine.append(batch(number * 30, 30)).unwrap();
        engine.flush().unwrap();
        engine.compact_now().unwrap();
        check(&engine, (number + 1) * 30);
    }
    let status = engine.status();
    assert_eq!(status.level_zero_files, 0);
    assert!(status.segment_files < 25, "{} files of 60", status.segment_files);
    assert!(status.write_amplification() <= 4.0, "{}", status.write_amplification());
    let writes = engine.shared.state().files.iter().map(|file| file.meta.writes).max();
    assert!(writes >= Some(3), "{writes:?}");
    engine.shared.manifest().state().check().unwrap();
}

#[test]
fn a_snapshot_reads_what_was_replaced_until_it_lets_go() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 3);
    let snapshot = engine.shared.snapshot();
    engine.compact_now().unwrap();
    assert_eq!(on_disk(&storage)[0], 3, "a reader has them");
    for file in snapshot.files.iter() {
        for section in file.file.sections(&engine.shared.cache).unwrap().iter() {
            for place in &section.blocks {
                crate::block::decode(&file.file.block(place, &engine.shared.cache).unwrap())
                    .unwrap();
            }
        }
    }
    drop(snapshot);
    assert_eq!(on_disk(&storage)[0], 0);
    check(&engine, 90);
}

/// Every operation of a compaction fails once, in every way. Nothing is lost, doubled or left.
#[test]
fn a_compaction_that_fails_anywhere_neither_loses_nor_doubles() {
    for fault in
        [Fault::Error(IoErrorKind::StorageFull), Fault::Error(IoErrorKind::Other), Fault::Halt]
    {
        for after in 0.. {
            let memory = MemoryStorage::new();
            let disk = FaultyStorage::new(memory.clone());
            let mut faulty = options(&memory);
            faulty.io.storage = Arc::new(disk.clone());
            let engine = flushed(faulty, 3);
            // The log of what was flushed is given up meanwhile.
            engine.settle();
            let before = disk.operations();
            disk.fail(after, fault);
            let compacted = engine.compact_now();
            let reached = disk.operations() - before > after;
            let says = format!("{fault:?} at {after}: {compacted:?}");
            check(&engine, 90);
            if compacted.is_err() && fault != Fault::Halt {
                let closed = engine.shared.state().closed.is_some();
                assert!(engine.status().compactions_failed > 0, "{says}");
                if !closed {
                    assert!(engine.status().compaction_failing.is_some(), "{says}");
                    assert_eq!(on_disk(&memory)[3], 0, "{says}");
                    engine.compact_now().unwrap();
                    assert_eq!(engine.status().compaction_failing, None, "{says}");
                    check(&engine, 90);
                    let names = on_disk(&memory);
                    assert_eq!(names[1] as u64 + names[2] as u64, engine.status().segment_files);
                }
            }
            for crashed in [memory.power_cut(), memory.crash(|| true)] {
                let engine = Engine::open(options(&crashed)).unwrap();
                check(&engine, 90);
                let files = engine.shared.state().files.len();
                assert_eq!(on_disk(&crashed).iter().sum::<usize>(), files, "{says}");
                engine.compact_now().unwrap();
                check(&engine, 90);
            }
            drop(engine);
            if !reached {
                break;
            }
        }
    }
}

#[test]
fn a_damaged_partition_is_left_alone_and_the_others_are_compacted() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 3);
    let path = FileId::LevelZero(2).path("store".as_ref());
    let (offset, partition) = {
        let files = Arc::clone(&engine.shared.state().files);
        let meta = &files.iter().find(|file| file.meta.id == FileId::LevelZero(2)).unwrap().meta;
        (meta.sections[1].offset, meta.sections[1].partition.clone())
    };
    let mut bytes = storage.read(&path).unwrap();
    bytes[offset as usize + 5] ^= 1;
    storage.overwrite(&path, bytes.clone());
    let error = engine.compact_now().unwrap_err();
    assert_eq!(error.corruption().expect("Corrupt").file, path, "{error}");
    let status = engine.status();
    assert_eq!(status.compactions_failed, 1);
    assert!(status.compaction_failing.unwrap().contains("0000000000000002.l0"));
    assert_eq!(status.level_zero_files, 3, "the damaged partition is still there");
    let left = |engine: &Engine| -> Vec<_> {
        let files = Arc::clone(&engine.shared.state().files);
        let young = files.iter().filter(|file| file.meta.id.is_level_zero());
        young.flat_map(|file| file.meta.sections.clone()).map(|s| s.partition).collect()
    };
    assert_eq!(left(&engine), [partition.clone(), partition.clone(), partition]);
    // It is not tried again, and does not come back as success.
    engine.compact_now().unwrap();
    assert_eq!(engine.status().compactions_failed, 1);
    bytes[offset as usize + 5] ^= 1;
    storage.overwrite(&path, bytes);
    engine.close().unwrap();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.compact_now().unwrap();
    assert!(left(&engine).is_empty());
    check(&engine, 90);
}

/// A partition of which a file could once not be read was left alone until the store was opened
/// again, as if it were damaged: its level-0 files stayed for good.
#[test]
fn a_source_that_can_be_read_again_is_compacted() {
    let memory = MemoryStorage::new();
    let disk = FaultyStorage::new(memory.clone());
    let mut faulty = options(&memory);
    faulty.io.storage = Arc::new(disk.clone());
    let engine = flushed(faulty, 3);
    disk.inject(Rule {
        op: Some(Op::Read),
        place: Place::Part(".l0".into()),
        skip: 0,
        times: u64::MAX,
        fault: Fault::Error(IoErrorKind::Other),
    });
    let error = engine.compact_now().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(engine.status().compaction_failing.is_some());
    assert_eq!(on_disk(&memory)[0], 3);
    disk.heal();
    engine.compact_now().unwrap();
    assert_eq!((on_disk(&memory)[0], engine.status().compaction_failing), (0, None));
    check(&engine, 90);
}

#[test]
fn closing_ends_a_compaction_that_makes_way_for_ingest() {
    let storage = MemoryStorage::new();
    let engine = Arc::new(flushed(options(&storage), 3));
    engine.shared.state().ingest_waits = true;
    let asking = {
        let engine = Arc::clone(&engine);
        std::thread::spawn(move || engine.compact_now())
    };
    while engine.compactions.is_idle() {
        std::thread::yield_now();
    }
    assert_eq!(engine.status().compactions, 0);
    engine.compactions.close();
    assert_eq!(asking.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(on_disk(&storage), [3, 0, 0, 0]);
    check(&engine, 90);
}

#[test]
fn an_automatic_compaction_follows_the_clock() {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.limits.compaction.is_automatic = true;
    let clock = Arc::new(ManualClock::new(NOON));
    options.io.clock = Arc::clone(&clock) as Arc<dyn crate::io::Clock>;
    let engine = flushed(options, 2);
    assert_eq!(on_disk(&storage)[0], 2, "the day is open");
    clock.set(Timestamp(NOON.0 + 25 * 3_600_000_000_000));
    engine.append(batch(60, 1)).unwrap();
    engine.flush().unwrap();
    // Whether the late event came before the day's pack or after it: now it is a day old.
    clock.set(Timestamp(NOON.0 + 50 * 3_600_000_000_000));
    engine.compactions.wake();
    let mut state = engine.shared.state();
    while state.files.iter().any(|file| file.meta.id.is_level_zero()) {
        engine.shared.wait_briefly(&mut state);
    }
    drop(state);
    check(&engine, 61);
}

#[test]
fn opening_reads_the_manifest_and_no_file() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 4);
    engine.compact_now().unwrap();
    engine.append(batch(120, 5)).unwrap();
    engine.flush().unwrap();
    engine.close().unwrap();
    let files: Vec<_> =
        storage.paths().into_iter().filter(|path| path.starts_with("store/segments")).collect();
    assert!(files.len() >= 2, "{files:?}");
    let bytes: Vec<_> = files.iter().map(|path| storage.read(path).unwrap()).collect();
    files.iter().for_each(|path| storage.remove(path).unwrap());
    let engine = Engine::open(options(&storage)).unwrap();
    assert_eq!(engine.status().events, 125);
    // By their statistics no section can hold it.
    let absent = EventId::new(Timestamp(NOON.0 - 1_000_000_000), engine.shared.incarnation, Seq(7));
    assert_eq!(engine.get(absent).unwrap(), None);
    files.iter().zip(bytes).for_each(|(path, bytes)| storage.overwrite(path, bytes));
    check(&engine, 125);
}

/// What the planner would do next of its own accord.
pub(super) fn next(engine: &Engine, now: Timestamp) -> Option<Job> {
    let files = Arc::clone(&engine.shared.state().files);
    let files: Vec<_> = files.iter().map(|file| Arc::clone(&file.meta)).collect();
    next_job(&Situation {
        files: &files,
        blocked: &BTreeSet::new(),
        now,
        limits: &engine.shared.limits.compaction,
        ignore_ages: false,
    })
}

/// Waits until the planner finds nothing to do.
fn settle(engine: &Engine, now: Timestamp) {
    while next(engine, now).is_some() {
        engine.shared.wait_briefly(&mut engine.shared.state());
    }
}

/// Two weeks of six levels, four generations a day, one event in twenty late.
#[test]
fn two_weeks_leave_few_files_that_open_at_once() {
    const DAY_NS: i64 = 24 * 3_600_000_000_000;
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.limits.compaction.is_automatic = true;
    let clock = Arc::new(ManualClock::new(NOON));
    options.io.clock = Arc::clone(&clock) as Arc<dyn crate::io::Clock>;
    let engine = Engine::open(options.clone()).unwrap();
    let mut count = 0usize;
    let mut files_max = 0;
    for generation in 1..=14 * 4 {
        let now = Timestamp(NOON.0 + generation * DAY_NS / 4);
        clock.set(now);
        let mut builder = BatchBuilder::new(&options.limits, now);
        for number in count..count + 60 {
            let mut event = builder.event();
            let late = if number % 20 == 0 { 1 + (number / 20 % 3) as i64 } else { 0 };
            event.timestamp = Timestamp(now.0 - late * DAY_NS + number as i64);
            event.level = Level::ALL[number % 6];
            event.field("message", Kind::String, format!("event number {number}").as_bytes());
            event.finish().expect("small");
        }
        count += 60;
        engine.append(builder.build()).unwrap();
        engine.flush().unwrap();
        settle(&engine, now);
        files_max = files_max.max(engine.status().segment_files);
    }
    let status = engine.status();
    assert_eq!((status.events, status.compactions_failed), (count as u64, 0));
    assert!(status.level_zero_files <= 5, "{} level-0 files", status.level_zero_files);
    // Six classes and fourteen days: one pack each, and one for the late ones of each day.
    assert!(files_max < 6 * 17 * 4, "{files_max} files");
    assert!(status.write_amplification() <= 4.0, "{}", status.write_amplification());
    engine.close().unwrap();
    let monotonic = Io::system().clock;
    let began = monotonic.monotonic();
    let engine = Engine::open(options).unwrap();
    let took = monotonic.monotonic() - began;
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
    let mut found = numbers(&engine.search(&request("", 10_000)).unwrap());
    found.sort_unstable();
    assert_eq!(found, (0..count).collect::<Vec<_>>());
}
