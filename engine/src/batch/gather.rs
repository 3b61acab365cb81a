//! Concatenates rows of several batches: small tails into larger ones, and tails into a block.

use super::rows::{RowColumn, Rows};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Rows `range` of each part, in the order given, as one. Parts must be in sequence order and
/// within 2^32 of each other.
pub(crate) fn gather<'a>(parts: impl IntoIterator<Item = (&'a Rows, Range<usize>)>) -> Rows {
    let mut out = Rows::default();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    for (part, range) in parts {
        append_fixed(&mut out, part, &range);
        let first_row = (out.len() - range.len()) as u32;
        for column in &part.columns {
            let values = column.values_in(&range);
            if values.is_empty() {
                continue;
            }
            let place = *places.entry(Arc::clone(&column.name)).or_insert_with(|| {
                out.columns.push(RowColumn::new(Arc::clone(&column.name)));
                out.columns.len() - 1
            });
            append_values(&mut out.columns[place], column, values, first_row, range.start as u32);
        }
    }
    let rows = out.len();
    for column in &mut out.columns {
        if column.len() == rows {
            column.rows = None;
        }
    }
    out
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
    let rows = out.rows.as_mut().expect("a column under construction lists its rows");
    rows.extend(values.clone().map(|index| first_row + column.row_of(index) - skipped));
    out.kinds.extend_from_slice(&column.kinds[values.clone()]);
    let start = if values.start == 0 { 0 } else { column.ends[values.start - 1] };
    let end = column.ends[values.end - 1];
    let base = u32::try_from(out.bytes.len()).expect("tails are far below 4 GiB");
    out.bytes.extend_from_slice(&column.bytes[start as usize..end as usize]);
    out.ends.extend(column.ends[values].iter().map(|end| end - start + base));
}
