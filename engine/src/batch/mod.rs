//! A batch: the events of one request, stored whole or not at all.

mod builder;
mod gather;
mod rows;
mod shape;
#[cfg(test)]
mod tests;

pub use builder::{BatchBuilder, EventBuilder};
pub(crate) use gather::gather;
pub(crate) use rows::{RowColumn, Rows, column_raw_bytes, rows_raw_bytes};
pub use shape::Shape;

use crate::event::{EventId, Seq};
use crate::idempotency::{ClaimRecord, Entry};
use crate::partition::PartitionKey;
use crate::timestamp::Timestamp;

/// The events of one request, filed by partition. Acknowledged whole or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The number of events.
    pub(crate) rows: u32,
    /// The events of each partition; their sequence offsets together are `0..rows`.
    pub(crate) parts: Vec<Part>,
    /// The key under which it is stored once, if it has one.
    pub(crate) claim: Option<Box<ClaimRecord>>,
}

/// The events of a batch that belong to one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The partition.
    pub(crate) key: PartitionKey,
    /// Its events.
    pub(crate) rows: Rows,
}

impl Batch {
    /// The number of events.
    pub fn len(&self) -> usize {
        self.rows as usize
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The bytes that the events take in memory.
    pub fn raw_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.rows.raw_bytes()).sum()
    }

    /// Whether any event has a value in a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        let columns = self.parts.iter().flat_map(|part| &part.rows.columns);
        columns.into_iter().any(|column| &*column.name == name)
    }

    /// The events of each partition.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The timestamps of the first and the last event; `None` without events.
    pub(crate) fn first_and_last(&self) -> Option<(Timestamp, Timestamp)> {
        let at = |offset: u32| {
            self.parts.iter().find_map(|part| {
                let row = part.rows.seq_offsets.binary_search(&offset).ok()?;
                Some(part.rows.timestamp(row))
            })
        };
        let last = self.rows.checked_sub(1)?;
        Some((at(0)?, at(last)?))
    }

    /// The ids of the first and the last event of a numbered batch; `None` without events.
    pub(crate) fn ids(&self, incarnation: u16) -> Option<(EventId, EventId)> {
        let (first, last) = self.first_and_last()?;
        let base = self.parts.first()?.rows.base_seq;
        let id = |time, seq| EventId::new(time, incarnation, Seq(seq));
        Some((id(first, base), id(last, base + u64::from(self.rows) - 1)))
    }

    /// What is to be remembered of a numbered batch.
    pub(crate) fn entry(&self, incarnation: u16) -> Option<Entry> {
        let claim = ClaimRecord::clone(self.claim.as_ref()?);
        let (first, last) = self.ids(incarnation)?;
        Some(Entry { claim, first, last, count: self.rows })
    }

    /// Gives the events their sequence numbers, from `first` on.
    pub(crate) fn number(&mut self, first: u64) {
        for part in &mut self.parts {
            part.rows.base_seq = first;
        }
    }

    /// Panics if an invariant does not hold.
    pub fn check_invariants(&self) {
        let mut seen = vec![false; self.len()];
        for part in &self.parts {
            part.rows.check_invariants();
            for offset in &part.rows.seq_offsets {
                assert!(!std::mem::replace(&mut seen[*offset as usize], true), "an offset twice");
            }
        }
        assert!(seen.into_iter().all(|seen| seen), "an offset is missing");
    }
}
