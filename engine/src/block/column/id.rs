//! Encoding 5: strings of exactly 16 or 32 lower-case hexadecimal digits, as 8 or 16 bytes. Ids
//! that repeat within the block (those of traces) stand there once.
//!
//! ```text
//! width u8 = 8 or 16  count varint  count * width bytes  [packed codes, unless count = values]
//! ```

use super::dictionary::{Codes, Distinct};
use crate::batch::RowColumn;
use crate::block::part::{Part, Shape};
use crate::codec::packed;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::{Corruption, Result};
use crate::event::Kind;
use std::ops::Range;
use std::sync::Arc;

/// Values that are compared before one is looked for among them.
const COMPARED: usize = 64;
/// Digits that are read at once: those of the shortest id.
const PIECE: usize = 16;

/// A column of ids, all of kind string.
#[derive(Debug)]
pub(crate) struct Ids {
    part: Arc<Part>,
    /// Bytes of an id: 8 or 16.
    pub(crate) width: usize,
    /// Where the ids lie in the part, one behind the other: one a value, or one a code.
    range: Range<usize>,
    /// A code for each value, if ids repeat.
    pub(crate) codes: Option<Codes>,
}

impl Ids {
    /// The bytes that an id can have.
    pub(crate) const WIDTHS: [usize; 2] = [8, 16];

    /// The ids, each once if there are codes.
    fn bytes(&self) -> &[u8] {
        &self.part.bytes[self.range.clone()]
    }

    /// Calls `each` with the index of every value that is this id, of as many bytes, in order.
    pub(crate) fn for_each_of(&self, id: &[u8], each: impl FnMut(usize)) -> Result<()> {
        let wanted = |bytes: &[u8]| match self.width {
            8 => positions(bytes.as_chunks::<8>().0, id),
            _ => positions(bytes.as_chunks::<16>().0, id),
        };
        let listed = wanted(self.bytes());
        match &self.codes {
            None => listed.into_iter().for_each(each),
            Some(codes) => {
                // A writer lists each id once.
                let mut indices = Vec::new();
                for at in listed {
                    indices.extend(codes.indices_of(at));
                }
                indices.sort_unstable();
                indices.into_iter().for_each(each);
            }
        }
        Ok(())
    }

    /// The bytes of the id that a text stands for; `None` if no id column of this width has it.
    pub(crate) fn parse(text: &[u8], width: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(width);
        (text.len() == width * 2 && push_ids(text, &mut bytes)).then_some(bytes)
    }

    /// Writes the text of a value; panics past the last.
    pub(super) fn render(&self, index: usize, out: &mut Vec<u8>) -> Result<()> {
        let at = self.codes.as_ref().map_or(Ok(index), |codes| codes.at(index))?;
        self.render_listed(at, out);
        Ok(())
    }

    /// How many ids there are: each once, if there are codes.
    pub(in crate::block) fn listed(&self) -> usize {
        self.range.len() / self.width
    }

    /// The bytes that they take in memory now, with the part.
    pub(super) fn heap_bytes(&self) -> usize {
        self.codes.as_ref().map_or(self.part.bytes.heap_bytes(), Codes::heap_bytes)
    }

    /// Writes the text of an id of those that are listed; panics past the last.
    pub(in crate::block) fn render_listed(&self, at: usize, out: &mut Vec<u8>) {
        render(&self.bytes()[at * self.width..][..self.width], out);
    }
}

/// Where an id of `N` bytes stands among others.
fn positions<const N: usize>(ids: &[[u8; N]], id: &[u8]) -> Vec<usize> {
    let Ok(id) = <&[u8; N]>::try_from(id) else { return Vec::new() };
    places_of(ids, id)
}

/// Where a value stands among others: many are compared at once, as few are it.
fn places_of<T: PartialEq>(all: &[T], wanted: &T) -> Vec<usize> {
    let mut places = Vec::new();
    for (chunk, some) in all.chunks(COMPARED).enumerate() {
        if some.iter().fold(false, |found, one| found | (one == wanted)) {
            let of_some = some.iter().enumerate().filter(|(_, one)| *one == wanted);
            places.extend(of_some.map(|(at, _)| chunk * COMPARED + at));
        }
    }
    places
}

fn render(id: &[u8], out: &mut Vec<u8>) {
    out.clear();
    // Each width is that of some fours.
    id.as_chunks().0.iter().for_each(|four| out.extend_from_slice(&unpacked(*four)));
}

/// The digits of four bytes, which [`packed`] has the values of.
#[inline]
fn unpacked(bytes: [u8; 4]) -> [u8; 8] {
    let fours = u64::from(u32::from_le_bytes(bytes));
    let pairs = (fours | fours << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let values = (pairs >> 4 | pairs << 8) & 0x0f0f_0f0f_0f0f_0f0f;
    // One in each byte of a letter.
    let letters = (values + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    let digits = values + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - 10 - b'0');
    digits.to_le_bytes()
}

/// Appends the bytes of ids; `false` if they are none, then what was appended is arbitrary.
fn push_ids(text: &[u8], out: &mut Vec<u8>) -> bool {
    let (pieces, rest) = text.as_chunks::<PIECE>();
    let mut seen = [0; PIECE];
    for piece in pieces {
        let mut values = [0; PIECE];
        for ((value, seen), digit) in values.iter_mut().zip(&mut seen).zip(piece) {
            *value = value_of(*digit);
            *seen |= *value;
        }
        for half in values.as_chunks().0 {
            out.extend_from_slice(&packed(*half));
        }
    }
    rest.is_empty() && seen.iter().all(|value| *value < 16)
}

/// The value of a lower-case hexadecimal digit; more than 15 of another byte.
#[inline]
fn value_of(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
    let letter = if letter < 6 { letter + 10 } else { 0xff };
    if number < 10 { number } else { letter }
}

/// Two digits a byte, the first of them above the second.
#[inline]
fn packed(digits: [u8; 8]) -> [u8; 4] {
    let digits = u64::from_le_bytes(digits);
    let pairs = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    ((fours | fours >> 16) as u32).to_le_bytes()
}

/// A column of ids, ready to be stored.
#[derive(Debug)]
pub(in crate::block) struct Plan {
    width: usize,
    bytes: Vec<u8>,
    distinct: Option<Distinct>,
}

impl Plan {
    /// The column as ids, if every value is one.
    pub(super) fn new(column: &RowColumn) -> Option<Self> {
        let width = column.value(0).text.len() / 2;
        let lengths_fit =
            || column.ends.iter().zip(1..).all(|(end, nth)| *end as usize == nth * width * 2);
        if !Ids::WIDTHS.contains(&width) || !lengths_fit() {
            return None;
        }
        if column.kinds.iter().any(|kind| *kind != Kind::String as u8) {
            return None;
        }
        let mut bytes = Vec::with_capacity(column.bytes.len() / 2);
        if !push_ids(&column.bytes, &mut bytes) {
            return None;
        }
        let id = |index: usize| (0, &bytes[index * width..][..width]);
        let distinct = Distinct::find(column.len(), column.len(), id).filter(|distinct| {
            let with_codes = distinct.firsts.len() * width + packed::size(&distinct.codes);
            with_codes < bytes.len()
        });
        Some(Self { width, bytes, distinct })
    }

    /// Where each of the ids occurs at first, if ids repeat.
    pub(super) fn firsts(&self) -> Option<&[u32]> {
        self.distinct.as_ref().map(|distinct| &*distinct.firsts)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.width as u8);
        let Some(distinct) = &self.distinct else {
            varint::encode((self.bytes.len() / self.width) as u64, out);
            out.extend_from_slice(&self.bytes);
            return;
        };
        varint::encode(distinct.firsts.len() as u64, out);
        for first in &distinct.firsts {
            out.extend_from_slice(&self.bytes[*first as usize * self.width..][..self.width]);
        }
        packed::encode(&distinct.codes, out);
    }
}

pub(super) fn decode(
    part: &Arc<Part>,
    slice: &mut Slice<'_>,
    shape: Shape,
) -> Result<Ids, Corruption> {
    let width = usize::from(slice.u8()?);
    if !Ids::WIDTHS.contains(&width) {
        return Err(slice.corrupt("ids of 8 or 16 bytes", width.to_string()));
    }
    let count = slice.varint_max(shape.values)?;
    let start = slice.position();
    let range = start..start + slice.take(count * width)?.len();
    let repeats = count < shape.values;
    let codes = repeats.then(|| Codes::read(part, slice, shape.values, count)).transpose()?;
    Ok(Ids { part: Arc::clone(part), width, range, codes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_come_back_and_others_are_none(
            bytes in prop::collection::vec(any::<u8>(), 16..=16),
            at in 0usize..32,
            other: u8,
        ) {
            let mut text = Vec::new();
            render(&bytes, &mut text);
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(&text, digits.as_bytes());
            prop_assert_eq!(Ids::parse(&text, 16), Some(bytes.clone()));
            prop_assert_eq!(Ids::parse(&text[16..], 8), Some(bytes[8..].to_vec()));
            prop_assert_eq!(Ids::parse(&text[1..], 8), None);
            text[at] = other;
            let is_digit = matches!(other, b'0'..=b'9' | b'a'..=b'f');
            prop_assert_eq!(Ids::parse(&text, 16).is_some(), is_digit);
        }
    }
}
