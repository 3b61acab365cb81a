//! The recent events of one partition.

use super::time_bounds;
use crate::batch::{Rows, gather};
use crate::block::{Block, BlockMeta};
use crate::index::Filter;
use crate::limits::Limits;
use crate::timestamp::Timestamp;
use std::ops::Range;
use std::sync::Arc;

/// Parts of the same size class that are merged into one: a tail of single-event batches stays at
/// fifteen parts a class, and each row is copied three times before it is in a block.
const MERGE_FAN_IN: usize = 16;

/// The recent events of one partition, in sequence order: blocks, pending blocks, tail.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemPartition {
    pub(crate) blocks: Vec<MemBlock>,
    pub(crate) pending: Vec<Arc<PendingBlock>>,
    pub(crate) tail: Vec<RowSlice>,
    tail_rows: usize,
    tail_bytes: usize,
}

/// A finished block in memory: the bytes that will be in the level-0 file.
#[derive(Debug, Clone)]
pub(crate) struct MemBlock {
    pub(crate) meta: BlockMeta,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) block: Arc<Block>,
    pub(crate) filter: Arc<Filter>,
}

/// Rows that have left the tail and are being encoded.
#[derive(Debug)]
pub(crate) struct PendingBlock {
    pub(crate) slices: Vec<RowSlice>,
    pub(crate) raw_bytes: usize,
}

/// A run of rows that share an allocation.
#[derive(Debug, Clone)]
pub(crate) struct RowSlice {
    pub(crate) rows: Arc<Rows>,
    pub(crate) range: Range<usize>,
    /// The earliest and the latest timestamp of `rows`; of all of them, so wider than `range`.
    pub(crate) times: (Timestamp, Timestamp),
    /// What the slice counts for. Splitting a slice conserves the sum.
    pub(crate) bytes: usize,
}

impl RowSlice {
    fn new(rows: Rows, bytes: usize) -> Self {
        let times = time_bounds(&rows.timestamps).expect("a part has rows");
        Self { range: 0..rows.len(), times, bytes, rows: Arc::new(rows) }
    }

    fn len(&self) -> usize {
        self.range.len()
    }

    fn size_class(&self) -> u32 {
        self.len().ilog(MERGE_FAN_IN)
    }
}

impl PendingBlock {
    /// The rows as one.
    pub(crate) fn gather(&self) -> Rows {
        concatenate(&self.slices)
    }
}

impl MemPartition {
    /// The number of events.
    pub(crate) fn rows(&self) -> u64 {
        let blocks = self.blocks.iter().map(|block| u64::from(block.meta.rows));
        let pending = self.pending.iter().flat_map(|pending| &pending.slices).chain(&self.tail);
        blocks.sum::<u64>() + pending.map(|slice| slice.len() as u64).sum::<u64>()
    }

    /// Appends rows to the tail. Returns by how many bytes the tail has grown: less than the rows
    /// have, or less than nothing, if small slices could be merged.
    pub(crate) fn push(&mut self, rows: Rows) -> isize {
        let before = self.tail_bytes;
        let bytes = rows.raw_bytes();
        self.tail_rows += rows.len();
        self.tail_bytes += bytes;
        self.tail.push(RowSlice::new(rows, bytes));
        self.merge_small_slices();
        self.tail_bytes.cast_signed() - before.cast_signed()
    }

    fn merge_small_slices(&mut self) {
        while let Some(last) = self.tail.last() {
            let class = last.size_class();
            let small = self.tail.iter().rev().take_while(|slice| slice.size_class() <= class);
            let first = self.tail.len() - small.count();
            if self.tail.len() - first < MERGE_FAN_IN {
                return;
            }
            let slices = self.tail.split_off(first);
            let merged = concatenate(&slices);
            // Many small slices repeat what one large has once: names and the sizes of its parts.
            let bytes = merged.raw_bytes();
            self.tail_bytes -= slices.iter().map(|slice| slice.bytes).sum::<usize>();
            self.tail_bytes += bytes;
            self.tail.push(RowSlice::new(merged, bytes));
        }
    }

    /// Takes the rows of a block from the tail if it has that many rows or bytes.
    pub(crate) fn take_full_block(&mut self, limits: &Limits) -> Option<Arc<PendingBlock>> {
        if self.tail_rows < limits.block_rows_max && self.tail_bytes < limits.block_bytes_max {
            return None;
        }
        let (mut rows, mut bytes, mut whole) = (0, 0, 0);
        for slice in &self.tail {
            let fits = rows + slice.len() <= limits.block_rows_max
                && bytes + slice.bytes <= limits.block_bytes_max;
            if !fits {
                break;
            }
            rows += slice.len();
            bytes += slice.bytes;
            whole += 1;
        }
        let mut slices: Vec<_> = self.tail.drain(..whole).collect();
        if let Some(slice) = self.tail.first_mut() {
            // A row alone may be larger than a block.
            let room = limits.block_bytes_max - bytes;
            let fit = (slice.len() * room / slice.bytes.max(1)).max(usize::from(rows == 0));
            let count = fit.min(limits.block_rows_max - rows);
            if count >= slice.len() {
                bytes += slice.bytes;
                rows += slice.len();
                slices.push(self.tail.remove(0));
            } else if count > 0 {
                let (taken, left) = split(slice, count);
                rows += count;
                bytes += taken.bytes;
                slices.push(taken);
                *slice = left;
            }
        }
        self.tail_rows -= rows;
        self.tail_bytes -= bytes;
        Some(self.await_sealing(slices))
    }

    /// Takes all rows of the tail as a last block, if there are any.
    pub(crate) fn take_tail(&mut self) -> Option<Arc<PendingBlock>> {
        if self.tail.is_empty() {
            return None;
        }
        let slices = std::mem::take(&mut self.tail);
        (self.tail_rows, self.tail_bytes) = (0, 0);
        Some(self.await_sealing(slices))
    }

    fn await_sealing(&mut self, slices: Vec<RowSlice>) -> Arc<PendingBlock> {
        let raw_bytes = slices.iter().map(|slice| slice.bytes).sum();
        let pending = Arc::new(PendingBlock { slices, raw_bytes });
        self.pending.push(Arc::clone(&pending));
        pending
    }

    /// Puts a finished block in the place of its rows. Blocks are finished in order.
    pub(crate) fn sealed(&mut self, pending: &Arc<PendingBlock>, block: MemBlock) {
        let first = self.pending.remove(0);
        assert!(Arc::ptr_eq(&first, pending), "I2: blocks are finished in order");
        self.blocks.push(block);
    }
}

fn concatenate(slices: &[RowSlice]) -> Rows {
    gather(slices.iter().map(|slice| (&*slice.rows, slice.range.clone())))
}

/// The first `rows` rows of a slice, and the others.
fn split(slice: &RowSlice, rows: usize) -> (RowSlice, RowSlice) {
    let middle = slice.range.start + rows;
    let (mut taken, mut left) = (slice.clone(), slice.clone());
    taken.range.end = middle;
    left.range.start = middle;
    taken.bytes = slice.bytes * rows / slice.len();
    left.bytes = slice.bytes - taken.bytes;
    (taken, left)
}
