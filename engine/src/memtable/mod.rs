//! Recent events, queryable: finished blocks and an open tail, for each partition of a generation.
//!
//! - `I1` rows enter only after their group is synced, in sequence order: visible means durable.
//! - `I2` a partition's rows are, in sequence order: its blocks, its pending blocks, its tail.
//! - `I3` everything that a snapshot can hold is immutable; a change replaces it.
//! - `I4` what a snapshot holds of a memtable that was flushed counts until the snapshot goes.

mod lease;
mod partition;
#[cfg(test)]
mod tests;

pub(crate) use lease::Lease;
pub(crate) use partition::{MemBlock, MemPartition, PendingBlock, RowSlice};

use crate::batch::Batch;
use crate::limits::{Limits, MEMTABLE_NAMES_MAX};
use crate::partition::PartitionKey;
use crate::timestamp::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The events of one generation.
#[derive(Debug)]
pub(crate) struct Memtable {
    /// Tells the memtables of one process apart.
    pub(crate) id: u64,
    /// The sequence number of the first event, and the one after the last.
    pub(crate) seqs: (u64, u64),
    /// The events, by partition.
    pub(crate) partitions: HashMap<PartitionKey, Arc<MemPartition>>,
    /// Column names seen, the first [`MEMTABLE_NAMES_MAX`] of them.
    pub(crate) names: Arc<BTreeSet<Arc<str>>>,
    /// Raw bytes of rows that are not in a block yet.
    pub(crate) unsealed_bytes: usize,
    /// Those of them that left their tail: what the sealer still has to do.
    pub(crate) pending_bytes: usize,
    /// Bytes of finished blocks.
    pub(crate) block_bytes: usize,
    /// Who reads it.
    pub(crate) lease: Arc<Lease>,
}

/// A block's worth of rows has left the tail of a partition and waits to be encoded.
#[derive(Debug, Clone)]
pub(crate) struct SealJob {
    pub(crate) memtable: u64,
    pub(crate) key: PartitionKey,
    pub(crate) pending: Arc<PendingBlock>,
}

impl Memtable {
    /// A memtable without events; the next one has sequence number `seq`.
    pub(crate) fn new(id: u64, seq: u64) -> Self {
        Self {
            id,
            seqs: (seq, seq),
            partitions: HashMap::new(),
            names: Arc::default(),
            unsealed_bytes: 0,
            pending_bytes: 0,
            block_bytes: 0,
            lease: Arc::default(),
        }
    }

    /// Whether there is no event.
    pub(crate) fn is_empty(&self) -> bool {
        self.seqs.0 == self.seqs.1
    }

    /// The bytes that the events take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.unsealed_bytes + self.block_bytes
    }

    /// The number of events.
    pub(crate) fn rows(&self) -> u64 {
        self.seqs.1 - self.seqs.0
    }

    /// Takes in a numbered batch. Returns what is to be encoded now.
    pub(crate) fn apply(&mut self, batch: Batch, limits: &Limits) -> Vec<SealJob> {
        self.seqs.1 += batch.len() as u64;
        let mut jobs = Vec::new();
        for part in batch.parts {
            self.note_names(&part.rows.columns);
            let key = part.key;
            let partition = self
                .partitions
                .entry(key.clone())
                .or_insert_with(|| Arc::new(MemPartition::default()));
            let partition = Arc::make_mut(partition);
            let grown = partition.push(part.rows);
            self.unsealed_bytes = self.unsealed_bytes.strict_add_signed(grown);
            while let Some(pending) = partition.take_full_block(limits) {
                self.pending_bytes += pending.raw_bytes;
                jobs.push(SealJob { memtable: self.id, key: key.clone(), pending });
            }
        }
        jobs
    }

    /// Puts an encoded block in the place of its rows.
    pub(crate) fn sealed(&mut self, job: &SealJob, block: MemBlock) {
        assert_eq!(self.id, job.memtable, "the block is of another memtable");
        let partition = self.partitions.get_mut(&job.key).expect("partitions are never removed");
        self.unsealed_bytes -= job.pending.raw_bytes;
        self.pending_bytes -= job.pending.raw_bytes;
        self.block_bytes += block.meta.len as usize;
        Arc::make_mut(partition).sealed(&job.pending, block);
    }

    /// Moves every row that is in no block yet into pending blocks: the tails of a memtable that
    /// takes in nothing more.
    pub(crate) fn close_tails(&mut self) -> Vec<SealJob> {
        let mut jobs = Vec::new();
        for (key, partition) in &mut self.partitions {
            if let Some(pending) = Arc::make_mut(partition).take_tail() {
                self.pending_bytes += pending.raw_bytes;
                jobs.push(SealJob { memtable: self.id, key: key.clone(), pending });
            }
        }
        jobs
    }

    fn note_names(&mut self, columns: &[crate::batch::RowColumn]) {
        let is_new = |name: &Arc<str>| !self.names.contains(name) && !crate::field::is_hidden(name);
        let room = MEMTABLE_NAMES_MAX.saturating_sub(self.names.len());
        let new = columns.iter().map(|column| &column.name).filter(|name| is_new(name));
        let new: Vec<_> = new.take(room).cloned().collect();
        if !new.is_empty() {
            Arc::make_mut(&mut self.names).extend(new);
        }
    }
}

/// The earliest and the latest of some timestamps; `None` without any.
pub(crate) fn time_bounds(timestamps: &[i64]) -> Option<(Timestamp, Timestamp)> {
    let min = timestamps.iter().min()?;
    let max = timestamps.iter().max()?;
    Some((Timestamp(*min), Timestamp(*max)))
}
