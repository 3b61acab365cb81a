//! Frames of variables.

use super::Place;
use super::dictionary::Column;
use crate::block::column::values::Stored;
use crate::codec::copy::push_range;
use crate::codec::slice::Slice;
use crate::error::Corruption;
use std::ops::Range;
use std::slice::{ChunksExact, Iter};

/// Where a frame lies, and how many columns it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameEntry {
    pub(super) columns: usize,
    pub(super) place: Place,
}

/// Reads the directory of one of the two series of frames. `raw_left` is what frames may still
/// have when inflated.
pub(super) fn read_directory(
    slice: &mut Slice<'_>,
    frames: &mut Vec<FrameEntry>,
    raw_left: &mut usize,
) -> Result<(), Corruption> {
    // An entry has at least three bytes, a frame at least one.
    let count = slice.varint_max(slice.remaining() / 3)?;
    frames.reserve(count);
    for _ in 0..count {
        let columns = slice.varint_max(*raw_left)?;
        let raw_len = slice.varint_max(*raw_left)?;
        let stored_len = slice.varint_max(raw_len)?;
        if columns == 0 {
            return Err(slice.corrupt("a frame with columns", "none"));
        }
        *raw_left -= raw_len;
        let stored = Stored { count: 0, raw_len, stored_len };
        frames.push(FrameEntry { columns, place: Place { start: 0, stored } });
    }
    Ok(())
}

/// An inflated frame.
#[derive(Debug)]
pub(super) struct Frame {
    body: Vec<u8>,
    /// Of each column: where it begins in `body` and, if its variables are terminated, the first of
    /// their ends.
    columns: Vec<(u32, u32)>,
    /// Where terminated variables end in `body`.
    ends: Vec<u32>,
}

impl Frame {
    /// Finds the columns, which must be all of the body. `place` is where it came from.
    pub(super) fn parse<'a>(
        place: &Slice<'_>,
        body: Vec<u8>,
        columns: impl ExactSizeIterator<Item = &'a Column>,
    ) -> Result<Self, Corruption> {
        let fault = || place.corrupt("columns of variables", format!("{} bytes", body.len()));
        let mut frame =
            Self { columns: Vec::with_capacity(columns.len()), ends: Vec::new(), body: Vec::new() };
        let mut at = 0usize;
        for column in columns {
            frame.columns.push((at as u32, frame.ends.len() as u32));
            let rows = usize::from(column.rows);
            if column.width() > 0 {
                at += rows * column.width();
                continue;
            }
            let left = body.get(at..).ok_or_else(fault)?;
            let before = frame.ends.len();
            frame.ends.extend(memchr::memchr_iter(0, left).take(rows).map(|end| (at + end) as u32));
            match frame.ends.last() {
                Some(end) if frame.ends.len() - before == rows => at = *end as usize + 1,
                _ => return Err(fault()),
            }
        }
        if at != body.len() || u32::try_from(at).is_err() {
            return Err(fault());
        }
        Ok(Self { body, ..frame })
    }

    /// The bytes that it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        self.body.len() + size_of_val(&*self.columns) + size_of_val(&*self.ends)
    }

    /// Appends a variable of the column at this place of the frame; panics past the column's rows.
    pub(super) fn push_variable(
        &self,
        column: Column,
        place: usize,
        row: usize,
        text: &mut Vec<u8>,
    ) {
        push_range(&self.body, self.range(column, place, row), text);
    }

    /// A variable of the column at this place of the frame; panics past the column's rows.
    pub(super) fn variable(&self, column: Column, place: usize, row: usize) -> &[u8] {
        &self.body[self.range(column, place, row)]
    }

    /// All variables of the column at this place of the frame.
    pub(super) fn variables(&self, column: Column, place: usize) -> Variables<'_> {
        let (start, first_end) = self.columns[place];
        let (rows, width) = (usize::from(column.rows), column.width());
        match width {
            0 => Variables::Ended {
                body: &self.body,
                start: start as usize,
                ends: self.ends[first_end as usize..][..rows].iter(),
            },
            _ => {
                Variables::Aligned(self.body[start as usize..][..rows * width].chunks_exact(width))
            }
        }
    }

    /// What was inflated: variables, with NUL bytes between them.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The place of the column and the row of the variable that has the byte at `at`, which is not NUL.
    /// `column` gives the column at a place.
    pub(super) fn locate(&self, at: usize, column: impl Fn(usize) -> Column) -> (usize, usize) {
        let place = self.columns.partition_point(|(start, _)| *start as usize <= at) - 1;
        let (column, (start, first_end)) = (column(place), self.columns[place]);
        let row = match column.width() {
            0 => {
                let ends = &self.ends[first_end as usize..][..usize::from(column.rows)];
                ends.partition_point(|end| (*end as usize) < at)
            }
            width => (at - start as usize) / width,
        };
        (place, row)
    }

    /// Where a variable is in the body.
    pub(super) fn range(&self, column: Column, place: usize, row: usize) -> Range<usize> {
        let (start, first_end) = self.columns[place];
        let width = column.width();
        if width > 0 {
            let start = start as usize + row * width;
            let len = without_padding(&self.body[start..start + width]).len();
            start + width - len..start + width
        } else {
            let at = first_end as usize + row;
            let start = if row == 0 { start } else { self.ends[at - 1] + 1 };
            start as usize..self.ends[at] as usize
        }
    }
}

/// The variables of a column, in order.
pub(in crate::block) enum Variables<'a> {
    Aligned(ChunksExact<'a, u8>),
    Ended { body: &'a [u8], start: usize, ends: Iter<'a, u32> },
}

impl<'a> Iterator for Variables<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Aligned(variables) => variables.next().map(without_padding),
            Self::Ended { body, start, ends } => {
                let end = *ends.next()? as usize;
                Some(&body[std::mem::replace(start, end + 1)..end])
            }
        }
    }
}

fn without_padding(padded: &[u8]) -> &[u8] {
    &padded[padded.iter().position(|byte| *byte != 0).unwrap_or(padded.len())..]
}
