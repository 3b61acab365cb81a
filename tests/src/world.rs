//! A store in memory beside its model: what is done to the one is done to the other, and they
//! must agree.

use crate::at_rest::{keyed, keys_of};
use crate::dice::Dice;
use crate::model::{Model, by_name};
use crate::workload::{self, Draft, Drafts, MARK, START};
use logstrata_engine::crypt::Keyring;
use logstrata_engine::io::{Clock, Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::ast::Filter;
use logstrata_engine::query::{EventRecord, Order, SearchRequest, TimeRange};
use logstrata_engine::{
    Appended, BatchKey, BodyHash, Claim, Engine, EventId, Limits, Options, Rules, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A store, its model, and what happens to them next.
#[derive(Debug)]
pub struct World {
    /// Decides what happens.
    pub dice: Dice,
    /// What must be found.
    pub model: Model,
    drafts: Drafts,
    /// Every batch that was stored under a key: by the key's number, its events and their ids.
    keyed: BTreeMap<u64, (usize, (EventId, EventId))>,
    keys_used: u64,
    limits: Limits,
    /// The store is encrypted under these.
    keys: Option<Arc<Keyring>>,
    disk: MemoryStorage,
    clock: Arc<ManualClock>,
    /// `None` only between two openings.
    engine: Option<Engine>,
}

/// Bounds so small that all of them are reached. In every other store compaction runs by itself.
fn limits(seed: u64) -> Limits {
    let mut limits = Limits::tiny();
    limits.compaction.is_automatic = seed % 2 == 1;
    // All keys of a world are remembered.
    limits.keys_max = 100_000;
    limits.key_answer_bytes_max = 1 << 20;
    limits
}

/// What the sender of the batch of a key was told.
fn answer_of(key: u64) -> Vec<u8> {
    vec![b'a'; (key % 5) as usize * 30]
}

/// What became of a batch, once it is known.
type Answer = Arc<Mutex<Option<logstrata_engine::Result<Appended>>>>;

/// A batch that was submitted: its events, its arrival, and what became of it so far.
struct Submitted {
    /// The number of its key, if it has one.
    key: Option<u64>,
    drafts: Vec<Draft>,
    arrival: Timestamp,
    result: Answer,
}

impl World {
    /// An empty store, with bounds so small that all of them are reached.
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            dice: Dice::new(seed),
            model: Model::default(),
            drafts: Drafts::default(),
            keyed: BTreeMap::new(),
            keys_used: 0,
            limits: limits(seed),
            keys: keys_of(seed),
            disk: MemoryStorage::new(),
            clock: Arc::new(ManualClock::new(START)),
            engine: None,
        };
        world.open();
        world
    }

    /// The open store.
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("open between two openings")
    }

    fn open(&mut self) {
        let io = Io {
            storage: keyed(Arc::new(self.disk.clone()), self.keys.as_ref()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(SeededEntropy::new(self.dice.roll())),
        };
        let options = Options {
            dir: "/store".into(),
            limits: self.limits.clone(),
            io,
            redaction: Rules::none(),
        };
        self.engine = Some(Engine::open(options).expect("the store opens"));
    }

    /// Appends a batch and waits for it.
    pub fn append(&mut self) {
        let count = match self.dice.weighted(&[60, 30, 10]) {
            0 => self.dice.within(1..10),
            1 => self.dice.within(10..60),
            _ => 0,
        };
        let (drafts, arrival) = self.drafts(count);
        let batch = workload::batch(&drafts, &self.limits, arrival);
        let appended = self.engine().append(batch).expect("appended");
        self.acknowledged(&drafts, arrival, appended);
    }

    /// Submits several batches at once, then waits for all.
    pub fn append_several(&mut self) {
        let submitted = self.submit_several();
        // The queue is first in, first out: this one is acknowledged last.
        let (drafts, arrival) = self.drafts(1);
        let batch = workload::batch(&drafts, &self.limits, arrival);
        let appended = self.engine().append(batch).expect("appended");
        for batch in submitted {
            let result = batch.result.lock().expect("not poisoned").take();
            let result = result.expect("answered before what came later").expect("appended");
            self.acknowledged(&batch.drafts, batch.arrival, result);
            self.remember(batch.key, result);
        }
        self.acknowledged(&drafts, arrival, appended);
    }

    fn submit_several(&mut self) -> Vec<Submitted> {
        let batches = self.dice.within(1..8);
        let mut submitted = Vec::new();
        for _ in 0..batches {
            let count = self.dice.within(1..30);
            let (drafts, arrival) = self.drafts(count);
            let result = Answer::default();
            let answer = Arc::clone(&result);
            let done = move |result| *answer.lock().expect("not poisoned") = Some(result);
            let batch = workload::batch(&drafts, &self.limits, arrival);
            let key = self.dice.chance(40).then(|| {
                self.keys_used += 1;
                self.keys_used
            });
            match key {
                None => self.engine().submit(batch, done),
                Some(key) => {
                    let Claim::New(ticket) = self.claim(key, key) else { panic!("{key} is new") };
                    self.engine().submit_once(batch, ticket.with_answer(&answer_of(key)), done);
                }
            }
            submitted.push(Submitted { key, drafts, arrival, result });
        }
        submitted
    }

    /// Claims the key of this number for the body of that.
    fn claim(&self, key: u64, body: u64) -> Claim {
        let name = BatchKey::named("default", &key.to_le_bytes());
        self.engine().claim(name, BodyHash::new(&[&body.to_le_bytes()]), || {})
    }

    fn remember(&mut self, key: Option<u64>, appended: Appended) {
        let Some(key) = key else { return };
        let ids = appended.ids.expect("batches with keys have events");
        assert_eq!(self.keyed.insert(key, (appended.count, ids)), None);
    }

    /// Sends batches with keys again: each gets its first answer, and another one of its key is
    /// refused.
    pub fn check_keys(&self) {
        for (&key, &(count, ids)) in &self.keyed {
            match self.claim(key, key) {
                Claim::Stored(stored) => {
                    assert_eq!((stored.count, stored.ids), (count, ids), "key {key}");
                    assert_eq!(*stored.answer, *answer_of(key), "key {key}");
                }
                other => panic!("key {key} is forgotten: {other:?}"),
            }
            assert!(matches!(self.claim(key, key + 1), Claim::Conflict), "key {key}");
        }
        assert_eq!(self.engine().status().keys, self.keyed.len() as u64);
    }

    fn drafts(&mut self, count: usize) -> (Vec<Draft>, Timestamp) {
        let now = self.clock.now();
        (self.drafts.some(&mut self.dice, count, now), now)
    }

    fn acknowledged(&mut self, drafts: &[Draft], arrival: Timestamp, appended: Appended) {
        assert_eq!(appended.count, drafts.len());
        let Some((first, last)) = appended.ids else { return assert!(drafts.is_empty()) };
        self.model.append(drafts, arrival, first);
        let stored = self.model.events().last().map(|event| event.id);
        assert_eq!(stored, Some(last), "the ids of a batch are dense");
    }

    /// Lets the clock go on, or jump back or forth.
    pub fn clock(&mut self) {
        const HOUR: i64 = 3_600_000_000_000;
        let now = self.clock.now();
        match self.dice.below(4) {
            0 => self.clock.set(Timestamp(now.0 - (self.dice.roll() % 48) as i64 * HOUR)),
            1 => self.clock.set(Timestamp(now.0 + (self.dice.roll() % 48) as i64 * HOUR)),
            _ => {
                let millis = self.dice.roll() % 2_000;
                self.clock.advance(std::time::Duration::from_millis(millis));
            }
        }
    }

    /// Closes the store and opens it again.
    pub fn reopen(&mut self) {
        let engine = self.engine.take().expect("open between two openings");
        engine.close().expect("closed well");
        self.open();
        self.check_all();
    }

    /// Cuts the power with nothing in flight, and opens what is left.
    pub fn power_cut(&mut self) {
        let disk = self.crashed();
        self.continue_on(disk);
        self.check_all();
    }

    /// Cuts the power while batches are in flight. Those acknowledged before are there, the
    /// others are there whole or not at all.
    pub fn power_cut_in_flight(&mut self) {
        let submitted = self.submit_several();
        let acknowledged: Vec<Option<Appended>> = submitted
            .iter()
            .map(|batch| {
                let result = batch.result.lock().expect("not poisoned").take();
                result.map(|result| result.expect("appended"))
            })
            .collect();
        let disk = self.crashed();
        self.continue_on(disk);
        let stored = self.by_mark();
        for (batch, appended) in submitted.iter().zip(acknowledged) {
            let ids: Vec<_> = batch.drafts.iter().filter_map(|d| stored.get(d.mark())).collect();
            let Some(first) = ids.first() else {
                assert_eq!(appended, None, "an acknowledged batch is lost");
                if let Some(key) = batch.key {
                    // It may be sent again.
                    assert!(matches!(self.claim(key, key), Claim::New(_)), "key {key}");
                }
                continue;
            };
            assert_eq!(ids.len(), batch.drafts.len(), "a part of a batch is stored");
            if let Some((acknowledged, _)) = appended.and_then(|appended| appended.ids) {
                assert_eq!(acknowledged, **first, "an id has changed");
            }
            self.model.append(&batch.drafts, batch.arrival, **first);
            let last = self.model.events().last().expect("just appended").id;
            let ids = Some((**first, last));
            self.remember(batch.key, Appended { count: batch.drafts.len(), ids });
        }
        self.check_all();
    }

    /// The disk after a crash: with all, some or none of what was not synced.
    fn crashed(&mut self) -> MemoryStorage {
        // How often it is asked depends on threads: it must not take from the world's own dice.
        let mut chance = Dice::new(self.dice.roll());
        match self.dice.below(3) {
            0 => self.disk.power_cut(),
            1 => self.disk.crash(|| true),
            _ => self.disk.crash(|| chance.chance(50)),
        }
    }

    fn continue_on(&mut self, disk: MemoryStorage) {
        self.disk = disk;
        // What the old process still does, it does to the old disk.
        drop(self.engine.take());
        self.open();
    }

    fn by_mark(&self) -> BTreeMap<Vec<u8>, EventId> {
        let mut found = BTreeMap::new();
        for event in self.all() {
            let mark = event.get(MARK).expect("every event has a mark").text.to_vec();
            assert_eq!(found.insert(mark, event.id), None, "an event twice");
        }
        found
    }

    /// Every event of the store, by sequence number.
    fn all(&self) -> Vec<EventRecord> {
        let mut request = SearchRequest {
            query: String::new(),
            filter: Filter::All,
            range: TimeRange::default(),
            limit: 997,
            order: Order::OldestFirst,
            cursor: None,
        };
        let mut events = Vec::new();
        loop {
            let page = self.engine().search(&request).expect("searched");
            events.extend(page.events.into_iter().map(by_name));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        events.sort_by_key(|event| event.id.seq());
        events
    }

    /// Panics unless the store has what the model has.
    pub fn check_all(&self) {
        let all = self.all();
        for (stored, expected) in all.iter().zip(self.model.events()) {
            assert_eq!(stored, expected);
        }
        assert_eq!(all.len(), self.model.events().len());
        assert_eq!(self.engine().status().events, all.len() as u64);
        self.check_keys();
    }
}
