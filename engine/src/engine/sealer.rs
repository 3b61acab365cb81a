//! The sealer thread: turns rows that left a tail into finished blocks, in order.

use super::activity::{Activity, Busy};
use super::flush::FlushQueue;
use super::state::Shared;
use crate::batch::Rows;
use crate::block;
use crate::error::Result;
use crate::memtable::{MemBlock, SealJob};
use crate::proof::Runs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

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

/// Works until every [`SealQueue`] is gone.
pub(crate) fn run(shared: &Shared, tasks: &Receiver<(Task, Busy)>, flushes: &FlushQueue) {
    let mut runs = Runs::default();
    while let Ok((task, _busy)) = tasks.recv() {
        match task {
            Task::Seal(job) => {
                let rows = job.pending.gather();
                runs.push(&job.key, &rows);
                let block = seal(&rows).expect("what was just encoded can be read");
                let mut state = shared.state();
                let memtable = state.memtable(job.memtable);
                memtable.expect("a memtable is flushed after its blocks").sealed(&job, block);
                state.account();
                drop(state);
                shared.notify();
            }
            Task::Flush => {
                finish_runs(shared, &mut runs);
                flushes.push();
            }
        }
    }
}

/// Leaves the digests of a generation's runs with its memtable. The jobs of the next generation
/// come only after the order to flush this one.
fn finish_runs(shared: &Shared, runs: &mut Runs) {
    let generation = shared.state().frozen.as_ref().map(|frozen| frozen.generation);
    let digests = runs.finish(generation.expect("a flush is ordered after a cut"));
    shared.state().frozen.as_mut().expect("only the flusher takes it").run_digests = digests;
}

fn seal(rows: &Rows) -> Result<MemBlock> {
    let encoded = block::seal(rows);
    let bytes: Arc<[u8]> = encoded.bytes.into();
    let source = block::Source::Memory(Arc::clone(&bytes));
    let block = block::Block::open(source, &encoded.meta)?;
    let filter = crate::segment::filter_of(&block, Path::new(""))?;
    Ok(MemBlock { meta: encoded.meta, bytes, block: Arc::new(block), filter: Arc::new(filter) })
}
