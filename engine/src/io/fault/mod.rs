//! A disk that fails on demand, for tests: any operation, in any way that disks have, as a plan
//! says. The same plan and seed give the same faults, as far as the operations come alike.

mod plan;
#[cfg(test)]
mod tests;

pub use plan::{Fault, Op, Place, Rule, Step};

use super::memory::{MemoryFile, MemoryStorage};
use super::{File, Lock, Region, Space, Storage, read_region};
use plan::{Plan, Shared};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The unit in which torn writes reach the disk.
const SECTOR: usize = 512;

/// A [`MemoryStorage`] that counts the operations which change something, and lets those fail that
/// it is told to.
#[derive(Debug, Clone)]
pub struct FaultyStorage {
    inner: MemoryStorage,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<MemoryFile>,
    path: PathBuf,
    shared: Arc<Shared>,
}

impl FaultyStorage {
    /// A disk that works.
    pub fn new(inner: MemoryStorage) -> Self {
        Self::seeded(inner, 0)
    }

    /// A disk that works. The seed decides how much of a short or torn write is left, and which
    /// bits flip.
    pub fn seeded(inner: MemoryStorage, seed: u64) -> Self {
        Self { inner, shared: Arc::new(Shared::new(seed)) }
    }

    /// The operations so far that change something: creations, renames, removals, writes, syncs.
    pub fn operations(&self) -> u64 {
        self.shared.plan().journal.len() as u64
    }

    /// These operations, in order.
    pub fn journal(&self) -> Vec<Step> {
        self.shared.plan().journal.clone()
    }

    /// Lets the `after`-th operation from now on that changes something fail; 0 is the next one.
    pub fn fail(&self, after: u64, fault: Fault) {
        let rule = Rule { op: None, place: Place::Anywhere, skip: after, times: 1, fault };
        self.shared.plan().rules = vec![rule];
    }

    /// Adds a rule. Of several that fit an operation the first counts.
    pub fn inject(&self, rule: Rule) {
        self.shared.plan().rules.push(rule);
    }

    /// Forgets all rules, and the end of the room.
    pub fn heal(&self) {
        let mut plan = self.shared.plan();
        plan.rules.clear();
        plan.room = None;
    }

    /// The process dies here: every later operation that changes something fails.
    pub fn halt(&self) {
        self.shared.plan().halted = true;
    }

    /// Whether a rule may still fit an operation.
    pub fn is_planned(&self) -> bool {
        self.shared.plan().rules.iter().any(|rule| rule.times > 0)
    }

    /// Whether [`Fault::Halt`] has happened.
    pub fn halted(&self) -> bool {
        self.shared.plan().halted
    }

    /// Files may grow by so many bytes, and by those that are removed; `None` is endless. What
    /// goes beyond is written as far as it fits. [`Storage::space`] does not tell.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.shared.plan().room = bytes;
    }

    /// How often which faults have happened to which operations.
    pub fn injected(&self) -> BTreeMap<(Op, &'static str), u64> {
        self.shared.plan().injected.clone()
    }

    /// Lets operations of this kind wait until [`FaultyStorage::release`].
    pub fn hold(&self, op: Op, place: Place) {
        self.shared.set_gate(Some((op, place)));
    }

    /// Returns once an operation waits, or the process is dead.
    pub fn await_held(&self) {
        self.shared.await_waiting();
    }

    /// Lets those go on that wait.
    pub fn release(&self) {
        self.shared.set_gate(None);
    }

    /// Does what is done as a whole or not at all.
    fn change<T>(
        &self,
        op: Op,
        paths: &[&Path],
        work: impl FnOnce(&mut Plan) -> io::Result<T>,
    ) -> io::Result<T> {
        let (mut plan, fault) = self.shared.step(op, paths);
        match fault {
            None | Some(Fault::Flip) => work(&mut plan),
            Some(fault) => {
                if matches!(fault, Fault::Done(_)) {
                    work(&mut plan)?;
                }
                Err(plan.fail(fault))
            }
        }
    }

    fn file(&self, path: &Path, inner: Arc<MemoryFile>) -> Arc<dyn File> {
        Arc::new(FaultyFile { inner, path: path.to_owned(), shared: Arc::clone(&self.shared) })
    }

    /// Gives back the room of a file that loses its name.
    fn free(&self, plan: &mut Plan, path: &Path) {
        let len = self.inner.open_file(path).and_then(|file| file.len()).unwrap_or(0);
        plan.room = plan.room.map(|room| room.saturating_add(len));
    }
}

impl Storage for FaultyStorage {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change(Op::CreateDir, &[path], |_| self.inner.create_dir_all(path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.change(Op::Create, &[path], |plan| {
            if plan.room == Some(0) {
                plan.count(Op::Create, "no space");
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(self.file(path, self.inner.create_file(path)?))
        })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.change(Op::Open, &[path], |_| Ok(self.file(path, self.inner.open_file(path)?)))
    }

    fn open_for_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(Op::Rename, &[from, to], |plan| {
            self.free(plan, to);
            self.inner.rename(from, to)
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Op::Remove, &[path], |plan| {
            self.free(plan, path);
            self.inner.remove(path)
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.change(Op::List, &[dir], |_| self.inner.list(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(Op::SyncDir, &[dir], |_| self.inner.sync_dir(dir))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.inner.space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(path)
    }
}

impl FaultyFile {
    /// Writes as much as there is room for.
    fn write_within_room(&self, plan: &mut Plan, bytes: &[u8], offset: u64) -> io::Result<()> {
        let len = self.inner.len()?;
        let end = offset + bytes.len() as u64;
        let Some(room) = plan.room else { return self.inner.write_all_at(bytes, offset) };
        let last = len.saturating_add(room).max(offset);
        if end <= last {
            plan.room = Some(room - end.saturating_sub(len));
            return self.inner.write_all_at(bytes, offset);
        }
        plan.room = Some(0);
        plan.count(Op::Write, "no space");
        self.inner.write_all_at(&bytes[..(last - offset) as usize], offset)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    /// What a write that fails leaves.
    fn write_badly(&self, plan: &mut Plan, fault: Fault, bytes: &[u8], at: u64) -> io::Result<()> {
        match fault {
            Fault::Refused(_) | Fault::Flip => {}
            Fault::Done(_) => self.inner.write_all_at(bytes, at)?,
            Fault::Halt | Fault::Error(_) => {
                self.inner.write_all_at(&bytes[..bytes.len() / 2], at)?;
            }
            Fault::Short(_) => {
                let kept = plan.below(bytes.len() + 1);
                self.inner.write_all_at(&bytes[..kept], at)?;
            }
            Fault::Torn(_) => {
                for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                    if plan.below(2) == 0 {
                        self.inner.write_all_at(sector, at + (index * SECTOR) as u64)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let (mut plan, fault) = self.shared.step(Op::Read, &[&self.path]);
        match fault {
            None => self.inner.read_at(buf, offset),
            Some(Fault::Flip) => {
                let read = self.inner.read_at(buf, offset)?;
                flip(&mut plan, &mut buf[..read]);
                Ok(read)
            }
            Some(fault) => Err(plan.fail(fault)),
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut plan, fault) = self.shared.step(Op::Write, &[&self.path]);
        match fault {
            None | Some(Fault::Flip) => self.write_within_room(&mut plan, bytes, offset),
            Some(fault) => {
                if !plan.halted {
                    self.write_badly(&mut plan, fault, bytes, offset)?;
                }
                Err(plan.fail(fault))
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut plan, fault) = self.shared.step(Op::Sync, &[&self.path]);
        match fault {
            None | Some(Fault::Flip) => return self.inner.sync_data(),
            // A dead process syncs nothing, and so loses nothing that was written.
            Some(Fault::Halt | Fault::Refused(_)) => {}
            Some(Fault::Error(_)) => self.inner.fail_sync(|| false),
            Some(Fault::Short(_) | Fault::Done(_) | Fault::Torn(_)) => {
                self.inner.fail_sync(|| plan.below(2) == 0);
            }
        }
        Err(plan.fail(fault.expect("not well")))
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn region(&self, range: Range<u64>) -> io::Result<Region> {
        let (mut plan, fault) = self.shared.step(Op::Map, &[&self.path]);
        match fault {
            None => read_region(&*self.inner, range),
            Some(Fault::Flip) => {
                let mut bytes = read_region(&*self.inner, range)?.read(<[u8]>::to_vec)?;
                flip(&mut plan, &mut bytes);
                Ok(Region::owned(bytes))
            }
            Some(fault) => Err(plan.fail(fault)),
        }
    }
}

fn flip(plan: &mut Plan, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let bit = plan.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}
