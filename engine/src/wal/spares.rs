//! Files that wait to become part of the log: zero-filled ahead, or recycled. Syncing a write into
//! one is 1.4 to 1.9 times as fast as growing a file, which must write its new length too.

use crate::error::{Error, Result};
use crate::io::{File, Io};
use crate::limits::SYNCED_AFTER;
use crate::names;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As many are made ahead.
const SPARES_MIN: usize = 1;
/// As many are kept when generations retire.
const SPARES_MAX: usize = 4;
/// Zeros are written in pieces of this many bytes.
pub(super) const ZEROS: usize = 1 << 20;

/// The files that wait, shared by the writer and the thread that makes new ones.
#[derive(Debug)]
pub(crate) struct Spares {
    io: Io,
    dir: PathBuf,
    file_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: Vec<u64>,
    next_number: u64,
}

/// A file taken for the log. Its name is still a free one.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    /// Its length; zero if it is new and has to grow.
    pub(super) bytes: u64,
}

impl Spares {
    /// No file waits yet. Those `found` in the store's directory are removed: whether their bytes, and
    /// with them their length, are on the disk is unknown. If a sync of one failed, the kernel may
    /// count lost pages as clean, and a later sync does not bring them back.
    pub(super) fn new(io: &Io, dir: &Path, file_bytes: u64, found: &[u64]) -> Result<Self> {
        for number in found {
            let path = names::free_wal(dir, *number);
            io.storage.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        // A removed file may come back with a power cut. One with a number of somebody's own making
        // must not use the numbers up.
        let ours = found.iter().filter(|number| **number < u64::MAX / 2);
        let next_number = ours.max().map_or(1, |last| last + 1);
        let state = State { free: Vec::new(), next_number };
        Ok(Self { io: io.clone(), dir: dir.to_owned(), file_bytes, state: Mutex::new(state) })
    }

    /// Makes files until enough wait. Slow: not for the thread that appends.
    ///
    /// # Errors
    /// `Full`, `Io`. The log goes on without: its next file grows instead.
    pub(crate) fn refill(&self) -> Result<()> {
        while self.state.lock().free.len() < SPARES_MIN {
            let number = self.next_number();
            let path = names::free_wal(&self.dir, number);
            if let Err(error) = self.make(&path) {
                // On a full disk the half that could be written is in the way of everything else.
                let _ = self.io.storage.remove(&path);
                return Err(error);
            }
            self.state.lock().free.push(number);
        }
        Ok(())
    }

    fn make(&self, path: &Path) -> Result<()> {
        let file = self.io.storage.create(path).map_err(|e| Error::io("create", path, e))?;
        let zeros = vec![0; ZEROS.min(self.file_bytes as usize)];
        let mut at = 0;
        while at < self.file_bytes {
            let len = zeros.len().min((self.file_bytes - at) as usize);
            file.write_all_at(&zeros[..len], at).map_err(|e| Error::io("fill", path, e))?;
            at += len as u64;
            if at.is_multiple_of(SYNCED_AFTER) && at < self.file_bytes {
                file.sync_data().map_err(|e| Error::io("sync", path, e))?;
            }
        }
        file.sync_data().map_err(|e| Error::io("sync", path, e))
    }

    fn next_number(&self) -> u64 {
        let mut state = self.state.lock();
        state.next_number += 1;
        state.next_number - 1
    }

    /// Removes the files that wait: recycled ones have what the log had. It counts once the directory is
    /// synced.
    pub(super) fn discard(&self) -> Result<()> {
        loop {
            // A file that can't be removed stays one of those that wait.
            let mut state = self.state.lock();
            let Some(number) = state.free.last().copied() else { return Ok(()) };
            let path = names::free_wal(&self.dir, number);
            self.io.storage.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
            state.free.pop();
        }
    }

    /// A file for the log: one that waits if `bytes` fit into it, otherwise a new one.
    pub(super) fn take(&self, bytes: u64) -> Result<Taken> {
        let free = if bytes <= self.file_bytes { self.state.lock().free.pop() } else { None };
        let storage = &self.io.storage;
        match free {
            Some(number) => {
                let path = names::free_wal(&self.dir, number);
                match storage.open_for_write(&path) {
                    Ok(file) => Ok(Taken { number, path, file, bytes: self.file_bytes }),
                    Err(e) => {
                        self.state.lock().free.push(number);
                        Err(Error::io("open", &path, e))
                    }
                }
            }
            None => {
                let number = self.next_number();
                let path = names::free_wal(&self.dir, number);
                let file = storage.create(&path).map_err(|e| Error::io("create", &path, e))?;
                Ok(Taken { number, path, file, bytes: 0 })
            }
        }
    }

    /// Takes back a file that did not become part of the log.
    pub(super) fn put_back(&self, taken: Taken) {
        if taken.bytes == self.file_bytes {
            self.state.lock().free.push(taken.number);
        } else {
            // If it stays, the next start removes it.
            let _ = self.io.storage.remove(&taken.path);
        }
    }

    /// Makes a file that the log needs no longer a free one, or removes it. It counts once the
    /// directory is synced and [`Spares::add`] is told.
    pub(super) fn recycle(&self, path: &Path, bytes: u64) -> Result<Option<u64>> {
        let wanted = bytes == self.file_bytes && self.state.lock().free.len() < SPARES_MAX;
        if wanted {
            let number = self.next_number();
            let free = names::free_wal(&self.dir, number);
            self.io.storage.rename(path, &free).map_err(|e| Error::io("rename", path, e))?;
            Ok(Some(number))
        } else {
            self.remove(path).map(|()| None)
        }
    }

    /// Removes a file that the log needs no longer.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        self.io.storage.remove(path).map_err(|e| Error::io("remove", path, e))
    }

    /// Adds recycled files whose names are durable.
    pub(super) fn add(&self, numbers: impl IntoIterator<Item = u64>) {
        self.state.lock().free.extend(numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryStorage;

    #[test]
    fn a_free_file_of_the_last_number_there_is_does_not_use_the_numbers_up() {
        let (storage, dir) = (MemoryStorage::new(), Path::new("store"));
        let io = Io { storage: Arc::new(storage.clone()), ..Io::system() };
        io.storage.create_dir_all(&names::wal_dir(dir)).unwrap();
        for (found, next) in [(vec![7, u64::MAX], 8), (vec![u64::MAX - 1], 1), (vec![], 1)] {
            for number in &found {
                storage.overwrite(&names::free_wal(dir, *number), vec![0]);
            }
            let spares = Spares::new(&io, dir, 4_096, &found).unwrap();
            assert_eq!((spares.next_number(), spares.next_number()), (next, next + 1));
        }
    }
}
