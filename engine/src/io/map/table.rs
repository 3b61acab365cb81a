//! The live mappings, as a signal handler can read them: a fixed table of atomics.
//!
//! - `T1` the slot of a mapping stays as it is while anyone can read the mapping: a handler that
//!   runs because of such a read finds it.
//! - `T2` a slot that changes while it is read is no match: its version is odd or another one.
//! - `T3` the handler takes no lock and allocates nothing; only inserting and removing do.

use parking_lot::Mutex;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

/// A fixed number of mappings.
pub(super) struct Table<const SLOTS: usize> {
    slots: [Slot; SLOTS],
    free: Mutex<Free>,
}

struct Free {
    /// Slots that were used and are not any more.
    returned: Vec<usize>,
    /// Slots from here on were never used.
    fresh: usize,
}

struct Slot {
    /// Odd while the slot changes, and rises with each change.
    version: AtomicU64,
    start: AtomicUsize,
    /// As `start` if the slot is free.
    end: AtomicUsize,
    faulted: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            faulted: AtomicBool::new(false),
        }
    }

    /// Only under the lock of the table. Sequentially consistent throughout: this is rare, and
    /// then no order of the parts needs an argument of its own.
    fn set(&self, addresses: &Range<usize>) {
        self.version.fetch_add(1, SeqCst);
        self.start.store(addresses.start, SeqCst);
        self.end.store(addresses.end, SeqCst);
        self.faulted.store(false, SeqCst);
        self.version.fetch_add(1, SeqCst);
    }

    fn contains(&self, address: usize) -> bool {
        let version = self.version.load(SeqCst);
        let within = (self.start.load(SeqCst)..self.end.load(SeqCst)).contains(&address);
        within && version.is_multiple_of(2) && self.version.load(SeqCst) == version
    }
}

impl<const SLOTS: usize> Table<SLOTS> {
    pub(super) const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; SLOTS],
            free: Mutex::new(Free { returned: Vec::new(), fresh: 0 }),
        }
    }

    /// Takes in a mapping at these addresses, which overlap no other's. Returns its slot; `None`
    /// if all are taken.
    pub(super) fn insert(&self, addresses: &Range<usize>) -> Option<usize> {
        let mut free = self.free.lock();
        let slot = match free.returned.pop() {
            Some(slot) => slot,
            None if free.fresh < SLOTS => {
                free.fresh += 1;
                free.fresh - 1
            }
            None => return None,
        };
        self.slots[slot].set(addresses);
        Some(slot)
    }

    /// Gives a slot back. From now on a fault at its addresses is not expected.
    pub(super) fn remove(&self, slot: usize) {
        let mut free = self.free.lock();
        self.slots[slot].set(&(0..0));
        free.returned.push(slot);
    }

    /// Marks the mapping that has this address as faulted; whether there is one. For the handler.
    pub(super) fn fault_at(&self, address: usize) -> bool {
        match self.slots.iter().find(|slot| slot.contains(address)) {
            Some(slot) => {
                slot.faulted.store(true, SeqCst);
                true
            }
            None => false,
        }
    }

    /// Whether reading the mapping has ever failed.
    pub(super) fn has_faulted(&self, slot: usize) -> bool {
        self.slots[slot].faulted.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_marks_the_mapping_that_has_the_address() {
        let table = Table::<3>::new();
        let low = table.insert(&(0x1000..0x3000)).unwrap();
        let high = table.insert(&(0x3000..0x4000)).unwrap();
        assert!(!table.fault_at(0xfff) && !table.fault_at(0x4000) && !table.fault_at(0));
        assert!(table.fault_at(0x3000));
        assert!(table.has_faulted(high) && !table.has_faulted(low));
        assert!(table.fault_at(0x2fff));
        assert!(table.has_faulted(low));
    }

    #[test]
    fn slots_are_used_again_without_their_marks() {
        let table = Table::<2>::new();
        let first = table.insert(&(0x1000..0x2000)).unwrap();
        let second = table.insert(&(0x2000..0x3000)).unwrap();
        assert_eq!(table.insert(&(0x3000..0x4000)), None);
        assert!(table.fault_at(0x1000));
        table.remove(first);
        assert!(!table.fault_at(0x1000));
        let third = table.insert(&(0x5000..0x6000)).unwrap();
        assert_eq!(third, first);
        assert!(!table.has_faulted(third));
        assert!(table.fault_at(0x2000) && table.has_faulted(second) && !table.has_faulted(third));
    }

    /// A handler never takes a slot that is being changed for one that holds its address.
    #[test]
    fn a_changing_slot_never_matches_an_address_between() {
        let rounds = if cfg!(miri) { 100 } else { 100_000 };
        let table = Table::<1>::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let slot = table.insert(&(0x1000..0x2000)).unwrap();
                    table.remove(slot);
                    let slot = table.insert(&(0x8000..0x9000)).unwrap();
                    table.remove(slot);
                }
            });
            for _ in 0..rounds {
                // Between a low start and a high end that never belonged together.
                assert!(!table.fault_at(0x4000));
            }
        });
    }
}
