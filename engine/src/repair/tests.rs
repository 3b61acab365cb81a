mod cut_off;
mod keyed;
mod lists;
mod merges;
mod scars;
mod whole;

use super::*;
use crate::append::Rules;
use crate::batch::{Batch, BatchBuilder};
use crate::crypt::Keyring;
use crate::engine::Engine;
use crate::event::{Kind, Level};
use crate::idempotency::{BatchKey, BodyHash, Claim};
use crate::io::{KeyedStorage, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::options::Options;
use crate::query::{Order, SearchRequest, TimeRange, parse};
use crate::verify::{Root, Severity, VerifyOptions, current_root, verify};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

const NOON: Timestamp = Timestamp(1_700_049_600_000_000_000);
const DAY_NS: i64 = 86_400_000_000_000;
const DIR: &str = "store";
/// Events of one batch.
const BATCH: usize = 40;
/// Beside the store: its keys, if it has any.
const KEY_FILE: &str = "keys";

fn options(storage: &MemoryStorage) -> Options {
    // Each process has random numbers of its own.
    static SEED: AtomicU64 = AtomicU64::new(1);
    let seed = SEED.fetch_add(1, Relaxed);
    let mut disk: Arc<dyn Storage> = Arc::new(storage.clone());
    if let Some(keys) = storage.read(Path::new(KEY_FILE)) {
        let keys = Keyring::parse(&String::from_utf8(keys).expect("UTF-8")).expect("keys");
        disk = Arc::new(KeyedStorage::new(disk, Arc::new(keys)));
    }
    let io = Io {
        storage: disk,
        clock: Arc::new(ManualClock::new(NOON)),
        entropy: Arc::new(SeededEntropy::new(seed)),
    };
    Options { dir: DIR.into(), limits: Limits::tiny(), redaction: Rules::none(), io }
}

fn open(storage: &MemoryStorage) -> Engine {
    Engine::open(options(storage)).expect("a sound store")
}

fn batch(first: usize, level: Level) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for number in first..first + BATCH {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 - (number % 3) as i64 * DAY_NS + number as i64);
        event.level = level;
        event.field("message", Kind::String, format!("event {number} of {first}").as_bytes());
        let trace = format!("{:032x}", (number as u128 + 1) * 0x9e37_79b9_7f4a_7c15);
        event.field("trace.id", Kind::String, trace.as_bytes());
        event.finish().expect("small");
    }
    builder.build()
}

/// Batches of events on three days.
fn append(engine: &Engine, numbers: std::ops::Range<usize>) {
    for first in numbers.step_by(BATCH) {
        engine.append(batch(first, Level::Info)).expect("durable");
    }
}

/// A batch under a key; whether it is stored now, and not before.
fn append_once(engine: &Engine, name: &str, first: usize) -> bool {
    let key = BatchKey::named("default", name.as_bytes());
    match engine.claim(key, BodyHash::new(&[name.as_bytes()]), || {}) {
        Claim::New(ticket) => {
            let (sender, receiver) = std::sync::mpsc::channel();
            let batch = batch(first, Level::Warn);
            engine.submit_once(batch, ticket, move |stored| sender.send(stored.is_ok()).unwrap());
            assert!(receiver.recv().unwrap());
            true
        }
        Claim::Stored(_) => false,
        other => panic!("{other:?}"),
    }
}

/// A store with a file of every kind: segments with an index, packs, level-0 files of which some sections
/// have moved, keys, links of earlier manifests, and a log of two generations.
fn store() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let engine = open(&storage);
    for round in 0..4 {
        append(&engine, round * 400..round * 400 + 400);
        engine.append(batch(10_000 + round * BATCH, Level::Error)).expect("durable");
        engine.flush().expect("flushed");
    }
    engine.compact_now().expect("compacted");
    assert!(append_once(&engine, "first", 20_000));
    append(&engine, 1_600..1_800);
    engine.flush().expect("flushed");
    append(&engine, 1_800..1_960);
    assert!(append_once(&engine, "second", 20_100));
    append(&engine, 2_000..2_080);
    engine.close().expect("closed");
    storage
}

/// Every event of a store, by its id: each once, or this panics.
fn events(storage: &MemoryStorage) -> Result<BTreeMap<String, String>> {
    let engine = Engine::open(options(storage))?;
    let mut request = SearchRequest {
        query: String::new(),
        filter: parse("").expect("a query"),
        range: TimeRange::default(),
        limit: 10_000,
        order: Order::NewestFirst,
        cursor: None,
    };
    let mut all = BTreeMap::new();
    loop {
        let page = engine.search(&request)?;
        for event in &page.events {
            let mut line = Vec::new();
            event.write_line(&mut line);
            let line = String::from_utf8(line).expect("JSON");
            assert!(all.insert(event.id.to_string(), line).is_none(), "{} twice", event.id);
        }
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    engine.close()?;
    Ok(all)
}

fn seq_of(id: &str) -> u64 {
    id.parse::<crate::event::EventId>().expect("an id").seq().0
}

fn copy_of(storage: &MemoryStorage) -> MemoryStorage {
    storage.crash(|| true)
}

fn mend(storage: &MemoryStorage, dry_run: bool) -> Result<Repair> {
    let Options { dir, limits, io, .. } = options(storage);
    repair(&io, &dir, &limits, dry_run)
}

/// What a deep verification finds, but for notes.
fn faults(storage: &MemoryStorage, since: Option<&Root>) -> Vec<String> {
    let verify_options = VerifyOptions { deep: true, since: since.cloned() };
    let report = verify(&options(storage).io, Path::new(DIR), &verify_options, &mut |_| {});
    let findings = report.expect("a store").findings;
    let faults = findings.iter().filter(|finding| finding.severity != Severity::Note);
    faults.map(|finding| format!("{finding:?}")).collect()
}

fn root(storage: &MemoryStorage) -> Root {
    current_root(&options(storage).io, Path::new(DIR)).expect("a store")
}

/// The files whose names end like this.
fn named(storage: &MemoryStorage, part: &str) -> Vec<PathBuf> {
    let is_it = |path: &PathBuf| {
        let name = path.to_string_lossy();
        let others = ["free-", "set-aside", ".tmp"];
        name.contains(part) && !others.iter().any(|other| name.contains(other))
    };
    storage.paths().into_iter().filter(is_it).collect()
}

/// How a file is damaged.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Removed,
    Cut(usize),
    Longer,
    Flipped(usize),
}

fn harm(storage: &MemoryStorage, path: &Path, harm: Harm) -> MemoryStorage {
    let damaged = copy_of(storage);
    let mut bytes = damaged.read(path).expect("is there");
    match harm {
        Harm::Removed => {
            damaged.remove(path).expect("is there");
            return damaged;
        }
        Harm::Cut(len) => bytes.truncate(len),
        Harm::Longer => bytes.push(7),
        Harm::Flipped(at) => bytes[at] ^= 1 << (at % 8),
    }
    damaged.overwrite(path, bytes);
    damaged
}

/// Behind the last byte that is not zero, the log and the manifest wait for more.
fn used(storage: &MemoryStorage, path: &Path) -> usize {
    let bytes = storage.read(path).expect("is there");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Ways to damage a file: everywhere, in steps.
fn harms(storage: &MemoryStorage, path: &Path, flips: usize) -> Vec<Harm> {
    let used = used(storage, path);
    let mut harms = vec![Harm::Removed, Harm::Longer];
    harms.extend((0..4).map(|part| Harm::Cut(used * part / 4)));
    harms.push(Harm::Cut(used - 1));
    let step = (used / flips).max(1);
    harms.extend((0..used).step_by(step).map(Harm::Flipped));
    harms
}

/// What a repair has done to a damaged store.
struct Outcome {
    done: Repair,
    after: BTreeMap<String, String>,
    missing: Vec<u64>,
}

/// Repairs a store, and checks what holds whatever was damaged.
fn check(damaged: &MemoryStorage, before: &BTreeMap<String, String>, what: &str) -> Outcome {
    let files = |storage: &MemoryStorage| -> Vec<_> {
        let paths = storage.paths().into_iter();
        paths.map(|path| (storage.read(&path), path)).collect()
    };
    let there = files(damaged);
    let found = mend(damaged, true).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(files(damaged) == there, "R3: {what}");
    assert!(found.set_aside.is_none());
    let done = mend(damaged, false).unwrap_or_else(|error| panic!("{what}: {error}"));
    let text =
        |repair: &Repair| -> Vec<_> { repair.damages.iter().map(|d| d.to_string()).collect() };
    assert_eq!(text(&found), text(&done), "{what}");

    // R1: what is not there any more, or shorter, has a copy.
    let aside = done.set_aside.clone();
    for (bytes, path) in there {
        let now = damaged.read(&path);
        let name = path.file_name().expect("a name");
        if name.to_string_lossy().ends_with(".tmp") {
            continue;
        }
        let copy = aside.as_ref().and_then(|aside| damaged.read(&aside.join(name)));
        assert!(now == bytes || copy == bytes, "R1: {what}: {}", path.display());
    }
    if let Some(aside) = &aside {
        let report = damaged.read(&aside.join("REPORT")).expect("is there");
        assert_eq!(String::from_utf8(report).unwrap(), text(&done).join("\n") + "\n", "{what}");
    }

    assert_eq!(faults(damaged, None), [] as [&str; 0], "{what}: {:#?}", text(&done));
    let again = mend(damaged, false).expect("looked at");
    assert!(again.damages.is_empty() && again.set_aside.is_none(), "{what}: {}", again.damages[0]);
    let after = events(damaged).unwrap_or_else(|error| panic!("{what}: {error}"));
    for (id, line) in &after {
        assert_eq!(before.get(id), Some(line), "{what}: {id}");
    }
    let missing = before.keys().filter(|id| !after.contains_key(*id)).map(|id| seq_of(id));
    let missing: Vec<u64> = missing.collect();

    // It goes on.
    let engine = open(damaged);
    append(&engine, 30_000..30_000 + BATCH);
    engine.flush().expect("flushed");
    engine.compact_now().expect("compacted");
    engine.close().expect("closed");
    assert_eq!(events(damaged).expect("sound").len(), after.len() + BATCH, "{what}");
    assert_eq!(faults(damaged, None), [] as [&str; 0], "{what}, later");
    Outcome { done, after, missing }
}

/// Whether the report says exactly what is missing.
fn check_told(outcome: &Outcome, what: &str) {
    let losses = || outcome.done.damages.iter().flat_map(|damage| &damage.lost);
    let known: Option<u64> = losses().map(|loss| loss.events).sum();
    let told = outcome.done.damages.iter().map(|d| d.to_string()).collect::<Vec<_>>();
    if let Some(known) = known {
        assert_eq!(known, outcome.missing.len() as u64, "{what}: {told:#?}");
    }
    for seq in &outcome.missing {
        let within =
            |loss: &Loss| loss.seqs.0 <= *seq && loss.seqs.1.is_none_or(|last| *seq <= last);
        assert!(losses().any(within), "{what}: {seq} in {told:#?}");
    }
}
