//! Copies what a checkpoint names and the catalog lacks.
//!
//! - `P4` what fails of one file keeps no other from being copied, and what was copied is in the catalog
//!   before a failure is told. Only the manifest has to wait (`A2`).
//! - `P5` whatever takes something from the manifest that the catalog has goes into the same edit as the
//!   manifest that takes its place: what a restore would bring back never gets less in between.
//! - `P6` a pin is held only as long as its file is needed, and a checkpoint for a while: files that
//!   were replaced take up the disk until then.

use crate::archive::{Archive, Pass, Work, blocking};
use crate::catalog::{Catalog, Entry, Hash, Op, Piece, State};
use crate::copy;
use crate::error::{Error, ErrorKind, Result};
use logstrata_engine::{Checkpoint, SealedFile, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// An edit is made after so many files or bytes, so that a crash costs little.
const FILES_PER_EDIT: usize = if cfg!(test) { 2 } else { 64 };
const BYTES_PER_EDIT: u64 = 1 << 30;
/// `P6`: the next checkpoint is taken once one was held for so long.
const CHECKPOINT_NS_MAX: i64 = 10 * 60 * 1_000_000_000;

/// How far a checkpoint was worked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// The catalog has its manifest and all files of it.
    All,
    /// It was held for too long: the next one is to be gone on with.
    Part,
}

/// What waits for an edit.
#[derive(Debug, Default)]
struct Batch {
    ops: Vec<Op>,
    bytes: u64,
    /// `P5`: goes with the manifest.
    last: Vec<Op>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.ops.len() >= FILES_PER_EDIT || self.bytes >= BYTES_PER_EDIT
    }
}

impl Archive {
    pub(crate) async fn copy_all(
        &self,
        work: &mut Work,
        mut checkpoint: Checkpoint,
        pass: &mut Pass,
    ) -> Result<Copied> {
        let Work { catalog: Some(catalog), adopts, hashes, suspects, .. } = work else {
            panic!("the catalog is claimed before anything is copied")
        };
        let began = self.io.clock.now();
        let files = std::mem::take(&mut checkpoint.files);
        let names: BTreeSet<String> = files.iter().map(|file| file.name.clone()).collect();
        let is_there = |file: &SealedFile| {
            let hash = file.blake3.or_else(|| hashes.get(&file.name).copied());
            let there = hash.filter(|hash| !suspects.contains(hash));
            there.is_some() && there == named(catalog.state(), &file.name)
        };
        let (there, missing): (Vec<_>, Vec<_>) = files.into_iter().partition(is_there);
        // P6. Whoever lets the last pin go removes a file: not on a thread that must not wait.
        blocking(move || drop(there)).await?;

        let (mut batch, mut failed, mut copied) = (Batch::default(), None, Copied::All);
        let mut missing = missing.into_iter();
        while let Some(file) = missing.next() {
            let file = Arc::new(file);
            let known = (&mut *hashes, &mut *suspects);
            let done = self.copy_one(catalog, &checkpoint, &file, known, &mut batch, pass).await;
            blocking(move || drop(file)).await?;
            self.shown.lock().copying = None;
            if let Err(error) = done {
                let is_of_file = matches!(error.kind(), ErrorKind::Engine | ErrorKind::Corrupt);
                failed.get_or_insert(error);
                if !is_of_file {
                    break;
                }
            }
            if batch.is_full() {
                self.commit(catalog, std::mem::take(&mut batch.ops)).await?;
                batch.bytes = 0;
            }
            if self.is_held_long(began) && missing.len() > 0 {
                copied = Copied::Part;
                break;
            }
        }
        blocking(move || drop(missing)).await?;
        if failed.is_some() || copied == Copied::Part {
            // P4.
            let committed = match batch.ops.is_empty() {
                true => Ok(()),
                false => self.commit(catalog, batch.ops).await,
            };
            return failed.map_or(committed, Err).map(|()| copied);
        }
        // What stays is of files that the store has given up.
        suspects.clear();
        self.finish_pass(catalog, checkpoint, &names, batch, adopts).await?;
        Ok(Copied::All)
    }

    fn is_held_long(&self, began: Timestamp) -> bool {
        self.io.clock.now().0.saturating_sub(began.0) >= CHECKPOINT_NS_MAX
    }

    /// `A2`: the last edit, with the manifest.
    async fn finish_pass(
        &self,
        catalog: &mut Catalog,
        checkpoint: Checkpoint,
        names: &BTreeSet<String>,
        batch: Batch,
        adopts: &mut bool,
    ) -> Result<()> {
        let Batch { mut ops, last, .. } = batch;
        ops.extend(last);
        let state = Arc::clone(catalog.state());
        let gone = state.files.values().filter(|entry| !names.contains(&entry.name));
        ops.extend(gone.map(|entry| Op::Remove(entry.blake3)));
        let forgets = *adopts && state.image.is_some();
        ops.extend(Some(Op::Forget).filter(|_| forgets));
        ops.extend(blocking(move || manifest_op(&state, &checkpoint, forgets)).await??);
        if !ops.is_empty() {
            self.commit(catalog, ops).await?;
        }
        *adopts = false;
        Ok(())
    }

    /// Makes sure that a file is in the store, and notes what the catalog has to say of it.
    async fn copy_one(
        &self,
        catalog: &Catalog,
        checkpoint: &Checkpoint,
        file: &Arc<SealedFile>,
        (hashes, suspects): (&mut HashMap<String, Hash>, &mut BTreeSet<Hash>),
        batch: &mut Batch,
        pass: &mut Pass,
    ) -> Result<()> {
        let hash = copy::hash_of_file(file, self.store.part_bytes, hashes).await?;
        let before = named(catalog.state(), &file.name);
        if before == Some(hash) && !suspects.contains(&hash) {
            return Ok(());
        }
        self.shown.lock().copying = Some(file.name.clone());
        if catalog.state().doomed.contains(&hash) {
            let name = &file.name;
            let what = format!("the object of {name} is being deleted; the copy waits for that");
            return Err(Error::new(ErrorKind::Conflict, what));
        }
        let sent = copy::copy(&self.store, &checkpoint.store, file, &hash).await?;
        pass.files += 1;
        pass.bytes += sent;
        {
            let mut shown = self.shown.lock();
            shown.files += 1;
            shown.bytes += sent;
        }
        suspects.remove(&hash);
        if before == Some(hash) {
            // Healed: the catalog has it already.
            return Ok(());
        }
        batch.bytes += file.len;
        let add = Op::Add(Arc::new(self.entry(file, hash)));
        match before {
            None => batch.ops.push(add),
            // P5: another history's file of the same name.
            Some(before) => batch.last.extend([Op::Remove(before), add]),
        }
        Ok(())
    }

    fn entry(&self, file: &SealedFile, hash: Hash) -> Entry {
        let now = self.io.clock.now();
        Entry {
            name: file.name.clone(),
            len: file.len,
            blake3: hash,
            created: file.created.unwrap_or(now),
            copied: now,
            sections: file.sections.clone(),
        }
    }
}

/// The hash of the file that the catalog has under this name.
fn named(state: &State, name: &str) -> Option<Hash> {
    state.named(name).map(|entry| entry.blake3)
}

/// What the catalog lacks of the manifest, if anything. `anew` if what it has is given up.
fn manifest_op(state: &State, checkpoint: &Checkpoint, anew: bool) -> Result<Option<Op>> {
    let place = checkpoint.place();
    let before = state.image.as_ref().filter(|_| !anew);
    if before.is_some_and(|before| before.place == place) {
        return Ok(None);
    }
    let offset = before.filter(|before| before.place.manifest == place.manifest);
    let offset = offset.map_or(0, |before| before.len);
    let piece = Piece::pack(offset, &checkpoint.manifest_bytes(offset)?);
    let (len, next_seq) = (checkpoint.manifest_len(), checkpoint.next_seq);
    Ok(Some(Op::Manifest { place, len, next_seq, piece }))
}
