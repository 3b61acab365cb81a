//! Encoding 2: each distinct value once, and a code for each value. A predicate is evaluated once
//! for each distinct value.
//!
//! ```text
//! count varint  list of values (see values.rs)  packed codes, in order of first occurrence
//! ```

use super::values::{self, Values, ValuesWriter};
use crate::batch::RowColumn;
use crate::block::part::{Part, Shape};
use crate::codec::packed;
use crate::codec::places::Places;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::xxh3_64;

/// A column that is nearly unique in its first values is not worth counting on.
const SAMPLE: usize = 1_024;
const SAMPLE_DISTINCT_MAX: usize = SAMPLE / 16 * 15;
/// Bytes of a short text.
const SHORT: usize = size_of::<u128>();

/// The distinct values of a column.
#[derive(Debug)]
pub(in crate::block) struct Distinct {
    /// A code for each value.
    pub(super) codes: Vec<u64>,
    /// The index of the value that a code occurs at first.
    pub(super) firsts: Vec<u32>,
}

impl Distinct {
    /// Finds the distinct ones of `count` values, unless there are more than `max`.
    pub(super) fn find<'a>(
        count: usize,
        max: usize,
        value: impl Fn(usize) -> (u8, &'a [u8]),
    ) -> Option<Self> {
        Self::find_keys(count, max, |index| {
            let (kind, text) = value(index);
            (xxh3_64(text) ^ u64::from(kind), (kind, text))
        })
    }

    /// Finds the distinct values of a column, unless there are more than `max`.
    pub(super) fn of(column: &RowColumn, max: usize) -> Option<Self> {
        let mut start = 0;
        let lens = column.ends.iter().map(|end| end - std::mem::replace(&mut start, *end));
        if lens.fold(0, u32::max) as usize <= SHORT {
            return Self::find_keys(column.len(), max, |index| {
                let key = ShortKey::of(column, index);
                (key.hash(), key)
            });
        }
        Self::find(column.len(), max, |index| {
            let value = column.value(index);
            (value.kind as u8, value.text)
        })
    }

    /// The same of values that are as different as their keys are, which come with their hashes.
    #[inline]
    fn find_keys<K: PartialEq>(
        count: usize,
        max: usize,
        key: impl Fn(usize) -> (u64, K),
    ) -> Option<Self> {
        let slots = (count * 2).next_power_of_two();
        // Zero is free, otherwise a code and one. With half of the slots free, probes are short.
        let mut table = vec![0u16; slots];
        let mut keys: Vec<(u64, K)> = Vec::new();
        let mut found = Self { codes: Vec::with_capacity(count), firsts: Vec::new() };
        for index in 0..count {
            let key = key(index);
            let mut slot = key.0 as usize & (slots - 1);
            let code = loop {
                let Some(code) = usize::from(table[slot]).checked_sub(1) else {
                    let code = keys.len();
                    if code >= max || (index < SAMPLE && code >= SAMPLE_DISTINCT_MAX) {
                        return None;
                    }
                    table[slot] =
                        u16::try_from(code + 1).expect("a block has at most 8,192 values");
                    keys.push(key);
                    found.firsts.push(index as u32);
                    break code;
                };
                if keys[code] == key {
                    break code;
                }
                slot = (slot + 1) & (slots - 1);
            };
            found.codes.push(code as u64);
        }
        Some(found)
    }
}

/// A value of at most [`SHORT`] bytes: what is compared without a call, and lies where it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShortKey {
    /// The text, and zeros behind it.
    text: u128,
    /// Its length and its kind.
    tag: u64,
}

impl ShortKey {
    #[inline]
    fn of(column: &RowColumn, index: usize) -> Self {
        let span = column.span(index);
        let len = span.len();
        assert!(len <= SHORT, "the longest one is looked at before");
        let text = match column.bytes[span.start..].first_chunk() {
            // What is behind the text goes.
            Some(chunk) => {
                let others = u8::BITS * (SHORT - len) as u32;
                u128::from_le_bytes(*chunk) & u128::MAX.checked_shr(others).unwrap_or(0)
            }
            None => {
                let mut padded = [0; SHORT];
                padded[..len].copy_from_slice(&column.bytes[span]);
                u128::from_le_bytes(padded)
            }
        };
        Self { text, tag: (len as u64) << u8::BITS | u64::from(column.kinds[index]) }
    }

    /// The halves of a product, folded: every bit of the key moves those of the table's slot.
    #[inline]
    fn hash(self) -> u64 {
        let low = self.text as u64 ^ 0x9e37_79b9_7f4a_7c15;
        let high = (self.text >> u64::BITS) as u64 ^ self.tag ^ 0xd6e8_feb8_6659_fd93;
        let product = u128::from(low) * u128::from(high);
        product as u64 ^ (product >> u64::BITS) as u64
    }
}

pub(super) fn encode(
    distinct: &Distinct,
    column: &RowColumn,
    writer: &mut ValuesWriter,
    out: &mut Vec<u8>,
) {
    varint::encode(distinct.firsts.len() as u64, out);
    writer.write(distinct.firsts.iter().map(|first| column.value(*first as usize)), out);
    packed::encode(&distinct.codes, out);
}

/// The codes of a column, unpacked when they are asked for: all, or one where it stands. Many
/// predicates pass no distinct value.
#[derive(Debug)]
pub(crate) struct Codes {
    part: Arc<Part>,
    places: Places,
    distinct: usize,
    all: OnceLock<Vec<u16>>,
}

impl Codes {
    /// Goes past the codes below `distinct` of so many values, in a slice of the whole part.
    pub(super) fn read(
        part: &Arc<Part>,
        slice: &mut Slice<'_>,
        values: usize,
        distinct: usize,
    ) -> Result<Self, Corruption> {
        let places = Places::read(slice, values)?;
        Ok(Self { part: Arc::clone(part), places, distinct, all: OnceLock::new() })
    }

    /// One a value.
    ///
    /// # Errors
    /// Bytes that no writer wrote.
    pub(crate) fn get(&self) -> Result<&[u16], Corruption> {
        if let Some(codes) = self.all.get() {
            return Ok(codes);
        }
        let mut codes = Vec::with_capacity(self.places.len());
        let mut greatest = 0;
        self.places.for_each(&self.part.bytes, |some| {
            greatest = some.iter().copied().fold(greatest, u64::max);
            codes.extend(some.iter().map(|code| *code as u16));
        });
        self.check(greatest)?;
        Ok(self.all.get_or_init(|| codes))
    }

    /// The code of a value; panics past the last.
    ///
    /// # Errors
    /// Bytes that no writer wrote.
    pub(crate) fn at(&self, index: usize) -> Result<usize, Corruption> {
        match self.all.get() {
            Some(codes) => Ok(usize::from(codes[index])),
            None => self.check(self.places.get(&self.part.bytes, index)),
        }
    }

    /// The indices of the values that have this code, rising.
    pub(super) fn indices_of(&self, code: usize) -> Vec<usize> {
        let mut indices = Vec::new();
        self.places.for_each_of(&self.part.bytes, code as u64, |index| indices.push(index));
        indices
    }

    fn check(&self, code: u64) -> Result<usize, Corruption> {
        match usize::try_from(code) {
            Ok(code) if code < self.distinct => Ok(code),
            _ => {
                let expected = format!("codes below {}", self.distinct);
                Err(self.part.slice().corrupt(expected, code.to_string()))
            }
        }
    }

    /// The bytes that they take in memory now, with the part.
    pub(super) fn heap_bytes(&self) -> usize {
        let all = self.all.get().map_or(0, |all| size_of_val(&**all));
        self.part.bytes.heap_bytes() + self.places.heap_bytes() + all
    }
}

/// Reads the rest of a slice of the whole part.
pub(super) fn decode(
    part: &Arc<Part>,
    slice: &mut Slice<'_>,
    shape: Shape,
) -> Result<(Values, Codes), Corruption> {
    let distinct = slice.varint_max(shape.values)?;
    let values = values::read(slice, distinct, shape.raw_max)?;
    let codes = Codes::read(part, slice, shape.values, distinct)?;
    Ok((values, codes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Value};
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// Short values are found in another way: of texts, kinds and zeros all that differ are told apart.
        #[test]
        fn the_distinct_values_are_those_of_a_map(
            values in prop::collection::vec(
                (any::<bool>(), prop_oneof!["[a\\x00]{0,3}", "[ab]{15,16}", "[ab\\x00]{0,17}"]), 1..200
            ),
            are_short: bool,
        ) {
            let mut column = RowColumn::dense("c".into());
            for (row, (is_text, text)) in (0..).zip(&values) {
                let len = if are_short { text.len().min(SHORT) } else { text.len() };
                let kind = if *is_text { Kind::String } else { Kind::Number };
                column.push(row, Value { kind, text: &text.as_bytes()[..len] });
            }
            let mut codes = HashMap::new();
            let mut expected = (Vec::new(), Vec::new());
            for index in 0..column.len() {
                let next = codes.len() as u64;
                let value = column.value(index);
                let code = *codes.entry((value.kind as u8, value.text)).or_insert(next);
                if code == next {
                    expected.1.push(index as u32);
                }
                expected.0.push(code);
            }
            let found = Distinct::of(&column, column.len()).expect("there are not more");
            prop_assert_eq!((found.codes, found.firsts), expected);
            prop_assert!(Distinct::of(&column, codes.len() - 1).is_none());
        }
    }
}
