//! Mends a damaged store: what can be read of it serves again, what can't is set aside, and the report
//! says which is which.
//!
//! - `R1` what leaves the store is copied, and the copy synced, before anything forgets it. Nothing
//!   is deleted that has no copy, or whose events are not in another file of the store.
//! - `R2` a repair that is cut off anywhere is run again: what it had not finished is found again.
//! - `R3` what is sound stays as it is. Without permission (`dry_run`) nothing is written at all.
//! - `R4` one manifest commits all of it, in the place of the last one: before it the store is as it was.
//! - `R5` an event is taken from one place: each run from one file, what no file has from the log.

mod aside;
mod blocks;
mod evidence;
mod files;
mod keys;
mod log;
mod resolve;
mod rewrite;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;
use crate::limits::Limits;
use crate::manifest::{self, FileId, ManifestState, chain};
use crate::names::{self, Name};
use crate::timestamp::Timestamp;
use crate::wal;
use aside::Aside;
use evidence::Evidence;
use files::{FoundFile, Wanted};
use log::DamagedLog;
use resolve::{Resolution, Resolver};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// What was found, and what was done about it.
#[derive(Debug, Default)]
pub struct Repair {
    /// All damage.
    pub damages: Vec<Damage>,
    /// Where copies of the damaged files lie, with a report; `None` if nothing was changed.
    pub set_aside: Option<PathBuf>,
}

/// Something that is not what was written.
#[derive(Debug)]
pub struct Damage {
    /// The file, the place, what was expected and what was found.
    pub error: Error,
    /// The events that queries don't find any more once the store is repaired.
    pub lost: Vec<Loss>,
    /// What is done about it.
    pub remedy: String,
}

/// Events that are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Tenant, retention class and day; `None` if that can't be known.
    pub partition: Option<String>,
    /// How many; `None` if that can't be known.
    pub events: Option<u64>,
    /// The first and the last sequence number, the second `None` if it can't be known. Other events
    /// may have numbers between them.
    pub seqs: (u64, Option<u64>),
    /// The earliest and the latest timestamp, if they are known.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// What is done about a file of which something is sound.
const REWRITTEN: &str = "copied, and its sound blocks written to a new file, which takes its place";
/// What is done about a file of which nothing is needed or can be read.
const SET_ASIDE: &str = "set aside";
/// What is done about a file that is not there.
const ELSEWHERE: &str = "what other files have of it is taken from there";
/// What is done about a log whose events are in the file of a flush that has no edit.
const ADOPTED: &str = "the file of its flush is whole, and named again by the manifest";
/// What is done about damaged links.
const LINKS: &str = "nothing: they are a proof that can't be made again; no event depends on them";

/// Looks for damage in the store of `dir` and, unless this is a `dry_run`, mends it. Reads every
/// block. No other process may have the store open.
///
/// # Errors
/// `Busy` if another process has the store open; `Invalid` if there is no store, or too little of one;
/// `Unsupported` for files of a later version; `Full`, `Io`.
pub fn repair(io: &Io, dir: &Path, limits: &Limits, dry_run: bool) -> Result<Repair> {
    check_is_store(io, dir)?;
    // R3: who only looks needs no right to write.
    let lock = if dry_run { crate::engine::lock_to_read } else { crate::engine::lock };
    let _lock = lock(io, dir)?;
    let evidence = evidence::gather(io, dir)?;
    let files = examine_files(io, dir, &evidence)?;
    let Resolved { mut resolution, log, adopted } = resolve(io, dir, &evidence, &files)?;
    let is_new = evidence.damage.is_some()
        || log.as_ref().is_some_and(DamagedLog::is_moved)
        || !resolution.rewrites.is_empty()
        || resolution.state != evidence.state;
    let mut aside = Aside::new(io, dir, dry_run);

    let mut damages = Vec::new();
    damages.extend(manifest_damage(&evidence, &resolution));
    damages.extend(adopted.map(|error| Damage {
        error,
        lost: Vec::new(),
        remedy: ADOPTED.to_owned(),
    }));
    if is_new {
        aside.begin()?;
        evidence.manifests.iter().try_for_each(|path| aside.copy(path))?;
    }
    let mut unneeded = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let Some(damage) = file_damage(at, file, &evidence, &resolution) else { continue };
        let path = file.meta.id.path(dir);
        aside.begin()?;
        if file.exists {
            aside.copy(&path)?;
            unneeded.push(file.meta.id);
        }
        damages.push(damage);
    }
    if let Some(log) = &log {
        aside.begin()?;
        for path in &log.damage.files {
            aside.copy(path)?;
        }
        damages.push(log.to_damage());
    }
    let keys = keys::examine(io, dir, &resolution.state)?;
    for keys in &keys {
        aside.copy(&keys.path)?;
        damages.push(keys.to_damage());
    }
    damages.extend(damaged_links(io, dir, &evidence)?);

    let copies = aside.finish(&damages)?;
    if copies.is_some() {
        // R1: all copies are on the disk.
        keys.iter().try_for_each(|keys| keys.mend(io, dir, resolution.state.store_uuid))?;
        if is_new {
            let Resolution { state, rewrites, .. } = &mut resolution;
            rewrite::write_all(io, dir, limits, &files, rewrites, state)?;
            if let Some(log) = &log {
                log.write(io, dir, limits, state)?;
            }
            commit(io, dir, limits, &evidence, state)?;
        }
        if let Some(log) = &log {
            log.cut(io, dir, resolution.state.store_uuid)?;
        }
        // What was moved from the log may have got the name of the flush that was cut off.
        unneeded.retain(|id| !resolution.state.files.contains_key(id));
        let unneeded: Vec<_> = unneeded.iter().map(|id| id.path(dir)).collect();
        remove(io, &names::segments_dir(dir), &unneeded)?;
    }
    Ok(Repair { damages, set_aside: copies })
}

/// Refuses a directory without anything of a store in it.
fn check_is_store(io: &Io, dir: &Path) -> Result<()> {
    let listed = io.storage.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let is_ours = |name: &String| match Name::parse(name) {
        Some(Name::Manifest(_) | Name::Chain(_)) => true,
        _ => ["wal", "segments"].contains(&&**name),
    };
    if listed.iter().any(is_ours) || has_files(io, dir) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is no store", dir.display())))
}

/// Whether a folder of the store has a file of one.
fn has_files(io: &Io, dir: &Path) -> bool {
    [names::wal_dir(dir), names::segments_dir(dir)].iter().any(|folder| {
        let inside = io.storage.list(folder).unwrap_or_default();
        inside.iter().any(|name| Name::parse(name).is_some())
    })
}

/// Reads every file that is there, and every one that a manifest names.
fn examine_files(io: &Io, dir: &Path, evidence: &Evidence) -> Result<Vec<FoundFile>> {
    let ids: BTreeSet<FileId> = evidence.files.keys().chain(&evidence.there).copied().collect();
    let now = io.clock.now().0;
    let store = evidence.state.store_uuid;
    let wanted = |id| {
        let is_evicted = evidence.state.evicted.contains(&id);
        Wanted { store, id, known: evidence.files.get(&id), is_evicted, now }
    };
    ids.into_iter().map(|id| files::examine(io, dir, &wanted(id))).collect()
}

/// What a store becomes.
struct Resolved {
    resolution: Resolution,
    /// What is wrong with its log then.
    log: Option<DamagedLog>,
    /// What was wrong with it before a file of a flush without an edit was taken in its place.
    adopted: Option<Error>,
}

fn resolve(io: &Io, dir: &Path, evidence: &Evidence, files: &[FoundFile]) -> Result<Resolved> {
    let adopts = evidence.damage.is_some();
    let mut resolver = Resolver { evidence, files, adopts, log: None };
    let mut resolution = resolver.resolve();
    if adopts {
        let committed = resolution.state.committed_generation.unwrap_or(0);
        resolver.log = wal::beginning(io, dir, committed)?;
        resolution = resolver.resolve();
    }
    let log = log::examine(io, dir, &resolution.state)?;
    let whole = Resolved { resolution, log, adopted: None };
    let Some(damaged) = whole.log.as_ref().filter(|_| !adopts) else { return Ok(whole) };
    // What the log can't give back may be in the file of a flush that was cut off, or whose edit was.
    resolver.adopts = true;
    let resolution = resolver.resolve();
    let committed = |resolution: &Resolution| resolution.state.committed_generation;
    if committed(&resolution) == committed(&whole.resolution) {
        return Ok(whole);
    }
    let adopted = Some(damaged.damage.error.clone());
    let log = log::examine(io, dir, &resolution.state)?;
    Ok(Resolved { resolution, log, adopted })
}

/// Begins the manifest that says all of it, and removes those before.
fn commit(
    io: &Io,
    dir: &Path,
    limits: &Limits,
    evidence: &Evidence,
    state: &ManifestState,
) -> Result<()> {
    let (number, ended) = &evidence.next;
    manifest::begin_anew(io, dir, limits, state, *number, ended.as_ref())?;
    let path = names::manifest(dir, *number);
    let before: Vec<_> = evidence.manifests.iter().filter(|old| **old != path).cloned().collect();
    remove(io, dir, &before)
}

fn remove(io: &Io, dir: &Path, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        io.storage.remove(path).map_err(|e| Error::io("remove", path, e))?;
    }
    match paths {
        [] => Ok(()),
        _ => io.storage.sync_dir(dir).map_err(|e| Error::io("sync", dir, e)),
    }
}

fn manifest_damage(evidence: &Evidence, resolution: &Resolution) -> Option<Damage> {
    let error = evidence.damage.clone()?;
    let state = &resolution.state;
    let events = state.files.values().flat_map(|file| &file.sections).map(|section| section.rows);
    let (files, events) = (state.files.len(), events.sum::<u64>());
    let chain = match &evidence.next {
        (_, Some(links)) => {
            let (edit, number) = (links.links.len(), links.manifest);
            format!("the chain of edits goes on from edit {edit} of manifest {number}")
        }
        (_, None) => "the chain of edits begins anew".to_owned(),
    };
    let remedy = format!(
        "copied, and written anew from {}, and from what the files say: {files} files with {events} events \
         stay as they are, {} are written anew; {chain}, so that roots that were noted behind that are \
         refused by `verify --since-root`; sections that were dropped behind it may be there again",
        evidence.source,
        resolution.rewrites.len(),
    );
    let nobodys = resolution.losses.iter().filter(|(file, _)| file.is_none());
    let lost = nobodys.map(|(_, loss)| loss.clone()).collect();
    Some(Damage { error, lost, remedy })
}

fn file_damage(
    at: usize,
    file: &FoundFile,
    evidence: &Evidence,
    resolution: &Resolution,
) -> Option<Damage> {
    let error = file.error.clone()?;
    let id = file.meta.id;
    let losses = resolution.losses.iter().filter(|(lost, _)| *lost == Some(id));
    let lost: Vec<Loss> = losses.map(|(_, loss)| loss.clone()).collect();
    let is_rewritten = resolution.rewrites.iter().any(|rewrite| rewrite.file == at);
    let remedy = match (file.exists, is_rewritten) {
        (true, true) => REWRITTEN,
        (true, false) => SET_ASIDE,
        // It may be gone because others took its place, which a damaged manifest doesn't say.
        (false, _) if evidence.damage.is_some() && lost.is_empty() => return None,
        (false, _) => ELSEWHERE,
    };
    Some(Damage { error, lost, remedy: remedy.to_owned() })
}

/// The links of earlier manifests.
fn damaged_links(io: &Io, dir: &Path, evidence: &Evidence) -> Result<Vec<Damage>> {
    let listed = io.storage.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut numbers: Vec<u64> = listed
        .iter()
        .filter_map(|name| match Name::parse(name) {
            Some(Name::Chain(number)) => Some(number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    let mut damages = Vec::new();
    for number in numbers {
        match chain::read(io, dir, &evidence.state.store_uuid, number) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let remedy = LINKS.to_owned();
                damages.push(Damage { error, lost: Vec::new(), remedy });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(damages)
}
impl fmt::Display for Damage {
    /// Several lines: the error, each loss, and what is done.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.error)?;
        for loss in &self.lost {
            writeln!(f, "  lost: {loss}")?;
        }
        write!(f, "  remedy: {}", self.remedy)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.events {
            Some(events) => write!(f, "{events} events")?,
            None => write!(f, "events, nobody knows how many")?,
        }
        if let Some(partition) = &self.partition {
            write!(f, " of {partition}")?;
        }
        match self.seqs {
            (first, Some(last)) => write!(f, ", sequence numbers {first} to {last}")?,
            (first, None) => write!(f, ", sequence numbers from {first} on")?,
        }
        match &self.times {
            Some((first, last)) => write!(f, ", from {first} to {last}"),
            None => Ok(()),
        }
    }
}
