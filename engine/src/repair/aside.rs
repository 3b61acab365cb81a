//! The directory that a repair puts things into: copies of files, and a report.

use super::Damage;
use crate::error::{Error, Result};
use crate::io::{File, Io};
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes copied at a time.
const PIECE_BYTES: usize = 1 << 20;

/// `DIR/set-aside/<time>`, made with the first file.
pub(super) struct Aside<'a> {
    io: &'a Io,
    dir: PathBuf,
    dry_run: bool,
    is_used: bool,
}

impl<'a> Aside<'a> {
    pub(super) fn new(io: &'a Io, dir: &Path, dry_run: bool) -> Self {
        // A name that sorts, and that other systems can take, too.
        let name = io.clock.now().to_string().replace(':', "");
        let dir = dir.join("set-aside").join(name);
        Self { io, dir, dry_run, is_used: false }
    }

    /// Makes the directory, unless nothing may be written: what is going to be changed is reported
    /// there, even if there is nothing to copy.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.dry_run { Ok(()) } else { self.make() }
    }

    /// Copies a file of the store, unless it is missing, and syncs the copy.
    pub(super) fn copy(&mut self, path: &Path) -> Result<()> {
        self.begin()?;
        if self.dry_run {
            return Ok(());
        }
        let from = match self.io.storage.open(path) {
            Err(e) if e.kind() == IoErrorKind::NotFound => return Ok(()),
            from => from.map_err(|e| Error::io("open", path, e))?,
        };
        let name = path.file_name().expect("files of a store have names");
        let to = self.dir.join(name);
        let copy = self.create(&to)?;
        let len = from.len().map_err(|e| Error::io("read", path, e))?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut at = 0;
        while at < len {
            let size = PIECE_BYTES.min(usize::try_from(len - at).unwrap_or(PIECE_BYTES));
            let piece = &mut piece[..size];
            from.read_exact_at(piece, at).map_err(|e| Error::io("read", path, e))?;
            copy.write_all_at(piece, at).map_err(|e| Error::io("write", &to, e))?;
            at += size as u64;
        }
        copy.sync_data().map_err(|e| Error::io("sync", &to, e))
    }

    /// Writes the report and makes all durable. Returns where it is, if anything was set aside.
    pub(super) fn finish(self, damages: &[Damage]) -> Result<Option<PathBuf>> {
        if !self.is_used {
            return Ok(None);
        }
        let path = self.dir.join("REPORT");
        let report: String = damages.iter().map(|damage| format!("{damage}\n")).collect();
        let file = self.create(&path)?;
        file.write_all_at(report.as_bytes(), 0).map_err(|e| Error::io("write", &path, e))?;
        file.sync_data().map_err(|e| Error::io("sync", &path, e))?;
        self.io.storage.sync_dir(&self.dir).map_err(|e| Error::io("sync", &self.dir, e))?;
        Ok(Some(self.dir))
    }

    fn make(&mut self) -> Result<()> {
        if !self.is_used {
            // A repair of the same moment may have been cut off.
            let base = self.dir.clone();
            for number in 2.. {
                match self.io.storage.list(&self.dir) {
                    Ok(names) if !names.is_empty() => {}
                    Err(e) if e.kind() != IoErrorKind::NotFound => {
                        return Err(Error::io("list", &self.dir, e));
                    }
                    _ => break,
                }
                let mut name = base.clone().into_os_string();
                name.push(format!("-{number}"));
                self.dir = name.into();
            }
            let made = self.io.storage.create_dir_all(&self.dir);
            made.map_err(|e| Error::io("create", &self.dir, e))?;
            self.is_used = true;
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn File>> {
        self.io.storage.create(path).map_err(|e| Error::io("create", path, e))
    }
}
