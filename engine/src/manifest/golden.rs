//! The file whose dump ends `docs/format/manifest.md`, read and made again byte for byte.

use super::{
    Edit, FileId, FileMeta, Manifest, Run, Scar, ScarredPage, SectionMeta, Tombstone, read,
};
use crate::codec::dump;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names;
use crate::partition::PartitionKey;
use crate::retention::{Change, ClassClock, ClassRule, Hold, HoldScope, Keep, Ledger};
use crate::timestamp::{Day, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const VERSION_1: &str = include_str!("fixtures/v1.md");
const VERSION_2: &str = include_str!("fixtures/v2.md");
const VERSION_3: &str = include_str!("fixtures/v3.md");
const VERSION_4: &str = include_str!("fixtures/v4.md");
const VERSION_5: &str = include_str!("fixtures/v5.md");
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
    (disk, io, Limits { manifest_bytes_max: 53_248, ..Limits::tiny() })
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

/// A file of two sections, and the drop of the first; before version 4 a drop knew no time.
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
        Edit::DropSections {
            removed: vec![(FileId::LevelZero(1), vec![4_096])],
            reason,
            clock_high_water: i64::MIN,
        },
    ]
}

/// The same, and a pack in the place of the second section.
fn later_edits() -> Vec<Edit> {
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

/// The same, between a rule and a hold before them, and the end of the hold behind.
fn edits_of_version_4() -> Vec<Edit> {
    let class = ClassRule {
        name: "info".to_owned(),
        matches: "level:info".to_owned(),
        keep: Keep::days(30),
        local_keep: Some(Keep::Forever),
        export: true,
        clock: ClassClock::Arrival,
    };
    let hold = Hold {
        id: 1,
        scope: HoldScope {
            class: Some("error".to_owned()),
            from: Some(Day(20_778)),
            query: Some("user_id:u-1".to_owned()),
            ..HoldScope::default()
        },
        owner: "ann".to_owned(),
        reason: "case 7".to_owned(),
        created: NOW,
        review: Some(Day(21_000)),
    };
    let retention = |change| Edit::Retention { change, clock_high_water: NOW.0 };
    let mut edits = later_edits();
    let Some(Edit::DropSections { clock_high_water, .. }) = edits.get_mut(1) else {
        panic!("the drop is the second");
    };
    *clock_high_water = NOW.0;
    edits.insert(0, retention(Change::Classes(vec![class])));
    edits.insert(1, retention(Change::Hold(hold)));
    let by = "bob".to_owned();
    edits.push(retention(Change::Release { id: 1, by, reason: None, at: NOW }));
    edits.push(retention(Change::Clock));
    edits
}

/// The same, a segment that leaves the disk, and a file of two events of which a purge takes one.
fn edits_of_version_5() -> Vec<Edit> {
    let run = |rows, digest| Run { generation: 2, seqs: (3..5).into(), rows, digest: Some(digest) };
    let of =
        |offset, rows, runs| SectionMeta { rows, runs, max_seq: 4, ..section("info", offset, 3) };
    let file = FileMeta {
        id: FileId::LevelZero(2),
        len: 4_596,
        seqs: 3..5,
        created: NOW.0,
        writes: 1,
        checksum: None,
        sections: vec![of(4_096, 2, vec![run(2, [1; 32])])],
        columns: vec!["message".to_owned()],
    };
    let left = FileMeta {
        id: FileId::Pack(3),
        len: 564,
        writes: 2,
        sections: vec![of(64, 1, vec![run(1, [2; 32])])],
        ..file.clone()
    };
    let gone = SectionMeta {
        len: 0,
        blocks: 0,
        min_ts: 0,
        max_ts: 0,
        levels: 0,
        raw_bytes: 0,
        max_seq: 3,
        ..of(4_096, 1, vec![run(1, [1; 32])])
    };
    let (reason, removed) = ("purge: by a query".to_owned(), vec![(file.id, vec![4_096])]);
    let scar = Scar {
        rows: 2,
        digest: [1; 32],
        gone: vec![(0..1).into()],
        pages: vec![ScarredPage { number: 0, before: [3; 32], after: Some([4; 32]) }],
    };
    let evicted = FileMeta {
        id: FileId::Segment(2),
        len: 700,
        seqs: 2..3,
        writes: 3,
        checksum: Some([7; 32]),
        sections: vec![section("error", 64, 2)],
        ..file.clone()
    };
    let mut edits = edits_of_version_4();
    let replaced = vec![(FileId::Pack(1), vec![64])];
    edits.push(Edit::Replace { added: vec![evicted], removed: replaced });
    edits.push(Edit::Evict { files: vec![FileId::Segment(2)], clock_high_water: NOW.0 });
    edits.push(Edit::AddFile { file: file.clone(), clock_high_water: NOW.0 });
    edits.push(Edit::Purge {
        added: vec![left],
        removed,
        scars: BTreeMap::from([((gone.partition.clone(), 2), scar)]),
        gone: vec![Tombstone { file: file.id, section: gone, reason }],
        clock_high_water: NOW.0,
    });
    edits
}

/// The same, and another hold that ends, for a reason.
fn edits() -> Vec<Edit> {
    let hold = Hold {
        id: 2,
        scope: HoldScope { tenant: Some("default".to_owned()), ..HoldScope::default() },
        owner: "ann".to_owned(),
        reason: "case 8".to_owned(),
        created: NOW,
        review: None,
    };
    let (by, reason) = ("bob".to_owned(), Some("closed".to_owned()));
    let release = Change::Release { id: 2, by, reason, at: Timestamp(NOW.0 + 1) };
    let retention = |change| Edit::Retention { change, clock_high_water: NOW.0 };
    let mut edits = edits_of_version_5();
    edits.extend([retention(Change::Hold(hold)), retention(release)]);
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
    assert_eq!((state.next_seq, state.next_file, state.tombstones.len()), (5, 4, 2));
    assert_eq!(state.files.keys().collect::<Vec<_>>(), [&FileId::Segment(2), &FileId::Pack(3)]);
    assert_eq!(state.scars.len(), 1);
    assert_eq!(state.evicted.iter().collect::<Vec<_>>(), [&FileId::Segment(2)]);
    let released = state.retention.released.iter().map(|of| (of.hold.id, of.reason.as_deref()));
    assert_eq!(released.collect::<Vec<_>>(), [(1, None), (2, Some("closed"))]);
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
    assert_eq!(found, later_edits());
    assert_eq!(state, read_dump(VERSION_3).1);
}

#[test]
fn a_manifest_of_version_3_is_read() {
    let (found, state) = read_dump(VERSION_3);
    assert_eq!(found, later_edits());
    let now = read_dump(VERSION_4).1;
    assert_eq!((&state.files, &state.tombstones), (&now.files, &now.tombstones));
    assert_eq!(state.retention, Ledger::default());
    assert_eq!((now.retention.classes.len(), now.retention.last_hold), (1, 1));
}

#[test]
fn a_manifest_of_version_4_is_read() {
    let (found, state) = read_dump(VERSION_4);
    assert_eq!(found, edits_of_version_4());
    assert_eq!(state.retention, read_dump(VERSION_5).1.retention);
    assert!(state.scars.is_empty());
    assert!(state.evicted.is_empty());
}

#[test]
fn a_manifest_of_version_5_is_read() {
    let (found, state) = read_dump(VERSION_5);
    assert_eq!(found, edits_of_version_5());
    let now = read_dump(PAGE).1;
    assert_eq!((&state.files, &state.scars), (&now.files, &now.scars));
    assert_eq!((&state.tombstones, &state.evicted), (&now.tombstones, &now.evicted));
    assert_eq!(state.retention.released.len(), 1);
}

/// What its edits say of a released hold stands in the next snapshot.
#[test]
fn a_manifest_of_version_5_goes_on_in_this_one() {
    let (disk, io, _) = setup();
    let limits = Limits { manifest_bytes_max: 4_096, ..Limits::tiny() };
    disk.overwrite(&names::manifest(Path::new(DIR), 1), dump::from_page(VERSION_5));
    let mut manifest = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    for edit in edits().into_iter().skip(edits_of_version_5().len()) {
        manifest.commit(edit).unwrap();
    }
    let state = manifest.state().clone();
    assert!(manifest.image().unwrap().number > 1);
    let again = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    assert_eq!(*again.state(), state);
    assert_eq!(state, read_dump(PAGE).1);
}

#[test]
fn a_manifest_of_version_1_goes_on_in_this_one() {
    let (disk, io, limits) = setup();
    disk.overwrite(&names::manifest(Path::new(DIR), 1), dump::from_page(VERSION_1));
    let mut manifest = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    manifest.commit(later_edits().remove(2)).unwrap();
    let state = manifest.state().clone();
    let again = Manifest::open_or_create(&io, Path::new(DIR), &limits).unwrap();
    assert_eq!(*again.state(), state);
    assert_eq!(state, read_dump(VERSION_3).1);
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
