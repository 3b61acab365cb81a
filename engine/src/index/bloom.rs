//! A blocked Bloom filter: each term sets eight bits of one line of 64 bytes. One false "yes" in about 200, and 12
//! bits a term: more of both than a fuse filter has, but a term takes a twentieth of the time to put in, in
//! any order and as often as it comes.

use crate::codec::slice::Slice;
use crate::error::Corruption;

/// Words of a line: a term has a bit in each.
const LINE_WORDS: usize = 8;
const LINE_BYTES: usize = LINE_WORDS * size_of::<u64>();
/// Bits of a filter for each of its terms.
const TERM_BITS: usize = 12;
/// Odd, and nothing else of note: spreads a term over the bits of its product (Fibonacci hashing).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Of the product's bits those of the first word come first, and below them are bits that say little.
const FIRST_BIT: u32 = u64::BITS - LINE_WORDS as u32 * WORD_BITS;
/// Bits that number one of a word.
const WORD_BITS: u32 = u64::BITS.ilog2();

type Line = [u64; LINE_WORDS];

/// A blocked Bloom filter of some terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bloom {
    /// How many were put in; the same one may count more than once.
    pub(super) terms: u32,
    /// At least one.
    lines: Box<[Line]>,
}

impl Bloom {
    /// The filter of these terms, at least one; the same may come again.
    pub(super) fn build(terms: &[u64]) -> Self {
        let count = u32::try_from(terms.len()).expect("a block has less than 2^32 terms");
        let lines = (terms.len() * TERM_BITS).div_ceil(LINE_BYTES * 8).max(1);
        let mut lines = vec![[0; LINE_WORDS]; lines].into_boxed_slice();
        for term in terms {
            let line = &mut lines[line_of(*term, lines.len())];
            for (word, bit) in line.iter_mut().zip(bits_of(*term)) {
                *word |= bit;
            }
        }
        Self { terms: count, lines }
    }

    pub(super) fn contains(&self, term: u64) -> bool {
        let line = &self.lines[line_of(term, self.lines.len())];
        line.iter().zip(bits_of(term)).all(|(word, bit)| word & bit != 0)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }

    /// Appends what follows the number of terms.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let lines = u32::try_from(self.lines.len()).expect("fewer lines than terms");
        out.extend_from_slice(&lines.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend(self.lines.as_flattened().iter().flat_map(|word| word.to_le_bytes()));
    }

    /// Reads what [`Bloom::encode`] wrote.
    ///
    /// # Errors
    /// Bytes that no writer wrote.
    pub(super) fn decode(bytes: &mut Slice<'_>, terms: u32) -> Result<Self, Corruption> {
        let lines = bytes.u32()? as usize;
        if lines == 0 {
            return Err(bytes.corrupt("one or more lines", "none"));
        }
        if bytes.take(4)? != [0; 4] {
            return Err(bytes.corrupt("four zeros", "others"));
        }
        let stored = bytes.take(lines.saturating_mul(LINE_BYTES))?;
        let words = |line: &[u8; LINE_BYTES]| {
            let (words, _) = line.as_chunks::<8>();
            std::array::from_fn(|word| u64::from_le_bytes(words[word]))
        };
        Ok(Self { terms, lines: stored.as_chunks().0.iter().map(words).collect() })
    }
}

/// The line of a term: the high half of the term says which.
#[inline]
fn line_of(term: u64, lines: usize) -> usize {
    // The half and the number of lines are below 2^32: the product fits, and lies below the lines.
    (((term >> 32) * lines as u64) >> 32) as usize
}

/// The bit of a term in each word of its line.
#[inline]
fn bits_of(term: u64) -> Line {
    let product = term.wrapping_mul(SPREAD) >> FIRST_BIT;
    std::array::from_fn(|word| 1 << (product >> (WORD_BITS * word as u32) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    /// Terms are hashes; so are these.
    fn terms(numbers: std::ops::Range<u64>) -> Vec<u64> {
        numbers.map(|number| xxh3_64(&number.to_le_bytes())).collect()
    }

    proptest! {
        #[test]
        fn no_term_is_denied(
            terms in prop_oneof![
                prop::collection::vec(any::<u64>(), 1..3_000),
                prop::collection::vec(0u64..5_000, 1..3_000),
            ],
        ) {
            let bloom = Bloom::build(&terms);
            prop_assert!(terms.iter().all(|term| bloom.contains(*term)));
            prop_assert_eq!(bloom.terms as usize, terms.len());
        }
    }

    #[test]
    fn false_answers_are_below_one_in_a_hundred_and_terms_have_twelve_bits() {
        let bloom = Bloom::build(&terms(0..50_000));
        let wrong = terms(50_000..150_000).iter().filter(|term| bloom.contains(**term)).count();
        assert!(wrong < 1_000, "{wrong}");
        assert!(bloom.heap_bytes() * 8 < 50_000 * 13, "{}", bloom.heap_bytes());
    }

    #[test]
    fn terms_that_come_again_change_no_answer() {
        let once = terms(0..1_000);
        let often: Vec<u64> = once.iter().chain(&once).copied().collect();
        let bloom = Bloom::build(&often);
        assert!(once.iter().all(|term| bloom.contains(*term)));
        assert!(terms(1_000..2_000).iter().any(|term| !bloom.contains(*term)));
    }
}
