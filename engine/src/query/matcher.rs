//! What a test says of one value: the meaning of the language, the same for every source of rows.
//! `docs/query.md` has it in tables, and each of their lines is a test of this file.
//!
//! - `M1` A test of a field looks at numbers first: if the query's text and the value are both
//!   numbers, their order decides and nothing else does. A bare term knows no numbers.
//! - `M2` A value of kind [`Kind::Json`] matches if one of the values in it does.

mod finder;
pub(crate) mod sentence;
#[cfg(test)]
mod tests;
mod typed;

pub(crate) use finder::Finder;
pub(crate) use sentence::{Judge, Judged, PatternSentences, Verdict};
pub(crate) use typed::{IdTest, NumberTest};

use super::ast::{Comparison, Leaf, Test};
use crate::event::{Kind, Level, Value};
use crate::field;
use crate::index::{Phrase, fold_eq};
use crate::value::Number;
use crate::value::any_leaf;
use memchr::memmem;
use std::cmp::Ordering;
use std::sync::Arc;

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
    /// The value stands in this order to the text, or to the number.
    Order { comparison: Comparison, text: Box<str>, number: Option<Number> },
    /// The pattern matches somewhere in the value, and then these bytes stand in it.
    Pattern {
        regex: regex::bytes::Regex,
        literal: Option<memmem::Finder<'static>>,
        sentences: Arc<PatternSentences>,
    },
}

impl Matcher {
    /// Compiles the test of a leaf for the field that it names, or for all.
    pub(crate) fn new(leaf: &Leaf) -> Self {
        match (&leaf.field, &leaf.test) {
            (None, Test::Text(text)) => Self::Term(Phrase::new(text)),
            (None, test) => Self::for_field(test, false),
            (Some(field), test) => Self::for_field(test, field::is_exact(&field.name)),
        }
    }

    /// Compiles the test of a field; in an exact field a text is the whole value.
    pub(crate) fn for_field(test: &Test, exact: bool) -> Self {
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
            Test::Compare(comparison, text) => Self::Order {
                comparison: *comparison,
                text: text.as_str().into(),
                number: Number::parse(text.as_bytes()),
            },
            Test::Regex(pattern) => Self::Pattern {
                regex: pattern.regex.clone(),
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
            Self::Order { .. } if matches!(value.kind, Kind::Bool | Kind::Null) => false,
            Self::Order { comparison, text, number } => comparison.holds(
                order(value, number.as_ref()).unwrap_or_else(|| value.text.cmp(text.as_bytes())),
            ),
            Self::Pattern { .. } if value.kind == Kind::Null => false,
            Self::Pattern { regex, .. } => regex.is_match(value.text),
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
        Test::Text(text) => Level::from_name(text) == Some(*level),
        Test::Compare(comparison, text) => {
            Level::from_name(text).is_some_and(|wanted| comparison.holds(level.cmp(&wanted)))
        }
        Test::Regex(pattern) => pattern.regex.is_match(level.name().as_bytes()),
    };
    Level::ALL.iter().filter(|level| passes(level)).fold(0, |mask, level| mask | 1 << *level as u8)
}

impl Comparison {
    /// Whether a value that stands in this order to the wanted one passes.
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }
}
