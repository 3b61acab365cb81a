//! Which operation fails, how, and what has happened so far.

use crate::io::{Entropy, SeededEntropy};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An operation of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// A directory is created.
    CreateDir,
    /// A file is created.
    Create,
    /// A file is renamed.
    Rename,
    /// A file is removed.
    Remove,
    /// The names in a directory are synced.
    SyncDir,
    /// Bytes are written.
    Write,
    /// A file is synced.
    Sync,
    /// A file is opened, for reading or writing.
    Open,
    /// Bytes are read.
    Read,
    /// A range of a file is mapped.
    Map,
    /// A directory is listed.
    List,
}

impl Op {
    /// Whether it changes something, and so is counted and in the journal.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::Map | Self::List)
    }
}

/// What happens to the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This operation and every later one that changes something fails, as if the process had died
    /// here. A write leaves its first half.
    Halt,
    /// It fails. A write leaves its first half; a sync of a file loses what it was to make durable,
    /// and later ones will not tell.
    Error(io::ErrorKind),
    /// It fails and has done nothing.
    Refused(io::ErrorKind),
    /// It fails. A write leaves any number of its first bytes; a sync makes any of its pages
    /// durable, as they are or as they were before, and loses the others.
    Short(io::ErrorKind),
    /// It fails, and is done all the same. A sync is as for [`Fault::Short`].
    Done(io::ErrorKind),
    /// It fails. A write leaves any of its sectors; a sync is as for [`Fault::Short`].
    Torn(io::ErrorKind),
    /// A read succeeds with one bit changed. Other operations are as they should be.
    Flip,
}

impl Fault {
    /// Its name, for counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Error(_) => "error",
            Self::Refused(_) => "refused",
            Self::Short(_) => "short",
            Self::Done(_) => "done",
            Self::Torn(_) => "torn",
            Self::Flip => "flip",
        }
    }

    fn error(self) -> io::Error {
        match self {
            Self::Halt => io::Error::other("the process dies"),
            Self::Error(kind)
            | Self::Refused(kind)
            | Self::Short(kind)
            | Self::Done(kind)
            | Self::Torn(kind) => kind.into(),
            Self::Flip => unreachable!("a flip is no error"),
        }
    }
}

/// The files or directories of an operation. A rename has two names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Any.
    Anywhere,
    /// Those with this in one of their names.
    Part(String),
    /// This one; of a rename the new name.
    At(PathBuf),
    /// Those whose path begins so, as text; of a rename the new name.
    Begins(String),
    /// Those with this in none of their names.
    Without(String),
}

impl Place {
    fn fits(&self, paths: &[&Path]) -> bool {
        let has = |part: &str| paths.iter().any(|path| path.to_string_lossy().contains(part));
        match self {
            Self::Anywhere => true,
            Self::Part(part) => has(part),
            Self::Without(part) => !has(part),
            Self::At(wanted) => paths.last().is_some_and(|path| path == wanted),
            Self::Begins(start) => {
                paths.last().is_some_and(|path| path.to_string_lossy().starts_with(start))
            }
        }
    }
}

/// A fault, and the operations that it happens to.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The operation; any that changes something if there is none.
    pub op: Option<Op>,
    /// Where.
    pub place: Place,
    /// So many such operations go well before.
    pub skip: u64,
    /// So many fail then.
    pub times: u64,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    fn fits(&self, op: Op, paths: &[&Path]) -> bool {
        let is_op = self.op.map_or(op.changes(), |wanted| wanted == op);
        is_op && self.place.fits(paths)
    }
}

/// An operation that changed something, or was to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// What it was.
    pub op: Op,
    /// The file or directory; of a rename the new name.
    pub path: PathBuf,
}

/// The plan of a disk, shared by its files.
#[derive(Debug)]
pub(super) struct Shared {
    plan: Mutex<Plan>,
    changed: Condvar,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) journal: Vec<Step>,
    pub(super) injected: BTreeMap<(Op, &'static str), u64>,
    pub(super) rules: Vec<Rule>,
    pub(super) halted: bool,
    /// Bytes by which files may still grow.
    pub(super) room: Option<u64>,
    chance: SeededEntropy,
    gate: Gate,
}

/// Operations that wait until they are let go on.
#[derive(Debug, Default)]
struct Gate {
    closed: Option<(Op, Place)>,
    waiting: usize,
}

impl Shared {
    pub(super) fn new(seed: u64) -> Self {
        let plan = Plan {
            journal: Vec::new(),
            injected: BTreeMap::new(),
            rules: Vec::new(),
            halted: false,
            room: None,
            chance: SeededEntropy::new(seed),
            gate: Gate::default(),
        };
        Self { plan: Mutex::new(plan), changed: Condvar::new() }
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock()
    }

    /// Begins an operation; the plan stays locked until it has ended. The fault that is to happen
    /// to it, if any.
    pub(super) fn step(&self, op: Op, paths: &[&Path]) -> (MutexGuard<'_, Plan>, Option<Fault>) {
        let mut plan = self.plan.lock();
        while plan.gate.stops(op, paths) {
            plan.gate.waiting += 1;
            self.changed.notify_all();
            self.changed.wait(&mut plan);
            plan.gate.waiting -= 1;
        }
        let fault = plan.step(op, paths);
        (plan, fault)
    }

    /// Lets these operations wait from now on, or none.
    pub(super) fn set_gate(&self, closed: Option<(Op, Place)>) {
        self.plan.lock().gate.closed = closed;
        self.changed.notify_all();
    }

    /// Returns once an operation waits, or the process is dead.
    pub(super) fn await_waiting(&self) {
        let mut plan = self.plan.lock();
        while plan.gate.waiting == 0 && !plan.halted {
            // Its death is not told.
            self.changed.wait_for(&mut plan, Duration::from_millis(1));
        }
    }
}

impl Gate {
    fn stops(&self, op: Op, paths: &[&Path]) -> bool {
        self.closed.as_ref().is_some_and(|(wanted, place)| *wanted == op && place.fits(paths))
    }
}

impl Plan {
    fn step(&mut self, op: Op, paths: &[&Path]) -> Option<Fault> {
        if self.halted {
            return op.changes().then_some(Fault::Halt);
        }
        if op.changes() {
            let path = paths.last().expect("an operation has a path").to_path_buf();
            self.journal.push(Step { op, path });
        }
        let rule = self.rules.iter_mut().find_map(|rule| {
            if !rule.fits(op, paths) || rule.times == 0 {
                return None;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                return None;
            }
            rule.times -= 1;
            Some(rule.fault)
        });
        let fault =
            rule.filter(|fault| *fault != Fault::Flip || matches!(op, Op::Read | Op::Map))?;
        *self.injected.entry((op, fault.name())).or_default() += 1;
        Some(fault)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.chance.next_u64() % bound as u64) as usize
    }

    /// The error of a fault. Whoever dies is dead from now on.
    pub(super) fn fail(&mut self, fault: Fault) -> io::Error {
        if self.halted {
            return io::Error::other("the process is dead");
        }
        self.halted = fault == Fault::Halt;
        fault.error()
    }

    pub(super) fn count(&mut self, op: Op, what: &'static str) {
        *self.injected.entry((op, what)).or_default() += 1;
    }
}
