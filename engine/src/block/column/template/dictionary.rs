//! The sentences of a column, and where the variables of each are.

use super::frame::FrameEntry;
use super::{Stand, Templates, UNIT_VALUES};
use crate::block::column::values::{self, Stored, Values};
use crate::block::list::SentenceList;
use crate::block::sentences::Slot;
use crate::codec::packed;
use crate::codec::slice::Slice;
use crate::error::Corruption;
use crate::event::Kind;
use crate::index::SLOT;
use std::sync::Arc;

/// The width of a form; the rest is the class.
const WIDTH: u8 = 0x3f;
const DIGITS: u8 = (Class::Digits as u8) << 6;
const HEX: u8 = (Class::Hex as u8) << 6;
/// The greatest width.
pub(super) const WIDTH_MAX: usize = WIDTH as usize;

/// What the variables of a column are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// Only digits.
    Digits = 0,
    /// Digits and letters from a to f.
    Hex = 1,
    /// Any words.
    Other = 2,
}

/// The sentences of a column, by place.
#[derive(Debug)]
pub(crate) enum ColumnSentences {
    /// The column's own.
    Own(Values),
    /// Those of these numbers.
    Shared(Arc<SentenceList>, Arc<[u32]>),
}

/// What is inflated to test the sentences of a column, and to rebuild texts.
#[derive(Debug)]
pub(crate) struct Dictionary {
    sentences: ColumnSentences,
    /// The number of slots of each.
    slots: Box<[u32]>,
}

/// What tells where the variables of a sentence are. It needs of the sentences only how many slots each has.
#[derive(Debug)]
pub(super) struct Layout {
    /// The first column and the number of slots of each sentence.
    firsts: Vec<(u32, u32)>,
    columns: Vec<Column>,
    /// The columns in the order of frames, and where those of each frame begin, and the end.
    by_frame: Vec<u32>,
    frame_starts: Vec<u32>,
}

/// Where the variables of one slot of a unit are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its place among the columns of all frames.
    at: u32,
    pub(super) rows: u16,
    form: u8,
}

impl Column {
    pub(super) fn form(class: Class, width: usize) -> u8 {
        (class as u8) << 6 | width as u8
    }

    /// Bytes of each variable with its padding; 0 if they are terminated.
    pub(super) fn width(self) -> usize {
        usize::from(self.form & WIDTH)
    }

    /// What its variables are.
    pub(super) fn slot(self) -> Slot {
        match self.form & !WIDTH {
            DIGITS => Slot::Digits,
            HEX => Slot::Hex,
            _ => Slot::Any,
        }
    }

    fn is_digits(self) -> bool {
        self.form & !WIDTH == 0
    }
}

impl ColumnSentences {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(values) => values.len(),
            Self::Shared(_, numbers) => numbers.len(),
        }
    }

    /// The sentence at a place, with [`SLOT`] for each variable; panics past the last.
    pub(crate) fn get(&self, place: usize) -> &[u8] {
        match self {
            Self::Own(values) => values.value(place).text,
            Self::Shared(list, numbers) => list.get(numbers[place] as usize),
        }
    }

    /// All in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.get(place))
    }

    fn slots_of(&self, place: usize) -> usize {
        match self {
            Self::Own(values) => count_slots(values.value(place).text),
            Self::Shared(list, numbers) => list.slots_of(numbers[place] as usize) as usize,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Own(values) => values.heap_bytes(),
            // The list is its section's.
            Self::Shared(_, numbers) => size_of_val(&**numbers),
        }
    }
}

impl Dictionary {
    /// The bytes that it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.sentences.heap_bytes() + size_of_val(&*self.slots)
    }

    /// The sentences, rising.
    pub(super) fn sentences(&self) -> &ColumnSentences {
        &self.sentences
    }

    /// How many slots each sentence has.
    pub(crate) fn slots(&self) -> &[u32] {
        &self.slots
    }

    pub(super) fn read(templates: &Templates) -> Result<Self, Corruption> {
        let mut slice = templates.slice_of(templates.listing.clone());
        let sentences = match &templates.sentences {
            Stand::Own(place) => {
                slice = templates.slice_of(place.range());
                ColumnSentences::Own(read_own(&mut slice, place.stored)?)
            }
            Stand::Shared(list, numbers) => {
                ColumnSentences::Shared(Arc::clone(list), Arc::clone(numbers))
            }
        };
        let mut slots = Vec::with_capacity(sentences.len());
        let mut literals = 0usize;
        for (place, count) in templates.counts.iter().enumerate() {
            let of_sentence = sentences.slots_of(place);
            // What a sentence is repeated to is a text of the block: the sum is bounded.
            let literal = (sentences.get(place).len() - of_sentence) * *count as usize;
            literals = literals.saturating_add(literal);
            slots.push(of_sentence as u32);
            if literals > templates.shape.raw_max {
                return Err(slice.corrupt("sentences as long as the rows", literals.to_string()));
            }
        }
        Ok(Self { sentences, slots: slots.into() })
    }
}

impl Layout {
    /// The bytes that it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.firsts)
            + size_of_val(&*self.columns)
            + size_of_val(&*self.by_frame)
            + size_of_val(&*self.frame_starts)
    }

    /// Calls `each` with every sentence, in order, with the byte of a [`Slot`] for each slot: what
    /// all variables of the slot are.
    pub(super) fn for_each_with_slots(
        &self,
        sentences: &ColumnSentences,
        mut each: impl FnMut(&[u8]),
    ) {
        let mut text = Vec::new();
        let ends = self.firsts.iter().skip(1).map(|(first, _)| *first);
        let ends = ends.chain([self.columns.len() as u32]);
        for ((sentence, (first, slots)), end) in sentences.iter().zip(&self.firsts).zip(ends) {
            text.clear();
            text.extend_from_slice(sentence);
            let columns = &self.columns[*first as usize..end as usize];
            let places = text.iter_mut().filter(|byte| **byte == SLOT);
            for (slot, byte) in places.enumerate() {
                let units = columns.iter().skip(slot).step_by(*slots as usize);
                // What is made of less can be what is made of more.
                let all = units.map(|column| column.slot()).max_by_key(|slot| *slot as u8);
                *byte = all.unwrap_or(Slot::Any).byte();
            }
            each(&text);
        }
    }

    /// The columns of a unit of a sentence, by slot.
    pub(super) fn columns(&self, code: usize, unit: usize) -> &[Column] {
        let (first, slots) = self.firsts[code];
        &self.columns[first as usize + unit * slots as usize..][..slots as usize]
    }

    /// The columns of a frame, in order.
    pub(super) fn columns_of_frame(&self, frame: usize) -> impl ExactSizeIterator<Item = &Column> {
        let range = self.frame_starts[frame] as usize..self.frame_starts[frame + 1] as usize;
        self.by_frame[range].iter().map(|column| &self.columns[*column as usize])
    }

    /// The column at a place of a frame.
    pub(super) fn column(&self, frame: usize, place: usize) -> Column {
        self.columns[self.by_frame[self.frame_starts[frame] as usize + place] as usize]
    }

    /// The sentence, the unit and the slot of the column at a place of a frame.
    pub(super) fn place_of(&self, frame: usize, place: usize) -> (usize, usize, Slot) {
        let index = self.by_frame[self.frame_starts[frame] as usize + place];
        let code = self.code_of(index);
        let (first, slots) = self.firsts[code];
        (code, ((index - first) / slots) as usize, self.columns[index as usize].slot())
    }

    /// Whether a frame has a column that is wanted, by sentence and slot.
    pub(super) fn has_in(&self, frame: usize, wanted: impl Fn(usize, Slot) -> bool) -> bool {
        let range = self.frame_starts[frame] as usize..self.frame_starts[frame + 1] as usize;
        let columns = &self.by_frame[range];
        let Some(first) = columns.first() else { return false };
        // Columns rise, and so do their sentences.
        let mut code = self.code_of(*first);
        columns.iter().any(|index| {
            while self.firsts.get(code + 1).is_some_and(|(first, _)| first <= index) {
                code += 1;
            }
            wanted(code, self.columns[*index as usize].slot())
        })
    }

    /// The sentence that has a column: of those that begin there, the last one, as the others have none.
    fn code_of(&self, column: u32) -> usize {
        self.firsts.partition_point(|(first, _)| *first <= column) - 1
    }

    /// The frame that has a column, and its place among the frame's columns.
    pub(super) fn frame_of(&self, column: Column) -> (usize, usize) {
        let frame = self.frame_starts.partition_point(|start| *start <= column.at) - 1;
        (frame, (column.at - self.frame_starts[frame]) as usize)
    }

    /// `slots` are those of [`Dictionary::slots`].
    pub(super) fn read(templates: &Templates, slots: &[u32]) -> Result<Self, Corruption> {
        let mut slice = templates.slice_of(templates.forms.range());
        let forms = values::inflate_bytes(&mut slice, templates.forms.stored)?;
        let expected = slots.iter().zip(&templates.counts).map(|(slots, count)| {
            (*slots as usize).saturating_mul((*count as usize).div_ceil(UNIT_VALUES))
        });
        let expected = expected.fold(0, usize::saturating_add);
        if expected != forms.len() || slots.len() != templates.counts.len() {
            let found = format!("{} forms", forms.len());
            return Err(slice.corrupt(format!("{expected} slots"), found));
        }
        let mut firsts = Vec::with_capacity(slots.len());
        let mut columns = Vec::with_capacity(forms.len());
        let mut left = &forms[..];
        for (slots, count) in slots.iter().zip(&templates.counts) {
            firsts.push((columns.len() as u32, *slots));
            for first in (0..*count as usize).step_by(UNIT_VALUES) {
                let rows = (*count as usize - first).min(UNIT_VALUES) as u16;
                let (unit, others) = left.split_at(*slots as usize);
                left = others;
                columns.extend(unit.iter().map(|form| Column { at: 0, rows, form: *form }));
            }
        }
        let (by_frame, frame_starts) = (Vec::new(), Vec::new());
        let mut layout = Self { firsts, columns, by_frame, frame_starts };
        if !layout.place_columns(&templates.frames, templates.digit_frames) {
            return Err(slice.corrupt("frames with all columns", "others"));
        }
        Ok(layout)
    }

    /// Shares the columns out to the frames; `false` if that does not come out even.
    fn place_columns(&mut self, frames: &[FrameEntry], digit_frames: usize) -> bool {
        let mut total = 0usize;
        self.frame_starts.push(0);
        for frame in frames {
            total = total.saturating_add(frame.columns);
            if total > self.columns.len() {
                return false;
            }
            self.frame_starts.push(total as u32);
        }
        // The next place of a column of digits, and of any other.
        let (mut digits, mut others) = (0, self.frame_starts[digit_frames]);
        self.by_frame = vec![0; self.columns.len()];
        for (index, column) in self.columns.iter_mut().enumerate() {
            let next = if column.is_digits() { &mut digits } else { &mut others };
            column.at = *next;
            *next += 1;
            match self.by_frame.get_mut(column.at as usize) {
                Some(place) => *place = index as u32,
                None => return false,
            }
        }
        // Then all others came out even too.
        total == self.columns.len() && digits == self.frame_starts[digit_frames]
    }
}

/// The sentences that stand in the column.
fn read_own(slice: &mut Slice<'_>, stored: Stored) -> Result<Values, Corruption> {
    let sentences = values::inflate(slice, stored)?;
    let rise = (1..sentences.len())
        .all(|index| sentences.value(index - 1).text < sentences.value(index).text);
    if !rise || sentences.iter().any(|sentence| sentence.kind != Kind::String) {
        return Err(slice.corrupt("rising strings", "others"));
    }
    Ok(sentences)
}

/// Reads the numbers of `count` sentences of a list.
pub(super) fn decode_numbers(
    slice: &mut Slice<'_>,
    count: usize,
    list: &SentenceList,
) -> Result<Arc<[u32]>, Corruption> {
    let numbers = packed::decode(slice, count)?;
    let mut is_there = vec![false; list.len()];
    let differ = numbers.iter().all(|number| {
        let place = usize::try_from(*number).ok().and_then(|number| is_there.get_mut(number));
        place.is_some_and(|is_there| !std::mem::replace(is_there, true))
    });
    if !differ {
        let expected = format!("different sentences of {}", list.len());
        return Err(slice.corrupt(expected, format!("{count} numbers")));
    }
    Ok(numbers.into_iter().map(|number| number as u32).collect())
}

/// Counts in bytes, of which many are added at once, as long as those can't overflow.
pub(in crate::block) fn count_slots(sentence: &[u8]) -> usize {
    let count = |part: &[u8]| part.iter().map(|byte| u8::from(*byte == SLOT)).sum::<u8>();
    sentence.chunks(usize::from(u8::MAX)).map(|part| usize::from(count(part))).sum()
}
