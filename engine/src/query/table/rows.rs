//! Rows that are in no block yet.

use super::{Codes, EventTable, Table, TableColumn, for_each_field_of};
use crate::batch::{RowColumn, Rows};
use crate::error::Result;
use crate::event::{EventId, Value};
use crate::field;
use crate::query::filter::FieldTest;
use crate::query::matcher::{Judge, Matcher};
use crate::query::request::{EventField, EventRecord};
use crate::query::selection::Selection;
use crate::value::{Number, ValueSet};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A run of rows of a tail.
#[derive(Debug)]
pub(crate) struct RowsTable<'a> {
    rows: &'a Rows,
    range: Range<usize>,
}

impl<'a> RowsTable<'a> {
    pub(crate) fn new(rows: &'a Rows, range: Range<usize>) -> Self {
        Self { rows, range }
    }

    fn columns_named(&self, name: &str) -> impl Iterator<Item = &'a RowColumn> {
        self.rows.columns.iter().filter(move |column| field::is_called(&column.name, name))
    }

    /// Adds the candidates whose value in a column passes.
    fn test(&self, column: &RowColumn, matcher: &Matcher, from: &Selection, to: &mut Selection) {
        self.each_value(column, |row, value| {
            if from.contains(row) && !to.contains(row) && matcher.matches(value) {
                to.insert(row);
            }
        });
    }

    /// The values of a column within the range, by row of this table.
    fn each_value(&self, column: &RowColumn, mut visit: impl FnMut(usize, Value<'_>)) {
        let first = match &column.rows {
            None => self.range.start,
            Some(rows) => rows.partition_point(|row| (*row as usize) < self.range.start),
        };
        for index in first..column.len() {
            let row = column.row_of(index) as usize;
            if row >= self.range.end {
                break;
            }
            visit(row - self.range.start, column.value(index));
        }
    }
}

impl Table for RowsTable<'_> {
    fn rows(&self) -> usize {
        self.range.len()
    }

    fn timestamps(&self) -> Result<Cow<'_, [i64]>> {
        Ok(Cow::Borrowed(&self.rows.timestamps[self.range.clone()]))
    }

    fn seqs(&self) -> Result<Cow<'_, [u64]>> {
        Ok(self.range.clone().map(|row| self.rows.seq(row).0).collect())
    }

    fn levels(&self) -> Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(&self.rows.levels[self.range.clone()]))
    }

    fn with_levels(&self, mask: u8, mut candidates: Selection) -> Result<Selection> {
        let levels = &self.rows.levels[self.range.clone()];
        let wanted = Selection::from_fn(levels.len(), |row| mask >> levels[row] & 1 == 1);
        candidates.intersect(&wanted);
        Ok(candidates)
    }

    fn with_field(&self, test: &FieldTest, candidates: Selection) -> Result<Selection> {
        let mut found = Selection::none(candidates.rows());
        for column in self.columns_named(&test.name) {
            self.test(column, &test.judge.matcher, &candidates, &mut found);
        }
        Ok(found)
    }

    fn with_any(&self, judge: &Judge, candidates: Selection) -> Result<Selection> {
        let mut found = Selection::none(candidates.rows());
        let shown = self.rows.columns.iter().filter(|column| !field::is_hidden(&column.name));
        for column in shown {
            self.test(column, &judge.matcher, &candidates, &mut found);
        }
        Ok(found)
    }

    fn known_count(&self, _: Option<&str>, _: &Judge) -> Result<Option<u64>> {
        Ok(None)
    }

    fn for_each_value(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, Value<'_>),
    ) -> Result<()> {
        let mut columns: Vec<_> = self.columns_named(name).collect();
        columns.sort_by_key(|column| &column.name);
        if let [column] = *columns {
            self.each_value(column, |row, value| {
                if selected.contains(row) {
                    visit(row, value);
                }
            });
            return Ok(());
        }
        for row in selected.iter() {
            let at = (self.range.start + row) as u32;
            if let Some(value) = columns.iter().find_map(|column| column.get(at)) {
                visit(row, value);
            }
        }
        Ok(())
    }

    fn codes(&self, name: &str, selected: &Selection) -> Result<Codes> {
        let mut codes = vec![0; self.rows()];
        let mut distinct = ValueSet::default();
        self.for_each_value(name, selected, &mut |row, value| codes[row] = distinct.code(value))?;
        Ok(Codes { codes, values: distinct.into_values() })
    }

    fn for_each_number(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, f64),
    ) -> Result<()> {
        self.for_each_value(name, selected, &mut |row, value| {
            if let Some(number) = Number::parse(value.text) {
                visit(row, number.to_f64());
            }
        })
    }

    fn for_each_field(
        &self,
        rows: &[usize],
        visit: &mut dyn FnMut(usize, &str, Value<'_>),
    ) -> Result<()> {
        for_each_field_of(self, rows, visit)
    }
}

impl EventTable for RowsTable<'_> {
    fn columns(&self) -> Result<Vec<TableColumn>> {
        let shown = self.rows.columns.iter().filter(|column| !field::is_hidden(&column.name));
        let column = |column: &RowColumn| {
            let (mut rows, mut kinds) = (0, 0);
            self.each_value(column, |_, value| {
                rows += 1;
                kinds |= 1 << value.kind as u8;
            });
            TableColumn { name: Arc::clone(&column.name), rows: Some(rows), kinds }
        };
        // Others of the batch may have what none of these rows has.
        Ok(shown.map(column).filter(|column| column.kinds != 0).collect())
    }

    fn for_each_rest(&self, _: &mut dyn FnMut(usize, &str, Value<'_>)) -> Result<()> {
        Ok(())
    }

    fn timestamp(&self, row: usize) -> Result<i64> {
        Ok(self.rows.timestamps[self.range.start + row])
    }

    fn seq(&self, row: usize) -> Result<u64> {
        Ok(self.rows.seq(self.range.start + row).0)
    }

    fn fetch(&self, rows: &[usize], incarnation: u16) -> Result<Vec<EventRecord>> {
        let fetch = |row: &usize| {
            let at = self.range.start + row;
            let fields = self.rows.columns.iter().filter_map(|column| {
                let Value { kind, text } = column.get(at as u32)?;
                Some(EventField { name: column.name.clone(), kind, text: text.to_vec() })
            });
            let timestamp = self.rows.timestamp(at);
            let mut record = EventRecord {
                id: EventId::new(timestamp, incarnation, self.rows.seq(at)),
                timestamp,
                level: self.rows.level(at),
                fields: Vec::new(),
                as_sent: None,
            };
            fields.for_each(|field| record.push(field));
            record
        };
        Ok(rows.iter().map(fetch).collect())
    }
}
