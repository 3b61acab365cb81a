//! What the manifest knows, and what edits do to it.

use super::edit::Edit;
use super::file::{FileId, FileMeta, Range64, Run, SectionMeta, Tombstone};
use super::scar::{RunKey, Scar};
use crate::partition::PartitionKey;
use crate::retention::{Change, Ledger};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Generations, file numbers and sequence numbers stay at or below this, so that counting on never
/// overflows.
pub(crate) const NUMBER_MAX: u64 = u64::MAX >> 1;

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
    /// The number of the next segment or pack. Counts from 1.
    pub(crate) next_file: u64,
    /// The latest time that the store has seen, in nanoseconds since the epoch.
    pub(crate) clock_high_water: i64,
    /// Files by name.
    pub(crate) files: BTreeMap<FileId, Arc<FileMeta>>,
    /// What was dropped, in the order in which it was.
    pub(crate) tombstones: Vec<Tombstone>,
    /// The rules of classes, and what is held.
    pub(crate) retention: Ledger,
    /// What proves the rest of runs that an exact purge took events out of.
    pub(crate) scars: BTreeMap<RunKey, Scar>,
    /// Those of the files whose bytes are in the archive only: that they are not on the disk is no
    /// damage.
    pub(crate) evicted: BTreeSet<FileId>,
}

impl ManifestState {
    /// The state of a new store.
    pub(crate) fn new(store_uuid: [u8; 16], incarnation: u16, now: i64) -> Self {
        Self {
            store_uuid,
            incarnation,
            committed_generation: None,
            next_seq: 1,
            next_file: 1,
            clock_high_water: now,
            files: BTreeMap::new(),
            tombstones: Vec::new(),
            retention: Ledger::default(),
            scars: BTreeMap::new(),
            evicted: BTreeSet::new(),
        }
    }

    /// Whether the invariants hold, all of them.
    pub(crate) fn check(&self) -> Result<(), String> {
        let committed = self.committed_generation.unwrap_or(0);
        if committed > NUMBER_MAX || self.next_seq == 0 || self.next_seq > NUMBER_MAX {
            return Err(format!("generation {committed}, sequence number {}", self.next_seq));
        }
        if self.next_file == 0 || self.next_file > NUMBER_MAX {
            return Err(format!("file {} is next", self.next_file));
        }
        for (id, file) in &self.files {
            let known = match id {
                FileId::LevelZero(generation) => *generation <= committed,
                FileId::Segment(number) | FileId::Pack(number) => *number < self.next_file,
            };
            if *id != file.id || !known {
                return Err(format!("{} before its time", file.id));
            }
            file.check()?;
        }
        self.retention.check()?;
        self.evicted.iter().try_for_each(|file| self.check_archived(*file))?;
        self.check_generations(committed)
    }

    /// `M3`: no event of any generation is missing, and none is there twice.
    fn check_generations(&self, committed: u64) -> Result<(), String> {
        let mut generations: BTreeMap<u64, (Range64, u128)> = BTreeMap::new();
        let live = self.files.values().flat_map(|file| &file.sections);
        let gone = self.tombstones.iter().map(|gone| &gone.section);
        for run in live.chain(gone).flat_map(|section| &section.runs) {
            let (seqs, rows) = generations.entry(run.generation).or_insert((run.seqs, 0));
            if *seqs != run.seqs {
                return Err(format!(
                    "generation {} of {seqs:?} and {:?}",
                    run.generation, run.seqs
                ));
            }
            *rows += u128::from(run.rows);
        }
        let mut end = 1;
        for (generation, (seqs, rows)) in generations {
            if generation > committed || seqs.start < end {
                return Err(format!("generation {generation} behind {end}, committed {committed}"));
            }
            if rows != u128::from(seqs.len()) {
                return Err(format!("{rows} events of generation {generation}, of {seqs:?}"));
            }
            end = seqs.end;
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
            Edit::AddFile { file, .. } => self.check_added(file),
            Edit::DropSections { removed, .. } => self.all_removed(removed).map(drop),
            Edit::Retention { change, .. } => self.retention.check_change(change),
            Edit::Evict { files, .. } => self.check_evicted(files),
            Edit::Replace { added, removed } => self.check_replaced(added, removed),
            Edit::Purge { added, removed, gone, scars, .. } => {
                self.check_purged((added, removed), gone, scars)
            }
        }
    }

    /// Whether the file can be told from any other by its hash, and is never written anew.
    fn check_archived(&self, file: FileId) -> Result<(), String> {
        match self.files.get(&file) {
            Some(live) if live.checksum.is_some() && !file.is_level_zero() => Ok(()),
            _ => Err(format!("{file} in the archive only")),
        }
    }

    fn check_evicted(&self, files: &[FileId]) -> Result<(), String> {
        let once: BTreeSet<_> = files.iter().collect();
        if once.len() != files.len() || files.iter().any(|file| self.evicted.contains(file)) {
            return Err("a file in the archive only twice".to_owned());
        }
        files.iter().try_for_each(|file| self.check_archived(*file))
    }

    fn check_added(&self, file: &FileMeta) -> Result<(), String> {
        let committed = self.committed_generation.unwrap_or(0);
        match file.id {
            FileId::LevelZero(generation) if generation > committed && generation <= NUMBER_MAX => {
            }
            id => return Err(format!("{id} after generation {committed}")),
        }
        if file.seqs.start != self.next_seq {
            return Err(format!("events from {} on, not {}", file.seqs.start, self.next_seq));
        }
        if file.seqs.end > NUMBER_MAX {
            return Err(format!("events up to {}", file.seqs.end));
        }
        file.check()?;
        let rows = file.sections.iter().map(|section| u128::from(section.rows)).sum::<u128>();
        if rows == u128::from(file.seqs.end - file.seqs.start) {
            return Ok(());
        }
        Err(format!("{rows} events in the sections of {:?}", file.seqs))
    }

    /// The live sections of `file` at `offsets`: all of them are there, each is named once.
    fn removed(&self, file: FileId, offsets: &[u64]) -> Result<Vec<&SectionMeta>, String> {
        let Some(live) = self.files.get(&file) else {
            return Err(format!("sections of {file}, which is not live"));
        };
        let mut once = offsets.to_vec();
        once.sort_unstable();
        once.dedup();
        let sections: Vec<_> = once.iter().filter_map(|offset| live.section(*offset)).collect();
        if sections.len() == offsets.len() {
            return Ok(sections);
        }
        Err(format!("sections {offsets:?} of {file}"))
    }

    /// The same of several files, each named once.
    fn all_removed(&self, removed: &[(FileId, Vec<u64>)]) -> Result<Vec<&SectionMeta>, String> {
        let mut files: Vec<FileId> = removed.iter().map(|(file, _)| *file).collect();
        files.sort_unstable();
        if !files.is_sorted_by(|a, b| a < b) {
            return Err("a file twice".to_owned());
        }
        let mut gone = Vec::new();
        for (file, offsets) in removed {
            gone.extend(self.removed(*file, offsets)?);
        }
        Ok(gone)
    }

    /// What is added has the runs of what is removed, partition by partition.
    fn check_replaced(
        &self,
        added: &[FileMeta],
        removed: &[(FileId, Vec<u64>)],
    ) -> Result<(), String> {
        self.check_numbers(added)?;
        let gone = self.all_removed(removed)?;
        let new = runs_of(added.iter().flat_map(|file| &file.sections));
        if new != runs_of(gone) {
            return Err("other events than those replaced".to_owned());
        }
        Ok(())
    }

    /// What is added and what is gone have, run by run, the events of what is removed; a run of which
    /// something is left keeps its digest, or has a scar.
    fn check_purged(
        &self,
        (added, removed): (&[FileMeta], &[(FileId, Vec<u64>)]),
        gone: &[Tombstone],
        scars: &BTreeMap<RunKey, Scar>,
    ) -> Result<(), String> {
        self.check_numbers(added)?;
        let before = one_each(self.all_removed(removed)?)?;
        let after = one_each(added.iter().flat_map(|file| &file.sections))?;
        let lost = one_each(gone.iter().map(|gone| &gone.section))?;
        let keys: BTreeSet<_> = after.keys().chain(lost.keys()).chain(before.keys()).collect();
        for key in keys {
            let (old, left, lost) = (before.get(key), after.get(key), lost.get(key));
            let Some(old) = old else { return Err("events that were not there".to_owned()) };
            let rows = |run: Option<&&Run>| run.map_or(0, |run| run.rows);
            let sum = rows(left).checked_add(rows(lost));
            let seqs = left.into_iter().chain(lost).all(|run| run.seqs == old.seqs);
            if sum != Some(old.rows) || !seqs {
                return Err(format!("other events of generation {} than before", key.1));
            }
            let scar = scars.get(&(PartitionKey::clone(key.0), key.1));
            let sound = match (left, lost, old.digest) {
                (Some(left), None, digest) => left.digest == digest && scar.is_none(),
                (Some(left), Some(_), None) => left.digest.is_none() && scar.is_none(),
                (Some(left), Some(_), Some(_)) => scar.is_some_and(|scar| {
                    left.digest.is_some()
                        && scar.rows.checked_sub(scar.rows_gone()) == Some(left.rows)
                }),
                (None, ..) => scar.is_none(),
            };
            if !sound {
                return Err(format!("no proof for the rest of generation {}", key.1));
            }
        }
        let known = |key: &RunKey| before.contains_key(&(&key.0, key.1));
        if !scars.keys().all(known) {
            return Err("scars of other runs".to_owned());
        }
        scars.values().try_for_each(Scar::check)
    }

    /// What is added is sound, and its numbers rise from the next one on.
    fn check_numbers(&self, added: &[FileMeta]) -> Result<(), String> {
        let mut next = self.next_file;
        for file in added {
            match file.id {
                FileId::Segment(number) | FileId::Pack(number)
                    if number >= next && number < NUMBER_MAX =>
                {
                    next = number + 1;
                }
                id => return Err(format!("{id}, where file {next} is next")),
            }
            file.check()?;
        }
        Ok(())
    }

    /// Makes the edit, which [`ManifestState::check_edit`] has approved.
    pub(super) fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::Snapshot(state) => *self = state,
            Edit::AddFile { file, clock_high_water } => {
                self.committed_generation = Some(file.id.number());
                self.next_seq = file.seqs.end;
                self.clock_high_water = self.clock_high_water.max(clock_high_water);
                self.files.insert(file.id, Arc::new(file));
            }
            Edit::DropSections { removed, reason, clock_high_water } => {
                self.clock_high_water = self.clock_high_water.max(clock_high_water);
                for (file, offsets) in removed {
                    let gone = self.take_sections(file, &offsets);
                    self.tombstones.extend(gone.into_iter().map(|section| Tombstone {
                        file,
                        section,
                        reason: reason.clone(),
                    }));
                }
            }
            Edit::Retention { change, clock_high_water } => {
                self.clock_high_water = match change {
                    Change::Trust => clock_high_water,
                    _ => self.clock_high_water.max(clock_high_water),
                };
                self.retention.apply(change);
            }
            Edit::Replace { added, removed } => self.replace(added, removed),
            Edit::Purge { added, removed, gone, scars, clock_high_water } => {
                self.clock_high_water = self.clock_high_water.max(clock_high_water);
                self.replace(added, removed);
                self.tombstones.extend(gone);
                self.scars.extend(scars);
            }
            Edit::Evict { files, clock_high_water } => {
                self.clock_high_water = self.clock_high_water.max(clock_high_water);
                self.evicted.extend(files);
            }
        }
    }

    fn replace(&mut self, added: Vec<FileMeta>, removed: Vec<(FileId, Vec<u64>)>) {
        for (file, sections) in removed {
            self.take_sections(file, &sections);
        }
        for file in added {
            self.next_file = file.id.number() + 1;
            self.files.insert(file.id, Arc::new(file));
        }
    }

    /// Takes sections out of a file. The file goes with its last one.
    fn take_sections(&mut self, id: FileId, offsets: &[u64]) -> Vec<SectionMeta> {
        let Some(file) = self.files.get_mut(&id) else { return Vec::new() };
        let mut offsets = offsets.to_vec();
        offsets.sort_unstable();
        let is_gone = |live: &mut SectionMeta| offsets.binary_search(&live.offset).is_ok();
        let file = Arc::make_mut(file);
        let gone = file.sections.extract_if(.., is_gone).collect();
        if file.sections.is_empty() {
            self.files.remove(&id);
            self.evicted.remove(&id);
        }
        gone
    }
}

/// The runs of sections by partition and generation, each of which is in one section.
fn one_each<'a>(
    sections: impl IntoIterator<Item = &'a SectionMeta>,
) -> Result<BTreeMap<(&'a PartitionKey, u64), &'a Run>, String> {
    let mut runs = BTreeMap::new();
    for section in sections {
        for run in &section.runs {
            if runs.insert((&section.partition, run.generation), run).is_some() {
                return Err(format!(
                    "generation {} of {} twice",
                    run.generation, section.partition
                ));
            }
        }
    }
    Ok(runs)
}

/// The runs of each partition, in order; a run that is there twice is there twice.
fn runs_of<'a>(
    sections: impl IntoIterator<Item = &'a SectionMeta>,
) -> BTreeMap<&'a PartitionKey, Vec<&'a Run>> {
    let mut runs: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for section in sections {
        runs.entry(&section.partition).or_default().extend(&section.runs);
    }
    runs.values_mut().for_each(|runs| runs.sort_unstable());
    runs
}
