use super::*;
use crate::batch::BatchBuilder;
use crate::engine::Engine;
use crate::event::{Kind, Level};
use crate::io::{Fault, FaultyStorage, ManualClock, MemoryStorage, SeededEntropy, Storage as _};
use crate::options::Options;
use crate::query::{Order, SearchRequest, TimeRange, parse};
use std::collections::BTreeSet;
use std::sync::Arc;

const NOON: Timestamp = Timestamp(1_700_049_600_000_000_000);
const DAY_NS: i64 = 86_400_000_000_000;
/// Events of one batch.
const BATCH: usize = 40;

fn options(storage: &MemoryStorage) -> Options {
    let mut options = Options::new("store");
    options.limits = Limits::tiny();
    options.io = Io {
        storage: Arc::new(storage.clone()),
        clock: Arc::new(ManualClock::new(NOON)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    options
}

/// Batches of events on three days, with their numbers as messages.
fn append(engine: &Engine, numbers: std::ops::Range<usize>) {
    for first in numbers.step_by(BATCH) {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for number in first..first + BATCH {
            let mut event = builder.event();
            event.timestamp = Timestamp(NOON.0 - (number % 3) as i64 * DAY_NS + number as i64);
            event.level = Level::Info;
            event.field("message", Kind::String, format!("event {number}").as_bytes());
            event.finish().expect("small");
        }
        engine.append(builder.build()).expect("durable");
    }
}

/// A store of packs, level-0 files and a log of several groups, and the number of its events.
fn store() -> (MemoryStorage, usize) {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).expect("new");
    append(&engine, 0..400);
    engine.flush().expect("flushed");
    append(&engine, 400..800);
    engine.flush().expect("flushed");
    engine.compact_now().expect("compacted");
    append(&engine, 800..1_000);
    engine.flush().expect("flushed");
    append(&engine, 1_000..1_200);
    engine.close().expect("closed");
    (storage, 1_200)
}

/// Every event of a store: its number and its sequence number.
fn events(storage: &MemoryStorage) -> Result<BTreeSet<(usize, u64)>> {
    let engine = Engine::open(options(storage))?;
    let request = SearchRequest {
        query: String::new(),
        filter: parse("").expect("a query"),
        range: TimeRange::default(),
        limit: 10_000,
        order: Order::NewestFirst,
        cursor: None,
    };
    let page = engine.search(&request)?;
    let event = |event: &crate::query::EventRecord| {
        let message = event.get("message").expect("every event has one").text.to_vec();
        let number = String::from_utf8(message).unwrap()["event ".len()..].parse().unwrap();
        (number, event.id.seq().0)
    };
    let events = page.events.iter().map(event).collect();
    engine.close()?;
    Ok(events)
}

fn copy_of(storage: &MemoryStorage) -> MemoryStorage {
    storage.crash(|| true)
}

/// The files whose damage can cost events, and what may become of each.
fn damages(storage: &MemoryStorage) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut damages = Vec::new();
    for path in storage.paths() {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(Name::parse);
        if !matches!(name, Some(Name::Wal(_) | Name::LevelZero(_) | Name::Pack(_))) {
            continue;
        }
        let bytes = storage.read(&path).expect("is there");
        // Behind the last byte that is not zero a file of the log waits for groups to come.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        damages.push((path.clone(), None));
        for part in 0..4 {
            damages.push((path.clone(), Some(bytes[..used * part / 4].to_vec())));
        }
        for part in 0..40 {
            let mut flipped = bytes.clone();
            flipped[used * part / 40] ^= 1 << (part % 8);
            damages.push((path.clone(), Some(flipped)));
        }
    }
    damages
}

#[test]
fn whatever_is_damaged_the_rest_serves_and_the_report_says_what_is_lost() {
    let (storage, total) = store();
    let before = events(&copy_of(&storage)).expect("sound");
    assert_eq!(before.len(), total);
    let (mut lossy, mut harmless) = (0, 0);
    for (path, bytes) in damages(&storage) {
        let damaged = copy_of(&storage);
        match &bytes {
            Some(bytes) => damaged.overwrite(&path, bytes.clone()),
            None => damaged.remove(&path).expect("is there"),
        }
        let what = format!("{} {:?}", path.display(), bytes.as_ref().map(Vec::len));
        let Options { dir, limits, io, .. } = options(&damaged);

        let names = damaged.paths();
        let found = repair(&io, &dir, &limits, true).expect("looked at");
        assert_eq!(damaged.paths(), names, "R3: {what}");
        assert!(found.set_aside.is_none());
        let done = repair(&io, &dir, &limits, false).expect("repaired");
        assert_eq!(done.damages.len(), found.damages.len(), "{what}");

        let after = events(&damaged).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(after.is_subset(&before), "{what}");
        let missing: BTreeSet<_> = before.difference(&after).collect();
        let Some(damage) = done.damages.first() else {
            // The end of the log may be a tear: `docs/durability.md`, what remains ambiguous.
            let first_of_last = total - BATCH;
            assert!(missing.iter().all(|(number, _)| *number >= first_of_last), "{what}");
            harmless += 1;
            continue;
        };
        lossy += 1;
        assert!(damage.error.to_string().contains(path.to_str().unwrap()), "{}", damage.error);
        let known: Option<u64> = damage.lost.iter().map(|loss| loss.events).sum();
        match known {
            Some(events) => assert_eq!(events, missing.len() as u64, "{what}: {damage}"),
            None => {
                let first = damage.lost[0].seqs.0;
                assert!(missing.iter().all(|(_, seq)| *seq >= first), "{what}: {damage}");
                let all_behind = before.iter().filter(|(_, seq)| *seq >= first).count();
                assert_eq!(missing.len(), all_behind, "{what}: {damage}");
            }
        }
        for (_, seq) in &missing {
            let within = |loss: &Loss| {
                loss.seqs.0 <= *seq && loss.events.is_none_or(|_| Some(*seq) <= loss.seqs.1)
            };
            assert!(damage.lost.iter().any(within), "{what}: {seq} in {damage}");
        }
        // R1
        let aside = done.set_aside.expect("changed");
        let report = damaged.read(&aside.join("REPORT")).expect("is there");
        assert!(String::from_utf8(report).unwrap().contains("lost: "));
        let copy = damaged.read(&aside.join(path.file_name().unwrap()));
        assert_eq!(copy, bytes, "{what}");
        let lines = damaged.read(&aside.join("events.ndjson")).unwrap_or_default();
        let lines = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(lines, damage.readable, "{what}");
        assert!(lines <= missing.len() as u64, "{what}: {damage}");

        let again = repair(&io, &dir, &limits, false).expect("looked at");
        assert!(again.damages.is_empty(), "{what}: {}", again.damages[0]);
        let engine = Engine::open(options(&damaged)).expect("opens");
        append(&engine, 2_000..2_000 + BATCH);
        engine.flush().expect("flushed");
        engine.close().expect("closed");
        assert_eq!(events(&damaged).expect("sound").len(), after.len() + BATCH, "{what}");
    }
    assert!(lossy > 40 && harmless > 0, "{lossy} cost events, {harmless} did not");
}

#[test]
fn a_repair_that_is_cut_off_anywhere_is_run_again() {
    let (storage, _) = store();
    let before = events(&copy_of(&storage)).expect("sound");
    let targets: Vec<_> = damages(&storage).into_iter().step_by(11).collect();
    for (path, bytes) in targets {
        let damaged = copy_of(&storage);
        match &bytes {
            Some(bytes) => damaged.overwrite(&path, bytes.clone()),
            None => damaged.remove(&path).expect("is there"),
        }
        for step in 0..60 {
            let copy = copy_of(&damaged);
            let faulty = FaultyStorage::new(copy.clone());
            faulty.fail(step, Fault::Halt);
            let mut options = options(&copy);
            options.io.storage = Arc::new(faulty);
            let cut = repair(&options.io, &options.dir, &options.limits, false);
            let copy = copy.power_cut();
            let Options { dir, limits, io, .. } = self::options(&copy);
            let done = repair(&io, &dir, &limits, false).expect("repaired");
            let after = events(&copy).expect("serves");
            assert!(after.is_subset(&before), "{} {step}", path.display());
            drop(done);
            if cut.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_damaged_manifest_is_told_and_nothing_is_touched() {
    let (storage, _) = store();
    let Options { dir, io, .. } = options(&storage);
    let path = current_manifest(&io, &dir).expect("a store");
    let bytes = storage.read(&path).expect("is there");
    for at in [20, 4_200] {
        let damaged = copy_of(&storage);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        damaged.overwrite(&path, flipped);
        let names = damaged.paths();
        let Options { dir, limits, io, .. } = options(&damaged);
        let error = repair(&io, &dir, &limits, false).expect_err("can't be repaired");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("from a backup"), "{error}");
        assert_eq!(damaged.paths(), names, "R4");
    }
    storage.remove(&path).expect("is there");
    let Options { dir, limits, io, .. } = options(&storage);
    let error = repair(&io, &dir, &limits, false).expect_err("no store");
    assert!(error.to_string().contains("no manifest"), "{error}");
}
