//! The archive of an open store: what copies, what is asked of it.
//!
//! One pass: probe (once) · catalog · claim · checkpoint · copy what is missing · edit · delete what
//! has waited long enough · sweep (once a day). A crash between any two leaves objects that no edit
//! names, which the next pass finds and uses, or the sweep deletes.
//!
//! - `A1` a file's object is verified before the edit that names it.
//! - `A2` the edit that takes the manifest further is the last of its pass: every file that the
//!   manifest names at that edit is in the catalog by then. So restore never misses a file.
//! - `A3` an object is deleted only after an edit announced it, and only by whoever holds the claim.
//! - `A4` the catalog is the only record of what was copied: nothing local can contradict it.
//! - `A5` who finds another's claim behind its own stops; who finds a history that is not its own
//!   never writes.

use crate::catalog::{Catalog, Committed, Edit, End, Hash, Op, State};
use crate::error::{Error, ErrorKind, Result};
use crate::evict::Doubts;
use crate::export::Exports;
use crate::opened::Opened;
use crate::pass::Copied;
use crate::settings::Settings;
use crate::status::{Shown, Status};
use crate::store::Store;
use logstrata_engine::io::Io;
use logstrata_engine::{Checkpoint, Engine, Timestamp};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};

/// How many may ask for passes and verifications at a time; they take turns.
const ASKED_MAX: usize = 16;
/// Calls of the engine at a time.
const ENGINE_CALLS: u32 = 4;
/// How long the pass after a failed one waits, at first and at most.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// How often it is looked whether there is something to copy, at least and at most.
const LOOK_MIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(60);

/// The archive of an open store.
#[derive(Debug)]
pub struct Archive {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) engine: Arc<Engine>,
    pub(crate) io: Io,
    /// Names this process in the catalog.
    pub(crate) writer: [u8; 16],
    /// One pass at a time.
    pub(crate) at_work: tokio::sync::Mutex<Work>,
    /// What is exported, if anything is.
    pub(crate) exports: Option<Exports>,
    /// Objects that were found bad, by whoever does not have the work.
    pub(crate) doubts: Doubts,
    pub(crate) shown: Mutex<Shown>,
    pub(crate) wake: Notify,
    /// Who asks for passes and verifications.
    asked: Semaphore,
    /// One verification at a time.
    pub(crate) verifying: tokio::sync::Mutex<()>,
    /// Whether the server is shut down.
    stopped: watch::Sender<bool>,
    /// Calls of the engine at work on other threads.
    engine_calls: Arc<Semaphore>,
}

/// What passes hand on to each other.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) catalog: Option<Catalog>,
    is_probed: bool,
    pub(crate) has_claimed: bool,
    /// The manifest in the catalog is another history's: the next one takes its place.
    pub(crate) adopts: bool,
    /// The end of the catalog when it was read last: it has to be part of what is read next.
    pub(crate) seen: Option<End>,
    /// Objects of files in the catalog that are damaged or gone, or may be: looked at by the next pass.
    pub(crate) suspects: BTreeSet<Hash>,
    /// Those whose bytes were compared with their hash since they were copied.
    pub(crate) compared: BTreeSet<Hash>,
    /// When the last sweep was.
    pub(crate) swept: Option<Timestamp>,
    /// Of files whose hash no manifest has: links, which never change while a store is open.
    pub(crate) hashes: HashMap<String, Hash>,
}

/// A pass at work: when it ends, or is given up half-way, nothing is shown as being copied.
struct Copying<'a>(&'a Mutex<Shown>);

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.0.lock().copying = None;
    }
}

impl Work {
    /// Whether there is something to do, however young the files are.
    fn wants_pass(&self) -> bool {
        self.adopts || !self.suspects.is_empty()
    }
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pass {
    /// Files whose copies were verified.
    pub files: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Objects that were deleted.
    pub deleted: u64,
    /// Local copies that left the disk.
    pub evicted: u64,
}

impl Archive {
    /// The archive of an open store. Nothing is connected to yet.
    pub fn new(place: Opened, engine: Arc<Engine>, io: Io) -> Self {
        let Opened { store, settings, export } = place;
        let archive = Self::with_store(store, settings, engine, io);
        match export {
            Some(export) => archive.with_export(export),
            None => archive,
        }
    }

    /// Waits until nothing of the archive holds the engine any more. Passes have to have ended.
    pub async fn drained(&self) {
        let _all = self.engine_calls.acquire_many(ENGINE_CALLS).await;
    }

    /// Ends [`Archive::run_now`] and [`Archive::verify`] at once, whoever waits for them, for good. What
    /// they were at is found and gone on with by the next server.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Does what somebody asked for, until the archive is stopped.
    pub(crate) async fn as_asked<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let busy = |what| Error::new(ErrorKind::Busy, what);
        let _place = self.asked.try_acquire().map_err(|_| {
            busy("too many wait for passes or verifications of the archive already")
        })?;
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => {
                Err(busy("the server is shutting down; ask the next one"))
            }
            done = work => done,
        }
    }

    /// Asks the engine on a thread that may wait for the disk.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::clone(&self.engine_calls).acquire_owned().await;
        let engine = Arc::clone(&self.engine);
        blocking(move || {
            let answer = work(&engine);
            // Before the slot: who has all of them is the only one with the engine.
            drop(engine);
            drop(slot);
            answer
        })
        .await
    }

    pub(crate) fn with_store(
        store: Store,
        settings: Settings,
        engine: Arc<Engine>,
        io: Io,
    ) -> Self {
        let mut writer = [0; 16];
        io.entropy.fill(&mut writer);
        Self {
            settings,
            store,
            engine,
            io,
            writer,
            at_work: tokio::sync::Mutex::default(),
            exports: None,
            doubts: Doubts::default(),
            shown: Mutex::default(),
            wake: Notify::new(),
            asked: Semaphore::new(ASKED_MAX),
            verifying: tokio::sync::Mutex::default(),
            stopped: watch::Sender::new(false),
            engine_calls: Arc::new(Semaphore::new(ENGINE_CALLS as usize)),
        }
    }

    /// Copies continuously, until the future is dropped. Failures are told by [`Archive::status`] and
    /// tried again, at first after a second, then after up to five minutes. `told` hears of each.
    pub async fn run(&self, mut told: impl FnMut(&Result<Pass>)) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let wait = match self.pass(false).await {
                Ok(pass) => {
                    if let Some(pass) = pass {
                        told(&Ok(pass));
                    }
                    backoff = BACKOFF_MIN;
                    self.look_again()
                }
                Err(error) => {
                    told(&Err(error));
                    let wait = backoff;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    fn look_again(&self) -> Duration {
        (self.settings.copy_after / 4).clamp(LOOK_MIN, LOOK_MAX)
    }

    /// Copies every sealed file that is not in the archive, whatever its age. `adopt` takes over a
    /// catalog with another history: after `logstrata repair` of a damaged manifest, or when the server
    /// that wrote it is gone for ever.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn run_now(&self, adopt: bool) -> Result<Pass> {
        self.as_asked(self.run_once(adopt)).await
    }

    pub(crate) async fn run_once(&self, adopt: bool) -> Result<Pass> {
        if adopt {
            let mut work = self.at_work.lock().await;
            work.catalog = None;
            let adopted = self.adopt(&mut work).await;
            self.note(&work, &adopted);
            adopted?;
        }
        let passed = self.pass(true).await;
        // Whoever waits longer than it has to is woken: the store can be reached again.
        self.wake.notify_one();
        Ok(passed?.unwrap_or_default())
    }

    /// One pass; `None` if nothing was due.
    pub(crate) async fn pass(&self, now: bool) -> Result<Option<Pass>> {
        let mut work = self.at_work.lock().await;
        let _shown = Copying(&self.shown);
        let passed = self.work(&mut work, now).await;
        if let Some(catalog) = &work.catalog {
            work.seen = Some(catalog.end());
        }
        if passed.is_err() {
            // What the store has by now is read again.
            work.catalog = None;
        }
        self.note(&work, &passed);
        passed
    }

    /// Tells what became of a pass, or of what is done as a part of one.
    pub(crate) fn note<T>(&self, work: &Work, result: &Result<T>) {
        if let Err(error) = result {
            self.let_none_go_after(error);
        }
        let now = self.io.clock.now();
        let mut shown = self.shown.lock();
        if let Some(catalog) = &work.catalog {
            shown.catalog = Some((catalog.number(), Arc::clone(catalog.state())));
        }
        match result {
            Ok(_) => (shown.error, shown.worked) = (None, Some(now)),
            Err(error) => {
                shown.failures += 1;
                shown.error = Some((now, error.clone()));
            }
        }
    }

    pub(crate) async fn work(&self, work: &mut Work, now: bool) -> Result<Option<Pass>> {
        self.take_on_doubts(work);
        self.open_catalog(work).await?;
        // Before the copy: what is purged meanwhile is not in it, and stays owed.
        let owed = self.engine.owes_erasure();
        let checkpoint = self.checkpoint().await?;
        let mut pass = Pass::default();
        let state = work.catalog.as_ref().expect("opened above").state();
        let is_due = now || work.wants_pass() || owed > 0 || self.is_due(state, &checkpoint);
        if is_due {
            self.claim(work, false).await?;
            // A file whose object is doomed can't be copied before it is gone.
            let finished = self.finish_dooms(work).await;
            if let Err(error) = &finished
                && error.kind() == ErrorKind::Conflict
            {
                return Err(error.clone());
            }
            let mut checkpoint = checkpoint;
            while self.copy_all(work, checkpoint, &mut pass).await? == Copied::Part {
                pass.evicted += self.evict(work, now).await?;
                checkpoint = self.checkpoint().await?;
            }
            pass.deleted += finished?;
        } else {
            blocking(move || drop(checkpoint)).await?;
        }
        if work.has_claimed {
            pass.evicted += self.evict(work, now).await?;
            pass.deleted += match owed {
                0 => self.delete_due(work).await?,
                _ => self.erase_owed(work, owed).await?,
            };
        }
        Ok(Some(pass).filter(|pass| is_due || *pass != Pass::default()))
    }

    /// The catalog up to its end, of a store that may be shared or need not be.
    pub(crate) async fn open_catalog(&self, work: &mut Work) -> Result<()> {
        if !work.is_probed {
            self.probe().await?;
            work.is_probed = true;
        }
        match &mut work.catalog {
            Some(catalog) => catalog.refresh().await,
            None => {
                let catalog = Catalog::load(&self.store, self.engine.store_uuid()).await?;
                catalog.check_seen(work.seen).await?;
                work.seen = Some(catalog.end());
                work.catalog = Some(catalog);
                Ok(())
            }
        }
    }

    async fn probe(&self) -> Result<()> {
        let folder = crate::catalog::folder_of(&self.engine.store_uuid());
        let name = format!("{folder}/probe/{}", crate::catalog::folder_of(&self.writer));
        if self.store.probe(&name).await? {
            return Ok(());
        }
        if self.settings.shared {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{} ignores the condition of a PUT (If-None-Match: *): two servers could archive \
                     over each other unseen. Use a store that keeps it, or, if only one server will \
                     ever write below this prefix, set archive.shared = false",
                    self.store.shown()
                ),
            ));
        }
        self.store.is_unconditional();
        Ok(())
    }

    pub(crate) async fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(self.ask(Engine::checkpoint).await??)
    }

    /// Whether a file has waited for `copy_after`, or what the manifest says of files has.
    fn is_due(&self, state: &State, checkpoint: &Checkpoint) -> bool {
        let wait = i64::try_from(self.settings.copy_after.as_nanos()).unwrap_or(i64::MAX);
        let due = |since: Timestamp| self.io.clock.now().0.saturating_sub(since.0) >= wait;
        let waiting = checkpoint.files.iter().filter(|file| state.copy_of(file).is_none());
        let Some(image) = &state.image else { return !checkpoint.files.is_empty() };
        waiting.filter_map(|file| file.created).any(due)
            || (image.place != checkpoint.place() && due(image.at))
    }

    pub(crate) fn edit(&self, ops: Vec<Op>) -> Edit {
        Edit { writer: self.writer, time: self.io.clock.now(), ops }
    }

    /// Appends an edit of the holder of the claim.
    pub(crate) async fn commit(&self, catalog: &mut Catalog, ops: Vec<Op>) -> Result<()> {
        let committed = catalog.commit(self.edit(ops)).await?;
        let mut shown = self.shown.lock();
        shown.catalog = Some((catalog.number(), Arc::clone(catalog.state())));
        match committed {
            Committed::Done => Ok(()),
            Committed::Lost => Err(Error::new(
                ErrorKind::Conflict,
                "another server wrote to this archive meanwhile; what was copied is found by the next \
                 pass",
            )),
        }
    }

    /// What there is, what waits, and what went wrong last.
    ///
    /// Reads a directory: not for threads that must not wait.
    ///
    /// # Errors
    /// `Engine` if the store can't be read.
    pub fn status(&self) -> Result<Status> {
        let checkpoint = self.engine.checkpoint()?;
        let now = self.io.clock.now();
        let shown = self.shown.lock().clone();
        let mut status = Status::of(self.store.shown(), &self.settings, &checkpoint, shown, now);
        if let Some(exports) = &self.exports {
            (status.exports, status.export_error) = exports.shown();
            status.warnings.extend(exports.stuck());
            status.waiting_for_export = self.engine.waiting_for_export(now);
        }
        Ok(status)
    }
}

/// Does what may wait for a disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Engine, format!("a thread of the archive ended: {error}"))
    })
}
