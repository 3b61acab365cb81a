//! A section: its blocks by their checksums and, deep, its events by the digests of their runs and
//! by what its filters or its index say of them.

use super::chain::hex;
use super::report::{Affected, Checked, Findings};
use crate::batch::Rows;
use crate::block::{self, Block, SharedSentences};
use crate::error::{Corruption, Error, Result};
use crate::index::{self, Filter, IndexCounts, SectionCheck, SegmentIndex};
use crate::io::File;
use crate::manifest::{Run, RunKey, Scar};
use crate::proof::{Pages, Recomputed, healed};
use crate::segment::{BlockPlace, INDEX_KIND, INDEX_VERSION, IndexPlace, Section, filter_of};
use std::collections::BTreeMap;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Where a section is, and how closely it is looked at.
pub(super) struct Place<'a> {
    pub(super) file: &'a Arc<dyn File>,
    pub(super) path: &'a Arc<Path>,
    /// Whether events are decoded.
    pub(super) is_deep: bool,
    /// What proves the rest of runs that purges took events out of; `None` without a manifest.
    pub(super) scars: Option<&'a BTreeMap<RunKey, Scar>>,
}

/// Verifies every block, the sentence list and the index of a section, which has these runs.
pub(super) fn check_section(
    place: &Place<'_>,
    section: &Section,
    runs: &[Run],
    checked: &mut Checked,
    findings: &mut Findings,
) {
    let path = place.path;
    let index =
        section.index.filter(|index| (index.kind, index.version) == (INDEX_KIND, INDEX_VERSION));
    let index = index.and_then(|index| {
        let opened = open_index(place, section, index);
        opened.map_err(|error| findings.error(path, error, events_of(section))).ok()
    });
    let list = section
        .list
        .map(|list| Arc::new(SharedSentences::new(Arc::clone(place.file), Arc::clone(path), list)));
    if let Some(Err(error)) = list.as_ref().map(|list| list.verify()) {
        findings.error(path, error, events_of(section));
    }
    let mut terms = index.as_ref().map(SectionCheck::new);
    let (run, damaged) = (Recomputed::default(), Vec::new());
    let mut digests = Digests { section, runs, run, damaged, scars: place.scars, scarred: None };
    digests.begin_run();
    let mut last_seq = None;
    for (number, at) in section.blocks.iter().enumerate() {
        let seqs = (at.meta.min_seq, at.meta.max_seq);
        let events = || Some(Affected::of(&section.key, seqs, u64::from(at.meta.rows)));
        if last_seq.is_some_and(|last| last >= seqs.0) {
            let expected = format!("events behind number {}", last_seq.unwrap_or_default());
            let found = format!("events from {} on", seqs.0);
            findings.damage(path, Some(at.offset), "block", expected, found, events());
        }
        last_seq = Some(seqs.1);
        let block = match read_block(place, at) {
            Ok(block) => block.with_list(list.clone()),
            Err(error) => {
                findings.error(path, error, events());
                digests.damaged.push(seqs);
                continue;
            }
        };
        checked.blocks += 1;
        if !place.is_deep {
            continue;
        }
        let rows = match block::decode(&block) {
            Ok(rows) => rows,
            Err(error) => {
                findings.error(path, error.placed(path, at.offset), events());
                digests.damaged.push(seqs);
                continue;
            }
        };
        checked.decoded += rows.len() as u64;
        digests.push(&rows, at, place, checked, findings);
        match missing_terms(&block, path, number, &rows, terms.as_mut()) {
            Ok(0) => {}
            Ok(missing) => {
                let what = if terms.is_some() { "segment index" } else { "block filter" };
                let offset = section.index.map_or(at.offset, |index| index.offset);
                let expected = format!("every term of the block at {}", at.offset);
                let found = format!("{missing} of them missing");
                findings.damage(path, Some(offset), what, expected, found, events());
            }
            Err(error) => findings.error(path, error.placed(path, at.offset), events()),
        }
    }
    if place.is_deep {
        digests.end(place, checked, findings);
    }
}

fn events_of(section: &Section) -> Option<Affected> {
    let (first, last) = (section.blocks.first()?, section.blocks.last()?);
    let rows = section.blocks.iter().map(|block| u64::from(block.meta.rows)).sum();
    Some(Affected::of(&section.key, (first.meta.min_seq, last.meta.max_seq), rows))
}

/// Reads a block and verifies all of its checksums.
fn read_block(place: &Place<'_>, at: &BlockPlace) -> Result<Block> {
    // The directory has checked that it lies in the file.
    let mut bytes = vec![0; at.meta.len as usize];
    place.file.read_exact_at(&mut bytes, at.offset).map_err(|e| match e.kind() {
        IoErrorKind::UnexpectedEof => Error::from(Corruption {
            file: place.path.to_path_buf(),
            offset: at.offset,
            what: "block",
            expected: format!("{} bytes", at.meta.len),
            found: "the end of the file".to_owned(),
        }),
        _ => Error::io("read", place.path, e),
    })?;
    block::verify(&bytes.into(), &at.meta, at.offset, place.path)
}

/// Opens the index of a section and verifies every page of it.
fn open_index(place: &Place<'_>, section: &Section, at: IndexPlace) -> Result<SegmentIndex> {
    let path = place.path;
    let range = at.offset..at.offset.saturating_add(at.len);
    let region = place.file.region(range).map_err(|e| Error::io("read", path, e))?;
    region.will_need(&(0..region.len()));
    let crc = region.read(crc32fast::hash).map_err(|e| Error::io("read", path, e))?;
    let counts = IndexCounts::default();
    let index = SegmentIndex::open(region, section.blocks.len(), path, at.offset, &counts)?;
    index.verify()?;
    if crc == at.crc {
        return Ok(index);
    }
    Err(Corruption {
        file: path.to_path_buf(),
        offset: at.offset,
        what: "segment index",
        expected: format!("CRC {:08x}", at.crc),
        found: format!("{crc:08x}"),
    }
    .into())
}

/// How many terms of the rows of a block neither its filter nor the index of its section has.
fn missing_terms(
    block: &Block,
    path: &Path,
    number: usize,
    rows: &Rows,
    terms: Option<&mut SectionCheck<'_>>,
) -> Result<u64> {
    let filter = filter_of(block, path)?;
    let by_filter = match filter {
        Filter::Everything => 0,
        filter => index::missing_terms(&filter, rows),
    };
    let by_index = match terms {
        Some(terms) => terms.missing(u32::try_from(number).unwrap_or(u32::MAX), rows)?,
        None => 0,
    };
    Ok(by_filter + by_index)
}

/// The digests of the runs of a section, as its rows pass by.
struct Digests<'a> {
    section: &'a Section,
    /// The runs that have not ended yet.
    runs: &'a [Run],
    run: Recomputed,
    /// The lowest and the highest number of each block that can't be read; that has been said.
    damaged: Vec<(u64, u64)>,
    scars: Option<&'a BTreeMap<RunKey, Scar>>,
    /// The scar of the first of the runs, and the pages of what is left of it.
    scarred: Option<(RunKey, &'a Scar, Pages)>,
}

impl Digests<'_> {
    /// The first of the runs passes by from now on.
    fn begin_run(&mut self) {
        let key = self.runs.first().map(|run| (self.section.key.clone(), run.generation));
        let scarred = key.zip(self.scars);
        self.scarred = scarred.and_then(|(key, scars)| {
            let scar = scars.get(&key)?;
            Some((key, scar, Pages::without(&scar.gone)))
        });
    }

    /// The events left of a run with a scar, and the pages that the manifest has of it, are those that
    /// were sealed.
    fn check_scar(&mut self) -> Option<(String, String)> {
        let (key, scar, pages) = self.scarred.take()?;
        let expected = format!("what a purge left of the run of digest {}", hex(&scar.digest));
        match healed(&key, scar, pages.finish()) {
            Ok(digest) if digest == scar.digest => None,
            Ok(digest) => Some((expected, format!("that of digest {}", hex(&digest)))),
            Err(found) => Some((expected, found)),
        }
    }

    /// The rows of the next block.
    fn push(
        &mut self,
        rows: &Rows,
        at: &BlockPlace,
        place: &Place<'_>,
        checked: &mut Checked,
        findings: &mut Findings,
    ) {
        let seq = |row: usize| rows.seq(row).0;
        let mut row = 0;
        while row < rows.len() {
            let Some(run) = self.runs.first() else { break };
            if seq(row) >= run.seqs.end {
                self.end_run(place, checked, findings);
                continue;
            }
            if seq(row) < run.seqs.start {
                break;
            }
            let end = (row..rows.len()).find(|row| seq(*row) >= run.seqs.end);
            let end = end.unwrap_or(rows.len());
            self.run.push(rows, row..end);
            if let Some((.., pages)) = &mut self.scarred {
                pages.push(rows, row..end);
            }
            row = end;
        }
        if row < rows.len() {
            let expected = "events of the runs of its section";
            let found = format!("number {}, which is in none of them", seq(row));
            let events = Affected::of(
                &self.section.key,
                (seq(row), at.meta.max_seq),
                (rows.len() - row) as u64,
            );
            findings.damage(place.path, Some(at.offset), "block", expected, found, Some(events));
        }
    }

    /// The last block has passed by.
    fn end(&mut self, place: &Place<'_>, checked: &mut Checked, findings: &mut Findings) {
        while !self.runs.is_empty() {
            self.end_run(place, checked, findings);
        }
    }

    fn end_run(&mut self, place: &Place<'_>, checked: &mut Checked, findings: &mut Findings) {
        let Some((run, rest)) = self.runs.split_first() else { return };
        self.runs = rest;
        let rows = self.run.rows();
        let digest = self.run.finish(&self.section.key, run.generation);
        let scar = self.check_scar();
        self.begin_run();
        let touches = |(first, last): &(u64, u64)| *first < run.seqs.end && *last >= run.seqs.start;
        if self.damaged.iter().any(touches) {
            return;
        }
        let what = format!("run of generation {}", run.generation);
        let key = &self.section.key;
        let events =
            || Some(Affected::of(key, (run.seqs.start, run.seqs.end.saturating_sub(1)), run.rows));
        let offset = self.section.blocks.first().map(|first| first.offset);
        if rows != run.rows {
            let (expected, found) = (format!("{} events", run.rows), format!("{rows} events"));
            return findings.damage(place.path, offset, &what, expected, found, events());
        }
        if let Some((expected, found)) = scar {
            findings.damage(place.path, offset, &what, expected, found, events());
        }
        match run.digest {
            None => checked.runs_without_digest += 1,
            Some(expected) if expected == digest => checked.digests += 1,
            Some(expected) => {
                let expected = format!("events of digest {}", hex(&expected));
                let found = format!("events of digest {}", hex(&digest));
                findings.damage(place.path, offset, &what, expected, found, events());
            }
        }
    }
}
