//! Fetches ranges ahead of whoever is about to read them: many at a time, and nobody waits. They come to the
//! cache, and whoever wants one that is on its way waits for it as for what another thread fetches.

use super::request::Outlook;
use super::{ColdStore, Fetched, piece_len};
use crate::cache::{Intake, Key, PIECE};
use crate::copy::object_of;
use crate::error::Result;
use crate::flights::Claim;
use crate::store::Store;
use logstrata_engine::{Ahead, Came, ColdFile};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// What is fetched ahead takes at most this part of the cache: more would push itself out.
const CACHE_SHARE: u64 = 4;

/// Requests that nobody waits for yet. They end with whoever would.
struct Underway(Vec<AbortHandle>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// Pieces of an object, one behind the other, that are to be fetched.
struct Run {
    object: String,
    range: Range<u64>,
    /// The pieces, and their lengths.
    pieces: Vec<(Key, usize)>,
    claim: Claim,
    intake: Intake,
}

impl ColdStore {
    pub(super) fn fetch_ahead(&self, ranges: &[(&ColdFile, Range<u64>)]) -> Ahead {
        let Some(cache) = self.cache().filter(|_| self.outlook.check().is_ok()) else {
            return Ahead::default();
        };
        let mut left = self.kept.bytes_max / CACHE_SHARE;
        let (mut underway, mut came) = (Underway(Vec::new()), Came::default());
        for (file, range) in ranges {
            let wanted = range.start / PIECE..range.end.min(file.len).div_ceil(PIECE);
            let keys = wanted.map(|number| (file.blake3, number));
            let missing: Vec<Key> = keys.filter(|key| !cache.has(key)).collect();
            for run in missing.chunk_by(|a, b| a.1 + 1 == b.1) {
                let (mut claim, theirs) = self.flights.claim(run.iter().copied());
                // Half of a run is not worth a request: what others fetch comes anyway.
                if !theirs.is_empty() {
                    claim.retain(|_| false);
                    continue;
                }
                let pieces: Vec<_> = run.iter().map(|key| (*key, piece_len(file, key.1))).collect();
                let bytes = pieces.iter().map(|(_, len)| *len as u64).sum();
                let Some(rest) = left.checked_sub(bytes) else {
                    return Ahead::of(underway, came);
                };
                left = rest;
                let start = run[0].1.saturating_mul(PIECE);
                let run = Run {
                    object: object_of(&file.store, &file.blake3),
                    range: start..start.saturating_add(bytes),
                    pieces,
                    claim,
                    intake: cache.intake(file.blake3),
                };
                came.fetched = came.fetched.saturating_add(bytes);
                came.requests += 1;
                underway.0.push(self.spawn(run));
            }
        }
        Ahead::of(underway, came)
    }

    fn spawn(&self, run: Run) -> AbortHandle {
        let (store, slots) = (self.store.clone(), Arc::clone(&self.slots));
        let (outlook, fetched) = (Arc::clone(&self.outlook), Arc::clone(&self.fetched));
        let task = self.runtime.spawn(async move {
            // It is never closed.
            let _slot = slots.acquire_owned().await;
            // Whoever reads it finds out what is wrong: what is not told is given up.
            let _ = run.fetch(&store, &outlook, &fetched).await;
        });
        task.abort_handle()
    }
}

impl Run {
    async fn fetch(self, store: &Store, outlook: &Outlook, fetched: &Fetched) -> Result<()> {
        let Self { object, range, pieces, mut claim, intake } = self;
        let wanted = range.end - range.start;
        let mut bytes = store.range(&object, range).await?;
        if bytes.len() as u64 != wanted {
            return Ok(());
        }
        outlook.answered();
        fetched.add(wanted);
        fetched.ahead.fetch_add(1, Relaxed);
        // Files are not written on the runtime's own threads.
        let keep = move || {
            for (key, len) in pieces {
                let piece = bytes.split_to(len);
                intake.put(key.1, &piece);
                claim.tell(&key, piece);
            }
        };
        drop(Handle::current().spawn_blocking(keep));
        Ok(())
    }
}
