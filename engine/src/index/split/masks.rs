//! Finds the words with digits of an ASCII text: looks at 64 bytes at a time, without branches, and
//! then only at the digits.

use crate::codec::chunk::{CHUNK as LANES, Chunk};

/// What a text is filled up with: a separator.
const FILLER: u8 = b' ';

/// One bit a byte of a text.
#[derive(Default)]
pub(super) struct Masks {
    /// Letters, digits and `_`.
    words: Vec<u64>,
    digits: Vec<u64>,
    /// Bytes of the text.
    len: usize,
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
        self.words.clear();
        self.digits.clear();
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
            self.digits.push(digits.bits());
            self.words.push((chunk.lower().within(b'a', b'z') | digits | chunk.is(b'_')).bits());
        }
        Found { is_ascii: all.bits() == 0, has_illegal: illegal.bits() != 0 }
    }

    /// Gives every word with a digit to `f`, if the text is ASCII: where it begins and ends, and
    /// whether it has nothing but digits.
    pub(super) fn for_each_variable(&self, mut f: impl FnMut(usize, usize, bool)) {
        let mut at = 0;
        while let Some(digit) = first_one(&self.digits, at) {
            let start = after_last_zero(&self.words, digit);
            // The filler is none, so there is a zero.
            let end = first_zero(&self.words, digit).unwrap_or(self.len);
            let is_digits = start == digit && first_zero(&self.digits, digit) == Some(end);
            f(start, end, is_digits);
            at = end;
        }
    }
}

/// The first bit from `from` on that is set.
fn first_one(masks: &[u64], from: usize) -> Option<usize> {
    let mut at = from / LANES;
    let mut mask = masks.get(at)? >> (from % LANES) << (from % LANES);
    while mask == 0 {
        at += 1;
        mask = *masks.get(at)?;
    }
    Some(at * LANES + mask.trailing_zeros() as usize)
}

/// The first bit from `from` on that is not set.
fn first_zero(masks: &[u64], from: usize) -> Option<usize> {
    let mut at = from / LANES;
    let mut mask = !masks.get(at)? >> (from % LANES) << (from % LANES);
    while mask == 0 {
        at += 1;
        mask = !*masks.get(at)?;
    }
    Some(at * LANES + mask.trailing_zeros() as usize)
}

/// The place behind the last bit before `end` that is not set.
fn after_last_zero(masks: &[u64], end: usize) -> usize {
    let mut at = end / LANES;
    let mut mask = !masks[at] & ((1 << (end % LANES)) - 1);
    while mask == 0 {
        if at == 0 {
            return 0;
        }
        at -= 1;
        mask = !masks[at];
    }
    (at + 1) * LANES - mask.leading_zeros() as usize
}
