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

    /// The same with sentences of its own.
    pub(in crate::block) fn with_own_sentences(&self) -> Result<Vec<u8>> {
        let sentences = self.sentences()?;
        if !sentences.iter().is_sorted_by(|before, after| before < after) {
            return Err(self
                .slice_of(self.listing.clone())
                .corrupt("rising sentences", "others")
                .into());
        }
        let texts = (0..sentences.len())
            .map(|place| Value { kind: Kind::String, text: sentences.get(place) });
        let bytes = &self.raw.part().bytes;
        let mut out = bytes[..self.listing.start].to_vec();
        values::ValuesWriter::new().write(texts, &mut out);
        out.extend_from_slice(&bytes[self.listing.end..]);
        Ok(out)
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
