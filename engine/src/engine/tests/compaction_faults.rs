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
