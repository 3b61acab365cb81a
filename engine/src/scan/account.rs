//! What an answer may lack, and what it does lack.
//!
//! - `A1` an answer lacks only what its caller tolerates, and what it lacks is told.
//! - `A2` what is in the way of the whole answer either is told or ends the query: it is never both,
//!   and never neither.

use crate::cold::Came;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Usage;
use crate::trace::{QueryPlan, Trace};
use parking_lot::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

/// Damaged pieces that are named; the others are counted.
const NAMED_MAX: usize = 16;

/// What an answer may lack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tolerance {
    /// Nothing: what is in the way of the whole answer is an error.
    #[default]
    Nothing,
    /// What its time or its memory was not enough for, and what is in an archive that can't be read.
    Limits,
    /// That, and what is damaged.
    Damage,
}

/// Why an answer is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GapKind {
    /// The query's time was over.
    Deadline,
    /// The query would have taken more memory than it may.
    Memory,
    /// Stored bytes are not what was written: the piece was left out.
    Damaged,
    /// The archive could not be read: what is only there was left out.
    Archive,
}

impl GapKind {
    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Damaged => "damaged",
            Self::Archive => "archive",
        }
    }
}

/// Something that an answer lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Why.
    pub kind: GapKind,
    /// For people: what it was, and what to do.
    pub message: String,
}

/// What became of one query. Clones are of the same query.
#[derive(Debug, Clone, Default)]
pub struct Account(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    lacking: Mutex<Lacking>,
    usage: Arc<Usage>,
    trace: OnceLock<Trace>,
    effort: Mutex<Effort>,
    /// Whether the query may have to read the archive.
    reads_archive: AtomicBool,
    /// Whether it leaves out what is in the archive only.
    leaves_archive: AtomicBool,
    reads: ReadCounts,
}

#[derive(Debug, Default)]
struct ReadCounts {
    blocks: [AtomicU64; 2],
    local: AtomicU64,
    cached: AtomicU64,
    fetched: AtomicU64,
    requests: AtomicU64,
}

/// How much of what a query read came from where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Blocks on this machine that were opened, also those in memory.
    pub local_blocks: u64,
    /// Bytes that were read from files here; what is in memory or mapped does not count.
    pub local_bytes: u64,
    /// Blocks in the archive that were opened.
    pub archive_blocks: u64,
    /// Bytes of the archive that the cache on the disk had.
    pub cached_bytes: u64,
    /// Bytes that came from the archive, with those that were fetched ahead.
    pub fetched_bytes: u64,
    /// The requests for them.
    pub requests: u64,
}

/// What a query took, and how much it answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Blocks whose columns were read.
    pub blocks: u64,
    /// Blocks that were ruled out.
    pub blocks_pruned: u64,
    /// Rows that the filter was evaluated on.
    pub rows: u64,
    /// Events, or rows of a table, or whatever the answer is a list of.
    pub answered: u64,
}

#[derive(Debug, Default)]
struct Lacking {
    gaps: Vec<Gap>,
    /// Damaged pieces that are not among them.
    unnamed: u64,
}

impl Account {
    /// What the answer lacks, in a fixed order; nothing if it is whole.
    pub fn gaps(&self) -> Vec<Gap> {
        let lacking = self.0.lacking.lock();
        let mut gaps = lacking.gaps.clone();
        gaps.sort();
        if lacking.unnamed > 0 {
            let message = format!("{} further damaged pieces were left out", lacking.unnamed);
            gaps.push(Gap { kind: GapKind::Damaged, message });
        }
        gaps
    }

    /// Whether the answer lacks nothing so far.
    pub fn is_whole(&self) -> bool {
        self.0.lacking.lock().gaps.is_empty()
    }

    /// The most memory that the query had reserved at a time, in bytes.
    pub fn memory_peak(&self) -> usize {
        self.0.usage.peak()
    }

    /// Tells what the query took: whoever writes its answer knows.
    pub fn tell(&self, effort: Effort) {
        *self.0.effort.lock() = effort;
    }

    /// What was told.
    pub fn effort(&self) -> Effort {
        *self.0.effort.lock()
    }

    /// What the query did, if that was asked for.
    pub fn plan(&self) -> Option<QueryPlan> {
        self.0.trace.get().map(Trace::plan)
    }

    /// Tells that the query may have to read the archive.
    pub(crate) fn will_read_archive(&self) {
        self.0.reads_archive.store(true, Relaxed);
    }

    /// Tells that the query leaves out what is in the archive only.
    pub(crate) fn leaves_archive(&self) {
        self.0.leaves_archive.store(true, Relaxed);
    }

    /// What was read so far; `None` if nothing that the query asks for is in an archive only.
    pub fn reads(&self) -> Option<Reads> {
        let Inner { reads_archive, leaves_archive, reads, .. } = &*self.0;
        let of = |count: &AtomicU64| count.load(Relaxed);
        (reads_archive.load(Relaxed) || leaves_archive.load(Relaxed)).then(|| Reads {
            local_blocks: of(&reads.blocks[0]),
            local_bytes: of(&reads.local),
            archive_blocks: of(&reads.blocks[1]),
            cached_bytes: of(&reads.cached),
            fetched_bytes: of(&reads.fetched),
            requests: of(&reads.requests),
        })
    }

    pub(super) fn read_here(&self, bytes: u64) {
        self.0.reads.local.fetch_add(bytes, Relaxed);
    }

    pub(super) fn opens_block(&self, is_evicted: bool) {
        self.0.reads.blocks[usize::from(is_evicted)].fetch_add(1, Relaxed);
    }

    pub(super) fn came(&self, came: Came) {
        let reads = &self.0.reads;
        reads.cached.fetch_add(came.cached, Relaxed);
        reads.fetched.fetch_add(came.fetched, Relaxed);
        reads.requests.fetch_add(came.requests, Relaxed);
    }

    /// Where the query tells what it does.
    pub(super) fn trace(&self) -> &Trace {
        self.0.trace.get_or_init(Trace::default)
    }

    /// What the query has reserved.
    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.0.usage
    }

    fn note(&self, kind: GapKind, message: String) {
        let mut lacking = self.0.lacking.lock();
        let mut named = lacking.gaps.iter().filter(|gap| gap.kind == kind);
        if kind != GapKind::Damaged {
            // Of what each part of a query lacks for the same reason, one is enough.
            if named.next().is_none() {
                lacking.gaps.push(Gap { kind, message });
            }
        } else if named.clone().any(|gap| gap.message == message) {
            // Two parts of a query came by the same piece.
        } else if named.count() == NAMED_MAX {
            lacking.unnamed += 1;
        } else {
            lacking.gaps.push(Gap { kind, message });
        }
    }
}

/// Decides which errors a query goes on after.
#[derive(Debug, Clone)]
pub(crate) struct Excuses {
    pub(super) tolerance: Tolerance,
    pub(super) account: Account,
}

impl Excuses {
    /// Whether the query's answer may be without what this error is in the way of.
    pub(crate) fn admit(&self, error: &Error) -> bool {
        self.gap_of(error).is_some()
    }

    /// Tells that the answer lacks what this error was in the way of.
    ///
    /// # Errors
    /// The error itself, if that is not tolerated.
    pub(crate) fn excuse(&self, error: Error) -> Result<()> {
        let Some(kind) = self.gap_of(&error) else { return Err(error) };
        if kind == GapKind::Memory {
            self.account.usage().stop();
        }
        self.account.note(kind, error.to_string());
        Ok(())
    }

    /// Whether pieces may have to be left out: damaged ones, or those of an archive that can't be read.
    pub(crate) fn skip_damage(&self) -> bool {
        match self.tolerance {
            Tolerance::Nothing => false,
            Tolerance::Limits => self.account.0.reads_archive.load(Relaxed),
            Tolerance::Damage => true,
        }
    }

    /// Whether nothing was left out so far.
    pub(crate) fn is_whole(&self) -> bool {
        self.account.is_whole()
    }

    /// What work on a piece comes to; `None` if the piece is damaged or in an archive that can't be read,
    /// and left out.
    ///
    /// # Errors
    /// All others of the work; those two, unless they are tolerated.
    pub(crate) fn piece<T>(&self, work: Result<T>) -> Result<Option<T>> {
        match work {
            Ok(done) => Ok(Some(done)),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Away) => {
                self.excuse(error).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    fn gap_of(&self, error: &Error) -> Option<GapKind> {
        match (error.kind(), self.tolerance) {
            (_, Tolerance::Nothing) => None,
            (ErrorKind::Deadline, _) => Some(GapKind::Deadline),
            (ErrorKind::Memory, _) => Some(GapKind::Memory),
            (ErrorKind::Away, _) => Some(GapKind::Archive),
            (ErrorKind::Corrupt, Tolerance::Damage) => Some(GapKind::Damaged),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Corruption;

    fn damaged(offset: u64) -> Error {
        Corruption {
            file: "f".into(),
            offset,
            what: "block",
            expected: "a".into(),
            found: "b".into(),
        }
        .into()
    }

    fn excuses(tolerance: Tolerance) -> Excuses {
        Excuses { tolerance, account: Account::default() }
    }

    #[test]
    fn only_what_is_tolerated_is_excused() {
        for (tolerance, excused) in [
            (Tolerance::Nothing, [false, false, false]),
            (Tolerance::Limits, [true, false, false]),
            (Tolerance::Damage, [true, true, false]),
        ] {
            let excuses = excuses(tolerance);
            let errors = [Error::deadline("late"), damaged(1), Error::busy("full")];
            let done = errors.map(|error| excuses.excuse(error).is_ok());
            assert_eq!(done, excused, "{tolerance:?}");
            let gaps = excused.iter().filter(|excused| **excused).count();
            assert_eq!(excuses.account.gaps().len(), gaps);
            assert_eq!(excuses.account.is_whole(), gaps == 0);
        }
    }

    #[test]
    fn damage_is_named_counted_and_told_once() {
        let excuses = excuses(Tolerance::Damage);
        for _ in 0..2 {
            for offset in 0..NAMED_MAX as u64 {
                excuses.excuse(damaged(offset)).unwrap();
            }
        }
        assert_eq!(excuses.account.gaps().len(), NAMED_MAX);
        assert!(excuses.piece::<()>(Err(damaged(100))).unwrap().is_none());
        excuses.excuse(Error::deadline("late")).unwrap();
        excuses.excuse(Error::deadline("later")).unwrap();
        let gaps = excuses.account.gaps();
        assert_eq!(gaps.len(), NAMED_MAX + 2);
        assert_eq!(gaps[0], Gap { kind: GapKind::Deadline, message: "late".into() });
        assert!(gaps[gaps.len() - 1].message.starts_with("1 further"), "{gaps:?}");
        assert!(excuses.piece(Ok(5)).unwrap() == Some(5));
        assert!(excuses.piece::<()>(Err(Error::cancelled("gone"))).is_err());
    }
}
