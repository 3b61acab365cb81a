//! Columns: the values of one field of a block. One file an encoding, with both of its halves.
//!
//! A column is its presence (see presence.rs) and its values in the encoding that the directory
//! names by a tag. Tags are never used again for something else; a tag that this version does not
//! know makes that column unreadable, not its block.

mod constant;
pub(super) mod decimal;
mod dictionary;
mod id;
pub(super) mod integer;
pub(super) mod presence;
pub(super) mod rest;
mod text;
mod values;

pub(crate) use decimal::Numbers;
pub(super) use decimal::SCALE_MAX;
pub(crate) use dictionary::Codes;
pub(crate) use id::Ids;
pub(crate) use presence::Presence;
pub(crate) use rest::Rest;
pub(crate) use text::Text;
pub(crate) use values::Values;
pub(super) use values::ValuesWriter;

use super::format::NumberRange;
use super::part::{Part, Shape};
use crate::batch::RowColumn;
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, Result};
use crate::event::{Kind, Value};

/// A dictionary is inflated whole to read one value: more than this goes to text frames.
const DICTIONARY_BYTES_MAX: usize = 256 << 10;

/// The tags of encodings. 0 is never written, 7 is kept for message templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::block) enum Encoding {
    Constant = 1,
    Dictionary = 2,
    Integers = 3,
    Decimals = 4,
    Ids = 5,
    Text = 6,
}

impl Encoding {
    const ALL: [Self; 6] =
        [Self::Constant, Self::Dictionary, Self::Integers, Self::Decimals, Self::Ids, Self::Text];

    /// The name of an encoding, for people.
    pub(super) fn name_of(tag: u8) -> &'static str {
        match Self::from_tag(tag) {
            Some(Self::Constant) => "constant",
            Some(Self::Dictionary) => "dictionary",
            Some(Self::Integers) => "integers",
            Some(Self::Decimals) => "decimals",
            Some(Self::Ids) => "ids",
            Some(Self::Text) => "text",
            None => "unknown",
        }
    }

    pub(super) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| *encoding as u8 == tag)
    }
}

/// The values of one field, decoded as far as all of them need.
#[derive(Debug)]
pub(crate) struct Column {
    values: usize,
    presence: Presence,
    data: ColumnData,
}

/// The values of a column, by value index: the `n`-th value is that of the `n`-th row that has one.
#[derive(Debug)]
pub(crate) enum ColumnData {
    /// All values are the only one of this list.
    Constant(Values),
    /// Value `i` is `values.value(codes[i])`. The listed values are distinct.
    Dictionary {
        /// The distinct values, in order of first occurrence.
        values: Values,
        /// A code for each value.
        codes: Codes,
    },
    /// Numbers, perhaps with exceptions.
    Numbers(Numbers),
    /// Lower-case hexadecimal ids.
    Ids(Ids),
    /// Compressed text.
    Text(Text),
}

impl Column {
    /// Which rows have a value.
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The values.
    pub(crate) fn data(&self) -> &ColumnData {
        &self.data
    }

    /// The index of the row's value, if it has one.
    pub(crate) fn value_index(&self, row: usize) -> Option<usize> {
        self.presence.value_index(row)
    }

    /// The value of a row, if it has one. Inflates at most one frame; `scratch` holds the text where
    /// the column itself does not.
    pub(crate) fn get<'a>(
        &'a self,
        row: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<Value<'a>>> {
        self.value_index(row).map(|index| self.value(index, scratch)).transpose()
    }

    /// The value of an index below [`Column::len`]; panics past it.
    pub(crate) fn value<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<Value<'a>> {
        assert!(index < self.values);
        Ok(match &self.data {
            ColumnData::Constant(values) => values.value(0),
            ColumnData::Dictionary { values, codes } => {
                values.value(usize::from(codes.get()?[index]))
            }
            ColumnData::Numbers(numbers) => numbers.value(index, scratch),
            ColumnData::Ids(ids) => {
                ids.render(index, scratch);
                Value { kind: Kind::String, text: scratch }
            }
            ColumnData::Text(text) => text.value(index, scratch)?,
        })
    }

    /// Calls `each` with every row that has a value, in order, and the value. Inflates each frame
    /// once.
    pub(crate) fn for_each(&self, mut each: impl FnMut(usize, Value<'_>)) -> Result<()> {
        let mut rows = self.presence.rows();
        if let ColumnData::Text(text) = &self.data {
            for index in 0..text.frame_count() {
                let frame = text.frame(index)?;
                frame.values.iter().zip(&mut rows).for_each(|(value, row)| each(row, value));
            }
            return Ok(());
        }
        let mut scratch = Vec::new();
        for (index, row) in rows.enumerate() {
            each(row, self.value(index, &mut scratch)?);
        }
        Ok(())
    }

    /// Reads a column whose checksum holds.
    pub(super) fn decode(part: Part, tag: u8, shape: Shape) -> Result<Self> {
        let Some(encoding) = Encoding::from_tag(tag) else {
            return Err(Error::unsupported(format!(
                "{}: {part:?} has encoding {tag}, this program reads 1 to 6",
                part.file.display()
            )));
        };
        let mut slice = part.slice();
        let presence = presence::decode(&mut slice, shape)?;
        let data = match encoding {
            Encoding::Constant => ColumnData::Constant(constant::decode(&mut slice, shape)?),
            Encoding::Dictionary => {
                let start = slice.position();
                let (listed, codes) = dictionary::decode(part, start, shape)?;
                let data = ColumnData::Dictionary { values: listed, codes };
                return Ok(Self { values: shape.values, presence, data });
            }
            Encoding::Integers => ColumnData::Numbers(integer::decode(&mut slice, shape.values)?),
            Encoding::Decimals => ColumnData::Numbers(decimal::decode(&mut slice, shape)?),
            Encoding::Ids => ColumnData::Ids(id::decode(&mut slice, shape)?),
            Encoding::Text => {
                let start = slice.position();
                let text = Text::decode(part, start, shape)?;
                return Ok(Self { values: shape.values, presence, data: ColumnData::Text(text) });
            }
        };
        slice.finish()?;
        Ok(Self { values: shape.values, presence, data })
    }
}

/// Appends a column in the encoding that takes least, or is faster to scan at nearly that.
pub(super) fn encode(
    column: &RowColumn,
    rows: usize,
    writer: &mut ValuesWriter,
    out: &mut Vec<u8>,
) -> (Encoding, Option<NumberRange>) {
    if let Some(present) = &column.rows
        && present.len() < rows
    {
        presence::encode(present, rows, out);
    }
    if constant::is_constant(column) {
        constant::encode(column, writer, out);
        return (Encoding::Constant, decimal::range_of_values(std::iter::once(column.value(0))));
    }
    if let Some(ids) = id::Plan::new(column) {
        ids.encode(out);
        return (Encoding::Ids, None);
    }
    let numbers = decimal::Plan::new(column);
    let distinct = dictionary::Distinct::of(column, column.len() / 2);
    let listed = |index: &u32| column.value(*index as usize);
    let distinct_bytes = |distinct: &dictionary::Distinct| {
        distinct.firsts.iter().map(|first| listed(first).text.len() + 1).sum::<usize>()
    };
    let dictionary = distinct.filter(|distinct| distinct_bytes(distinct) <= DICTIONARY_BYTES_MAX);
    let numbers_pay = numbers.as_ref().is_some_and(|numbers| {
        dictionary.as_ref().is_none_or(|distinct| {
            numbers.size() <= distinct_bytes(distinct) + crate::codec::packed::size(&distinct.codes)
        })
    });
    match (numbers.filter(|_| numbers_pay), dictionary) {
        (Some(numbers), _) if numbers.is_integer() => {
            integer::encode(numbers.kind, &numbers.numbers, out);
            (Encoding::Integers, numbers.range)
        }
        (Some(numbers), _) => {
            numbers.encode(column, writer, out);
            (Encoding::Decimals, numbers.range)
        }
        (None, Some(distinct)) => {
            dictionary::encode(&distinct, column, writer, out);
            (Encoding::Dictionary, decimal::range_of_values(distinct.firsts.iter().map(listed)))
        }
        (None, None) => {
            text::encode(column.len(), |index| column.value(index), writer, out);
            (Encoding::Text, None)
        }
    }
}

fn read_kind(slice: &mut Slice<'_>) -> Result<Kind, Corruption> {
    let code = slice.u8()?;
    match Kind::from_code(code) {
        Some(kind) => Ok(kind),
        None => Err(slice.corrupt("a kind of 1 to 5", code.to_string())),
    }
}
