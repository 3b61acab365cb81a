//! The parts of a snapshot that a scan goes through, and what is known of each without reading it.

use super::{BlockTable, RowsTable, Table};
use crate::block::BlockMeta;
use crate::engine::{LiveFile, Shared, Snapshot};
use crate::error::Result;
use crate::index::Filter;
use crate::manifest::SectionMeta;
use crate::memtable::{MemBlock, RowSlice};
use crate::query::filter::Plan;
use crate::query::request::TimeRange;
use crate::segment::{BlockPlace, Section};
use crate::timestamp::Timestamp;
use std::sync::Arc;

/// A part of a snapshot: a block, or rows that are in none yet.
#[derive(Debug)]
pub(crate) struct Source {
    place: Place,
    /// The earliest and the latest timestamp, or wider.
    pub(crate) times: (Timestamp, Timestamp),
    /// The first and the last sequence number.
    pub(crate) seqs: (u64, u64),
    /// Levels that occur, as bits of their codes.
    pub(crate) levels: u8,
    pub(crate) rows: usize,
    /// What the rows take when they are all decoded, at least about.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
enum Place {
    Memory(MemBlock),
    File(LiveFile, BlockPlace),
    Rows(RowSlice),
}

/// Every part of a snapshot that can hold events of this range, of files with these levels.
pub(crate) fn sources(
    shared: &Shared,
    snapshot: &Snapshot,
    range: TimeRange,
    levels: u8,
) -> Result<Vec<Source>> {
    let levels = if shared.prunes() { levels } else { u8::MAX };
    let range = if shared.prunes() { range } else { TimeRange::default() };
    let mut sources = in_memory(snapshot, range);
    for file in snapshot.files.iter() {
        if times_in(file, range, levels).is_some() {
            sources.extend(in_file(shared, file, range)?);
        }
    }
    Ok(sources)
}

/// Every part of a snapshot that can hold the event of this sequence number in this range: no file
/// is opened that the statistics of its sections rule out.
pub(crate) fn sources_of(
    shared: &Shared,
    snapshot: &Snapshot,
    range: TimeRange,
    seq: u64,
) -> Result<Vec<Source>> {
    let mut sources = in_memory(snapshot, range);
    for file in snapshot.files.iter() {
        let may_hold = |section: &SectionMeta| {
            (section.min_seq..=section.max_seq).contains(&seq)
                && overlaps(range, (Timestamp(section.min_ts), Timestamp(section.max_ts)))
        };
        if file.meta.sections.iter().any(may_hold) {
            sources.extend(in_file(shared, file, range)?);
        }
    }
    sources.retain(|source| (source.seqs.0..=source.seqs.1).contains(&seq));
    Ok(sources)
}

/// The earliest and the latest timestamp of a file's sections that can hold events of this range
/// and these levels, by what the manifest says: the file is not opened. `None` without any.
pub(crate) fn times_in(
    file: &LiveFile,
    range: TimeRange,
    levels: u8,
) -> Option<(Timestamp, Timestamp)> {
    let times = file.meta.sections.iter().filter(|section| section.levels & levels != 0);
    times
        .map(|section| (Timestamp(section.min_ts), Timestamp(section.max_ts)))
        .filter(|times| overlaps(range, *times))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The blocks of a file's live sections that can hold events of this range.
pub(crate) fn in_file(shared: &Shared, file: &LiveFile, range: TimeRange) -> Result<Vec<Source>> {
    let sections = file.file.sections(&shared.cache)?;
    let is_live = |section: &&Section| {
        section.blocks.first().is_some_and(|first| file.meta.section(first.offset).is_some())
    };
    let blocks = sections.iter().filter(is_live).flat_map(|section| &section.blocks);
    let blocks = blocks.filter(|block| overlaps(range, times(&block.meta)));
    Ok(blocks.map(|block| Source::file(file.clone(), block.clone())).collect())
}

/// The parts of memtables that can hold events of this range.
pub(crate) fn in_memory(snapshot: &Snapshot, range: TimeRange) -> Vec<Source> {
    let mut sources = Vec::new();
    for (_, partition) in &snapshot.memtables {
        let blocks = partition.blocks.iter().filter(|block| overlaps(range, times(&block.meta)));
        sources.extend(blocks.map(|block| Source::memory(block.clone())));
        let pending = partition.pending.iter().flat_map(|pending| &pending.slices);
        let slices = pending.chain(&partition.tail).filter(|slice| overlaps(range, slice.times));
        sources.extend(slices.map(|slice| Source::rows(slice.clone())));
    }
    sources
}

fn overlaps(range: TimeRange, times: (Timestamp, Timestamp)) -> bool {
    range.from.is_none_or(|from| times.1 >= from) && range.to.is_none_or(|to| times.0 < to)
}

fn times(meta: &BlockMeta) -> (Timestamp, Timestamp) {
    (Timestamp(meta.min_ts), Timestamp(meta.max_ts))
}

impl Source {
    fn block(place: Place, meta: &BlockMeta) -> Self {
        Self {
            place,
            times: times(meta),
            seqs: (meta.min_seq, meta.max_seq),
            levels: meta.levels,
            rows: meta.rows as usize,
            bytes: usize::try_from(meta.raw_bytes).unwrap_or(usize::MAX),
        }
    }

    fn file(file: LiveFile, place: BlockPlace) -> Self {
        let meta = place.meta;
        Self::block(Place::File(file, place), &meta)
    }

    fn memory(block: MemBlock) -> Self {
        let meta = block.meta;
        Self::block(Place::Memory(block), &meta)
    }

    fn rows(slice: RowSlice) -> Self {
        let rows = slice.range.clone();
        let levels = slice.rows.levels[rows.clone()].iter().fold(0, |bits, code| bits | 1 << code);
        Self {
            times: slice.times,
            seqs: (slice.rows.seq(rows.start).0, slice.rows.seq(rows.end - 1).0),
            levels,
            rows: rows.len(),
            bytes: slice.bytes,
            place: Place::Rows(slice),
        }
    }

    /// The source's filter, if the source can hold an event that matches: by its levels, then by
    /// that filter. `None` if it is ruled out.
    pub(crate) fn admit(&self, plan: &Plan, shared: &Shared) -> Result<Option<Arc<Filter>>> {
        if !shared.prunes() {
            return Ok(Some(Arc::new(Filter::Everything)));
        }
        if self.levels & plan.levels == 0 {
            return Ok(None);
        }
        let filter = match &self.place {
            Place::Memory(block) if plan.uses_filters => Arc::clone(&block.filter),
            Place::File(file, place) if plan.uses_filters => {
                file.file.filter(place, &shared.cache)?
            }
            _ => Arc::new(Filter::Everything),
        };
        Ok(plan.need.is_met(&filter).then_some(filter))
    }

    /// Runs `work` on the source's rows.
    pub(crate) fn with_table<T>(
        &self,
        shared: &Shared,
        work: impl FnOnce(&dyn Table) -> Result<T>,
    ) -> Result<T> {
        match &self.place {
            Place::Memory(block) => work(&BlockTable::new(&block.block, shared.cache.sentences())),
            Place::File(file, place) => work(&BlockTable::new(
                &*file.file.block(place, &shared.cache)?,
                shared.cache.sentences(),
            )),
            Place::Rows(slice) => work(&RowsTable::new(&slice.rows, slice.range.clone())),
        }
    }
}
