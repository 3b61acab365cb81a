//! Bytes of the log's files, without I/O: file header, group header, record header.
//!
//! Checksums of groups begin with a seed made of the store's uuid and the file's `wal_id`, so that
//! groups of an earlier life of a recycled file, or forged ones inside of a message, don't pass.

use crate::codec::crc::crc32;
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error};
use crate::limits::WAL_ALIGN;
use crate::names::WalFileId;
use std::path::Path;

/// The first bytes of a file of the log.
pub(crate) const FILE_MAGIC: [u8; 8] = *b"LSWAL\0\0\0";
/// The first bytes of a group.
pub(crate) const GROUP_MAGIC: [u8; 8] = *b"LSGROUP\0";
/// The version of files that this code writes.
pub(crate) const FILE_VERSION: u16 = 1;
/// The feature of files whose groups may be encrypted.
const ENCRYPTED: u32 = 1;
/// Where the groups begin.
pub(crate) const FILE_HEADER_BYTES: u64 = WAL_ALIGN as u64;
/// The bytes before a group's body.
pub(crate) const GROUP_HEADER_BYTES: usize = 64;
/// The bytes before a record's payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 32;
/// A record that holds a batch. Zero is reserved: zeros are never a record.
pub(crate) const RECORD_BATCH: u8 = 1;
/// The version of the payload of batches of few events.
pub(crate) const BATCH_VERSION: u8 = 1;
/// A batch with a key: the key stands before what version 1 has.
pub(crate) const KEYED_BATCH_VERSION: u8 = 2;
/// A batch of many events, with or without a key, field by field.
pub(crate) const COLUMNS_VERSION: u8 = 3;
/// Numbers of groups stay below this, so that counting on never overflows.
const GROUP_NUMBER_MAX: u64 = u64::MAX >> 1;

const FILE_CRC_AT: usize = 72;
const GROUP_CRC_AT: usize = 60;
const RECORD_CRC_AT: usize = 24;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// The store that the file belongs to.
    pub(crate) store_uuid: [u8; 16],
    /// Random for each life of the file.
    pub(crate) wal_id: u64,
    /// Its place in the log, as in its name.
    pub(crate) id: WalFileId,
    /// The number of the first group in it.
    pub(crate) first_group: u64,
    /// The last group that was in it, synced, when the file got its name.
    pub(crate) synced_through: u64,
    /// The length that it had then, in pages of [`WAL_ALIGN`]; 0 if nobody wrote it down.
    pub(crate) pages: u32,
    /// Whether its groups may be encrypted.
    pub(crate) encrypted: bool,
}

/// What a group says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// The life of the file that it was written to.
    pub(crate) wal_id: u64,
    /// Rises by one from group to group, through all files of a store. Counts from 1.
    pub(crate) number: u64,
    /// The last group known to be synced when this one was written.
    pub(crate) synced_through: u64,
    /// The number of records.
    pub(crate) records: u32,
    /// The bytes of all records.
    pub(crate) body_len: u32,
    /// Their checksum, begun with the file's seed.
    pub(crate) body_crc: u32,
    /// Whether the records are encrypted, as one message.
    pub(crate) encrypted: bool,
}

/// What a record says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// What it holds; [`RECORD_BATCH`] is the only kind so far.
    pub(crate) kind: u8,
    /// The version of the payload.
    pub(crate) version: u8,
    /// The bytes of the payload.
    pub(crate) len: u32,
    /// The bytes of the payload before compression; of version 3, what its lanes and its rows take.
    pub(crate) raw_len: u32,
    /// The number of events.
    pub(crate) rows: u32,
    /// The sequence number of the first.
    pub(crate) first_seq: u64,
}

/// The length of a file for its header.
pub(crate) fn pages_of(bytes: u64) -> u32 {
    u32::try_from(bytes / WAL_ALIGN as u64).expect("a file of the log is far below 16 TiB")
}

/// What the checksums of a file's groups begin with.
pub(crate) fn seed(store_uuid: &[u8; 16], wal_id: u64) -> u32 {
    crc32(0, &[store_uuid, &wal_id.to_le_bytes()])
}

/// The bytes that a group with a body of `body_len` takes, padding included.
pub(crate) fn group_bytes(body_len: usize) -> usize {
    (GROUP_HEADER_BYTES + body_len).next_multiple_of(WAL_ALIGN)
}

impl FileHeader {
    /// The seed of its groups' checksums.
    pub(crate) fn seed(&self) -> u32 {
        seed(&self.store_uuid, self.wal_id)
    }

    /// The header page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(WAL_ALIGN);
        page.extend(FILE_MAGIC);
        page.extend(FILE_VERSION.to_le_bytes());
        page.extend([0; 2]);
        page.extend(u32::from(self.encrypted).to_le_bytes());
        page.extend(self.store_uuid);
        page.extend(self.wal_id.to_le_bytes());
        page.extend(self.id.generation.to_le_bytes());
        page.extend(self.id.index.to_le_bytes());
        page.extend(self.pages.to_le_bytes());
        page.extend(self.first_group.to_le_bytes());
        page.extend(self.synced_through.to_le_bytes());
        debug_assert_eq!(page.len(), FILE_CRC_AT);
        page.extend(crc32(0, &[&page]).to_le_bytes());
        page.resize(WAL_ALIGN, 0);
        page
    }

    /// The header at the start of `bytes`.
    ///
    /// # Errors
    /// `Corrupt`; `Unsupported` for a version or a feature that this code doesn't know.
    pub(crate) fn decode(bytes: &[u8], file: &Path) -> Result<Self, Error> {
        let mut slice = Slice::new(bytes, 0, "wal file header", file);
        let fields = slice.take(FILE_CRC_AT)?;
        let (crc, expected) = (slice.u32()?, crc32(0, &[fields]));
        let start = Slice::new(fields, 0, "wal file header", file);
        let mut slice = start.clone();
        let magic = slice.take(8)?;
        if magic != FILE_MAGIC {
            return Err(start.corrupt("LSWAL", format!("{magic:02x?}")).into());
        }
        if crc != expected {
            return Err(start.corrupt(format!("crc {expected:08x}"), format!("{crc:08x}")).into());
        }
        let (version, _reserved, features) = (slice.u16()?, slice.u16()?, slice.u32()?);
        if version != FILE_VERSION || features & !ENCRYPTED != 0 {
            return Err(Error::unsupported(format!(
                "{} is a log of version {version} with features {features:#x}; this program \
                 knows version {FILE_VERSION} with features {ENCRYPTED:#x}",
                file.display()
            )));
        }
        let mut store_uuid = [0; 16];
        store_uuid.copy_from_slice(slice.take(16)?);
        let (wal_id, generation, index) = (slice.u64()?, slice.u64()?, slice.u32()?);
        let pages = slice.u32()?;
        let (first_group, synced_through) = (slice.u64()?, slice.u64()?);
        if !(1..=GROUP_NUMBER_MAX).contains(&first_group) || synced_through < first_group {
            let found = format!("{first_group} to {synced_through}");
            return Err(slice.corrupt("groups that are synced", found).into());
        }
        let id = WalFileId { generation, index };
        let encrypted = features & ENCRYPTED != 0;
        Ok(Self { store_uuid, wal_id, id, first_group, synced_through, pages, encrypted })
    }
}

impl GroupHeader {
    /// The header, as it stands before the body.
    pub(crate) fn encode(&self, seed: u32) -> [u8; GROUP_HEADER_BYTES] {
        assert!(self.synced_through < self.number, "W1");
        let mut bytes = [0; GROUP_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&GROUP_MAGIC);
        bytes[8..16].copy_from_slice(&self.wal_id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced_through.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.records.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[44] = u8::from(self.encrypted);
        let crc = crc32(seed, &[&bytes[..GROUP_CRC_AT]]);
        bytes[GROUP_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, if one of this life of the file stands there.
    pub(crate) fn decode(bytes: &[u8], seed: u32, wal_id: u64) -> Option<Self> {
        // No corruption is reported here: what is no group is often just the end of the log.
        let mut slice = Slice::new(bytes, 0, "wal group", Path::new(""));
        let fields = slice.take(GROUP_CRC_AT).ok()?;
        let crc = slice.u32().ok()?;
        if !fields.starts_with(&GROUP_MAGIC) || crc != crc32(seed, &[fields]) {
            return None;
        }
        let mut slice = Slice::new(fields.get(8..)?, 8, "wal group", Path::new(""));
        let header = Self {
            wal_id: slice.u64().ok()?,
            number: slice.u64().ok()?,
            synced_through: slice.u64().ok()?,
            records: slice.u32().ok()?,
            body_len: slice.u32().ok()?,
            body_crc: slice.u32().ok()?,
            encrypted: slice.u8().ok()? == 1,
        };
        let ours = header.wal_id == wal_id && header.synced_through < header.number;
        ours.then_some(header)
    }

    /// Whether this is the body that the header was made for.
    pub(crate) fn fits(&self, body: &[u8], seed: u32) -> bool {
        body.len() == self.body_len as usize && crc32(seed, &[body]) == self.body_crc
    }
}

impl RecordHeader {
    /// The header, as it stands before the payload. Its checksum continues `payload_crc`, the
    /// checksum of the payload, so that the payload is summed up on the request's thread.
    pub(crate) fn encode(&self, payload_crc: u32) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[0] = self.kind;
        bytes[1] = self.version;
        bytes[4..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.raw_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.rows.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        let crc = crc32(payload_crc, &[&bytes[..RECORD_CRC_AT]]);
        bytes[RECORD_CRC_AT..RECORD_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The next record of a group's body and its payload.
    pub(crate) fn read<'a>(body: &mut Slice<'a>) -> Result<(Self, &'a [u8]), Corruption> {
        let start = body.clone();
        let fields = body.take(RECORD_CRC_AT)?;
        let crc = body.u32()?;
        body.u32()?;
        let mut slice = Slice::new(fields, 0, "wal record", Path::new(""));
        let (kind, version, _reserved) = (slice.u8()?, slice.u8()?, slice.u16()?);
        let (len, raw_len, rows) = (slice.u32()?, slice.u32()?, slice.u32()?);
        let header = Self { kind, version, len, raw_len, rows, first_seq: slice.u64()? };
        let payload = body.take(len as usize)?;
        let expected = crc32(crc32(0, &[payload]), &[fields]);
        if crc != expected {
            return Err(start.corrupt(format!("crc {expected:08x}"), format!("{crc:08x}")));
        }
        Ok((header, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn file_header()(
            store_uuid: [u8; 16],
            wal_id: u64,
            generation: u64,
            index: u32,
            first_group in 1..=GROUP_NUMBER_MAX,
            more in 0..=GROUP_NUMBER_MAX,
            pages: u32,
            encrypted: bool,
        ) -> FileHeader {
            let synced_through = first_group + more;
            let id = WalFileId { generation, index };
            FileHeader { store_uuid, wal_id, id, first_group, synced_through, pages, encrypted }
        }
    }

    prop_compose! {
        fn group_header()(
            wal_id: u64,
            number in 1u64..,
            behind in 1u64..,
            records: u32,
            body_len: u32,
            body_crc: u32,
            encrypted: bool,
        ) -> GroupHeader {
            let synced_through = number.saturating_sub(behind);
            GroupHeader { wal_id, number, synced_through, records, body_len, body_crc, encrypted }
        }
    }

    proptest! {
        #[test]
        fn a_file_header_comes_back_and_no_flipped_bit_passes(
            header in file_header(),
            bit in 0..8 * (FILE_CRC_AT + 4),
        ) {
            let mut page = header.encode();
            prop_assert_eq!(page.len(), WAL_ALIGN);
            prop_assert_eq!(FileHeader::decode(&page, Path::new("f")).unwrap(), header);
            page[bit / 8] ^= 1 << (bit % 8);
            let error = FileHeader::decode(&page, Path::new("f")).unwrap_err();
            prop_assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        }

        #[test]
        fn a_group_header_comes_back_in_its_own_life_only(
            header in group_header(),
            seed: u32,
            bit in 0..8 * GROUP_HEADER_BYTES,
        ) {
            let mut bytes = header.encode(seed);
            prop_assert_eq!(GroupHeader::decode(&bytes, seed, header.wal_id), Some(header));
            prop_assert_eq!(GroupHeader::decode(&bytes, !seed, header.wal_id), None);
            prop_assert_eq!(GroupHeader::decode(&bytes, seed, !header.wal_id), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(GroupHeader::decode(&bytes, seed, header.wal_id), None);
        }

        #[test]
        fn a_record_comes_back_and_any_bytes_give_no_panic(
            payload: Vec<u8>,
            rows: u32,
            raw_len: u32,
            first_seq: u64,
            noise: Vec<u8>,
            bit: prop::sample::Index,
        ) {
            let (kind, version, len) = (RECORD_BATCH, BATCH_VERSION, payload.len() as u32);
            let header = RecordHeader { kind, version, len, raw_len, rows, first_seq };
            let mut bytes = header.encode(crc32(0, &[&payload])).to_vec();
            bytes.extend(&payload);
            let read = |bytes: &[u8]| {
                let mut slice = Slice::new(bytes, 0, "wal record", Path::new("f"));
                RecordHeader::read(&mut slice).map(|(header, payload)| (header, payload.to_vec()))
            };
            prop_assert_eq!(read(&bytes), Ok((header, payload)));
            // Bytes 28..32 are reserved.
            let bit = bit.index(8 * RECORD_CRC_AT);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read(&bytes).is_err());
            let _ = read(&noise);
        }
    }

    #[test]
    fn other_versions_and_features_are_named() {
        let id = WalFileId { generation: 1, index: 0 };
        let header = FileHeader {
            store_uuid: [7; 16],
            wal_id: 1,
            id,
            first_group: 1,
            synced_through: 1,
            pages: 0,
            encrypted: false,
        };
        for (at, text) in [(8, "version 3"), (12, "features 0x2")] {
            let mut page = header.encode();
            page[at] ^= 2;
            let crc = crc32(0, &[&page[..FILE_CRC_AT]]);
            page[FILE_CRC_AT..FILE_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
            let error = FileHeader::decode(&page, Path::new("f")).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
