//! That the archive has to give up what an exact purge took: an empty file in the directory, so that no
//! crash, and nobody who did not wait for the answer, forgets it.

use crate::engine::Engine;
use crate::engine::state::Shared;
use crate::error::{Error, Result};
use crate::io::Io;
use crate::names;
use parking_lot::Mutex;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

/// What the archive has heard of the exact purges there were. Neither number ever falls: who says that a purge
/// was heard of says nothing of later ones.
#[derive(Debug)]
pub(in crate::engine) struct Owed(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    /// Exact purges; those of earlier processes count as one.
    marked: u64,
    /// Of these the archive has given up what they took.
    erased: u64,
}

impl Owed {
    /// What an earlier process left.
    pub(in crate::engine) fn open(io: &Io, dir: &Path) -> Self {
        let marked = io.storage.open(&names::erasing(dir)).is_ok().into();
        Self(Mutex::new(Counts { marked, erased: 0 }))
    }

    /// Marks that there is something to give up, durably.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn mark(&self, shared: &Shared) -> Result<()> {
        let mut count = self.0.lock();
        let (storage, path) = (&shared.io.storage, names::erasing(&shared.dir));
        match storage.create(&path) {
            Err(e) if e.kind() == IoErrorKind::AlreadyExists => {}
            created => drop(created.map_err(|e| Error::io("create", &path, e))?),
        }
        storage.sync_dir(&shared.dir).map_err(|e| Error::io("sync", &shared.dir, e))?;
        count.marked += 1;
        Ok(())
    }
}

impl Engine {
    /// A number for [`Engine::was_erased`] if an exact purge took events that the archive may have still;
    /// 0 if not.
    pub fn owes_erasure(&self) -> u64 {
        let count = self.shared.owed.0.lock();
        if count.marked > count.erased { count.marked } else { 0 }
    }

    /// The archive has nothing any more of what purges took up to when this number was asked for.
    ///
    /// # Errors
    /// `Io`: it is asked for again.
    pub fn was_erased(&self, owed: u64) -> Result<()> {
        let mut count = self.shared.owed.0.lock();
        if owed != count.marked || owed <= count.erased {
            return Ok(());
        }
        let path = names::erasing(&self.shared.dir);
        match self.shared.io.storage.remove(&path) {
            Err(e) if e.kind() != IoErrorKind::NotFound => Err(Error::io("remove", &path, e)),
            _ => {
                count.erased = owed;
                Ok(())
            }
        }
    }
}
