//! The keeper: drops what is due, and reports once a day.
//!
//! - `K1` what is due goes within ten minutes, unless it is held or came late; the report is for people.
//! - `K2` a run that failed is told and tried again; nothing else depends on it.

pub(crate) mod exports;
mod schedule;

pub use schedule::Schedule;
pub(crate) use schedule::zone_of;

use crate::serve::State;
use crate::units::format_bytes;
use logstrata_engine::{DueDay, RetentionRun, RunKind, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// How often the keeper looks whether something is due.
const LOOK_AFTER: Duration = Duration::from_secs(10 * 60);
/// How long it sleeps at a time: wall time may jump, and then its schedule is another; and a store that
/// makes room by itself has to do so before it is much beyond its budget.
const SLEEP: Duration = Duration::from_secs(5);

/// Looks, drops and reports until it is dropped itself.
pub(crate) async fn run(state: Arc<State>, schedule: Schedule) {
    let mut looked: Option<Duration> = None;
    let mut report = schedule.next(state.clock.now());
    loop {
        let (now, monotonic) = (state.clock.now(), state.clock.monotonic());
        if looked.is_none_or(|looked| monotonic.saturating_sub(looked) >= LOOK_AFTER) {
            looked = Some(monotonic);
            drop_due(&state).await;
        }
        if state.limits.disk_budget.is_some() {
            evict(&state).await;
        }
        if report.is_some_and(|at| at <= now) {
            tell(&state).await;
        }
        // Also if the clock was set back: a report that was due tomorrow may be due today.
        report = match report {
            Some(at) if at > now => schedule.next(now).map(|next| next.min(at)),
            _ => schedule.next(now),
        };
        tokio::time::sleep(SLEEP).await;
    }
}

async fn evict(state: &Arc<State>) {
    let engine = Arc::clone(&state.engine);
    let run = state.keeper.run(move || engine.evict()).await;
    match run {
        Ok(Ok(run)) => {
            for DueDay { tenant, class, day, due, dropped, .. } in &run.days {
                if dropped.sections > 0 {
                    let (sections, events) = (dropped.sections, dropped.events);
                    let bytes = format_bytes(dropped.bytes);
                    tracing::warn!(
                        tenant, class, %day, %due, sections, events, bytes,
                        "dropped before it was due: the budget of the disk is passed"
                    );
                }
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "no room could be made; it is tried again"),
        Err(error) => tracing::warn!(error = error.detail().message, "the keeper could not run"),
    }
}

async fn drop_due(state: &Arc<State>) {
    let engine = Arc::clone(&state.engine);
    match state.keeper.run(move || engine.drop_due(RunKind::Scheduled)).await {
        Ok(Ok(run)) => log(&run),
        Ok(Err(error)) => {
            tracing::warn!(%error, "what is due could not be dropped; it is tried again")
        }
        Err(error) => tracing::warn!(error = error.detail().message, "the keeper could not run"),
    }
}

/// Tells what a run has done: each class and day that went.
pub(crate) fn log(run: &RetentionRun) {
    if let Some(why) = &run.suspended {
        tracing::warn!(why, "nothing is dropped");
    }
    for DueDay { tenant, class, day, due, dropped, holds, .. } in &run.days {
        if dropped.sections > 0 {
            let (sections, events) = (dropped.sections, dropped.events);
            let bytes = format_bytes(dropped.bytes);
            tracing::info!(tenant, class, %day, %due, sections, events, bytes, "dropped what was due");
        }
        if !holds.is_empty() {
            tracing::debug!(tenant, class, %day, %due, ?holds, "held, although it is due");
        }
    }
}

/// The report: how each class stands.
async fn tell(state: &Arc<State>) {
    let engine = Arc::clone(&state.engine);
    let Ok(status) = state.keeper.run(move || engine.retention_status()).await else { return };
    if let Some(why) = &status.suspended {
        tracing::warn!(why, "nothing is dropped");
    }
    for class in status.classes.iter().filter(|class| class.stored.sections > 0) {
        let next_drop = class.next_drop.as_ref().map(Timestamp::to_string).unwrap_or_default();
        tracing::info!(
            class = class.name,
            sections = class.stored.sections,
            events = class.stored.events,
            bytes = format_bytes(class.stored.bytes),
            next_drop,
            holds = class.holds.len(),
            "kept"
        );
    }
}
