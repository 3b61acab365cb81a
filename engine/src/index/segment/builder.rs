//! Builds the index of a section, block by block.

use super::SECTION_BLOCKS_MAX;
use super::format::{self, FRAMES_PER_BLOCK};
use super::ids::IdsBuilder;
use super::words::{SEPARATOR, WordsWriter};
use crate::batch::{RowColumn, Rows};
use crate::error::Result;
use crate::event::Value;
use crate::field;
use crate::index::split::Split;
use crate::index::term::{TermKind, is_dictionary_word, term, write_word_key};
use crate::index::terms::{ValueTerms, each_of_variable, each_of_words, is_exact, may_be_number};
use crate::limits::{BLOCK_ROWS_MAX, FRAME_ROWS_MAX};
use std::borrow::Borrow;
use std::ops::Range;
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

    /// Adds the next block of the section: its rows, in the block's order. The columns that `split_of`
    /// knows have been cut already: that saves work and changes nothing.
    ///
    /// # Errors
    /// If tantivy fails.
    pub(crate) fn add_block<S: Borrow<Split>>(
        &mut self,
        rows: &Rows,
        split_of: impl Fn(&RowColumn) -> Option<S>,
    ) -> Result<()> {
        assert!(
            self.blocks < SECTION_BLOCKS_MAX,
            "a section of more blocks is split by the caller"
        );
        assert!(rows.len() <= BLOCK_ROWS_MAX, "a block has at most 8,192 rows");
        self.recent_values.fill(NO_VALUE);
        // No query looks into what is hidden.
        let columns = rows.columns.iter().filter(|column| !field::is_hidden(&column.name));
        let mut columns: Vec<_> =
            columns.map(|column| ColumnLeft::new(column, &split_of, &mut self.block_ids)).collect();
        for frame in 0..FRAMES_PER_BLOCK {
            let end = ((frame + 1) * FRAME_ROWS_MAX) as u32;
            for (number, left) in columns.iter_mut().enumerate() {
                let values = left.take(end);
                match &mut left.cut {
                    Some(cut) => self.sentences(left.column, values, cut),
                    None => self.values(left.column, number as u32, left.is_exact, values),
                }
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

    /// Adds values of a column, which are the frame's.
    fn values(&mut self, column: &RowColumn, number: u32, is_exact: bool, range: Range<usize>) {
        for index in range.clone() {
            let value = column.value(index);
            let recent = &mut self.recent_values[xxh3_64(value.text) as usize % RECENT_VALUES];
            let this = RecentValue { column: number, index: index as u32 };
            let before = std::mem::replace(recent, this);
            let is_same = before.column == this.column
                && before.index as usize >= range.start
                && column.value(before.index as usize) == value;
            if !is_same {
                self.value(value, is_exact);
            }
        }
    }

    /// As [`SegmentIndexBuilder::values`] of a column that was cut: the words of each sentence once.
    fn sentences<S: Borrow<Split>>(
        &mut self,
        column: &RowColumn,
        range: Range<usize>,
        cut: &mut Cut<S>,
    ) {
        cut.is_in_frame.fill(false);
        for index in range {
            let split = cut.split.borrow();
            let code = split.codes()[index];
            if code == Split::RAW {
                self.value(column.value(index), false);
                continue;
            }
            let code = usize::from(code);
            if !std::mem::replace(&mut cut.is_in_frame[code], true) {
                cut.words.of(code).for_each(|(hash, key)| self.frame.push_key(hash, key));
            }
            let Self { values, frame, block_ids, .. } = self;
            let mut each = |kind, bytes: &[u8]| push(frame, block_ids, kind, bytes);
            for variable in split.variables_of(index) {
                each_of_variable(*variable, column, &mut each);
            }
            if cut.may_be_numbers[code] {
                values.number(column.value(index).text, &mut each);
            }
        }
    }

    fn value(&mut self, value: Value<'_>, is_exact: bool) {
        let Self { values, frame, block_ids, .. } = self;
        values.each(value, is_exact, |kind, bytes| push(frame, block_ids, kind, bytes));
    }
}

fn push(frame: &mut FrameWords, block_ids: &mut BlockIds, kind: TermKind, bytes: &[u8]) {
    let hash = term(kind, bytes);
    if is_dictionary_word(kind, bytes) {
        frame.push(hash, kind, bytes);
    } else {
        block_ids.push(hash);
    }
}

/// A column of the block, from a place on.
struct ColumnLeft<'a, S> {
    column: &'a RowColumn,
    is_exact: bool,
    /// The first value that was not taken.
    place: usize,
    /// If it has been cut.
    cut: Option<Cut<S>>,
}

/// A column that was cut into sentences.
struct Cut<S> {
    split: S,
    words: SentenceWords,
    /// Of each sentence whether its texts may be numbers.
    may_be_numbers: Vec<bool>,
    /// Of each sentence whether its words are in the frame.
    is_in_frame: Vec<bool>,
}

/// The terms of sentences that belong in the dictionary, sentence by sentence.
#[derive(Default)]
struct SentenceWords {
    keys: Vec<u8>,
    /// The hash of each, and where its key ends.
    words: Vec<(u64, u32)>,
    /// How many words there are up to the end of each sentence.
    ends: Vec<u32>,
}

impl<'a, S: Borrow<Split>> ColumnLeft<'a, S> {
    fn new(
        column: &'a RowColumn,
        split_of: impl Fn(&RowColumn) -> Option<S>,
        ids: &mut BlockIds,
    ) -> Self {
        let is_exact = is_exact(column);
        // A whole value is no sentence.
        let split = if is_exact { None } else { split_of(column) };
        Self { column, is_exact, place: 0, cut: split.map(|split| Cut::new(split, ids)) }
    }
}

impl<S> ColumnLeft<'_, S> {
    /// The values from the last place on that lie before row `end`.
    fn take(&mut self, end: u32) -> Range<usize> {
        let Self { column, place, .. } = self;
        let first = *place;
        while *place < column.len() && column.row_of(*place) < end {
            *place += 1;
        }
        first..*place
    }
}

impl<S: Borrow<Split>> Cut<S> {
    /// Finds the terms of the sentences; those that don't belong in the dictionary become `ids`.
    fn new(split: S, ids: &mut BlockIds) -> Self {
        let sentences = split.borrow().sentences();
        let is_in_frame = vec![false; sentences.len()];
        let mut words = SentenceWords::default();
        let mut may_be_numbers = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            may_be_numbers.push(may_be_number(sentence));
            each_of_words(sentence, |kind, bytes| {
                let hash = term(kind, bytes);
                if is_dictionary_word(kind, bytes) {
                    write_word_key(kind, bytes, &mut words.keys);
                    words.words.push((hash, words.keys.len() as u32));
                } else {
                    ids.push(hash);
                }
            });
            words.ends.push(words.words.len() as u32);
        }
        Self { split, words, may_be_numbers, is_in_frame }
    }
}

impl SentenceWords {
    /// The hashes and keys of a sentence.
    fn of(&self, code: usize) -> impl Iterator<Item = (u64, &[u8])> {
        let first = code.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let words = first..self.ends[code] as usize;
        let start = first.checked_sub(1).map_or(0, |before| self.words[before].1);
        self.words[words].iter().scan(start as usize, |start, (hash, end)| {
            let key = &self.keys[std::mem::replace(start, *end as usize)..*end as usize];
            Some((*hash, key))
        })
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
        let before = self.recent(hash);
        if before.split_first().is_some_and(|(code, rest)| *code == kind as u8 && rest == word) {
            return;
        }
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        write_word_key(kind, word, &mut key);
        self.append(hash, &key);
        self.scratch = key;
    }

    fn push_key(&mut self, hash: u64, key: &[u8]) {
        if self.recent(hash) != key {
            self.append(hash, key);
        }
    }

    /// The key that came before with such a hash. It has to be compared: equal hashes of different
    /// words can be made on purpose.
    fn recent(&self, hash: u64) -> &[u8] {
        let (start, end) = self.recent[hash as usize % RECENT_TERMS];
        &self.keys.as_bytes()[start as usize..end as usize]
    }

    fn append(&mut self, hash: u64, key: &[u8]) {
        let key = std::str::from_utf8(key).expect("tokens are whole characters");
        let start = self.keys.len() as u32;
        self.keys.push_str(key);
        self.recent[hash as usize % RECENT_TERMS] = (start, self.keys.len() as u32);
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
