//! Rows of one partition, column by column: the form of a batch in the log, of the open tail in
//! memory, and of what a block is built from.

use crate::codec::copy::push_short;
use crate::event::{Kind, Level, Seq, Value};
use crate::timestamp::Timestamp;
use std::ops::Range;
use std::sync::Arc;

/// Events of one partition in sequence order, column by column. Immutable once numbered.
///
/// Invariants (checked by [`Rows::check_invariants`]):
/// - `R1` `seq_offsets`, `timestamps` and `levels` have one entry a row; `seq_offsets` rise strictly.
/// - `R2` a column's `rows` rise strictly and lie below the number of rows.
/// - `R3` a column has one `ends` entry a value, they never fall, the last is `bytes.len()`.
/// - `R4` column names are distinct; no column is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// What `seq_offsets` count from. Zero until the log numbers the batch.
    pub(crate) base_seq: u64,
    /// A row's sequence number less `base_seq`.
    pub(crate) seq_offsets: Vec<u32>,
    /// Nanoseconds since the epoch.
    pub(crate) timestamps: Vec<i64>,
    /// Codes of [`Level`].
    pub(crate) levels: Vec<u8>,
    /// All other fields.
    pub(crate) columns: Vec<RowColumn>,
}

/// The values of one field, for those rows that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowColumn {
    /// The column name (see [`crate::field`]).
    pub(crate) name: Arc<str>,
    /// Which rows have a value; `None` when all have.
    pub(crate) rows: Option<Vec<u32>>,
    /// Codes of [`Kind`], one a value.
    pub(crate) kinds: Vec<u8>,
    /// Where each value ends in `bytes`.
    pub(crate) ends: Vec<u32>,
    /// The lexemes, one behind the other.
    pub(crate) bytes: Vec<u8>,
}

impl RowColumn {
    /// A column without values.
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            rows: Some(Vec::new()),
            kinds: Vec::new(),
            ends: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// A column without values that lists its rows only once one of them has none. To be finished.
    pub(crate) fn dense(name: Arc<str>) -> Self {
        Self { rows: None, ..Self::new(name) }
    }

    /// Lists the rows of a column that was begun as dense and ends before the last of `rows`.
    pub(crate) fn finish(&mut self, rows: usize) {
        if self.rows.is_none() && self.len() < rows {
            self.rows = Some((0..self.len() as u32).collect());
        }
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no row has a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The `index`-th value (not: the value of row `index`).
    #[inline]
    pub(crate) fn value(&self, index: usize) -> Value<'_> {
        Value {
            kind: Kind::from_code(self.kinds[index]).expect("R-kinds hold codes of Kind"),
            text: &self.bytes[self.span(index)],
        }
    }

    /// Where the lexeme of the `index`-th value stands in `bytes`.
    #[inline]
    pub(crate) fn span(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        start..self.ends[index] as usize
    }

    /// The indices of the values that belong to a range of rows.
    pub(crate) fn values_in(&self, rows: &Range<usize>) -> Range<usize> {
        match &self.rows {
            None => rows.clone(),
            Some(present) => {
                present.partition_point(|row| (*row as usize) < rows.start)
                    ..present.partition_point(|row| (*row as usize) < rows.end)
            }
        }
    }

    /// The row of the `index`-th value.
    pub(crate) fn row_of(&self, index: usize) -> u32 {
        self.rows.as_ref().map_or(index as u32, |rows| rows[index])
    }

    /// The value of a row, if it has one.
    pub(crate) fn get(&self, row: u32) -> Option<Value<'_>> {
        let index = match &self.rows {
            None => (row as usize) < self.len(),
            Some(rows) => match rows.binary_search(&row) {
                Ok(index) => return Some(self.value(index)),
                Err(_) => false,
            },
        };
        index.then(|| self.value(row as usize))
    }

    /// Appends a value for `row`, which must come after every row that has one.
    pub(crate) fn push(&mut self, row: u32, value: Value<'_>) {
        debug_assert!(self.len().checked_sub(1).is_none_or(|last| self.row_of(last) < row), "R2");
        match &mut self.rows {
            Some(rows) => rows.push(row),
            None if self.ends.len() == row as usize => {}
            None => self.rows = Some((0..self.ends.len() as u32).chain([row]).collect()),
        }
        self.kinds.push(value.kind as u8);
        push_short(value.text, &mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).expect("batches are far below 4 GiB"));
    }
}

/// What a column with values of so many bytes counts in [`Rows::raw_bytes`].
pub(crate) fn column_raw_bytes(name: &str, values: usize, text_bytes: u64) -> u64 {
    text_bytes + (values * 9 + name.len() + 64) as u64
}

/// What rows count there besides their columns.
pub(crate) fn rows_raw_bytes(rows: usize) -> u64 {
    rows as u64 * 13
}

impl Rows {
    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Makes room for `total` of which there are `seen` already, and some more.
    pub(super) fn expect(&mut self, seen: usize, total: usize) {
        let more = |len: usize| {
            let more = len.saturating_mul(total.saturating_sub(seen)) / seen.max(1);
            more + more / 8
        };
        self.seq_offsets.reserve(more(self.timestamps.len()));
        self.levels.reserve(more(self.timestamps.len()));
        self.timestamps.reserve(more(self.timestamps.len()));
        for column in &mut self.columns {
            column.kinds.reserve(more(column.ends.len()));
            column.ends.reserve(more(column.ends.len()));
            column.bytes.reserve(more(column.bytes.len()));
        }
    }

    /// The sequence number of a row.
    pub(crate) fn seq(&self, row: usize) -> Seq {
        Seq(self.base_seq + u64::from(self.seq_offsets[row]))
    }

    /// The timestamp of a row.
    pub(crate) fn timestamp(&self, row: usize) -> Timestamp {
        Timestamp(self.timestamps[row])
    }

    /// The level of a row.
    pub(crate) fn level(&self, row: usize) -> Level {
        Level::from_code(self.levels[row]).expect("R-levels hold codes of Level")
    }

    /// The column of this name.
    #[cfg(test)]
    pub(crate) fn column(&self, name: &str) -> Option<&RowColumn> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    /// The bytes of all lexemes, plus what each row costs besides: the measure of memory and of
    /// the block's size limit.
    pub(crate) fn raw_bytes(&self) -> usize {
        let column = |c: &RowColumn| column_raw_bytes(&c.name, c.len(), c.bytes.len() as u64);
        let columns: u64 = self.columns.iter().map(column).sum();
        (columns + rows_raw_bytes(self.len())) as usize
    }

    /// Panics if an invariant does not hold.
    pub(crate) fn check_invariants(&self) {
        let rows = self.len();
        assert_eq!(self.seq_offsets.len(), rows, "R1");
        assert_eq!(self.levels.len(), rows, "R1");
        assert!(self.seq_offsets.is_sorted_by(|a, b| a < b), "R1");
        assert!(self.levels.iter().all(|code| Level::from_code(*code).is_some()), "R1");
        for column in &self.columns {
            assert!(!column.is_empty(), "R4");
            assert_eq!(column.kinds.len(), column.len(), "R3");
            assert!(column.kinds.iter().all(|code| Kind::from_code(*code).is_some()), "R3");
            assert!(column.ends.is_sorted(), "R3");
            assert_eq!(column.ends.last().copied(), u32::try_from(column.bytes.len()).ok(), "R3");
            match &column.rows {
                None => assert_eq!(column.len(), rows, "R2"),
                Some(present) => {
                    assert_eq!(present.len(), column.len(), "R2");
                    assert!(present.is_sorted_by(|a, b| a < b), "R2");
                    assert!(present.last().is_none_or(|last| (*last as usize) < rows), "R2");
                }
            }
        }
        let mut names: Vec<_> = self.columns.iter().map(|column| &column.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "R4");
    }
}
