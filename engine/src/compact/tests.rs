//! The planner by a table of situations; the merge by what it writes.

use super::*;
use crate::batch::{RowColumn, Rows, gather};
use crate::block::{self, BlockMeta};
use crate::error::{Error, ErrorKind};
use crate::event::{Kind, Value};
use crate::index;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use crate::limits::{CompactionLimits, Limits};
use crate::manifest::{FileId, FileMeta, Run, SectionMeta};
use crate::names;
use crate::partition::PartitionKey;
use crate::pool::{Consumer, Pool, Reservation};
use crate::segment::{self, BlockCache, Handles, Header, SectionBlocks, SegmentFile};
use crate::timestamp::{Day, NS_PER_DAY, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

const MIB: u64 = 1 << 20;
const HOUR: i64 = NS_PER_DAY / 24;
const DAY: i32 = 20_000;
/// The first moment of the day.
const DAY_START: i64 = DAY as i64 * NS_PER_DAY;

fn key(tenant: &str, day: i32) -> PartitionKey {
    PartitionKey { tenant: tenant.into(), class: "info".into(), day: Day(day) }
}

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

/// Blocks lose their filters to the index of their section: one that gets none makes them anew.
#[test]
fn a_section_of_too_many_blocks_for_an_index_has_filters() {
    let (_, io) = io();
    let mut limits = Limits::tiny();
    let young = source(&io, 1, &(0..6).map(|n| seqs(n * 16 + 1..n * 16 + 17)).collect::<Vec<_>>());
    let indexed = run(&io, &limits, &[young], &mut || Ok(())).unwrap();
    let cache = BlockCache::new(1 << 20);
    let open = |id: FileId, meta: &FileMeta| {
        let handles = Arc::new(Handles::new(Arc::clone(&io.storage), 4));
        Arc::new(SegmentFile::new(&handles, &id.path(Path::new("store")), [7; 16], meta))
    };
    let filters = |id: FileId, meta: &FileMeta, cache: &BlockCache| -> (bool, usize) {
        let file = open(id, meta);
        let sections = file.sections(cache).unwrap();
        let has = |place| file.block(place, cache).unwrap().has_filter();
        (sections[0].index.is_some(), sections[0].blocks.iter().filter(|place| has(place)).count())
    };
    assert_eq!(filters(indexed.id, &indexed, &cache), (true, 0));
    let file = open(indexed.id, &indexed);
    let source = SourceSection { file, meta: indexed.sections[0].clone() };
    limits.compaction.blocks_max = 5;
    let merged =
        execute(&place(&io, &limits, &cache, 5), &JOB, &[source], &mut memory(), &mut || Ok(()))
            .unwrap();
    let (_, _, all) = output(&io, &merged);
    assert_eq!(all, rows(&seqs(1..97)));
    assert_eq!(filters(merged.id, &merged, &BlockCache::new(1 << 20)), (false, 6));
}

/// A section that is not the manifest's would become one that the manifest refuses: that job came
/// first again each time, and nothing else was compacted.
#[test]
fn a_section_of_other_events_than_the_manifest_says_is_damage() {
    let (storage, io) = io();
    let good = source(&io, 1, &[seqs(1..17)]);
    let files = storage.paths();
    type Change = fn(&mut SectionMeta);
    let changes: [Change; 4] = [
        |meta| meta.min_seq += 1,
        |meta| meta.max_seq += 1,
        |meta| meta.blocks += 1,
        |meta| meta.rows += 1,
    ];
    for change in changes {
        let mut other = good.clone();
        change(&mut other.meta);
        match run(&io, &Limits::tiny(), &[other], &mut || Ok(())) {
            Err(Failure::Source(_, error)) => assert_eq!(error.kind(), ErrorKind::Corrupt),
            other => panic!("{other:?}"),
        }
        assert_eq!(storage.paths(), files);
    }
}

fn io() -> (MemoryStorage, Io) {
    let storage = MemoryStorage::new();
    let io = Io {
        storage: Arc::new(storage.clone()),
        clock: Arc::new(ManualClock::new(Timestamp(5))),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    io.storage.create_dir_all(&names::segments_dir(Path::new("store"))).unwrap();
    (storage, io)
}

/// Rows with these sequence numbers, each with a message that names its own.
fn rows(seqs: &[u64]) -> Rows {
    let mut column = RowColumn::new("message".into());
    for (row, seq) in seqs.iter().enumerate() {
        column.push(row as u32, Value { kind: Kind::String, text: format!("n{seq}").as_bytes() });
    }
    column.rows = None;
    Rows {
        base_seq: seqs[0],
        seq_offsets: seqs.iter().map(|seq| (seq - seqs[0]) as u32).collect(),
        timestamps: seqs.iter().map(|seq| *seq as i64 % 1_000).collect(),
        levels: vec![3; seqs.len()],
        columns: vec![column],
    }
}

/// A file with one section of blocks with these sequence numbers, opened.
fn source(io: &Io, generation: u64, blocks: &[Vec<u64>]) -> SourceSection {
    let encode = |seqs: &Vec<u64>| {
        let rows = rows(seqs);
        let encoded = block::encode(&rows, &index::filter_bytes(&rows));
        (encoded.meta, encoded.bytes.into())
    };
    let section = SectionBlocks {
        key: key("a", DAY),
        blocks: blocks.iter().map(encode).collect(),
        digest: Some([generation as u8; 32]),
    };
    let all = || blocks.iter().flatten();
    let seqs = (*all().min().unwrap(), all().max().unwrap() + 1);
    let id = FileId::LevelZero(generation);
    let header = Header { store: [7; 16], incarnation: 5, id, seqs };
    let meta = segment::write(io, Path::new("store"), &header, &[section], []).unwrap();
    let handles = Arc::new(Handles::new(Arc::clone(&io.storage), 4));
    let path = id.path(Path::new("store"));
    let file = Arc::new(SegmentFile::new(&handles, &path, [7; 16], &meta));
    SourceSection { file, meta: meta.sections[0].clone() }
}

fn run(
    io: &Io,
    limits: &Limits,
    sources: &[SourceSection],
    proceed: &mut dyn FnMut() -> crate::error::Result<()>,
) -> Result<FileMeta, Failure> {
    let cache = BlockCache::new(1 << 20);
    execute(&place(io, limits, &cache, 4), &JOB, sources, &mut memory(), proceed)
}

const JOB: Job = Job { is_pack: false, writes: 2, sections: BTreeMap::new(), bytes: 0, blocks: 0 };

fn place<'a>(io: &'a Io, limits: &'a Limits, cache: &'a BlockCache, number: u64) -> Place<'a> {
    let dir = Path::new("store");
    Place { io, dir, limits, cache, store: [7; 16], incarnation: 5, number, indexes: true }
}

fn memory() -> Reservation {
    Pool::new(1 << 30).reserve(Consumer::Compaction, 0).unwrap()
}

/// The metas of the output's blocks, all of its bytes, and its rows.
fn output(io: &Io, meta: &FileMeta) -> (Vec<BlockMeta>, Vec<Vec<u8>>, Rows) {
    let handles = Arc::new(Handles::new(Arc::clone(&io.storage), 4));
    let path = meta.id.path(Path::new("store"));
    let file = SegmentFile::new(&handles, &path, [7; 16], meta);
    let cache = BlockCache::new(1 << 20);
    let sections = file.sections(&cache).unwrap();
    let places = &sections[0].blocks;
    let decoded: Vec<Rows> = places
        .iter()
        .map(|place| block::decode(&file.block(place, &cache).unwrap()).unwrap())
        .collect();
    let rows = gather(decoded.iter().map(|rows| (rows, 0..rows.len())));
    let bytes = places.iter().map(|place| file.block_bytes(place).unwrap()).collect();
    (places.iter().map(|place| place.meta).collect(), bytes, rows)
}

fn seqs(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn full_blocks_are_copied_and_small_ones_gathered() {
    let (_, io) = io();
    let limits = Limits::tiny();
    let sources = [
        source(&io, 1, &[seqs(1..17), seqs(17..20)]),
        source(&io, 2, &[seqs(20..22)]),
        source(&io, 3, &[seqs(30..46), seqs(46..62)]),
        source(&io, 4, &[seqs(70..73)]),
    ];
    let meta = run(&io, &limits, &sources, &mut || Ok(())).unwrap();
    let (metas, bytes, all) = output(&io, &meta);
    let sizes: Vec<_> = metas.iter().map(|meta| meta.rows).collect();
    // 3 + 2 rows are too few before a full block: the three make two halves.
    assert_eq!(sizes, [16, 10, 11, 16, 3]);
    let expected: Vec<u64> =
        [seqs(1..22), seqs(30..62), seqs(70..73)].into_iter().flatten().collect();
    assert_eq!(all, rows(&expected));
    let copied = block::encode(&rows(&seqs(46..62)), &index::filter_bytes(&rows(&seqs(46..62))));
    assert_eq!(bytes[3], copied.bytes, "byte for byte");
    let section = &meta.sections[0];
    assert_eq!(section.rows, expected.len() as u64);
    let digests: Vec<_> = section.runs.iter().map(|run| run.digest.unwrap()[0]).collect();
    assert_eq!(digests, [1, 2, 3, 4]);
    assert_eq!(meta.columns, ["message"]);
}

#[test]
fn blocks_that_overlap_are_merged_row_by_row() {
    let (_, io) = io();
    let odd: Vec<u64> = (0..16).map(|n| 2 * n + 1).collect();
    let even: Vec<u64> = (0..16).map(|n| 2 * n + 2).collect();
    let sources = [source(&io, 1, &[odd]), source(&io, 2, &[even, seqs(40..56)])];
    // Runs of the manifest would not overlap: only their count matters here.
    let meta = run(&io, &Limits::tiny(), &sources, &mut || Ok(())).unwrap();
    let (_, _, all) = output(&io, &meta);
    assert_eq!(all, rows(&[seqs(1..33), seqs(40..56)].concat()));
}

/// A block's numbers lie within 2^32, or there is no block.
#[test]
fn events_too_far_apart_do_not_share_a_block() {
    let (_, io) = io();
    let far = 1 << 33;
    let sources = [
        source(&io, 1, &[vec![1, 2]]),
        source(&io, 2, &[vec![u64::from(u32::MAX) + 1]]),
        source(&io, 3, &[vec![far], vec![far + u64::from(u32::MAX)]]),
    ];
    let meta = run(&io, &Limits::tiny(), &sources, &mut || Ok(())).unwrap();
    let found: Vec<u64> = {
        let handles = Arc::new(Handles::new(Arc::clone(&io.storage), 4));
        let path = meta.id.path(Path::new("store"));
        let file = SegmentFile::new(&handles, &path, [7; 16], &meta);
        let cache = BlockCache::new(1 << 20);
        let sections = file.sections(&cache).unwrap();
        let blocks = sections[0].blocks.iter();
        blocks.flat_map(|place| file.block(place, &cache).unwrap().seqs().unwrap()).collect()
    };
    let expected = [1, 2, u64::from(u32::MAX) + 1, far, far + u64::from(u32::MAX)];
    assert_eq!(found, expected);
}

#[test]
fn damage_names_the_source_and_leaves_nothing_behind() {
    let (storage, io) = io();
    let sources = [source(&io, 1, &[seqs(1..17)]), source(&io, 2, &[seqs(17..33), seqs(33..36)])];
    let path = names::level_zero(Path::new("store"), 2);
    let good = storage.read(&path).unwrap();
    let files = storage.paths();
    for at in (64..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        storage.overwrite(&path, bad);
        let sources = [sources[0].clone(), reopened(&io, &sources[1], &path)];
        match run(&io, &Limits::tiny(), &sources, &mut || Ok(())) {
            Ok(meta) => panic!("a flip at {at} of {} went into {meta:?}", good.len()),
            Err(Failure::Source(partition, error)) => {
                assert_eq!(partition, key("a", DAY));
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Unsupported), "{error}");
                assert!(error.to_string().contains("0000000000000002.l0"), "{error}");
            }
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(storage.paths(), files);
    }
}

fn reopened(io: &Io, source: &SourceSection, path: &Path) -> SourceSection {
    opened(io, source, path, FileId::LevelZero(2), io.storage.open(path).unwrap().len().unwrap())
}

/// The section in a file that nothing is known of yet.
fn opened(io: &Io, source: &SourceSection, path: &Path, id: FileId, len: u64) -> SourceSection {
    let handles = Arc::new(Handles::new(Arc::clone(&io.storage), 4));
    let runs = &source.meta.runs;
    let meta = FileMeta {
        id,
        len,
        seqs: runs[0].seqs.start..runs[0].seqs.end,
        created: 0,
        writes: 1,
        checksum: None,
        sections: vec![source.meta.clone()],
        columns: Vec::new(),
    };
    let file = Arc::new(SegmentFile::new(&handles, path, [7; 16], &meta));
    SourceSection { file, meta: source.meta.clone() }
}

#[test]
fn it_stops_before_any_block_and_leaves_nothing_behind() {
    let (storage, io) = io();
    let sources = [source(&io, 1, &[seqs(1..17), seqs(17..33), seqs(33..36)])];
    let files = storage.paths();
    for blocks in 0..3 {
        let mut left = blocks;
        let mut proceed = || {
            left -= 1;
            if left >= 0 { Ok(()) } else { Err(Error::closed("enough")) }
        };
        let failure = run(&io, &Limits::tiny(), &sources, &mut proceed).unwrap_err();
        assert!(matches!(failure, Failure::Stopped(_)), "{failure:?}");
        assert_eq!(storage.paths(), files);
    }
}

proptest! {
    /// Whatever the blocks of the sources: the rows are those, in order, and no block but the last
    /// is less than half full.
    #[test]
    fn any_blocks_become_one_section(
        sizes in prop::collection::vec(prop::collection::vec(1usize..17, 1..6), 1..6),
        gap in 0u64..4,
    ) {
        let (_, io) = io();
        let mut next = 1;
        let mut expected = Vec::new();
        let mut sources = Vec::new();
        for (generation, sizes) in (1..).zip(&sizes) {
            let mut blocks = Vec::new();
            for size in sizes {
                let block = seqs(next..next + *size as u64);
                next += *size as u64 + gap;
                expected.extend(&block);
                blocks.push(block);
            }
            sources.push(source(&io, generation, &blocks));
        }
        let meta = run(&io, &Limits::tiny(), &sources, &mut || Ok(())).unwrap();
        let (metas, _, all) = output(&io, &meta);
        prop_assert_eq!(all, rows(&expected));
        let (_, but_the_last) = metas.split_last().unwrap();
        prop_assert!(but_the_last.iter().all(|meta| meta.rows >= 8), "{:?}", metas);
        prop_assert!(metas.iter().all(|meta| meta.rows <= 16), "{:?}", metas);
    }
}

/// A disk that could not read a source kept all others from being compacted.
#[test]
fn a_source_that_is_gone_is_no_fault_of_the_output() {
    let (storage, io) = io();
    let source = source(&io, 1, &[seqs(1..17)]);
    io.storage.remove(&names::level_zero(Path::new("store"), 1)).unwrap();
    let path = names::level_zero(Path::new("store"), 1);
    let source = opened(&io, &source, &path, FileId::LevelZero(1), 0);
    match run(&io, &Limits::tiny(), &[source], &mut || Ok(())).unwrap_err() {
        Failure::Source(partition, error) => {
            assert_eq!((partition, error.kind()), (key("a", DAY), ErrorKind::Io));
        }
        other => panic!("{other:?}"),
    }
    assert!(storage.paths().is_empty());
}
