//! What the disk itself takes to make bytes durable: the floor of every acknowledgement.

use crate::Result;
use crate::report::Waits;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Instant;

/// Writes of each size.
const ROUNDS: usize = 200;
/// Bytes of a write: a group of one small batch, and of a large one.
const SIZES: [usize; 2] = [4 << 10, 256 << 10];
const FILE_BYTES: usize = 16 << 20;
/// The folder of a store's log.
const LOG: &str = "wal";

/// The waits for one write and its fdatasync, in a file that was zero-filled before, by bytes.
pub(crate) fn fdatasync(dir: &Path) -> Result<Vec<(usize, Waits)>> {
    let path = dir.join("fdatasync");
    let file = File::create(&path)?;
    file.write_all_at(&vec![0; FILE_BYTES], 0)?;
    file.sync_all()?;
    let mut measured = Vec::new();
    for size in SIZES {
        // Not compressible, in case the disk compresses.
        let bytes: Vec<u8> = (0..size).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
        let mut waits = Waits::default();
        for round in 0..ROUNDS {
            let started = Instant::now();
            file.write_all_at(&bytes, (round * size % (FILE_BYTES - size)) as u64)?;
            file.sync_data()?;
            waits.add(started.elapsed());
        }
        measured.push((size, waits));
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(measured)
}

/// The bytes that the files of a store take on disk, without its log, which is bounded and
/// recycled.
pub(crate) fn store_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A file may go between listing and looking.
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_file() {
            bytes += meta.blocks() * 512;
        } else if meta.is_dir() && entry.file_name() != LOG {
            bytes += store_bytes(&entry.path())?;
        }
    }
    Ok(bytes)
}

/// The bytes that the files of a store's log take on disk.
pub(crate) fn log_bytes(dir: &Path) -> Result<u64> {
    store_bytes(&dir.join(LOG))
}
