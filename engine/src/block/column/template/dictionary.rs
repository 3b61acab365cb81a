//! The sentences of a column, and where the variables of each are.

use super::{Templates, UNIT_VALUES};
use crate::block::column::values::{self, Values};
use crate::error::Corruption;
use crate::event::Kind;
use crate::index::SLOT;

/// The width of a form; the rest is the class.
const WIDTH: u8 = 0x3f;
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

/// What is inflated to test the sentences of a column, and to find the variables of one. It does
/// not refer to the block: caches may keep it.
#[derive(Debug)]
pub(crate) struct Dictionary {
    sentences: Values,
    /// The first column and the number of slots of each sentence.
    firsts: Vec<(u32, u32)>,
    columns: Vec<Column>,
    /// The columns in the order of frames, and where those of each frame end.
    by_frame: Vec<u32>,
    frame_ends: Vec<u32>,
}

/// Where the variables of one slot of a unit are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) frame: u32,
    /// Its place among the frame's columns.
    pub(super) place: u32,
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

    fn is_digits(self) -> bool {
        self.form & !WIDTH == 0
    }
}

impl Dictionary {
    /// The sentences, rising.
    pub(crate) fn sentences(&self) -> &Values {
        &self.sentences
    }

    /// The bytes that it takes in memory.
    #[expect(dead_code, reason = "for the cache of dictionaries")]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.sentences.heap_bytes()
            + size_of_val(&*self.firsts)
            + size_of_val(&*self.columns)
            + size_of_val(&*self.by_frame)
            + size_of_val(&*self.frame_ends)
    }

    /// The columns of a unit of a sentence, by slot.
    pub(super) fn columns(&self, code: usize, unit: usize) -> &[Column] {
        let (first, slots) = self.firsts[code];
        &self.columns[first as usize + unit * slots as usize..][..slots as usize]
    }

    /// The columns of a frame, in order.
    pub(super) fn columns_of_frame(&self, frame: usize) -> impl ExactSizeIterator<Item = &Column> {
        let start = frame.checked_sub(1).map_or(0, |before| self.frame_ends[before] as usize);
        let columns = &self.by_frame[start..self.frame_ends[frame] as usize];
        columns.iter().map(|column| &self.columns[*column as usize])
    }

    pub(super) fn read(templates: &Templates) -> Result<Self, Corruption> {
        let mut slice = templates.slice_of(templates.forms.range());
        let forms = values::inflate_bytes(&mut slice, templates.forms.stored)?;
        let mut slice = templates.slice_of(templates.sentences.range());
        let sentences = values::inflate(&mut slice, templates.sentences.stored)?;
        let rise = (1..sentences.len())
            .all(|index| sentences.value(index - 1).text < sentences.value(index).text);
        if !rise || sentences.iter().any(|sentence| sentence.kind != Kind::String) {
            return Err(slice.corrupt("rising strings", "others"));
        }
        let mut firsts = Vec::with_capacity(sentences.len());
        let mut columns = Vec::with_capacity(forms.len());
        let mut left = forms.iter();
        let mut literals = 0usize;
        for (sentence, count) in sentences.iter().zip(&templates.counts) {
            let slots = memchr::memchr_iter(SLOT, sentence.text).count();
            // What a sentence is repeated to is a text of the block: the sum is bounded.
            literals = literals.saturating_add((sentence.text.len() - slots) * *count as usize);
            firsts.push((columns.len() as u32, slots as u32));
            for first in (0..*count as usize).step_by(UNIT_VALUES) {
                let rows = (*count as usize - first).min(UNIT_VALUES) as u16;
                let unit = left.by_ref().take(slots);
                columns.extend(unit.map(|form| Column { frame: 0, place: 0, rows, form: *form }));
            }
            if literals > templates.shape.raw_max {
                return Err(slice.corrupt("sentences as long as the rows", literals.to_string()));
            }
        }
        let slots = firsts.iter().zip(&templates.counts).map(|((_, slots), count)| {
            (*slots as usize).saturating_mul((*count as usize).div_ceil(UNIT_VALUES))
        });
        let expected = slots.fold(0, usize::saturating_add);
        if expected != forms.len() {
            let found = format!("{} forms", forms.len());
            return Err(slice.corrupt(format!("{expected} slots"), found));
        }
        let mut dictionary =
            Self { sentences, firsts, columns, by_frame: Vec::new(), frame_ends: Vec::new() };
        if !dictionary.place_columns(templates) {
            return Err(slice.corrupt("frames with all columns", "others"));
        }
        Ok(dictionary)
    }

    /// Shares the columns out to the frames; `false` if that does not come out even.
    fn place_columns(&mut self, templates: &Templates) -> bool {
        let (digits, others) = templates.frames.split_at(templates.digit_frames);
        self.by_frame.reserve(self.columns.len());
        let mut frame = 0;
        for (frames, of_digits) in [(digits, true), (others, false)] {
            let mut columns =
                (0..self.columns.len()).filter(|at| self.columns[*at].is_digits() == of_digits);
            let mut placed = Vec::new();
            for entry in frames {
                let start = self.by_frame.len();
                let of_frame = columns.by_ref().take(entry.columns);
                self.by_frame.extend(of_frame.map(|column| column as u32));
                if self.by_frame.len() - start != entry.columns {
                    return false;
                }
                placed.push((frame, start..self.by_frame.len()));
                self.frame_ends.push(self.by_frame.len() as u32);
                frame += 1;
            }
            if columns.next().is_some() {
                return false;
            }
            for (frame, range) in placed {
                for (place, column) in self.by_frame[range].iter().enumerate() {
                    let column = &mut self.columns[*column as usize];
                    (column.frame, column.place) = (frame, place as u32);
                }
            }
        }
        true
    }
}
