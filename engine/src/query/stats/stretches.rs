//! Stretches of blocks that follow each other in a section: where all events match, or all that have the field
//! by which they are counted, they are counted once for all blocks of one, and what they come to is kept.
//!
//! - `S1` Which blocks make a stretch depends on nothing but their section, so that queries of any range find
//!   what those before have kept.
//! - `S2` Where a stretch's counts can't be taken, its blocks are looked at one by one.

use super::{Part, Pass, contains};
use crate::block::{FieldValues, Numbered, ValueSums, ValueSumsBuilder};
use crate::engine::Shared;
use crate::error::Result;
use crate::query::table::Source;
use crate::segment::Key;
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Blocks of a stretch at least, unless its section has fewer. It has less than twice as many.
const BLOCKS: usize = 32;
/// Of fewer blocks it does not pay.
const BLOCKS_MIN: usize = 4;

/// What is done as one piece of work.
#[derive(Debug)]
pub(super) enum Item {
    /// The source of this number.
    Source(usize),
    /// Those of a stretch, whose counts are known.
    Stretch(Range<usize>, Arc<ValueSums>),
}

/// The stretches of a query whose counts are not known yet.
#[derive(Debug, Default)]
pub(super) struct Stretches {
    /// In the order of sources.
    all: Vec<Stretch>,
    name_hash: u64,
}

#[derive(Debug)]
struct Stretch {
    sources: Range<usize>,
    /// Its first block.
    first: Key,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    /// Blocks that were looked at.
    ended: usize,
    /// Those of them that were counted.
    counted: usize,
    /// Whether one of them turned out not to be readable, maybe after it was counted.
    damaged: bool,
    /// At which nobody counts.
    builders: Vec<ValueSumsBuilder>,
}

/// The blocks of a section of `of` that make a stretch with the one of this number.
fn stretch_of((number, of): (u32, u32)) -> Range<usize> {
    let (number, of) = (number as usize, of as usize);
    let stretches = (of / BLOCKS).max(1);
    let start = |stretch: usize| stretch * of / stretches;
    let mut stretch = number * stretches / of;
    if start(stretch + 1) <= number {
        stretch += 1;
    }
    start(stretch)..start(stretch + 1)
}

impl Pass {
    /// The sources as pieces of work. Remembers the stretches that are to be counted.
    pub(super) fn items(&mut self, sources: &[Source]) -> Vec<Item> {
        let mut items = Vec::with_capacity(sources.len());
        let is_counted = |field: &&str| self.matching_of(field).is_some();
        let Some(field) = self.tallied_field().filter(is_counted) else {
            items.extend((0..sources.len()).map(Item::Source));
            return items;
        };
        let name_hash = xxh3_64(field.as_bytes());
        let mut stretches = Stretches { all: Vec::new(), name_hash };
        let mut next = 0;
        while next < sources.len() {
            let Some((range, first)) = self.stretch_from(next, sources) else {
                items.push(Item::Source(next));
                next += 1;
                continue;
            };
            next = range.end;
            match self.shared.cache.value_sums(first, name_hash) {
                Some(sums) => items.push(Item::Stretch(range, sums)),
                None => {
                    items.extend(range.clone().map(Item::Source));
                    stretches.all.push(Stretch { sources: range, first, sums: Mutex::default() });
                }
            }
        }
        self.stretches = stretches;
        items
    }

    /// The stretch that begins with a source, and its first block, if it is there as a whole and all of its
    /// events are in range and of wanted levels.
    fn stretch_from(&self, start: usize, sources: &[Source]) -> Option<(Range<usize>, Key)> {
        let in_section = sources[start].in_section?;
        let blocks = stretch_of(in_section);
        if blocks.start != in_section.0 as usize || blocks.len() < BLOCKS_MIN {
            return None;
        }
        let first = sources[start].key()?;
        let range = start..start + blocks.len();
        let is_whole = sources.get(range.clone())?.iter().zip(blocks).all(|(source, number)| {
            source.in_section == Some((number as u32, in_section.1))
                && source.key().is_some_and(|key| key.file == first.file)
                && contains(self.request.range, source.times)
                && self.wants_levels(source.levels)
        });
        is_whole.then_some((range, first))
    }
}

impl Stretches {
    fn with(&self, number: usize) -> Option<&Stretch> {
        let at = self.all.partition_point(|stretch| stretch.sources.end <= number);
        self.all.get(at).filter(|stretch| stretch.sources.contains(&number))
    }

    /// Takes in a source all of whose rows were counted by these numbers.
    pub(super) fn add(
        &self,
        number: usize,
        (numbered, field): (&Numbered, &Arc<FieldValues>),
        rows: usize,
    ) {
        let Some(stretch) = self.with(number) else { return };
        let builder = stretch.sums.lock().builders.pop();
        let mut builder = builder.unwrap_or_else(|| ValueSumsBuilder::new(Arc::clone(field)));
        let is_counted = builder.add(numbered, rows);
        let mut sums = stretch.sums.lock();
        sums.counted += usize::from(is_counted);
        sums.builders.push(builder);
    }

    /// A source was looked at: keeps what its stretch comes to, if it was the last, and all were counted and sound.
    pub(super) fn end(&self, shared: &Shared, number: usize, is_sound: bool) {
        let Some(stretch) = self.with(number) else { return };
        let mut sums = stretch.sums.lock();
        sums.ended += 1;
        sums.damaged |= !is_sound;
        if sums.ended < stretch.sources.len() {
            return;
        }
        let all = std::mem::take(&mut *sums);
        drop(sums);
        let mut builders = all.builders.into_iter();
        let Some(mut sums) =
            builders.next().filter(|_| !all.damaged && all.counted == stretch.sources.len())
        else {
            return;
        };
        if builders.all(|other| sums.merge(other))
            && let Some(built) = sums.build()
        {
            shared.cache.put_value_sums(stretch.first, self.name_hash, &Arc::new(built));
        }
    }
}

impl Part<'_> {
    /// Takes in a stretch by its counts; `false` if that can't be.
    pub(super) fn take_stretch(
        &mut self,
        range: &Range<usize>,
        sums: &ValueSums,
        sources: &[Source],
    ) -> Result<bool> {
        let pass = self.pass;
        self.found.groups.begin_source(range.start)?;
        if !self.tally_sums(range.start, sums)? {
            return Ok(false);
        }
        if pass.plan.trace.is_some() {
            // It is told of as what is known of single blocks.
            for source in &sources[range.clone()] {
                source.admit(&pass.plan, &pass.shared)?;
            }
        }
        self.found.scanned.blocks += range.len() as u64;
        self.found.scanned.rows += sums.rows() as u64;
        self.found.groups.bound()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_all_blocks_of_a_section() {
        for of in (1..200).chain([BLOCKS * 100 + 7]) {
            let mut number = 0;
            while number < of {
                let stretch = stretch_of((number as u32, of as u32));
                assert_eq!(stretch.start, number, "of {of}");
                assert!(stretch.len() >= BLOCKS.min(of) && stretch.len() < 2 * BLOCKS);
                for other in stretch.clone() {
                    assert_eq!(stretch_of((other as u32, of as u32)), stretch, "{other} of {of}");
                }
                number = stretch.end;
            }
            assert_eq!(number, of);
        }
    }
}
