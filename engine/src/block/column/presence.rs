//! Which rows of a block have a value.
//!
//! A column with a value in every row stores nothing. Otherwise: `form u8` = 1, then one bit a row,
//! lowest first, in `rows.div_ceil(8)` bytes; or = 2, then the row numbers as packed integers.

use super::super::part::Shape;
use crate::codec::packed;
use crate::codec::slice::Slice;
use crate::error::Corruption;

const BITMAP: u8 = 1;
const ROW_NUMBERS: u8 = 2;
const WORD: usize = u64::BITS as usize;

/// Which rows have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Every one.
    All {
        /// Rows of the block.
        rows: usize,
    },
    /// Those of the bitmap.
    Bitmap(Bitmap),
}

/// One bit a row, with the number of set bits before each word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    ranks: Vec<u32>,
}

impl Bitmap {
    fn new(words: Vec<u64>) -> Self {
        let mut rank = 0;
        let count = |word: &u64| {
            let before = rank;
            rank += word.count_ones();
            before
        };
        let ranks = words.iter().map(count).collect();
        Self { words, ranks }
    }

    fn rank(&self, row: usize) -> Option<usize> {
        let word = *self.words.get(row / WORD)?;
        let bit = 1 << (row % WORD);
        let before = (word & (bit - 1)).count_ones();
        (word & bit != 0).then(|| (self.ranks[row / WORD] + before) as usize)
    }

    fn values_before(&self, row: usize) -> usize {
        let (at, mask) = match self.words.get(row / WORD) {
            Some(_) => (row / WORD, (1 << (row % WORD)) - 1),
            None => (self.words.len() - 1, u64::MAX),
        };
        (self.ranks[at] + (self.words[at] & mask).count_ones()) as usize
    }

    fn row(&self, index: usize) -> Option<usize> {
        let at = self.ranks.partition_point(|rank| *rank as usize <= index).checked_sub(1)?;
        let mut word = self.words[at];
        for _ in 0..(index - self.ranks[at] as usize).min(WORD) {
            word &= word.wrapping_sub(1);
        }
        (word != 0).then(|| at * WORD + word.trailing_zeros() as usize)
    }
}

impl Presence {
    /// The index of the row's value, if it has one.
    pub(crate) fn value_index(&self, row: usize) -> Option<usize> {
        match self {
            Self::All { rows } => (row < *rows).then_some(row),
            Self::Bitmap(bitmap) => bitmap.rank(row),
        }
    }

    /// A bit for each row, lowest first, that is set if it has a value; `None` if every one has.
    pub(crate) fn words(&self) -> Option<&[u64]> {
        match self {
            Self::All { .. } => None,
            Self::Bitmap(bitmap) => Some(&bitmap.words),
        }
    }

    /// How many of the rows before `row` have a value; those of all rows if it lies past the last.
    pub(crate) fn values_before(&self, row: usize) -> usize {
        match self {
            Self::All { rows } => row.min(*rows),
            Self::Bitmap(bitmap) => bitmap.values_before(row),
        }
    }

    /// The bytes that it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::All { .. } => 0,
            Self::Bitmap(bitmap) => size_of_val(&*bitmap.words) + size_of_val(&*bitmap.ranks),
        }
    }

    /// The row of a value.
    pub(crate) fn row_of(&self, index: usize) -> Option<usize> {
        match self {
            Self::All { rows } => (index < *rows).then_some(index),
            Self::Bitmap(bitmap) => bitmap.row(index),
        }
    }

    /// The rows that have a value, in order: the `n`-th has the value of index `n`.
    pub(crate) fn rows(&self) -> Rows<'_> {
        match self {
            Self::All { rows } => Rows::All(0..*rows),
            Self::Bitmap(bitmap) => Rows::Bitmap { words: &bitmap.words, at: 0, word: 0 },
        }
    }
}

/// Iterates over the rows that have a value.
#[derive(Debug, Clone)]
pub(crate) enum Rows<'a> {
    #[doc(hidden)]
    All(std::ops::Range<usize>),
    #[doc(hidden)]
    Bitmap { words: &'a [u64], at: usize, word: u64 },
}

impl Iterator for Rows<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(rows) => rows.next(),
            Self::Bitmap { words, at, word } => {
                while *word == 0 {
                    *word = *words.get(*at)?;
                    *at += 1;
                }
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                Some((*at - 1) * WORD + bit)
            }
        }
    }
}

/// Appends the shorter form of these rows, which rise strictly.
pub(crate) fn encode(present: &[u32], rows: usize, out: &mut Vec<u8>) {
    let numbers: Vec<u64> = present.iter().map(|row| u64::from(*row)).collect();
    if packed::size(&numbers) < rows.div_ceil(8) {
        out.push(ROW_NUMBERS);
        packed::encode(&numbers, out);
        return;
    }
    out.push(BITMAP);
    let start = out.len();
    out.resize(start + rows.div_ceil(8), 0);
    for row in present {
        out[start + *row as usize / 8] |= 1 << (row % 8);
    }
}

/// Reads what [`encode`] wrote; `shape.values` rows of `shape.rows`.
pub(crate) fn decode(slice: &mut Slice<'_>, shape: Shape) -> Result<Presence, Corruption> {
    if shape.values == shape.rows {
        return Ok(Presence::All { rows: shape.rows });
    }
    let mut words = vec![0; shape.rows.div_ceil(WORD)];
    match slice.u8()? {
        BITMAP => {
            let bytes = slice.take(shape.rows.div_ceil(8))?;
            for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
                let mut padded = [0; 8];
                padded[..bytes.len()].copy_from_slice(bytes);
                *word = u64::from_le_bytes(padded);
            }
        }
        ROW_NUMBERS => {
            for row in packed::decode(slice, shape.values)? {
                let word = usize::try_from(row).ok().and_then(|row| words.get_mut(row / WORD));
                let Some(word) = word else {
                    return Err(slice.corrupt(format!("a row of {}", shape.rows), row.to_string()));
                };
                *word |= 1 << (row % WORD as u64);
            }
        }
        form => return Err(slice.corrupt("presence of form 1 or 2", form.to_string())),
    }
    let past_the_end = match shape.rows % WORD {
        0 => 0,
        used => words.last().map_or(0, |word| word >> used),
    };
    let values: usize = words.iter().map(|word| word.count_ones() as usize).sum();
    if values != shape.values || past_the_end != 0 {
        return Err(slice.corrupt(format!("{} rows", shape.values), values.to_string()));
    }
    Ok(Presence::Bitmap(Bitmap::new(words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    proptest! {
        #[test]
        fn any_rows_come_back(rows in 1usize..400, picks in prop::collection::btree_set(0u32..400, 1..60)) {
            let present: Vec<u32> = picks.into_iter().filter(|row| (*row as usize) < rows).collect();
            let shape = Shape { rows, values: present.len(), raw_max: 0 };
            let mut bytes = Vec::new();
            if present.len() < rows {
                encode(&present, rows, &mut bytes);
            }
            let mut slice = Slice::new(&bytes, 0, "presence", Path::new(""));
            let presence = decode(&mut slice, shape).expect("just encoded");
            prop_assert_eq!(presence.rows().map(|row| row as u32).collect::<Vec<_>>(), present.clone());
            for row in 0..rows + 70 {
                let index = present.binary_search(&(row as u32)).ok();
                prop_assert_eq!(presence.value_index(row), index);
                let before = present.iter().filter(|other| (**other as usize) < row).count();
                prop_assert_eq!(presence.values_before(row), before);
            }
            for index in 0..present.len() + 3 {
                prop_assert_eq!(presence.row_of(index), present.get(index).map(|row| *row as usize));
            }
        }
    }
}
