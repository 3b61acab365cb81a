//! A query becomes a page of events or a table.

pub mod ast;
mod parse;

pub use parse::{SyntaxError, parse};
