//! The compactor thread: one job at a time, and only while nobody waits for the other threads.
//!
//! - `I1` the output is durable under its name before the edit names it.
//! - `I2` the edit is durable before readers see the output, and they see it in the place of what
//!   it replaces at once; sources go with their last reader.
//! - `I3` after a crash or a failure the sources are as they were: the job begins anew.
//! - `I4` the manifest is locked for the edit only, and before the state (see the flusher).
//! - `I5` no job begins whose output would not fit above the disk's reserve, and none goes on once
//!   the reserve is touched: what merges need is never taken from what flushes need.

use super::activity::{Activity, Busy};
use super::space::check_room;
use super::state::{LiveFile, Shared};
use super::warm::Warmed;
use crate::compact::{self, Failure, Job, Place, Situation, SourceSection, next_job};
use crate::error::{Error, ErrorKind, Result};
use crate::io;
use crate::manifest::{Edit, FileId, FileMeta, SectionMeta};
use crate::partition::PartitionKey;
use crate::pool::Consumer;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long after the last flush the clock alone may have made something due.
const LOOK_AFTER: Duration = Duration::from_secs(60);

/// How long after a failure nothing is tried that nobody asked for: a job that fails at its end has
/// written all of its output, and each flush would begin it anew.
const REST: Duration = Duration::from_secs(30);
/// How often work goes on at once although something of a job was dropped before its end.
const RACES_MAX: u32 = 16;

/// Tells the compactor thread when to look for work.
#[derive(Debug, Clone)]
pub(crate) struct CompactQueue {
    inner: Arc<(Mutex<Orders>, Condvar)>,
    activity: Activity,
    /// Whether the thread is to end, within a block.
    is_closing: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Orders {
    /// Whether something was flushed.
    awake: bool,
    /// From the first order on until the compactor waits for more.
    busy: Option<Busy>,
    /// How often somebody asked for all there is to do, and how many of them are answered.
    asked: u64,
    answered: u64,
    /// What the last answer was.
    answer: Option<Error>,
    /// Whether the thread has ended.
    ended: bool,
}

/// What there is to look for.
#[derive(Debug, Clone, Copy)]
struct Order {
    /// The number of those who asked; nothing is asked if it is that of the last answer.
    asked: u64,
    ignore_ages: bool,
}

impl CompactQueue {
    pub(crate) fn new(activity: &Activity) -> Self {
        Self { inner: Arc::default(), activity: activity.clone(), is_closing: Arc::default() }
    }

    pub(crate) fn wake(&self) {
        let mut orders = self.inner.0.lock();
        orders.awake = true;
        self.set_busy(&mut orders);
        self.inner.1.notify_all();
    }

    fn set_busy(&self, orders: &mut Orders) {
        if !orders.ended {
            orders.busy.get_or_insert_with(|| self.activity.begin());
        }
    }

    /// Lets the thread end within a block.
    pub(crate) fn close(&self) {
        // Under the lock, so that a thread about to wait is not missed.
        let orders = self.inner.0.lock();
        self.is_closing.store(true, Relaxed);
        drop(orders);
        self.inner.1.notify_all();
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Relaxed)
    }

    /// Whether nobody waits for an answer.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        let orders = self.inner.0.lock();
        orders.asked == orders.answered
    }

    /// Asks for all there is to do, and waits until it is done.
    pub(crate) fn ask(&self) -> Result<()> {
        let mut orders = self.inner.0.lock();
        orders.asked += 1;
        let mine = orders.asked;
        self.set_busy(&mut orders);
        self.inner.1.notify_all();
        while orders.answered < mine {
            if orders.ended {
                return Err(Error::closed("the compactor thread has ended"));
            }
            self.inner.1.wait(&mut orders);
        }
        orders.answer.clone().map_or(Ok(()), Err)
    }

    /// Waits for something to do; `None` if the thread is to end.
    fn next(&self, is_automatic: bool) -> Option<Order> {
        let mut orders = self.inner.0.lock();
        let mut due = false;
        loop {
            if self.is_closing() {
                return None;
            }
            let ignore_ages = orders.asked > orders.answered;
            if ignore_ages || (is_automatic && (orders.awake || due)) {
                orders.awake = false;
                return Some(Order { asked: orders.asked, ignore_ages });
            }
            orders.busy = None;
            // Time brings work as well as flushes do.
            due = self.inner.1.wait_for(&mut orders, LOOK_AFTER).timed_out();
        }
    }

    fn answer(&self, order: Order, result: Result<()>) {
        let mut orders = self.inner.0.lock();
        if order.asked > orders.answered {
            orders.answered = order.asked;
            orders.answer = result.err();
            self.inner.1.notify_all();
        }
    }
}

/// Nobody waits for a thread that has ended.
struct EndsQueue<'a>(&'a CompactQueue);

impl Drop for EndsQueue<'_> {
    fn drop(&mut self) {
        let mut orders = self.0.inner.0.lock();
        (orders.ended, orders.busy) = (true, None);
        drop(orders);
        self.0.inner.1.notify_all();
    }
}

/// Works until the queue is closed.
pub(crate) fn run(shared: &Shared, queue: &CompactQueue) {
    io::yield_to_others();
    io::take_breaks(true);
    let _ends = EndsQueue(queue);
    let mut compactor =
        Compactor { shared, queue, damaged: BTreeSet::new(), damage: None, rests_until: None };
    let mut warmed = Warmed::default();
    while let Some(order) = queue.next(shared.limits.compaction.is_automatic) {
        if !order.ignore_ages && compactor.rests() {
            continue;
        }
        let result = compactor.work(order.ignore_ages);
        let is_closed = matches!(&result, Err(error) if error.kind() == ErrorKind::Closed);
        queue.answer(order, result);
        if is_closed {
            return;
        }
        if shared.limits.compaction.is_automatic {
            // Once all is merged: what is merged again at once is read by nobody.
            warmed.warm_files(shared, || !queue.is_closing());
        }
    }
}

struct Compactor<'a> {
    shared: &'a Shared,
    queue: &'a CompactQueue,
    /// Partitions with a damaged source: they are left alone until the store is opened again.
    damaged: BTreeSet<PartitionKey>,
    /// The damage of one of them.
    damage: Option<Error>,
    /// In monotonic time (see [`REST`]).
    rests_until: Option<Duration>,
}

impl Compactor<'_> {
    fn rests(&self) -> bool {
        self.rests_until.is_some_and(|until| self.shared.io.clock.monotonic() < until)
    }

    /// Does all there is to do, and rests if that fails.
    fn work(&mut self, ignore_ages: bool) -> Result<()> {
        let result = self.work_off(ignore_ages);
        let now = self.shared.io.clock.monotonic();
        self.rests_until = result.is_err().then(|| now.saturating_add(REST));
        result
    }

    /// Does all there is to do. What could not be read is told once the rest is done.
    fn work_off(&mut self, ignore_ages: bool) -> Result<()> {
        let mut unreadable = None;
        let mut races = 0;
        // Those that can't be read now may be the next time: handles and memory come back.
        let mut blocked = self.damaged.clone();
        loop {
            let _rewriting = self.shared.retention.rewriting.lock();
            let files = Arc::clone(&self.shared.state().files);
            let Some(job) = self.next(&files, &blocked, ignore_ages) else { break };
            match self.compact(&job, &files) {
                Ok(()) => {
                    self.shared.counters.compactions.fetch_add(1, Relaxed);
                    if unreadable.is_none() {
                        self.works_again();
                    }
                }
                Err(Failure::Stopped(error)) => {
                    if error.kind() != ErrorKind::Closed {
                        self.shared.state().compaction_error = Some(error.clone());
                    }
                    return Err(error);
                }
                Err(Failure::Source(partition, error)) => {
                    self.note(&error);
                    if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) {
                        self.damaged.insert(partition.clone());
                        self.damage.get_or_insert(error.clone());
                    }
                    blocked.insert(partition);
                    unreadable.get_or_insert(error);
                }
                // Something of it was dropped meanwhile: what is left is another job.
                Err(Failure::Output(error))
                    if error.kind() == ErrorKind::Busy && races < RACES_MAX =>
                {
                    races += 1;
                }
                Err(Failure::Output(error) | Failure::Index(error)) => {
                    self.note(&error);
                    if error.kind() == ErrorKind::Closed {
                        self.shared.close(error.to_string());
                    }
                    return Err(error);
                }
            }
        }
        match unreadable {
            Some(error) => Err(error),
            None => {
                self.works_again();
                Ok(())
            }
        }
    }

    /// Of what failed before, only damage is still told.
    fn works_again(&self) {
        self.shared.state().compaction_error.clone_from(&self.damage);
    }

    fn note(&self, error: &Error) {
        self.shared.counters.compactions_failed.fetch_add(1, Relaxed);
        self.shared.state().compaction_error = Some(error.clone());
    }

    fn next(
        &self,
        files: &[LiveFile],
        blocked: &BTreeSet<PartitionKey>,
        ignore_ages: bool,
    ) -> Option<Job> {
        // E4: what left the disk stays as it is.
        let local = files.iter().filter(|file| !file.file.is_evicted());
        let metas: Vec<_> = local.clone().map(|file| Arc::clone(&file.meta)).collect();
        let job = next_job(&Situation {
            files: &metas,
            blocked,
            now: self.shared.io.clock.now(),
            limits: &self.shared.limits.compaction,
            ignore_ages,
        });
        // Only if somebody asks: who gives another key says when the disk may be busy with it.
        job.or_else(|| ignore_ages.then(|| self.under_other_keys(local, blocked)).flatten())
    }

    /// A file that is not encrypted as it would be now, to be written again as it is.
    fn under_other_keys<'a>(
        &self,
        files: impl Iterator<Item = &'a LiveFile>,
        blocked: &BTreeSet<PartitionKey>,
    ) -> Option<Job> {
        let active = self.shared.io.storage.keys()?.active();
        let is_blocked = |section: &SectionMeta| blocked.contains(&section.partition);
        let mut others = files.filter(|file| {
            // One whose key can't be read is none that has the right one: its job fails, and tells why.
            let is_other = !file.file.key_id().is_ok_and(|id| id == Some(active));
            is_other && !file.meta.id.is_level_zero() && !file.meta.sections.iter().any(is_blocked)
        });
        others.next().map(|file| Job::again(&file.meta))
    }

    fn compact(&self, job: &Job, files: &[LiveFile]) -> Result<(), Failure> {
        let shared = self.shared;
        check_room(shared, job.output_bytes_max()).map_err(Failure::Stopped)?;
        let number = shared.manifest().state().next_file;
        let place = shared.place(number);
        let sources = sources(job, files);
        let base = compact::memory_base(&shared.limits);
        let memory = shared.pool.reserve(Consumer::Compaction, base);
        let mut memory = memory.map_err(|refused| Failure::Stopped(refused.into()))?;
        let mut execute = |place: &Place<'_>| {
            memory.shrink_to(base);
            compact::execute(place, job, &sources, &mut memory, &mut || self.proceed())
        };
        let output = match execute(&place) {
            Err(Failure::Index(_)) => execute(&Place { indexes: false, ..place }),
            output => output,
        }?;
        drop(memory);
        let (id, bytes) = (output.id, output.len);
        self.commit(job, output).map_err(|error| {
            // After a failed sync it is unknown whether the edit names it.
            if error.kind() != ErrorKind::Closed {
                compact::remove(&place, id);
            }
            Failure::Output(error)
        })?;
        shared.counters.compacted_bytes_in.fetch_add(job.bytes, Relaxed);
        shared.counters.compacted_bytes_out.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Waits while ingest does.
    ///
    /// # Errors
    /// `Closed` if the store is being closed, `Full` if the disk has become so.
    fn proceed(&self) -> Result<()> {
        let mut state = self.shared.state();
        loop {
            if self.queue.is_closing() || state.closed.is_some() {
                return Err(Error::closed("the store is being closed"));
            }
            if !state.ingest_waits {
                break;
            }
            self.shared.wait_briefly(&mut state);
        }
        drop(state);
        check_room(self.shared, 0)
    }

    /// Makes the output live in the place of the job's sections.
    fn commit(&self, job: &Job, output: FileMeta) -> Result<()> {
        let id = output.id;
        let removed = job.sections.iter().map(|(id, offsets)| (*id, offsets.clone())).collect();
        let edit = Edit::Replace { added: vec![output], removed };
        let mut manifest = self.shared.manifest();
        self.shared.state().check_open()?;
        if let Err(what) = manifest.accepts(&edit) {
            return Err(Error::busy(format!("sections changed while they were compacted: {what}")));
        }
        manifest.commit(edit)?;
        let live = &manifest.state().files;
        let mut state = self.shared.state();
        let files = replaced(&state.files, job, |id| live.get(&id));
        let files = files.chain([self.shared.live_file(&live[&id])]).collect();
        let after: Arc<Vec<_>> = Arc::new(files);
        let before = std::mem::replace(&mut state.files, Arc::clone(&after));
        drop(state);
        drop(manifest);
        // Files that nobody reads go here, outside of all locks.
        self.shared.cache.forget(|id| job.sections.contains_key(&id) && !is_live(&after, id));
        drop(before);
        Ok(())
    }
}

/// The files after a job: those that it took sections from have fewer, or are given up.
fn replaced<'a>(
    files: &'a [LiveFile],
    job: &'a Job,
    live: impl Fn(FileId) -> Option<&'a Arc<FileMeta>> + 'a,
) -> impl Iterator<Item = LiveFile> + 'a {
    files.iter().filter_map(move |file| {
        if !job.sections.contains_key(&file.meta.id) {
            return Some(file.clone());
        }
        let Some(meta) = live(file.meta.id) else {
            file.file.remove_when_unused();
            return None;
        };
        Some(LiveFile { meta: Arc::clone(meta), file: Arc::clone(&file.file) })
    })
}

fn is_live(files: &[LiveFile], id: FileId) -> bool {
    files.iter().any(|file| file.meta.id == id)
}

fn sources(job: &Job, files: &[LiveFile]) -> Vec<SourceSection> {
    let mut sources = Vec::new();
    for file in files {
        let offsets = job.sections.get(&file.meta.id).into_iter().flatten();
        sources.extend(offsets.map(|offset| {
            let meta = file.meta.section(*offset).expect("a job is of live sections").clone();
            SourceSection { file: Arc::clone(&file.file), meta }
        }));
    }
    sources
}
