//! A query becomes a page of events or a table.

pub mod ast;
pub(crate) mod matcher;
mod parse;

pub use parse::{SyntaxError, parse};
