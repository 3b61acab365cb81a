//! Sixteen bytes at a time, with what x86-64 always has.
//!
//! (V): `unsafe` says nothing but that the processor has SSE2. Every x86-64 has it, and the functions that are
//! called take values and give values: none of them is given a pointer.

#![expect(unsafe_code, reason = "the compiler wants to be told that the processor has SSE2")]

use super::CHUNK;
use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
    _mm_set1_epi8, _mm_sub_epi8,
};
use std::ops::BitOr;

/// 64 bytes; of those that tell of others, `0xff` says yes and zero no.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk([__m128i; 4]);

impl Chunk {
    #[inline]
    pub(crate) fn new(bytes: &[u8; CHUNK]) -> Self {
        let eight = |at: usize| i64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        // SAFETY: (V).
        let sixteen = |at: usize| unsafe { _mm_set_epi64x(eight(at + 8), eight(at)) };
        Self([sixteen(0), sixteen(16), sixteen(32), sixteen(48)])
    }

    /// No byte of any class.
    #[inline]
    pub(crate) fn none() -> Self {
        Self([all(0); 4])
    }

    /// With letters in lower case; of other bytes some fall together.
    #[inline]
    pub(crate) fn lower(self) -> Self {
        self | Self([all(0x20); 4])
    }

    /// Which bytes are this one.
    #[inline]
    pub(crate) fn is(self, wanted: u8) -> Self {
        // SAFETY: (V).
        Self(self.0.map(|part| unsafe { _mm_cmpeq_epi8(part, all(wanted)) }))
    }

    /// Which bytes are `first` or `last` or between them.
    #[inline]
    pub(crate) fn within(self, first: u8, last: u8) -> Self {
        let (first, most) = (all(first), all(last - first));
        // SAFETY: (V).
        Self(self.0.map(|part| unsafe {
            let above = _mm_sub_epi8(part, first);
            _mm_cmpeq_epi8(_mm_min_epu8(above, most), above)
        }))
    }

    /// The highest bit of each byte, that of the first lowest.
    #[inline]
    pub(crate) fn bits(self) -> u64 {
        // SAFETY: (V).
        let [a, b, c, d] = self.0.map(|part| unsafe { _mm_movemask_epi8(part) } as u64);
        a | b << 16 | c << 32 | d << 48
    }
}

impl BitOr for Chunk {
    type Output = Self;

    #[inline]
    fn bitor(self, Self([e, f, g, h]): Self) -> Self {
        let Self([a, b, c, d]) = self;
        // SAFETY: (V).
        unsafe {
            Self([_mm_or_si128(a, e), _mm_or_si128(b, f), _mm_or_si128(c, g), _mm_or_si128(d, h)])
        }
    }
}

#[inline]
fn all(byte: u8) -> __m128i {
    // SAFETY: (V).
    unsafe { _mm_set1_epi8(byte as i8) }
}
