//! Frames of variables.

use super::Place;
use super::layout::{Column, FrameColumns, Layout};
use crate::block::column::values::Stored;
use crate::codec::slice::Slice;
use crate::error::Corruption;
use std::ops::Range;
use std::slice::{ChunksExact, Iter};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// After so many searches through a frame, all its columns are found.
const SEARCHES_MAX: usize = 4;

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
    columns: OnceLock<Columns>,
    /// How many searches began without those.
    searches: AtomicUsize,
}

/// The columns of a frame.
#[derive(Debug)]
pub(super) struct Columns {
    places: Vec<ColumnPlace>,
    /// Where terminated variables end in the body.
    ends: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct ColumnPlace {
    column: Column,
    /// Where it begins in the body.
    start: u32,
    /// If its variables are terminated, the first of their ends.
    first_end: u32,
}

/// Goes through the columns of a frame until one is found, and on from there.
#[derive(Debug)]
pub(super) struct Search<'a> {
    frame: usize,
    columns: FrameColumns<'a>,
    /// Where the next column begins in the body.
    start: usize,
}

impl Frame {
    pub(super) fn new(body: Vec<u8>) -> Self {
        Self { body, columns: OnceLock::new(), searches: AtomicUsize::new(0) }
    }

    /// The bytes that it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        let columns = self.known();
        self.body.len()
            + columns
                .map_or(0, |columns| size_of_val(&*columns.places) + size_of_val(&*columns.ends))
    }

    /// What was inflated: variables, with NUL bytes between them.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// All columns, if they were found.
    pub(super) fn known(&self) -> Option<&Columns> {
        self.columns.get()
    }

    /// All columns, which must be all of the body. Found when first asked for. `columns` are those of the
    /// layout, `place` is where the frame came from.
    pub(super) fn columns(
        &self,
        columns: FrameColumns<'_>,
        place: &Slice<'_>,
    ) -> Result<&Columns, Corruption> {
        if let Some(columns) = self.known() {
            return Ok(columns);
        }
        let columns = Columns::parse(&self.body, columns).ok_or_else(|| self.fault(place))?;
        Ok(self.columns.get_or_init(|| columns))
    }

    /// The columns, if they are known or worth to be; if not, a search begins.
    pub(super) fn known_columns<'a>(
        &self,
        columns: impl FnOnce() -> FrameColumns<'a>,
        place: &Slice<'_>,
    ) -> Result<Option<&Columns>, Corruption> {
        if self.known().is_none() && self.searches.fetch_add(1, Relaxed) < SEARCHES_MAX {
            return Ok(None);
        }
        self.columns(columns(), place).map(Some)
    }

    fn fault(&self, place: &Slice<'_>) -> Corruption {
        place.corrupt("columns of variables", format!("{} bytes", self.body.len()))
    }

    /// A variable of a column of the frame, which `search` has not gone past. Panics past the column's rows.
    pub(super) fn search<'a>(
        &'a self,
        search: &mut Search<'_>,
        column: Column,
        row: usize,
        place: &Slice<'_>,
    ) -> Result<&'a [u8], Corruption> {
        let found = search.go_to(&self.body, column).and_then(|start| {
            let body = &self.body[start..];
            match column.width() {
                0 => {
                    let mut ends = memchr::memchr_iter(0, body);
                    let start = match row.checked_sub(1) {
                        Some(before) => ends.nth(before)? + 1,
                        None => 0,
                    };
                    body.get(start..ends.next()?)
                }
                width => body.get(row * width..(row + 1) * width).map(without_padding),
            }
        });
        assert!(row < usize::from(column.rows), "past the column's rows");
        found.ok_or_else(|| self.fault(place))
    }

    /// A variable of a column; panics past the column's rows.
    pub(super) fn variable(&self, columns: &Columns, place: usize, row: usize) -> &[u8] {
        &self.body[self.range(columns, place, row)]
    }

    /// All variables of the column at a place.
    pub(super) fn variables<'a>(&'a self, columns: &'a Columns, place: usize) -> Variables<'a> {
        let ColumnPlace { column, start, first_end } = columns.places[place];
        let (rows, width) = (usize::from(column.rows), column.width());
        match width {
            0 => Variables::Ended {
                body: &self.body,
                start: start as usize,
                ends: columns.ends[first_end as usize..][..rows].iter(),
            },
            _ => {
                Variables::Aligned(self.body[start as usize..][..rows * width].chunks_exact(width))
            }
        }
    }

    /// Where a variable is in the body; panics past the column's rows.
    pub(super) fn range(&self, columns: &Columns, place: usize, row: usize) -> Range<usize> {
        let ColumnPlace { column, start, first_end } = columns.places[place];
        assert!(row < usize::from(column.rows));
        let (start, width) = (start as usize, column.width());
        if width > 0 {
            let start = start + row * width;
            let len = without_padding(&self.body[start..start + width]).len();
            start + width - len..start + width
        } else {
            let at = first_end as usize + row;
            let start = if row == 0 { start } else { columns.ends[at - 1] as usize + 1 };
            start..columns.ends[at] as usize
        }
    }
}

impl Columns {
    /// `None` if the columns are not all of the body.
    fn parse(body: &[u8], mut columns: FrameColumns<'_>) -> Option<Self> {
        let mut found = Self { places: Vec::with_capacity(columns.len()), ends: Vec::new() };
        let mut at = 0usize;
        columns.for_each(|_, column| {
            let (start, first_end) = (at as u32, found.ends.len() as u32);
            found.places.push(ColumnPlace { column, start, first_end });
            let rows = usize::from(column.rows);
            if column.width() > 0 {
                at += rows * column.width();
                return Some(());
            }
            let ends = memchr::memchr_iter(0, body.get(at..)?).take(rows);
            found.ends.extend(ends.map(|end| (at + end) as u32));
            at = match found.ends.last() {
                Some(end) if found.ends.len() - first_end as usize == rows => *end as usize + 1,
                _ => return None,
            };
            Some(())
        })?;
        (at == body.len() && u32::try_from(at).is_ok()).then_some(found)
    }

    /// The column at a place.
    pub(super) fn get(&self, place: usize) -> Column {
        self.places[place].column
    }

    /// The place of the column and the row of the variable that has the byte at `at` of the body, which is
    /// not NUL.
    pub(super) fn locate(&self, at: usize) -> (usize, usize) {
        let place = self.places.partition_point(|place| place.start as usize <= at) - 1;
        let ColumnPlace { column, start, first_end } = self.places[place];
        let row = match column.width() {
            0 => {
                let ends = &self.ends[first_end as usize..][..usize::from(column.rows)];
                ends.partition_point(|end| (*end as usize) < at)
            }
            width => (at - start as usize) / width,
        };
        (place, row)
    }
}

impl<'a> Search<'a> {
    /// From the first column of a frame on.
    pub(super) fn new(layout: &'a Layout, frame: usize) -> Self {
        Self { frame, columns: layout.columns_of_frame(frame), start: 0 }
    }

    /// Whether it has not gone past a column of a frame.
    pub(super) fn has(&self, frame: usize, column: Column) -> bool {
        self.frame == frame && self.columns.has(column)
    }

    /// Where a column begins; `None` if the body ends before it.
    fn go_to(&mut self, body: &[u8], column: Column) -> Option<usize> {
        let start = &mut self.start;
        self.columns.skip_to(column, |column| {
            let rows = usize::from(column.rows);
            *start += match column.width() {
                0 => memchr::memchr_iter(0, body.get(*start..)?).nth(rows - 1)? + 1,
                width => rows * width,
            };
            Some(())
        })?;
        (*start <= body.len()).then_some(*start)
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
