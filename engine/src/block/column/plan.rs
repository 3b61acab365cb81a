//! Which encoding a column gets: the one that takes least, or is faster to scan at nearly that.

use super::template;
use super::{DICTIONARY_BYTES_MAX, Encoding, ValuesWriter};
use super::{constant, decimal, dictionary, id, integer, presence, text};
use crate::batch::RowColumn;
use crate::block::format::NumberRange;
use crate::codec::packed;
use crate::index::{Known, Split};

/// The encoding of a column, with what was found out to choose it.
#[derive(Debug)]
pub(in crate::block) enum Plan {
    Constant,
    Ids(id::Plan),
    Numbers(decimal::Plan),
    Dictionary(dictionary::Distinct),
    Templates(Split),
    Text,
}

impl Plan {
    /// Chooses for a column, which has at least one value.
    pub(in crate::block) fn new(column: &RowColumn) -> Self {
        if constant::is_constant(column) {
            return Self::Constant;
        }
        if let Some(ids) = id::Plan::new(column) {
            return Self::Ids(ids);
        }
        let numbers = decimal::Plan::new(column);
        let distinct = dictionary::Distinct::of(column, column.len() / 2);
        let distinct_bytes = |distinct: &dictionary::Distinct| {
            let texts = distinct.firsts.iter().map(|first| column.value(*first as usize).text);
            texts.map(|text| text.len() + 1).sum::<usize>()
        };
        let dictionary =
            distinct.filter(|distinct| distinct_bytes(distinct) <= DICTIONARY_BYTES_MAX);
        let numbers_pay = numbers.as_ref().is_some_and(|numbers| {
            dictionary.as_ref().is_none_or(|distinct| {
                numbers.size() <= distinct_bytes(distinct) + packed::size(&distinct.codes)
            })
        });
        match (numbers.filter(|_| numbers_pay), dictionary) {
            (Some(numbers), _) => Self::Numbers(numbers),
            (None, Some(distinct)) => Self::Dictionary(distinct),
            (None, None) => Split::of(column).map_or(Self::Text, Self::Templates),
        }
    }

    /// What was found out of the column's values.
    pub(in crate::block) fn known(&self) -> Option<Known<'_>> {
        match self {
            Self::Constant => Some(Known::Firsts(&[0])),
            Self::Ids(ids) => Some(Known::Ids(ids.firsts())),
            Self::Dictionary(distinct) => Some(Known::Firsts(&distinct.firsts)),
            Self::Templates(split) => Some(Known::Split(split)),
            Self::Numbers(_) | Self::Text => None,
        }
    }

    /// The numbers among the column's values, as its header has them.
    pub(in crate::block) fn numbers(&self, column: &RowColumn) -> Option<NumberRange> {
        match self {
            Self::Constant => decimal::range_of_values(std::iter::once(column.value(0))),
            Self::Numbers(numbers) => numbers.range,
            Self::Dictionary(distinct) => {
                let values = distinct.firsts.iter().map(|first| column.value(*first as usize));
                decimal::range_of_values(values)
            }
            Self::Ids(_) | Self::Templates(_) | Self::Text => None,
        }
    }

    /// Appends the column that the plan is for.
    pub(in crate::block) fn encode(
        &self,
        column: &RowColumn,
        rows: usize,
        writer: &mut ValuesWriter,
        out: &mut Vec<u8>,
    ) -> Encoding {
        if let Some(present) = &column.rows
            && present.len() < rows
        {
            presence::encode(present, rows, out);
        }
        match self {
            Self::Constant => {
                constant::encode(column, writer, out);
                Encoding::Constant
            }
            Self::Ids(ids) => {
                ids.encode(out);
                Encoding::Ids
            }
            Self::Numbers(numbers) if numbers.is_integer() => {
                integer::encode(numbers.kind, &numbers.numbers, out);
                Encoding::Integers
            }
            Self::Numbers(numbers) => {
                numbers.encode(column, writer, out);
                Encoding::Decimals
            }
            Self::Dictionary(distinct) => {
                dictionary::encode(distinct, column, writer, out);
                Encoding::Dictionary
            }
            Self::Templates(split) => match template::encode(column, split, writer, out) {
                true => Encoding::PackedTemplates,
                false => Encoding::Templates,
            },
            Self::Text => {
                text::encode(column.len(), |index| column.value(index), writer, out);
                Encoding::Text
            }
        }
    }
}
