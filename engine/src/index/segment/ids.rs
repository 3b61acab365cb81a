//! The id map: in which blocks of a section a term may be, for all terms but words that are known by
//! their frames.
//!
//! Of every term the first bits of its hash are kept, so that nearly all absent ones are told at
//! once. Terms of few blocks are pairs of hash and block; those that recur have a set of blocks.
//! The map is cut by hash into pages that are verified and read on their own. The bytes are in
//! `docs/format/segment-index.md`.
//!
//! - `I1` A lookup names every block that a term was added for.
//! - `I2` Pages lie in order of hash, and cover all hashes: page `p` those from its first one up
//!   to the next page's.

use super::elias_fano::{self, EliasFano};
use super::pages::PAGE_BYTES;
use crate::codec::bitpack;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use crate::index::hashes::HashSorter;
use crate::io;
use std::ops::Range;

/// Blocks of a section at most: their numbers take two bytes.
pub(super) const BLOCKS_MAX: u32 = 1 << 16;
/// Bytes of a page at most that is written, fewer than may be read: of what is in an archive a page is fetched
/// for each lookup.
const CUT_BYTES: usize = 16 << 10;
/// Blocks up to which a term's pairs cost less than a set.
const PAIRS_MAX: usize = 4;
/// Bits of a hash that are kept at least, and at most.
pub(super) const HASH_BITS: std::ops::RangeInclusive<u8> = 24..=40;
/// A hash is kept with as many bits as there are pairs, and this many more: an absent term is
/// mistaken for one of them once in sixteen times, or less.
const SPARE_BITS: u32 = 4;
/// Bits of a hash while the map is built; the rest of 64 is the block.
const BUILD_BITS: u32 = 48;

/// Pairs that are sorted at a time when the map is finished, about: they fit the second-level cache.
const SLICE_PAIRS: usize = 1 << 14;
/// Pairs of which a page would be longer than [`CUT_BYTES`], whatever they are: in the shortest form, a set
/// of blocks as a bitmap, a pair takes a bit.
const SLICE_PAIRS_MAX: usize = CUT_BYTES * 8;

/// The pairs of a section under construction: 8 bytes each.
#[derive(Debug, Default)]
pub(super) struct IdsBuilder {
    /// Of each block, rising: hash above block. Each in memory of its own: all of them grow to megabytes, and
    /// would be copied whenever they double.
    blocks: Vec<Vec<u64>>,
    count: usize,
    sorter: HashSorter,
}

/// A finished map.
#[derive(Debug)]
pub(super) struct IdPages {
    pub(super) hash_bits: u8,
    /// First hash and bytes, in order.
    pub(super) pages: Vec<(u64, Vec<u8>)>,
}

impl IdsBuilder {
    /// Adds the terms of a block, which come in any order; they are sorted here.
    pub(super) fn add_block(&mut self, block: u32, terms: &mut Vec<u64>) {
        self.sorter.sort_dedup(terms, 0);
        let block = u64::from(block);
        self.blocks.push(terms.iter().map(|term| term >> 16 << 16 | block).collect());
        self.count += terms.len();
    }

    /// The bytes of the pairs, and of what sorting takes beside them.
    pub(super) fn memory(&self) -> usize {
        let slice = SLICE_PAIRS_MAX.min(self.count);
        let blocks = self.blocks.capacity() * size_of::<Vec<u64>>();
        (self.count + 2 * slice) * size_of::<u64>() + blocks + self.sorter.memory()
    }

    /// The map of a section of `blocks` blocks.
    pub(super) fn finish(self, blocks: u32) -> IdPages {
        let bits = self.count.max(1).ilog2() + SPARE_BITS;
        let hash_bits = bits.clamp(u32::from(*HASH_BITS.start()), u32::from(*HASH_BITS.end()));
        let mut slices = Slices::new(&self, hash_bits);
        let mut pages = Vec::new();
        slices.cut(0, 0, blocks, &mut pages);
        IdPages { hash_bits: hash_bits as u8, pages }
    }
}

/// The pairs of all blocks, taken together in slices by rising hash.
struct Slices<'a> {
    /// What is left of each block.
    blocks: Vec<&'a [u64]>,
    hash_bits: u32,
    /// There are two to the power of this many slices.
    slice_bits: u32,
    /// The pairs before each slice, and all of them.
    before: Vec<usize>,
    sorter: HashSorter,
    slice: Vec<u64>,
}

impl<'a> Slices<'a> {
    fn new(ids: &'a IdsBuilder, hash_bits: u32) -> Self {
        let blocks = ids.blocks.iter().map(Vec::as_slice).collect();
        // Fewer than the hashes that are kept.
        let slice_bits = (ids.count / SLICE_PAIRS).checked_ilog2().unwrap_or(0);
        let mut before = vec![0; (1 << slice_bits) + 1];
        for pair in ids.blocks.iter().flatten() {
            before[(pair >> 1 >> (u64::BITS - 1 - slice_bits)) as usize + 1] += 1;
        }
        let mut total = 0;
        for before in &mut before {
            total += *before;
            *before = total;
        }
        let (sorter, slice) = (HashSorter::default(), Vec::new());
        Self { blocks, hash_bits, slice_bits, before, sorter, slice }
    }

    /// Encodes the pairs whose hashes begin with these `bits`, `depth` of them: all before are encoded.
    fn cut(&mut self, depth: u32, bits: usize, blocks: u32, pages: &mut Vec<(u64, Vec<u8>)>) {
        let slices = [bits, bits + 1].map(|bits| bits << (self.slice_bits - depth));
        let count = self.before[slices[1]] - self.before[slices[0]];
        if depth < self.slice_bits && count > SLICE_PAIRS_MAX {
            self.cut(depth + 1, bits << 1, blocks, pages);
            self.cut(depth + 1, bits << 1 | 1, blocks, pages);
            return;
        }
        io::may_break();
        self.slice.clear();
        let dropped = BUILD_BITS - self.hash_bits;
        for block in &mut self.blocks {
            let is_next = |pair: &&u64| (**pair >> 1 >> (u64::BITS - 1 - depth)) as usize == bits;
            let (next, left) = block.split_at(block.iter().take_while(is_next).count());
            *block = left;
            let shorter = next.iter().map(|pair| pair >> (16 + dropped) << 16 | pair & 0xffff);
            self.slice.extend(shorter);
        }
        // Equal hashes of different terms are one now.
        self.sorter.sort_dedup(&mut self.slice, dropped + depth);
        let hashes = [bits, bits + 1].map(|bits| (bits as u64) << (self.hash_bits - depth));
        cut(&self.slice, hashes[0]..hashes[1], blocks, pages);
    }
}

/// Encodes pairs of these hashes as one page, or as those of the lower and the upper half.
fn cut(pairs: &[u64], hashes: Range<u64>, blocks: u32, pages: &mut Vec<(u64, Vec<u8>)>) {
    if let Some(len) = page_len(pairs, &hashes, blocks) {
        let page = encode_page(pairs, &hashes, blocks);
        assert_eq!(page.len(), len, "a page has the length that was counted");
        pages.push((hashes.start, page));
        return;
    }
    let middle = hashes.start.midpoint(hashes.end);
    // One hash takes a set of 8 KiB at most.
    assert!(middle > hashes.start, "the pairs of one hash fit a page");
    let (lower, upper) = pairs.split_at(pairs.partition_point(|pair| pair >> 16 < middle));
    cut(lower, hashes.start..middle, blocks, pages);
    cut(upper, middle..hashes.end, blocks, pages);
}

/// The bytes of [`encode_page`]; `None` if they are more than [`CUT_BYTES`].
fn page_len(pairs: &[u64], hashes: &Range<u64>, blocks: u32) -> Option<usize> {
    let bound = hashes.end - hashes.start;
    // The fewer hashes there are, the more bits has each.
    let bits_min = (elias_fano::low_bits(pairs.len(), bound) + 1 + block_bits(blocks)) as usize;
    let (mut few, mut many, mut sets) = (0, 0, 0);
    for same in pairs.chunk_by(|a, b| a >> 16 == b >> 16) {
        if same.len() <= PAIRS_MAX {
            few += same.len();
        } else {
            many += 1;
            sets += set_form(same.len(), blocks).0;
        }
        if few * bits_min / 8 + sets > CUT_BYTES {
            return None;
        }
    }
    let list = |count| {
        let numbers = bitpack::packed_len(count, block_bits(blocks));
        varint::len(count as u64) + elias_fano::encoded_len(count, bound) + numbers
    };
    Some(list(few) + list(many) + sets).filter(|len| *len <= CUT_BYTES)
}

/// Bits of a block's number.
fn block_bits(blocks: u32) -> u32 {
    bitpack::width_of(u64::from(blocks.saturating_sub(1)))
}

/// The bytes of a set of `count` blocks, and whether it lists them.
fn set_form(count: usize, blocks: u32) -> (usize, bool) {
    let listed = bitpack::packed_len(count, block_bits(blocks));
    let bitmap = (blocks as usize).div_ceil(8);
    (listed.min(bitmap), listed <= bitmap)
}

fn encode_page(pairs: &[u64], hashes: &Range<u64>, blocks: u32) -> Vec<u8> {
    let bits = block_bits(blocks);
    let bound = hashes.end - hashes.start;
    let (mut few, mut few_blocks) = (Vec::new(), Vec::new());
    let (mut many, mut many_counts, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    for same in pairs.chunk_by(|a, b| a >> 16 == b >> 16) {
        let hash = (same[0] >> 16) - hashes.start;
        let numbers = same.iter().map(|pair| pair & 0xffff);
        if same.len() <= PAIRS_MAX {
            few.extend(same.iter().map(|_| hash));
            few_blocks.extend(numbers);
            continue;
        }
        many.push(hash);
        many_counts.push(same.len() as u64 - 1);
        let (len, is_list) = set_form(same.len(), blocks);
        if is_list {
            bitpack::pack(&numbers.collect::<Vec<_>>(), bits, &mut sets);
        } else {
            let start = sets.len();
            sets.resize(start + len, 0);
            numbers.for_each(|block| sets[start + block as usize / 8] |= 1 << (block % 8));
        }
    }
    let mut page = Vec::new();
    varint::encode(few.len() as u64, &mut page);
    varint::encode(many.len() as u64, &mut page);
    elias_fano::encode(&few, bound, &mut page);
    bitpack::pack(&few_blocks, bits, &mut page);
    elias_fano::encode(&many, bound, &mut page);
    bitpack::pack(&many_counts, bits, &mut page);
    page.extend(sets);
    page
}

/// Gives the blocks of `hash`, which is one of `hashes`, to `found`: as the page of those hashes
/// has them. The caller has verified its checksum.
///
/// # Errors
/// A page that no writer wrote. It may have given blocks before.
pub(super) fn look_up(
    mut page: Slice<'_>,
    hash: u64,
    hashes: &Range<u64>,
    blocks: u32,
    mut found: impl FnMut(u32),
) -> Result<(), Corruption> {
    let bits = block_bits(blocks);
    let bound = hashes.end.saturating_sub(hashes.start);
    let hash = hash.saturating_sub(hashes.start);
    let few = page.varint_max(PAGE_BYTES * 8)?;
    let many = page.varint_max(PAGE_BYTES * 8)?;
    let few_hashes = EliasFano::decode(&mut page, few, bound)?;
    let few_blocks = page.take(bitpack::packed_len(few, bits))?;
    let many_hashes = EliasFano::decode(&mut page, many, bound)?;
    let many_counts = page.take(bitpack::packed_len(many, bits))?;
    let mut give = |packed: &[u8], index: usize| {
        let block = bitpack::get(packed, index, bits).unwrap_or(u64::from(blocks));
        if block >= u64::from(blocks) {
            return Err(page.corrupt(format!("a block below {blocks}"), block.to_string()));
        }
        found(block as u32);
        Ok(())
    };
    for index in few_hashes.find(hash) {
        give(few_blocks, index)?;
    }
    let Some(wanted) = many_hashes.find(hash).next() else { return Ok(()) };
    let count = |index| bitpack::get(many_counts, index, bits).map_or(0, |less| less as usize + 1);
    let before = (0..wanted).map(|index| set_form(count(index), blocks).0).sum();
    let mut sets = page.clone();
    sets.take(before)?;
    let (len, is_list) = set_form(count(wanted), blocks);
    let set = sets.take(len)?;
    if is_list {
        return (0..count(wanted)).try_for_each(|index| give(set, index));
    }
    for block in 0..blocks as usize {
        if set[block / 8] >> (block % 8) & 1 == 1 {
            found(block as u32);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
