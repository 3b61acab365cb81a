//! A disk whose files are encrypted under keys. What it reads and writes are stored bytes: whoever
//! knows a format encrypts and decrypts (`engine/src/crypt`).

use super::{File, Lock, Space, Storage};
use crate::crypt::Keyring;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Another storage, with keys.
#[derive(Debug)]
pub struct KeyedStorage {
    inner: Arc<dyn Storage>,
    keys: Arc<Keyring>,
}

impl KeyedStorage {
    /// The files of `inner`, to be encrypted and decrypted with these keys.
    pub fn new(inner: Arc<dyn Storage>, keys: Arc<Keyring>) -> Self {
        Self { inner, keys }
    }
}

impl Storage for KeyedStorage {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.inner.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.inner.open(path)
    }

    fn open_for_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.inner.open_for_write(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.inner.space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(path)
    }

    fn lock_to_read(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock_to_read(path)
    }

    fn keys(&self) -> Option<&Arc<Keyring>> {
        Some(&self.keys)
    }
}
