//! `canon_v1`: the one byte form of an event, whatever its columns are encoded as.
//!
//! - `C1` the form is a function of the event alone: not of its batch, block, encodings or file.
//! - `C2` two events with one form are one event: every length stands before its bytes.
//! - `C3` the form is frozen. Another one would be `canon_v2`, beside it.

use crate::batch::{RowColumn, Rows};
use crate::codec::varint;
use std::ops::Range;

/// Parts of at most this many bytes are copied as this many, which needs no call: most names and
/// values are shorter, and what is copied too much is overwritten by what follows.
const SHORT: usize = 32;
/// A short value with all that stands before it, as it is copied.
const SHORT_VALUE: usize = SHORT + 2 + SHORT;
/// The canonical bytes that are collected before they are passed on, unless one event has more.
const CHUNK: usize = 256 << 10;
/// Sequence number, timestamp, level, number of fields.
const FIXED: usize = 8 + 8 + 1 + 4;
/// Kind and length of a value, at most.
const VALUE_MAX: usize = 1 + 10;

/// Rows whose columns are in canonical order.
pub(super) struct CanonRows<'a> {
    rows: &'a Rows,
    columns: Vec<CanonColumn<'a>>,
}

struct CanonColumn<'a> {
    values: &'a RowColumn,
    /// The length of the name and the name.
    head: Vec<u8>,
    /// The same, then zeros.
    short_head: Option<[u8; SHORT]>,
}

/// A column that has values in the rows that are written, and what is left of these.
struct Cursor<'a> {
    column: &'a CanonColumn<'a>,
    /// Their rows, unless each has one.
    rows: Option<&'a [u32]>,
    kinds: &'a [u8],
    ends: &'a [u32],
    /// Where the next of them begins.
    start: usize,
}

impl<'a> Cursor<'a> {
    fn new(column: &'a CanonColumn<'a>, rows: &Range<usize>) -> Self {
        let values = column.values.values_in(rows);
        let start = values.start.checked_sub(1).map_or(0, |last| column.values.ends[last] as usize);
        let RowColumn { rows, kinds, ends, .. } = column.values;
        Self {
            column,
            rows: rows.as_ref().map(|rows| &rows[values.clone()]),
            kinds: &kinds[values.clone()],
            ends: &ends[values],
            start,
        }
    }

    /// The kind of the value of this row, and where it lies in the bytes of the column.
    #[inline]
    fn next_of(&mut self, row: usize) -> Option<(u8, Range<usize>)> {
        if let Some(rows) = &mut self.rows {
            let (first, rest) = rows.split_first()?;
            if *first as usize != row {
                return None;
            }
            *rows = rest;
        }
        let (kind, kinds) = self.kinds.split_first()?;
        let (end, ends) = self.ends.split_first()?;
        (self.kinds, self.ends) = (kinds, ends);
        let start = std::mem::replace(&mut self.start, *end as usize);
        Some((*kind, start..*end as usize))
    }
}

/// Writes canonical forms; keeps its memory from one page to the next.
#[derive(Debug, Default)]
pub(super) struct CanonWriter {
    /// Written up to `len`; what is behind it is old.
    buffer: Vec<u8>,
    len: usize,
}

impl<'a> CanonRows<'a> {
    pub(super) fn new(rows: &'a Rows) -> Self {
        let mut columns: Vec<_> = rows.columns.iter().map(CanonColumn::new).collect();
        columns.sort_unstable_by(|a, b| a.values.name.cmp(&b.values.name));
        Self { rows, columns }
    }
}

impl<'a> CanonColumn<'a> {
    fn new(values: &'a RowColumn) -> Self {
        let mut head = Vec::with_capacity(SHORT);
        varint::encode_bytes(values.name.as_bytes(), &mut head);
        let short_head = (head.len() <= SHORT).then(|| {
            let mut short = [0; SHORT];
            short[..head.len()].copy_from_slice(&head);
            short
        });
        Self { values, head, short_head }
    }
}

impl CanonWriter {
    /// Passes `before` and then the canonical forms of rows `range` to `out`, one behind the
    /// other, in one piece unless they are very long.
    pub(super) fn write(
        &mut self,
        before: &[u8],
        canon: &CanonRows<'_>,
        range: Range<usize>,
        mut out: impl FnMut(&[u8]),
    ) {
        let cursors = canon.columns.iter().map(|column| Cursor::new(column, &range));
        let mut cursors: Vec<_> = cursors.filter(|cursor| !cursor.ends.is_empty()).collect();
        self.len = 0;
        self.make_room(before.len());
        self.put(before);
        for row in range {
            self.put_row(canon.rows, row, &mut cursors);
            if self.len >= CHUNK {
                out(&self.buffer[..self.len]);
                self.len = 0;
            }
        }
        out(&self.buffer[..self.len]);
        // One huge event must not be remembered for ever.
        self.buffer.truncate(2 * CHUNK);
        self.buffer.shrink_to(2 * CHUNK);
    }

    fn put_row(&mut self, rows: &Rows, row: usize, cursors: &mut [Cursor<'_>]) {
        self.make_room(FIXED);
        self.put(&rows.seq(row).0.to_le_bytes());
        self.put(&rows.timestamps[row].to_le_bytes());
        self.put(&[rows.levels[row]]);
        let count_at = self.len;
        self.put(&[0; 4]);
        let mut count = 0u32;
        for cursor in cursors {
            let Some((kind, span)) = cursor.next_of(row) else { continue };
            count += 1;
            let CanonColumn { values, head, short_head } = cursor.column;
            self.make_room(head.len() + VALUE_MAX + span.len());
            let bytes = &values.bytes[span.start..];
            match (short_head, bytes.first_chunk()) {
                (Some(short_head), Some(short)) if span.len() <= SHORT => {
                    self.put_short((short_head, head.len()), kind, (short, span.len()));
                }
                _ => {
                    self.put(head);
                    self.put(&[kind]);
                    self.put_varint(span.len());
                    self.put(&bytes[..span.len()]);
                }
            }
        }
        self.buffer[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
    }

    /// Makes room for `bytes`, and for what is copied too much.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        let needed = self.len + bytes + SHORT_VALUE;
        if self.buffer.len() < needed {
            self.buffer.resize(needed.max(2 * self.buffer.len()), 0);
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    #[inline]
    fn put_varint(&mut self, value: usize) {
        let mut value = value as u64;
        while value >= 0x80 {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    /// Appends a value of up to [`SHORT`] bytes, behind as short a head: each is copied whole, and as long as
    /// it says counts.
    #[inline]
    fn put_short(
        &mut self,
        (head, head_len): (&[u8; SHORT], usize),
        kind: u8,
        (text, text_len): (&[u8; SHORT], usize),
    ) {
        let at = head_len.min(SHORT);
        let out = self.buffer[self.len..].first_chunk_mut::<SHORT_VALUE>().expect("there is room");
        out[..SHORT].copy_from_slice(head);
        out[at] = kind;
        // One byte, below 0x80.
        out[at + 1] = text_len as u8;
        out[at + 2..at + 2 + SHORT].copy_from_slice(text);
        self.len += at + 2 + text_len;
    }
}
