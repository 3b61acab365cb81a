//! The values of a field out of its lanes.

use super::blanks::{self, Pieces};
use super::decode::Piece;
use super::lanes::Reader;
use super::{BLANKS, CONSTANT, DICTIONARY, DISTINCT_MAX, HEX, LENGTHS, TEXTS, is_hex_len};
use crate::codec::bitpack::{self, LANES, Unpacker, packed_len};
use crate::error::Corruption;
use crate::limits::{BLANK_BYTES_MAX, BLANKS_MAX};

type Result<T, E = Corruption> = std::result::Result<T, E>;

/// A field whose kinds are read.
pub(super) struct Values<'a, 'b> {
    pub(super) lanes: &'a mut Reader<'b>,
    pub(super) pieces: Vec<Piece>,
    /// Of all pieces.
    pub(super) values: usize,
}

/// Texts that are referred to.
struct Listed<'a> {
    /// Where each begins, and where the last ends.
    bounds: Vec<usize>,
    bytes: std::borrow::Cow<'a, [u8]>,
}

impl Listed<'_> {
    fn text(&self, index: usize) -> &[u8] {
        &self.bytes[self.bounds[index]..self.bounds[index + 1]]
    }
}

impl<'b> Values<'_, 'b> {
    /// Reads where texts end, and the texts, of each piece.
    pub(super) fn read(mut self) -> Result<Vec<Piece>> {
        match self.lanes.text.u8()? {
            TEXTS => self.texts()?,
            HEX => self.hex()?,
            DICTIONARY => self.dictionary()?,
            BLANKS => self.blanks()?,
            form => return Err(self.lanes.text.corrupt("values of form 1 to 4", form.to_string())),
        }
        Ok(self.pieces)
    }

    fn corrupt<T>(&self, expected: &str, found: usize) -> Result<T> {
        Err(self.lanes.text.corrupt(expected, found.to_string()))
    }

    /// The length of all texts, or none if each has its own.
    fn common_len(&mut self) -> Result<Option<usize>> {
        let text = &mut self.lanes.text;
        match text.u8()? {
            CONSTANT => Ok(Some(text.varint_max(u32::MAX as usize)?)),
            LENGTHS => Ok(None),
            form => Err(text.corrupt("lengths of form 0 or 1", form.to_string())),
        }
    }

    /// The bytes that an id of so many digits takes.
    fn hex_len(&mut self) -> Result<usize> {
        let len = self.lanes.text.varint_max(u32::MAX as usize)?;
        if is_hex_len(len) { Ok(len / 2) } else { self.corrupt("a length of ids", len) }
    }

    fn texts(&mut self) -> Result<()> {
        let common = self.common_len()?;
        let mut pieces = std::mem::take(&mut self.pieces);
        for piece in &mut pieces {
            piece.column.ends = self.ends(common, piece.values, piece.bytes)?;
            if piece.column.ends.last().map(|end| *end as usize) != Some(piece.bytes) {
                return self.corrupt("texts as long as said", piece.bytes);
            }
        }
        for piece in &mut pieces {
            piece.column.bytes = self.lanes.text.take(piece.bytes)?.to_vec();
        }
        self.pieces = pieces;
        Ok(())
    }

    /// Where texts end that have `bytes` at most.
    fn ends(&mut self, common: Option<usize>, count: usize, bytes: usize) -> Result<Vec<u32>> {
        let mut ends = Vec::with_capacity(count);
        let mut end = 0usize;
        for _ in 0..count {
            let len = match common {
                Some(len) => len,
                None => self.lanes.codes.varint_max(bytes)?,
            };
            end = end.saturating_add(len);
            if end > bytes {
                return self.corrupt("texts no longer than said", end);
            }
            ends.push(end as u32);
        }
        Ok(ends)
    }

    fn hex(&mut self) -> Result<()> {
        let len = self.hex_len()?;
        for piece in &mut self.pieces {
            if piece.values.checked_mul(len * 2) != Some(piece.bytes) {
                return Err(self
                    .lanes
                    .text
                    .corrupt("ids as long as said", piece.bytes.to_string()));
            }
            let bytes = self.lanes.plain.take(piece.values * len)?;
            // At most as many bytes as a piece may have.
            piece.column.ends = (1..=piece.values).map(|nth| (nth * len * 2) as u32).collect();
            piece.column.bytes = blanks::hex_digits(bytes);
        }
        Ok(())
    }

    /// Texts one behind the other, of which there are `bytes` at most.
    fn text_list(&mut self, count: usize, bytes: usize) -> Result<Listed<'b>> {
        let common = self.common_len()?;
        let ends = self.ends(common, count, bytes)?;
        let len = ends.last().map_or(0, |end| *end as usize);
        let bytes = self.lanes.text.take(len)?.into();
        let bounds = std::iter::once(0).chain(ends.into_iter().map(|end| end as usize)).collect();
        Ok(Listed { bounds, bytes })
    }

    fn dictionary(&mut self) -> Result<()> {
        let count = self.lanes.text.varint_max(self.values.min(DISTINCT_MAX))?;
        let form = self.lanes.text.u8()?;
        let listed = match form {
            TEXTS => self.text_list(count, self.lanes.text.remaining())?,
            HEX => {
                let len = self.hex_len()?;
                let bytes = blanks::hex_digits(self.lanes.plain.take(count * len)?).into();
                Listed { bounds: (0..=count).map(|nth| nth * len * 2).collect(), bytes }
            }
            _ => return self.corrupt("distinct values of form 1 or 2", form.into()),
        };
        if count == 0 {
            return self.corrupt("distinct values", 0);
        }
        let codes = self.codes(count - 1)?;
        self.each_value(&codes, |code, out, max| {
            let text = listed.text(code);
            if out.len() + text.len() > max {
                return false;
            }
            out.extend_from_slice(text);
            true
        })
    }

    fn blanks(&mut self) -> Result<()> {
        let count = self.lanes.text.varint_max(BLANKS_MAX)?;
        let listed = self.text_list(count, BLANK_BYTES_MAX)?;
        let codes = self.codes(count)?;
        let len = self.lanes.text.varint_max(self.lanes.plain.remaining())?;
        let Some(digits) = blanks::read_digits(self.lanes.plain.take(len)?) else {
            return self.corrupt("digits", len);
        };
        let raws = codes.iter().filter(|code| **code as usize == count).count();
        let raw = self.text_list(raws, self.lanes.text.remaining())?;
        let mut pieces = Pieces::default();
        (0..count).for_each(|code| pieces.push(listed.text(code)));
        let (mut used, mut next_raw) = (0, 0);
        self.each_value(&codes, |code, out, max| {
            let text = if code < count {
                listed.text(code)
            } else {
                next_raw += 1;
                raw.text(next_raw - 1)
            };
            let start = out.len();
            if start + text.len() > max {
                return false;
            }
            out.extend_from_slice(text);
            if code == count {
                return true;
            }
            for piece in pieces.of(code) {
                let range = piece.range(start);
                let Some(from) = digits.get(used..used + range.len()) else { return false };
                used += range.len();
                out[range].copy_from_slice(from);
            }
            true
        })?;
        if used.div_ceil(2) != len {
            return self.corrupt("as many digits as blanks have", len * 2);
        }
        Ok(())
    }

    /// A code up to `max` for each value.
    fn codes(&mut self, max: usize) -> Result<Vec<u32>> {
        let width = bitpack::width_of(max as u64);
        let mut codes = Vec::with_capacity(self.values);
        let (mut unpacker, mut block) = (Unpacker::new(), [0; LANES]);
        while codes.len() < self.values {
            let len = (self.values - codes.len()).min(LANES);
            // 128 values take whole bytes, whatever their width.
            unpacker.unpack(self.lanes.codes.take(packed_len(len, width))?, width, &mut block);
            for code in &block[..len] {
                if *code > max as u64 {
                    return Err(self
                        .lanes
                        .codes
                        .corrupt(format!("codes up to {max}"), code.to_string()));
                }
                codes.push(*code as u32);
            }
        }
        Ok(codes)
    }

    /// Appends the text of each code to its piece, which may have so many bytes at most. Ends with an
    /// error once there is none that fits.
    fn each_value(
        &mut self,
        codes: &[u32],
        mut push: impl FnMut(usize, &mut Vec<u8>, usize) -> bool,
    ) -> Result<()> {
        let mut codes = codes.iter();
        for piece in &mut self.pieces {
            let Piece { column, values, bytes, .. } = piece;
            column.bytes.reserve_exact(*bytes);
            column.ends.reserve_exact(*values);
            for code in codes.by_ref().take(*values) {
                if !push(*code as usize, &mut column.bytes, *bytes) {
                    return Err(self
                        .lanes
                        .text
                        .corrupt("texts as long as said", bytes.to_string()));
                }
                column.ends.push(column.bytes.len() as u32);
            }
            if column.bytes.len() != *bytes {
                return Err(self.lanes.text.corrupt("texts as long as said", bytes.to_string()));
            }
        }
        Ok(())
    }
}
