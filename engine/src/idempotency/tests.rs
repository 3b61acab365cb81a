mod bounds;
mod files;

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
}
