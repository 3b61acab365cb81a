//! Bytes of a text, 64 at a time: which of them are of a class, one bit a byte.
//!
//! With the vectors that every x86-64 has; elsewhere byte by byte, which is what tests hold them against.

/// Bytes of a chunk.
pub(crate) const CHUNK: usize = u64::BITS as usize;

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable::Chunk;
#[cfg(target_arch = "x86_64")]
pub(crate) use sse2::Chunk;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn vectors_find_what_bytes_do(
            bytes in prop::collection::vec(any::<u8>(), CHUNK),
            a: u8,
            b: u8,
        ) {
            let bytes: &[u8; CHUNK] = bytes.as_slice().try_into().unwrap();
            let (first, last) = (a.min(b), a.max(b));
            let (fast, slow) = (sse2::Chunk::new(bytes), portable::Chunk::new(bytes));
            let all = [
                (sse2::Chunk::none().bits(), portable::Chunk::none().bits()),
                (fast.bits(), slow.bits()),
                (fast.within(first, last).bits(), slow.within(first, last).bits()),
                (fast.is(bytes[7]).bits(), slow.is(bytes[7]).bits()),
                (fast.lower().within(first, last).bits(), slow.lower().within(first, last).bits()),
                ((fast.is(a) | fast.is(b)).bits(), (slow.is(a) | slow.is(b)).bits()),
            ];
            for (fast, slow) in all {
                prop_assert_eq!(fast, slow);
            }
            let within = bytes.iter().enumerate().filter(|(_, byte)| (first..=last).contains(*byte));
            let within = within.fold(0, |bits, (place, _)| bits | 1u64 << place);
            prop_assert_eq!(fast.within(first, last).bits(), within);
        }
    }
}
