//! The keys that are remembered: a window of those that senders gave and one of those made of
//! bodies, so that neither pushes out the other. A window is a queue in the order in which batches
//! were stored, and an index by name.
//!
//! - `T1` a window is bounded in number, in time and in the bytes of its answers; the oldest goes
//!   first.
//! - `T2` the index has the newest entry of each name.

use super::record::{ClaimRecord, Entry};
use super::{BatchKey, BodyHash, Bounds, Origin};
use crate::event::EventId;
use std::collections::{HashMap, VecDeque};

/// Below this many a window keeps its memory.
const ROOM_MIN: usize = 64;

/// Both windows.
#[derive(Debug)]
pub(super) struct Table {
    sent: Window,
    bodies: Window,
}

/// How far the windows have been filled: the number of the next entry of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    sent: u64,
    bodies: u64,
}

/// The entries between two marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(super) from: Mark,
    pub(super) to: Mark,
}

/// The keys of one origin.
#[derive(Debug)]
struct Window {
    origin: Origin,
    keys_max: usize,
    answer_bytes_max: usize,
    /// The number of the first entry of `slots`; numbers are never used again.
    first: u64,
    slots: VecDeque<Slot>,
    /// The low half of the number of each name's newest entry: far fewer are there at a time. Senders
    /// choose names, so the map's hash has a secret.
    numbers: HashMap<[u8; 16], u32>,
    answer_bytes: usize,
}

/// An [`Entry`], packed: there may be a million.
#[derive(Debug)]
struct Slot {
    name: [u8; 16],
    body: BodyHash,
    arrival_ms: i64,
    /// The ids of the first and the last event above their sequence numbers.
    id_highs: (u64, u64),
    /// The sequence number of the first.
    seq: u64,
    count: u32,
    answer: Box<[u8]>,
}

impl Table {
    /// What an entry takes, without its answer and its place in the index.
    #[cfg(test)]
    pub(super) const SLOT_BYTES: usize = size_of::<Slot>();

    /// Nothing is remembered yet.
    pub(super) fn new(bounds: Bounds) -> Self {
        let Bounds { keys_max, body_keys_max, answer_bytes_max } = bounds;
        Self {
            sent: Window::new(Origin::Sent, keys_max, answer_bytes_max),
            bodies: Window::new(Origin::Body, body_keys_max, answer_bytes_max),
        }
    }

    /// What was stored under a key, unless its time is over.
    pub(super) fn get(&self, key: &BatchKey, now_ms: i64) -> Option<Entry> {
        self.window(key.origin).get(&key.hash, now_ms)
    }

    /// Remembers an entry, and forgets what is too old or too much.
    pub(super) fn push(&mut self, entry: Entry, now_ms: i64) {
        match entry.claim.key.origin {
            Origin::Sent => self.sent.push(entry),
            Origin::Body => self.bodies.push(entry),
        }
        self.forget(now_ms);
    }

    /// Forgets what is too old or too much.
    pub(super) fn forget(&mut self, now_ms: i64) {
        self.sent.forget(now_ms);
        self.bodies.forget(now_ms);
    }

    /// Behind the newest entries.
    pub(super) fn end(&self) -> Mark {
        Mark { sent: self.sent.end(), bodies: self.bodies.end() }
    }

    /// Whether everything before `mark` is forgotten.
    pub(super) fn has_forgotten(&self, mark: Mark) -> bool {
        self.sent.first >= mark.sent && self.bodies.first >= mark.bodies
    }

    /// The first `max` entries of `range` that are remembered; the range begins behind them then.
    pub(super) fn take(&self, range: &mut Range, max: usize) -> Vec<Entry> {
        let mut taken = Vec::new();
        self.sent.take(&mut range.from.sent, range.to.sent, max, &mut taken);
        self.bodies.take(&mut range.from.bodies, range.to.bodies, max, &mut taken);
        taken
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.sent.slots.len() + self.bodies.slots.len()
    }

    /// When the oldest key came that a sender gave.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.sent.slots.front().map(|slot| slot.arrival_ms)
    }

    /// What all of it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        self.sent.heap_bytes() + self.bodies.heap_bytes()
    }

    fn window(&self, origin: Origin) -> &Window {
        match origin {
            Origin::Sent => &self.sent,
            Origin::Body => &self.bodies,
        }
    }
}

impl Window {
    fn new(origin: Origin, keys_max: usize, answer_bytes_max: usize) -> Self {
        assert!(u32::try_from(keys_max).is_ok(), "low halves of numbers tell entries apart");
        Self {
            origin,
            keys_max,
            answer_bytes_max,
            first: 0,
            slots: VecDeque::new(),
            numbers: HashMap::new(),
            answer_bytes: 0,
        }
    }

    fn get(&self, name: &[u8; 16], now_ms: i64) -> Option<Entry> {
        let place = self.numbers.get(name)?.wrapping_sub(self.first as u32);
        let slot = self.slots.get(place as usize).expect("T2: the index names what is there");
        (!self.is_over(slot, now_ms)).then(|| slot.entry(self.origin))
    }

    fn is_over(&self, slot: &Slot, now_ms: i64) -> bool {
        now_ms.saturating_sub(slot.arrival_ms) >= self.origin.window_ms()
    }

    fn push(&mut self, entry: Entry) {
        let slot = Slot::new(entry);
        self.numbers.insert(slot.name, self.end() as u32);
        self.answer_bytes += slot.answer.len();
        self.slots.push_back(slot);
    }

    fn forget(&mut self, now_ms: i64) {
        while let Some(oldest) = self.slots.front() {
            let too_much =
                self.slots.len() > self.keys_max || self.answer_bytes > self.answer_bytes_max;
            if !too_much && !self.is_over(oldest, now_ms) {
                break;
            }
            let oldest = self.slots.pop_front().expect("there is a front");
            self.answer_bytes -= oldest.answer.len();
            // A key whose time was over may have been used again.
            if self.numbers.get(&oldest.name) == Some(&(self.first as u32)) {
                self.numbers.remove(&oldest.name);
            }
            self.first += 1;
        }
        // A burst must not hold its memory for ever.
        let room = self.slots.len().max(ROOM_MIN) * 2;
        if self.slots.capacity() > room * 4 {
            self.slots.shrink_to(room);
            self.numbers.shrink_to(room);
        }
    }

    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    fn take(&self, from: &mut u64, to: u64, max: usize, taken: &mut Vec<Entry>) {
        *from = (*from).max(self.first).min(to);
        // With a range that is forgotten there is nothing from its beginning on.
        let skipped = from.saturating_sub(self.first) as usize;
        let count = ((to - *from) as usize).min(max - taken.len());
        taken.extend(
            self.slots.iter().skip(skipped).take(count).map(|slot| slot.entry(self.origin)),
        );
        *from += count as u64;
    }

    fn heap_bytes(&self) -> usize {
        // A slot of a hash map has its entry and a byte, of eight slots seven are used.
        let numbers = self.numbers.capacity() * (size_of::<([u8; 16], u32)>() + 1) * 8 / 7;
        self.slots.capacity() * size_of::<Slot>() + numbers + self.answer_bytes
    }
}

impl Slot {
    fn new(entry: Entry) -> Self {
        let Entry { claim, first, last, count } = entry;
        Self {
            name: claim.key.hash,
            body: claim.body,
            arrival_ms: claim.arrival_ms,
            id_highs: (high(first), high(last)),
            seq: first.seq().0,
            count,
            answer: claim.answer,
        }
    }

    fn entry(&self, origin: Origin) -> Entry {
        let (arrival_ms, answer) = (self.arrival_ms, self.answer.clone());
        let key = BatchKey { hash: self.name, origin };
        let last_seq = self.seq + u64::from(self.count) - 1;
        Entry {
            claim: ClaimRecord { key, body: self.body, arrival_ms, answer },
            first: id(self.id_highs.0, self.seq),
            last: id(self.id_highs.1, last_seq),
            count: self.count,
        }
    }
}

fn high(id: EventId) -> u64 {
    (id.0 >> 64) as u64
}

fn id(high: u64, seq: u64) -> EventId {
    EventId(u128::from(high) << 64 | u128::from(seq))
}
