//! The rows of several blocks, counted by the numbers of their values.

use super::{FieldValues, Numbered, RowNumbers};
use std::sync::{Arc, Weak};

/// How many rows of some blocks have each value of a field, by number.
#[derive(Debug)]
pub(crate) struct ValueSums {
    field: Weak<FieldValues>,
    counts: Box<[u32]>,
    rows: usize,
}

/// The same as it grows, block by block.
#[derive(Debug)]
pub(crate) struct ValueSumsBuilder {
    field: Arc<FieldValues>,
    counts: Vec<u32>,
    rows: usize,
}

impl ValueSumsBuilder {
    /// Of no block yet.
    pub(crate) fn new(field: Arc<FieldValues>) -> Self {
        Self { field, counts: Vec::new(), rows: 0 }
    }

    /// Takes in a block of so many rows; `false` if its numbers are of other values.
    pub(crate) fn add(&mut self, numbered: &Numbered, rows: usize) -> bool {
        if !numbered.is_of(&self.field) {
            return false;
        }
        let count = numbered.greatest() as usize + 1;
        if self.counts.len() < count {
            self.counts.resize(count, 0);
        }
        self.rows += rows;
        match numbered.rows() {
            RowNumbers::Same(number) => self.counts[*number as usize] += rows as u32,
            RowNumbers::Bytes(numbers) => self.add_rows(numbers),
            RowNumbers::Shorts(numbers) => self.add_rows(numbers),
            RowNumbers::Longs(numbers) => self.add_rows(numbers),
        }
        true
    }

    fn add_rows<N: Copy + Into<u32>>(&mut self, numbers: &[N]) {
        for number in numbers {
            self.counts[(*number).into() as usize] += 1;
        }
    }

    /// Takes in what another one has; `false` if its numbers are of other values.
    pub(crate) fn merge(&mut self, other: Self) -> bool {
        if !Arc::ptr_eq(&self.field, &other.field) {
            return false;
        }
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(other.counts).for_each(|(count, rows)| *count += rows);
        self.rows += other.rows;
        true
    }

    /// The sums, if they take no more than the numbers of the rows do.
    pub(crate) fn build(self) -> Option<ValueSums> {
        let Self { field, counts, rows } = self;
        let pays = counts.len() <= rows / 2;
        pays.then(|| ValueSums { field: Arc::downgrade(&field), counts: counts.into(), rows })
    }
}

impl ValueSums {
    /// What the numbers stand for, if it still lives.
    pub(crate) fn field(&self) -> Option<Arc<FieldValues>> {
        self.field.upgrade()
    }

    /// How many rows have each value, by number.
    pub(crate) fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// All rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The bytes that it takes, without the values.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.counts)
    }
}
