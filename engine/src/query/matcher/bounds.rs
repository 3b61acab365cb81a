//! Ranges of values.
//!
//! - `B1` If an end has a unit (`1s`), numbers are compared with it in the unit that the field's name
//!   tells, texts with a unit of their own by what they measure, and nothing else is within.
//! - `B2` Otherwise numbers are compared as numbers if the end is one, all else as text.

use super::sentence::{Verdict, may_be_number};
use crate::block::{NumberRange, Slot};
use crate::query::ast::{self, Range};
use crate::value::{Number, Quantity, Unit};
use std::cmp::Ordering;

/// A range, prepared.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    lower: Option<Bound>,
    upper: Option<Bound>,
}

#[derive(Debug, Clone)]
struct Bound {
    text: Box<str>,
    inclusive: bool,
    /// In the field's unit, if the end has one.
    number: Option<Number>,
    quantity: Option<(Quantity, Number)>,
}

/// How plain numbers are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfNumbers {
    /// None is within.
    None,
    /// Their value decides.
    Value,
    /// Their text decides.
    Text,
}

impl Bound {
    fn new(bound: &ast::Bound, unit: Option<Unit>) -> Self {
        let text = bound.text.as_bytes();
        let quantity = Quantity::parse(text);
        let number = match &quantity {
            Some(quantity) => unit.and_then(|unit| quantity.number_in(unit)),
            None => Number::parse(text),
        };
        let quantity = quantity.map(|quantity| (quantity.clone(), quantity.number()));
        Self { text: bound.text.as_str().into(), inclusive: bound.inclusive, number, quantity }
    }

    /// How a value stands to this end; `None` if the two can't be compared.
    fn order(&self, text: &[u8], number: Option<&Number>) -> Option<Ordering> {
        match (&self.quantity, number) {
            (None, None) => Some(text.cmp(self.text.as_bytes())),
            (None, Some(number)) => Some(match &self.number {
                Some(bound) => number.cmp(bound),
                None => text.cmp(self.text.as_bytes()),
            }),
            (Some(_), Some(number)) => Some(number.cmp(self.number.as_ref()?)),
            (Some((quantity, bound)), None) => {
                let value = Quantity::parse(text).filter(|v| v.dimension == quantity.dimension)?;
                Some(value.number().cmp(bound))
            }
        }
    }

    /// Whether an order to this end is within, if the end is the lower one or the upper.
    fn admits(&self, order: Ordering, is_lower: bool) -> bool {
        let inside = if is_lower { Ordering::Greater } else { Ordering::Less };
        order == inside || self.inclusive && order == Ordering::Equal
    }
}

impl Bounds {
    /// Prepares the range for a field of this name.
    pub(crate) fn new(range: &Range, field: Option<&str>) -> Self {
        let unit = field.and_then(Unit::of_field);
        let bound = |bound: &Option<ast::Bound>| bound.as_ref().map(|b| Bound::new(b, unit));
        Self { lower: bound(&range.lower), upper: bound(&range.upper) }
    }

    fn ends(&self) -> impl Iterator<Item = (&Bound, bool)> {
        let lower = self.lower.iter().map(|bound| (bound, true));
        lower.chain(self.upper.iter().map(|bound| (bound, false)))
    }

    /// Whether a value is within.
    pub(crate) fn contain(&self, text: &[u8]) -> bool {
        let number = Number::parse(text);
        self.ends().all(|(end, is_lower)| {
            end.order(text, number.as_ref()).is_some_and(|order| end.admits(order, is_lower))
        })
    }

    /// Whether a number is within what one of the two ends alone admits: the same for all numbers on one side
    /// of a place.
    pub(super) fn end_admits(&self, number: &Number, of_lower: bool) -> bool {
        let mut ends = self.ends().filter(|(_, is_lower)| *is_lower == of_lower);
        ends.all(|(end, is_lower)| {
            end.number.as_ref().is_some_and(|bound| end.admits(number.cmp(bound), is_lower))
        })
    }

    /// Whether a number of a range may be within.
    pub(crate) fn may_contain_one_of(&self, range: &NumberRange) -> bool {
        let min = Number::from_scaled(range.min, range.scale);
        let max = Number::from_scaled(range.max, range.scale);
        self.ends().all(|(end, is_lower)| {
            let nearest = if is_lower { &max } else { &min };
            end.number.as_ref().is_some_and(|bound| end.admits(nearest.cmp(bound), is_lower))
        })
    }

    pub(crate) fn of_numbers(&self) -> OfNumbers {
        let of_end = |(end, _): (&Bound, bool)| match (&end.number, &end.quantity) {
            (Some(_), _) => OfNumbers::Value,
            (None, Some(_)) => OfNumbers::None,
            (None, None) => OfNumbers::Text,
        };
        let mut ends = self.ends().map(of_end);
        let first = ends.next().unwrap_or(OfNumbers::Text);
        ends.fold(first, |all, end| match (all, end) {
            (OfNumbers::None, _) | (_, OfNumbers::None) => OfNumbers::None,
            (all, end) if all == end => all,
            _ => OfNumbers::Text,
        })
    }

    /// What the test says of the texts of a sentence.
    pub(super) fn verdict(&self, sentence: &[u8]) -> Verdict {
        let start = sentence.iter().position(|byte| Slot::of(*byte).is_some());
        let Some(start) = start else { return Verdict::of(self.contain(sentence)) };
        let has_number = |(end, _): (&Bound, bool)| end.number.is_some();
        let has_unit = |(end, _): (&Bound, bool)| end.quantity.is_some();
        if self.ends().any(has_unit) || may_be_number(sentence) && self.ends().any(has_number) {
            return Verdict::Depends;
        }
        let known = &sentence[..start];
        let of_end = |(end, is_lower): (&Bound, bool)| {
            let text = end.text.as_bytes();
            if known.len() < text.len() && text.starts_with(known) {
                return Verdict::Depends;
            }
            // A variable behind `known` has bytes: what is the end's text and goes on is greater.
            Verdict::of(end.admits(known.cmp(text).then(Ordering::Greater), is_lower))
        };
        self.ends().map(of_end).min().unwrap_or(Verdict::Always)
    }
}
