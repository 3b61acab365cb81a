//! A query becomes a page of events or a table.

pub mod ast;
mod cursor;
mod filter;
pub(crate) mod matcher;
mod names;
mod parse;
mod record;
mod request;
mod search;
mod selection;
mod stats;
mod table;

#[cfg(feature = "testing")]
pub(crate) use cursor::fuzz as fuzz_cursor;
pub use parse::{SyntaxError, parse};
pub use record::{is_wtf8, write_fields};
pub use request::{
    Aggregate, EventField, EventRecord, Function, Order, Scanned, SearchPage, SearchRequest,
    StatsRequest, StatsRow, StatsTable, TimeRange,
};
pub(crate) use search::{get, search};
pub(crate) use stats::stats;
pub(crate) use table::{BlockTable, OpenedBlock, RowsTable, Table};
