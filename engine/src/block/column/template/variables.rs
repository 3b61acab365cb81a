//! Single variables.

use super::Templates;
use super::frame::Search;
use super::layout::{Column, Layout};
use crate::error::Corruption;

/// Reads the variables of a few columns, of which many follow each other in their frames.
pub(super) struct VariableReader<'a> {
    templates: &'a Templates,
    layout: &'a Layout,
    /// In the last frame of other variables, and of digits.
    searches: [Option<Search<'a>>; 2],
}

impl<'a> VariableReader<'a> {
    pub(super) fn new(templates: &'a Templates, layout: &'a Layout) -> Self {
        Self { templates, layout, searches: [None, None] }
    }

    /// A variable of a column; panics past the column's rows.
    pub(super) fn variable(&mut self, column: Column, row: usize) -> Result<&'a [u8], Corruption> {
        let (templates, layout) = (self.templates, self.layout);
        let (index, place) = layout.frame_of(column);
        // Many values are read: what all of them need was unpacked.
        if templates.ranks.get().is_some() {
            let (frame, columns) = templates.frame_and_columns(layout, index)?;
            return Ok(frame.variable(columns, place, row));
        }
        let (frame, from) = (templates.frame(index)?, templates.slice_of_frame(index));
        let search = &mut self.searches[usize::from(index < templates.digit_frames)];
        let search = match search {
            Some(search) if search.has(index, column) => search,
            _ => {
                let columns = || layout.columns_of_frame(index);
                if let Some(columns) = frame.known_columns(columns, &from)? {
                    return Ok(frame.variable(columns, place, row));
                }
                search.insert(Search::new(layout, index))
            }
        };
        frame.search(search, column, row, &from)
    }
}
