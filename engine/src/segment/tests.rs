use super::*;
use crate::batch::BatchBuilder;
use crate::block::{self, BlockMeta};
use crate::error::ErrorKind;
use crate::event::{Kind, Level};
use crate::index;
use crate::io::{FileStorage, Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::{Limits, SYNCED_AFTER};
use crate::manifest::{FileId, FileMeta, Run};
use crate::names;
use crate::partition::PartitionKey;
use crate::timestamp::{Day, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const GENERATION: u64 = 3;
pub(super) const STORE: [u8; 16] = [7; 16];

pub(super) fn store() -> (MemoryStorage, Io, PathBuf) {
    let storage = MemoryStorage::new();
    let io = Io {
        storage: Arc::new(storage.clone()),
        clock: Arc::new(ManualClock::new(Timestamp(0))),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let dir = PathBuf::from("store");
    io.storage.create_dir_all(&names::segments_dir(&dir)).unwrap();
    (storage, io, dir)
}

pub(super) fn handles(io: &Io) -> Arc<Handles> {
    Arc::new(Handles::new(Arc::clone(&io.storage), 4))
}

pub(super) fn sample_sections() -> Vec<SectionBlocks> {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(1_700_000_000_000_000_000));
    for (level, message) in [(Level::Info, "one"), (Level::Error, "two"), (Level::Info, "three")] {
        let mut event = builder.event();
        event.level = level;
        event.field("message", Kind::String, message.as_bytes());
        event.finish().unwrap();
    }
    let mut batch = builder.build();
    batch.number(10);
    batch
        .parts()
        .iter()
        .map(|part| {
            let encoded = block::encode(&part.rows, &index::filter_bytes(&part.rows));
            let blocks = vec![(encoded.meta, encoded.bytes.into())];
            SectionBlocks { key: part.key.clone(), blocks, digest: None }
        })
        .collect()
}

pub(super) fn write_sample(io: &Io, dir: &Path) -> FileMeta {
    let header =
        Header { store: STORE, incarnation: 5, id: FileId::LevelZero(GENERATION), seqs: (10, 13) };
    write(io, dir, &header, &sample_sections(), ["message".to_owned()]).unwrap()
}

#[test]
fn a_file_gives_back_its_sections_and_says_what_it_is() {
    let (storage, io, dir) = store();
    let meta = write_sample(&io, &dir);
    let path = names::level_zero(&dir, GENERATION);
    assert_eq!(meta.sections.len(), 2);
    assert_eq!(meta.sections.iter().map(|section| section.rows).sum::<u64>(), 3);
    assert_eq!(meta.len, storage.read(&path).unwrap().len() as u64);
    assert_eq!(meta.checksum, Some(*blake3::hash(&storage.read(&path).unwrap()).as_bytes()));
    // Durable under its name when `write` returns.
    assert_eq!(storage.power_cut().read(&path), storage.read(&path));

    let file = SegmentFile::new(&handles(&io), &path, STORE, &meta);
    let cache = BlockCache::new(1 << 20);
    let sections = file.sections(&cache).unwrap();
    let mut messages = Vec::new();
    for section in sections.iter() {
        for place in &section.blocks {
            let rows = block::decode(&file.block(place, &cache).unwrap()).unwrap();
            let column = rows.column("message").unwrap();
            messages.extend((0..column.len()).map(|i| column.value(i).text.to_vec()));
            let filter = file.filter(place, &cache).unwrap();
            let absent = index::need(&crate::query::parse("nowhere").unwrap());
            assert_eq!(absent.frames(&index::BlockIndex::Filter(filter)), 0);
            assert!(file.index(section, &cache).unwrap().is_none());
        }
    }
    messages.sort();
    assert_eq!(messages, [b"one".to_vec(), b"three".to_vec(), b"two".to_vec()]);
}

#[test]
fn damage_is_named_and_never_a_panic() {
    let (storage, io, dir) = store();
    let meta = Arc::new(write_sample(&io, &dir));
    let path = names::level_zero(&dir, GENERATION);
    let good = storage.read(&path).unwrap();
    let read_all = |bytes: Vec<u8>| -> Result<Vec<crate::batch::Rows>> {
        storage.overwrite(&path, bytes);
        let file = SegmentFile::new(&handles(&io), &path, STORE, &meta);
        let cache = BlockCache::new(1 << 20);
        let mut all = Vec::new();
        for section in file.sections(&cache)?.iter() {
            for place in &section.blocks {
                file.filter(place, &cache)?;
                all.push(block::decode(&*file.block(place, &cache)?)?);
            }
        }
        Ok(all)
    };
    let expected = read_all(good.clone()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        match read_all(bad) {
            Ok(rows) => assert_eq!(rows, expected, "a flip at {at} changed what was read"),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported),
                "a flip at {at}: {error}"
            ),
        }
    }
    for len in 0..good.len() {
        let error = read_all(good[..len].to_vec()).expect_err("a cut file is damaged");
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io), "{len}: {error}");
    }
}

#[test]
fn another_files_bytes_under_this_name_are_refused() {
    let (_, io, dir) = store();
    let meta = write_sample(&io, &dir);
    let path = names::level_zero(&dir, GENERATION);
    let refused = |store, meta: FileMeta| {
        let file = SegmentFile::new(&handles(&io), &path, store, &meta);
        file.sections(&BlockCache::new(1 << 20)).unwrap_err().to_string()
    };
    let error = refused(STORE, FileMeta { id: FileId::LevelZero(GENERATION + 1), ..meta.clone() });
    assert!(error.contains("generation 4"), "{error}");
    let error = refused(STORE, FileMeta { seqs: 10..14, ..meta.clone() });
    assert!(error.contains("events 10..14"), "{error}");
    let error = refused(STORE, FileMeta { len: meta.len + 1, ..meta.clone() });
    assert!(error.contains(&format!("{} bytes", meta.len + 1)), "{error}");
    let error = refused([8; 16], meta);
    assert!(error.contains("of this store"), "{error}");
}

#[test]
fn a_flush_that_was_cut_off_does_not_hinder_the_next() {
    let (storage, io, dir) = store();
    let temporary = names::temporary(&names::level_zero(&dir, GENERATION));
    storage.overwrite(&temporary, vec![1, 2, 3]);
    write_sample(&io, &dir);
    assert_eq!(storage.read(&temporary), None);
}

/// A query failed for a damaged filter that it would have been answered without.
#[test]
fn a_damaged_filter_rules_nothing_out() {
    let (_, io, dir) = store();
    let meta = Arc::new(write_sample(&io, &dir));
    let path = names::level_zero(&dir, GENERATION);
    let file = SegmentFile::new(&handles(&io), &path, STORE, &meta);
    let cache = BlockCache::new(1 << 20);
    let place = file.sections(&cache).unwrap()[0].blocks[0].clone();
    // The filter is the last part of a block.
    let last = place.offset + u64::from(place.meta.len) - 1;
    io.storage.open_for_write(&path).unwrap().write_all_at(&[0x5a], last).unwrap();
    assert_eq!(*file.filter(&place, &cache).unwrap(), crate::index::Filter::Everything);
    block::decode(&file.block(&place, &cache).unwrap()).unwrap();
}

/// A directory that is large enough is mapped: what is read is the same, and so are its errors.
#[test]
fn a_large_directory_is_the_same_mapped_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let [mapped, read] = [true, false].map(|mmap| {
        let storage: Arc<dyn Storage> = Arc::new(FileStorage { mmap });
        Io { storage, ..Io::system() }
    });
    mapped.storage.create_dir_all(&names::segments_dir(dir.path())).unwrap();
    let part = &sample_sections()[0];
    let sections: Vec<_> = (0..400)
        .map(|day| {
            let key = PartitionKey { day: Day(day), ..part.key.clone() };
            SectionBlocks { key, blocks: part.blocks.clone(), digest: None }
        })
        .collect();
    let header =
        Header { store: STORE, incarnation: 5, id: FileId::LevelZero(GENERATION), seqs: (10, 12) };
    let meta = Arc::new(write(&mapped, dir.path(), &header, &sections, []).unwrap());
    let path = names::level_zero(dir.path(), GENERATION);
    let footer_bytes = meta.len - 400 * u64::from(part.blocks[0].0.len);
    assert!(footer_bytes > 32 << 10, "{footer_bytes}");

    let sections_of = |io: &Io| {
        let file = SegmentFile::new(&handles(io), &path, STORE, &meta);
        file.sections(&BlockCache::new(1 << 20)).map(|sections| sections.to_vec())
    };
    let expected = sections_of(&read).unwrap();
    assert_eq!(expected.len(), 400);
    assert_eq!(sections_of(&mapped).unwrap(), expected);
    let footer_at = meta.len - footer_bytes / 2;
    mapped.storage.open_for_write(&path).unwrap().write_all_at(&[0x5a; 2], footer_at).unwrap();
    let errors = [&mapped, &read].map(|io| sections_of(io).unwrap_err());
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Corrupt), "{errors:?}");
    assert_eq!(errors[0].to_string(), errors[1].to_string());
}

#[test]
fn a_pack_gives_back_its_runs_and_index_parts() {
    let (storage, io, dir) = store();
    let header = Header { store: STORE, incarnation: 5, id: FileId::Pack(9), seqs: (10, 13) };
    let mut writer = Writer::begin(&io, &dir, &header).unwrap();
    let runs = |first: u64| {
        let run = |generation: u64, seqs: std::ops::Range<u64>| Run {
            generation,
            seqs: seqs.into(),
            rows: 1,
            digest: Some([generation as u8; 32]),
        };
        vec![run(1, first..first + 1), run(2, first + 1..13)]
    };
    for section in sample_sections() {
        writer.begin_section(section.key.clone());
        for (meta, bytes) in &section.blocks {
            writer.put_block(meta, bytes).unwrap();
        }
        let bytes = section.key.to_string().into_bytes();
        writer.end_section(runs(10), None, Some(IndexPart { kind: 1, version: 7, bytes })).unwrap();
    }
    let meta = writer.finish(["message".to_owned()], Written { at: 77, times: 3 }).unwrap();
    assert_eq!((meta.id, meta.created, meta.writes), (FileId::Pack(9), 77, 3));
    let path = names::pack(&dir, 9);
    let bytes = storage.read(&path).unwrap();
    let file = SegmentFile::new(&handles(&io), &path, STORE, &meta);
    let sections = file.sections(&BlockCache::new(1 << 20)).unwrap();
    for (section, meta) in sections.iter().zip(&meta.sections) {
        assert_eq!((&section.runs, &meta.runs), (&runs(10), &runs(10)));
        let index = section.index.unwrap();
        assert_eq!((index.kind, index.version), (1, 7));
        assert_eq!(index.offset + index.len, meta.offset + meta.len);
        let part = &bytes[index.offset as usize..][..index.len as usize];
        assert_eq!(part, section.key.to_string().as_bytes());
        assert_eq!(index.crc, crc32fast::hash(part));
    }
}

#[test]
fn a_file_that_was_replaced_goes_with_its_last_reader() {
    let (storage, io, dir) = store();
    let meta = write_sample(&io, &dir);
    let path = names::level_zero(&dir, GENERATION);
    let file = Arc::new(SegmentFile::new(&handles(&io), &path, STORE, &meta));
    let reader = Arc::clone(&file);
    file.remove_when_unused();
    drop(file);
    let cache = BlockCache::new(1 << 20);
    let sections = reader.sections(&cache).unwrap();
    block::decode(&reader.block(&sections[0].blocks[0], &cache).unwrap()).unwrap();
    assert!(storage.read(&path).is_some());
    drop(reader);
    assert_eq!(storage.read(&path), None);
    // One that is live stays when it is not read.
    let meta = write_sample(&io, &dir);
    drop(SegmentFile::new(&handles(&io), &path, STORE, &meta));
    assert!(storage.read(&path).is_some());
}

/// Who syncs another file meanwhile waits for what the disk was given before: that is never much.
#[test]
fn what_is_written_is_synced_piece_by_piece() {
    let disk = MemoryStorage::new();
    let io = Io { storage: Arc::new(disk.clone()), ..Io::system() };
    let (dir, id) = (Path::new("store"), FileId::LevelZero(GENERATION));
    io.storage.create_dir_all(&names::segments_dir(dir)).unwrap();
    let header = Header { store: STORE, incarnation: 5, id, seqs: (10, 12) };
    let mut writer = Writer::begin(&io, dir, &header).unwrap();
    io.storage.sync_dir(&names::segments_dir(dir)).unwrap();
    let part = &sample_sections()[0];
    let (meta, bytes) = &part.blocks[0];
    let mut written = 0;
    writer.begin_section(part.key.clone());
    for number in 0..12 {
        // As long as its meta says; nobody looks into it.
        let len = 1u32 << 20;
        let (min_seq, max_seq) = (meta.min_seq + 1_000 * number, meta.min_seq + 1_000 * number + 1);
        let meta = BlockMeta { len, min_seq, max_seq, ..*meta };
        writer
            .put_block(&meta, &bytes.iter().copied().cycle().take(len as usize).collect::<Vec<_>>())
            .unwrap();
        written += u64::from(len);
        let left =
            disk.power_cut().read(&names::temporary(&id.path(dir))).map_or(0, |left| left.len());
        assert!(left as u64 + SYNCED_AFTER > written, "{left} of {written} bytes");
    }
}
