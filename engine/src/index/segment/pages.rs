//! Pages of an index part: verified by their checksums when they are first touched.
//!
//! - `G1` No byte is given to anyone before the checksum of its page was found right.
//! - `G2` Of a part that is not on this machine, or that is encrypted, only the pages that are asked for are
//!   read, each time anew.

use super::IndexCounts;
use crate::cold;
use crate::error::{Corruption, Error, Result};
use crate::io::{File, Region};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a page at most.
pub(super) const PAGE_BYTES: usize = 64 << 10;

/// The bytes of an index part.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// All of them, in memory or mapped.
    Here(Region),
    /// In a file, to be read as they are needed: the part begins at `start` and has `len` bytes.
    There { file: Arc<dyn File>, start: u64, len: usize },
}

/// Where the bytes of an index part are, and in which file they are, for messages.
#[derive(Debug, Clone)]
pub(super) struct Bytes {
    pub(super) kept: Kept,
    pub(super) path: Arc<Path>,
    pub(super) offset: u64,
    pub(super) counts: IndexCounts,
}

/// Pages, one behind the other.
#[derive(Debug)]
pub(super) struct Pages {
    bytes: Bytes,
    what: &'static str,
    pages: Box<[Page]>,
}

#[derive(Debug)]
struct Page {
    /// In the part.
    range: Range<usize>,
    crc: u32,
    is_verified: AtomicBool,
}

impl Kept {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Here(region) => region.len(),
            Self::There { len, .. } => *len,
        }
    }

    /// Whether what was verified once stays as it is.
    fn stays(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// Lets the system read a range of them ahead, if it is what reads them.
    pub(super) fn will_need(&self, range: &Range<usize>) {
        if let Self::Here(region) = self {
            region.will_need(range);
        }
    }

    /// Runs `work` on a range of the bytes; `None` if it lies outside of them.
    pub(super) fn read<T>(
        &self,
        range: Range<usize>,
        work: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<Option<T>> {
        match self {
            Self::Here(region) => region.read(|bytes| bytes.get(range).map(work)),
            Self::There { len, .. } if range.start > range.end || range.end > *len => Ok(None),
            Self::There { file, start, .. } => {
                let mut bytes = vec![0; range.len()];
                file.read_exact_at(&mut bytes, start.saturating_add(range.start as u64))?;
                Ok(Some(work(&bytes)))
            }
        }
    }
}

impl From<Region> for Kept {
    fn from(region: Region) -> Self {
        Self::Here(region)
    }
}

impl Bytes {
    pub(super) fn corrupt(
        &self,
        what: &'static str,
        at: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Corruption {
        Corruption {
            file: self.path.to_path_buf(),
            offset: self.offset.saturating_add(at as u64),
            what,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Runs `work` on a range of the part.
    pub(super) fn read<T>(&self, range: Range<usize>, work: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let read = self.kept.read(range.clone(), work);
        match read.map_err(|e| Error::io("read", &self.path, e))? {
            Some(done) => Ok(done),
            None => {
                let expected = format!("{} bytes", range.len());
                let found = format!("{} bytes in all", self.kept.len());
                Err(self.corrupt("segment index", range.start, expected, found).into())
            }
        }
    }
}

impl Pages {
    /// Pages of these lengths and checksums, from byte `start` of the part on.
    pub(super) fn new(
        bytes: Bytes,
        what: &'static str,
        start: usize,
        pages: impl IntoIterator<Item = (usize, u32)>,
    ) -> Self {
        let mut at = start;
        let pages = pages.into_iter().map(|(len, crc)| {
            let range = at..at + len;
            at = range.end;
            Page { range, crc, is_verified: AtomicBool::new(false) }
        });
        Self { pages: pages.collect(), bytes, what }
    }

    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// The bytes that they take on the heap, without those of the part.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.pages)
    }

    /// Where a page is in the part, if it is one.
    pub(super) fn place(&self, index: usize) -> Option<Range<usize>> {
        self.pages.get(index).map(|page| page.range.clone())
    }

    /// Where the pages' bytes are, for messages.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Lets the system read those of these pages ahead that were never touched.
    pub(super) fn will_need(&self, pages: Range<usize>) {
        let is_new = |page: &&Page| !page.is_verified.load(Ordering::Relaxed);
        let pages = self.pages.get(pages).unwrap_or_default();
        let mut pages = pages.iter().filter(is_new);
        let Some(first) = pages.next() else { return };
        self.bytes.kept.will_need(&(first.range.start..pages.last().unwrap_or(first).range.end));
    }

    /// Runs `work` on a page; it also gets the page's place in the part.
    pub(super) fn with<T>(&self, index: usize, work: impl FnOnce(&[u8], usize) -> T) -> Result<T> {
        let page = &self.pages[index];
        let start = page.range.start;
        let mut work = Some(work);
        let mut verified = |bytes: &[u8]| {
            if !self.bytes.kept.stays() || !page.is_verified.load(Ordering::Relaxed) {
                let crc = crc32fast::hash(bytes);
                if crc != page.crc {
                    let (expected, found) = (format!("CRC {:08x}", page.crc), format!("{crc:08x}"));
                    return Err(self.bytes.corrupt(self.what, start, expected, found).into());
                }
                if !page.is_verified.swap(true, Ordering::Relaxed) {
                    self.bytes.counts.add_new_page();
                }
            }
            let work = work.take().expect("it is read again only if this was not reached");
            Ok(work(bytes, start))
        };
        match &self.bytes.kept {
            Kept::Here(_) => {
                self.will_need(index..index + 1);
                self.bytes.read(page.range.clone(), verified)?
            }
            Kept::There { file, .. } => {
                cold::verified(&**file, || self.bytes.read(page.range.clone(), &mut verified)?)
            }
        }
    }

    /// Verifies every page.
    pub(super) fn verify(&self) -> Result<()> {
        (0..self.len()).try_for_each(|index| self.with(index, |_, _| ()))
    }
}

/// Lengths and checksums of `bytes` in pages of [`PAGE_BYTES`].
pub(super) fn crcs(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks(PAGE_BYTES).map(crc32fast::hash)
}
