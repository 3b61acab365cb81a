//! What was decoded of a block: each part once, when a test or a page first needs it. Threads may share it, and
//! what the store's cache keeps of it serves later queries.

use super::column::{Column, Rest};
use super::reader::Block;
use super::rows::{Levels, RowSeqs, RowTimes};
use crate::error::Result;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// A block and the parts of it that were decoded.
#[derive(Debug)]
pub(crate) struct Decoded {
    block: Arc<Block>,
    timestamps: OnceLock<RowTimes>,
    seqs: OnceLock<RowSeqs>,
    levels: OnceLock<Levels>,
    columns: Box<[OnceLock<Column>]>,
    rest: OnceLock<Option<Rest>>,
    /// The bytes that a cache counts for it.
    charged: AtomicUsize,
}

impl Decoded {
    /// Nothing is decoded yet.
    pub(crate) fn new(block: Arc<Block>) -> Self {
        Self {
            timestamps: OnceLock::new(),
            seqs: OnceLock::new(),
            levels: OnceLock::new(),
            columns: block.columns().iter().map(|_| OnceLock::new()).collect(),
            rest: OnceLock::new(),
            charged: AtomicUsize::new(0),
            block,
        }
    }

    /// The block.
    pub(crate) fn block(&self) -> &Block {
        &self.block
    }

    /// The timestamp of each row.
    pub(crate) fn timestamps(&self) -> Result<&RowTimes> {
        once(&self.timestamps, || self.block.timestamps())
    }

    /// The sequence number of each row.
    pub(crate) fn seqs(&self) -> Result<&RowSeqs> {
        once(&self.seqs, || self.block.seqs())
    }

    /// The level of each row.
    pub(crate) fn levels(&self) -> Result<&Levels> {
        once(&self.levels, || self.block.levels())
    }

    /// A column of [`Block::columns`]; panics past the last.
    pub(crate) fn column(&self, index: usize) -> Result<&Column> {
        once(&self.columns[index], || self.block.column(index))
    }

    /// The fields that have no column of their own.
    pub(crate) fn rest(&self) -> Result<Option<&Rest>> {
        Ok(once(&self.rest, || self.block.rest())?.as_ref())
    }

    /// The bytes that all of it takes in memory now, without the header.
    pub(crate) fn heap_bytes(&self) -> usize {
        let columns = self.columns.iter().filter_map(OnceLock::get).map(Column::heap_bytes);
        size_of::<Self>()
            + size_of_val(&*self.columns)
            + self.timestamps.get().map_or(0, RowTimes::heap_bytes)
            + self.seqs.get().map_or(0, RowSeqs::heap_bytes)
            + self.levels.get().map_or(0, Levels::heap_bytes)
            + columns.sum::<usize>()
            + self.rest.get().and_then(Option::as_ref).map_or(0, Rest::heap_bytes)
    }

    /// The bytes that are counted for it.
    pub(crate) fn charged(&self) -> usize {
        self.charged.load(Relaxed)
    }

    /// So many bytes are counted for it from now on.
    pub(crate) fn charge(&self, bytes: usize) {
        self.charged.store(bytes, Relaxed);
    }
}

/// What a cell holds, decoded now if it holds nothing. Of several threads that decode at the same
/// time, one is heard.
fn once<T>(cell: &OnceLock<T>, decode: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(decoded) => Ok(decoded),
        None => decode().map(|decoded| cell.get_or_init(|| decoded)),
    }
}
