//! Files of keys: what a generation's batches were known by, kept when its log goes.
//!
//! A file is durable under its name before the manifest's edit of its generation is written; one
//! of a generation that is not committed is removed once the log is read, which has its keys still.

use super::claims::Claims;
use super::format::{self, KeysFile};
use super::record::Entry;
use super::table::{Mark, Range};
use crate::crypt::{self, Output};
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::Io;
use crate::names::{self, Name};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// A file is refused above this, so that a foreign length can't make us allocate.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Entries that are copied and written at a time.
pub(super) const CHUNK_ENTRIES: usize = 1_024;
/// While keys are remembered but none come, a file that tells the time of their clock is written
/// with the next flush after this; otherwise a restart would make them younger by what has passed.
const CLOCK_NOTED_EVERY_MS: i64 = 60 * 60 * 1_000;

/// The files of keys of a store. The flusher has it.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    io: Io,
    dir: PathBuf,
    store: [u8; 16],
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Generations that have a file, oldest first, and the mark behind the entries of each.
    files: VecDeque<(u64, Mark)>,
    /// The time by the clock of keys that the newest file tells; `None` if none does.
    clock_noted_ms: Option<i64>,
}

impl KeyFiles {
    /// Remembers in `claims` what the files of generations up to `committed` hold. A damaged file
    /// is left where it is, for whoever repairs it: what is behind the damage is forgotten, but the
    /// store opens. The second value tells of each.
    ///
    /// # Errors
    /// `Io`; `Unsupported` for a file of a later version: nothing is wrong with it, and to pass over
    /// it would store batches twice.
    pub(crate) fn open(
        io: &Io,
        dir: &Path,
        store: [u8; 16],
        committed: u64,
        claims: &Claims,
    ) -> Result<(Self, Vec<Error>)> {
        let mut inner = Inner { files: VecDeque::new(), clock_noted_ms: None };
        let mut damages = Vec::new();
        for generation in list(io, dir)?.into_iter().filter(|generation| *generation <= committed) {
            let path = names::keys(dir, generation);
            let KeysFile { entries, clock_ms, damage } =
                match read(io, &path, Some(store), generation) {
                    Ok(file) => file,
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        damages.push(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
            // Before the entries: those that are too old need not push out others.
            if let Some(clock_ms) = clock_ms {
                claims.heed(clock_ms);
                inner.clock_noted_ms = Some(clock_ms);
            }
            entries.into_iter().for_each(|entry| claims.remember(entry));
            match damage {
                Some(damage) => damages.push(damage.into()),
                None => inner.files.push_back((generation, claims.end())),
            }
        }
        // Nobody may ask the clock before the log is read, which may tell a later time.
        claims.begin_generation();
        let (io, dir) = (io.clone(), dir.to_owned());
        Ok((Self { io, dir, store, inner: Mutex::new(inner) }, damages))
    }

    /// Writes the keys of a generation that are remembered; durable when it returns. Without any
    /// there is no file, unless it is time to note the time.
    pub(crate) fn write(&self, generation: u64, range: Range, claims: &Claims) -> Result<()> {
        claims.forget();
        let mut left = range;
        let mut entries = claims.take(&mut left, CHUNK_ENTRIES);
        let now_ms = claims.now_ms();
        let noted_ms = self.inner.lock().clock_noted_ms;
        let notes_time =
            noted_ms.is_none_or(|noted| now_ms.saturating_sub(noted) >= CLOCK_NOTED_EVERY_MS);
        if entries.is_empty() && (claims.is_empty() || !notes_time) {
            return Ok(());
        }
        write_file(&self.io, &self.dir, self.store, generation, now_ms, || {
            let next = claims.take(&mut left, CHUNK_ENTRIES);
            std::mem::replace(&mut entries, next)
        })?;
        let mut inner = self.inner.lock();
        // A flush that failed after this is tried again.
        inner.files.retain(|(other, _)| *other != generation);
        inner.files.push_back((generation, range.to));
        inner.clock_noted_ms = Some(now_ms);
        Ok(())
    }

    /// Removes files of which nothing is remembered any more.
    pub(crate) fn forget(&self, claims: &Claims) {
        claims.forget();
        let mut inner = self.inner.lock();
        while let Some((generation, end)) = inner.files.front()
            && claims.has_forgotten(*end)
        {
            let path = names::keys(&self.dir, *generation);
            match self.io.storage.remove(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return,
                _ => drop(inner.files.pop_front()),
            }
        }
    }
}

/// Writes the file of a generation, durable under its name when it returns. `next` gives the entries,
/// in chunks; an empty one is the last.
///
/// # Errors
/// `Full`, `Io`; `Closed` after a failed sync.
pub(crate) fn write_file(
    io: &Io,
    dir: &Path,
    store: [u8; 16],
    generation: u64,
    clock_ms: i64,
    mut next: impl FnMut() -> Vec<Entry>,
) -> Result<()> {
    let path = names::keys(dir, generation);
    let temporary = names::temporary(&path);
    let storage = &io.storage;
    // Left by a flush that failed or was cut off.
    match storage.remove(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary, e));
        }
        _ => {}
    }
    let file = storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    let failed = |e| Error::io("write", &temporary, e);
    let keys = storage.keys().map(|keys| &**keys);
    let mut out = Output::begin(file, keys, &*io.entropy).map_err(failed)?;
    out.put(&format::header(store, generation, clock_ms)).map_err(failed)?;
    let mut total = 0;
    loop {
        let entries = next();
        if entries.is_empty() {
            break;
        }
        out.put(&format::chunk(&entries)).map_err(failed)?;
        total += entries.len() as u64;
    }
    out.put(&format::end(total)).and_then(|()| out.finish()).map_err(failed)?;
    out.file().sync_data().map_err(|e| Error::sync(&temporary, e))?;
    storage.rename(&temporary, &path).map_err(|e| Error::io("rename", &temporary, e))?;
    let keys = names::keys_dir(dir);
    storage.sync_dir(&keys).map_err(|e| Error::sync(&keys, e))
}

/// Writes a file of these entries, which are those of a generation.
///
/// # Errors
/// Those of [`write_file`].
pub(crate) fn write_entries(
    io: &Io,
    dir: &Path,
    store: [u8; 16],
    generation: u64,
    clock_ms: i64,
    entries: &[Entry],
) -> Result<()> {
    let mut chunks = entries.chunks(CHUNK_ENTRIES);
    let next = || chunks.next().map(<[Entry]>::to_vec).unwrap_or_default();
    write_file(io, dir, store, generation, clock_ms, next)
}

/// Removes what a flush that was cut off left behind. Not before the log is read: until then a file
/// may have what a damaged log can't give back.
///
/// # Errors
/// `Io`.
pub(crate) fn remove_orphans(io: &Io, dir: &Path, committed: u64) -> Result<()> {
    let keys = names::keys_dir(dir);
    for name in io.storage.list(&keys).map_err(|e| Error::io("list", &keys, e))? {
        let is_orphan = match Name::parse(&name) {
            Some(Name::Keys(generation)) => generation > committed,
            Some(Name::Temporary) => true,
            _ => false,
        };
        if is_orphan {
            let path = keys.join(&name);
            io.storage.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}

/// What a file of this generation holds, of this store if one is given.
///
/// # Errors
/// `Corrupt` if nothing can be read of it, `Unsupported`, `Io`.
pub(crate) fn read(
    io: &Io,
    path: &Path,
    store: Option<[u8; 16]>,
    generation: u64,
) -> Result<KeysFile> {
    let failed = |e| Error::io("read", path, e);
    let file = crypt::open_file(&*io.storage, path).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    let expected = format!("at most {FILE_BYTES_MAX} bytes");
    let len = usize::try_from(len).ok().filter(|_| len <= FILE_BYTES_MAX).ok_or_else(|| {
        let (file, found) = (path.to_owned(), len.to_string());
        Corruption { file, offset: 0, what: "file of keys", expected, found }
    })?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    crypt::refuse_encrypted(&bytes, path)?;
    format::decode(&bytes, store, generation, path)
}

/// Verifies the file of a generation. Returns how many keys are in it.
///
/// # Errors
/// `Corrupt` for any damage, `Unsupported`, `Io`.
pub(crate) fn check(io: &Io, dir: &Path, store: [u8; 16], generation: u64) -> Result<usize> {
    let file = read(io, &names::keys(dir, generation), Some(store), generation)?;
    file.damage.map_or(Ok(file.entries.len()), |damage| Err(damage.into()))
}

/// The generations that have a file, oldest first.
fn list(io: &Io, dir: &Path) -> Result<Vec<u64>> {
    let keys = names::keys_dir(dir);
    let names = io.storage.list(&keys).map_err(|e| Error::io("list", &keys, e))?;
    let generation = |name: &String| match Name::parse(name) {
        Some(Name::Keys(generation)) => Some(generation),
        _ => None,
    };
    let mut generations: Vec<u64> = names.iter().filter_map(generation).collect();
    generations.sort_unstable();
    Ok(generations)
}
