//! The unit of compression, indexing and scanning: up to 8,192 rows of one partition, column by
//! column. The bytes are described in `docs/format/block.md`.
//!
//! Invariants:
//! - `B1` every lexeme and every kind comes back exactly as it was given.
//! - `B2` no bytes whatever make the reader panic: they give the rows that were written, or an error.
//! - `B3` a checksum is verified before anything that it covers is believed, whenever it is read. What
//!   was read stays verified as long as it is in memory.

#[cfg(feature = "testing")]
pub(crate) mod bench;
mod column;
mod decoded;
mod format;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod golden;
mod list;
mod numbering;
mod pairs;
mod part;
mod reader;
mod rows;
mod sentences;
mod summaries;
mod terms;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub(crate) use column::{
    Column, ColumnData, Ids, Numbers, Presence, Rest, Templates, Text, Values,
};
pub(crate) use decoded::Decoded;
pub(crate) use format::{BlockMeta, ColumnEntry, NumberRange};
#[cfg(test)]
pub(crate) use list::in_one_section;
pub(crate) use list::{
    ListPart, ListPlace, SentenceList, SentenceListBuilder, SharedSentences, share,
};
pub(crate) use numbering::{
    FieldValues, KnownValues, Numbered, Numbering, RowNumbers, ValueSums, ValueSumsBuilder,
    ValueTable,
};
pub(crate) use pairs::Pairs;
pub(crate) use reader::{Block, Source, decode};
pub(crate) use rows::{Levels, RowSeqs, RowTimes};
pub(crate) use sentences::{Epoch, Outline, SentenceTable, Sentences, Slot};
pub(crate) use summaries::{GroupSummary, Summaries};
pub(crate) use terms::add_terms;
pub(crate) use verify::{verify, with_filter};
pub(crate) use writer::EncodedBlock;
#[cfg(any(test, feature = "testing"))]
pub(crate) use writer::encode;
pub(crate) use writer::{Plan, seal, seal_young};
