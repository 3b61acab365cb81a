//! The manifest, and the chain of edits from its beginning.

use super::report::{Checked, Findings};
use super::{Context, is_missing};
use crate::error::{Corruption, Error, Result};
use crate::io::Io;
use crate::manifest::chain::{self, Links};
use crate::manifest::{self, Contents, EditHash};
use crate::names::{self, Name};
use std::path::{Path, PathBuf};

/// The current manifest, as it was read.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) path: PathBuf,
    pub(super) contents: Contents,
}

/// The manifest with the highest number, and where it is.
pub(super) fn newest(io: &Io, dir: &Path) -> Result<(u64, PathBuf)> {
    let listed = io.storage.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let number = |name: &String| match Name::parse(name) {
        Some(Name::Manifest(number)) => Some(number),
        _ => None,
    };
    match listed.iter().filter_map(number).max() {
        Some(number) => Ok((number, names::manifest(dir, number))),
        None => Ok((0, names::manifest(dir, 1))),
    }
}

impl Current {
    /// Reads the manifest with the highest number; again, if it may have been written to (`V2`).
    ///
    /// # Errors
    /// `Corrupt`, also if there is none; `Unsupported`; `Io`.
    pub(super) fn read(io: &Io, dir: &Path) -> Result<Self> {
        Self::read_once(io, dir).or_else(|_| Self::read_once(io, dir))
    }

    fn read_once(io: &Io, dir: &Path) -> Result<Self> {
        let (number, path) = newest(io, dir)?;
        let corrupt = |what, expected: String, found: String| {
            Error::from(Corruption { file: path.clone(), offset: 0, what, expected, found })
        };
        if number == 0 {
            return Err(corrupt("store", "a manifest".to_owned(), "none".to_owned()));
        }
        let contents = manifest::read(io, &path, |_, _| {})?;
        if contents.header.number != number {
            let found = contents.header.number.to_string();
            return Err(corrupt("manifest number", number.to_string(), found));
        }
        contents
            .state
            .check()
            .map_err(|what| corrupt("manifest state", "events that add up".to_owned(), what))?;
        Ok(Self { path, contents })
    }

    pub(super) fn number(&self) -> u64 {
        self.contents.header.number
    }
}

/// What the chain has at the place that a root names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The edit of this hash; whether every link from there to the last edit is a proof.
    Hash(EditHash, bool),
    /// No edit: the chain ends before.
    Beyond,
    /// It can't be followed back that far.
    Unknown,
}

/// Follows the chain from the last edit back to the first. Says what is at the place of the root
/// that is asked for.
pub(super) fn follow(
    context: &Context<'_>,
    current: &Current,
    checked: &mut Checked,
    findings: &mut Findings,
) -> Result<At> {
    let Context { io, dir, options, .. } = context;
    let wanted = options.since.as_ref().map(|root| (root.manifest, root.edit));
    check_later(io, dir, current, findings);
    let mut at = match wanted {
        Some((manifest, _)) if manifest > current.number() => At::Beyond,
        _ => At::Unknown,
    };
    let store = current.contents.state.store_uuid;
    let mut all_proofs = true;
    let mut after = current.contents.links.clone();
    loop {
        checked.edits += after.links.len() as u64;
        if let Some((_, edit)) = wanted.filter(|(manifest, _)| *manifest == after.manifest) {
            at = at_edit(&after, edit, all_proofs);
        }
        all_proofs &= after.links.iter().all(|link| link.is_proof());
        let Some(number) = after.manifest.checked_sub(1).filter(|number| *number > 0) else {
            check_beginning(dir, &after, findings);
            return Ok(at);
        };
        let path = names::chain(dir, number);
        let links = match chain::read(io, dir, &store, number) {
            Ok(links) => links,
            Err(error) if is_missing(&error) && !after.links.iter().all(|link| link.is_proof()) => {
                let found = "none: edits of an older version follow";
                findings.note(&path, "chain", "the links of the manifest before", found);
                return Ok(at);
            }
            Err(error) => {
                findings.error(&path, error, None);
                return Ok(at);
            }
        };
        if links.last() != after.previous {
            let (expected, found) = (hex(&after.previous), hex(&links.last()));
            let expected = format!("the hash {expected}, which the edit behind it names");
            findings.damage(&path, None, "chain", expected, found, None);
            return Ok(at);
        }
        after = links;
    }
}

/// The hash of an edit of these links, counted from 1.
fn at_edit(links: &Links, edit: u64, later_are_proofs: bool) -> At {
    let Some(before) = usize::try_from(edit).ok().and_then(|edit| edit.checked_sub(1)) else {
        return At::Beyond;
    };
    let Some(hash) = links.hashes().nth(before) else { return At::Beyond };
    let proofs = links.links.iter().skip(edit as usize).all(|link| link.is_proof());
    At::Hash(hash, later_are_proofs && proofs)
}

fn check_beginning(dir: &Path, first: &Links, findings: &mut Findings) {
    if first.manifest == 1 && first.previous != [0; 32] {
        let path = names::chain(dir, first.manifest);
        let found = hex(&first.previous);
        findings.damage(&path, None, "chain", "no edit before the first", found, None);
    }
}

/// What stands behind the last edit, and whether there was ever a later one.
fn check_later(io: &Io, dir: &Path, current: &Current, findings: &mut Findings) {
    if current.contents.torn {
        let found =
            "one that is cut off: a crash before it was acknowledged, or damage to the last";
        findings.note(&current.path, "manifest edit", "the end of the edits", found);
    }
    let Some(found) = later_than(io, dir, current) else { return };
    // A server may have begun the next manifest since this one was read.
    let now = Current::read(io, dir).ok();
    if let Some(now) = now.filter(|now| now.contents.hash != current.contents.hash)
        && later_than(io, dir, &now).is_none()
    {
        return;
    }
    findings.damage(&current.path, None, "manifest", "the last edits", found, None);
}

/// The traces of edits that the manifest does not have. Links are written when a manifest ends, so
/// that they are never ahead of it.
fn later_than(io: &Io, dir: &Path, current: &Current) -> Option<String> {
    let contents = &current.contents;
    let of_this = chain::read(io, dir, &contents.state.store_uuid, current.number());
    if let Ok(links) = of_this
        && !contents.links.links.starts_with(&links.links)
    {
        let (kept, found) = (links.links.len(), contents.links.links.len());
        return Some(format!("{found} edits, and links of {kept} that are not the same"));
    }
    let listed = io.storage.list(dir).unwrap_or_default();
    let numbers = listed.iter().filter_map(|name| match Name::parse(name) {
        Some(Name::Chain(number)) if number > current.number() => Some(number),
        _ => None,
    });
    let number = numbers.max()?;
    Some(format!("manifest {}, and links of manifest {number}", current.number()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
