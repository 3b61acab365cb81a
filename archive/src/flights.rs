//! Pieces that are on their way: whoever wants one that another fetches waits for it.
//!
//! - `L1` a piece that is claimed is told or given up, whatever becomes of its claimer; who waits for one that
//!   is given up fetches it.
//! - `L2` nobody waits for others' pieces while others wait for a piece that it has not told.

use crate::cache::Key;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// All pieces that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, Arc<Flight>>>);

/// A piece on its way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// The piece, or that it was given up.
    landed: Mutex<Option<Option<Bytes>>>,
    bell: Condvar,
}

/// Pieces that the claimer fetches.
#[derive(Debug)]
pub(crate) struct Claim {
    flights: Arc<Flights>,
    mine: HashMap<Key, Arc<Flight>>,
}

impl Flights {
    /// Of these pieces those that nobody fetches, and the others.
    pub(crate) fn claim(
        self: &Arc<Self>,
        keys: impl Iterator<Item = Key>,
    ) -> (Claim, Vec<(Key, Arc<Flight>)>) {
        let mut flights = self.0.lock();
        let (mut mine, mut theirs) = (HashMap::new(), Vec::new());
        for key in keys {
            match flights.entry(key) {
                Entry::Occupied(other) => theirs.push((key, Arc::clone(other.get()))),
                Entry::Vacant(free) => {
                    mine.insert(key, Arc::clone(free.insert(Arc::default())));
                }
            }
        }
        drop(flights);
        (Claim { flights: Arc::clone(self), mine }, theirs)
    }

    /// From now on nobody waits for pieces of an object that were claimed before; who waits already does.
    pub(crate) fn forget(&self, object: &[u8; 32]) {
        self.0.lock().retain(|key, _| key.0 != *object);
    }

    /// Takes a flight out, unless another one took its place.
    fn end(&self, key: &Key, flight: &Arc<Flight>) {
        let mut flights = self.0.lock();
        if flights.get(key).is_some_and(|other| Arc::ptr_eq(other, flight)) {
            flights.remove(key);
        }
    }
}

impl Flight {
    /// Waits a while for the end of the flight. `None` if it has not ended; then nothing, if it was given up.
    pub(crate) fn landed_within(&self, time: Duration) -> Option<Option<Bytes>> {
        let mut landed = self.landed.lock();
        if landed.is_none() {
            self.bell.wait_for(&mut landed, time);
        }
        landed.clone()
    }

    fn land(&self, piece: Option<Bytes>) {
        *self.landed.lock() = Some(piece);
        self.bell.notify_all();
    }
}

impl Claim {
    /// The pieces that are to be fetched, in order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.mine.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// Gives up all pieces but those that are wanted still.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&Key) -> bool) {
        let flights = &self.flights;
        self.mine.retain(|key, flight| {
            let is_wanted = is_wanted(key);
            if !is_wanted {
                flights.end(key, flight);
                flight.land(None);
            }
            is_wanted
        });
    }

    /// Tells a piece to all who wait for it.
    pub(crate) fn tell(&mut self, key: &Key, piece: Bytes) {
        if let Some(flight) = self.mine.remove(key) {
            self.flights.end(key, &flight);
            flight.land(Some(piece));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for (key, flight) in self.mine.drain() {
            self.flights.end(&key, &flight);
            flight.land(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_fetched_once_and_told_or_given_up() {
        let flights = Arc::new(Flights::default());
        let keys: Vec<Key> = (0..3).map(|number| ([1; 32], number)).collect();
        let (mut claim, theirs) = flights.claim(keys.iter().copied());
        assert_eq!((claim.keys(), theirs.len()), (keys.clone(), 0));
        let (other, theirs) = flights.claim(keys.iter().copied());
        assert_eq!((other.keys(), theirs.len()), (vec![], 3));
        assert_eq!(theirs[0].1.landed_within(Duration::ZERO), None);
        claim.tell(&keys[0], Bytes::from_static(b"piece"));
        drop(claim);
        let landed: Vec<_> = theirs.iter().map(|f| f.1.landed_within(Duration::ZERO)).collect();
        assert_eq!(landed, [Some(Some(Bytes::from_static(b"piece"))), Some(None), Some(None)]);
        let (mut again, theirs) = flights.claim(keys.iter().copied());
        assert_eq!((again.keys(), theirs.len()), (keys.clone(), 0));
        flights.forget(&[2; 32]);
        assert_eq!(flights.0.lock().len(), 3);
        flights.forget(&[1; 32]);
        let (after, theirs) = flights.claim(keys.iter().copied());
        assert_eq!((after.keys(), theirs.len()), (keys.clone(), 0), "not what was damaged");
        again.tell(&keys[0], Bytes::from_static(b"old"));
        drop(again);
        let (_, theirs) = flights.claim(keys.iter().copied());
        assert_eq!(theirs.len(), 3);
        drop(after);
        assert!(flights.0.lock().is_empty());
    }
}
