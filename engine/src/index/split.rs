//! Texts of a column, cut into sentences and variables: what templates are made of, and what lets
//! the index look at each sentence once instead of at each text.
//!
//! A word with an ASCII digit is a *variable*; everything else stays where it is, and the text with
//! [`SLOT`] for each variable is its *sentence*.
//!
//! Invariants:
//! - `S1` a slot stands for exactly one whole word of the tokenizer, which has an ASCII digit. No
//!   word that is left in a sentence has one. So the words and bigrams of a text are those of its
//!   sentence and its variables, and no others.
//! - `S2` a text that has bytes below [`LEGAL_MIN`] has no sentence: such bytes in sentences are
//!   slots, and variables may be padded with them.
//! - `S3` sentences and their bytes are bounded, whatever the texts are.

mod masks;

use super::tokens::{TokenKind, Unit, Units, for_each_token};
use crate::batch::RowColumn;
use crate::codec::copy::push_range;
use crate::event::{Kind, Value};
use crate::io;
use crate::limits::{
    BLOCK_ROWS_MAX, BLOCK_SCRATCH_BYTES_MAX, SENTENCE_BYTES_MAX, SENTENCES_MAX, SPLITS_KEPT_MAX,
};
use masks::{Found, Masks};
use std::cell::RefCell;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Stands in a sentence for a variable. It separates words, as what stands beside a whole word
/// does.
pub(crate) const SLOT: u8 = 1;
/// The least byte of a text that has a sentence. The tokenizer takes all below it for separators.
const LEGAL_MIN: u8 = 9;
/// Shorter columns are not worth a dictionary of sentences.
const VALUES_MIN: usize = 64;
/// Values after which it is decided whether sentences pay.
const SAMPLE: usize = 512;
/// Slots of the hash table: with half of them free, probes are short.
const TABLE_SLOTS: usize = SENTENCES_MAX * 2;

/// The sentence and the variables of each text of a column.
#[derive(Debug, Default)]
pub(crate) struct Split {
    /// The distinct sentences, in order of first occurrence.
    texts: Vec<u8>,
    ends: Vec<u32>,
    counts: Vec<u32>,
    codes: Vec<u16>,
    /// Value by value.
    variables: Vec<Variable>,
    /// The first variable of each value, and the end.
    firsts: Vec<u32>,
}

thread_local! {
    /// What splits were in that are gone: fresh memory costs a page fault for each 4 KiB.
    static KEPT: RefCell<Vec<Split>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Split {
    fn drop(&mut self) {
        // Of a thread that ends nothing is kept.
        let _ = KEPT.try_with(|kept| self.keep(&mut kept.borrow_mut()));
    }
}

/// Where a variable lies in the column's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable {
    /// Of which the highest bit tells whether it has nothing but lower-case hexadecimal digits: a block's
    /// columns are far below 2 GiB.
    start: u32,
    /// Of which the highest bit tells whether it has nothing but ASCII digits.
    end: u32,
}

/// What a variable has nothing else of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Nothing {
    but_digits: bool,
    /// Lower case.
    but_hex: bool,
}

impl Nothing {
    fn of(word: &[u8]) -> Self {
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        Self { but_digits: word.iter().all(u8::is_ascii_digit), but_hex: word.iter().all(is_hex) }
    }
}

/// The highest bit of a place.
const FLAG: u32 = 1 << 31;

impl Variable {
    fn new(start: usize, end: usize, nothing: Nothing) -> Self {
        let flag = |is_set| if is_set { FLAG } else { 0 };
        Self {
            start: start as u32 | flag(nothing.but_hex),
            end: end as u32 | flag(nothing.but_digits),
        }
    }

    /// Whether it has nothing but ASCII digits.
    pub(crate) fn is_digits(self) -> bool {
        self.end & FLAG != 0
    }

    /// Whether it has nothing but lower-case hexadecimal digits, as one of digits has.
    pub(crate) fn is_hex(self) -> bool {
        self.start & FLAG != 0
    }

    /// Its text, in the column that was split.
    pub(crate) fn text(self, column: &RowColumn) -> &[u8] {
        &column.bytes[self.span()]
    }

    /// Where its text lies in the bytes of the column.
    pub(crate) fn span(self) -> Range<usize> {
        (self.start & !FLAG) as usize..(self.end & !FLAG) as usize
    }

    /// Bytes of its text.
    pub(crate) fn len(self) -> usize {
        self.span().len()
    }
}

impl Split {
    /// The code of a value that has no sentence.
    pub(crate) const RAW: u16 = u16::MAX;

    /// Cuts the values of a column, unless its first ones show that sentences hardly come again.
    pub(crate) fn of(column: &RowColumn) -> Option<Self> {
        if column.len() < VALUES_MIN {
            return None;
        }
        Self::cut(column, Splitter::pays)
    }

    /// Cuts the values of a column, whatever they are.
    #[cfg(test)]
    pub(crate) fn always(column: &RowColumn) -> Self {
        Self::cut(column, |_, _| true).expect("everything pays")
    }

    fn cut(column: &RowColumn, pays: impl Fn(&Splitter, usize) -> bool) -> Option<Self> {
        assert!(column.bytes.len() < FLAG as usize, "{} bytes", column.bytes.len());
        let mut splitter = Splitter::new(column.len());
        let mut start = 0;
        for index in 0..column.len() {
            if index == SAMPLE {
                if !pays(&splitter, start) {
                    return None;
                }
                splitter.make_room(column.len() - SAMPLE);
            }
            let Value { kind, text } = column.value(index);
            splitter.push(kind, text, start);
            start += text.len();
            if index % SAMPLE == 0 {
                io::may_break();
            }
        }
        pays(&splitter, start).then_some(splitter.split)
    }

    /// None of a column yet, in memory that was kept.
    fn empty() -> Self {
        let mut split = KEPT.with_borrow_mut(Vec::pop).unwrap_or_default();
        let Self { texts, ends, counts, codes, variables, firsts } = &mut split;
        texts.clear();
        variables.clear();
        codes.clear();
        [ends, counts, firsts].into_iter().for_each(Vec::clear);
        split
    }

    fn keep(&mut self, kept: &mut Vec<Self>) {
        if (1..=BLOCK_SCRATCH_BYTES_MAX).contains(&self.memory()) && kept.len() < SPLITS_KEPT_MAX {
            kept.push(std::mem::take(self));
        }
    }

    fn memory(&self) -> usize {
        let Self { texts, ends, counts, codes, variables, firsts } = self;
        let places = ends.capacity() + counts.capacity() + firsts.capacity();
        texts.capacity()
            + places * size_of::<u32>()
            + codes.capacity() * size_of::<u16>()
            + variables.capacity() * size_of::<Variable>()
    }

    /// The distinct sentences.
    pub(crate) fn sentences(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|code| self.sentence(code))
    }

    /// A sentence; panics past the last.
    pub(crate) fn sentence(&self, code: usize) -> &[u8] {
        let start = code.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.texts[start..self.ends[code] as usize]
    }

    /// How many values each sentence has.
    pub(crate) fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The sentence of each value, or [`Split::RAW`].
    pub(crate) fn codes(&self) -> &[u16] {
        &self.codes
    }

    /// The variables of all values, in order.
    pub(crate) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variables of a value, by slot; panics past the last value.
    pub(crate) fn variables_of(&self, index: usize) -> &[Variable] {
        &self.variables[self.firsts[index] as usize..self.firsts[index + 1] as usize]
    }
}

/// A split under construction.
struct Splitter {
    split: Split,
    /// A code and one; zero is free.
    table: Vec<u16>,
    hashes: Vec<u64>,
    sentence: Vec<u8>,
    masks: Masks,
    raw_bytes: usize,
}

impl Splitter {
    fn new(values: usize) -> Self {
        assert!(values <= BLOCK_ROWS_MAX, "{values} values in a block");
        let mut split = Split::empty();
        split.codes.reserve(values);
        split.firsts.reserve(values + 1);
        split.firsts.push(0);
        let table = vec![0; TABLE_SLOTS];
        let (hashes, sentence, masks) = (Vec::new(), Vec::new(), Masks::default());
        Self { split, table, hashes, sentence, masks, raw_bytes: 0 }
    }

    /// Whether the sentences of the `bytes` so far are enough shorter than them. Measured on the
    /// first 64 messages of a mixed stream, of which sentences are 0.63: 61 bytes a message with
    /// templates, 65 as text.
    fn pays(&self, bytes: usize) -> bool {
        !self.hashes.is_empty() && (self.split.texts.len() + self.raw_bytes) * 4 <= bytes * 3
    }

    /// Makes room for the variables of so many more values, if these are like the first ones: what grows by
    /// doubling is copied, and the system clears twice the pages.
    fn make_room(&mut self, values: usize) {
        let more = self.split.variables.len() * values / SAMPLE;
        self.split.variables.reserve(more + more / 8);
    }

    /// Adds a text that begins at `start` of the column's bytes.
    fn push(&mut self, kind: Kind, text: &[u8], start: usize) {
        let variables = self.split.variables.len();
        let code = if kind == Kind::String && self.cut(text, start) { self.code() } else { None };
        if code.is_none() {
            self.split.variables.truncate(variables);
            self.raw_bytes += text.len();
        }
        self.split.codes.push(code.map_or(Split::RAW, |code| code as u16));
        self.split.firsts.push(self.split.variables.len() as u32);
    }

    /// Writes the text's sentence and lists its variables; `false` if it can have none.
    fn cut(&mut self, text: &[u8], start: usize) -> bool {
        let Found { is_ascii, has_illegal } = self.masks.read(text, LEGAL_MIN);
        if has_illegal {
            return false;
        }
        let Self { split, sentence, masks, .. } = self;
        sentence.clear();
        let mut literal = 0;
        let mut variable = |from: usize, to: usize, nothing: Nothing| {
            push_range(text, literal..from, sentence);
            sentence.push(SLOT);
            literal = to;
            split.variables.push(Variable::new(start + from, start + to, nothing));
        };
        if is_ascii {
            masks.for_each_variable(&mut variable);
        } else {
            for_each_token(text, |token| {
                let word = &text[token.start..token.end];
                if token.kind == TokenKind::Word && word.iter().any(u8::is_ascii_digit) {
                    variable(token.start, token.end, Nothing::of(word));
                }
            });
        }
        push_range(text, literal..text.len(), sentence);
        true
    }

    /// The code of the sentence that was just cut, unless it is one too many.
    fn code(&mut self) -> Option<usize> {
        let Self { split, table, hashes, sentence, .. } = self;
        let hash = xxh3_64(sentence);
        let mut slot = hash as usize % TABLE_SLOTS;
        while let Some(code) = usize::from(table[slot]).checked_sub(1) {
            if hashes[code] == hash && split.sentence(code) == sentence {
                split.counts[code] += 1;
                return Some(code);
            }
            slot = (slot + 1) % TABLE_SLOTS;
        }
        let code = hashes.len();
        if code == SENTENCES_MAX || split.texts.len() + sentence.len() > SENTENCE_BYTES_MAX {
            return None;
        }
        table[slot] = code as u16 + 1;
        hashes.push(hash);
        split.texts.extend_from_slice(sentence);
        split.ends.push(split.texts.len() as u32);
        split.counts.push(1);
        Some(code)
    }
}

/// Whether each slot of a sentence stands where a whole word can (`S1`): nothing beside it joins it.
pub(super) fn has_whole_slots(sentence: &[u8]) -> bool {
    let slot = Unit::Char(char::from(SLOT));
    // Whether the unit before is a slot, and whether it joins.
    let mut before = (false, false);
    Units::new(sentence).all(|(unit, _)| {
        let this = (unit == slot, unit == slot || unit.class().joins());
        let (slot_before, joins_before) = std::mem::replace(&mut before, this);
        !((slot_before && this.1) || (joins_before && this.0))
    })
}

/// Whether a text is one word, from its first byte to its last.
pub(super) fn is_whole_word(text: &[u8]) -> bool {
    let mut is_whole = false;
    for_each_token(text, |token| {
        is_whole |= token.is_whole_word(text);
    });
    is_whole
}

#[cfg(test)]
mod tests;
