//! The daily export: each event in one file, whatever comes late, fails or is compacted meanwhile.

mod races;
mod renewal;

use super::faulty::When;
use super::*;
use crate::error::ErrorKind;
use crate::export::{DayManifest, ExportFormat, ExportSettings, ExportWriter};
use bytes::Bytes;
use futures_util::TryStreamExt;
use logstrata_engine::io::Clock;
use logstrata_engine::query::EventRecord;
use logstrata_engine::{Day, DiskBudget, Keep, Policy, Preset, RetentionRule, RunKind};
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

const DAY: Duration = Duration::from_secs(86_400);
const DAY_NS: i64 = 86_400_000_000_000;

/// Lines of JSON, as they are.
#[derive(Debug)]
struct Lines;

struct LinesWriter;

impl ExportFormat for Lines {
    fn extension(&self) -> &'static str {
        "ndjson"
    }

    fn begin(&self) -> io::Result<Box<dyn ExportWriter>> {
        Ok(Box::new(LinesWriter))
    }
}

impl ExportWriter for LinesWriter {
    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>) -> io::Result<()> {
        event.write_json(out);
        out.push(b'\n');
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// A store whose days are exported a day after they are over. What is of class `kept` waits for it.
struct Exporting {
    store: FaultyStore,
    clock: Arc<ManualClock>,
    io: Io,
    engine: Arc<Engine>,
    archive: Archive,
    limits: Limits,
    /// The days of the events, by number.
    days: Vec<Day>,
    /// Those that were purged.
    gone: BTreeSet<usize>,
}

/// Stands in each seventh event of ten.
const CANARY: &str = "canaryx7q9z2w4k8";

impl Exporting {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let (clock, storage) = (clock(), MemoryStorage::new());
        let (store, io) = (FaultyStore::new(&clock), io_of(&storage, &clock, 1));
        let mut rule = RetentionRule::new("kept", "service:kept", Keep::days(2));
        rule.export = true;
        let mut options = options(&io);
        options.limits.retention = Policy::new(Preset::Levels, &[rule]).unwrap();
        change(&mut options.limits);
        let limits = options.limits.clone();
        let engine = Arc::new(Engine::open(options).unwrap());
        let archive = exporting(&store, &engine, &io);
        Self { store, clock, io, engine, archive, limits, days: Vec::new(), gone: BTreeSet::new() }
    }

    /// The next process, with the same store.
    fn restart(&mut self, seed: u64) {
        self.io.entropy = Arc::new(SeededEntropy::new(seed));
        self.archive = exporting(&self.store, &self.engine, &self.io);
    }

    /// Appends events of a day so many days ago.
    fn append(&mut self, days_ago: i64, count: usize) {
        let now = self.clock.now();
        let mut builder = BatchBuilder::new(&self.limits, now);
        for _ in 0..count {
            let number = self.days.len();
            let mut event = builder.event();
            // The latest first: files are in the order in which events came.
            event.timestamp = Timestamp(now.0 - days_ago * DAY_NS - number as i64 * 1_000);
            event.level = if number.is_multiple_of(3) { Level::Error } else { Level::Info };
            event.field("message", Kind::String, number.to_string().as_bytes());
            let service: &[u8] = if number.is_multiple_of(2) { b"kept" } else { b"other" };
            event.field("service", Kind::String, service);
            if number % 10 == 7 {
                event.field("person", Kind::String, CANARY.as_bytes());
            }
            self.days.push(event.timestamp.day());
            event.finish().unwrap();
        }
        self.engine.append(builder.build()).unwrap();
    }

    fn file(&mut self, days_ago: i64, count: usize) {
        self.append(days_ago, count);
        self.engine.flush().unwrap();
    }

    async fn export(&self) -> crate::Result<crate::Exported> {
        self.archive.export(self.clock.now(), None).await
    }

    /// Every object below `export`, by its name.
    async fn objects(&self) -> BTreeMap<String, Bytes> {
        let store = &self.store.inner;
        let listed: Vec<_> = store.list(Some(&"export".into())).try_collect().await.unwrap();
        let mut objects = BTreeMap::new();
        for meta in listed {
            let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
            objects.insert(meta.location.to_string(), bytes);
        }
        objects
    }

    /// The events of each day that the last manifests list; nothing else lies beside them.
    async fn exported(&self) -> BTreeMap<Day, Vec<usize>> {
        let objects = self.objects().await;
        let (days, named) = self.listed(&objects);
        let files = objects.keys().filter(|name| name.ends_with(".ndjson")).count();
        assert_eq!(files, named, "{:?}", objects.keys());
        days
    }

    /// The events of each day that the last manifests list, held against hashes and counts, and in how
    /// many files they are.
    fn listed(&self, objects: &BTreeMap<String, Bytes>) -> (BTreeMap<Day, Vec<usize>>, usize) {
        let mut last: BTreeMap<&str, (&str, DayManifest)> = BTreeMap::new();
        for (name, bytes) in objects {
            let (folder, file) = name.rsplit_once('/').unwrap();
            if file.starts_with("manifest-") {
                last.insert(folder, (name, serde_json::from_slice(bytes).unwrap()));
            }
        }
        let mut days: BTreeMap<Day, Vec<usize>> = BTreeMap::new();
        let mut named = 0;
        for (folder, (_, manifest)) in &last {
            assert!(folder.ends_with(&manifest.day.replace('-', "/")), "{folder}");
            let mut events = 0;
            for file in &manifest.files {
                let bytes = &objects[&format!("{folder}/{}", file.name)];
                named += 1;
                assert_eq!(file.bytes, bytes.len() as u64, "{}", file.name);
                assert_eq!(file.blake3, blake3::hash(bytes).to_hex().to_string(), "{}", file.name);
                if manifest.begins.is_none() {
                    assert_eq!(file.name.contains("-late-"), file.since > 1, "{}", file.name);
                }
                let text = std::str::from_utf8(bytes).unwrap();
                assert_eq!(file.events, text.lines().count() as u64);
                for line in text.lines() {
                    let event: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert!(event["timestamp"].as_str().unwrap().starts_with(&manifest.day));
                    let number = event["message"].as_str().unwrap().parse::<usize>().unwrap();
                    days.entry(self.days[number]).or_default().push(number);
                    events += 1;
                }
            }
            assert_eq!(manifest.events, events);
        }
        days.values_mut().for_each(|numbers| numbers.sort_unstable());
        (days, named)
    }

    /// The numbers of the events of each day that is due.
    fn due(&self) -> BTreeMap<Day, Vec<usize>> {
        let mut days: BTreeMap<Day, Vec<usize>> = BTreeMap::new();
        for (number, day) in self.days.iter().enumerate() {
            if *day < self.clock.now().day() && !self.gone.contains(&number) {
                days.entry(*day).or_default().push(number);
            }
        }
        days
    }
}

fn exporting(store: &FaultyStore, engine: &Arc<Engine>, io: &Io) -> Archive {
    archive_of(store, engine, io, settings()).with_export(export_settings())
}

fn export_settings() -> ExportSettings {
    ExportSettings {
        after: DAY,
        folder: "export".into(),
        format: Arc::new(Lines),
        file_bytes_max: 8_000,
        file_events_max: 20,
    }
}

#[tokio::test]
async fn a_day_is_exported_once_and_what_comes_late_behind_it() {
    let mut life = Exporting::new();
    life.file(0, 5);
    life.file(1, 70);
    life.file(2, 3);
    let done = life.export().await.unwrap();
    assert_eq!((done.days, done.events), (2, 73));
    assert_eq!(life.exported().await, life.due());
    let before = life.objects().await;
    let day = "export/default/2026/11/20";
    assert!(before.contains_key(&format!("{day}/kept-0002.ndjson")), "{:?}", before.keys());

    // Again, by another process, and after compaction: nothing changes.
    assert_eq!(life.export().await.unwrap(), crate::Exported::default());
    life.engine.compact_now().unwrap();
    life.restart(2);
    assert_eq!(life.export().await.unwrap(), crate::Exported::default());
    assert_eq!(life.objects().await, before);

    life.file(1, 4);
    let done = life.export().await.unwrap();
    assert_eq!((done.days, done.events), (1, 4));
    let after = life.objects().await;
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes), "what was there changed");
    assert!(after.contains_key(&format!("{day}/kept-late-0001.ndjson")), "{:?}", after.keys());
    assert_eq!(life.exported().await, life.due());
    let bytes = &after[&format!("{day}/manifest-0002.json")];
    let second: DayManifest = serde_json::from_slice(bytes).unwrap();
    let hash = blake3::hash(&after[&format!("{day}/manifest-0001.json")]);
    assert_eq!(second.previous, Some(hash.to_hex().to_string()));
}

#[tokio::test]
async fn a_drop_waits_for_its_export_and_not_when_it_is_forced() {
    let mut life = Exporting::new();
    life.file(1, 10);
    life.clock.advance(DAY * 2);
    // Two days behind the end of its day: due.
    let waits = |life: &Exporting, kind| {
        let run = life.engine.drop_due(kind).unwrap();
        (run.dropped().events, run.waiting().events)
    };
    assert_eq!(waits(&life, RunKind::Requested), (0, 5));
    let waiting = life.engine.waiting_for_export(life.clock.now());
    assert_eq!(
        (waiting.len(), waiting[0].day.waiting.events, &*waiting[0].day.class),
        (1, 5, "kept")
    );
    life.export().await.unwrap();
    assert!(life.engine.waiting_for_export(life.clock.now()).is_empty());
    // A late one of the same day waits for the next export, and the others don't wait for it.
    life.file(3, 2);
    assert_eq!(waits(&life, RunKind::Requested), (5, 1));
    // Another process knows only what it has read.
    life.engine.compact_now().unwrap();
    assert_eq!(waits(&life, RunKind::Forced), (1, 0));
    life.restart(3);
    life.export().await.unwrap();
    let error = life.archive.export(life.clock.now(), Some(life.clock.now().day())).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn what_is_to_be_exported_stays_while_the_store_is_away_for_a_month() {
    let mut life = Exporting::new();
    life.file(1, 10);
    life.store.go_down();
    for _ in 0..30 {
        life.clock.advance(DAY);
        life.export().await.unwrap_err();
        life.engine.drop_due(RunKind::Scheduled).unwrap();
        let parts = life.engine.sealed_partitions();
        let kept = parts.iter().find(|part| &*part.key.class == "kept").expect("stays");
        assert_eq!(kept.events, 5);
    }
    let waiting = life.engine.waiting_for_export(life.clock.now());
    assert_eq!(
        (waiting.len(), waiting[0].day.waiting.events, &*waiting[0].day.class),
        (1, 5, "kept")
    );
    let (at, why) = life.archive.export_error().expect("has failed");
    assert_eq!((at, why.contains("connection reset")), (life.clock.now(), true), "{why}");

    life.store.heal();
    life.export().await.unwrap();
    assert_eq!(life.archive.export_error(), None);
    let exported: Vec<usize> = life.exported().await.into_values().flatten().collect();
    assert!((0..10).step_by(2).all(|number| exported.contains(&number)), "{exported:?}");
    let run = life.engine.drop_due(RunKind::Scheduled).unwrap();
    assert_eq!((run.dropped().events, run.waiting().events), (5, 0));
}

#[tokio::test]
async fn want_of_room_drops_nothing_that_is_to_be_exported_first() {
    let mut life = Exporting::with(|limits| {
        (limits.disk_budget, limits.evict) = (Some(DiskBudget::Bytes(1)), true);
    });
    life.file(1, 10);
    // What is kept shortest would go first, but waits: everything else goes before it is due.
    let classes = |life: &Exporting| -> Vec<String> {
        let parts = life.engine.sealed_partitions();
        parts.iter().map(|part| part.key.class.to_string()).collect()
    };
    let run = life.engine.evict().unwrap();
    assert_eq!((run.dropped().events, run.waiting().events), (5, 5));
    assert_eq!(classes(&life), ["kept"]);
    life.export().await.unwrap();
    assert_eq!(life.engine.evict().unwrap().dropped().events, 5);
    assert!(classes(&life).is_empty());
}

#[tokio::test]
async fn the_files_of_a_partition_are_known_also_when_its_events_are_gone() {
    let mut life = Exporting::new();
    life.file(1, 70);
    let keys: Vec<_> = life.engine.sealed_partitions().into_iter().map(|part| part.key).collect();
    assert!(life.archive.exports_of(&keys).await.unwrap().is_empty());
    life.export().await.unwrap();
    life.file(1, 2);
    life.export().await.unwrap();
    life.clock.advance(DAY * 2);
    assert!(life.engine.drop_due(RunKind::Requested).unwrap().dropped().events > 0);
    life.restart(5);
    let kept: Vec<_> = keys.iter().filter(|key| &*key.class == "kept").cloned().collect();
    let found = life.archive.exports_of(&kept).await.unwrap();
    assert_eq!((found.len(), &found[0].key), (1, &kept[0]));
    assert_eq!(found[0].folder, "export/default/2026/11/20");
    let names: Vec<&str> = found[0].files.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["kept-0001.ndjson", "kept-0002.ndjson", "kept-late-0001.ndjson"]);
    // By one question all of them, each once, in order.
    let twice: Vec<_> = keys.iter().rev().chain(&keys).cloned().collect();
    let all = life.archive.exports_of(&twice).await.unwrap();
    let found: Vec<_> = all.iter().map(|part| part.key.clone()).collect();
    assert_eq!(found, keys);
    let other = logstrata_engine::PartitionKey { class: "else".into(), ..keys[0].clone() };
    assert!(life.archive.exports_of(&[other]).await.unwrap().is_empty());
    // Looking does not disturb what comes later.
    life.file(3, 2);
    life.export().await.unwrap();
    let found = life.archive.exports_of(&kept).await.unwrap();
    assert_eq!(found[0].files.len(), 4);
}

#[tokio::test]
async fn two_stores_do_not_export_over_each_other() {
    let mut one = Exporting::new();
    one.file(1, 4);
    one.export().await.unwrap();
    let mut other = Exporting::new();
    other.io.entropy = Arc::new(SeededEntropy::new(99));
    let storage = MemoryStorage::new();
    let io = Io { storage: Arc::new(storage), ..other.io.clone() };
    other.engine = Arc::new(Engine::open(options(&io)).unwrap());
    (other.store, other.io) = (one.store.clone(), io);
    other.restart(99);
    other.file(1, 4);
    let before = one.objects().await;
    let error = other.export().await.unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
    assert_eq!(one.objects().await, before);
}

async fn survives(when: When) -> u64 {
    for write in 0.. {
        let mut life = Exporting::new();
        life.file(1, 50);
        life.export().await.unwrap();
        life.file(1, 30);
        life.file(2, 30);
        life.store.die_at(write, when);
        let done = life.export().await;
        if !life.store.has_died() {
            done.unwrap();
            return write;
        }
        assert!(done.is_err(), "a write failed unseen");
        life.store.heal();
        // Meanwhile more comes.
        life.file(1, 7);
        life.engine.compact_now().unwrap();
        life.restart(100 + write);
        life.export().await.unwrap();
        assert_eq!(life.exported().await, life.due(), "write {write} {when:?}");
    }
    unreachable!("a run has an end")
}

#[tokio::test]
async fn a_crash_before_any_write_doubles_nothing() {
    assert!(survives(When::Before).await > 8);
}

#[tokio::test]
async fn a_lost_answer_to_any_write_doubles_nothing() {
    assert!(survives(When::After).await > 8);
}

#[derive(Debug, Clone)]
enum Step {
    Append { days_ago: i64, count: usize },
    Flush,
    Compact,
    Export,
    Restart,
    NextDay,
    DieAt(u64),
    Purge,
    Erase,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_i64, 1..60_usize).prop_map(|(days_ago, count)| Step::Append { days_ago, count }),
        3 => Just(Step::Flush),
        1 => Just(Step::Compact),
        3 => Just(Step::Export),
        1 => Just(Step::Restart),
        2 => Just(Step::NextDay),
        1 => (0..12_u64).prop_map(Step::DieAt),
        1 => Just(Step::Purge),
        1 => Just(Step::Erase),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn each_event_is_in_one_file_whatever_happens_and_none_that_was_purged(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut life = Exporting::new();
            for (seed, step) in (10..).zip(steps) {
                match step {
                    Step::Append { days_ago, count } => life.append(days_ago, count),
                    Step::Flush => life.engine.flush().unwrap(),
                    Step::Compact => life.engine.compact_now().unwrap(),
                    Step::Export => {
                        let _ = life.export().await;
                        life.store.heal();
                    }
                    Step::Restart => life.restart(seed),
                    Step::NextDay => life.clock.advance(DAY),
                    Step::DieAt(write) => life.store.die_at(write, When::After),
                    Step::Purge => life.purge(),
                    Step::Erase => {
                        let _ = life.archive.erase().await;
                        life.store.heal();
                    }
                }
            }
            life.store.heal();
            life.engine.flush().unwrap();
            life.export().await.unwrap();
            assert_eq!(life.exported().await, life.due());
            assert_eq!(life.export().await.unwrap(), crate::Exported::default());
            life.purge();
            life.archive.erase().await.unwrap();
            assert_eq!((life.canaries().await, life.exported().await), (vec![], life.due()));
        });
    }
}
