//! The file whose dump ends `docs/format/manifest.md`, read and made again byte for byte.

use super::{Edit, FileMeta, Manifest, SectionMeta, read};
use crate::codec::dump;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names;
use crate::partition::PartitionKey;
use crate::timestamp::{Day, Timestamp};
use std::path::Path;
use std::sync::Arc;

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
    (disk, io, Limits { manifest_bytes_max: 8_192, ..Limits::tiny() })
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
        run_digest: None,
    }
}

/// A file of two sections, and the drop of the first.
fn edits() -> [Edit; 2] {
    let file = FileMeta {
        generation: 1,
        len: 5_096,
        seqs: 1..3,
        checksum: None,
        sections: vec![section("info", 4_096, 1), section("error", 4_596, 2)],
        columns: vec!["message".to_owned()],
    };
    let reason = "expired".to_owned();
    [
        Edit::AddFile { file, clock_high_water: NOW.0 },
        Edit::DropSections { file: 1, sections: vec![4_096], reason },
    ]
}

#[test]
fn the_dump_of_the_format_page_is_read() {
    let (disk, io, _) = setup();
    let path = names::manifest(Path::new(DIR), 1);
    disk.overwrite(&path, dump::from_page(PAGE));
    let mut found = Vec::new();
    let contents = read(&io, &path, |_, edit| found.push(edit.clone())).unwrap();
    assert!(matches!(found.remove(0), Edit::Snapshot(_)));
    assert_eq!(found, edits());
    assert_eq!((contents.edits, contents.torn), (3, false));
    assert_eq!(contents.state.next_seq, 3);
    assert_eq!(contents.state.tombstones.len(), 1);
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
