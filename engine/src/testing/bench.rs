//! What the benches time. The functions are thin, so that they time what is behind them.

use crate::append::{Redacted, Redactor, Rules};
use crate::batch::{Batch, RowColumn, Rows};
use crate::block::{self, Block, BlockMeta, SentenceListBuilder, SentenceTable};
use crate::error::Result;
use crate::index::{self, IndexCounts, SegmentIndex, SegmentIndexBuilder, Split, Term};
use crate::io::Region;
use crate::proof::Runs;
use crate::query::{BlockTable, EventTable as _, OpenedBlock};
use crate::wal::EncodedRecord;
use std::path::Path;
use std::sync::Arc;

/// The rows of a batch of one partition.
fn rows(batch: &Batch) -> &Rows {
    let [part] = batch.parts() else { panic!("a batch of one partition") };
    &part.rows
}

/// The rules of redaction, compiled.
#[derive(Debug)]
pub struct Door(Redactor);

/// A batch that may go to the log.
#[derive(Debug)]
pub struct RedactedBatch(Redacted);

impl Default for Door {
    /// All rules.
    fn default() -> Self {
        Self(Redactor::new(Rules::default()))
    }
}

impl Door {
    /// Replaces the secrets of a batch.
    pub fn redact(&self, batch: Batch) -> RedactedBatch {
        RedactedBatch(Redacted::new(batch, &self.0))
    }

    /// How many secrets were replaced.
    pub fn hits(&self) -> u64 {
        self.0.hits().iter().map(|(_, hits)| hits).sum()
    }
}

impl RedactedBatch {
    /// Encodes the batch for the log. Returns its bytes there.
    ///
    /// # Errors
    /// `Invalid` for a batch that is too large.
    pub fn record_bytes(&self) -> Result<usize> {
        Ok(EncodedRecord::new(&self.0)?.len())
    }

    /// The bytes of the same before they are compressed.
    ///
    /// # Errors
    /// As [`RedactedBatch::record_bytes`].
    pub fn record_bytes_raw(&self) -> Result<usize> {
        Ok(EncodedRecord::new(&self.0)?.raw_len())
    }
}

/// The digest of the run that a batch is, as the sealer takes it.
pub fn run_digest(batch: &Batch) -> [u8; 32] {
    let [part] = batch.parts() else { panic!("a batch of one partition") };
    let mut runs = Runs::default();
    runs.push(&part.key, &part.rows);
    runs.finish(1)[&part.key]
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
        let encoded = block::seal_young(rows(batch));
        Self { bytes: encoded.bytes.into(), meta: encoded.meta }
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
        let opened = OpenedBlock::new(Arc::new(self.0.clone()));
        let events = BlockTable::new(&opened, &SentenceTable::default()).fetch(rows, 1)?;
        Ok(events.iter().map(|event| event.fields.len()).sum())
    }
}

/// The tokens of a text.
pub fn count_tokens(text: &[u8]) -> usize {
    index::count_tokens(text)
}

/// The messages of a batch of one partition.
pub fn messages(batch: &Batch) -> Vec<&[u8]> {
    let column = message_column(batch);
    (0..column.len()).map(|index| column.value(index).text).collect()
}

/// The messages of a batch of one partition, stored as one column in an encoding that is given.
#[derive(Debug)]
pub struct MessageColumn(block::bench::StoredColumn);

impl MessageColumn {
    /// Stores them as text, or as templates if those pay.
    pub fn encode(batch: &Batch, as_templates: bool) -> Self {
        Self(block::bench::StoredColumn::new(message_column(batch), as_templates))
    }

    /// The bytes that they take.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Reads every message. Returns the bytes of their texts.
    ///
    /// # Errors
    /// None, of what was just encoded.
    pub fn read(&self) -> Result<usize> {
        let mut bytes = 0;
        self.0.open()?.for_each(|_, value| bytes += value.text.len())?;
        Ok(bytes)
    }

    /// Reads the messages of some rows. Returns the bytes of their texts.
    ///
    /// # Errors
    /// None, of what was just encoded.
    pub fn fetch(&self, rows: impl IntoIterator<Item = usize>) -> Result<usize> {
        let column = self.0.open()?;
        let mut scratch = Vec::new();
        let mut bytes = 0;
        for row in rows {
            bytes += column.get(row, &mut scratch)?.map_or(0, |value| value.text.len());
        }
        Ok(bytes)
    }
}

/// Builds the filter of a batch of one partition, as the sealer does: messages that templates pay
/// for are cut first, once. Returns its bytes.
pub fn filter_of_split(batch: &Batch) -> usize {
    block::bench::filter_of_split(rows(batch), message_column(batch))
}

fn message_column(batch: &Batch) -> &RowColumn {
    let column = rows(batch).columns.iter().find(|column| &*column.name == "message");
    column.expect("events have messages")
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

/// The bytes of the index of a section with these blocks, each the rows of a batch.
///
/// # Errors
/// None, in memory.
pub fn section_index(blocks: &[Batch]) -> Result<Vec<u8>> {
    let mut builder = SegmentIndexBuilder::new();
    let split_of = |column: &RowColumn| match &*column.name {
        "message" => Split::of(column),
        _ => None,
    };
    blocks.iter().try_for_each(|batch| builder.add_block(rows(batch), split_of))?;
    builder.finish()
}

/// The index of a section.
#[derive(Debug)]
pub struct SectionIndex(SegmentIndex);

impl SectionIndex {
    /// Opens the index of a section of so many blocks.
    ///
    /// # Errors
    /// None, of what was just built.
    pub fn open(bytes: Arc<[u8]>, blocks: usize) -> Result<Self> {
        let path: Arc<Path> = Path::new("bench").into();
        let counts = IndexCounts::default();
        SegmentIndex::open(Region::owned(bytes), blocks, &path, 0, &counts).map(Self)
    }

    /// The bytes of its parts, by name.
    pub fn sizes(&self) -> Vec<(String, usize)> {
        self.0.sizes()
    }

    /// Looks a word or an id up. Returns whether the section may hold it.
    pub fn may_hold(&self, word: &str) -> bool {
        let term = Term::of_word(word);
        !self.0.look_up([&term]).expect("is in memory").lacks(&term)
    }
}

/// The bytes of the index of a section with these blocks, as a merge makes it of blocks that it
/// copies: they are verified, and copied without their filters and sentences.
///
/// # Errors
/// None, of what was just encoded.
pub fn section_index_of(blocks: &[BlockBytes]) -> Result<Vec<u8>> {
    let (mut builder, mut list) = (SegmentIndexBuilder::new(), SentenceListBuilder::default());
    for BlockBytes { bytes, meta } in blocks {
        let block = block::verify(bytes, meta, 0, Path::new(""))?;
        let mut terms = builder.begin_block()?;
        let templates = block::add_terms(&block, &mut terms)?;
        terms.finish();
        std::hint::black_box(block::share(bytes, &block, &templates, &mut list)?);
    }
    builder.finish()
}
