//! Texts without their digits, and their digits.
//!
//! The *blank* of a text is the text with `0` for each of its digits: what a log repeats. Digits follow
//! each other in halves of bytes. No byte of a text is a special one, so every text has a blank. This is
//! no second kind of sentence: nothing is looked up by blanks, and they live as long as a record is
//! written or read. Cutting texts into sentences takes twice the instructions, and what is left of them
//! are words of varied lengths, which then have to be compressed.

use super::table::Distinct;
use crate::limits::{BLANK_BYTES_MAX, BLANKS_MAX};
use std::ops::Range;

/// Digits that are moved at a time.
const PIECE: usize = 8;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const LOW_HALVES: u64 = 0x0f0f_0f0f_0f0f_0f0f;

/// The blanks of a field.
#[derive(Debug, Default)]
pub(super) struct Blanks {
    pub(super) texts: Distinct,
    pieces: Pieces,
    /// The code of the text before.
    last: usize,
}

/// Where digits stand in blanks.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// Where those of each blank end.
    ends: Vec<u32>,
}

/// Digits beside each other in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    start: u32,
    /// Up to [`PIECE`].
    len: u32,
}

impl Blanks {
    /// Whether they, and the `raw` bytes of texts that have none, are enough less than all `bytes`.
    pub(super) fn pay(&self, raw: usize, bytes: usize) -> bool {
        self.texts.len() > 0 && (self.texts.texts().1.len() + raw) * 4 <= bytes * 3
    }

    /// What is allocated.
    pub(super) fn memory(&self) -> usize {
        let Pieces { pieces, ends } = &self.pieces;
        self.texts.memory() + pieces.capacity() * size_of::<Piece>() + ends.capacity() * 4
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.pieces.pieces.clear();
        self.pieces.ends.clear();
        self.last = 0;
    }

    /// The code of a blank, and where it has digits; `None` if it is one too many.
    pub(super) fn code(&mut self, blank: &[u8]) -> Option<(usize, &[Piece])> {
        let (len, bytes) = (self.texts.len(), self.texts.texts().1.len());
        if self.last >= len || self.texts.text(self.last) != blank {
            let may = len < BLANKS_MAX && bytes + blank.len() <= BLANK_BYTES_MAX;
            self.last = self.texts.code(blank, may)?;
            if self.last == len {
                self.pieces.push(blank);
            }
        }
        Some((self.last, self.pieces.of(self.last)))
    }
}

impl Pieces {
    /// Those of a blank; panics past the last.
    pub(super) fn of(&self, code: usize) -> &[Piece] {
        let start = code.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.pieces[start..self.ends[code] as usize]
    }

    /// Adds a blank.
    pub(super) fn push(&mut self, blank: &[u8]) {
        for (index, chunk) in blank.chunks(u64::BITS as usize).enumerate() {
            let (eights, rest) = chunk.as_chunks();
            let mut left = 0;
            for (at, eight) in eights.iter().enumerate() {
                left |= zeros(*eight) << (8 * at);
            }
            let mut eight = [0; 8];
            eight[..rest.len()].copy_from_slice(rest);
            // With eight of them there is no rest.
            left |= zeros(eight).checked_shl(8 * eights.len() as u32).unwrap_or(0);
            while left != 0 {
                let start = left.trailing_zeros();
                let len = (!(left >> start)).trailing_zeros().min(PIECE as u32);
                // Blanks are far below 4 GiB.
                self.pieces.push(Piece { start: index as u32 * u64::BITS + start, len });
                left &= !(((1 << len) - 1) << start);
            }
        }
        self.ends.push(self.pieces.len() as u32);
    }
}

impl Piece {
    /// Where it stands in a text that begins at `start`.
    pub(super) fn range(self, start: usize) -> Range<usize> {
        let start = start + self.start as usize;
        start..start + self.len as usize
    }
}

/// A bit for each of eight bytes: whether it is `0`.
fn zeros(bytes: [u8; 8]) -> u64 {
    let other = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    let found = !(((other & LOW_BITS) + LOW_BITS) | other | LOW_BITS);
    // Moves bit 8 i to bit 56 + i, for each i.
    (found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Texts without their digits.
pub(super) fn without_digits(bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let replaced = |byte: &u8| if byte.wrapping_sub(b'0') < 10 { b'0' } else { *byte };
    out.extend(bytes.iter().map(replaced));
}

/// The lower halves of eight bytes whose upper halves are zero, the first lowest.
pub(super) fn halves(eight: u64) -> u32 {
    let pairs = (eight | eight >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (fours | fours >> 16) as u32
}

/// Digits of texts, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Digits {
    /// The first `len` bytes; what is behind them is arbitrary.
    bytes: Vec<u8>,
    len: usize,
}

impl Digits {
    /// What is allocated.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends those of the text in `range` of `bytes`.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], range: Range<usize>, pieces: &[Piece]) {
        let most = self.len + range.len() + PIECE;
        if most > self.bytes.len() {
            self.bytes.resize(most * 2, 0);
        }
        let mut len = self.len;
        let (from, to) = (&bytes[range.start..], &mut *self.bytes);
        for piece in pieces {
            let (from, to) = (&from[piece.start as usize..], &mut to[len..]);
            match (from.first_chunk::<PIECE>(), to.first_chunk_mut::<PIECE>()) {
                (Some(from), Some(to)) => *to = *from,
                // At the end of the field.
                _ => to[..from.len()].copy_from_slice(from),
            }
            len += piece.len as usize;
        }
        self.len = len;
    }

    /// Appends them in halves of bytes, the first in the lower one, filled up with zeros; returns the
    /// bytes that they take.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) -> usize {
        let padded = self.len.next_multiple_of(PIECE);
        if padded > self.bytes.len() {
            self.bytes.resize(padded, 0);
        }
        self.bytes[self.len..padded].fill(0);
        let start = out.len();
        out.resize(start + padded / 2, 0);
        let (fours, _) = out[start..].as_chunks_mut();
        for (eight, four) in self.bytes[..padded].as_chunks().0.iter().zip(fours) {
            *four = halves(u64::from_le_bytes(*eight) & LOW_HALVES).to_le_bytes();
        }
        let len = self.len.div_ceil(2);
        out.truncate(start + len);
        len
    }
}

/// The digits that [`Digits::write`] wrote; `None` if any is none.
pub(super) fn read_digits(halves: &[u8]) -> Option<Vec<u8>> {
    let mut most = 0;
    let mut digits = Vec::with_capacity(halves.len() * 2 + PIECE);
    for_each_eight(halves, |eight| {
        // The upper half of a byte with ten or more is not zero.
        most |= eight + 0x0606_0606_0606_0606;
        digits.extend_from_slice(&(eight + 0x3030_3030_3030_3030).to_le_bytes());
    });
    digits.truncate(halves.len() * 2);
    (most & !LOW_HALVES == 0).then_some(digits)
}

/// The hexadecimal digits of bytes, the lower half of each first.
pub(super) fn hex_digits(halves: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(halves.len() * 2 + PIECE);
    for_each_eight(halves, |eight| {
        let letters = (eight + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        let from_letters = letters * u64::from(b'a' - b'0' - 10);
        digits.extend_from_slice(&(eight + 0x3030_3030_3030_3030 + from_letters).to_le_bytes());
    });
    digits.truncate(halves.len() * 2);
    digits
}

/// Gives the halves of bytes to `each`, the lower one first, eight at a time, the last filled up.
fn for_each_eight(halves: &[u8], mut each: impl FnMut(u64)) {
    let (fours, rest) = halves.as_chunks();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    for four in fours.iter().chain([&last]) {
        let eight = u64::from(u32::from_le_bytes(*four));
        let fours = (eight | eight << 16) & 0x0000_ffff_0000_ffff;
        let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
        each((pairs | pairs << 4) & LOW_HALVES);
    }
}
