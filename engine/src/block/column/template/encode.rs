//! The writer's half.

use super::dictionary::{Class, count_slots};
use super::layout::{Column, WIDTH_MAX};
use super::{CODES_PACKED, CODES_PLANES, UNIT_VALUES, records};
use crate::batch::RowColumn;
use crate::block::column::text;
use crate::block::column::values::ValuesWriter;
use crate::codec::{packed, varint};
use crate::event::{Kind, Value};
use crate::index::{Split, Variable};
use crate::io;
use std::ops::Range;

/// Raw bytes after which a frame ends. Two of them are inflated to read a value. Measured on mixed messages, against
/// frames of 32 KiB: these take a third of the time to inflate and 1.1 % more bytes, those of 16 KiB half and 0.3 %.
const FRAME_BYTES: usize = 8 << 10;

/// Bytes of the variables that are copied at once.
const PIECE: usize = size_of::<u128>();
/// Of each length, as many bytes of ones.
const ONES: [u128; PIECE + 1] = {
    let mut ones = [0; PIECE + 1];
    let mut len = 1;
    while len <= PIECE {
        ones[len] = u128::MAX >> (u8::BITS as usize * (PIECE - len));
        len += 1;
    }
    ones
};

/// Appends a column that has been split, into one sentence at least. Returns whether some of its frames are
/// packed (see records.rs).
pub(in crate::block::column) fn encode(
    column: &RowColumn,
    split: &Split,
    writer: &mut ValuesWriter,
    out: &mut Vec<u8>,
) -> bool {
    let order = Order::of(split);
    let sentences = order.sentences.iter().map(|code| split.sentence(usize::from(*code)));
    let counts = order.sentences.iter().map(|code| u64::from(split.counts()[usize::from(*code)]));
    varint::encode(order.sentences.len() as u64, out);
    packed::encode(&counts.collect::<Vec<_>>(), out);
    writer.write(sentences.map(|text| Value { kind: Kind::String, text }), out);
    io::may_break();
    let mut scratch = std::mem::take(&mut writer.templates);
    let variables = Variables::of(column, split, &order, &mut scratch);
    write_stored(&variables.forms, writer, out);
    let codes = encode_codes(&order.codes, writer);
    varint::encode_bytes(&codes, out);
    let is_packed = variables.write(order.sentences.len(), writer, &mut scratch, out);
    writer.templates = scratch;
    let raw = order.values_of(order.sentences.len());
    text::encode(raw.len(), |index| column.value(raw[index] as usize), writer, out);
    is_packed
}

/// Buffers that are used again.
#[derive(Default)]
pub(in crate::block::column) struct Scratch {
    slots: Vec<Slot>,
    /// The first slot of each value.
    places: Vec<u32>,
    /// The variables: those of digits, then the others.
    bytes: Vec<u8>,
    /// Frames of them as they are stored.
    stored: Vec<u8>,
}

impl Scratch {
    /// The bytes that it keeps.
    pub(in crate::block::column) fn memory(&self) -> usize {
        let Self { slots, places, bytes, stored } = self;
        slots.capacity() * size_of::<Slot>()
            + places.capacity() * size_of::<u32>()
            + bytes.capacity()
            + stored.capacity()
    }
}

/// The order in which the values are stored.
struct Order {
    /// The codes of the split, by sentence.
    sentences: Vec<u16>,
    /// The code that each value gets.
    codes: Vec<u16>,
    /// The value indices by code.
    values: Vec<u32>,
    /// Where those of each code end.
    ends: Vec<u32>,
}

impl Order {
    fn of(split: &Split) -> Self {
        let mut sentences: Vec<u16> = (0..split.counts().len() as u16).collect();
        sentences.sort_unstable_by_key(|code| split.sentence(usize::from(*code)));
        let mut place_of = vec![0; sentences.len()];
        for (place, code) in sentences.iter().enumerate() {
            place_of[usize::from(*code)] = place as u16;
        }
        // Values without a sentence come last.
        let raw = sentences.len() as u16;
        let place = |code: &u16| place_of.get(usize::from(*code)).copied().unwrap_or(raw);
        let codes: Vec<u16> = split.codes().iter().map(place).collect();
        let mut ends = vec![0u32; sentences.len() + 1];
        codes.iter().for_each(|code| ends[usize::from(*code)] += 1);
        let mut total = 0;
        for end in &mut ends {
            // Where they begin: moves to their end as they are filled in.
            (*end, total) = (total, total + *end);
        }
        let mut values = vec![0; codes.len()];
        for (index, code) in codes.iter().enumerate() {
            let end = &mut ends[usize::from(*code)];
            values[*end as usize] = index as u32;
            *end += 1;
        }
        Self { sentences, codes, values, ends }
    }

    fn values_of(&self, code: usize) -> &[u32] {
        let start = code.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start as usize..self.ends[code] as usize]
    }
}

/// The variables of all values, column by column. They are read twice in the order in which they lie, and
/// written where they belong: read column by column, nearly each would miss the cache.
struct Variables {
    forms: Vec<u8>,
    digits: Series,
    others: Series,
}

/// What the variables of one slot of a unit are, and where they go.
#[derive(Debug, Clone, Copy)]
struct Slot {
    count: u32,
    bytes: u32,
    widest: u32,
    are_digits: bool,
    are_hex: bool,
    /// Bytes of each with its padding; 0 if they are terminated.
    width: u32,
    /// Where the next variable begins: at first in the bytes of its series, then in those of both.
    at: u32,
}

const NO_VARIABLE: Slot =
    Slot { count: 0, bytes: 0, widest: 0, are_digits: true, are_hex: true, width: 0, at: 0 };

impl Slot {
    fn add(&mut self, variable: Variable) {
        let len = variable.len() as u32;
        self.count += 1;
        self.bytes += len;
        self.widest = self.widest.max(len);
        self.are_digits &= variable.is_digits();
        self.are_hex &= variable.is_hex();
    }

    fn class(&self) -> Class {
        match (self.are_digits, self.are_hex) {
            (true, _) => Class::Digits,
            (false, true) => Class::Hex,
            (false, false) => Class::Other,
        }
    }

    /// Decides how the variables are stored. Returns the bytes of all.
    fn arrange(&mut self) -> u32 {
        let Self { count, bytes, widest, .. } = *self;
        let (aligned, ended) = (u64::from(widest) * u64::from(count), bytes + count);
        let is_aligned = aligned <= u64::from(ended) && widest as usize <= WIDTH_MAX;
        self.width = if is_aligned { widest } else { 0 };
        if is_aligned { aligned as u32 } else { ended }
    }

    /// Writes the next variable: that of `span` in `from`. What is written to is filled with zeros, which are
    /// padding and ends.
    #[inline]
    fn put(&mut self, from: &[u8], span: Range<usize>, bytes: &mut [u8]) {
        let (at, width, len) = (self.at as usize, self.width as usize, span.len());
        // One of the two is 0.
        let (padding, ended) = (width.saturating_sub(len), usize::from(width == 0));
        let start = at + padding;
        self.at = (start + len + ended) as u32;
        or_in(from, span, &mut bytes[start..]);
    }
}

impl Variables {
    /// Leaves their bytes in `scratch`.
    fn of(column: &RowColumn, split: &Split, order: &Order, scratch: &mut Scratch) -> Self {
        let Scratch { slots, places, bytes, .. } = scratch;
        let slots_of = |code: &u16| count_slots(split.sentence(usize::from(*code)));
        let slots_of: Vec<usize> = order.sentences.iter().map(slots_of).collect();
        // The first slot of each sentence.
        let mut total = 0;
        let first = |(place, slots): (usize, &usize)| {
            let first = total;
            total += order.values_of(place).len().div_ceil(UNIT_VALUES) * slots;
            first
        };
        let firsts: Vec<usize> = slots_of.iter().enumerate().map(first).collect();
        slots.clear();
        slots.resize(total, NO_VARIABLE);
        places.clear();
        places.reserve(order.codes.len());
        let mut ranks = vec![0usize; firsts.len()];
        for (index, code) in order.codes.iter().enumerate() {
            let code = usize::from(*code);
            // One without a sentence has none.
            let Some(rank) = ranks.get_mut(code) else {
                places.push(0);
                continue;
            };
            let first = firsts[code] + *rank / UNIT_VALUES * slots_of[code];
            *rank += 1;
            places.push(first as u32);
            let variables = split.variables_of(index);
            for (slot, variable) in slots[first..first + slots_of[code]].iter_mut().zip(variables) {
                slot.add(*variable);
            }
        }
        let (mut digits, mut others) = (Series::default(), Series::default());
        let forms = slots.iter_mut().map(|slot| {
            let len = slot.arrange();
            let series = if slot.are_digits { &mut digits } else { &mut others };
            slot.at = series.place(len);
            Column::form(slot.class(), slot.width as usize)
        });
        let forms = forms.collect();
        io::may_break();
        digits.end_frame();
        others.end_frame();
        for slot in slots.iter_mut().filter(|slot| !slot.are_digits) {
            slot.at += digits.len;
        }
        bytes.clear();
        bytes.resize((digits.len + others.len) as usize, 0);
        for (index, place) in places.iter().enumerate() {
            let variables = split.variables_of(index);
            for (slot, variable) in slots[*place as usize..].iter_mut().zip(variables) {
                slot.put(&column.bytes, variable.span(), bytes);
            }
        }
        Self { forms, digits, others }
    }

    /// Appends the directories and frames. Returns whether some are packed, as those of a single sentence
    /// may be.
    fn write(
        &self,
        sentences: usize,
        writer: &mut ValuesWriter,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> bool {
        let Scratch { bytes, stored, .. } = scratch;
        let width = match &self.forms[..] {
            [form, others @ ..] if sentences == 1 && others.iter().all(|other| other == form) => {
                usize::from(*form) & WIDTH_MAX
            }
            _ => 0,
        };
        let mut is_packed = false;
        stored.clear();
        let (digits, others) = bytes.split_at(self.digits.len as usize);
        for (series, bytes) in [(&self.digits, digits), (&self.others, others)] {
            varint::encode(series.frames.len() as u64, out);
            let mut start = 0;
            for (columns, end) in &series.frames {
                let bytes = &bytes[start..*end as usize];
                start = *end as usize;
                let packed = records::pack(bytes, width, writer);
                is_packed |= packed.is_some();
                let frame = match &packed {
                    Some(packed) => packed,
                    None => writer.store_bytes(bytes),
                };
                varint::encode(*columns, out);
                varint::encode(bytes.len() as u64, out);
                varint::encode(frame.len() as u64, out);
                stored.extend_from_slice(frame);
            }
        }
        out.extend_from_slice(stored);
        is_packed
    }
}

/// Copies a text to the front of zeros, short ones without a branch on how short they are: no processor
/// foretells that.
#[inline]
fn or_in(from: &[u8], span: Range<usize>, to: &mut [u8]) {
    let len = span.len();
    match (from[span.start..].first_chunk(), to.first_chunk_mut()) {
        (Some(text), Some(to)) if len <= PIECE => {
            // What is behind the text is left as it is.
            let text = u128::from_le_bytes(*text) & ONES[len];
            *to = (u128::from_le_bytes(*to) | text).to_le_bytes();
        }
        _ => to[..len].copy_from_slice(&from[span]),
    }
}

/// The frames of one series.
#[derive(Default)]
struct Series {
    /// The columns of each frame, and where it ends.
    frames: Vec<(u64, u32)>,
    len: u32,
    /// Of the frame that has not ended: where it begins, and its columns.
    start: u32,
    columns: u64,
}

impl Series {
    /// Where a column of `len` bytes begins. A frame ends before the one that would carry it over its
    /// size.
    fn place(&mut self, len: u32) -> u32 {
        if (self.len - self.start + len) as usize > FRAME_BYTES {
            self.end_frame();
        }
        let at = self.len;
        self.columns += 1;
        self.len += len;
        at
    }

    fn end_frame(&mut self) {
        if self.columns > 0 {
            self.frames.push((self.columns, self.len));
        }
        (self.start, self.columns) = (self.len, 0);
    }
}

fn write_stored(bytes: &[u8], writer: &mut ValuesWriter, out: &mut Vec<u8>) {
    let stored = writer.store_bytes(bytes);
    varint::encode(bytes.len() as u64, out);
    varint::encode_bytes(stored, out);
}

/// The shorter of two forms. Sentences come in bursts in most logs, and zstd finds them.
fn encode_codes(codes: &[u16], writer: &mut ValuesWriter) -> Vec<u8> {
    let low = codes.iter().map(|code| code.to_le_bytes()[0]);
    let planes: Vec<u8> = low.chain(codes.iter().map(|code| code.to_le_bytes()[1])).collect();
    let mut compressed = vec![CODES_PLANES];
    write_stored(&planes, writer, &mut compressed);
    let numbers: Vec<u64> = codes.iter().map(|code| u64::from(*code)).collect();
    if packed::size(&numbers) < compressed.len() {
        compressed = vec![CODES_PACKED];
        packed::encode(&numbers, &mut compressed);
    }
    compressed
}
