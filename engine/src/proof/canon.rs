//! `canon_v1`: the one byte form of an event, whatever its columns are encoded as.
//!
//! - `C1` the form is a function of the event alone: not of its batch, block, encodings or file.
//! - `C2` two events with one form are one event: every length stands before its bytes.
//! - `C3` the form is frozen. Another one would be `canon_v2`, beside it.

use crate::batch::{RowColumn, Rows};
use crate::codec::varint;
use std::ops::Range;

/// A head or a value of at most this many bytes is copied as this many, which needs no call: what is copied
/// too much is overwritten by what follows in its row.
const SHORT: usize = 32;
/// The same of the many values that are shorter still.
const SHORTER: usize = 16;
/// Rows whose canonical bytes are more than this are passed on in several pieces.
const CHUNK: usize = 256 << 10;
/// Sequence number, timestamp, level, number of fields.
const FIXED: usize = 8 + 8 + 1 + 4;

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

/// The values of a column in the rows that are written, at least one.
struct Values<'a> {
    column: &'a CanonColumn<'a>,
    /// The first of the rows that are written.
    first_row: usize,
    /// Their rows, unless each has one.
    rows: Option<&'a [u32]>,
    kinds: &'a [u8],
    ends: &'a [u32],
    /// Where the first of them begins.
    start: usize,
}

impl<'a> Values<'a> {
    fn of(column: &'a CanonColumn<'a>, rows: &Range<usize>) -> Option<Self> {
        let values = column.values.values_in(rows);
        let start = values.start.checked_sub(1).map_or(0, |last| column.values.ends[last] as usize);
        let first_row = rows.start;
        let RowColumn { rows, kinds, ends, .. } = column.values;
        let rows = rows.as_ref().map(|rows| &rows[values.clone()]);
        let (kinds, ends) = (&kinds[values.clone()], &ends[values]);
        (!ends.is_empty()).then_some(Self { column, first_row, rows, kinds, ends, start })
    }

    /// Calls `each` with the row of every value, counted from the first that is written, its kind, and where
    /// it lies in the bytes of the column.
    #[inline]
    fn for_each(&self, mut each: impl FnMut(usize, u8, Range<usize>)) {
        let mut start = self.start;
        let values = self.kinds.iter().zip(self.ends);
        let spans = values.map(|(kind, end)| {
            (*kind, std::mem::replace(&mut start, *end as usize)..*end as usize)
        });
        match self.rows {
            None => (0..).zip(spans).for_each(|(row, (kind, span))| each(row, kind, span)),
            Some(rows) => rows.iter().zip(spans).for_each(|(row, (kind, span))| {
                each(*row as usize - self.first_row, kind, span);
            }),
        }
    }
}

/// Writes canonical forms; keeps its memory from one page to the next.
#[derive(Debug, Default)]
pub(super) struct CanonWriter {
    /// What is behind the rows that are written is old.
    buffer: Vec<u8>,
    places: Vec<Place>,
}

/// Where a row is written.
#[derive(Debug, Clone, Copy)]
struct Place {
    fields: u32,
    /// Where its next field begins; while places are made, how many bytes it has.
    at: usize,
    end: usize,
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
        out: &mut impl FnMut(&[u8]),
    ) {
        // Column by column: what is read lies together, and row by row nearly each value would miss the cache.
        let columns = canon.columns.iter().filter_map(|column| Values::of(column, &range));
        let columns: Vec<_> = columns.collect();
        let len = self.make_places(before.len(), range.len(), &columns);
        if len > CHUNK && range.len() > 1 {
            let half = range.start + range.len() / 2;
            self.write(before, canon, range.start..half, out);
            self.write(&[], canon, half..range.end, out);
            return;
        }
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        self.buffer[..before.len()].copy_from_slice(before);
        for (row, place) in range.zip(&mut self.places) {
            let fixed = self.buffer[place.at..].first_chunk_mut::<FIXED>().expect("there is room");
            fixed[..8].copy_from_slice(&canon.rows.seq(row).0.to_le_bytes());
            fixed[8..16].copy_from_slice(&canon.rows.timestamps[row].to_le_bytes());
            fixed[16] = canon.rows.levels[row];
            fixed[17..].copy_from_slice(&place.fields.to_le_bytes());
            place.at += FIXED;
        }
        for values in &columns {
            self.put_values(values);
        }
        debug_assert!(self.places.iter().all(|place| place.at == place.end));
        out(&self.buffer[..len]);
        // One huge event must not be remembered for ever.
        self.buffer.truncate(2 * CHUNK);
        self.buffer.shrink_to(2 * CHUNK);
    }

    /// Finds where each row goes, behind so many bytes. Returns where the last one ends.
    fn make_places(&mut self, before: usize, rows: usize, columns: &[Values<'_>]) -> usize {
        self.places.clear();
        self.places.resize(rows, Place { fields: 0, at: FIXED, end: 0 });
        for values in columns {
            let head_len = values.column.head.len();
            values.for_each(|row, _, span| {
                let place = &mut self.places[row];
                place.fields += 1;
                place.at += head_len + 1 + varint::len(span.len() as u64) + span.len();
            });
        }
        let mut end = before;
        for place in &mut self.places {
            (place.at, end) = (end, end + place.at);
            place.end = end;
        }
        end
    }

    fn put_values(&mut self, values: &Values<'_>) {
        let Self { buffer, places } = self;
        let CanonColumn { values: column, head, short_head } = values.column;
        values.for_each(|row, kind, span| {
            let Place { at, end, .. } = &mut places[row];
            let (out, bytes, len) =
                (&mut buffer[*at..*end], &column.bytes[span.start..], span.len());
            if let Some(short_head) = short_head
                && len <= SHORT
                && put_short(out, (short_head, head.len()), kind, bytes, len).is_some()
            {
                *at += head.len() + 2 + len;
            } else {
                *at += put(out, head, kind, &bytes[..len]);
            }
        });
    }
}

/// Writes a value to the beginning of `out`, behind its head. Returns how many bytes that are.
fn put(out: &mut [u8], head: &[u8], kind: u8, text: &[u8]) -> usize {
    let (head_out, out) = out.split_at_mut(head.len());
    head_out.copy_from_slice(head);
    out[0] = kind;
    let (mut at, mut left) = (1, text.len());
    while left >= 0x80 {
        out[at] = left as u8 | 0x80;
        (at, left) = (at + 1, left >> 7);
    }
    out[at] = left as u8;
    out[at + 1..][..text.len()].copy_from_slice(text);
    head.len() + at + 1 + text.len()
}

/// The same of a value of `len` bytes, up to [`SHORT`], with which `bytes` begin, behind as short a head: each
/// is copied whole, and as long as it says counts. `None` if that has no room in what is left of its row.
#[inline]
fn put_short(
    out: &mut [u8],
    (head, head_len): (&[u8; SHORT], usize),
    kind: u8,
    bytes: &[u8],
    len: usize,
) -> Option<()> {
    *out.first_chunk_mut()? = *head;
    let (start, text) = out.get_mut(head_len..)?.split_first_chunk_mut()?;
    // One byte, below 0x80.
    *start = [kind, len as u8];
    if len <= SHORTER {
        *text.first_chunk_mut::<SHORTER>()? = *bytes.first_chunk()?;
    } else {
        *text.first_chunk_mut::<SHORT>()? = *bytes.first_chunk()?;
    }
    Some(())
}
