//! The variables of a column, slot by slot.

use super::frame::Variables;
use super::{Templates, UNIT_VALUES};
use crate::block::sentences::Slot;
use crate::error::Result;
use crate::index::SLOT;

/// The variables of one slot of a unit.
pub(in crate::block) struct SlotVariables<'a> {
    /// The place of the sentence.
    pub(in crate::block) sentence: usize,
    /// Which of the sentence's values is the first of the unit.
    pub(in crate::block) first: usize,
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
        for (sentence, count) in self.counts.iter().enumerate() {
            for unit in 0..(*count as usize).div_ceil(UNIT_VALUES) {
                for column in layout.columns(sentence, unit) {
                    let (frame, place) = layout.frame_of(column);
                    let (frame, columns) = self.frame_and_columns(layout, frame)?;
                    let variables = frame.variables(columns, place);
                    let (first, class) = (unit * UNIT_VALUES, column.slot());
                    each(SlotVariables { sentence, first, class, variables });
                }
            }
        }
        Ok(())
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
}
