//! Opens or creates the manifest, commits edits, begins new manifests.

use super::chain::{self, Link, Links};
use super::edit::{EDIT_VERSION, Edit};
use super::format::{EDIT_HEADER_BYTES, EditHash, EditHeader, FILE_HEADER_BYTES, FileHeader, PAGE};
use super::reader::{Contents, read_file};
use super::state::ManifestState;
use crate::codec::crc::crc32;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::limits::{Limits, MANIFEST_EDIT_BYTES_MAX};
use crate::names::{self, MANIFEST_NUMBER_MAX, Name};
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The manifest, open for edits. One thread at a time commits.
#[derive(Debug)]
pub(crate) struct Manifest {
    io: Io,
    dir: PathBuf,
    /// Bytes of edits after which a new manifest may begin (see [`edits_bytes_max`]).
    edits_bytes_min: u64,
    state: ManifestState,
    hash: EditHash,
    current: Current,
    /// Why nothing more may be committed (`M5`).
    closed: Option<String>,
}

/// The file that edits are appended to.
#[derive(Debug)]
struct Current {
    file: Arc<dyn File>,
    path: PathBuf,
    header: FileHeader,
    len: u64,
    edits_start: u64,
    /// Bytes of edits after which a new manifest begins.
    edits_bytes_max: u64,
    /// Where the next edit goes, and its number.
    at: u64,
    next: u64,
    /// The links of its edits: all that is kept of them once the next manifest begins.
    links: Links,
}

impl Manifest {
    /// Opens the manifest of the store in `dir`, or creates the store if `dir` holds none. The
    /// caller holds the store's lock.
    ///
    /// # Errors
    /// `Corrupt` names the file and the place, also if there are other files of a store and no
    /// manifest; `Unsupported`; `Full` and `Io`.
    pub(crate) fn open_or_create(io: &Io, dir: &Path, limits: &Limits) -> Result<Self> {
        io.storage.create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        let mut manifests = Vec::new();
        let mut unneeded = Vec::new();
        for text in list(io, dir)? {
            match Name::parse(&text) {
                Some(Name::Manifest(number)) => manifests.push(number),
                Some(Name::Temporary) => unneeded.push(dir.join(text)),
                _ => {}
            }
        }
        manifests.sort_unstable();
        let manifest = match manifests.pop() {
            Some(number) => Self::open(io, dir, limits, number)?,
            None => Self::create(io, dir, limits)?,
        };
        unneeded.extend(manifests.iter().map(|number| names::manifest(dir, *number)));
        // What is still there is not in the way: it is removed at the next start.
        for path in unneeded {
            let _ = io.storage.remove(&path);
        }
        Ok(manifest)
    }

    fn open(io: &Io, dir: &Path, limits: &Limits, number: u64) -> Result<Self> {
        let path = names::manifest(dir, number);
        let file = io.storage.open_for_write(&path).map_err(|e| Error::io("open", &path, e))?;
        let contents = read_file(file, &path, |_, _| {})?;
        if contents.header.number != number {
            let (expected, found) = (number.to_string(), contents.header.number.to_string());
            let what = "manifest number";
            return Err(Corruption { file: path, offset: 0, what, expected, found }.into());
        }
        let Contents {
            header, state, hash, links, edits, file, len, edits_start, end, last, ..
        } = contents;
        // M6: an edit may be readable and yet not be on the disk, if the process was killed before
        // the sync or if the sync failed. Written again, its pages are written back for certain.
        if edits > 1 {
            file.write_all_at(&last.0, last.1).map_err(|e| Error::io("write", &path, e))?;
        }
        // The other way round: an edit that was refused and wiped may be on the disk, if the sync of
        // that failed. What is not found now must not be found later.
        if end < len {
            file.write_all_at(&[0; EDIT_HEADER_BYTES], end)
                .map_err(|e| Error::io("write", &path, e))?;
        }
        file.sync_data().map_err(|e| Error::io("sync", &path, e))?;
        io.storage.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
        let edits_bytes_min = limits.manifest_bytes_max;
        let edits_bytes_max = edits_bytes_max(edits_start, edits_bytes_min);
        let (at, next) = (end, edits + 1);
        let current =
            Current { file, path, header, len, edits_start, edits_bytes_max, at, next, links };
        let (io, dir) = (io.clone(), dir.to_owned());
        Ok(Self { io, dir, edits_bytes_min, state, hash, current, closed: None })
    }

    fn create(io: &Io, dir: &Path, limits: &Limits) -> Result<Self> {
        refuse_remains(io, dir)?;
        if let Some(parent) = dir.parent() {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            io.storage.sync_dir(parent).map_err(|e| Error::io("sync", parent, e))?;
        }
        let mut store_uuid = [0; 16];
        io.entropy.fill(&mut store_uuid);
        // Zero means nothing.
        let incarnation = 1 + (io.entropy.next_u64() % u64::from(u16::MAX)) as u16;
        let state = ManifestState::new(store_uuid, incarnation, io.clock.now().0);
        let edits_bytes_min = limits.manifest_bytes_max;
        let (current, hash) =
            begin(io, dir, &state, None, edits_bytes_min, 0).map_err(|failure| failure.error)?;
        let (io, dir) = (io.clone(), dir.to_owned());
        Ok(Self { io, dir, edits_bytes_min, state, hash, current, closed: None })
    }

    /// The state after the last edit.
    pub(crate) fn state(&self) -> &ManifestState {
        &self.state
    }

    /// Whether an edit fits the state.
    ///
    /// # Errors
    /// Why it doesn't, for people.
    pub(crate) fn accepts(&self, edit: &Edit) -> Result<(), String> {
        self.state.check_edit(edit)
    }

    /// The hash of the last edit. It names the whole history of the store.
    #[cfg(test)]
    pub(crate) fn hash(&self) -> EditHash {
        self.hash
    }

    /// Commits an edit: durable when this returns `Ok`. Panics for an edit that doesn't fit the
    /// state (`M3`).
    ///
    /// # Errors
    /// `Full` or `Io` if it could not be written: the state is unchanged. `Closed` after a failed
    /// sync, from then on for ever: whether the edit counts is known when the store is opened
    /// again.
    pub(crate) fn commit(&mut self, edit: Edit) -> Result<()> {
        if let Some(reason) = &self.closed {
            return Err(Error::closed(reason.clone()));
        }
        self.state.check_edit(&edit).unwrap_or_else(|what| panic!("M3: {what}"));
        let (kind, body) = edit.encode();
        check_size(&body)?;
        let bytes = super::format::edit_bytes(body.len()) as u64;
        let used = self.current.at - self.current.edits_start;
        if used + bytes > self.current.edits_bytes_max {
            let fits = self.current.at + bytes <= self.current.len;
            match self.begin_next(bytes) {
                // M4: on a full disk the old one goes on as long as it has room.
                Err(error) if error.kind() == ErrorKind::Full && fits => {}
                // A state too large for a snapshot must not stop the store: this one grows.
                Err(error) if error.kind() == ErrorKind::Invalid => {}
                result => result?,
            }
        }
        let header = edit_header(&self.current.header, kind, self.current.next, self.hash, &body);
        self.write(&header.frame(&body, self.current.header.seed()))?;
        self.current.at += bytes;
        self.current.next += 1;
        let link = Link::of(&header, &body);
        self.hash = link.hash(&self.hash);
        self.current.links.links.push(link);
        self.state.apply(edit);
        Ok(())
    }

    fn write(&mut self, frame: &[u8]) -> Result<()> {
        let Current { file, path, at, len, .. } = &self.current;
        let (file, path, at, len) = (Arc::clone(file), path.clone(), *at, *len);
        if let Err(e) = file.write_all_at(frame, at) {
            let error = Error::io("write", &path, e);
            // Only its padding may be missing: it must not be found when the store is opened.
            let room = if at < len { EDIT_HEADER_BYTES } else { 0 };
            let wiped = file.write_all_at(&[0; EDIT_HEADER_BYTES][..room], at);
            return Err(match wiped.and_then(|()| file.sync_data()) {
                Ok(()) => error,
                Err(e) => self.close(Error::io("wipe a refused edit of", &path, e)),
            });
        }
        file.sync_data().map_err(|e| self.close(Error::io("sync", &path, e)))
    }

    /// Begins a new manifest with a snapshot and room for at least `bytes` of edits.
    fn begin_next(&mut self, bytes: u64) -> Result<()> {
        let ended = Some(&self.current.links);
        match begin(&self.io, &self.dir, &self.state, ended, self.edits_bytes_min, bytes) {
            Ok((current, hash)) => {
                let old = std::mem::replace(&mut self.current, current);
                self.hash = hash;
                // If it stays, the next start removes it.
                let _ = self.io.storage.remove(&old.path);
                Ok(())
            }
            Err(Failure { error, fatal: false }) => Err(error),
            Err(Failure { error, fatal: true }) => Err(self.close(error)),
        }
    }

    /// Closes the manifest: what is on the disk is unknown.
    fn close(&mut self, error: Error) -> Error {
        let reason = format!("the manifest is closed until the store is opened again: {error}");
        self.closed = Some(reason.clone());
        Error::closed(reason)
    }
}

/// What is written must be readable.
fn check_size(body: &[u8]) -> Result<()> {
    if body.len() <= MANIFEST_EDIT_BYTES_MAX {
        return Ok(());
    }
    let bytes = body.len();
    let most = MANIFEST_EDIT_BYTES_MAX;
    Err(Error::invalid(format!(
        "an edit of the manifest has {bytes} bytes, at most {most} can be read"
    )))
}

/// Why a manifest was not begun.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether it is unknown what is on the disk.
    pub(super) fatal: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, fatal: false }
    }
}

/// Bytes of edits after which a new manifest begins: as many as its snapshot has, so that a large
/// state is not written again for every few edits.
fn edits_bytes_max(edits_start: u64, edits_bytes_min: u64) -> u64 {
    edits_bytes_min.max(edits_start.saturating_sub(FILE_HEADER_BYTES))
}

/// Writes a manifest with a snapshot of `state` and zeros for the edits to come, `first_bytes` of
/// them at least, and for some more (`M4`); gives it its name once that is synced (`M2`), and the
/// links of the manifest that it takes the place of are, too (`L1`).
fn begin(
    io: &Io,
    dir: &Path,
    state: &ManifestState,
    ended: Option<&Links>,
    edits_bytes_min: u64,
    first_bytes: u64,
) -> Result<(Current, EditHash), Failure> {
    let number = ended.map_or(1, |ended| ended.manifest + 1);
    let previous = ended.map_or([0; 32], Links::last);
    if number > MANIFEST_NUMBER_MAX {
        return Err(Error::unsupported("all numbers of manifests are used up").into());
    }
    let header =
        FileHeader { store_uuid: state.store_uuid, manifest_id: io.entropy.next_u64(), number };
    let (kind, body) = Edit::Snapshot(state.clone()).encode();
    check_size(&body)?;
    let snapshot = edit_header(&header, kind, 1, previous, &body);
    let path = names::manifest(dir, number);
    let temporary = names::temporary(&path);
    match io.storage.remove(&temporary) {
        Err(e) if e.kind() != IoErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary, e).into());
        }
        _ => {}
    }
    let file = io.storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    let mut bytes = header.encode();
    bytes.extend(snapshot.frame(&body, header.seed()));
    let edits_start = bytes.len() as u64;
    let edits_bytes_max = edits_bytes_max(edits_start, edits_bytes_min);
    let room = first_bytes.max(edits_bytes_max + edits_bytes_min);
    let len = edits_start + room.next_multiple_of(PAGE as u64);
    if let Err(e) = fill(&*file, &bytes, len) {
        let _ = io.storage.remove(&temporary);
        return Err(Error::io("write", &temporary, e).into());
    }
    let fatal = |error| Failure { error, fatal: true };
    file.sync_data().map_err(|e| fatal(Error::io("sync", &temporary, e)))?;
    if let Some(ended) = ended {
        chain::write(io, dir, &state.store_uuid, ended).inspect_err(|_| {
            let _ = io.storage.remove(&temporary);
        })?;
    }
    io.storage.rename(&temporary, &path).map_err(|e| {
        let error = Error::io("rename", &temporary, e);
        Failure { fatal: error.kind() != ErrorKind::Full, error }
    })?;
    io.storage.sync_dir(dir).map_err(|e| fatal(Error::io("sync", dir, e)))?;
    let links = Links { manifest: number, previous, links: vec![Link::of(&snapshot, &body)] };
    let (hash, at, next) = (links.last(), edits_start, 2);
    Ok((Current { file, path, header, len, edits_start, edits_bytes_max, at, next, links }, hash))
}

fn fill(file: &dyn File, bytes: &[u8], len: u64) -> std::io::Result<()> {
    file.write_all_at(bytes, 0)?;
    let zeros = vec![0; 1 << 20];
    let mut at = bytes.len() as u64;
    while at < len {
        let piece = zeros.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

fn edit_header(
    file: &FileHeader,
    kind: u16,
    number: u64,
    previous: EditHash,
    body: &[u8],
) -> EditHeader {
    EditHeader {
        kind,
        version: EDIT_VERSION,
        number,
        body_len: u32::try_from(body.len()).expect("an edit is far below 4 GiB"),
        body_crc: crc32(file.seed(), &[body]),
        previous,
    }
}

/// A directory with other files of a store and no manifest is damaged, not new.
fn refuse_remains(io: &Io, dir: &Path) -> Result<()> {
    for inside in [names::wal_dir(dir), names::segments_dir(dir)] {
        for text in list(io, &inside)? {
            if let Some(Name::Wal(_) | Name::LevelZero(_) | Name::Segment(_) | Name::Pack(_)) =
                Name::parse(&text)
            {
                return Err(Corruption {
                    file: names::manifest(dir, 1),
                    offset: 0,
                    what: "store",
                    expected: "a manifest".to_owned(),
                    found: format!("none, but {}", inside.join(text).display()),
                }
                .into());
            }
        }
    }
    Ok(())
}

fn list(io: &Io, dir: &Path) -> Result<Vec<String>> {
    match io.storage.list(dir) {
        Err(e) if e.kind() == IoErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|e| Error::io("list", dir, e)),
    }
}
