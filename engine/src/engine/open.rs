//! Opens a store: lock, manifest, log, threads.

use super::Engine;
use super::activity::{Activity, Busy};
use super::compactor::{self, CompactQueue};
use super::encryption::Found;
use super::flush::{self, FlushQueue};
use super::queue::Queue;
use super::retention::keep_rules;
use super::sealer::{self, SealQueue};
use super::space::has_room_for_spare;
use super::state::{ClosesOnPanic, Shared, State};
use super::writer::Writer;
use crate::append::Redactor;
use crate::cold::ColdFiles;
use crate::crypt::{Input, KeyId};
use crate::error::{Error, ErrorKind, Result};
use crate::idempotency::{self, KeyFiles};
use crate::io::{self, Io, Lock};
use crate::manifest::{FileId, Manifest, ManifestState};
use crate::memtable::Memtable;
use crate::names::{self, Name};
use crate::options::Options;
use crate::pool::{Consumer, Pool};
use crate::restore;
use crate::wal::{self, Wal};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

/// Opens a store, recovering what its log holds.
pub(crate) fn open(options: Options, cold: Arc<dyn ColdFiles>) -> Result<Engine> {
    let Options { dir, limits, redaction, io } = options;
    let folders = [names::wal_dir(&dir), names::segments_dir(&dir), names::keys_dir(&dir)];
    for needed in std::iter::once(dir.clone()).chain(folders) {
        io.storage.create_dir_all(&needed).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::invalid(format!("{} is not a directory", needed.display()))
            }
            _ => unwritable("create", &needed, e),
        })?;
    }
    let lock = lock(&io, &dir)?;
    let manifest = Manifest::open_or_create(&io, &dir, &limits)?;
    check_keys(&io, &dir, manifest.state())?;
    let was_plain = io.storage.keys().is_some() && manifest.key().is_none();
    let live = manifest.state().clone();
    let cache_bytes = usize::try_from(limits.cache_bytes_max).unwrap_or(usize::MAX);
    let pool = Pool::new(limits.memory_bytes_max.saturating_sub(cache_bytes));
    let state = State {
        active: Memtable::new(1, live.next_seq),
        frozen: None,
        files: Arc::default(),
        cut_wanted: 0,
        flushed: 0,
        flush_error: None,
        ingest_waits: false,
        compaction_error: None,
        closed: None,
        memory: pool.reserve(Consumer::Ingest, 0)?,
    };
    let shared = Arc::new(Shared::new(dir, io, cold, limits, manifest, pool, state));
    let files = live.files.values().map(|meta| match live.evicted.contains(&meta.id) {
        true => shared.evicted_file(meta),
        false => shared.live_file(meta),
    });
    shared.state().files = Arc::new(files.collect());
    // A crash may have come before what was kept of a file went with it.
    let cold = live.evicted.iter().filter_map(|id| live.files.get(id)?.checksum);
    shared.handles.keep_cold(&cold.collect());

    let committed = live.committed_generation.unwrap_or(0);
    let (key_files, keys_lost) =
        KeyFiles::open(&shared.io, &shared.dir, live.store_uuid, committed, &shared.claims)?;
    shared.counters.key_files_damaged.store(keys_lost.len() as u64, Relaxed);
    let activity = Activity::default();
    let flushes = FlushQueue::new(&activity);
    let queue = Arc::new(Queue::new(shared.limits.queue_bytes_max, &activity));
    let (seals, tasks) = SealQueue::new(&activity);
    let sealer = {
        let flushes = flushes.clone();
        spawn(&shared, "sealer", move |shared| sealer::run(shared, &tasks, &flushes))
    };
    // Blocks are made while the log is read: encoding takes longer than reading.
    shared.sealers.store(sealer::SEALERS_AT_OPEN, Relaxed);
    // Orphans go last: one may hold what a damaged log can't give back.
    let recovered = recover(&shared, &seals, &live)
        .and_then(|wal| restore::unmark(&shared.io, &shared.dir).map(|()| wal))
        .and_then(|wal| remove_orphans(&shared.io, &shared.dir, &live).map(|()| wal))
        .and_then(|wal| {
            idempotency::remove_orphans(&shared.io, &shared.dir, committed).map(|()| wal)
        });
    shared.sealers.store(1, Relaxed);
    let recovered = recovered
        .and_then(|wal| rekey(&shared).map(|()| wal))
        .and_then(|wal| keep_rules(&shared).map(|()| wal));
    let (wal, log) = match recovered {
        Ok(recovered) => recovered,
        Err(error) => {
            drop(seals);
            let _ = sealer.join();
            return Err(error);
        }
    };
    let generation = wal.generation();
    let (wanted, orders) = channel::<Busy>();
    let spares = Arc::clone(wal.spares());
    let preparer = spawn(&shared, "preparer", move |shared| {
        io::yield_to_others();
        while let Ok(_busy) = orders.recv() {
            // On a full disk the log does with files that grow.
            if has_room_for_spare(shared) {
                let _ = spares.refill();
            }
        }
    });
    let compactions = CompactQueue::new(&activity);
    // There may be work already. Who waits until all is quiet waits for that as well.
    compactions.wake();
    let flusher = {
        let (flushes, queue) = (flushes.clone(), Arc::clone(&queue));
        let compactions = compactions.clone();
        spawn(&shared, "flusher", move |shared| {
            flush::run(shared, &flushes, &queue, &compactions, &key_files)
        })
    };
    let compactor = {
        let compactions = compactions.clone();
        spawn(&shared, "compactor", move |shared| compactor::run(shared, &compactions))
    };
    let writer = {
        let writer =
            Writer::new(Arc::clone(&shared), Arc::clone(&queue), seals, wal, wanted, &activity);
        spawn(&shared, "writer", move |_| writer.run())
    };
    let scanners = shared.scans.start_helpers();
    let engine = Engine {
        shared,
        redactor: Redactor::new(redaction),
        queue,
        flushes,
        compactions,
        activity,
        threads: vec![writer, sealer, preparer, flusher, compactor],
        scanners,
        keys_lost,
        found: Found { was_plain, generation, log },
        _lock: lock,
    };
    engine.finish_purge()?;
    rekey(&engine.shared)?;
    Ok(engine)
}

/// Encrypts the manifest as the keys want it; without room that is for the next start. Only in a store whose
/// log and keys could be read: the manifest is not given a key with which the store does not open. What a
/// purge has left to do is known from the manifest, and comes first.
fn rekey(shared: &Shared) -> Result<()> {
    let mut manifest = shared.manifest();
    if manifest.has_purge() {
        return Ok(());
    }
    match manifest.rekey() {
        Err(error) if error.kind() == ErrorKind::Full => Ok(()),
        done => done,
    }
}

/// Nothing is changed in a store that has files that can't be read for want of a key.
fn check_keys(io: &Io, dir: &Path, live: &ManifestState) -> Result<()> {
    let Some(keys) = io.storage.keys() else { return Ok(()) };
    for id in live.files.keys().filter(|id| !live.evicted.contains(id)) {
        let path = id.path(dir);
        // What is missing or damaged is told when it is read.
        let Ok(file) = io.storage.open(&path) else { continue };
        let checked = Input::new(file, Some(Arc::clone(keys))).check_key();
        let refused = checked.map_err(|e| Error::io("read", &path, e)).err();
        if let Some(error) = refused.filter(|error| error.kind() == ErrorKind::Locked) {
            return Err(error);
        }
    }
    Ok(())
}

/// Keeps other processes out of the store until the lock is dropped.
pub(crate) fn lock(io: &Io, dir: &Path) -> Result<Box<dyn Lock>> {
    let path = names::lock(dir);
    io.storage.lock(&path).map_err(|e| not_locked(dir, &path, e))
}

/// The same for who only reads.
pub(crate) fn lock_to_read(io: &Io, dir: &Path) -> Result<Box<dyn Lock>> {
    let path = names::lock(dir);
    io.storage.lock_to_read(&path).map_err(|e| not_locked(dir, &path, e))
}

fn not_locked(dir: &Path, path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::WouldBlock => {
            Error::busy(format!("{} is open in another process; stop that first", dir.display()))
        }
        _ => unwritable("lock", path, source),
    }
}

/// The error for what has to be written before a store is open, with what to do about the usual causes.
fn unwritable(action: &str, path: &Path, source: std::io::Error) -> Error {
    let remedy = match source.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "mount it for writing, or use another directory; a store that is only looked at (verify, \
             inspect) may stay read-only"
        }
        std::io::ErrorKind::PermissionDenied => {
            "let the user of this process read and write there, or use another directory"
        }
        _ => return Error::io(action, path, source),
    };
    let error = Error::io(action, path, source);
    let message = format!("{error}; {remedy}");
    error.with_message(message)
}

/// Removes what a flush or a compaction that was cut off left behind, and what was replaced while
/// somebody read it: files that the manifest does not name, or that left the disk.
fn remove_orphans(io: &Io, dir: &Path, live: &ManifestState) -> Result<()> {
    let segments = names::segments_dir(dir);
    let found = io.storage.list(&segments).map_err(|e| Error::io("list", &segments, e))?;
    for name in found {
        let is_gone = |id| !live.files.contains_key(&id) || live.evicted.contains(&id);
        let orphan = match Name::parse(&name) {
            Some(Name::LevelZero(number)) => is_gone(FileId::LevelZero(number)),
            Some(Name::Segment(number)) => is_gone(FileId::Segment(number)),
            Some(Name::Pack(number)) => is_gone(FileId::Pack(number)),
            Some(Name::Temporary) => true,
            _ => false,
        };
        if orphan {
            let path = segments.join(&name);
            io.storage.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}

/// Applies what the log holds beyond the files. Rows that wait for the sealer are bounded; the blocks
/// of all generations together are bounded by `wal_bytes_max`.
fn recover(
    shared: &Shared,
    seals: &SealQueue,
    live: &ManifestState,
) -> Result<(Wal, BTreeSet<Option<KeyId>>)> {
    let unsealed_bytes_max = shared.limits.unsealed_bytes_max_at_open();
    let apply = |_generation, batch| {
        let mut state = shared.state();
        while state.active.pending_bytes > unsealed_bytes_max {
            state.check_open()?;
            shared.wait(&mut state);
        }
        let jobs = state.apply(shared, batch);
        state.account();
        drop(state);
        seals.extend(jobs);
        Ok(())
    };
    wal::recover(
        &shared.io,
        &shared.dir,
        &shared.limits,
        live.store_uuid,
        live.committed_generation,
        live.next_seq,
        apply,
    )
    .map(|recovered| {
        shared.counters.events_recovered.store(recovered.report.events, Relaxed);
        (recovered.wal, recovered.report.keys)
    })
}

fn spawn(
    shared: &Arc<Shared>,
    name: &'static str,
    work: impl FnOnce(&Arc<Shared>) + Send + 'static,
) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name(format!("logstrata-{name}"))
        .spawn(move || {
            let guard = ClosesOnPanic(Arc::clone(&shared), name);
            work(&shared);
            drop(guard);
        })
        .expect("the system has room for a thread")
}
