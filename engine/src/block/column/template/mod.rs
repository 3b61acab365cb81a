//! Encodings 7 to 9: texts as sentences and variables (see `engine/src/index/split.rs`). A query looks
//! at each sentence once, whatever the number of its values.
//!
//! ```text
//! sentences varint, at least 1    packed count of values of each sentence, at least 1
//! list of sentences (see values.rs), as strings, rising; in encoding 8: packed number of each in the
//! sentence list of the section (see `engine/src/block/list`), all different
//! forms (stored bytes): one of each column
//! codes_len varint, codes: form u8 = 1: packed; 2: stored bytes, all low bytes, then all high bytes
//! twice, first for columns of digits, then for all others:
//!     frames varint  (columns varint, raw_len varint, stored_len varint)*
//! the frames, stored, in that order; in encoding 9 also as records.rs has them
//! text frames (see text.rs) of the values that have no sentence
//!
//! stored bytes: raw_len varint, stored_len varint, then the bytes or, if it is shorter, a zstd
//! frame of them
//! ```
//! A *code* is the place of a value's sentence, or the number of sentences if it has none. The values
//! of a sentence are cut into *units* of [`UNIT_VALUES`]; each slot of each unit is a *column*: by
//! sentence, unit, slot. Its form is its class (bits 6 and 7) and its width (the others): of width 0,
//! each variable is followed by a NUL byte, otherwise it is right-aligned in so many bytes, behind
//! NUL bytes.
//!
//! Why so (bytes a message of 8,192 mixed ones of 132 bytes): one kind of slot and no widths in
//! sentences, 20.0 (three kinds: 20.1, widths: 20.4); sentences sorted (in order of occurrence: 0.7
//! more); variables column by column (row by row: 2.4 more); digits in frames of their own (0.4
//! less); right-aligned (0.2 less).

mod dictionary;
mod encode;
mod frame;
mod layout;
mod records;
mod search;
mod share;
mod slots;
#[cfg(test)]
mod tests;
mod variables;

pub(in crate::block) use dictionary::count_slots;
pub(super) use encode::{Scratch, encode};
pub(in crate::block) use records::Records;
pub(in crate::block) use search::FrameBigrams;

use super::text::Text;
use super::values::{self, Stored};
use crate::block::list::SentenceList;
use crate::block::part::{Part, Shape};
use crate::codec::copy::push_range;
use crate::codec::packed;
use crate::codec::slice::Slice;
use crate::error::{Corruption, Result};
use crate::event::{Kind, Value};
use crate::index::{SLOT, Split};
use crate::limits::SENTENCES_MAX;
use dictionary::{ColumnSentences, Dictionary};
use frame::{Columns, Frame, FrameEntry};
use layout::Layout;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use variables::VariableReader;

/// Values of a sentence in one unit at most: bounds a column, and so what is inflated for a value.
const UNIT_VALUES: usize = 1_024;
/// For so many values the ranks are counted one by one, which takes as long as counting those of all.
const COUNTED_MAX: usize = 16;
const CODES_PACKED: u8 = 1;
const CODES_PLANES: u8 = 2;

/// A column of sentences and variables, compressed.
#[derive(Debug)]
pub(crate) struct Templates {
    shape: Shape,
    counts: Vec<u32>,
    sentences: Stand,
    /// Where what tells of the sentences lies in the part.
    listing: Range<usize>,
    forms: Place,
    codes: Range<usize>,
    frames: Vec<FrameEntry>,
    /// How many of the frames have columns of digits; they come first.
    digit_frames: usize,
    /// The values without a sentence; has the part.
    raw: Text,
    dictionary: OnceLock<Box<Dictionary>>,
    layout: OnceLock<Box<Layout>>,
    code_list: OnceLock<Vec<u16>>,
    /// How many values before each one have its code. If they are there, all codes agree with the counts.
    ranks: OnceLock<Vec<u16>>,
    /// Values whose rank was counted for them alone.
    counted: AtomicUsize,
    /// Kept, unlike frames of text: rows that follow each other are in different ones.
    inflated: Vec<OnceLock<Frame>>,
}

/// Where a column's sentences are.
#[derive(Debug)]
enum Stand {
    /// In the column.
    Own(Place),
    /// In the list of the section, by these numbers.
    Shared(Arc<SentenceList>, Arc<[u32]>),
}

/// Where stored bytes lie in the part.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    stored: Stored,
}

impl Templates {
    /// The code of a value that has no sentence.
    pub(crate) const RAW: u16 = Split::RAW;

    /// The sentences, with [`SLOT`] for each variable, rising. Inflated when first asked for.
    pub(crate) fn sentences(&self) -> Result<&ColumnSentences> {
        Ok(self.dictionary()?.sentences())
    }

    /// The list of the section that has the sentences, and the number of each in it, if they stand there.
    pub(crate) fn listed(&self) -> Option<(&Arc<SentenceList>, &[u32])> {
        match &self.sentences {
            Stand::Own(_) => None,
            Stand::Shared(list, numbers) => Some((list, numbers)),
        }
    }

    /// How many values each sentence has.
    pub(crate) fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// How many values have no sentence.
    pub(crate) fn raw_len(&self) -> usize {
        self.raw.len()
    }

    /// How many slots each sentence has.
    pub(crate) fn slots(&self) -> Result<&[u32]> {
        Ok(self.dictionary()?.slots())
    }

    /// Calls `each` with every sentence, in order, with the byte of a [`Slot`] for each slot: what
    /// all variables of the slot are.
    pub(crate) fn for_each_with_slots(&self, mut each: impl FnMut(&[u8])) -> Result<()> {
        let (layout, mut text) = (self.layout()?, Vec::new());
        for (code, sentence) in self.dictionary()?.sentences().iter().enumerate() {
            text.clear();
            text.extend_from_slice(sentence);
            let places = text.iter_mut().filter(|byte| **byte == SLOT);
            places.zip(layout.slots_of(code)).for_each(|(byte, slot)| *byte = slot.byte());
            each(&text);
        }
        Ok(())
    }

    fn dictionary(&self) -> Result<&Dictionary, Corruption> {
        if let Some(dictionary) = self.dictionary.get() {
            return Ok(dictionary);
        }
        let dictionary = Box::new(Dictionary::read(self)?);
        Ok(self.dictionary.get_or_init(|| dictionary))
    }

    fn layout(&self) -> Result<&Layout, Corruption> {
        match self.layout.get() {
            Some(layout) => Ok(layout),
            None => self.layout_with(self.dictionary()?.slots()),
        }
    }

    /// The same without the sentences, where [`Templates::slots`] are known.
    fn layout_with(&self, slots: &[u32]) -> Result<&Layout, Corruption> {
        if let Some(layout) = self.layout.get() {
            return Ok(layout);
        }
        let layout = Box::new(Layout::read(self, slots)?);
        Ok(self.layout.get_or_init(|| layout))
    }

    /// The place of each value's sentence, or [`Templates::RAW`], each as often as the counts say.
    /// Unpacked when first asked for.
    pub(crate) fn codes(&self) -> Result<&[u16]> {
        self.unpack()?;
        Ok(self.code_list()?)
    }

    /// The same without counting them.
    pub(crate) fn code_list(&self) -> Result<&[u16], Corruption> {
        if let Some(codes) = self.code_list.get() {
            return Ok(codes);
        }
        let codes = self.decode_codes()?;
        Ok(self.code_list.get_or_init(|| codes))
    }

    /// Unpacks what all values need.
    pub(super) fn unpack(&self) -> Result<(), Corruption> {
        if self.ranks.get().is_none() {
            let ranks = self.rank_all()?;
            self.ranks.get_or_init(|| ranks);
        }
        Ok(())
    }

    /// The code of a value, and how many values before it have the same; panics past the last.
    fn place_of(&self, index: usize) -> Result<(u16, usize), Corruption> {
        let codes = self.code_list()?;
        if self.ranks.get().is_none() && self.counted.fetch_add(1, Relaxed) >= COUNTED_MAX {
            self.unpack()?;
        }
        let code = codes[index];
        if let Some(ranks) = self.ranks.get() {
            return Ok((code, usize::from(ranks[index])));
        }
        let rank = codes[..index].iter().map(|other| u16::from(*other == code)).sum::<u16>();
        let there_are = match code {
            Self::RAW => self.raw.len(),
            _ => self.counts[usize::from(code)] as usize,
        };
        match usize::from(rank) {
            rank if rank < there_are => Ok((code, rank)),
            _ => Err(self.unlike_the_counts()),
        }
    }

    fn unlike_the_counts(&self) -> Corruption {
        self.slice_of(self.codes.clone()).corrupt("as many codes as the counts say", "others")
    }

    /// Calls `each` with the values of one sentence, with their value indices, in order. Inflates
    /// the frames that have its variables. Panics past the last sentence.
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "for queries that test each sentence once")
    )]
    pub(crate) fn for_each_of(&self, code: u16, mut each: impl FnMut(usize, &[u8])) -> Result<()> {
        assert!(usize::from(code) < self.counts.len());
        let mut text = Vec::new();
        let of_sentence = self.codes()?.iter().enumerate().filter(|(_, other)| **other == code);
        for (rank, (index, _)) in of_sentence.enumerate() {
            self.rebuild(code, rank, &mut text)?;
            each(index, &text);
        }
        Ok(())
    }

    /// Calls `each` with the values that have no sentence, with their value indices, in order.
    pub(crate) fn for_each_raw(&self, mut each: impl FnMut(usize, Value<'_>)) -> Result<()> {
        let codes = self.codes()?.iter().enumerate();
        let mut indices = codes.filter(|(_, code)| **code == Self::RAW).map(|(index, _)| index);
        for frame in 0..self.raw.frame_count() {
            let frame = self.raw.frame(frame)?;
            frame.values.iter().zip(&mut indices).for_each(|(value, index)| each(index, value));
        }
        Ok(())
    }

    /// Writes the `rank`-th value of a sentence; panics past the last. Inflates as
    /// [`Templates::value`] does.
    pub(in crate::block) fn text(&self, code: u16, rank: usize, text: &mut Vec<u8>) -> Result<()> {
        Ok(self.rebuild(code, rank, text)?)
    }

    /// One value, rebuilt in `scratch`; panics past the last. Inflates the frames that have its
    /// variables, once: mostly one for digits and one for others.
    pub(crate) fn value<'a>(&self, index: usize, scratch: &'a mut Vec<u8>) -> Result<Value<'a>> {
        let (code, rank) = self.place_of(index)?;
        if code == Self::RAW {
            return self.raw.value(rank, scratch);
        }
        self.rebuild(code, rank, scratch)?;
        Ok(Value { kind: Kind::String, text: scratch })
    }

    /// The bytes that it takes in memory now, with the part.
    pub(in crate::block::column) fn heap_bytes(&self) -> usize {
        let frames = self.inflated.iter().filter_map(OnceLock::get).map(Frame::heap_bytes);
        self.raw.heap_bytes()
            + size_of_val(&*self.counts)
            + self.frames.len() * (size_of::<FrameEntry>() + size_of::<OnceLock<Frame>>())
            + self.dictionary.get().map_or(0, |dictionary| dictionary.heap_bytes())
            + self.layout.get().map_or(0, |layout| layout.heap_bytes())
            + self.code_list.get().map_or(0, |codes| size_of_val(&**codes))
            + self.ranks.get().map_or(0, |ranks| size_of_val(&**ranks))
            + frames.sum::<usize>()
    }

    /// What the column has besides directories, with its bytes, for people.
    pub(crate) fn sizes(&self) -> [(&'static str, usize); 6] {
        let (digits, others) = self.frames.split_at(self.digit_frames);
        let stored = |frames: &[FrameEntry]| {
            frames.iter().map(|frame| frame.place.stored.stored_len).sum::<usize>()
        };
        [
            ("sentences", self.listing.len()),
            ("forms", self.forms.stored.stored_len),
            ("codes", self.codes.len()),
            ("digits", stored(digits)),
            ("other variables", stored(others)),
            ("texts without sentence", self.raw.stored_len()),
        ]
    }

    /// Writes the `rank`-th value of a sentence.
    fn rebuild(&self, code: u16, rank: usize, text: &mut Vec<u8>) -> Result<(), Corruption> {
        let (dictionary, layout) = (self.dictionary()?, self.layout()?);
        let sentence = dictionary.sentences().get(usize::from(code));
        let columns = layout.columns(usize::from(code), rank / UNIT_VALUES);
        text.clear();
        let (mut literal, mut reader) = (0, VariableReader::new(self, layout));
        for (slot, column) in memchr::memchr_iter(SLOT, sentence).zip(columns) {
            push_range(sentence, literal..slot, text);
            text.extend_from_slice(reader.variable(column, rank % UNIT_VALUES)?);
            literal = slot + 1;
        }
        push_range(sentence, literal..sentence.len(), text);
        Ok(())
    }

    /// A frame, inflated when first asked for.
    fn frame(&self, index: usize) -> Result<&Frame, Corruption> {
        match self.inflated[index].get() {
            Some(frame) => Ok(frame),
            None => Ok(self.keep(index, self.inflate(index)?)),
        }
    }

    /// The same with its columns.
    fn frame_and_columns(
        &self,
        layout: &Layout,
        index: usize,
    ) -> Result<(&Frame, &Columns), Corruption> {
        let frame = self.frame(index)?;
        let columns = match frame.known() {
            Some(columns) => columns,
            None => frame.columns(layout.columns_of_frame(index), &self.slice_of_frame(index))?,
        };
        Ok((frame, columns))
    }

    fn inflate(&self, index: usize) -> Result<Vec<u8>, Corruption> {
        let place = self.frames[index].place;
        records::inflate(&mut self.slice_of(place.range()), place.stored)
    }

    fn keep(&self, index: usize, body: Vec<u8>) -> &Frame {
        self.inflated[index].get_or_init(|| Frame::new(body))
    }

    fn slice_of_frame(&self, index: usize) -> Slice<'_> {
        self.slice_of(self.frames[index].place.range())
    }

    fn slice_of(&self, range: Range<usize>) -> Slice<'_> {
        self.raw.part().slice_of(range)
    }

    /// Reads what does not have to be inflated. The column's values begin at `start` of the part
    /// and go on to its end.
    pub(super) fn decode(
        part: Arc<Part>,
        start: usize,
        shape: Shape,
        list: Option<Arc<SentenceList>>,
    ) -> Result<Self> {
        let mut slice = part.slice_of(start..part.bytes.len());
        let counts = decode_counts(&mut slice, shape)?;
        let listing = start + slice.position();
        let sentences = match list {
            None => Stand::Own(Place::read(&mut slice, start, counts.len(), shape)?),
            Some(list) => {
                let numbers = dictionary::decode_numbers(&mut slice, counts.len(), &list)?;
                Stand::Shared(list, numbers)
            }
        };
        let listing = listing..start + slice.position();
        let forms = Place::read(&mut slice, start, 0, shape)?;
        let codes_len = slice.varint_max(slice.remaining())?;
        let codes = start + slice.position()..start + slice.position() + codes_len;
        slice.take(codes_len)?;
        let mut frames = Vec::new();
        let mut raw_left = shape.raw_max;
        frame::read_directory(&mut slice, &mut frames, &mut raw_left)?;
        let digit_frames = frames.len();
        frame::read_directory(&mut slice, &mut frames, &mut raw_left)?;
        for frame in &mut frames {
            frame.place.start = start + slice.position();
            slice.take(frame.place.stored.stored_len)?;
        }
        let with_sentence: u32 = counts.iter().sum();
        let raw_shape = Shape { values: shape.values - with_sentence as usize, ..shape };
        let raw_start = start + slice.position();
        let raw = Text::decode(part, raw_start, raw_shape)?;
        let inflated = frames.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            shape,
            counts,
            sentences,
            listing,
            forms,
            codes,
            frames,
            digit_frames,
            raw,
            dictionary: OnceLock::new(),
            layout: OnceLock::new(),
            code_list: OnceLock::new(),
            ranks: OnceLock::new(),
            counted: AtomicUsize::new(0),
            inflated,
        })
    }

    fn decode_codes(&self) -> Result<Vec<u16>, Corruption> {
        let mut slice = self.slice_of(self.codes.clone());
        let values = self.shape.values;
        let mut codes: Vec<u16> = match slice.u8()? {
            CODES_PACKED => {
                let (mut codes, mut bits) = (Vec::with_capacity(values), 0);
                packed::decode_each(&mut slice, values, |some| {
                    bits |= some.iter().fold(0, |bits, code| bits | code);
                    codes.extend(some.iter().map(|code| *code as u16));
                })?;
                u16::try_from(bits).map_err(|_| slice.corrupt("codes of 16 bits", "others"))?;
                codes
            }
            CODES_PLANES => {
                let stored = values::read_lengths(&mut slice, 0, values * 2)?;
                let planes = values::inflate_bytes(&mut slice, stored)?;
                if planes.len() != values * 2 {
                    return Err(slice.corrupt("two bytes a code", planes.len().to_string()));
                }
                let (low, high) = planes.split_at(values);
                low.iter().zip(high).map(|(low, high)| u16::from_le_bytes([*low, *high])).collect()
            }
            form => return Err(slice.corrupt("codes of form 1 or 2", form.to_string())),
        };
        slice.finish()?;
        let raw = self.counts.len() as u16;
        let greatest = codes.iter().copied().fold(0, u16::max);
        if greatest > raw {
            return Err(slice.corrupt(format!("codes up to {raw}"), greatest.to_string()));
        }
        if greatest == raw {
            codes.iter_mut().filter(|code| **code == raw).for_each(|code| *code = Self::RAW);
        }
        Ok(codes)
    }

    fn rank_all(&self) -> Result<Vec<u16>, Corruption> {
        let raw = self.counts.len();
        let mut seen = vec![0u16; raw + 1];
        let rank = |code: &u16| {
            let seen = &mut seen[usize::from(*code).min(raw)];
            std::mem::replace(seen, *seen + 1)
        };
        let ranks = self.code_list()?.iter().map(rank).collect();
        if self.counts.iter().zip(&seen).any(|(count, seen)| *count != u32::from(*seen)) {
            return Err(self.unlike_the_counts());
        }
        Ok(ranks)
    }
}

impl Place {
    /// Reads the lengths of stored bytes in a slice that begins at `base` of its part, and goes past
    /// them.
    fn read(
        slice: &mut Slice<'_>,
        base: usize,
        count: usize,
        shape: Shape,
    ) -> Result<Self, Corruption> {
        let stored = values::read_lengths(slice, count, shape.raw_max)?;
        let start = base + slice.position();
        slice.take(stored.stored_len)?;
        Ok(Self { start, stored })
    }

    fn range(self) -> Range<usize> {
        self.start..self.start + self.stored.stored_len
    }
}

/// Reads how many values each sentence has: all together at most those of the column.
fn decode_counts(slice: &mut Slice<'_>, shape: Shape) -> Result<Vec<u32>, Corruption> {
    let sentences = slice.varint_max(SENTENCES_MAX.min(shape.values))?;
    let counts = packed::decode(slice, sentences)?;
    let total = counts.iter().try_fold(0u64, |total, count| total.checked_add(*count));
    if counts.is_empty() || counts.contains(&0) || total.is_none_or(|n| n > shape.values as u64) {
        let expected = format!("sentences of {} values", shape.values);
        return Err(slice.corrupt(expected, format!("{} of {total:?}", counts.len())));
    }
    Ok(counts.into_iter().map(|count| count as u32).collect())
}
