//! What the threads of an engine share, and the snapshots that queries read.

use super::evict::Archived;
use super::purge::Owed;
use super::retention::Retention;
use super::space::Room;
use super::tail::Visible;
use crate::batch::Batch;
use crate::cold::ColdFiles;
use crate::compact::Place;
use crate::error::{Error, Result};
use crate::event::Seq;
use crate::idempotency::{Claims, Range};
use crate::io::Io;
use crate::limits::Limits;
use crate::manifest::{FileMeta, Manifest, SectionMeta};
use crate::memtable::{Lease, MemPartition, Memtable, SealJob};
use crate::partition::PartitionKey;
use crate::pool::{Consumer, Pool, Reservation};
use crate::scan::{Control, Scans};
use crate::segment::{BlockCache, Handles, SegmentFile};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;

/// What the threads of an engine share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) io: Io,
    pub(crate) limits: Limits,
    pub(crate) store: [u8; 16],
    pub(crate) incarnation: u16,
    pub(crate) cache: BlockCache,
    pub(crate) handles: Arc<Handles>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) counters: Counters,
    /// The memory that batches and queries share.
    pub(crate) pool: Arc<Pool>,
    /// The room on the disk.
    pub(crate) room: Room,
    /// How long what is kept.
    pub(crate) retention: Retention,
    /// What may leave the disk.
    pub(crate) archived: Archived,
    /// What the archive has to give up.
    pub(super) owed: Owed,
    /// Who waits for further events.
    pub(crate) visible: Visible,
    /// Blocks that are encoded at the same time: one while others want the cores.
    pub(crate) sealers: AtomicUsize,
    /// The turns of queries.
    pub(crate) scans: Arc<Scans>,
    /// Whether queries leave out what statistics and filters rule out. Always, but for tests.
    pub(crate) prunes: AtomicBool,
    /// Locked before the state, never while the state is (`I4` of the flusher).
    manifest: Mutex<Manifest>,
    state: Mutex<State>,
    /// Signalled when a block is sealed, a generation is flushed, or the store closes.
    progress: Condvar,
}

/// Counts since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) events_recovered: AtomicU64,
    pub(crate) events_appended: AtomicU64,
    pub(crate) wal_groups: AtomicU64,
    pub(crate) wal_bytes_written: AtomicU64,
    pub(crate) wal_bytes: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) key_files_damaged: AtomicU64,
    pub(crate) flushed_bytes: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compactions_failed: AtomicU64,
    pub(crate) compacted_bytes_in: AtomicU64,
    pub(crate) compacted_bytes_out: AtomicU64,
    pub(crate) expired_on_arrival: AtomicU64,
    pub(crate) sections_dropped: AtomicU64,
    pub(crate) events_dropped: AtomicU64,
    pub(crate) bytes_dropped: AtomicU64,
}

/// What there is to read, and how far it has come.
#[derive(Debug)]
pub(crate) struct State {
    /// Takes in what the log has synced.
    pub(crate) active: Memtable,
    /// The generation that is being flushed.
    pub(crate) frozen: Option<Frozen>,
    /// Every file that the manifest names.
    pub(crate) files: Arc<Vec<LiveFile>>,
    /// The last memtable whose flush was ordered: it is cut as soon as it can be.
    pub(crate) cut_wanted: u64,
    /// The last memtable that has a file.
    pub(crate) flushed: u64,
    /// Why the last attempt to flush failed; it is tried again.
    pub(crate) flush_error: Option<Error>,
    /// Whether appends wait until something is sealed or flushed: compaction makes way.
    pub(crate) ingest_waits: bool,
    /// Why compaction last failed, until it works again; damage stays.
    pub(crate) compaction_error: Option<Error>,
    /// Why the store accepts nothing more.
    pub(crate) closed: Option<String>,
    /// The memory of both memtables.
    pub(crate) memory: Reservation,
}

/// A memtable that takes in nothing more, and the generation of the log that it stands for.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) memtable: Memtable,
    pub(crate) generation: u64,
    /// The keys of its batches.
    pub(crate) keys: Range,
    /// The digests of its runs, once every row is sealed.
    pub(crate) run_digests: HashMap<PartitionKey, [u8; 32]>,
}

/// A file that the manifest names.
#[derive(Debug, Clone)]
pub(crate) struct LiveFile {
    pub(crate) meta: Arc<FileMeta>,
    pub(crate) file: Arc<SegmentFile>,
}

/// What a query sees: everything acknowledged when it began, whatever happens meanwhile.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The last sequence number that is visible.
    pub(crate) as_of: Seq,
    pub(crate) memtables: Vec<(PartitionKey, Arc<MemPartition>)>,
    pub(crate) files: Arc<Vec<LiveFile>>,
    pub(crate) memtable_names: Vec<Arc<BTreeSet<Arc<str>>>>,
    /// The memory of the memtables, if they are flushed meanwhile.
    _leases: Vec<Arc<Lease>>,
}

impl Shared {
    /// Where a segment or pack of this number is written, with indexes.
    pub(super) fn place(&self, number: u64) -> Place<'_> {
        Place {
            io: &self.io,
            dir: &self.dir,
            limits: &self.limits,
            cache: &self.cache,
            store: self.store,
            incarnation: self.incarnation,
            number,
            indexes: true,
        }
    }

    pub(crate) fn new(
        dir: PathBuf,
        io: Io,
        cold: Arc<dyn ColdFiles>,
        limits: Limits,
        manifest: Manifest,
        pool: Arc<Pool>,
        state: State,
    ) -> Self {
        let cache = BlockCache::new(limits.cache_bytes_max);
        // A disk that does not tell its size has no reserve.
        if let Ok(space) = io.storage.space(&dir) {
            cold.keep_free(limits.cache_reserve(space.total));
        }
        let keys_memory = pool.reserve(Consumer::Ingest, 0).expect("0 bytes are always given");
        let claims = Claims::new(limits.key_bounds(), Arc::clone(&io.clock), keys_memory);
        let handles = Handles::with_cold(Arc::clone(&io.storage), cold, limits.files_open_max);
        let (store, incarnation) = (manifest.state().store_uuid, manifest.state().incarnation);
        let retention = Retention::new(&*io.clock, &limits, manifest.state());
        let scans = Scans::new(limits.scans_max, Arc::clone(&io.clock));
        let owed = Owed::open(&io, &dir);
        Self {
            dir,
            io,
            limits,
            store,
            incarnation,
            cache,
            handles: Arc::new(handles),
            claims: Arc::new(claims),
            counters: Counters::default(),
            pool,
            room: Room::default(),
            retention,
            archived: Archived::default(),
            owed,
            visible: Visible::default(),
            sealers: AtomicUsize::new(1),
            scans: Arc::new(scans),
            prunes: AtomicBool::new(true),
            manifest: Mutex::new(manifest),
            state: Mutex::new(state),
            progress: Condvar::new(),
        }
    }

    /// Whether queries may rule out what they need not read. Off only in tests.
    pub(crate) fn prunes(&self) -> bool {
        self.prunes.load(Relaxed)
    }

    /// The memory that a query may take.
    pub(crate) fn pool_of(&self, control: &Control) -> Arc<Pool> {
        self.pool.of_query(control.account.usage(), self.limits.query_bytes_max)
    }

    pub(crate) fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock()
    }

    /// The file that an entry of the manifest is about.
    pub(crate) fn live_file(&self, meta: &Arc<FileMeta>) -> LiveFile {
        let path = meta.id.path(&self.dir);
        let file = Arc::new(SegmentFile::new(&self.handles, &path, self.store, meta));
        LiveFile { meta: Arc::clone(meta), file }
    }

    /// The same of a file that is in the archive only.
    pub(crate) fn evicted_file(&self, meta: &Arc<FileMeta>) -> LiveFile {
        let path = meta.id.path(&self.dir);
        let file = Arc::new(SegmentFile::evicted(&self.handles, &path, self.store, meta));
        LiveFile { meta: Arc::clone(meta), file }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Waits for the next progress.
    pub(crate) fn wait(&self, state: &mut MutexGuard<'_, State>) {
        self.progress.wait(state);
    }

    /// Waits for the next progress, and not long.
    pub(crate) fn wait_briefly(&self, state: &mut MutexGuard<'_, State>) {
        self.progress.wait_for(state, Duration::from_millis(50));
    }

    /// Tells all who wait that something has changed.
    pub(crate) fn notify(&self) {
        self.progress.notify_all();
    }

    /// From now on nothing is accepted; reads go on.
    pub(crate) fn close(&self, reason: String) {
        self.state().closed.get_or_insert(reason);
        self.notify();
    }

    /// What a query sees that may want only what is on this machine.
    pub(crate) fn snapshot_for(&self, control: &Control) -> Snapshot {
        let mut snapshot = self.snapshot();
        if !snapshot.files.iter().any(|file| file.file.is_evicted()) {
            return snapshot;
        }
        if control.is_hot {
            let local = snapshot.files.iter().filter(|file| !file.file.is_evicted());
            snapshot.files = Arc::new(local.cloned().collect());
            control.account.leaves_archive();
        } else {
            control.account.will_read_archive();
        }
        snapshot
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.state();
        let tables = state.frozen.iter().map(|frozen| &frozen.memtable).chain([&state.active]);
        let mut memtables = Vec::new();
        let (mut memtable_names, mut leases) = (Vec::new(), Vec::new());
        for table in tables {
            let partitions = table.partitions.iter();
            memtables.extend(partitions.map(|(key, part)| (key.clone(), Arc::clone(part))));
            memtable_names.push(Arc::clone(&table.names));
            leases.push(table.lease.share(table.bytes()));
        }
        Snapshot {
            as_of: state.last_seq(),
            memtables,
            files: Arc::clone(&state.files),
            memtable_names,
            _leases: leases,
        }
    }
}

impl Snapshot {
    /// One section of a file, and nothing else.
    pub(crate) fn of_section(file: &LiveFile, section: &SectionMeta) -> Self {
        let is_it = |other: &SectionMeta| other.offset == section.offset;
        Self::of_sections(std::slice::from_ref(file), is_it, Seq(section.max_seq))
    }

    /// One of its partitions in memory, by place, and nothing else.
    pub(super) fn of_memtable(&self, place: usize) -> Self {
        Self {
            as_of: self.as_of,
            memtables: self.memtables.get(place).cloned().into_iter().collect(),
            files: Arc::default(),
            memtable_names: Vec::new(),
            _leases: self._leases.clone(),
        }
    }

    /// Some sections of some files, up to a sequence number, and nothing else.
    pub(crate) fn of_sections(
        files: &[LiveFile],
        is_wanted: impl Fn(&SectionMeta) -> bool,
        as_of: Seq,
    ) -> Self {
        let of_file = |file: &LiveFile| {
            let sections = file.meta.sections.iter().filter(|section| is_wanted(section));
            let sections: Vec<_> = sections.cloned().collect();
            let meta = (!sections.is_empty())
                .then(|| FileMeta { sections, ..FileMeta::clone(&file.meta) })?;
            Some(LiveFile { meta: Arc::new(meta), file: Arc::clone(&file.file) })
        };
        Self {
            as_of,
            memtables: Vec::new(),
            files: Arc::new(files.iter().filter_map(of_file).collect()),
            memtable_names: Vec::new(),
            _leases: Vec::new(),
        }
    }
}

impl State {
    /// The last visible event, or the number before the first.
    pub(crate) fn last_seq(&self) -> Seq {
        Seq(self.active.seqs.1 - 1)
    }

    /// Takes in a numbered batch that is durable, and its key. Returns what is to be encoded now.
    pub(crate) fn apply(&mut self, shared: &Shared, batch: Batch) -> Vec<SealJob> {
        if let Some(entry) = batch.entry(shared.incarnation) {
            shared.claims.remember(entry);
        }
        self.active.apply(batch, &shared.limits)
    }

    /// Tells the pool what the memtables take now. They are within its bounds because what came
    /// in was reserved when it came, and appends wait for room.
    pub(crate) fn account(&mut self) {
        let frozen = self.frozen.as_ref().map_or(0, |frozen| frozen.memtable.bytes());
        self.memory.hold(self.active.bytes() + frozen);
    }

    /// The memtable of this id, if it is still in memory.
    pub(crate) fn memtable(&mut self, id: u64) -> Option<&mut Memtable> {
        let frozen = self.frozen.as_mut().map(|frozen| &mut frozen.memtable);
        [Some(&mut self.active), frozen].into_iter().flatten().find(|table| table.id == id)
    }

    /// An error if the store accepts nothing more.
    pub(crate) fn check_open(&self) -> Result<()> {
        match &self.closed {
            Some(reason) => Err(Error::closed(reason.clone())),
            None => Ok(()),
        }
    }
}

/// Closes the store if the thread that holds it panics: nobody would do its work.
#[derive(Debug)]
pub(crate) struct ClosesOnPanic(pub(crate) Arc<Shared>, pub(crate) &'static str);

impl Drop for ClosesOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close(format!("the {} thread panicked; restart the server", self.1));
        }
    }
}
