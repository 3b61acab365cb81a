//! What the manifest knows, and what edits do to it.

use super::edit::Edit;
use crate::limits::{
    FILE_COLUMN_NAME_BYTES_MAX, FILE_COLUMN_NAMES_BYTES_MAX, FILE_COLUMN_NAMES_MAX,
};
use crate::partition::PartitionKey;
use std::collections::BTreeMap;
use std::ops::Range;

/// Generations stay at or below this, so that counting on never overflows.
const GENERATION_MAX: u64 = u64::MAX >> 1;

/// The store as of the last edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManifestState {
    /// Random, from the creation of the store on.
    pub(crate) store_uuid: [u8; 16],
    /// New and random at creation, restore and clone: part of every event's public id.
    pub(crate) incarnation: u16,
    /// The last generation that is in files. Its log is not needed.
    pub(crate) committed_generation: Option<u64>,
    /// The first sequence number that is in no file. Counts from 1.
    pub(crate) next_seq: u64,
    /// The latest time that the store has seen, in nanoseconds since the epoch.
    pub(crate) clock_high_water: i64,
    /// Files by generation.
    pub(crate) files: BTreeMap<u64, FileMeta>,
    /// What was dropped, in the order in which it was.
    pub(crate) tombstones: Vec<Tombstone>,
}

/// A level-0 file: what one flush wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileMeta {
    /// The last generation in it; also its name.
    pub(crate) generation: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// The sequence numbers of its generations, whether live or dropped.
    pub(crate) seqs: Range<u64>,
    /// BLAKE3 of the whole file.
    pub(crate) checksum: Option<[u8; 32]>,
    /// Its live sections, in order of their offset.
    pub(crate) sections: Vec<SectionMeta>,
    /// The column names in it as people type them, rising (see [`FileMeta::pick_columns`]).
    pub(crate) columns: Vec<String>,
}

/// The blocks of one partition in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SectionMeta {
    /// The partition.
    pub(crate) partition: PartitionKey,
    /// Where the section begins in the file; what it is named by within its file.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// The number of blocks.
    pub(crate) blocks: u32,
    /// The number of events.
    pub(crate) rows: u64,
    /// The earliest timestamp, in nanoseconds since the epoch.
    pub(crate) min_ts: i64,
    /// The latest timestamp.
    pub(crate) max_ts: i64,
    /// The lowest sequence number.
    pub(crate) min_seq: u64,
    /// The highest sequence number.
    pub(crate) max_seq: u64,
    /// The levels in it: bit `1 << code`.
    pub(crate) levels: u8,
    /// The bytes of its events in memory.
    pub(crate) raw_bytes: u64,
    /// The digest of its run; none in files of versions before there were any.
    pub(crate) run_digest: Option<[u8; 32]>,
}

/// A section that is gone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The file that it was in.
    pub(crate) generation: u64,
    /// The section.
    pub(crate) section: SectionMeta,
    /// Why it was dropped, for people.
    pub(crate) reason: String,
}

impl ManifestState {
    /// The state of a new store.
    pub(super) fn new(store_uuid: [u8; 16], incarnation: u16, now: i64) -> Self {
        Self {
            store_uuid,
            incarnation,
            committed_generation: None,
            next_seq: 1,
            clock_high_water: now,
            files: BTreeMap::new(),
            tombstones: Vec::new(),
        }
    }

    /// Whether the invariants hold, all of them.
    pub(crate) fn check(&self) -> Result<(), String> {
        let committed = self.committed_generation.unwrap_or(0);
        if committed > GENERATION_MAX || self.next_seq == 0 {
            return Err(format!("generation {committed}, sequence number {}", self.next_seq));
        }
        let mut dropped: BTreeMap<u64, Vec<&SectionMeta>> = BTreeMap::new();
        for gone in &self.tombstones {
            dropped.entry(gone.generation).or_default().push(&gone.section);
        }
        let mut end = 1;
        for (generation, file) in &self.files {
            if *generation != file.generation || *generation > committed || file.seqs.start < end {
                return Err(format!("file {} after {end}, committed {committed}", file.generation));
            }
            end = file.seqs.end;
            file.check()?;
            let gone = dropped.remove(generation).unwrap_or_default();
            check_rows(file.sections.iter().chain(gone), &file.seqs)?;
        }
        if end > self.next_seq {
            return Err(format!("files up to {end}, next is {}", self.next_seq));
        }
        Ok(())
    }

    /// Whether the edit may follow.
    pub(super) fn check_edit(&self, edit: &Edit) -> Result<(), String> {
        match edit {
            Edit::Snapshot(_) => Err("a snapshot behind other edits".to_owned()),
            Edit::AddFile { file, .. } => {
                let committed = self.committed_generation.unwrap_or(0);
                if file.generation <= committed || file.generation > GENERATION_MAX {
                    return Err(format!("generation {} after {committed}", file.generation));
                }
                if file.seqs.start != self.next_seq {
                    return Err(format!(
                        "events from {} on, not {}",
                        file.seqs.start, self.next_seq
                    ));
                }
                file.check()?;
                check_rows(file.sections.iter(), &file.seqs)
            }
            Edit::DropSections { file, sections, .. } => {
                let Some(live) = self.files.get(file) else {
                    return Err(format!("sections of file {file}, which is not live"));
                };
                let mut offsets = sections.clone();
                offsets.sort_unstable();
                offsets.dedup();
                let known = |offset: &u64| live.sections.iter().any(|live| live.offset == *offset);
                if offsets.len() != sections.len() || !offsets.iter().all(known) {
                    return Err(format!("sections {sections:?} of file {file}"));
                }
                Ok(())
            }
        }
    }

    /// Makes the edit, which [`ManifestState::check_edit`] has approved.
    pub(super) fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::Snapshot(state) => *self = state,
            Edit::AddFile { file, clock_high_water } => {
                self.committed_generation = Some(file.generation);
                self.next_seq = file.seqs.end;
                self.clock_high_water = self.clock_high_water.max(clock_high_water);
                self.files.insert(file.generation, file);
            }
            Edit::DropSections { file: generation, sections, reason } => {
                let Some(file) = self.files.get_mut(&generation) else { return };
                let gone = file.sections.extract_if(.., |live| sections.contains(&live.offset));
                self.tombstones.extend(gone.map(|section| Tombstone {
                    generation,
                    section,
                    reason: reason.clone(),
                }));
                if file.sections.is_empty() {
                    self.files.remove(&generation);
                }
            }
        }
    }
}

impl FileMeta {
    /// The names of `all`, rising, that a file keeps in the manifest.
    pub(crate) fn pick_columns(all: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut bytes = 0;
        all.into_iter()
            .filter(|name| name.len() <= FILE_COLUMN_NAME_BYTES_MAX)
            .take(FILE_COLUMN_NAMES_MAX)
            .take_while(|name| {
                bytes += name.len();
                bytes <= FILE_COLUMN_NAMES_BYTES_MAX
            })
            .collect()
    }

    /// Whether the file may have a column of this name.
    pub(crate) fn may_have_column(&self, name: &str) -> bool {
        let bytes = || self.columns.iter().map(String::len).sum::<usize>();
        self.columns.binary_search_by(|column| (**column).cmp(name)).is_ok()
            || name.len() > FILE_COLUMN_NAME_BYTES_MAX
            || self.columns.len() == FILE_COLUMN_NAMES_MAX
            || bytes() > FILE_COLUMN_NAMES_BYTES_MAX - FILE_COLUMN_NAME_BYTES_MAX
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("file {}: {what}", self.generation));
        if self.generation == 0 || self.seqs.start == 0 || self.seqs.is_empty() {
            return wrong(format!("events {:?}", self.seqs));
        }
        if self.sections.is_empty() || self.columns.len() > FILE_COLUMN_NAMES_MAX {
            let (sections, columns) = (self.sections.len(), self.columns.len());
            return wrong(format!("{sections} sections, {columns} columns"));
        }
        let mut end = 0;
        for section in &self.sections {
            let SectionMeta { offset, len, .. } = section;
            let section_end = offset.checked_add(*len).filter(|end| *end <= self.len);
            let Some(section_end) = section_end.filter(|_| *offset >= end) else {
                return wrong(format!("a section at {offset} of {len} bytes behind {end}"));
            };
            end = section_end;
            section.check(&self.seqs).or_else(wrong)?;
        }
        Ok(())
    }
}

impl SectionMeta {
    fn check(&self, seqs: &Range<u64>) -> Result<(), String> {
        let Self { rows, blocks, min_seq, max_seq, min_ts, max_ts, .. } = self;
        let inside = seqs.contains(min_seq) && seqs.contains(max_seq) && min_seq <= max_seq;
        if *rows == 0 || *blocks == 0 || u64::from(*blocks) > *rows || min_ts > max_ts || !inside {
            return Err(format!(
                "a section of {rows} events in {blocks} blocks, sequence numbers {min_seq} to \
                 {max_seq}, times {min_ts} to {max_ts}"
            ));
        }
        if *rows - 1 > max_seq - min_seq {
            return Err(format!("{rows} events of numbers {min_seq} to {max_seq}"));
        }
        Ok(())
    }
}

/// `M3`: no event is missing, and none is there twice.
fn check_rows<'a>(
    sections: impl Iterator<Item = &'a SectionMeta>,
    seqs: &Range<u64>,
) -> Result<(), String> {
    let rows = sections.map(|section| u128::from(section.rows)).sum::<u128>();
    if rows == u128::from(seqs.end - seqs.start) {
        return Ok(());
    }
    Err(format!("{rows} events in the sections of {seqs:?}"))
}
