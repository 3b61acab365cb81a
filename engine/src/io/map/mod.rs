//! Files mapped into memory, guarded: a page that can't be read is an error, never the end of the
//! process.

mod guard;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::ops::Range;
use table::Table;

/// Mappings at a time. What comes beyond is read instead. A process may have 65,530 by default.
const MAPPINGS_MAX: usize = 4_096;

/// Bytes that are asked for at a time: of more, some disks' settings have the system leave the rest out.
const AHEAD_BYTES: usize = 128 << 10;

static TABLE: Table<MAPPINGS_MAX> = Table::new();

/// A range of a file that is mapped, and known to the guard as long as it is.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Leaves the table before the memory is unmapped: fields are dropped in this order.
    entry: Entry,
    map: memmap2::Mmap,
}

/// A place in the table.
#[derive(Debug)]
struct Entry(usize);

impl Drop for Entry {
    fn drop(&mut self) {
        TABLE.remove(self.0);
    }
}

impl Mapping {
    /// Maps a range that the file has; `None` if it has to be read instead: there are too many
    /// mappings, or the file system knows none.
    #[expect(clippy::disallowed_types, unsafe_code, reason = "the door to disk; mapping is unsafe")]
    pub(super) fn new(file: &fs::File, range: &Range<u64>) -> Option<Self> {
        let page_bytes = guard::install()?;
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let mut options = memmap2::MmapOptions::new();
        // SAFETY: the bytes are those of a file that this program writes once and never again
        // (callers of `File::region` promise it; the store's lock keeps other processes of ours
        // out). If someone else shortens the file, reads of pages beyond its end see zeros by the guard,
        // and `is_intact` says so; the rest of the page in which it ends is zeros without a fault, which only
        // a checksum, or the file's length (`mistrust`), tells; if someone else writes into it, bytes change under a shared
        // reference, which readers must survive as they survive damage: all of them decode bytes
        // that may be anything, without `unsafe`. A checksum was compared once: what changes after that can
        // end a query, or give it another answer, and nothing worse.
        let map = unsafe { options.offset(range.start).len(len).map(file) }.ok()?;
        // Else the system reads as much around each page that is missing as it is set to, up to many MiB.
        let _ = map.advise(memmap2::Advice::Random);
        // The mapping has whole pages: it begins before its first byte and ends behind its last.
        let start = map.as_ptr().expose_provenance();
        let pages = start & !(page_bytes - 1)..(start + len).next_multiple_of(page_bytes);
        let entry = Entry(TABLE.insert(&pages)?);
        Some(Self { entry, map })
    }

    /// The bytes; zeros where they could not be read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Lets the system read a range of it, as far as it is not in memory: else each page that is touched is read
    /// alone, and waited for.
    pub(super) fn will_need(&self, range: &Range<usize>) {
        for start in range.clone().step_by(AHEAD_BYTES) {
            let len = AHEAD_BYTES.min(range.end - start);
            // Advice: without it the bytes come when they are read.
            let _ = self.map.advise_range(memmap2::Advice::WillNeed, start, len);
        }
    }

    /// Makes it one whose bytes were not all the file's.
    pub(super) fn mistrust(&self) {
        TABLE.fault_at(self.bytes().as_ptr().addr());
    }

    /// Whether every byte that was read so far was the file's.
    pub(super) fn is_intact(&self) -> bool {
        // What was read before this call stays before it: a handler that ran because of it ran on
        // this thread, and one of another thread set the mark before the zeros were there (G2).
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        !TABLE.has_faulted(self.entry.0)
    }
}
