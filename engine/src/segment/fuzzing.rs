//! Any bytes as a file of sections and as the footer of one. Checksums around them are made right, so
//! that what stands behind the checksums is reached.

use super::format::{HEADER_LEN, Header, TRAILER_LEN, Trailer, VERSION, VERSION_1};
use super::{BlockCache, Handles, SegmentFile, read_directory};
use crate::block;
use crate::codec::pieces::{number_at, put};
use crate::error::Result;
use crate::index::{self, BlockIndex};
use crate::io::{MemoryStorage, Storage};
use crate::manifest::{FileId, FileMeta};
use crate::query::parse;
use std::path::Path;
use std::sync::Arc;

/// Sections of an input that are read, and blocks of each.
const PARTS_MAX: usize = 8;
/// Bytes between a header and a footer.
const ROOM_BYTES: usize = 8 << 10;
/// What one input may make a block's decoder allocate.
const RAW_BYTES_MAX: u64 = 1 << 20;

/// Reads `bytes` in each of these ways. A directory that comes out lies within the file.
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = open(bytes.to_vec());
    for version in [VERSION_1, VERSION] {
        let _ = open(file_with_footer(bytes, version));
    }
}

fn file_with_footer(bytes: &[u8], version: u16) -> Vec<u8> {
    let header = Header { store: [7; 16], incarnation: 1, id: FileId::LevelZero(1), seqs: (1, 2) };
    let mut file = header.encode_version(version).to_vec();
    // Room for the blocks that the footer may name.
    file.resize(HEADER_LEN + ROOM_BYTES, 0);
    let trailer = Trailer {
        footer_offset: file.len() as u64,
        footer_len: bytes.len() as u64,
        footer_crc: crc32fast::hash(bytes),
    };
    file.extend_from_slice(bytes);
    file.extend(trailer.encode());
    file
}

fn open(bytes: Vec<u8>) -> Result<()> {
    let path = Path::new("/fuzz.l0");
    let len = bytes.len() as u64;
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new("/")).expect("memory never fails");
    disk.overwrite(path, bytes);
    let file = disk.open(path).expect("the file is there");
    let directory = read_directory(&*file, path)?;
    for block in directory.sections.iter().flat_map(|section| &section.blocks) {
        let end = block.offset.checked_add(u64::from(block.meta.len));
        assert!(block.offset >= HEADER_LEN as u64 && end.is_some_and(|end| end <= len));
    }
    for index in directory.sections.iter().filter_map(|section| section.index) {
        let end = index.offset.checked_add(index.len);
        assert!(index.offset >= HEADER_LEN as u64 && end.is_some_and(|end| end <= len));
    }
    for list in directory.sections.iter().filter_map(|section| section.list) {
        let ends = [list.offset, list.copy].map(|at| at.checked_add(u64::from(list.len)));
        assert!(ends.iter().all(|end| end.is_some_and(|end| end <= len)));
    }
    Ok(())
}

/// Reads `bytes` as a whole file, as it is and with the checksums of header, footer and trailer made
/// right: its directory, its blocks, their filters, its sentence lists and indexes.
pub(crate) fn fuzz_file(bytes: &[u8]) {
    let _ = read(bytes.to_vec());
    if let Some(sealed) = sealed(bytes) {
        let _ = read(sealed);
    }
}

/// With a footer up to the trailer, where that is possible.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut file = bytes.to_vec();
    let trailer_at = file.len().checked_sub(TRAILER_LEN).filter(|at| *at >= HEADER_LEN)?;
    let crc = crc32fast::hash(&file[..HEADER_LEN - 4]);
    put(&mut file, HEADER_LEN - 4, &crc.to_le_bytes());
    let stored = usize::try_from(number_at::<8>(&file, trailer_at)).unwrap_or(usize::MAX);
    let offset = stored.clamp(HEADER_LEN, trailer_at);
    let trailer = Trailer {
        footer_offset: offset as u64,
        footer_len: (trailer_at - offset) as u64,
        footer_crc: crc32fast::hash(&file[offset..trailer_at]),
    };
    put(&mut file, trailer_at, &trailer.encode());
    Some(file)
}

fn read(bytes: Vec<u8>) -> Result<()> {
    let path = Path::new("/fuzz.l0");
    let mut header = [0; HEADER_LEN];
    put(&mut header, 0, bytes.get(..HEADER_LEN).unwrap_or_default());
    let (header, _) = Header::decode(&header, path)?;
    let meta = FileMeta {
        id: header.id,
        len: bytes.len() as u64,
        seqs: header.seqs.0..header.seqs.1,
        created: 0,
        writes: 1,
        checksum: None,
        sections: Vec::new(),
        columns: Vec::new(),
    };
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new("/")).expect("memory never fails");
    disk.overwrite(path, bytes);
    let handles = Arc::new(Handles::new(Arc::new(disk), 1));
    let file = SegmentFile::new(&handles, path, header.store, &meta);
    let cache = BlockCache::new(1 << 20);
    for section in file.sections(&cache)?.iter().take(PARTS_MAX) {
        let word = index::need(&parse("timeout").expect("a word"));
        if let Ok(Some(index)) = file.index(section, &cache) {
            word.for_each_term(&mut |term| drop(index.look_up([term])));
            let _ = index.verify();
        }
        for place in section.blocks.iter().take(PARTS_MAX) {
            let filter = file.filter(place, &cache);
            let _ = filter.map(|filter| word.frames(&BlockIndex::Filter(filter)));
            if place.meta.raw_bytes > RAW_BYTES_MAX {
                continue;
            }
            let Ok(block) = file.block(place, &cache) else { continue };
            if let Ok(rows) = block::decode(&block) {
                rows.check_invariants();
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::format::{BlockPlace, IndexPlace, Section, encode_footer};
    use crate::block::{self, ListPlace};
    use crate::manifest::Run;
    use crate::partition::PartitionKey;
    use crate::timestamp::Day;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::fuzz(&bytes);
            super::fuzz_file(&bytes);
        }

        /// Nearly right bytes get further than random ones.
        #[test]
        fn a_changed_footer_gives_no_panic(at: prop::sample::Index, value: u8) {
            let rows = crate::batch::Rows {
                base_seq: 1,
                seq_offsets: vec![0],
                timestamps: vec![0],
                levels: vec![3],
                columns: Vec::new(),
            };
            let meta = block::encode(&rows, &[]).meta;
            let key = PartitionKey { tenant: "t".into(), class: "c".into(), day: Day(0) };
            let blocks = vec![BlockPlace { offset: 64, meta, list: None }];
            let run = Run { generation: 1, seqs: (1..2).into(), rows: 1, digest: Some([8; 32]) };
            let index = IndexPlace { offset: 70, len: 9, crc: 7, kind: 1, version: 1 };
            let list = Some(ListPlace { offset: 70, copy: 75, len: 4, memory: 9 });
            let section = Section { key, blocks, runs: vec![run], list, index: Some(index) };
            let mut footer = encode_footer(&[section], &["message".into()]);
            let at = at.index(footer.len());
            footer[at] = value;
            super::fuzz(&footer);
        }
    }
}
