//! Buffers of bodies that were taken, for those to come: fresh memory costs a page fault for each 4 KiB,
//! and they are more than what a body is copied for.
//!
//! What is kept stays reserved, and is let go once a body is refused memory.

use logstrata_engine::{Consumer, Pool, Refused, Reservation};
use parking_lot::Mutex;
use std::sync::Arc;

/// Buffers that are kept: about as many bodies are decoded at a time.
const BUFFERS_MAX: usize = 4;
/// Smaller ones are no more than the allocator has at hand.
const BYTES_MIN: usize = 256 << 10;
/// The bytes of one.
const BYTES_MAX: usize = 4 << 20;
/// The part of ingest's share that all may have.
const PART_OF_SHARE: usize = 8;

/// What is kept.
#[derive(Debug)]
pub(super) struct Kept {
    buffers: Mutex<Vec<Buffer>>,
    bytes_max: usize,
}

/// A buffer, and the memory that it takes.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    memory: Reservation,
}

impl Kept {
    /// Nothing yet.
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        let budget = usize::try_from(pool.status().budget).unwrap_or(usize::MAX);
        let bytes_max = Pool::guaranteed(Consumer::Ingest, budget) / PART_OF_SHARE;
        Self { buffers: Mutex::default(), bytes_max }
    }

    /// An empty buffer of `bytes` at least, with its memory; `None` if none is so large.
    pub(super) fn take(&self, bytes: usize) -> Option<(Vec<u8>, Reservation)> {
        let mut buffers = self.buffers.lock();
        let fits = |buffer: &Buffer| buffer.bytes.capacity() >= bytes;
        let place = buffers.iter().rposition(fits).filter(|_| bytes >= BYTES_MIN)?;
        let Buffer { mut bytes, memory } = buffers.swap_remove(place);
        bytes.clear();
        Some((bytes, memory))
    }

    /// What to allocate for so many bytes: bodies of one sender are not all of one size.
    pub(super) fn capacity_for(bytes: usize) -> usize {
        let roomy = (bytes + bytes / 8).next_multiple_of(BYTES_MIN);
        if bytes >= BYTES_MIN && roomy <= BYTES_MAX { roomy } else { bytes }
    }

    /// Keeps a buffer if it is worth it; `memory` is what is reserved for it.
    pub(super) fn keep(&self, bytes: Vec<u8>, mut memory: Reservation) {
        let capacity = bytes.capacity();
        if !(BYTES_MIN..=BYTES_MAX).contains(&capacity) || memory.grow_to(capacity, 0).is_err() {
            return;
        }
        let mut buffers = self.buffers.lock();
        if buffers.len() == BUFFERS_MAX {
            let sizes = buffers.iter().map(|buffer| buffer.bytes.capacity()).enumerate();
            let least = sizes.min_by_key(|(_, size)| *size);
            let Some((place, _)) = least.filter(|(_, size)| *size < capacity) else { return };
            buffers.swap_remove(place);
        }
        let kept: usize = buffers.iter().map(|buffer| buffer.bytes.capacity()).sum();
        if kept + capacity <= self.bytes_max {
            buffers.push(Buffer { bytes, memory });
        }
    }

    /// Asks for memory; where it is refused, once more without what is kept.
    pub(super) fn or_without<T>(
        &self,
        mut ask: impl FnMut() -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        ask().or_else(|refused| {
            let let_go = std::mem::take(&mut *self.buffers.lock());
            if let_go.is_empty() {
                return Err(refused);
            }
            drop(let_go);
            ask()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn reserve(pool: &Arc<Pool>, bytes: usize) -> Reservation {
        pool.reserve(Consumer::Ingest, bytes).expect("there is room")
    }

    #[test]
    fn buffers_are_used_again_and_stay_reserved() {
        let pool = Pool::new(1 << 30);
        let kept = Kept::new(&pool);
        assert!(kept.take(MIB).is_none());
        let mut bytes = Vec::with_capacity(Kept::capacity_for(MIB));
        bytes.extend_from_slice(b"body");
        let (place, capacity) = (bytes.as_ptr(), bytes.capacity());
        assert!(capacity > MIB);
        kept.keep(bytes, reserve(&pool, MIB));
        assert_eq!(pool.status().ingest, capacity as u64);
        assert!(kept.take(capacity + 1).is_none() && kept.take(10).is_none());
        let (bytes, memory) = kept.take(MIB + MIB / 9).expect("it is there");
        assert!(bytes.is_empty() && bytes.as_ptr() == place);
        assert_eq!(memory.bytes(), capacity);
        assert!(kept.take(MIB).is_none());
        drop(memory);
        assert_eq!(pool.status().ingest, 0);
    }

    #[test]
    fn few_are_kept_and_none_that_is_small_or_large() {
        let pool = Pool::new(1 << 30);
        let kept = Kept::new(&pool);
        let keep = |bytes: usize| kept.keep(Vec::with_capacity(bytes), reserve(&pool, bytes));
        keep(BYTES_MIN - 1);
        keep(BYTES_MAX + 1);
        assert_eq!(pool.status().ingest, 0);
        (0..BUFFERS_MAX).for_each(|_| keep(BYTES_MIN));
        assert_eq!(pool.status().ingest, (BUFFERS_MAX * BYTES_MIN) as u64);
        // A larger one in the place of a smaller.
        keep(2 * BYTES_MIN);
        keep(BYTES_MIN);
        assert_eq!(pool.status().ingest, ((BUFFERS_MAX + 1) * BYTES_MIN) as u64);
        // Of a small budget it is a small part.
        let pool = Pool::new(64 << 20);
        let kept = Kept::new(&pool);
        for _ in 0..BUFFERS_MAX {
            kept.keep(Vec::with_capacity(2 * MIB), reserve(&pool, 2 * MIB));
        }
        assert_eq!(pool.status().ingest, 2 << 20);
    }

    #[test]
    fn what_is_kept_gives_way() {
        let pool = Pool::new(64 << 20);
        let kept = Kept::new(&pool);
        kept.keep(Vec::with_capacity(2 * MIB), reserve(&pool, 2 * MIB));
        let mut others = reserve(&pool, 0);
        while others.grow(MIB).is_ok() {}
        let ask = || pool.reserve(Consumer::Ingest, 2 * MIB);
        assert!(ask().is_err());
        let memory = kept.or_without(ask).expect("what was kept is enough");
        assert!(kept.or_without(ask).is_err());
        drop((memory, others));
        assert_eq!(pool.status().ingest, 0);
    }
}
