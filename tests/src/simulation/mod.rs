//! A store on a disk that fails, beside what it must hold. What is done to the store is done to the
//! expectation once the outcome is known; whatever fails, they must agree.
//!
//! - A batch that was acknowledged is there once, with the ids that were told, for ever.
//! - A batch that was refused is never there.
//! - A batch whose sender was told nothing, or that the store had closed, is there whole or not at
//!   all when the store is opened next, and stays so. If it has a key it is sent again at once, and
//!   is there once.
//!
//! - What is due when something is dropped may go, and nothing else; what went never comes back.
//!
//! Each step waits until all threads of the engine are quiet, so that the same seed gives the same
//! run. What is left to the threads within a step is the order of the operations of different files:
//! faults are therefore placed by operation and file, not by a number of all operations. Every eighth
//! life does not wait, so that steps overlap: there a seed fixes what is done, not what meets what.

mod checks;
mod drops;
mod failures;
mod producers;
mod steps;

pub use failures::Leaves;
pub use steps::{STEPS, run};

use crate::at_rest::{keyed, keys_of};
use crate::dice::Dice;
use crate::model::Model;
use crate::workload::{Draft, Drafts, START};
use logstrata_engine::crypt::Keyring;
use logstrata_engine::io::{
    Clock, FaultyStorage, Io, ManualClock, MemoryStorage, Op, SeededEntropy,
};
use logstrata_engine::{BatchKey, BodyHash, Engine, EventId, Limits, Options, Rules, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A store, what it must hold, and what happens to it next.
#[derive(Debug)]
pub struct Simulation {
    /// Decides what happens.
    pub dice: Dice,
    /// What must be found, and what may be.
    pub expected: Expected,
    /// What happened, a line each.
    pub transcript: Vec<String>,
    /// What was done so far.
    pub tally: Tally,
    limits: Limits,
    /// What is left of the disk by a crash.
    memory: MemoryStorage,
    /// The disk as the process sees it.
    disk: FaultyStorage,
    clock: Arc<ManualClock>,
    /// `None` only between two openings.
    engine: Option<Engine>,
    /// Whether a fault may have happened since the store was opened or healed: only then anything
    /// may fail.
    troubled: bool,
    /// Whether steps don't wait until the engine is quiet.
    hurries: bool,
    /// Whether all events are of one day and few levels, so that there are few files.
    is_calm: bool,
    /// The store is encrypted under these.
    keys: Option<Arc<Keyring>>,
}

/// What a store must hold.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// What is known to be there.
    pub model: Model,
    drafts: Drafts,
    /// Batches of which it is not known whether they are there.
    unknown: Vec<Sent>,
    /// Batches with keys that are known to be there.
    keyed: Vec<Keyed>,
    names: u64,
    /// When each of those that are known to be there is due.
    dues: drops::Dues,
    /// What the last drop may have taken, as long as it is not known what it has.
    may_be_gone: BTreeSet<Vec<u8>>,
}

/// A batch that was sent.
#[derive(Debug, Clone)]
struct Sent {
    drafts: Vec<Draft>,
    arrival: Timestamp,
    key: Option<Key>,
}

/// What a batch is known by.
#[derive(Debug, Clone)]
struct Key {
    name: BatchKey,
    body: BodyHash,
    answer: Vec<u8>,
}

/// A batch with a key that is stored.
#[derive(Debug, Clone)]
struct Keyed {
    key: Key,
    count: usize,
    ids: (EventId, EventId),
    arrival: Timestamp,
    /// Whether it may be forgotten, since the clock jumped or its file could not be read.
    may_be_forgotten: bool,
}

/// What was done so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Crashes with a power cut, kills, and crashes while the store was opened.
    pub crashes: u64,
    /// Openings.
    pub openings: u64,
    /// Batches acknowledged.
    pub acknowledged: u64,
    /// Batches refused by a fault.
    pub refused: u64,
    /// Batches of unknown outcome that were there after all.
    pub unknown_kept: u64,
    /// Batches of unknown outcome that were not.
    pub unknown_lost: u64,
    /// Events that were due and went.
    pub dropped: u64,
    /// Answers compared.
    pub answers: u64,
    /// Faults by operation and kind.
    pub faults: BTreeMap<(Op, &'static str), u64>,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.openings += other.openings;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unknown_kept += other.unknown_kept;
        self.unknown_lost += other.unknown_lost;
        self.dropped += other.dropped;
        self.answers += other.answers;
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }
}

/// Bounds so small that all of them are reached, and no timer of the engine within a test's time.
/// In every other store compaction runs by itself.
fn limits(dice: &mut Dice) -> Limits {
    let mut limits = Limits::tiny();
    limits.wal_file_bytes = [12 << 10, 16 << 10, 32 << 10][dice.below(3)];
    limits.generation_bytes_max = 2 * limits.wal_file_bytes;
    limits.wal_bytes_max = [2, 4, 100][dice.below(3)] * limits.generation_bytes_max;
    limits.manifest_bytes_max = 4 << 10;
    limits.memtable_bytes_max = [32 << 10, 128 << 10][dice.below(2)];
    limits.unsealed_bytes_max = [4 << 10, 1 << 20][dice.below(2)];
    limits.partitions_open_max = [8, 64][dice.below(2)];
    limits.generation_age_ms_max = 3_600_000;
    limits.idle_group_after_ms = 3_600_000;
    limits.keys_max = 1_000_000;
    limits.scans_max = 1;
    limits.disk_reserve_bytes = Some(0);
    limits.compaction.is_automatic = dice.chance(50);
    limits.compaction.segment_bytes_min = 4 << 10;
    limits.compaction.packed_bytes_max = 2 << 10;
    limits.compaction.fan_in = 2 + dice.below(3);
    limits
}

impl Simulation {
    /// An empty store.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let limits = limits(&mut dice);
        let mut simulation = Self { keys: keys_of(seed), ..Self::with_limits(dice, limits) };
        simulation.try_open().expect("an empty store opens");
        simulation
    }

    /// An empty store that compacts when it is told to, and has few and small files.
    pub fn calm(seed: u64) -> Self {
        let mut simulation = Self::unborn(seed);
        simulation.try_open().expect("an empty store opens");
        simulation
    }

    /// As [`Simulation::calm`], before it was opened for the first time.
    pub fn unborn(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut limits = limits(&mut dice);
        limits.wal_file_bytes = 12 << 10;
        limits.generation_bytes_max = 64 << 10;
        limits.manifest_bytes_max = 8 << 10;
        limits.compaction.is_automatic = false;
        Self { is_calm: true, ..Self::with_limits(dice, limits) }
    }

    fn with_limits(mut dice: Dice, limits: Limits) -> Self {
        let memory = MemoryStorage::new();
        Self {
            disk: FaultyStorage::seeded(memory.clone(), dice.roll()),
            dice,
            expected: Expected::default(),
            transcript: Vec::new(),
            tally: Tally::default(),
            limits,
            memory,
            clock: Arc::new(ManualClock::new(START)),
            engine: None,
            troubled: false,
            hurries: false,
            is_calm: false,
            keys: None,
        }
    }

    /// The same store on another disk, for instance on what a crash leaves of this one's. It is not
    /// open yet.
    fn branch(&self, memory: MemoryStorage, seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            expected: self.expected.clone(),
            transcript: self.transcript.clone(),
            tally: Tally::default(),
            limits: self.limits.clone(),
            disk: FaultyStorage::seeded(memory.clone(), seed),
            memory,
            clock: Arc::new(ManualClock::new(self.clock.now())),
            engine: None,
            troubled: false,
            hurries: false,
            is_calm: self.is_calm,
            keys: self.keys.clone(),
        }
    }

    /// The disk as the process sees it.
    pub fn disk(&self) -> &FaultyStorage {
        &self.disk
    }

    /// The open store.
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("open between two openings")
    }

    /// Opens the store and waits until it is quiet; what was unknown is known then.
    ///
    /// # Errors
    /// Those of the engine: nothing is lost by them.
    pub fn try_open(&mut self) -> logstrata_engine::Result<()> {
        let io = Io {
            storage: keyed(Arc::new(self.disk.clone()), self.keys.as_ref()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(SeededEntropy::new(self.dice.roll())),
        };
        let options = Options {
            dir: "/store".into(),
            limits: self.limits.clone(),
            io,
            redaction: Rules::none(),
        };
        self.tally.openings += 1;
        self.engine = Some(Engine::open(options)?);
        self.settle();
        Ok(())
    }

    /// Ends the process without its doing anything more to the disk.
    pub fn end_process(&mut self) {
        self.disk.halt();
        self.disk.release();
        drop(self.engine.take());
        for (fault, count) in self.disk.injected() {
            *self.tally.faults.entry(fault).or_default() += count;
        }
    }

    /// Notes what happened.
    fn note(&mut self, what: impl Into<String>) {
        self.transcript.push(what.into());
    }

    /// Waits until the threads of the engine have done what they have to.
    fn settle(&self) {
        if !self.hurries {
            self.engine().settle();
        }
    }

    /// Why the store accepts nothing more, if it is closed until it is opened again.
    pub fn closed(&self) -> Option<String> {
        let error = self.engine().status().not_writable?;
        let closed = error.kind() == logstrata_engine::ErrorKind::Closed;
        assert!(!error.to_string().contains("panicked"), "{error}");
        closed.then(|| error.to_string())
    }
}
