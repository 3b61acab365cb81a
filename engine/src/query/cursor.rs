//! Where a page ended: an opaque text that continues the same query on the same snapshot.

use super::request::{Order, SearchRequest, TimeRange};
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, Result};
use crate::event::Seq;
use crate::timestamp::Timestamp;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u8 = 2;

/// The last event of a page, and what the page was of.
///
/// A later page shows only events that were there when the first was made (`as_of`), in the range
/// that the first resolved: pages neither double nor miss an event, whatever arrives meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Hash of the query text and the order: a cursor continues its own query only.
    pub(crate) query: u64,
    pub(crate) range: TimeRange,
    /// The last sequence number that was visible to the first page.
    pub(crate) as_of: Seq,
    /// The incarnation of the store.
    pub(crate) incarnation: u16,
    /// The last event of the page.
    pub(crate) timestamp: Timestamp,
    pub(crate) seq: Seq,
    /// Of the events that the query itself asks for, so many are not shown yet; `None` if it has no such
    /// number.
    pub(crate) left: Option<u64>,
}

/// What a cursor is bound to.
pub(crate) fn query_hash(request: &SearchRequest) -> u64 {
    let mut bytes = request.query.as_bytes().to_vec();
    bytes.push(match request.order {
        Order::NewestFirst => 0,
        Order::OldestFirst => 1,
        Order::Arrival => 2,
    });
    xxh3_64(&bytes)
}

impl Cursor {
    /// The text for the caller: hexadecimal, with a checksum against typing errors.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.query.to_le_bytes());
        for bound in [self.range.from, self.range.to] {
            bytes.push(u8::from(bound.is_some()));
            bytes.extend(bound.unwrap_or_default().0.to_le_bytes());
        }
        bytes.extend(self.as_of.0.to_le_bytes());
        bytes.extend(self.incarnation.to_le_bytes());
        bytes.extend(self.timestamp.0.to_le_bytes());
        bytes.extend(self.seq.0.to_le_bytes());
        bytes.push(u8::from(self.left.is_some()));
        bytes.extend(self.left.unwrap_or_default().to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The cursor that continues `request`.
    ///
    /// # Errors
    /// `Invalid` if the text is no cursor, or one of another query, order or store.
    pub(crate) fn decode(text: &str, request: &SearchRequest, incarnation: u16) -> Result<Self> {
        let cursor = parse(text).ok_or_else(|| {
            Error::invalid("cursor: not one of ours; pass on next_cursor unchanged")
        })?;
        if cursor.query != query_hash(request) {
            return Err(Error::invalid(
                "cursor: of another query or order; begin without a cursor",
            ));
        }
        if cursor.incarnation != incarnation {
            return Err(Error::invalid("cursor: of another store; begin without a cursor"));
        }
        Ok(cursor)
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 256 {
        return None;
    }
    let bytes: Option<Vec<u8>> = digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let bytes = bytes?;
    let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    (crc == crc32fast::hash(body).to_le_bytes()).then_some(())?;
    // One text a cursor: upper case, a sign before a digit and idle bits are none of ours.
    read(body).ok().flatten().filter(|cursor| cursor.encode() == text)
}

fn read(body: &[u8]) -> std::result::Result<Option<Cursor>, Corruption> {
    let mut slice = Slice::new(body, 0, "cursor", Path::new(""));
    if slice.u8()? != VERSION {
        return Ok(None);
    }
    let query = slice.u64()?;
    let mut bounds = [None; 2];
    for bound in &mut bounds {
        let given = slice.u8()? == 1;
        let ns = slice.i64()?;
        *bound = given.then_some(Timestamp(ns));
    }
    let as_of = Seq(slice.u64()?);
    let incarnation = slice.u16()?;
    let timestamp = Timestamp(slice.i64()?);
    let seq = Seq(slice.u64()?);
    let has_left = slice.u8()? == 1;
    let number = slice.u64()?;
    let left = has_left.then_some(number);
    slice.finish()?;
    let range = TimeRange { from: bounds[0], to: bounds[1] };
    Ok(Some(Cursor { query, range, as_of, incarnation, timestamp, seq, left }))
}

/// Reads `bytes` as the text of a cursor, and as a body whose checksum is right. A cursor that
/// comes out is read again from its own text.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut body = bytes.to_vec();
    body.extend(crc32fast::hash(bytes).to_le_bytes());
    let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8_lossy(bytes);
    for cursor in [&*text, &hex].into_iter().filter_map(parse) {
        assert_eq!(parse(&cursor.encode()), Some(cursor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::ast::Filter;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            fuzz(&bytes);
        }
    }

    #[test]
    fn a_cursor_with_any_bit_changed_is_refused() {
        let mine = request("a", Order::NewestFirst);
        let cursor = Cursor {
            query: query_hash(&mine),
            range: TimeRange::default(),
            as_of: Seq(0xab_cdef),
            incarnation: 9,
            timestamp: Timestamp(-1),
            seq: Seq(3),
            left: Some(7),
        };
        let text = cursor.encode();
        for (at, bit) in (0..text.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Cursor::decode(&changed, &mine, 9).is_err(), "{changed}");
        }
        assert!(Cursor::decode(&text.to_uppercase(), &mine, 9).is_err());
        assert!(Cursor::decode(&text.replacen('0', "+", 1), &mine, 9).is_err());
    }

    fn request(query: &str, order: Order) -> SearchRequest {
        SearchRequest {
            query: query.into(),
            filter: Filter::All,
            range: TimeRange::default(),
            limit: 1,
            order,
            cursor: None,
        }
    }

    #[test]
    fn a_cursor_continues_its_own_query_only() {
        let mine = request("a", Order::NewestFirst);
        let cursor = Cursor {
            query: query_hash(&mine),
            range: TimeRange { from: None, to: Some(Timestamp(-5)) },
            as_of: Seq(u64::MAX),
            incarnation: 9,
            timestamp: Timestamp::MIN,
            seq: Seq(3),
            left: None,
        };
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text, &mine, 9).unwrap(), cursor);
        for other in [request("b", Order::NewestFirst), request("a", Order::OldestFirst)] {
            let error = Cursor::decode(&text, &other, 9).unwrap_err();
            assert!(error.to_string().contains("another query"), "{error}");
        }
        assert!(Cursor::decode(&text, &mine, 8).is_err());
        for end in 0..text.len() {
            assert!(Cursor::decode(&text[..end], &mine, 9).is_err());
        }
        assert!(Cursor::decode("zz", &mine, 9).is_err());
        assert!(Cursor::decode(&"é".repeat(40), &mine, 9).is_err());
    }
}
