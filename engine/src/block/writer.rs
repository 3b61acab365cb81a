//! Rows become a block.

use super::column::integer::Scaled;
use super::column::{self, ValuesWriter, rest};
use super::format::{
    BlockMeta, ColumnEntry, Header, NAME_BYTES_MAX, NumberRange, PartEntry, RAW_BYTES_MAX,
};
use crate::batch::{RowColumn, Rows};
use crate::codec::packed;
use crate::index::{self, Known, Split, Stay};
use crate::limits::{BLOCK_COLUMNS_MAX, BLOCK_ROWS_MAX};
use std::cmp::Reverse;
use std::sync::Arc;

/// A finished block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedBlock {
    /// The block.
    pub(crate) bytes: Vec<u8>,
    /// What its directory keeps of it.
    pub(crate) meta: BlockMeta,
}

impl EncodedBlock {
    /// The bytes, as many as there are. What they were in is for the next block of the thread.
    pub(crate) fn into_shared(self) -> Arc<[u8]> {
        let bytes = self.bytes.as_slice().into();
        ValuesWriter::give_back(self.bytes);
        bytes
    }
}

/// Encodes rows of one partition, at least one, in sequence order, with the filter of their terms.
/// What is found out of a column to encode it is found out once, for both.
pub(crate) fn seal(rows: &Rows) -> EncodedBlock {
    seal_for(rows, Stay::Long)
}

/// As [`seal`], for a block of a level-0 file: its filter is one that is made fast.
pub(crate) fn seal_young(rows: &Rows) -> EncodedBlock {
    seal_for(rows, Stay::Short)
}

fn seal_for(rows: &Rows, stay: Stay) -> EncodedBlock {
    let plan = Plan::new(rows);
    let filter = index::filter_bytes_with(rows, stay, |column| plan.known_of(column));
    plan.encode(&filter)
}

/// The same with a filter that is given; it may be empty.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn encode(rows: &Rows, filter: &[u8]) -> EncodedBlock {
    Plan::new(rows).encode(filter)
}

/// Rows, and how each column of them will be encoded.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    rows: &'a Rows,
    /// The columns that get an entry of their own, by name.
    own: Vec<(&'a RowColumn, column::Plan)>,
    /// The others, by name.
    others: Vec<&'a RowColumn>,
}

impl<'a> Plan<'a> {
    /// Looks at rows of one partition, at least one, in sequence order.
    pub(crate) fn new(rows: &'a Rows) -> Self {
        assert!(!rows.is_empty() && rows.len() <= BLOCK_ROWS_MAX, "{} rows", rows.len());
        let (own, others) = share_out(rows);
        let own = own.into_iter().map(|column| (column, column::Plan::new(column))).collect();
        Self { rows, own, others }
    }

    /// The sentences and variables of a column of the rows, if it will be stored as such.
    pub(crate) fn split_of(&self, column: &RowColumn) -> Option<&Split> {
        match self.known_of(column)? {
            Known::Split(split) => Some(split),
            Known::Firsts(_) | Known::Ids(_) => None,
        }
    }

    /// What was found out of a column of the rows.
    fn known_of(&self, column: &RowColumn) -> Option<Known<'_>> {
        let at = self.own.binary_search_by(|(own, _)| own.name.cmp(&column.name)).ok()?;
        self.own[at].1.known()
    }

    /// Encodes the rows. `filter` is what the index wants kept with the block.
    pub(crate) fn encode(&self, filter: &[u8]) -> EncodedBlock {
        ValuesWriter::with_kept(|writer| self.encode_with(filter, writer))
    }

    fn encode_with(&self, filter: &[u8], writer: &mut ValuesWriter) -> EncodedBlock {
        let rows = self.rows;
        let raw_bytes = rows.raw_bytes() as u64;
        assert!(raw_bytes <= RAW_BYTES_MAX, "{raw_bytes} raw bytes in a block");
        let numbers: Vec<_> = self.own.iter().map(|(column, plan)| plan.numbers(column)).collect();
        let names = self.own.iter().map(|(column, _)| &*column.name);
        let header_len = Header::len_of(names.zip(numbers.iter().map(Option::is_some)));
        // More than nearly all blocks take: what is not written to is never touched.
        let mut bytes = writer.take_buffer();
        bytes.reserve(header_len + rows.raw_bytes() / 3 + filter.len());
        bytes.resize(header_len, 0);
        let body = &mut bytes;
        let timestamps = part(body, |out| Scaled::new(&rows.timestamps).encode(out));
        let seqs = part(body, |out| {
            let offsets: Vec<i64> = rows.seq_offsets.iter().map(|o| i64::from(*o)).collect();
            Scaled::new(&offsets).encode(out);
        });
        let levels = rows.levels.iter().fold(0, |bits, level| bits | 1u8 << level);
        let level_part = part(body, |out| {
            if levels.count_ones() > 1 {
                packed::encode(&rows.levels.iter().map(|l| u64::from(*l)).collect::<Vec<_>>(), out);
            }
        });
        let encode = |(planned, numbers)| encode_column(planned, numbers, rows, writer, body);
        let columns: Vec<_> = self.own.iter().zip(numbers).map(encode).collect();
        let rest = part(body, |out| {
            if !self.others.is_empty() {
                rest::encode(&self.others, rows.len(), writer, out);
            }
        });
        let filter = part(body, |out| out.extend_from_slice(filter));
        let meta = BlockMeta {
            len: u32::try_from(body.len()).expect("raw bytes are bounded by 2^30"),
            header_len: header_len as u32,
            rows: rows.len() as u32,
            levels,
            min_ts: rows.timestamps.iter().copied().min().expect("at least one row"),
            max_ts: rows.timestamps.iter().copied().max().expect("at least one row"),
            min_seq: rows.seq(0).0,
            max_seq: rows.seq(rows.len() - 1).0,
            raw_bytes,
        };
        let mut header =
            Header { meta, timestamps, seqs, levels: level_part, columns, rest, filter };
        assert_eq!(header.place(), Some(meta.len), "H2");
        bytes[..header_len].copy_from_slice(&header.encode());
        EncodedBlock { bytes, meta }
    }
}

/// Appends a part and returns its entry, whose offset is not known yet.
fn part(body: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) -> PartEntry {
    let start = body.len();
    encode(body);
    let len = u32::try_from(body.len() - start).expect("raw bytes are bounded by 2^30");
    PartEntry { offset: 0, len, crc: crc32fast::hash(&body[start..]) }
}

fn encode_column(
    (column, plan): &(&RowColumn, column::Plan),
    numbers: Option<NumberRange>,
    rows: &Rows,
    writer: &mut ValuesWriter,
    body: &mut Vec<u8>,
) -> ColumnEntry {
    crate::io::may_break();
    let mut chosen = None;
    let part = part(body, |out| chosen = Some(plan.encode(column, rows.len(), writer, out)));
    let encoding = chosen.expect("the closure ran");
    ColumnEntry {
        name: (&*column.name).into(),
        encoding: encoding as u8,
        kinds: column.kinds.iter().fold(0, |bits, kind| bits | 1 << kind),
        values: column.len() as u32,
        numbers,
        part,
    }
}

/// The columns that get an entry of their own, and those that go to the rest column, both by name:
/// the names with most values have the better claim.
fn share_out(rows: &Rows) -> (Vec<&RowColumn>, Vec<&RowColumn>) {
    let mut columns: Vec<_> = rows.columns.iter().collect();
    columns.sort_unstable_by_key(|column| {
        (column.name.len() > NAME_BYTES_MAX, Reverse(column.len()), &column.name)
    });
    let short = columns.partition_point(|column| column.name.len() <= NAME_BYTES_MAX);
    let mut others = columns.split_off(short.min(BLOCK_COLUMNS_MAX));
    columns.sort_unstable_by_key(|column| &column.name);
    others.sort_unstable_by_key(|column| &column.name);
    (columns, others)
}
