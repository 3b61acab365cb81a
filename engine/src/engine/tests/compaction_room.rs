//! Compaction makes way: for the disk's reserve, and for the memory of others.

use super::compaction::{check, flushed};
use super::*;
use crate::names;
use std::time::Duration;

/// A store of three level-0 files and how much its disk keeps free.
fn reserved(storage: &MemoryStorage) -> (Options, u64) {
    let mut options = options(storage);
    let reserve = 1 << 20;
    options.limits.disk_reserve_bytes = Some(reserve);
    (options, reserve)
}

fn segments(storage: &MemoryStorage) -> Vec<std::path::PathBuf> {
    let dir = names::segments_dir("store".as_ref());
    storage.paths().into_iter().filter(|path| path.starts_with(&dir)).collect()
}

/// A merge took what flushes need: it wrote until the disk was full, and again after each flush.
#[test]
fn a_merge_whose_output_would_touch_the_reserve_does_not_begin() {
    let storage = MemoryStorage::new();
    let (options, reserve) = reserved(&storage);
    let engine = flushed(options, 3);
    let level_zero: u64 = engine.status().segment_bytes;
    // Appends are still accepted.
    storage.set_capacity(Some(storage.bytes() + reserve + level_zero / 8));
    let before = segments(&storage);
    let error = engine.compact_now().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert_eq!(segments(&storage), before);
    let status = engine.status();
    assert!(status.not_writable.is_none());
    assert_eq!(status.compactions_failed, 0, "it is put off");
    assert!(status.compaction_failing.unwrap().contains("free some space"));
    check(&engine, 90);

    storage.set_capacity(Some(storage.bytes() + reserve + (1 << 20)));
    engine.compact_now().unwrap();
    let status = engine.status();
    assert_eq!((status.level_zero_files, status.compaction_failing), (0, None));
    check(&engine, 90);
}

#[test]
fn a_merge_ends_when_the_disk_fills_meanwhile() {
    let storage = MemoryStorage::new();
    let (options, reserve) = reserved(&storage);
    let engine = Arc::new(flushed(options, 3));
    let files = segments(&storage);
    engine.shared.state().ingest_waits = true;
    let asking = {
        let engine = Arc::clone(&engine);
        std::thread::spawn(move || engine.compact_now())
    };
    // It has begun its output, and makes way for ingest.
    while segments(&storage) == files {
        std::thread::yield_now();
    }
    storage.set_capacity(Some(storage.bytes() + reserve - 1));
    engine.shared.state().ingest_waits = false;
    assert_eq!(asking.join().unwrap().unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(segments(&storage), files, "the output is gone, the sources are there");
    check(&engine, 90);
    storage.set_capacity(None);
    engine.compact_now().unwrap();
    assert_eq!(engine.status().level_zero_files, 0);
    check(&engine, 90);
}

#[test]
fn what_was_put_off_is_tried_again_after_a_while() {
    let storage = MemoryStorage::new();
    let (mut options, reserve) = reserved(&storage);
    options.limits.compaction.is_automatic = true;
    let clock = Arc::new(ManualClock::new(NOON));
    options.io.clock = Arc::clone(&clock) as _;
    let engine = flushed(options, 2);
    storage.set_capacity(Some(storage.bytes() + reserve));
    clock.set(Timestamp(NOON.0 + 25 * 3_600_000_000_000));
    engine.compactions.wake();
    let wait = |is_done: &dyn Fn(&Status) -> bool| {
        while !is_done(&engine.status()) {
            engine.compactions.wake();
            std::thread::yield_now();
        }
    };
    wait(&|status| status.compaction_failing.is_some());
    assert_eq!(engine.status().level_zero_files, 2);
    storage.set_capacity(None);
    clock.advance(Duration::from_secs(30));
    wait(&|status| status.level_zero_files == 0);
    assert_eq!(engine.status().compaction_failing, None);
    check(&engine, 60);
}

/// Whether each live section has an index, or else all of its blocks filters.
fn indexed(engine: &Engine) -> Vec<bool> {
    let cache = &engine.shared.cache;
    let files = Arc::clone(&engine.shared.state().files);
    let sections = |file: &LiveFile| Vec::clone(&file.file.sections(cache).unwrap());
    let is_indexed = |file: &LiveFile, section: &crate::segment::Section| {
        let has_filter = |place| file.file.block(place, cache).unwrap().has_filter();
        let filters = section.blocks.iter().filter(|place| has_filter(place)).count();
        let is_indexed = section.index.is_some();
        assert_eq!(filters, if is_indexed { 0 } else { section.blocks.len() });
        is_indexed
    };
    let of = |file: &LiveFile| -> Vec<bool> {
        sections(file).iter().map(|section| is_indexed(file, section)).collect()
    };
    files.iter().flat_map(of).collect()
}

/// The index of a segment took hundreds of MiB that nobody had counted.
#[test]
fn a_merge_without_memory_for_an_index_does_without() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 6);
    let mut held = engine.pool().reserve(Consumer::Compaction, 0).unwrap();
    while held.grow(1 << 10).is_ok() {}
    let error = engine.compact_now().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let status = engine.status();
    assert_eq!((status.level_zero_files, status.compactions_failed), (6, 0));

    let most = held.bytes() as u64;
    held.shrink_to(held.bytes() - (1 << 20));
    engine.compact_now().unwrap();
    let status = engine.status();
    assert_eq!((status.level_zero_files, status.compaction_failing), (0, None));
    assert_eq!(indexed(&engine), [false, false]);
    check(&engine, 180);
    assert!(status.pool.refusals[2] > 1 && status.pool.compaction < most);
    drop(held);
    assert_eq!(engine.status().pool.compaction, 0, "all is given back");
}

#[test]
fn a_merge_reserves_its_index_and_gives_it_back() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 6);
    engine.compact_now().unwrap();
    assert_eq!(indexed(&engine), [true, true]);
    let pool = engine.status().pool;
    assert_eq!((pool.compaction, pool.refusals), (0, [0; 3]));
    check(&engine, 180);
}
