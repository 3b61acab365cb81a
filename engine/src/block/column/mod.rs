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
mod plan;
pub(super) mod presence;
pub(super) mod rest;
mod template;
mod text;
mod values;

pub(crate) use decimal::Numbers;
pub(super) use decimal::SCALE_MAX;
pub(crate) use dictionary::Codes;
pub(crate) use id::Ids;
pub(super) use plan::Plan;
pub(crate) use presence::Presence;
pub(crate) use rest::Rest;
pub(crate) use template::Templates;
pub(in crate::block) use template::{FrameBigrams, Records, count_slots};
pub(crate) use text::Text;
pub(crate) use values::Values;
pub(super) use values::ValuesWriter;

use super::list::SentenceList;
use super::part::{Part, Shape};
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, Result};
use crate::event::{Kind, Value};
use std::sync::Arc;

/// A dictionary is inflated whole to read one value: more than this goes to text frames.
const DICTIONARY_BYTES_MAX: usize = 256 << 10;

/// Who asks for more than one in so many values has all unpacked: one where it stands takes about as long.
const UNPACKED_SHARE: usize = 128;

/// The tags of encodings. 0 is never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::block) enum Encoding {
    Constant = 1,
    Dictionary = 2,
    Integers = 3,
    Decimals = 4,
    Ids = 5,
    Text = 6,
    Templates = 7,
    /// Templates whose sentences stand in the list of their section.
    SharedTemplates = 8,
    /// Templates of one sentence, some of whose variables are stored as numbers.
    PackedTemplates = 9,
}

impl Encoding {
    const ALL: [Self; 9] = [
        Self::Constant,
        Self::Dictionary,
        Self::Integers,
        Self::Decimals,
        Self::Ids,
        Self::Text,
        Self::Templates,
        Self::SharedTemplates,
        Self::PackedTemplates,
    ];

    /// The name of an encoding, for people.
    pub(super) fn name_of(tag: u8) -> &'static str {
        match Self::from_tag(tag) {
            Some(Self::Constant) => "constant",
            Some(Self::Dictionary) => "dictionary",
            Some(Self::Integers) => "integers",
            Some(Self::Decimals) => "decimals",
            Some(Self::Ids) => "ids",
            Some(Self::Text) => "text",
            Some(Self::Templates) => "templates",
            Some(Self::SharedTemplates) => "shared templates",
            Some(Self::PackedTemplates) => "packed templates",
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
    /// Sentences and their variables.
    Templates(Templates),
}

impl Column {
    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.values
    }

    /// Which rows have a value.
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The distinct values, if the column lists them.
    pub(crate) fn listed(&self) -> Option<&Values> {
        match &self.data {
            ColumnData::Constant(values) | ColumnData::Dictionary { values, .. } => Some(values),
            _ => None,
        }
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
            ColumnData::Dictionary { values, codes } => values.value(codes.at(index)?),
            ColumnData::Numbers(numbers) => numbers.value(index, scratch),
            ColumnData::Ids(ids) => {
                ids.render(index, scratch)?;
                Value { kind: Kind::String, text: scratch }
            }
            ColumnData::Text(text) => text.value(index, scratch)?,
            ColumnData::Templates(templates) => templates.value(index, scratch)?,
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
        self.unpack()?;
        let mut scratch = Vec::new();
        for (index, row) in rows.enumerate() {
            each(row, self.value(index, &mut scratch)?);
        }
        Ok(())
    }

    /// The bytes that it takes in memory now.
    pub(crate) fn heap_bytes(&self) -> usize {
        let data = match &self.data {
            ColumnData::Constant(values) => values.heap_bytes(),
            ColumnData::Dictionary { values, codes } => values.heap_bytes() + codes.heap_bytes(),
            ColumnData::Numbers(numbers) => numbers.heap_bytes(),
            ColumnData::Ids(ids) => ids.heap_bytes(),
            ColumnData::Text(text) => text.heap_bytes(),
            ColumnData::Templates(templates) => templates.heap_bytes(),
        };
        self.presence.heap_bytes() + data
    }

    /// To be called before so many values are asked for one by one: of many, all are unpacked at once, which
    /// takes less.
    pub(crate) fn expect_reads(&self, values: usize) -> Result<()> {
        if values > self.values / UNPACKED_SHARE { self.unpack() } else { Ok(()) }
    }

    fn unpack(&self) -> Result<()> {
        match &self.data {
            ColumnData::Dictionary { codes, .. } => drop(codes.get()?),
            ColumnData::Numbers(numbers) => drop(numbers.mantissas()),
            ColumnData::Ids(Ids { codes: Some(codes), .. }) => drop(codes.get()?),
            ColumnData::Templates(templates) => templates.unpack()?,
            ColumnData::Constant(_) | ColumnData::Ids(_) | ColumnData::Text(_) => {}
        }
        Ok(())
    }

    /// Reads a column whose checksum holds. `list` has its sentences, if its encoding needs them.
    pub(super) fn decode(
        part: Part,
        tag: u8,
        shape: Shape,
        list: Option<Arc<SentenceList>>,
    ) -> Result<Self> {
        let Some(encoding) = Encoding::from_tag(tag) else {
            return Err(Error::unsupported(format!(
                "{}: {part:?} has encoding {tag}, this program reads 1 to 9",
                part.file.display()
            )));
        };
        let part = Arc::new(part);
        let mut slice = part.slice();
        let presence = presence::decode(&mut slice, shape)?;
        let data = match encoding {
            Encoding::Constant => ColumnData::Constant(constant::decode(&mut slice, shape)?),
            Encoding::Dictionary => {
                let (values, codes) = dictionary::decode(&part, &mut slice, shape)?;
                ColumnData::Dictionary { values, codes }
            }
            Encoding::Integers => {
                ColumnData::Numbers(integer::decode(&part, &mut slice, shape.values)?)
            }
            Encoding::Decimals => ColumnData::Numbers(decimal::decode(&part, &mut slice, shape)?),
            Encoding::Ids => ColumnData::Ids(id::decode(&part, &mut slice, shape)?),
            Encoding::Text => {
                let start = slice.position();
                let data = ColumnData::Text(Text::decode(part, start, shape)?);
                return Ok(Self { values: shape.values, presence, data });
            }
            Encoding::Templates | Encoding::SharedTemplates | Encoding::PackedTemplates => {
                let start = slice.position();
                let list = list.filter(|_| encoding == Encoding::SharedTemplates);
                if list.is_none() && encoding == Encoding::SharedTemplates {
                    return Err(slice.corrupt("a section with a sentence list", "none").into());
                }
                let data = ColumnData::Templates(Templates::decode(part, start, shape, list)?);
                return Ok(Self { values: shape.values, presence, data });
            }
        };
        slice.finish()?;
        Ok(Self { values: shape.values, presence, data })
    }
}

fn read_kind(slice: &mut Slice<'_>) -> Result<Kind, Corruption> {
    let code = slice.u8()?;
    match Kind::from_code(code) {
        Some(kind) => Ok(kind),
        None => Err(slice.corrupt("a kind of 1 to 5", code.to_string())),
    }
}
