//! Sequences of integers in miniblocks of 128, each with its own bit width.
//!
//! ```text
//! form u8 = 1 (plain)  miniblock*                 miniblock: least varint, width u8, packed
//! form u8 = 2 (deltas) first varint, miniblock*   miniblock: least zigzag varint, width u8, packed
//! ```
//! Packed are the differences to the miniblock's least. In the second form the sequence is that of
//! the differences between neighbours, modulo 2^64. The count of values is the surroundings' to know.

use super::bitpack::{LANES, Unpacker, pack, packed_len, width_of};
use super::slice::Slice;
use super::varint;
use crate::error::Corruption;

pub(super) const PLAIN: u8 = 1;
pub(super) const DELTAS: u8 = 2;

/// Maps small integers of either sign to small unsigned ones.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends `values` in the shorter form.
pub(crate) fn encode(values: &[u64], out: &mut Vec<u8>) {
    let (plain, deltas) = sizes(values);
    if plain <= deltas {
        out.push(PLAIN);
        for block in values.chunks(LANES) {
            let least = block.iter().copied().min().unwrap_or(0);
            varint::encode(least, out);
            push_miniblock(block.iter().map(|value| value - least), out);
        }
    } else {
        out.push(DELTAS);
        varint::encode(values[0], out);
        for window in DeltaWindows::new(values) {
            let least = window.deltas().min().unwrap_or(0);
            varint::encode(zigzag(least), out);
            push_miniblock(window.deltas().map(|delta| delta.wrapping_sub(least) as u64), out);
        }
    }
}

/// The bytes that [`encode`] appends.
pub(crate) fn size(values: &[u64]) -> usize {
    let (plain, deltas) = sizes(values);
    1 + plain.min(deltas)
}

fn sizes(values: &[u64]) -> (usize, usize) {
    let mut plain = 0;
    for block in values.chunks(LANES) {
        let least = block.iter().copied().min().unwrap_or(0);
        let greatest = block.iter().copied().max().unwrap_or(0);
        plain += varint::len(least) + 1 + packed_len(block.len(), width_of(greatest - least));
    }
    let Some(first) = values.first() else { return (0, 1) };
    let mut deltas = varint::len(*first);
    for window in DeltaWindows::new(values) {
        let least = window.deltas().min().unwrap_or(0);
        let greatest = window.deltas().max().unwrap_or(0);
        let spread = greatest.wrapping_sub(least) as u64;
        deltas += varint::len(zigzag(least)) + 1 + packed_len(window.len(), width_of(spread));
    }
    (plain, deltas)
}

fn push_miniblock(values: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
    let mut block = [0; LANES];
    let mut count = 0;
    let mut all = 0;
    for (place, value) in block.iter_mut().zip(values) {
        *place = value;
        all |= value;
        count += 1;
    }
    let width = width_of(all);
    out.push(width as u8);
    pack(&block[..count], width, out);
}

/// The values of a miniblock of differences, with the value before them.
struct DeltaWindow<'a>(&'a [u64]);

impl DeltaWindow<'_> {
    fn len(&self) -> usize {
        self.0.len() - 1
    }

    fn deltas(&self) -> impl Iterator<Item = i64> {
        self.0.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i64)
    }
}

struct DeltaWindows<'a>(&'a [u64]);

impl<'a> DeltaWindows<'a> {
    fn new(values: &'a [u64]) -> Self {
        Self(values)
    }
}

impl<'a> Iterator for DeltaWindows<'a> {
    type Item = DeltaWindow<'a>;

    fn next(&mut self) -> Option<DeltaWindow<'a>> {
        if self.0.len() < 2 {
            return None;
        }
        let len = self.0.len().min(LANES + 1);
        let window = DeltaWindow(&self.0[..len]);
        self.0 = &self.0[len - 1..];
        Some(window)
    }
}

/// Reads `count` values; the caller has checked the count. Any width and any sum is read, modulo
/// 2^64: what the values may be is the caller's to check.
pub(crate) fn decode(slice: &mut Slice<'_>, count: usize) -> Result<Vec<u64>, Corruption> {
    let mut values = Vec::with_capacity(count);
    decode_each(slice, count, |some| values.extend_from_slice(some))?;
    Ok(values)
}

/// As [`decode`]: calls `each` with some values after the others, until all were given.
pub(crate) fn decode_each(
    slice: &mut Slice<'_>,
    count: usize,
    mut each: impl FnMut(&[u64]),
) -> Result<(), Corruption> {
    let mut unpacker = Unpacker::new();
    let mut block = [0; LANES];
    let mut left = count;
    match slice.u8()? {
        PLAIN => {
            while left > 0 {
                let least = slice.varint()?;
                miniblock(slice, left.min(LANES), &mut unpacker, &mut block)?;
                let some = &mut block[..left.min(LANES)];
                some.iter_mut().for_each(|value| *value = value.wrapping_add(least));
                each(some);
                left -= some.len();
            }
        }
        DELTAS if count > 0 => {
            let mut last = slice.varint()?;
            each(&[last]);
            left -= 1;
            while left > 0 {
                let least = unzigzag(slice.varint()?) as u64;
                miniblock(slice, left.min(LANES), &mut unpacker, &mut block)?;
                let some = &mut block[..left.min(LANES)];
                for value in &mut *some {
                    last = last.wrapping_add(least).wrapping_add(*value);
                    *value = last;
                }
                each(some);
                left -= some.len();
            }
        }
        form => return Err(slice.corrupt("integers of form 1 or 2", form.to_string())),
    }
    Ok(())
}

fn miniblock(
    slice: &mut Slice<'_>,
    len: usize,
    unpacker: &mut Unpacker,
    block: &mut [u64; LANES],
) -> Result<(), Corruption> {
    let width = u32::from(slice.u8()?);
    if width > u64::BITS {
        return Err(slice.corrupt("a width of at most 64 bits", width.to_string()));
    }
    unpacker.unpack(slice.take(packed_len(len, width))?, width, block);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn round_trip(values: &[u64]) -> usize {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        assert_eq!(bytes.len(), size(values));
        let mut slice = Slice::new(&bytes, 0, "integers", Path::new(""));
        assert_eq!(decode(&mut slice, values.len()).expect("just encoded"), values);
        slice.finish().expect("nothing left");
        bytes.len()
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in prop::collection::vec(any::<u64>(), 0..400), shift in 0u32..64) {
            let values: Vec<_> = values.into_iter().map(|value| value >> shift).collect();
            round_trip(&values);
            let mut rising = values;
            rising.sort_unstable();
            round_trip(&rising);
        }

        #[test]
        fn any_bytes_give_values_or_an_error(bytes: Vec<u8>, form in 1u8..3, count in 0usize..300) {
            let bytes = [vec![form], bytes].concat();
            let mut slice = Slice::new(&bytes, 0, "integers", Path::new(""));
            if let Ok(values) = decode(&mut slice, count) {
                prop_assert_eq!(values.len(), count);
            }
        }

        #[test]
        fn zigzag_is_undone(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn a_steady_sequence_takes_no_bits_a_value() {
        let steady: Vec<u64> = (0..8_192).map(|row| (1 << 40) | (row * 3)).collect();
        assert!(round_trip(&steady) < 300);
        assert!(round_trip(&[7; 8_192]) < 300);
    }
}
