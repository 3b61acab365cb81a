use super::table::{Range, Table};
use super::*;
use crate::append::Rules;
use crate::batch::BatchBuilder;
use crate::engine::Engine;
use crate::error::{ErrorKind, Result};
use crate::event::{EventId, Kind, Seq};
use crate::io::{
    Clock, Fault, FaultyStorage, Io, ManualClock, MemoryStorage, SeededEntropy, Storage,
};
use crate::limits::Limits;
use crate::options::Options;
use crate::timestamp::Timestamp;
use crate::{Appended, names};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

const START: Timestamp = Timestamp(1_795_219_200_000_000_000);
const DIR: &str = "/store";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct World {
    disk: MemoryStorage,
    clock: Arc<ManualClock>,
    limits: Limits,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        Self { disk: MemoryStorage::new(), clock, limits: Limits::tiny() }
    }

    /// The wall clock jumps; monotonic time does not.
    fn jump(&self, days: i64) {
        self.clock.set(Timestamp(self.clock.now().0 + days * DAY.as_nanos() as i64));
    }

    /// Monotonic time begins anew, and the wall clock shows so many days more than before.
    fn reboot(&mut self, days: i64) {
        let now = self.clock.now().0 + days * DAY.as_nanos() as i64;
        self.clock = Arc::new(ManualClock::new(Timestamp(now)));
    }

    fn open(&self) -> Engine {
        self.open_on(Arc::new(self.disk.clone())).expect("opened")
    }

    fn open_on(&self, storage: Arc<dyn Storage>) -> Result<Engine> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let io = Io { storage, clock, entropy: Arc::new(SeededEntropy::new(1)) };
        Engine::open(Options {
            dir: DIR.into(),
            limits: self.limits.clone(),
            redaction: Rules::none(),
            io,
        })
    }
}

fn key(name: &str) -> BatchKey {
    BatchKey::named("default", name.as_bytes())
}

fn body(text: &str) -> BodyHash {
    BodyHash::new(&[text.as_bytes()])
}

fn claim(engine: &Engine, name: &str, text: &str) -> Claim {
    engine.claim(key(name), body(text), || {})
}

/// Stores a batch of one event under a ticket.
fn store(engine: &Engine, ticket: Ticket, text: &str) -> Result<Appended> {
    let mut batch = BatchBuilder::new(&Limits::tiny(), START);
    let mut event = batch.event();
    event.field("message", Kind::String, text.as_bytes());
    event.finish().expect("small");
    let (sender, receiver) = channel();
    engine.submit_once(batch.build(), ticket, move |result| {
        sender.send(result).expect("the test waits");
    });
    receiver.recv().expect("answered")
}

/// Sends a batch as a sender does: stored now, or told what it was told before.
fn send(engine: &Engine, name: &str, text: &str) -> (EventId, EventId) {
    match claim(engine, name, text) {
        Claim::New(ticket) => store(engine, ticket.with_answer(text.as_bytes()), text)
            .expect("stored")
            .ids
            .expect("one"),
        Claim::Stored(stored) => {
            assert_eq!((stored.count, &*stored.answer), (1, text.as_bytes()));
            stored.ids
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_stored_once() {
    let world = World::new();
    let engine = world.open();
    let ids = send(&engine, "a", "one");
    assert_eq!(send(&engine, "a", "one"), ids);
    assert_ne!(send(&engine, "b", "one"), ids, "another key is another batch");
    assert!(matches!(claim(&engine, "a", "two"), Claim::Conflict));
    let status = engine.status();
    assert_eq!((status.events, status.keys, status.replays, status.key_conflicts), (2, 2, 1, 1));
}

#[test]
fn a_retry_waits_for_the_first() {
    let world = World::new();
    let engine = world.open();
    let Claim::New(ticket) = claim(&engine, "a", "one") else { panic!("free") };
    let woken = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let woken = Arc::clone(&woken);
        let wake = move || {
            woken.fetch_add(1, Ordering::Relaxed);
        };
        assert!(matches!(engine.claim(key("a"), body("one"), wake), Claim::InFlight));
    }
    assert_eq!(woken.load(Ordering::Relaxed), 0);
    let appended = store(&engine, ticket, "one").expect("stored");
    assert_eq!(woken.load(Ordering::Relaxed), 2, "woken before the first is answered");
    let Claim::Stored(stored) = claim(&engine, "a", "one") else { panic!("stored") };
    assert_eq!(Some(stored.ids), appended.ids);
}

/// It was told of a conflict with a batch that might be refused.
#[test]
fn another_batch_of_the_key_waits_for_the_first_too() {
    let world = World::new();
    let engine = world.open();
    let Claim::New(first) = claim(&engine, "a", "one") else { panic!("free") };
    assert!(matches!(claim(&engine, "a", "two"), Claim::InFlight));
    drop(first);
    let Claim::New(second) = claim(&engine, "a", "two") else { panic!("the first was given up") };
    assert!(matches!(claim(&engine, "a", "one"), Claim::InFlight));
    store(&engine, second, "two").expect("stored");
    assert!(matches!(claim(&engine, "a", "one"), Claim::Conflict));
}

/// Each holds a body and a connection: one key could take all of both.
#[test]
fn few_wait_for_one_key() {
    let world = World::new();
    let engine = world.open();
    let Claim::New(first) = claim(&engine, "a", "one") else { panic!("free") };
    for _ in 0..WAITING_MAX {
        assert!(matches!(claim(&engine, "a", "one"), Claim::InFlight));
    }
    assert!(matches!(claim(&engine, "a", "one"), Claim::Busy));
    assert!(matches!(claim(&engine, "b", "one"), Claim::New(_)), "other keys have their own");
    store(&engine, first, "one").expect("stored");
    assert!(matches!(claim(&engine, "a", "one"), Claim::Stored(_)));
}

#[test]
fn a_refused_batch_leaves_its_key_free() {
    let world = World::new();
    let disk = FaultyStorage::new(world.disk.clone());
    let engine = world.open_on(Arc::new(disk.clone())).expect("opened");
    let Claim::New(ticket) = claim(&engine, "a", "one") else { panic!("free") };
    let (sender, woken) = channel();
    let wake = move || sender.send(()).expect("the test waits");
    assert!(matches!(engine.claim(key("a"), body("one"), wake), Claim::InFlight));
    drop(ticket);
    woken.recv().expect("woken");
    let Claim::New(ticket) = claim(&engine, "a", "another body is fine") else { panic!("free") };
    disk.fail(0, Fault::Halt);
    assert!(store(&engine, ticket, "one").is_err());
    assert!(matches!(claim(&engine, "a", "one"), Claim::New(_)), "nothing is remembered");
}

/// Through the log, through a flush, through several, and after the power was cut.
#[test]
fn keys_survive_restarts() {
    let mut world = World::new();
    let engine = world.open();
    let ids: Vec<_> = (0..3).map(|n| send(&engine, &format!("k{n}"), "one")).collect();
    let check = |engine: &Engine| {
        for (n, ids) in ids.iter().enumerate() {
            assert_eq!(send(engine, &format!("k{n}"), "one"), *ids);
        }
        assert!(matches!(claim(engine, "k0", "two"), Claim::Conflict));
        assert_eq!(engine.status().events, 3);
    };
    world.disk = world.disk.power_cut();
    drop(engine);
    let engine = world.open();
    check(&engine);
    engine.flush().expect("flushed");
    check(&engine);
    world.disk = world.disk.power_cut();
    drop(engine);
    let engine = world.open();
    check(&engine);
    send(&engine, "later", "one");
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    let engine = world.open();
    assert_eq!(engine.status().keys, 4);
    send(&engine, "later", "one");
    assert_eq!(engine.status().events, 4);
}

/// What was read from the log after a crash, and given as an answer, must survive the next one.
#[test]
fn a_replay_after_a_crash_is_durable() {
    let mut world = World::new();
    let engine = world.open();
    let ids = send(&engine, "a", "one");
    // The process ends, the system goes on: what was written is there, synced or not.
    world.disk = world.disk.crash(|| true);
    drop(engine);
    let engine = world.open();
    assert_eq!(send(&engine, "a", "one"), ids);
    world.disk = world.disk.power_cut();
    drop(engine);
    let engine = world.open();
    assert_eq!(send(&engine, "a", "one"), ids);
    assert_eq!(engine.status().events, 1);
}

#[test]
fn keys_and_their_files_go_when_their_time_is_over() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "old", "one");
    engine.flush().expect("flushed");
    let old = names::keys(Path::new(DIR), 1);
    assert!(world.disk.read(&old).is_some());
    world.clock.advance(DAY);
    assert!(matches!(claim(&engine, "old", "two"), Claim::New(_)), "24 hours are over");
    send(&engine, "new", "one");
    engine.flush().expect("flushed");
    // The file goes behind the flush.
    drop(engine);
    let engine = world.open();
    assert_eq!(world.disk.read(&old), None);
    assert_eq!(engine.status().keys, 1);
}

#[test]
fn the_oldest_go_beyond_the_number() {
    let world = World::new();
    let engine = world.open();
    for n in 0..world.limits.keys_max + 3 {
        send(&engine, &format!("k{n}"), "one");
    }
    assert_eq!(engine.status().keys, world.limits.keys_max as u64);
    assert!(matches!(claim(&engine, "k2", "one"), Claim::New(_)));
    assert!(matches!(claim(&engine, "k3", "one"), Claim::Stored(_)));
}

/// A jump forward made a sender's retry a second batch; one back kept keys until the clock had caught
/// up. The wall clock is not asked, neither while the store is open nor between.
#[test]
fn jumps_of_the_wall_clock_make_no_key_older_or_younger() {
    let mut world = World::new();
    let mut engine = world.open();
    let ids = send(&engine, "a", "one");
    for days in [1, -30, 400, -2_000, 30_000] {
        world.jump(days);
        assert_eq!(send(&engine, "a", "one"), ids);
        engine.close().expect("closed");
        // The first time from the log, then from a file.
        world.reboot(days);
        engine = world.open();
        assert_eq!(send(&engine, "a", "one"), ids);
        engine.flush().expect("flushed");
    }
    world.jump(-400);
    world.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(send(&engine, "a", "one"), ids);
    assert_eq!(engine.status().oldest_key_seconds, DAY.as_secs() - 1);
    world.clock.advance(Duration::from_secs(1));
    assert_ne!(send(&engine, "a", "one"), ids, "it was remembered for 24 hours");
}

/// Only keys told the time: where none came any more, each restart made those of before younger.
#[test]
fn flushes_without_keys_note_the_time() {
    let mut world = World::new();
    // One generation a life.
    world.limits.generation_age_ms_max = 1_000_000_000;
    let mut engine = world.open();
    let ids = send(&engine, "a", "one");
    for life in 1..=4 {
        assert_eq!(send(&engine, "a", "one"), ids);
        world.clock.advance(DAY / 4);
        let mut batch = BatchBuilder::new(&Limits::tiny(), START);
        batch.event().finish().expect("small");
        engine.append(batch.build()).expect("appended");
        engine.flush().expect("flushed");
        let note = names::keys(Path::new(DIR), life);
        // The last flush has forgotten the key.
        assert_eq!(world.disk.read(&note).is_some(), life < 4, "{life}");
        engine.close().expect("closed");
        world.reboot(0);
        engine = world.open();
    }
    assert_eq!(engine.status().keys, 0);
    assert_ne!(send(&engine, "a", "one"), ids);
}

/// A file of keys was removed as a leftover before the log was read that has its keys.
#[test]
fn a_store_that_is_refused_keeps_its_files_of_keys() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "a", "one");
    engine.close().expect("closed");
    let orphan = names::keys(Path::new(DIR), 1);
    let leftover = names::temporary(&orphan);
    for path in [&orphan, &leftover] {
        world.disk.create(path).expect("created");
    }
    let wal = names::wal(Path::new(DIR), names::WalFileId { generation: 1, index: 0 });
    let sound = world.disk.read(&wal).expect("written");
    let mut damaged = sound.clone();
    damaged[20] ^= 1;
    world.disk.overwrite(&wal, damaged);
    let storage = || Arc::new(world.disk.clone());
    let error = world.open_on(storage()).expect_err("the log is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(world.disk.read(&orphan).is_some() && world.disk.read(&leftover).is_some());
    world.disk.overwrite(&wal, sound);
    let engine = world.open();
    assert!(world.disk.read(&orphan).is_none() && world.disk.read(&leftover).is_none());
    assert!(matches!(claim(&engine, "a", "one"), Claim::Stored(_)));
}

/// It was passed over like a damaged one, so an older program stored batches twice.
#[test]
fn a_file_of_a_later_version_is_not_passed_over() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "a", "one");
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    let path = names::keys(Path::new(DIR), 1);
    let mut bytes = world.disk.read(&path).expect("written");
    bytes[8] = 9;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&crc.to_le_bytes());
    world.disk.overwrite(&path, bytes);
    let error = world.open_on(Arc::new(world.disk.clone())).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("0000000000000001.keys"), "{error}");
}

/// Those made of bodies had the same bound, and pushed out those that senders gave.
#[test]
fn keys_made_of_bodies_push_out_their_own_kind_only() {
    let world = World::new();
    let engine = world.open();
    let ids = send(&engine, "sent", "one");
    let of_body = |n: usize| BatchKey::of_body("default", body(&n.to_string()));
    let claim_body = |n| engine.claim(of_body(n), body(&n.to_string()), || {});
    for n in 0..world.limits.keys_max + 1 {
        let Claim::New(ticket) = claim_body(n) else { panic!("new") };
        store(&engine, ticket, "x").expect("stored");
    }
    assert_eq!(send(&engine, "sent", "one"), ids);
    assert_eq!(engine.status().keys, 1 + world.limits.body_keys_max as u64);
    assert!(matches!(claim_body(world.limits.keys_max), Claim::Stored(_)));
    assert!(matches!(claim_body(0), Claim::New(_)));
}

/// Answers were bounded each, but not together, and the pool knew nothing of the table.
#[test]
fn the_memory_of_keys_is_bounded_and_accounted() {
    let mut world = World::new();
    world.limits.keys_max = 1_000;
    let engine = world.open();
    let long = "x".repeat(ANSWER_BYTES_MAX);
    let fit = world.limits.key_answer_bytes_max / ANSWER_BYTES_MAX;
    for n in 0..fit + 3 {
        let Claim::New(ticket) = claim(&engine, &format!("k{n}"), "one") else { panic!("new") };
        store(&engine, ticket.with_answer(long.as_bytes()), "one").expect("stored");
    }
    let status = engine.status();
    assert_eq!(status.keys, fit as u64);
    assert!(matches!(claim(&engine, "k2", "one"), Claim::New(_)));
    assert!(matches!(claim(&engine, "k3", "one"), Claim::Stored(_)));
    engine.flush().expect("flushed");
    let status = engine.status();
    assert!(status.key_bytes > (fit * ANSWER_BYTES_MAX) as u64);
    assert_eq!(status.pool.ingest, status.key_bytes + status.memtable_bytes);
    world.clock.advance(DAY);
    assert!(send(&engine, "new", "one").0 > EventId(0));
    assert!(engine.status().key_bytes < status.key_bytes, "what is forgotten is given back");
}

/// What a million keys take is in proportion to the memory of the store.
#[test]
fn keys_take_their_part_of_the_memory() {
    for bytes in [64 << 20, 1 << 30] {
        let bounds = Limits::for_memory(bytes).key_bounds();
        let most_of = |keys: usize| {
            // Queue and map grow by doubling; a place of the map has 21 bytes.
            keys.next_power_of_two() * Table::SLOT_BYTES + (keys * 8 / 7).next_power_of_two() * 21
        };
        let most = most_of(bounds.keys_max) + most_of(bounds.body_keys_max);
        let most = most + 2 * bounds.answer_bytes_max;
        assert!(most < bytes / 5, "{most} of {bytes}");
    }
    assert_eq!(Limits::default().keys_max, 1_000_000);
}

#[test]
fn a_damaged_file_costs_its_keys_only() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "a", "one");
    engine.flush().expect("flushed");
    send(&engine, "b", "one");
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    let path = names::keys(Path::new(DIR), 1);
    let mut bytes = world.disk.read(&path).expect("written");
    bytes[40] ^= 1;
    world.disk.overwrite(&path, bytes);
    let engine = world.open();
    let status = engine.status();
    assert_eq!((status.key_files_damaged, status.keys, status.events), (1, 1, 2));
    let told: Vec<String> = engine.keys_lost().iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("0000000000000001.keys"), "{told:?}");
    assert!(matches!(claim(&engine, "b", "one"), Claim::Stored(_)));
    assert!(matches!(claim(&engine, "a", "one"), Claim::New(_)));
    world.clock.advance(2 * DAY);
    send(&engine, "c", "one");
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    assert!(world.disk.read(&path).is_some(), "it is there for whoever repairs it");
    assert_eq!(world.disk.read(&names::keys(Path::new(DIR), 2)), None);
}

#[test]
fn keys_of_tenants_and_bodies_are_apart() {
    let hashes = [
        BatchKey::named("a", b"bc").hash,
        BatchKey::named("ab", b"c").hash,
        BatchKey::named("b", b"bc").hash,
        BatchKey::of_body("a", body("bc")).hash,
        body("bc").0,
        BodyHash::new(&[b"b", b"c"]).0,
    ];
    let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
}

proptest! {
    #[test]
    fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzing::fuzz(&bytes);
    }

    /// Against a list that is searched from its end.
    #[test]
    fn the_table_is_two_bounded_maps(
        steps in prop::collection::vec(
            (0u8..12, any::<bool>(), 0usize..20, prop_oneof![0i64..60_000, 0i64..20_000_000]),
            1..200,
        ),
    ) {
        const BOUNDS: Bounds = Bounds { keys_max: 8, body_keys_max: 5, answer_bytes_max: 60 };
        let mut table = Table::new(BOUNDS);
        let mut lists: [Vec<Entry>; 2] = Default::default();
        let mut all = Range::default();
        let mut now = START.millis();
        for (seq, (name, is_body, answer, step)) in steps.into_iter().enumerate() {
            now += step;
            let origin = if is_body { Origin::Body } else { Origin::Sent };
            let key = BatchKey { origin, ..key(&name.to_string()) };
            let is_over = |e: &Entry| e.claim.arrival_ms + origin.window_ms() <= now;
            let list = &mut lists[usize::from(is_body)];
            let expected = list.iter().rev().find(|e| e.claim.key == key).filter(|e| !is_over(e));
            prop_assert_eq!(table.get(&key, now), expected.cloned());
            let id = |seq| EventId::new(START, 1, Seq(seq));
            let answer = vec![7; answer].into();
            let claim = ClaimRecord { key, body: body("x"), arrival_ms: now, answer };
            let (first, last) = (id(seq as u64 * 3), id(seq as u64 * 3 + 2));
            let entry = Entry { claim, first, last, count: 3 };
            table.push(entry.clone(), now);
            list.push(entry);
            for (list, max) in lists.iter_mut().zip([BOUNDS.keys_max, BOUNDS.body_keys_max]) {
                let answers = |list: &[Entry]| list.iter().map(|e| e.claim.answer.len()).sum::<usize>();
                while list.len() > max
                    || answers(list) > BOUNDS.answer_bytes_max
                    || list.first().is_some_and(|e| {
                        e.claim.arrival_ms + e.claim.key.origin.window_ms() <= now
                    })
                {
                    list.remove(0);
                }
            }
            prop_assert_eq!(table.len(), lists[0].len() + lists[1].len());
            all.to = table.end();
            let (mut left, mut taken) = (all, Vec::new());
            loop {
                let some = table.take(&mut left, 3);
                prop_assert!(some.len() <= 3);
                if some.is_empty() {
                    break;
                }
                taken.extend(some);
            }
            prop_assert_eq!(taken, lists.concat());
            prop_assert_eq!(table.has_forgotten(all.to), lists.concat().is_empty());
        }
    }
}
