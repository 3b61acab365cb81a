//! A list of values stored together: the content of a dictionary, of a text frame, of a list of
//! exceptions.
//!
//! ```text
//! raw_len varint, stored_len varint, stored_len bytes: the body, or a zstd frame of it if shorter
//! body: kind u8 (0: one a value follows)  ends u8  [kinds]  [lengths varint*]  texts
//! ```
//! `ends` 1: each text ends in a NUL byte, which none contains: zstd finds the ends with the text,
//! which takes 1.8 bytes a message less than lengths. 2: the lengths come first.

use super::template;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use crate::event::{Kind, Value};
use crate::io;
use crate::limits::BLOCK_SCRATCH_BYTES_MAX;
use std::cell::{Cell, RefCell};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

const MIXED: u8 = 0;
const ENDS_NUL: u8 = 1;
const ENDS_LENGTHS: u8 = 2;
/// Measured on messages of 132 bytes in frames of 512: level 1 gives 46.4 bytes and takes 0.26 us,
/// level 2 gives 45.0 and takes 0.30, level 3 gives 44.0 and takes 0.36.
const ZSTD_LEVEL: i32 = 2;
/// The shortest match in variables. Measured on the variables of messages, against the 6 that the level has by
/// itself: 0.5 % less of digits and 0.1 % of others, 14 % less time to compress and 7 to 13 % less to inflate.
const MATCH_MIN: u32 = 7;
/// Tells zstd to take what the level has.
const MATCH_OF_LEVEL: u32 = 0;
/// Shorter bodies are not worth a zstd frame's own header.
const COMPRESS_MIN: usize = 64;

/// Values in memory: an inflated body and where its texts lie.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    kinds: Vec<Kind>,
    /// Where each text ends in `body`.
    ends: Vec<u32>,
    body: Vec<u8>,
    /// Where the first text begins.
    start: usize,
    /// Bytes between a text and the next: the terminator, if there is one.
    gap: usize,
}

impl Values {
    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes that they take in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        self.kinds.len() * size_of::<Kind>() + self.ends.len() * size_of::<u32>() + self.body.len()
    }

    /// The `index`-th value; panics past the end.
    pub(crate) fn value(&self, index: usize) -> Value<'_> {
        let text = &self.body[self.start_of(index)..self.ends[index] as usize];
        Value { kind: self.kinds[index], text }
    }

    /// The bytes of the text of the `index`-th value; panics past the end.
    pub(crate) fn text_len(&self, index: usize) -> usize {
        self.ends[index] as usize - self.start_of(index)
    }

    /// Where the text of a value begins in the body.
    fn start_of(&self, index: usize) -> usize {
        let before = index.checked_sub(1).map(|before| self.ends[before] as usize + self.gap);
        before.unwrap_or(self.start)
    }

    /// Inflates a list of `count` values whose lengths are known: takes its stored bytes from the slice.
    pub(in crate::block) fn inflate(
        slice: &mut Slice<'_>,
        count: usize,
        raw_len: usize,
        stored_len: usize,
    ) -> Result<Self, Corruption> {
        inflate(slice, Stored { count, raw_len, stored_len })
    }

    /// Calls `each` once with every value, and its index, in which `find` finds a place. `find`
    /// searches the texts of many values at once, with or without a byte between them, for the
    /// first place; what it looks for begins there.
    pub(crate) fn for_each_found(
        &self,
        find: impl Fn(&[u8]) -> Option<usize>,
        mut each: impl FnMut(usize, Value<'_>),
    ) {
        let (mut next, mut at) = (0, self.start);
        while let Some(place) = self.body.get(at..).and_then(&find) {
            let place = at + place;
            next += self.ends[next..].partition_point(|end| *end as usize <= place);
            let Some(end) = self.ends.get(next) else { return };
            at = *end as usize + self.gap;
            each(next, self.value(next));
            next += 1;
        }
    }

    /// All values in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Value<'_>> {
        (0..self.len()).map(|index| self.value(index))
    }
}

/// Compresses and assembles lists of values, with buffers that are reused.
pub(crate) struct ValuesWriter {
    compressor: Compressor<'static>,
    body: Vec<u8>,
    compressed: Vec<u8>,
    /// For columns of templates.
    pub(super) templates: template::Scratch,
    /// What a block was in before it was given away as a copy.
    block: Vec<u8>,
}

/// A stored list that has not been inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) count: usize,
    pub(super) raw_len: usize,
    pub(super) stored_len: usize,
}

impl ValuesWriter {
    pub(crate) fn new() -> Self {
        let compressor = Compressor::new(ZSTD_LEVEL).expect("zstd gets memory for its tables");
        let templates = template::Scratch::default();
        Self { compressor, body: Vec::new(), compressed: Vec::new(), templates, block: Vec::new() }
    }

    /// Calls `work` with what the thread kept of the last writer, if it did: fresh memory costs a page fault for
    /// each 4 KiB, and zstd's tables are larger than what most blocks have.
    pub(in crate::block) fn with_kept<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut writer = KEPT.take().unwrap_or_else(Self::new);
        let done = work(&mut writer);
        writer.keep();
        done
    }

    fn keep(self) {
        // Those of the compressor don't depend on what it was given.
        let Self { compressor: _, body, compressed, templates, block } = &self;
        let buffers = body.capacity() + compressed.capacity() + block.capacity();
        if buffers + templates.memory() <= BLOCK_SCRATCH_BYTES_MAX {
            KEPT.set(Some(self));
        }
    }

    /// An empty buffer for a block.
    pub(in crate::block) fn take_buffer(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.block);
        buffer.clear();
        buffer
    }

    /// Leaves a buffer for the thread's next block.
    pub(in crate::block) fn give_back(buffer: Vec<u8>) {
        if let Some(mut writer) = KEPT.take() {
            writer.block = buffer;
            writer.keep();
        }
    }

    /// Appends the lengths and the stored form of the values.
    pub(super) fn write<'a>(
        &mut self,
        values: impl Iterator<Item = Value<'a>> + Clone,
        out: &mut Vec<u8>,
    ) {
        let (raw_len, stored) = self.store(values);
        varint::encode(raw_len as u64, out);
        varint::encode_bytes(stored, out);
    }

    /// The length of the body and its stored form.
    pub(in crate::block) fn store<'a>(
        &mut self,
        values: impl Iterator<Item = Value<'a>> + Clone,
    ) -> (usize, &[u8]) {
        self.body.clear();
        push_body(values, &mut self.body);
        self.set_level(ZSTD_LEVEL, MATCH_OF_LEVEL);
        let pays = compress(&mut self.compressor, &self.body, &mut self.compressed);
        (self.body.len(), if pays { &self.compressed } else { &self.body })
    }

    /// The stored form of bytes that are no list: numbers and variables, of which higher levels
    /// make more than the lowest does (measured: 15.6 bytes a message at level 1, 16.2 at level 2,
    /// 16.1 at level 3).
    /// So are matches of less than [`MATCH_MIN`] bytes.
    pub(super) fn store_bytes<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.set_level(1, MATCH_MIN);
        let pays = compress(&mut self.compressor, bytes, &mut self.compressed);
        if pays { &self.compressed } else { bytes }
    }

    fn set_level(&mut self, level: i32, match_min: u32) {
        self.compressor.set_compression_level(level).expect("a level that zstd knows");
        let match_min = CParameter::MinMatch(match_min);
        self.compressor.set_parameter(match_min).expect("a length that zstd knows");
    }
}

/// Whether a zstd frame of `bytes`, then in `out`, is shorter than they are.
fn compress(compressor: &mut Compressor<'_>, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    if bytes.len() < COMPRESS_MIN {
        return false;
    }
    io::may_break();
    out.clear();
    out.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
    compressor.compress_to_buffer(bytes, out).expect("the buffer has the bound's size");
    out.len() < bytes.len()
}

fn push_body<'a>(values: impl Iterator<Item = Value<'a>> + Clone, body: &mut Vec<u8>) {
    let first = values.clone().next().map_or(Kind::String, |value| value.kind);
    let uniform = values.clone().all(|value| value.kind == first);
    let nul_free = values.clone().all(|value| memchr::memchr(0, value.text).is_none());
    body.push(if uniform { first as u8 } else { MIXED });
    body.push(if nul_free { ENDS_NUL } else { ENDS_LENGTHS });
    if !uniform {
        body.extend(values.clone().map(|value| value.kind as u8));
    }
    if nul_free {
        for value in values {
            body.extend_from_slice(value.text);
            body.push(0);
        }
        return;
    }
    values.clone().for_each(|value| varint::encode(value.text.len() as u64, body));
    values.for_each(|value| body.extend_from_slice(value.text));
}

/// Reads the lengths of a list; neither may exceed `raw_max`.
pub(super) fn read_lengths(
    slice: &mut Slice<'_>,
    count: usize,
    raw_max: usize,
) -> Result<Stored, Corruption> {
    let raw_len = slice.varint_max(raw_max)?;
    let stored_len = slice.varint_max(raw_len)?;
    Ok(Stored { count, raw_len, stored_len })
}

/// Reads and inflates a list of `count` values.
pub(super) fn read(
    slice: &mut Slice<'_>,
    count: usize,
    raw_max: usize,
) -> Result<Values, Corruption> {
    let stored = read_lengths(slice, count, raw_max)?;
    inflate(slice, stored)
}

/// Inflates a list whose lengths are known: takes its stored bytes from the slice.
pub(super) fn inflate(slice: &mut Slice<'_>, stored: Stored) -> Result<Values, Corruption> {
    let body = inflate_bytes(slice, stored)?;
    parse_body(slice, body, stored.count)
}

/// Inflates bytes whose lengths are known, of whatever structure.
pub(super) fn inflate_bytes(slice: &mut Slice<'_>, stored: Stored) -> Result<Vec<u8>, Corruption> {
    let bytes = slice.take(stored.stored_len)?;
    if stored.stored_len == stored.raw_len {
        return Ok(bytes.to_vec());
    }
    let body = INFLATER.with_borrow_mut(|inflater| {
        let inflater = match inflater {
            Some(inflater) => inflater,
            None => inflater.insert(Inflater { zstd: Decompressor::new()?, input: Vec::new() }),
        };
        inflater.inflate(bytes, stored.raw_len)
    });
    match body {
        Ok(body) if body.len() == stored.raw_len => Ok(body),
        Ok(body) => {
            Err(slice.corrupt(format!("{} inflated bytes", stored.raw_len), body.len().to_string()))
        }
        Err(e) => Err(slice.corrupt("a zstd frame", e.to_string())),
    }
}

thread_local! {
    static KEPT: Cell<Option<ValuesWriter>> = const { Cell::new(None) };
    /// Its tables are larger than most frames: made once a thread, not once a frame.
    static INFLATER: RefCell<Option<Inflater>> = const { RefCell::new(None) };
}

/// What a thread keeps of room for stored bytes.
const INPUT_KEPT_MAX: usize = 64 << 10;

/// Inflates a copy: what is stored may be mapped, someone else may write over its file meanwhile, and the library, which
/// is in C, reads some of its input more than once.
struct Inflater {
    zstd: Decompressor<'static>,
    input: Vec<u8>,
}

impl Inflater {
    fn inflate(&mut self, bytes: &[u8], raw_len: usize) -> std::io::Result<Vec<u8>> {
        self.input.clear();
        self.input.extend_from_slice(bytes);
        let body = self.zstd.decompress(&self.input, raw_len);
        if self.input.capacity() > INPUT_KEPT_MAX {
            self.input = Vec::new();
        }
        body
    }
}

fn parse_body(place: &Slice<'_>, body: Vec<u8>, count: usize) -> Result<Values, Corruption> {
    let len = body.len();
    let fault = |expected: &str| place.corrupt(expected, format!("a body of {len} bytes"));
    // Each value takes at least a byte: nothing is allocated for a foreign count beyond that.
    if len < 2 + count {
        return Err(fault("two bytes and one for each value"));
    }
    let (kinds, start) = match body[0] {
        MIXED => {
            let kinds = body[2..2 + count].iter().map(|code| Kind::from_code(*code));
            (kinds.collect::<Option<Vec<_>>>(), 2 + count)
        }
        code => (Kind::from_code(code).map(|kind| vec![kind; count]), 2),
    };
    let kinds = kinds.ok_or_else(|| fault("known kinds"))?;
    let (ends, start, gap) = match body[1] {
        ENDS_NUL => (find_terminators(&body, start, count), start, 1),
        ENDS_LENGTHS => match read_ends(&body, start, count) {
            Some((ends, start)) => (Some(ends), start, 0),
            None => (None, start, 0),
        },
        _ => (None, start, 0),
    };
    let ends = ends.ok_or_else(|| fault("the ends of the values"))?;
    Ok(Values { kinds, ends, body, start, gap })
}

/// The places of `count` terminators from `start` on, if the last is the body's last byte.
fn find_terminators(body: &[u8], start: usize, count: usize) -> Option<Vec<u32>> {
    let mut ends = Vec::with_capacity(count);
    for end in memchr::memchr_iter(0, &body[start..]).take(count + 1) {
        ends.push(u32::try_from(start + end).ok()?);
    }
    let texts_end = ends.last().map_or(start, |end| *end as usize + 1);
    (ends.len() == count && texts_end == body.len()).then_some(ends)
}

/// Reads `count` lengths: the ends of the texts behind them, if those are the body's end, and where
/// the first begins.
fn read_ends(body: &[u8], mut start: usize, count: usize) -> Option<(Vec<u32>, usize)> {
    let mut ends = Vec::with_capacity(count);
    let mut total = 0u32;
    for _ in 0..count {
        let (len, read) = varint::decode(body.get(start..)?)?;
        start += read;
        total = total.checked_add(u32::try_from(len).ok()?)?;
        ends.push(total);
    }
    let shift = u32::try_from(start).ok()?;
    for end in &mut ends {
        *end = end.checked_add(shift)?;
    }
    (total as usize == body.len() - start).then_some((ends, start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    #[test]
    fn a_thread_keeps_a_writer_that_takes_little() {
        let room = |writer: &mut ValuesWriter| writer.block.capacity();
        for (wanted, kept) in [(1 << 20, true), (BLOCK_SCRATCH_BYTES_MAX + 1, false)] {
            ValuesWriter::with_kept(|writer| writer.block = Vec::with_capacity(wanted));
            assert_eq!(ValuesWriter::with_kept(|writer| room(writer) >= wanted), kept, "{wanted}");
        }
        ValuesWriter::with_kept(|_| ());
        ValuesWriter::give_back(Vec::with_capacity(BLOCK_SCRATCH_BYTES_MAX + 1));
        assert_eq!(ValuesWriter::with_kept(room), 0);
    }

    proptest! {
        /// Texts with a NUL have no byte between them: what is looked for can lie across two.
        #[test]
        fn every_value_that_has_it_is_found(
            texts in prop::collection::vec("[ab\0]{0,4}", 1..12),
            wanted in "[ab\0]{1,3}",
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let values = texts.iter().map(|text| Value { kind: Kind::String, text });
            let mut bytes = Vec::new();
            ValuesWriter::new().write(values, &mut bytes);
            let mut slice = Slice::new(&bytes, 0, "values", Path::new(""));
            let read = read(&mut slice, texts.len(), 1_000).expect("just written");
            let mut found = Vec::new();
            read.for_each_found(
                |texts| memchr::memmem::find(texts, wanted.as_bytes()),
                |index, value| {
                    assert_eq!(value.text, texts[index]);
                    found.push(index);
                },
            );
            prop_assert!(found.is_sorted_by(|a, b| a < b));
            let has = |text: &[u8]| memchr::memmem::find(text, wanted.as_bytes()).is_some();
            for (index, text) in texts.iter().enumerate() {
                prop_assert!(!has(text) || found.contains(&index), "{index} of {texts:?}");
            }
        }
    }
}
