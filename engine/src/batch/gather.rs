//! Concatenates rows of several batches: small tails into larger ones, and tails into a block.

use super::rows::{RowColumn, Rows};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Rows `range` of each part, in the order given, as one. Parts must be in sequence order and
/// within 2^32 of each other.
pub(crate) fn gather<'a>(parts: impl IntoIterator<Item = (&'a Rows, Range<usize>)>) -> Rows {
    let parts: Vec<_> = parts.into_iter().collect();
    let (mut out, places) = with_room(&parts);
    for (part, range) in parts {
        append_fixed(&mut out, part, &range);
        let first_row = (out.len() - range.len()) as u32;
        for column in &part.columns {
            let values = column.values_in(&range);
            if !values.is_empty() {
                let to = &mut out.columns[places[&column.name]];
                append_values(to, column, values, first_row, range.start as u32);
            }
        }
    }
    out
}

/// No rows yet, with the columns of these parts, of which each has room for its values, and the place
/// of each column by name. What grows by doubling is copied, and the system clears twice the pages.
fn with_room(parts: &[(&Rows, Range<usize>)]) -> (Rows, HashMap<Arc<str>, usize>) {
    let mut rooms: Vec<(Arc<str>, usize, usize)> = Vec::new();
    let mut places = HashMap::new();
    for (part, range) in parts {
        for column in &part.columns {
            let values = column.values_in(range);
            if values.is_empty() {
                continue;
            }
            let place = *places.entry(Arc::clone(&column.name)).or_insert_with(|| {
                rooms.push((Arc::clone(&column.name), 0, 0));
                rooms.len() - 1
            });
            rooms[place].1 += values.len();
            rooms[place].2 += bytes_of(column, &values).len();
        }
    }
    let rows = parts.iter().map(|(_, range)| range.len()).sum();
    let column = |(name, values, bytes)| RowColumn {
        name,
        // A column that every row has doesn't list them.
        rows: (values < rows).then(|| Vec::with_capacity(values)),
        kinds: Vec::with_capacity(values),
        ends: Vec::with_capacity(values),
        bytes: Vec::with_capacity(bytes),
    };
    let out = Rows {
        base_seq: 0,
        seq_offsets: Vec::with_capacity(rows),
        timestamps: Vec::with_capacity(rows),
        levels: Vec::with_capacity(rows),
        columns: rooms.into_iter().map(column).collect(),
    };
    (out, places)
}

/// Where the lexemes of these values, at least one, stand in the column.
fn bytes_of(column: &RowColumn, values: &Range<usize>) -> Range<usize> {
    let start = if values.start == 0 { 0 } else { column.ends[values.start - 1] };
    start as usize..column.ends[values.end - 1] as usize
}

fn append_fixed(out: &mut Rows, part: &Rows, range: &Range<usize>) {
    if range.is_empty() {
        return;
    }
    if out.is_empty() {
        out.base_seq = part.seq(range.start).0;
    }
    let shift = part.base_seq.wrapping_sub(out.base_seq);
    for offset in &part.seq_offsets[range.clone()] {
        let offset = shift.wrapping_add(u64::from(*offset));
        let offset = u32::try_from(offset).expect("a tail spans fewer than 2^32 sequence numbers");
        debug_assert!(out.seq_offsets.last().is_none_or(|last| *last < offset), "R1");
        out.seq_offsets.push(offset);
    }
    out.timestamps.extend_from_slice(&part.timestamps[range.clone()]);
    out.levels.extend_from_slice(&part.levels[range.clone()]);
}

fn append_values(
    out: &mut RowColumn,
    column: &RowColumn,
    values: Range<usize>,
    first_row: u32,
    skipped: u32,
) {
    if let Some(rows) = &mut out.rows {
        match &column.rows {
            Some(present) => {
                let present = present[values.clone()].iter();
                rows.extend(present.map(|row| row - skipped + first_row));
            }
            None => rows.extend(first_row..first_row + values.len() as u32),
        }
    }
    out.kinds.extend_from_slice(&column.kinds[values.clone()]);
    let bytes = bytes_of(column, &values);
    let start = bytes.start as u32;
    let base = u32::try_from(out.bytes.len()).expect("tails are far below 4 GiB");
    out.bytes.extend_from_slice(&column.bytes[bytes]);
    out.ends.extend(column.ends[values].iter().map(|end| end - start + base));
}
