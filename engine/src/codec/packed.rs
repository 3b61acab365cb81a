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
    let Some(first) = values.first() else { return (0, 1) };
    let (mut plain, mut deltas) = (0, varint::len(*first));
    for (number, block) in values.chunks(LANES).enumerate() {
        // The last of the differences is that to the value behind the block.
        let window = &values[number * LANES..values.len().min((number + 1) * LANES + 1)];
        let Bounds { least, spread, least_delta, delta_spread } = Bounds::of(window, block.len());
        plain += varint::len(least) + 1 + packed_len(block.len(), width_of(spread));
        if window.len() > 1 {
            let packed = packed_len(window.len() - 1, width_of(delta_spread));
            deltas += varint::len(zigzag(least_delta)) + 1 + packed;
        }
    }
    (plain, deltas)
}

/// Within which bounds the values of a miniblock lie, and their differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    least: u64,
    spread: u64,
    least_delta: i64,
    delta_spread: u64,
}

impl Bounds {
    /// Of the first `count` values of a window, and of all its differences.
    fn of(window: &[u64], count: usize) -> Self {
        // Most numbers are codes and the like: where 16 bits are enough, eight are compared at a time.
        match <&[u64; LANES + 1]>::try_from(window) {
            Ok(window) if window.iter().fold(0, |all, value| all | value) < 1 << 15 => {
                Self::narrow(window)
            }
            _ => Self::wide(window, count),
        }
    }

    fn wide(window: &[u64], count: usize) -> Self {
        let least = window[..count].iter().copied().min().unwrap_or(0);
        let greatest = window[..count].iter().copied().max().unwrap_or(0);
        let window = DeltaWindow(window);
        let least_delta = window.deltas().min().unwrap_or(0);
        let greatest_delta = window.deltas().max().unwrap_or(0);
        Self {
            least,
            spread: greatest - least,
            least_delta,
            delta_spread: greatest_delta.wrapping_sub(least_delta) as u64,
        }
    }

    /// Of a full miniblock and the value behind it, all below 2^15.
    fn narrow(window: &[u64; LANES + 1]) -> Self {
        let window = window.map(|value| value as i16);
        let (mut least, mut greatest) = (i16::MAX, 0);
        let (mut least_delta, mut greatest_delta) = (i16::MAX, i16::MIN);
        for (value, next) in window[..LANES].iter().zip(&window[1..]) {
            let delta = next - value;
            (least, greatest) = (least.min(*value), greatest.max(*value));
            (least_delta, greatest_delta) = (least_delta.min(delta), greatest_delta.max(delta));
        }
        Self {
            least: u64::from(least.cast_unsigned()),
            spread: u64::from((greatest - least).cast_unsigned()),
            least_delta: i64::from(least_delta),
            delta_spread: (i64::from(greatest_delta) - i64::from(least_delta)).cast_unsigned(),
        }
    }
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
        fn bounds_are_the_same_in_any_width(
            values in prop::collection::vec(prop_oneof![0u64..1 << 15, 0u64..3, Just((1 << 15) - 1)], LANES + 1),
        ) {
            let window = values.as_slice().try_into().unwrap();
            prop_assert_eq!(Bounds::narrow(window), Bounds::wide(&values, LANES));
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
