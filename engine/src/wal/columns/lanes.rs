//! Bytes of a kind in a lane of their own, so that each is compressed as it pays, or not at all.
//!
//! ```text
//! payload: three times (raw_len varint, stored_len varint), then the lanes as they are stored: a zstd
//!          frame if that is shorter, otherwise (stored_len = raw_len) as they are
//! ```

use super::super::record::{self, Malformed};
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Result;
use std::borrow::Cow;
use std::path::Path;

/// The number of lanes.
const LANES: usize = 3;
/// The lanes that may be compressed: all before.
const COMPRESSED: usize = 2;
/// Shorter ones are not worth a frame's own header.
const COMPRESS_MIN: usize = 64;

/// The lanes of a record that is written.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// The structure, names, texts.
    pub(super) text: Vec<u8>,
    /// Codes and lengths.
    pub(super) codes: Vec<u8>,
    /// What looks like chance: never compressed.
    pub(super) plain: Vec<u8>,
    compressed: [Vec<u8>; COMPRESSED],
}

impl Lanes {
    fn all(&self) -> [&Vec<u8>; LANES] {
        [&self.text, &self.codes, &self.plain]
    }

    /// The bytes of all lanes.
    pub(super) fn len(&self) -> usize {
        self.all().iter().map(|lane| lane.len()).sum()
    }

    /// What the lanes have allocated.
    pub(super) fn memory(&self) -> usize {
        self.all().into_iter().chain(&self.compressed).map(Vec::capacity).sum()
    }

    /// Makes all of them empty.
    pub(super) fn clear(&mut self) {
        let Self { text, codes, plain, .. } = self;
        [text, codes, plain].into_iter().for_each(Vec::clear);
    }

    /// The payload.
    pub(super) fn payload(&mut self) -> Result<Vec<u8>> {
        for (lane, out) in [&self.text, &self.codes].into_iter().zip(&mut self.compressed) {
            out.clear();
            if lane.len() >= COMPRESS_MIN {
                record::compress_to(lane, out)?;
            }
        }
        let stored = self.all().into_iter().enumerate().map(|(index, lane)| {
            let frame = self.compressed.get(index);
            frame.filter(|frame| !frame.is_empty() && frame.len() < lane.len()).unwrap_or(lane)
        });
        let len: usize = stored.clone().map(Vec::len).sum();
        let mut payload = Vec::with_capacity(len + LANES * 10);
        for (lane, stored) in self.all().into_iter().zip(stored.clone()) {
            varint::encode(lane.len() as u64, &mut payload);
            varint::encode(stored.len() as u64, &mut payload);
        }
        stored.for_each(|stored| payload.extend_from_slice(stored));
        Ok(payload)
    }
}

/// The lanes of a record that is read, inflated.
#[derive(Debug)]
pub(super) struct Inflated<'a> {
    lanes: [Cow<'a, [u8]>; LANES],
}

/// The same, while they are read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) text: Slice<'a>,
    pub(super) codes: Slice<'a>,
    pub(super) plain: Slice<'a>,
}

impl<'a> Inflated<'a> {
    /// Inflates the lanes of a payload, and takes their bytes from what is `left`.
    pub(super) fn new(payload: &'a [u8], left: &mut u64) -> Result<Self, Malformed> {
        let mut slice = Slice::new(payload, 0, "lanes", Path::new(""));
        let mut lens = [(0, 0); LANES];
        for (raw_len, stored_len) in &mut lens {
            let raw_max = usize::try_from(*left).unwrap_or(usize::MAX);
            *raw_len = slice.varint_max(raw_max)?;
            *left -= *raw_len as u64;
            *stored_len = slice.varint_max(*raw_len)?;
        }
        let mut lanes = [const { Cow::Owned(Vec::new()) }; LANES];
        for (index, (raw_len, stored_len)) in lens.into_iter().enumerate() {
            let stored = slice.take(stored_len)?;
            lanes[index] = match stored_len == raw_len {
                true => stored.into(),
                false if index >= COMPRESSED => return Err("a plain lane that is not".into()),
                // At most what was left, which is below 4 GiB.
                false => record::decompress(stored, raw_len as u32)?.into(),
            };
        }
        slice.finish()?;
        Ok(Self { lanes })
    }

    /// The lanes from their beginnings.
    pub(super) fn reader(&self) -> Reader<'_> {
        let [text, codes, plain] =
            [0, 1, 2].map(|index| Slice::new(&self.lanes[index], 0, "record", Path::new("")));
        Reader { text, codes, plain }
    }
}

impl Reader<'_> {
    /// An error if anything is left.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        [&self.text, &self.codes, &self.plain].into_iter().try_for_each(|lane| Ok(lane.finish()?))
    }
}

/// The same payload with lanes that are not compressed, so that bytes of it can be changed.
#[cfg(any(test, feature = "testing"))]
pub(in crate::wal) fn as_stored(payload: &[u8], mut left: u64) -> Result<Vec<u8>, Malformed> {
    let lanes = Inflated::new(payload, &mut left)?.lanes;
    let mut payload = Vec::new();
    for lane in &lanes {
        varint::encode(lane.len() as u64, &mut payload);
        varint::encode(lane.len() as u64, &mut payload);
    }
    lanes.iter().for_each(|lane| payload.extend_from_slice(lane));
    Ok(payload)
}
