//! Disk, clock and chance in memory, for tests: what was not synced can be lost on demand.

use super::{Clock, Entropy, File, Lock, Space, Storage};
use crate::timestamp::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The unit in which the page cache writes a file back.
const PAGE: usize = 4_096;
/// The unit that a disk writes whole or not at all.
const SECTOR: usize = 512;

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

#[derive(Debug, Default)]
struct Contents {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// The pages that a sync has to write.
    dirty: BTreeSet<usize>,
}

impl Change {
    fn dir(&self) -> Option<&Path> {
        let (Self::Created(path, _) | Self::Renamed(_, path) | Self::Removed(path)) = self;
        path.parent()
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

impl Contents {
    fn synced(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), synced: bytes, dirty: BTreeSet::new() }
    }

    /// Copies a piece of what programs see to what survives.
    fn write_back(&mut self, piece: Range<usize>) {
        let end = piece.end.min(self.now.len());
        if piece.start < end {
            self.synced.resize(self.synced.len().max(end), 0);
            self.synced[piece.start..end].copy_from_slice(&self.now[piece.start..end]);
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

    /// The disk after a power cut that caught the system writing back. `keep` is asked for every
    /// sector that is not synced, and for every change of a name: a directory keeps its changes
    /// up to the first that is lost, as journals do; a file keeps any subset of its sectors.
    pub fn crash(&self, mut keep: impl FnMut() -> bool) -> Self {
        let disk = self.disk.lock();
        let mut names = disk.durable.clone();
        let mut lost = BTreeSet::new();
        for change in &disk.unsynced {
            let dir = change.dir();
            if !lost.contains(&dir) && keep() {
                change.apply(&mut names);
            } else {
                lost.insert(dir);
            }
        }
        let files: BTreeMap<_, _> =
            names.iter().map(|(path, file)| (path.clone(), file.crash(&mut keep))).collect();
        let after =
            Disk { durable: files.clone(), files, dirs: disk.dirs.clone(), ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(after)) }
    }

    /// Sets the size that [`Storage::space`] tells; `None` is endless. Writes beyond it succeed:
    /// whoever heeds the space that is left never makes them.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk.lock().capacity = bytes;
    }

    /// The bytes of all files as programs see them.
    pub fn bytes(&self) -> u64 {
        let disk = self.disk.lock();
        disk.files.values().map(|file| file.contents.lock().now.len() as u64).sum()
    }

    /// The bytes of a file as programs see them.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let file = self.disk.lock().files.get(path).cloned()?;
        let bytes = file.contents.lock().now.clone();
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
    fn crash(&self, keep: &mut impl FnMut() -> bool) -> Arc<Self> {
        let contents = self.contents.lock();
        let mut after = Contents {
            now: contents.now.clone(),
            synced: contents.synced.clone(),
            dirty: BTreeSet::new(),
        };
        for page in &contents.dirty {
            for start in (page * PAGE..(page + 1) * PAGE).step_by(SECTOR) {
                if keep() {
                    after.write_back(start..start + SECTOR);
                }
            }
        }
        Arc::new(Self { contents: Mutex::new(Contents::synced(after.synced)) })
    }

    /// What a failed sync does: the pages count as written, and are not.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn lose_unsynced(&self) {
        self.contents.lock().dirty.clear();
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
        let used = disk.files.values().map(|file| file.contents.lock().now.len() as u64).sum();
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
        let contents = self.contents.lock();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(contents.now.len());
        let len = buf.len().min(contents.now.len() - start);
        buf[..len].copy_from_slice(&contents.now[start..start + len]);
        Ok(len)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut contents = self.contents.lock();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start + bytes.len();
        if contents.now.len() < end {
            contents.now.resize(end, 0);
        }
        contents.now[start..end].copy_from_slice(bytes);
        contents.dirty.extend(start / PAGE..end.div_ceil(PAGE));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut contents = self.contents.lock();
        for page in std::mem::take(&mut contents.dirty) {
            contents.write_back(page * PAGE..(page + 1) * PAGE);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.contents.lock().now.len() as u64)
    }
}

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Sets the wall clock, forwards or back. Monotonic time does not follow.
    pub fn set(&self, now: Timestamp) {
        self.state.lock().0 = now;
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock();
        state.0.0 += i64::try_from(by.as_nanos()).expect("tests wait less than 292 years");
        state.1 += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.state.lock().1
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state.lock();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (MemoryStorage, Arc<dyn File>) {
        let disk = MemoryStorage::new();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.create(Path::new("/d/a")).unwrap();
        file.write_all_at(&[1; 3 * SECTOR], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        (disk, file)
    }

    #[test]
    fn a_crash_keeps_what_is_synced_and_the_sectors_it_is_told_to() {
        let (disk, file) = disk();
        file.write_all_at(&[2; 4 * SECTOR], 0).unwrap();
        let mut asked = 0;
        let after = disk.crash(|| {
            asked += 1;
            asked % 2 == 0
        });
        let bytes = after.read(Path::new("/d/a")).unwrap();
        let sectors: Vec<u8> = bytes.chunks(SECTOR).map(|sector| sector[0]).collect();
        assert_eq!(sectors, [1, 2, 1, 2]);
        assert_eq!(disk.power_cut().read(Path::new("/d/a")).unwrap(), [1; 3 * SECTOR]);
    }

    #[test]
    fn names_are_lost_from_the_first_lost_change_on() {
        let (disk, _) = disk();
        disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
        disk.create(Path::new("/d/c")).unwrap();
        let names = |disk: &MemoryStorage| disk.list(Path::new("/d")).unwrap();
        assert_eq!(names(&disk.power_cut()), ["a"]);
        let mut left = 1;
        let after = disk.crash(|| {
            left -= 1;
            left == 0
        });
        assert_eq!(names(&after), ["b"]);
        disk.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(names(&disk.power_cut()), ["b", "c"]);
    }

    #[test]
    fn a_failed_sync_loses_the_pages_for_good() {
        let (disk, file) = disk();
        file.write_all_at(&[2; SECTOR], 0).unwrap();
        disk.open_file(Path::new("/d/a")).unwrap().lose_unsynced();
        file.sync_data().unwrap();
        assert_eq!(disk.read(Path::new("/d/a")).unwrap()[0], 2);
        assert_eq!(disk.power_cut().read(Path::new("/d/a")).unwrap()[0], 1);
    }
}
