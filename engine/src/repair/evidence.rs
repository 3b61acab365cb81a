//! What is known of a store before its files are looked at: from its manifest or, if that is damaged,
//! from what is left of it, of those before it, and of the links.

use crate::crypt;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::Io;
use crate::manifest::chain::{self, Links};
use crate::manifest::{
    self, Contents, Edit, FileId, FileMeta, ManifestState, NUMBER_MAX, Remains, SectionMeta,
};
use crate::names::{self, Name};
use crate::retention::Change;
use crate::segment;
use crate::wal;
use std::collections::BTreeMap;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

/// What is known of a store.
#[derive(Debug)]
pub(super) struct Evidence {
    /// Why the manifest can't be read, if so.
    pub(super) damage: Option<Error>,
    /// The last state that can be read; one without files if there is none.
    pub(super) state: ManifestState,
    /// What was left of a damaged manifest, for people.
    pub(super) source: String,
    /// Every file that is named, in the form that was named last.
    pub(super) files: BTreeMap<FileId, FileMeta>,
    /// Sections that edits behind the damage dropped, and why.
    pub(super) dropped: Vec<(FileId, Vec<u64>, String)>,
    /// The number of the next manifest, and the links that the chain goes on from.
    pub(super) next: (u64, Option<Links>),
    /// The manifests that are there, oldest first.
    pub(super) manifests: Vec<PathBuf>,
    /// The files in the folder of segments.
    pub(super) there: Vec<FileId>,
}

/// The numbers in the names of a store's folder.
#[derive(Default)]
struct Numbers {
    manifests: Vec<u64>,
    chains: Vec<u64>,
}

/// Reads what there is to know.
///
/// # Errors
/// `Invalid` if there is no store; `Corrupt` if nothing tells which store it is; `Unsupported`, `Io`.
pub(super) fn gather(io: &Io, dir: &Path) -> Result<Evidence> {
    let listed = io.storage.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut numbers = Numbers::default();
    for name in &listed {
        match Name::parse(name) {
            Some(Name::Manifest(number)) => numbers.manifests.push(number),
            Some(Name::Chain(number)) => numbers.chains.push(number),
            _ => {}
        }
    }
    numbers.manifests.sort_unstable();
    numbers.chains.sort_unstable();
    let there = files_there(io, dir)?;
    let mut evidence = match numbers.manifests.last() {
        Some(newest) => match read(io, dir, *newest)? {
            Ok(contents) => Evidence::sound(contents),
            Err(damage) => mend(io, dir, &numbers, &there, damage)?,
        },
        None => {
            let number = numbers.chains.last().map_or(1, |last| last + 1);
            let damage = missing(dir, number);
            mend(io, dir, &numbers, &there, damage)?
        }
    };
    evidence.manifests = numbers.manifests.iter().map(|n| names::manifest(dir, *n)).collect();
    evidence.there = there;
    Ok(evidence)
}

fn missing(dir: &Path, number: u64) -> Error {
    let (file, what) = (names::manifest(dir, number), "manifest");
    let (expected, found) = ("a manifest".to_owned(), "none".to_owned());
    Corruption { file, offset: 0, what, expected, found }.into()
}

/// A manifest, or its damage.
fn read(io: &Io, dir: &Path, number: u64) -> Result<Result<Contents>> {
    let path = names::manifest(dir, number);
    let contents = manifest::read(io, &path, |_, _| {}).and_then(|contents| {
        let found = contents.header.number;
        if found == number {
            return Ok(contents);
        }
        let (expected, found) = (number.to_string(), found.to_string());
        let what = "manifest number";
        Err(Corruption { file: path, offset: 0, what, expected, found }.into())
    });
    match contents {
        Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
        contents => Ok(contents),
    }
}

/// What is known without the last manifest.
fn mend(
    io: &Io,
    dir: &Path,
    numbers: &Numbers,
    there: &[FileId],
    damage: Error,
) -> Result<Evidence> {
    let newest = numbers.manifests.last().copied();
    let mut remains = match newest {
        Some(newest) => manifest::remains(io, &names::manifest(dir, newest))?,
        None => Remains::default(),
    };
    let mut source = match &remains.links {
        Some(links) => format!("its first {} edits", links.links.len()),
        None => "nothing of its state".to_owned(),
    };
    let before = numbers.manifests.iter().rev().skip(1);
    for number in before.filter(|_| remains.state.is_none()) {
        if let Ok(contents) = read(io, dir, *number)? {
            source = format!("manifest {number}, the one before");
            remains.state = Some(contents.state);
            break;
        }
    }
    if !remains.later.is_empty() {
        source += &format!(", {} edits behind the damage", remains.later.len());
    }
    let state = match remains.state {
        Some(state) => state,
        None => {
            let (state, is_told) =
                unknown(io, dir, remains.store, there)?.ok_or_else(|| nothing(dir, &damage))?;
            if !is_told {
                source += ", with a new incarnation, in which ids of events differ from before";
            }
            state
        }
    };
    let mut evidence = Evidence::new(state, source);
    evidence.next = chain_end(io, dir, &evidence.state, newest, remains.links, numbers)?;
    remains.later.into_iter().for_each(|edit| evidence.learn(edit));
    evidence.damage = Some(damage);
    Ok(evidence)
}

fn nothing(dir: &Path, damage: &Error) -> Error {
    Error::invalid(format!(
        "{} is no store, or nothing is left that tells which one it is ({damage})",
        dir.display()
    ))
}

/// The state of a store of which only the headers of files tell: one without any; and whether one told
/// the incarnation.
fn unknown(
    io: &Io,
    dir: &Path,
    store: Option<[u8; 16]>,
    there: &[FileId],
) -> Result<Option<(ManifestState, bool)>> {
    let mut known = (store, None);
    for id in there {
        let path = id.path(dir);
        let Some(header) = header_of(io, &path)? else { continue };
        if header.id == *id && known.0.is_none_or(|store| store == header.store) {
            known = (Some(header.store), Some(header.incarnation));
            break;
        }
    }
    let log = wal::beginning(io, dir, 0)?;
    let Some(store) = known.0.or(log.map(|log| log.store)) else { return Ok(None) };
    // Zero means nothing.
    let random = || 1 + (io.entropy.next_u64() % u64::from(u16::MAX)) as u16;
    let incarnation = known.1.unwrap_or_else(random);
    let state = ManifestState::new(store, incarnation, io.clock.now().0);
    Ok(Some((state, known.1.is_some())))
}

/// The header of a file of segments, if it is sound.
fn header_of(io: &Io, path: &Path) -> Result<Option<segment::Header>> {
    let file = crypt::open_file(&*io.storage, path).map_err(|e| Error::io("open", path, e))?;
    let mut bytes = [0; segment::HEADER_LEN];
    let read = match file.read_exact_at(&mut bytes, 0) {
        Err(e) if e.kind() == IoErrorKind::UnexpectedEof => return Ok(None),
        read => read.map_err(|e| Error::io("read", path, e)),
    };
    match read.and_then(|()| segment::Header::decode(&bytes, path)) {
        Ok((header, _)) => Ok(Some(header)),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of the manifest that takes the place of a damaged one, and the links that it follows: as
/// many as can be read.
fn chain_end(
    io: &Io,
    dir: &Path,
    state: &ManifestState,
    newest: Option<u64>,
    links: Option<Links>,
    numbers: &Numbers,
) -> Result<(u64, Option<Links>)> {
    let kept = |number: u64| match chain::read(io, dir, &state.store_uuid, number) {
        Ok(links) => Ok(Some(links)),
        Err(error) if error.kind() == ErrorKind::Corrupt || segment::is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    };
    let last = newest.or_else(|| numbers.chains.last().copied());
    let Some(last) = last else { return Ok((1, None)) };
    // There are some of the manifest itself, if the next one could not be begun.
    let written = kept(last)?;
    let longer = match (links, written) {
        (Some(links), Some(written)) if written.links.starts_with(&links.links) => Some(written),
        (Some(links), _) => Some(links),
        (None, written) => written,
    };
    Ok(match longer {
        Some(links) => (last + 1, Some(links)),
        None if newest.is_none() => (last + 1, None),
        None if last > 1 => (last, kept(last - 1)?),
        None => (last, None),
    })
}

impl Evidence {
    fn new(state: ManifestState, source: String) -> Self {
        let files = state.files.values().map(|file| (file.id, FileMeta::clone(file))).collect();
        Self {
            damage: None,
            state,
            source,
            files,
            dropped: Vec::new(),
            next: (1, None),
            manifests: Vec::new(),
            there: Vec::new(),
        }
    }

    fn sound(contents: Contents) -> Self {
        let mut evidence = Self::new(contents.state, String::new());
        evidence.next = (contents.header.number + 1, Some(contents.links));
        evidence
    }

    /// Takes in what an edit behind the damage says.
    fn learn(&mut self, edit: Edit) {
        let added = match edit {
            Edit::Snapshot(_) => Vec::new(),
            Edit::AddFile { file, .. } => vec![file],
            Edit::DropSections { removed, reason, .. } => {
                let dropped = removed.into_iter();
                self.dropped.extend(dropped.map(|(file, gone)| (file, gone, reason.clone())));
                Vec::new()
            }
            // A hold behind the damage holds; what ends one is not believed, nor are other rules.
            Edit::Retention { change: Change::Hold(mut hold), .. } => {
                let ledger = &mut self.state.retention;
                hold.id = hold.id.max(ledger.last_hold.saturating_add(1));
                if ledger.check_change(&Change::Hold(hold.clone())).is_ok() {
                    ledger.apply(Change::Hold(hold));
                }
                Vec::new()
            }
            Edit::Retention { .. } => Vec::new(),
            Edit::Evict { files, .. } => {
                // Of a file that is named nowhere, nothing is known.
                let known = files.into_iter().filter(|file| self.files.contains_key(file));
                self.state.evicted.extend(known);
                Vec::new()
            }
            Edit::Replace { added, .. } => added,
            // What it took sections from may be there still, with the events that are gone.
            Edit::Purge { added, removed, scars, .. } => {
                for (file, gone) in removed {
                    let file = self.files.get_mut(&file);
                    let is_left = |section: &SectionMeta| !gone.contains(&section.offset);
                    file.into_iter().for_each(|file| file.sections.retain(is_left));
                }
                self.state.scars.extend(scars);
                added
            }
        };
        // The state that would say whether it fits is not known.
        let added = added.into_iter().filter(|file| file.check().is_ok());
        let in_range = |file: &FileMeta| {
            let mut runs = file.sections.iter().flat_map(|section| &section.runs);
            runs.all(|run| run.generation <= NUMBER_MAX && run.seqs.end <= NUMBER_MAX)
        };
        self.files.extend(added.filter(in_range).map(|file| (file.id, file)));
    }
}

fn files_there(io: &Io, dir: &Path) -> Result<Vec<FileId>> {
    let segments = names::segments_dir(dir);
    let listed = match io.storage.list(&segments) {
        Err(e) if e.kind() == IoErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|e| Error::io("list", &segments, e))?,
    };
    let id = |name: &String| match Name::parse(name)? {
        Name::LevelZero(number) => Some(FileId::LevelZero(number)),
        Name::Segment(number) => Some(FileId::Segment(number)),
        Name::Pack(number) => Some(FileId::Pack(number)),
        _ => None,
    };
    let mut there: Vec<FileId> = listed.iter().filter_map(id).collect();
    there.sort_unstable();
    Ok(there)
}
