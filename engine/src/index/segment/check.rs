//! Holds an index against the rows that it is of: `S1`, seen from the reader's side.

use super::SegmentIndex;
use super::format::FRAMES_PER_BLOCK;
use super::hits::SectionFrames;
use crate::batch::Rows;
use crate::error::Result;
use crate::field;
use crate::index::term::{Term, term};
use crate::index::terms::{ValueTerms, is_exact};
use crate::limits::FRAME_ROWS_MAX;
use std::collections::{HashMap, HashSet};

/// Bytes of what was looked up that are kept; common words come in every frame.
const KNOWN_BYTES_MAX: usize = 32 << 20;

/// An index, and what it said so far.
pub(crate) struct SectionCheck<'a> {
    index: &'a SegmentIndex,
    values: ValueTerms,
    /// By hash. Two words of one hash are taken for one: what is lost is a comparison.
    known: HashMap<u64, SectionFrames>,
    known_bytes: usize,
}

impl<'a> SectionCheck<'a> {
    pub(crate) fn new(index: &'a SegmentIndex) -> Self {
        Self { index, values: ValueTerms::new(), known: HashMap::new(), known_bytes: 0 }
    }

    /// How many terms of the frames of a block the index does not name: none, unless it is that of
    /// other rows.
    ///
    /// # Errors
    /// `Corrupt` or `Io` if the index can't be asked.
    pub(crate) fn missing(&mut self, block: u32, rows: &Rows) -> Result<u64> {
        if self.index.parts.is_none() {
            return Ok(0);
        }
        let mut missing = 0;
        for frame in 0..FRAMES_PER_BLOCK {
            let start = frame * FRAME_ROWS_MAX;
            let frame_rows = start.min(rows.len())..(start + FRAME_ROWS_MAX).min(rows.len());
            for term in self.terms_of(rows, frame_rows) {
                missing += u64::from(self.frames(&term)?.of_block(block) >> frame & 1 == 0);
            }
        }
        Ok(missing)
    }

    /// The terms of a range of rows, each once.
    fn terms_of(&mut self, rows: &Rows, range: std::ops::Range<usize>) -> Vec<Term> {
        let (mut seen, mut terms) = (HashSet::new(), Vec::new());
        // No query looks into what is hidden.
        for column in rows.columns.iter().filter(|column| !field::is_hidden(&column.name)) {
            let is_exact = is_exact(column);
            for index in column.values_in(&range) {
                self.values.each(column.value(index), is_exact, |kind, bytes| {
                    if seen.insert(term(kind, bytes)) {
                        terms.push(Term::new(kind, bytes));
                    }
                });
            }
        }
        terms
    }

    fn frames(&mut self, term: &Term) -> Result<&SectionFrames> {
        let Some(parts) = &self.index.parts else { return Ok(&SectionFrames::Every) };
        if self.known_bytes > KNOWN_BYTES_MAX {
            self.known.clear();
            self.known_bytes = 0;
        }
        if !self.known.contains_key(&term.hash()) {
            self.known_bytes += 64 + 2 * parts.blocks as usize;
            self.known.insert(term.hash(), parts.frames(term)?);
        }
        Ok(&self.known[&term.hash()])
    }
}
