//! How a matcher judges the values of typed columns, without writing out their text.

use super::Matcher;
use super::bounds::{Bounds, OfNumbers};
use crate::block::{Ids, NumberRange};
use crate::value::Number;
use std::cmp::Ordering;

/// The bytes that lexemes of plain numbers are made of, folded.
const NUMBER_BYTES: &[u8] = b"0123456789.-+e";

/// How a matcher judges plain numbers.
#[derive(Debug)]
pub(crate) enum NumberTest<'a> {
    /// All pass.
    All,
    /// None passes.
    None,
    /// Those equal to this one pass.
    Equal(&'a Number),
    /// Those within pass.
    Range(&'a Bounds),
    /// Their text decides.
    Text,
}

/// How a matcher judges strings of 16 or 32 lower-case hexadecimal digits.
#[derive(Debug)]
pub(crate) enum IdTest {
    /// All pass.
    All,
    /// None passes.
    None,
    /// This one passes: its bytes.
    Equal(Vec<u8>),
    /// Their text decides.
    Text,
}

impl Matcher {
    /// How values that are plain numbers are judged.
    pub(crate) fn number_test(&self) -> NumberTest<'_> {
        match self {
            Self::Any => NumberTest::All,
            Self::Words { number: Some(number), .. } | Self::Whole { number: Some(number), .. } => {
                NumberTest::Equal(number)
            }
            Self::Range(bounds) => match bounds.of_numbers() {
                OfNumbers::Value => NumberTest::Range(bounds),
                OfNumbers::None => NumberTest::None,
                OfNumbers::Text => NumberTest::Text,
            },
            // An address is no number.
            Self::Network(_, as_text) => as_text.number_test(),
            Self::Term(phrase) | Self::Words { phrase, .. } if !phrase.is_made_of(NUMBER_BYTES) => {
                NumberTest::None
            }
            // A text that is no number is not the whole of one either.
            Self::Whole { .. } => NumberTest::None,
            Self::Term(_) | Self::Words { .. } | Self::Pattern { .. } => NumberTest::Text,
            Self::Same(_) | Self::Wildcard(_) => NumberTest::Text,
        }
    }

    /// Whether no id passes, of whatever width.
    pub(crate) fn passes_no_id(&self) -> bool {
        Ids::WIDTHS.iter().all(|width| matches!(self.id_test(*width), IdTest::None))
    }

    /// How ids of `width` bytes are judged. An id is one token: a phrase stands in it only whole.
    pub(crate) fn id_test(&self, width: usize) -> IdTest {
        let equal = |folded: &[u8]| match Ids::parse(folded, width) {
            Some(id) => IdTest::Equal(id),
            None => IdTest::None,
        };
        match self {
            Self::Any => IdTest::All,
            Self::Term(phrase) | Self::Words { phrase, number: None } => equal(phrase.folded()),
            Self::Whole { text, number: None } => equal(text.to_ascii_lowercase().as_bytes()),
            // `12345678901234e5` is an id and a number.
            Self::Words { .. } | Self::Whole { .. } | Self::Range(_) | Self::Pattern { .. } => {
                IdTest::Text
            }
            Self::Same(text) => equal(text.needle()),
            Self::Wildcard(_) => IdTest::Text,
            // An address of hexadecimal digits has colons.
            Self::Network(_, as_text) => as_text.id_test(width),
        }
    }
}

impl NumberTest<'_> {
    /// Whether a number passes; [`NumberTest::Text`] can't tell.
    pub(crate) fn passes(&self, number: &Number) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Equal(wanted) => number == *wanted,
            Self::Range(bounds) => bounds.contain_number(number),
            Self::Text => unreachable!("the text of a number decides, not its value"),
        }
    }

    /// Whether a number of a range may pass.
    pub(crate) fn may_pass(&self, range: &NumberRange) -> bool {
        let min = Number::from_scaled(range.min, range.scale);
        let max = Number::from_scaled(range.max, range.scale);
        match self {
            Self::All | Self::Text => true,
            Self::None => false,
            Self::Equal(wanted) => {
                min.cmp(wanted) != Ordering::Greater && max.cmp(wanted) != Ordering::Less
            }
            Self::Range(bounds) => bounds.may_contain_one_of(range),
        }
    }
}
