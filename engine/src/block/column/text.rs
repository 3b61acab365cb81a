//! Encoding 6: any values, in frames that are inflated one by one, so that fetching a row does not
//! inflate the column.
//!
//! ```text
//! frames varint  (values varint, raw_len varint, stored_len varint)*  stored bytes*
//! ```
//! A frame is a list of values (see values.rs) whose lengths stand in the directory.

use super::values::{self, Stored, Values, ValuesWriter};
use crate::block::part::{Part, Shape};
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::{Corruption, Result};
use crate::event::Value;
use crate::limits::{FRAME_BYTES_MAX, FRAME_ROWS_MAX};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;

/// A column of text frames, compressed.
#[derive(Debug)]
pub(crate) struct Text {
    part: Arc<Part>,
    frames: Vec<FrameEntry>,
    /// Rows are fetched where the scan just was, and neighbours one after the other.
    last: Mutex<Option<Arc<Frame>>>,
}

/// Where a frame lies and which values it has.
#[derive(Debug, Clone, Copy)]
struct FrameEntry {
    first: usize,
    /// Where its stored bytes begin in the part.
    start: usize,
    stored: Stored,
}

/// An inflated frame.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Its place among the column's frames.
    pub(crate) index: usize,
    /// The value index of its first value.
    pub(crate) first: usize,
    /// Its values.
    pub(crate) values: Values,
}

impl Text {
    /// The number of frames.
    pub(crate) fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.first + frame.stored.count)
    }

    /// The value indices of a frame; panics past the last.
    pub(crate) fn frame_values(&self, frame: usize) -> Range<usize> {
        let entry = self.frames[frame];
        entry.first..entry.first + entry.stored.count
    }

    /// The frame that has a value.
    pub(crate) fn frame_of(&self, value_index: usize) -> usize {
        self.frames.partition_point(|frame| frame.first <= value_index).saturating_sub(1)
    }

    /// Inflates a frame, unless it is the one inflated last; panics past the last frame.
    pub(crate) fn frame(&self, index: usize) -> Result<Arc<Frame>> {
        if let Some(last) = &*self.last.lock()
            && last.index == index
        {
            return Ok(Arc::clone(last));
        }
        let entry = self.frames[index];
        let range = entry.start..entry.start + entry.stored.stored_len;
        let values = values::inflate(&mut self.part.slice_of(range), entry.stored)?;
        let frame = Arc::new(Frame { index, first: entry.first, values });
        *self.last.lock() = Some(Arc::clone(&frame));
        Ok(frame)
    }

    /// Copies a value's text to `scratch`, inflating at most one frame.
    pub(super) fn value<'a>(&self, index: usize, scratch: &'a mut Vec<u8>) -> Result<Value<'a>> {
        let frame = self.frame(self.frame_of(index))?;
        let value = frame.values.value(index - frame.first);
        scratch.clear();
        scratch.extend_from_slice(value.text);
        Ok(Value { kind: value.kind, text: scratch })
    }

    /// The bytes that it takes in memory now, with the part.
    pub(super) fn heap_bytes(&self) -> usize {
        let last = self.last.lock().as_ref().map_or(0, |frame| frame.values.heap_bytes());
        self.part.bytes.heap_bytes() + size_of_val(&*self.frames) + last
    }

    /// The bytes of all frames as they are stored.
    pub(super) fn stored_len(&self) -> usize {
        self.frames.iter().map(|frame| frame.stored.stored_len).sum()
    }

    /// The part that the frames are in.
    pub(super) fn part(&self) -> &Part {
        &self.part
    }

    /// The part's beginning, for errors about what its values say.
    pub(super) fn place(&self) -> Slice<'_> {
        self.part.slice()
    }

    /// Reads the directory, which begins at `start` of the part and goes on to its end.
    pub(super) fn decode(part: Arc<Part>, start: usize, shape: Shape) -> Result<Self> {
        let mut slice = part.slice_of(start..part.bytes.len());
        let mut frames = decode_directory(&mut slice, shape)?;
        let mut at = start + slice.position();
        for frame in &mut frames {
            frame.start = at;
            slice.take(frame.stored.stored_len)?;
            at += frame.stored.stored_len;
        }
        slice.finish()?;
        Ok(Self { part, frames, last: Mutex::new(None) })
    }
}

fn decode_directory(slice: &mut Slice<'_>, shape: Shape) -> Result<Vec<FrameEntry>, Corruption> {
    let count = slice.varint_max(shape.values)?;
    let mut frames = Vec::with_capacity(count);
    let (mut first, mut raw_left) = (0, shape.raw_max);
    for _ in 0..count {
        let values = slice.varint_max(FRAME_ROWS_MAX.min(shape.values - first))?;
        let stored = values::read_lengths(slice, values, raw_left)?;
        if values == 0 {
            return Err(slice.corrupt("a frame with values", "none"));
        }
        frames.push(FrameEntry { first, start: 0, stored });
        first += values;
        raw_left -= stored.raw_len;
    }
    if first != shape.values {
        return Err(slice.corrupt(format!("{} values", shape.values), first.to_string()));
    }
    Ok(frames)
}

/// Appends `count` values.
pub(super) fn encode<'a>(
    count: usize,
    value: impl Fn(usize) -> Value<'a>,
    writer: &mut ValuesWriter,
    out: &mut Vec<u8>,
) {
    let mut directory = Vec::new();
    let mut bodies = Vec::new();
    let mut frames = 0;
    let mut first = 0;
    while first < count {
        let end = frame_end(first, count, &value);
        let (raw_len, stored) = writer.store((first..end).map(&value));
        varint::encode((end - first) as u64, &mut directory);
        varint::encode(raw_len as u64, &mut directory);
        varint::encode(stored.len() as u64, &mut directory);
        bodies.extend_from_slice(stored);
        frames += 1;
        first = end;
    }
    varint::encode(frames, out);
    out.extend_from_slice(&directory);
    out.extend_from_slice(&bodies);
}

/// A frame ends before the value that would carry it over its size, but has at least one.
fn frame_end<'a>(first: usize, count: usize, value: impl Fn(usize) -> Value<'a>) -> usize {
    let mut bytes = 0;
    for index in first..count.min(first + FRAME_ROWS_MAX) {
        bytes += value(index).text.len() + 1;
        if bytes > FRAME_BYTES_MAX && index > first {
            return index;
        }
    }
    count.min(first + FRAME_ROWS_MAX)
}
