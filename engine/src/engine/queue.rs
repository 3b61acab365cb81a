//! Batches waiting for the log, bounded by bytes.

use super::Appended;
use super::activity::{Activity, Busy};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::idempotency::Ticket;
use crate::pool::Reservation;
use crate::wal::EncodedRecord;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// A generation, and what takes whether the log has nothing up to it (see [`crate::wal::Wal::scrub`]).
pub(crate) type Scrubbed = (u64, Sender<Result<bool>>);

/// Batches and orders waiting for the writer thread.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    bytes_max: usize,
    activity: Activity,
}

#[derive(Debug, Default)]
struct Inner {
    /// From the first work on until the writer waits for more.
    busy: Option<Busy>,
    waiting: VecDeque<Submission>,
    bytes: usize,
    cut: bool,
    retire: Vec<u64>,
    /// Who waits until the log has nothing of generations.
    scrubs: Vec<Scrubbed>,
    /// Whether the writer is to do as if nothing had come for long.
    idle: bool,
    closing: bool,
    /// Whether the writer has ended.
    abandoned: bool,
}

/// A batch on its way, encoded.
pub(crate) struct Submission {
    pub(crate) batch: Batch,
    pub(crate) record: EncodedRecord,
    /// The bytes that the batch takes in memory.
    pub(crate) raw_bytes: usize,
    /// Its right to be stored under its key, if it has one.
    pub(crate) ticket: Option<Ticket>,
    /// Of the pool: as many, and those of the record.
    pub(crate) memory: Reservation,
    pub(crate) done: Box<dyn FnOnce(Result<Appended>) + Send>,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission").field("events", &self.batch.len()).finish_non_exhaustive()
    }
}

/// What the writer thread is to do next.
#[derive(Debug)]
pub(crate) enum Work {
    /// Write these as one group.
    Group(Vec<Submission>),
    /// These generations are flushed: their log goes.
    Retire(Vec<u64>),
    /// Remove what is left of retired generations, and tell these.
    Scrub(Vec<Scrubbed>),
    /// Cut the generation.
    Cut,
    /// Nothing came for as long as the writer was ready to wait.
    Idle,
    /// Nothing more will come.
    Stop,
}

impl Submission {
    /// Tells the sender that nothing was stored. Its key is free before that: a retry may follow at
    /// once.
    pub(crate) fn refuse(self, error: Error) {
        drop(self.ticket);
        (self.done)(Err(error));
    }

    fn bytes(&self) -> usize {
        self.raw_bytes + self.record.len()
    }
}

impl Queue {
    pub(crate) fn new(bytes_max: usize, activity: &Activity) -> Self {
        let activity = activity.clone();
        Self { inner: Mutex::default(), arrived: Condvar::new(), bytes_max, activity }
    }

    /// Tells the writer that there is something for it.
    fn wake(&self, inner: &mut Inner) {
        if inner.abandoned {
            return;
        }
        inner.busy.get_or_insert_with(|| self.activity.begin());
        self.arrived.notify_one();
    }

    /// Queues a batch, or gives it back with the reason. A batch that finds the queue empty is
    /// taken whatever its size.
    pub(crate) fn push(&self, submission: Submission) -> Result<(), Box<(Submission, Error)>> {
        let mut inner = self.inner.lock();
        if inner.closing {
            return Err(Box::new((submission, Error::closed("the store is closing"))));
        }
        let bytes = submission.bytes();
        if inner.bytes > 0 && inner.bytes + bytes > self.bytes_max {
            let waiting = inner.bytes;
            let reason = format!("{waiting} bytes are waiting for the log; retry in a second");
            return Err(Box::new((submission, Error::busy(reason))));
        }
        inner.bytes += bytes;
        inner.waiting.push_back(submission);
        self.wake(&mut inner);
        Ok(())
    }

    /// Orders a cut of the generation.
    pub(crate) fn order_cut(&self) {
        let mut inner = self.inner.lock();
        inner.cut = true;
        self.wake(&mut inner);
    }

    /// Orders that a flushed generation's log be retired.
    pub(crate) fn order_retire(&self, generation: u64) {
        let mut inner = self.inner.lock();
        inner.retire.push(generation);
        self.wake(&mut inner);
    }

    /// Orders that nothing up to a generation be left. Who waits is told nothing if the writer ends.
    pub(crate) fn order_scrub(&self, wanted: Scrubbed) {
        let mut inner = self.inner.lock();
        if !inner.abandoned {
            inner.scrubs.push(wanted);
        }
        self.wake(&mut inner);
    }

    /// Orders what the writer does when nothing comes.
    #[cfg(feature = "testing")]
    pub(crate) fn order_idle(&self) {
        let mut inner = self.inner.lock();
        inner.idle = true;
        self.wake(&mut inner);
    }

    /// The generations to retire, without waiting.
    pub(crate) fn take_retired(&self) -> Vec<u64> {
        std::mem::take(&mut self.inner.lock().retire)
    }

    /// Refuses everything from now on; what is queued is still done.
    pub(crate) fn close(&self) {
        self.inner.lock().closing = true;
        self.arrived.notify_one();
    }

    /// Gives up what is queued, and refuses everything from now on.
    pub(crate) fn abandon(&self) -> VecDeque<Submission> {
        let mut inner = self.inner.lock();
        (inner.closing, inner.abandoned) = (true, true);
        inner.busy = None;
        inner.bytes = 0;
        inner.scrubs.clear();
        std::mem::take(&mut inner.waiting)
    }

    /// The next work; waits for it at most `patience`.
    pub(crate) fn next(&self, group_bytes_max: usize, patience: Option<Duration>) -> Work {
        let mut inner = self.inner.lock();
        loop {
            if !inner.retire.is_empty() {
                return Work::Retire(std::mem::take(&mut inner.retire));
            }
            if !inner.scrubs.is_empty() {
                return Work::Scrub(std::mem::take(&mut inner.scrubs));
            }
            if std::mem::take(&mut inner.cut) {
                return Work::Cut;
            }
            if !inner.waiting.is_empty() {
                return Work::Group(inner.take_group(group_bytes_max));
            }
            if inner.closing {
                return Work::Stop;
            }
            if std::mem::take(&mut inner.idle) {
                return Work::Idle;
            }
            inner.busy = None;
            match patience {
                None => self.arrived.wait(&mut inner),
                Some(patience) => {
                    if self.arrived.wait_for(&mut inner, patience).timed_out() {
                        inner.busy.get_or_insert_with(|| self.activity.begin());
                        return Work::Idle;
                    }
                }
            }
        }
    }
}

impl Inner {
    fn take_group(&mut self, bytes_max: usize) -> Vec<Submission> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            if !group.is_empty() && bytes + next.record.len() > bytes_max {
                break;
            }
            bytes += next.record.len();
            let next = self.waiting.pop_front().expect("there is a front");
            self.bytes -= next.bytes();
            group.push(next);
        }
        group
    }
}
