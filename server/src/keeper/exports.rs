//! Exports days when the schedule says, and tells what waits for it.
//!
//! - `X1` what was missed while no server ran is made up for at the start, as of the last time that the
//!   schedule names.
//! - `X2` a run that failed is told and tried again, whatever the schedule says: after a while that gets
//!   longer, for a day that can't be finished is sent again as a whole each time.

use super::Schedule;
use crate::serve::State;
use logstrata_archive::Archive;
use logstrata_engine::{DueDay, Timestamp, WaitingDay};
use std::sync::Arc;
use std::time::Duration;

/// How long it sleeps at a time: wall time may jump.
const SLEEP: Duration = Duration::from_secs(5);
/// How long after a failed run the next begins, at first and at most.
const RETRY_MIN: Duration = Duration::from_secs(5 * 60);
const RETRY_MAX: Duration = Duration::from_secs(4 * 60 * 60);
/// How often it is told what waits.
const TELL_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long something may be due and wait for its export, once it can be exported, before that is told.
const OVERDUE: i64 = 24 * 3_600 * 1_000_000_000;

/// How long the next try waits.
#[derive(Debug)]
struct Pause(Duration);

impl Pause {
    /// After another failure.
    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(RETRY_MAX);
        pause
    }
}

/// Exports until it is dropped.
pub(crate) async fn run(state: Arc<State>, archive: Arc<Archive>, schedule: Schedule) {
    let mut due = schedule.last(state.clock.now());
    let mut next = schedule.next(state.clock.now());
    let mut not_before = Duration::ZERO;
    let mut pause = Pause(RETRY_MIN);
    let mut told: Option<Duration> = None;
    loop {
        let (now, monotonic) = (state.clock.now(), state.clock.monotonic());
        if let Some(at) = next.filter(|at| *at <= now) {
            (due, not_before) = (Some(at), Duration::ZERO);
        }
        // Also if the clock was set back.
        next = match next {
            Some(at) if at > now => schedule.next(now).map(|next| next.min(at)),
            _ => schedule.next(now),
        };
        if let Some(as_of) = due.filter(|_| monotonic >= not_before) {
            match archive.export(as_of, None).await {
                Ok(done) => {
                    (due, pause) = (None, Pause(RETRY_MIN));
                    if done.days > 0 {
                        let (days, files, events) = (done.days, done.files, done.events);
                        tracing::info!(days, files, events, bytes = done.bytes, "exported");
                    }
                }
                Err(error) => {
                    let pause = pause.next();
                    not_before = state.clock.monotonic() + pause;
                    let seconds = pause.as_secs();
                    tracing::warn!(%error, seconds, "days could not be exported; it is tried again");
                }
            }
        }
        if told.is_none_or(|told| monotonic.saturating_sub(told) >= TELL_EVERY) {
            told = Some(monotonic);
            tell_overdue(&state, now).await;
        }
        tokio::time::sleep(SLEEP).await;
    }
}

/// Whether something has waited for its export for too long.
pub(crate) fn is_overdue(waiting: &WaitingDay, now: Timestamp) -> bool {
    now.0.saturating_sub(waiting.since.0) > OVERDUE
}

async fn tell_overdue(state: &Arc<State>, now: Timestamp) {
    let engine = Arc::clone(&state.engine);
    let Ok(waiting) = state.holds.run(move || engine.waiting_for_export(now)).await else {
        return;
    };
    for overdue in waiting.iter().filter(|of| is_overdue(of, now)) {
        let DueDay { tenant, class, day, due, waiting, .. } = &overdue.day;
        let events = waiting.events;
        tracing::warn!(
            tenant, class, %day, %due, events,
            "due for more than a day, and kept: it was not exported yet"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_runs_are_tried_again_later_and_later() {
        let mut pause = Pause(RETRY_MIN);
        let minutes: Vec<u64> = (0..8).map(|_| pause.next().as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 240, 240]);
    }
}
