//! The sentence list of a section, which all of its texts need.

use super::*;
use crate::block::ListPlace;
use crate::segment;

/// A store with a segment whose blocks are large enough for sentences.
fn listed_store() -> MemoryStorage {
    const WORDS: [&str; 8] = [
        "opened by the keeper",
        "closed after a long silence",
        "moved to another shelf",
        "refused: nobody asked",
        "left waiting in the hall",
        "found where it was lost",
        "counted and not weighed",
        "written down in pencil",
    ];
    let storage = MemoryStorage::new();
    let limits = Limits {
        block_rows_max: 128,
        block_bytes_max: 64 << 10,
        generation_bytes_max: 1 << 20,
        ..Limits::tiny()
    };
    let engine = Engine::open(Options { limits, ..options(&storage) }).expect("a new store");
    for first in (0..1_200).step_by(BATCH) {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for number in first..first + BATCH {
            let mut event = builder.event();
            event.timestamp = Timestamp(NOON.0 + number as i64);
            event.level = Level::Info;
            let message = format!("box {number} was {}", WORDS[number % WORDS.len()]);
            event.field("message", Kind::String, message.as_bytes());
            event.finish().expect("small");
        }
        engine.append(builder.build()).expect("durable");
    }
    engine.flush().expect("flushed");
    engine.compact_now().expect("compacted");
    engine.close().expect("closed");
    storage
}

/// The first segment with a list.
fn listed(storage: &MemoryStorage) -> (PathBuf, ListPlace) {
    let list = |path: PathBuf| {
        let file = storage.open(&path).expect("is there");
        let directory = segment::read_directory(&*file, &path).expect("sound");
        let list = directory.sections.iter().find_map(|section| section.list)?;
        Some((path, list))
    };
    named(storage, ".seg").into_iter().find_map(list).expect("a section with a list")
}

fn footer_of(storage: &MemoryStorage, path: &Path) -> usize {
    let bytes = storage.read(path).expect("is there");
    let offset = bytes[bytes.len() - segment::TRAILER_LEN..].first_chunk().expect("a trailer");
    u64::from_le_bytes(*offset) as usize
}

/// The file is written anew, though the other copy serves.
#[test]
fn damage_to_one_copy_costs_nothing() {
    let storage = listed_store();
    let before = events(&copy_of(&storage)).expect("sound");
    let (path, list) = listed(&storage);
    for start in [list.offset, list.copy] {
        for at in [0, 9, 30, u64::from(list.len) - 1] {
            let what = format!("byte {at} of the copy at {start}");
            let damaged = harm(&storage, &path, Harm::Flipped((start + at) as usize));
            assert_eq!(events(&copy_of(&damaged)).expect("served"), before, "{what}");
            let found = faults(&damaged, None);
            assert!(found.iter().any(|fault| fault.contains("sentence list")), "{what}: {found:?}");
            let outcome = check(&damaged, &before, &what);
            assert_eq!((outcome.done.damages.len(), outcome.missing.len()), (1, 0), "{what}");
        }
    }
}

/// `L3` of lists: they are found without the directory.
#[test]
fn damage_to_a_copy_and_the_directory_costs_nothing() {
    let storage = listed_store();
    let before = events(&copy_of(&storage)).expect("sound");
    let (path, list) = listed(&storage);
    let without_directory = harm(&storage, &path, Harm::Flipped(footer_of(&storage, &path)));
    for start in [None, Some(list.offset), Some(list.copy)] {
        let what = format!("no directory, damage at {start:?}");
        let damaged = match start {
            Some(start) => harm(&without_directory, &path, Harm::Flipped(start as usize + 2)),
            None => copy_of(&without_directory),
        };
        let outcome = check(&damaged, &before, &what);
        assert_eq!(outcome.missing, [] as [u64; 0], "{what}");
    }
}

/// Without both, the events of blocks that share their sentences are lost, and told.
#[test]
fn damage_to_both_copies_is_told() {
    let storage = listed_store();
    let before = events(&copy_of(&storage)).expect("sound");
    let (path, list) = listed(&storage);
    let at = |start: u64| Harm::Flipped(start as usize + 30);
    let damaged = harm(&harm(&storage, &path, at(list.offset)), &path, at(list.copy));
    let outcome = check(&damaged, &before, "both");
    assert!(!outcome.missing.is_empty());
    check_told(&outcome, "both");
}
