//! Any bytes as a file of the log, as a group's body, and as a record's payload. Checksums around
//! them are made right, so that what stands behind the checksums is reached.

mod files;

#[cfg(feature = "testing")]
pub(crate) use files::fuzz_files;

use super::format::{
    BATCH_VERSION, COLUMNS_VERSION, FILE_HEADER_BYTES, FileHeader, GroupHeader,
    KEYED_BATCH_VERSION, RECORD_BATCH, RecordHeader, group_bytes,
};
use super::{beginning, columns, each_sound, record, recover};
use crate::codec::crc::crc32;
#[cfg(feature = "testing")]
use crate::codec::slice::Slice;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names::{self, WalFileId};
use std::path::Path;
use std::sync::Arc;

/// What the rows of a batch field by field may take.
const COLUMNS_BYTES_MAX: u64 = 1 << 20;
const UUID: [u8; 16] = [7; 16];
const FILE: WalFileId = WalFileId { generation: 1, index: 0 };

/// Reads `bytes` in each of these ways. A batch that comes out is sound.
pub(crate) fn fuzz(bytes: &[u8]) {
    open(bytes.to_vec());
    open(file_of_group(1, bytes));
    let (rows, raw) = bytes.split_first().map_or((0, bytes), |(rows, raw)| (*rows, raw));
    let header = RecordHeader {
        kind: RECORD_BATCH,
        version: BATCH_VERSION,
        len: 0,
        raw_len: raw.len() as u32,
        rows: u32::from(rows),
        first_seq: 1,
    };
    for version in [BATCH_VERSION, KEYED_BATCH_VERSION] {
        let header = RecordHeader { version, ..header };
        if let Ok(batch) = record::decode_raw(&header, raw) {
            batch.check_invariants();
        }
    }
    if let Ok(batch) = columns::decode_up_to(raw, &mut COLUMNS_BYTES_MAX.clone()) {
        let header = RecordHeader { version: COLUMNS_VERSION, rows: batch.rows, ..header };
        if let Ok(batch) = record::number(&header, batch) {
            batch.check_invariants();
        }
    }
    let mut body = header.encode(crc32(0, &[])).to_vec();
    body.extend(record_of(&header, raw));
    open(file_of_group(1, &body));
}

/// The records of a group's body, each as an input of [`fuzz`]: its rows, and its payload inflated.
#[cfg(feature = "testing")]
pub(crate) fn raw_records(body: &[u8]) -> Vec<Vec<u8>> {
    let mut body = Slice::new(body, 0, "wal record", Path::new(""));
    let records = std::iter::from_fn(|| RecordHeader::read(&mut body).ok());
    let inflated = |(header, payload): (RecordHeader, &[u8])| {
        let raw = match header.version {
            COLUMNS_VERSION => columns::as_stored(payload, header.raw_len.into()).ok()?,
            _ => record::decompress(payload, header.raw_len).ok()?,
        };
        Some([&[header.rows as u8], &*raw].concat())
    };
    records.filter_map(inflated).collect()
}

/// A record whose checksum is right, and whose payload is `raw` as it is.
fn record_of(header: &RecordHeader, raw: &[u8]) -> Vec<u8> {
    let header = RecordHeader { len: raw.len() as u32, ..*header };
    let mut record = header.encode(crc32(0, &[raw])).to_vec();
    record.extend(raw);
    record
}

fn file_of_group(records: u32, body: &[u8]) -> Vec<u8> {
    let header = FileHeader {
        store_uuid: UUID,
        wal_id: 1,
        id: FILE,
        first_group: 1,
        synced_through: 1,
        pages: 0,
        encrypted: false,
    };
    let seed = header.seed();
    let group = GroupHeader {
        wal_id: 1,
        number: 1,
        synced_through: 0,
        records,
        body_len: body.len() as u32,
        body_crc: crc32(seed, &[body]),
        encrypted: false,
    };
    let mut file = header.encode();
    file.extend(group.encode(seed));
    file.extend(body);
    file.resize(FILE_HEADER_BYTES as usize + group_bytes(body.len()), 0);
    file
}

fn open(file: Vec<u8>) {
    let disk = MemoryStorage::new();
    disk.create_dir_all(&names::wal_dir(Path::new("/"))).expect("memory never fails");
    disk.overwrite(&names::wal(Path::new("/"), FILE), file);
    let io = Io {
        storage: Arc::new(disk),
        clock: Arc::new(ManualClock::default()),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    // What a repair reads of it.
    let _ = beginning(&io, Path::new("/"), 0);
    let _ = each_sound(&io, Path::new("/"), &UUID, 0, 1, |_, _, batch| {
        batch.check_invariants();
        Ok(())
    });
    // An error is as good as a log.
    let _ = recover(&io, Path::new("/"), &Limits::tiny(), UUID, None, 1, |_, batch| {
        batch.check_invariants();
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use crate::wal::format::{FILE_MAGIC, GROUP_MAGIC};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::fuzz(&bytes);
            super::files::fuzz_files(&bytes);
        }

        /// Laid out as files and groups, with checksums made right.
        #[test]
        fn any_files_give_no_panic(pieces: Vec<(bool, Vec<u8>)>) {
            let magic = |is_file| if is_file { FILE_MAGIC } else { GROUP_MAGIC };
            let pieces = pieces.iter().map(|(is_file, bytes)| [&magic(*is_file)[..], bytes].concat());
            super::files::fuzz_files(&pieces.collect::<Vec<_>>().concat());
        }
    }
}
