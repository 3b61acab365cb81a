//! The keys that are remembered.

use super::record::Entry;
use std::collections::{HashMap, VecDeque};

/// Entries in the order in which their batches were stored, and where each key's newest one is.
#[derive(Debug)]
pub(super) struct Table {
    keys_max: usize,
    /// The number of the first entry of `entries`; numbers are never used again.
    first: u64,
    entries: VecDeque<Entry>,
    /// Keys are hashes already, which no sender can choose: the map's own hash need not be strong.
    numbers: HashMap<[u8; 16], u64, FirstBytes>,
    answer_bytes: usize,
}

type FirstBytes = std::hash::BuildHasherDefault<FirstBytesHasher>;

/// Takes eight bytes of what is a hash already.
#[derive(Debug, Default)]
pub(super) struct FirstBytesHasher(u64);

impl std::hash::Hasher for FirstBytesHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(bytes) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*bytes);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Table {
    /// At most this many keys are remembered.
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            keys_max,
            first: 0,
            entries: VecDeque::new(),
            numbers: HashMap::default(),
            answer_bytes: 0,
        }
    }

    /// What was stored under a key, unless its time is over.
    pub(super) fn get(&self, hash: &[u8; 16], now_ms: i64) -> Option<&Entry> {
        let number = self.numbers.get(hash)?;
        let entry = self.entries.get(usize::try_from(number - self.first).ok()?)?;
        (entry.claim.expires_ms() > now_ms).then_some(entry)
    }

    /// Remembers an entry, and forgets those whose time is over and the oldest beyond the number.
    /// Returns the entry's number.
    pub(super) fn push(&mut self, entry: Entry, now_ms: i64) -> u64 {
        let number = self.first + self.entries.len() as u64;
        self.numbers.insert(entry.claim.key.hash, number);
        self.answer_bytes += entry.heap_bytes();
        self.entries.push_back(entry);
        self.forget(now_ms);
        number
    }

    /// Forgets from the oldest on: those beyond the number, and those whose time is over.
    pub(super) fn forget(&mut self, now_ms: i64) {
        while let Some(oldest) = self.entries.front() {
            if self.entries.len() <= self.keys_max && oldest.claim.expires_ms() > now_ms {
                return;
            }
            let oldest = self.entries.pop_front().expect("there is a front");
            self.answer_bytes -= oldest.heap_bytes();
            let hash = oldest.claim.key.hash;
            // A key whose time was over may have been used again.
            if self.numbers.get(&hash) == Some(&self.first) {
                self.numbers.remove(&hash);
            }
            self.first += 1;
        }
    }

    /// The number of the oldest entry that is remembered, or the next one.
    pub(super) fn oldest_number(&self) -> u64 {
        self.first
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// When the oldest entry came.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.entries.front().map(|entry| entry.claim.arrival_ms)
    }

    /// What all of it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        // A slot of a hash map has its entry and a byte, of eight slots seven are used.
        let slots = self.numbers.capacity() * (size_of::<([u8; 16], u64)>() + 1) * 8 / 7;
        self.entries.capacity() * size_of::<Entry>() + slots + self.answer_bytes
    }
}
