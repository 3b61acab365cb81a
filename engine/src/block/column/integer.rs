//! Encoding 3: integers of one kind whose text is their canonical form (`0`, `-5`, never `+5`,
//! `-0` or `007`). Timestamps and sequence numbers use the same coder.
//!
//! ```text
//! column:  kind u8  numbers
//! numbers: base zigzag varint  unit varint  packed (number - base) / unit, modulo 2^64
//! ```
//! The base is the least number, the unit divides all differences to it: times in milliseconds
//! take no bits for their nanoseconds.

use super::Numbers;
use super::decimal::Style;
use crate::block::part::Part;
use crate::codec::packed::{self, unzigzag, zigzag};
use crate::codec::places::Places;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use crate::event::Kind;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Numbers prepared for packing.
#[derive(Debug)]
pub(crate) struct Scaled {
    base: i64,
    unit: u64,
    quotients: Vec<u64>,
}

impl Scaled {
    pub(crate) fn new(numbers: &[i64]) -> Self {
        let base = numbers.iter().copied().min().unwrap_or(0);
        let mut quotients: Vec<u64> =
            numbers.iter().map(|number| number.wrapping_sub(base) as u64).collect();
        let unit = common_divisor(&quotients);
        if unit > 1 {
            quotients.iter_mut().for_each(|quotient| *quotient /= unit);
        }
        Self { base, unit, quotients }
    }

    /// The bytes that [`Scaled::encode`] appends, give or take the base's.
    pub(crate) fn size(&self) -> usize {
        10 + packed::size(&self.quotients)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        varint::encode(zigzag(self.base), out);
        varint::encode(self.unit, out);
        packed::encode(&self.quotients, out);
    }
}

/// The greatest common divisor of all values, at least 1.
fn common_divisor(values: &[u64]) -> u64 {
    let mut divisor = 0;
    for value in values {
        let (mut a, mut b) = (divisor, *value);
        while b != 0 {
            (a, b) = if a == 0 { (b, 0) } else { (b, a % b) };
        }
        divisor = a;
        if divisor == 1 {
            break;
        }
    }
    divisor.max(1)
}

/// So many are unpacked one by one, which takes as long as to unpack all.
const SINGLES_MAX: usize = 64;

/// Numbers that are unpacked when they are asked for: all, or one where it stands.
#[derive(Debug)]
pub(crate) struct Integers {
    part: Arc<Part>,
    base: u64,
    unit: u64,
    places: Places,
    all: OnceLock<Vec<i64>>,
    /// Numbers that were unpacked alone.
    singles: AtomicUsize,
}

impl Integers {
    /// Goes past `count` numbers in a slice of the whole part; the caller has checked the count.
    pub(in crate::block) fn read(
        part: &Arc<Part>,
        slice: &mut Slice<'_>,
        count: usize,
    ) -> Result<Self, Corruption> {
        let base = unzigzag(slice.varint()?) as u64;
        let unit = slice.varint()?;
        let places = Places::read(slice, count)?;
        let (all, singles) = (OnceLock::new(), AtomicUsize::new(0));
        Ok(Self { part: Arc::clone(part), base, unit, places, all, singles })
    }

    /// All numbers.
    pub(crate) fn all(&self) -> &[i64] {
        self.all.get_or_init(|| {
            let mut all = Vec::with_capacity(self.places.len());
            self.places.for_each(&self.part.bytes, |quotients| {
                all.extend(quotients.iter().map(|quotient| self.number(*quotient)));
            });
            all
        })
    }

    /// The number of an index; panics past the last. Unpacks all once many were asked for.
    pub(crate) fn get(&self, index: usize) -> i64 {
        if let Some(all) = self.all.get() {
            return all[index];
        }
        if self.singles.fetch_add(1, Relaxed) >= SINGLES_MAX {
            return self.all()[index];
        }
        self.number(self.places.get(&self.part.bytes, index))
    }

    fn number(&self, quotient: u64) -> i64 {
        self.base.wrapping_add(quotient.wrapping_mul(self.unit)) as i64
    }

    /// The part that they are in.
    pub(in crate::block) fn part(&self) -> &Part {
        &self.part
    }

    /// The bytes that they take in memory now, with the part.
    pub(crate) fn heap_bytes(&self) -> usize {
        let all = self.all.get().map_or(0, |all| size_of_val(&**all));
        self.part.bytes.heap_bytes() + self.places.heap_bytes() + all
    }
}

pub(super) fn encode(kind: Kind, numbers: &Scaled, out: &mut Vec<u8>) {
    out.push(kind as u8);
    numbers.encode(out);
}

pub(super) fn decode(
    part: &Arc<Part>,
    slice: &mut Slice<'_>,
    count: usize,
) -> Result<Numbers, Corruption> {
    let kind = super::read_kind(slice)?;
    let mantissas = Integers::read(part, slice, count)?;
    Ok(Numbers { mantissas, scale: 0, style: Style::Fixed, kind, exceptions: Vec::new() })
}
