//! `/api/v1/retention`: how long events are kept, what is due, what is held.

use super::hints::hints;
use super::{Call, Outcome, querying};
use crate::keeper::{self, exports::is_overdue};
use crate::serve::State;
use crate::status::{ApiError, json};
use crate::units::format_duration;
use logstrata_client::wire::{
    ErrorKind, HoldAnswer, HoldCoverAnswer, HoldMadeAnswer, HoldQuery, HoldsAnswer,
    ReleasedHoldAnswer, RetentionAnswer, RetentionClass, RetentionDay, RetentionRunAnswer,
    StoredAmount,
};
use logstrata_engine::query::parse;
use logstrata_engine::{
    Amount, ClassStatus, Day, DueDay, Engine, Hold, HoldCover, HoldRequest, HoldScope, Keep,
    ReleasedHold, Result as EngineResult, RetentionRun, RunKind, Timestamp, WaitingDay,
    days_from_civil,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the answer to whoever makes a hold waits for what it covers.
const COVERS_WITHIN: Duration = Duration::from_secs(2);

/// How each class stands.
pub(super) async fn get(call: Call) -> Outcome {
    call.params(&[])?;
    let now = call.state.clock.now();
    let status = with(&call, Engine::retention_status).await?;
    let waiting = with(&call, move |engine| engine.waiting_for_export(now)).await?;
    let failed = call.state.archive.as_ref().and_then(|archive| archive.export_error());
    let copied = match call.state.archive.clone() {
        Some(archive) => call.state.status.run(move || archive.status()).await??.classes,
        None => BTreeMap::new(),
    };
    answer(&RetentionAnswer {
        preset: status.preset.name().to_owned(),
        suspended: status.suspended,
        classes: status.classes.into_iter().map(|of| class(of, &copied)).collect(),
        holds: status.holds.into_iter().map(hold_of).collect(),
        warnings: warnings(&waiting, failed, now),
        waiting: waiting.into_iter().map(|of| day_of(of.day)).collect(),
    })
}

/// What has waited for its export for too long, and why anything waits at all.
fn warnings(
    waiting: &[WaitingDay],
    failed: Option<(Timestamp, String)>,
    now: Timestamp,
) -> Vec<String> {
    let overdue = waiting.iter().filter(|of| is_overdue(of, now)).map(|of| {
        let (DueDay { class, day, due, .. }, events) = (&of.day, of.day.waiting.events);
        format!(
            "{class} of {day} is due since {due}, and {events} events are kept: they were not exported yet"
        )
    });
    let failed = failed.filter(|_| !waiting.is_empty());
    let failed = failed.map(|(at, why)| format!("the daily export failed at {at}: {why}"));
    overdue.chain(failed).collect()
}

/// Drops what is due, or says what would go.
pub(super) async fn run(call: Call) -> Outcome {
    let params = call.params_alone(&["dry_run", "force"])?;
    let (dry_run, force) = (params.flag("dry_run")?, params.switch("force")?);
    let kind = if force { RunKind::Forced } else { RunKind::Requested };
    let now = call.state.clock.now();
    let engine = call.state.engine.clone();
    let run = call.state.keeper.run(move || match dry_run {
        true => engine.retention_plan(now, kind),
        false => engine.drop_due(kind),
    });
    let run = run.await??;
    if !dry_run {
        keeper::log(&run);
    }
    answer(&run_of(run, dry_run))
}

/// Takes the word of whoever calls that the clock is right.
pub(super) async fn resume(call: Call) -> Outcome {
    call.params_alone(&[])?;
    with(&call, Engine::resume_drops).await??;
    tracing::info!("drops go on: somebody says that the clock is right");
    Ok(json(b"{\"resumed\":true}".to_vec()))
}

/// What is held.
pub(super) async fn holds(call: Call) -> Outcome {
    let released = call.params(&["released"])?.flag("released")?;
    let ended = move |engine: &Engine| released.then(|| engine.released_holds());
    let (holds, ended) = with(&call, move |engine| (engine.holds(), ended(engine))).await?;
    answer(&HoldsAnswer {
        holds: holds.into_iter().map(hold_of).collect(),
        released: ended.map(|ended| ended.into_iter().map(released_of).collect()),
    })
}

/// Holds something.
pub(super) async fn hold(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(HoldQuery::PARAMETERS).await?;
    let text = |name: &str| params.get(name).map(str::to_owned);
    let day = |name: &str| params.get(name).map(|text| parse_day(name, text)).transpose();
    let scope = HoldScope {
        class: text("class"),
        tenant: text("tenant"),
        from: day("from_day")?,
        to: day("to_day")?,
        query: text("q"),
    };
    let request = HoldRequest {
        scope,
        owner: text("owner").unwrap_or_default(),
        reason: text("reason").unwrap_or_default(),
        review: day("review")?,
    };
    let engine = state.engine.clone();
    let hold: EngineResult<Hold> = state.holds.run(move || engine.hold(request)).await?;
    let hold = hold?;
    tracing::info!(id = hold.id, owner = hold.owner, reason = hold.reason, "held");
    let (covers, warnings) = covered(&state, hold.clone()).await;
    answer(&HoldMadeAnswer { hold: hold_of(hold), covers, warnings })
}

/// What a hold that is in force covers, if that is found in a short time, and what may be wrong with it.
async fn covered(state: &Arc<State>, hold: Hold) -> (Option<HoldCoverAnswer>, Vec<String>) {
    let (engine, of) = (state.engine.clone(), hold.clone());
    let warned = state.holds.run(move || engine.hold_warnings(&of)).await;
    let mut warnings = warned.unwrap_or_default();
    let until = state.clock.monotonic().saturating_add(COVERS_WITHIN);
    let of = hold.clone();
    let counted = querying::run_until(state, Some(until), move |state, control| {
        Ok(state.engine.hold_cover(&of, control)?)
    });
    let covers = counted.await.ok().map(|HoldCover { stored, in_memory }| {
        let Amount { sections, events, bytes } = stored;
        HoldCoverAnswer { sections, events, bytes, in_memory }
    });
    if let Some(text) = &hold.scope.query
        && let Ok(filter) = parse(text)
    {
        let covers_nothing = covers.is_some_and(|covers| covers == HoldCoverAnswer::default());
        warnings.extend(hints(text, &filter, covers_nothing));
    }
    (covers, warnings)
}

/// Ends a hold.
pub(super) async fn release(call: Call) -> Outcome {
    let params = call.params_alone(&["by", "reason"])?;
    let (by, reason) = (params.text("by"), params.text("reason"));
    let by = by.ok_or_else(|| ApiError::invalid("say who releases the hold: by=ann"))?;
    let id = call.segment()?;
    let id: u64 = id.parse().map_err(|_| ApiError::invalid("a hold is named by its number"))?;
    let release = move |engine: &Engine| engine.release_hold(id, &by, reason.as_deref());
    let Some(released) = with(&call, release).await?? else {
        return Err(ApiError::new(ErrorKind::NotFound, "there is no hold of this number"));
    };
    tracing::info!(id, by = released.by, reason = released.reason, "a hold was released");
    answer(&released_of(released))
}

/// What the engine answers, on a thread that may wait.
async fn with<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce(&Engine) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let engine = call.state.engine.clone();
    call.state.holds.run(move || work(&engine)).await
}

fn answer(body: &impl Serialize) -> Outcome {
    Ok(json(serde_json::to_vec(body).expect("plain values always serialize")))
}

/// A day of the calendar, like `2026-11-21`.
pub(super) fn parse_day(name: &str, text: &str) -> Result<Day, ApiError> {
    let day = || {
        let mut parts = text.split('-').map(|part| part.parse::<u32>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let known = (1..=9_999).contains(&year) && (1..=12).contains(&month);
        let days = known.then(|| days_from_civil(year.into(), month, day.clamp(1, 31)))?;
        // What is no day of its month is shown as another.
        Some(Day(i32::try_from(days).ok()?)).filter(|day| day.to_string() == text)
    };
    day().ok_or_else(|| ApiError::invalid(format!("{name} has to be a day, like 2026-11-21")))
}

/// How long something is kept, as it is written in the configuration.
pub(crate) fn keep_text(keep: Keep) -> String {
    keep.duration().map_or_else(|| "forever".to_owned(), format_duration)
}

fn amount(amount: Amount) -> StoredAmount {
    let Amount { sections, events, bytes } = amount;
    StoredAmount { sections, events, bytes }
}

/// `copied` is what the archive has of each class, in bytes.
fn class(status: ClassStatus, copied: &BTreeMap<Arc<str>, u64>) -> RetentionClass {
    let rule = status.rule;
    let rule = rule.as_ref();
    RetentionClass {
        matches: rule.map(|rule| rule.matches.clone()),
        keep: keep_text(rule.map_or(Keep::Forever, |rule| rule.keep)),
        local_keep: rule.and_then(|rule| rule.local_keep).map(keep_text),
        export: rule.is_some_and(|rule| rule.export),
        clock: rule.map_or("event", |rule| rule.clock.name()).to_owned(),
        configured: status.is_configured,
        stored: amount(status.stored),
        bytes_local: status.stored.bytes.saturating_sub(status.evicted.bytes),
        bytes_remote: copied.get(&*status.name).copied().unwrap_or(0),
        events_in_memory: status.events_in_memory,
        oldest: status.oldest.map(|day| day.to_string()),
        next_drop: status.next_drop.map(|at| at.to_string()),
        holds: status.holds,
        name: status.name,
    }
}

fn hold_of(hold: Hold) -> HoldAnswer {
    let HoldScope { class, tenant, from, to, query } = hold.scope;
    let day = |day: Option<Day>| day.map(|day| day.to_string());
    HoldAnswer {
        id: hold.id,
        class,
        tenant,
        from: day(from),
        to: day(to),
        q: query,
        owner: hold.owner,
        reason: hold.reason,
        created: hold.created.to_string(),
        review: day(hold.review),
    }
}

fn released_of(released: ReleasedHold) -> ReleasedHoldAnswer {
    let ReleasedHold { hold, by, reason, at } = released;
    ReleasedHoldAnswer {
        hold: hold_of(hold),
        released_by: by,
        released: at.to_string(),
        release_reason: reason,
    }
}

fn run_of(run: RetentionRun, dry_run: bool) -> RetentionRunAnswer {
    RetentionRunAnswer {
        dry_run,
        dropped: amount(run.dropped()),
        held: amount(run.held()),
        waiting: amount(run.waiting()),
        in_memory: run.in_memory,
        suspended: run.suspended,
        days: run.days.into_iter().map(day_of).collect(),
    }
}

fn day_of(day: DueDay) -> RetentionDay {
    RetentionDay {
        tenant: day.tenant,
        class: day.class,
        day: day.day.to_string(),
        due: day.due.to_string(),
        dropped: amount(day.dropped),
        held: amount(day.held),
        waiting: amount(day.waiting),
        holds: day.holds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_of_the_calendar() {
        let day = |text: &str| parse_day("from_day", text).ok().map(|day| day.0);
        assert_eq!(day("1970-01-02"), Some(1));
        assert_eq!(day("2028-02-29"), Some(21_243));
        for text in ["2027-02-29", "2026-13-01", "2026-00-01", "2026-1-1", "x", "2026-01-01-01", ""]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
