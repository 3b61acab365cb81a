//! The terms of a block from its rows: of one that is made anew.

use super::builder::{BlockTerms, SegmentIndexBuilder};
use super::format::FRAMES_PER_BLOCK;
use crate::batch::{RowColumn, Rows};
use crate::error::Result;
use crate::field;
use crate::index::split::Split;
use crate::index::terms::is_exact;
use crate::limits::{BLOCK_ROWS_MAX, FRAME_ROWS_MAX};
use std::borrow::Borrow;
use std::ops::Range;

impl SegmentIndexBuilder {
    /// Adds the next block of the section: its rows, in the block's order. The columns that `split_of`
    /// knows have been cut already: that saves work and changes nothing.
    ///
    /// # Errors
    /// As [`SegmentIndexBuilder::begin_block`].
    pub(crate) fn add_block<S: Borrow<Split>>(
        &mut self,
        rows: &Rows,
        split_of: impl Fn(&RowColumn) -> Option<S>,
    ) -> Result<()> {
        assert!(rows.len() <= BLOCK_ROWS_MAX, "a block has at most 8,192 rows");
        let mut terms = self.begin_block()?;
        // No query looks into what is hidden.
        for column in rows.columns.iter().filter(|column| !field::is_hidden(&column.name)) {
            let is_exact = is_exact(column);
            // A whole value is no sentence.
            match if is_exact { None } else { split_of(column) } {
                Some(split) => terms.split(column, split.borrow()),
                None => terms.column(column, is_exact),
            }
        }
        terms.finish();
        Ok(())
    }
}

impl BlockTerms<'_> {
    fn column(&mut self, column: &RowColumn, is_exact: bool) {
        for (frame, values) in frames_of(column) {
            values.for_each(|index| self.value(column.value(index), is_exact, frame));
        }
    }

    /// As [`BlockTerms::column`] of a column that was cut: the words of each sentence once.
    fn split(&mut self, column: &RowColumn, split: &Split) {
        let sentences = split.counts().len();
        for (frame, values) in frames_of(column) {
            for index in values {
                if usize::from(split.codes()[index]) >= sentences {
                    self.value(column.value(index), false, frame);
                }
                for variable in split.variables_of(index) {
                    let text = variable.text(column);
                    if !variable.is_digits() {
                        self.variable(text);
                    } else {
                        self.digits(text);
                    }
                }
            }
        }
        let may_be_numbers: Vec<bool> =
            split.sentences().map(|text| self.sentence(text).may_be_number).collect();
        if may_be_numbers.contains(&true) {
            for (index, code) in split.codes().iter().enumerate() {
                if may_be_numbers.get(usize::from(*code)) == Some(&true) {
                    self.number(column.value(index).text);
                }
            }
        }
    }
}

/// The values of a column that are in each frame.
fn frames_of(column: &RowColumn) -> impl Iterator<Item = (usize, Range<usize>)> {
    (0..FRAMES_PER_BLOCK).map(|frame| {
        let rows = frame * FRAME_ROWS_MAX..(frame + 1) * FRAME_ROWS_MAX;
        let values = column.values_in(&rows);
        // A column that every row has says nothing of where the rows end.
        (frame, values.start.min(column.len())..values.end.min(column.len()))
    })
}
