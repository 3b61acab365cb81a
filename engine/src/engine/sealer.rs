//! The sealer thread: turns rows that left a tail into finished blocks, in order.
//!
//! While a store is opened nobody else wants the cores, so several blocks are encoded at a time.

use super::activity::{Activity, Busy};
use super::flush::FlushQueue;
use super::state::Shared;
use crate::batch::Rows;
use crate::block;
use crate::error::Result;
use crate::io;
use crate::memtable::{MemBlock, PendingBlock, SealJob};
use crate::proof::Runs;
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Blocks that are encoded at the same time while a store is opened: reading the log is a third of the
/// work, and one thread's.
pub(crate) const SEALERS_AT_OPEN: usize = 3;

/// The sealer takes no breaks once this part of what may wait for it does.
const HURRIES_AT: usize = 4;

/// What the sealer thread is to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Encode these rows.
    Seal(SealJob),
    /// Every row of the frozen memtable is in a block once this is reached: flush it.
    Flush,
}

/// Hands tasks to the sealer thread.
#[derive(Debug, Clone)]
pub(crate) struct SealQueue {
    sender: Sender<(Task, Busy)>,
    activity: Activity,
}

impl SealQueue {
    pub(crate) fn new(activity: &Activity) -> (Self, Receiver<(Task, Busy)>) {
        let (sender, receiver) = channel();
        (Self { sender, activity: activity.clone() }, receiver)
    }

    pub(crate) fn push(&self, task: Task) {
        // The receiver is gone only if the sealer panicked, and then the store is closed.
        let _ = self.sender.send((task, self.activity.begin()));
    }

    pub(crate) fn extend(&self, jobs: impl IntoIterator<Item = SealJob>) {
        jobs.into_iter().for_each(|job| self.push(Task::Seal(job)));
    }
}

/// A block that another thread encodes.
struct Ahead {
    job: SealJob,
    thread: JoinHandle<(Rows, MemBlock)>,
    _busy: Busy,
}

/// Works until every [`SealQueue`] is gone.
pub(crate) fn run(shared: &Shared, tasks: &Receiver<(Task, Busy)>, flushes: &FlushQueue) {
    let mut runs = Runs::default();
    // Digests and memtables see blocks in the order of their jobs.
    let mut ahead: VecDeque<Ahead> = VecDeque::new();
    let finish_first = |ahead: &mut VecDeque<Ahead>, runs: &mut Runs| {
        let Some(Ahead { job, thread, _busy }) = ahead.pop_front() else { return false };
        let (rows, block) = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        finish(shared, runs, &job, &rows, block);
        true
    };
    loop {
        let sealers = shared.sealers.load(Relaxed);
        let task = match ahead.len() {
            0 => match tasks.recv() {
                Ok(task) => Some(task),
                Err(_) => return,
            },
            working if working < sealers => tasks.try_recv().ok(),
            _ => None,
        };
        match task {
            None => {
                finish_first(&mut ahead, &mut runs);
            }
            Some((Task::Seal(job), busy)) if sealers > 1 => {
                let pending = Arc::clone(&job.pending);
                let thread = std::thread::spawn(move || encode(&pending));
                ahead.push_back(Ahead { job, thread, _busy: busy });
            }
            Some((task, _busy)) => {
                while finish_first(&mut ahead, &mut runs) {}
                match task {
                    Task::Seal(job) => {
                        io::take_breaks(!is_behind(shared));
                        let (rows, block) = encode(&job.pending);
                        finish(shared, &mut runs, &job, &rows, block);
                    }
                    Task::Flush => {
                        finish_runs(shared, &mut runs);
                        flushes.push();
                    }
                }
            }
        }
    }
}

/// Whether what waits for its encoding nears what appends wait for.
fn is_behind(shared: &Shared) -> bool {
    shared.state().active.pending_bytes > shared.limits.unsealed_bytes_max / HURRIES_AT
}

fn encode(pending: &PendingBlock) -> (Rows, MemBlock) {
    let rows = pending.gather();
    io::may_break();
    let block = seal(&rows).expect("what was just encoded can be read");
    (rows, block)
}

fn finish(shared: &Shared, runs: &mut Runs, job: &SealJob, rows: &Rows, block: MemBlock) {
    runs.push(&job.key, rows);
    let mut state = shared.state();
    let memtable = state.memtable(job.memtable);
    memtable.expect("a memtable is flushed after its blocks").sealed(job, block);
    state.account();
    drop(state);
    shared.notify();
}

/// Leaves the digests of a generation's runs with its memtable. The jobs of the next generation
/// come only after the order to flush this one.
fn finish_runs(shared: &Shared, runs: &mut Runs) {
    let generation = shared.state().frozen.as_ref().map(|frozen| frozen.generation);
    let digests = runs.finish(generation.expect("a flush is ordered after a cut"));
    shared.state().frozen.as_mut().expect("only the flusher takes it").run_digests = digests;
}

fn seal(rows: &Rows) -> Result<MemBlock> {
    let encoded = block::seal_young(rows);
    io::may_break();
    let meta = encoded.meta;
    let bytes = encoded.into_shared();
    let source = block::Source::Memory(Arc::clone(&bytes));
    let block = block::Block::open(source, &meta)?;
    let filter = crate::segment::filter_of(&block, Path::new(""))?;
    Ok(MemBlock { meta, bytes, block: Arc::new(block), filter: Arc::new(filter) })
}
