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
        let slots = (count * 2).next_power_of_two();
        // Zero is free, otherwise a code and one. With half of the slots free, probes are short.
        let mut table = vec![0u16; slots];
        let mut hashes: Vec<u64> = Vec::new();
        let mut found = Self { codes: Vec::with_capacity(count), firsts: Vec::new() };
        for index in 0..count {
            let (kind, text) = value(index);
            let hash = xxh3_64(text) ^ u64::from(kind);
            let mut slot = hash as usize & (slots - 1);
            let code = loop {
                let Some(code) = usize::from(table[slot]).checked_sub(1) else {
                    let code = found.firsts.len();
                    if code >= max || (index < SAMPLE && code >= SAMPLE_DISTINCT_MAX) {
                        return None;
                    }
                    table[slot] =
                        u16::try_from(code + 1).expect("a block has at most 8,192 values");
                    hashes.push(hash);
                    found.firsts.push(index as u32);
                    break code;
                };
                if hashes[code] == hash && value(found.firsts[code] as usize) == (kind, text) {
                    break code;
                }
                slot = (slot + 1) & (slots - 1);
            };
            found.codes.push(code as u64);
        }
        Some(found)
    }

    /// Finds the distinct values of a column, unless there are more than `max`.
    pub(super) fn of(column: &RowColumn, max: usize) -> Option<Self> {
        Self::find(column.len(), max, |index| {
            let value = column.value(index);
            (value.kind as u8, value.text)
        })
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
        self.part.bytes.len() + self.places.heap_bytes() + all
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
