//! One column in an encoding that is given, for benches.

use super::column::{Column, Plan, ValuesWriter};
use super::part::{Part, PartBytes, Shape};
use crate::batch::{RowColumn, Rows};
use crate::error::Result;
use crate::index::{Known, Split, Stay, filter_bytes_with};
use std::path::Path;
use std::sync::Arc;

/// A stored column.
#[derive(Debug)]
pub(crate) struct StoredColumn {
    bytes: Arc<[u8]>,
    tag: u8,
    shape: Shape,
}

impl StoredColumn {
    /// Stores a column as text, or as templates if they pay.
    pub(crate) fn new(column: &RowColumn, as_templates: bool) -> Self {
        let split = as_templates.then(|| Split::of(column)).flatten();
        let plan = split.map_or(Plan::Text, Plan::Templates);
        let mut bytes = Vec::new();
        let rows = column.len();
        let tag = plan.encode(column, rows, &mut ValuesWriter::new(), &mut bytes);
        let raw_max = column.bytes.len() + rows * 22;
        let shape = Shape { rows, values: rows, raw_max };
        Self { bytes: bytes.into(), tag: tag as u8, shape }
    }

    /// Its bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Opens it.
    pub(crate) fn open(&self) -> Result<Column> {
        let bytes = PartBytes::Shared(Arc::clone(&self.bytes), 0..self.bytes.len());
        let part = Part { bytes, offset: 0, file: Arc::from(Path::new("")), what: "column" };
        Column::decode(part, self.tag, self.shape, None)
    }
}

/// Cuts a column of the rows, and finds the filter of all with that. Returns its bytes.
pub(crate) fn filter_of_split(rows: &Rows, column: &RowColumn) -> usize {
    let split = Split::of(column);
    let split = split.as_ref();
    let known = |other: &RowColumn| split.filter(|_| other.name == column.name).map(Known::Split);
    filter_bytes_with(rows, Stay::Short, known).len()
}
