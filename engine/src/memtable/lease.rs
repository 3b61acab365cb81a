//! The memory of a memtable that queries may read for longer than it lives.

use crate::pool::{Consumer, Pool, Reservation};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a memtable and the snapshots of it share; it goes with the last of them.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// What the memtable took when a snapshot was made, at most: rows that are in a block by now
    /// may still be held as they were.
    seen: AtomicUsize,
    /// Once the memtable itself is not counted any more.
    memory: Mutex<Option<Reservation>>,
}

impl Lease {
    /// The lease of a snapshot of a memtable that takes so many bytes.
    pub(crate) fn share(self: &Arc<Self>, bytes: usize) -> Arc<Self> {
        self.seen.fetch_max(bytes, Relaxed);
        Arc::clone(self)
    }

    /// Counts the memtable, which took so many bytes at last, until the last snapshot of it goes.
    /// It is not within any bound: it is in use already.
    pub(crate) fn hold(&self, pool: &Arc<Pool>, bytes: usize) {
        let memory = pool.reserve(Consumer::Ingest, 0);
        let mut memory = memory.expect("0 bytes are always given");
        memory.hold(bytes.max(self.seen.load(Relaxed)));
        *self.memory.lock() = Some(memory);
    }
}
