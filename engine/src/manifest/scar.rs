//! What is kept of a run that an exact purge took events out of, so that the rest can still be proven to
//! be what was sealed.

use super::file::Range64;
use crate::partition::PartitionKey;

/// What names a run.
pub(crate) type RunKey = (PartitionKey, u64);

/// A run that lost events to purges. Positions count the events of the run as it was sealed, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scar {
    /// How many events it had.
    pub(crate) rows: u64,
    /// The digest that it had.
    pub(crate) digest: [u8; 32],
    /// The positions that are gone: rising, apart from each other.
    pub(crate) gone: Vec<Range64>,
    /// The pages that lost events, by number.
    pub(crate) pages: Vec<ScarredPage>,
}

/// A page of a run that lost events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScarredPage {
    /// Its number in the run, from 0.
    pub(crate) number: u64,
    /// The digest that it had when the run was sealed.
    pub(crate) before: [u8; 32],
    /// That of the events that are left of it; `None` if none is.
    pub(crate) after: Option<[u8; 32]>,
}

impl Scar {
    /// How many events are gone.
    pub(crate) fn rows_gone(&self) -> u64 {
        self.gone.iter().map(|gone| gone.len()).fold(0, u64::saturating_add)
    }

    /// Whether it is sound by itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        let gone = &self.gone;
        let apart = gone.is_sorted_by(|a, b| a.end < b.start);
        let inside = gone.iter().all(|gone| gone.start < gone.end && gone.end <= self.rows);
        let pages = self.pages.is_sorted_by(|a, b| a.number < b.number);
        if apart && inside && pages && !gone.is_empty() && !self.pages.is_empty() {
            return Ok(());
        }
        Err(format!("a scar of {} stretches and {} pages", gone.len(), self.pages.len()))
    }
}
