//! Immutable files of sections: the blocks of a partition, contiguous, with a directory of all
//! sections at the end. A level-0 file has everything of one generation, a segment has one
//! partition, a pack has small sections that are due together.

mod cache;
mod format;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
#[cfg(test)]
mod golden;
mod handles;
mod reader;
#[cfg(test)]
mod tests;
mod warm;
mod writer;

pub(crate) use cache::{BlockCache, Key};
#[cfg(test)]
pub(crate) use format::TRAILER_LEN;
pub(crate) use format::{
    BlockPlace, HEADER_LEN, Header, INDEX_KIND, INDEX_VERSION, IndexPlace, Section,
};
#[cfg(feature = "testing")]
pub(crate) use fuzzing::{fuzz, fuzz_file};
pub(crate) use handles::Handles;
pub(crate) use reader::{SegmentFile, is_missing, read_directory};
pub(crate) use writer::IndexPart;
pub(crate) use writer::{SectionBlocks, Writer, Written, section_meta, write};

use crate::block::Block;
use crate::codec::slice::Slice;
use crate::error::Result;
use crate::index::Filter;
use std::path::Path;

/// The filter of a block; one that rules nothing out if the block has none.
pub(crate) fn filter_of(block: &Block, path: &Path) -> Result<Filter> {
    block.filter(|bytes| match bytes {
        [] => Ok(Filter::Everything),
        bytes => Ok(Filter::decode(Slice::new(bytes, 0, "block filter", path))?),
    })
}
