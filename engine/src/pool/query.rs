//! The memory of one query: a bound of its own within the common pool.
//!
//! - `Q1` what a query has reserved is at most its bound, over all of its parts and threads; once it has
//!   stopped at that, it has a quarter more to make an answer of what it found.
//! - `Q2` what is charged to a query is released when its reservation is dropped: a query that is over has
//!   nothing but its answer.

use super::{Consumer, Pool, Refused};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// What all parts of one query have reserved together. Bytes.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    used: AtomicUsize,
    peak: AtomicUsize,
    /// Whether the query has stopped at its bound.
    stopped: AtomicBool,
}

/// The query that a pool is of.
#[derive(Debug)]
pub(super) struct Owner {
    common: Arc<Pool>,
    usage: Arc<Usage>,
    bytes_max: usize,
}

impl Usage {
    /// The most that it had at a time.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }

    /// The query has stopped at its bound.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Counts further bytes, unless that makes more than `most`: then what there is already is the error.
    fn charge(&self, bytes: usize, most: usize) -> Result<(), usize> {
        let grace = if self.stopped.load(Relaxed) { most / 4 } else { 0 };
        let most = most.saturating_add(grace);
        let add = |used: usize| used.checked_add(bytes).filter(|all| *all <= most);
        self.used.fetch_update(Relaxed, Relaxed, add).map(drop)
    }

    fn release(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Relaxed);
        debug_assert!(before >= bytes, "Q2");
    }
}

impl Pool {
    /// The pool of a query that may take `bytes_max` of this one, and has what `usage` counts already.
    pub(crate) fn of_query(self: &Arc<Self>, usage: &Arc<Usage>, bytes_max: usize) -> Arc<Self> {
        let mut guaranteed = self.guaranteed;
        let share = &mut guaranteed[Consumer::Query as usize];
        *share = bytes_max.min(*share);
        let owner = Owner { common: Arc::clone(self), usage: Arc::clone(usage), bytes_max };
        Arc::new(Self {
            budget: self.budget,
            guaranteed,
            used: Default::default(),
            refusals: Default::default(),
            owner: Some(owner),
        })
    }
}

impl Owner {
    pub(super) fn common(&self) -> &Arc<Pool> {
        &self.common
    }

    pub(super) fn take(&self, consumer: Consumer, bytes: usize) -> Result<(), Refused> {
        if let Err(used) = self.usage.charge(bytes, self.bytes_max) {
            return Err(Refused { consumer, bytes, used, query_max: Some(self.bytes_max) });
        }
        let taken = self.common.take(consumer, bytes);
        match taken {
            Ok(()) => drop(self.usage.peak.fetch_max(self.usage.used.load(Relaxed), Relaxed)),
            Err(_) => self.usage.release(bytes),
        }
        taken
    }

    pub(super) fn give_back(&self, consumer: Consumer, bytes: usize) {
        self.usage.release(bytes);
        self.common.give_back(consumer, bytes);
    }
}
