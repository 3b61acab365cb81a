mod damage;
mod forged;

use super::*;
use crate::append::Rules;
use crate::batch::{Batch, BatchBuilder};
use crate::engine::Engine;
use crate::event::{Kind, Level};
use crate::idempotency::{BatchKey, BodyHash, Claim};
use crate::inspect::tests::ReadOnly;
use crate::io::{ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::options::Options;
use crate::timestamp::Timestamp;
use std::path::PathBuf;

const NOON: Timestamp = Timestamp(1_700_049_600_000_000_000);
const DIR: &str = "store";

fn io(storage: &MemoryStorage) -> Io {
    Io {
        storage: Arc::new(storage.clone()),
        clock: Arc::new(ManualClock::new(NOON)),
        entropy: Arc::new(SeededEntropy::new(1)),
    }
}

fn open(storage: &MemoryStorage) -> Engine {
    let (limits, redaction) = (Limits::tiny(), Rules::none());
    Engine::open(Options { dir: DIR.into(), limits, redaction, io: io(storage) }).unwrap()
}

fn batch(first: usize, count: usize, class: Level) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for number in first..first + count {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 + number as i64 * 1_000_000_000);
        event.level = class;
        let message = format!("request {number} of user u{} took {} ms", number % 7, number % 90);
        event.field("message", Kind::String, message.as_bytes());
        event.field("trace.id", Kind::String, format!("{:032x}", number * 0x9e37).as_bytes());
        event.field("status", Kind::Number, if number % 5 == 0 { b"5e2" } else { b"200" });
        event.finish().unwrap();
    }
    builder.build()
}

fn append_with_key(engine: &Engine, name: &str, batch: Batch) {
    let key = BatchKey::named("default", name.as_bytes());
    let Claim::New(ticket) = engine.claim(key, BodyHash::new(&[name.as_bytes()]), || {}) else {
        panic!("a new key")
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    engine.submit_once(batch, ticket, move |stored| sender.send(stored.is_ok()).unwrap());
    assert!(receiver.recv().unwrap());
}

/// A store with a file of every kind: a segment with an index, packs, level-0 files, keys, several
/// manifests, and a log.
fn store() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let engine = open(&storage);
    for number in 0..5 {
        engine.append(batch(number * 40, 40, Level::Info)).unwrap();
        engine.append(batch(1_000 + number, 1, Level::Error)).unwrap();
        engine.flush().unwrap();
    }
    engine.compact_now().unwrap();
    append_with_key(&engine, "first", batch(2_000, 20, Level::Info));
    engine.append(batch(2_100, 9, Level::Warn)).unwrap();
    engine.flush().unwrap();
    append_with_key(&engine, "second", batch(3_000, 12, Level::Info));
    engine.append(batch(3_100, 3, Level::Warn)).unwrap();
    engine.close().unwrap();
    storage
}

fn check_with(storage: &MemoryStorage, options: &VerifyOptions) -> Report {
    verify(&io(storage), Path::new(DIR), options, &mut |_| {}).unwrap()
}

fn check(storage: &MemoryStorage, deep: bool) -> Report {
    check_with(storage, &VerifyOptions { deep, since: None })
}

fn copy(storage: &MemoryStorage) -> MemoryStorage {
    storage.crash(|| true)
}

fn root(storage: &MemoryStorage) -> Root {
    current_root(&io(storage), Path::new(DIR)).unwrap()
}

/// The files whose names contain a text.
fn named(storage: &MemoryStorage, part: &str) -> Vec<PathBuf> {
    let mut paths = storage.paths();
    paths.retain(|path| path.to_string_lossy().contains(part));
    paths
}

#[test]
fn a_store_of_every_kind_of_file_is_sound() {
    let storage = store();
    for part in ["MANIFEST", "CHAIN", ".l0", ".seg", ".pack", ".keys", ".wal"] {
        assert!(!named(&storage, part).is_empty(), "{part}");
    }
    let before = storage.paths();
    let quick = check(&storage, false);
    assert_eq!(quick.findings, []);
    assert_eq!((quick.checked.events, quick.checked.log_events), (205 + 29, 15));
    assert!(quick.checked.edits >= 10 && quick.checked.keys == 1, "{:?}", quick.checked);
    let deep = check(&storage, true);
    assert_eq!(deep.findings, []);
    assert_eq!(deep.checked.decoded, 234);
    // Info and error of five generations, info and warn of one.
    assert_eq!((deep.checked.digests, deep.checked.runs_without_digest), (12, 0));
    assert_eq!(deep.severity(), None);
    assert_eq!(deep.root, Some(root(&storage)));
    assert_eq!(storage.paths(), before, "nothing was changed");
}

/// `V1`: nothing is locked, created or opened for writing.
#[test]
fn a_medium_that_is_read_only_will_do() {
    let storage = store();
    let read_only = Io { storage: Arc::new(ReadOnly(storage.clone())), ..io(&storage) };
    let since = Some(current_root(&read_only, Path::new(DIR)).unwrap());
    let options = VerifyOptions { deep: true, since };
    let report = verify(&read_only, Path::new(DIR), &options, &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.checked.decoded, 234);
}

#[test]
fn what_is_no_store_is_refused() {
    let storage = MemoryStorage::new();
    storage.create_dir_all(Path::new("empty")).unwrap();
    for dir in ["empty", "nowhere"] {
        let result = verify(&io(&storage), Path::new(dir), &VerifyOptions::default(), &mut |_| {});
        assert!(result.is_err(), "{dir}");
    }
    assert!(storage.paths().is_empty());
}

/// Opens, queries, merges and goes on with a store, and every root of before is found in it.
#[test]
fn every_later_store_goes_on_from_every_earlier_root() {
    let storage = store();
    let mut roots = vec![root(&storage)];
    let engine = open(&storage);
    for round in 0..6 {
        engine.append(batch(5_000 + round * 50, 30, Level::Info)).unwrap();
        engine.flush().unwrap();
        if round % 2 == 1 {
            engine.compact_now().unwrap();
        }
        roots.push(root(&storage));
        // A server has it open: that is no obstacle.
        for since in &roots {
            let options = VerifyOptions { deep: true, since: Some(since.clone()) };
            let report = check_with(&storage, &options);
            // A log that is about to be recycled is a note.
            assert!(report.severity() < Some(Severity::Unread), "{:?}", report.findings);
        }
    }
    drop(engine);
    let manifests: std::collections::BTreeSet<_> = roots.iter().map(|root| root.manifest).collect();
    assert!(manifests.len() > 2, "{manifests:?}");
    // The other way round it is a rollback.
    let old = store();
    let options = VerifyOptions { deep: false, since: roots.pop() };
    let report = check_with(&old, &options);
    assert_eq!(report.severity(), Some(Severity::Damage));
    assert!(report.findings.iter().all(|finding| finding.what == "root"), "{report:?}");
}

/// What a crash leaves is said, and is no damage.
#[test]
fn what_a_crash_leaves_is_a_note() {
    let storage = store();
    let [segment] = &named(&storage, ".l0")[..] else { panic!("one level-0 file") };
    let bytes = storage.read(segment).unwrap();
    storage.overwrite(Path::new("store/segments/0000000000000063.seg.tmp"), bytes.clone());
    storage.overwrite(Path::new("store/segments/notes.txt"), bytes);
    let report = check(&storage, true);
    assert_eq!(report.severity(), Some(Severity::Note));
    assert_eq!(report.count(Severity::Note), 2, "{:?}", report.findings);
}

#[test]
fn findings_are_bounded_and_damage_is_kept() {
    let mut findings = Findings::default();
    for number in 0..2_500 {
        let path = PathBuf::from(format!("{number}"));
        match number % 2 {
            0 => findings.note(&path, "a", "b", "c"),
            _ => findings.damage(&path, None, "a", "b", "c", None),
        }
    }
    let (all, omitted) = findings.into_parts();
    let damage = all.iter().filter(|finding| finding.severity == Severity::Damage).count();
    assert_eq!((all.len(), damage, omitted), (1_000, 1_000, [1_250, 0, 250]));
}
