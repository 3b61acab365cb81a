//! Copies of few bytes, of which there are many.

use std::ops::Range;

/// Bytes that are copied at once.
const PIECE: usize = 16;

/// Appends `bytes[range]`; panics if it lies outside. A short one costs a load and a store, not a
/// call.
#[inline]
pub(crate) fn push_range(bytes: &[u8], range: Range<usize>, out: &mut Vec<u8>) {
    let len = range.len();
    match bytes[range.start..].first_chunk::<PIECE>() {
        Some(piece) if len <= PIECE && range.end <= bytes.len() => {
            out.extend_from_slice(piece);
            out.truncate(out.len() - PIECE + len);
        }
        _ => out.extend_from_slice(&bytes[range]),
    }
}

/// Appends a text. A short one costs few loads and a store, not a call; there is to be room for [`PIECE`] bytes,
/// or `out` grows.
#[inline]
pub(crate) fn push_short(text: &[u8], out: &mut Vec<u8>) {
    const HALF: usize = PIECE / 2;
    const QUARTER: usize = PIECE / 4;
    let len = text.len();
    let bytes = match (text.first_chunk::<QUARTER>(), text.last_chunk::<QUARTER>()) {
        _ if len > PIECE => return out.extend_from_slice(text),
        (Some(first), Some(last)) => match (text.first_chunk(), text.last_chunk()) {
            // Both halves may have bytes of the middle, which are the same.
            (Some(first), Some(last)) => {
                let last = u128::from(u64::from_le_bytes(*last));
                u128::from(u64::from_le_bytes(*first)) | last << (u8::BITS as usize * (len - HALF))
            }
            _ => {
                let last = u128::from(u32::from_le_bytes(*last));
                u128::from(u32::from_le_bytes(*first))
                    | last << (u8::BITS as usize * (len - QUARTER))
            }
        },
        _ => text.iter().rev().fold(0, |all, byte| all << u8::BITS | u128::from(*byte)),
    };
    let end = out.len() + len;
    out.extend_from_slice(&bytes.to_le_bytes());
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_range_is_copied(bytes in prop::collection::vec(any::<u8>(), 0..50), a: u8, b: u8) {
            let place = |n: u8| usize::from(n) % (bytes.len() + 1);
            let range = place(a).min(place(b))..place(a).max(place(b));
            let mut out = vec![7];
            push_range(&bytes, range.clone(), &mut out);
            prop_assert_eq!(&out[1..], &bytes[range]);
        }

        #[test]
        fn any_text_is_appended(texts in prop::collection::vec("[a-z]{0,20}", 0..9)) {
            let mut out = Vec::new();
            texts.iter().for_each(|text| push_short(text.as_bytes(), &mut out));
            prop_assert_eq!(out, texts.concat().into_bytes());
        }
    }
}
