//! How a matcher judges the values of typed columns, without writing out their text.

use super::Matcher;
use super::bounds::{Bounds, OfNumbers};
use crate::block::{Ids, NumberRange};
use crate::value::Number;
use std::cmp::Ordering;
use std::ops::RangeInclusive;

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
    /// The mantissas of a scale whose numbers pass, which lie side by side; `None` if no number does.
    /// [`NumberTest::Text`] can't tell.
    pub(crate) fn mantissas(&self, scale: u8) -> Option<RangeInclusive<i64>> {
        let number = |mantissa: i64| Number::from_scaled(mantissa, scale);
        match self {
            Self::All => Some(i64::MIN..=i64::MAX),
            Self::None => None,
            Self::Equal(wanted) => mantissas_between(
                |mantissa| number(mantissa).cmp(wanted) != Ordering::Less,
                |mantissa| number(mantissa).cmp(wanted) != Ordering::Greater,
            ),
            Self::Range(bounds) => mantissas_between(
                |mantissa| bounds.end_admits(&number(mantissa), true),
                |mantissa| bounds.end_admits(&number(mantissa), false),
            ),
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

/// The mantissas that both admit: `above` all from one on, `below` all up to one.
fn mantissas_between(
    above: impl Fn(i64) -> bool,
    below: impl Fn(i64) -> bool,
) -> Option<RangeInclusive<i64>> {
    let first = first_mantissa(above)?;
    let last = match first_mantissa(|mantissa| !below(mantissa)) {
        Some(beyond) => beyond.checked_sub(1)?,
        None => i64::MAX,
    };
    (first <= last).then_some(first..=last)
}

/// The first for which `holds` is true, as it is for all behind it.
fn first_mantissa(holds: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut first, mut last) = (i64::MIN, i64::MAX);
    if !holds(last) {
        return None;
    }
    while first < last {
        let middle = first.wrapping_add((last.wrapping_sub(first) as u64 / 2) as i64);
        if holds(middle) {
            last = middle;
        } else {
            first = middle + 1;
        }
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Value};
    use crate::query::ast::Filter;
    use crate::query::parse;

    /// The test of `n:TEXT`.
    fn matcher(text: &str) -> Matcher {
        match parse(&format!("n:{text}")).expect("a query") {
            Filter::Leaf(leaf) => Matcher::new(&leaf),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn mantissas_are_those_of_the_numbers_that_pass() {
        let ends = [i64::MIN, i64::MIN + 1, -1 << 60, 1 << 60, i64::MAX - 1, i64::MAX];
        let tests = [
            ">5",
            ">=5",
            "<-3.25",
            "<=1e3",
            "[-2 TO 7.5]",
            "{-2 TO 7.5}",
            "[7 TO 3]",
            "5",
            "-0.3",
            "1e400",
            ">1e400",
            "<1e400",
            ">=-1e400",
            "9223372036854775807",
            ">92233720368547758",
        ];
        for text in tests {
            let matcher = matcher(text);
            let test = matcher.number_test();
            assert!(!matches!(test, NumberTest::Text), "{text}");
            for scale in 0..4u8 {
                let wanted = test.mantissas(scale);
                let places = [-3_251, -300, 0, 300, 5_000, 7_500, 1_000_000];
                let near = places.into_iter().flat_map(|place| place - 3_300..place + 3_300);
                for mantissa in near.chain(ends) {
                    let lexeme = format!("{mantissa}e-{scale}");
                    let value = Value { kind: Kind::Number, text: lexeme.as_bytes() };
                    let passes = matcher.matches(value);
                    let within = wanted.as_ref().is_some_and(|wanted| wanted.contains(&mantissa));
                    assert_eq!(within, passes, "{mantissa} of scale {scale} for {text}");
                }
            }
        }
    }
}
