//! On whose behalf a thread reads files: the reads of a query are counted in its account, and those that wait
//! for the archive end with it.
//!
//! - `R1` a thread reads for the query that it runs, also a helper; a thread that runs none waits as long as
//!   it takes.
//! - `R2` who waits for the archive has no turn meanwhile: others go on. Afterwards there may be more turns
//!   than slots until the next one ends.
//! - `R3` a query whose answer may be partial waits for the archive in vain for half of its time at most, and for
//!   half of it while it lists what to look at: what is on this machine is looked at in any case.

use super::account::Account;
use super::control::Bounds;
use super::{Control, Scans, Tolerance};
use crate::cold::Came;
use crate::error::{Error, ErrorKind, Result};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

thread_local! {
    static READER: RefCell<Option<Arc<Reader>>> = const { RefCell::new(None) };
    static HAS_TURN: Cell<bool> = const { Cell::new(false) };
}

/// A query whose threads read.
#[derive(Debug)]
pub(crate) struct Reader {
    scans: Arc<Scans>,
    bounds: Bounds,
    /// Whether the query only makes an answer of what it has found.
    winds_up: AtomicBool,
    /// Whether its answer may be partial.
    may_lack: bool,
    /// How long it waited for what did not come, in nanoseconds.
    in_vain: AtomicU64,
    /// The monotonic time, in nanoseconds, at which its listing reads no more of the archive.
    lists_until: AtomicU64,
    account: Account,
}

/// While it lives, its query lists what to look at.
#[derive(Debug)]
pub(crate) struct ListsCold(Arc<Reader>);

/// While it lives, this thread reads for a query, and then for the one before.
#[derive(Debug)]
pub(super) struct Reading {
    own: Arc<Reader>,
    before: Option<Arc<Reader>>,
}

/// A turn that others have meanwhile.
#[derive(Debug)]
pub(crate) struct Paused<'a>(&'a Scans);

/// The query that this thread reads for.
pub(crate) fn reader() -> Option<Arc<Reader>> {
    READER.with_borrow(Clone::clone)
}

/// So many bytes were read on this machine.
pub(crate) fn read_here(bytes: usize) {
    READER.with_borrow(|reader| {
        if let Some(reader) = reader {
            reader.account.read_here(bytes as u64);
        }
    });
}

/// A block is read.
pub(crate) fn opens_block(is_evicted: bool) {
    READER.with_borrow(|reader| {
        if let Some(reader) = reader {
            reader.account.opens_block(is_evicted);
        }
    });
}

/// Tells whether this thread has a turn.
pub(super) fn set_turn(has_turn: bool) {
    HAS_TURN.set(has_turn);
}

impl Reader {
    pub(super) fn new(scans: &Arc<Scans>, bounds: Bounds, control: &Control) -> Self {
        Self {
            scans: Arc::clone(scans),
            bounds,
            winds_up: AtomicBool::new(false),
            may_lack: control.tolerance != Tolerance::Nothing,
            in_vain: AtomicU64::new(0),
            lists_until: AtomicU64::new(u64::MAX),
            account: control.account.clone(),
        }
    }

    /// The monotonic time.
    pub(crate) fn now(&self) -> Duration {
        self.scans.now()
    }

    /// What is left of the query's time, if it may go on without what it waits for.
    fn left(&self) -> Option<Duration> {
        self.bounds(|bounds| bounds.left()).filter(|_| self.may_lack)
    }

    /// The monotonic time until which the query waits for what it reads now (`R3`). `None` if it can't go on
    /// without, or has no bound.
    pub(crate) fn waits_until(&self) -> Option<Duration> {
        let in_vain = Duration::from_nanos(self.in_vain.load(Relaxed));
        let until = self.now().saturating_add((self.left()? / 2).saturating_sub(in_vain));
        Some(until.min(Duration::from_nanos(self.lists_until.load(Relaxed))))
    }

    /// The query waited so long for what did not come.
    pub(crate) fn waited_in_vain(&self, time: Duration) {
        self.in_vain.fetch_add(nanos(time), Relaxed);
    }

    /// The query begins to list what to look at.
    pub(crate) fn lists_cold(self: Arc<Self>) -> ListsCold {
        if let Some(left) = self.left() {
            self.lists_until.store(nanos(self.now().saturating_add(left / 2)), Relaxed);
        }
        ListsCold(self)
    }

    fn bounds<T>(&self, look: impl FnOnce(&Bounds) -> T) -> T {
        let mut bounds = self.bounds.clone();
        if self.winds_up.load(Relaxed) {
            bounds.grace();
        }
        look(&bounds)
    }

    /// What the archive gave.
    pub(crate) fn came(&self, came: Came) {
        self.account.came(came);
    }

    /// Tells whether the query has its time to wind up.
    pub(super) fn set_winds_up(&self, winds_up: bool) {
        self.winds_up.store(winds_up, Relaxed);
    }

    /// Whether what is read is still wanted.
    ///
    /// # Errors
    /// `Cancelled`, `Deadline`.
    pub(crate) fn check(&self) -> Result<()> {
        self.bounds(Bounds::check).map_err(|error| match error.kind() {
            ErrorKind::Deadline => {
                Error::deadline(format!("{error} (it was waiting for the archive)"))
            }
            _ => error,
        })
    }

    /// Leaves this thread's turn to others, if it has one.
    pub(crate) fn pause(&self) -> Option<Paused<'_>> {
        if !HAS_TURN.replace(false) {
            return None;
        }
        let mut schedule = self.scans.schedule.lock();
        schedule.pause_turn();
        self.scans.settle(&mut schedule, 0);
        Some(Paused(&self.scans))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Drop for ListsCold {
    fn drop(&mut self) {
        self.0.lists_until.store(u64::MAX, Relaxed);
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.schedule.lock().resume_turn();
        HAS_TURN.set(true);
    }
}

impl Reading {
    /// From now on this thread reads for a query.
    pub(super) fn begin(own: Arc<Reader>) -> Self {
        let before = READER.replace(Some(Arc::clone(&own)));
        Self { own, before }
    }

    /// The query.
    pub(super) fn reader(&self) -> &Arc<Reader> {
        &self.own
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READER.with_borrow_mut(|reader| {
            // Unless another one has begun since that does not end before.
            if reader.as_ref().is_some_and(|reader| Arc::ptr_eq(reader, &self.own)) {
                *reader = self.before.take();
            }
        });
    }
}
