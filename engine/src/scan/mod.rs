//! Scans take turns, so that none keeps the others from the cores.
//!
//! The work of a query is cut into *items*: one block, at most about 5 ms. A query runs its items
//! on its own thread as long as it has a turn, and offers them to helper threads if there are many
//! ([`Scan::run_all`]). There are as many turns as cores; one core's worth is left to the sealer
//! where there are more than two (on fewer the system shares them). Turns go round tenants, then
//! round the queries of each.
//!
//! - `I1` a turn that others wait for ends with its item, or after [`TURN`] if items are small.
//! - `I2` while another query waits, one query has at most half of the turns, and at least one.
//! - `I3` a query that has run for less than 10 ms gets a turn beyond those: it waits for no other
//!   query's item, only for other young ones.
//! - `I4` without contention a turn costs two locks a query and none an item.
//! - `I5` nobody waits for memory, disk or another query while it has a turn, but for its block. Who waits for
//!   the archive leaves its turn to others meanwhile ([`reader`]).

mod account;
mod batch;
mod control;
mod interrupt;
mod reader;
mod schedule;
#[cfg(test)]
mod tests;

pub(crate) use account::Excuses;
pub use account::{Account, Effort, Gap, GapKind, Reads, Tolerance};
pub(crate) use batch::Items;
pub use control::{Cancel, Control};
pub(crate) use interrupt::Interrupt;
pub(crate) use reader::{Reader, opens_block, read_here, reader};

use crate::error::Result;
use crate::io::Clock;
use crate::partition::DEFAULT_TENANT;
use batch::Batch;
use control::Bounds;
use parking_lot::{Condvar, Mutex, MutexGuard};
use reader::Reading;
use schedule::{Order, Schedule};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

/// A turn of small items lasts this long, although others wait: changing threads costs as much as
/// some of them.
const TURN: Duration = Duration::from_micros(500);

/// The turns of a store's queries.
#[derive(Debug)]
pub(crate) struct Scans {
    schedule: Mutex<Schedule>,
    ordered: Condvar,
    /// Whether somebody waits for a turn.
    pressed: AtomicBool,
    slots: usize,
    clock: Arc<dyn Clock>,
}

/// A query that takes turns. Dropping it ends its turn.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    scans: &'a Scans,
    id: u64,
    bounds: Bounds,
    bell: Arc<Condvar>,
    /// When the turn began, if there is one.
    turn: Option<Duration>,
    /// Whether the answer may be of what was found in time.
    may_stop: bool,
    reading: Reading,
}

/// The turns that a machine of so many cores has at a time.
pub(crate) fn slots_of(cores: usize) -> usize {
    if cores > 2 { cores - 1 } else { cores.max(1) }
}

impl Scans {
    /// So many turns at a time.
    pub(crate) fn new(slots: usize, clock: Arc<dyn Clock>) -> Self {
        let slots = slots.max(1);
        Self {
            schedule: Mutex::new(Schedule::new(slots)),
            ordered: Condvar::new(),
            pressed: AtomicBool::new(false),
            slots,
            clock,
        }
    }

    /// Starts the threads that help queries with many items.
    pub(crate) fn start_helpers(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        // A query's own thread has a turn, too.
        let helpers = (1..self.slots).map(|number| {
            let scans = Arc::clone(self);
            std::thread::Builder::new()
                .name(format!("logstrata-scan-{number}"))
                .spawn(move || scans.help())
                .expect("the system has room for a thread")
        });
        helpers.collect()
    }

    /// Lets the helpers end. Queries go on without them.
    pub(crate) fn close(&self) {
        self.schedule.lock().closing = true;
        self.ordered.notify_all();
    }

    /// Turns at a time.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// The monotonic time by which queries end.
    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Begins a query; it has no turn yet.
    pub(crate) fn enter(self: &Arc<Self>, control: &Control) -> Scan<'_> {
        let bell = Arc::new(Condvar::new());
        let tenant = control.tenant.clone().unwrap_or_else(|| Arc::from(DEFAULT_TENANT));
        let id = self.schedule.lock().enter(&tenant, &bell);
        let bounds = Bounds::new(Arc::clone(&self.clock), control);
        let may_stop = control.tolerance != Tolerance::Nothing;
        let reader = Reader::new(self, bounds.clone(), control);
        let reading = Reading::begin(Arc::new(reader));
        Scan { scans: self, id, bounds, bell, turn: None, may_stop, reading }
    }

    /// What ends a query within its items; to be made when its part begins.
    pub(crate) fn interrupt(&self, control: &Control) -> Interrupt {
        Interrupt::new(Bounds::new(Arc::clone(&self.clock), control))
    }

    /// The same for what makes an answer of what was found: if that may be partial, it has some time
    /// beyond the query's own.
    pub(crate) fn last_interrupt(&self, control: &Control) -> Interrupt {
        let mut bounds = Bounds::new(Arc::clone(&self.clock), control);
        if control.tolerance != Tolerance::Nothing {
            bounds.grace();
        }
        Interrupt::new(bounds)
    }

    /// Gives out turns after a change. `own` is 1 for a helper, which takes an order itself.
    fn settle(&self, schedule: &mut MutexGuard<'_, Schedule>, own: usize) {
        let orders = schedule.dispatch();
        self.pressed.store(schedule.is_pressed(), Relaxed);
        for _ in own..orders {
            self.ordered.notify_one();
        }
    }

    /// Whether a turn that began then should end with its item.
    fn should_yield(&self, began: Duration) -> bool {
        self.pressed.load(Relaxed) && self.clock.monotonic().saturating_sub(began) >= TURN
    }

    fn help(&self) {
        let mut schedule = self.schedule.lock();
        schedule.idle += 1;
        self.settle(&mut schedule, 1);
        loop {
            if let Some(Order { query, batch }) = schedule.orders.pop_front() {
                drop(schedule);
                let began = self.clock.monotonic();
                reader::set_turn(true);
                while batch.run_next() && !self.should_yield(began) {}
                reader::set_turn(false);
                let took = self.clock.monotonic().saturating_sub(began);
                drop(batch);
                schedule = self.schedule.lock();
                schedule.end_turn(query, took, true);
                schedule.idle += 1;
                self.settle(&mut schedule, 1);
            } else if schedule.closing {
                schedule.idle -= 1;
                return;
            } else {
                self.ordered.wait(&mut schedule);
            }
        }
    }
}

impl Scan<'_> {
    /// To be called before each item: takes a turn, keeps it, or lets others have theirs first.
    ///
    /// # Errors
    /// `Cancelled`, `Deadline`.
    pub(crate) fn item(&mut self) -> Result<()> {
        match self.turn {
            Some(began) if !self.scans.should_yield(began) => {}
            _ => self.take_turn(),
        }
        self.bounds.check()
    }

    /// From now on the query looks at no further events. If its answer may be partial, it has some time
    /// beyond its own to make an answer of what was found; to be called once.
    pub(crate) fn wind_up(&mut self) {
        if std::mem::take(&mut self.may_stop) {
            self.bounds.grace();
            self.reading.reader().set_winds_up(true);
        }
    }

    /// There is more to be looked at after all: the query's own time holds again.
    pub(crate) fn go_on(&mut self) {
        self.may_stop |= self.bounds.take_grace_back();
        self.reading.reader().set_winds_up(false);
    }

    /// Runs items `0..len` on this thread and on helpers. Returns when all have ended.
    ///
    /// # Errors
    /// The first that an item ended with; `Cancelled`, `Deadline`.
    pub(crate) fn run_all(&mut self, items: Arc<dyn Items>, len: usize) -> Result<()> {
        let reader = Arc::clone(self.reading.reader());
        let batch = Arc::new(Batch::new(items, len, self.bounds.clone(), reader));
        let mut schedule = self.scans.schedule.lock();
        schedule.offer(self.id, Some(Arc::clone(&batch)));
        self.scans.settle(&mut schedule, 0);
        drop(schedule);
        loop {
            match self.turn {
                Some(began) if !self.scans.should_yield(began) => {}
                _ => self.take_turn(),
            }
            if !batch.run_next() {
                break;
            }
        }
        let took = self.end_turn();
        let mut schedule = self.scans.schedule.lock();
        schedule.offer(self.id, None);
        if let Some(took) = took {
            schedule.end_turn(self.id, took, false);
            self.scans.settle(&mut schedule, 0);
        }
        while schedule.has_helpers(self.id) {
            self.bell.wait(&mut schedule);
        }
        drop(schedule);
        batch.outcome()
    }

    fn take_turn(&mut self) {
        let ended = self.end_turn();
        let mut schedule = self.scans.schedule.lock();
        if let Some(took) = ended {
            schedule.end_turn(self.id, took, false);
        }
        schedule.want(self.id);
        self.scans.settle(&mut schedule, 0);
        while schedule.is_waiting(self.id) {
            self.bell.wait(&mut schedule);
        }
        drop(schedule);
        self.turn = Some(self.scans.clock.monotonic());
        reader::set_turn(true);
    }

    /// How long the turn was, if there was one; to be told to the schedule.
    fn end_turn(&mut self) -> Option<Duration> {
        let began = self.turn.take()?;
        reader::set_turn(false);
        Some(self.scans.clock.monotonic().saturating_sub(began))
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        let ended = self.end_turn();
        let mut schedule = self.scans.schedule.lock();
        if let Some(took) = ended {
            schedule.end_turn(self.id, took, false);
        }
        schedule.leave(self.id);
        self.scans.settle(&mut schedule, 0);
    }
}
