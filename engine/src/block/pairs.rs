//! How many rows of a block have both a sentence and a value of another field: what a count by that field
//! of the rows whose sentence passes takes, without reading the block.

use super::column::{Column, ColumnData, Templates};
use super::numbering::{FieldValues, Numbered};
use crate::error::Result;
use std::sync::{Arc, Weak};

/// Rows by the sentence of one column and the value of another: together all rows that have a sentence.
#[derive(Debug)]
pub(crate) struct Pairs {
    /// What the numbers stand for.
    field: Weak<FieldValues>,
    /// By the code of the sentence.
    counts: Box<[PairCount]>,
}

/// How many rows have a sentence and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairCount {
    /// The code of the sentence.
    pub(crate) sentence: u16,
    /// A block has fewer than 2^16 rows.
    pub(crate) rows: u16,
    /// The number of the value; 0 for none.
    pub(crate) number: u32,
}

impl Pairs {
    /// Counts the rows of a column of templates by the numbers of another column; `None` if it has none.
    pub(crate) fn new(
        column: &Column,
        numbered: &Numbered,
        field: &Arc<FieldValues>,
    ) -> Result<Option<Self>> {
        let ColumnData::Templates(templates) = column.data() else { return Ok(None) };
        let codes = templates.codes()?;
        let mut pairs: Vec<u64> = Vec::with_capacity(codes.len());
        for (code, row) in codes.iter().zip(column.presence().rows()) {
            if *code != Templates::RAW {
                pairs.push(u64::from(*code) << 32 | u64::from(numbered.rows().get(row)));
            }
        }
        pairs.sort_unstable();
        let same = pairs.chunk_by(|a, b| a == b);
        let count = |same: &[u64]| PairCount {
            sentence: (same[0] >> 32) as u16,
            number: same[0] as u32,
            rows: same.len() as u16,
        };
        let counts = same.map(count).collect();
        Ok(Some(Self { field: Arc::downgrade(field), counts }))
    }

    /// Whether the numbers are of these values.
    pub(crate) fn is_of(&self, field: &Arc<FieldValues>) -> bool {
        std::ptr::eq(self.field.as_ptr(), Arc::as_ptr(field))
    }

    /// Rows by sentence and value, rising.
    pub(crate) fn counts(&self) -> &[PairCount] {
        &self.counts
    }

    /// The bytes that it takes, without the values.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.counts)
    }
}
