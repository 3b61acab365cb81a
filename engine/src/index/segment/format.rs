//! The head of an index part as bytes: header and directory. See `docs/format/segment-index.md`.

use super::ids::{BLOCKS_MAX, HASH_BITS, IdPages};
use super::pages::{PAGE_BYTES, crcs};
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use crate::index::tokens::TOKENIZER_VERSION;
use crate::limits::{BLOCK_ROWS_MAX, FRAME_ROWS_MAX};
use std::ops::Range;
use std::path::Path;

/// What an index part begins with.
pub(super) const MAGIC: [u8; 8] = *b"LSIDX\0\0\x01";
/// The version that is written.
pub(super) const VERSION: u16 = 1;
/// Words in tantivy's files, ids in pages of hashes.
const KIND_ALL_WORDS: u8 = 1;
/// The same, but that words may be among the ids: those of sentences, variables and hexadecimal ids are.
const KIND: u8 = 2;
pub(super) const HEADER_LEN: usize = 64;
/// Frames of a block: documents of the word index.
pub(super) const FRAMES_PER_BLOCK: usize = BLOCK_ROWS_MAX / FRAME_ROWS_MAX;

/// What stands before the words and the ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) blocks: u32,
    /// Whether words may be among the ids.
    pub(super) ids_have_words: bool,
    pub(super) hash_bits: u8,
    /// The names and lengths of tantivy's files, one behind the other.
    pub(super) files: Vec<(String, usize)>,
    /// Where they lie in the part.
    pub(super) words: Range<usize>,
    pub(super) word_crcs: Vec<u32>,
    /// Where the pages of ids begin in the part.
    pub(super) ids_start: usize,
    pub(super) id_pages: Vec<IdPage>,
}

/// A page of the id map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IdPage {
    /// The first of its hashes; the last is the one before the next page's.
    pub(super) first: u64,
    pub(super) len: usize,
    pub(super) crc: u32,
}

/// The bytes of an index part.
pub(super) fn encode(blocks: u32, files: &[(String, Vec<u8>)], ids: &IdPages) -> Vec<u8> {
    let words: Vec<u8> = files.iter().flat_map(|(_, bytes)| bytes).copied().collect();
    let mut directory = Vec::new();
    varint::encode(files.len() as u64, &mut directory);
    for (name, bytes) in files {
        varint::encode_bytes(name.as_bytes(), &mut directory);
        varint::encode(bytes.len() as u64, &mut directory);
    }
    crcs(&words).for_each(|crc| directory.extend(crc.to_le_bytes()));
    varint::encode(ids.pages.len() as u64, &mut directory);
    let mut previous = 0;
    for (first, page) in &ids.pages {
        varint::encode(first - previous, &mut directory);
        varint::encode(page.len() as u64, &mut directory);
        directory.extend(crc32fast::hash(page).to_le_bytes());
        previous = *first;
    }
    let ids_len: usize = ids.pages.iter().map(|(_, page)| page.len()).sum();
    let mut out = Vec::with_capacity(HEADER_LEN + directory.len() + words.len() + ids_len);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend(TOKENIZER_VERSION.to_le_bytes());
    out.extend([KIND, ids.hash_bits]);
    out.extend((FRAME_ROWS_MAX as u16).to_le_bytes());
    out.extend((FRAMES_PER_BLOCK as u16).to_le_bytes());
    out.extend([0; 2]);
    out.extend(blocks.to_le_bytes());
    let directory_len = u32::try_from(directory.len()).expect("a directory is far below 4 GiB");
    out.extend(directory_len.to_le_bytes());
    out.extend(crc32fast::hash(&directory).to_le_bytes());
    out.extend((words.len() as u64).to_le_bytes());
    out.extend((ids_len as u64).to_le_bytes());
    out.resize(HEADER_LEN - 4, 0);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out.extend(directory);
    out.extend(words);
    ids.pages.iter().for_each(|(_, page)| out.extend_from_slice(page));
    out
}

/// How many bytes of an index part of `len` bytes its head takes, by the first [`HEADER_LEN`] of them, which
/// nothing has verified.
pub(super) fn head_len(header: &[u8], len: usize) -> usize {
    let directory = header.get(24..28).and_then(|bytes| bytes.try_into().ok());
    let directory = directory.map_or(0, |bytes| u32::from_le_bytes(bytes) as usize);
    directory.saturating_add(HEADER_LEN).min(len)
}

/// The head of an index part of `len` bytes, which begins with `bytes`, at `offset` of `file`. `None`
/// if it was written by another version.
pub(super) fn decode(
    bytes: &[u8],
    len: usize,
    offset: u64,
    file: &Path,
) -> Result<Option<Head>, Corruption> {
    let mut header = Slice::new(bytes, offset, "segment index", file);
    let mut all = Slice::clone(&header);
    let found = header.take(MAGIC.len())?;
    if found != MAGIC {
        return Err(all.corrupt(format!("magic {MAGIC:02x?}"), format!("{found:02x?}")));
    }
    if header.u16()? != VERSION {
        return Ok(None);
    }
    let (body, crc) = all.take(HEADER_LEN)?.split_at(HEADER_LEN - 4);
    check_crc(&header, body, crc)?;
    let tokenizer = header.u16()?;
    let (kind, hash_bits) = (header.u8()?, header.u8()?);
    let (frame_rows, frames) = (header.u16()?, header.u16()?);
    header.take(2)?;
    let is_known = tokenizer == TOKENIZER_VERSION
        && [KIND_ALL_WORDS, KIND].contains(&kind)
        && usize::from(frame_rows) == FRAME_ROWS_MAX
        && usize::from(frames) == FRAMES_PER_BLOCK;
    if !is_known {
        return Ok(None);
    }
    let blocks = header.u32()?;
    if blocks > BLOCKS_MAX || !HASH_BITS.contains(&hash_bits) {
        let found = format!("{blocks} blocks, hashes of {hash_bits} bits");
        return Err(header.corrupt("at most 65,536 blocks, hashes of 24 to 40 bits", found));
    }
    let directory_len = header.u32()? as usize;
    let directory_crc = header.u32()?;
    let (words_len, ids_len) = (header.u64()?, header.u64()?);
    let start = offset.saturating_add(HEADER_LEN as u64);
    let directory = all.take(directory_len)?;
    let mut directory = Slice::new(directory, start, "segment index directory", file);
    check_crc(&directory, directory.clone().take(directory_len)?, &directory_crc.to_le_bytes())?;
    let left = len.saturating_sub(all.position()) as u64;
    if words_len.checked_add(ids_len) != Some(left) {
        let found = format!("{words_len} of words and {ids_len} of ids");
        return Err(all.corrupt(format!("{left} bytes"), found));
    }
    let words = all.position()..all.position() + words_len as usize;
    let (files, word_crcs) = decode_words(&mut directory, words.len())?;
    let id_pages = decode_ids(&mut directory, ids_len as usize, hash_bits)?;
    directory.finish()?;
    let ids_start = words.end;
    let ids_have_words = kind == KIND;
    let head =
        Head { blocks, ids_have_words, hash_bits, files, words, word_crcs, ids_start, id_pages };
    Ok(Some(head))
}

type Words = (Vec<(String, usize)>, Vec<u32>);

fn decode_words(directory: &mut Slice<'_>, len: usize) -> Result<Words, Corruption> {
    let count = directory.varint_max(directory.remaining())?;
    let mut files = Vec::new();
    let mut sum = 0;
    for _ in 0..count {
        let name = directory.str()?.to_owned();
        let file_len = directory.varint_max(len - sum)?;
        sum += file_len;
        files.push((name, file_len));
    }
    if sum != len {
        return Err(directory.corrupt(format!("files of {len} bytes"), sum.to_string()));
    }
    let crcs = (0..len.div_ceil(PAGE_BYTES)).map(|_| directory.u32());
    Ok((files, crcs.collect::<Result<_, _>>()?))
}

fn decode_ids(
    directory: &mut Slice<'_>,
    len: usize,
    hash_bits: u8,
) -> Result<Vec<IdPage>, Corruption> {
    let count = directory.varint_max(directory.remaining())?;
    let mut pages: Vec<IdPage> = Vec::new();
    let mut sum = 0;
    for _ in 0..count {
        let step = directory.varint()?;
        let first = match pages.last() {
            None => Some(0).filter(|_| step == 0),
            Some(last) => last.first.checked_add(step).filter(|_| step > 0),
        };
        let Some(first) = first.filter(|first| *first < 1 << hash_bits) else {
            let found = format!("a step of {step}");
            return Err(directory.corrupt("pages from hash 0 on, rising", found));
        };
        let page_len = directory.varint_max(PAGE_BYTES.min(len - sum))?;
        sum += page_len;
        pages.push(IdPage { first, len: page_len, crc: directory.u32()? });
    }
    if sum != len || pages.is_empty() {
        let found = format!("{sum} in {} pages", pages.len());
        return Err(directory.corrupt(format!("{len} bytes"), found));
    }
    Ok(pages)
}

fn check_crc(slice: &Slice<'_>, bytes: &[u8], stored: &[u8]) -> Result<(), Corruption> {
    let computed = crc32fast::hash(bytes).to_le_bytes();
    if stored == computed {
        return Ok(());
    }
    Err(slice.corrupt(format!("CRC {computed:02x?}"), format!("{stored:02x?}")))
}
