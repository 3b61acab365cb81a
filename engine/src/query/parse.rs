//! The query language: text to syntax. `docs/query.md` describes it for people.
//!
//! ```text
//! query = [ or ] { "|" stage }
//! or    = and { "OR" and }
//! and   = not { [ "AND" ] not }
//! not   = { "NOT" | "-" } term
//! term  = "(" or ")" | field ":" value | field "==" text | text | "*"
//! value = "(" or ")" | range | ( ">" | ">=" | "<" | "<=" ) text | "~" quoted | "/" pattern "/" | text
//!       | "*"
//! range = ( "[" | "{" ) bound "TO" bound ( "]" | "}" )
//! text  = word | quoted
//! ```
//!
//! - `P1` Recursion and the syntax are at most [`QUERY_DEPTH_MAX`] parentheses deep: `NOT` and
//!   `-` are counted off, not nested.
//! - `P2` `And` and `Or` have at least two members, none of them of the same kind; `Not` has no
//!   `Not` in it.
//! - `P3` A text is gone over once: what fails behind its first byte is an error, no other way is
//!   tried (`ErrMode::Cut`).

mod extract;
mod filter;
mod pattern;
mod stages;
mod value;
mod words;

#[cfg(test)]
mod tests;

use super::ast::{Filter, Query, Span, Stage};
use crate::limits::{QUERY_BYTES_MAX, QUERY_DEPTH_MAX};
use std::fmt;
use winnow::Stateful;
use winnow::error::{ErrMode, ParserError};
use winnow::stream::{LocatingSlice, Location, Stream};

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong and what was expected.
    pub message: String,
    /// Byte offsets in the query text.
    pub span: Span,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.span.start)
    }
}

impl std::error::Error for SyntaxError {}

/// Parses a filter; the empty one wants every event.
///
/// # Errors
/// A filter that is not of the language, or is larger than the limits of queries; pipes.
pub fn parse(text: &str) -> Result<Filter, SyntaxError> {
    let Query { filter, stages } = parse_query(text)?;
    match &*stages {
        [] => Ok(filter),
        [Stage { span, .. }, ..] => Err(SyntaxError {
            message: "a filter has no stages: what stands behind `|` can't be done here".into(),
            span: span.clone(),
        }),
    }
}

/// Parses a query that wants events, of which each is looked at by itself: of the stages it has only
/// `where` and `extract`.
///
/// # Errors
/// As [`parse_query`]; any other stage, in its place.
pub fn parse_events(text: &str) -> Result<Query, SyntaxError> {
    let query = parse_query(text)?;
    let other = query.stages.iter().find(|stage| !stage.kind.is_of_one_event());
    match other {
        None => Ok(query),
        Some(Stage { kind, span }) => Err(SyntaxError {
            message: format!(
                "`{}` can't be used here: of the stages only where and extract can; a search takes all",
                kind.name()
            ),
            span: span.clone(),
        }),
    }
}

/// Parses a query: a filter, which may be empty, and the stages behind its pipes.
///
/// # Errors
/// A query that is not of the language, or is larger than the limits of queries.
pub fn parse_query(text: &str) -> Result<Query, SyntaxError> {
    if text.len() > QUERY_BYTES_MAX {
        let message =
            format!("the query has {} bytes, at most {QUERY_BYTES_MAX} are allowed", text.len());
        return Err(SyntaxError { message, span: 0..text.len() });
    }
    let state = State { text, of_table: false, depth: 0, terms: 0, regexes: 0 };
    let mut input = Input { input: LocatingSlice::new(text), state };
    whole(&mut input).map_err(|e| match e {
        ErrMode::Backtrack(e) | ErrMode::Cut(e) => e,
        ErrMode::Incomplete(_) => unreachable!("the text is complete"),
    })
}

fn whole(input: &mut Input<'_>) -> Parsed<Query> {
    let filter = filter::maybe_empty(input)?;
    let stages = stages::stages(input)?;
    match rest(input) {
        "" => Ok(Query { filter, stages }),
        _ => {
            let at = place(input);
            Err(error("no parenthesis is open that `)` could close", at..at + 1))
        }
    }
}

type Input<'t> = Stateful<LocatingSlice<&'t str>, State<'t>>;
type Parsed<T> = Result<T, ErrMode<SyntaxError>>;

/// What is known beside the place.
#[derive(Debug, Clone, Copy)]
struct State<'t> {
    /// The whole text.
    text: &'t str,
    /// Whether fields are the columns of a table.
    of_table: bool,
    depth: usize,
    terms: usize,
    regexes: usize,
}

impl ParserError<Input<'_>> for SyntaxError {
    type Inner = Self;

    fn from_input(input: &Input<'_>) -> Self {
        let at = place(input);
        Self { message: "expected something else".into(), span: at..at }
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }
}

/// An error that no other way mends.
fn error(message: impl Into<String>, span: Span) -> ErrMode<SyntaxError> {
    ErrMode::Cut(SyntaxError { message: message.into(), span })
}

/// Not this way.
fn other<T>(input: &Input<'_>) -> Parsed<T> {
    Err(ErrMode::Backtrack(SyntaxError::from_input(input)))
}

/// The offset of the next byte.
fn place(input: &Input<'_>) -> usize {
    input.current_token_start()
}

fn rest<'t>(input: &Input<'t>) -> &'t str {
    &input.state.text[place(input)..]
}

/// Takes what is before the offset `end`.
fn take_to<'t>(input: &mut Input<'t>, end: usize) -> &'t str {
    let len = end - place(input);
    input.next_slice(len)
}

fn skip_blanks(input: &mut Input<'_>) {
    let len = rest(input).len() - rest(input).trim_start().len();
    input.next_slice(len);
}
