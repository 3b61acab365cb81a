//! The terms of a block, for the index of its section, from what the block keeps: a sentence is
//! looked at once, and so is a value that is listed once; no text is rebuilt for its terms.
//!
//! - `X1` The terms are those of the rows that [`super::decode`] gives.
//! - `X2` What [`super::decode`] refuses is refused.

use super::column::{Column, ColumnData, Ids, Numbers, Presence, Rest, Templates, Text};
use super::reader::Block;
use super::sentences::Slot;
use crate::batch::{column_raw_bytes, rows_raw_bytes};
use crate::error::Result;
use crate::event::Value;
use crate::field;
use crate::index::{BlockTerms, FrameMask, is_bare};
use crate::io;
use crate::limits::{BLOCK_ROWS_MAX, FRAME_ROWS_MAX};
use std::ops::Range;

/// Frames of a block.
const FRAMES: usize = BLOCK_ROWS_MAX / FRAME_ROWS_MAX;
/// Numbers of a column that are remembered, to leave out those that come again: a power of two.
const RECENT_NUMBERS: usize = 1 << 10;

/// Gives every term of the block to `terms`. Returns its columns of templates, by index, to be shared: with what
/// of them was inflated.
///
/// # Errors
/// Those of [`super::decode`].
pub(crate) fn add_terms(block: &Block, terms: &mut BlockTerms<'_>) -> Result<Vec<Option<Column>>> {
    // They have no terms, but no block is copied that can't be read.
    block.levels()?.codes(block.rows())?;
    block.seqs()?.all()?;
    block.timestamps()?.all()?;
    let mut raw_bytes = rows_raw_bytes(block.rows());
    let mut templates = Vec::with_capacity(block.columns().len());
    for (index, entry) in block.columns().iter().enumerate() {
        io::may_break();
        let column = block.column(index)?;
        let text_bytes = Walk::new(&entry.name, &column, terms).column(&column)?;
        raw_bytes += column_raw_bytes(&entry.name, entry.values as usize, text_bytes);
        templates.push(entry.is_templates().then_some(column));
    }
    let mut names_differ = true;
    if let Some(rest) = block.rest()? {
        let columns = block.columns();
        let is_own = |name: &str| columns.binary_search_by(|own| (*own.name).cmp(name)).is_ok();
        let sums = add_rest(&rest, terms)?;
        for (name, sum) in rest.names().iter().zip(sums).filter(|(_, sum)| sum.values > 0) {
            names_differ &= !is_own(name);
            raw_bytes += column_raw_bytes(name, sum.values, sum.text_bytes);
        }
    }
    block.check_raw_bytes(names_differ, raw_bytes, false)?;
    Ok(templates)
}

/// The bytes of the texts of a column, found on the way to its terms: for the tests of what is foreign.
#[cfg(any(test, feature = "testing"))]
pub(super) fn text_bytes(column: &Column) -> Result<u64> {
    let mut index = crate::index::SegmentIndexBuilder::new();
    let mut terms = index.begin_block()?;
    Walk::new("message", column, &mut terms).column(column)
}

fn is_exact(name: &str) -> bool {
    field::is_exact(&field::display_name(name))
}

/// What a name of the rest column has.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    values: usize,
    text_bytes: u64,
}

/// Adds the fields that have no column of their own. Returns what each name has.
fn add_rest(rest: &Rest, terms: &mut BlockTerms<'_>) -> Result<Vec<Sum>> {
    let names = rest.names().iter();
    let names: Vec<_> = names.map(|name| (field::is_hidden(name), is_exact(name))).collect();
    let mut sums = vec![Sum::default(); names.len()];
    rest.for_each(|row, name, value| {
        sums[name].values += 1;
        sums[name].text_bytes += value.text.len() as u64;
        let (is_hidden, is_exact) = names[name];
        if !is_hidden {
            terms.value(value, is_exact, row / FRAME_ROWS_MAX);
        }
    })?;
    Ok(sums)
}

/// Which values of a column are of rows of which frame.
#[derive(Debug, Clone, Copy)]
struct Frames {
    /// How many values there are up to the end of each frame.
    ends: [usize; FRAMES],
}

impl Frames {
    fn new(presence: &Presence) -> Self {
        let ends =
            std::array::from_fn(|frame| presence.values_before((frame + 1) * FRAME_ROWS_MAX));
        Self { ends }
    }

    /// Every frame with its values.
    fn iter(self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let starts = std::iter::once(0).chain(self.ends);
        starts.zip(self.ends).map(|(start, end)| start..end).enumerate()
    }

    /// The frame of a value.
    fn of(&self, index: usize) -> usize {
        self.ends.partition_point(|end| *end <= index)
    }

    /// The frames that have a value.
    fn all(&self) -> FrameMask {
        let some = self.iter().filter(|(_, values)| !values.is_empty());
        some.fold(0, |all, (frame, _)| all | 1 << frame)
    }

    /// For each code below `count` the frames of its values, and how many these are. Other codes are
    /// left out.
    fn of_codes(&self, codes: &[u16], count: usize) -> Vec<(FrameMask, u32)> {
        let mut found = vec![(0, 0); count];
        for (frame, values) in self.iter() {
            for code in &codes[values] {
                if let Some((frames, values)) = found.get_mut(usize::from(*code)) {
                    *frames |= 1 << frame;
                    *values += 1;
                }
            }
        }
        found
    }
}

/// The way through one column.
struct Walk<'a, 'b> {
    terms: &'a mut BlockTerms<'b>,
    frames: Frames,
    is_exact: bool,
    /// No query looks into what is hidden.
    is_hidden: bool,
    text_bytes: u64,
}

impl<'a, 'b> Walk<'a, 'b> {
    fn new(name: &str, column: &Column, terms: &'a mut BlockTerms<'b>) -> Self {
        let frames = Frames::new(column.presence());
        let (is_exact, is_hidden) = (is_exact(name), field::is_hidden(name));
        Self { terms, frames, is_exact, is_hidden, text_bytes: 0 }
    }

    /// Adds all values. Returns the bytes of their texts.
    fn column(mut self, column: &Column) -> Result<u64> {
        match column.data() {
            ColumnData::Constant(values) => {
                self.listed(values.value(0), self.frames.all(), column.len() as u32);
            }
            ColumnData::Dictionary { values, codes } => {
                let found = self.frames.of_codes(codes.get()?, values.len());
                for (value, (frames, count)) in values.iter().zip(found) {
                    self.listed(value, frames, count);
                }
            }
            ColumnData::Numbers(numbers) => self.numbers(numbers),
            ColumnData::Ids(ids) => self.ids(ids)?,
            ColumnData::Text(text) => self.texts(text)?,
            ColumnData::Templates(_) if self.is_hidden => self.rebuilt(column)?,
            ColumnData::Templates(templates) => {
                // A whole value is no sentence; of one word it is no term of its own.
                let is_whole = self.is_exact && !templates.sentences()?.iter().all(is_bare);
                if is_whole || !self.templates(templates)? {
                    // No writer cuts texts like that: words may reach over the ends of variables.
                    self.text_bytes = 0;
                    self.rebuilt(column)?;
                }
            }
        }
        Ok(self.text_bytes)
    }

    /// A value that stands there once for `count` values, which are in these frames.
    fn listed(&mut self, value: Value<'_>, frames: FrameMask, count: u32) {
        self.text_bytes += value.text.len() as u64 * u64::from(count);
        if count > 0 && !self.is_hidden {
            self.terms.distinct(value, self.is_exact, frames);
        }
    }

    fn single(&mut self, value: Value<'_>, frame: usize) {
        self.text_bytes += value.text.len() as u64;
        if !self.is_hidden {
            self.terms.value(value, self.is_exact, frame);
        }
    }

    fn numbers(&mut self, numbers: &Numbers) {
        let mantissas = numbers.mantissas();
        let mut recent = vec![(0i64, 0u32); RECENT_NUMBERS];
        let mut exceptions = numbers.exceptions.iter().peekable();
        let mut text = Vec::new();
        for (frame, values) in self.frames.iter() {
            for index in values {
                if let Some(other) = exceptions.next_if(|other| other.index as usize == index) {
                    self.single(Value { kind: other.kind, text: &other.text }, frame);
                    continue;
                }
                let mantissa = mantissas[index];
                let (before, len) = &mut recent[slot_of(mantissa)];
                if *len == 0 || *before != mantissa {
                    numbers.render(mantissa, &mut text);
                    (*before, *len) = (mantissa, text.len() as u32);
                    // A number has no word of the dictionary: its frame makes no difference.
                    self.listed(Value { kind: numbers.kind, text: &text }, 1 << frame, 1);
                } else {
                    self.text_bytes += u64::from(*len);
                }
            }
        }
    }

    fn ids(&mut self, ids: &Ids) -> Result<()> {
        let mut text = Vec::with_capacity(ids.width * 2);
        let mut id = |walk: &mut Self, at, count| {
            walk.text_bytes += (ids.width * 2) as u64 * u64::from(count);
            if count > 0 && !walk.is_hidden {
                ids.render_listed(at, &mut text);
                walk.terms.id(&text);
            }
        };
        let Some(codes) = &ids.codes else {
            (0..ids.listed()).for_each(|at| id(self, at, 1));
            return Ok(());
        };
        let mut counts = vec![0u32; ids.listed()];
        codes.get()?.iter().for_each(|code| counts[usize::from(*code)] += 1);
        counts.into_iter().enumerate().for_each(|(at, count)| id(self, at, count));
        Ok(())
    }

    fn texts(&mut self, text: &Text) -> Result<()> {
        for frame in 0..text.frame_count() {
            let frame = text.frame(frame)?;
            for (index, value) in (frame.first..).zip(frame.values.iter()) {
                self.single(value, self.frames.of(index));
            }
        }
        Ok(())
    }

    fn rebuilt(&mut self, column: &Column) -> Result<()> {
        let mut scratch = Vec::new();
        for (frame, values) in self.frames.iter() {
            for index in values {
                self.single(column.value(index, &mut scratch)?, frame);
            }
        }
        Ok(())
    }

    /// Adds the terms of sentences and variables. Returns whether those are all that the texts have.
    fn templates(&mut self, templates: &Templates) -> Result<bool> {
        // What they say is not asked for, but no block is copied whose codes are not those of its counts.
        templates.codes()?;
        let (mut is_sound, bare) = self.sentences(templates)?;
        templates.for_each_slot(|slot| {
            for text in slot.variables {
                self.text_bytes += text.len() as u64;
                is_sound &= match slot.class {
                    Slot::Digits => self.terms.digits(text),
                    Slot::Hex | Slot::Any => self.terms.variable(text),
                };
                if bare == Some(slot.sentence) {
                    self.terms.number(text);
                }
            }
        })?;
        templates.for_each_raw(|index, value| self.single(value, self.frames.of(index)))?;
        Ok(is_sound)
    }

    /// Adds the terms of sentences, and those that their texts are as numbers. Returns whether all slots
    /// stand where a whole word can, and the sentence whose texts are one variable each: as numbers these are
    /// still to be added.
    fn sentences(&mut self, templates: &Templates) -> Result<(bool, Option<usize>)> {
        let sentences = templates.sentences()?;
        let (mut is_sound, mut bare) = (true, None);
        let mut text = Vec::new();
        for ((code, sentence), count) in (0..).zip(sentences.iter()).zip(templates.counts()) {
            let known = self.terms.sentence(sentence);
            is_sound &= known.is_sound;
            self.text_bytes += u64::from(known.literal_bytes) * u64::from(*count);
            if known.is_bare {
                bare = Some(usize::from(code));
            } else if known.may_be_number {
                for rank in 0..*count as usize {
                    templates.text(code, rank, &mut text)?;
                    self.terms.number(&text);
                }
            }
        }
        Ok((is_sound, bare))
    }
}

/// The place of a number among the recent ones.
fn slot_of(mantissa: i64) -> usize {
    // Fibonacci hashing: neighbours are spread over all slots.
    let hash = mantissa.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - RECENT_NUMBERS.ilog2())) as usize
}

#[cfg(test)]
mod tests;
