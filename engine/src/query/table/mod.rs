//! What a scan reads: rows of a tail or a block on disk, through one interface.

mod block;
mod opened;
mod rows;
mod scan;
mod source;
mod templates;

pub(crate) use block::BlockTable;
pub(crate) use opened::OpenedBlock;
pub(crate) use rows::RowsTable;
pub(crate) use source::{
    Opened, Source, blocks_of, in_file, in_memory, sources, sources_of, times_in,
};

use super::filter::FieldTest;
use super::matcher::Judge;
use super::request::EventRecord;
use super::selection::Selection;
use crate::error::Result;
use crate::event::{Kind, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Rows of one partition, in sequence order.
pub(crate) trait Table {
    /// The number of rows.
    fn rows(&self) -> usize;

    /// Nanoseconds since the epoch, one a row.
    fn timestamps(&self) -> Result<Cow<'_, [i64]>>;

    /// Sequence numbers, one a row, rising.
    fn seqs(&self) -> Result<Cow<'_, [u64]>>;

    /// Codes of [`crate::Level`], one a row.
    fn levels(&self) -> Result<Cow<'_, [u8]>>;

    /// The candidates whose level is one of these.
    fn with_levels(&self, mask: u8, candidates: Selection) -> Result<Selection>;

    /// The candidates that pass a test of one field.
    fn with_field(&self, test: &FieldTest, candidates: Selection) -> Result<Selection>;

    /// The candidates that have a value anywhere that passes a test.
    fn with_any(&self, judge: &Judge, candidates: Selection) -> Result<Selection>;

    /// The number of rows that pass a test of one field, or of any, if they need not be looked at
    /// one by one.
    fn known_count(&self, name: Option<&str>, judge: &Judge) -> Result<Option<u64>>;

    /// The value of a field in each selected row that has it, in order of rows. Of fields that
    /// share a display name, and of repetitions, each row's first counts.
    fn for_each_value(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, Value<'_>),
    ) -> Result<()>;

    /// A field of the selected rows as codes of its distinct values.
    fn codes(&self, name: &str, selected: &Selection) -> Result<Codes>;

    /// The numbers of a field in each selected row that has one, in order of rows.
    fn for_each_number(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, f64),
    ) -> Result<()>;

    /// Whole events, in the order of `rows`.
    fn fetch(&self, rows: &[usize], incarnation: u16) -> Result<Vec<EventRecord>>;
}

/// A field of a table: a code for each row, 0 where the field is missing, else one more than the
/// index of the value.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    pub(crate) codes: Vec<u32>,
    pub(crate) values: Vec<OwnedValue>,
}

/// A value and its kind.
pub(crate) type OwnedValue = (Kind, Vec<u8>);

/// Codes for values as they come.
#[derive(Debug, Default)]
struct Distinct {
    /// By the code of the kind.
    codes: [HashMap<Vec<u8>, u32>; KIND_CODES],
    values: Vec<OwnedValue>,
}

/// The codes of [`crate::Kind`] are below this.
const KIND_CODES: usize = 6;

impl Distinct {
    /// The code of a value: 1 for the first.
    fn code(&mut self, value: Value<'_>) -> u32 {
        let codes = &mut self.codes[value.kind as usize];
        if let Some(code) = codes.get(value.text) {
            return *code;
        }
        self.values.push((value.kind, value.text.to_vec()));
        let code = self.values.len() as u32;
        codes.insert(value.text.to_vec(), code);
        code
    }

    /// The values, by code.
    fn into_values(self) -> Vec<OwnedValue> {
        self.values
    }
}
