//! Carries out a job: reads its sections block by block, writes one file.

use super::merge::{Fault, Input, Merge};
use super::plan::Job;
use crate::error::{Corruption, Error, Result};
use crate::io::Io;
use crate::limits::Limits;
use crate::manifest::{FileId, FileMeta, Run, SectionMeta};
use crate::partition::PartitionKey;
use crate::pool::Reservation;
use crate::segment::{BlockCache, BlockPlace, Header, SegmentFile, Writer, Written};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Where the output goes, and within which bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) io: &'a Io,
    pub(crate) dir: &'a Path,
    pub(crate) limits: &'a Limits,
    pub(crate) cache: &'a BlockCache,
    pub(crate) store: [u8; 16],
    pub(crate) incarnation: u16,
    /// The number of the output.
    pub(crate) number: u64,
    /// Whether large sections get indexes.
    pub(crate) indexes: bool,
}

/// A live section, and the file that it is in.
#[derive(Debug, Clone)]
pub(crate) struct SourceSection {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) meta: SectionMeta,
}

/// Why there is no output. The sources are untouched, and nothing of the output stays.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was told to end, for this reason.
    Stopped(Error),
    /// A section of this partition could not be read.
    Source(PartitionKey, Error),
    /// An index could not be made: it can be done without indexes.
    Index(Error),
    /// The output could not be written.
    Output(Error),
}

/// Writes the file that takes the place of the job's sections. It is durable under its name when
/// this returns, and counts once the manifest says so. `proceed` is asked before each block; its
/// error ends the work. `memory` is what merges take without an index.
pub(crate) fn execute(
    place: &Place<'_>,
    job: &Job,
    sources: &[SourceSection],
    memory: &mut Reservation,
    proceed: &mut dyn FnMut() -> Result<()>,
) -> Result<FileMeta, Failure> {
    let id = match job.is_pack {
        true => FileId::Pack(place.number),
        false => FileId::Segment(place.number),
    };
    let seqs = sources.iter().map(|source| (source.meta.min_seq, source.meta.max_seq + 1));
    let seqs = seqs.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).expect("a job has sections");
    let header = Header { store: place.store, incarnation: place.incarnation, id, seqs };
    write(place, &header, job.writes, memory, proceed, |work, writer| {
        let mut partitions: BTreeMap<&PartitionKey, Vec<&SourceSection>> = BTreeMap::new();
        for source in sources {
            partitions.entry(&source.meta.partition).or_default().push(source);
        }
        for (partition, sources) in partitions {
            let mut inputs = Vec::new();
            for source in &sources {
                let blocks = blocks_of(source, place.cache);
                inputs.extend(blocks.map_err(|e| Failure::Source(partition.clone(), e))?);
            }
            let runs = sources.iter().flat_map(|source| source.meta.runs.iter().cloned());
            let runs = runs.collect();
            work.section(writer, Part { partition: partition.clone(), inputs, runs })?;
        }
        Ok(())
    })
}

/// A section to be written.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) partition: PartitionKey,
    /// Its blocks.
    pub(crate) inputs: Vec<Input>,
    /// Its runs.
    pub(crate) runs: Vec<Run>,
}

impl Part {
    /// The same, to be written another time.
    pub(crate) fn again(&self) -> Self {
        let Self { partition, inputs, runs } = self;
        let input = |input: &Input| Input {
            file: Arc::clone(&input.file),
            place: input.place.clone(),
            takes: input.takes.clone(),
        };
        let inputs = inputs.iter().map(input).collect();
        Self { partition: partition.clone(), inputs, runs: runs.clone() }
    }
}

/// Writes a file of these sections, in which each block is copied whole or in part. It is durable under
/// its name when this returns, and counts once the manifest says so. `times` is how often its bytes are
/// written since the log, this time included. `proceed` is asked before each block.
pub(crate) fn rewrite(
    place: &Place<'_>,
    (is_pack, times): (bool, u8),
    parts: Vec<Part>,
    memory: &mut Reservation,
    proceed: &mut dyn FnMut() -> Result<()>,
) -> Result<FileMeta, Failure> {
    let id = if is_pack { FileId::Pack(place.number) } else { FileId::Segment(place.number) };
    let seqs = parts.iter().flat_map(|part| &part.runs).map(|run| (run.seqs.start, run.seqs.end));
    let seqs = seqs.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).expect("a section has runs");
    let header = Header { store: place.store, incarnation: place.incarnation, id, seqs };
    write(place, &header, times, memory, proceed, |work, writer| {
        parts.into_iter().try_for_each(|part| work.section(writer, part))
    })
}

/// Begins a file, lets `fill` write its sections, and gives it its name.
fn write(
    place: &Place<'_>,
    header: &Header,
    times: u8,
    memory: &mut Reservation,
    proceed: &mut dyn FnMut() -> Result<()>,
    fill: impl FnOnce(&mut Work<'_>, &mut Writer<'_>) -> Result<(), Failure>,
) -> Result<FileMeta, Failure> {
    let mut writer = Writer::begin(place.io, place.dir, header).map_err(Failure::Output)?;
    let mut work = Work { place, memory, proceed, names: BTreeSet::new() };
    match fill(&mut work, &mut writer) {
        Ok(()) => {
            let written = Written { at: place.io.clock.now().0, times };
            writer.finish(work.names, written).map_err(|error| {
                // Whatever it is called by now, no edit names it.
                remove(place, header.id);
                Failure::Output(error)
            })
        }
        Err(failure) => {
            writer.abandon();
            Err(failure)
        }
    }
}

/// Removes an output that no edit names.
pub(crate) fn remove(place: &Place<'_>, id: FileId) {
    let path = id.path(place.dir);
    for path in [crate::names::temporary(&path), path] {
        // What stays is removed when the store is opened.
        let _ = place.io.storage.remove(&path);
    }
}

/// The work on one output.
struct Work<'a> {
    place: &'a Place<'a>,
    memory: &'a mut Reservation,
    proceed: &'a mut dyn FnMut() -> Result<()>,
    /// Names of columns, as people type them.
    names: BTreeSet<String>,
}

impl Work<'_> {
    fn section(&mut self, writer: &mut Writer<'_>, part: Part) -> Result<(), Failure> {
        let Part { partition, inputs, mut runs } = part;
        writer.begin_section(partition.clone());
        let Place { limits, cache, indexes, .. } = *self.place;
        let mut merge = Merge::new(writer, limits, cache, indexes, self.memory, self.proceed);
        std::mem::swap(&mut merge.names, &mut self.names);
        let finished = merge.section(inputs);
        std::mem::swap(&mut merge.names, &mut self.names);
        let fault = merge.fault;
        let (list, index) = finished.map_err(|error| match fault {
            Fault::Source => Failure::Source(partition, error),
            Fault::Index => Failure::Index(error),
            Fault::Stopped => Failure::Stopped(error),
            Fault::Output => Failure::Output(error),
        })?;
        runs.sort_unstable();
        writer.end_section(runs, list.as_ref(), index).map_err(Failure::Output)
    }
}

/// The blocks of a section, as its file's directory says, if that is what the manifest says.
pub(crate) fn blocks_of(source: &SourceSection, cache: &BlockCache) -> Result<Vec<Input>> {
    let SectionMeta { offset, rows, partition, min_seq, max_seq, blocks, .. } = &source.meta;
    let sections = source.file.sections(cache)?;
    let is_it = |blocks: &[BlockPlace]| blocks.first().is_some_and(|first| first.offset == *offset);
    let section = sections.iter().find(|section| is_it(&section.blocks));
    // Otherwise the manifest would refuse the output, each time.
    let section = section.filter(|section| {
        let metas = || section.blocks.iter().map(|place| &place.meta);
        section.key == *partition
            && section.blocks.len() == *blocks as usize
            && metas().map(|meta| u64::from(meta.rows)).sum::<u64>() == *rows
            && metas().map(|meta| meta.min_seq).min() == Some(*min_seq)
            && metas().map(|meta| meta.max_seq).max() == Some(*max_seq)
    });
    let Some(section) = section else {
        return Err(Corruption {
            file: source.file.path().to_path_buf(),
            offset: *offset,
            what: "segment footer",
            expected: format!(
                "a section of {partition} with {rows} events, {min_seq} to {max_seq}, in {blocks} \
                 blocks"
            ),
            found: "none".to_owned(),
        }
        .into());
    };
    let input = |place: &BlockPlace| Input {
        file: Arc::clone(&source.file),
        place: place.clone(),
        takes: None,
    };
    Ok(section.blocks.iter().map(input).collect())
}
