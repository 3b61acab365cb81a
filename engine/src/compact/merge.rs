//! Copies the blocks of one partition into a section, in sequence order. Full blocks go as they
//! are, but for their filters and shared sentences; small ones are gathered with what stands beside them.

use crate::batch::{RowColumn, Rows, gather};
use crate::block::{
    self, Block, BlockMeta, Column, EncodedBlock, ListPart, SentenceListBuilder, Source,
};
use crate::error::{Corruption, Error, Result};
use crate::field;
use crate::index::{self, Filter, SegmentIndexBuilder, Split, Stay};
use crate::limits::{Limits, MEMTABLE_NAMES_MAX};
use crate::manifest::Range64;
use crate::pool::Reservation;
use crate::segment::{
    BlockCache, BlockPlace, INDEX_KIND, INDEX_VERSION, IndexPart, SegmentFile, Writer, filter_of,
};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A section of fewer full blocks than this has no index: its blocks keep their filters, which are
/// asked as fast.
const INDEXED_BLOCKS_MIN: usize = 4;

/// What is reserved at a time for an index that grows.
const MEMORY_STEP: usize = 1 << 20;

/// What a merge takes without an index: rows that wait, a block decoded, its halves made anew.
pub(crate) fn memory_base(limits: &Limits) -> usize {
    4 * limits.block_bytes_max
}

/// A block to copy.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) place: BlockPlace,
    /// Of a block that is not copied as it is: the sequence numbers of the rows that are taken. Its
    /// filter may be damaged, which is made anew.
    pub(crate) takes: Option<Arc<[Range64]>>,
}

/// What an error of a merge is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// The output, unless it is known to be something else.
    Output,
    /// A source can't be read.
    Source,
    /// The index of a section could not be made: the output can do without.
    Index,
    /// Nothing: it was told to end.
    Stopped,
}

/// Fills the sections of an output.
pub(super) struct Merge<'a, 'w> {
    pub(super) writer: &'a mut Writer<'w>,
    pub(super) limits: &'a Limits,
    /// Asked before each block; an error ends the work.
    pub(super) proceed: &'a mut dyn FnMut() -> Result<()>,
    /// What the merge may take, without an index at first.
    pub(super) memory: &'a mut Reservation,
    /// What it has without an index.
    memory_base: usize,
    /// Whether sections get indexes.
    indexes: bool,
    /// Names of columns, as people type them.
    pub(super) names: BTreeSet<String>,
    /// What failed, if something did.
    pub(super) fault: Fault,
    /// The index of the section, if it gets one; its blocks then need no filters.
    index: Option<SegmentIndexBuilder>,
    /// The sentences of the blocks that are written, if the section has an index.
    list: SentenceListBuilder,
    cache: &'a BlockCache,
    /// Rows that wait for a block of their own: less than a block, or it was just made.
    pending: Vec<Rows>,
}

impl<'a, 'w> Merge<'a, 'w> {
    pub(super) fn new(
        writer: &'a mut Writer<'w>,
        limits: &'a Limits,
        cache: &'a BlockCache,
        indexes: bool,
        memory: &'a mut Reservation,
        proceed: &'a mut dyn FnMut() -> Result<()>,
    ) -> Self {
        Self {
            writer,
            limits,
            proceed,
            memory_base: memory.bytes(),
            memory,
            indexes,
            names: BTreeSet::new(),
            fault: Fault::Output,
            index: None,
            list: SentenceListBuilder::default(),
            cache,
            pending: Vec::new(),
        }
    }

    /// Copies all blocks of a section. Returns its sentence list and its index part, if it gets them.
    ///
    /// # Errors
    /// Corrupt names the damaged source; `Full` and `Io`; that of `proceed`.
    pub(super) fn section(
        &mut self,
        mut inputs: Vec<Input>,
    ) -> Result<(Option<ListPart>, Option<IndexPart>)> {
        let rows: usize = inputs.iter().map(|input| input.place.meta.rows as usize).sum();
        let is_indexable = self.indexes && inputs.len() <= self.limits.compaction.blocks_max;
        if is_indexable && rows >= INDEXED_BLOCKS_MIN * self.limits.block_rows_max {
            self.begin_index().inspect_err(|_| self.fault = Fault::Index)?;
        }
        inputs.sort_unstable_by_key(|input| input.place.meta.min_seq);
        let mut rest = &inputs[..];
        while let Some(first) = rest.first() {
            let (together, later) = rest.split_at(overlapping(rest));
            rest = later;
            (self.proceed)().inspect_err(|_| self.fault = Fault::Stopped)?;
            if together.len() == 1 {
                self.block(first)?;
            } else {
                self.interleaved(together)?;
            }
        }
        self.flush()?;
        let index = self.index_part().inspect_err(|_| self.fault = Fault::Index)?;
        let list = std::mem::take(&mut self.list).finish();
        self.memory.shrink_to(self.memory_base);
        Ok((list, index))
    }

    /// Copies a block, or gathers its rows.
    fn block(&mut self, input: &Input) -> Result<()> {
        let (bytes, block) = self.verified(input)?;
        let meta = block.meta();
        let is_full = is_full_enough(meta.rows as usize, meta.raw_bytes as usize, self.limits);
        if is_full && input.takes.is_none() {
            if self.pending.is_empty() || self.pending_is_full_enough() {
                self.flush()?;
                return self.whole(input, &bytes, &block);
            }
            // A few rows before a full block: both are made anew, in two halves.
            let rows = self.decoded(&block, input)?;
            self.add(rows)?;
            return self.flush();
        }
        let rows = self.decoded(&block, input)?;
        self.add(rows)
    }

    /// Copies a block as it is, but for its filter: it has one if the section has no index.
    fn whole(&mut self, input: &Input, bytes: &[u8], block: &Block) -> Result<()> {
        let meta = block.meta();
        if self.index.is_none() && block.has_filter() {
            let filter = filter_of(block, input.file.path());
            if !matches!(filter, Ok(Filter::Bloom(_))) {
                return self.writer.put_block(meta, bytes);
            }
            // It was made fast, to be replaced here.
            let rows = self.decoded(block, input)?;
            let filter = index::filter_bytes_with(&rows, Stay::Long, |_| None);
            let lasting = block::with_filter(bytes, meta, &filter);
            let EncodedBlock { bytes, meta } =
                lasting.inspect_err(|_| self.fault = Fault::Source)?;
            return self.writer.put_block(&meta, &bytes);
        }
        if self.index.is_some() {
            return self.put_indexed(input, block, bytes);
        }
        let rows = self.decoded(block, input)?;
        self.seal(&rows)
    }

    /// Writes rows as a block; the index of the section, if there is one, takes the place of its
    /// filter.
    fn seal(&mut self, rows: &Rows) -> Result<()> {
        let encoded = if self.index.is_some() {
            let plan = block::Plan::new(rows);
            self.index_rows(rows, |column| plan.split_of(column))?;
            plan.encode(&[])
        } else {
            block::seal(rows)
        };
        if self.index.is_none() {
            return self.writer.put_block(&encoded.meta, &encoded.bytes);
        }
        let bytes: Arc<[u8]> = encoded.bytes.into();
        let block = Block::open(Source::Memory(Arc::clone(&bytes)), &encoded.meta)?;
        self.put_shared(&bytes, &block, &[])
    }

    /// Merges blocks that overlap in sequence, row by row.
    fn interleaved(&mut self, inputs: &[Input]) -> Result<()> {
        let mut blocks = Vec::with_capacity(inputs.len());
        for input in inputs {
            let (_, block) = self.verified(input)?;
            blocks.push(self.decoded(&block, input)?);
        }
        let mut order: Vec<(u64, usize, usize)> = Vec::new();
        for (index, rows) in blocks.iter().enumerate() {
            order.extend((0..rows.len()).map(|row| (rows.seq(row).0, index, row)));
        }
        order.sort_unstable();
        if let Some(pair) = order.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            self.fault = Fault::Source;
            return Err(doubled(&inputs[pair[1].1], pair[0].0));
        }
        let mut rest = &order[..];
        while let Some((first, ..)) = rest.first() {
            let near = rest.partition_point(|(seq, ..)| seq - first <= u64::from(u32::MAX));
            let (piece, later) = rest.split_at(near.min(self.limits.block_rows_max));
            rest = later;
            let ranges = piece.iter().map(|(_, index, row)| (&blocks[*index], *row..*row + 1));
            self.add(gather(ranges))?;
        }
        Ok(())
    }

    fn verified(&mut self, input: &Input) -> Result<(Arc<[u8]>, Block)> {
        self.read(input).inspect_err(|_| self.fault = Fault::Source)
    }

    fn decoded(&mut self, block: &Block, input: &Input) -> Result<Rows> {
        let rows = block::decode(block).inspect_err(|_| self.fault = Fault::Source);
        let rows = rows.map_err(|error| error.placed(input.file.path(), input.place.offset))?;
        let Some(seqs) = &input.takes else { return Ok(rows) };
        let rows = within(&rows, seqs);
        // Columns that only the others had are in the output no more.
        self.note(rows.columns.iter().map(|column| &*column.name));
        Ok(rows)
    }

    fn read(&mut self, input: &Input) -> Result<(Arc<[u8]>, Block)> {
        let bytes: Arc<[u8]> = input.file.block_bytes(&input.place)?.into();
        let BlockPlace { offset, meta, .. } = &input.place;
        let block = match input.takes {
            Some(_) => Block::open(Source::Memory(Arc::clone(&bytes)), meta)
                .map_err(|error| error.placed(input.file.path(), *offset))?,
            None => block::verify(&bytes, meta, *offset, input.file.path())?,
        };
        let block = block.with_list(input.file.list(&input.place, self.cache));
        if input.takes.is_none() {
            self.note_names(&block, input)?;
        }
        Ok((bytes, block))
    }

    fn note_names(&mut self, block: &Block, input: &Input) -> Result<()> {
        let rest = block.rest().map_err(|e| e.placed(input.file.path(), input.place.offset))?;
        let own = block.columns().iter().map(|column| &*column.name);
        let others = rest.iter().flat_map(|rest| rest.names()).map(|name| &**name);
        self.note(own.chain(others));
        Ok(())
    }

    fn note<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        for name in names.filter(|name| !field::is_hidden(name)) {
            if self.names.len() >= MEMTABLE_NAMES_MAX {
                break;
            }
            let name = field::display_name(name);
            if !self.names.contains(&*name) {
                self.names.insert(name.into_owned());
            }
        }
    }

    /// Lets rows wait, which come behind all that do. More than a block becomes blocks.
    fn add(&mut self, rows: Rows) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let first = self.pending.first().map(|first| first.seq(0).0);
        let last = rows.seq(rows.len() - 1).0;
        // The numbers of a block lie within 2^32.
        if first.is_some_and(|first| last - first > u64::from(u32::MAX)) {
            self.flush()?;
        }
        self.pending.push(rows);
        let (rows, bytes) = self.pending_size();
        if rows > self.limits.block_rows_max || bytes > self.limits.block_bytes_max {
            self.flush()?;
        }
        Ok(())
    }

    fn pending_size(&self) -> (usize, usize) {
        let sizes = self.pending.iter().map(|rows| (rows.len(), rows.raw_bytes()));
        sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }

    fn pending_is_full_enough(&self) -> bool {
        let (rows, bytes) = self.pending_size();
        is_full_enough(rows, bytes, self.limits)
    }

    /// Writes a block as it is, but for its filter: the index of the section takes its place.
    fn put_indexed(&mut self, input: &Input, block: &Block, bytes: &[u8]) -> Result<()> {
        let mut templates = Vec::new();
        if let Some(index) = &mut self.index {
            let mut terms = index.begin_block().inspect_err(|_| self.fault = Fault::Index)?;
            let added =
                block::add_terms(block, &mut terms).inspect_err(|_| self.fault = Fault::Source);
            let place = |error: Error| error.placed(input.file.path(), input.place.offset);
            templates = added.map_err(place)?;
            terms.finish();
        }
        self.put_shared(bytes, block, &templates)
    }

    /// Writes a block whose section has an index, without its filter and with its sentences in the list.
    /// `templates` are its columns of templates, by index, as far as they were read.
    fn put_shared(
        &mut self,
        bytes: &[u8],
        block: &Block,
        templates: &[Option<Column>],
    ) -> Result<()> {
        let shared = block::share(bytes, block, templates, &mut self.list);
        let EncodedBlock { bytes, meta } = shared.inspect_err(|_| self.fault = Fault::Source)?;
        self.reserve_index().inspect_err(|_| self.fault = Fault::Index)?;
        self.writer.put_block(&meta, &bytes)
    }

    fn begin_index(&mut self) -> Result<()> {
        self.index = Some(SegmentIndexBuilder::new());
        self.reserve_index()
    }

    fn index_rows<'s>(
        &mut self,
        rows: &Rows,
        split_of: impl Fn(&RowColumn) -> Option<&'s Split>,
    ) -> Result<()> {
        let added = match &mut self.index {
            Some(index) => index.add_block(rows, split_of),
            None => Ok(()),
        };
        added.and_then(|()| self.reserve_index()).inspect_err(|_| self.fault = Fault::Index)
    }

    fn reserve_index(&mut self) -> Result<()> {
        let index = self.index.as_ref().map_or(0, SegmentIndexBuilder::memory);
        let takes = self.memory_base.saturating_add(index).saturating_add(self.list.memory());
        Ok(self.memory.grow_to(takes, MEMORY_STEP)?)
    }

    /// The index of the section, all of whose blocks are written.
    fn index_part(&mut self) -> Result<Option<IndexPart>> {
        let Some(index) = self.index.take() else { return Ok(None) };
        let bytes = index.finish()?;
        Ok(Some(IndexPart { kind: INDEX_KIND, version: INDEX_VERSION, bytes }))
    }

    /// Makes blocks of equal size of the rows that wait, as few as hold them.
    fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let rows: usize = pending.iter().map(Rows::len).sum();
        let bytes: usize = pending.iter().map(Rows::raw_bytes).sum();
        if rows == 0 {
            return Ok(());
        }
        let by_rows = rows.div_ceil(self.limits.block_rows_max);
        let blocks = bytes.div_ceil(self.limits.block_bytes_max).max(by_rows).min(rows);
        for number in 0..blocks {
            let range = rows * number / blocks..rows * (number + 1) / blocks;
            let rows = gather(slices(&pending, range));
            self.seal(&rows)?;
        }
        Ok(())
    }
}

/// How many of the first blocks belong together because they overlap in sequence.
fn overlapping(inputs: &[Input]) -> usize {
    let mut end = 0;
    let joins = |input: &&Input| {
        let BlockMeta { min_seq, max_seq, .. } = input.place.meta;
        let joins = end == 0 || min_seq <= end;
        end = end.max(max_seq);
        joins
    };
    inputs.iter().take_while(joins).count()
}

/// Whether a block of this size is kept as it is.
fn is_full_enough(rows: usize, bytes: usize, limits: &Limits) -> bool {
    rows >= limits.block_rows_max / 2 || bytes >= limits.block_bytes_max / 2
}

/// The rows whose sequence numbers lie in one of the ranges, which rise.
fn within(rows: &Rows, seqs: &[Range64]) -> Rows {
    let ranges = seqs.iter().map(|seqs| {
        let before =
            |seq: u64| rows.seq_offsets.partition_point(|at| rows.base_seq + u64::from(*at) < seq);
        (rows, before(seqs.start)..before(seqs.end))
    });
    gather(ranges.filter(|(_, range)| !range.is_empty()))
}

/// Two blocks say that they hold the same event.
fn doubled(input: &Input, seq: u64) -> Error {
    Corruption {
        file: input.file.path().to_path_buf(),
        offset: input.place.offset,
        what: "block",
        expected: "events of its own".to_owned(),
        found: format!("sequence number {seq}, which another block has"),
    }
    .into()
}

/// The parts of `all`, as if they were one, that lie in a range of rows.
fn slices(all: &[Rows], range: Range<usize>) -> impl Iterator<Item = (&Rows, Range<usize>)> {
    let mut start = 0;
    all.iter().filter_map(move |rows| {
        let (first, end) = (start, start + rows.len());
        start = end;
        let part = range.start.max(first)..range.end.min(end);
        (!part.is_empty()).then(|| (rows, part.start - first..part.end - first))
    })
}
