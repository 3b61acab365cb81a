//! Any bytes as the files of a log, as recovery reads them.

use crate::batch::Batch;
use crate::codec::crc::crc32;
use crate::codec::pieces::{number_at, pieces, put};
use crate::error::Result;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::{Limits, WAL_ALIGN};
use crate::names::{self, WalFileId};
use crate::wal::format::{self, FILE_MAGIC, GROUP_HEADER_BYTES, GROUP_MAGIC, RECORD_HEADER_BYTES};
use crate::wal::recover::Report;
use crate::wal::{check, recover};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Files of one input at most, and the pages of one.
const FILES_MAX: usize = 6;
const PAGES_MAX: usize = 64;
/// Bytes of a body that an input may leave out, because they are zeros.
const ZEROS_MAX: usize = 16 << 10;

type Files = BTreeMap<(u64, u32), Vec<u8>>;

/// Recovers from `bytes` as the files of a log, as they are and with checksums made right. Headers of
/// files and of groups each begin a page; padding is left out of the input. What recovery hands out
/// is in order, and again there after a power cut; what it refuses stays as it was.
pub(crate) fn fuzz_files(bytes: &[u8]) {
    let pieces = pieces(bytes, &[&FILE_MAGIC, &GROUP_MAGIC]);
    recover_twice(&laid_out(pieces.iter().map(|piece| piece.to_vec())));
    recover_twice(&laid_out(sealed(&pieces)));
}

/// The files, by the generation and the index that their headers tell.
fn laid_out(pieces: impl IntoIterator<Item = Vec<u8>>) -> Files {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for piece in pieces {
        if files.is_empty() || piece.starts_with(&FILE_MAGIC) {
            files.push(piece);
        } else if let Some(file) = files.last_mut() {
            let at = file.len().next_multiple_of(WAL_ALIGN);
            file.resize(at, 0);
            file.extend(piece);
        }
    }
    let padded = |mut file: Vec<u8>| {
        // Files are longer than what is in them.
        let pages = (number_at::<4>(&file, 52) as usize).min(PAGES_MAX);
        let len = file.len().max(pages * WAL_ALIGN);
        file.resize(len, 0);
        ((number_at::<8>(&file, 40), number_at::<4>(&file, 48) as u32), file)
    };
    files.into_iter().take(FILES_MAX).map(padded).collect()
}

/// The same with right checksums: of records, of groups, of headers.
fn sealed(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut seed = 0;
    let seal = |piece: &&[u8]| {
        let mut piece = piece.to_vec();
        if piece.starts_with(&FILE_MAGIC) {
            piece.resize(piece.len().max(76), 0);
            let crc = crc32(0, &[&piece[..72]]);
            put(&mut piece, 72, &crc.to_le_bytes());
            let mut store = [0; 16];
            store.copy_from_slice(&piece[16..32]);
            seed = format::seed(&store, number_at::<8>(&piece, 32));
        } else if piece.starts_with(&GROUP_MAGIC) {
            seal_group(&mut piece, seed);
        }
        piece
    };
    pieces.iter().map(seal).collect()
}

fn seal_group(group: &mut Vec<u8>, seed: u32) {
    group.resize(group.len().max(GROUP_HEADER_BYTES), 0);
    let missing = GROUP_HEADER_BYTES + number_at::<4>(group, 36) as usize;
    if missing <= group.len() + ZEROS_MAX {
        group.resize(group.len().max(missing), 0);
    }
    let body_len = (number_at::<4>(group, 36) as usize).min(group.len() - GROUP_HEADER_BYTES);
    put(group, 36, &(body_len as u32).to_le_bytes());
    let (header, body) = group.split_at_mut(GROUP_HEADER_BYTES);
    let body = &mut body[..body_len];
    let mut at = 0;
    while let Some(record) = body.get_mut(at..).filter(|rest| rest.len() >= RECORD_HEADER_BYTES) {
        let len = number_at::<4>(record, 4) as usize;
        let Some(payload) = record.get(RECORD_HEADER_BYTES..).and_then(|rest| rest.get(..len))
        else {
            break;
        };
        let crc = crc32(crc32(0, &[payload]), &[&record[..24]]);
        put(record, 24, &crc.to_le_bytes());
        at += RECORD_HEADER_BYTES + len;
    }
    put(header, 40, &crc32(seed, &[body]).to_le_bytes());
    let crc = crc32(seed, &[&header[..60]]);
    put(header, 60, &crc.to_le_bytes());
}

/// Where the log of these files begins: the generation before, and the first sequence number.
fn beginning(files: &Files) -> (Option<u64>, u64) {
    let Some(((generation, _), file)) = files.first_key_value() else { return (None, 1) };
    let records = |at: &usize| number_at::<4>(file, at + 32) > 0;
    let mut pages = (WAL_ALIGN..file.len()).step_by(WAL_ALIGN);
    let first = pages.find(records).map(|at| number_at::<8>(file, at + GROUP_HEADER_BYTES + 16));
    let seq = first.filter(|seq| (1..1 << 60).contains(seq)).unwrap_or(1);
    (generation.checked_sub(1).filter(|before| *before > 0), seq)
}

fn recover_twice(files: &Files) {
    let disk = MemoryStorage::new();
    disk.create_dir_all(&names::wal_dir(Path::new("/"))).expect("memory never fails");
    for (&(generation, index), file) in files {
        let path = names::wal(Path::new("/"), WalFileId { generation, index });
        disk.overwrite(&path, file.clone());
    }
    let store = files.values().next().map_or([0; 16], |file| {
        let mut store = [0; 16];
        put(&mut store, 0, file.get(16..32).unwrap_or_default());
        store
    });
    let (committed, next_seq) = beginning(files);
    let before = disk.copy();
    let checked = check(&io(&before), Path::new("/"), &store, committed, next_seq);
    let first = replay(&disk, store, committed, next_seq);
    let Ok((report, batches)) = first else {
        assert!(checked.is_err(), "verify has seen what recovery refuses");
        let same = before.paths().iter().all(|path| disk.read(path) == before.read(path));
        assert!(same && disk.paths().len() == before.paths().len(), "refused, but changed");
        return;
    };
    assert_eq!(checked.ok(), Some(report));
    let mut seq = next_seq;
    for (_, batch) in &batches {
        batch.check_invariants();
        for part in batch.parts() {
            assert_eq!(part.rows.base_seq, seq, "W3");
        }
        seq += batch.len() as u64;
    }
    let (_, again) = replay(&disk.power_cut(), store, committed, next_seq).expect("W6");
    assert!(again == batches, "W6");
}

type Replayed = (Report, Vec<(u64, Batch)>);

fn replay(
    disk: &MemoryStorage,
    store: [u8; 16],
    committed: Option<u64>,
    next_seq: u64,
) -> Result<Replayed> {
    let mut batches = Vec::new();
    let limits = Limits::tiny();
    let each = |generation, batch| {
        batches.push((generation, batch));
        Ok(())
    };
    let recovered = recover(&io(disk), Path::new("/"), &limits, store, committed, next_seq, each)?;
    Ok((recovered.report, batches))
}

fn io(disk: &MemoryStorage) -> Io {
    Io {
        storage: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::default()),
        entropy: Arc::new(SeededEntropy::new(1)),
    }
}
