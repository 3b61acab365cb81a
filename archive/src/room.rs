//! Whether the disk has room for what need not be there.
//!
//! - `R1` what is kept of the archive leaves free what the store needs to accept, flush and merge: it is
//!   looked once a second, and what is written until the next look counts.

use logstrata_engine::io::{Clock, Storage};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long what is known of the disk holds.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// The room that is left on a disk.
#[derive(Debug)]
pub(crate) struct DiskRoom {
    clock: Arc<dyn Clock>,
    /// Bytes that have to stay free.
    keep_free: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    looked_at: Option<Duration>,
    /// Bytes that may be written before the next look.
    left: u64,
}

impl DiskRoom {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, keep_free: AtomicU64::new(0), known: Mutex::default() }
    }

    /// So many bytes have to stay free from now on.
    pub(crate) fn keep_free(&self, bytes: u64) {
        self.keep_free.store(bytes, Relaxed);
    }

    /// Takes so many bytes of what is left, if there are as many.
    pub(crate) fn take(&self, storage: &dyn Storage, dir: &Path, bytes: u64) -> bool {
        let now = self.clock.monotonic();
        let mut known = self.known.lock();
        let is_fresh = |then| now.saturating_sub(then) < LOOK_AFTER;
        if !known.looked_at.is_some_and(is_fresh) {
            // A disk that does not tell is not full.
            let free = storage.space(dir).map_or(u64::MAX, |space| space.free);
            let left = free.saturating_sub(self.keep_free.load(Relaxed));
            *known = Known { looked_at: Some(now), left };
        }
        let left = known.left.checked_sub(bytes);
        known.left = left.unwrap_or(known.left);
        left.is_some()
    }
}
