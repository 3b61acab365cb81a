//! Frames whose variables are one prefix and digits, all of the same width (`u04711`): of such a frame the
//! numbers are stored, byte by byte, in place of a zstd frame.
//!
//! ```text
//! width u8, 1 to 32: bytes of a variable   prefix_len u8, below width   prefix
//! planes u8, 1 to 8
//! stored bytes (see mod.rs): the low byte of each number
//! stored bytes: the second byte of each number, then the third of each, up to as many as there are planes
//! ```
//! A number has `width - prefix_len` digits, at most 18, zeros before it. A zstd frame begins with the byte
//! 0x28, so a frame's first byte tells what it is.
//!
//! Why so (bytes a user of five digits, 8,192 of them): digits as text, zstd 2.33; numbers packed 1.77; low bytes
//! apart from the others 1.57, since frequent numbers have neighbours that are.

use crate::block::column::values::{self, Stored, ValuesWriter};
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use std::ops::{BitOrAssign, Shl};

/// Bytes of a variable at most: below the first byte of a zstd frame.
const WIDTH_MAX: usize = 32;
/// As many digits as any number of 8 bytes can have, and some.
const DIGITS_MAX: usize = 18;
/// Fewer variables are not worth it.
const COUNT_MIN: usize = 64;

/// The stored form of variables of `width` bytes, one behind the other, if they are such.
pub(super) fn pack(bytes: &[u8], width: usize, writer: &mut ValuesWriter) -> Option<Vec<u8>> {
    if !(1..=WIDTH_MAX).contains(&width) || bytes.len() < COUNT_MIN * width {
        return None;
    }
    let records = bytes.chunks_exact(width);
    if !records.remainder().is_empty() {
        return None;
    }
    let first = &bytes[..width];
    let digits = first.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = digits.min(DIGITS_MAX);
    let prefix = &first[..width - digits];
    if digits == 0 {
        return None;
    }
    let mut numbers = Vec::with_capacity(records.len());
    for record in records {
        let (before, digits) = record.split_at(prefix.len());
        let (mut number, mut are_digits) = (0u64, before == prefix);
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            are_digits &= digit < 10;
            // What is no digit may make it too great; then it is not used.
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        if !are_digits {
            return None;
        }
        numbers.push(number);
    }
    let greatest = numbers.iter().copied().max().unwrap_or(0);
    let planes = (u64::BITS - greatest.leading_zeros()).div_ceil(8).max(1);
    let plane = |plane: u32| numbers.iter().map(move |number| (number >> (8 * plane)) as u8);
    let mut out = vec![width as u8, prefix.len() as u8];
    out.extend_from_slice(prefix);
    out.push(planes as u8);
    let low: Vec<u8> = plane(0).collect();
    let others: Vec<u8> = (1..planes).flat_map(plane).collect();
    for bytes in [low, others] {
        let stored = writer.store_bytes(&bytes);
        varint::encode(bytes.len() as u64, &mut out);
        varint::encode_bytes(stored, &mut out);
    }
    (out.len() < bytes.len()).then_some(out)
}

/// What a frame of such variables has.
struct Packed {
    width: usize,
    prefix: Vec<u8>,
    digits: usize,
    planes: usize,
    low: Vec<u8>,
    others: Vec<u8>,
}

impl Packed {
    /// Takes the stored bytes from the slice; `None`, and nothing is taken, if they are no such frame.
    fn read(slice: &mut Slice<'_>, stored: Stored) -> Result<Option<Self>, Corruption> {
        let first = slice.clone().u8().unwrap_or(0);
        if stored.stored_len == stored.raw_len || !(1..=WIDTH_MAX).contains(&usize::from(first)) {
            return Ok(None);
        }
        let end = slice.position() + stored.stored_len;
        let width = usize::from(slice.u8()?);
        let prefix_len = usize::from(slice.u8()?);
        let digits = width.checked_sub(prefix_len);
        let digits = digits.filter(|digits| (1..=DIGITS_MAX).contains(digits));
        let Some(digits) = digits.filter(|_| stored.raw_len.is_multiple_of(width)) else {
            let found = format!("{width} bytes, {prefix_len} before the digits");
            return Err(slice.corrupt("variables of a prefix and digits", found));
        };
        let prefix = slice.take(prefix_len)?.to_vec();
        let planes = usize::from(slice.u8()?);
        if !(1..=8).contains(&planes) {
            return Err(slice.corrupt("1 to 8 bytes of a number", planes.to_string()));
        }
        let count = stored.raw_len / width;
        let low = plane(slice, count)?;
        let others = plane(slice, count * (planes - 1))?;
        if slice.position() != end {
            return Err(slice.corrupt(format!("an end at {end}"), slice.position().to_string()));
        }
        Ok(Some(Self { width, prefix, digits, planes, low, others }))
    }

    /// The numbers, which must have room for all planes.
    fn numbers<N>(&self, slice: &Slice<'_>) -> Result<Vec<N>, Corruption>
    where
        N: Copy + From<u8> + Into<u64> + Shl<usize, Output = N> + BitOrAssign,
    {
        let mut numbers: Vec<N> = self.low.iter().map(|byte| N::from(*byte)).collect();
        for (plane, bytes) in self.others.chunks_exact(self.low.len().max(1)).enumerate() {
            let shift = 8 * (plane + 1);
            numbers
                .iter_mut()
                .zip(bytes)
                .for_each(|(number, byte)| *number |= N::from(*byte) << shift);
        }
        let end = 10u64.pow(self.digits as u32);
        let may_be_greater = self.planes == 8 || 1u64 << (8 * self.planes) > end;
        if may_be_greater && numbers.iter().any(|number| (*number).into() >= end) {
            let expected = format!("numbers of {} digits", self.digits);
            return Err(slice.corrupt(expected, "a greater one"));
        }
        Ok(numbers)
    }
}

/// Variables as numbers behind a prefix.
#[derive(Debug)]
pub(in crate::block) struct Records {
    /// Bytes of a variable with its padding.
    width: usize,
    /// Without padding.
    prefix: Box<[u8]>,
    digits: usize,
    numbers: Vec<u32>,
}

impl Records {
    /// Those of a frame; `None` if it is another one, or has greater numbers.
    pub(super) fn read(slice: &mut Slice<'_>, stored: Stored) -> Result<Option<Self>, Corruption> {
        let Some(packed) = Packed::read(slice, stored)? else { return Ok(None) };
        if packed.planes > size_of::<u32>() {
            return Ok(None);
        }
        let numbers = packed.numbers(slice)?;
        let Packed { width, prefix, digits, .. } = packed;
        let padding = prefix.iter().take_while(|byte| **byte == 0).count();
        Ok(Some(Self { width, prefix: prefix[padding..].into(), digits, numbers }))
    }

    /// Some for tests of others.
    #[cfg(test)]
    pub(in crate::block) fn of(prefix: &[u8], digits: usize, numbers: &[u32]) -> Self {
        let width = prefix.len() + digits;
        Self { width, prefix: prefix.into(), digits, numbers: numbers.to_vec() }
    }

    /// The same with room for so many.
    pub(super) fn with_room(mut self, count: usize) -> Self {
        self.numbers.reserve(count.saturating_sub(self.numbers.len()));
        self
    }

    /// Takes in those of the next frame; `false` if they are not like these.
    pub(super) fn append(&mut self, mut next: Self) -> bool {
        let are_alike = (self.width, self.digits) == (next.width, next.digits);
        if !are_alike || self.prefix != next.prefix {
            return false;
        }
        self.numbers.append(&mut next.numbers);
        true
    }

    /// Bytes of a variable with its padding.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// What all begin with.
    pub(in crate::block) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// How many digits follow.
    pub(in crate::block) fn digits(&self) -> usize {
        self.digits
    }

    /// What the digits of each say.
    pub(in crate::block) fn numbers(&self) -> &[u32] {
        &self.numbers
    }
}

/// Inflates a frame of variables: takes its stored bytes from the slice.
pub(super) fn inflate(slice: &mut Slice<'_>, stored: Stored) -> Result<Vec<u8>, Corruption> {
    let Some(packed) = Packed::read(slice, stored)? else {
        return values::inflate_bytes(slice, stored);
    };
    let numbers: Vec<u64> = packed.numbers(slice)?;
    let Packed { width, prefix, digits, .. } = packed;
    let mut body = [&prefix[..], &vec![b'0'; digits]].concat().repeat(numbers.len());
    for (record, number) in body.chunks_exact_mut(width).zip(numbers) {
        match u32::try_from(number) {
            // Divisions of 32 bits are the cheaper ones.
            Ok(mut number) => {
                let mut place = width;
                while number > 0 {
                    place -= 1;
                    record[place] = b'0' + (number % 10) as u8;
                    number /= 10;
                }
            }
            Err(_) => put_digits(number, record),
        }
    }
    Ok(body)
}

/// Writes a number to the end of zeros that have room for it.
fn put_digits(mut number: u64, zeros: &mut [u8]) {
    for digit in zeros.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Stored bytes that are so many.
fn plane(slice: &mut Slice<'_>, len: usize) -> Result<Vec<u8>, Corruption> {
    let stored = values::read_lengths(slice, 0, len)?;
    if stored.raw_len != len {
        return Err(slice.corrupt(format!("{len} bytes"), stored.raw_len.to_string()));
    }
    values::inflate_bytes(slice, stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn inflated(bytes: &[u8], raw_len: usize) -> Result<Vec<u8>, Corruption> {
        let stored = Stored { count: 0, raw_len, stored_len: bytes.len() };
        inflate(&mut Slice::new(bytes, 0, "frame", Path::new("")), stored)
    }

    #[test]
    fn users_take_less_than_two_bytes() {
        let number = |n: u32| n.wrapping_mul(0x9e37_79b9) >> 16 & 0x3fff;
        let users: Vec<String> = (0..5_000).map(|n| format!("u{:05}", number(n))).collect();
        let bytes = users.concat().into_bytes();
        let packed = pack(&bytes, 6, &mut ValuesWriter::new()).expect("digits behind one prefix");
        assert!(packed.len() < 5_000 * 18 / 10, "{}", packed.len());
        assert_eq!(packed[..4], [6, 1, b'u', 2]);
        assert_eq!(inflated(&packed, bytes.len()).expect("just packed"), bytes);
    }

    #[test]
    fn other_variables_are_left_to_zstd() {
        let pack = |bytes: &[u8], width| pack(bytes, width, &mut ValuesWriter::new());
        assert_eq!(pack(&b"u1\0u2".repeat(100), 2), None, "not all alike");
        assert_eq!(pack(&b"u1v2".repeat(100), 2), None, "two prefixes");
        assert_eq!(pack(&b"\x005u6".repeat(100), 2), None, "of several lengths");
        assert_eq!(pack(&b"1f".repeat(100), 2), None, "no digit at the end");
        assert_eq!(pack(&b"u1".repeat(9), 2), None, "few");
        assert_eq!(pack(&b"u1".repeat(100), 0), None, "terminated");
        assert_eq!(pack(&[&[b'u'; 32][..], b"1"].concat().repeat(100), 33), None, "wide");
        assert!(pack(&b"u1".repeat(100), 2).is_some());
    }

    /// A number of more digits than there is room for.
    #[test]
    fn no_number_is_cut() {
        let mut bytes = vec![2, 1, b'u', 1, 2, 2, 9, 10, 0, 0];
        assert!(inflated(&bytes, 4).is_err() && bytes.len() > 4, "longer than what it is of");
        bytes = vec![2, 1, b'u', 1, 9, 9];
        bytes.extend([9; 9]);
        bytes.extend([0, 0]);
        assert_eq!(inflated(&bytes, 18).expect("nine numbers"), b"u9".repeat(9));
        bytes[8] = 10;
        assert!(inflated(&bytes, 18).is_err());
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(
            prefix in "[a-z_\\-0-9]{0,14}",
            numbers in prop::collection::vec(any::<u64>(), COUNT_MIN..300),
            digits in 1usize..=18,
        ) {
            let number = |number: &u64| format!("{prefix}{:0digits$}", number % 10u64.pow(digits as u32));
            let bytes = numbers.iter().map(number).collect::<String>().into_bytes();
            let width = prefix.len() + digits;
            let Some(packed) = pack(&bytes, width, &mut ValuesWriter::new()) else {
                return Ok(());
            };
            prop_assert!(packed.len() < bytes.len());
            prop_assert_eq!(&inflated(&packed, bytes.len()).expect("just packed"), &bytes);
            let stored = Stored { count: 0, raw_len: bytes.len(), stored_len: packed.len() };
            let mut slice = Slice::new(&packed, 0, "frame", Path::new(""));
            let records = Records::read(&mut slice, stored).expect("just packed");
            prop_assert_eq!(records.is_some(), packed[2 + usize::from(packed[1])] <= 4);
            if let Some(records) = records {
                let (digits, prefix) = (records.digits(), String::from_utf8_lossy(records.prefix()));
                let texts = records.numbers().iter().map(|n| format!("{prefix}{n:0digits$}"));
                prop_assert_eq!(texts.collect::<String>().into_bytes(), bytes);
            }
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(
            head in (1u8..33, 0u8..4, 0u8..10),
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            raw_len in 0usize..400,
        ) {
            let bytes = [&[head.0, head.1][..], &bytes[..bytes.len() / 2], &[head.2], &bytes].concat();
            let stored = Stored { count: 0, raw_len, stored_len: bytes.len() };
            let records = Records::read(&mut Slice::new(&bytes, 0, "frame", Path::new("")), stored);
            if let Ok(body) = inflated(&bytes, raw_len) {
                prop_assert_eq!(body.len(), raw_len);
                let records = records.expect("a frame, or another one");
                prop_assert!(records.is_none_or(|some| some.numbers().len() * some.width() == raw_len));
            }
        }
    }
}
