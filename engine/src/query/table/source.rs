//! The parts of a snapshot that a scan goes through, and what is known of each without reading it.

use super::{BlockTable, OpenedBlock, RowsTable, Table};
use crate::block::BlockMeta;
use crate::engine::{LiveFile, Shared, Snapshot};
use crate::error::Result;
use crate::index::{BlockIndex, SectionHits};
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
    /// With what the index of its section says, and its number there.
    File(LiveFile, BlockPlace, Option<(Arc<SectionHits>, u32)>),
    Rows(RowSlice),
}

/// Every part of a snapshot that can hold events of this range; of files, those that can match. The
/// blocks of files that are left out are added to `pruned`. `before` is called before each file is
/// opened, with the number of sources so far.
pub(crate) fn sources(
    shared: &Shared,
    snapshot: &Snapshot,
    range: TimeRange,
    plan: Option<&Plan>,
    pruned: &mut u64,
    before: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<Source>> {
    let plan = plan.filter(|_| shared.prunes());
    let levels = plan.map_or(u8::MAX, |plan| plan.levels);
    let range = if shared.prunes() { range } else { TimeRange::default() };
    let mut sources = in_memory(snapshot, range);
    for file in snapshot.files.iter() {
        match times_in(file, range, levels) {
            Some(_) => {
                before(sources.len())?;
                sources.extend(in_file(shared, file, range, plan, pruned)?);
            }
            None => *pruned += blocks_of(file),
        }
    }
    Ok(sources)
}

/// Every part of a snapshot that can hold the event of this sequence number in this range: no file
/// is opened that the statistics of its sections rule out. `before` is called before each that is.
pub(crate) fn sources_of(
    shared: &Shared,
    snapshot: &Snapshot,
    range: TimeRange,
    seq: u64,
    before: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<Source>> {
    let mut sources = in_memory(snapshot, range);
    for file in snapshot.files.iter() {
        let may_hold = |section: &SectionMeta| {
            (section.min_seq..=section.max_seq).contains(&seq)
                && overlaps(range, (Timestamp(section.min_ts), Timestamp(section.max_ts)))
        };
        if file.meta.sections.iter().any(may_hold) {
            before()?;
            sources.extend(in_file(shared, file, range, None, &mut 0)?);
        }
    }
    sources.retain(|source| (source.seqs.0..=source.seqs.1).contains(&seq));
    Ok(sources)
}

/// The number of a file's live blocks.
pub(crate) fn blocks_of(file: &LiveFile) -> u64 {
    file.meta.sections.iter().map(|section| u64::from(section.blocks)).sum()
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

/// The blocks of a file's live sections that can hold events of this range. Of a section with an
/// index, those that it does not rule out: its terms are looked up here, once for all blocks. The
/// others are added to `pruned`.
pub(crate) fn in_file(
    shared: &Shared,
    file: &LiveFile,
    range: TimeRange,
    plan: Option<&Plan>,
    pruned: &mut u64,
) -> Result<Vec<Source>> {
    let plan = plan.filter(|plan| shared.prunes() && plan.uses_index);
    let mut sources = Vec::new();
    for section in file.file.sections(&shared.cache)?.iter() {
        let first = section.blocks.first();
        if first.is_none_or(|first| file.meta.section(first.offset).is_none()) {
            continue;
        }
        let hits = match plan {
            Some(plan) => section_hits(shared, file, section, plan)?,
            None => None,
        };
        if let (Some(plan), Some(hits)) = (plan, &hits)
            && !plan.need.is_met_in(hits)
        {
            *pruned += section.blocks.len() as u64;
            continue;
        }
        for (number, block) in section.blocks.iter().enumerate() {
            if !overlaps(range, times(&block.meta)) {
                *pruned += 1;
                continue;
            }
            let hits = hits.as_ref().map(|hits| (Arc::clone(hits), number as u32));
            sources.push(Source::file(file.clone(), block.clone(), hits));
        }
    }
    Ok(sources)
}

/// What the index of a section, if it has one, says of the plan's terms.
fn section_hits(
    shared: &Shared,
    file: &LiveFile,
    section: &Section,
    plan: &Plan,
) -> Result<Option<Arc<SectionHits>>> {
    let index = file.file.index(section, &shared.cache)?;
    Ok(index.map(|index| Arc::new(index.look_up(plan.terms()))))
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

    fn file(file: LiveFile, place: BlockPlace, hits: Option<(Arc<SectionHits>, u32)>) -> Self {
        let meta = place.meta;
        Self::block(Place::File(file, place, hits), &meta)
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

    /// What is known of the source's terms, if it can hold an event that matches: by its levels,
    /// then by those terms. `None` if it is ruled out.
    pub(crate) fn admit(&self, plan: &Plan, shared: &Shared) -> Result<Option<BlockIndex>> {
        if !shared.prunes() {
            return Ok(Some(BlockIndex::Everything));
        }
        if self.levels & plan.levels == 0 {
            return Ok(None);
        }
        let known = match &self.place {
            _ if !plan.uses_index => BlockIndex::Everything,
            Place::Memory(block) => BlockIndex::Filter(Arc::clone(&block.filter)),
            Place::File(_, _, Some((hits, number))) => {
                BlockIndex::Section(Arc::clone(hits), *number)
            }
            Place::File(file, place, None) => {
                BlockIndex::Filter(file.file.filter(place, &shared.cache)?)
            }
            Place::Rows(_) => BlockIndex::Everything,
        };
        Ok((plan.need.frames(&known) != 0).then_some(known))
    }

    /// The source, to be read.
    pub(crate) fn open(&self, shared: &Shared) -> Result<Opened> {
        Ok(match &self.place {
            Place::Memory(block) => {
                Opened::Block(OpenedBlock::new(Arc::clone(&block.block)).into())
            }
            Place::File(file, place, _) => {
                Opened::Block(OpenedBlock::new(file.file.block(place, &shared.cache)?).into())
            }
            Place::Rows(slice) => Opened::Rows(slice.clone()),
        })
    }
}

/// A source that is being read: what was decoded stays decoded.
#[derive(Debug)]
pub(crate) enum Opened {
    Block(Box<OpenedBlock>),
    Rows(RowSlice),
}

impl Opened {
    /// Runs `work` on the source's rows.
    pub(crate) fn with_table<T>(
        &self,
        shared: &Shared,
        work: impl FnOnce(&dyn Table) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Block(opened) => work(&BlockTable::new(opened, shared.cache.sentences())),
            Self::Rows(slice) => work(&RowsTable::new(&slice.rows, slice.range.clone())),
        }
    }
}
