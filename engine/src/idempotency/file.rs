//! Files of keys: what a generation's batches were known by, kept when its log goes. The bytes are
//! described in `docs/format/keys.md`.
//!
//! A file is durable under its name before the manifest's edit of its generation is written; one
//! of a generation that is not committed is removed when the store is opened, for the log has its
//! keys still.

use super::claims::Claims;
use super::record::Entry;
use super::table::{Mark, Range};
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::Io;
use crate::names::{self, Name};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

const MAGIC: [u8; 8] = *b"LSKEYS\0\x01";
const VERSION: u16 = 1;
/// Magic, version, features, store, generation, number of entries.
const HEADER_LEN: usize = 8 + 2 + 2 + 16 + 8 + 4;
const CRC_LEN: usize = 4;
/// A file is refused above this, so that a foreign length can't make us allocate.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Entries that are copied at a time.
const CHUNK_ENTRIES: usize = 1_024;

/// The files of keys of a store.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    io: Io,
    dir: PathBuf,
    store: [u8; 16],
    /// Generations that have a file, oldest first, and the mark behind the entries of each.
    files: Mutex<VecDeque<(u64, Mark)>>,
    damaged: AtomicU64,
}

impl KeyFiles {
    /// Remembers in `claims` what the files of generations up to `committed` hold. A damaged file
    /// is counted, passed over and left where it is: what it knew is forgotten, but the store opens.
    pub(crate) fn open(
        io: &Io,
        dir: &Path,
        store: [u8; 16],
        committed: u64,
        claims: &Claims,
    ) -> Result<Self> {
        let keys = names::keys_dir(dir);
        let listed = io.storage.list(&keys).map_err(|e| Error::io("list", &keys, e))?;
        let mut generations = Vec::new();
        for name in listed {
            let path = keys.join(&name);
            let is_orphan = match Name::parse(&name) {
                Some(Name::Keys(generation)) if generation <= committed => {
                    generations.push(generation);
                    false
                }
                Some(Name::Keys(_) | Name::Temporary) => true,
                _ => false,
            };
            if is_orphan {
                io.storage.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
            }
        }
        generations.sort_unstable();
        let files = Self {
            io: io.clone(),
            dir: dir.to_owned(),
            store,
            files: Mutex::default(),
            damaged: AtomicU64::new(0),
        };
        let now_ms = io.clock.now().millis();
        for generation in generations {
            match files.read(generation) {
                Ok(entries) => {
                    for entry in entries {
                        claims.remember(entry, now_ms);
                    }
                    files.files.lock().push_back((generation, claims.end()));
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) =>
                {
                    files.damaged.fetch_add(1, Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        claims.begin_generation();
        Ok(files)
    }

    /// Writes the keys of a generation that are remembered; durable when it returns.
    pub(crate) fn write(&self, generation: u64, range: Range, claims: &Claims) -> Result<()> {
        let (mut left, mut entries) = (range, Vec::new());
        // Not all at once: appends would wait meanwhile.
        while let chunk @ [_, ..] = &mut claims.take(&mut left, CHUNK_ENTRIES)[..] {
            entries.extend_from_slice(chunk);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let bytes = encode(self.store, generation, &entries);
        let path = names::keys(&self.dir, generation);
        let temporary = names::temporary(&path);
        let storage = &self.io.storage;
        // Left by a flush that failed or was cut off.
        match storage.remove(&temporary) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &temporary, e));
            }
            _ => {}
        }
        let file = storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
        file.write_all_at(&bytes, 0).map_err(|e| Error::io("write", &temporary, e))?;
        file.sync_data().map_err(|e| Error::io("sync", &temporary, e))?;
        storage.rename(&temporary, &path).map_err(|e| Error::io("rename", &temporary, e))?;
        let keys = names::keys_dir(&self.dir);
        storage.sync_dir(&keys).map_err(|e| Error::io("sync", &keys, e))?;
        let mut files = self.files.lock();
        // A flush that failed after this is tried again.
        files.retain(|(other, _)| *other != generation);
        files.push_back((generation, range.to));
        Ok(())
    }

    /// Removes files of which nothing is remembered any more.
    pub(crate) fn forget(&self, claims: &Claims) {
        claims.forget(self.io.clock.now().millis());
        let mut files = self.files.lock();
        while let Some((generation, end)) = files.front()
            && claims.has_forgotten(*end)
        {
            let path = names::keys(&self.dir, *generation);
            match self.io.storage.remove(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return,
                _ => drop(files.pop_front()),
            }
        }
    }

    /// Files that were damaged when the store was opened.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Relaxed)
    }

    fn read(&self, generation: u64) -> Result<Vec<Entry>> {
        let path = names::keys(&self.dir, generation);
        let read = |e| Error::io("read", &path, e);
        let file = self.io.storage.open(&path).map_err(read)?;
        let len = file.len().map_err(read)?;
        let expected = format!("at most {FILE_BYTES_MAX} bytes");
        let len = usize::try_from(len).ok().filter(|_| len <= FILE_BYTES_MAX).ok_or_else(|| {
            let (file, found) = (path.clone(), len.to_string());
            Corruption { file, offset: 0, what: "key file", expected, found }
        })?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(read)?;
        decode(&bytes, self.store, generation, &path)
    }
}

/// The bytes of a file.
pub(super) fn encode(store: [u8; 16], generation: u64, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN + entries.len() * 96 + CRC_LEN);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&0u16.to_le_bytes());
    out.extend_from_slice(&store);
    out.extend_from_slice(&generation.to_le_bytes());
    let count = u32::try_from(entries.len()).expect("a generation has far fewer batches");
    out.extend_from_slice(&count.to_le_bytes());
    entries.iter().for_each(|entry| entry.encode(&mut out));
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// The entries of a file, which is that of this store and generation.
pub(super) fn decode(
    bytes: &[u8],
    store: [u8; 16],
    generation: u64,
    path: &Path,
) -> Result<Vec<Entry>> {
    let (body, crc) =
        bytes.split_at_checked(bytes.len().saturating_sub(CRC_LEN)).unwrap_or_default();
    let mut slice = Slice::new(body, 0, "key file", path);
    let magic = slice.take(MAGIC.len())?;
    if magic != MAGIC {
        return Err(slice.corrupt(format!("{MAGIC:02x?}"), format!("{magic:02x?}")).into());
    }
    let computed = crc32fast::hash(body).to_le_bytes();
    if crc != computed {
        return Err(slice.corrupt(format!("CRC {computed:02x?}"), format!("{crc:02x?}")).into());
    }
    let (version, features) = (slice.u16()?, slice.u16()?);
    if (version, features) != (VERSION, 0) {
        return Err(Error::unsupported(format!(
            "{}: key file version {version} with features {features:#x}, this version reads \
             {VERSION} without",
            path.display()
        )));
    }
    let (found_store, found) = (slice.take(16)?, slice.u64()?);
    if found_store != store || found != generation {
        let expected = format!("generation {generation} of this store");
        let found = format!("generation {found} of store {found_store:02x?}");
        return Err(slice.corrupt(expected, found).into());
    }
    let count = slice.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(Entry::decode(&mut slice)?);
    }
    slice.finish()?;
    Ok(entries)
}
