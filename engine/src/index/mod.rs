//! What lets a query skip blocks: tokens, terms and filters.
//!
//! The contract is `index(rows) ⊇ need(query)`: the writer may add terms, never omit one; the
//! planner requires only terms that it can prove; a filter that is absent, damaged or of an unknown
//! version stands for "may hold everything". Every answer is the same without any filter, only
//! slower.

mod bloom;
mod classes;
mod fuse;
mod hashes;
mod need;
mod phrase;
mod segment;
mod split;
mod term;
mod terms;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;

use crate::batch::{RowColumn, Rows};
use crate::limits::FILTER_SCRATCH_BYTES_MAX;
use std::cell::RefCell;

pub(crate) use fuse::Filter;
pub(crate) use need::{Need, need};
pub(crate) use phrase::{Phrase, joins_after, joins_before};
#[cfg(feature = "testing")]
pub(crate) use segment::fuzz as fuzz_segment_index;
pub(crate) use segment::{
    BlockIndex, BlockTerms, EVERY_FRAME, FrameMask, IndexCounts, Kept, SECTION_BLOCKS_MAX,
    SectionCheck, SectionHits, SegmentIndex, SegmentIndexBuilder,
};
pub(crate) use split::{SLOT, Split, Variable};
pub(crate) use term::Term;
pub(crate) use terms::{Known, is_bare};
pub(crate) use tokens::{TokenKind, fold_eq, fold_into, for_each_token};

/// The stored form of the filter of a block with these rows.
#[cfg(test)]
pub(crate) fn filter_bytes(rows: &Rows) -> Vec<u8> {
    filter_bytes_with(rows, Stay::Long, |_| None)
}

/// How long a filter is likely to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Until its section is compacted: it is made fast.
    Short,
    /// It is to be small.
    Long,
}

/// The stored form of the filter of a block with these rows. What `known_of` knows of a
/// column saves work and changes nothing.
pub(crate) fn filter_bytes_with<'a>(
    rows: &Rows,
    stay: Stay,
    known_of: impl Fn(&RowColumn) -> Option<Known<'a>>,
) -> Vec<u8> {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { collector, filters } = scratch;
        let terms = collector.collect(rows, known_of);
        let filter = match stay {
            Stay::Short => filters.build_young(terms),
            Stay::Long => filters.build(terms),
        };
        let mut bytes = Vec::with_capacity(filter.heap_bytes() + 64);
        filter.encode(&mut bytes);
        if collector.memory() + filters.memory() > FILTER_SCRATCH_BYTES_MAX {
            *scratch = Scratch::default();
        }
        bytes
    })
}

/// What a thread that makes filters keeps for the next one.
#[derive(Default)]
struct Scratch {
    collector: terms::Collector,
    filters: fuse::FilterBuilder,
}

thread_local! {
    /// The buffers are larger than what malloc keeps at hand: made anew, the system clears their pages
    /// each time.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How many terms of these rows their filter lacks: none, unless it is that of other rows.
pub(crate) fn missing_terms(filter: &Filter, rows: &Rows) -> u64 {
    let terms = terms::collect(rows, |_| None);
    terms.into_iter().filter(|term| !filter.contains(*term)).count() as u64
}

/// The number of tokens of a text, for benches.
#[cfg(feature = "testing")]
pub(crate) fn count_tokens(text: &[u8]) -> usize {
    let mut count = 0;
    tokens::for_each_token(text, |_| count += 1);
    count
}

/// The terms of a block with these rows, for benches.
#[cfg(feature = "testing")]
pub(crate) fn collect_terms(rows: &Rows) -> Vec<u64> {
    terms::collect(rows, |_| None)
}

/// What the fuzz target runs.
#[cfg(feature = "testing")]
pub(crate) fn decode_any(bytes: &[u8], term: u64) {
    let place = std::path::Path::new("fuzz");
    let Ok(filter) = Filter::decode(crate::codec::slice::Slice::new(bytes, 0, "filter", place))
    else {
        return;
    };
    filter.contains(term);
    let mut again = Vec::new();
    filter.encode(&mut again);
    assert!(filter == Filter::Everything || again == bytes, "one form for each filter");
}
