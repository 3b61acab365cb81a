//! The abstract syntax of a filter, with the place of each part in the text.

use std::ops::Range;

/// Byte offsets in the query text.
pub type Span = Range<usize>;

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every event.
    All,
    /// Events that pass each of these: at least two, none of them an `And`.
    And(Vec<Filter>),
    /// Events that pass one of these: at least two, none of them an `Or`.
    Or(Vec<Filter>),
    /// Events that do not pass this, which is no `Not`.
    Not(Box<Filter>),
    /// One test.
    Leaf(Leaf),
}

/// One test of one field, or of every field.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The field; `None` searches the message and every other field except timestamp and level.
    pub field: Option<Field>,
    /// What its value must be.
    pub test: Test,
    /// The place of the whole test.
    pub span: Span,
}

/// A field by the name that people type: keys joined by dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name, unescaped.
    pub name: String,
    /// Its place.
    pub span: Span,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `value` or `"value"`: the words stand in the text in this order with these separators; in
    /// an exact field the value is this, in any case; numerically equal if both are numbers.
    Text(String),
    /// `>value` and its like: by number if both are numbers, else by text.
    Compare(Comparison, String),
    /// `*`: the event has the field.
    Exists,
    /// `/pattern/` or `~"pattern"`: the pattern matches somewhere in the value.
    Regex(Box<Pattern>),
}

/// An ordering test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As it was written.
    pub source: String,
    /// Compiled, over bytes: stored text may be invalid UTF-8.
    pub regex: regex::bytes::Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}
