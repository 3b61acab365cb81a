//! A batch into lanes.

use super::blanks::{self, Blanks, Digits};
use super::lanes::Lanes;
use super::table::Distinct;
use super::{
    AS_BEFORE, BLANKS, BYTES, CONSTANT, DICTIONARY, DISTINCT_MAX, GAPS, HEX, LENGTHS, MAP, SCALES,
    TEXTS, is_hex_len,
};
use crate::batch::{Batch, Part, RowColumn};
use crate::codec::packed::zigzag;
use crate::codec::{bitpack, varint};
use crate::error::Result;
use std::collections::HashMap;

/// Fields with fewer values are written as they are.
const VALUES_MIN: usize = 32;
/// Values after which there is no dictionary if so many of them are distinct, or more.
const DISTINCT_CHECKS: [(usize, usize); 2] = [(256, 240), (1_024, 640)];
/// Values after which it is decided whether blanks pay.
const BLANKS_CHECK: usize = 512;

/// The values of one name, in all parts.
struct Field<'a> {
    name: &'a str,
    pieces: Vec<&'a RowColumn>,
    values: usize,
    bytes: usize,
}

/// Texts one behind the other, with where each ends.
type Run<'a> = (&'a [u32], &'a [u8]);

/// Encodes batches, with buffers that are used again.
#[derive(Debug, Default)]
pub(in crate::wal) struct Encoder {
    lanes: Lanes,
    distinct: Distinct,
    blanks: Blanks,
    digits: Digits,
    codes: Vec<u64>,
    /// Texts without their digits.
    blank: Vec<u8>,
    /// Texts that have no blank, and where each ends.
    raw: Vec<u8>,
    raw_ends: Vec<u32>,
}

impl Encoder {
    /// The payload of a batch, and the bytes of its lanes before compression.
    ///
    /// # Errors
    /// `Invalid` if zstd fails.
    pub(in crate::wal) fn encode(&mut self, batch: &Batch) -> Result<(Vec<u8>, usize)> {
        let Self { lanes, .. } = self;
        lanes.clear();
        lanes.text.push(u8::from(batch.claim.is_some()));
        if let Some(claim) = &batch.claim {
            claim.encode(&mut lanes.text);
        }
        let (fields, places) = fields(batch);
        varint::encode(fields.len() as u64, &mut lanes.text);
        for field in &fields {
            varint::encode_bytes(field.name.as_bytes(), &mut lanes.text);
        }
        varint::encode(batch.parts().len() as u64, &mut lanes.text);
        for (part, places) in batch.parts().iter().zip(&places) {
            self::part(part, places, lanes);
        }
        for field in &fields {
            self.field(field);
        }
        Ok((self.lanes.payload()?, self.lanes.len()))
    }

    /// What is allocated.
    pub(in crate::wal) fn memory(&self) -> usize {
        let Self { lanes, distinct, blanks, digits, codes, blank, raw, raw_ends } = self;
        let texts = blank.capacity() + raw.capacity() + raw_ends.capacity() * 4;
        let tables = distinct.memory() + blanks.memory() + digits.memory();
        lanes.memory() + tables + codes.capacity() * 8 + texts
    }

    /// Writes the values of a field in the first form that pays.
    fn field(&mut self, field: &Field<'_>) {
        let kinds = field.pieces.iter().map(|piece| &*piece.kinds);
        constant_or_bytes(kinds, &mut self.lanes);
        let Field { values, bytes, .. } = *field;
        if values >= VALUES_MIN {
            if self.find_distinct(field) {
                return self.write_dictionary();
            }
            if hex(field.runs(), values, bytes, &mut self.lanes) {
                return;
            }
            if self.find_blanks(field) {
                return self.write_blanks();
            }
        }
        list(field.runs(), values, bytes, &mut self.lanes);
    }

    /// Finds the distinct values and the code of each value, unless they hardly come again.
    fn find_distinct(&mut self, field: &Field<'_>) -> bool {
        let Self { distinct, codes, .. } = self;
        distinct.clear();
        codes.clear();
        for (ends, bytes) in field.runs() {
            let mut start = 0;
            for end in ends {
                let text = &bytes[start..*end as usize];
                start = *end as usize;
                let may = distinct.len() < DISTINCT_MAX;
                let Some(code) = distinct.code(text, may) else { return false };
                codes.push(code as u64);
                let [first, second] = DISTINCT_CHECKS;
                if (codes.len() == first.0 && distinct.len() >= first.1)
                    || (codes.len() == second.0 && distinct.len() >= second.1)
                {
                    return false;
                }
            }
        }
        distinct.len() <= codes.len() / 2
    }

    fn write_dictionary(&mut self) {
        let Self { lanes, distinct, codes, .. } = self;
        let count = distinct.len();
        let texts = distinct.texts();
        lanes.text.push(DICTIONARY);
        varint::encode(count as u64, &mut lanes.text);
        list([texts].into_iter(), count, texts.1.len(), lanes);
        push_codes(codes, count - 1, lanes);
    }

    /// Finds the blanks, the code of each value, and the digits, unless texts differ in more than those.
    fn find_blanks(&mut self, field: &Field<'_>) -> bool {
        let Self { blanks, digits, codes, blank, raw, raw_ends, .. } = self;
        blanks.clear();
        digits.clear();
        codes.clear();
        raw.clear();
        raw_ends.clear();
        let mut bytes = 0;
        for (ends, texts) in field.runs() {
            blanks::without_digits(texts, blank);
            let mut start = 0;
            for end in ends {
                if codes.len() == BLANKS_CHECK && !blanks.pay(raw.len(), bytes) {
                    return false;
                }
                let range = start..*end as usize;
                start = range.end;
                bytes += range.len();
                if let Some((code, pieces)) = blanks.code(&blank[range.clone()]) {
                    codes.push(code as u64);
                    digits.push(texts, range, pieces);
                } else {
                    codes.push(u64::MAX);
                    raw.extend_from_slice(&texts[range]);
                    // Batches are far below 4 GiB.
                    raw_ends.push(raw.len() as u32);
                }
            }
        }
        blanks.pay(raw.len(), bytes)
    }

    fn write_blanks(&mut self) {
        let Self { lanes, blanks, digits, codes, raw, raw_ends, .. } = self;
        let count = blanks.texts.len();
        let texts = blanks.texts.texts();
        lanes.text.push(BLANKS);
        varint::encode(count as u64, &mut lanes.text);
        text_list([texts].into_iter(), count, texts.1.len(), lanes);
        // Texts that have none have the number behind the last.
        codes.iter_mut().for_each(|code| *code = (*code).min(count as u64));
        push_codes(codes, count, lanes);
        let digits = digits.write(&mut lanes.plain);
        varint::encode(digits as u64, &mut lanes.text);
        text_list([(&**raw_ends, &**raw)].into_iter(), raw_ends.len(), raw.len(), lanes);
    }
}

impl Field<'_> {
    fn runs(&self) -> impl Iterator<Item = Run<'_>> + Clone {
        self.pieces.iter().map(|piece| (&*piece.ends, &*piece.bytes))
    }
}

/// The fields of a batch in order of first occurrence, and that of each column of each part.
fn fields(batch: &Batch) -> (Vec<Field<'_>>, Vec<Vec<usize>>) {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut by_name = HashMap::new();
    let mut places = Vec::with_capacity(batch.parts().len());
    for part in batch.parts() {
        let mut of_part: Vec<usize> = Vec::with_capacity(part.rows.columns.len());
        for column in &part.rows.columns {
            // Mostly the columns of all parts are in the same order.
            let next = of_part.last().map_or(0, |last| last + 1);
            let place = match fields.get(next) {
                Some(field) if field.name == &*column.name => next,
                _ => *by_name.entry(&*column.name).or_insert_with(|| {
                    let (name, pieces) = (&*column.name, Vec::new());
                    fields.push(Field { name, pieces, values: 0, bytes: 0 });
                    fields.len() - 1
                }),
            };
            let field = &mut fields[place];
            field.pieces.push(column);
            field.values += column.len();
            field.bytes += column.bytes.len();
            of_part.push(place);
        }
        places.push(of_part);
    }
    (fields, places)
}

fn part(part: &Part, places: &[usize], lanes: &mut Lanes) {
    let Part { key, rows } = part;
    varint::encode_bytes(key.tenant.as_bytes(), &mut lanes.text);
    varint::encode_bytes(key.class.as_bytes(), &mut lanes.text);
    varint::encode(zigzag(i64::from(key.day.0)), &mut lanes.text);
    varint::encode(rows.len() as u64, &mut lanes.text);
    gaps(&rows.seq_offsets, lanes);
    timestamps(&rows.timestamps, lanes);
    constant_or_bytes([&*rows.levels].into_iter(), lanes);
    varint::encode(places.len() as u64, &mut lanes.text);
    let mut before: Option<&Vec<u32>> = None;
    for (column, place) in rows.columns.iter().zip(places) {
        varint::encode(*place as u64, &mut lanes.text);
        varint::encode(column.bytes.len() as u64, &mut lanes.text);
        presence(column, rows.len(), before, lanes);
        before = column.rows.as_ref().or(before);
    }
}

/// Numbers that rise.
fn gaps(values: &[u32], lanes: &mut Lanes) {
    let mut next = 0u64;
    for value in values {
        varint::encode(u64::from(*value) - next, &mut lanes.codes);
        next = u64::from(*value) + 1;
    }
}

fn timestamps(values: &[i64], lanes: &mut Lanes) {
    // Most clocks of senders are coarser than nanoseconds.
    let divides = |scale: &&i64| values.iter().all(|value| value % **scale == 0);
    let scale = SCALES[1..].iter().take_while(divides).count();
    lanes.text.push(scale as u8);
    let mut last = 0i64;
    for value in values {
        let value = value / SCALES[scale];
        varint::encode(zigzag(value.wrapping_sub(last)), &mut lanes.plain);
        last = value;
    }
}

/// Codes of a byte each, of which mostly all are the same.
fn constant_or_bytes<'a>(runs: impl Iterator<Item = &'a [u8]> + Clone, lanes: &mut Lanes) {
    let first = runs.clone().find_map(|run| run.first().copied()).unwrap_or(0);
    if runs.clone().all(|run| run.iter().all(|byte| *byte == first)) {
        lanes.text.extend([CONSTANT, first]);
        return;
    }
    lanes.text.push(BYTES);
    runs.for_each(|run| lanes.codes.extend_from_slice(run));
}

/// Which rows of a part have a value.
fn presence(column: &RowColumn, rows: usize, before: Option<&Vec<u32>>, lanes: &mut Lanes) {
    let Some(present) = &column.rows else { return lanes.text.push(CONSTANT) };
    if before == Some(present) {
        return lanes.text.push(AS_BEFORE);
    }
    let as_map = present.len() >= rows / 8;
    lanes.text.push(if as_map { MAP } else { GAPS });
    varint::encode(present.len() as u64, &mut lanes.text);
    if !as_map {
        return gaps(present, lanes);
    }
    let start = lanes.codes.len();
    lanes.codes.resize(start + rows.div_ceil(8), 0);
    let map = &mut lanes.codes[start..];
    for row in present {
        map[*row as usize / 8] |= 1 << (row % 8);
    }
}

/// The length of all texts, if it is the same.
fn common_len<'a>(
    mut runs: impl Iterator<Item = Run<'a>>,
    values: usize,
    bytes: usize,
) -> Option<usize> {
    let len = bytes.checked_div(values).unwrap_or(0);
    let has_len = |(ends, _): Run<'_>| {
        ends.iter().zip(1..).all(|(end, nth): (_, usize)| *end as usize == nth * len)
    };
    (len * values == bytes && runs.all(has_len)).then_some(len)
}

/// Writes values as they are, or as bytes if they are hexadecimal digits.
fn list<'a>(
    runs: impl Iterator<Item = Run<'a>> + Clone,
    values: usize,
    bytes: usize,
    lanes: &mut Lanes,
) {
    if !hex(runs.clone(), values, bytes, lanes) {
        lanes.text.push(TEXTS);
        text_list(runs, values, bytes, lanes);
    }
}

fn text_list<'a>(
    runs: impl Iterator<Item = Run<'a>> + Clone,
    values: usize,
    bytes: usize,
    lanes: &mut Lanes,
) {
    match common_len(runs.clone(), values, bytes) {
        Some(len) => {
            lanes.text.push(CONSTANT);
            varint::encode(len as u64, &mut lanes.text);
        }
        None => {
            lanes.text.push(LENGTHS);
            for (ends, _) in runs.clone() {
                let mut start = 0;
                for end in ends {
                    varint::encode(u64::from(end - start), &mut lanes.codes);
                    start = *end;
                }
            }
        }
    }
    runs.for_each(|(_, bytes)| lanes.text.extend_from_slice(bytes));
}

/// Writes values as bytes, if all are hexadecimal digits of one length.
fn hex<'a>(
    mut runs: impl Iterator<Item = Run<'a>> + Clone,
    values: usize,
    bytes: usize,
    lanes: &mut Lanes,
) -> bool {
    if !is_hex_len(bytes.checked_div(values).unwrap_or(0)) {
        return false;
    }
    let Some(len) = common_len(runs.clone(), values, bytes) else { return false };
    let start = lanes.plain.len();
    lanes.plain.reserve(bytes / 2 + 8);
    let is_hex = runs.all(|(_, bytes)| push_hex(bytes, &mut lanes.plain));
    if is_hex {
        lanes.text.push(HEX);
        varint::encode(len as u64, &mut lanes.text);
    } else {
        lanes.plain.truncate(start);
    }
    is_hex
}

/// Appends the bytes that lower-case hexadecimal digits stand for, the first of each two in the lower
/// half; `false` if any is none, then what was appended is arbitrary.
fn push_hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    const PIECE: usize = 16;
    let (pieces, rest) = text.as_chunks::<PIECE>();
    let mut is_hex = true;
    let mut of = |piece: &[u8; PIECE]| {
        let mut wrong = 0;
        for byte in piece {
            let is_digit = byte.wrapping_sub(b'0') < 10;
            wrong |= u8::from(!(is_digit | (byte.wrapping_sub(b'a') < 6)));
        }
        is_hex &= wrong == 0;
        let half = |half: usize| {
            let eight = piece.as_chunks().0[half];
            let eight = u64::from_le_bytes(eight);
            // The lower half of a letter is 9 less than what it stands for.
            let letters = (eight >> 6) & 0x0101_0101_0101_0101;
            blanks::halves((eight & 0x0f0f_0f0f_0f0f_0f0f).wrapping_add(letters * 9))
        };
        (u64::from(half(0)) | u64::from(half(1)) << 32).to_le_bytes()
    };
    pieces.iter().for_each(|piece| out.extend_from_slice(&of(piece)));
    if !rest.is_empty() {
        let mut piece = [b'0'; PIECE];
        piece[..rest.len()].copy_from_slice(rest);
        out.extend_from_slice(&of(&piece)[..rest.len() / 2]);
    }
    is_hex
}

/// Writes codes up to `max`.
fn push_codes(codes: &[u64], max: usize, lanes: &mut Lanes) {
    bitpack::pack(codes, bitpack::width_of(max as u64), &mut lanes.codes);
}
