//! Any bytes as a file of the log, as a group's body, and as a record's payload. Checksums around
//! them are made right, so that what stands behind the checksums is reached.

use super::format::{
    BATCH_VERSION, FILE_HEADER_BYTES, FileHeader, GroupHeader, KEYED_BATCH_VERSION, RECORD_BATCH,
    RecordHeader, group_bytes,
};
use super::{record, recover};
use crate::codec::crc::crc32;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names::{self, WalFileId};
use std::path::Path;
use std::sync::Arc;

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
    let mut body = header.encode(crc32(0, &[])).to_vec();
    body.extend(record_of(&header, raw));
    open(file_of_group(1, &body));
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
    };
    let seed = header.seed();
    let group = GroupHeader {
        wal_id: 1,
        number: 1,
        synced_through: 0,
        records,
        body_len: body.len() as u32,
        body_crc: crc32(seed, &[body]),
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
    // An error is as good as a log.
    let _ = recover(&io, Path::new("/"), &Limits::tiny(), UUID, None, 1, |_, batch| {
        batch.check_invariants();
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::fuzz(&bytes);
        }
    }
}
