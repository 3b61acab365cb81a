//! A block that a query reads.

use crate::block::{Block, Column, Decoded, Levels, Rest, RowSeqs, RowTimes};
use crate::error::Result;
use crate::segment::Key;
use std::sync::Arc;

/// A block and the parts of it that were decoded. Threads may share it.
#[derive(Debug)]
pub(crate) struct OpenedBlock {
    decoded: Arc<Decoded>,
    /// By which the cache knows it, if it is of a file.
    key: Option<Key>,
    /// Whether it is read for a few of its rows.
    for_few: bool,
}

impl OpenedBlock {
    /// Nothing is decoded yet.
    pub(crate) fn new(block: Arc<Block>) -> Self {
        Self { decoded: Arc::new(Decoded::new(block)), key: None, for_few: false }
    }

    /// A block of a file: what is found out of it may be kept.
    pub(crate) fn of_file(decoded: Arc<Decoded>, key: Key) -> Self {
        Self { decoded, key: Some(key), for_few: false }
    }

    /// The same, of which few rows are wanted: to find out what spares others reading it takes longer.
    pub(crate) fn for_few(self) -> Self {
        Self { for_few: true, ..self }
    }

    pub(super) fn is_for_few(&self) -> bool {
        self.for_few
    }

    pub(super) fn key(&self) -> Option<Key> {
        self.key
    }

    pub(super) fn decoded(&self) -> &Arc<Decoded> {
        &self.decoded
    }

    pub(super) fn block(&self) -> &Block {
        self.decoded.block()
    }

    pub(super) fn timestamps(&self) -> Result<&RowTimes> {
        self.decoded.timestamps()
    }

    pub(super) fn seqs(&self) -> Result<&RowSeqs> {
        self.decoded.seqs()
    }

    pub(super) fn levels(&self) -> Result<&Levels> {
        self.decoded.levels()
    }

    /// A column of [`Block::columns`]; panics past the last.
    pub(super) fn column(&self, index: usize) -> Result<&Column> {
        self.decoded.column(index)
    }

    pub(super) fn rest(&self) -> Result<Option<&Rest>> {
        self.decoded.rest()
    }
}
