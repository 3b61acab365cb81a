//! A column's sentences, moved between the column and the list of its section: all else of it stays the
//! same bytes.

use super::{Stand, Templates, values};
use crate::codec::packed;
use crate::error::Result;
use crate::event::{Kind, Value};

impl Templates {
    /// The bytes of the column, from its presence on, with other sentences than its own: those of these
    /// numbers of a list.
    pub(in crate::block) fn with_numbers(&self, numbers: &[u64]) -> Vec<u8> {
        assert_eq!(numbers.len(), self.counts.len());
        let bytes = &self.raw.part().bytes;
        let mut out = Vec::with_capacity(bytes.len());
        out.extend_from_slice(&bytes[..self.listing.start]);
        packed::encode(numbers, &mut out);
        out.extend_from_slice(&bytes[self.listing.end..]);
        out
    }

    /// The same with these sentences of its own.
    pub(in crate::block) fn with_own(&self, sentences: &[&[u8]]) -> Vec<u8> {
        assert_eq!(sentences.len(), self.counts.len());
        let texts = sentences.iter().map(|text| Value { kind: Kind::String, text });
        let bytes = &self.raw.part().bytes;
        let mut out = bytes[..self.listing.start].to_vec();
        values::ValuesWriter::new().write(texts, &mut out);
        out.extend_from_slice(&bytes[self.listing.end..]);
        out
    }

    /// The sentences, to be written elsewhere: as every writer has them, they rise.
    pub(in crate::block) fn rising_sentences(&self) -> Result<Vec<&[u8]>> {
        let sentences: Vec<&[u8]> = self.sentences()?.iter().collect();
        if sentences.is_sorted_by(|before, after| before < after) {
            return Ok(sentences);
        }
        Err(self.slice_of(self.listing.clone()).corrupt("rising sentences", "others").into())
    }

    /// Whether its sentences stand in the list of its section.
    pub(in crate::block) fn is_shared(&self) -> bool {
        matches!(self.sentences, Stand::Shared(..))
    }

    /// The bytes that tell of its sentences.
    pub(in crate::block) fn listing_len(&self) -> usize {
        self.listing.len()
    }
}
