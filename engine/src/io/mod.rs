//! The only door to disk, clock and chance. Nothing outside this folder may touch `std::fs`,
//! `std::time` or random numbers (`clippy.toml` bans it), so that tests own every one of them.

mod breaks;
#[cfg(any(test, feature = "testing"))]
mod fault;
mod file;
mod keyed;
mod manual;
mod map;
mod memory;
mod region;
mod role;

pub(crate) use breaks::{may_break, take_breaks};
#[cfg(any(test, feature = "testing"))]
pub use fault::{Fault, FaultyStorage, Op, Place, Rule, Step};
pub(crate) use file::yield_to_others;
pub use file::{FileStorage, SystemClock, SystemEntropy};
pub use keyed::KeyedStorage;
pub use manual::{ManualClock, SeededEntropy};
pub use memory::{MemoryStorage, Unit};
pub(crate) use region::LOST;
pub use region::{FileBytes, Region, RegionBytes};
pub(crate) use role::check_may_wait;
pub use role::{NetworkTurn, network_turn};

use crate::crypt::Keyring;
use crate::timestamp::Timestamp;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Disk, clock and chance, as the engine sees them.
#[derive(Clone, Debug)]
pub struct Io {
    /// Files and directories.
    pub storage: Arc<dyn Storage>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
}

impl Io {
    /// The real ones.
    pub fn system() -> Self {
        Self {
            storage: Arc::new(FileStorage::default()),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

/// Files and directories. Names are durable only after [`Storage::sync_dir`].
pub trait Storage: Send + Sync + fmt::Debug {
    /// Creates a directory and its parents, durably; one that exists is fine.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Creates a file for reading and writing; one that exists is an error.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open_for_write(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names of the files in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// The room on the disk that a directory is on.
    fn space(&self, dir: &Path) -> io::Result<Space>;
    /// Locks a file (created if needed) against every other process and handle until the lock is
    /// dropped; `WouldBlock` if another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
    /// The same for who only reads: a file system that can't be written to will do, if the file is
    /// there.
    fn lock_to_read(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.lock(path)
    }
    /// The keys that what stands in the files is encrypted under; none of what is plain.
    fn keys(&self) -> Option<&Arc<Keyring>> {
        None
    }
}

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we could still write.
    pub free: u64,
    /// Bytes of the whole disk.
    pub total: u64,
}

/// Held as long as it lives.
pub trait Lock: Send + Sync + fmt::Debug {}

/// An open file. All methods may be called from several threads.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads up to `buf.len()` bytes at `offset`; 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes contents durable, and the length as far as reading them needs it (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Bytes of a file that is never written to again; `UnexpectedEof` if it ends before. The
    /// caller has checked that a file of this kind may have that many bytes there.
    fn region(&self, range: Range<u64>) -> io::Result<Region> {
        read_region(self, range)
    }

    /// All bytes of a file that is never written to again, if they are mapped.
    fn mapped(&self) -> Option<RegionBytes> {
        None
    }

    /// The `len` bytes from `offset` on of a file that is never written to again: a range of what is mapped, if
    /// whoever has opened it for queries maps; `UnexpectedEof` as [`File::read_vec_at`].
    fn bytes_at(&self, len: usize, offset: u64) -> io::Result<FileBytes> {
        self.read_vec_at(len, offset).map(FileBytes::Read)
    }

    /// A range will be read as a whole: it may be read ahead.
    fn will_need(&self, range: Range<u64>) {
        let _ = range;
    }

    /// Lets go what is kept of bytes on their way here: what was read of them is damaged. Whether to read
    /// once more is worth it.
    fn mistrust(&self) -> bool {
        false
    }

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The `len` bytes from `offset` on; `UnexpectedEof` if the file ends before. The caller has checked that
    /// a file of this kind may have that many there.
    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Fills `buf` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// A region whose bytes are read.
pub(crate) fn read_region(file: &(impl File + ?Sized), range: Range<u64>) -> io::Result<Region> {
    let len = range.end.saturating_sub(range.start);
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    Ok(Region::owned(file.read_vec_at(len, range.start)?))
}

/// The time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock. May jump either way.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment; never falls.
    fn monotonic(&self) -> Duration;
}

/// Random numbers.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
