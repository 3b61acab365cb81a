//! What a store looks like at rest.

use super::*;

/// Closed within 100 ms of its last append, the log ended in acknowledged events without a
/// successor: damage to them looked as a crash does, and they were cut off without a word.
#[test]
fn damage_to_the_last_events_of_a_closed_store_is_refused() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 20)).unwrap();
    engine.append(batch(20, 20)).unwrap();
    engine.close().unwrap();
    let mut paths = storage.paths();
    paths.retain(|path| path.to_string_lossy().contains("wal/0"));
    let [path] = &paths[..] else { panic!("one file of the log: {paths:?}") };
    let mut bytes = storage.read(path).unwrap();
    let is_group = |at: &usize| bytes[*at..].starts_with(b"LSGROUP");
    let groups: Vec<usize> = (4_096..bytes.len()).step_by(4_096).filter(is_group).collect();
    let records = |at: usize| u32::from_le_bytes(bytes[at + 32..at + 36].try_into().unwrap());
    let [.., last, successor] = groups[..] else { panic!("groups at {groups:?}") };
    assert_eq!((records(last), records(successor)), (1, 0));
    bytes[last + 100] ^= 1;
    storage.overwrite(path, bytes);
    let error = Engine::open(options(&storage)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.corruption().unwrap().offset, last as u64, "{error}");
}
