//! Under which keys a store is encrypted, part by part: a key that is named nowhere can be given up.

use super::Engine;
use crate::crypt::{Input, KeyId};
use crate::error::{Error, ErrorKind, Result};
use crate::names::{self, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Under which keys a store is encrypted. `None` stands for what is plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionStatus {
    /// The keys that were given; the first encrypts what is written. Without any, that is plain.
    pub keys: Vec<KeyId>,
    /// The files of sections on the disk, by their key.
    pub files: BTreeMap<Option<KeyId>, KeyUse>,
    /// Files that are in the archive only: they are as they were when they left the disk.
    pub away: BTreeMap<Option<KeyId>, KeyUse>,
    /// The files of idempotency keys.
    pub key_files: BTreeMap<Option<KeyId>, KeyUse>,
    /// The manifest.
    pub manifest: Option<KeyId>,
    /// What of the log is in no file yet, and what is written to it.
    pub log: BTreeSet<Option<KeyId>>,
    /// Files of any kind whose key is not known: their first bytes are damaged, or the archive does not
    /// answer.
    pub unreadable: KeyUse,
}

/// How a store was encrypted when it was opened.
#[derive(Debug)]
pub(super) struct Found {
    /// Whether its manifest was plain, though there are keys.
    pub(super) was_plain: bool,
    /// The last generation of its log, and the keys of that.
    pub(super) generation: u64,
    pub(super) log: BTreeSet<Option<KeyId>>,
}

/// Files under a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl KeyUse {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Engine {
    /// Under which keys the store is encrypted. Reads the header of each file once, also of those that are
    /// in the archive only.
    ///
    /// # Errors
    /// `Io` if the files of keys can't be listed.
    pub fn encryption(&self) -> Result<EncryptionStatus> {
        let shared = &self.shared;
        let given = shared.io.storage.keys();
        let mut status = EncryptionStatus {
            keys: given.map(|keys| keys.ids().collect()).unwrap_or_default(),
            files: BTreeMap::new(),
            away: BTreeMap::new(),
            key_files: BTreeMap::new(),
            manifest: None,
            log: BTreeSet::from([given.map(|keys| keys.active())]),
            unreadable: KeyUse::default(),
        };
        {
            let manifest = shared.manifest();
            status.manifest = manifest.key();
            if manifest.state().committed_generation < Some(self.found.generation) {
                status.log.extend(&self.found.log);
            }
        }
        self.count_files(&mut status);
        self.count_key_files(&mut status)?;
        Ok(status)
    }

    /// Whether the store was plain when it was opened, though there are keys. They came to it then; or its
    /// manifest is from somebody who has none.
    pub fn was_plain(&self) -> bool {
        self.found.was_plain
    }

    fn count_files(&self, status: &mut EncryptionStatus) {
        let live = Arc::clone(&self.shared.state().files);
        // An archive that is away is asked once.
        let mut is_away = false;
        for file in live.iter() {
            let is_evicted = file.file.is_evicted();
            let key = match is_evicted {
                // A store without keys has nothing that is encrypted.
                true if status.keys.is_empty() => Ok(None),
                true if is_away => Err(ErrorKind::Away),
                _ => file.file.key_id().map_err(|error| error.kind()),
            };
            is_away |= key == Err(ErrorKind::Away);
            let of_key = match (key, is_evicted) {
                (Ok(key), true) => status.away.entry(key).or_default(),
                (Ok(key), false) => status.files.entry(key).or_default(),
                (Err(_), _) => &mut status.unreadable,
            };
            of_key.add(file.meta.len);
        }
    }

    fn count_key_files(&self, status: &mut EncryptionStatus) -> Result<()> {
        let storage = &self.shared.io.storage;
        let folder = names::keys_dir(&self.shared.dir);
        for name in storage.list(&folder).map_err(|e| Error::io("list", &folder, e))? {
            let Some(Name::Keys(_)) = Name::parse(&name) else { continue };
            let opened = match storage.open(&folder.join(&name)) {
                // Its keys were forgotten meanwhile.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                opened => opened,
            };
            let read = opened.and_then(|file| {
                let bytes = file.len()?;
                Ok((Input::new(file, None).key_id()?, bytes))
            });
            match read {
                Ok((key, bytes)) => status.key_files.entry(key).or_default().add(bytes),
                Err(_) => status.unreadable.add(0),
            }
        }
        Ok(())
    }
}
