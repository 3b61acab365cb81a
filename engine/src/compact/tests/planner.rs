//! The planner by a table of situations.

use super::super::*;
use super::{DAY, key};
use crate::limits::CompactionLimits;
use crate::manifest::{FileId, FileMeta, Run, SectionMeta};
use crate::partition::PartitionKey;
use crate::timestamp::{NS_PER_DAY, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

const MIB: u64 = 1 << 20;
const HOUR: i64 = NS_PER_DAY / 24;
/// The first moment of the day.
const DAY_START: i64 = DAY as i64 * NS_PER_DAY;

/// A file of these sections, each of this many bytes.
fn file(id: FileId, writes: u8, created: i64, sections: &[(PartitionKey, u64)]) -> Arc<FileMeta> {
    let number = id.number();
    let seqs = number * 1_000..number * 1_000 + sections.len() as u64;
    let mut offset = 64;
    let sections = sections.iter().zip(seqs.clone()).map(|((partition, len), seq)| {
        let section = SectionMeta {
            partition: partition.clone(),
            offset,
            len: *len,
            blocks: 1,
            rows: 1,
            min_ts: 0,
            max_ts: 0,
            min_seq: seq,
            max_seq: seq,
            levels: 8,
            raw_bytes: *len,
            runs: vec![Run {
                generation: number,
                seqs: seqs.clone().into(),
                rows: 1,
                digest: None,
            }],
        };
        offset += len;
        section
    });
    let sections = sections.collect();
    Arc::new(FileMeta {
        id,
        len: 0,
        seqs,
        created,
        writes,
        checksum: None,
        sections,
        columns: Vec::new(),
    })
}

fn young(generation: u64, created: i64, sections: &[(PartitionKey, u64)]) -> Arc<FileMeta> {
    file(FileId::LevelZero(generation), 1, created, sections)
}

/// The job as text: its kind, the count of writings, and how many sections of which files.
fn plan(files: &[Arc<FileMeta>], now: i64, blocked: &[PartitionKey]) -> String {
    let limits = CompactionLimits::default();
    let blocked: BTreeSet<_> = blocked.iter().cloned().collect();
    let now = Timestamp(now);
    let ignore_ages = false;
    let job = next_job(&Situation { files, blocked: &blocked, now, limits: &limits, ignore_ages });
    let Some(job) = job else { return "nothing".to_owned() };
    let kind = if job.is_pack { "pack" } else { "segment" };
    let from: Vec<_> = job
        .sections
        .iter()
        .map(|(file, offsets)| {
            let letter = match file {
                FileId::LevelZero(_) => 'l',
                FileId::Segment(_) => 's',
                FileId::Pack(_) => 'p',
            };
            format!("{letter}{}x{}", file.number(), offsets.len())
        })
        .collect();
    format!("{kind} {}: {}", job.writes, from.join(" "))
}

#[test]
fn an_open_day_waits_until_it_has_enough_for_a_segment() {
    let noon = DAY_START + 12 * HOUR;
    let a = |mib| vec![(key("a", DAY), mib * MIB)];
    let small = [young(1, noon, &a(3)), young(2, noon, &a(4))];
    assert_eq!(plan(&small, noon, &[]), "nothing");
    let enough = [young(1, noon, &a(3)), young(2, noon, &a(5))];
    assert_eq!(plan(&enough, noon, &[]), "segment 2: l1x1 l2x1");
    assert_eq!(plan(&enough, noon, &[key("a", DAY)]), "nothing");
}

#[test]
fn what_is_large_in_one_generation_comes_first_and_outputs_are_bounded() {
    let noon = DAY_START + 12 * HOUR;
    let of = |tenant, mib| (key(tenant, DAY), mib * MIB);
    let files = [
        young(1, noon, &[of("a", 20), of("b", 1)]),
        young(2, noon, &[of("a", 20), of("b", 64)]),
        young(3, noon, &[of("a", 60)]),
    ];
    assert_eq!(plan(&files, noon, &[]), "segment 2: l1x1 l2x1");
    let files: Vec<_> = (1..=4).map(|g| young(g, noon, &[of("a", 90)])).collect();
    assert_eq!(plan(&files, noon, &[]), "segment 2: l1x1 l2x1");
    let files = [young(1, noon, &[of("a", 300)]), young(2, noon, &[of("a", 1)])];
    assert_eq!(plan(&files, noon, &[]), "segment 2: l1x1");
}

#[test]
fn a_closed_day_is_packed_with_all_that_is_due_with_it() {
    let day = |tenant, mib| (key(tenant, DAY), mib * MIB);
    let tomorrow = |tenant| (key(tenant, DAY + 1), MIB);
    let late = DAY_START + 23 * HOUR;
    let files = [
        young(1, late, &[day("a", 1), day("b", 3), day("c", 5)]),
        young(2, late, &[day("b", 2), tomorrow("a")]),
        young(3, late + 1, &[tomorrow("a")]),
    ];
    let midnight = DAY_START + NS_PER_DAY;
    assert_eq!(plan(&files, midnight + HOUR, &[]), "nothing", "it has to be over for an hour");
    assert_eq!(plan(&files, midnight + HOUR + 1, &[]), "pack 2: l1x1", "b has enough of its own");
    let blocked = [key("a", DAY)];
    assert_eq!(plan(&files, midnight + HOUR + 1, &blocked), "segment 2: l1x1 l2x1");
    let files = [
        young(1, late, &[day("a", 1), day("b", 2)]),
        young(2, late, &[day("b", 1), tomorrow("c")]),
        young(3, late, &[tomorrow("c")]),
    ];
    assert_eq!(plan(&files, midnight + HOUR + 1, &[]), "pack 2: l1x2 l2x1");
}

#[test]
fn late_events_wait_for_more_or_for_their_age() {
    let day = |mib_16th: u64| [(key("a", DAY), mib_16th * MIB / 16)];
    let later = DAY_START + NS_PER_DAY + 3 * HOUR;
    let pack = file(FileId::Pack(1), 2, later, &[(key("b", DAY), MIB)]);
    let other = young(9, later, &[(key("a", DAY + 9), 1)]);
    // In the last generation.
    assert_eq!(plan(&[young(8, later, &day(1))], later, &[]), "nothing");
    assert_eq!(plan(&[young(8, later, &day(1)), other.clone()], later, &[]), "pack 2: l8x1");
    // There is a pack of the day already.
    let few = [pack, young(8, later, &day(1)), other];
    assert_eq!(plan(&few, later, &[]), "nothing");
    assert_eq!(plan(&few, later + 24 * HOUR - 1, &[]), "nothing");
    assert_eq!(plan(&few, later + 24 * HOUR, &[]), "pack 2: l8x1");
    let many = [few[0].clone(), young(8, later, &day(63)), few[2].clone()];
    assert_eq!(plan(&many, later, &[]), "nothing");
    let b = young(7, later, &[(key("b", DAY), MIB / 16)]);
    let many = [few[0].clone(), b, young(8, later, &day(63)), few[2].clone()];
    assert_eq!(plan(&many, later, &[]), "pack 2: l7x1 l8x1");
}

/// A clock that was set back: a level-0 file from the future was young until its time came.
#[test]
fn a_file_from_the_future_does_not_stay_until_then() {
    let noon = DAY_START + 12 * HOUR;
    let small = [(key("a", DAY), MIB)];
    assert_eq!(plan(&[young(1, noon + 23 * HOUR, &small)], noon, &[]), "nothing");
    assert_eq!(plan(&[young(1, noon + 24 * HOUR, &small)], noon, &[]), "pack 2: l1x1");
    assert_eq!(plan(&[young(1, i64::MAX, &small)], i64::MIN, &[]), "pack 2: l1x1");
}

#[test]
fn files_of_one_count_of_writings_are_merged_eight_at_a_time() {
    let segments = |writes: &[u8], mib: u64| -> Vec<_> {
        let of = |(number, writes): (u64, &u8)| {
            file(FileId::Segment(number), *writes, 0, &[(key("a", DAY), mib * MIB)])
        };
        (1..).zip(writes).map(of).collect()
    };
    let eight = "segment 3: s1x1 s2x1 s3x1 s4x1 s5x1 s6x1 s7x1 s8x1";
    assert_eq!(plan(&segments(&[2; 7], 8), 0, &[]), "nothing");
    assert_eq!(plan(&segments(&[2; 8], 8), 0, &[]), eight);
    assert_eq!(plan(&segments(&[2; 8], 33), 0, &[]), "nothing", "more than an output takes");
    assert_eq!(plan(&segments(&[4; 20], 1), 0, &[]), "nothing", "written often enough");
    assert_eq!(plan(&segments(&[2, 2, 2, 2, 3, 2, 2, 2, 2], 1), 0, &[]), "nothing");
    assert_eq!(plan(&segments(&[2; 8], 8), 0, &[key("a", DAY)]), "nothing");
    let packs: Vec<_> = (1..=9)
        .map(|n| file(FileId::Pack(n), 3, 0, &[(key("a", DAY), MIB), (key("b", DAY), MIB)]))
        .collect();
    let merged = "pack 4: p1x2 p2x2 p3x2 p4x2 p5x2 p6x2 p7x2 p8x2 p9x2";
    assert_eq!(plan(&packs, 0, &[]), merged);
}

/// Sections of more blocks than an index can number: the compactor thread panicked, which closes
/// the store, and again after each start.
#[test]
fn an_output_has_no_more_blocks_than_an_index_numbers() {
    let files: Vec<_> = (1..=9)
        .map(|number| {
            let mut file = file(FileId::Segment(number), 2, 0, &[(key("a", DAY), MIB)]);
            Arc::make_mut(&mut file).sections[0].blocks = 4_000;
            file
        })
        .collect();
    let most = "segment 3: s1x1 s2x1 s3x1 s4x1 s5x1 s6x1 s7x1 s8x1";
    assert_eq!(plan(&files, 0, &[]), most);
    let young: Vec<_> = (1..=9)
        .map(|number| {
            let mut file = young(number, 0, &[(key("a", DAY), MIB)]);
            Arc::make_mut(&mut file).sections[0].blocks = 16_000;
            file
        })
        .collect();
    assert_eq!(plan(&young, 0, &[]), "segment 2: l1x1 l2x1");
}
