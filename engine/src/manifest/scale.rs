//! A large store's manifest: what it takes, and how long it is read.

use super::tests::{DIR, io};
use super::*;
use crate::io::{Io, MemoryStorage};
use crate::limits::Limits;
use crate::partition::PartitionKey;
use crate::timestamp::Day;
use std::path::Path;

const SECTIONS_OF_A_FILE: u64 = 500;

/// A level-0 file with a section of one event for each of many partitions.
fn file(generation: u64) -> FileMeta {
    let first = 1 + (generation - 1) * SECTIONS_OF_A_FILE;
    let seqs = first..first + SECTIONS_OF_A_FILE;
    let section = |seq: u64| SectionMeta {
        partition: PartitionKey {
            tenant: format!("tenant-{}", seq % 50).into(),
            class: ["trace", "debug", "info", "warn", "error", "critical"][seq as usize % 6].into(),
            day: Day(20_000 + (generation % 14) as i32),
        },
        offset: 64 + (seq - first) * 100_000,
        len: 100_000,
        blocks: 1,
        rows: 1,
        min_ts: 1_800_000_000_000_000_000,
        max_ts: 1_800_000_300_000_000_000,
        min_seq: seq,
        max_seq: seq,
        levels: 8,
        raw_bytes: 400_000,
        runs: vec![Run { generation, seqs: seqs.clone().into(), rows: 1, digest: Some([7; 32]) }],
    };
    FileMeta {
        id: FileId::LevelZero(generation),
        len: 64 + SECTIONS_OF_A_FILE * 100_000,
        seqs: seqs.clone(),
        created: 1_800_000_300_000_000_000,
        writes: 1,
        checksum: Some([9; 32]),
        sections: seqs.clone().map(section).collect(),
        columns: (0..40).map(|column| format!("column{column:02}")).collect(),
    }
}

/// Builds a manifest of so many sections and opens it; returns the bytes of its file.
fn open_with(sections: u64) -> u64 {
    let disk = MemoryStorage::new();
    let io = io(disk.clone(), 1);
    let limits = Limits::default();
    let mut manifest = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    for generation in 1..=sections / SECTIONS_OF_A_FILE {
        let edit = Edit::AddFile { file: file(generation), clock_high_water: 0 };
        manifest.commit(edit).unwrap();
    }
    let before = manifest.state().clone();
    drop(manifest);
    // A manifest is all there is: whoever opened another file would find none.
    let mut paths = disk.paths();
    paths.retain(|path| !path.to_string_lossy().contains("CHAIN"));
    assert_eq!(paths.len(), 1, "{paths:?}");
    let bytes = disk.read(&paths[0]).unwrap().len() as u64;
    let clock = Io::system().clock;
    let began = clock.monotonic();
    let again = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    let took = clock.monotonic() - began;
    assert!(*again.state() == before, "the state comes back");
    assert_eq!(before.files.values().map(|file| file.sections.len() as u64).sum::<u64>(), sections);
    let snapshot = Edit::Snapshot(before).encode().1.len();
    println!("{sections} sections: {bytes} bytes, a snapshot {snapshot}, opened in {took:?}");
    bytes
}

#[test]
fn a_manifest_grows_with_its_sections_and_not_with_its_edits() {
    let few = open_with(5_000);
    let many = open_with(20_000);
    // 140 bytes a section and 8 MiB of room for edits.
    assert!(few < 12 << 20, "{few} bytes");
    assert!(many < few + 2 * 15_000 * 140, "{many} bytes");
}

#[test]
fn a_hundred_thousand_sections_are_opened_from_the_manifest_alone() {
    assert!(open_with(100_000) < 48 << 20);
}
