//! A real disk that fails: a file system of the kernel's (FUSE) that passes everything on to a
//! directory, until it is told to fail some operations on some files.
//!
//! - `D1` what a test injects counts from the moment that `inject` returns.
//! - `D2` reads come from here, not from the kernel's cache, for files opened since then and for those
//!   that `forget` names.

mod passthrough;

use crate::failing_disk::passthrough::Passthrough;
use fuser::{BackgroundSession, Config, Errno, MountOption, Notifier};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// An operation that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOp {
    /// Making a file.
    Create,
    /// Reading bytes of a file.
    Read,
    /// Writing bytes of a file.
    Write,
    /// `fsync` or `fdatasync` of a file.
    Sync,
    /// `fsync` of a directory.
    SyncDir,
    /// Renaming, by the new name.
    Rename,
    /// Removing a file.
    Remove,
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// EIO, and nothing is done.
    Io,
    /// ENOSPC, and nothing is done.
    Full,
    /// Of a write: only so many bytes are taken at a time, without an error.
    Short(usize),
    /// Of a write: so many bytes are taken in all, the last write in part; then ENOSPC.
    Room(usize),
    /// Of a sync: EIO, and what was written since the last sync is gone, as with a kernel that drops
    /// the pages that it could not write.
    Lost,
}

#[derive(Debug)]
struct Rule {
    op: DiskOp,
    /// A part of the path.
    part: String,
    trouble: Trouble,
    /// How often it fails still.
    left: u64,
    /// How often it has failed something.
    hits: u64,
}

impl Rule {
    fn is_of(&self, op: DiskOp, path: &str) -> bool {
        self.op == op && self.left > 0 && path.contains(&self.part)
    }

    fn hit(&mut self) {
        self.left -= 1;
        self.hits += 1;
    }
}

/// What fails, shared with the thread that serves the kernel.
#[derive(Debug, Default)]
struct Faults(Mutex<Vec<Rule>>);

/// What a write comes to.
enum Written {
    All,
    Part(usize),
    Error(Errno),
}

impl Faults {
    /// The trouble of an operation other than a write, if there is any.
    fn of(&self, op: DiskOp, path: &Path) -> Option<Trouble> {
        let mut rules = self.0.lock().expect("not poisoned");
        let path = path.to_string_lossy();
        let rule = rules.iter_mut().find(|rule| rule.is_of(op, &path))?;
        rule.hit();
        Some(rule.trouble)
    }

    fn error(&self, op: DiskOp, path: &Path) -> Result<(), Errno> {
        match self.of(op, path) {
            None => Ok(()),
            Some(Trouble::Full) => Err(Errno::ENOSPC),
            Some(_) => Err(Errno::EIO),
        }
    }

    fn write(&self, path: &Path, len: usize) -> Written {
        let mut rules = self.0.lock().expect("not poisoned");
        let path = path.to_string_lossy();
        let rule = rules.iter_mut().find(|rule| rule.is_of(DiskOp::Write, &path));
        let Some(rule) = rule else { return Written::All };
        match &mut rule.trouble {
            Trouble::Room(left) if *left >= len => {
                *left -= len;
                return Written::All;
            }
            Trouble::Short(most) if *most >= len => return Written::All,
            _ => rule.hit(),
        }
        match &mut rule.trouble {
            Trouble::Short(most) => Written::Part(*most),
            Trouble::Room(left) if *left > 0 => Written::Part(std::mem::take(left)),
            Trouble::Room(_) | Trouble::Full => Written::Error(Errno::ENOSPC),
            Trouble::Io | Trouble::Lost => Written::Error(Errno::EIO),
        }
    }
}

/// A directory that is seen through a file system that can fail. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct FailingDisk {
    faults: Arc<Faults>,
    inodes: Arc<passthrough::Inodes>,
    notifier: Notifier,
    /// Unmounted before its folders are removed.
    session: Option<BackgroundSession>,
    seen: tempfile::TempDir,
    below: tempfile::TempDir,
}

impl FailingDisk {
    /// An empty disk; `None`, with the reason on the standard error, where that is not permitted.
    pub fn mount() -> Option<Self> {
        let below = tempfile::tempdir().expect("a directory");
        let seen = tempfile::tempdir().expect("a directory");
        let faults = Arc::<Faults>::default();
        let inodes = Arc::<passthrough::Inodes>::default();
        let system =
            Passthrough::new(below.path().to_owned(), Arc::clone(&faults), Arc::clone(&inodes));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("logstrata-test".to_owned())];
        let session = match fuser::spawn_mount(system, seen.path(), &config) {
            Ok(session) => session,
            Err(error) => {
                eprintln!("skipped: no FUSE file system can be mounted here: {error}");
                return None;
            }
        };
        let notifier = session.notifier();
        Some(Self { faults, inodes, notifier, session: Some(session), seen, below })
    }

    /// A directory on the disk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.seen.path().join(name)
    }

    /// The same directory below the file system: healthy, whatever was injected.
    pub fn below(&self, name: &str) -> PathBuf {
        self.below.path().join(name)
    }

    /// From now on the operation fails on all files with this part in their path.
    pub fn inject(&self, op: DiskOp, part: &str, trouble: Trouble) {
        self.inject_times(op, part, trouble, u64::MAX);
    }

    /// The same for the next so many of these operations.
    pub fn inject_times(&self, op: DiskOp, part: &str, trouble: Trouble, times: u64) {
        let rule = Rule { op, part: part.to_owned(), trouble, left: times, hits: 0 };
        self.faults.0.lock().expect("not poisoned").push(rule);
    }

    /// From now on nothing fails. Returns how many operations have failed.
    pub fn heal(&self) -> u64 {
        let rules = std::mem::take(&mut *self.faults.0.lock().expect("not poisoned"));
        rules.iter().map(|rule| rule.hits).sum()
    }

    /// How many operations have failed since the disk was healed.
    pub fn failed(&self) -> u64 {
        self.faults.0.lock().expect("not poisoned").iter().map(|rule| rule.hits).sum()
    }

    /// Makes the kernel forget what it has cached of files with this part in their path, mapped pages
    /// included.
    pub fn forget(&self, part: &str) {
        for inode in self.inodes.with(part) {
            // An inode that the kernel does not know has nothing cached.
            let _ = self.notifier.inval_inode(inode, 0, 0);
        }
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        self.heal();
        let session = self.session.take().expect("there until now");
        let unmounted = session.umount_and_join();
        assert!(unmounted.is_ok() || std::thread::panicking(), "{unmounted:?}");
    }
}
