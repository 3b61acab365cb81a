//! What the numbers of a block's column come to, by the values of another column: what figures of all rows
//! take, without reading the block.

use super::column::{Column, ColumnData};
use super::numbering::{FieldValues, Numbered};
use crate::error::Result;
use crate::value::{Summary, SummaryBuilder};
use std::sync::{Arc, Weak};

/// Numbers by the values of another column; together all rows.
#[derive(Debug)]
pub(crate) struct Summaries {
    /// What the numbers of the values stand for; `None` if all rows are one group.
    field: Option<Weak<FieldValues>>,
    groups: Box<[GroupSummary]>,
}

/// What the numbers of the rows with a value come to.
#[derive(Debug)]
pub(crate) struct GroupSummary {
    /// The number of the value; 0 for none.
    pub(crate) number: u32,
    pub(crate) rows: u32,
    /// Rows that have a value in the column of numbers, whether it is a number or not.
    pub(crate) rows_with: u32,
    pub(crate) numbers: Summary,
}

impl Summaries {
    /// Groups at most: of more, rows are looked at.
    const GROUPS_MAX: usize = 256;

    /// Sums up a column of numbers of a block of so many rows; `None` if it is another column, or there are
    /// too many values. `for_each` calls with the row and the number of each.
    pub(crate) fn new(
        column: &Column,
        rows: usize,
        by: Option<(&Numbered, &Arc<FieldValues>)>,
        for_each: impl FnOnce(&mut dyn FnMut(usize, f64)) -> Result<()>,
    ) -> Result<Option<Self>> {
        let ColumnData::Numbers(_) = column.data() else { return Ok(None) };
        let number_of = |row| by.map_or(0, |(numbered, _)| numbered.rows().get(row));
        // By number: one more than the place of its group.
        let mut places = vec![0; by.map_or(0, |(numbered, _)| numbered.greatest() as usize) + 1];
        let mut groups: Vec<(GroupRows, SummaryBuilder)> = Vec::new();
        for row in 0..rows {
            let number = number_of(row);
            let place = &mut places[number as usize];
            if *place == 0 {
                if groups.len() == Self::GROUPS_MAX {
                    return Ok(None);
                }
                groups.push((GroupRows { number, rows: 0, with: 0 }, SummaryBuilder::default()));
                *place = groups.len();
            }
            groups[*place - 1].0.rows += 1;
        }
        for row in column.presence().rows() {
            groups[places[number_of(row) as usize] - 1].0.with += 1;
        }
        for_each(&mut |row, number| groups[places[number_of(row) as usize] - 1].1.add(number))?;
        let group = |(group, numbers): (GroupRows, SummaryBuilder)| GroupSummary {
            number: group.number,
            rows: group.rows,
            rows_with: group.with,
            numbers: numbers.build(),
        };
        let groups = groups.into_iter().map(group).collect();
        let field = by.map(|(_, field)| Arc::downgrade(field));
        Ok(Some(Self { field, groups }))
    }

    /// Whether the numbers are of these values.
    pub(crate) fn is_of(&self, field: Option<&Arc<FieldValues>>) -> bool {
        match (&self.field, field) {
            (Some(mine), Some(field)) => std::ptr::eq(mine.as_ptr(), Arc::as_ptr(field)),
            (None, None) => true,
            _ => false,
        }
    }

    /// By value, in no order.
    pub(crate) fn groups(&self) -> &[GroupSummary] {
        &self.groups
    }

    /// The bytes that it takes, without the values.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of_groups = self.groups.iter().map(|group| group.numbers.heap_bytes());
        size_of::<Self>() + size_of_val(&*self.groups) + of_groups.sum::<usize>()
    }
}

/// The rows of a group, as they are counted.
struct GroupRows {
    number: u32,
    rows: u32,
    with: u32,
}
