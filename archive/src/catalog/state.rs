//! The catalog as of an edit, and what edits do to it.

use super::entry::{Edit, Entry, Gone, Hash, Image, Op};
use logstrata_engine::{SealedFile, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that the catalog knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    /// Who may write.
    pub(crate) writer: [u8; 16],
    /// When the last edit was made, by its writer's clock.
    pub(crate) time: Timestamp,
    /// The files of the store, by the hash of their bytes.
    pub(crate) files: BTreeMap<Hash, Arc<Entry>>,
    /// Files that the store had, whose objects are there still.
    pub(crate) removed: BTreeMap<Hash, Gone>,
    /// Objects that are about to be deleted, or were.
    pub(crate) doomed: BTreeSet<Hash>,
    /// The store's manifest.
    pub(crate) image: Option<Image>,
    /// The same files by name; made from `files`.
    pub(crate) names: BTreeMap<String, Hash>,
}

impl State {
    /// Makes the edit; after an error the state is that of no edit.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        for op in &edit.ops {
            match op {
                Op::Claim => self.writer = edit.writer,
                _ if self.writer != edit.writer => {
                    return Err("an edit by whoever claimed the catalog last".to_owned());
                }
                Op::Add(entry) => {
                    if self.doomed.contains(&entry.blake3) {
                        return Err(format!("{} after its object is deleted", entry.name));
                    }
                    self.removed.remove(&entry.blake3);
                    self.insert(Arc::clone(entry))?;
                }
                Op::Remove(hash) => {
                    let Some(entry) = self.files.remove(hash) else {
                        return Err("the removal of a file that is there".to_owned());
                    };
                    self.names.remove(&entry.name);
                    self.removed.insert(*hash, Gone { at: edit.time, len: entry.len });
                }
                Op::Doom(hash) => {
                    if self.files.contains_key(hash) {
                        return Err("the deletion of what is not needed".to_owned());
                    }
                    self.removed.remove(hash);
                    self.doomed.insert(*hash);
                }
                Op::Deleted(hash) => {
                    if !self.doomed.remove(hash) {
                        return Err("the deletion of what was announced".to_owned());
                    }
                }
                Op::Forget => self.image = None,
                Op::Manifest { place, len, next_seq, piece } => {
                    let mut pieces = match self.image.take() {
                        Some(before) if before.place.manifest == place.manifest => before.pieces,
                        Some(before) if before.place.manifest > place.manifest => {
                            return Err(format!("manifest {} or later", before.place.manifest));
                        }
                        _ => Vec::new(),
                    };
                    pieces.push(Arc::new(piece.clone()));
                    let (place, len, next_seq, at) = (*place, *len, *next_seq, edit.time);
                    let image = Image { place, len, next_seq, at, pieces };
                    image.check()?;
                    self.image = Some(image);
                }
            }
        }
        self.time = edit.time;
        Ok(())
    }

    /// Takes in a file that is not there.
    pub(crate) fn insert(&mut self, entry: Arc<Entry>) -> Result<(), String> {
        if self.names.insert(entry.name.clone(), entry.blake3).is_some() {
            return Err(format!("{} once", entry.name));
        }
        match self.files.insert(entry.blake3, entry) {
            None => Ok(()),
            Some(other) => Err(format!("the bytes of {} once", other.name)),
        }
    }

    /// Whether the parts fit each other.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_file = |hash: &Hash| self.files.contains_key(hash);
        if self.removed.keys().any(is_file) || self.doomed.iter().any(is_file) {
            return Err("files that are needed or not, not both".to_owned());
        }
        if self.removed.keys().any(|hash| self.doomed.contains(hash)) {
            return Err("objects that are kept or deleted, not both".to_owned());
        }
        self.image.as_ref().map_or(Ok(()), Image::check)
    }

    /// The file of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Entry>> {
        self.files.get(self.names.get(name)?)
    }

    /// What there is of a file of the store: the same name and length and, as far as the manifest has
    /// it, the same hash.
    pub(crate) fn copy_of(&self, file: &SealedFile) -> Option<&Arc<Entry>> {
        self.named(&file.name).filter(|entry| {
            entry.len == file.len && file.blake3.is_none_or(|hash| hash == entry.blake3)
        })
    }
}
