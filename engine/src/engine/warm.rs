//! Brings what searches read first of new files, and of all when a store is opened, into the cache: the
//! newest files first.
//!
//! - `W1` nothing waits for it: not while appends wait, and no further than a section once the store is closed.
//! - `W2` it takes a part of the cache at most, and what was pushed out of there does not come again.
//! - `W3` nothing is read of what left the disk.
//! - `W4` nothing is left in the cache of a file that was given up meanwhile.

use super::state::{LiveFile, Shared};
use crate::limits::WARMED_SHARE;
use crate::manifest::FileId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What each file took that was brought into the cache.
#[derive(Debug, Default)]
pub(super) struct Warmed {
    bytes: BTreeMap<FileId, usize>,
}

impl Warmed {
    /// Brings in what is not yet there, as long as `goes_on`. Level-0 files are left out: they are merged soon.
    pub(super) fn warm_files(&mut self, shared: &Shared, goes_on: impl Fn() -> bool) {
        let bytes_max = shared.limits.cache_bytes_max / WARMED_SHARE;
        self.warm_at_most(shared, usize::try_from(bytes_max).unwrap_or(usize::MAX), goes_on);
    }

    /// The same, until all that was brought in takes so many bytes.
    pub(super) fn warm_at_most(
        &mut self,
        shared: &Shared,
        bytes_max: usize,
        goes_on: impl Fn() -> bool,
    ) {
        let files = Arc::clone(&shared.state().files);
        let ids: BTreeSet<FileId> = files.iter().map(|file| file.meta.id).collect();
        self.bytes.retain(|id, _| ids.contains(id));
        let is_wanted = |f: &&LiveFile| !f.file.is_evicted() && !f.meta.id.is_level_zero();
        let mut wanted: Vec<&LiveFile> = files.iter().filter(is_wanted).collect();
        wanted.sort_unstable_by_key(|file| Reverse(file.meta.seqs.end));
        let mut left = bytes_max;
        let goes_on = || {
            let wanted = goes_on();
            let state = shared.state();
            wanted && !state.ingest_waits && state.closed.is_none()
        };
        for LiveFile { meta, file } in wanted {
            if left == 0 {
                return;
            }
            let bytes = match self.bytes.get(&meta.id) {
                Some(bytes) => *bytes,
                None => {
                    let warmed = file.warm(meta, left, &shared.cache, goes_on);
                    // `W4`: an edit changes the files before it lets go of what is kept of them.
                    if !is_here(shared, meta.id) {
                        shared.cache.forget(|id| id == meta.id);
                    }
                    match warmed {
                        Ok(None) => return,
                        Ok(Some(bytes)) => bytes,
                        // Whoever needs it tells.
                        Err(_) => 0,
                    }
                }
            };
            self.bytes.insert(meta.id, bytes);
            left = left.saturating_sub(bytes);
        }
    }
}

/// Whether a file is live, and on the disk.
fn is_here(shared: &Shared, id: FileId) -> bool {
    let files = Arc::clone(&shared.state().files);
    files.iter().any(|file| file.meta.id == id && !file.file.is_evicted())
}
