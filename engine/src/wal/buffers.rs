//! Buffers that are used again: fresh memory costs a page fault for each 4 KiB, and that is more than
//! what is written to it.

use parking_lot::Mutex;

/// Buffers that are kept: more threads than these seldom encode at the same time.
const KEPT_MAX: usize = 2;
/// The bytes of a buffer that is kept.
const KEPT_BYTES_MAX: usize = 4 << 20;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Calls `work` with an empty buffer that has room for `bytes`.
pub(super) fn with<T>(bytes: usize, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let kept = KEPT.lock().pop();
    let mut buffer = kept.unwrap_or_default();
    buffer.reserve(bytes);
    let done = work(&mut buffer);
    buffer.clear();
    if buffer.capacity() <= KEPT_BYTES_MAX {
        let mut kept = KEPT.lock();
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_empty_and_few_are_kept() {
        for bytes in [0, 10, KEPT_BYTES_MAX + 1] {
            let nested = with(bytes, |outer| {
                outer.extend_from_slice(b"outer");
                with(bytes, |middle| {
                    middle.push(1);
                    with(bytes, |inner| inner.len() + usize::from(inner.capacity() < bytes))
                })
            });
            assert_eq!(nested, 0);
        }
        let kept = KEPT.lock();
        assert!(kept.len() <= KEPT_MAX);
        assert!(kept.iter().all(|kept| kept.is_empty() && kept.capacity() <= KEPT_BYTES_MAX));
    }
}
