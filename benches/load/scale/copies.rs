//! Copies of a workload that are other data each, made while they are sent.
//!
//! Of a line, a copy has its own time, trace, span, drawn digits and rare words; the rest is what makes
//! events of the same services look alike. Each is patched into a fresh copy of the body's bytes at places
//! that were found once, so that making an event costs a fraction of sending it.
//!
//! - **Times**: so many copies make a day, one behind the other: each has the workload's day in its part
//!   of a day. Days follow each other, and the last one is over.
//! - **Traces and spans**: exclusive or with a mask of the copy. That is a bijection: a trace has as many events
//!   in a copy as it has in the workload, and no other copy has it, but by a chance of 1 in 2^128.
//! - **Digits**: each is drawn again, from a stream that the copy and the body begin.
//! - **Rare words**: their first letters are the copy's number.

use super::calendar::{self, DATE, DAY_MICROS};
use super::places::{Base, CLOCK, Places, SPAN, TRACE};
use bytes::BytesMut;

/// Letters of a rare word that tell the copy.
const LETTERS: usize = 3;

/// A workload and how its copies follow each other.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) places: Places,
    pub(super) copies: u64,
    /// Copies of a day.
    pub(super) per_day: u64,
    /// The first day, counted from 1970-01-01.
    pub(super) first_day: u64,
}

/// A sequence of numbers that look like chance (splitmix64).
#[derive(Debug)]
struct Stream(u64);

impl Stream {
    /// Begins anew for each pair of numbers.
    fn new(copy: u64, number: u64) -> Self {
        let mut stream = Self(copy.wrapping_mul(0xd605_1c7a_59a1_0b4b) ^ number.rotate_left(32));
        stream.0 = stream.next();
        stream
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// What a copy's ids differ by.
#[derive(Debug)]
struct Masks {
    trace: u128,
    span: u64,
}

impl Masks {
    fn of(copy: u64) -> Self {
        let mut stream = Stream::new(copy, u64::MAX);
        let (high, low) = (stream.next(), stream.next());
        Self { trace: u128::from(high) << 64 | u128::from(low), span: stream.next() }
    }
}

/// The trace that a copy has where the workload has this one.
pub(super) fn trace(copy: u64, trace: u128) -> String {
    format!("{:032x}", trace ^ Masks::of(copy).trace)
}

/// The rare word that a copy has where the workload has this one.
pub(super) fn rare(copy: u64, word: &str) -> String {
    let mut word = word.as_bytes().to_vec();
    write_rare(copy, &mut word);
    String::from_utf8(word).expect("letters are put in the place of letters")
}

/// The copies whose rare words differ.
pub(super) const COPIES_MAX: u64 = 26u64.pow(LETTERS as u32);

fn write_rare(copy: u64, word: &mut [u8]) {
    let mut rest = copy;
    for letter in &mut word[..LETTERS] {
        *letter = b'a' + (rest % 26) as u8;
        rest /= 26;
    }
}

/// Whether a word can be a rare one of copies.
pub(super) fn can_be_rare(word: &str) -> bool {
    word.len() > LETTERS && word.bytes().take(LETTERS).all(|byte| byte.is_ascii_lowercase())
}

impl Copies {
    pub(super) fn events(&self) -> u64 {
        self.copies * self.places.events
    }

    pub(super) fn day_of(&self, copy: u64) -> u64 {
        self.first_day + copy / self.per_day
    }

    /// The time of a line in a copy, in microseconds of its day.
    pub(super) fn micros(&self, copy: u64, micros: u64) -> u64 {
        (copy % self.per_day * DAY_MICROS + micros) / self.per_day
    }

    /// Makes a body of a copy in the place of what is there.
    pub(super) fn make(&self, copy: u64, number: usize, out: &mut BytesMut) {
        let base = &self.places.bases[number];
        out.clear();
        out.extend_from_slice(&base.bytes);
        let date = calendar::date(self.day_of(copy));
        let masks = Masks::of(copy);
        for line in &base.lines {
            let time = &mut out[line.date_at as usize..][..DATE + 1 + CLOCK];
            time[..DATE].copy_from_slice(date.as_bytes());
            calendar::write(self.micros(copy, line.micros), &mut time[DATE + 1..]);
            let trace = (line.trace ^ masks.trace).to_be_bytes();
            write_hexadecimal(&trace, &mut out[line.trace_at as usize..][..TRACE]);
            let span = (line.span ^ masks.span).to_be_bytes();
            write_hexadecimal(&span, &mut out[line.span_at as usize..][..SPAN]);
        }
        for at in &base.rare {
            write_rare(copy, &mut out[*at as usize..]);
        }
        redraw(base, &mut Stream::new(copy, number as u64), out);
    }
}

/// Adds a digit of the stream to each drawn one, without carry.
fn redraw(base: &Base, stream: &mut Stream, out: &mut [u8]) {
    for places in base.digits.chunks(8) {
        let drawn = stream.next().to_le_bytes();
        for (at, drawn) in places.iter().zip(drawn) {
            let digit = &mut out[*at as usize];
            let sum = *digit - b'0' + ((u16::from(drawn) * 10) >> 8) as u8;
            *digit = b'0' + if sum < 10 { sum } else { sum - 10 };
        }
    }
}

fn write_hexadecimal(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, out) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        out[0] = DIGITS[usize::from(byte >> 4)];
        out[1] = DIGITS[usize::from(byte & 15)];
    }
}
