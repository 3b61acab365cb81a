//! A block whose bytes are copied: every checksum verified, and its filter replaced where another is wanted.

use super::format::{BlockMeta, Header, PartEntry, check_crc};
use super::reader::{Block, Source};
use super::writer::EncodedBlock;
use crate::codec::slice::Slice;
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// The block of these bytes, which stand at `offset` of `file`, with all of its checksums verified.
///
/// # Errors
/// Corrupt names the place in the file; unsupported if the version is unknown.
pub(crate) fn verify(
    bytes: &Arc<[u8]>,
    meta: &BlockMeta,
    offset: u64,
    file: &Path,
) -> Result<Block> {
    let block = Block::open(Source::Memory(Arc::clone(bytes)), meta);
    let block = block.map_err(|error| error.placed(file, offset))?;
    for part in block.header().parts() {
        let (start, end) = (part.offset as usize, part.offset as usize + part.len as usize);
        let part_bytes = bytes.get(start..end).unwrap_or_default();
        let place = offset.saturating_add(u64::from(part.offset));
        check_crc(&Slice::new(part_bytes, place, "block part", file), part_bytes, part.crc)?;
    }
    Ok(block)
}

/// The block with another filter: its columns and all other parts are the same bytes.
///
/// # Errors
/// Corrupt or unsupported if the header can't be read.
pub(crate) fn with_filter(bytes: &[u8], meta: &BlockMeta, filter: &[u8]) -> Result<EncodedBlock> {
    let head = bytes.get(..meta.header_len as usize).unwrap_or(bytes);
    let mut header = Header::decode(head, 0, Path::new(""))?;
    let body_end = header.filter.offset as usize;
    let Some(body) = bytes.get(header.meta.header_len as usize..body_end) else {
        let slice = Slice::new(bytes, 0, "block", Path::new(""));
        return Err(slice.corrupt(format!("{body_end} bytes"), bytes.len().to_string()).into());
    };
    let (len, crc) = (filter.len() as u32, crc32fast::hash(filter));
    header.filter = PartEntry { offset: 0, len, crc };
    header.meta.len = header.meta.header_len + (body.len() + filter.len()) as u32;
    assert_eq!(header.place(), Some(header.meta.len), "H2");
    let mut replaced = header.encode();
    replaced.extend_from_slice(body);
    replaced.extend_from_slice(filter);
    Ok(EncodedBlock { bytes: replaced, meta: header.meta })
}

impl Header {
    /// Every part behind the header, the absent ones too, in their order.
    pub(super) fn parts(&self) -> impl Iterator<Item = PartEntry> {
        let fixed = [self.timestamps, self.seqs, self.levels];
        let columns = self.columns.iter().map(|column| column.part);
        fixed.into_iter().chain(columns).chain([self.rest, self.filter])
    }
}

impl Error {
    /// The same damage, found in a copy of what stands at `offset` of `file`.
    pub(crate) fn placed(self, file: &Path, offset: u64) -> Self {
        match self.corruption() {
            Some(found) => {
                let mut found = found.clone();
                found.file = file.to_owned();
                found.offset = found.offset.saturating_add(offset);
                found.into()
            }
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::encode;
    use crate::block::tests::any_rows;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn another_filter_changes_nothing_else(rows in any_rows(), one: Vec<u8>, other: Vec<u8>) {
            let block = encode(&rows, &one);
            let replaced = with_filter(&block.bytes, &block.meta, &other).unwrap();
            prop_assert_eq!(replaced, encode(&rows, &other));
            let cut = one.len() % block.bytes.len();
            let _ = with_filter(&block.bytes[..cut], &block.meta, &other);
            let _ = with_filter(&one, &block.meta, &other);
        }

        #[test]
        fn any_flip_is_found_and_named(rows in any_rows(), at: prop::sample::Index, bit in 0u8..8) {
            let block = encode(&rows, b"a filter");
            let mut bytes = block.bytes;
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let error = verify(&bytes.into(), &block.meta, 1_000, Path::new("f")).unwrap_err();
            prop_assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported));
            if let Some(found) = error.corruption() {
                prop_assert_eq!(&found.file, Path::new("f"));
                prop_assert!(found.offset >= 1_000, "{}", error);
            }
        }
    }
}
