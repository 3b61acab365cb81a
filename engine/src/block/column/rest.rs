//! The rest column: the fields whose names found no place among the block's columns.
//!
//! ```text
//! rows varint  names varint  list of names (see values.rs), rising
//! presence (see presence.rs)  text frames (see text.rs) of one record a row
//! record: (name varint, kind u8, text_len varint, text)*, names rising
//! ```

use super::presence::{self, Presence};
use super::text::{self, Text};
use super::values::{self, ValuesWriter};
use crate::batch::RowColumn;
use crate::block::part::{Part, Shape};
use crate::codec::varint;
use crate::error::{Corruption, Result};
use crate::event::{Kind, Value};
use std::sync::Arc;

/// What [`crate::batch::Rows::raw_bytes`] counts for a column besides its name and values.
const RAW_BYTES_A_NAME: usize = 64;

/// The fields that have no column of their own.
#[derive(Debug)]
pub(crate) struct Rest {
    names: Vec<Box<str>>,
    presence: Presence,
    records: Text,
}

impl Rest {
    /// The names, in order.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The bytes that they take in memory now, with the part.
    pub(in crate::block) fn heap_bytes(&self) -> usize {
        let names = self.names.iter().map(|name| size_of::<Box<str>>() + name.len());
        self.presence.heap_bytes() + self.records.heap_bytes() + names.sum::<usize>()
    }

    /// Calls `field` with each field of a row, in order of their names. Inflates at most one frame.
    pub(crate) fn row(&self, row: usize, mut field: impl FnMut(&str, Value<'_>)) -> Result<()> {
        let Some(index) = self.presence.value_index(row) else { return Ok(()) };
        let frame = self.records.frame(self.records.frame_of(index))?;
        let record = frame.values.value(index - frame.first).text;
        Ok(self.fields(record, |name, value| field(&self.names[name], value))?)
    }

    /// Calls `field` with each field of each row (row, index of the name, value), row by row.
    pub(crate) fn for_each(&self, mut field: impl FnMut(usize, usize, Value<'_>)) -> Result<()> {
        let mut rows = self.presence.rows();
        for index in 0..self.records.frame_count() {
            let frame = self.records.frame(index)?;
            for (record, row) in frame.values.iter().zip(&mut rows) {
                self.fields(record.text, |name, value| field(row, name, value))?;
            }
        }
        Ok(())
    }

    fn fields(
        &self,
        record: &[u8],
        mut field: impl FnMut(usize, Value<'_>),
    ) -> Result<(), Corruption> {
        let mut left = record;
        let mut next_name = 0;
        while !left.is_empty() {
            let Some((name, value, after)) = parse_field(left) else {
                let found = format!("a record of {} bytes", record.len());
                return Err(self.records.place().corrupt("a field of the rest column", found));
            };
            if name < next_name || name >= self.names.len() {
                let expected = format!("a name of {next_name} to {}", self.names.len());
                return Err(self.records.place().corrupt(expected, name.to_string()));
            }
            field(name, value);
            next_name = name + 1;
            left = after;
        }
        Ok(())
    }

    pub(in crate::block) fn decode(part: Part, mut shape: Shape) -> Result<Self> {
        let mut slice = part.slice();
        shape.values = slice.varint_max(shape.rows)?;
        let count = slice.varint_max(shape.raw_max / RAW_BYTES_A_NAME)?;
        let list = values::read(&mut slice, count, shape.raw_max)?;
        let mut names: Vec<Box<str>> = Vec::with_capacity(count);
        for value in list.iter() {
            match std::str::from_utf8(value.text) {
                Ok(name) if names.last().is_none_or(|last| **last < *name) => {
                    names.push(name.into());
                }
                _ => return Err(slice.corrupt("names that rise", format!("{value:?}")).into()),
            }
        }
        let presence = presence::decode(&mut slice, shape)?;
        let start = slice.position();
        let records = Text::decode(Arc::new(part), start, shape)?;
        Ok(Self { names, presence, records })
    }
}

fn parse_field(record: &[u8]) -> Option<(usize, Value<'_>, &[u8])> {
    let (name, read) = varint::decode(record)?;
    let (kind, record) = record.get(read..)?.split_first()?;
    let kind = Kind::from_code(*kind)?;
    let (len, read) = varint::decode(record)?;
    let (text, after) = record.get(read..)?.split_at_checked(usize::try_from(len).ok()?)?;
    Some((usize::try_from(name).ok()?, Value { kind, text }, after))
}

/// Appends these columns, which are sorted by name.
pub(in crate::block) fn encode(
    columns: &[&RowColumn],
    rows: usize,
    writer: &mut ValuesWriter,
    out: &mut Vec<u8>,
) {
    let mut records = vec![Vec::new(); rows];
    for (name, column) in columns.iter().enumerate() {
        for index in 0..column.len() {
            let value = column.value(index);
            let record = &mut records[column.row_of(index) as usize];
            varint::encode(name as u64, record);
            record.push(value.kind as u8);
            varint::encode_bytes(value.text, record);
        }
    }
    let present: Vec<u32> =
        (0..rows as u32).filter(|row| !records[*row as usize].is_empty()).collect();
    varint::encode(present.len() as u64, out);
    varint::encode(columns.len() as u64, out);
    writer.write(columns.iter().map(|column| string(column.name.as_bytes())), out);
    if present.len() < rows {
        presence::encode(&present, rows, out);
    }
    let record = |index: usize| string(&records[present[index] as usize]);
    text::encode(present.len(), record, writer, out);
}

fn string(text: &[u8]) -> Value<'_> {
    Value { kind: Kind::String, text }
}
