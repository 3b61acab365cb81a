//! Makes a store anew from copies of its manifest and of the files that this names, in an empty
//! directory.
//!
//! - `R1` the manifest gets its name last, once every file is durable under its own: until then the
//!   directory is no store, and the restore can be begun again where it ended.
//! - `R2` a file gets its name only if its length and hash are those that the manifest names.
//! - `R3` the chain of edits goes on: the restored store's manifest begins with a snapshot behind the
//!   last edit of the copy, so that every root that was noted before that edit can be proved still.
//! - `R4` the store has an incarnation of its own: ids of events that the copy lacks are never given
//!   to others.
//! - `R5` the directory is marked from its first file on until it is a store. Files that lie in one without
//!   the mark are somebody's, be it of a store whose manifest is lost: they are never replaced.

use crate::crypt::Keyring;
use crate::error::{Corruption, Error, Result};
use crate::io::{File, Io, KeyedStorage, Lock, MemoryStorage, Storage};
use crate::limits::Limits;
use crate::manifest::{self, Contents, FileMeta};
use crate::names::{self, Name};
use crate::wal;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of a file that is there already is read at once, to see whether it is whole.
const PIECE_BYTES: usize = 1 << 20;

/// A store that is made anew. Holds the directory's lock.
#[derive(Debug)]
pub struct Restore {
    io: Io,
    dir: PathBuf,
    limits: Limits,
    contents: Contents,
    _lock: Box<dyn Lock>,
}

/// A file that a restore needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its path within the store, as [`crate::SealedFile::name`] has it.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// BLAKE3 of all its bytes, if the manifest has it.
    pub blake3: Option<[u8; 32]>,
    /// The number of its events.
    pub events: u64,
}

/// A file on its way into the store; without [`RestoreFile::finish`] it is not there.
#[derive(Debug)]
pub struct RestoreFile {
    io: Io,
    path: PathBuf,
    temporary: PathBuf,
    file: Arc<dyn File>,
    len: u64,
    wanted: ([u8; 32], u64),
    hasher: blake3::Hasher,
}

impl Restore {
    /// Begins with a copy of manifest `number`, up to any edit. The directory has to be empty, but for
    /// what an earlier attempt left.
    ///
    /// # Errors
    /// `Corrupt` for a manifest that is damaged; `Unsupported`; `Busy` if another process is at it;
    /// `Invalid` for a directory with anything else in it; `Io`.
    pub fn begin(
        io: &Io,
        dir: &Path,
        limits: &Limits,
        number: u64,
        manifest: &[u8],
    ) -> Result<Self> {
        let contents = read_copy(number, manifest, io.storage.keys())?;
        let storage = &io.storage;
        for folder in [dir.to_owned(), names::segments_dir(dir)] {
            storage.create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
        }
        let lock = crate::engine::lock(io, dir)?;
        refuse_others(storage, dir)?;
        mark(storage, dir)?;
        remove_log(storage, dir)?;
        let (io, dir, limits) = (io.clone(), dir.to_owned(), limits.clone());
        Ok(Self { io, dir, limits, contents, _lock: lock })
    }

    /// The files that the manifest names.
    pub fn files(&self) -> Vec<Restored> {
        files_of(&self.contents)
    }

    /// The files that a copy of manifest `number` names. Nothing is written. `keys` read it if it
    /// is encrypted.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported`; `Locked` without its key.
    pub fn needs(
        number: u64,
        manifest: &[u8],
        keys: Option<&Arc<Keyring>>,
    ) -> Result<Vec<Restored>> {
        Ok(files_of(&read_copy(number, manifest, keys)?))
    }

    /// Whether an earlier attempt has restored this file, or part of the links, already.
    ///
    /// # Errors
    /// `Io`.
    pub fn has(&self, name: &str, len: u64, blake3: &[u8; 32]) -> Result<bool> {
        let path = self.path(name)?;
        let file = match self.io.storage.open(&path) {
            Err(e) if e.kind() == IoErrorKind::NotFound => return Ok(false),
            file => file.map_err(|e| Error::io("open", &path, e))?,
        };
        let failed = |e| Error::io("read", &path, e);
        if file.len().map_err(failed)? != len {
            return Ok(false);
        }
        let (mut at, mut hasher) = (0, blake3::Hasher::new());
        let mut piece = vec![0; PIECE_BYTES];
        while at < len {
            let bytes = PIECE_BYTES.min(usize::try_from(len - at).unwrap_or(usize::MAX));
            file.read_exact_at(&mut piece[..bytes], at).map_err(failed)?;
            hasher.update(&piece[..bytes]);
            at += bytes as u64;
        }
        Ok(hasher.finalize() == *blake3)
    }

    /// Begins to write a file: one that the manifest names, or the links of an earlier manifest.
    ///
    /// # Errors
    /// `Invalid` for any other name; `Full`, `Io`.
    pub fn create(&self, name: &str, len: u64, blake3: [u8; 32]) -> Result<RestoreFile> {
        let path = self.path(name)?;
        let temporary = names::temporary(&path);
        match self.io.storage.remove(&temporary) {
            Err(e) if e.kind() != IoErrorKind::NotFound => {
                return Err(Error::io("remove", &temporary, e));
            }
            _ => {}
        }
        let file =
            self.io.storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
        let (io, hasher) = (self.io.clone(), blake3::Hasher::new());
        Ok(RestoreFile { io, path, temporary, file, len: 0, wanted: (blake3, len), hasher })
    }

    /// Makes the directory a store. Returns the number of its events.
    ///
    /// # Errors
    /// `Corrupt` if a file that the manifest names is not there; `Full`, `Io`.
    pub fn finish(self) -> Result<u64> {
        let Self { io, dir, limits, contents, _lock } = self;
        let Contents { mut state, links, header, .. } = contents;
        for meta in state.files.values() {
            let path = meta.id.path(&dir);
            let there = io.storage.open(&path).and_then(|file| file.len());
            if there.as_ref().ok() != Some(&meta.len) {
                let found = there.map_or_else(|e| e.to_string(), |len| format!("{len} bytes"));
                let expected = format!("a file of {} bytes", meta.len);
                let what = "segment";
                return Err(Corruption { file: path, offset: 0, what, expected, found }.into());
            }
        }
        // All of them were fetched.
        state.evicted.clear();
        let before = state.incarnation;
        while state.incarnation == before {
            // Zero means nothing.
            state.incarnation = 1 + (io.entropy.next_u64() % u64::from(u16::MAX)) as u16;
        }
        state.clock_high_water = state.clock_high_water.max(io.clock.now().0);
        let events = state.files.values().map(|file| Restored::of(file).events).sum();
        for folder in [&names::segments_dir(&dir), &dir] {
            io.storage.sync_dir(folder).map_err(|e| Error::io("sync", folder, e))?;
        }
        if let Some(last) = state.committed_generation {
            // What was only in the log is in no copy: the new log begins behind the files.
            let next = last.checked_add(1);
            let next = next.ok_or_else(|| Error::unsupported("all generations are used up"))?;
            let folder = names::wal_dir(&dir);
            io.storage.create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
            wal::write_empty(&io, &dir, &state.store_uuid, next)?;
        }
        manifest::begin_anew(&io, &dir, &limits, &state, header.number + 1, Some(&links))?;
        // It is a store now; a mark that stays goes when it is opened.
        let _ = unmark(&io, &dir);
        Ok(events)
    }

    /// Where a file of this name goes. Names come from elsewhere: only ours are taken.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let refuse = || Error::invalid(format!("{name:?} is no file of this store"));
        let (folder, plain) = match name.strip_prefix("segments/") {
            Some(plain) => (names::segments_dir(&self.dir), plain),
            None => (self.dir.clone(), name),
        };
        let is_ours = match Name::parse(plain) {
            Some(Name::Chain(number)) => folder == self.dir && number < self.contents.header.number,
            Some(Name::LevelZero(_) | Name::Segment(_) | Name::Pack(_)) => folder != self.dir,
            _ => false,
        };
        if is_ours { Ok(folder.join(plain)) } else { Err(refuse()) }
    }
}

/// The manifest of these bytes.
fn read_copy(number: u64, manifest: &[u8], keys: Option<&Arc<Keyring>>) -> Result<Contents> {
    let memory = MemoryStorage::new();
    let path = PathBuf::from(format!("copy of manifest {number}"));
    memory.overwrite(&path, manifest.to_vec());
    let memory: Arc<dyn Storage> = Arc::new(memory);
    let storage = match keys {
        Some(keys) => Arc::new(KeyedStorage::new(memory, Arc::clone(keys))),
        None => memory,
    };
    let io = Io { storage, ..Io::system() };
    let contents = manifest::read(&io, &path, |_, _| {})?;
    if contents.header.number == number {
        return Ok(contents);
    }
    let (expected, found) = (number.to_string(), contents.header.number.to_string());
    let what = "manifest number";
    Err(Corruption { file: path, offset: 0, what, expected, found }.into())
}

fn files_of(contents: &Contents) -> Vec<Restored> {
    contents.state.files.values().map(|meta| Restored::of(meta)).collect()
}

impl Restored {
    fn of(meta: &FileMeta) -> Self {
        Self {
            name: names::in_store(&meta.id.path(Path::new(""))),
            len: meta.len,
            blake3: meta.checksum,
            events: meta.sections.iter().map(|section| section.rows).sum(),
        }
    }
}

impl RestoreFile {
    /// Writes the next bytes.
    ///
    /// # Errors
    /// `Full`, `Io`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, self.len)
            .map_err(|e| Error::io("write", &self.temporary, e))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its name, durable but for the name.
    ///
    /// # Errors
    /// `Corrupt` if it has another length or hash than was promised; `Io`.
    pub fn finish(self) -> Result<()> {
        let Self { io, path, temporary, file, len, wanted, hasher } = self;
        let hash = hasher.finalize();
        if len != wanted.1 || hash != wanted.0 {
            let describe = |len, hash: [u8; 32]| {
                let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{len} bytes of hash {hash}")
            };
            let (expected, found) = (describe(wanted.1, wanted.0), describe(len, hash.into()));
            let _ = io.storage.remove(&temporary);
            return Err(Corruption { file: path, offset: 0, what: "copy", expected, found }.into());
        }
        file.sync_data().map_err(|e| Error::io("sync", &temporary, e))?;
        io.storage.rename(&temporary, &path).map_err(|e| Error::io("rename", &temporary, e))
    }
}

/// `R5`: what an earlier attempt left is gone on with, and nothing else.
fn refuse_others(storage: &Arc<dyn Storage>, dir: &Path) -> Result<()> {
    let list = |folder: &Path| match storage.list(folder) {
        Err(e) if e.kind() == IoErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|e| Error::io("list", folder, e)),
    };
    let names = list(dir)?;
    let parsed = || names.iter().map(|name| (name, Name::parse(name)));
    let is_marked = parsed().any(|(_, name)| name == Some(Name::Restoring));
    let is_left = |name: Option<Name>| match name {
        Some(Name::Lock | Name::Restoring) => true,
        Some(Name::Chain(_) | Name::Temporary) => is_marked,
        _ => false,
    };
    let mut strange: Vec<_> = parsed().filter(|(_, name)| !is_left(*name)).collect();
    let inner = [names::segments_dir(dir), names::wal_dir(dir), names::keys_dir(dir)];
    let inner = inner.iter().map(|folder| list(folder)).collect::<Result<Vec<_>>>()?;
    if !is_marked {
        strange.extend(inner.iter().flatten().map(|name| (name, None)));
    }
    match strange.first() {
        None => Ok(()),
        Some((first, _)) => Err(Error::invalid(format!(
            "{} is not empty: {first} is in it; a store is restored into an empty directory",
            dir.display()
        ))),
    }
}

/// Removes the log that an earlier attempt wrote when it ended: it belongs to that copy of the manifest.
fn remove_log(storage: &Arc<dyn Storage>, dir: &Path) -> Result<()> {
    let folder = names::wal_dir(dir);
    let found = match storage.list(&folder) {
        Err(e) if e.kind() == IoErrorKind::NotFound => return Ok(()),
        found => found.map_err(|e| Error::io("list", &folder, e))?,
    };
    for name in &found {
        let path = folder.join(name);
        storage.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
    }
    storage.sync_dir(&folder).map_err(|e| Error::io("sync", &folder, e))
}

/// `R5`: before anything else is in the directory.
fn mark(storage: &Arc<dyn Storage>, dir: &Path) -> Result<()> {
    let path = names::restoring(dir);
    match storage.create(&path) {
        Err(e) if e.kind() == IoErrorKind::AlreadyExists => {}
        created => drop(created.map_err(|e| Error::io("create", &path, e))?),
    }
    storage.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))
}

/// Removes the mark of a restore, if there is one: what is beside it is a store.
///
/// # Errors
/// `Io`.
pub(crate) fn unmark(io: &Io, dir: &Path) -> Result<()> {
    let path = names::restoring(dir);
    match io.storage.remove(&path) {
        Err(e) if e.kind() != IoErrorKind::NotFound => Err(Error::io("remove", &path, e)),
        _ => Ok(()),
    }
}
