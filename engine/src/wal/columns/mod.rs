//! A batch field by field: version 3 of a record's payload, for batches of many events.
//!
//! All values of a name stand together, whatever part they are in, in the first form that pays: each
//! distinct value once and codes; hexadecimal digits as bytes; texts without their digits once, codes,
//! and the digits ([`blanks`]); or as they are. What looks like chance is not compressed, and of what
//! comes again little is left to compress. The bytes: `docs/format/wal.md`.

mod blanks;
mod decode;
mod encode;
mod lanes;
mod table;
#[cfg(test)]
mod tests;
mod values;

pub(super) use decode::decode;
#[cfg(any(test, feature = "testing"))]
pub(super) use decode::decode_up_to;
pub(super) use encode::Encoder;
#[cfg(any(test, feature = "testing"))]
pub(super) use lanes::as_stored;

/// Of codes, lengths and rows: one for all.
const CONSTANT: u8 = 0;
/// Of codes of a byte: one each.
const BYTES: u8 = 1;
/// Of lengths: one each.
const LENGTHS: u8 = 1;
/// Of rows: those of the column before that lists any.
const AS_BEFORE: u8 = 1;
/// Of rows: a bit each.
const MAP: u8 = 2;
/// Of rows: the gaps between them.
const GAPS: u8 = 3;

/// Values as they are.
const TEXTS: u8 = 1;
/// Hexadecimal digits as bytes.
const HEX: u8 = 2;
/// Each distinct value once, and a code for each value.
const DICTIONARY: u8 = 3;
/// Each blank once, a code for each value, and the digits.
const BLANKS: u8 = 4;

/// What all timestamps of a part may be multiples of, in nanoseconds; each divides the next.
const SCALES: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];
/// Distinct values of a dictionary at most.
const DISTINCT_MAX: usize = 1 << 16;

/// Whether texts of this length are looked at as hexadecimal digits.
fn is_hex_len(len: usize) -> bool {
    (16..=64).contains(&len) && len.is_multiple_of(2)
}
