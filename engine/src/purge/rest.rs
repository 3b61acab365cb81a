//! What is left of a section without some of its events: the blocks to copy, the runs, their scars.

use super::rule::REASON;
use crate::batch::Rows;
use crate::block;
use crate::compact::{Input, SourceSection, blocks_of};
use crate::error::{Corruption, Result};
use crate::manifest::{Range64, Run, RunKey, Scar, SectionMeta, Tombstone};
use crate::partition::PartitionKey;
use crate::proof::{Pages, Positions, Recomputed, healed, scar_of};
use crate::segment::BlockCache;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A section without some of its events.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) partition: PartitionKey,
    /// The blocks to be written; none if nothing is left.
    pub(crate) inputs: Vec<Input>,
    /// The runs of which something is left.
    pub(crate) runs: Vec<Run>,
    /// What is gone, if something is: it says nothing of the events but how many they were.
    pub(crate) gone: Option<SectionMeta>,
    /// What proves the rest of the runs.
    pub(crate) scars: BTreeMap<RunKey, Scar>,
}

/// What is left of a section when the events of these numbers go, which rise; `None` are all of them.
/// `scars` are those that runs have already.
///
/// # Errors
/// `Corrupt` also if a run is not what was sealed: a purge must not make it look sound. `Io`.
pub(crate) fn rest_of(
    source: &SourceSection,
    gone: Option<&[Range64]>,
    scars: &BTreeMap<RunKey, Scar>,
    cache: &BlockCache,
) -> Result<Rest> {
    let SectionMeta { partition, runs, .. } = &source.meta;
    let key = |run: &Run| (partition.clone(), run.generation);
    let mut rest = Rest {
        partition: partition.clone(),
        inputs: Vec::new(),
        runs: Vec::new(),
        gone: None,
        scars: BTreeMap::new(),
    };
    let Some(gone) = gone else {
        let sealed = |run: &Run| Run {
            digest: scars.get(&key(run)).map(|scar| scar.digest).or(run.digest),
            ..run.clone()
        };
        let seqs = (source.meta.min_seq, source.meta.max_seq);
        rest.gone = Some(blank(&source.meta, seqs, runs.iter().map(sealed).collect()));
        return Ok(rest);
    };
    let blocks = blocks_of(source, cache)?;
    let mut lost = Vec::new();
    for run in runs {
        let of_run = overlap(gone, run.seqs);
        if of_run.is_empty() {
            rest.runs.push(run.clone());
            continue;
        }
        let old = scars.get(&key(run));
        let work = RunWork { blocks: &blocks, run, gone: &of_run, cache };
        let (left, scar) = work.without(source, old)?;
        let digest = old.map(|scar| scar.digest).or(run.digest);
        lost.push(Run {
            rows: run.rows - left.as_ref().map_or(0, |left| left.rows),
            digest,
            ..run.clone()
        });
        rest.runs.extend(left);
        rest.scars.extend(scar.map(|scar| (key(run), scar)));
    }
    if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
        rest.gone = Some(blank(&source.meta, (first.start, last.end - 1), lost));
    }
    rest.inputs = inputs_without(blocks, gone);
    Ok(rest)
}

impl Rest {
    /// What the manifest keeps of the events that are gone.
    pub(crate) fn tombstone(
        &self,
        file: crate::manifest::FileId,
        reason: &str,
    ) -> Option<Tombstone> {
        let section = self.gone.clone()?;
        Some(Tombstone { file, section, reason: reason.to_owned() })
    }
}

/// Whether a tombstone is of events that an exact purge took.
pub(crate) fn is_erasure(gone: &Tombstone) -> bool {
    gone.section.len == 0 && gone.reason.starts_with(REASON)
}

/// `P4`: an entry of events of which nothing is told but how many there were.
fn blank(section: &SectionMeta, (min_seq, max_seq): (u64, u64), runs: Vec<Run>) -> SectionMeta {
    SectionMeta {
        partition: section.partition.clone(),
        offset: section.offset,
        len: 0,
        blocks: 0,
        rows: runs.iter().map(|run| run.rows).sum(),
        min_ts: 0,
        max_ts: 0,
        min_seq,
        max_seq,
        levels: 0,
        raw_bytes: 0,
        runs,
    }
}

/// The parts of ranges, which rise, that lie in one.
fn overlap(ranges: &[Range64], within: Range64) -> Vec<Range64> {
    let first = ranges.partition_point(|range| range.end <= within.start);
    let touching = ranges[first..].iter().take_while(|range| range.start < within.end);
    touching
        .map(|range| Range64 {
            start: range.start.max(within.start),
            end: range.end.min(within.end),
        })
        .collect()
}

/// The blocks that have an event that stays. Of those that lose some, what is taken is said.
fn inputs_without(blocks: Vec<Input>, gone: &[Range64]) -> Vec<Input> {
    let without = |mut input: Input| {
        let meta = &input.place.meta;
        let all = Range64 { start: meta.min_seq, end: meta.max_seq + 1 };
        let lost = overlap(gone, all);
        if lost.is_empty() {
            return Some(input);
        }
        let starts = std::iter::once(all.start).chain(lost.iter().map(|range| range.end));
        let ends = lost.iter().map(|range| range.start).chain([all.end]);
        let kept = starts.zip(ends).map(|(start, end)| Range64 { start, end });
        let kept: Arc<[Range64]> = kept.filter(|range| range.start < range.end).collect();
        input.takes = Some(kept);
        Some(input).filter(|input| input.takes.as_ref().is_some_and(|kept| !kept.is_empty()))
    };
    blocks.into_iter().filter_map(without).collect()
}

/// One run that loses events.
struct RunWork<'a> {
    blocks: &'a [Input],
    run: &'a Run,
    gone: &'a [Range64],
    cache: &'a BlockCache,
}

impl RunWork<'_> {
    /// What is left of it, and the scar.
    fn without(
        &self,
        source: &SourceSection,
        old: Option<&Scar>,
    ) -> Result<(Option<Run>, Option<Scar>)> {
        let run = self.run;
        let before: &[Range64] = old.map_or(&[], |old| &old.gone);
        let gone = self.positions(before)?;
        let sealed = match old {
            Some(old) => Some((old.rows, old.digest)),
            None => run.digest.map(|digest| (run.rows, digest)),
        };
        let (mut was, mut is) = (Pages::without(before), Pages::without(&gone));
        let mut left = Recomputed::default();
        self.each(|rows, range| {
            was.push(rows, range.clone());
            for kept in self.kept(rows, range) {
                is.push(rows, kept.clone());
                left.push(rows, kept);
            }
        })?;
        let rows = left.rows();
        let partition = &source.meta.partition;
        let digest = run.digest.map(|_| left.finish(partition, run.generation));
        let run_left = (rows > 0).then(|| Run { rows, digest, ..run.clone() });
        let Some((rows, digest)) = sealed else { return Ok((run_left, None)) };
        let (was, is) = (was.finish(), is.finish());
        let scar = scar_of((rows, digest), gone, (&was, &is), old);
        let key = (partition.clone(), run.generation);
        let check = |found: Result<[u8; 32], String>| match found {
            Ok(found) if found == digest => Ok(()),
            found => Err(Corruption {
                file: source.file.path().to_path_buf(),
                offset: source.meta.offset,
                what: "run",
                expected: format!("the events that generation {} was sealed with", run.generation),
                found: found.err().unwrap_or_else(|| "others".to_owned()),
            }),
        };
        // Of a page that has a scar the new one only says what is found in it now: first it has to be what
        // the purge before left.
        if let Some(old) = old {
            check(healed(&key, old, was))?;
        }
        check(healed(&key, &scar, is))?;
        Ok((run_left.clone(), run_left.map(|_| scar)))
    }

    /// The positions that are gone, those of before too.
    fn positions(&self, before: &[Range64]) -> Result<Vec<Range64>> {
        let mut gone = before.to_vec();
        let mut positions = Positions::without(before);
        self.each(|rows, range| {
            for row in range {
                let at = positions.next();
                positions.pass(1);
                if !self.is_gone(rows.seq(row).0) {
                    continue;
                }
                match gone.last_mut().filter(|last| last.end == at) {
                    Some(last) => last.end += 1,
                    None => gone.push(Range64 { start: at, end: at + 1 }),
                }
            }
        })?;
        gone.sort_unstable();
        let mut joined: Vec<Range64> = Vec::with_capacity(gone.len());
        for range in gone {
            match joined.last_mut().filter(|last| last.end >= range.start) {
                Some(last) => last.end = last.end.max(range.end),
                None => joined.push(range),
            }
        }
        Ok(joined)
    }

    fn is_gone(&self, seq: u64) -> bool {
        let at = self.gone.partition_point(|range| range.end <= seq);
        self.gone.get(at).is_some_and(|range| range.contains(seq))
    }

    /// The stretches of rows that stay.
    fn kept(&self, rows: &Rows, range: Range<usize>) -> Vec<Range<usize>> {
        let mut kept: Vec<Range<usize>> = Vec::new();
        for row in range.filter(|row| !self.is_gone(rows.seq(*row).0)) {
            match kept.last_mut().filter(|last| last.end == row) {
                Some(last) => last.end += 1,
                None => kept.push(row..row + 1),
            }
        }
        kept
    }

    /// The rows of the run, in order.
    fn each(&self, mut visit: impl FnMut(&Rows, Range<usize>)) -> Result<()> {
        let seqs = self.run.seqs;
        let mut blocks: Vec<&Input> = self.blocks.iter().collect();
        blocks.sort_unstable_by_key(|input| input.place.meta.min_seq);
        let touches = |input: &&Input| {
            input.place.meta.max_seq >= seqs.start && input.place.meta.min_seq < seqs.end
        };
        for input in blocks.into_iter().filter(touches) {
            let bytes: Arc<[u8]> = input.file.block_bytes(&input.place)?.into();
            let place = &input.place;
            let block = block::verify(&bytes, &place.meta, place.offset, input.file.path())?
                .with_list(input.file.list(place, self.cache));
            let rows = block::decode(&block)
                .map_err(|error| error.placed(input.file.path(), place.offset))?;
            let before = |seq: u64| {
                rows.seq_offsets.partition_point(|at| rows.base_seq + u64::from(*at) < seq)
            };
            visit(&rows, before(seqs.start)..before(seqs.end));
        }
        Ok(())
    }
}
