//! A query becomes a page of events or a table.

pub mod ast;
mod bins;
mod buckets;
mod context;
mod cursor;
mod explain;
mod facets;
mod filter;
mod gather;
pub(crate) mod matcher;
mod matching;
mod names;
mod parse;
mod patterns;
mod pipe;
mod record;
mod request;
mod search;
mod selection;
mod show;
mod spans;
mod stats;
mod steps;
mod table;
mod tail;

pub(crate) use buckets::histogram;
pub use buckets::{Bucket, Histogram, HistogramRequest};
pub(crate) use context::context;
pub use context::{Context, ContextRequest};
#[cfg(feature = "testing")]
pub(crate) use cursor::fuzz as fuzz_cursor;
pub(crate) use facets::facets;
pub use facets::{Facet, Facets, FacetsRequest};
pub(crate) use filter::for_each_leaf;
pub(crate) use matching::{Matching, matching};
pub(crate) use names::{nearest, warnings as name_warnings};
pub use parse::{SyntaxError, parse, parse_events, parse_query};
pub(crate) use patterns::patterns;
pub use patterns::{Pattern, Patterns, PatternsRequest};
pub use pipe::{Export, events_of};
pub(crate) use pipe::{begin_export, run};
pub use record::{is_wtf8, write_fields};
pub use request::{
    Aggregate, Answer, Approximate, Cell, ErrorBound, EventField, EventRecord, Function, Order,
    OtherGroups, QueryRequest, RowsAnswer, Scanned, SearchPage, SearchRequest, StatsRequest,
    StatsRow, StatsTable, Step, TimeRange,
};
pub(crate) use search::{Arrivals, arrivals, get, search};
pub(crate) use spans::trace;
pub use spans::{Span, Spans, Trace};
pub(crate) use stats::stats;
pub(crate) use steps::Steps;
pub(crate) use table::{BlockTable, EventTable, OpenedBlock, RowsTable, Table};
pub use tail::{TailPiece, TailQuery};
pub(crate) use tail::{count_between, tail, tail_warnings};
