//! Buffers that are used again: fresh memory costs a page fault for each 4 KiB, and that is more than
//! what is written to it.

use super::columns::Encoder;
use parking_lot::Mutex;

/// Buffers that are kept: more threads than these seldom encode at the same time.
const KEPT_MAX: usize = 2;
/// The bytes of one that is kept.
const KEPT_BYTES_MAX: usize = 4 << 20;

static KEPT: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());

/// What a record is made in. What they hold is of the record before.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Of rows before compression.
    pub(super) raw: Vec<u8>,
    pub(super) encoder: Encoder,
}

impl Buffers {
    /// What is allocated.
    fn memory(&self) -> usize {
        self.raw.capacity() + self.encoder.memory()
    }
}

/// Calls `work` with buffers.
pub(super) fn with<T>(work: impl FnOnce(&mut Buffers) -> T) -> T {
    let kept = KEPT.lock().pop();
    let mut buffers = kept.unwrap_or_default();
    let done = work(&mut buffers);
    if buffers.memory() <= KEPT_BYTES_MAX {
        let mut kept = KEPT.lock();
        if kept.len() < KEPT_MAX {
            kept.push(buffers);
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_buffers_are_kept_and_none_that_is_large() {
        for bytes in [0, 10, KEPT_BYTES_MAX + 1] {
            with(|outer| {
                outer.raw.reserve(bytes);
                with(|middle| {
                    middle.raw.reserve(bytes);
                    with(|inner| inner.raw.reserve(bytes));
                });
            });
        }
        let kept = KEPT.lock();
        assert!(kept.len() <= KEPT_MAX);
        assert!(kept.iter().all(|kept| kept.memory() <= KEPT_BYTES_MAX));
    }
}
