//! A batch out of lanes that anybody may have written. Everything that `Rows` calls an invariant is
//! checked, and rows take no memory that the record did not name before: what it names, lanes included,
//! is bounded like the payload of the versions before.

use super::lanes::{Inflated, Reader};
use super::values::Values;
use super::{AS_BEFORE, BYTES, CONSTANT, GAPS, MAP, SCALES};
use crate::batch::{Batch, Part, RowColumn, Rows, column_raw_bytes, rows_raw_bytes};
use crate::codec::packed::unzigzag;
use crate::error::Corruption;
use crate::event::{Kind, Level};
use crate::idempotency::ClaimRecord;
use crate::partition::PartitionKey;
use crate::timestamp::Day;
use crate::wal::record::Malformed;
use std::collections::HashSet;
use std::sync::Arc;

type Result<T, E = Corruption> = std::result::Result<T, E>;

/// A column whose values are still to be read.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) column: RowColumn,
    pub(super) values: usize,
    /// Of all its texts.
    pub(super) bytes: usize,
    /// Where it belongs: a part, and a place in it.
    part: usize,
    place: usize,
}

/// The batch of a payload, not numbered. `needed` is what its lanes and its rows take together.
pub(in crate::wal) fn decode(payload: &[u8], needed: u32) -> Result<Batch, Malformed> {
    let mut left = u64::from(needed);
    let batch = decode_up_to(payload, &mut left)?;
    match left {
        0 => Ok(batch),
        left => Err(Malformed(format!("{left} of {needed} bytes that are not needed"))),
    }
}

/// The same, with what it takes taken from what is `left`.
pub(in crate::wal) fn decode_up_to(payload: &[u8], left: &mut u64) -> Result<Batch, Malformed> {
    let lanes = Inflated::new(payload, left)?;
    let mut reader = lanes.reader();
    let batch = Decoder { lanes: &mut reader, left }.batch()?;
    reader.finish()?;
    Ok(batch)
}

struct Decoder<'a, 'b> {
    lanes: &'a mut Reader<'b>,
    left: &'a mut u64,
}

impl Decoder<'_, '_> {
    fn batch(&mut self) -> Result<Batch> {
        let text = &mut self.lanes.text;
        let claim = match text.u8()? {
            0 => None,
            1 => Some(Box::new(ClaimRecord::decode(text)?)),
            other => return Err(text.corrupt("a key or none", other.to_string())),
        };
        // Each name has a byte of length.
        let count = text.varint_max(text.remaining())?;
        let mut distinct = HashSet::new();
        let mut names: Vec<Arc<str>> = Vec::new();
        for _ in 0..count {
            let name = text.str()?;
            if !distinct.insert(name) {
                return Err(text.corrupt("distinct names", name));
            }
            names.push(name.into());
        }
        let mut fields: Vec<Vec<Piece>> = names.iter().map(|_| Vec::new()).collect();
        let count = text.varint_max(text.remaining())?;
        let mut parts = Vec::new();
        for index in 0..count {
            parts.push(self.part(index, &names, &mut fields)?);
        }
        for (name, pieces) in names.iter().zip(fields) {
            if pieces.is_empty() {
                return Err(self.lanes.text.corrupt("values of each name", &**name));
            }
            self.field(pieces, &mut parts)?;
        }
        let rows: usize = parts.iter().map(|part| part.rows.len()).sum();
        // Each row took more than a byte of what was left, which is less than 2^32.
        Ok(Batch { rows: rows as u32, parts, claim })
    }

    /// Takes what is about to be allocated from what is left.
    fn charge(&mut self, bytes: u64) -> Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => *self.left = left,
            None => {
                let expected = format!("rows of {} bytes more", self.left);
                return Err(self.lanes.text.corrupt(expected, bytes.to_string()));
            }
        }
        Ok(())
    }

    fn part(
        &mut self,
        index: usize,
        names: &[Arc<str>],
        fields: &mut [Vec<Piece>],
    ) -> Result<Part> {
        let text = &mut self.lanes.text;
        let (tenant, class) = (text.str()?.into(), text.str()?.into());
        let day = unzigzag(text.varint()?);
        let Ok(day) = i32::try_from(day) else {
            return Err(text.corrupt("a day", day.to_string()));
        };
        let rows = text.varint_max(u32::MAX as usize)?;
        if rows == 0 {
            return Err(text.corrupt("rows", "none"));
        }
        self.charge(rows_raw_bytes(rows))?;
        let seq_offsets = self.gaps(rows)?;
        let timestamps = self.timestamps(rows)?;
        let levels = self.constant_or_bytes(rows)?;
        let text = &mut self.lanes.text;
        if !levels.iter().all(|code| Level::from_code(*code).is_some()) {
            return Err(text.corrupt("levels", "another code"));
        }
        // Each column has a byte for its name.
        let count = text.varint_max(text.remaining())?;
        let mut columns = Vec::new();
        let mut before: Option<Vec<u32>> = None;
        for place in 0..count {
            let text = &mut self.lanes.text;
            let name = text.varint_max(names.len().saturating_sub(1))?;
            let bytes = text.varint_max(u32::MAX as usize)?;
            let Some((pieces, name)) = fields.get_mut(name).zip(names.get(name)) else {
                return Err(text.corrupt("a name", "none"));
            };
            if pieces.last().is_some_and(|piece| piece.part == index) {
                return Err(text.corrupt("a column once", &**name));
            }
            let present = self.presence(name, rows, bytes, before.as_ref())?;
            let values = present.as_ref().map_or(rows, Vec::len);
            if present.is_some() {
                before.clone_from(&present);
            }
            let column = RowColumn { rows: present, ..RowColumn::new(Arc::clone(name)) };
            columns.push(RowColumn::new(Arc::clone(name)));
            pieces.push(Piece { column, values, bytes, part: index, place });
        }
        let key = PartitionKey { tenant, class, day: Day(day) };
        Ok(Part { key, rows: Rows { base_seq: 0, seq_offsets, timestamps, levels, columns } })
    }

    /// Which rows have a value; none if all have.
    fn presence(
        &mut self,
        name: &str,
        rows: usize,
        bytes: usize,
        before: Option<&Vec<u32>>,
    ) -> Result<Option<Vec<u32>>> {
        let text = &mut self.lanes.text;
        let form = text.u8()?;
        let values = match form {
            CONSTANT => rows,
            AS_BEFORE => before.map_or(0, Vec::len),
            MAP | GAPS => text.varint_max(rows)?,
            _ => return Err(text.corrupt("rows of form 0 to 3", form.to_string())),
        };
        if values == 0 {
            return Err(text.corrupt("a column with values", "none"));
        }
        self.charge(column_raw_bytes(name, values, bytes as u64))?;
        let present = match form {
            CONSTANT => return Ok(None),
            AS_BEFORE => before.cloned().unwrap_or_default(),
            MAP => {
                let map = self.lanes.codes.take(rows.div_ceil(8))?;
                let set: u32 = map.iter().map(|byte| byte.count_ones()).sum();
                if set as usize != values {
                    return Err(self
                        .lanes
                        .codes
                        .corrupt(format!("{values} rows"), set.to_string()));
                }
                let mut present = Vec::with_capacity(values);
                for (index, byte) in map.iter().enumerate() {
                    let mut left = *byte;
                    while left != 0 {
                        present.push(index as u32 * 8 + left.trailing_zeros());
                        left &= left - 1;
                    }
                }
                present
            }
            _ => self.gaps(values)?,
        };
        match present.last() {
            Some(last) if (*last as usize) < rows => Ok(Some(present)),
            last => {
                Err(self.lanes.codes.corrupt(format!("rows below {rows}"), format!("{last:?}")))
            }
        }
    }

    /// Numbers that rise. What they take is charged already.
    fn gaps(&mut self, count: usize) -> Result<Vec<u32>> {
        let codes = &mut self.lanes.codes;
        let mut values = Vec::with_capacity(count);
        let mut next = 0u64;
        for _ in 0..count {
            let value =
                next.checked_add(codes.varint()?).and_then(|value| u32::try_from(value).ok());
            let Some(value) = value else {
                return Err(codes.corrupt("numbers below 2^32", "more"));
            };
            values.push(value);
            next = u64::from(value) + 1;
        }
        Ok(values)
    }

    fn timestamps(&mut self, rows: usize) -> Result<Vec<i64>> {
        let scale = self.lanes.text.u8()?;
        let Some(scale) = SCALES.get(usize::from(scale)) else {
            return Err(self.lanes.text.corrupt("a scale of timestamps", scale.to_string()));
        };
        let mut values = Vec::with_capacity(rows);
        let mut last = 0i64;
        for _ in 0..rows {
            last = last.wrapping_add(unzigzag(self.lanes.plain.varint()?));
            values.push(last.wrapping_mul(*scale));
        }
        Ok(values)
    }

    fn constant_or_bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        let form = self.lanes.text.u8()?;
        match form {
            CONSTANT => Ok(vec![self.lanes.text.u8()?; count]),
            BYTES => Ok(self.lanes.codes.take(count)?.to_vec()),
            _ => Err(self.lanes.text.corrupt("codes of form 0 or 1", form.to_string())),
        }
    }

    /// Reads the values of a field, and puts them into their parts.
    fn field(&mut self, pieces: Vec<Piece>, parts: &mut [Part]) -> Result<()> {
        let total = pieces.iter().map(|piece| piece.values).sum();
        let kinds = self.constant_or_bytes(total)?;
        if !kinds.iter().all(|code| Kind::from_code(*code).is_some()) {
            return Err(self.lanes.text.corrupt("kinds", "another code"));
        }
        let pieces = Values { lanes: self.lanes, pieces, values: total }.read()?;
        let mut kinds = &*kinds;
        for Piece { mut column, values, part, place, .. } in pieces {
            let (of_piece, rest) = kinds.split_at(values);
            column.kinds = of_piece.to_vec();
            kinds = rest;
            parts[part].rows.columns[place] = column;
        }
        Ok(())
    }
}
