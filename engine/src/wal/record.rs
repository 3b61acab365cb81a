//! One batch as the payload of a record. A small one: packed integers and lexemes in a bincode struct,
//! then zstd. One of many events: field by field ([`super::columns`]). Foreign bytes end in errors: all
//! invariants of `Rows` are checked before a batch exists.

use super::buffers::{self, Buffers};
use super::columns;
use super::format::{
    BATCH_VERSION, COLUMNS_VERSION, KEYED_BATCH_VERSION, RECORD_BATCH, RECORD_HEADER_BYTES,
    RecordHeader,
};
use crate::append::Redacted;
use crate::batch::{Batch, Part, RowColumn, Rows};
use crate::codec::crc::crc32;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::{Corruption, Error, Result};
use crate::event::{Kind, Level};
use crate::idempotency::ClaimRecord;
use crate::limits::WAL_RECORD_BYTES_MAX;
use crate::partition::PartitionKey;
use crate::timestamp::Day;
use bincode::{BorrowDecode, Encode};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

/// The fast level: higher ones cost more time than they save on these bytes, and lower ones save less
/// time than they cost bytes: a batch of version 1 has 73 bytes an event and takes 5,670 instructions,
/// at level -1 107 and 5,120, at level -5 116 and 3,810.
const ZSTD_LEVEL: i32 = 1;
/// Batches with fewer events are not written field by field: it takes more instructions for 300 of them,
/// and a twelfth less for 500.
const COLUMNS_ROWS_MIN: u32 = 512;

/// The payload of version 1 before compression. What is on disk is this struct in bincode's
/// standard form; a change of it is a new version.
#[derive(Debug, Encode, BorrowDecode)]
struct BatchV1<'a> {
    rows: u32,
    parts: Vec<PartV1<'a>>,
}

#[derive(Debug, Encode, BorrowDecode)]
struct PartV1<'a> {
    tenant: Cow<'a, str>,
    class: Cow<'a, str>,
    day: i32,
    /// Gaps between offsets less one, the first as it is: varints.
    seq_offsets: Cow<'a, [u8]>,
    /// Differences, the first from zero: varints, zigzag.
    timestamps: Cow<'a, [u8]>,
    levels: Cow<'a, [u8]>,
    columns: Vec<ColumnV1<'a>>,
}

#[derive(Debug, Encode, BorrowDecode)]
struct ColumnV1<'a> {
    name: Cow<'a, str>,
    /// As `seq_offsets`.
    rows: Option<Cow<'a, [u8]>>,
    kinds: Cow<'a, [u8]>,
    /// The length of each lexeme: varints.
    lens: Cow<'a, [u8]>,
    bytes: Cow<'a, [u8]>,
}

/// A batch ready for the log. Only its first sequence number is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedRecord {
    payload: Vec<u8>,
    payload_crc: u32,
    raw_len: u32,
    rows: u32,
    version: u8,
}

impl EncodedRecord {
    /// Encodes, compresses and checksums a batch, on the thread that calls.
    ///
    /// # Errors
    /// `Invalid` for a batch larger than [`WAL_RECORD_BYTES_MAX`].
    pub(crate) fn new(redacted: &Redacted) -> Result<Self> {
        let batch = redacted.batch();
        assert!(!batch.is_empty(), "a batch without events needs no record");
        buffers::with(|buffers| Self::encode(batch, buffers))
    }

    fn encode(batch: &Batch, buffers: &mut Buffers) -> Result<Self> {
        if batch.rows >= COLUMNS_ROWS_MIN
            && let Some(record) = Self::of_columns(batch, buffers)?
        {
            return Ok(record);
        }
        let raw = &mut buffers.raw;
        raw.clear();
        // More than it will be, mostly: it does not grow.
        raw.reserve(batch.raw_bytes());
        if let Some(claim) = &batch.claim {
            claim.encode(raw);
        }
        bincode::encode_into_std_write(mirror(batch), raw, config())
            .map_err(|e| Error::invalid(format!("the batch can't be encoded: {e}")))?;
        let version = if batch.claim.is_some() { KEYED_BATCH_VERSION } else { BATCH_VERSION };
        let too_large = |bytes: usize| {
            Error::invalid(format!(
                "the batch has {bytes} bytes, at most {WAL_RECORD_BYTES_MAX} are allowed"
            ))
        };
        if raw.len() > WAL_RECORD_BYTES_MAX {
            return Err(too_large(raw.len()));
        }
        let mut payload = Vec::new();
        compress_to(raw, &mut payload)?;
        if payload.len() > WAL_RECORD_BYTES_MAX {
            return Err(too_large(payload.len()));
        }
        Ok(Self::of_payload(batch, version, payload, raw.len()))
    }

    /// The record of a batch field by field, unless its rows take more than a reader would allow.
    pub(super) fn of_columns(batch: &Batch, buffers: &mut Buffers) -> Result<Option<Self>> {
        let (payload, lanes) = buffers.encoder.encode(batch)?;
        let needed = lanes + batch.raw_bytes();
        let fits = needed.max(payload.len()) <= WAL_RECORD_BYTES_MAX;
        Ok(fits.then(|| Self::of_payload(batch, COLUMNS_VERSION, payload, needed)))
    }

    fn of_payload(batch: &Batch, version: u8, payload: Vec<u8>, raw_len: usize) -> Self {
        let payload_crc = crc32(0, &[&payload]);
        // At most WAL_RECORD_BYTES_MAX.
        Self { payload_crc, raw_len: raw_len as u32, rows: batch.rows, version, payload }
    }

    /// The number of events.
    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// The bytes of the payload before compression, or, of a batch field by field, what a reader takes.
    #[cfg(feature = "testing")]
    pub(crate) fn raw_len(&self) -> usize {
        self.raw_len as usize
    }

    /// The bytes that the record takes in the log.
    pub(crate) fn len(&self) -> usize {
        RECORD_HEADER_BYTES + self.payload.len()
    }

    /// Appends the record, numbered from `first_seq` on.
    pub(super) fn write(&self, first_seq: u64, out: &mut Vec<u8>) {
        let header = RecordHeader {
            kind: RECORD_BATCH,
            version: self.version,
            len: self.payload.len() as u32,
            raw_len: self.raw_len,
            rows: self.rows,
            first_seq,
        };
        out.extend(header.encode(self.payload_crc));
        out.extend_from_slice(&self.payload);
    }
}

/// What is wrong with a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

impl From<&str> for Malformed {
    fn from(what: &str) -> Self {
        Self(what.to_owned())
    }
}

impl From<Corruption> for Malformed {
    fn from(what: Corruption) -> Self {
        Self(format!("{}, found {}", what.expected, what.found))
    }
}

/// The batch of a record of kind [`RECORD_BATCH`] and a version that is known, numbered.
pub(super) fn decode(header: &RecordHeader, payload: &[u8]) -> Result<Batch, Malformed> {
    if header.raw_len as usize > WAL_RECORD_BYTES_MAX {
        return Err(Malformed(format!("{} bytes raw", header.raw_len)));
    }
    match header.version {
        COLUMNS_VERSION => number(header, columns::decode(payload, header.raw_len)?),
        _ => decode_raw(header, &decompress(payload, header.raw_len)?),
    }
}

/// The batch of a payload of rows that is inflated.
pub(super) fn decode_raw(header: &RecordHeader, raw: &[u8]) -> Result<Batch, Malformed> {
    let (claim, raw) = match header.version {
        KEYED_BATCH_VERSION => {
            let mut slice = Slice::new(raw, 0, "batch key", Path::new(""));
            let claim = ClaimRecord::decode(&mut slice)?;
            (Some(Box::new(claim)), &raw[slice.position()..])
        }
        _ => (None, raw),
    };
    let (mirror, used): (BatchV1<'_>, usize) =
        bincode::borrow_decode_from_slice(raw, config()).map_err(|e| Malformed(e.to_string()))?;
    if used != raw.len() {
        return Err("bytes behind the batch".into());
    }
    let rows = mirror.rows;
    let parts = mirror.parts.into_iter().map(part).collect::<Result<_, _>>()?;
    number(header, Batch { rows, parts, claim })
}

/// Checks what a batch has as a whole, and numbers it.
pub(super) fn number(header: &RecordHeader, mut batch: Batch) -> Result<Batch, Malformed> {
    if batch.rows != header.rows || batch.rows == 0 {
        return Err(Malformed(format!("{} rows, the header says {}", batch.rows, header.rows)));
    }
    if header.first_seq.checked_add(u64::from(header.rows)).is_none() {
        return Err("sequence numbers past 2^64".into());
    }
    let total: usize = batch.parts.iter().map(|part| part.rows.len()).sum();
    if total != batch.rows as usize {
        return Err(Malformed(format!("{total} rows in parts of {}", batch.rows)));
    }
    let mut seen = vec![false; total];
    for offset in batch.parts.iter().flat_map(|part| &part.rows.seq_offsets) {
        match seen.get_mut(*offset as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err("a sequence number twice or out of range".into()),
        }
    }
    batch.number(header.first_seq);
    Ok(batch)
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<WAL_RECORD_BYTES_MAX>()
}

/// Replaces what is in `out` by a frame of `raw`.
pub(super) fn compress_to(raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
    thread_local! {
        // Making a context takes longer than compressing a small batch.
        static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
            const { RefCell::new(None) };
    }
    out.clear();
    out.reserve(zstd::zstd_safe::compress_bound(raw.len()));
    COMPRESSOR
        .with_borrow_mut(|compressor| {
            let compressor = match compressor {
                Some(compressor) => compressor,
                None => compressor.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
            };
            compressor.compress_to_buffer(raw, out).map(drop)
        })
        .map_err(|e| Error::invalid(format!("the batch can't be compressed: {e}")))
}

pub(super) fn decompress(payload: &[u8], raw_len: u32) -> Result<Vec<u8>, Malformed> {
    let told = zstd::zstd_safe::get_frame_content_size(payload).ok().flatten();
    if told != Some(u64::from(raw_len)) || raw_len as usize > WAL_RECORD_BYTES_MAX {
        return Err(Malformed(format!("{told:?} bytes raw, the header says {raw_len}")));
    }
    let raw = zstd::bulk::decompress(payload, raw_len as usize)
        .map_err(|e| Malformed(format!("zstd: {e}")))?;
    if raw.len() == raw_len as usize { Ok(raw) } else { Err("a short payload".into()) }
}

fn mirror(batch: &Batch) -> BatchV1<'_> {
    let parts = batch.parts().iter().map(|Part { key, rows }| PartV1 {
        tenant: (&*key.tenant).into(),
        class: (&*key.class).into(),
        day: key.day.0,
        seq_offsets: pack_rising(&rows.seq_offsets).into(),
        timestamps: pack_timestamps(&rows.timestamps).into(),
        levels: (&*rows.levels).into(),
        columns: rows.columns.iter().map(mirror_column).collect(),
    });
    BatchV1 { rows: batch.rows, parts: parts.collect() }
}

fn mirror_column(column: &RowColumn) -> ColumnV1<'_> {
    let mut lens = Vec::with_capacity(column.len());
    let mut start = 0;
    for end in &column.ends {
        varint::encode(u64::from(end - start), &mut lens);
        start = *end;
    }
    ColumnV1 {
        name: (&*column.name).into(),
        rows: column.rows.as_deref().map(|rows| pack_rising(rows).into()),
        kinds: (&*column.kinds).into(),
        lens: lens.into(),
        bytes: (&*column.bytes).into(),
    }
}

fn part(part: PartV1<'_>) -> Result<Part, Malformed> {
    let seq_offsets = unpack_rising(&part.seq_offsets)?;
    let timestamps = unpack_timestamps(&part.timestamps)?;
    let levels = part.levels.into_owned();
    let rows = seq_offsets.len();
    if rows == 0 || timestamps.len() != rows || levels.len() != rows {
        return Err("a part whose rows don't match".into());
    }
    if !levels.iter().all(|code| Level::from_code(*code).is_some()) {
        return Err("an unknown level".into());
    }
    let columns: Vec<RowColumn> =
        part.columns.into_iter().map(|c| column(c, rows)).collect::<Result<_, _>>()?;
    let mut names = HashSet::with_capacity(columns.len());
    if !columns.iter().all(|column| names.insert(&*column.name)) {
        return Err("a column twice".into());
    }
    let (tenant, class) = (part.tenant.as_ref().into(), part.class.as_ref().into());
    let key = PartitionKey { tenant, class, day: Day(part.day) };
    Ok(Part { key, rows: Rows { base_seq: 0, seq_offsets, timestamps, levels, columns } })
}

fn column(column: ColumnV1<'_>, part_rows: usize) -> Result<RowColumn, Malformed> {
    let ends = unpack_lens(&column.lens)?;
    let kinds = column.kinds.into_owned();
    let bytes = column.bytes.into_owned();
    if ends.is_empty() || kinds.len() != ends.len() {
        return Err("a column whose values don't match".into());
    }
    if !kinds.iter().all(|code| Kind::from_code(*code).is_some()) {
        return Err("an unknown kind".into());
    }
    if ends.last().map(|end| *end as usize) != Some(bytes.len()) {
        return Err("lexemes that don't add up".into());
    }
    let rows = column.rows.map(|rows| unpack_rising(&rows)).transpose()?;
    let matches = match &rows {
        None => ends.len() == part_rows,
        Some(rows) => {
            rows.len() == ends.len() && rows.last().is_some_and(|row| (*row as usize) < part_rows)
        }
    };
    if !matches {
        return Err("a column whose rows don't match".into());
    }
    Ok(RowColumn { name: column.name.as_ref().into(), rows, kinds, ends, bytes })
}

fn pack_rising(values: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len());
    let mut next = 0u64;
    for value in values {
        varint::encode(u64::from(*value) - next, &mut out);
        next = u64::from(*value) + 1;
    }
    out
}

fn unpack_rising(bytes: &[u8]) -> Result<Vec<u32>, Malformed> {
    let mut next = 0u64;
    unpack(bytes, |gap| {
        let value = u32::try_from(next.checked_add(gap)?).ok()?;
        next = u64::from(value) + 1;
        Some(value)
    })
}

fn unpack_lens(bytes: &[u8]) -> Result<Vec<u32>, Malformed> {
    let mut end = 0u32;
    unpack(bytes, |len| {
        end = end.checked_add(u32::try_from(len).ok()?)?;
        Some(end)
    })
}

fn pack_timestamps(values: &[i64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 4);
    let mut last = 0i64;
    for value in values {
        let difference = value.wrapping_sub(last);
        varint::encode(((difference << 1) ^ (difference >> 63)) as u64, &mut out);
        last = *value;
    }
    out
}

fn unpack_timestamps(bytes: &[u8]) -> Result<Vec<i64>, Malformed> {
    let mut last = 0i64;
    unpack(bytes, |zigzag| {
        let difference = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        last = last.wrapping_add(difference);
        Some(last)
    })
}

/// Every varint of `bytes`, translated.
fn unpack<T>(
    mut bytes: &[u8],
    mut next: impl FnMut(u64) -> Option<T>,
) -> Result<Vec<T>, Malformed> {
    // Each varint has one byte at least, so this allocates no more than a multiple of the input.
    let mut values = Vec::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let (value, len) = varint::decode(bytes).ok_or_else(|| Malformed::from("no varint"))?;
        values.push(next(value).ok_or_else(|| Malformed::from("a number out of range"))?);
        bytes = bytes.get(len..).unwrap_or_default();
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{batches, record_of};
    use super::*;
    use crate::codec::slice::Slice;
    use proptest::prelude::*;
    use std::path::Path;

    fn header_and_payload(record: &EncodedRecord, first_seq: u64) -> (RecordHeader, Vec<u8>) {
        let mut bytes = Vec::new();
        record.write(first_seq, &mut bytes);
        assert_eq!(bytes.len(), record.len());
        let mut slice = Slice::new(&bytes, 0, "wal record", Path::new("f"));
        let (header, payload) = RecordHeader::read(&mut slice).unwrap();
        slice.finish().unwrap();
        (header, payload.to_vec())
    }

    proptest! {
        #[test]
        fn any_batch_comes_back(batch in batches(), first_seq in 0..u64::MAX - 100) {
            let mut batch = batch;
            let record = record_of(&batch);
            prop_assert_eq!(record.rows() as usize, batch.len());
            let (header, payload) = header_and_payload(&record, first_seq);
            batch.number(first_seq);
            prop_assert_eq!(decode(&header, &payload), Ok(batch));
        }

        #[test]
        fn a_changed_byte_gives_an_error_or_a_sound_batch(
            batch in batches(),
            at: prop::sample::Index,
            value: u8,
        ) {
            let mut raw = bincode::encode_to_vec(mirror(&batch), config()).unwrap();
            let at = at.index(raw.len());
            raw[at] = value;
            let mut payload = Vec::new();
            compress_to(&raw, &mut payload).unwrap();
            let header = RecordHeader {
                kind: RECORD_BATCH,
                version: BATCH_VERSION,
                len: payload.len() as u32,
                raw_len: raw.len() as u32,
                rows: batch.rows,
                first_seq: 1,
            };
            if let Ok(batch) = decode(&header, &payload) {
                batch.check_invariants();
            }
        }

        #[test]
        fn timestamps_of_any_order_come_back(values: Vec<i64>) {
            prop_assert_eq!(unpack_timestamps(&pack_timestamps(&values)), Ok(values));
        }
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        // A frame that claims 2^62 bytes, and a vector that claims 2^60 parts.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40];
        assert!(decompress(&frame, u32::MAX).is_err());
        let raw = [1, 253, 0, 0, 0, 0, 0, 0, 0, 0x10];
        let mut payload = Vec::new();
        compress_to(&raw, &mut payload).unwrap();
        let header = RecordHeader {
            kind: RECORD_BATCH,
            version: BATCH_VERSION,
            len: payload.len() as u32,
            raw_len: raw.len() as u32,
            rows: 1,
            first_seq: 1,
        };
        assert!(decode(&header, &payload).is_err());
    }
}
