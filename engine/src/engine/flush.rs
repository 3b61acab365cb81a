//! The flusher thread: a frozen memtable becomes a level-0 file, then a manifest edit, and only
//! then its log goes. The order is the point:
//!
//! - `I1` the file is durable under its name before the edit names it;
//! - `I2` the edit is durable before the log of its generation is retired;
//! - `I3` the keys of its batches are durable in a file of their own before the edit, too;
//! - `I4` readers see the rows in the memtable until they see them in the file, and never twice;
//! - `I5` edits are committed and shown to readers in one order: the manifest stays locked for both.
//!   Locks are taken in this order: the manifest's, then the state's.

use super::activity::{Activity, Busy};
use super::compactor::CompactQueue;
use super::queue::Queue;
use super::state::Shared;
use crate::error::{ErrorKind, Result};
use crate::field;
use crate::idempotency::KeyFiles;
use crate::io;
use crate::manifest::{Edit, FileId};
use crate::segment::{self, Header, SectionBlocks};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long after a failure a flush is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Tells the flusher thread that the frozen memtable is ready.
#[derive(Debug, Clone)]
pub(crate) struct FlushQueue {
    inner: Arc<(Mutex<Orders>, Condvar)>,
    activity: Activity,
}

#[derive(Debug, Default)]
struct Orders {
    ready: usize,
    /// From the first order on until the flusher waits for more, or to try again.
    busy: Option<Busy>,
    /// Whether somebody wants a retry at once.
    retry: bool,
    closing: bool,
    /// Whether the flusher has ended.
    ended: bool,
}

impl FlushQueue {
    pub(crate) fn new(activity: &Activity) -> Self {
        Self { inner: Arc::default(), activity: activity.clone() }
    }

    pub(crate) fn push(&self) {
        let mut orders = self.inner.0.lock();
        orders.ready += 1;
        if !orders.ended {
            orders.busy.get_or_insert_with(|| self.activity.begin());
        }
        self.inner.1.notify_one();
    }

    /// Ends the wait before a retry.
    pub(crate) fn retry_now(&self) {
        self.inner.0.lock().retry = true;
        self.inner.1.notify_one();
    }

    /// Lets the thread end after what is ready.
    pub(crate) fn close(&self) {
        self.inner.0.lock().closing = true;
        self.inner.1.notify_one();
    }

    /// Waits for a frozen memtable; `false` if none will come.
    fn next(&self) -> bool {
        let mut orders = self.inner.0.lock();
        while orders.ready == 0 {
            orders.busy = None;
            if orders.closing {
                return false;
            }
            self.inner.1.wait(&mut orders);
        }
        orders.ready -= 1;
        orders.retry = false;
        true
    }

    /// Waits before a retry; `false` if the thread is to end instead.
    fn wait_to_retry(&self) -> bool {
        let mut orders = self.inner.0.lock();
        if !orders.closing && !std::mem::take(&mut orders.retry) {
            orders.busy = None;
            self.inner.1.wait_for(&mut orders, RETRY_AFTER);
            orders.busy = Some(self.activity.begin());
            orders.retry = false;
        }
        !orders.closing
    }
}

/// Nobody waits for a thread that has ended.
struct EndsQueue<'a>(&'a FlushQueue);

impl Drop for EndsQueue<'_> {
    fn drop(&mut self) {
        let mut orders = self.0.inner.0.lock();
        (orders.ended, orders.busy) = (true, None);
    }
}

/// Works until the queue is closed.
pub(crate) fn run(
    shared: &Shared,
    flushes: &FlushQueue,
    queue: &Queue,
    compactions: &CompactQueue,
    keys: &KeyFiles,
) {
    io::take_breaks(true);
    let _ends = EndsQueue(flushes);
    while flushes.next() {
        loop {
            match flush(shared, keys) {
                Ok(generation) => {
                    shared.counters.flushes.fetch_add(1, Relaxed);
                    queue.order_retire(generation);
                    keys.forget(&shared.claims);
                    shared.notify();
                    compactions.wake();
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Closed => {
                    return shared.close(error.to_string());
                }
                Err(error) => {
                    shared.state().flush_error = Some(error);
                    shared.notify();
                }
            }
            if !flushes.wait_to_retry() {
                return;
            }
        }
    }
}

/// Writes the frozen memtable to a file and makes it live. Returns the generation whose log is no
/// longer needed.
fn flush(shared: &Shared, keys: &KeyFiles) -> Result<u64> {
    shared.state().check_open()?;
    let (header, sections, names) = frozen_sections(shared);
    let id = header.id;
    let meta = segment::write(&shared.io, &shared.dir, &header, &sections, names)?;
    write_keys(shared, id.number(), keys)?;
    let mut manifest = shared.manifest();
    shared.state().check_open()?;
    let clock_high_water = shared.retention.clock_high_water(&*shared.io.clock, manifest.state());
    manifest.commit(Edit::AddFile { file: meta, clock_high_water })?;
    let live = shared.live_file(&manifest.state().files[&id]);
    shared.counters.flushed_bytes.fetch_add(live.meta.len, Relaxed);
    let mut state = shared.state();
    let mut files = Vec::clone(&state.files);
    files.push(live);
    state.files = Arc::new(files);
    let flushed = state.frozen.take().expect("only the flusher takes it");
    state.flushed = flushed.memtable.id;
    state.flush_error = None;
    drop(state);
    drop(manifest);
    flushed.memtable.lease.hold(&shared.pool, flushed.memtable.bytes());
    shared.state().account();
    // Thousands of blocks: nobody should wait while they are freed. Queries may have them still.
    drop(flushed);
    Ok(id.number())
}

fn write_keys(shared: &Shared, generation: u64, keys: &KeyFiles) -> Result<()> {
    let state = shared.state();
    let range = state.frozen.as_ref().expect("a flush is ordered after a cut").keys;
    drop(state);
    keys.write(generation, range, &shared.claims)
}

fn frozen_sections(shared: &Shared) -> (Header, Vec<SectionBlocks>, BTreeSet<String>) {
    let state = shared.state();
    let frozen = state.frozen.as_ref().expect("a flush is ordered after a cut");
    let header = Header {
        store: shared.store,
        incarnation: shared.incarnation,
        id: FileId::LevelZero(frozen.generation),
        seqs: frozen.memtable.seqs,
    };
    let mut sections: Vec<_> = frozen
        .memtable
        .partitions
        .iter()
        .map(|(key, partition)| {
            assert!(partition.pending.is_empty() && partition.tail.is_empty(), "all rows sealed");
            let blocks = partition.blocks.iter().map(|b| (b.meta, Arc::clone(&b.bytes))).collect();
            let digest = frozen.run_digests.get(key).copied();
            assert!(digest.is_some(), "every run has its digest");
            SectionBlocks { key: key.clone(), blocks, digest }
        })
        .collect();
    sections.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let names = Arc::clone(&frozen.memtable.names);
    drop(state);
    let names = names.iter().map(|name| field::display_name(name).into_owned()).collect();
    (header, sections, names)
}
