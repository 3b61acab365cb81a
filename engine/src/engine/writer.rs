//! The writer thread: the only one that writes the log and feeds the memtable.
//!
//! - `I1` a batch is applied after the sync of its group, before its sender is told.
//! - `I2` batches are numbered, written and applied in one order.
//! - `I3` no artificial delay: whatever is queued when a sync ends is the next group.

use super::Appended;
use super::activity::{Activity, Busy};
use super::queue::{Queue, Scrubbed, Submission, Work};
use super::sealer::{SealQueue, Task};
use super::state::{Frozen, Shared};
use crate::error::{Error, Result};
use crate::event::Seq;
use crate::memtable::Memtable;
use crate::wal::Wal;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// A cut that is overdue and has to wait for a flush is tried again after this time.
const CUT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The state of the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    seals: SealQueue,
    wal: Wal,
    /// Asks for a zero-filled file ahead of its need.
    spares: Sender<Busy>,
    activity: Activity,
    /// When the first event of the active memtable came, in monotonic time.
    generation_began: Option<Duration>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue>,
        seals: SealQueue,
        wal: Wal,
        spares: Sender<Busy>,
        activity: &Activity,
    ) -> Self {
        let activity = activity.clone();
        let began = (!shared.state().active.is_empty()).then(|| shared.io.clock.monotonic());
        shared.counters.wal_bytes.store(wal.bytes(), Relaxed);
        // The first file of this life may have taken the last spare.
        let _ = spares.send(activity.begin());
        Self { shared, queue, seals, wal, spares, activity, generation_began: began }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            if self.generation_is_due() {
                self.cut_or_note();
            }
            self.note_log_size();
            match self.queue.next(self.shared.limits.group_bytes_max, self.patience()) {
                Work::Group(group) => self.append(group),
                Work::Retire(generations) => self.retire(&generations),
                Work::Scrub(waiting) => self.scrub(&waiting),
                // Ordered cuts are done above, as soon as the generation before is flushed.
                Work::Cut => {}
                Work::Idle => self.idle(),
                // At rest the last acknowledged group has a successor, however quickly it was closed.
                Work::Stop => return self.idle(),
            }
        }
    }

    /// Cuts; a failure is told to those who wait for a flush, and tried again at the next work.
    fn cut_or_note(&mut self) {
        if let Err(error) = self.cut() {
            self.shared.state().flush_error.get_or_insert(error);
            self.shared.notify();
        }
    }

    fn note_log_size(&self) {
        let bytes = self.wal.bytes();
        if self.shared.counters.wal_bytes.swap(bytes, Relaxed) < bytes {
            // A file was taken. Without its thread the log does with files that grow.
            let _ = self.spares.send(self.activity.begin());
        }
    }

    fn patience(&self) -> Option<Duration> {
        if self.is_closed() {
            return None;
        }
        let idle_after = Duration::from_millis(self.shared.limits.idle_group_after_ms);
        let successor = self.wal.needs_successor().then_some(idle_after);
        let cut = self.generation_began.map(|began| {
            let age = self.shared.io.clock.monotonic().saturating_sub(began);
            // Not zero: an overdue cut that has to wait for a flush must not spin.
            self.generation_age_max().saturating_sub(age).max(CUT_AGAIN_AFTER)
        });
        successor.into_iter().chain(cut).min()
    }

    fn generation_age_max(&self) -> Duration {
        Duration::from_millis(self.shared.limits.generation_age_ms_max)
    }

    fn idle(&mut self) {
        if !self.is_closed() && self.wal.append_empty_group().is_err() {
            self.close_if_poisoned();
        }
    }

    fn append(&mut self, group: Vec<Submission>) {
        let first = match self.wait_for_room() {
            Ok(first) => first,
            Err(error) => return refuse(group, &error),
        };
        assert_eq!(first, self.wal.next_seq(), "I2: log and memtable count alike");
        let mut next = first;
        let mut records = Vec::with_capacity(group.len());
        for submission in &group {
            records.push((&submission.record, next));
            next += submission.batch.len() as u64;
        }
        let bytes: usize = records.iter().map(|(record, _)| record.len()).sum();
        match self.wal.append_group(records) {
            Ok(()) => {
                let counters = &self.shared.counters;
                counters.wal_groups.fetch_add(1, Relaxed);
                counters.wal_bytes_written.fetch_add(bytes as u64, Relaxed);
                self.apply(group, first);
            }
            Err(error) => {
                self.close_if_poisoned();
                refuse(group, &error);
            }
        }
    }

    /// Makes synced batches visible and tells their senders.
    fn apply(&mut self, group: Vec<Submission>, first: u64) {
        let incarnation = self.shared.incarnation;
        let mut next = first;
        let mut told = Vec::with_capacity(group.len());
        let mut jobs = Vec::new();
        let mut state = self.shared.state();
        let mut memory = Vec::with_capacity(group.len());
        for Submission { mut batch, done, ticket, memory: reserved, .. } in group {
            memory.push(reserved);
            let count = batch.len();
            batch.number(next);
            let ids = batch.ids(incarnation);
            jobs.extend(state.apply(&self.shared, batch));
            next += count as u64;
            told.push((done, ticket, Appended { count, ids }));
        }
        state.account();
        drop(state);
        drop(memory);
        self.shared.counters.events_appended.fetch_add(next - first, Relaxed);
        self.generation_began.get_or_insert_with(|| self.shared.io.clock.monotonic());
        self.seals.extend(jobs);
        for (done, ticket, appended) in told {
            // Whoever waits for the key finds it remembered.
            drop(ticket);
            done(Ok(appended));
        }
        self.shared.visible.advanced(Seq(next - 1));
    }

    /// Waits until memory and log have room for another group. Returns its sequence number.
    fn wait_for_room(&mut self) -> Result<u64> {
        loop {
            let generations = self.queue.take_retired();
            self.retire(&generations);
            let mut state = self.shared.state();
            state.check_open()?;
            let limits = &self.shared.limits;
            // Tails don't count: no seal makes them less, only a cut does.
            let sealing_behind = state.active.pending_bytes > limits.unsealed_bytes_max;
            let log_full = self.wal.bytes() >= limits.wal_bytes_max;
            let memory_full = state.active.bytes() >= 2 * limits.memtable_bytes_max;
            if !(sealing_behind || log_full || memory_full) {
                return Ok(state.active.seqs.1);
            }
            let flushing = state.frozen.is_some();
            if flushing && let Some(error) = &state.flush_error {
                return Err(error.clone());
            }
            if sealing_behind || flushing {
                state.ingest_waits = true;
                self.shared.wait(&mut state);
                state.ingest_waits = false;
            } else if state.active.is_empty() {
                return Ok(state.active.seqs.1);
            } else {
                drop(state);
                self.cut()?;
            }
        }
    }

    fn retire(&mut self, generations: &[u64]) {
        // A store that has closed gives up nothing: what its disk holds is to be seen.
        if self.is_closed() {
            return;
        }
        for generation in generations {
            // What stays behind is ignored by recovery, and removed by it.
            if self.wal.retire(*generation).is_err() {
                self.close_if_poisoned();
            }
        }
    }

    fn scrub(&mut self, waiting: &[Scrubbed]) {
        for (generation, done) in waiting {
            let scrubbed = self.wal.scrub(*generation).inspect_err(|_| self.close_if_poisoned());
            // Who has gone does not wait.
            let _ = done.send(scrubbed);
        }
    }

    fn generation_is_due(&self) -> bool {
        let limits = &self.shared.limits;
        let old = self.generation_began.is_some_and(|began| {
            self.shared.io.clock.monotonic().saturating_sub(began) >= self.generation_age_max()
        });
        let state = self.shared.state();
        let full = self.wal.generation_bytes() >= limits.generation_bytes_max
            || state.active.bytes() >= limits.memtable_bytes_max
            || state.active.partitions.len() >= limits.partitions_open_max;
        let wanted = state.cut_wanted >= state.active.id;
        (old || full || wanted)
            && state.closed.is_none()
            && state.frozen.is_none()
            && !state.active.is_empty()
    }

    /// Freezes the memtable and begins the next generation of the log.
    fn cut(&mut self) -> Result<()> {
        let generation = self.wal.cut().inspect_err(|_| self.close_if_poisoned())?;
        self.generation_began = None;
        let mut state = self.shared.state();
        assert!(state.frozen.is_none(), "one generation is flushed at a time");
        let next = Memtable::new(state.active.id + 1, state.active.seqs.1);
        let mut memtable = std::mem::replace(&mut state.active, next);
        let jobs = memtable.close_tails();
        let keys = self.shared.claims.begin_generation();
        let run_digests = HashMap::new();
        state.frozen = Some(Frozen { memtable, generation, keys, run_digests });
        drop(state);
        self.seals.extend(jobs);
        self.seals.push(Task::Flush);
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.shared.state().closed.is_some()
    }

    /// A log that can't be trusted any more closes the store; one that is only full does not.
    fn close_if_poisoned(&self) {
        if let Some(reason) = self.wal.closed() {
            self.shared.close(reason.to_owned());
        }
    }
}

/// Whoever waits is answered, also if the thread panicked.
impl Drop for Writer {
    fn drop(&mut self) {
        refuse(self.queue.abandon(), &Error::closed("the writer thread has ended"));
    }
}

fn refuse(group: impl IntoIterator<Item = Submission>, error: &Error) {
    for submission in group {
        submission.refuse(error.clone());
    }
}
