//! Files that leave the disk for an archive: a map in memory here.

mod purge;
mod room;
mod silent;
mod spoiled;

use super::*;
use crate::cold::{Came, ColdAway, ColdFile, ColdFiles, Patience};
use crate::io::{Clock, Fault, FaultyStorage};
use crate::limits::DiskBudget;
use crate::manifest::FileId;
use crate::query::{Matching, matching, parse};
use crate::repair::repair;
use crate::retention::Keep;
use crate::scan::{Cancel, Control, GapKind, Tolerance};
use crate::verify::{Severity, VerifyOptions, verify};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// An archive that a test can take away.
#[derive(Debug, Default)]
struct Shelf {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    is_away: AtomicBool,
    /// It gives no answer, and the clock runs while somebody waits.
    is_silent: AtomicBool,
    /// The milliseconds by which the clock runs for each read.
    delay: AtomicU64,
    /// What it says that it keeps on the disk.
    cached: AtomicU64,
    /// The disk on which [`KEPT`] is what it keeps.
    disk: OnceLock<MemoryStorage>,
    /// Somebody reads, so that what is freed is there again at once.
    refills: AtomicBool,
    clock: OnceLock<Arc<ManualClock>>,
    bytes_read: AtomicU64,
    /// The files of which it keeps something.
    kept: Mutex<BTreeSet<[u8; 32]>>,
    /// The read of this number comes wrong, if it is above zero; it counts down.
    reads_to_spoil: AtomicI64,
    /// What came wrong, as long as it is kept, and files whose objects are.
    spoiled: Mutex<BTreeSet<([u8; 32], u64)>>,
    damaged: Mutex<BTreeSet<[u8; 32]>>,
    reads: AtomicU64,
    /// What is cancelled by which read, counted from 0.
    stops_at: AtomicU64,
    stops: Mutex<Option<Cancel>>,
}

impl ColdFiles for Shelf {
    fn read_at(
        &self,
        file: &ColdFile,
        offset: u64,
        buf: &mut [u8],
        patience: &Patience,
    ) -> Result<Came, ColdAway> {
        let mut left = self.delay.load(Ordering::Relaxed);
        while self.is_silent.load(Ordering::Relaxed) || left > 0 {
            if patience.is_over() {
                return Err(ColdAway::new("nobody waits"));
            }
            self.clock.get().expect("is set").advance(Duration::from_millis(50));
            left = left.saturating_sub(50);
        }
        if self.is_away.load(Ordering::Relaxed) {
            return Err(ColdAway::new("the shelf is away"));
        }
        if self.reads.fetch_add(1, Ordering::Relaxed) == self.stops_at.load(Ordering::Relaxed) {
            self.stops.lock().iter().for_each(Cancel::cancel);
        }
        let files = self.files.lock();
        let bytes = files.get(&file.name).ok_or_else(|| ColdAway::new("not on the shelf"))?;
        assert_eq!(*blake3::hash(bytes).as_bytes(), file.blake3);
        let start = offset as usize;
        buf.copy_from_slice(&bytes[start..start + buf.len()]);
        let fetched = buf.len() as u64;
        self.bytes_read.fetch_add(fetched, Ordering::Relaxed);
        self.kept.lock().insert(file.blake3);
        if self.reads_to_spoil.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.spoiled.lock().insert((file.blake3, offset));
        }
        let is_spoiled = self.spoiled.lock().contains(&(file.blake3, offset));
        if is_spoiled || self.damaged.lock().contains(&file.blake3) {
            buf.iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        Ok(Came { fetched, requests: 1, cached: 0 })
    }

    fn disk_bytes(&self) -> u64 {
        self.cached.load(Ordering::Relaxed)
    }

    fn free_disk(&self, bytes: u64) -> u64 {
        if let Some(disk) = self.disk.get() {
            return disk.remove(KEPT.as_ref()).map_or(0, |()| bytes);
        }
        let freed = bytes.min(self.disk_bytes());
        if !self.refills.load(Ordering::Relaxed) {
            self.cached.fetch_sub(freed, Ordering::Relaxed);
        }
        freed
    }

    fn forget(&self, blake3: &[u8; 32]) {
        self.kept.lock().remove(blake3);
        self.spoiled.lock().retain(|(spoiled, _)| spoiled != blake3);
    }

    fn keep_only(&self, live: &BTreeSet<[u8; 32]>) {
        self.kept.lock().retain(|kept| live.contains(kept));
    }
}

/// A store with one segment or pack for each of some days, and its archive.
struct Life {
    storage: MemoryStorage,
    clock: Arc<ManualClock>,
    shelf: Arc<Shelf>,
    budget: Option<DiskBudget>,
}

const KEPT: &str = "store/kept";
const DAYS: usize = 4;
const EACH: usize = 40;

impl Life {
    fn new() -> (Self, Engine) {
        let life = Self {
            storage: MemoryStorage::new(),
            clock: Arc::new(ManualClock::new(NOON)),
            shelf: Arc::default(),
            budget: None,
        };
        let engine = life.open();
        for day in 0..DAYS {
            let mut batch = BatchBuilder::new(&Limits::tiny(), life.clock.now());
            for number in 0..EACH {
                let mut event = batch.event();
                event.timestamp = Timestamp(life.clock.now().0 + number as i64);
                let text = format!("event number {} came", day * EACH + number);
                event.field("message", Kind::String, text.as_bytes());
                event.finish().unwrap();
            }
            engine.append(batch.build()).unwrap();
            engine.flush().unwrap();
            engine.compact_now().unwrap();
            life.clock.advance(Duration::from_secs(86_400));
        }
        (life, engine)
    }

    fn options(&self) -> Options {
        let mut options = options(&self.storage);
        options.io.clock = Arc::clone(&self.clock) as _;
        options.limits.disk_budget = self.budget;
        options
    }

    fn open(&self) -> Engine {
        Engine::open_with(self.options(), Arc::clone(&self.shelf) as _).unwrap()
    }

    /// Copies everything to the shelf, and tells the store.
    fn archive(&self, engine: &Engine) {
        let checkpoint = engine.checkpoint().unwrap();
        let mut told = Vec::new();
        for file in &checkpoint.files {
            let Some(blake3) = file.blake3 else { continue };
            let mut bytes = vec![0; file.len as usize];
            file.read_at(&mut bytes, 0).unwrap();
            self.shelf.files.lock().insert(file.name.clone(), bytes);
            told.push(ArchivedFile { name: file.name.clone(), blake3 });
        }
        engine.archived(&told);
    }

    /// How much is damaged, and how many files are in the archive only.
    fn verified(&self) -> (u64, u64) {
        let deep = VerifyOptions { deep: true, since: None };
        let io = self.options().io;
        let report = verify(&io, Path::new("store"), &deep, &mut |_| {}).unwrap();
        (report.count(Severity::Damage), report.checked.evicted)
    }
}

fn found(engine: &Engine, query: &str) -> Vec<usize> {
    numbers(&engine.search(&request(query, 10_000)).unwrap())
}

fn all() -> Vec<usize> {
    (0..DAYS * EACH).rev().collect()
}

/// What a search finds that may lack something, and the kinds of what it lacks.
fn lacking(engine: &Engine, control: &Control) -> (usize, Vec<GapKind>) {
    let page = engine.search_with(&request("", 10_000), control).unwrap();
    let gaps = control.account.gaps();
    (page.events.len(), gaps.iter().map(|gap| gap.kind).collect())
}

#[test]
fn what_left_the_disk_is_read_from_the_archive() {
    let (life, engine) = Life::new();
    let files = engine.status().segment_files;
    assert_eq!(engine.evict_local(Some(Keep::days(0))).unwrap(), LeftDisk::default(), "E1");
    life.archive(&engine);
    assert_eq!(engine.evict_local(None).unwrap(), LeftDisk::default(), "kept for ever");
    assert_eq!(engine.evict_local(Some(Keep::days(90))).unwrap(), LeftDisk::default());
    let left = engine.evict_local(Some(Keep::days(0))).unwrap();
    assert!(left.files >= 1 && left.bytes > 0, "{left:?}");
    let listed = |life: &Life| life.storage.list("store/segments".as_ref()).unwrap().len() as u64;
    assert_eq!((listed(&life), engine.status().archive_files), (files - left.files, left.files));
    assert_eq!(found(&engine, ""), all());
    assert_eq!(found(&engine, "\"number 7 came\""), [7]);
    assert!(life.shelf.bytes_read.load(Ordering::Relaxed) > 0);
    // Nothing of it is written anew, and nothing of it is damage.
    engine.compact_now().unwrap();
    assert_eq!(engine.status().archive_files, left.files);
    let checkpoint = engine.checkpoint().unwrap();
    assert!(checkpoint.files.len() as u64 >= files);
    drop((checkpoint, engine));
    assert_eq!(life.verified(), (0, left.files));
    let options = life.options();
    let mended = repair(&options.io, &options.dir, &options.limits, false).unwrap();
    assert!(mended.damages.is_empty() && mended.set_aside.is_none(), "{:?}", mended.damages);
    let engine = life.open();
    assert_eq!(engine.status().archive_files, left.files);
    assert_eq!(found(&engine, ""), all());
    // It is due like anything else, and takes nothing away with it but its place in the manifest.
    life.clock.advance(Duration::from_secs(1_000 * 86_400));
    engine.resume_drops().unwrap();
    engine.drop_due(crate::retention::RunKind::Requested).unwrap();
    assert_eq!((found(&engine, ""), engine.status().archive_files), (vec![], 0));
    engine.shared.manifest().state().check().unwrap();
}

#[test]
fn nothing_is_read_of_the_archive_before_anyone_asks() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    assert!(engine.evict_local(Some(Keep::days(1))).unwrap().files >= 1);
    crate::engine::warm::Warmed::default().warm_files(&engine.shared, || true);
    for file in engine.shared.state().files.iter() {
        let is_there = engine.shared.cache.sections(file.meta.id).is_some();
        assert_eq!(is_there, !file.file.is_evicted(), "{}", file.meta.id);
    }
    assert_eq!(life.shelf.reads.load(Ordering::Relaxed), 0);
}

#[test]
fn without_the_archive_what_is_here_comes_and_the_gap_is_told() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    let left = engine.evict_local(Some(Keep::days(1))).unwrap();
    assert!(left.files >= 1);
    let gone: u64 = engine
        .shared
        .state()
        .files
        .iter()
        .filter(|f| f.file.is_evicted())
        .flat_map(|file| &file.meta.sections)
        .map(|section| section.rows)
        .sum();
    let here = DAYS * EACH - gone as usize;
    assert!(here > 0 && gone > 0, "{here} and {gone}");
    life.shelf.is_away.store(true, Ordering::Relaxed);
    drop(engine);
    let engine = life.open();
    for tolerance in [Tolerance::Limits, Tolerance::Damage] {
        let control = Control { tolerance, ..Control::default() };
        assert_eq!(lacking(&engine, &control), (here, vec![GapKind::Archive]));
        assert!(control.account.gaps()[0].message.contains("the shelf is away"));
    }
    let error = engine.search(&request("", 10)).map(|page| page.events.len());
    let error = error.and_then(|_| engine.search(&request("", 10_000)).map(|p| p.events.len()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Away);
    // Who wants only what is here misses nothing.
    let control = Control { is_hot: true, ..Control::default() };
    assert_eq!(lacking(&engine, &control), (here, vec![]));
    life.shelf.is_away.store(false, Ordering::Relaxed);
    assert_eq!(found(&engine, ""), all());
}

#[test]
fn an_answer_says_how_much_came_from_where() {
    let (life, engine) = Life::new();
    let reads = |control: &Control| {
        engine.search_with(&request("", 10_000), control).unwrap();
        control.account.reads()
    };
    let control = Control::default();
    // No row is found, so that none is kept in memory.
    engine.search_with(&request("absent", 10_000), &control).unwrap();
    assert_eq!(control.account.reads(), None, "all is here");
    life.archive(&engine);
    let left = engine.evict_local(Some(Keep::days(1))).unwrap();
    let fetched = || life.shelf.bytes_read.load(Ordering::Relaxed);
    let before = fetched();
    let found = reads(&Control::default()).unwrap();
    assert_eq!((found.fetched_bytes, found.cached_bytes), (fetched() - before, 0));
    assert!(found.requests > 0 && found.archive_blocks >= left.files, "{found:?}");
    assert!(found.local_blocks > 0 && found.local_bytes > 0, "{found:?}");
    let before = fetched();
    let found = reads(&Control { is_hot: true, ..Control::default() }).unwrap();
    assert_eq!((found.archive_blocks, found.requests, fetched()), (0, 0, before));
    assert!(found.local_blocks > 0);
}

#[test]
fn a_crash_at_any_step_loses_no_event_and_leaves_no_damage() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    drop(engine);
    let mut step = 0;
    let mut outcomes = std::collections::BTreeSet::new();
    loop {
        let storage = life.storage.power_cut();
        let mut crashed = Life { storage, clock: Arc::clone(&life.clock), ..Life::of(&life) };
        let faulty = FaultyStorage::new(crashed.storage.clone());
        let mut options = crashed.options();
        options.io.storage = Arc::new(faulty.clone());
        let engine = Engine::open_with(options, Arc::clone(&life.shelf) as _).unwrap();
        engine.settle();
        crashed.archive(&engine);
        faulty.fail(step, Fault::Halt);
        let _ = engine.evict_local(Some(Keep::days(0)));
        let hit = faulty.halted();
        drop(engine);
        crashed.storage = crashed.storage.power_cut();
        assert_eq!(crashed.verified().0, 0, "step {step}");
        let engine = crashed.open();
        assert_eq!(found(&engine, ""), all(), "step {step}");
        let listed = crashed.storage.list("store/segments".as_ref()).unwrap().len() as u64;
        let status = engine.status();
        assert_eq!(listed, status.segment_files - status.archive_files, "step {step}");
        outcomes.insert(status.archive_files > 0);
        if !hit {
            break;
        }
        step += 1;
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

/// What was fetched of a file for queries stayed on the disk after it was purged or dropped.
#[test]
fn what_is_kept_of_a_file_goes_with_it() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    let left = engine.evict_local(Some(Keep::days(0))).unwrap();
    let kept = || life.shelf.kept.lock().len() as u64;
    assert_eq!(found(&engine, ""), all());
    assert_eq!((kept(), left.files > 1), (left.files, true));
    // A query that began before has the file until it ends.
    let files = Arc::clone(&engine.shared.state().files);
    let query = Some("\"event number 7 came\"".to_owned());
    let rule = crate::purge::PurgeRule { query, ..Default::default() };
    let through = crate::event::Seq(u64::MAX >> 1);
    engine.purge(&rule, true, through, None).unwrap().unwrap();
    assert_eq!(kept(), left.files - 1, "at once");
    let evicted = files.iter().filter(|file| file.file.is_evicted());
    for file in evicted {
        file.file.read_stored(&mut [0], 0).unwrap();
    }
    assert_eq!(kept(), left.files);
    drop(files);
    assert_eq!(kept(), left.files - 1, "with its last reader");
    // A crash between the edit and that.
    drop(engine);
    life.shelf.kept.lock().insert([7; 32]);
    let engine = life.open();
    assert_eq!(kept(), left.files - 1);
    life.clock.advance(Duration::from_secs(1_000 * 86_400));
    engine.resume_drops().unwrap();
    engine.drop_due(crate::retention::RunKind::Requested).unwrap();
    assert_eq!((found(&engine, ""), kept()), (vec![], 0));
}

#[test]
fn local_copies_go_first_when_the_budget_is_passed() {
    let (mut life, engine) = Life::new();
    drop(engine);
    let engine = life.open();
    life.budget = Some(DiskBudget::Bytes(u64::MAX));
    drop(engine);
    let engine = life.open();
    let (taken, _) = engine.disk_budget().unwrap();
    life.budget = Some(DiskBudget::Bytes(taken - 1));
    drop(engine);
    let engine = life.open();
    let (over, budget) = engine.disk_budget().unwrap();
    assert!(over > budget, "{over} of {budget}");
    assert_eq!(engine.append(batch(0, 1)).unwrap_err().kind(), ErrorKind::Full);
    life.archive(&engine);
    let run = engine.evict().unwrap();
    assert_eq!(run.dropped().events, 0);
    let status = engine.status();
    assert!(status.archive_files > 0 && status.archive_files < status.segment_files);
    let (now, budget) = engine.disk_budget().unwrap();
    assert!(now <= budget, "{now} of {budget}");
    assert_eq!(found(&engine, ""), all());
    // What is cached counts, and goes before local copies do.
    life.shelf.cached.store(budget, Ordering::Relaxed);
    assert!(engine.disk_budget().unwrap().0 > budget);
    engine.evict().unwrap();
    assert_eq!(engine.status().archive_files, status.archive_files);
    let (now, budget) = engine.disk_budget().unwrap();
    assert!(now <= budget, "{now} of {budget}");
    life.clock.advance(Duration::from_secs(10));
    engine.append(batch(0, 1)).unwrap();
    // The oldest went.
    let files = Arc::clone(&engine.shared.state().files);
    let days = |is_evicted: bool| {
        files
            .iter()
            .filter(move |f| f.file.is_evicted() == is_evicted)
            .flat_map(|file| file.meta.sections.iter().map(|section| section.partition.day))
    };
    assert!(days(true).max() <= days(false).min());
    assert!(
        files.iter().all(|f| !(f.file.is_evicted() && matches!(f.meta.id, FileId::LevelZero(_))))
    );
}

/// Eviction took the file from under whoever had it open: a pin read the archive, and a query that wants only
/// what is here failed, or panicked.
#[test]
fn who_has_a_file_open_reads_it_here_until_the_end() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    let listed = || life.storage.list("store/segments".as_ref()).unwrap().len() as u64;
    let hot = Control { is_hot: true, tolerance: Tolerance::Limits, ..Control::default() };
    let (before, pinned) = (listed(), engine.checkpoint().unwrap());
    let snapshot = engine.shared.snapshot_for(&hot);
    let left = engine.evict_local(Some(Keep::days(0))).unwrap();
    assert!(left.files >= 1 && engine.status().archive_files == left.files);
    assert_eq!(listed(), before);
    // Whoever comes now reads the archive, and leaves blocks and indexes in the caches.
    assert_eq!(found(&engine, ""), all());
    assert_eq!(found(&engine, "\"number 7 came\""), [7]);
    life.shelf.is_away.store(true, Ordering::Relaxed);
    let filter = parse("\"number 7 came\"").unwrap();
    let wanted = Matching { filter: &filter, levels: u8::MAX, before: None, through: u64::MAX };
    let (rows, _) = matching(&engine.shared, &snapshot, wanted, &hot).unwrap();
    assert_eq!(rows.iter().map(|range| range.len()).sum::<u64>(), 1);
    // Nor does it go because the file as such does.
    life.clock.advance(Duration::from_secs(1_000 * 86_400));
    engine.resume_drops().unwrap();
    engine.drop_due(crate::retention::RunKind::Requested).unwrap();
    assert_eq!((engine.status().segment_files, listed()), (0, before));
    for file in &pinned.files {
        let mut bytes = vec![0; file.len as usize];
        file.read_at(&mut bytes, 0).unwrap();
        assert!(file.is_local());
        assert!(file.blake3.is_none_or(|hash| *blake3::hash(&bytes).as_bytes() == hash));
    }
    drop((pinned, snapshot));
    assert_eq!(listed(), 0);
}

/// Who archives may have died, or hang: what it said then says nothing of now.
#[test]
fn what_was_said_of_the_archive_long_ago_does_not_count() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    let next = engine.leaves_next(Some(Keep::days(0)));
    assert_eq!(next.len() as u64, engine.status().segment_files - engine.status().level_zero_files);
    life.clock.advance(Duration::from_secs(3_600));
    assert_eq!(engine.evict_local(Some(Keep::days(0))).unwrap(), LeftDisk::default());
    life.archive(&engine);
    assert!(engine.evict_local(Some(Keep::days(0))).unwrap().files > 0);
    assert_eq!(engine.leaves_next(Some(Keep::days(0))), [""; 0]);
}

impl Life {
    fn of(other: &Self) -> Self {
        Self {
            storage: other.storage.clone(),
            clock: Arc::clone(&other.clock),
            shelf: Arc::clone(&other.shelf),
            budget: other.budget,
        }
    }
}
