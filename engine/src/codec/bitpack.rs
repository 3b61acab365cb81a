//! Integers of 0 to 64 bits, one behind the other: value `i` has the bits from `i * width` on of a
//! little-endian bit stream, least significant bit first.

/// Values that are unpacked at a time.
pub(crate) const LANES: usize = 128;

/// The bytes that `count` values of `width` bits take.
pub(crate) fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// The bits that `value` needs.
pub(crate) fn width_of(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Appends `values`, each of which must fit `width` bits.
pub(crate) fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    debug_assert!(values.iter().all(|value| width_of(*value) <= width));
    let mut pending = 0u128;
    let mut bits = 0;
    for value in values {
        pending |= u128::from(*value) << bits;
        bits += width;
        if bits >= u64::BITS {
            out.extend_from_slice(&(pending as u64).to_le_bytes());
            pending >>= u64::BITS;
            bits -= u64::BITS;
        }
    }
    out.extend_from_slice(&pending.to_le_bytes()[..bits.div_ceil(8) as usize]);
}

/// Value `index` of packed ones of at most 56 bits; `None` if `bytes` end before it.
pub(crate) fn get(bytes: &[u8], index: usize, width: u32) -> Option<u64> {
    debug_assert!(width <= 56, "a value and its shift fit one load");
    let bit = index.checked_mul(width as usize)?;
    let end = bit.checked_add(width as usize)?.div_ceil(8);
    let mut word = [0; 8];
    let from = bytes.get(bit / 8..end)?;
    word[..from.len()].copy_from_slice(from);
    Some((u64::from_le_bytes(word) >> (bit % 8)) & ((1 << width) - 1))
}

/// Unpacks [`LANES`] values at a time. Every value is one load that may reach past the packed
/// bytes, so they are copied in front of padding first.
pub(crate) struct Unpacker {
    padded: [u8; LANES * 8 + 16],
}

impl Unpacker {
    pub(crate) fn new() -> Self {
        Self { padded: [0; LANES * 8 + 16] }
    }

    /// Unpacks the values in `bytes`, at most [`LANES`] of `width` bits. What `out` holds past
    /// them is arbitrary.
    pub(crate) fn unpack(&mut self, bytes: &[u8], width: u32, out: &mut [u64; LANES]) {
        assert!(width <= u64::BITS && bytes.len() <= packed_len(LANES, width));
        self.padded[..bytes.len()].copy_from_slice(bytes);
        /// Known widths make known shifts, which are twice as fast.
        macro_rules! unpack {
            ($($width:literal)*) => {
                match width {
                    0 => out.fill(0),
                    $($width => self.unpack_narrow::<$width>(out),)*
                    _ => self.unpack_wide(width as usize, out),
                }
            };
        }
        unpack!(
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
            33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56
        );
    }

    /// Eight values take `WIDTH` bytes: their places repeat from there.
    fn unpack_narrow<const WIDTH: usize>(&self, out: &mut [u64; LANES]) {
        let mask = (1 << WIDTH) - 1;
        for (group, out) in out.chunks_exact_mut(8).enumerate() {
            let bytes = &self.padded[group * WIDTH..][..WIDTH + 8];
            for (lane, out) in out.iter_mut().enumerate() {
                let (at, shift) = (lane * WIDTH / 8, lane * WIDTH % 8);
                let word: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
                *out = (u64::from_le_bytes(word) >> shift) & mask;
            }
        }
    }

    fn unpack_wide(&self, width: usize, out: &mut [u64; LANES]) {
        let mask = u64::MAX >> (64 - width);
        for (lane, out) in out.iter_mut().enumerate() {
            let (at, shift) = (lane * width / 8, lane * width % 8);
            let word: [u8; 16] = self.padded[at..at + 16].try_into().expect("sixteen bytes");
            *out = (u128::from_le_bytes(word) >> shift) as u64 & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_values_of_any_width_come_back(
            width in 0u32..=64,
            mut values in prop::collection::vec(any::<u64>(), 0..=LANES),
        ) {
            for value in &mut values {
                *value = if width == 0 { 0 } else { *value >> (64 - width) };
            }
            let mut bytes = Vec::new();
            pack(&values, width, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_len(values.len(), width));
            let mut out = [0; LANES];
            let mut unpacker = Unpacker::new();
            unpacker.unpack(&[0xff; LANES * 8], 64, &mut out);
            unpacker.unpack(&bytes, width, &mut out);
            prop_assert_eq!(&out[..values.len()], &values[..]);
            if width <= 56 {
                for (index, value) in values.iter().enumerate() {
                    prop_assert_eq!(get(&bytes, index, width), Some(*value));
                }
                prop_assert_eq!(get(&bytes, bytes.len() * 8 + 1, width.max(1)), None);
            }
        }
    }

    #[test]
    fn the_first_value_has_the_lowest_bits() {
        let mut bytes = Vec::new();
        pack(&[1, 2, 7], 3, &mut bytes);
        assert_eq!(bytes, [0b1101_0001, 0b1]);
    }
}
