//! The bytes of a file: what programs see, what is on the disk, and what was on its way there.

use std::collections::BTreeMap;
use std::ops::Range;

/// The unit in which the page cache writes a file back.
pub(super) const PAGE: usize = 4_096;
/// The unit that a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
/// As many contents of a page are remembered between two syncs.
const VERSIONS_MAX: usize = 8;

/// What survives a crash whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 512 bytes.
    Sector,
    /// 4 KiB.
    Page,
}

impl Unit {
    fn bytes(self) -> usize {
        match self {
            Self::Sector => SECTOR,
            Self::Page => PAGE,
        }
    }
}

#[derive(Debug, Default, Clone)]
pub(super) struct Contents {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// The pages that a sync has to write, with what they held since the last one, oldest first:
    /// each may have been written back meanwhile.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Contents {
    /// What is on the disk and nowhere else.
    pub(super) fn synced(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), synced: bytes, dirty: BTreeMap::new() }
    }

    /// What programs see.
    pub(super) fn now(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.now.len());
        let len = buf.len().min(self.now.len() - start);
        buf[..len].copy_from_slice(&self.now[start..start + len]);
        len
    }

    pub(super) fn write(&mut self, bytes: &[u8], start: usize) {
        let end = start + bytes.len();
        for page in start / PAGE..end.div_ceil(PAGE) {
            match self.dirty.get_mut(&page) {
                None => drop(self.dirty.insert(page, Vec::new())),
                Some(versions) if versions.len() < VERSIONS_MAX => {
                    versions.push(page_of(&self.now, page).to_vec());
                }
                Some(_) => {}
            }
        }
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[start..end].copy_from_slice(bytes);
    }

    pub(super) fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty).into_keys() {
            put(&mut self.synced, page * PAGE, page_of(&self.now, page));
        }
    }

    /// What a failed sync does: pages count as written, and are what a crash would leave of them.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn fail_sync(&mut self, mut keep: impl FnMut() -> bool) {
        self.synced = self.crash(Unit::Page, &mut keep);
        self.dirty.clear();
    }

    /// What a crash leaves (see `MemoryStorage::crash_by`).
    pub(super) fn crash(&self, unit: Unit, keep: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut after = self.synced.clone();
        for (page, versions) in &self.dirty {
            for start in (0..PAGE).step_by(unit.bytes()) {
                let piece = start..start + unit.bytes();
                let newest_first = std::iter::once(page_of(&self.now, *page))
                    .chain(versions.iter().rev().map(|v| &**v));
                let mut pieces = newest_first.map(|bytes| piece_of(bytes, &piece));
                if let Some(kept) = pieces.find(|_| keep()) {
                    put(&mut after, page * PAGE + start, kept);
                }
            }
        }
        after
    }
}

/// The bytes of a page; fewer at the end of the file.
fn page_of(bytes: &[u8], page: usize) -> &[u8] {
    piece_of(bytes, &(page * PAGE..(page + 1) * PAGE))
}

/// The part of a range that there is.
fn piece_of<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    &bytes[range.start.min(bytes.len())..range.end.min(bytes.len())]
}

fn put(to: &mut Vec<u8>, start: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = start + bytes.len();
    to.resize(to.len().max(end), 0);
    to[start..end].copy_from_slice(bytes);
}
