//! What a scan reads: rows of a tail or a block on disk, through one interface.

mod ahead;
mod block;
mod extended;
mod opened;
mod rows;
mod scan;
mod source;
mod templates;

pub(crate) use ahead::{AHEAD_MAX, NewPages, read_ahead};
pub(crate) use block::BlockTable;
pub(crate) use extended::{ExtendedTable, extracted_from, extracted_kind};
pub(crate) use opened::OpenedBlock;
pub(crate) use rows::RowsTable;
pub(crate) use source::{
    Listing, Opened, Source, begin_again, begin_pass, blocks_of, in_file, in_memory, sources,
    sources_of, tell_pruned_file, times_in,
};

use super::filter::FieldTest;
use super::matcher::Judge;
use super::patterns::sentence_of;
use super::request::EventRecord;
use super::selection::Selection;
use crate::block::{FieldValues, Numbered, Summaries};
use crate::error::Result;
use crate::event::{Kind, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Rows in an order: of one partition in that of their sequence, or of a table that was computed.
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

    /// The same by the value of another field, if it is known without looking at rows.
    fn known_numbers(
        &self,
        _name: Option<&str>,
        _judge: &Judge,
        _by: &str,
    ) -> Result<Option<NumberCounts>> {
        Ok(None)
    }

    /// The values of a field by numbers that blocks share, if it has such, and what they stand for.
    /// `rows` will be looked at: for few of them nothing is found out that takes long.
    fn numbered(
        &self,
        _name: &str,
        _rows: usize,
    ) -> Result<Option<(Arc<Numbered>, Arc<FieldValues>)>> {
        Ok(None)
    }

    /// What the numbers of a field come to, by the value of another one or all together, if it is known or can
    /// be kept.
    fn summed(&self, _by: Option<&str>, _measured: &str) -> Result<Option<Summed>> {
        Ok(None)
    }

    /// The value of a field in each selected row that has it, in order of rows. Of fields that
    /// share a display name, and of repetitions, each row's first counts.
    fn for_each_value(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, Value<'_>),
    ) -> Result<()>;

    /// All fields of some rows, few of them: the row, the column name, the value.
    fn for_each_field(
        &self,
        rows: &[usize],
        visit: &mut dyn FnMut(usize, &str, Value<'_>),
    ) -> Result<()>;

    /// The number of selected rows that have a field.
    fn rows_with(&self, name: &str, selected: &Selection) -> Result<usize> {
        let mut rows = 0;
        self.for_each_value(name, selected, &mut |_, _| rows += 1)?;
        Ok(rows)
    }

    /// As [`Table::for_each_value`], with the sentence of each value, and its code if values with
    /// equal codes have equal sentences.
    fn for_each_sentence(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut EachSentence<'_>,
    ) -> Result<()> {
        let mut sentence = Vec::new();
        self.for_each_value(name, selected, &mut |row, value| {
            sentence_of(value.text, &mut sentence);
            visit(row, None, &sentence);
        })
    }

    /// A field of the selected rows as codes of its distinct values.
    fn codes(&self, name: &str, selected: &Selection) -> Result<Codes>;

    /// The numbers of a field in each selected row that has one, in order of rows.
    fn for_each_number(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, f64),
    ) -> Result<()>;
}

/// A table whose rows are events.
pub(crate) trait EventTable: Table {
    /// The columns that rows have, and the fields in the rest column; none that is hidden.
    fn columns(&self) -> Result<Vec<TableColumn>>;

    /// The fields in the rest column: the row, the column name, the value.
    fn for_each_rest(&self, visit: &mut dyn FnMut(usize, &str, Value<'_>)) -> Result<()>;

    /// The timestamp of one row.
    fn timestamp(&self, row: usize) -> Result<i64>;

    /// The sequence number of one row.
    fn seq(&self, row: usize) -> Result<u64>;

    /// Whole events, in the order of `rows`.
    fn fetch(&self, rows: &[usize], incarnation: u16) -> Result<Vec<EventRecord>>;
}

/// [`Table::for_each_field`] of events.
fn for_each_field_of(
    table: &impl EventTable,
    rows: &[usize],
    visit: &mut dyn FnMut(usize, &str, Value<'_>),
) -> Result<()> {
    for (row, event) in rows.iter().zip(table.fetch(rows, 0)?) {
        for field in &event.fields {
            visit(*row, &field.name, Value { kind: field.kind, text: &field.text });
        }
    }
    Ok(())
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct TableColumn {
    /// The column name (see [`crate::field`]).
    pub(crate) name: Arc<str>,
    /// The number of rows that have it; `None` for what is in the rest column.
    pub(crate) rows: Option<u64>,
    /// Kinds that occur, as bits of their codes; none for what is in the rest column.
    pub(crate) kinds: u8,
}

/// Takes the row, the code and the bytes of a sentence.
pub(crate) type EachSentence<'a> = dyn FnMut(usize, Option<u16>, &[u8]) + 'a;

/// A field of a table: a code for each row, 0 where the field is missing, else one more than the
/// index of the value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    pub(crate) codes: Vec<u32>,
    pub(crate) values: Vec<OwnedValue>,
}

/// How many rows have each value of a field: by numbers that blocks share, and what they stand for.
#[derive(Debug)]
pub(crate) struct NumberCounts {
    pub(crate) field: Arc<FieldValues>,
    /// 0 is for rows without a value. A number may be there several times.
    pub(crate) counts: Vec<(u32, u64)>,
}

/// What the numbers of a field come to by the value of another one: by numbers that blocks share, and what
/// they stand for.
#[derive(Debug)]
pub(crate) struct Summed {
    pub(crate) summaries: Arc<Summaries>,
    pub(crate) field: Option<Arc<FieldValues>>,
}

/// A value and its kind.
pub(crate) type OwnedValue = (Kind, Vec<u8>);
