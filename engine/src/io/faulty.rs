//! A disk that fails on demand: at the n-th operation that could change anything, for tests.

use super::memory::{MemoryFile, MemoryStorage};
use super::{File, Lock, Space, Storage};
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This operation and every later one fails, as if the process had died here. A write leaves
    /// its first half.
    Halt,
    /// This operation fails once with this kind. A write leaves its first half; a sync of a file
    /// loses what it was to make durable, and later ones will not tell.
    Error(io::ErrorKind),
}

/// A [`MemoryStorage`] that counts the operations which change something and fails at one.
#[derive(Debug, Clone)]
pub struct FaultyStorage {
    inner: MemoryStorage,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    done: u64,
    fault: Option<(u64, Fault)>,
    halted: bool,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<MemoryFile>,
    plan: Arc<Mutex<Plan>>,
}

impl Plan {
    fn step(&mut self) -> io::Result<()> {
        let here = self.done;
        self.done += 1;
        match self.fault {
            _ if self.halted => Err(io::Error::other("the process is dead")),
            Some((at, Fault::Halt)) if at == here => {
                self.halted = true;
                Err(io::Error::other("the process dies"))
            }
            Some((at, Fault::Error(kind))) if at == here => Err(kind.into()),
            _ => Ok(()),
        }
    }
}

impl FaultyStorage {
    /// A disk that works.
    pub fn new(inner: MemoryStorage) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// The operations so far that change something: creations, renames, removals, writes, syncs.
    pub fn operations(&self) -> u64 {
        self.plan.lock().done
    }

    /// Lets the `after`-th operation from now on fail; 0 is the next one.
    pub fn fail(&self, after: u64, fault: Fault) {
        let mut plan = self.plan.lock();
        plan.fault = Some((plan.done + after, fault));
    }

    /// Whether [`Fault::Halt`] has happened.
    pub fn halted(&self) -> bool {
        self.plan.lock().halted
    }

    fn step(&self) -> io::Result<()> {
        self.plan.lock().step()
    }

    fn file(&self, inner: Arc<MemoryFile>) -> Arc<dyn File> {
        Arc::new(FaultyFile { inner, plan: Arc::clone(&self.plan) })
    }
}

impl Storage for FaultyStorage {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.step()?;
        Ok(self.file(self.inner.create_file(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.inner.open_file(path)?))
    }

    fn open_for_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.sync_dir(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.inner.space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(path)
    }
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut plan = self.plan.lock();
        let dead = plan.halted;
        let step = plan.step();
        if step.is_err() && !dead {
            self.inner.write_all_at(&bytes[..bytes.len() / 2], offset)?;
        } else if step.is_ok() {
            self.inner.write_all_at(bytes, offset)?;
        }
        step
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut plan = self.plan.lock();
        let step = plan.step();
        match &step {
            Ok(()) => self.inner.sync_data()?,
            // A dead process syncs nothing, and so loses nothing that was written.
            Err(_) if plan.halted => {}
            Err(_) => self.inner.lose_unsynced(),
        }
        step
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}
