//! Files of keys.

use super::Damage;
use crate::error::{Error, ErrorKind, Result};
use crate::idempotency::{self, Entry};
use crate::io::Io;
use crate::manifest::ManifestState;
use crate::names::{self, Name};
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

/// What is done about damaged keys.
const REMEDY: &str = "copied, and written anew without what can't be read: a batch whose key is forgotten \
                      may be stored twice if it is sent again";

/// A file of keys that is damaged.
pub(super) struct DamagedKeys {
    pub(super) path: PathBuf,
    generation: u64,
    error: Error,
    /// What is before the damage, and the time of the file.
    kept: Vec<Entry>,
    clock_ms: Option<i64>,
}

/// Reads all files of keys that count.
///
/// # Errors
/// `Unsupported`, `Io`.
pub(super) fn examine(io: &Io, dir: &Path, state: &ManifestState) -> Result<Vec<DamagedKeys>> {
    let keys = names::keys_dir(dir);
    let listed = match io.storage.list(&keys) {
        Err(e) if e.kind() == IoErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|e| Error::io("list", &keys, e))?,
    };
    let mut damaged = Vec::new();
    for name in listed {
        let Some(Name::Keys(generation)) = Name::parse(&name) else { continue };
        let path = keys.join(&name);
        let (error, kept, clock_ms) =
            match idempotency::read(io, &path, Some(state.store_uuid), generation) {
                Ok(file) => match file.damage {
                    Some(damage) => (damage.into(), file.entries, file.clock_ms),
                    None => continue,
                },
                Err(error) if error.kind() == ErrorKind::Corrupt => (error, Vec::new(), None),
                Err(error) => return Err(error),
            };
        damaged.push(DamagedKeys { path, generation, error, kept, clock_ms });
    }
    Ok(damaged)
}

impl DamagedKeys {
    /// What is told about it.
    pub(super) fn to_damage(&self) -> Damage {
        let (error, remedy) = (self.error.clone(), REMEDY.to_owned());
        Damage { error, lost: Vec::new(), remedy }
    }

    /// Writes it anew, or removes it if nothing of it can be read; it was copied.
    pub(super) fn mend(&self, io: &Io, dir: &Path, store: [u8; 16]) -> Result<()> {
        match self.clock_ms {
            Some(clock_ms) => {
                idempotency::write_entries(io, dir, store, self.generation, clock_ms, &self.kept)
            }
            None => super::remove(io, &names::keys_dir(dir), std::slice::from_ref(&self.path)),
        }
    }
}
