//! Builds the index of a section, block by block: from rows, or from what a block keeps of them.

use super::SECTION_BLOCKS_MAX;
use super::format::{self, FRAMES_PER_BLOCK};
use super::hits::FrameMask;
use super::ids::IdsBuilder;
use super::recent::RecentValues;
use super::sentences::{Sentence, SentenceTerms};
use super::vocabulary::Vocabulary;
use super::words_write;
use crate::error::Result;
use crate::event::Value;
use crate::index::term::{TermKind, is_dictionary_word, term};
use crate::index::terms::{ValueTerms, each_of_token, each_of_word_with_digit, word_of_digits};
use crate::index::tokens::for_each_token;
use crate::io;

/// Terms remembered, to leave out those that come again at once.
const RECENT_TERMS: usize = 4_096;

/// The index of a section under construction. It takes 8 bytes for each term of a block, and the words
/// of the dictionary themselves.
#[derive(Debug)]
pub(crate) struct SegmentIndexBuilder {
    words: Vocabulary,
    sentences: SentenceTerms,
    ids: IdsBuilder,
    blocks: u32,
    values: ValueTerms,
    recent_values: RecentValues,
    block_ids: BlockIds,
    /// Whether there is a dictionary: without, every word is known by its blocks.
    has_dictionary: bool,
}

impl SegmentIndexBuilder {
    /// An index of no block yet.
    pub(crate) fn new() -> Self {
        Self {
            words: Vocabulary::new(),
            sentences: SentenceTerms::default(),
            ids: IdsBuilder::default(),
            blocks: 0,
            values: ValueTerms::new(),
            recent_values: RecentValues::new(),
            block_ids: BlockIds::new(),
            has_dictionary: true,
        }
    }

    /// The same without a dictionary: indexes of the same terms are equal, wherever the terms come from.
    #[cfg(test)]
    pub(crate) fn without_dictionary() -> Self {
        Self { has_dictionary: false, ..Self::new() }
    }

    /// Begins the next block of the section. It is added by [`BlockTerms::finish`]; if that is not
    /// called, the index is good for nothing.
    ///
    /// # Errors
    /// `Memory` if the index has as many words as there are numbers.
    pub(crate) fn begin_block(&mut self) -> Result<BlockTerms<'_>> {
        assert!(
            self.blocks < SECTION_BLOCKS_MAX,
            "a section of more blocks is split by the caller"
        );
        self.words.begin_block(self.blocks)?;
        Ok(BlockTerms { index: self })
    }

    /// About the bytes that it takes now, with what [`SegmentIndexBuilder::finish`] will take beside.
    pub(crate) fn memory(&self) -> usize {
        let block =
            self.block_ids.terms.capacity() * size_of::<u64>() + self.recent_values.memory();
        let words = words_write::memory_to_write(self.words.memory()) + self.sentences.memory();
        words + self.ids.memory() + block
    }

    /// The bytes of the index: a section's index part.
    ///
    /// # Errors
    /// If tantivy fails; in memory it has no reason to.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let Self { words, sentences, ids, blocks, .. } = self;
        drop(sentences);
        let files = words_write::write(words, blocks * FRAMES_PER_BLOCK as u32)?;
        Ok(format::encode(blocks, &files, &ids.finish(blocks)))
    }
}

/// The terms of the block that is being added, in any order; the same ones may come again.
#[derive(Debug)]
pub(crate) struct BlockTerms<'a> {
    index: &'a mut SegmentIndexBuilder,
}

impl BlockTerms<'_> {
    /// Adds a value of a row of `frame`.
    pub(crate) fn value(&mut self, value: Value<'_>, is_exact: bool, frame: usize) {
        if !self.index.recent_values.is_recent(value, is_exact, frame) {
            self.distinct(value, is_exact, 1 << frame);
        }
    }

    /// Adds a value that rows of these frames have, at least one.
    pub(crate) fn distinct(&mut self, value: Value<'_>, is_exact: bool, frames: FrameMask) {
        let SegmentIndexBuilder { values, words, block_ids, has_dictionary, .. } = &mut *self.index;
        values.each(value, is_exact, |kind, bytes| {
            let hash = term(kind, bytes);
            if *has_dictionary && is_dictionary_word(kind, bytes) {
                let word = words.number(hash, kind, bytes);
                words.add(word, frames);
            } else {
                block_ids.push(hash);
            }
        });
    }

    /// Adds the words of a sentence: a column of sentences is searched as a whole, so that frames would
    /// tell nothing of use.
    pub(crate) fn sentence(&mut self, text: &[u8]) -> Sentence {
        let SegmentIndexBuilder { sentences, blocks, block_ids, .. } = &mut *self.index;
        io::may_break();
        sentences.of(text, *blocks, |id| block_ids.push(id))
    }

    /// Adds a variable of a text that has a sentence. Returns whether it is one whole word.
    pub(crate) fn variable(&mut self, text: &[u8]) -> bool {
        let SegmentIndexBuilder { block_ids, .. } = &mut *self.index;
        let mut add = |kind, bytes: &[u8]| block_ids.push(term(kind, bytes));
        if each_of_word_with_digit(text, &mut add) {
            return true;
        }
        let mut is_whole = false;
        for_each_token(text, |token| {
            is_whole |= token.is_whole_word(text);
            each_of_token(text, token, &mut add);
        });
        is_whole
    }

    /// Adds a string that has nothing but lower-case hexadecimal digits, at least one and at most
    /// [`TOKEN_BYTES_MAX`]. Its runs of letters are chance: their frames are not worth their bytes.
    pub(crate) fn id(&mut self, id: &[u8]) {
        let SegmentIndexBuilder { values, block_ids, .. } = &mut *self.index;
        values.each_of_id(id, |kind, bytes| block_ids.push(term(kind, bytes)));
    }

    /// Adds a variable that has nothing but ASCII digits. Returns whether that is so.
    pub(crate) fn digits(&mut self, text: &[u8]) -> bool {
        let is_so = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        if is_so {
            self.index.block_ids.push(term(TermKind::Word, word_of_digits(text)));
        }
        is_so
    }

    /// Adds what a text whose words were added is besides: a number, perhaps.
    pub(crate) fn number(&mut self, text: &[u8]) {
        let SegmentIndexBuilder { values, block_ids, .. } = &mut *self.index;
        values.number(text, &mut |kind, bytes: &[u8]| block_ids.push(term(kind, bytes)));
    }

    /// Ends the block.
    pub(crate) fn finish(self) {
        let SegmentIndexBuilder { ids, block_ids, blocks, recent_values, .. } = self.index;
        ids.add_block(*blocks, &mut block_ids.terms);
        block_ids.clear();
        recent_values.clear();
        *blocks += 1;
    }
}

/// The hashes of a block's terms that are not in the dictionary.
#[derive(Debug)]
struct BlockIds {
    terms: Vec<u64>,
    /// By hash: what came just before in this block.
    recent: Box<[u64]>,
}

impl BlockIds {
    fn new() -> Self {
        let mut ids = Self { terms: Vec::new(), recent: vec![0; RECENT_TERMS].into() };
        ids.clear();
        ids
    }

    fn push(&mut self, hash: u64) {
        let recent = &mut self.recent[hash as usize % RECENT_TERMS];
        if *recent != hash {
            *recent = hash;
            self.terms.push(hash);
        }
    }

    fn clear(&mut self) {
        self.terms.clear();
        // No slot may hold a hash that belongs there: the complement of the slot's number doesn't.
        (0..).zip(&mut self.recent).for_each(|(slot, recent): (u64, _)| *recent = !slot);
    }
}
