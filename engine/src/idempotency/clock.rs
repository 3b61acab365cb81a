//! The clock by which keys age.
//!
//! The wall clock may jump by a day either way, and a key that is forgotten early is a batch that is
//! stored twice. So keys count the time in which the store was open: monotonic time, and at an
//! opening it goes on from the last moment that a key or a file of keys tells of. Time in which no
//! server runs makes no key older: a sender has no use for its key then.

use crate::io::Clock;
use std::sync::Arc;

/// Milliseconds that never fall. The first of a store are those of the wall clock.
#[derive(Debug)]
pub(super) struct KeyClock {
    clock: Arc<dyn Clock>,
    /// What has to be added to monotonic time; `None` until the clock is asked or told.
    offset_ms: Option<i64>,
}

impl KeyClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, offset_ms: None }
    }

    /// The time.
    pub(super) fn now_ms(&mut self) -> i64 {
        let monotonic = self.monotonic_ms();
        let wall = || self.clock.now().millis().saturating_sub(monotonic);
        monotonic.saturating_add(*self.offset_ms.get_or_insert_with(wall))
    }

    /// It is not earlier than `moment_ms`, which this clock has shown in this life of the store or
    /// in one before.
    pub(super) fn heed(&mut self, moment_ms: i64) {
        let offset_ms = moment_ms.saturating_sub(self.monotonic_ms());
        self.offset_ms = Some(self.offset_ms.map_or(offset_ms, |offset| offset.max(offset_ms)));
    }

    fn monotonic_ms(&self) -> i64 {
        i64::try_from(self.clock.monotonic().as_millis()).unwrap_or(i64::MAX)
    }
}
