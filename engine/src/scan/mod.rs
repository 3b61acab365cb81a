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
//! - `I5` nobody waits for memory, disk or another query while it has a turn, but for its block.

mod batch;
mod control;
mod schedule;
#[cfg(test)]
mod tests;

pub(crate) use batch::Items;
pub use control::{Cancel, Control};

use crate::error::Result;
use crate::io::Clock;
use crate::partition::DEFAULT_TENANT;
use batch::Batch;
use control::Bounds;
use parking_lot::{Condvar, Mutex, MutexGuard};
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

    /// Begins a query; it has no turn yet.
    pub(crate) fn enter(&self, control: &Control) -> Scan<'_> {
        let bell = Arc::new(Condvar::new());
        let tenant = control.tenant.clone().unwrap_or_else(|| Arc::from(DEFAULT_TENANT));
        let id = self.schedule.lock().enter(&tenant, &bell);
        let bounds = Bounds::new(Arc::clone(&self.clock), control);
        Scan { scans: self, id, bounds, bell, turn: None }
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
                while batch.run_next() && !self.should_yield(began) {}
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

    /// Runs items `0..len` on this thread and on helpers. Returns when all have ended.
    ///
    /// # Errors
    /// The first that an item ended with; `Cancelled`, `Deadline`.
    pub(crate) fn run_all(&mut self, items: Arc<dyn Items>, len: usize) -> Result<()> {
        let batch = Arc::new(Batch::new(items, len, self.bounds.clone()));
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
    }

    /// How long the turn was, if there was one; to be told to the schedule.
    fn end_turn(&mut self) -> Option<Duration> {
        let began = self.turn.take()?;
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
