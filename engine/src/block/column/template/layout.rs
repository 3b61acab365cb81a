//! Where the variables of a column are. It says so of single ones without a list of all columns: a block
//! has ten thousand, and a page wants a few.

use super::dictionary::Class;
use super::frame::FrameEntry;
use super::{Templates, UNIT_VALUES};
use crate::block::column::values;
use crate::block::sentences::Slot;
use crate::error::Corruption;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The width of a form; the rest is the class.
const WIDTH: u8 = 0x3f;
const DIGITS: u8 = (Class::Digits as u8) << 6;
const HEX: u8 = (Class::Hex as u8) << 6;
/// The greatest width.
pub(super) const WIDTH_MAX: usize = WIDTH as usize;
/// After so many columns it is known how many of them are of digits.
const STEP: usize = 64;
/// After so many columns were looked up, the places of all are listed: more than a page of a hundred events wants.
const LOOKED_UP_MAX: usize = 4_096;

/// What tells where the variables of a sentence are. It needs of the sentences only how many slots each has.
#[derive(Debug)]
pub(super) struct Layout {
    sentences: Box<[OfSentence]>,
    /// The form of each column: by sentence, unit, slot.
    forms: Box<[u8]>,
    /// How many columns of digits are before each [`STEP`] of them.
    digits_before: Box<[u32]>,
    frames: Box<[OfFrame]>,
    /// How many of the frames have columns of digits; they come first.
    digit_frames: usize,
    /// The frame that has each column, and its place among the frame's columns, once so many were looked up.
    places: OnceLock<Box<[(u32, u32)]>>,
    looked_up: AtomicUsize,
}

/// The columns of a sentence.
#[derive(Debug, Clone, Copy)]
struct OfSentence {
    /// Its first column.
    first: u32,
    slots: u32,
    values: u32,
}

/// The columns of a frame.
#[derive(Debug, Clone, Copy)]
struct OfFrame {
    /// How many columns of its series are before it.
    before: u32,
    columns: u32,
    /// Its first column among all, and one behind its last.
    first: u32,
    end: u32,
}

/// Where the variables of one slot of a unit are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its place among all columns.
    index: u32,
    pub(super) rows: u16,
    form: u8,
}

/// The columns of a frame that were not looked at yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameColumns<'a> {
    layout: &'a Layout,
    are_digits: bool,
    columns: usize,
    /// The next column to look at and its sentence, and where the frame's columns end.
    next: usize,
    code: usize,
    end: usize,
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
        slot_of(self.form)
    }
}

fn slot_of(form: u8) -> Slot {
    match form & !WIDTH {
        DIGITS => Slot::Digits,
        HEX => Slot::Hex,
        _ => Slot::Any,
    }
}

fn is_digits(form: u8) -> bool {
    form & !WIDTH == DIGITS
}

/// Counts the columns of digits among [`STEP`] at most: those of which neither bit of the class is set. Eight are
/// looked at in a word, and counted byte by byte.
fn count_digits(forms: &[u8]) -> u32 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    debug_assert!(forms.len() <= STEP);
    let (words, rest) = forms.as_chunks::<8>();
    let count = words.iter().fold(0, |count, word| {
        let word = u64::from_le_bytes(*word);
        count + (!(word >> 7 | word >> 6) & ONES)
    });
    let rest = rest.iter().filter(|form| is_digits(**form)).count();
    (count.wrapping_mul(ONES) >> 56) as u32 + rest as u32
}

impl OfSentence {
    /// How many values have a variable in a column of one of its units.
    fn rows(self, unit: usize) -> u16 {
        (self.values as usize - unit * UNIT_VALUES).min(UNIT_VALUES) as u16
    }

    /// Which of its units has a column of it.
    fn unit_of(self, index: usize) -> usize {
        // Nearly all sentences have one unit.
        let behind = index - self.first as usize;
        if behind < self.slots as usize { 0 } else { behind / self.slots as usize }
    }
}

impl Layout {
    /// The bytes that it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.sentences)
            + size_of_val(&*self.forms)
            + size_of_val(&*self.digits_before)
            + size_of_val(&*self.frames)
            + self.places.get().map_or(0, |places| size_of_val(&**places))
    }

    /// What all variables of each slot of a sentence are, in order. Panics past the last sentence.
    pub(super) fn slots_of(&self, code: usize) -> impl Iterator<Item = Slot> {
        let OfSentence { first, slots, values } = self.sentences[code];
        let units = (values as usize).div_ceil(UNIT_VALUES);
        let columns = &self.forms[first as usize..][..units * slots as usize];
        (0..slots as usize).map(move |slot| {
            let units = columns[slot..].iter().step_by(slots as usize);
            // What is made of less can be what is made of more.
            let all = units.map(|form| slot_of(*form)).max_by_key(|slot| *slot as u8);
            all.unwrap_or(Slot::Any)
        })
    }

    /// The columns of a unit of a sentence, by slot. Panics past the last sentence or unit.
    pub(super) fn columns(&self, code: usize, unit: usize) -> impl Iterator<Item = Column> {
        let sentence = self.sentences[code];
        let first = sentence.first as usize + unit * sentence.slots as usize;
        let (rows, forms) = (sentence.rows(unit), &self.forms[first..]);
        let columns = forms[..sentence.slots as usize].iter().zip(first as u32..);
        columns.map(move |(form, index)| Column { index, rows, form: *form })
    }

    /// The columns of a frame.
    pub(super) fn columns_of_frame(&self, frame: usize) -> FrameColumns<'_> {
        let OfFrame { columns, first, end, .. } = self.frames[frame];
        FrameColumns {
            layout: self,
            are_digits: frame < self.digit_frames,
            columns: columns as usize,
            next: first as usize,
            code: self.code_of(first),
            end: end as usize,
        }
    }

    /// The sentence, the unit and the slot of a column.
    pub(super) fn place_of(&self, column: Column) -> (usize, usize, Slot) {
        let code = self.code_of(column.index);
        (code, self.sentences[code].unit_of(column.index as usize), column.slot())
    }

    /// Whether a frame has a column that is wanted, by sentence and slot.
    pub(super) fn has_in(&self, frame: usize, wanted: impl Fn(usize, Slot) -> bool) -> bool {
        let mut columns = self.columns_of_frame(frame);
        let mut is_there = false;
        columns.for_each(|code, column| {
            is_there = wanted(code, column.slot());
            (!is_there).then_some(())
        });
        is_there
    }

    /// The sentence that has a column: of those that begin there, the last one, as the others have none.
    fn code_of(&self, column: u32) -> usize {
        self.sentences.partition_point(|sentence| sentence.first <= column) - 1
    }

    /// The frame that has a column, and its place among the frame's columns.
    pub(super) fn frame_of(&self, column: Column) -> (usize, usize) {
        let index = column.index as usize;
        if let Some(places) = self.places.get() {
            let (frame, place) = places[index];
            return (frame as usize, place as usize);
        }
        if self.looked_up.fetch_add(1, Relaxed) == LOOKED_UP_MAX {
            let mut places = Vec::with_capacity(self.forms.len());
            self.for_each(|_, _, (frame, place)| places.push((frame as u32, place as u32)));
            let _ = self.places.set(places.into());
        }
        let from = index / STEP * STEP;
        let digits = self.digits_before[index / STEP] + count_digits(&self.forms[from..index]);
        let (series, skipped, at) = match is_digits(column.form) {
            true => (&self.frames[..self.digit_frames], 0, digits),
            false => (&self.frames[self.digit_frames..], self.digit_frames, column.index - digits),
        };
        let frame = series.partition_point(|frame| frame.before <= at) - 1;
        (skipped + frame, (at - series[frame].before) as usize)
    }

    /// Calls `each` with every column, in order: its sentence, its frame, and its place among the frame's columns.
    pub(super) fn for_each(&self, mut each: impl FnMut(usize, Column, (usize, usize))) {
        // Of other variables, and of digits: the frame, and how many of its columns were there.
        let mut series = [(self.digit_frames, 0), (0, 0)];
        for (code, sentence) in self.sentences.iter().enumerate() {
            for unit in 0..(sentence.values as usize).div_ceil(UNIT_VALUES) {
                for column in self.columns(code, unit) {
                    let (frame, place) = &mut series[usize::from(is_digits(column.form))];
                    if *place == self.frames[*frame].columns as usize {
                        (*frame, *place) = (*frame + 1, 0);
                    }
                    each(code, column, (*frame, *place));
                    *place += 1;
                }
            }
        }
    }

    /// `slots` says how many slots each sentence has.
    pub(super) fn read(templates: &Templates, slots: &[u32]) -> Result<Self, Corruption> {
        let mut slice = templates.slice_of(templates.forms.range());
        let forms = values::inflate_bytes(&mut slice, templates.forms.stored)?;
        let mut total = 0usize;
        let mut sentences = Vec::with_capacity(slots.len());
        for (slots, values) in slots.iter().zip(&templates.counts) {
            sentences.push(OfSentence { first: total as u32, slots: *slots, values: *values });
            let units = (*values as usize).div_ceil(UNIT_VALUES);
            total = total.saturating_add((*slots as usize).saturating_mul(units));
            if total > forms.len() {
                break;
            }
        }
        if total != forms.len() || slots.len() != templates.counts.len() {
            let found = format!("{} forms", forms.len());
            return Err(slice.corrupt(format!("{total} slots"), found));
        }
        let mut digits = 0;
        let digits_before = forms.chunks(STEP).map(|step| {
            let before = digits;
            digits += count_digits(step);
            before
        });
        let mut layout = Self {
            sentences: sentences.into(),
            digits_before: digits_before.collect(),
            forms: forms.into(),
            frames: Box::default(),
            digit_frames: templates.digit_frames,
            places: OnceLock::new(),
            looked_up: AtomicUsize::new(0),
        };
        match layout.place_frames(&templates.frames, digits as usize) {
            Some(frames) => layout.frames = frames,
            None => return Err(slice.corrupt("frames with all columns", "others")),
        }
        Ok(layout)
    }

    /// Shares the columns out to the frames; `None` if that does not come out even.
    fn place_frames(&self, entries: &[FrameEntry], digits: usize) -> Option<Box<[OfFrame]>> {
        let mut frames = Vec::with_capacity(entries.len());
        let series = entries.split_at(self.digit_frames);
        let wanted = [(series.0, digits, true), (series.1, self.forms.len() - digits, false)];
        for (entries, of_series, are_digits) in wanted {
            let mut before = 0usize;
            for entry in entries {
                let next = before.checked_add(entry.columns).filter(|next| *next <= of_series)?;
                let first = self.column_at(before, are_digits) as u32;
                let columns = entry.columns as u32;
                let end = match next < of_series {
                    true => self.column_at(next, are_digits),
                    false => self.forms.len(),
                };
                frames.push(OfFrame { before: before as u32, columns, first, end: end as u32 });
                before = next;
            }
            if before != of_series {
                return None;
            }
        }
        Some(frames.into())
    }

    /// The column that has so many of its series before it; there is one.
    fn column_at(&self, before: usize, are_digits: bool) -> usize {
        let before_step = |step: usize| match (self.digits_before[step] as usize, are_digits) {
            (digits, true) => digits,
            (digits, false) => step * STEP - digits,
        };
        let (mut step, mut end) = (0, self.digits_before.len());
        while end - step > 1 {
            let middle = step.midpoint(end);
            if before_step(middle) <= before { step = middle } else { end = middle }
        }
        let forms = self.forms[step * STEP..].iter().enumerate();
        let mut of_series = forms.filter(|(_, form)| is_digits(**form) == are_digits);
        let (index, _) = of_series.nth(before - before_step(step)).expect("they were counted");
        step * STEP + index
    }
}

impl FrameColumns<'_> {
    /// How many columns the frame has.
    pub(super) fn len(&self) -> usize {
        self.columns
    }

    /// Calls `each` with all that follow, each with its sentence, until it gives `None`.
    pub(super) fn for_each(&mut self, each: impl FnMut(usize, Column) -> Option<()>) -> Option<()> {
        self.for_each_before(self.end, each)
    }

    /// The same with those before a column, which is one of the frame's.
    pub(super) fn skip_to(
        &mut self,
        column: Column,
        mut each: impl FnMut(Column) -> Option<()>,
    ) -> Option<()> {
        self.for_each_before(column.index as usize, |_, column| each(column))
    }

    /// Whether a column of the frame has not been gone past.
    pub(super) fn has(&self, column: Column) -> bool {
        self.next <= column.index as usize
    }

    fn for_each_before(
        &mut self,
        end: usize,
        mut each: impl FnMut(usize, Column) -> Option<()>,
    ) -> Option<()> {
        let Layout { sentences, forms, .. } = self.layout;
        while self.next < end {
            let sentence = sentences[self.code];
            // What has no slots is gone past as well.
            let unit = match sentence.slots {
                0 => 0,
                _ => sentence.unit_of(self.next),
            };
            let unit_end = sentence.first as usize + (unit + 1) * sentence.slots as usize;
            let rows = sentence.rows(unit);
            let some = self.next..unit_end.min(end);
            for (form, index) in forms[some.clone()].iter().zip(some.start as u32..) {
                if is_digits(*form) == self.are_digits {
                    each(self.code, Column { index, rows, form: *form })?;
                }
            }
            self.next = some.end;
            let next = sentences.get(self.code + 1);
            if next.is_some_and(|next| next.first as usize <= self.next) {
                self.code += 1;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn columns_of_digits_are_counted(forms in prop::collection::vec(any::<u8>(), 0..=STEP)) {
            let digits = forms.iter().filter(|form| is_digits(**form)).count();
            prop_assert_eq!(count_digits(&forms), digits as u32);
            prop_assert_eq!(count_digits(&[0; STEP]), STEP as u32);
        }
    }
}
