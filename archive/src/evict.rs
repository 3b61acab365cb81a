//! Which local copies may go: the engine is told by a pass that worked, and nothing may go with the first
//! doubt.
//!
//! - `V1` with a pass that failed, and with the first object that a verification finds bad, no local copy
//!   may go until a pass has worked. Only a store that can't be reached says nothing about what is in it.
//! - `V2` the copy of a file whose object is in doubt does not go before the object was written again.
//! - `V3` a local copy goes only of a file whose object was in a list of the store a moment ago, with its
//!   length, and whose bytes were compared with their hash once: when they were written, or before this.
//! - `V4` an object that is gone is written again while its file is here; that it was gone is told.

use crate::archive::{Archive, Work, blocking};
use crate::catalog::{Entry, Hash, State, folder_of};
use crate::copy::{has_hash, hash_of, object_of};
use crate::error::{Error, ErrorKind, Result};
use futures_util::stream::TryStreamExt;
use logstrata_engine::{ArchivedFile, Keep};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// How long a list of the store counts for passes that nobody asked for.
const LISTED_FOR: Duration = Duration::from_secs(60);
/// So many bytes are read and compared by one pass, or one file.
const COMPARED_BYTES_MAX: u64 = if cfg!(test) { 1 } else { 1 << 30 };

/// What is in the way of letting local copies go.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Files whose objects were found bad, until the next pass takes them on.
    doubted: BTreeSet<Hash>,
    /// When the store was listed for what the engine was told, unless that was taken back.
    listed: Option<Duration>,
}

/// What became of objects, as far as passes came by it since the server was started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lost {
    /// How many were gone or changed whose files were here, and the name of the last file.
    pub(crate) healed: (u64, String),
    /// The names of the files that are nowhere any more.
    pub(crate) gone: Vec<String>,
}

impl Archive {
    /// `V1`: something is wrong, and it is not known what with.
    pub(crate) fn let_none_go(&self) {
        self.let_none(&mut self.doubts.0.lock());
    }

    fn let_none(&self, known: &mut Known) {
        known.listed = None;
        self.engine.archived(&[]);
    }

    /// `V1` after a pass.
    pub(crate) fn let_none_go_after(&self, error: &Error) {
        if error.kind() != ErrorKind::Unreachable {
            self.let_none_go();
        }
    }

    /// `V1`, `V2`: the object of a file is bad, or may be.
    pub(crate) fn doubt(&self, hash: Hash) {
        // Under the lock, so that a pass at work does not say otherwise behind it.
        let mut known = self.doubts.0.lock();
        known.doubted.insert(hash);
        self.let_none(&mut known);
    }

    /// What was doubted is copied again by this pass.
    pub(crate) fn take_on_doubts(&self, work: &mut Work) {
        work.suspects.append(&mut self.doubts.0.lock().doubted);
    }

    /// Tells the engine which local copies may go, and lets those go whose time here is over. Only in a pass
    /// that worked so far; `now` if somebody asked for it.
    pub(crate) async fn evict(&self, work: &mut Work, now: bool) -> Result<u64> {
        let default = self.settings.local_keep.and_then(Keep::new);
        let monotonic = self.io.clock.monotonic();
        let is_fresh = |listed: Duration| monotonic.saturating_sub(listed) < LISTED_FOR;
        let is_ours = work.catalog.as_ref().expect("opened before").state().writer == self.writer;
        if !is_ours {
            // Whoever took over deletes what it has given up.
            self.let_none_go();
            return Ok(0);
        }
        if now || !self.doubts.0.lock().listed.is_some_and(is_fresh) {
            let next = self.ask(move |engine| engine.leaves_next(default)).await?;
            let sure = self.sure(work, &next).await?;
            let mut known = self.doubts.0.lock();
            let is_sure = |file: &&ArchivedFile| !known.doubted.contains(&file.blake3);
            let sure: Vec<_> = sure.iter().filter(is_sure).cloned().collect();
            known.listed = Some(monotonic);
            self.engine.archived(&sure);
        }
        Ok(self.ask(move |engine| engine.evict_local(default)).await??.files)
    }

    /// `V3`: those of the files by these names whose objects are there and sound.
    async fn sure(&self, work: &mut Work, names: &[String]) -> Result<Vec<ArchivedFile>> {
        let (mut sure, mut left) = (Vec::new(), COMPARED_BYTES_MAX);
        if names.is_empty() {
            return Ok(sure);
        }
        let there = self.listed().await?;
        let state = std::sync::Arc::clone(work.catalog.as_ref().expect("opened before").state());
        self.look_for_lost(work, &state, &there).await?;
        for entry in names.iter().filter_map(|name| state.named(name)) {
            let hash = &entry.blake3;
            if !is_there(&there, entry) || work.suspects.contains(hash) {
                continue;
            }
            if !self.store.compares && !work.compared.contains(hash) {
                if left == 0 {
                    continue;
                }
                left = left.saturating_sub(entry.len);
                let object = object_of(&self.engine.store_uuid(), hash);
                if !has_hash(&self.store, &object, hash).await? {
                    self.suspect(work, entry);
                    continue;
                }
                work.compared.insert(*hash);
            }
            sure.push(ArchivedFile { name: entry.name.clone(), blake3: *hash });
        }
        Ok(sure)
    }

    /// The objects of files that are there, and their lengths.
    async fn listed(&self) -> Result<HashMap<Hash, u64>> {
        let mut there = HashMap::new();
        let mut listed = self.store.list(&format!("{}/seg", folder_of(&self.engine.store_uuid())));
        while let Some((name, meta)) = listed.try_next().await? {
            there.extend(hash_of(&name).map(|hash| (hash, meta.size)));
        }
        Ok(there)
    }

    /// `V4`
    async fn look_for_lost(
        &self,
        work: &mut Work,
        state: &State,
        there: &HashMap<Hash, u64>,
    ) -> Result<()> {
        let lost: Vec<_> = state.files.values().filter(|entry| !is_there(there, entry)).collect();
        let mut gone = Vec::new();
        if !lost.is_empty() {
            let checkpoint = self.checkpoint().await?;
            let here: HashMap<String, bool> =
                checkpoint.files.iter().map(|file| (file.name.clone(), file.is_local())).collect();
            blocking(move || drop(checkpoint)).await?;
            for entry in lost {
                match here.get(&entry.name) {
                    Some(true) => self.suspect(work, entry),
                    Some(false) => gone.push(entry.name.clone()),
                    // Given up by the store meanwhile.
                    None => {}
                }
            }
        }
        self.shown.lock().lost.gone = gone;
        Ok(())
    }

    fn suspect(&self, work: &mut Work, entry: &Entry) {
        if work.suspects.insert(entry.blake3) {
            work.compared.remove(&entry.blake3);
            let mut shown = self.shown.lock();
            shown.lost.healed = (shown.lost.healed.0 + 1, entry.name.clone());
        }
    }
}

fn is_there(there: &HashMap<Hash, u64>, entry: &Entry) -> bool {
    there.get(&entry.blake3) == Some(&entry.len)
}

impl Lost {
    /// What to tell of it.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        let (healed, last) = &self.healed;
        let healed = (*healed > 0).then(|| {
            format!(
                "{healed} objects were gone from the object store or changed there since the server \
                 started, the last that of {last}: they are written again. Look for what deletes them, \
                 like a lifecycle rule of the bucket"
            )
        });
        let gone = self.gone.first().map(|first| {
            format!(
                "{} files have left this disk and their objects are gone, the first {first}: put the \
                 objects back (`logstrata archive verify` names them), from a version of the bucket",
                self.gone.len()
            )
        });
        healed.into_iter().chain(gone)
    }
}
