//! Sets aside what is damaged in a store, so that the rest serves, and says what that costs.
//!
//! - `R1` what leaves the store is copied, and the copy synced, before anything forgets it. Nothing
//!   is deleted that has no copy.
//! - `R2` a repair that is cut off anywhere is run again: what it had not finished is found again.
//! - `R3` what is sound stays as it is. Without permission (`dry_run`) nothing is written at all.
//! - `R4` the manifest is the word on everything else: if it is damaged, nothing is touched.

mod aside;
mod segments;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::idempotency;
use crate::io::Io;
use crate::limits::Limits;
use crate::manifest::{self, Edit, Manifest, ManifestState};
use crate::names::{self, Name};
use crate::timestamp::Timestamp;
use crate::wal;
use aside::Aside;
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
    /// How many of them could be read, and are in `events.ndjson` of the directory.
    pub readable: u64,
    /// What is done about it.
    pub remedy: &'static str,
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

/// What is done about damaged sections.
const DROPPED: &str = "the damaged sections are set aside";
/// What is done about a damaged log.
const CUT: &str = "the log is set aside from the damage on";
/// What is done about damaged keys.
const KEYS_STAY: &str = "nothing: what can be read of it counts, the rest is forgotten, so a batch \
                         that is sent again may be stored twice";

/// Looks for damage in the store of `dir` and, unless this is a `dry_run`, sets it aside. Reads
/// every block. No other process may have the store open.
///
/// # Errors
/// `Busy` if another process has the store open; `Corrupt` if the manifest is damaged: nothing is
/// changed then; `Unsupported` for files of a later version; `Full`, `Io`.
pub fn repair(io: &Io, dir: &Path, limits: &Limits, dry_run: bool) -> Result<Repair> {
    let path = current_manifest(io, dir)?;
    let _lock = crate::engine::lock(io, dir)?;
    let state = manifest::read(io, &path, |_, _| {}).map_err(of_manifest)?.state;
    let mut aside = Aside::new(io, dir, dry_run);

    let mut damages = Vec::new();
    let mut edits = Vec::new();
    for file in state.files.values() {
        if let Some(damaged) = segments::examine(io, dir, &state, file)? {
            let readable = damaged.set_aside(&mut aside, io, dir, state.incarnation)?;
            let (file, sections) = (file.id, damaged.offsets());
            let reason = format!("set aside by a repair: {}", damaged.error);
            edits.push(Edit::DropSections { file, sections, reason });
            damages.push(damaged.into_damage(readable));
        }
    }
    let log = examine_log(io, dir, &state)?;
    if let Some(log) = &log {
        damages.push(set_log_aside(log, &mut aside, io)?);
    }
    damages.extend(damaged_keys(io, dir, &state)?);

    let set_aside = aside.finish(&damages)?;
    if set_aside.is_some() {
        // R1: all copies are on the disk.
        let mut manifest = Manifest::open_or_create(io, dir, limits)?;
        edits.into_iter().try_for_each(|edit| manifest.commit(edit))?;
        if let Some(log) = &log {
            log.cut(io, dir, state.store_uuid)?;
        }
    }
    Ok(Repair { damages, set_aside })
}

/// The manifest with the highest number: it counts.
fn current_manifest(io: &Io, dir: &Path) -> Result<PathBuf> {
    let names = io.storage.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let number = |name: &String| match Name::parse(name) {
        Some(Name::Manifest(number)) => Some(number),
        _ => None,
    };
    match names.iter().filter_map(number).max() {
        Some(number) => Ok(names::manifest(dir, number)),
        None => Err(Error::invalid(format!(
            "{} has no manifest: it is no store, or its manifest is lost and has to come from a \
             backup",
            dir.display()
        ))),
    }
}

fn of_manifest(error: Error) -> Error {
    if error.corruption().is_none() {
        return error;
    }
    let message = format!(
        "{error}; without its manifest nothing tells which files count: restore it from a backup; \
         nothing was changed"
    );
    error.with_message(message)
}

fn examine_log(io: &Io, dir: &Path, state: &ManifestState) -> Result<Option<wal::LogDamage>> {
    wal::examine(io, dir, &state.store_uuid, state.committed_generation, state.next_seq)
}

fn set_log_aside(log: &wal::LogDamage, aside: &mut Aside<'_>, io: &Io) -> Result<Damage> {
    let (mut readable, mut last, mut times) = (0, None, None);
    aside.begin()?;
    for path in &log.files {
        aside.copy(path)?;
    }
    log.for_each_readable(io, |first, batch| {
        let count = batch.len() as u64;
        readable += count;
        last = last.max((first + count).checked_sub(1));
        for time in batch.parts().iter().flat_map(|part| &part.rows.timestamps) {
            let time = Timestamp(*time);
            let (earliest, latest) = times.unwrap_or((time, time));
            times = Some((earliest.min(time), latest.max(time)));
        }
        let mut lines = Vec::new();
        batch.write_ndjson(&mut lines);
        aside.event_lines(&lines)
    })?;
    let lost = Loss { partition: None, events: None, seqs: (log.first_lost, last), times };
    Ok(Damage { error: log.error.clone(), lost: vec![lost], readable, remedy: CUT })
}

fn damaged_keys(io: &Io, dir: &Path, state: &ManifestState) -> Result<Vec<Damage>> {
    let keys = names::keys_dir(dir);
    let names = io.storage.list(&keys).map_err(|e| Error::io("list", &keys, e))?;
    let mut damages = Vec::new();
    for name in names {
        let Some(Name::Keys(generation)) = Name::parse(&name) else { continue };
        let read = idempotency::read(io, &keys.join(&name), Some(state.store_uuid), generation);
        let damage = match read {
            Ok(file) => file.damage.map(Error::from),
            Err(error) if error.kind() == ErrorKind::Corrupt => Some(error),
            Err(error) => return Err(error),
        };
        let damage =
            damage.map(|error| Damage { error, lost: Vec::new(), readable: 0, remedy: KEYS_STAY });
        damages.extend(damage);
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
        if self.readable > 0 {
            writeln!(f, "  {} of these events can be read: events.ndjson", self.readable)?;
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
