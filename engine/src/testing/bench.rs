//! What the benches time. The functions are thin, so that they time what is behind them.

use crate::batch::{Batch, Rows};
use crate::block::{self, Block, BlockMeta};
use crate::error::Result;
use crate::index;
use crate::query::{BlockTable, Table};
use crate::wal::EncodedRecord;
use std::sync::Arc;

/// The rows of a batch of one partition.
fn rows(batch: &Batch) -> &Rows {
    let [part] = batch.parts() else { panic!("a batch of one partition") };
    &part.rows
}

/// Encodes a batch for the log. Returns its bytes there.
///
/// # Errors
/// `Invalid` for a batch that is too large.
pub fn record_bytes(batch: &Batch) -> Result<usize> {
    Ok(EncodedRecord::new(batch)?.len())
}

/// A finished block.
#[derive(Debug)]
pub struct BlockBytes {
    bytes: Arc<[u8]>,
    meta: BlockMeta,
}

impl BlockBytes {
    /// Encodes the rows of a batch with the filter of their terms, as the sealer does.
    pub fn encode(batch: &Batch) -> Self {
        Self::encode_with(batch, &index::filter_bytes(rows(batch)))
    }

    /// Encodes the rows of a batch with a filter that is given: the block alone.
    pub fn encode_with(batch: &Batch, filter: &[u8]) -> Self {
        let encoded = block::encode(rows(batch), filter);
        Self { bytes: encoded.bytes.into(), meta: encoded.meta }
    }

    /// The bytes of the block.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Reads and verifies its header.
    ///
    /// # Errors
    /// None, of what was just encoded.
    pub fn open(&self) -> Result<OpenBlock> {
        let source = block::Source::Memory(Arc::clone(&self.bytes));
        Block::open(source, &self.meta).map(OpenBlock)
    }
}

/// A block whose columns can be read.
#[derive(Debug)]
pub struct OpenBlock(Block);

impl OpenBlock {
    /// The names of the columns and of their encodings, by column.
    pub fn columns(&self) -> Vec<(String, &'static str)> {
        let columns = self.0.columns().iter();
        columns.map(|c| (c.name.to_string(), c.encoding_name())).collect()
    }

    /// Reads a column and every value of it. Returns the bytes of its texts.
    ///
    /// # Errors
    /// None, of what was just encoded.
    pub fn read_column(&self, index: usize) -> Result<usize> {
        let mut bytes = 0;
        self.0.column(index)?.for_each(|_, value| bytes += value.text.len())?;
        Ok(bytes)
    }

    /// Fetches whole events. Returns the number of their fields.
    ///
    /// # Errors
    /// None, of what was just encoded.
    pub fn fetch(&self, rows: &[usize]) -> Result<usize> {
        let events = BlockTable::new(&self.0).fetch(rows, 1)?;
        Ok(events.iter().map(|event| event.fields.len()).sum())
    }
}

/// The tokens of a text.
pub fn count_tokens(text: &[u8]) -> usize {
    index::count_tokens(text)
}

/// The messages of a batch of one partition.
pub fn messages(batch: &Batch) -> Vec<&[u8]> {
    let column = rows(batch).columns.iter().find(|column| &*column.name == "message");
    let column = column.expect("events have messages");
    (0..column.len()).map(|index| column.value(index).text).collect()
}

/// How many of the texts a phrase stands in.
pub fn phrase_matches(phrase: &str, texts: &[&[u8]]) -> usize {
    let phrase = index::Phrase::new(phrase);
    texts.iter().filter(|text| phrase.is_match(text)).count()
}

/// The terms of a block.
#[derive(Debug)]
pub struct BlockTerms(Vec<u64>);

impl BlockTerms {
    /// Finds them.
    pub fn collect(batch: &Batch) -> Self {
        Self(index::collect_terms(rows(batch)))
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Builds their filter. Returns its probe: whether the block may hold a term.
    pub fn filter(&self) -> impl Fn(u64) -> bool + use<> {
        let filter = index::Filter::build(&self.0);
        move |term| filter.contains(term)
    }
}
