//! The variables of a column, slot by slot.

use super::Templates;
use super::frame::Variables;
use super::records::Records;
use crate::block::numbering::Word;
use crate::block::sentences::Slot;
use crate::error::Result;
use crate::event::{Kind, Value};
use crate::index::SLOT;
use std::slice::ChunksExact;

/// The variables of one slot of a unit.
pub(in crate::block) struct SlotVariables<'a> {
    /// The place of the sentence.
    pub(in crate::block) sentence: usize,
    /// What the writer said that they are.
    pub(in crate::block) class: Slot,
    /// One a value.
    pub(in crate::block) variables: Variables<'a>,
}

impl Templates {
    /// Calls `each` with every slot of every unit of every sentence. Inflates all frames.
    pub(in crate::block) fn for_each_slot(
        &self,
        mut each: impl FnMut(SlotVariables<'_>),
    ) -> Result<()> {
        let layout = self.layout()?;
        let mut outcome = Ok(());
        layout.for_each(|sentence, column, (frame, place)| {
            if outcome.is_ok() {
                outcome = self.frame_and_columns(layout, frame).map(|(frame, columns)| {
                    let variables = frame.variables(columns, place);
                    each(SlotVariables { sentence, class: column.slot(), variables });
                });
            }
        });
        Ok(outcome?)
    }

    /// Calls `each` with all values in order, in pieces, if all have one sentence of one slot; `false` if not.
    pub(in crate::block) fn for_each_of_only_slot(
        &self,
        mut each: impl FnMut(&[&[u8]]),
    ) -> Result<bool> {
        if self.counts.len() != 1 || self.raw.len() > 0 || self.slots()? != [1] {
            return Ok(false);
        }
        let sentence = self.sentences()?.get(0);
        let slot = memchr::memchr(SLOT, sentence).expect("it has a slot");
        let (before, behind) = (&sentence[..slot], &sentence[slot + 1..]);
        self.for_each_slot(|slot| {
            slot.variables.for_each(|variable| each(&[before, variable, behind]));
        })?;
        Ok(true)
    }

    /// All values in order, if each is a variable and no more, of a few bytes.
    pub(in crate::block) fn words_of_only_slot(&self) -> Result<Option<Vec<Word>>> {
        if !self.is_only_slot()? {
            return Ok(None);
        }
        let mut words = Vec::with_capacity(self.shape.values);
        self.for_each_slot(|slot| {
            slot.variables.push_words(&mut words);
        })?;
        // Of a unit with longer variables some are missing.
        Ok((words.len() == self.shape.values).then_some(words))
    }

    /// All values in order as numbers behind a prefix, if all frames have them so. Nothing that is inflated is
    /// kept.
    pub(in crate::block) fn records_of_only_slot(&self) -> Result<Option<Records>> {
        // Of two series of frames neither tells the order.
        let is_one_series = [0, self.frames.len()].contains(&self.digit_frames);
        if !is_one_series || !self.is_only_slot()? {
            return Ok(None);
        }
        let layout = self.layout()?;
        let mut all: Option<Records> = None;
        for (index, frame) in self.frames.iter().enumerate() {
            let mut slice = self.slice_of_frame(index);
            let Some(records) = Records::read(&mut slice, frame.place.stored)? else {
                return Ok(None);
            };
            let (mut rows, mut are_aligned) = (0, true);
            layout.columns_of_frame(index).for_each(|_, column| {
                rows += usize::from(column.rows);
                are_aligned &= column.width() == records.width();
                Some(())
            });
            // What does not agree is damage, and found where it is inflated.
            if !are_aligned || rows != records.numbers().len() {
                return Ok(None);
            }
            let Some(before) = &mut all else {
                all = Some(records.with_room(self.shape.values));
                continue;
            };
            if !before.append(records) {
                return Ok(None);
            }
        }
        Ok(all.filter(|all| all.numbers().len() == self.shape.values))
    }

    /// Whether each value is a variable and no more.
    fn is_only_slot(&self) -> Result<bool> {
        let is_one = self.counts.len() == 1 && self.raw.len() == 0 && self.slots()? == [1];
        Ok(is_one && self.sentences()?.get(0) == [SLOT])
    }
}

impl Variables<'_> {
    /// Appends the variables, if they are short.
    fn push_words(self, words: &mut Vec<Word>) {
        fn push<const W: usize>(variables: ChunksExact<'_, u8>, words: &mut Vec<Word>) {
            words.extend(variables.map(|padded| {
                Word::of_padded::<W>(padded.try_into().expect("all have the width"))
            }));
        }
        let Self::Aligned(variables) = self else {
            let string = |text| Value { kind: Kind::String, text };
            words.extend(self.map_while(|text| Word::of(string(text))));
            return;
        };
        let width = variables.clone().next().map_or(0, <[u8]>::len);
        match width {
            1 => push::<1>(variables, words),
            2 => push::<2>(variables, words),
            3 => push::<3>(variables, words),
            4 => push::<4>(variables, words),
            5 => push::<5>(variables, words),
            6 => push::<6>(variables, words),
            7 => push::<7>(variables, words),
            8 => push::<8>(variables, words),
            _ => {}
        }
    }
}
