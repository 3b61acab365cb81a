//! What a test says of one value: the meaning of the language, the same for every source of rows.
//! `docs/query.md` has it in tables, and each of their lines is a test of this file.
//!
//! - `M1` A test of a field looks at numbers first: if the query's text and the value are both
//!   numbers, their order decides and nothing else does. A bare term knows no numbers.
//! - `M2` A value of kind [`Kind::Json`] matches if one of the values in it does.

mod bounds;
mod finder;
mod pattern;
pub(crate) mod sentence;
#[cfg(test)]
mod tests;
mod typed;
mod wildcard;

pub(crate) use finder::Finder;
pub(crate) use sentence::{Judge, Judged, PatternSentences, Verdict};
pub(crate) use typed::{IdTest, NumberTest};

use super::ast::{Leaf, Network, Range, Test};
use crate::event::{Kind, Level, Value};
use crate::field;
use crate::index::{Phrase, fold_eq};
use crate::scan::Interrupt;
use crate::value::Number;
use crate::value::any_leaf;
use bounds::Bounds;
use memchr::memmem;
use pattern::Regex;
use std::cmp::Ordering;
use std::sync::Arc;
use wildcard::Wildcard;

/// A test of values, compiled.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    /// Every value, null too.
    Any,
    /// The words of a bare term stand in the value.
    Term(Phrase),
    /// The words stand in the value, or the numbers are equal.
    Words { phrase: Phrase, number: Option<Number> },
    /// The value is this in any case, or the numbers are equal.
    Whole { text: Box<str>, number: Option<Number> },
    /// The value is this, byte for byte.
    Same(memmem::Finder<'static>),
    /// The value is this, or has it, with anything in the gaps.
    Wildcard(Arc<Wildcard>),
    /// The value lies within.
    Range(Bounds),
    /// The value is an address of the network, or passes the other test.
    Network(Network, Box<Matcher>),
    /// The pattern matches somewhere in the value, and then these bytes stand in it.
    Pattern {
        regex: Regex,
        literal: Option<memmem::Finder<'static>>,
        sentences: Arc<PatternSentences>,
    },
}

impl Matcher {
    /// Compiles the test of a leaf by itself.
    pub(crate) fn new(leaf: &Leaf) -> Self {
        Self::of_query(leaf, &Interrupt::default())
    }

    /// Compiles the test of a leaf for the field that it names, or for all, in a query that may end
    /// within a block.
    pub(crate) fn of_query(leaf: &Leaf, interrupt: &Interrupt) -> Self {
        match (&leaf.field, &leaf.test) {
            (None, Test::Text(text)) => Self::Term(Phrase::new(text)),
            (None, test) => Self::for_field(test, None, interrupt),
            (Some(field), test) => Self::for_field(test, Some(&field.name), interrupt),
        }
    }

    /// Compiles the test of a field; in an exact field a text is the whole value.
    fn for_field(test: &Test, field: Option<&str>, interrupt: &Interrupt) -> Self {
        let exact = field.is_some_and(field::is_exact);
        match test {
            Test::Exists => Self::Any,
            Test::Text(text) => {
                let number = Number::parse(text.as_bytes());
                // An empty phrase stands in every text, but `field:""` asks for an empty one.
                if exact || text.is_empty() {
                    Self::Whole { text: text.as_str().into(), number }
                } else {
                    Self::Words { phrase: Phrase::new(text), number }
                }
            }
            Test::Same(text) => Self::Same(memmem::Finder::new(text).into_owned()),
            Test::Wildcard(wildcard) => Self::Wildcard(Arc::new(Wildcard::new(wildcard, exact))),
            Test::Range(range) => Self::Range(Bounds::new(range, field)),
            Test::Network(network, text) => {
                let as_text = Self::for_field(&Test::Text(text.clone()), field, interrupt);
                Self::Network(*network, Box::new(as_text))
            }
            Test::Regex(pattern) => Self::Pattern {
                regex: Regex::new(&pattern.regex, interrupt),
                literal: finder::literal_of(&pattern.source),
                sentences: Arc::new(PatternSentences::new(&pattern.source)),
            },
        }
    }

    /// Whether a value of the field passes the test.
    pub(crate) fn matches(&self, value: Value<'_>) -> bool {
        match (self, value.kind) {
            (Self::Any, _) => true,
            (_, Kind::Json) => any_leaf(value.text, |leaf| self.matches_scalar(leaf)),
            _ => self.matches_scalar(value),
        }
    }

    fn matches_scalar(&self, value: Value<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Term(phrase) => phrase.is_match(value.text),
            Self::Words { phrase, number } => match order(value, number.as_ref()) {
                Some(order) => order.is_eq(),
                None => phrase.is_match(value.text),
            },
            Self::Whole { text, number } => match order(value, number.as_ref()) {
                Some(order) => order.is_eq(),
                None => fold_eq(value.text, text.as_bytes()),
            },
            Self::Same(text) => value.text == text.needle(),
            Self::Range(_) if matches!(value.kind, Kind::Bool | Kind::Null) => false,
            Self::Range(bounds) => bounds.contain(value.text),
            Self::Network(network, as_text) => {
                network.contains(value.text) || as_text.matches_scalar(value)
            }
            Self::Pattern { .. } | Self::Wildcard(_) if value.kind == Kind::Null => false,
            Self::Pattern { regex, .. } => regex.is_match(value.text),
            Self::Wildcard(wildcard) => wildcard.is_match(value.text),
        }
    }
}

/// How a value stands to a number, if it is one (M1). A number in a string is one.
fn order(value: Value<'_>, number: Option<&Number>) -> Option<Ordering> {
    let number = number?;
    Number::parse(value.text).map(|value| value.cmp(number))
}

/// The levels that pass a test of the field `level`: bit `1 << code` for each. Levels are compared
/// by severity; a text that names no level passes none.
pub(crate) fn level_mask(test: &Test) -> u8 {
    let passes = |level: &Level| match test {
        Test::Exists => true,
        Test::Text(text) | Test::Network(_, text) => Level::from_name(text) == Some(*level),
        Test::Same(text) => level.name() == text,
        Test::Wildcard(wildcard) => Wildcard::new(wildcard, true).is_match(level.name().as_bytes()),
        Test::Range(range) => is_level_within(*level, range),
        Test::Regex(pattern) => pattern.regex.is_match(level.name().as_bytes()),
    };
    Level::ALL.iter().filter(|level| passes(level)).fold(0, |mask, level| mask | 1 << *level as u8)
}

fn is_level_within(level: Level, range: &Range) -> bool {
    let lower = range.lower.as_ref().map(|bound| (bound, Ordering::Greater));
    let upper = range.upper.as_ref().map(|bound| (bound, Ordering::Less));
    lower.into_iter().chain(upper).all(|(bound, inside)| {
        let order = Level::from_name(&bound.text).map(|end| level.cmp(&end));
        order.is_some_and(|order| order == inside || bound.inclusive && order.is_eq())
    })
}
