//! The engine: opens a store, wires the stages, decides nothing.

mod activity;
mod budget;
mod checkpoint;
mod compactor;
mod drops;
mod encryption;
mod evict;
mod explore;
mod exports;
mod flush;
mod holds;
mod open;
mod purge;
mod queries;
mod queue;
mod retention;
mod sealer;
mod space;
mod state;
mod tail;
#[cfg(test)]
mod tests;
mod warm;
mod writer;

pub use checkpoint::{ChainPlace, Checkpoint, SealedFile, SealedSection};
pub use encryption::{EncryptionStatus, KeyUse};
pub use evict::{ArchivedFile, LeftDisk};
pub use exports::{Losses, SealedPartition, SealedPiece, WaitingDay};
pub(crate) use open::{lock, lock_to_read};
pub(crate) use state::{LiveFile, Shared, Snapshot};

use crate::append::{Redacted, Redactor, Rule};
use crate::batch::Batch;
use crate::cold::{ColdFiles, NoArchive};
use crate::error::{Error, Result};
use crate::event::EventId;
use crate::idempotency::{BatchKey, BodyHash, Claim, Ticket};
use crate::io::Lock;
use crate::manifest::FileId;
use crate::options::Options;
use crate::pool::{Consumer, Pool, PoolStatus, Reservation};
use crate::wal::EncodedRecord;
use activity::Activity;
use compactor::CompactQueue;
use flush::FlushQueue;
use queue::{Queue, Submission};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;

/// An open store. Dropping it closes it; [`Engine::close`] also tells whether that went well.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    /// The rules that every batch passes.
    redactor: Redactor,
    queue: Arc<Queue>,
    flushes: FlushQueue,
    compactions: CompactQueue,
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "tests wait for it")
    )]
    activity: Activity,
    /// Writer, sealer, preparer, flusher and compactor, in the order in which they end.
    threads: Vec<JoinHandle<()>>,
    /// Help queries.
    scanners: Vec<JoinHandle<()>>,
    keys_lost: Vec<Error>,
    /// How it was encrypted when it was opened.
    found: encryption::Found,
    _lock: Box<dyn Lock>,
}

/// What became of a batch: stored, synced and visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The number of events.
    pub count: usize,
    /// The ids of the first and the last event; `None` for a batch without events.
    pub ids: Option<(EventId, EventId)>,
}

/// The state of a store, for readiness and metrics. Counters are since the store was opened.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Why nothing can be appended, if so.
    pub not_writable: Option<Error>,
    /// Why the last attempt to flush failed, if it did; it is tried again every second.
    pub flush_failing: Option<String>,
    /// Events that the log gave back when the store was opened.
    pub events_recovered: u64,
    /// Events appended.
    pub events_appended: u64,
    /// Groups synced to the log.
    pub wal_groups: u64,
    /// Bytes written to the log.
    pub wal_bytes_written: u64,
    /// Bytes of the log's files now.
    pub wal_bytes: u64,
    /// Bytes of level-0 files, segments and packs now.
    pub segment_bytes: u64,
    /// Level-0 files, segments and packs now.
    pub segment_files: u64,
    /// Bytes of files that are in the archive only, now; they are among the others, too.
    pub archive_bytes: u64,
    /// Files that are in the archive only, now.
    pub archive_files: u64,
    /// Level-0 files now.
    pub level_zero_files: u64,
    /// Packs now. The other files are segments.
    pub pack_files: u64,
    /// Live sections now.
    pub sections: u64,
    /// Events in live sections and memtables.
    pub events: u64,
    /// Raw and encoded bytes in memtables now.
    pub memtable_bytes: u64,
    /// Generations flushed.
    pub flushes: u64,
    /// Keys of batches that are remembered.
    pub keys: u64,
    /// How long the store was open since the oldest of those came that a sender gave, in seconds; 0
    /// without any.
    pub oldest_key_seconds: u64,
    /// Bytes that they take in memory.
    pub key_bytes: u64,
    /// Batches that were stored before and so not again.
    pub replays: u64,
    /// Batches refused because their key is another's.
    pub key_conflicts: u64,
    /// Files of keys that were damaged when the store was opened.
    pub key_files_damaged: u64,
    /// Lookups for which an index of words or ids was damaged, and so taken as absent.
    pub index_faults: u64,
    /// Bytes of the level-0 files that they became.
    pub flushed_bytes: u64,
    /// Segments and packs written.
    pub compactions: u64,
    /// Compactions that failed: each is tried again, but for damage.
    pub compactions_failed: u64,
    /// Bytes of the sections that compactions replaced.
    pub compacted_bytes_in: u64,
    /// Bytes of the files that took their place.
    pub compacted_bytes_out: u64,
    /// Why compaction last failed, if it did not work since; damage is told until the store is
    /// opened again, for a damaged partition is left alone.
    pub compaction_failing: Option<String>,
    /// How many values, or parts of values, each rule has replaced.
    pub redactions: Vec<(Rule, u64)>,
    /// Events that were due when they came.
    pub expired_on_arrival: u64,
    /// Sections dropped because they were due, or the disk full.
    pub sections_dropped: u64,
    /// Their events.
    pub events_dropped: u64,
    /// Their bytes.
    pub bytes_dropped: u64,
    /// Why nothing is dropped although it may be due, if so.
    pub drops_suspended: Option<String>,
    /// Holds.
    pub holds: u64,
    /// The memory that is reserved.
    pub pool: PoolStatus,
}

impl Status {
    /// How often a byte was written after the log: 1 without compaction. Since the store was
    /// opened, like the counters that it is made of; 0 if nothing was flushed.
    pub fn write_amplification(&self) -> f64 {
        let written = self.flushed_bytes + self.compacted_bytes_out;
        if self.flushed_bytes == 0 { 0.0 } else { written as f64 / self.flushed_bytes as f64 }
    }
}

impl Engine {
    /// Opens a store, recovering what its log holds.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Busy`] if another process has it open, `Corrupt`, `Unsupported`, `Io`.
    pub fn open(options: Options) -> Result<Self> {
        Self::open_with(options, Arc::new(NoArchive))
    }

    /// The same of a store of which files may be in an archive only, which `cold` reads.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(options: Options, cold: Arc<dyn ColdFiles>) -> Result<Self> {
        open::open(options, cold)
    }

    /// Stores a batch without its secrets (see [`Rule`]). Returns once every event is synced and visible to queries.
    ///
    /// # Errors
    /// `Busy`, `Full`, `Io`, `Closed`: nothing of the batch is stored.
    pub fn append(&self, batch: Batch) -> Result<Appended> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.submit(batch, move |result| {
            // The receiver waits below for as long as there is a sender.
            let _ = sender.send(result);
        });
        receiver.recv().unwrap_or_else(|_| Err(Error::closed("the writer thread has ended")))
    }

    /// Stores a batch without waiting: `done` is called, on a thread of the engine, with what
    /// [`Engine::append`] would have returned. Encoding is done before this returns.
    pub fn submit(&self, batch: Batch, done: impl FnOnce(Result<Appended>) + Send + 'static) {
        self.submit_with(batch, None, done);
    }

    /// Claims a key for a batch, so that it is stored once however often it is sent. The key is
    /// free again when the ticket is dropped, or the batch that it is given to is refused. `wake` is
    /// called when a batch of this key that is in flight has been stored or refused, if that is the
    /// answer.
    pub fn claim(
        &self,
        key: BatchKey,
        body: BodyHash,
        wake: impl FnOnce() + Send + 'static,
    ) -> Claim {
        self.shared.claims.claim(key, body, wake)
    }

    /// What was damaged of the files of keys when the store was opened: whoever sends a batch of these
    /// keys again may store it again.
    pub fn keys_lost(&self) -> &[Error] {
        &self.keys_lost
    }

    /// As [`Engine::submit`]; when the batch is stored, the key of the ticket is remembered with it.
    pub fn submit_once(
        &self,
        mut batch: Batch,
        ticket: Ticket,
        done: impl FnOnce(Result<Appended>) + Send + 'static,
    ) {
        batch.claim = Some(Box::new(ticket.record().clone()));
        self.submit_with(batch, Some(ticket), done);
    }

    fn submit_with(
        &self,
        batch: Batch,
        ticket: Option<Ticket>,
        done: impl FnOnce(Result<Appended>) + Send + 'static,
    ) {
        if batch.is_empty() {
            drop(ticket);
            return done(Ok(Appended { count: 0, ids: None }));
        }
        let redacted = match self.shared.state().check_open() {
            Ok(()) => Redacted::new(batch, &self.redactor),
            Err(error) => {
                drop(ticket);
                return done(Err(error));
            }
        };
        let raw_bytes = redacted.batch().raw_bytes();
        let done = self.counting_expired(redacted.batch(), done);
        let encoded = self.admit(raw_bytes).and_then(|mut memory| {
            let record = EncodedRecord::new(&redacted)?;
            memory.grow(record.len())?;
            Ok((record, memory))
        });
        let (record, memory) = match encoded {
            Ok(encoded) => encoded,
            Err(error) => {
                drop(ticket);
                return done(Err(error));
            }
        };
        let batch = redacted.into_batch();
        let submission = Submission { batch, record, raw_bytes, ticket, memory, done };
        if let Err(refused) = self.queue.push(submission) {
            let (submission, error) = *refused;
            submission.refuse(error);
        }
    }

    /// Memory for a batch, if disk and memory have room for it.
    fn admit(&self, bytes: usize) -> Result<Reservation> {
        self.shared.room.check(&self.shared, bytes)?;
        Ok(self.shared.pool.reserve(Consumer::Ingest, bytes)?)
    }

    /// The memory that the store and its users share.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.shared.pool
    }

    /// Writes everything in memory to a level-0 file and retires its log. Returns when that is
    /// durable.
    ///
    /// # Errors
    /// `Full`, `Io`, `Closed`.
    pub fn flush(&self) -> Result<()> {
        let mut state = self.shared.state();
        let target = match (&state.active, &state.frozen) {
            (active, _) if !active.is_empty() => active.id,
            (_, Some(frozen)) => frozen.memtable.id,
            _ => return Ok(()),
        };
        state.flush_error = None;
        state.cut_wanted = state.cut_wanted.max(target);
        drop(state);
        self.flushes.retry_now();
        self.queue.order_cut();
        let mut state = self.shared.state();
        while state.flushed < target {
            state.check_open()?;
            if let Some(error) = &state.flush_error {
                return Err(error.clone());
            }
            self.shared.wait(&mut state);
        }
        Ok(())
    }

    /// Compacts until there is nothing left to do, as if everything were old: after this no event is
    /// in a level-0 file, but for those flushed meanwhile and damaged ones.
    ///
    /// # Errors
    /// `Corrupt` for a source that is damaged, once the rest is done; `Full`, `Io`, `Closed`.
    pub fn compact_now(&self) -> Result<()> {
        self.shared.state().check_open()?;
        self.compactions.ask()
    }

    /// Ends compaction within a block, until the store is opened again. Who waits for it is told
    /// that the store is being closed.
    pub fn stop_compaction(&self) {
        self.compactions.close();
    }

    /// Ends a run of drops that looks up what is held, until the store is opened again.
    pub fn stop_drops(&self) {
        self.shared.retention.cancel.cancel();
    }

    /// Whether queries leave out what statistics and filters rule out, as they do unless told
    /// otherwise here. No answer depends on it: that is what tests switch it off for.
    #[cfg(any(test, feature = "testing"))]
    pub fn set_pruning(&self, prunes: bool) {
        self.shared.prunes.store(prunes, Relaxed);
    }

    /// Waits until no thread of the engine has anything to do, but for the retry of a flush.
    #[cfg(any(test, feature = "testing"))]
    pub fn settle(&self) {
        self.activity.settle();
    }

    /// Lets the log write its group without records now, as it does when it is idle.
    #[cfg(feature = "testing")]
    pub fn log_is_idle(&self) {
        self.queue.order_idle();
    }

    /// The state of the store.
    pub fn status(&self) -> Status {
        let full = self.shared.room.check(&self.shared, 0).err();
        let counters = &self.shared.counters;
        let keys = self.shared.claims.figures();
        let state = self.shared.state();
        let files = Arc::clone(&state.files);
        let frozen = state.frozen.as_ref().map(|frozen| &frozen.memtable);
        let memtables = || frozen.into_iter().chain([&state.active]);
        let rows_in_memory = memtables().map(|table| table.rows()).sum::<u64>();
        let memtable_bytes = memtables().map(|table| table.bytes() as u64).sum();
        let compaction_failing = state.compaction_error.as_ref().map(ToString::to_string);
        let flush_failing = state.flush_error.as_ref().map(ToString::to_string);
        let wal_bytes = counters.wal_bytes.load(Relaxed);
        // Until memory or log are full, events are accepted although they can't be flushed.
        let limits = &self.shared.limits;
        let refuses = wal_bytes >= limits.wal_bytes_max
            || state.active.bytes() >= 2 * limits.memtable_bytes_max;
        let failed = state.flush_error.as_ref().filter(|_| refuses);
        let not_writable = state.check_open().err().or_else(|| failed.cloned()).or(full);
        // A hundred thousand sections: nobody should wait while they are counted.
        drop(state);
        let evicted = || files.iter().filter(|file| file.file.is_evicted());
        let sections = || files.iter().flat_map(|file| &file.meta.sections);
        let count = |is_kind: fn(FileId) -> bool| {
            files.iter().filter(|file| is_kind(file.meta.id)).count() as u64
        };
        Status {
            not_writable,
            flush_failing,
            events_recovered: counters.events_recovered.load(Relaxed),
            events_appended: counters.events_appended.load(Relaxed),
            wal_groups: counters.wal_groups.load(Relaxed),
            wal_bytes_written: counters.wal_bytes_written.load(Relaxed),
            wal_bytes,
            segment_bytes: files.iter().map(|file| file.meta.len).sum(),
            segment_files: files.len() as u64,
            archive_bytes: evicted().map(|file| file.meta.len).sum(),
            archive_files: evicted().count() as u64,
            level_zero_files: count(FileId::is_level_zero),
            pack_files: count(|id| matches!(id, FileId::Pack(_))),
            sections: sections().count() as u64,
            events: sections().map(|section| section.rows).sum::<u64>() + rows_in_memory,
            memtable_bytes,
            flushes: counters.flushes.load(Relaxed),
            keys: keys.live as u64,
            oldest_key_seconds: u64::try_from(keys.oldest_age_ms / 1_000).unwrap_or(0),
            key_bytes: keys.bytes as u64,
            replays: keys.replays,
            key_conflicts: keys.conflicts,
            key_files_damaged: counters.key_files_damaged.load(Relaxed),
            index_faults: self.shared.cache.index_counts().faults(),
            flushed_bytes: counters.flushed_bytes.load(Relaxed),
            compactions: counters.compactions.load(Relaxed),
            compactions_failed: counters.compactions_failed.load(Relaxed),
            compacted_bytes_in: counters.compacted_bytes_in.load(Relaxed),
            compacted_bytes_out: counters.compacted_bytes_out.load(Relaxed),
            compaction_failing,
            redactions: self.redactor.hits(),
            expired_on_arrival: counters.expired_on_arrival.load(Relaxed),
            sections_dropped: counters.sections_dropped.load(Relaxed),
            events_dropped: counters.events_dropped.load(Relaxed),
            bytes_dropped: counters.bytes_dropped.load(Relaxed),
            drops_suspended: self.shared.retention.look(&*self.shared.io.clock).1,
            holds: self.shared.retention.holds.load(Relaxed),
            pool: self.shared.pool.status(),
        }
    }

    /// Finishes what was submitted, syncs and closes. Submissions meanwhile are refused.
    ///
    /// # Errors
    /// `Closed` if the store had to close before, with the reason.
    pub fn close(mut self) -> Result<()> {
        self.end_threads();
        self.shared.state().check_open()
    }

    fn end_threads(&mut self) {
        self.compactions.close();
        self.queue.close();
        self.shared.scans.close();
        let mut threads = self.threads.drain(..);
        // The writer's end closes the queues of the next two; the flusher is told once nothing more
        // can come.
        for thread in threads.by_ref().take(3) {
            // A panic has closed the store with a reason already.
            let _ = thread.join();
        }
        self.flushes.close();
        for thread in threads.chain(self.scanners.drain(..)) {
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_threads();
    }
}
