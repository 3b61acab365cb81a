//! The real disk, clock and chance.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the door")]

use super::map::Mapping;
use super::{Clock, Entropy, File, Lock, Region, RegionBytes, Space, Storage, read_region};
use crate::timestamp::Timestamp;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Regions of fewer bytes are read: a mapping costs more.
const MAPPED_BYTES_MIN: u64 = 16 << 10;
/// Lets the calling thread have the processor only when no other needs it as much: for work that
/// can wait. Where the system has no priority of threads, nothing happens.
pub(crate) fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // On Linux "the calling process" is the calling thread. Refused, it works on as it was.
        let _ = rustix::process::setpriority_process(None, 10);
    }
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy)]
pub struct FileStorage {
    /// Whether regions of files are mapped into memory, unless they are small.
    pub mmap: bool,
}

impl Default for FileStorage {
    /// Files are mapped.
    fn default() -> Self {
        Self { mmap: true }
    }
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
    mmap: bool,
    /// All of it, once that was wanted; `None` if it can't be mapped.
    whole: OnceLock<Option<RegionBytes>>,
}

impl RealFile {
    fn shared(file: fs::File, mmap: bool) -> Arc<dyn File> {
        Arc::new(Self { file, mmap, whole: OnceLock::new() })
    }

    fn map(&self) -> Option<RegionBytes> {
        let len = self.len().ok().filter(|len| self.mmap && *len >= MAPPED_BYTES_MIN)?;
        Some(Region::mapped(Mapping::new(&self.file, &(0..len))?).bytes())
    }
}

#[derive(Debug)]
struct FileLock {
    /// Closing the file releases the lock.
    _file: fs::File,
}

impl Lock for FileLock {}

impl Storage for FileStorage {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let missing =
            path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let missing: Vec<&Path> = missing.collect();
        fs::create_dir_all(path)?;
        // Each new directory is a name in its parent.
        for dir in missing {
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            self.sync_dir(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(RealFile::shared(file, self.mmap))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(RealFile::shared(fs::File::open(path)?, self.mmap))
    }

    fn open_for_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(RealFile::shared(file, self.mmap))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                // A name that is not UTF-8 is none of ours.
                names.extend(entry.file_name().into_string().ok());
            }
        }
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        // Not all that is free is for us: some is kept for the system.
        Ok(Space { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        Ok(Box::new(FileLock { _file: file }))
    }

    fn lock_to_read(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        match fs::File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.lock(path),
            opened => {
                let file = opened?;
                file.try_lock().map_err(io::Error::from)?;
                Ok(Box::new(FileLock { _file: file }))
            }
        }
    }
}

impl File for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        // Without zeros that are written over at once.
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        // The allocator may have given room for more.
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn mapped(&self) -> Option<RegionBytes> {
        // What could not be read once may be read otherwise, and else there is an error that says why.
        self.whole.get_or_init(|| self.map()).clone().filter(RegionBytes::is_intact)
    }

    fn region(&self, range: Range<u64>) -> io::Result<Region> {
        if range.end > self.len()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let large = range.end.saturating_sub(range.start) >= MAPPED_BYTES_MIN;
        let mapping = if self.mmap && large { Mapping::new(&self.file, &range) } else { None };
        mapping.map_or_else(|| read_region(self, range), |mapping| Ok(Region::mapped(mapping)))
    }
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    start: Duration,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[expect(clippy::new_without_default, reason = "it reads the clock: not a default value")]
    pub fn new() -> Self {
        Self { start: since_boot() }
    }
}

/// The time since the machine was started, that in which it slept included: wall time goes on meanwhile,
/// and is compared with this.
fn since_boot() -> Duration {
    let time = clock_gettime(BOOT_CLOCK);
    Duration::try_from(time).expect("time since the start of the machine is not negative")
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: ClockId = ClockId::Boottime;
/// It goes on while the machine sleeps on some of these systems.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now();
        let ns = match now.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
        };
        Timestamp(ns)
    }

    fn monotonic(&self) -> Duration {
        since_boot().saturating_sub(self.start)
    }
}

/// Random numbers from the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has random numbers");
    }
}
