//! Finds the words with digits of an ASCII text: looks at 64 bytes at a time, without branches, and
//! then only at the digits.

use super::Nothing;
use crate::codec::chunk::{CHUNK as LANES, Chunk};

/// What a text is filled up with: a separator.
const FILLER: u8 = b' ';

/// One bit a byte of a text.
#[derive(Default)]
pub(super) struct Masks {
    pieces: Vec<Piece>,
    /// Bytes of the text.
    len: usize,
}

/// One bit a byte of [`LANES`].
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Letters, digits and `_`.
    words: u64,
    digits: u64,
    /// Lower-case hexadecimal digits.
    hex: u64,
}

/// What one text has besides words.
pub(super) struct Found {
    pub(super) is_ascii: bool,
    /// Whether it has a byte below the least that is legal.
    pub(super) has_illegal: bool,
}

impl Masks {
    /// Looks at a text.
    pub(super) fn read(&mut self, text: &[u8], legal_min: u8) -> Found {
        self.pieces.clear();
        self.len = text.len();
        let (mut all, mut illegal) = (Chunk::none(), Chunk::none());
        let (chunks, rest) = text.as_chunks::<LANES>();
        let mut filled = [FILLER; LANES];
        filled[..rest.len()].copy_from_slice(rest);
        for chunk in chunks.iter().chain([&filled]) {
            let chunk = Chunk::new(chunk);
            all = all | chunk;
            illegal = illegal | chunk.within(0, legal_min - 1);
            let digits = chunk.within(b'0', b'9');
            self.pieces.push(Piece {
                words: (chunk.lower().within(b'a', b'z') | digits | chunk.is(b'_')).bits(),
                digits: digits.bits(),
                hex: (digits | chunk.within(b'a', b'f')).bits(),
            });
        }
        Found { is_ascii: all.bits() == 0, has_illegal: illegal.bits() != 0 }
    }

    /// Gives every word with a digit to `f`, if the text is ASCII: where it begins and ends, and what it
    /// has nothing else of.
    pub(super) fn for_each_variable(&self, mut f: impl FnMut(usize, usize, Nothing)) {
        let (words, digits) = (|piece: &Piece| piece.words, |piece: &Piece| piece.digits);
        let mut at = 0;
        while let Some(digit) = first_one(&self.pieces, digits, at) {
            let start = after_last_zero(&self.pieces, words, digit);
            // The filler is none, so there is a zero.
            let end = first_one(&self.pieces, |piece| !piece.words, digit).unwrap_or(self.len);
            let but_hex = first_one(&self.pieces, |piece| !piece.hex, start) == Some(end);
            let but_digits = start == digit
                && first_one(&self.pieces, |piece| !piece.digits, digit) == Some(end);
            f(start, end, Nothing { but_digits, but_hex });
            at = end;
        }
    }
}

/// The first bit from `from` on that is set.
#[inline]
fn first_one(pieces: &[Piece], mask: impl Fn(&Piece) -> u64, from: usize) -> Option<usize> {
    let mut at = from / LANES;
    let mut bits = mask(pieces.get(at)?) >> (from % LANES) << (from % LANES);
    while bits == 0 {
        at += 1;
        bits = mask(pieces.get(at)?);
    }
    Some(at * LANES + bits.trailing_zeros() as usize)
}

/// The place behind the last bit before `end` that is not set.
#[inline]
fn after_last_zero(pieces: &[Piece], mask: impl Fn(&Piece) -> u64, end: usize) -> usize {
    let mut at = end / LANES;
    let mut bits = !mask(&pieces[at]) & ((1 << (end % LANES)) - 1);
    while bits == 0 {
        if at == 0 {
            return 0;
        }
        at -= 1;
        bits = !mask(&pieces[at]);
    }
    (at + 1) * LANES - bits.leading_zeros() as usize
}
