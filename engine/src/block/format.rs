//! A block's header and directory: bytes to values and back, without I/O. The layout is described
//! in `docs/format/block.md`.
//!
//! Invariants of a header, asserted by the writer and verified by [`Header::decode`]:
//! - `H1` its own checksum holds before any of its lengths is believed.
//! - `H2` its parts lie behind it without gaps, in one order, and end where the block ends.
//! - `H3` column names rise strictly; each column has at least one value and at most one a row.

use super::column::SCALE_MAX;
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, Result};
use crate::event::{Kind, Level};
use crate::limits::{BLOCK_COLUMNS_MAX, BLOCK_ROWS_MAX};
use std::path::Path;

pub(super) const MAGIC: [u8; 4] = *b"LSBK";
/// Version 1: issue 1, "First light".
pub(super) const VERSION: u16 = 1;
/// Longer column names go to the rest column, so that a header's size has a bound.
pub(super) const NAME_BYTES_MAX: usize = 255;
/// The bound of [`BlockMeta::raw_bytes`], and so of all that decoding may allocate.
pub(super) const RAW_BYTES_MAX: u64 = 1 << 30;

/// The fixed part of a header: magic, version, features, meta, the parts that are not columns.
const FIXED_LEN: usize = 8 + BlockMeta::LEN + 5 * PART_LEN + 2;
const PART_LEN: usize = 8;
const COLUMN_LEN_MAX: usize = 16 + 2 * 8 + 1 + NAME_BYTES_MAX;
const CRC_LEN: usize = 4;
const HEADER_LEN_MAX: usize = FIXED_LEN + BLOCK_COLUMNS_MAX * COLUMN_LEN_MAX + CRC_LEN;

/// What a section directory and a memtable keep of a block: where its bytes end, and what rules it
/// out without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockMeta {
    /// Bytes of the block.
    pub(crate) len: u32,
    /// Bytes of its header, the first read.
    pub(crate) header_len: u32,
    /// Rows, at least one.
    pub(crate) rows: u32,
    /// One bit for each level that occurs, `1 << code`.
    pub(crate) levels: u8,
    /// The least timestamp, in nanoseconds.
    pub(crate) min_ts: i64,
    /// The greatest timestamp, in nanoseconds.
    pub(crate) max_ts: i64,
    /// The sequence number of the first row.
    pub(crate) min_seq: u64,
    /// The sequence number of the last row.
    pub(crate) max_seq: u64,
    /// [`crate::batch::Rows::raw_bytes`] of the rows.
    pub(crate) raw_bytes: u64,
}

impl BlockMeta {
    /// Bytes of the encoded form.
    pub(crate) const LEN: usize = 56;

    /// Appends the encoded form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.header_len.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&[self.levels, 0, 0, 0]);
        out.extend_from_slice(&self.min_ts.to_le_bytes());
        out.extend_from_slice(&self.max_ts.to_le_bytes());
        out.extend_from_slice(&self.min_seq.to_le_bytes());
        out.extend_from_slice(&self.max_seq.to_le_bytes());
        out.extend_from_slice(&self.raw_bytes.to_le_bytes());
    }

    /// Reads the encoded form and refuses values that no block has.
    pub(crate) fn decode(slice: &mut Slice<'_>) -> Result<Self, Corruption> {
        let (len, header_len, rows) = (slice.u32()?, slice.u32()?, slice.u32()?);
        let [levels, reserved @ ..] = slice.u32()?.to_le_bytes();
        let (min_ts, max_ts) = (slice.i64()?, slice.i64()?);
        let (min_seq, max_seq) = (slice.u64()?, slice.u64()?);
        let raw_bytes = slice.u64()?;
        let meta =
            Self { len, header_len, rows, levels, min_ts, max_ts, min_seq, max_seq, raw_bytes };
        match meta.fault() {
            Some(expected) => Err(slice.corrupt(expected, format!("{meta:?}"))),
            None if reserved != [0; 3] => {
                Err(slice.corrupt("zero reserved bytes", format!("{reserved:?}")))
            }
            None => Ok(meta),
        }
    }

    /// The first rule that the values break.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let known_levels = Level::ALL.into_iter().fold(0, |bits, level| bits | 1 << level as u8);
        let seqs = self.max_seq.checked_sub(self.min_seq);
        [
            (self.rows >= 1 && self.rows as usize <= BLOCK_ROWS_MAX, "1 to 8,192 rows"),
            (self.header_len as usize <= HEADER_LEN_MAX, "a header length within its bound"),
            (self.header_len as usize >= FIXED_LEN + CRC_LEN, "a header length of a whole header"),
            (self.header_len <= self.len, "a header no longer than its block"),
            (self.levels != 0 && self.levels & !known_levels == 0, "bits of known levels"),
            (self.min_ts <= self.max_ts, "min_ts <= max_ts"),
            (
                seqs.is_some_and(|span| span.saturating_add(1) >= u64::from(self.rows)),
                "a number for each row",
            ),
            (seqs.is_some_and(|span| span <= u64::from(u32::MAX)), "numbers within 2^32"),
            (self.raw_bytes <= RAW_BYTES_MAX, "raw bytes within their bound"),
        ]
        .into_iter()
        .find_map(|(holds, expected)| (!holds).then_some(expected))
    }
}

/// Least and greatest of a column's values: `min / 10^scale` and `max / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberRange {
    /// Mantissa of the least value.
    pub(crate) min: i64,
    /// Mantissa of the greatest value.
    pub(crate) max: i64,
    /// Decimal digits behind the point, of both.
    pub(crate) scale: u8,
}

/// Where a part of a block lies, relative to the block's first byte. `len` 0 means absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PartEntry {
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) crc: u32,
}

/// What the header says of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnEntry {
    /// The column name (see [`crate::field`]).
    pub(crate) name: Box<str>,
    /// How the column is encoded; a tag that this version may not know.
    pub(crate) encoding: u8,
    /// One bit for each kind that occurs, `1 << code`.
    pub(crate) kinds: u8,
    /// The number of values, at least one.
    pub(crate) values: u32,
    /// The range of the values, of whatever kind, if every one is a plain decimal number.
    pub(crate) numbers: Option<NumberRange>,
    pub(super) part: PartEntry,
}

impl ColumnEntry {
    /// The name of the encoding, for people.
    pub(crate) fn encoding_name(&self) -> &'static str {
        super::column::Encoding::name_of(self.encoding)
    }

    /// Whether all values are ids: see [`super::column::Ids`].
    pub(crate) fn is_ids(&self) -> bool {
        self.encoding == super::column::Encoding::Ids as u8
    }

    /// Whether each distinct value stands in the column once.
    pub(crate) fn is_listed(&self) -> bool {
        use super::column::Encoding;
        [Encoding::Constant as u8, Encoding::Dictionary as u8].contains(&self.encoding)
    }

    /// Whether the column has message templates: see [`super::column::Templates`].
    pub(crate) fn is_templates(&self) -> bool {
        use super::column::Encoding;
        [Encoding::Templates as u8, Encoding::PackedTemplates as u8].contains(&self.encoding)
            || self.is_shared()
    }

    /// Whether the sentences stand in the list of the section.
    pub(super) fn is_shared(&self) -> bool {
        self.encoding == super::column::Encoding::SharedTemplates as u8
    }

    /// Bytes of the encoded column.
    pub(crate) fn len(&self) -> u32 {
        self.part.len
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) meta: BlockMeta,
    pub(super) timestamps: PartEntry,
    pub(super) seqs: PartEntry,
    pub(super) levels: PartEntry,
    pub(super) columns: Vec<ColumnEntry>,
    pub(super) rest: PartEntry,
    pub(super) filter: PartEntry,
}

impl Header {
    /// The bytes that the header of these column names takes.
    pub(super) fn len_of<'a>(columns: impl Iterator<Item = (&'a str, bool)>) -> usize {
        let entry = |(name, has_range)| column_len(name, has_range);
        FIXED_LEN + columns.map(entry).sum::<usize>() + CRC_LEN
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.meta.header_len as usize);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        assert_eq!(self.meta.fault(), None, "a block that its reader would refuse");
        self.meta.encode(&mut out);
        for part in [self.timestamps, self.seqs, self.levels, self.rest, self.filter] {
            encode_part(part, &mut out);
        }
        out.extend_from_slice(&(self.columns.len() as u16).to_le_bytes());
        for column in &self.columns {
            encode_column(column, &mut out);
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(out.len(), self.meta.header_len as usize);
        out
    }

    /// Reads a header: exactly the first `header_len` bytes of a block.
    pub(super) fn decode(bytes: &[u8], base: u64, file: &Path) -> Result<Self> {
        let mut slice = Slice::new(bytes, base, "block header", file);
        let magic = slice.take(MAGIC.len())?;
        if magic != MAGIC {
            return Err(slice.corrupt(format!("{MAGIC:?}"), format!("{magic:?}")).into());
        }
        let (body, crc) =
            bytes.split_at_checked(bytes.len().saturating_sub(CRC_LEN)).unwrap_or_default();
        check_crc(&slice, body, u32::from_le_bytes(crc.try_into().unwrap_or_default()))?;
        let (version, features) = (slice.u16()?, slice.u16()?);
        if (version, features) != (VERSION, 0) {
            return Err(Error::unsupported(format!(
                "{}: block at offset {base} has version {version} and feature bits {features:#x}, \
                 this program reads version {VERSION} without features",
                file.display()
            )));
        }
        let mut slice = Slice::new(body, base, "block header", file);
        slice.take(8)?;
        Ok(Self::decode_body(&mut slice)?)
    }

    fn decode_body(slice: &mut Slice<'_>) -> Result<Self, Corruption> {
        let meta = BlockMeta::decode(slice)?;
        let [mut timestamps, mut seqs, mut levels, mut rest, mut filter] =
            [PartEntry::default(); 5];
        for part in [&mut timestamps, &mut seqs, &mut levels, &mut rest, &mut filter] {
            *part = decode_part(slice)?;
        }
        let count = usize::from(slice.u16()?);
        if count > BLOCK_COLUMNS_MAX {
            return Err(slice.corrupt("at most 256 columns", count.to_string()));
        }
        let mut columns: Vec<ColumnEntry> = Vec::with_capacity(count);
        for _ in 0..count {
            let column = decode_column(slice, meta.rows)?;
            if columns.last().is_some_and(|last| last.name >= column.name) {
                return Err(slice.corrupt("H3: column names that rise", &*column.name));
            }
            columns.push(column);
        }
        slice.finish()?;
        let mut header = Self { meta, timestamps, seqs, levels, columns, rest, filter };
        match header.place() {
            Some(end) if end == meta.len => Ok(header),
            end => Err(slice.corrupt(format!("H2: parts up to {}", meta.len), format!("{end:?}"))),
        }
    }

    /// Gives each part its offset; `None` if they don't fit 32 bits.
    pub(super) fn place(&mut self) -> Option<u32> {
        let mut end = self.meta.header_len;
        let fixed = [&mut self.timestamps, &mut self.seqs, &mut self.levels];
        let columns = self.columns.iter_mut().map(|column| &mut column.part);
        for part in fixed.into_iter().chain(columns).chain([&mut self.rest, &mut self.filter]) {
            part.offset = end;
            end = end.checked_add(part.len)?;
        }
        Some(end)
    }
}

#[cfg(test)]
impl PartEntry {
    /// The part's place in its block.
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.offset as usize..self.offset as usize + self.len as usize
    }
}

/// Compares the checksum of `bytes` with the one stored.
pub(super) fn check_crc(slice: &Slice<'_>, bytes: &[u8], stored: u32) -> Result<(), Corruption> {
    let found = crc32fast::hash(bytes);
    if found == stored {
        return Ok(());
    }
    Err(slice.corrupt(format!("crc32 {stored:#010x}"), format!("{found:#010x}")))
}

fn column_len(name: &str, has_range: bool) -> usize {
    4 + 4 + PART_LEN + if has_range { 16 } else { 0 } + 1 + name.len()
}

fn encode_part(part: PartEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(&part.len.to_le_bytes());
    out.extend_from_slice(&part.crc.to_le_bytes());
}

fn decode_part(slice: &mut Slice<'_>) -> Result<PartEntry, Corruption> {
    Ok(PartEntry { offset: 0, len: slice.u32()?, crc: slice.u32()? })
}

fn encode_column(column: &ColumnEntry, out: &mut Vec<u8>) {
    let scale = column.numbers.map_or(0, |range| range.scale);
    out.extend_from_slice(&[
        column.encoding,
        column.kinds,
        u8::from(column.numbers.is_some()),
        scale,
    ]);
    out.extend_from_slice(&column.values.to_le_bytes());
    encode_part(column.part, out);
    if let Some(range) = column.numbers {
        out.extend_from_slice(&range.min.to_le_bytes());
        out.extend_from_slice(&range.max.to_le_bytes());
    }
    out.push(u8::try_from(column.name.len()).expect("longer names are in the rest column"));
    out.extend_from_slice(column.name.as_bytes());
}

fn decode_column(slice: &mut Slice<'_>, rows: u32) -> Result<ColumnEntry, Corruption> {
    let [encoding, kinds, has_range, scale] = slice.u32()?.to_le_bytes();
    let values = slice.u32()?;
    let part = decode_part(slice)?;
    let numbers = match has_range {
        0 => None,
        1 => Some(NumberRange { min: slice.i64()?, max: slice.i64()?, scale }),
        flag => return Err(slice.corrupt("a range flag of 0 or 1", flag.to_string())),
    };
    let len = usize::from(slice.u8()?);
    let name = slice.take(len)?;
    let name: Box<str> = match std::str::from_utf8(name) {
        Ok(name) => name.into(),
        Err(e) => return Err(slice.corrupt("a name in UTF-8", e.to_string())),
    };
    let unknown_kinds = (0..8).filter(|code| Kind::from_code(*code).is_none());
    let unknown_kinds = unknown_kinds.fold(0u8, |bits, code| bits | 1 << code);
    let range_holds = match numbers {
        None => scale == 0,
        Some(range) => range.min <= range.max && scale <= SCALE_MAX,
    };
    if encoding == 0 || kinds == 0 || kinds & unknown_kinds != 0 || !range_holds {
        let found = format!("tag {encoding}, kinds {kinds:#b}, range {numbers:?}");
        return Err(slice.corrupt("a tag, known kinds, a range", found));
    }
    if values == 0 || values > rows || part.len == 0 {
        let found = format!("{values} values in {} bytes", part.len);
        return Err(slice.corrupt(format!("H3: 1 to {rows} values"), found));
    }
    Ok(ColumnEntry { name, encoding, kinds, values, numbers, part })
}
