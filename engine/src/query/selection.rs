//! Rows of a table that still match: one bit a row.

use crate::index::{EVERY_FRAME, FrameMask};
use crate::limits::FRAME_ROWS_MAX;
use std::ops::Range;

/// A set of rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    words: Vec<u64>,
    rows: usize,
}

impl Selection {
    /// Every row.
    pub(crate) fn all(rows: usize) -> Self {
        let mut selection = Self { words: vec![u64::MAX; rows.div_ceil(64)], rows };
        if !rows.is_multiple_of(64)
            && let Some(last) = selection.words.last_mut()
        {
            *last = (1 << (rows % 64)) - 1;
        }
        selection
    }

    /// No row.
    pub(crate) fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)], rows }
    }

    /// The rows for which `wanted` holds.
    pub(crate) fn from_fn(rows: usize, mut wanted: impl FnMut(usize) -> bool) -> Self {
        let mut selection = Self::none(rows);
        for row in 0..rows {
            selection.words[row / 64] |= u64::from(wanted(row)) << (row % 64);
        }
        selection
    }

    /// The number of rows of the table.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row.
    pub(crate) fn insert(&mut self, row: usize) {
        debug_assert!(row < self.rows);
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, row: usize) {
        debug_assert!(row < self.rows);
        self.words[row / 64] &= !(1 << (row % 64));
    }

    /// Adds those of the rows that are in the other and are wanted.
    pub(crate) fn insert_where(&mut self, other: &Self, mut wanted: impl FnMut(usize) -> bool) {
        self.insert_bits(other, |rows| {
            rows.rev().fold(0, |bits, row| bits << 1 | u64::from(wanted(row)))
        });
    }

    /// The same with a bit for each of up to 64 rows, the first the lowest.
    pub(crate) fn insert_bits(
        &mut self,
        other: &Self,
        mut wanted: impl FnMut(Range<usize>) -> u64,
    ) {
        for (index, (word, other)) in self.words.iter_mut().zip(&other.words).enumerate() {
            if *other != 0 {
                *word |= wanted(index * 64..self.rows.min(index * 64 + 64)) & other;
            }
        }
    }

    /// Whether a row is in.
    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// Whether no row is in.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The number of rows that are in.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Keeps the rows of these frames.
    pub(crate) fn keep_frames(&mut self, frames: FrameMask) {
        const WORDS: usize = FRAME_ROWS_MAX / 64;
        if frames == EVERY_FRAME {
            return;
        }
        for (frame, words) in self.words.chunks_mut(WORDS).enumerate() {
            if frames.checked_shr(frame as u32).unwrap_or(0) & 1 == 0 {
                words.fill(0);
            }
        }
    }

    /// Keeps the rows that are in both.
    pub(crate) fn intersect(&mut self, other: &Self) {
        self.zip(other, |a, b| a & b);
    }

    /// Adds the rows of the other.
    pub(crate) fn union(&mut self, other: &Self) {
        self.zip(other, |a, b| a | b);
    }

    /// Removes the rows of the other.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.zip(other, |a, b| a & !b);
    }

    /// Whether any of the rows `range`, which must be rows of the table, is in.
    pub(crate) fn any_in(&self, range: Range<usize>) -> bool {
        if range.is_empty() {
            return false;
        }
        let (first, last) = (range.start, range.end - 1);
        let from = u64::MAX << (first % 64);
        let to = u64::MAX >> (63 - last % 64);
        let (first, last) = (first / 64, last / 64);
        if first == last {
            return self.words[first] & from & to != 0;
        }
        self.words[first] & from != 0
            || self.words[first + 1..last].iter().any(|word| *word != 0)
            || self.words[last] & to != 0
    }

    /// Calls `each` with the rows that are in, rising.
    pub(crate) fn for_each(&self, mut each: impl FnMut(usize)) {
        for (index, word) in self.words.iter().enumerate() {
            let first = index * 64;
            if *word == u64::MAX {
                (first..first + 64).for_each(&mut each);
                continue;
            }
            let mut left = *word;
            while left != 0 {
                each(first + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    /// The same, until there is an error.
    pub(crate) fn try_for_each<E>(
        &self,
        mut each: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, word) in self.words.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                each(index * 64 + left.trailing_zeros() as usize)?;
                left &= left - 1;
            }
        }
        Ok(())
    }

    /// Adds those of the other of which a bit is set in `words`: one a row.
    pub(crate) fn insert_of_words(&mut self, other: &Self, words: &[u64]) {
        for ((word, other), wanted) in self.words.iter_mut().zip(&other.words).zip(words) {
            *word |= other & wanted;
        }
    }

    /// The rows that are in, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }

    /// The rows that are in, falling.
    pub(crate) fn iter_back(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().rev().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = 63usize.checked_sub(left.leading_zeros() as usize)?;
                left &= !(1 << bit);
                Some(index * 64 + bit)
            })
        })
    }

    fn zip(&mut self, other: &Self, combine: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.rows, other.rows, "selections of one table");
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = combine(*word, *other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn rows_come_in_both_directions(rows in 1usize..300, picks in prop::collection::btree_set(0usize..300, 0..40)) {
            let mut selection = Selection::none(rows);
            picks.iter().filter(|row| **row < rows).for_each(|row| selection.insert(*row));
            let rising: Vec<_> = picks.into_iter().filter(|row| *row < rows).collect();
            prop_assert!(selection.iter().eq(rising.iter().copied()));
            prop_assert!(selection.iter_back().eq(rising.iter().rev().copied()));
        }
    }

    #[test]
    fn rows_of_other_frames_are_left_out() {
        let kept = |rows: usize, frames| {
            let mut selection = Selection::all(rows);
            selection.keep_frames(frames);
            selection.iter().collect::<Vec<_>>()
        };
        assert_eq!(kept(1_300, 0b101), (0..512).chain(1_024..1_300).collect::<Vec<_>>());
        assert_eq!(kept(8_192, 1 << 15), (7_680..8_192).collect::<Vec<_>>());
        assert_eq!(kept(700, 0), [0; 0]);
        // Rows that are in no block may be more than a block's.
        assert_eq!(kept(10_000, EVERY_FRAME).len(), 10_000);
        assert_eq!(kept(10_000, 0), [0; 0]);
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(
            rows in 0usize..200,
            a in prop::collection::btree_set(0usize..200, 0..100),
            b in prop::collection::btree_set(0usize..200, 0..100),
        ) {
            let cut = |set: &BTreeSet<usize>| set.iter().copied().filter(|row| *row < rows).collect::<BTreeSet<_>>();
            let (a, b) = (cut(&a), cut(&b));
            let select = |set: &BTreeSet<usize>| Selection::from_fn(rows, |row| set.contains(&row));
            let same = |selection: &Selection, set: &BTreeSet<usize>| {
                selection.iter().collect::<Vec<_>>() == set.iter().copied().collect::<Vec<_>>()
                    && selection.count() == set.len()
                    && selection.is_empty() == set.is_empty()
            };
            let mut both = select(&a);
            both.intersect(&select(&b));
            prop_assert!(same(&both, &(&a & &b)));
            let mut either = select(&a);
            either.union(&select(&b));
            prop_assert!(same(&either, &(&a | &b)));
            let mut without = select(&a);
            without.subtract(&select(&b));
            prop_assert!(same(&without, &(&a - &b)));
            let mut some = select(&a);
            some.insert_where(&select(&b), |row| row % 3 == 0);
            prop_assert!(same(&some, &a.iter().chain(b.iter().filter(|row| **row % 3 == 0)).copied().collect()));
            let mut none = Selection::none(rows);
            a.iter().for_each(|row| none.insert(*row));
            prop_assert_eq!(none, select(&a));
            prop_assert!(same(&Selection::all(rows), &(0..rows).collect()));
            for range in [0..rows, rows / 3..rows / 2, rows / 2..rows, rows..rows] {
                let any = a.iter().any(|row| range.contains(row));
                prop_assert_eq!(select(&a).any_in(range), any);
            }
        }
    }
}
