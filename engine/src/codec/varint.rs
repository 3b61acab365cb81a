//! Unsigned integers of 1 to 10 bytes, seven bits a byte, least significant first (LEB128).

/// Appends `value`.
pub(crate) fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The bytes that [`encode`] appends.
pub(crate) fn len(value: u64) -> usize {
    ((u64::BITS - value.leading_zeros()).max(1) as usize).div_ceil(7)
}

/// Appends a varint length and the bytes.
pub(crate) fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// The value at the start of `bytes` and its length; `None` if it is cut off or over 64 bits.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_value_comes_back(value: u64, shift in 0u32..64, tail: [u8; 3]) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            encode(value, &mut bytes);
            let len = bytes.len();
            prop_assert_eq!(super::len(value), len);
            bytes.extend(tail);
            prop_assert_eq!(decode(&bytes), Some((value, len)));
            prop_assert_eq!(decode(&bytes[..len - 1]), None);
        }
    }

    #[test]
    fn eleven_bytes_and_65_bits_are_refused() {
        assert_eq!(decode(&[0xff; 11]), None);
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), None);
    }
}
