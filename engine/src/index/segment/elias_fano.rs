//! Rising integers below a bound, in about 2 + log2(bound / count) bits each, searched without
//! being unpacked (Elias, 1974; Fano, 1971; the layout is that of Vigna, "Quasi-succinct indices",
//! 2013, without its pointers: a sequence lies in a page of 64 KiB, which is scanned).
//!
//! The low `l` bits of every value are packed one behind the other, then come the high parts in
//! unary: value `i` with high part `h` sets bit `h + i`, so that each part's ones end with a zero.
//! `l` follows from count and bound.

use crate::codec::bitpack;
use crate::codec::slice::Slice;
use crate::error::Corruption;
use std::ops::Range;

/// The low bits of each of `count` values below `bound`: not more for more values.
pub(super) fn low_bits(count: usize, bound: u64) -> u32 {
    match count {
        0 => 0,
        _ => (bound / count as u64).checked_ilog2().unwrap_or(0),
    }
}

/// The bytes of the unary part. Without values there is none.
fn high_len(count: usize, bound: u64, low_bits: u32) -> u64 {
    if count == 0 {
        return 0;
    }
    let parts = bound.saturating_sub(1) >> low_bits;
    (count as u64).saturating_add(parts).saturating_add(1).div_ceil(8)
}

/// The bytes of [`encode`].
pub(super) fn encoded_len(count: usize, bound: u64) -> usize {
    let low = low_bits(count, bound);
    bitpack::packed_len(count, low) + high_len(count, bound, low) as usize
}

/// Appends values that never fall and lie below `bound`.
pub(super) fn encode(values: &[u64], bound: u64, out: &mut Vec<u8>) {
    debug_assert!(values.is_sorted() && values.last().is_none_or(|last| *last < bound));
    let low = low_bits(values.len(), bound);
    let lows: Vec<u64> = values.iter().map(|value| value & ((1 << low) - 1)).collect();
    bitpack::pack(&lows, low, out);
    let start = out.len();
    out.resize(start + high_len(values.len(), bound, low) as usize, 0);
    for (index, value) in values.iter().enumerate() {
        let bit = (value >> low) as usize + index;
        out[start + bit / 8] |= 1 << (bit % 8);
    }
}

/// An encoded sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct EliasFano<'a> {
    count: usize,
    low_bits: u32,
    lows: &'a [u8],
    highs: &'a [u8],
}

impl<'a> EliasFano<'a> {
    /// The next `count` values below `bound` of `bytes`.
    pub(super) fn decode(
        bytes: &mut Slice<'a>,
        count: usize,
        bound: u64,
    ) -> Result<Self, Corruption> {
        let low_bits = low_bits(count, bound);
        let high_len = high_len(count, bound, low_bits);
        let high_len = usize::try_from(high_len).unwrap_or(usize::MAX);
        let lows = bytes.take(count.saturating_mul(low_bits as usize).div_ceil(8))?;
        Ok(Self { count, low_bits, lows, highs: bytes.take(high_len)? })
    }

    /// Where `value` stands in the sequence.
    pub(super) fn find(&self, value: u64) -> Range<usize> {
        let part = usize::try_from(value >> self.low_bits).unwrap_or(usize::MAX);
        let Some(mut bit) = self.start_of(part) else { return 0..0 };
        let wanted = value & ((1 << self.low_bits) - 1);
        let mut found = 0..0;
        // Within a part the low bits rise.
        while self.highs.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1) {
            let index = bit - part;
            match bitpack::get(self.lows, index, self.low_bits) {
                Some(low) if low == wanted && index < self.count => {
                    found.start = if found.is_empty() { index } else { found.start };
                    found.end = index + 1;
                }
                Some(low) if low < wanted => {}
                _ => break,
            }
            bit += 1;
        }
        found
    }

    /// The bit at which a part's ones begin: behind as many zeros as there are parts before it.
    fn start_of(&self, part: usize) -> Option<usize> {
        let mut zeros = part;
        if zeros == 0 {
            return Some(0);
        }
        for (index, bytes) in self.highs.chunks(8).enumerate() {
            // Past the end there are ones.
            let mut word = [0xff; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            let mut zeros_here = !u64::from_le_bytes(word);
            let count = zeros_here.count_ones() as usize;
            if zeros > count {
                zeros -= count;
                continue;
            }
            for _ in 1..zeros {
                zeros_here &= zeros_here - 1;
            }
            return Some(index * 64 + zeros_here.trailing_zeros() as usize + 1);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    proptest! {
        #[test]
        fn finds_what_a_search_of_the_values_finds(
            mut values in prop::collection::vec(any::<u64>(), 0..300),
            bits in 0u32..48,
            absent: Vec<u64>,
        ) {
            let bound = 1 << bits;
            values.iter_mut().for_each(|value| *value %= bound);
            values.sort_unstable();
            let mut bytes = Vec::new();
            encode(&values, bound, &mut bytes);
            let mut slice = Slice::new(&bytes, 0, "values", Path::new(""));
            let coded = EliasFano::decode(&mut slice, values.len(), bound).expect("just encoded");
            slice.finish().expect("nothing left");
            let absent = absent.into_iter().map(|value| value % bound);
            for value in values.iter().copied().chain(absent) {
                let first = values.partition_point(|other| *other < value);
                let last = values.partition_point(|other| *other <= value);
                let expected = if first == last { 0..0 } else { first..last };
                prop_assert_eq!(coded.find(value), expected);
            }
            prop_assert_eq!(bytes.len(), encoded_len(values.len(), bound));
            // Two bits more than the information, up to a third where it is rounded.
            let information = f64::from(bits) - (values.len().max(1) as f64).log2();
            let each = information.max(-1.0) + 3.0;
            prop_assert!((bytes.len() as f64 - 3.0) * 8.0 <= values.len() as f64 * each);
        }

        #[test]
        fn any_bytes_give_an_answer_or_an_error(
            bytes: Vec<u8>, count in 0usize..500, bits in 0u32..48, value: u64,
        ) {
            let mut slice = Slice::new(&bytes, 0, "values", Path::new(""));
            if let Ok(coded) = EliasFano::decode(&mut slice, count, 1 << bits) {
                let found = coded.find(value);
                prop_assert!(found.start <= found.end && found.end <= count);
            }
        }
    }
}
