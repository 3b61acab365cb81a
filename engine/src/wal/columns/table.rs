//! Texts that come again, each once.

use xxhash_rust::xxh3::xxh3_64;

/// Slots of a table at first.
const SLOTS: usize = 512;
/// Slots that are looked at: who chooses texts whose hashes collide finds the table full.
const PROBES_MAX: usize = 64;

/// Codes by hash, in order of first occurrence.
#[derive(Debug)]
struct Table {
    /// A code and one; zero is free. With half of them free, probes are short.
    slots: Vec<u32>,
    hashes: Vec<u64>,
}

/// Distinct texts, in order of first occurrence.
#[derive(Debug)]
pub(super) struct Distinct {
    table: Table,
    /// Where each begins, and where the last ends.
    bounds: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for Distinct {
    fn default() -> Self {
        let table = Table { slots: vec![0; SLOTS], hashes: Vec::new() };
        Self { table, bounds: vec![0], bytes: Vec::new() }
    }
}

impl Distinct {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Where they end, and all of them one behind the other.
    pub(super) fn texts(&self) -> (&[u32], &[u8]) {
        (&self.bounds[1..], &self.bytes)
    }

    /// A text; panics past the last.
    #[inline]
    pub(super) fn text(&self, code: usize) -> &[u8] {
        &self.bytes[self.bounds[code] as usize..self.bounds[code + 1] as usize]
    }

    /// What is allocated.
    pub(super) fn memory(&self) -> usize {
        let Table { slots, hashes } = &self.table;
        slots.capacity() * 4
            + hashes.capacity() * 8
            + self.bounds.capacity() * 4
            + self.bytes.capacity()
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.table.slots.clear();
        self.table.slots.resize(SLOTS, 0);
        self.table.hashes.clear();
        self.bounds.truncate(1);
        self.bytes.clear();
    }

    /// The code of a text, which is that of a new one if there `may` be one more; `None` if there may
    /// not, or if too many others have hashes like it.
    #[inline]
    pub(super) fn code(&mut self, text: &[u8], may: bool) -> Option<usize> {
        let hash = hash(text);
        let mask = self.table.slots.len() - 1;
        let mut slot = hash as usize & mask;
        for _ in 0..PROBES_MAX {
            let found = self.table.slots[slot] as usize;
            if found == 0 {
                return may.then(|| self.insert(slot, hash, text));
            }
            let code = found - 1;
            if self.table.hashes[code] == hash && is_equal(self.text(code), text) {
                return Some(code);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    fn insert(&mut self, slot: usize, hash: u64, text: &[u8]) -> usize {
        let code = self.len();
        self.bytes.extend_from_slice(text);
        // Batches are far below 4 GiB.
        self.bounds.push(self.bytes.len() as u32);
        self.table.insert(slot, hash);
        code
    }
}

impl Table {
    fn insert(&mut self, slot: usize, hash: u64) {
        self.hashes.push(hash);
        self.slots[slot] = self.hashes.len() as u32;
        if self.hashes.len() * 2 <= self.slots.len() {
            return;
        }
        let len = self.slots.len() * 4;
        self.slots.clear();
        self.slots.resize(len, 0);
        for (hash, code) in self.hashes.iter().zip(1..) {
            let mut slot = *hash as usize & (len - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (len - 1);
            }
            self.slots[slot] = code;
        }
    }
}

/// The hash of a text, cheap for a short one.
#[inline]
fn hash(text: &[u8]) -> u64 {
    let Some((first, last)) = ends(text) else { return xxh3_64(text) };
    let last = last ^ 0xbf58_476d_1ce4_e5b9 ^ text.len() as u64;
    let product = u128::from(first ^ 0x9e37_79b9_7f4a_7c15) * u128::from(last);
    product as u64 ^ (product >> 64) as u64
}

/// Whether two texts are the same, mostly short ones.
#[inline]
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && match ends(a) {
            Some(ends_of_a) => Some(ends_of_a) == ends(b),
            None => a == b,
        }
}

/// The first and the last bytes of a text that has no others.
#[inline]
fn ends(text: &[u8]) -> Option<(u64, u64)> {
    if text.len() > 16 {
        return None;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return Some((u64::from_le_bytes(*first), u64::from_le_bytes(*last)));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return Some((u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()));
    }
    Some((text.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0))
}
