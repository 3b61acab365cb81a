//! Open handles of files, bounded in number: a store has more files than a process may
//! hold open.

use crate::error::{Error, Result};
use crate::io::{File, Region, Storage};
use quick_cache::sync::Cache;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Open handles of all files of a store; those least used are closed.
#[derive(Debug)]
pub(crate) struct Handles {
    storage: Arc<dyn Storage>,
    open: Cache<Arc<Path>, Arc<dyn File>>,
}

/// A file that is open only while it is used.
#[derive(Debug)]
pub(crate) struct LazyFile {
    handles: Arc<Handles>,
    path: Arc<Path>,
}

impl Handles {
    /// At most `files_open_max` handles.
    pub(crate) fn new(storage: Arc<dyn Storage>, files_open_max: usize) -> Self {
        Self { storage, open: Cache::new(files_open_max) }
    }

    /// The file at a path, which is opened when it is read.
    pub(crate) fn file(self: &Arc<Self>, path: &Arc<Path>) -> LazyFile {
        LazyFile { handles: Arc::clone(self), path: Arc::clone(path) }
    }

    /// Closes the file at a path and removes it.
    pub(crate) fn remove(&self, path: &Arc<Path>) -> io::Result<()> {
        self.open.remove(path);
        self.storage.remove(path)
    }

    fn get(&self, path: &Arc<Path>) -> io::Result<Arc<dyn File>> {
        self.open.get_or_insert_with(path, || self.storage.open(path))
    }
}

impl LazyFile {
    /// Opens the file, so that one that is missing is told from one that is damaged.
    pub(crate) fn check(&self) -> Result<()> {
        self.handles.get(&self.path).map(drop).map_err(|e| Error::io("open", &self.path, e))
    }
}

impl File for LazyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.handles.get(&self.path)?.read_at(buf, offset)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        self.handles.get(&self.path)?.len()
    }

    fn region(&self, range: Range<u64>) -> io::Result<Region> {
        self.handles.get(&self.path)?.region(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryStorage;

    #[test]
    fn more_files_than_handles_can_all_be_read() {
        let storage = MemoryStorage::new();
        let paths: Vec<Arc<Path>> =
            (0..50u8).map(|n| Arc::from(Path::new(&format!("f{n}")))).collect();
        for (number, path) in paths.iter().enumerate() {
            storage.overwrite(path, vec![number as u8; 3]);
        }
        let handles = Arc::new(Handles::new(Arc::new(storage), 4));
        let files: Vec<_> = paths.iter().map(|path| handles.file(path)).collect();
        for _ in 0..2 {
            for (number, file) in files.iter().enumerate() {
                let mut bytes = [0; 3];
                file.read_exact_at(&mut bytes, 0).unwrap();
                assert_eq!(bytes, [number as u8; 3]);
                assert!(handles.open.len() <= 4, "{} handles", handles.open.len());
            }
        }
        let missing = handles.file(&Arc::from(Path::new("missing")));
        assert!(missing.check().unwrap_err().to_string().contains("missing"));
    }
}
