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
    }
}
