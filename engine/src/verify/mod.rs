//! Verifies a store: every file against its checksums, the manifest against the files, the chain of
//! edits from its first link, events against the digests of their runs. What it does and what it
//! proves is in `docs/verify.md`.
//!
//! - `V1` nothing is changed: no file is created, locked or opened for writing, so that a medium
//!   that is read-only will do.
//! - `V2` a server may have the store open. Damage counts only if a second look finds it too, and
//!   only of files that the manifest still names then.
//! - `V3` no bytes of the store make it panic, and none make it allocate more than a file has; it
//!   holds the manifest's state and one block at a time.

mod chain;
mod files;
mod log;
mod report;
mod root;
mod section;
#[cfg(test)]
mod tests;

pub use report::{Affected, Checked, Finding, Report, Severity};
pub use root::Root;

use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;
use crate::manifest::{FileId, FileMeta};
use crate::names::{self, Name};
use chain::Current;
use report::Findings;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// How often the files of a store that changes meanwhile are looked at again.
const ROUNDS_MAX: usize = 16;

/// How much of a store is verified.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Decodes every event: digests of runs are made again from the rows, and every term of every
    /// row is looked for in its filter or index. Without it a file's bytes are compared with its
    /// hash in the manifest, which names nothing that was forged together with that.
    pub deep: bool,
    /// A root of this store that was kept elsewhere: what it names has to be there still.
    pub since: Option<Root>,
}

/// What the parts of a verification share.
struct Context<'a> {
    io: &'a Io,
    dir: &'a Path,
    options: &'a VerifyOptions,
    progress: &'a mut dyn FnMut(&Path),
}

/// Verifies the store in `dir`. `progress` hears of each file before it is read.
///
/// # Errors
/// `Invalid` if there is no store; `Io` if its directory can't be read. All else is a finding.
pub fn verify(
    io: &Io,
    dir: &Path,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(&Path),
) -> Result<Report> {
    check_is_store(io, dir)?;
    let mut context = Context { io, dir, options, progress };
    let mut report = Report::default();
    let mut findings = Findings::default();
    match files(&mut context, &mut report.checked, &mut findings)? {
        Some(current) => {
            let contents = &current.contents;
            root::check_complete(&current, &mut findings);
            let hash = chain::follow(&context, &current, &mut report.checked, &mut findings)?;
            if let Some(since) = &options.since {
                root::check_since(&current, since, hash, &mut findings);
            }
            report.root = Some(Root::of(contents));
            log::check(&mut context, &current, &mut report.checked, &mut findings)?;
        }
        None => files::check_alone(&mut context, &mut report.checked, &mut findings)?,
    }
    (report.findings, report.omitted) = findings.into_parts();
    Ok(report)
}

/// The root of the store in `dir`, as its manifest says it. Nothing else is read.
///
/// # Errors
/// `Invalid` if there is no store; `Corrupt`, `Unsupported`, `Io` of its manifest.
pub fn current_root(io: &Io, dir: &Path) -> Result<Root> {
    check_is_store(io, dir)?;
    Ok(Root::of(&Current::read(io, dir)?.contents))
}

/// Verifies the files that the manifest names, until it names no other. Returns the manifest as it
/// was then, if it can be read.
fn files(
    context: &mut Context<'_>,
    checked: &mut Checked,
    findings: &mut Findings,
) -> Result<Option<Current>> {
    let (io, dir) = (context.io, context.dir);
    let mut done = HashSet::new();
    for round in 0..=ROUNDS_MAX {
        // First what is there, then what should be: a file that appears in between is no surplus.
        let there = files::Listing::read(io, dir)?;
        let current = match Current::read(io, dir) {
            Ok(current) => current,
            Err(error) => {
                findings.error(&chain::newest(io, dir)?.1, error, None);
                return Ok(None);
            }
        };
        let fresh: Vec<Arc<FileMeta>> = current.contents.state.files.values().cloned().collect();
        let fresh: Vec<_> = fresh.into_iter().filter(|meta| !done.contains(&meta.id)).collect();
        if fresh.is_empty() || round == ROUNDS_MAX {
            if !fresh.is_empty() {
                let found = format!("{} files came since the last look", fresh.len());
                findings.note(dir, "store", "a moment without new files", &found);
            }
            there.judge(io, dir, &current, findings);
            return Ok(Some(current));
        }
        for meta in fresh {
            if current.contents.state.evicted.contains(&meta.id) {
                checked.evicted += 1;
                done.insert(meta.id);
                continue;
            }
            let found = files::check(context, &current, &meta, checked);
            if found.is_empty() {
                findings.append(found);
            } else {
                match fate(io, dir, meta.id) {
                    Fate::Here => findings.append(found),
                    Fate::LeftDisk => checked.evicted += 1,
                    Fate::Replaced => checked.replaced += 1,
                }
            }
            done.insert(meta.id);
        }
    }
    unreachable!("the last round returns")
}

/// What has become of a file while it was looked at.
enum Fate {
    Here,
    LeftDisk,
    Replaced,
}

/// What the manifest says of the file by now. If it can't be read, that is another finding.
fn fate(io: &Io, dir: &Path, id: FileId) -> Fate {
    let Ok(now) = Current::read(io, dir) else { return Fate::Here };
    let state = &now.contents.state;
    match state.files.contains_key(&id) {
        true if state.evicted.contains(&id) => Fate::LeftDisk,
        true => Fate::Here,
        false => Fate::Replaced,
    }
}

/// Refuses a directory without anything of a store in it.
fn check_is_store(io: &Io, dir: &Path) -> Result<()> {
    let listed = io.storage.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let folders = [names::wal_dir(dir), names::segments_dir(dir), names::keys_dir(dir)];
    let is_ours = listed.iter().any(|name| Name::parse(name).is_some())
        || folders.iter().any(|folder| {
            let inside = io.storage.list(folder).unwrap_or_default();
            inside.iter().any(|name| Name::parse(name).is_some())
        });
    if is_ours { Ok(()) } else { Err(Error::invalid(format!("{} is no store", dir.display()))) }
}

/// Whether an error says that there is no such file.
fn is_missing(error: &Error) -> bool {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    error.kind() == ErrorKind::Io
        && cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::NotFound)
}
