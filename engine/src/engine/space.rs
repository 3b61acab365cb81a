//! Whether the disk has room for more than what must not fail: appends stop at the reserve, and merges
//! before it.
//!
//! - `I1` appends are refused before the reserve is touched, and with it the room for the file that
//!   the memtables become: what is accepted between two looks is far less.
//! - `I2` nothing but time and a look at the disk is needed to accept again.
//! - `I3` nothing is refused, and no merge waits, for the sake of what is cached of the archive: that goes
//!   first, with or without a budget.

use super::budget;
use super::state::Shared;
use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long what is known of the disk holds.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// How many bytes may be accepted meanwhile; less if the reserve is small.
const LOOK_AFTER_BYTES: u64 = 64 << 20;

/// What is known of the room on the disk.
#[derive(Debug, Default)]
pub(crate) struct Room {
    known: Mutex<Known>,
    /// Bytes accepted since the last look.
    accepted: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    looked_at: Option<Duration>,
    /// How many bytes may be accepted before the next look.
    bytes: u64,
    full: Option<String>,
}

impl Room {
    /// An error if the disk has no room; `bytes` are about to be accepted.
    pub(crate) fn check(&self, shared: &Shared, bytes: usize) -> Result<()> {
        let accepted = self.accepted.fetch_add(bytes as u64, Relaxed);
        let now = shared.io.clock.monotonic();
        let mut known = self.known.lock();
        let fresh = known.looked_at.is_some_and(|then| now.saturating_sub(then) < LOOK_AFTER);
        if !fresh || accepted >= known.bytes {
            known.looked_at = Some(now);
            let unflushed = shared.state().memory.bytes() as u64;
            (known.bytes, known.full) = look(shared, unflushed);
            known.full = known.full.take().or_else(|| budget::refusal(shared));
            self.accepted.store(0, Relaxed);
        }
        match &known.full {
            Some(reason) => Err(Error::full(reason.clone())),
            None => Ok(()),
        }
    }
}

/// Whether the log may take another file ahead of its need.
pub(crate) fn has_room_for_spare(shared: &Shared) -> bool {
    check_room(shared, shared.limits.wal_file_bytes).is_ok()
}

/// An error if the disk has no room for so many bytes besides the reserve and what is to be flushed.
pub(crate) fn check_room(shared: &Shared, bytes: u64) -> Result<()> {
    let unflushed = shared.state().memory.bytes() as u64;
    look(shared, unflushed.saturating_add(bytes))
        .1
        .map_or(Ok(()), |reason| Err(Error::full(reason)))
}

/// How many bytes may be accepted before the next look, and why nothing more fits on the disk, if
/// so: `needed` bytes have to be free besides the reserve. A disk that does not tell is not full.
fn look(shared: &Shared, needed: u64) -> (u64, Option<String>) {
    let look = || shared.io.storage.space(&shared.dir);
    let Ok(mut space) = look() else { return (LOOK_AFTER_BYTES, None) };
    let reserve = shared.limits.disk_reserve(space.total);
    let kept = reserve.saturating_add(needed);
    let lacking = kept.saturating_sub(space.free);
    // `I3`
    if lacking > 0 && shared.handles.free_cold(lacking) > 0 {
        space = look().unwrap_or(space);
    }
    let full = (space.free < kept).then(|| {
        format!(
            "the disk of {} is full: {} MiB are free, and {} MiB are needed, most of them kept for \
             flushing and deleting; free some space",
            shared.dir.display(),
            space.free >> 20,
            kept >> 20
        )
    });
    // What is accepted is written twice: to the log, and to a file.
    ((reserve / 8).min(LOOK_AFTER_BYTES), full)
}
