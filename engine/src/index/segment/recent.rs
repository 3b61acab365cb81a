//! The values that came just before, to leave out those that come again.

use crate::event::Value;
use xxhash_rust::xxh3::xxh3_64;

/// Values remembered, by their hashes.
const VALUES: usize = 1_024;
/// Longer values are not remembered.
const VALUE_BYTES_MAX: usize = 4 << 10;
/// Bytes of values that are remembered at most; then all are forgotten.
const BYTES_MAX: usize = 256 << 10;

/// A direct-mapped memory of values: who makes hashes collide makes it forget. Values are compared
/// byte by byte, because equal hashes of different values can be made on purpose.
#[derive(Debug)]
pub(super) struct RecentValues {
    slots: Box<[Slot]>,
    texts: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u32,
    len: u32,
    tag: Option<Tag>,
}

/// What else makes the terms of two values, and where they go, the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag {
    kind: u8,
    is_exact: bool,
    frame: u16,
}

const EMPTY: Slot = Slot { start: 0, len: 0, tag: None };

impl RecentValues {
    pub(super) fn new() -> Self {
        Self { slots: vec![EMPTY; VALUES].into(), texts: Vec::new() }
    }

    pub(super) fn memory(&self) -> usize {
        self.texts.capacity()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.slots.fill(EMPTY);
        self.texts.clear();
    }

    /// Whether the value came before in a column that is exact or not, as this one, in the same frame,
    /// among the last ones; it is remembered.
    pub(super) fn is_recent(&mut self, value: Value<'_>, is_exact: bool, frame: usize) -> bool {
        let Value { kind, text } = value;
        if text.len() > VALUE_BYTES_MAX {
            return false;
        }
        let tag = Some(Tag { kind: kind as u8, is_exact, frame: frame as u16 });
        let at = xxh3_64(text) as usize % VALUES;
        let Slot { start, len, tag: before } = self.slots[at];
        if before == tag && self.texts[start as usize..][..len as usize] == *text {
            return true;
        }
        if self.texts.len() + text.len() > BYTES_MAX {
            self.clear();
        }
        let start = self.texts.len() as u32;
        self.slots[at] = Slot { start, len: text.len() as u32, tag };
        self.texts.extend_from_slice(text);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    #[test]
    fn values_are_told_apart_by_all_that_matters() {
        let mut recent = RecentValues::new();
        let mut is_recent = |kind, text: &[u8], is_exact, frame| {
            recent.is_recent(Value { kind, text }, is_exact, frame)
        };
        assert!(!is_recent(Kind::String, b"5e2", false, 0));
        assert!(is_recent(Kind::String, b"5e2", false, 0));
        assert!(!is_recent(Kind::Null, b"5e2", false, 0));
        assert!(!is_recent(Kind::Null, b"5e2", true, 0));
        assert!(!is_recent(Kind::Null, b"5e2", true, 1));
        assert!(is_recent(Kind::Null, b"5e2", true, 1));
        let long = vec![b'a'; VALUE_BYTES_MAX + 1];
        assert!(!is_recent(Kind::String, &long, true, 1));
        assert!(!is_recent(Kind::String, &long, true, 1));
    }

    #[test]
    fn what_no_longer_fits_is_forgotten() {
        let mut recent = RecentValues::new();
        for number in 0..5_000u32 {
            let text = number.to_string().repeat(40);
            let value = Value { kind: Kind::String, text: text.as_bytes() };
            assert!(!recent.is_recent(value, false, 0), "{number}");
            assert!(recent.is_recent(value, false, 0), "{number}");
        }
        assert!(recent.memory() <= 2 * BYTES_MAX);
    }
}
