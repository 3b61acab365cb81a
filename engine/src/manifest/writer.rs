//! Opens or creates the manifest, commits edits, begins new manifests.

use super::begin::{Failure, Start, begin, check_size, edit_header, edits_bytes_max};
use super::body;
use super::chain::{self, Link, Links};
use super::edit::{Edit, PURGE};
use super::format::{EDIT_HEADER_BYTES, EditHash, FileHeader};
use super::reader::{Contents, read_file};
use super::state::ManifestState;
use crate::crypt::KeyId;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::limits::Limits;
use crate::names::{self, Name};
use crate::segment::is_missing;
use std::cmp::Ordering;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The manifest, open for edits. One thread at a time commits.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(super) io: Io,
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
pub(super) struct Current {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) header: FileHeader,
    pub(super) len: u64,
    pub(super) edits_start: u64,
    /// Bytes of edits after which a new manifest begins.
    pub(super) edits_bytes_max: u64,
    /// Where the next edit goes, and its number.
    pub(super) at: u64,
    pub(super) next: u64,
    /// The links of its edits: all that is kept of them once the next manifest begins.
    pub(super) links: Links,
    /// The key that its snapshot is encrypted under, if it is.
    pub(super) key: Option<KeyId>,
}

/// A manifest up to its last edit. What is later appended changes none of these bytes.
#[derive(Debug)]
pub(crate) struct ManifestImage {
    /// As in its name.
    pub(crate) number: u64,
    /// The number of its last edit, from 1.
    pub(crate) edits: u64,
    /// The hash of that edit.
    pub(crate) hash: EditHash,
    /// Where that edit ends.
    pub(crate) len: u64,
    /// The file: it can be read also when the next manifest has taken its place.
    pub(crate) file: Arc<dyn File>,
    /// Where it is, for errors.
    pub(crate) path: PathBuf,
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
        let contents = read_file(&*io.storage, file, &path, |_, _| {})?;
        if contents.header.number != number {
            let (expected, found) = (number.to_string(), contents.header.number.to_string());
            let what = "manifest number";
            return Err(Corruption { file: path, offset: 0, what, expected, found }.into());
        }
        let Contents {
            header,
            state,
            hash,
            links,
            edits,
            key,
            file,
            len,
            edits_start,
            end,
            last,
            ..
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
            Current { file, path, header, len, edits_start, edits_bytes_max, at, next, links, key };
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
            begin(io, dir, &state, &Start::FIRST, edits_bytes_min, 0).map_err(|f| f.error)?;
        let (io, dir) = (io.clone(), dir.to_owned());
        Ok(Self { io, dir, edits_bytes_min, state, hash, current, closed: None })
    }

    /// The state after the last edit.
    pub(crate) fn state(&self) -> &ManifestState {
        &self.state
    }

    /// The key that its snapshot is encrypted under, if it is.
    pub(crate) fn key(&self) -> Option<KeyId> {
        self.current.key
    }

    /// Whether an edit fits the state.
    ///
    /// # Errors
    /// Why it doesn't, for people.
    pub(crate) fn accepts(&self, edit: &Edit) -> Result<(), String> {
        self.state.check_edit(edit)
    }

    /// The manifest as of now.
    ///
    /// # Errors
    /// `Closed` after a failed sync: what stands in the file is unknown.
    pub(crate) fn image(&self) -> Result<ManifestImage> {
        if let Some(reason) = &self.closed {
            return Err(Error::closed(reason.clone()));
        }
        let Current { file, path, header, at, next, .. } = &self.current;
        Ok(ManifestImage {
            number: header.number,
            edits: next - 1,
            hash: self.hash,
            len: *at,
            file: Arc::clone(file),
            path: path.clone(),
        })
    }

    /// Whether edit `edit` of manifest `number` was one of this store's, with this hash.
    ///
    /// # Errors
    /// `Corrupt`, `Io` of the links of an earlier manifest.
    pub(crate) fn has_edit(&self, number: u64, edit: u64, hash: &EditHash) -> Result<bool> {
        let Some(before) = edit.checked_sub(1).and_then(|edit| usize::try_from(edit).ok()) else {
            return Ok(false);
        };
        let is_hash = |links: &Links| links.hashes().nth(before).as_ref() == Some(hash);
        match number.cmp(&self.current.header.number) {
            Ordering::Greater => Ok(false),
            Ordering::Equal => Ok(is_hash(&self.current.links)),
            Ordering::Less => {
                let store = &self.state.store_uuid;
                match chain::read(&self.io, &self.dir, store, number) {
                    Ok(links) => Ok(is_hash(&links)),
                    Err(error) if is_missing(&error) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
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
        let (kind, plain) = edit.encode();
        let body_len = body::stored_len(&self.io, plain.len());
        check_size(body_len)?;
        let bytes = super::format::edit_bytes(body_len) as u64;
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
        let file = &self.current.header;
        let (version, body) = body::store(&self.io, &file.store_uuid, kind, &self.hash, plain);
        let header = edit_header(file, (kind, version), self.current.next, self.hash, &body);
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

    /// Begins a new manifest if the current one has a purge: the edits before that say what the purged
    /// events were like. Of edits that are gone the links are kept.
    ///
    /// # Errors
    /// `Full`, `Io`: nothing is changed. `Closed` as for [`Manifest::commit`].
    pub(crate) fn forget_purged(&mut self) -> Result<()> {
        if let Some(reason) = &self.closed {
            return Err(Error::closed(reason.clone()));
        }
        match self.has_purge() {
            true => self.begin_next(0),
            false => Ok(()),
        }
    }

    /// Whether the current manifest has a purge.
    pub(crate) fn has_purge(&self) -> bool {
        self.current.links.links.iter().any(|link| link.kind == PURGE)
    }

    /// Begins a new manifest if the current one is not encrypted as the keys want it.
    ///
    /// # Errors
    /// As [`Manifest::forget_purged`].
    pub(crate) fn rekey(&mut self) -> Result<()> {
        let wanted = self.io.storage.keys().map(|keys| keys.active());
        if self.current.key == wanted { Ok(()) } else { self.begin_next(0) }
    }

    /// Begins a new manifest with a snapshot and room for at least `bytes` of edits.
    fn begin_next(&mut self, bytes: u64) -> Result<()> {
        let links = &self.current.links;
        let (number, previous) = (links.manifest + 1, links.last());
        let start = Start { number, previous, ended: Some(links) };
        match begin(&self.io, &self.dir, &self.state, &start, self.edits_bytes_min, bytes) {
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
