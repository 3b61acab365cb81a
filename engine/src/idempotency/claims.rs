//! Who may store a batch under a key: one at a time, and nobody after it was stored.

use super::clock::KeyClock;
use super::record::{ClaimRecord, Entry};
use super::table::{Mark, Range, Table};
use super::{ANSWER_BYTES_MAX, BatchKey, BodyHash, Bounds, WAITING_MAX};
use crate::event::EventId;
use crate::io::Clock;
use crate::pool::Reservation;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What becomes of the wish to store a batch under a key.
#[derive(Debug)]
pub enum Claim {
    /// The key is free: whoever has the ticket may store its batch.
    New(Ticket),
    /// The same batch was stored before.
    Stored(Stored),
    /// Another batch was stored under the key.
    Conflict,
    /// A batch of this key is on its way: claim again when woken. Whether it is the same is known
    /// then, for one that is refused leaves no trace.
    InFlight,
    /// A batch of this key is on its way, and 64 senders wait for it already.
    Busy,
}

/// What the sender of the first batch of a key was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The number of events.
    pub count: usize,
    /// The ids of the first and the last event.
    pub ids: (EventId, EventId),
    /// What was given to [`Ticket::with_answer`].
    pub answer: Box<[u8]>,
}

/// The right to store one batch under a key. Dropped without that, it frees the key.
#[derive(Debug)]
pub struct Ticket {
    claims: Arc<Claims>,
    record: ClaimRecord,
}

/// The keys that are remembered, and those of batches on their way.
pub(crate) struct Claims {
    inner: Mutex<Inner>,
    pub(super) replays: AtomicU64,
    pub(super) conflicts: AtomicU64,
}

struct Inner {
    table: Table,
    /// The keys of batches on their way, and who waits for each.
    flights: HashMap<BatchKey, Flight>,
    /// Where the entries of the current generation of the log begin.
    generation_began: Mark,
    clock: KeyClock,
    /// The memory of the table.
    memory: Reservation,
}

/// What is called when the batch was stored or given up.
#[derive(Default)]
struct Flight(Vec<Box<dyn FnOnce() + Send>>);

/// Figures of the keys, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) live: usize,
    /// The age of the oldest key that a sender gave; 0 without any.
    pub(crate) oldest_age_ms: i64,
    pub(crate) bytes: usize,
    pub(crate) replays: u64,
    pub(crate) conflicts: u64,
}

/// Without the table: it may have a million keys, and every ticket would tell them.
impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl Claims {
    /// Nothing is remembered yet; `memory` is what the table takes of the pool, nothing so far.
    pub(crate) fn new(bounds: Bounds, clock: Arc<dyn Clock>, memory: Reservation) -> Self {
        let inner = Inner {
            table: Table::new(bounds),
            flights: HashMap::new(),
            generation_began: Mark::default(),
            clock: KeyClock::new(clock),
            memory,
        };
        let (replays, conflicts) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { inner: Mutex::new(inner), replays, conflicts }
    }

    /// Claims a key for a batch. `wake` is called once what is in flight has landed, if that is the
    /// answer.
    pub(crate) fn claim(
        self: &Arc<Self>,
        key: BatchKey,
        body: BodyHash,
        wake: impl FnOnce() + Send + 'static,
    ) -> Claim {
        let mut inner = self.inner.lock();
        let now_ms = inner.clock.now_ms();
        if let Some(entry) = inner.table.get(&key, now_ms) {
            if entry.claim.body != body {
                self.conflicts.fetch_add(1, Relaxed);
                return Claim::Conflict;
            }
            self.replays.fetch_add(1, Relaxed);
            return Claim::Stored(Stored {
                count: entry.count as usize,
                ids: (entry.first, entry.last),
                answer: entry.claim.answer,
            });
        }
        if let Some(flight) = inner.flights.get_mut(&key) {
            if flight.0.len() >= WAITING_MAX {
                return Claim::Busy;
            }
            flight.0.push(Box::new(wake));
            return Claim::InFlight;
        }
        inner.flights.insert(key, Flight::default());
        let record = ClaimRecord { key, body, arrival_ms: now_ms, answer: Box::default() };
        Claim::New(Ticket { claims: Arc::clone(self), record })
    }

    /// Remembers a batch that is visible.
    pub(crate) fn remember(&self, entry: Entry) {
        let mut inner = self.inner.lock();
        inner.clock.heed(entry.claim.arrival_ms);
        let now_ms = inner.clock.now_ms();
        inner.table.push(entry, now_ms);
        inner.account();
    }

    /// From now on, what is remembered belongs to the next generation of the log. Returns what
    /// belongs to this one.
    pub(crate) fn begin_generation(&self) -> Range {
        let mut inner = self.inner.lock();
        let to = inner.table.end();
        Range { from: std::mem::replace(&mut inner.generation_began, to), to }
    }

    /// The first `max` entries of a range that are still remembered; the range begins behind them
    /// then.
    pub(super) fn take(&self, range: &mut Range, max: usize) -> Vec<Entry> {
        self.inner.lock().table.take(range, max)
    }

    /// Behind the newest entries.
    pub(super) fn end(&self) -> Mark {
        self.inner.lock().table.end()
    }

    /// Forgets what is too old.
    pub(super) fn forget(&self) {
        let mut inner = self.inner.lock();
        let now_ms = inner.clock.now_ms();
        inner.table.forget(now_ms);
        inner.account();
    }

    /// The time by which keys age.
    pub(super) fn now_ms(&self) -> i64 {
        self.inner.lock().clock.now_ms()
    }

    /// The time by which keys age is not earlier than this.
    pub(super) fn heed(&self, moment_ms: i64) {
        self.inner.lock().clock.heed(moment_ms);
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.inner.lock().table.len() == 0
    }

    /// Whether everything before `mark` is forgotten.
    pub(super) fn has_forgotten(&self, mark: Mark) -> bool {
        self.inner.lock().table.has_forgotten(mark)
    }

    pub(crate) fn figures(&self) -> Figures {
        let mut inner = self.inner.lock();
        let now_ms = inner.clock.now_ms();
        let oldest_ms = inner.table.oldest_ms();
        Figures {
            live: inner.table.len(),
            oldest_age_ms: oldest_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest)),
            bytes: inner.table.heap_bytes(),
            replays: self.replays.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
        }
    }

    /// The flight of a key has landed, well or not.
    fn land(&self, key: BatchKey) {
        let flight = self.inner.lock().flights.remove(&key);
        let flight = flight.expect("a ticket is the only one of its key");
        // Without the lock: they claim again.
        flight.0.into_iter().for_each(|wake| wake());
    }
}

impl Inner {
    /// Tells the pool what the table takes now: its bounds are a part of the budget.
    fn account(&mut self) {
        let bytes = self.table.heap_bytes();
        if bytes != self.memory.bytes() {
            self.memory.hold(bytes);
        }
    }
}

impl Ticket {
    /// Keeps bytes for those who send the batch again: what their answer needs besides count and
    /// ids.
    ///
    /// # Panics
    /// If there are more than [`ANSWER_BYTES_MAX`].
    #[must_use]
    pub fn with_answer(mut self, answer: &[u8]) -> Self {
        assert!(answer.len() <= ANSWER_BYTES_MAX, "{} bytes of an answer", answer.len());
        self.record.answer = answer.into();
        self
    }

    /// What the log has to remember.
    pub(crate) fn record(&self) -> &ClaimRecord {
        &self.record
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.claims.land(self.record.key);
    }
}
