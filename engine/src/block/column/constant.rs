//! Encoding 1: one value that every row with the field has, stored as a list of one (see
//! values.rs).

use super::values::{self, Values, ValuesWriter};
use crate::batch::RowColumn;
use crate::block::part::Shape;
use crate::codec::slice::Slice;
use crate::error::Corruption;

pub(super) fn is_constant(column: &RowColumn) -> bool {
    let first = column.value(0);
    (1..column.len()).all(|index| column.value(index) == first)
}

pub(super) fn encode(column: &RowColumn, writer: &mut ValuesWriter, out: &mut Vec<u8>) {
    writer.write(std::iter::once(column.value(0)), out);
}

pub(super) fn decode(slice: &mut Slice<'_>, shape: Shape) -> Result<Values, Corruption> {
    values::read(slice, 1, shape.raw_max)
}
