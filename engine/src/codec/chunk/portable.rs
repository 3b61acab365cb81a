//! Byte by byte.

use super::CHUNK;
use std::ops::BitOr;

/// 64 bytes; of those that tell of others, `0xff` says yes and zero no.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk([u8; CHUNK]);

impl Chunk {
    pub(crate) fn new(bytes: &[u8; CHUNK]) -> Self {
        Self(*bytes)
    }

    /// No byte of any class.
    pub(crate) fn none() -> Self {
        Self([0; CHUNK])
    }

    /// With letters in lower case; of other bytes some fall together.
    pub(crate) fn lower(self) -> Self {
        Self(self.0.map(|byte| byte | 0x20))
    }

    /// Which bytes are this one.
    pub(crate) fn is(self, wanted: u8) -> Self {
        Self(self.0.map(|byte| answer(byte == wanted)))
    }

    /// Which bytes are `first` or `last` or between them.
    pub(crate) fn within(self, first: u8, last: u8) -> Self {
        Self(self.0.map(|byte| answer(byte.wrapping_sub(first) <= last - first)))
    }

    /// The highest bit of each byte, that of the first lowest.
    pub(crate) fn bits(self) -> u64 {
        let mut bits = 0;
        for (index, eight) in self.0.as_chunks::<8>().0.iter().enumerate() {
            let ones = u64::from_le_bytes(*eight) >> 7 & 0x0101_0101_0101_0101;
            // Moves bit 8 i to bit 56 + i, for each i.
            bits |= ones.wrapping_mul(0x0102_0408_1020_4080) >> 56 << (8 * index);
        }
        bits
    }
}

impl BitOr for Chunk {
    type Output = Self;

    fn bitor(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte |= other);
        self
    }
}

fn answer(yes: bool) -> u8 {
    if yes { u8::MAX } else { 0 }
}
