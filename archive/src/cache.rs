//! Pieces of objects on the local disk, so that what was fetched once need not be fetched again.
//!
//! - `K1` a piece has [`PIECE`] bytes, the last of an object has the rest. It is a file of its own, named by the
//!   object's hash and the piece's number, and written once.
//! - `K2` nothing of it is trusted: a piece whose checksum is wrong is removed, and fetched again. So nothing is
//!   synced, and what a crash leaves does no harm.
//! - `K3` the pieces take no more bytes than they may, in whole blocks of the disk, nor of what the store keeps
//!   free; those go first that were not used for longest. They are no
//!   part of the store: whoever removes the directory loses time.
//! - `K4` of an object that was forgotten nothing is there, and nothing is put that was asked for before: a piece
//!   is put under an [`Intake`] only, which was begun before the object was asked.

use crate::room::DiskRoom;
use logstrata_engine::io::Storage;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a piece: with its header it takes whole blocks of the disk.
pub(crate) const PIECE: u64 = FILE_BYTES - HEADER_LEN as u64;
/// Bytes of a piece's file at most.
pub(crate) const FILE_BYTES: u64 = 16 << 10;
/// Before the bytes of a piece: magic, and the checksum of its key and its bytes.
const MAGIC: [u8; 4] = *b"LSP\x02";
const HEADER_LEN: usize = 8;
/// Bytes in which a disk counts.
const BLOCK: u64 = 4 << 10;

/// Which piece: the hash of the object, and the piece's number.
pub(crate) type Key = ([u8; 32], u64);

/// The pieces in a directory.
#[derive(Debug)]
pub(crate) struct PieceCache {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    bytes_max: u64,
    /// What is left for it, if somebody says.
    room: Option<Arc<DiskRoom>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The bytes of each file, and when it was last used.
    pieces: BTreeMap<Key, (u64, u64)>,
    /// The same by when.
    by_use: BTreeMap<u64, Key>,
    bytes: u64,
    uses: u64,
    /// The objects of which pieces are on their way.
    coming: HashMap<[u8; 32], Coming>,
}

/// How many fetch pieces of an object, and whether it was forgotten since the first of them began.
#[derive(Debug, Default)]
struct Coming {
    intakes: usize,
    is_forgotten: bool,
}

/// Whoever fetches pieces of an object puts them by it.
#[derive(Debug)]
pub(crate) struct Intake {
    cache: Arc<PieceCache>,
    object: [u8; 32],
}

impl Known {
    fn insert(&mut self, key: Key, bytes: u64) {
        self.remove(&key);
        self.uses += 1;
        self.pieces.insert(key, (bytes, self.uses));
        self.by_use.insert(self.uses, key);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn remove(&mut self, key: &Key) -> bool {
        let Some((bytes, used)) = self.pieces.remove(key) else { return false };
        self.by_use.remove(&used);
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }

    /// Takes all pieces of an object out, and returns them.
    fn take_object(&mut self, object: &[u8; 32]) -> Vec<Key> {
        let of_object = self.pieces.range((*object, 0)..=(*object, u64::MAX));
        let keys: Vec<Key> = of_object.map(|(key, _)| *key).collect();
        for key in &keys {
            self.remove(key);
        }
        keys
    }

    fn is_forgotten(&self, object: &[u8; 32]) -> bool {
        self.coming.get(object).is_some_and(|coming| coming.is_forgotten)
    }

    fn touch(&mut self, key: &Key) -> bool {
        let Some((_, used)) = self.pieces.get_mut(key) else { return false };
        self.uses += 1;
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, *key);
        true
    }
}

impl PieceCache {
    /// The pieces in `dir`, which is made if it is not there; of those from before, all that fit.
    pub(crate) fn open(storage: Arc<dyn Storage>, dir: &Path, bytes_max: u64) -> io::Result<Self> {
        storage.create_dir_all(dir)?;
        let mut known = Known::default();
        // No file is opened for its length: there are many, and all but the last of an object are as long.
        let names = storage.list(dir)?;
        names.iter().filter_map(|name| parse(name)).for_each(|key| known.insert(key, FILE_BYTES));
        let (dir, known) = (dir.to_owned(), Mutex::new(known));
        let cache = Self { storage, dir, bytes_max, room: None, known };
        cache.shrink_to(bytes_max);
        Ok(cache)
    }

    /// The same, as long as the disk has room.
    pub(crate) fn within(self, room: &Arc<DiskRoom>) -> Self {
        Self { room: Some(Arc::clone(room)), ..self }
    }

    /// The bytes that all pieces take.
    pub(crate) fn bytes(&self) -> u64 {
        self.known.lock().bytes
    }

    /// Whether there may be this piece.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.known.lock().pieces.contains_key(key)
    }

    /// A piece of `len` bytes, if it is there and sound.
    pub(crate) fn get(&self, key: &Key, len: usize) -> Option<Vec<u8>> {
        if !self.known.lock().touch(key) {
            return None;
        }
        let read = self.read(key, len).ok().flatten();
        if read.is_none() {
            self.remove(key);
        }
        read
    }

    fn read(&self, key: &Key, len: usize) -> io::Result<Option<Vec<u8>>> {
        let file = self.storage.open(&self.path(key))?;
        if file.len()? != (HEADER_LEN + len) as u64 {
            return Ok(None);
        }
        let mut bytes = vec![0; HEADER_LEN + len];
        file.read_exact_at(&mut bytes, 0)?;
        let piece = bytes.split_off(HEADER_LEN);
        Ok((bytes == header(key, &piece)).then_some(piece))
    }

    /// Begins to fetch pieces of an object.
    pub(crate) fn intake(self: &Arc<Self>, object: [u8; 32]) -> Intake {
        self.known.lock().coming.entry(object).or_default().intakes += 1;
        Intake { cache: Arc::clone(self), object }
    }

    /// Keeps a piece, if there is room for it.
    fn put(&self, key: Key, piece: &[u8]) {
        let len = (HEADER_LEN + piece.len()).next_multiple_of(BLOCK as usize) as u64;
        let may_put = {
            let known = self.known.lock();
            !known.pieces.contains_key(&key) && !known.is_forgotten(&key.0)
        };
        if len > self.bytes_max || !may_put {
            return;
        }
        let room = self.room.as_ref();
        if !room.is_none_or(|room| room.take(&*self.storage, &self.dir, len)) {
            return;
        }
        let path = self.path(&key);
        let written = self.storage.create(&path).and_then(|file| {
            let mut bytes = header(&key, piece);
            bytes.extend_from_slice(piece);
            file.write_all_at(&bytes, 0)
        });
        if written.is_ok() {
            let mut known = self.known.lock();
            // `K4`: it may have been forgotten while it was written.
            if !known.is_forgotten(&key.0) {
                known.insert(key, len);
                drop(known);
                return self.shrink_to(self.bytes_max);
            }
        }
        // Or a disk that is full, or a file that nobody knew of: it is fetched again then.
        self.remove(&key);
    }

    fn remove(&self, key: &Key) {
        self.known.lock().remove(key);
        let _ = self.storage.remove(&self.path(key));
    }

    /// Removes all pieces of an object; those that are on their way are not kept (`K4`).
    pub(crate) fn forget(&self, object: &[u8; 32]) {
        let mut known = self.known.lock();
        if let Some(coming) = known.coming.get_mut(object) {
            coming.is_forgotten = true;
        }
        let keys = known.take_object(object);
        drop(known);
        keys.iter().for_each(|key| drop(self.storage.remove(&self.path(key))));
    }

    /// Forgets all objects but these.
    pub(crate) fn keep_only(&self, objects: &BTreeSet<[u8; 32]>) {
        let known: BTreeSet<[u8; 32]> = self.known.lock().pieces.keys().map(|key| key.0).collect();
        known.difference(objects).for_each(|object| self.forget(object));
    }

    /// Removes pieces of so many bytes, those first that were not used for longest. Returns how many it were.
    pub(crate) fn free(&self, bytes: u64) -> u64 {
        let before = self.bytes();
        self.shrink_to(before.saturating_sub(bytes));
        before.saturating_sub(self.bytes())
    }

    fn shrink_to(&self, bytes_max: u64) {
        loop {
            let key = {
                let mut known = self.known.lock();
                if known.bytes <= bytes_max {
                    return;
                }
                let Some(key) = known.by_use.values().next().copied() else { return };
                known.remove(&key);
                key
            };
            let _ = self.storage.remove(&self.path(&key));
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        let hash: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        self.dir.join(format!("{hash}-{:08x}.piece", key.1))
    }
}

impl Intake {
    /// Keeps a piece, if there is room for it and the object was not forgotten.
    pub(crate) fn put(&self, number: u64, piece: &[u8]) {
        self.cache.put((self.object, number), piece);
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let mut known = self.cache.known.lock();
        if let Some(coming) = known.coming.get_mut(&self.object) {
            coming.intakes -= 1;
            if coming.intakes == 0 {
                known.coming.remove(&self.object);
            }
        }
    }
}

/// Removes all pieces in `dir`, which nobody reads.
pub(crate) fn clear(storage: &dyn Storage, dir: &Path) {
    // Without the directory there is nothing to remove.
    let names = storage.list(dir).unwrap_or_default();
    for name in names.iter().filter(|name| parse(name).is_some()) {
        let _ = storage.remove(&dir.join(name));
    }
}

fn header(key: &Key, piece: &[u8]) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key.0);
    crc.update(&key.1.to_le_bytes());
    crc.update(piece);
    let mut header = MAGIC.to_vec();
    header.extend(crc.finalize().to_le_bytes());
    header
}

/// The piece that a file is named by, if it is one.
fn parse(name: &str) -> Option<Key> {
    let (hash, number) = name.strip_suffix(".piece")?.split_once('-')?;
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = Some(number).filter(|number| number.len() >= 8 && is_hex(number))?;
    Some((crate::copy::hash_of(hash)?, u64::from_str_radix(number, 16).ok()?))
}

#[cfg(test)]
mod tests;
