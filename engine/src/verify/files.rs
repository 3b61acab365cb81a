//! Files of segments: their bytes against the hash in the manifest, their directory against what the
//! manifest says of each section, and what lies in a store's folders besides.

use super::Context;
use super::chain::{Current, hex};
use super::report::{Affected, Checked, Findings};
use super::section::{Place, check_section};
use crate::crypt::{self, Input};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::manifest::{FileId, FileMeta, SectionMeta};
use crate::names::{self, Name};
use crate::segment::{Header, Section, read_directory, section_meta};
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Verifies a file that the manifest names.
pub(super) fn check(
    context: &mut Context<'_>,
    current: &Current,
    meta: &FileMeta,
    checked: &mut Checked,
) -> Findings {
    let path: Arc<Path> = meta.id.path(context.dir).into();
    (context.progress)(&path);
    let mut findings = Findings::default();
    let file = match context.io.storage.open(&path) {
        Ok(file) => file,
        Err(e) => {
            let error = Error::io("open", &path, e);
            findings.error(&path, error, Some(affected(meta)));
            return findings;
        }
    };
    checked.files += 1;
    checked.sections += meta.sections.len() as u64;
    checked.events += meta.sections.iter().map(|section| section.rows).sum::<u64>();
    let is_whole = check_bytes(&*file, &path, meta, checked, &mut findings);
    let plain = Input::new(file, context.io.storage.keys().cloned());
    let file = Arc::new(plain) as Arc<dyn File>;
    let directory = match read_directory(&*file, &path) {
        Ok(directory) => directory,
        Err(error) => {
            findings.error(&path, error, Some(affected(meta)));
            return findings;
        }
    };
    check_header(&directory.header, current, meta, &path, &mut findings);
    // What the hash vouches for was written like this. What it doesn't is looked at piece by piece,
    // so that the piece has a name.
    let is_deep = context.options.deep || is_whole == Some(false);
    for live in &meta.sections {
        check_entry(live, &directory.sections, &path, &mut findings);
    }
    if is_deep || is_whole.is_none() {
        for section in directory.sections {
            let live = section.blocks.first().and_then(|first| meta.section(first.offset));
            let runs = live.map(|live| &*live.runs);
            let scars = Some(&current.contents.state.scars);
            let is_deep = is_deep && runs.is_some();
            let place = Place { file: &file, path: &path, is_deep, scars };
            check_section(&place, &section, runs.unwrap_or_default(), checked, &mut findings);
        }
    }
    if is_whole == Some(false) && !findings.has_damage() {
        // The parts that have checksums of their own were made to fit.
        let expected = format!("BLAKE3 {}", meta.checksum.map_or(String::new(), |sum| hex(&sum)));
        let found = "other bytes, in which every checksum fits";
        findings.damage(&path, None, "file", expected, found, Some(affected(meta)));
    }
    findings
}

/// The events of a file.
fn affected(meta: &FileMeta) -> Affected {
    let rows = meta.sections.iter().map(|section| section.rows).sum();
    let seqs = meta.sections.iter().map(|section| (section.min_seq, section.max_seq));
    let seqs = seqs.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
    match &meta.sections[..] {
        [only] => Affected::of(&only.partition, seqs, rows),
        all => Affected {
            partition: format!("{} partitions", all.len()),
            first_seq: seqs.0,
            last_seq: Some(seqs.1),
            events: Some(rows),
        },
    }
}

/// Reads all bytes. `Some` if the manifest has a hash of them and they can be read: whether they
/// fit it.
fn check_bytes(
    file: &dyn File,
    path: &Path,
    meta: &FileMeta,
    checked: &mut Checked,
    findings: &mut Findings,
) -> Option<bool> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read.min(PIECE_BYTES)]);
                at += read as u64;
            }
            Err(e) if e.kind() == IoErrorKind::Interrupted => {}
            Err(e) => {
                let error = Error::io(&format!("read, from offset {at},"), path, e);
                findings.error(path, error, Some(affected(meta)));
                return None;
            }
        }
    }
    checked.bytes += at;
    if at != meta.len {
        let (expected, found) = (format!("{} bytes", meta.len), format!("{at} bytes"));
        let place = Some(at.min(meta.len));
        findings.damage(path, place, "file", expected, found, Some(affected(meta)));
        return Some(false);
    }
    meta.checksum.map(|expected| expected == *hasher.finalize().as_bytes())
}

fn check_header(
    header: &Header,
    current: &Current,
    meta: &FileMeta,
    path: &Path,
    findings: &mut Findings,
) {
    let state = &current.contents.state;
    let seqs = (meta.seqs.start, meta.seqs.end);
    let expected =
        Header { store: state.store_uuid, incarnation: header.incarnation, id: meta.id, seqs };
    if *header != expected {
        let describe = |header: &Header| {
            let (store, (first, end)) = (hex(&header.store), header.seqs);
            format!("{} of store {store}, events from {first} up to {end}", header.id)
        };
        let (expected, found) = (describe(&expected), describe(header));
        findings.damage(path, Some(0), "segment header", expected, found, Some(affected(meta)));
    }
}

/// Whether the directory of a file has a section as the manifest has it.
fn check_entry(live: &SectionMeta, sections: &[Section], path: &Path, findings: &mut Findings) {
    let is_it = |section: &&Section| {
        section.blocks.first().is_some_and(|first| first.offset == live.offset)
    };
    let found = sections.iter().find(is_it).cloned().and_then(section_meta).map(|mut found| {
        // Files of version 1 name no runs.
        if found.runs.is_empty() {
            found.runs.clone_from(&live.runs);
        }
        found
    });
    if found.as_ref() == Some(live) {
        return;
    }
    let describe = |section: &SectionMeta| {
        let SectionMeta { partition, rows, blocks, len, runs, .. } = section;
        format!(
            "{rows} events of {partition} in {blocks} blocks of {len} bytes, {} runs",
            runs.len()
        )
    };
    let expected = describe(live);
    let found = match &found {
        Some(found) if describe(found) == expected => {
            "the same, with other times, levels, numbers or runs".to_owned()
        }
        Some(found) => describe(found),
        None => "no section".to_owned(),
    };
    let events = Affected::of(&live.partition, (live.min_seq, live.max_seq), live.rows);
    findings.damage(path, Some(live.offset), "section", expected, found, Some(events));
}

/// What is in the folders of a store.
#[derive(Debug)]
pub(super) struct Listing {
    segments: Vec<String>,
    others: Vec<(PathBuf, Name)>,
    foreign: Vec<PathBuf>,
}

impl Listing {
    pub(super) fn read(io: &Io, dir: &Path) -> Result<Self> {
        let mut listing = Self { segments: Vec::new(), others: Vec::new(), foreign: Vec::new() };
        let segments = names::segments_dir(dir);
        for folder in [dir.to_owned(), names::wal_dir(dir), names::keys_dir(dir), segments.clone()]
        {
            for text in list(io, &folder)? {
                match Name::parse(&text) {
                    Some(_) if folder == segments => listing.segments.push(text),
                    Some(name) => listing.others.push((folder.join(&text), name)),
                    // Beside a store may lie what its owner likes.
                    None if folder != *dir => listing.foreign.push(folder.join(&text)),
                    None => {}
                }
            }
        }
        Ok(listing)
    }

    /// The generations that have a file of keys.
    pub(super) fn key_files(&self) -> impl Iterator<Item = u64> {
        self.others.iter().filter_map(|(_, name)| match name {
            Name::Keys(generation) => Some(*generation),
            _ => None,
        })
    }

    /// Names what the manifest, which was read later, does not.
    pub(super) fn judge(&self, io: &Io, dir: &Path, current: &Current, findings: &mut Findings) {
        let state = &current.contents.state;
        let committed = state.committed_generation.unwrap_or(0);
        let left = "nothing: opening the store removes it; a crash or a running server leaves it";
        for text in &self.segments {
            let path = names::segments_dir(dir).join(text);
            let id = match Name::parse(text) {
                Some(Name::LevelZero(number)) => FileId::LevelZero(number),
                Some(Name::Segment(number)) => FileId::Segment(number),
                Some(Name::Pack(number)) => FileId::Pack(number),
                _ => {
                    findings.note(&path, "surplus file", "files that the manifest names", left);
                    continue;
                }
            };
            if state.evicted.contains(&id) {
                findings.note(
                    &path,
                    "surplus file",
                    "files that are not in the archive only",
                    left,
                );
            } else if !state.files.contains_key(&id) {
                judge_surplus(io, &path, id, state.store_uuid, findings);
            }
        }
        for (path, name) in &self.others {
            let is_surplus = match name {
                Name::Manifest(number) => *number < current.number(),
                Name::Wal(id) => id.generation <= committed,
                Name::Keys(generation) => *generation > committed,
                Name::Temporary => true,
                _ => false,
            };
            if is_surplus {
                findings.note(path, "surplus file", "files that the manifest needs", left);
            }
        }
        for path in &self.foreign {
            findings.note(path, "surplus file", "files of a store", "one that is none by its name");
        }
    }
}

/// A file under its final name was synced before it got it, so that it is whole whatever happened.
fn judge_surplus(io: &Io, path: &Path, id: FileId, store: [u8; 16], findings: &mut Findings) {
    let directory = crypt::open_file(&*io.storage, path).map_err(|e| Error::io("open", path, e));
    let expected = format!("nothing, or a {id} of this store that a crash has left");
    match directory.and_then(|file| read_directory(&*file, path)) {
        Ok(found) if (found.header.store, found.header.id) == (store, id) => {
            let found = "a file that the manifest does not name: opening the store removes it; a \
                         crash or a running server leaves it";
            findings.note(path, "surplus file", "files that the manifest names", found);
        }
        Ok(found) => {
            let found = format!("{} of store {}", found.header.id, hex(&found.header.store));
            findings.damage(path, Some(0), "surplus file", expected, found, None);
        }
        // It was removed meanwhile.
        Err(error) if super::is_missing(&error) => {}
        Err(error) if error.kind() == ErrorKind::Locked => findings.error(path, error, None),
        Err(error) => {
            findings.damage(path, None, "surplus file", expected, error.to_string(), None);
        }
    }
}

/// Verifies the files of a store without a manifest, each by its own checksums.
pub(super) fn check_alone(
    context: &mut Context<'_>,
    checked: &mut Checked,
    findings: &mut Findings,
) -> Result<()> {
    let folder = names::segments_dir(context.dir);
    for text in list(context.io, &folder)? {
        if !matches!(
            Name::parse(&text),
            Some(Name::LevelZero(_) | Name::Segment(_) | Name::Pack(_))
        ) {
            continue;
        }
        let path: Arc<Path> = folder.join(&text).into();
        (context.progress)(&path);
        let file =
            crypt::open_file(&*context.io.storage, &path).map_err(|e| Error::io("open", &path, e));
        let directory = file.and_then(|file| Ok((read_directory(&*file, &path)?, file)));
        let (directory, file) = match directory {
            Ok(found) => found,
            Err(error) => {
                findings.error(&path, error, None);
                continue;
            }
        };
        checked.files += 1;
        for section in &directory.sections {
            let is_deep = context.options.deep;
            let place = Place { file: &file, path: &path, is_deep, scars: None };
            check_section(&place, section, &section.runs, checked, findings);
        }
    }
    Ok(())
}

fn list(io: &Io, folder: &Path) -> Result<Vec<String>> {
    match io.storage.list(folder) {
        Ok(mut names) => {
            names.sort_unstable();
            Ok(names)
        }
        Err(e) if e.kind() == IoErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("list", folder, e)),
    }
}
