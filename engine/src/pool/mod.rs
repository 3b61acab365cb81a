//! The memory that batches, queries and merges share: reserved before it is allocated.
//!
//! What counts is anonymous memory that grows with what senders and readers ask for. Maps of files
//! and the page cache are outside; so are stacks and code.
//!
//! - `I1` each consumer can always have its guaranteed share; beyond it, consumers share what is left.
//! - `I2` a reservation never waits: it is given or refused, so nobody can hold memory while waiting
//!   for more.
//! - `I3` what is reserved is given back when the reservation is dropped, whatever happens.
//! - `I4` all that a query reserves, on whichever thread, is of a pool of its own, whose bytes are those of
//!   the common one: so it has a bound of its own, too ([`query`]).

mod query;
#[cfg(test)]
mod tests;

pub(crate) use query::Usage;

use crate::error::Error;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The least budget: less does not hold one batch and one query.
const BUDGET_MIN: usize = 64 << 20;
/// The share of compaction, unless that is more than an eighth of the budget.
const COMPACTION_SHARE: usize = 64 << 20;

/// Who uses memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// Bodies, batches, the log's queue, memtables. At least 40% of the budget are theirs.
    Ingest,
    /// Blocks being decoded, tables, pages. At least 25% of the budget are theirs.
    Query,
    /// Merging files. At least 64 MiB are its, or an eighth of a budget below 512 MiB.
    Compaction,
}

/// A budget of bytes with guaranteed shares; or what one query may take of such a budget.
#[derive(Debug)]
pub struct Pool {
    budget: usize,
    guaranteed: [usize; 3],
    used: Mutex<[usize; 3]>,
    refusals: [AtomicU64; 3],
    /// Whose it is, if it is that of one query.
    owner: Option<query::Owner>,
}

/// Bytes of a pool; dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    pool: Arc<Pool>,
    consumer: Consumer,
    bytes: usize,
}

/// There is no memory for it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Who asked.
    pub consumer: Consumer,
    /// For how many bytes.
    pub bytes: usize,
    /// What the consumer has already.
    pub used: usize,
    /// What one query may have, if that is why.
    pub query_max: Option<usize>,
}

/// The use of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// All bytes that may be reserved.
    pub budget: u64,
    /// Bytes reserved by batches and memtables.
    pub ingest: u64,
    /// Bytes reserved by queries.
    pub queries: u64,
    /// Bytes reserved by merges.
    pub compaction: u64,
    /// Reservations refused since the pool was made: ingest, queries, compaction.
    pub refusals: [u64; 3],
}

impl Consumer {
    const ALL: [Self; 3] = [Self::Ingest, Self::Query, Self::Compaction];

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Query => "queries",
            Self::Compaction => "compaction",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(most) = self.query_max {
            return write!(
                f,
                "the query would take more than the {} KiB of memory that one may take: it has {} and \
                 needs another {} bytes; narrow it, group or sort by less, ask for fewer events, or give \
                 queries more (limits.query_bytes)",
                most >> 10,
                self.used,
                self.bytes
            );
        }
        write!(
            f,
            "no memory for another {} bytes of {}, which has {} bytes; retry in a second, or give \
             the server more (limits.memory)",
            self.bytes,
            self.consumer.name(),
            self.used
        )
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused.query_max {
            Some(_) => Self::memory(refused.to_string()),
            None => Self::busy(refused.to_string()),
        }
    }
}

impl Pool {
    /// A pool of `budget` bytes, at least 64 MiB.
    pub fn new(budget: usize) -> Arc<Self> {
        let budget = budget.max(BUDGET_MIN);
        Arc::new(Self {
            budget,
            guaranteed: Consumer::ALL.map(|consumer| guaranteed(consumer, budget)),
            used: Mutex::new([0; 3]),
            refusals: Default::default(),
            owner: None,
        })
    }

    /// The part of a pool of `budget` bytes that a consumer can always have.
    pub fn guaranteed(consumer: Consumer, budget: usize) -> usize {
        guaranteed(consumer, budget.max(BUDGET_MIN))
    }

    /// The part of this pool that a consumer can always have.
    pub(crate) fn share(&self, consumer: Consumer) -> usize {
        self.guaranteed[consumer as usize]
    }

    /// Reserves memory; 0 bytes are always given, to grow from.
    ///
    /// # Errors
    /// [`Refused`] if neither the share of the consumer nor the common rest has so much left.
    pub fn reserve(
        self: &Arc<Self>,
        consumer: Consumer,
        bytes: usize,
    ) -> Result<Reservation, Refused> {
        let mut reservation = Reservation { pool: Arc::clone(self), consumer, bytes: 0 };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// The use of the pool; of the one that a query's is of.
    pub fn status(&self) -> PoolStatus {
        if let Some(owner) = &self.owner {
            return owner.common().status();
        }
        let [ingest, queries, compaction] = self.used.lock().map(|bytes| bytes as u64);
        let refusals = self.refusals.each_ref().map(|count| count.load(Relaxed));
        PoolStatus { budget: self.budget as u64, ingest, queries, compaction, refusals }
    }

    fn take(&self, consumer: Consumer, bytes: usize) -> Result<(), Refused> {
        if let Some(owner) = &self.owner {
            return owner.take(consumer, bytes);
        }
        let mut used = self.used.lock();
        let before = used[consumer as usize];
        let after = before.saturating_add(bytes);
        used[consumer as usize] = after;
        let claimed = used
            .iter()
            .zip(self.guaranteed)
            .fold(0usize, |sum, (u, g)| sum.saturating_add(g.max(*u)));
        // Within its share a consumer is served even if others hold more than there is.
        if bytes == 0 || after <= self.guaranteed[consumer as usize] || claimed <= self.budget {
            return Ok(());
        }
        used[consumer as usize] = before;
        drop(used);
        self.refusals[consumer as usize].fetch_add(1, Relaxed);
        Err(Refused { consumer, bytes, used: before, query_max: None })
    }

    fn give_back(&self, consumer: Consumer, bytes: usize) {
        if let Some(owner) = &self.owner {
            return owner.give_back(consumer, bytes);
        }
        self.used.lock()[consumer as usize] -= bytes;
    }
}

fn guaranteed(consumer: Consumer, budget: usize) -> usize {
    match consumer {
        Consumer::Ingest => budget / 5 * 2,
        Consumer::Query => budget / 4,
        Consumer::Compaction => COMPACTION_SHARE.min(budget / 8),
    }
}

impl Reservation {
    /// The bytes reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves more.
    ///
    /// # Errors
    /// [`Refused`]; what was reserved before is kept.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        self.pool.take(self.consumer, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Reserves up to `bytes` in all, in steps of at least `step`; does nothing if it has them.
    ///
    /// # Errors
    /// As [`Reservation::grow`].
    pub fn grow_to(&mut self, bytes: usize, step: usize) -> Result<(), Refused> {
        match bytes.checked_sub(self.bytes) {
            None | Some(0) => Ok(()),
            Some(missing) => self.grow(missing.max(step)),
        }
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(surplus) = self.bytes.checked_sub(bytes) {
            self.pool.give_back(self.consumer, surplus);
            self.bytes = bytes;
        }
    }

    /// Has exactly `bytes` from now on, whether there is room or not: they are in use already.
    /// Others are refused until they are given back.
    pub(crate) fn hold(&mut self, bytes: usize) {
        assert!(self.pool.owner.is_none(), "what a query takes is asked for");
        let mut used = self.pool.used.lock();
        let used = &mut used[self.consumer as usize];
        *used = *used - self.bytes + bytes;
        self.bytes = bytes;
    }

    /// Hands over all that it has.
    pub fn take(&mut self) -> Self {
        let (pool, bytes) = (Arc::clone(&self.pool), std::mem::take(&mut self.bytes));
        Self { pool, consumer: self.consumer, bytes }
    }

    /// Takes over what another reservation of the same consumer has.
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.pool, &other.pool) && self.consumer == other.consumer,
            "of one consumer"
        );
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.give_back(self.consumer, self.bytes);
    }
}
