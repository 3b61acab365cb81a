//! Whether the clock can be trusted to say that something is due. A machine whose clock jumps ahead by
//! years must not drop what it keeps (`docs/retention.md`, "When the clock jumps").
//!
//! - `C1` while the clock is not trusted, the manifest takes in no time from it: a restart finds the
//!   same doubt.
//! - `C2` doubt ends when somebody says so, or after a day in which wall time and monotonic time agree.

use super::rule::Keep;
use crate::io::Clock;
use crate::timestamp::{NS_PER_DAY, Timestamp};
use parking_lot::Mutex;
use std::time::Duration;

const NS_PER_HOUR: i64 = NS_PER_DAY / 24;
/// How far wall time may run ahead of monotonic time.
const AHEAD_MAX: i64 = NS_PER_HOUR;
/// How long a store may have been closed, at least, without doubt about the time.
const CLOSED_MIN: i64 = 48 * NS_PER_HOUR;
/// How far the clock may lie behind the latest time that a store knows when it is opened.
const BEHIND_MAX: i64 = 24 * NS_PER_HOUR;
/// For how long both clocks have to agree before they are trusted again.
const CONSISTENT_FOR: Duration = Duration::from_secs(86_400);

/// Compares wall time with monotonic time.
#[derive(Debug)]
pub(crate) struct ClockGuard {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Both clocks at a point since which they are compared.
    wall: i64,
    monotonic: Duration,
    /// Why the clock is not trusted, if it is not.
    doubt: Option<String>,
}

impl ClockGuard {
    /// Begins when a store is opened whose latest time is `high_water`, and whose shortest class is kept
    /// `shortest`.
    pub(crate) fn new(clock: &dyn Clock, high_water: Timestamp, shortest: Keep) -> Self {
        let now = clock.now();
        let share = match shortest {
            Keep::For(keep) => keep / 10,
            Keep::Forever => 0,
        };
        let away = now.0.saturating_sub(high_water.0);
        let is_doubted = away > CLOSED_MIN.max(share) || away < -BEHIND_MAX;
        let doubt = is_doubted.then(|| {
            format!(
                "the clock says {now}, and the store was last open at {high_water}: nothing is dropped \
                 until both clocks agree for a day, or `logstrata retention resume`"
            )
        });
        let (wall, monotonic) = (now.0, clock.monotonic());
        Self { state: Mutex::new(State { wall, monotonic, doubt }) }
    }

    /// The time, and why it is not trusted, if it is not.
    pub(crate) fn look(&self, clock: &dyn Clock) -> (Timestamp, Option<String>) {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let mut state = self.state.lock();
        let passed = monotonic.saturating_sub(state.monotonic);
        let ns = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
        let ahead = now.0.saturating_sub(state.wall).saturating_sub(ns);
        if ahead > AHEAD_MAX {
            let before = Timestamp(state.wall.saturating_add(ns));
            state.doubt = Some(format!(
                "the clock jumped from {before} to {now}: nothing is dropped until both clocks agree for \
                 a day, or `logstrata retention resume`"
            ));
            (state.wall, state.monotonic) = (now.0, monotonic);
        } else if ahead < -AHEAD_MAX {
            // Nothing becomes due by that. When it is set right again, that is doubted as a jump ahead.
            (state.wall, state.monotonic) = (now.0, monotonic);
        } else if passed >= CONSISTENT_FOR {
            // Steps of less than an hour don't add up to a jump.
            state.doubt = None;
            (state.wall, state.monotonic) = (now.0, monotonic);
        }
        (now, state.doubt.clone())
    }

    /// Takes somebody's word that the time is right.
    pub(crate) fn trust(&self, clock: &dyn Clock) {
        let mut state = self.state.lock();
        (state.wall, state.monotonic) = (clock.now().0, clock.monotonic());
        state.doubt = None;
    }
}
