//! Builds the index of a section, block by block.

use super::SECTION_BLOCKS_MAX;
use super::format::{self, FRAMES_PER_BLOCK};
use super::ids::IdsBuilder;
use super::words::{SEPARATOR, WordsWriter};
use crate::batch::Rows;
use crate::error::Result;
use crate::event::Value;
use crate::field;
use crate::index::term::{TermKind, is_dictionary_word, term, write_word_key};
use crate::index::terms::{ValueTerms, is_exact};
use crate::limits::{BLOCK_ROWS_MAX, FRAME_ROWS_MAX};
use xxhash_rust::xxh3::xxh3_64;

/// Terms remembered, to leave out those that come again at once.
const RECENT_TERMS: usize = 4_096;
/// Values remembered, likewise.
const RECENT_VALUES: usize = 1_024;

/// The index of a section under construction. It takes tantivy's tables (15 MiB and the words
/// themselves) and 8 bytes for each id of a block.
#[derive(Debug)]
pub(crate) struct SegmentIndexBuilder {
    words: WordsWriter,
    ids: IdsBuilder,
    blocks: u32,
    values: ValueTerms,
    recent_values: Box<[RecentValue]>,
    frame: FrameWords,
    block_ids: BlockIds,
}

/// A value of the block: its column and its place there. Valid only within the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RecentValue {
    column: u32,
    index: u32,
}

const NO_VALUE: RecentValue = RecentValue { column: u32::MAX, index: 0 };

impl SegmentIndexBuilder {
    /// An index of no block yet.
    ///
    /// # Errors
    /// If tantivy fails; in memory it has no reason to.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            words: WordsWriter::new()?,
            ids: IdsBuilder::default(),
            blocks: 0,
            values: ValueTerms::new(),
            recent_values: vec![NO_VALUE; RECENT_VALUES].into(),
            frame: FrameWords::new(),
            block_ids: BlockIds::new(),
        })
    }

    /// Adds the next block of the section: its rows, in the block's order.
    ///
    /// # Errors
    /// If tantivy fails.
    pub(crate) fn add_block(&mut self, rows: &Rows) -> Result<()> {
        assert!(
            self.blocks < SECTION_BLOCKS_MAX,
            "a section of more blocks is split by the caller"
        );
        assert!(rows.len() <= BLOCK_ROWS_MAX, "a block has at most 8,192 rows");
        self.recent_values.fill(NO_VALUE);
        let are_exact: Vec<bool> = rows.columns.iter().map(is_exact).collect();
        let mut places = vec![0; rows.columns.len()];
        for frame in 0..FRAMES_PER_BLOCK {
            let end = ((frame + 1) * FRAME_ROWS_MAX) as u32;
            for (column, place) in places.iter_mut().enumerate() {
                // No query looks into what is hidden.
                if field::is_hidden(&rows.columns[column].name) {
                    continue;
                }
                self.column(rows, column, are_exact[column], end, place);
            }
            self.words.add_frame(&self.frame.keys)?;
            self.frame.clear();
        }
        self.ids.add_block(self.blocks, &mut self.block_ids.terms);
        self.block_ids.terms.clear();
        self.blocks += 1;
        Ok(())
    }

    /// About the bytes that it takes now, with what [`SegmentIndexBuilder::finish`] will take beside.
    pub(crate) fn memory(&self) -> usize {
        let block = self.block_ids.terms.capacity() * size_of::<u64>() + self.frame.keys.capacity();
        self.words.memory() + self.ids.memory() + block
    }

    /// The bytes of the index: a section's index part.
    ///
    /// # Errors
    /// If tantivy fails.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let files = self.words.finish()?;
        Ok(format::encode(self.blocks, &files, &self.ids.finish(self.blocks)))
    }

    /// Adds the values of a column from `place` on that lie before row `end`, which is the frame's.
    fn column(&mut self, rows: &Rows, number: usize, is_exact: bool, end: u32, place: &mut usize) {
        let column = &rows.columns[number];
        let first = *place;
        while *place < column.len() && column.row_of(*place) < end {
            let index = *place;
            *place += 1;
            let value = column.value(index);
            let recent = &mut self.recent_values[xxh3_64(value.text) as usize % RECENT_VALUES];
            let this = RecentValue { column: number as u32, index: index as u32 };
            let before = std::mem::replace(recent, this);
            let is_same = before.column == this.column
                && before.index as usize >= first
                && column.value(before.index as usize) == value;
            if !is_same {
                self.value(value, is_exact);
            }
        }
    }

    fn value(&mut self, value: Value<'_>, is_exact: bool) {
        let Self { values, frame, block_ids, .. } = self;
        values.each(value, is_exact, |kind, bytes| {
            let hash = term(kind, bytes);
            if is_dictionary_word(kind, bytes) {
                frame.push(hash, kind, bytes);
            } else {
                block_ids.push(hash);
            }
        });
    }
}

/// The words of a frame, by their keys. Those that came just before are left out; tantivy drops
/// the other repetitions.
#[derive(Debug)]
struct FrameWords {
    keys: String,
    /// By hash: where a key stands in `keys`.
    recent: Box<[(u32, u32)]>,
    scratch: Vec<u8>,
}

impl FrameWords {
    fn new() -> Self {
        let recent = vec![(0, 0); RECENT_TERMS].into();
        Self { keys: String::new(), recent, scratch: Vec::new() }
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.recent.fill((0, 0));
    }

    fn push(&mut self, hash: u64, kind: TermKind, word: &[u8]) {
        let recent = &mut self.recent[hash as usize % RECENT_TERMS];
        let (start, end) = (recent.0 as usize, recent.1 as usize);
        // Compared byte by byte: equal hashes of different words can be made on purpose.
        if let Some((code, rest)) = self.keys.as_bytes()[start..end].split_first()
            && *code == kind as u8
            && rest == word
        {
            return;
        }
        self.scratch.clear();
        write_word_key(kind, word, &mut self.scratch);
        let key = std::str::from_utf8(&self.scratch).expect("tokens are whole characters");
        let start = self.keys.len() as u32;
        self.keys.push_str(key);
        *recent = (start, self.keys.len() as u32);
        self.keys.push(char::from(SEPARATOR));
    }
}

/// The hashes of a block's other terms.
#[derive(Debug)]
struct BlockIds {
    terms: Vec<u64>,
    /// By hash: what came just before, in whatever block; its place in `terms` tells.
    recent: Box<[u32]>,
}

impl BlockIds {
    fn new() -> Self {
        Self { terms: Vec::new(), recent: vec![0; RECENT_TERMS].into() }
    }

    fn push(&mut self, hash: u64) {
        let recent = &mut self.recent[hash as usize % RECENT_TERMS];
        if self.terms.get(*recent as usize) != Some(&hash) {
            *recent = self.terms.len() as u32;
            self.terms.push(hash);
        }
    }
}
