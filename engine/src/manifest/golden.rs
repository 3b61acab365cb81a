//! The file whose dump ends `docs/format/manifest.md`, read and made again byte for byte.

use super::{Edit, FileId, FileMeta, Manifest, Run, SectionMeta, read};
use crate::codec::dump;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names;
use crate::partition::PartitionKey;
use crate::timestamp::{Day, Timestamp};
use std::path::Path;
use std::sync::Arc;

const VERSION_1: &str = include_str!("fixtures/v1.md");
const VERSION_2: &str = include_str!("fixtures/v2.md");
const PAGE: &str = include_str!("../../../docs/format/manifest.md");
const DIR: &str = "/store";
const NOW: Timestamp = Timestamp(1_795_219_200_000_000_000);

fn setup() -> (MemoryStorage, Io, Limits) {
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    let io = Io {
        storage: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::new(NOW)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    (disk, io, Limits { manifest_bytes_max: 12_288, ..Limits::tiny() })
}

fn section(class: &str, offset: u64, seq: u64) -> SectionMeta {
    SectionMeta {
        partition: PartitionKey { tenant: "default".into(), class: class.into(), day: Day(20_778) },
        offset,
        len: 500,
        blocks: 1,
        rows: 1,
        min_ts: NOW.0,
        max_ts: NOW.0,
        min_seq: seq,
        max_seq: seq,
        levels: 1 << 3,
        raw_bytes: 120,
        runs: vec![Run { generation: 1, seqs: (1..3).into(), rows: 1, digest: None }],
    }
}

/// A file of two sections, and the drop of the first.
fn first_edits() -> Vec<Edit> {
    let file = FileMeta {
        id: FileId::LevelZero(1),
        len: 5_096,
        seqs: 1..3,
        created: NOW.0,
        writes: 1,
        checksum: None,
        sections: vec![section("info", 4_096, 1), section("error", 4_596, 2)],
        columns: vec!["message".to_owned()],
    };
    let reason = "expired".to_owned();
    vec![
        Edit::AddFile { file, clock_high_water: NOW.0 },
        Edit::DropSections { file: FileId::LevelZero(1), sections: vec![4_096], reason },
    ]
}

/// The same, and a pack in the place of the second section.
fn edits() -> Vec<Edit> {
    let file = FileMeta {
        id: FileId::Pack(1),
        len: 564,
        seqs: 2..3,
        created: NOW.0,
        writes: 2,
        checksum: None,
        sections: vec![section("error", 64, 2)],
        columns: vec!["message".to_owned()],
    };
    let removed = vec![(FileId::LevelZero(1), vec![4_596])];
    let mut edits = first_edits();
    edits.push(Edit::Replace { added: vec![file], removed });
    edits
}

/// The edits behind the snapshot of a dump, and the state that they lead to.
fn read_dump(page: &str) -> (Vec<Edit>, super::ManifestState) {
    let (disk, io, _) = setup();
    let path = names::manifest(Path::new(DIR), 1);
    disk.overwrite(&path, dump::from_page(page));
    let mut found = Vec::new();
    let contents = read(&io, &path, |_, edit| found.push(edit.clone())).unwrap();
    assert!(matches!(found.remove(0), Edit::Snapshot(_)));
    assert_eq!((contents.edits, contents.torn), (1 + found.len() as u64, false));
    (found, contents.state)
}

#[test]
fn the_dump_of_the_format_page_is_read() {
    let (found, state) = read_dump(PAGE);
    assert_eq!(found, edits());
    assert_eq!((state.next_seq, state.next_file, state.tombstones.len()), (3, 2, 1));
    assert_eq!(state.files.keys().collect::<Vec<_>>(), [&FileId::Pack(1)]);
}

#[test]
fn a_manifest_of_version_1_is_read() {
    let (found, state) = read_dump(VERSION_1);
    assert_eq!(found, first_edits());
    assert_eq!((state.next_seq, state.next_file, state.tombstones.len()), (3, 1, 1));
}

#[test]
fn a_manifest_of_version_2_is_read() {
    let (found, state) = read_dump(VERSION_2);
    assert_eq!(found, edits());
    assert_eq!(state, read_dump(PAGE).1);
}

#[test]
fn a_manifest_of_version_1_goes_on_in_this_one() {
    let (disk, io, limits) = setup();
    disk.overwrite(&names::manifest(Path::new(DIR), 1), dump::from_page(VERSION_1));
    let mut manifest = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    manifest.commit(edits().remove(2)).unwrap();
    let state = manifest.state().clone();
    let again = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    assert_eq!(*again.state(), state);
    assert_eq!(state, read_dump(PAGE).1);
}

#[test]
fn the_dump_of_the_format_page_is_what_is_written() {
    let (disk, io, limits) = setup();
    let mut manifest = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    for edit in edits() {
        manifest.commit(edit).unwrap();
    }
    let bytes = disk.read(&names::manifest(Path::new(DIR), 1)).unwrap();
    assert!(dump::from_page(PAGE) == bytes, "the page has to end in\n{}", dump::to_text(&bytes));
}
