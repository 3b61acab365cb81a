//! Opens a store: lock, manifest, log, threads.

use super::Engine;
use super::activity::{Activity, Busy};
use super::compactor::{self, CompactQueue};
use super::flush::{self, FlushQueue};
use super::queue::Queue;
use super::sealer::{self, SealQueue};
use super::space::has_room_for_spare;
use super::state::{ClosesOnPanic, Shared, State};
use super::writer::Writer;
use crate::append::Redactor;
use crate::error::{Error, Result};
use crate::idempotency::{self, KeyFiles};
use crate::io::{Io, Lock};
use crate::manifest::{FileId, Manifest, ManifestState};
use crate::memtable::Memtable;
use crate::names::{self, Name};
use crate::options::Options;
use crate::pool::{Consumer, Pool};
use crate::wal::{self, Wal};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

/// Opens a store, recovering what its log holds.
pub(crate) fn open(options: Options) -> Result<Engine> {
    let Options { dir, limits, redaction, io } = options;
    let folders = [names::wal_dir(&dir), names::segments_dir(&dir), names::keys_dir(&dir)];
    for needed in std::iter::once(dir.clone()).chain(folders) {
        io.storage.create_dir_all(&needed).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::invalid(format!("{} is not a directory", needed.display()))
            }
            _ => Error::io("create", &needed, e),
        })?;
    }
    let lock = lock(&io, &dir)?;
    let manifest = Manifest::open_or_create(&io, &dir, &limits)?;
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
    let shared = Arc::new(Shared::new(dir, io, limits, manifest, pool, state));
    let files = live.files.values().map(|meta| shared.live_file(meta));
    shared.state().files = Arc::new(files.collect());

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
    // The sealer works while the log is read: encoding takes longer than reading.
    // Orphans go last: one may hold what a damaged log can't give back.
    let recovered = recover(&shared, &seals, &live)
        .and_then(|wal| remove_orphans(&shared.io, &shared.dir, &live).map(|()| wal))
        .and_then(|wal| {
            idempotency::remove_orphans(&shared.io, &shared.dir, committed).map(|()| wal)
        });
    let wal = match recovered {
        Ok(wal) => wal,
        Err(error) => {
            drop(seals);
            let _ = sealer.join();
            return Err(error);
        }
    };
    let (wanted, orders) = channel::<Busy>();
    let spares = Arc::clone(wal.spares());
    let preparer = spawn(&shared, "preparer", move |shared| {
        while let Ok(_busy) = orders.recv() {
            // On a full disk the log does with files that grow.
            if has_room_for_spare(shared) {
                let _ = spares.refill();
            }
        }
    });
    let compactions = CompactQueue::new(&activity);
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
    Ok(Engine {
        shared,
        redactor: Redactor::new(redaction),
        queue,
        flushes,
        compactions,
        activity,
        threads: vec![writer, sealer, preparer, flusher, compactor],
        scanners,
        keys_lost,
        _lock: lock,
    })
}

/// Keeps other processes out of the store until the lock is dropped.
pub(crate) fn lock(io: &Io, dir: &Path) -> Result<Box<dyn Lock>> {
    let path = names::lock(dir);
    io.storage.lock(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => {
            Error::busy(format!("{} is open in another process; stop that first", dir.display()))
        }
        _ => Error::io("lock", &path, e),
    })
}

/// Removes what a flush or a compaction that was cut off left behind, and what was replaced while
/// somebody read it: files that the manifest does not name.
fn remove_orphans(io: &Io, dir: &Path, live: &ManifestState) -> Result<()> {
    let segments = names::segments_dir(dir);
    let found = io.storage.list(&segments).map_err(|e| Error::io("list", &segments, e))?;
    for name in found {
        let orphan = match Name::parse(&name) {
            Some(Name::LevelZero(number)) => !live.files.contains_key(&FileId::LevelZero(number)),
            Some(Name::Segment(number)) => !live.files.contains_key(&FileId::Segment(number)),
            Some(Name::Pack(number)) => !live.files.contains_key(&FileId::Pack(number)),
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

/// Applies what the log holds beyond the files. Rows that wait for the sealer are bounded as they
/// are for appends; the blocks of all generations together are bounded by `wal_bytes_max`.
fn recover(shared: &Shared, seals: &SealQueue, live: &ManifestState) -> Result<Wal> {
    let apply = |_generation, batch| {
        let mut state = shared.state();
        while state.active.pending_bytes > shared.limits.unsealed_bytes_max {
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
        recovered.wal
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
