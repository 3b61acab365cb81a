//! Local copies of files that the archive has leave the disk.
//!
//! - `E1` only a file goes of which whoever archives says that its object has the bytes that the manifest
//!   names; that was said not long ago, and is not taken back when the edit is made.
//! - `E2` the edit is durable before the copy is removed, by its last reader. What a crash leaves of it is
//!   removed when the store is opened.
//! - `E3` readers go on: who comes by a file after the edit reads the archive, who has it open reads the
//!   local copy until the end, whatever others have in the caches.
//! - `E4` level-0 files stay: they are written anew soon. What left the disk is not compacted any more.

use super::Engine;
use super::budget;
use super::state::{LiveFile, Shared};
use crate::error::{ErrorKind, Result};
use crate::limits::DROPPED_AT_ONCE_MAX;
use crate::manifest::{Edit, FileId};
use crate::names::{self, Name};
use crate::retention::{Keep, due};
use crate::timestamp::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A file whose object was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedFile {
    /// Its path within the store, as [`crate::SealedFile::name`] has it.
    pub name: String,
    /// BLAKE3 of the object's bytes.
    pub blake3: [u8; 32],
}

/// Files whose local copies went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftDisk {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How long it counts what was said of the archive: meanwhile nobody knows what is deleted there.
const SAID_FOR: Duration = Duration::from_secs(60 * 60);
/// So much of the budget, as a part, may be taken before it is looked which copies would go for its sake.
const TAKEN_SHARE: u64 = 2;

/// What was said last of the archive.
#[derive(Debug, Default)]
pub(crate) struct Archived(Mutex<Said>);

#[derive(Debug, Clone, Default)]
struct Said {
    /// In monotonic time.
    at: Duration,
    /// Files of which it has the bytes, and their hashes.
    files: Arc<BTreeMap<FileId, [u8; 32]>>,
}

/// Which local copies may go (`E1`), as of now.
fn may_go(shared: &Shared) -> impl Fn(&LiveFile) -> bool + use<> {
    let Said { at, files } = shared.archived.0.lock().clone();
    let is_old = shared.io.clock.monotonic().saturating_sub(at) >= SAID_FOR;
    move |file| {
        let is_known = || files.get(&file.meta.id).copied() == file.meta.checksum;
        !is_old && could_go(file) && is_known()
    }
}

/// Whether a local copy could go if the archive has the file.
fn could_go(file: &LiveFile) -> bool {
    !file.meta.id.is_level_zero() && !file.file.is_evicted() && file.meta.checksum.is_some()
}

/// Whether there are local copies that may go.
pub(super) fn can_make_room(shared: &Shared) -> bool {
    let files = Arc::clone(&shared.state().files);
    files.iter().any(may_go(shared))
}

/// Those of the files that `wanted` names, by the oldest day that they are needed for.
fn oldest_first(shared: &Shared, wanted: impl Fn(&LiveFile) -> bool) -> Vec<LiveFile> {
    let files = Arc::clone(&shared.state().files);
    let mut files: Vec<_> = files.iter().filter(|file| wanted(file)).cloned().collect();
    let newest = |file: &LiveFile| file.meta.sections.iter().map(|s| s.partition.day).max();
    files.sort_by_key(|file| (newest(file), file.meta.id));
    files
}

/// The first of the files that have so many bytes together.
fn first_of(files: Vec<LiveFile>, bytes: u64) -> Vec<LiveFile> {
    let mut sum = 0_u64;
    let first = files.into_iter().take_while(|file| {
        let is_needed = sum < bytes;
        sum = sum.saturating_add(file.meta.len);
        is_needed
    });
    first.collect()
}

/// Lets local copies go until so many bytes are free, those of the oldest days first.
pub(super) fn make_room(shared: &Shared, bytes: u64) -> Result<LeftDisk> {
    evict(shared, &first_of(oldest_first(shared, may_go(shared)), bytes))
}

/// Whether all days of a file have been kept here as long as their classes say.
fn is_due(shared: &Shared, now: Timestamp, default: Option<Keep>) -> impl Fn(&LiveFile) -> bool {
    move |file| {
        let mut sections = file.meta.sections.iter();
        sections.all(|section| {
            let rule = shared.retention.rule(&section.partition.class);
            let keep = rule.and_then(|rule| rule.local_keep).or(default);
            let due = keep.and_then(|keep| due(section.partition.day, keep));
            due.is_some_and(|due| due <= now)
        })
    }
}

/// The files whose local copies would go next if they may.
fn next_to_go(shared: &Shared, default: Option<Keep>) -> Vec<LiveFile> {
    let (now, doubt) = shared.retention.look(&*shared.io.clock);
    let is_due = is_due(shared, now, default);
    let (mut next, others): (Vec<_>, Vec<_>) = oldest_first(shared, could_go)
        .into_iter()
        .partition(|file| doubt.is_none() && is_due(file));
    let taken = budget::taken(shared);
    let excess = taken.map_or(0, |(taken, budget)| taken.saturating_sub(budget / TAKEN_SHARE));
    next.extend(first_of(others, excess));
    next
}

fn evict(shared: &Shared, files: &[LiveFile]) -> Result<LeftDisk> {
    let mut left = LeftDisk::default();
    for files in files.chunks(DROPPED_AT_ONCE_MAX) {
        let done = evict_at_once(shared, files).inspect_err(|error| {
            if error.kind() == ErrorKind::Closed {
                shared.close(error.to_string());
            }
        })?;
        left.files += done.files;
        left.bytes = left.bytes.saturating_add(done.bytes);
    }
    Ok(left)
}

/// Lets the local copies of some files go by one edit: of those that are still live.
fn evict_at_once(shared: &Shared, files: &[LiveFile]) -> Result<LeftDisk> {
    let mut manifest = shared.manifest();
    shared.state().check_open()?;
    let (state, may_go) = (manifest.state(), may_go(shared));
    let going: Vec<&LiveFile> = files
        .iter()
        .filter(|file| {
            let id = file.meta.id;
            let live = state.files.get(&id);
            live.is_some_and(|live| live.checksum == file.meta.checksum)
                && !state.evicted.contains(&id)
                && may_go(file)
        })
        .collect();
    if going.is_empty() {
        return Ok(LeftDisk::default());
    }
    let ids: BTreeSet<FileId> = going.iter().map(|file| file.meta.id).collect();
    let clock_high_water = shared.retention.clock_high_water(&*shared.io.clock, state);
    manifest.commit(Edit::Evict { files: ids.iter().copied().collect(), clock_high_water })?;
    let live = &manifest.state().files;
    // Only who has the manifest's lock changes the list.
    let before = Arc::clone(&shared.state().files);
    let after = before.iter().map(|file| {
        let gone = live.get(&file.meta.id).filter(|meta| ids.contains(&meta.id));
        let Some(meta) = gone else { return file.clone() };
        file.file.remove_when_unused();
        let evicted = shared.evicted_file(meta);
        evicted.file.take_key_of(&file.file);
        evicted
    });
    let after = Arc::new(after.collect());
    let replaced = std::mem::replace(&mut shared.state().files, after);
    drop(manifest);
    // A mapped index would keep the bytes on the disk.
    shared.cache.forget(|id| ids.contains(&id));
    drop((before, replaced));
    let bytes = going.iter().fold(0u64, |sum, file| sum.saturating_add(file.meta.len));
    Ok(LeftDisk { files: going.len() as u64, bytes })
}

impl Engine {
    /// Takes somebody's word that the archive has these files, verified: from now on, for an hour or until
    /// something else is said, their local copies may go, and no others.
    pub fn archived(&self, files: &[ArchivedFile]) {
        let id = |name: &str| match Name::parse(name.strip_prefix("segments/")?)? {
            Name::Segment(number) => Some(FileId::Segment(number)),
            Name::Pack(number) => Some(FileId::Pack(number)),
            _ => None,
        };
        let known = files.iter().filter_map(|file| Some((id(&file.name)?, file.blake3)));
        let at = self.shared.io.clock.monotonic();
        *self.shared.archived.0.lock() = Said { at, files: Arc::new(known.collect()) };
    }

    /// The names of the files whose local copies go next once the archive is known to have them, the first to
    /// go first: those of which the time here is over (see [`Engine::evict_local`]), then those that the
    /// budget of the disk may want soon.
    pub fn leaves_next(&self, default: Option<Keep>) -> Vec<String> {
        let next = next_to_go(&self.shared, default);
        next.iter().map(|file| names::in_store(&file.meta.id.path(Path::new("")))).collect()
    }

    /// Lets local copies of archived files go once all of their days have been kept here as long as their
    /// classes say or, of those that say nothing, as `default` does; `None` is for ever. What of it the
    /// archive has was told by [`Engine::archived`]. Nothing goes by a clock that is not trusted.
    ///
    /// # Errors
    /// `Full`, `Io`, `Closed`: what went before is gone.
    pub fn evict_local(&self, default: Option<Keep>) -> Result<LeftDisk> {
        let shared = &self.shared;
        let _running = shared.retention.running.lock();
        match shared.retention.look(&*shared.io.clock) {
            (now, None) => {
                let (may_go, is_due) = (may_go(shared), is_due(shared, now, default));
                evict(shared, &oldest_first(shared, |file| may_go(file) && is_due(file)))
            }
            (_, Some(_)) => Ok(LeftDisk::default()),
        }
    }

    /// Lets local copies of archived files go if the store takes more than its budget.
    ///
    /// # Errors
    /// As [`Engine::evict_local`].
    pub fn make_room(&self) -> Result<LeftDisk> {
        let _running = self.shared.retention.running.lock();
        budget::make_room(&self.shared)
    }
}
