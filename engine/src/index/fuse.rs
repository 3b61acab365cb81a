//! The filter of a block: whether it may hold a term. `docs/format/filter.md` has the bytes.
//!
//! Up to [`LIST_TERMS_MAX`] terms are a sorted list, more are a binary fuse filter with
//! fingerprints of 8 bits (Graf and Lemire, "Binary Fuse Filters", 2022): 9 to 11 bits a term, one
//! false "yes" in 256. A filter that won't be kept for long is a [`Bloom`], which is made much faster.
//!
//! - `F1` A filter never says no to a term that it was built with.
//! - `F2` Decoded bytes give a filter whose every answer is without panic, or an error.
//! - `F3` A filter of an unknown version, kind or tokenizer says yes to everything.

use super::bloom::Bloom;
use super::hashes::HashSorter;
use super::tokens::TOKENIZER_VERSION;
use crate::codec::slice::Slice;
use crate::error::Corruption;
use crate::io;

const VERSION: u8 = 1;
const KIND_LIST: u8 = 1;
const KIND_FUSE: u8 = 2;
const KIND_EVERYTHING: u8 = 3;
const KIND_BLOOM: u8 = 4;

/// A fuse filter of so few terms would be larger than their list.
const LIST_TERMS_MAX: usize = 16;
/// Filters of fewer terms take little time in any form, and a fuse filter takes less space.
const BLOOM_TERMS_MIN: usize = 4_096;
/// Seeds tried before the terms are stored as a list instead. One fails in a hundred or fewer;
/// all of them only for terms that were made to.
const SEEDS_MAX: u64 = 32;
/// Slots of a segment at most, as a power of two; larger ones would only miss the cache.
const SEGMENT_BITS_MAX: u8 = 18;

/// Whether a block may hold a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// It may hold any.
    Everything,
    /// It holds these and no others; rising.
    List(Box<[u64]>),
    /// It may hold those that the fingerprints agree with.
    Fuse(Fuse),
    /// It may hold those that have all their bits.
    Bloom(Bloom),
}

/// A binary fuse filter. The slots of a term lie in three segments in a row, one in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fuse {
    terms: u32,
    seed: u64,
    layout: Layout,
    /// `layout.slots()` of them.
    fingerprints: Box<[u8]>,
}

/// How slots are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// Segments in which the first slot of a term may lie; two more follow. At least 1.
    segments: u32,
    /// A segment has two to the power of this many slots.
    segment_bits: u8,
}

/// Builds filters, with buffers that are kept.
#[derive(Debug, Default)]
pub(crate) struct FilterBuilder {
    sorter: HashSorter,
    hashes: Vec<u64>,
    /// Of each slot: how many terms need it, and the exclusive or of their hashes.
    needed: Vec<(u32, u64)>,
    /// Slots that one term needs.
    alone: Vec<u32>,
    /// An order in which each term has a slot that no later one needs: the hashes with those slots.
    order: Vec<(u64, u32)>,
}

impl FilterBuilder {
    /// The filter of these terms, in any order; the same may come again.
    pub(crate) fn build(&mut self, terms: &[u64]) -> Filter {
        assert!(u32::try_from(terms.len()).is_ok(), "a block has less than 2^32 terms");
        for attempt in 0..SEEDS_MAX {
            let seed = mix(attempt);
            self.hashes.clear();
            self.hashes.extend(terms.iter().map(|term| mix(term.wrapping_add(seed))));
            // Mixing is a bijection: hashes are as many as terms. In their order, each needs slots near
            // those of the one before.
            io::may_break();
            self.sorter.sort_dedup(&mut self.hashes, 0);
            io::may_break();
            if self.hashes.len() <= LIST_TERMS_MAX {
                break;
            }
            if let Some(fuse) = self.fuse(seed) {
                return Filter::Fuse(fuse);
            }
        }
        let mut terms = terms.to_vec();
        terms.sort_unstable();
        terms.dedup();
        Filter::List(terms.into())
    }

    /// As [`FilterBuilder::build`], for a filter that is soon replaced: quick to make, and larger.
    pub(crate) fn build_young(&mut self, terms: &[u64]) -> Filter {
        match terms.len() {
            BLOOM_TERMS_MIN.. => Filter::Bloom(Bloom::build(terms)),
            _ => self.build(terms),
        }
    }

    /// The bytes that it keeps.
    pub(super) fn memory(&self) -> usize {
        let Self { sorter, hashes, needed, alone, order } = self;
        sorter.memory()
            + hashes.capacity() * size_of::<u64>()
            + needed.capacity() * size_of::<(u32, u64)>()
            + alone.capacity() * size_of::<u32>()
            + order.capacity() * size_of::<(u64, u32)>()
    }

    /// `None` if this seed does not do.
    fn fuse(&mut self, seed: u64) -> Option<Fuse> {
        let layout = Layout::of(self.hashes.len());
        if !self.peel(layout) {
            return None;
        }
        io::may_break();
        let mut fingerprints = vec![0; layout.slots()].into_boxed_slice();
        // In reverse, the slot by which a term was peeled is not needed by any term set before.
        for (hash, slot) in self.order.iter().rev() {
            let agreed = layout.slots_of(*hash).into_iter().fold(0, |xor, s| xor ^ fingerprints[s]);
            fingerprints[*slot as usize] ^= agreed ^ fingerprint(*hash);
        }
        Some(Fuse { terms: self.hashes.len() as u32, seed, layout, fingerprints })
    }

    /// Finds the order; `false` if there is none.
    fn peel(&mut self, layout: Layout) -> bool {
        let Self { hashes, needed, alone, order, .. } = self;
        needed.clear();
        needed.resize(layout.slots(), (0, 0));
        for hash in &*hashes {
            for slot in layout.slots_of(*hash) {
                needed[slot].0 += 1;
                needed[slot].1 ^= hash;
            }
        }
        io::may_break();
        alone.clear();
        alone.extend((0..).zip(&*needed).filter(|(_, need)| need.0 == 1).map(|(slot, _)| slot));
        order.clear();
        while let Some(slot) = alone.pop() {
            let (1, hash) = needed[slot as usize] else { continue };
            order.push((hash, slot));
            for slot in layout.slots_of(hash) {
                let need = &mut needed[slot];
                need.0 -= 1;
                need.1 ^= hash;
                if need.0 == 1 {
                    alone.push(slot as u32);
                }
            }
        }
        order.len() == hashes.len()
    }
}

impl Filter {
    /// The filter of these terms.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn build(terms: &[u64]) -> Self {
        FilterBuilder::default().build(terms)
    }

    /// Whether the block may hold the term; "no" is certain.
    pub(crate) fn contains(&self, term: u64) -> bool {
        match self {
            Self::Everything => true,
            Self::List(terms) => terms.binary_search(&term).is_ok(),
            Self::Fuse(fuse) => fuse.contains(term),
            Self::Bloom(bloom) => bloom.contains(term),
        }
    }

    /// The bytes that it takes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Everything => 0,
            Self::List(terms) => size_of_val(&**terms),
            Self::Fuse(fuse) => fuse.fingerprints.len(),
            Self::Bloom(bloom) => bloom.heap_bytes(),
        }
    }

    /// Appends the stored form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, terms) = match self {
            Self::Everything => (KIND_EVERYTHING, 0),
            Self::List(terms) => (KIND_LIST, terms.len() as u32),
            Self::Fuse(fuse) => (KIND_FUSE, fuse.terms),
            Self::Bloom(bloom) => (KIND_BLOOM, bloom.terms),
        };
        out.extend_from_slice(&[VERSION, kind]);
        out.extend_from_slice(&TOKENIZER_VERSION.to_le_bytes());
        out.extend_from_slice(&terms.to_le_bytes());
        match self {
            Self::Everything => {}
            Self::List(terms) => terms.iter().for_each(|term| out.extend(term.to_le_bytes())),
            Self::Fuse(fuse) => {
                out.extend_from_slice(&fuse.seed.to_le_bytes());
                out.extend_from_slice(&fuse.layout.segments.to_le_bytes());
                out.extend_from_slice(&[fuse.layout.segment_bits, 0, 0, 0]);
                out.extend_from_slice(&fuse.fingerprints);
            }
            Self::Bloom(bloom) => bloom.encode(out),
        }
    }

    /// The filter that all of `bytes` is. The caller has verified their checksum.
    ///
    /// # Errors
    /// Bytes of this version that no writer wrote.
    pub(crate) fn decode(mut bytes: Slice<'_>) -> Result<Self, Corruption> {
        if bytes.u8()? != VERSION {
            return Ok(Self::Everything);
        }
        let kind = bytes.u8()?;
        let tokenizer = bytes.u16()?;
        if tokenizer != TOKENIZER_VERSION || !(KIND_LIST..=KIND_BLOOM).contains(&kind) {
            return Ok(Self::Everything);
        }
        let terms = bytes.u32()?;
        let filter = match kind {
            KIND_LIST => Self::List(decode_list(&mut bytes, terms)?),
            KIND_FUSE => Self::Fuse(Fuse::decode(&mut bytes, terms)?),
            KIND_BLOOM => Self::Bloom(Bloom::decode(&mut bytes, terms)?),
            _ => Self::Everything,
        };
        bytes.finish()?;
        Ok(filter)
    }
}

fn decode_list(bytes: &mut Slice<'_>, terms: u32) -> Result<Box<[u64]>, Corruption> {
    let len = (terms as usize).saturating_mul(size_of::<u64>());
    let mut list = Slice::clone(bytes);
    bytes.take(len)?;
    let terms = (0..terms).map(|_| list.u64()).collect::<Result<Box<[u64]>, _>>()?;
    if !terms.is_sorted_by(|a, b| a < b) {
        return Err(bytes.corrupt("rising terms", "others"));
    }
    Ok(terms)
}

impl Fuse {
    fn contains(&self, term: u64) -> bool {
        let hash = mix(term.wrapping_add(self.seed));
        let [a, b, c] = self.layout.slots_of(hash).map(|slot| self.fingerprints[slot]);
        fingerprint(hash) == a ^ b ^ c
    }

    fn decode(bytes: &mut Slice<'_>, terms: u32) -> Result<Self, Corruption> {
        let seed = bytes.u64()?;
        let segments = bytes.u32()?;
        let segment_bits = bytes.u8()?;
        if segment_bits > SEGMENT_BITS_MAX || segments == 0 {
            let found = format!("{segments} segments of 2^{segment_bits} slots");
            return Err(bytes.corrupt("one or more segments of at most 2^18 slots", found));
        }
        if bytes.take(3)? != [0; 3] {
            return Err(bytes.corrupt("three zeros", "others"));
        }
        let layout = Layout { segments, segment_bits };
        let fingerprints = bytes.take(layout.slots())?.into();
        Ok(Self { terms, seed, layout, fingerprints })
    }
}

impl Layout {
    /// The sizes that the paper found by experiment, for three slots a term.
    fn of(terms: usize) -> Self {
        let ln = (terms as f64).ln();
        let segment_bits = ((ln / 3.33f64.ln() + 2.25) as u8).min(SEGMENT_BITS_MAX);
        let slots_per_term = f64::max(1.125, 0.875 + 0.25 * 1e6f64.ln() / ln);
        let slots = (terms as f64 * slots_per_term).round() as usize;
        let segments = slots.div_ceil(1 << segment_bits).saturating_sub(2).max(1);
        Self { segments: segments as u32, segment_bits }
    }

    fn slots(self) -> usize {
        (self.segments as usize + 2) << self.segment_bits
    }

    /// The three slots of a hash, all below [`Layout::slots`].
    fn slots_of(self, hash: u64) -> [usize; 3] {
        let segment = 1 << self.segment_bits;
        let mask = segment - 1;
        // The high half of the product spreads evenly over the first segments.
        let starts = u128::from(self.segments) << self.segment_bits;
        let first = ((u128::from(hash) * starts) >> 64) as usize;
        [
            first,
            (first + segment) ^ ((hash >> 18) as usize & mask),
            (first + 2 * segment) ^ (hash as usize & mask),
        ]
    }
}

fn fingerprint(hash: u64) -> u8 {
    (hash ^ hash >> 32) as u8
}

/// The finalizer of MurmurHash3, 64 bits: a bijection.
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests;
