//! The merge by what it writes.

mod lists;
mod planner;

use super::*;
use crate::batch::{RowColumn, Rows, gather};
use crate::block::{self, BlockMeta};
use crate::error::{Error, ErrorKind};
use crate::event::{Kind, Value};
use crate::index;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use crate::limits::Limits;
use crate::manifest::{FileId, FileMeta, SectionMeta};
use crate::names;
use crate::partition::PartitionKey;
use crate::pool::{Consumer, Pool, Reservation};
use crate::segment::{self, BlockCache, Handles, Header, SectionBlocks, SegmentFile};
use crate::timestamp::{Day, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const DAY: i32 = 20_000;

fn key(tenant: &str, day: i32) -> PartitionKey {
    PartitionKey { tenant: tenant.into(), class: "info".into(), day: Day(day) }
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

/// A copied block had the larger filter of a level-0 file as long as it was kept.
#[test]
fn a_filter_that_was_made_fast_is_made_anew() {
    let (_, io) = io();
    let mut rows = rows(&seqs(1..17));
    let mut column = RowColumn::new("message".into());
    for row in 0..16 {
        let words: Vec<String> = (0..300).map(|word| format!("w{row}x{word}")).collect();
        column.push(row, Value { kind: Kind::String, text: words.join(" ").as_bytes() });
    }
    column.rows = None;
    rows.columns = vec![column];
    let young = source_with(&io, 1, std::slice::from_ref(&rows), block::seal_young);
    let meta = run(&io, &Limits::tiny(), &[young], &mut || Ok(())).unwrap();
    let (metas, bytes, all) = output(&io, &meta);
    let lasting = block::encode(&rows, &index::filter_bytes(&rows));
    assert!(block::seal_young(&rows).meta.len > lasting.meta.len, "it was made fast");
    assert_eq!((metas.as_slice(), &bytes[0], all), (&[lasting.meta][..], &lasting.bytes, rows));
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
    source_of(io, generation, &blocks.iter().map(|seqs| rows(seqs)).collect::<Vec<_>>())
}

/// A file with one section of blocks of these rows, opened.
fn source_of(io: &Io, generation: u64, blocks: &[Rows]) -> SourceSection {
    let encode = |rows: &Rows| block::encode(rows, &index::filter_bytes(rows));
    source_with(io, generation, blocks, encode)
}

/// The same of blocks that are encoded like this.
fn source_with(
    io: &Io,
    generation: u64,
    blocks: &[Rows],
    encode: impl Fn(&Rows) -> block::EncodedBlock,
) -> SourceSection {
    let encode = |rows: &Rows| {
        let encoded = encode(rows);
        (encoded.meta, encoded.bytes.into())
    };
    let section = SectionBlocks {
        key: key("a", DAY),
        blocks: blocks.iter().map(encode).collect(),
        digest: Some([generation as u8; 32]),
    };
    let firsts = blocks.iter().map(|rows| rows.seq(0).0);
    let lasts = blocks.iter().map(|rows| rows.seq(rows.len() - 1).0);
    let seqs = (firsts.min().unwrap(), lasts.max().unwrap() + 1);
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
        let seqs = |place| file.block(place, &cache).unwrap().seqs().unwrap();
        blocks.flat_map(|place| seqs(place).all().unwrap().to_vec()).collect()
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
