//! What an index says of terms: frames of blocks.

use super::format::FRAMES_PER_BLOCK;
use crate::index::fuse::Filter;
use crate::index::term::Term;
use std::collections::HashMap;
use std::sync::Arc;

/// Frames of a block: bit `f` is for its rows from `f * FRAME_ROWS_MAX` on.
pub(crate) type FrameMask = u16;

const _: () = assert!(FrameMask::BITS as usize == FRAMES_PER_BLOCK, "a bit for each frame");

/// Every frame of a block.
pub(crate) const EVERY_FRAME: FrameMask = FrameMask::MAX;

/// The frames of a section that may hold a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SectionFrames {
    /// All of them, as far as is known.
    Every,
    /// These and no others: a mask for each block.
    Of(Box<[FrameMask]>),
}

impl SectionFrames {
    pub(super) fn of_block(&self, block: u32) -> FrameMask {
        match self {
            Self::Every => EVERY_FRAME,
            Self::Of(masks) => masks.get(block as usize).copied().unwrap_or(EVERY_FRAME),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Of(masks) if masks.iter().all(|mask| *mask == 0))
    }
}

/// What the index of a section says of the terms of one query: looked up once, asked for each
/// block.
#[derive(Debug, Default)]
pub(crate) struct SectionHits {
    terms: HashMap<Term, SectionFrames>,
}

impl SectionHits {
    pub(super) fn new(terms: HashMap<Term, SectionFrames>) -> Self {
        Self { terms }
    }

    /// The frames of a block that may hold a term.
    pub(crate) fn of_block(&self, term: &Term, block: u32) -> FrameMask {
        self.terms.get(term).map_or(EVERY_FRAME, |frames| frames.of_block(block))
    }

    /// Whether no block of the section holds a term.
    pub(crate) fn lacks(&self, term: &Term) -> bool {
        self.terms.get(term).is_some_and(SectionFrames::is_empty)
    }
}

/// What tells which terms a block may hold.
#[derive(Debug, Clone)]
pub(crate) enum BlockIndex {
    /// Nothing does: it may hold any.
    Everything,
    /// The block's own filter.
    Filter(Arc<Filter>),
    /// The index of its section, and its number there.
    Section(Arc<SectionHits>, u32),
}

impl BlockIndex {
    /// The frames of the block that may hold a term; those left out don't, for certain.
    pub(crate) fn frames(&self, term: &Term) -> FrameMask {
        match self {
            Self::Everything => EVERY_FRAME,
            Self::Filter(filter) if filter.contains(term.hash()) => EVERY_FRAME,
            Self::Filter(_) => 0,
            Self::Section(hits, block) => hits.of_block(term, *block),
        }
    }
}
