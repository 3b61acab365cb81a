//! What a query did, for whoever asks: which blocks there were, what ruled them out, what was read, and
//! what each operator did with the rows.
//!
//! - `T1` nothing is counted unless it was asked for: then a query pays a look at an empty option for each
//!   block, otherwise some counters and two looks at the clock for each operator and block.
//! - `T2` the blocks of a tier are those that were pruned, those that their headers told, those that were
//!   read, and those that nobody looked at.

use crate::io::Clock;
use crate::manifest::FileId;
use crate::timestamp::Timestamp;
use parking_lot::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What became of a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryPlan {
    /// The filter as it was understood.
    pub query: String,
    /// The stages behind it.
    pub stages: Vec<String>,
    /// The first point in time wanted, and the first no longer wanted.
    pub range: (Option<Timestamp>, Option<Timestamp>),
    /// Each pass over the store, in order.
    pub passes: Vec<PassPlan>,
}

/// A pass over the store.
#[derive(Debug, Clone, PartialEq)]
pub struct PassPlan {
    /// What it was for.
    pub name: &'static str,
    /// Where blocks lie, and what became of them.
    pub tiers: Vec<TierPlan>,
    /// What was done with rows, in the order in which it was first done.
    pub operators: Vec<OperatorPlan>,
    /// What it did one after the other, and how long each took.
    pub phases: Vec<(&'static str, Duration)>,
}

/// The blocks of a tier, or runs of rows that are in none yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierPlan {
    /// `memtable`, `level-0`, `segment` or `pack`.
    pub name: &'static str,
    /// Files; none of the memtable.
    pub files: u64,
    /// Those that the manifest alone ruled out: they were not opened.
    pub files_pruned: u64,
    /// Blocks.
    pub blocks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Blocks that lie outside of the time range, or of the log that is wanted.
    pub pruned_by_time: u64,
    /// Blocks without an event of the levels wanted.
    pub pruned_by_level: u64,
    /// Blocks that the index of their section, or their own filter, ruled out.
    pub pruned_by_index: u64,
    /// Blocks whose header had the answer.
    pub answered_by_header: u64,
    /// Blocks that were read.
    pub read: u64,
    /// Rows in them.
    pub rows_read: u64,
    /// Bytes of them, compressed; 0 for rows that are in no block.
    pub bytes_read: u64,
    /// Blocks that nobody looked at: the page was full before, or the query ended.
    pub not_looked_at: u64,
}

/// Something that is done with rows, on all threads together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPlan {
    /// What it does.
    pub name: String,
    /// Rows that came in.
    pub rows_in: u64,
    /// Rows that it let through; `None` for what takes them all in.
    pub rows_out: Option<u64>,
    /// The time of all threads, with what reading the columns took.
    pub took: Duration,
}

/// Where blocks lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Memtable,
    LevelZero,
    Segment,
    Pack,
}

/// What rules out a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pruned {
    Time,
    Level,
    Index,
}

/// How a query was understood: the filter, the stages, the range.
type Told = (String, Vec<String>, (Option<Timestamp>, Option<Timestamp>));

/// What is being told of a query.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    told: OnceLock<Told>,
    passes: Mutex<Vec<Arc<PassTrace>>>,
}

/// What is being told of a pass.
#[derive(Debug)]
pub(crate) struct PassTrace {
    name: &'static str,
    clock: Arc<dyn Clock>,
    tiers: [TierCounts; Tier::ALL.len()],
    operators: Mutex<Vec<Arc<Operator>>>,
    /// With the moment at which the last ended.
    phases: Mutex<(Duration, Vec<(&'static str, Duration)>)>,
}

#[derive(Debug, Default)]
struct TierCounts {
    files: AtomicU64,
    files_pruned: AtomicU64,
    blocks: AtomicU64,
    rows: AtomicU64,
    pruned: [AtomicU64; 3],
    header: AtomicU64,
    read: AtomicU64,
    rows_read: AtomicU64,
    bytes_read: AtomicU64,
}

/// An operator at work.
#[derive(Debug)]
pub(crate) struct Operator {
    name: String,
    clock: Arc<dyn Clock>,
    passes_rows: bool,
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    nanos: AtomicU64,
}

impl Tier {
    const ALL: [Self; 4] = [Self::Memtable, Self::LevelZero, Self::Segment, Self::Pack];

    fn name(self) -> &'static str {
        match self {
            Self::Memtable => "memtable",
            Self::LevelZero => "level-0",
            Self::Segment => "segment",
            Self::Pack => "pack",
        }
    }

    /// That of a file's blocks.
    pub(crate) fn of(file: FileId) -> Self {
        match file {
            FileId::LevelZero(_) => Self::LevelZero,
            FileId::Segment(_) => Self::Segment,
            FileId::Pack(_) => Self::Pack,
        }
    }
}

impl Trace {
    /// Tells how the query was understood; the first to tell is heard.
    pub(crate) fn tell(&self, told: impl FnOnce() -> Told) {
        self.told.get_or_init(told);
    }

    /// Begins a pass.
    pub(crate) fn begin(&self, name: &'static str, clock: &Arc<dyn Clock>) -> Arc<PassTrace> {
        let pass = Arc::new(PassTrace {
            name,
            clock: Arc::clone(clock),
            tiers: Default::default(),
            operators: Mutex::default(),
            phases: Mutex::new((clock.monotonic(), Vec::new())),
        });
        self.passes.lock().push(Arc::clone(&pass));
        pass
    }

    /// All that was told.
    pub(crate) fn plan(&self) -> QueryPlan {
        let passes = self.passes.lock().iter().map(|pass| pass.plan()).collect();
        let (query, stages, range) = self.told.get().cloned().unwrap_or_default();
        QueryPlan { query, stages, range, passes }
    }
}

impl PassTrace {
    fn tier(&self, tier: Tier) -> &TierCounts {
        &self.tiers[tier as usize]
    }

    /// There are blocks with so many rows, in a file if `in_file`.
    pub(crate) fn there_are(&self, tier: Tier, in_file: bool, blocks: u64, rows: u64) {
        let tier = self.tier(tier);
        tier.files.fetch_add(u64::from(in_file), Relaxed);
        tier.blocks.fetch_add(blocks, Relaxed);
        tier.rows.fetch_add(rows, Relaxed);
    }

    /// Blocks were ruled out.
    pub(crate) fn pruned(&self, tier: Tier, by: Pruned, blocks: u64) {
        self.tier(tier).pruned[by as usize].fetch_add(blocks, Relaxed);
    }

    /// A file with so many blocks was ruled out.
    pub(crate) fn pruned_file(&self, tier: Tier, by: Pruned, blocks: u64) {
        self.tier(tier).files_pruned.fetch_add(1, Relaxed);
        self.pruned(tier, by, blocks);
    }

    /// So many parts of the memtable are listed: the others lie outside of what is wanted.
    pub(crate) fn listed_in_memory(&self, parts: usize) {
        let all = self.tier(Tier::Memtable).blocks.load(Relaxed);
        self.pruned(Tier::Memtable, Pruned::Time, all.saturating_sub(parts as u64));
    }

    /// The header of a block that was to be read had the answer.
    pub(crate) fn header_told(&self, tier: Tier, rows: u64, bytes: u64) {
        let tier = self.tier(tier);
        tier.header.fetch_add(1, Relaxed);
        tier.read.fetch_sub(1, Relaxed);
        tier.rows_read.fetch_sub(rows, Relaxed);
        tier.bytes_read.fetch_sub(bytes, Relaxed);
    }

    /// A block is to be read.
    pub(crate) fn read(&self, tier: Tier, rows: u64, bytes: u64) {
        let tier = self.tier(tier);
        tier.read.fetch_add(1, Relaxed);
        tier.rows_read.fetch_add(rows, Relaxed);
        tier.bytes_read.fetch_add(bytes, Relaxed);
    }

    /// What was done since the phase before has ended.
    pub(crate) fn phase(&self, name: &'static str) {
        let now = self.clock.monotonic();
        let mut phases = self.phases.lock();
        let took = now.saturating_sub(std::mem::replace(&mut phases.0, now));
        match phases.1.iter_mut().find(|(other, _)| *other == name) {
            Some((_, before)) => *before += took,
            None => phases.1.push((name, took)),
        }
    }

    /// An operator that lets rows through; a new one, whatever its name.
    pub(crate) fn filter(&self, name: String) -> Arc<Operator> {
        let mut operators = self.operators.lock();
        operators.push(self.operator(name, true));
        Arc::clone(operators.last().expect("was pushed"))
    }

    /// Runs what takes in so many rows.
    pub(crate) fn takes_in<T>(&self, name: &str, rows: usize, work: impl FnOnce() -> T) -> T {
        let operator = {
            let mut operators = self.operators.lock();
            let known = operators.iter().find(|o| !o.passes_rows && o.name == name).cloned();
            known.unwrap_or_else(|| {
                operators.push(self.operator(name.to_owned(), false));
                Arc::clone(operators.last().expect("was pushed"))
            })
        };
        operator.run(rows, work, |_| 0)
    }

    fn operator(&self, name: String, passes_rows: bool) -> Arc<Operator> {
        Arc::new(Operator {
            name,
            clock: Arc::clone(&self.clock),
            passes_rows,
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        })
    }

    fn plan(&self) -> PassPlan {
        let tiers = Tier::ALL.iter().map(|tier| self.tier(*tier).plan(tier.name()));
        let operators = self.operators.lock();
        let ran = operators.iter().filter(|operator| operator.rows_in.load(Relaxed) > 0);
        PassPlan {
            name: self.name,
            tiers: tiers.filter(|tier| tier.blocks > 0).collect(),
            operators: ran.map(|operator| operator.plan()).collect(),
            phases: self.phases.lock().1.clone(),
        }
    }
}

impl TierCounts {
    fn plan(&self, name: &'static str) -> TierPlan {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let [by_time, by_level, by_index] = self.pruned.each_ref().map(count);
        let (blocks, header, read) = (count(&self.blocks), count(&self.header), count(&self.read));
        let done = by_time + by_level + by_index + header + read;
        TierPlan {
            name,
            files: count(&self.files),
            files_pruned: count(&self.files_pruned),
            blocks,
            rows: count(&self.rows),
            pruned_by_time: by_time,
            pruned_by_level: by_level,
            pruned_by_index: by_index,
            answered_by_header: header,
            read,
            rows_read: count(&self.rows_read),
            bytes_read: count(&self.bytes_read),
            not_looked_at: blocks.saturating_sub(done),
        }
    }
}

impl Operator {
    /// Runs the operator on so many rows; `passed` tells how many it let through.
    pub(crate) fn run<T>(
        &self,
        rows: usize,
        work: impl FnOnce() -> T,
        passed: impl FnOnce(&T) -> usize,
    ) -> T {
        let began = self.clock.monotonic();
        let done = work();
        let took = self.clock.monotonic().saturating_sub(began);
        self.rows_in.fetch_add(rows as u64, Relaxed);
        self.rows_out.fetch_add(passed(&done) as u64, Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        done
    }

    fn plan(&self) -> OperatorPlan {
        OperatorPlan {
            name: self.name.clone(),
            rows_in: self.rows_in.load(Relaxed),
            rows_out: self.passes_rows.then(|| self.rows_out.load(Relaxed)),
            took: Duration::from_nanos(self.nanos.load(Relaxed)),
        }
    }
}
