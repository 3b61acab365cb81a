//! What a hostile review of compaction found, each as the life of a store.

use super::compaction::{check, flushed};
use super::*;
use crate::manifest::FileId;

/// A source that could not be read for a moment kept its partition out of compaction until the
/// store was opened again: with all handles of the process in use, every partition.
#[test]
fn a_source_that_can_be_read_again_is_compacted() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 3);
    let path = FileId::LevelZero(2).path("store".as_ref());
    let bytes = storage.read(&path).unwrap();
    storage.remove(&path).unwrap();
    assert_eq!(engine.compact_now().unwrap_err().kind(), ErrorKind::Io);
    assert!(engine.status().compaction_failing.is_some());
    storage.overwrite(&path, bytes);
    engine.compact_now().unwrap();
    assert_eq!(engine.status().level_zero_files, 0);
    assert_eq!(engine.status().compaction_failing, None);
    check(&engine, 90);
}
/// A full disk took the place of the damage that was told, and stayed there once it was not full.
#[test]
fn damage_is_told_again_after_a_full_disk() {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.limits.disk_reserve_bytes = Some(1 << 20);
    let engine = flushed(options, 3);
    let damaged = FileId::LevelZero(2).path("store".as_ref());
    let offset = engine.shared.state().files[1].meta.sections[0].offset;
    let mut bytes = storage.read(&damaged).unwrap();
    bytes[offset as usize + 5] ^= 1;
    storage.overwrite(&damaged, bytes);
    assert_eq!(engine.compact_now().unwrap_err().kind(), ErrorKind::Corrupt);
    let failing = || engine.status().compaction_failing.unwrap_or_default();
    assert!(failing().contains("0000000000000002.l0"));

    engine.append(batch(90, 30)).unwrap();
    engine.flush().unwrap();
    storage.set_capacity(Some(storage.bytes() + (1 << 20)));
    assert_eq!(engine.compact_now().unwrap_err().kind(), ErrorKind::Full);
    assert!(failing().contains("free some space"));
    storage.set_capacity(None);
    engine.compact_now().unwrap();
    assert!(failing().contains("0000000000000002.l0"), "{}", failing());
}

/// What is cached of a file that is gone takes room from what is not, and a mapped index keeps the
/// file's bytes on the disk.
#[test]
fn nothing_is_kept_of_a_file_that_was_replaced() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 3);
    check(&engine, 90);
    let cached = |engine: &Engine| {
        let ids = (1..=3).map(FileId::LevelZero);
        ids.filter(|id| engine.shared.cache.sections(*id).is_some()).count()
    };
    assert_eq!(cached(&engine), 3);
    engine.compact_now().unwrap();
    assert_eq!(cached(&engine), 0);
    check(&engine, 90);
}
