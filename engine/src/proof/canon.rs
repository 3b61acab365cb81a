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
    /// The length of the name and the name, then zeros up to [`SHORT`].
    head: Vec<u8>,
    head_len: usize,
}

/// A column that has values in the rows that are written, and which of them come next.
struct Cursor<'a> {
    column: &'a CanonColumn<'a>,
    values: Range<usize>,
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
        let head_len = head.len();
        head.resize(head_len.max(SHORT), 0);
        Self { values, head, head_len }
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
        let cursor = |column| Cursor { column, values: column.values.values_in(&range) };
        let cursors = canon.columns.iter().map(cursor);
        let mut cursors: Vec<_> = cursors.filter(|cursor| !cursor.values.is_empty()).collect();
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
        for Cursor { column, values: next } in cursors {
            let value = next.start;
            if value == next.end || column.values.row_of(value) as usize != row {
                continue;
            }
            next.start += 1;
            count += 1;
            let span = column.values.span(value);
            self.make_room(column.head_len + VALUE_MAX + span.len());
            self.put_part(&column.head, 0..column.head_len);
            self.put(&[column.values.kinds[value]]);
            self.put_varint(span.len());
            self.put_part(&column.values.bytes, span);
        }
        self.buffer[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
    }

    /// Makes room for `bytes`, and for what is copied too much.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        let needed = self.len + bytes + SHORT;
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

    /// Appends `source[range]`; may write up to [`SHORT`] bytes from the start of it.
    #[inline]
    fn put_part(&mut self, source: &[u8], range: Range<usize>) {
        let len = range.len();
        match source.get(range.start..range.start + SHORT) {
            Some(short) if len <= SHORT => {
                self.buffer[self.len..self.len + SHORT].copy_from_slice(short);
                self.len += len;
            }
            _ => self.put(&source[range]),
        }
    }
}
