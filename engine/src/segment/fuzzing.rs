//! Any bytes as a file of sections and as the footer of one. Checksums around them are made right, so
//! that what stands behind the checksums is reached.

use super::format::{HEADER_LEN, Header, Trailer, VERSION, VERSION_1};
use super::read_directory;
use crate::error::Result;
use crate::io::{MemoryStorage, Storage};
use crate::manifest::FileId;
use std::path::Path;

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
    file.resize(HEADER_LEN + usize::from(u16::MAX), 0);
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::format::{BlockPlace, IndexPlace, Section, encode_footer};
    use crate::block;
    use crate::manifest::Run;
    use crate::partition::PartitionKey;
    use crate::timestamp::Day;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::fuzz(&bytes);
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
            let blocks = vec![BlockPlace { offset: 64, meta }];
            let run = Run { generation: 1, seqs: (1..2).into(), rows: 1, digest: Some([8; 32]) };
            let index = IndexPlace { offset: 70, len: 9, crc: 7, kind: 1, version: 1 };
            let section = Section { key, blocks, runs: vec![run], index: Some(index) };
            let mut footer = encode_footer(&[section], &["message".into()]);
            let at = at.index(footer.len());
            footer[at] = value;
            super::fuzz(&footer);
        }
    }
}
