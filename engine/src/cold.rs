//! The door to files that are in the archive only. The engine knows no object store: whoever opens a
//! store gives it something that reads them.
//!
//! - `C1` what comes through the door is foreign: it is verified by the checksums of its format, as what
//!   comes from a disk is.
//! - `C2` whoever reads may wait for long: nothing is read under a lock.
//! - `C3` what is kept on the disk of a file goes with the file: at once if an exact purge took it, with its last
//!   reader otherwise, and at the latest when the store is opened.
//! - `C4` what comes damaged is let go and fetched anew, once: the object may be sound, and only what came of it
//!   not. Only then it is damage.

use crate::error::{Error, ErrorKind, Result as EngineResult};
use crate::io::File;
use crate::scan::Reader;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A file that left the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdFile {
    /// The store's uuid.
    pub store: [u8; 16],
    /// Its path within the store, as [`crate::SealedFile::name`] has it.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// BLAKE3 of all its bytes.
    pub blake3: [u8; 32],
}

/// Reads files that left the disk.
pub trait ColdFiles: Send + Sync + fmt::Debug {
    /// Fills `buf` from `offset` of a file; the caller has checked that it lies in the file. Waits for
    /// the archive, but not once `patience` is over, which is to be looked at every now and then. It may be over
    /// from the start: then only what is kept here is given.
    ///
    /// # Errors
    /// Why the archive can't give it now.
    fn read_at(
        &self,
        file: &ColdFile,
        offset: u64,
        buf: &mut [u8],
        patience: &Patience,
    ) -> Result<Came, ColdAway>;

    /// Begins to fetch ranges of files that are about to be read, as far as it keeps what it fetches; nobody
    /// waits for it. What is on its way is given up with the answer.
    fn prefetch(&self, _ranges: &[(&ColdFile, Range<u64>)]) -> Ahead {
        Ahead::default()
    }

    /// Bytes that it keeps on the disk: they count as the store's.
    fn disk_bytes(&self) -> u64 {
        0
    }

    /// Frees so many of them, or all that there are: the store needs the room. Returns how many.
    fn free_disk(&self, _bytes: u64) -> u64 {
        0
    }

    /// Removes what it keeps of a file, by the BLAKE3 of all its bytes. What is being read of it meanwhile is
    /// not kept.
    fn forget(&self, _blake3: &[u8; 32]) {}

    /// Removes what it keeps of all files but these: the store is being opened, and has no others.
    fn keep_only(&self, _live: &BTreeSet<[u8; 32]>) {}

    /// So many bytes of the disk are to stay free, whatever it would keep: told when a store is opened.
    fn keep_free(&self, _bytes: u64) {}
}

/// Ranges that are fetched ahead; dropping it gives up what has not come yet.
#[derive(Default)]
pub struct Ahead {
    came: Came,
    _underway: Option<Box<dyn Send>>,
}

impl Ahead {
    /// What is fetched, and what gives it up when it is dropped.
    pub fn of(underway: impl Send + 'static, came: Came) -> Self {
        Self { came, _underway: Some(Box::new(underway)) }
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("came", &self.came).finish_non_exhaustive()
    }
}

/// What a read took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Came {
    /// Bytes that were kept on this machine.
    pub cached: u64,
    /// Bytes that were fetched from the archive, for this read and ahead of it.
    pub fetched: u64,
    /// The requests for them.
    pub requests: u64,
}

/// How long somebody waits for the archive.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    reader: Option<Arc<Reader>>,
    /// The monotonic time at which a query goes on without this read.
    until: Option<Duration>,
}

impl Patience {
    /// As long as it takes.
    pub fn endless() -> Self {
        Self::default()
    }

    /// As long as a query can spare for a read, and somebody waits for it.
    pub(crate) fn of(reader: Option<Arc<Reader>>) -> Self {
        let until = reader.as_ref().and_then(|reader| reader.waits_until());
        Self { reader, until }
    }

    /// Whether nobody waits any more.
    pub fn is_over(&self) -> bool {
        let reader = self.reader.as_ref();
        let is_late = reader.zip(self.until).is_some_and(|(reader, until)| reader.now() >= until);
        is_late || self.check().is_err()
    }

    /// Whether that is so because nobody wants it any more, and not because it took too long.
    pub fn is_cancelled(&self) -> bool {
        self.check().is_err_and(|error| error.kind() == ErrorKind::Cancelled)
    }

    /// Why the query that waits is over, if it is.
    pub(crate) fn check(&self) -> EngineResult<()> {
        self.reader.as_ref().map_or(Ok(()), |reader| reader.check())
    }
}

/// Fills `buf` for the query that this thread runs, which leaves its turn to others meanwhile.
pub(crate) fn read(
    archive: &dyn ColdFiles,
    file: &ColdFile,
    offset: u64,
    buf: &mut [u8],
) -> io::Result<()> {
    let reader = crate::scan::reader();
    let patience = Patience::of(reader.clone());
    let paused = reader.as_ref().and_then(|reader| reader.pause());
    let began = reader.as_ref().map(|reader| reader.now());
    let came = archive.read_at(file, offset, buf, &patience);
    drop(paused);
    match came {
        Ok(came) => {
            if let Some(reader) = reader {
                reader.came(came);
            }
            Ok(())
        }
        Err(away) => {
            if let Some((reader, began)) = reader.zip(began) {
                reader.waited_in_vain(reader.now().saturating_sub(began));
            }
            // That the query was over is more of a reason than what was given up for it.
            patience.check().map_err(io::Error::other)?;
            Err(io::Error::other(away))
        }
    }
}

/// Begins to fetch ranges for the query that this thread runs.
pub(crate) fn prefetch(archive: &dyn ColdFiles, ranges: &[(&ColdFile, Range<u64>)]) -> Ahead {
    let ahead = archive.prefetch(ranges);
    if let Some(reader) = crate::scan::reader() {
        reader.came(ahead.came);
    }
    ahead
}

/// Reads and verifies something of a file; once more, if it is damaged and came from the archive (`C4`).
pub(crate) fn verified<T>(
    file: &dyn File,
    mut read: impl FnMut() -> EngineResult<T>,
) -> EngineResult<T> {
    match read() {
        Err(error) if error.kind() == ErrorKind::Corrupt && file.mistrust() => read(),
        done => done,
    }
}

/// Why a query ended while it waited for the archive, if that is why something could not be read.
pub(crate) fn end_of_query(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Why the archive can't give something now: it can't be reached, refuses, or has lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdAway(String);

impl ColdAway {
    /// `reason` is for people.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// Whether this is why something could not be read.
    pub(crate) fn is_cause(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for ColdAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ColdAway {}

/// For whoever has no archive.
#[derive(Debug)]
pub(crate) struct NoArchive;

impl ColdFiles for NoArchive {
    fn read_at(&self, _: &ColdFile, _: u64, _: &mut [u8], _: &Patience) -> Result<Came, ColdAway> {
        let reason = "it is in the archive only, and none is set (archive.url)";
        Err(ColdAway::new(reason))
    }
}
