//! The parts of a snapshot that a scan goes through, and what is known of each without reading it.

use super::{AHEAD_MAX, BlockTable, EventTable, OpenedBlock, RowsTable, read_ahead};
use crate::block::{BlockMeta, Decoded};
use crate::engine::{LiveFile, Shared, Snapshot};
use crate::error::Result;
use crate::index::{BlockIndex, SectionHits};
use crate::io::check_may_wait;
use crate::manifest::{FileId, SectionMeta};
use crate::memtable::{MemBlock, RowSlice};
use crate::query::filter::Plan;
use crate::query::request::TimeRange;
use crate::scan::{Control, Excuses, Reader, opens_block, reader};
use crate::segment::{BlockPlace, Key, Section};
use crate::timestamp::Timestamp;
use crate::trace::{PassTrace, Pruned, Tier};
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
    /// Of a block of a file: which of how many blocks of its section it is.
    pub(crate) in_section: Option<(u32, u32)>,
}

#[derive(Debug)]
enum Place {
    Memory(MemBlock),
    /// With what the index of its section says, and its number there.
    File(LiveFile, BlockPlace, Option<(Arc<SectionHits>, u32)>),
    Rows(RowSlice),
}

/// Begins a pass over a snapshot, if somebody asks what it does.
pub(crate) fn begin_pass(
    name: &'static str,
    shared: &Shared,
    snapshot: &Snapshot,
    control: &Control,
) -> Option<Arc<PassTrace>> {
    let pass = control.trace()?.begin(name, &shared.io.clock);
    for source in in_memory(snapshot, TimeRange::default(), (0, u64::MAX)) {
        pass.there_are(Tier::Memtable, false, 1, source.rows as u64);
    }
    for file in snapshot.files.iter() {
        let rows = file.meta.sections.iter().map(|section| section.rows).sum();
        pass.there_are(Tier::of(file.meta.id), true, blocks_of(file), rows);
    }
    Some(pass)
}

/// Begins another pass over sources that are listed, if somebody asks what it does.
pub(crate) fn begin_again(
    name: &'static str,
    shared: &Shared,
    sources: &[Source],
    control: &Control,
) -> Option<Arc<PassTrace>> {
    let pass = control.trace()?.begin(name, &shared.io.clock);
    let mut before = None;
    for source in sources {
        let file = source.file_id();
        let is_next = file.is_some() && file != before;
        pass.there_are(source.tier(), is_next, 1, source.rows as u64);
        before = file;
    }
    Some(pass)
}

/// Tells that a file can hold nothing of this range, or of the levels wanted.
pub(crate) fn tell_pruned_file(trace: Option<&PassTrace>, file: &LiveFile, range: TimeRange) {
    if let Some(trace) = trace {
        let by = match times_in(file, range, u8::MAX) {
            None => Pruned::Time,
            Some(_) => Pruned::Level,
        };
        trace.pruned_file(Tier::of(file.meta.id), by, blocks_of(file));
    }
}

/// How sources are listed.
pub(crate) struct Listing<'a> {
    /// Decides whether files that are damaged are left out.
    pub(crate) excuses: &'a Excuses,
    /// To this the blocks of files are added that can't match.
    pub(crate) pruned: &'a mut u64,
    /// Called before each file is opened, with the number of sources so far.
    pub(crate) before: &'a mut dyn FnMut(usize) -> Result<()>,
}

/// Every part of a snapshot that can hold events of this range; of files, those that can match. What is in the
/// archive only comes last, so that what is here is looked at even if that takes all the time there is.
pub(crate) fn sources(
    shared: &Shared,
    snapshot: &Snapshot,
    range: TimeRange,
    plan: Option<&Plan>,
    listing: Listing<'_>,
) -> Result<Vec<Source>> {
    let Listing { excuses, pruned, before } = listing;
    let trace = plan.and_then(|plan| plan.trace.as_deref());
    let plan = plan.filter(|_| shared.prunes());
    let levels = plan.map_or(u8::MAX, |plan| plan.levels);
    let range = if shared.prunes() { range } else { TimeRange::default() };
    let mut sources = in_memory(snapshot, range, (0, u64::MAX));
    if let Some(trace) = trace {
        trace.listed_in_memory(sources.len());
    }
    let _listing = reader().map(Reader::lists_cold);
    let (cold, here): (Vec<_>, Vec<_>) = snapshot.files.iter().partition(|f| f.file.is_evicted());
    let can_match = |file: &&LiveFile| times_in(file, range, levels).is_some();
    let mut list = |file: &LiveFile| -> Result<()> {
        if !can_match(&file) {
            *pruned += blocks_of(file);
            tell_pruned_file(trace, file, range);
            return Ok(());
        }
        before(sources.len())?;
        let opened = in_file(shared, file, range, plan, pruned);
        sources.extend(excuses.piece(opened)?.into_iter().flatten());
        Ok(())
    };
    for files in here.chunks(AHEAD_MAX).chain(cold.chunks(AHEAD_MAX)) {
        let wanted: Vec<&LiveFile> = files.iter().copied().filter(can_match).collect();
        read_ahead(shared, &wanted, range, plan);
        files.iter().copied().try_for_each(&mut list)?;
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
    let mut sources = in_memory(snapshot, range, (seq, seq));
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
    let trace = plan.and_then(|plan| plan.trace.as_deref());
    let tell = |by, blocks| {
        if let Some(trace) = trace {
            trace.pruned(Tier::of(file.meta.id), by, blocks);
        }
    };
    let plan = plan.filter(|plan| shared.prunes() && plan.uses_index);
    let mut sources = Vec::new();
    for section in file.file.sections(&shared.cache)?.iter() {
        let Some(meta) = section.blocks.first().and_then(|first| file.meta.section(first.offset))
        else {
            continue;
        };
        if !overlaps(range, (Timestamp(meta.min_ts), Timestamp(meta.max_ts))) {
            *pruned += section.blocks.len() as u64;
            tell(Pruned::Time, section.blocks.len() as u64);
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
            tell(Pruned::Index, section.blocks.len() as u64);
            continue;
        }
        for (number, block) in section.blocks.iter().enumerate() {
            if !overlaps(range, times(&block.meta)) {
                *pruned += 1;
                tell(Pruned::Time, 1);
                continue;
            }
            let hits = hits.as_ref().map(|hits| (Arc::clone(hits), number as u32));
            let in_section = Some((number as u32, section.blocks.len() as u32));
            let source = Source::file(file.clone(), block.clone(), hits);
            sources.push(Source { in_section, ..source });
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
    let hits = file.file.look_up(section, plan.terms(), &shared.cache)?;
    Ok(hits.map(Arc::new))
}

/// The parts of memtables that can hold events of this range with sequence numbers from the first to
/// the last of these.
pub(crate) fn in_memory(snapshot: &Snapshot, range: TimeRange, seqs: (u64, u64)) -> Vec<Source> {
    let among = |(first, last): (u64, u64)| first <= seqs.1 && last >= seqs.0;
    let mut sources = Vec::new();
    for (_, partition) in &snapshot.memtables {
        let blocks = partition.blocks.iter().filter(|block| {
            overlaps(range, times(&block.meta)) && among((block.meta.min_seq, block.meta.max_seq))
        });
        sources.extend(blocks.map(|block| Source::memory(block.clone())));
        let pending = partition.pending.iter().flat_map(|pending| &pending.slices);
        let slices = pending.chain(&partition.tail).filter(|slice| overlaps(range, slice.times));
        let slices = slices.filter(|slice| among(seqs_of(slice)));
        sources.extend(slices.map(|slice| Source::rows(slice.clone())));
    }
    sources
}

/// The first and the last sequence number of a slice, which has rows.
fn seqs_of(slice: &RowSlice) -> (u64, u64) {
    (slice.rows.seq(slice.range.start).0, slice.rows.seq(slice.range.end - 1).0)
}

pub(super) fn overlaps(range: TimeRange, times: (Timestamp, Timestamp)) -> bool {
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
            in_section: None,
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
            seqs: seqs_of(&slice),
            levels,
            rows: rows.len(),
            bytes: slice.bytes,
            in_section: None,
            place: Place::Rows(slice),
        }
    }

    /// What is known of the source's terms, if it can hold an event that matches: by its levels,
    /// then by those terms. `None` if it is ruled out.
    pub(crate) fn admit(&self, plan: &Plan, shared: &Shared) -> Result<Option<BlockIndex>> {
        let known = match shared.prunes() {
            true => self.look_up(plan, shared)?,
            false => Ok(BlockIndex::Everything),
        };
        if let Some(trace) = &plan.trace {
            match &known {
                Ok(_) => trace.read(self.tier(), self.rows as u64, self.bytes_stored()),
                Err(by) => trace.pruned(self.tier(), *by, 1),
            }
        }
        Ok(known.ok())
    }

    /// What is known of the source's terms, or what rules it out.
    fn look_up(&self, plan: &Plan, shared: &Shared) -> Result<Result<BlockIndex, Pruned>> {
        if self.levels & plan.levels == 0 {
            return Ok(Err(Pruned::Level));
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
        Ok(if plan.need.frames(&known) != 0 { Ok(known) } else { Err(Pruned::Index) })
    }

    /// Where it lies.
    pub(crate) fn tier(&self) -> Tier {
        self.file_id().map_or(Tier::Memtable, Tier::of)
    }

    /// The file in which its block lies.
    fn file_id(&self) -> Option<FileId> {
        match &self.place {
            Place::Memory(_) | Place::Rows(_) => None,
            Place::File(file, ..) => Some(file.meta.id),
        }
    }

    /// By which caches know its block, if it is of a file.
    pub(crate) fn key(&self) -> Option<Key> {
        match &self.place {
            Place::Memory(_) | Place::Rows(_) => None,
            Place::File(file, place, _) => Some(file.file.key(place.offset)),
        }
    }

    /// The bytes of the block, compressed; 0 for rows that are in none.
    pub(crate) fn bytes_stored(&self) -> u64 {
        match &self.place {
            Place::Memory(block) => block.meta.len.into(),
            Place::File(_, place, _) => place.meta.len.into(),
            Place::Rows(_) => 0,
        }
    }

    /// The source, to be read for a few rows: with what was decoded for others before.
    pub(crate) fn open_again(&self, shared: &Shared) -> Result<Opened> {
        if let Place::File(file, place, _) = &self.place
            && shared.prunes()
            && let key = file.file.key(place.offset)
            && let Some(decoded) = shared.cache.decoded(key)
            && decoded.block().is_intact()
        {
            check_may_wait();
            opens_block(false);
            return Ok(Opened::Block(OpenedBlock::of_file(decoded, key).for_few()));
        }
        Ok(match self.open(shared)? {
            Opened::Block(opened) => Opened::Block(opened.for_few()),
            rows @ Opened::Rows(_) => rows,
        })
    }

    /// The source, to be read.
    pub(crate) fn open(&self, shared: &Shared) -> Result<Opened> {
        Ok(match &self.place {
            Place::Memory(block) => {
                opens_block(false);
                Opened::Block(OpenedBlock::new(Arc::clone(&block.block)))
            }
            Place::File(file, place, _) => {
                opens_block(file.file.is_evicted());
                let key = file.file.key(place.offset);
                let block = file.file.block(place, &shared.cache)?;
                Opened::Block(OpenedBlock::of_file(Arc::new(Decoded::new(block)), key))
            }
            Place::Rows(slice) => Opened::Rows(slice.clone()),
        })
    }
}

/// A source that is being read: what was decoded stays decoded.
#[derive(Debug)]
pub(crate) enum Opened {
    Block(OpenedBlock),
    Rows(RowSlice),
}

impl Opened {
    /// Keeps what was decoded of a block of a file for the next that takes rows of it.
    pub(crate) fn keep(&self, shared: &Shared) {
        if let Self::Block(opened) = self
            && let Some(key) = opened.key()
            && shared.prunes()
            && opened.block().is_intact()
        {
            shared.cache.put_decoded(key, opened.decoded());
        }
    }

    /// Runs `work` on the source's rows.
    pub(crate) fn with_table<T>(
        &self,
        shared: &Shared,
        work: impl FnOnce(&dyn EventTable) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Block(opened) => {
                let done = opened.block().read(|| {
                    let table = BlockTable::new(opened, shared.cache.sentences());
                    work(&if shared.prunes() { table.kept_in(&shared.cache) } else { table })
                });
                if let Some(key) = opened.key().filter(|_| !opened.block().is_intact()) {
                    // What was found out of bytes that were not there must not be believed later.
                    shared.cache.forget(|file| file == key.file);
                }
                done
            }
            Self::Rows(slice) => work(&RowsTable::new(&slice.rows, slice.range.clone())),
        }
    }
}
