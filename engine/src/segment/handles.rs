//! Open handles of files, bounded in number: a store has more files than a process may
//! hold open.

use crate::cold::{self, Ahead, ColdFile, ColdFiles, NoArchive};
use crate::crypt::Keyring;
use crate::error::{Error, Result};
use crate::io::{File, FileBytes, Region, RegionBytes, Storage, read_region};
use crate::scan::read_here;
use quick_cache::sync::Cache;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Of mapped bytes so many are asked for before they are read: what is less lies on two pages at most.
const AHEAD_BYTES_MIN: usize = 4 << 10;

/// Open handles of all files of a store; those least used are closed.
#[derive(Debug)]
pub(crate) struct Handles {
    storage: Arc<dyn Storage>,
    cold: Arc<dyn ColdFiles>,
    open: Cache<Arc<Path>, Arc<dyn File>>,
}

/// A file that is open only while it is used. It is either here or in the archive, and that never changes.
#[derive(Debug)]
pub(crate) struct LazyFile {
    handles: Arc<Handles>,
    path: Arc<Path>,
    /// What the archive knows it by, if it is there only.
    cold: Option<ColdFile>,
}

impl Handles {
    /// At most `files_open_max` handles, of a store that is all on this machine.
    pub(crate) fn new(storage: Arc<dyn Storage>, files_open_max: usize) -> Self {
        Self::with_cold(storage, Arc::new(NoArchive), files_open_max)
    }

    /// The same; `cold` reads what is not.
    pub(crate) fn with_cold(
        storage: Arc<dyn Storage>,
        cold: Arc<dyn ColdFiles>,
        files_open_max: usize,
    ) -> Self {
        Self { storage, cold, open: Cache::new(files_open_max) }
    }

    /// The file at a path, which is opened when it is read; or one of the archive, if that is said.
    pub(crate) fn file(self: &Arc<Self>, path: &Arc<Path>, cold: Option<ColdFile>) -> LazyFile {
        let (handles, path) = (Arc::clone(self), Arc::clone(path));
        LazyFile { handles, path, cold }
    }

    /// Closes the file at a path and removes it.
    pub(crate) fn remove(&self, path: &Arc<Path>) -> io::Result<()> {
        self.open.remove(path);
        self.storage.remove(path)
    }

    /// Bytes that are kept on the disk of what is not.
    pub(crate) fn cold_bytes(&self) -> u64 {
        self.cold.disk_bytes()
    }

    /// Frees so many of them, if there are as many. Returns how many.
    pub(crate) fn free_cold(&self, bytes: u64) -> u64 {
        self.cold.free_disk(bytes)
    }

    /// Lets go what is kept of files that are in the archive only, but for these.
    pub(crate) fn keep_cold(&self, live: &BTreeSet<[u8; 32]>) {
        self.cold.keep_only(live);
    }

    /// Begins to fetch ranges of files that are in the archive only.
    pub(crate) fn prefetch(&self, ranges: &[(&ColdFile, Range<u64>)]) -> Ahead {
        cold::prefetch(&*self.cold, ranges)
    }

    /// The keys of the store's files.
    pub(crate) fn keys(&self) -> Option<Arc<Keyring>> {
        self.storage.keys().cloned()
    }

    fn get(&self, path: &Arc<Path>) -> io::Result<Arc<dyn File>> {
        self.open.get_or_insert_with(path, || self.storage.open(path))
    }
}

impl LazyFile {
    /// Opens the file, so that one that is missing is told from one that is damaged.
    pub(crate) fn check(&self) -> Result<()> {
        self.place().map(drop).map_err(|e| Error::io("open", &self.path, e))
    }

    /// Whether it is in the archive only.
    pub(crate) fn is_evicted(&self) -> bool {
        self.cold.is_some()
    }

    /// What the archive knows it by, if it is there only.
    pub(crate) fn cold(&self) -> Option<&ColdFile> {
        self.cold.as_ref()
    }

    /// Lets go what is kept on the disk of a file that is in the archive only.
    pub(crate) fn forget_cold(&self) {
        if let Some(cold) = self.cold() {
            self.handles.cold.forget(&cold.blake3);
        }
    }

    fn place(&self) -> io::Result<Kept<'_>> {
        match &self.cold {
            Some(cold) => Ok(Kept::Cold(cold)),
            None => self.handles.get(&self.path).map(Kept::Local),
        }
    }

    /// A range of the file where that is mapped, if it is and has the range.
    fn mapped_range(&self, range: Range<u64>) -> Option<(RegionBytes, Range<usize>)> {
        let Ok(Kept::Local(file)) = self.place() else { return None };
        let bytes = file.mapped()?;
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        (range.start <= range.end && range.end <= bytes.len()).then_some((bytes, range))
    }

    fn read_cold(&self, cold: &ColdFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let there = usize::try_from(cold.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buf.len().min(there);
        let buf = &mut buf[..len];
        if len > 0 {
            cold::read(&*self.handles.cold, cold, offset, buf)?;
        }
        Ok(len)
    }
}

/// Where a file is read.
enum Kept<'a> {
    Local(Arc<dyn File>),
    Cold(&'a ColdFile),
}

impl File for LazyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.place()? {
            Kept::Local(file) => file.read_at(buf, offset).inspect(|read| read_here(*read)),
            Kept::Cold(cold) => self.read_cold(cold, buf, offset),
        }
    }

    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        match self.place()? {
            Kept::Local(file) => {
                file.read_vec_at(len, offset).inspect(|bytes| read_here(bytes.len()))
            }
            Kept::Cold(_) => {
                let mut bytes = vec![0; len];
                self.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }
        }
    }

    fn bytes_at(&self, len: usize, offset: u64) -> io::Result<FileBytes> {
        match self.mapped_range(offset..offset.saturating_add(len as u64)) {
            Some((bytes, range)) => {
                read_here(len);
                if len >= AHEAD_BYTES_MIN {
                    bytes.will_need(&range);
                }
                Ok(FileBytes::Mapped(bytes, range))
            }
            None => self.read_vec_at(len, offset).map(FileBytes::Read),
        }
    }

    fn will_need(&self, range: Range<u64>) {
        if let Some((bytes, range)) = self.mapped_range(range) {
            bytes.will_need(&range);
        }
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        match self.place()? {
            Kept::Local(file) => file.len(),
            Kept::Cold(cold) => Ok(cold.len),
        }
    }

    fn mistrust(&self) -> bool {
        self.forget_cold();
        self.is_evicted()
    }

    fn region(&self, range: Range<u64>) -> io::Result<Region> {
        match self.place()? {
            Kept::Local(file) => file.region(range),
            // As is done where nothing can be mapped.
            Kept::Cold(_) => read_region(self, range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{FileStorage, MemoryStorage};

    #[test]
    fn more_files_than_handles_can_all_be_read() {
        let storage = MemoryStorage::new();
        let paths: Vec<Arc<Path>> =
            (0..50u8).map(|n| Arc::from(Path::new(&format!("f{n}")))).collect();
        for (number, path) in paths.iter().enumerate() {
            storage.overwrite(path, vec![number as u8; 3]);
        }
        let handles = Arc::new(Handles::new(Arc::new(storage), 4));
        let files: Vec<_> = paths.iter().map(|path| handles.file(path, None)).collect();
        for _ in 0..2 {
            for (number, file) in files.iter().enumerate() {
                let mut bytes = [0; 3];
                file.read_exact_at(&mut bytes, 0).unwrap();
                assert_eq!(bytes, [number as u8; 3]);
                assert!(handles.open.len() <= 4, "{} handles", handles.open.len());
            }
        }
        let missing = handles.file(&Arc::from(Path::new("missing")), None);
        assert!(missing.check().unwrap_err().to_string().contains("missing"));
    }

    #[test]
    fn mapped_bytes_are_those_that_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..100_000u32).map(|at| ((at * 31) >> 3) as u8).collect();
        let paths = [("large", &bytes[..]), ("small", &bytes[..9_000])].map(|(name, bytes)| {
            let path: Arc<Path> = dir.path().join(name).into();
            FileStorage::default().create(&path).unwrap().write_all_at(bytes, 0).unwrap();
            path
        });
        for mmap in [true, false] {
            let handles = Arc::new(Handles::new(Arc::new(FileStorage { mmap }), 4));
            let [large, small] = paths.each_ref().map(|path| handles.file(path, None));
            for (file, len, is_mapped) in [(&large, 100_000, mmap), (&small, 9_000, false)] {
                for range in [0..len, 1..2, len - 1..len, 3_000..8_999, len..len] {
                    let found = file.bytes_at(range.len(), range.start as u64).unwrap();
                    assert_eq!(found[..], bytes[range.clone()]);
                    assert_eq!(matches!(found, FileBytes::Mapped(..)), is_mapped, "{range:?}");
                    file.will_need(range.start as u64..range.end as u64);
                }
                for (count, at) in [(2, len - 1), (1, len), (1, usize::MAX - 7)] {
                    assert!(file.bytes_at(count, at as u64).is_err(), "{count} at {at}");
                    file.will_need(at as u64..u64::MAX);
                }
            }
        }
    }
}
