//! Exact purges: what is left of the files that are touched is written anew, and one edit takes the place
//! of all of them.

use super::touched::touched_files;
use super::{Found, Plan, Wanted};
use crate::compact::{self, Failure, Part, Place, SourceSection};
use crate::engine::space::check_room;
use crate::engine::state::{LiveFile, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Edit, FileId, FileMeta, RunKey, Scar, Tombstone};
use crate::pool::{Consumer, Reservation};
use crate::purge::{Rest, rest_of};
use crate::timestamp::Day;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The edit of an exact purge, and what was written for it.
pub(super) struct Rewritten {
    edit: Edit,
    outputs: Vec<FileId>,
}

/// Writes what is left of the files that a plan touches.
pub(super) fn rewrite(
    shared: &Arc<Shared>,
    plan: &Plan,
    wanted: &Wanted<'_>,
) -> Result<Option<Rewritten>> {
    let reason = wanted.rule.reason();
    let files = Arc::clone(&shared.state().files);
    let touched = touched_files(shared, &files, &plan.found, wanted)?;
    if touched.is_empty() {
        return Ok(None);
    }
    check_room(shared, touched.iter().map(|file| output_bytes_max(&file.meta)).sum())?;
    let manifest = shared.manifest();
    let (mut number, old) = (manifest.state().next_file, manifest.state().scars.clone());
    drop(manifest);
    let gone: BTreeMap<(FileId, u64), &Found> =
        plan.found.iter().map(|found| (found.place(), found)).collect();
    let mut work = Work {
        found: &gone,
        old: &old,
        reason: &reason,
        added: Vec::new(),
        removed: Vec::new(),
        tombstones: Vec::new(),
        scars: BTreeMap::new(),
    };
    for file in touched {
        // None of it is named by an edit.
        let done = work.file(shared, wanted, file, &mut number);
        done.inspect_err(|_| forget(shared, &work.added))?;
    }
    let Work { added, removed, tombstones: gone, scars, .. } = work;
    let outputs = added.iter().map(|file: &FileMeta| file.id).collect();
    let edit = Edit::Purge { added, removed, gone, scars, clock_high_water: i64::MIN };
    Ok(Some(Rewritten { edit, outputs }))
}

/// What an edit is made of, and what it is made by.
struct Work<'a> {
    /// What goes, by place.
    found: &'a BTreeMap<(FileId, u64), &'a Found>,
    /// The scars that runs have already.
    old: &'a BTreeMap<RunKey, Scar>,
    reason: &'a str,
    added: Vec<FileMeta>,
    removed: Vec<(FileId, Vec<u64>)>,
    tombstones: Vec<Tombstone>,
    scars: BTreeMap<RunKey, Scar>,
}

impl Work<'_> {
    /// Writes what is left of a file.
    fn file(
        &mut self,
        shared: &Arc<Shared>,
        wanted: &Wanted<'_>,
        file: &LiveFile,
        number: &mut u64,
    ) -> Result<()> {
        let id = file.meta.id;
        let mut parts: BTreeMap<(Arc<str>, Day), Vec<Part>> = BTreeMap::new();
        for section in &file.meta.sections {
            wanted.check_wanted()?;
            let source = SourceSection { file: Arc::clone(&file.file), meta: section.clone() };
            let goes = self.found.get(&(id, section.offset));
            let goes =
                goes.map_or(Some(&[][..]), |found| found.gone.as_ref().map(|gone| &*gone.seqs));
            let mut rest = rest_of(&source, goes, self.old, &shared.cache)?;
            self.tombstones.extend(rest.tombstone(id, self.reason));
            self.scars.append(&mut rest.scars);
            let Rest { partition, inputs, runs, .. } = rest;
            if !inputs.is_empty() {
                let group = (Arc::clone(&partition.class), partition.day);
                parts.entry(group).or_default().push(Part { partition, inputs, runs });
            }
        }
        for (_, parts) in parts {
            self.added.push(write(shared, wanted, file, *number, parts)?);
            *number += 1;
        }
        let offsets = file.meta.sections.iter().map(|section| section.offset).collect();
        self.removed.push((id, offsets));
        Ok(())
    }
}

/// The bytes that what is left of a file may take: an index may be larger than what it is made of, and
/// there is the directory.
fn output_bytes_max(file: &FileMeta) -> u64 {
    let blocks: u64 = file.sections.iter().map(|section| u64::from(section.blocks)).sum();
    let directory = blocks.saturating_mul(128).saturating_add(64 << 10);
    file.len.saturating_add(file.len / 8).saturating_add(directory)
}

/// Writes one file of what is left of another.
fn write(
    shared: &Arc<Shared>,
    wanted: &Wanted<'_>,
    file: &LiveFile,
    number: u64,
    mut parts: Vec<Part>,
) -> Result<FileMeta> {
    parts.sort_unstable_by(|a, b| a.partition.cmp(&b.partition));
    let is_pack = !matches!(file.meta.id, FileId::Segment(_));
    let times = file.meta.writes.saturating_add(1);
    let base = compact::memory_base(&shared.limits);
    let mut memory = shared.pool.reserve(Consumer::Compaction, base).map_err(Error::from)?;
    let again: Vec<Part> = parts.iter().map(Part::again).collect();
    let place = shared.place(number);
    // Batches that came meanwhile may need the room.
    let mut proceed = || wanted.check_wanted().and_then(|()| check_room(shared, 0));
    let mut rewrite = |place: &Place<'_>, parts, memory: &mut Reservation| {
        compact::rewrite(place, (is_pack, times), parts, memory, &mut proceed)
    };
    let written = match rewrite(&place, parts, &mut memory) {
        Err(Failure::Index(_)) => {
            memory.shrink_to(base);
            let place = Place { indexes: false, ..place };
            rewrite(&place, again, &mut memory)
        }
        written => written,
    };
    written.map_err(|failure| match failure {
        Failure::Stopped(error)
        | Failure::Source(_, error)
        | Failure::Index(error)
        | Failure::Output(error) => error,
    })
}

/// Removes outputs that no edit names.
fn forget(shared: &Shared, outputs: &[FileMeta]) {
    outputs.iter().for_each(|file| compact::remove(&shared.place(file.id.number()), file.id));
}

/// Commits an exact purge; `false` if what is live or held has changed.
pub(super) fn commit(shared: &Arc<Shared>, plan: &Plan, rewritten: Rewritten) -> Result<bool> {
    let Rewritten { mut edit, outputs } = rewritten;
    let remove = || {
        for id in &outputs {
            compact::remove(&shared.place(id.number()), *id);
        }
    };
    let mut manifest = shared.manifest();
    shared.state().check_open().inspect_err(|_| remove())?;
    if manifest.state().retention.holds != plan.holds || manifest.accepts(&edit).is_err() {
        drop(manifest);
        remove();
        return Ok(false);
    }
    let now = shared.retention.clock_high_water(&*shared.io.clock, manifest.state());
    if let Edit::Purge { clock_high_water, .. } = &mut edit {
        *clock_high_water = now;
    }
    // `G5`
    shared.owed.mark(shared).inspect_err(|_| remove())?;
    manifest.commit(edit).inspect_err(|error| {
        // After a failed sync it is unknown whether the edit names them.
        if error.kind() != ErrorKind::Closed {
            remove();
        }
    })?;
    let live = &manifest.state().files;
    let before = Arc::clone(&shared.state().files);
    let mut after = Vec::with_capacity(live.len());
    let mut removed = BTreeSet::new();
    for file in before.iter() {
        match live.contains_key(&file.meta.id) {
            true => after.push(file.clone()),
            false => {
                file.file.remove_when_unused();
                removed.insert(file.meta.id);
            }
        }
    }
    after.extend(outputs.iter().map(|id| shared.live_file(&live[id])));
    let replaced = std::mem::replace(&mut shared.state().files, Arc::new(after));
    drop(manifest);
    shared.cache.forget(|id| removed.contains(&id));
    // A query that began before keeps the files, but none of their bytes may stay here for its sake.
    let gone = before.iter().filter(|file| removed.contains(&file.meta.id));
    gone.for_each(|file| file.file.forget_cold());
    drop((before, replaced));
    Ok(true)
}
