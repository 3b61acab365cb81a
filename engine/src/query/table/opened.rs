//! What was decoded of a block: each part once, when a test or a page first needs it.

use crate::block::{Block, Column, Levels, Rest, RowSeqs, RowTimes};
use crate::error::Result;
use crate::segment::Key;
use std::sync::{Arc, OnceLock};

/// A block and the parts of it that were decoded. Threads may share it.
#[derive(Debug)]
pub(crate) struct OpenedBlock {
    block: Arc<Block>,
    /// By which the cache knows it, if it is of a file.
    key: Option<Key>,
    timestamps: OnceLock<RowTimes>,
    seqs: OnceLock<RowSeqs>,
    levels: OnceLock<Levels>,
    columns: Box<[OnceLock<Column>]>,
    rest: OnceLock<Option<Rest>>,
}

impl OpenedBlock {
    /// Nothing is decoded yet.
    pub(crate) fn new(block: Arc<Block>) -> Self {
        Self::with(block, None)
    }

    /// A block of a file: what is found out of it may be kept.
    pub(crate) fn of_file(block: Arc<Block>, key: Key) -> Self {
        Self::with(block, Some(key))
    }

    fn with(block: Arc<Block>, key: Option<Key>) -> Self {
        Self {
            key,
            timestamps: OnceLock::new(),
            seqs: OnceLock::new(),
            levels: OnceLock::new(),
            columns: block.columns().iter().map(|_| OnceLock::new()).collect(),
            rest: OnceLock::new(),
            block,
        }
    }

    pub(super) fn key(&self) -> Option<Key> {
        self.key
    }

    pub(super) fn block(&self) -> &Block {
        &self.block
    }

    pub(super) fn timestamps(&self) -> Result<&RowTimes> {
        once(&self.timestamps, || self.block.timestamps())
    }

    pub(super) fn seqs(&self) -> Result<&RowSeqs> {
        once(&self.seqs, || self.block.seqs())
    }

    pub(super) fn levels(&self) -> Result<&Levels> {
        once(&self.levels, || self.block.levels())
    }

    /// A column of [`Block::columns`]; panics past the last.
    pub(super) fn column(&self, index: usize) -> Result<&Column> {
        once(&self.columns[index], || self.block.column(index))
    }

    pub(super) fn rest(&self) -> Result<Option<&Rest>> {
        Ok(once(&self.rest, || self.block.rest())?.as_ref())
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
