//! A disk in memory, for tests: what was not synced can be lost on demand.

mod contents;
#[cfg(test)]
mod tests;

use super::{File, Lock, Space, Storage};
use contents::Contents;
pub use contents::Unit;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A disk in memory. [`MemoryStorage::power_cut`] and [`MemoryStorage::crash`] give the disk as it
/// could be after one; a clone is the same disk, as a process that was killed leaves it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    /// What programs see.
    files: BTreeMap<PathBuf, Arc<MemoryFile>>,
    /// The directory entries that are synced.
    durable: BTreeMap<PathBuf, Arc<MemoryFile>>,
    /// What happened to names since, oldest first.
    unsynced: Vec<Change>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    /// The size that it claims to have.
    capacity: Option<u64>,
}

/// A change of the names in a directory that is not synced.
#[derive(Debug)]
enum Change {
    Created(PathBuf, Arc<MemoryFile>),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
}

#[derive(Debug, Default)]
pub(super) struct MemoryFile {
    contents: Mutex<Contents>,
}

impl Change {
    fn dir(&self) -> Option<&Path> {
        let (Self::Created(path, _) | Self::Renamed(_, path) | Self::Removed(path)) = self;
        path.parent()
    }

    /// The names that it changes.
    fn names(&self) -> impl Iterator<Item = &Path> {
        let (from, to) = match self {
            Self::Created(path, _) | Self::Removed(path) => (None, path),
            Self::Renamed(from, to) => (Some(from), to),
        };
        from.into_iter().chain([to]).map(PathBuf::as_path)
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Arc<MemoryFile>>) {
        match self {
            Self::Created(path, file) => {
                names.insert(path.clone(), Arc::clone(file));
            }
            Self::Renamed(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Removed(path) => {
                names.remove(path);
            }
        }
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.lock().locks.remove(&self.path);
    }
}

impl MemoryStorage {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk after a power cut: names and contents as they were last synced. This disk is
    /// unchanged. Nothing is locked on the new one.
    pub fn power_cut(&self) -> Self {
        self.crash(|| false)
    }

    /// [`MemoryStorage::crash_by`] sector.
    pub fn crash(&self, keep: impl FnMut() -> bool) -> Self {
        self.crash_by(Unit::Sector, keep)
    }

    /// The disk after a power cut that caught the system writing back. `keep` is asked for every
    /// change of a name that is not synced: one is lost if an earlier change of the same names was,
    /// otherwise in any order. It is asked for every unit that is not synced, for its contents now
    /// and, if these are lost, for those that it had before, back to the last sync.
    pub fn crash_by(&self, unit: Unit, mut keep: impl FnMut() -> bool) -> Self {
        let disk = self.disk.lock();
        let mut names = disk.durable.clone();
        let mut lost: BTreeSet<&Path> = BTreeSet::new();
        for change in &disk.unsynced {
            if change.names().all(|name| !lost.contains(name)) && keep() {
                change.apply(&mut names);
            } else {
                lost.extend(change.names());
            }
        }
        let mut crash = |file: &MemoryFile| {
            let contents = Contents::synced(file.contents.lock().crash(unit, &mut keep));
            Arc::new(MemoryFile { contents: Mutex::new(contents) })
        };
        let files: BTreeMap<_, _> =
            names.iter().map(|(path, file)| (path.clone(), crash(file))).collect();
        let after =
            Disk { durable: files.clone(), files, dirs: disk.dirs.clone(), ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(after)) }
    }

    /// Another disk like this one, with what is not synced.
    pub fn copy(&self) -> Self {
        let disk = self.disk.lock();
        let mut copies: BTreeMap<*const MemoryFile, Arc<MemoryFile>> = BTreeMap::new();
        let mut copy = |file: &Arc<MemoryFile>| {
            let copied = copies.entry(Arc::as_ptr(file)).or_insert_with(|| {
                let contents = file.contents.lock().clone();
                Arc::new(MemoryFile { contents: Mutex::new(contents) })
            });
            Arc::clone(copied)
        };
        let files = disk.files.iter().map(|(path, file)| (path.clone(), copy(file))).collect();
        let durable = disk.durable.iter().map(|(path, file)| (path.clone(), copy(file))).collect();
        let unsynced = disk.unsynced.iter().map(|change| match change {
            Change::Created(path, file) => Change::Created(path.clone(), copy(file)),
            Change::Renamed(from, to) => Change::Renamed(from.clone(), to.clone()),
            Change::Removed(path) => Change::Removed(path.clone()),
        });
        let unsynced = unsynced.collect();
        let (dirs, capacity) = (disk.dirs.clone(), disk.capacity);
        let copied = Disk { files, durable, unsynced, dirs, capacity, ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(copied)) }
    }

    /// Sets the size that [`Storage::space`] tells; `None` is endless. Writes beyond it succeed:
    /// whoever heeds the space that is left never makes them.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk.lock().capacity = bytes;
    }

    /// The bytes of all files as programs see them.
    pub fn bytes(&self) -> u64 {
        let disk = self.disk.lock();
        disk.files.values().map(|file| file.contents.lock().now().len() as u64).sum()
    }

    /// The bytes of a file as programs see them.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let file = self.disk.lock().files.get(path).cloned()?;
        let bytes = file.contents.lock().now().to_vec();
        Some(bytes)
    }

    /// Replaces the bytes of a file, synced, as damage would.
    pub fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let mut disk = self.disk.lock();
        let file = Arc::new(MemoryFile { contents: Mutex::new(Contents::synced(bytes)) });
        disk.files.insert(path.to_owned(), Arc::clone(&file));
        disk.durable.insert(path.to_owned(), file);
    }

    /// Every file, in order of its path.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.disk.lock().files.keys().cloned().collect()
    }

    pub(super) fn create_file(&self, path: &Path) -> io::Result<Arc<MemoryFile>> {
        let mut disk = self.disk.lock();
        if !path.parent().is_some_and(|dir| disk.dirs.contains(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if disk.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        disk.files.insert(path.to_owned(), Arc::clone(&file));
        disk.unsynced.push(Change::Created(path.to_owned(), Arc::clone(&file)));
        Ok(file)
    }

    pub(super) fn open_file(&self, path: &Path) -> io::Result<Arc<MemoryFile>> {
        let file = self.disk.lock().files.get(path).cloned();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl MemoryFile {
    /// What a failed sync does: pages count as written, and are what a crash would leave of them.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn fail_sync(&self, keep: impl FnMut() -> bool) {
        self.contents.lock().fail_sync(keep);
    }
}

impl Storage for MemoryStorage {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.dirs.extend(path.ancestors().map(PathBuf::from));
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.create_file(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.open_file(path)?)
    }

    fn open_for_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.open_file(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let file = disk.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.files.insert(to.to_owned(), file);
        disk.unsynced.push(Change::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.files.remove(path).ok_or(io::ErrorKind::NotFound)?;
        disk.unsynced.push(Change::Removed(path.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk.lock();
        if !disk.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = disk.files.keys().filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let Disk { files, durable, unsynced, .. } = &mut *disk;
        unsynced.retain(|change| change.dir() != Some(dir));
        durable.retain(|path, _| path.parent() != Some(dir));
        let inside = files.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable.extend(inside.map(|(path, file)| (path.clone(), Arc::clone(file))));
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let disk = self.disk.lock();
        let used = disk.files.values().map(|file| file.contents.lock().now().len() as u64).sum();
        let total = disk.capacity.unwrap_or(u64::MAX);
        Ok(Space { free: total.saturating_sub(used), total })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut disk = self.disk.lock();
        if !disk.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock { disk: Arc::clone(&self.disk), path: path.to_owned() }))
    }
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.contents.lock().read(buf, offset))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.contents.lock().write(bytes, start);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.contents.lock().sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.contents.lock().now().len() as u64)
    }
}
