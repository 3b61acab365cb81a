//! The values of a block's column by number.

use super::{FieldValues, Word, greatest_of};
use crate::block::column::{Column, ColumnData, Records, Templates};
use crate::error::Result;
use crate::event::{Kind, Value};
use crate::value::ValueSet;
use std::borrow::Cow;
use std::sync::{Arc, Weak};

/// After so many values it is seen whether a column's come again. Of fewer it can't be.
const SAMPLE: usize = 1_024;
/// If more of these are distinct, they hardly do.
const UNIQUE_OF_SAMPLE: usize = SAMPLE / 8 * 7;

/// The values of a block's column by number, one a row.
#[derive(Debug)]
pub(crate) struct Numbered {
    /// What the numbers stand for.
    field: Weak<FieldValues>,
    rows: RowNumbers,
    greatest: u32,
}

/// What came of numbering a column.
#[derive(Debug)]
pub(crate) enum Numbering {
    Rows(Numbered),
    /// The field has too many values: later there may be room.
    NoRoom,
    /// The column's values hardly come again.
    Unique,
}

/// A number for each row.
#[derive(Debug)]
pub(crate) enum RowNumbers {
    /// The same for all.
    Same(u32),
    Bytes(Box<[u8]>),
    Shorts(Box<[u16]>),
    Longs(Box<[u32]>),
}

impl Numbering {
    /// Numbers the rows of a column of a block of so many.
    pub(crate) fn of(field: &Arc<FieldValues>, column: &Column, rows: usize) -> Result<Self> {
        let (numbers, places) = match column.data() {
            ColumnData::Constant(values) => {
                let Some(numbers) = field.numbers_of(values.iter().take(1)) else {
                    return Ok(Self::NoRoom);
                };
                if column.len() == rows {
                    let (field, greatest) = (Arc::downgrade(field), numbers[0]);
                    let rows = RowNumbers::Same(greatest);
                    return Ok(Self::Rows(Numbered { field, rows, greatest }));
                }
                (numbers, Cow::Owned(vec![0; column.len()]))
            }
            ColumnData::Dictionary { values, codes } => {
                let Some(numbers) = field.numbers_of(values.iter()) else {
                    return Ok(Self::NoRoom);
                };
                (numbers, Cow::Borrowed(codes.get()?))
            }
            ColumnData::Templates(templates) => {
                if let Some(records) = templates.records_of_only_slot()?
                    && let Some(numbering) = Self::of_records(field, column, rows, &records)
                {
                    return Ok(numbering);
                }
                if let Some(words) = templates.words_of_only_slot()? {
                    return Ok(Self::of_words(field, column, rows, &words));
                }
                let values = Texts::of(templates, column)?;
                if !values.come_again() {
                    return Ok(Self::Unique);
                }
                let Some(numbers) = field.numbers_of(values.iter()) else {
                    return Ok(Self::NoRoom);
                };
                let places = (0..numbers.len()).map(|index| index as u16).collect();
                (numbers, Cow::Owned(places))
            }
            ColumnData::Numbers(_) => {
                let Some((set, places)) = coming_again(column)? else { return Ok(Self::Unique) };
                let Some(numbers) = field.numbers_of(set.iter()) else { return Ok(Self::NoRoom) };
                (numbers, Cow::Owned(places))
            }
            ColumnData::Text(_) | ColumnData::Ids(_) => return Ok(Self::Unique),
        };
        let mut numbered = vec![0; rows];
        for (row, place) in column.presence().rows().zip(&*places) {
            numbered[row] = numbers[usize::from(*place)];
        }
        Ok(Self::Rows(Numbered::new(field, numbered)))
    }

    /// The same of a column that has these strings; `None` if they have to be looked up one by one.
    fn of_records(
        field: &Arc<FieldValues>,
        column: &Column,
        rows: usize,
        records: &Records,
    ) -> Option<Self> {
        if !field.has_room_for(records) {
            return None;
        }
        if hardly_come_again(records.numbers(), |sample| field.known_records(sample)) {
            return Some(Self::Unique);
        }
        Some(Self::of_numbers(field, column, rows, field.numbers_of_records(records)))
    }

    /// The same of a column that has these strings.
    fn of_words(field: &Arc<FieldValues>, column: &Column, rows: usize, words: &[Word]) -> Self {
        if hardly_come_again(words, |sample| field.known_words(sample)) {
            return Self::Unique;
        }
        Self::of_numbers(field, column, rows, field.numbers_of_words(words))
    }

    /// The same of a column whose values have these numbers.
    fn of_numbers(
        field: &Arc<FieldValues>,
        column: &Column,
        rows: usize,
        numbers: Option<Vec<u32>>,
    ) -> Self {
        let Some(numbers) = numbers else { return Self::NoRoom };
        if numbers.len() == rows {
            return Self::Rows(Numbered::new(field, numbers));
        }
        let mut numbered = vec![0; rows];
        for (row, number) in column.presence().rows().zip(numbers) {
            numbered[row] = number;
        }
        Self::Rows(Numbered::new(field, numbered))
    }
}

/// Whether the first values hardly come again, in other blocks neither, as far as that can be seen.
fn hardly_come_again<V: Copy + Ord>(values: &[V], known: impl FnOnce(&[V]) -> usize) -> bool {
    let Some(sample) = values.get(..SAMPLE).filter(|_| values.len() > SAMPLE) else { return false };
    if known(sample) >= SAMPLE - UNIQUE_OF_SAMPLE {
        return false;
    }
    let mut distinct = sample.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() > UNIQUE_OF_SAMPLE
}

/// The values of a column of templates, side by side: they are looked up many at a time.
#[derive(Default)]
struct Texts {
    kinds: Vec<Kind>,
    ends: Vec<u32>,
    texts: Vec<u8>,
}

impl Texts {
    fn of(templates: &Templates, column: &Column) -> Result<Self> {
        let mut all = Self::default();
        if !templates.for_each_of_only_slot(|text| all.push(Kind::String, text))? {
            column.expect_reads(column.len())?;
            let mut scratch = Vec::new();
            for index in 0..column.len() {
                let value = column.value(index, &mut scratch)?;
                all.push(value.kind, &[value.text]);
            }
        }
        Ok(all)
    }

    fn push(&mut self, kind: Kind, text: &[&[u8]]) {
        self.kinds.push(kind);
        text.iter().for_each(|piece| self.texts.extend_from_slice(piece));
        self.ends.push(self.texts.len() as u32);
    }

    fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let texts = starts.zip(&self.ends).map(|(start, end)| start as usize..*end as usize);
        texts.zip(&self.kinds).map(|(text, kind)| Value { kind: *kind, text: &self.texts[text] })
    }

    /// Whether the first values come again, as far as that can be seen.
    fn come_again(&self) -> bool {
        let mut set = ValueSet::default();
        for value in self.iter().take(SAMPLE) {
            set.code(value);
        }
        self.ends.len() <= SAMPLE || set.len() <= UNIQUE_OF_SAMPLE
    }
}

/// The distinct values of a column, and which of them each value is; `None` if they hardly come again.
fn coming_again(column: &Column) -> Result<Option<(ValueSet, Vec<u16>)>> {
    let mut set = ValueSet::default();
    let mut places = Vec::with_capacity(column.len());
    let mut scratch = Vec::new();
    column.expect_reads(column.len())?;
    for index in 0..column.len() {
        if index == SAMPLE && set.len() > UNIQUE_OF_SAMPLE {
            return Ok(None);
        }
        let code = set.code(column.value(index, &mut scratch)?);
        // A block has fewer than 2^16 rows.
        places.push((code - 1) as u16);
    }
    let few = column.len() <= SAMPLE;
    Ok((few || set.len() <= column.len() / 4 * 3).then_some((set, places)))
}

impl Numbered {
    /// Those of all rows.
    fn new(field: &Arc<FieldValues>, numbers: Vec<u32>) -> Self {
        let greatest = greatest_of(&numbers);
        let rows = RowNumbers::new(numbers, greatest);
        Self { field: Arc::downgrade(field), rows, greatest }
    }

    /// Whether the numbers are of these values.
    pub(crate) fn is_of(&self, field: &Arc<FieldValues>) -> bool {
        std::ptr::eq(self.field.as_ptr(), Arc::as_ptr(field))
    }

    /// The number of each row.
    pub(crate) fn rows(&self) -> &RowNumbers {
        &self.rows
    }

    /// No row has a number above this.
    pub(crate) fn greatest(&self) -> u32 {
        self.greatest
    }

    /// The bytes that it takes, without the values.
    pub(crate) fn heap_bytes(&self) -> usize {
        let rows = match &self.rows {
            RowNumbers::Same(_) => 0,
            RowNumbers::Bytes(numbers) => size_of_val(&**numbers),
            RowNumbers::Shorts(numbers) => size_of_val(&**numbers),
            RowNumbers::Longs(numbers) => size_of_val(&**numbers),
        };
        size_of::<Self>() + rows
    }
}

impl RowNumbers {
    /// In the narrowest form.
    fn new(numbers: Vec<u32>, greatest: u32) -> Self {
        // Not in the place of the old ones, which would be moved once more to give the rest back.
        if u8::try_from(greatest).is_ok() {
            Self::Bytes(numbers.iter().map(|number| *number as u8).collect())
        } else if u16::try_from(greatest).is_ok() {
            Self::Shorts(numbers.iter().map(|number| *number as u16).collect())
        } else {
            Self::Longs(numbers.into())
        }
    }

    /// The number of a row; panics past the last row.
    pub(crate) fn get(&self, row: usize) -> u32 {
        match self {
            Self::Same(number) => *number,
            Self::Bytes(numbers) => numbers[row].into(),
            Self::Shorts(numbers) => numbers[row].into(),
            Self::Longs(numbers) => numbers[row],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_in_the_narrowest_form() {
        for greatest in [255, 256, 65_535, 65_536] {
            let numbers = RowNumbers::new(vec![0, greatest, 7], greatest);
            assert_eq!([0, 1, 2].map(|row| numbers.get(row)), [0, greatest, 7]);
        }
        assert!(matches!(RowNumbers::new(vec![255], 255), RowNumbers::Bytes(_)));
        assert!(matches!(RowNumbers::new(vec![256], 256), RowNumbers::Shorts(_)));
        assert_eq!(RowNumbers::Same(3).get(9), 3);
    }
}
