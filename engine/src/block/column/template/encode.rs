//! The writer's half.

use super::dictionary::{Class, Column, WIDTH_MAX};
use super::{CODES_PACKED, CODES_PLANES, UNIT_VALUES};
use crate::batch::RowColumn;
use crate::block::column::text;
use crate::block::column::values::ValuesWriter;
use crate::codec::copy::push_range;
use crate::codec::{packed, varint};
use crate::event::{Kind, Value};
use crate::index::{SLOT, Split, Variable};

/// Raw bytes after which a frame ends. Two of them are inflated to read a value: measured, 64 KiB
/// save nothing on mixed messages, and 0.1 bytes a message on the logs of single programs.
const FRAME_BYTES: usize = 32 << 10;

/// Appends a column that has been split, into one sentence at least.
pub(in crate::block::column) fn encode(
    column: &RowColumn,
    split: &Split,
    writer: &mut ValuesWriter,
    out: &mut Vec<u8>,
) {
    let order = Order::of(split);
    let sentences = order.sentences.iter().map(|code| split.sentence(usize::from(*code)));
    let counts = order.sentences.iter().map(|code| u64::from(split.counts()[usize::from(*code)]));
    varint::encode(order.sentences.len() as u64, out);
    packed::encode(&counts.collect::<Vec<_>>(), out);
    writer.write(sentences.map(|text| Value { kind: Kind::String, text }), out);
    let mut variables = Variables::new(column);
    for (place, code) in order.sentences.iter().enumerate() {
        let slots = split.sentence(usize::from(*code)).iter().filter(|byte| **byte == SLOT).count();
        for unit in order.values_of(place).chunks(UNIT_VALUES) {
            for slot in 0..slots {
                let of_slot = |index: &u32| split.variables_of(*index as usize)[slot];
                variables.push(unit.iter().map(of_slot), writer);
            }
        }
    }
    write_stored(&variables.forms, writer, out);
    let codes = encode_codes(&order.codes, writer);
    varint::encode_bytes(&codes, out);
    variables.finish(writer, out);
    let raw = order.values_of(order.sentences.len());
    text::encode(raw.len(), |index| column.value(raw[index] as usize), writer, out);
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

/// The columns of variables under construction.
struct Variables<'a> {
    column: &'a RowColumn,
    forms: Vec<u8>,
    digits: Series,
    others: Series,
    /// The variables of one column.
    pushed: Vec<Variable>,
}

impl<'a> Variables<'a> {
    fn new(column: &'a RowColumn) -> Self {
        let (digits, others) = (Series::default(), Series::default());
        Self { column, forms: Vec::new(), digits, others, pushed: Vec::new() }
    }

    /// Appends the variables of one slot of a unit.
    fn push(&mut self, variables: impl Iterator<Item = Variable>, writer: &mut ValuesWriter) {
        self.pushed.clear();
        self.pushed.extend(variables);
        let (mut widest, mut bytes, mut are_digits) = (0, 0, true);
        for variable in &self.pushed {
            widest = widest.max(variable.len());
            bytes += variable.len();
            are_digits &= variable.is_digits;
        }
        let class = match are_digits {
            true => Class::Digits,
            false if self.pushed.iter().all(|v| is_hex(v.text(self.column))) => Class::Hex,
            false => Class::Other,
        };
        let count = self.pushed.len();
        let aligned = widest * count <= bytes + count && widest <= WIDTH_MAX;
        self.forms.push(Column::form(class, if aligned { widest } else { 0 }));
        let len = if aligned { widest * count } else { bytes + count };
        let series = if are_digits { &mut self.digits } else { &mut self.others };
        let body = series.begin_column(len, writer);
        for variable in &self.pushed {
            if aligned && variable.len() < widest {
                body.resize(body.len() + widest - variable.len(), 0);
            }
            push_range(&self.column.bytes, variable.range(), body);
            if !aligned {
                body.push(0);
            }
        }
    }

    /// Appends the directories and frames.
    fn finish(mut self, writer: &mut ValuesWriter, out: &mut Vec<u8>) {
        for series in [&mut self.digits, &mut self.others] {
            series.end_frame(writer);
            varint::encode(series.frames, out);
            out.extend_from_slice(&series.directory);
        }
        out.extend_from_slice(&self.digits.stored);
        out.extend_from_slice(&self.others.stored);
    }
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Frames of one series.
#[derive(Default)]
struct Series {
    body: Vec<u8>,
    columns: u64,
    frames: u64,
    directory: Vec<u8>,
    stored: Vec<u8>,
}

impl Series {
    /// Where to append a column of `len` bytes. A frame ends before the one that would carry it
    /// over its size.
    fn begin_column(&mut self, len: usize, writer: &mut ValuesWriter) -> &mut Vec<u8> {
        if self.body.len() + len > FRAME_BYTES {
            self.end_frame(writer);
        }
        self.columns += 1;
        &mut self.body
    }

    fn end_frame(&mut self, writer: &mut ValuesWriter) {
        if self.columns == 0 {
            return;
        }
        let stored = writer.store_bytes(&self.body);
        varint::encode(self.columns, &mut self.directory);
        varint::encode(self.body.len() as u64, &mut self.directory);
        varint::encode(stored.len() as u64, &mut self.directory);
        self.stored.extend_from_slice(stored);
        self.frames += 1;
        self.columns = 0;
        self.body.clear();
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
