//! `DELETE /api/v1/logs/purge`: what somebody names goes before it is due.
//!
//! - `C1` nothing goes without a confirmation, which a dry run of the very same rule gave not long ago; each
//!   serves once.
//! - `C2` what goes is what the dry run counted: not what came later, and nothing if the count has changed, or
//!   what is held.
//! - `C3` a purge that has begun goes on to its end, the archive's part included, whether somebody waits for
//!   the answer or not.
//! - `C4` a dry run keeps nobody from dropping what is due or making room, and ends when nobody waits for it.

use super::{Call, Outcome};
use crate::gate::CancelsWhenDropped;
use crate::serve::State;
use crate::status::{ApiError, json};
use crate::units::parse_duration;
use logstrata_client::wire::{
    ErrorKind, PurgeAnswer, PurgeDayAnswer, PurgeQuery, PurgedArchive, StoredAmount,
};
use logstrata_engine::io::Io;
use logstrata_engine::{
    Amount, Cancel, Counted, Engine, Level, PurgeRule, PurgeRun, Seq, Timestamp,
};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long a confirmation holds.
const CONFIRM_WITHIN: Duration = Duration::from_secs(600);
/// How many are remembered: the oldest gives way.
const CONFIRMATIONS_MAX: usize = 64;

/// Purges that were counted and wait to be confirmed.
#[derive(Debug, Default)]
pub(crate) struct Confirmations(Mutex<VecDeque<Confirmable>>);

/// A purge that was counted.
#[derive(Debug, Clone)]
struct Confirmable {
    confirm: String,
    asked: PurgeQuery,
    rule: PurgeRule,
    through: Seq,
    counted: Counted,
    since: Duration,
}

impl Confirmations {
    fn add(&self, counted: Confirmable) {
        let mut all = self.0.lock();
        if all.len() >= CONFIRMATIONS_MAX {
            all.pop_front();
        }
        all.push_back(counted);
    }

    /// `C1`
    fn take(&self, confirm: &str, asked: &PurgeQuery, now: Duration) -> Option<Confirmable> {
        let mut all = self.0.lock();
        all.retain(|counted| now.saturating_sub(counted.since) < CONFIRM_WITHIN);
        let at = all.iter().position(|c| c.confirm == confirm && c.asked == *asked)?;
        all.remove(at)
    }
}

/// Purges, or counts what would go.
pub(super) async fn purge(call: Call) -> Outcome {
    let params = call.params(PurgeQuery::PARAMETERS)?;
    let asked = PurgeQuery {
        older_than: params.text("older_than"),
        level: params.text("level"),
        class: params.text("class"),
        q: params.text("q"),
        exact: params.switch("exact")?,
    };
    let state = &call.state;
    match (params.flag("dry_run")?, params.text("confirm")) {
        (true, None) => count(state, asked).await,
        (false, Some(confirm)) => run(state, &asked, &confirm).await,
        (true, Some(_)) => Err(ApiError::invalid("a dry run needs no confirmation")),
        (false, None) => Err(ApiError::invalid(
            "a purge has to be confirmed: ask with dry_run=true first, then with what it answers as confirm",
        )),
    }
}

async fn count(state: &State, asked: PurgeQuery) -> Outcome {
    let rule = rule_of(&asked, state.clock.now())?;
    check_clock(&state.engine, &rule)?;
    let (engine, asked_for) = (state.engine.clone(), rule.clone());
    // `C4`
    let cancels = CancelsWhenDropped(Cancel::default());
    let cancel = cancels.0.clone();
    let run = state.purge_counts.run(move || engine.purge_plan(&asked_for, &cancel)).await;
    drop(cancels);
    let run = run??;
    let entropy = Io::system().entropy;
    let confirm = format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64());
    let mut answer = answer_of(&run, asked.exact);
    (answer.dry_run, answer.confirm) = (true, Some(confirm.clone()));
    answer.confirm_within = Some(CONFIRM_WITHIN.as_secs());
    let (through, counted) = (run.through, run.counted());
    let since = state.clock.monotonic();
    state.confirmations.add(Confirmable { confirm, asked, rule, through, counted, since });
    body(&answer)
}

async fn run(state: &Arc<State>, asked: &PurgeQuery, confirm: &str) -> Outcome {
    let Some(confirmed) = state.confirmations.take(confirm, asked, state.clock.monotonic()) else {
        return Err(ApiError::invalid(
            "this confirmation is of another purge, was used, or is too old: ask with dry_run=true again",
        ));
    };
    check_clock(&state.engine, &confirmed.rule)?;
    let (state, exact) = (Arc::clone(state), asked.exact);
    // `C3`
    let purged = tokio::spawn(async move { carry_out(&state, confirmed, exact).await });
    purged
        .await
        .map_err(|error| ApiError::new(ErrorKind::Internal, format!("the purge ended: {error}")))?
}

async fn carry_out(state: &State, confirmed: Confirmable, exact: bool) -> Outcome {
    let engine = state.engine.clone();
    let Confirmable { rule, through, counted, .. } = confirmed;
    let purge = move || engine.purge(&rule, exact, through, Some(&counted));
    let Some(run) = state.keeper.run(purge).await?? else {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            "something else matches or is held than was counted: nothing was purged; ask with dry_run=true again",
        ));
    };
    let mut answer = answer_of(&run, exact);
    erase_copies(state, &mut answer).await;
    let (purged, left) = (answer.purged.events, answer.left.events);
    tracing::info!(purged, left, exact, "events were purged");
    body(&answer)
}

/// Ages mean nothing while the clock is in doubt.
fn check_clock(engine: &Engine, rule: &PurgeRule) -> Result<(), ApiError> {
    match engine.clock_doubt().filter(|_| rule.before.is_some()) {
        Some(doubt) => {
            let what = format!("nothing is purged by its age now: {doubt}");
            Err(ApiError::new(ErrorKind::Conflict, what))
        }
        None => Ok(()),
    }
}

/// Lets the events go from the archive and from exported days, too. They are gone here: that it can't be reached is no failure of
/// the purge, and is told.
async fn erase_copies(state: &State, answer: &mut PurgeAnswer) {
    let Some(archive) = state.archive.as_ref().filter(|_| answer.exact) else { return };
    match archive.erase().await {
        Ok(_) => answer.archive = Some(PurgedArchive::Erased),
        Err(error) => {
            tracing::warn!(%error, "purged events are in the archive or in exported days still");
            answer.archive = Some(PurgedArchive::Pending);
            answer.archive_error = Some(error.to_string());
        }
    }
}

fn rule_of(asked: &PurgeQuery, now: Timestamp) -> Result<PurgeRule, ApiError> {
    let before = |text: &String| {
        let age = parse_duration(text).map_err(ApiError::invalid)?;
        let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        Ok::<_, ApiError>(Timestamp(now.0.saturating_sub(age)))
    };
    let level = |name: &str| {
        let known = Level::ALL.into_iter().find(|level| level.name() == name.trim());
        known.ok_or_else(|| ApiError::invalid("level has to be levels, like debug,trace"))
    };
    let levels = asked.level.iter().flat_map(|text| text.split(','));
    Ok(PurgeRule {
        before: asked.older_than.as_ref().map(before).transpose()?,
        levels: levels.map(level).collect::<Result<_, _>>()?,
        class: asked.class.clone(),
        query: asked.q.clone(),
    })
}

fn amount(amount: Amount) -> StoredAmount {
    let Amount { sections, events, bytes } = amount;
    StoredAmount { sections, events, bytes }
}

fn answer_of(run: &PurgeRun, exact: bool) -> PurgeAnswer {
    let days = run.days.iter().map(|day| PurgeDayAnswer {
        tenant: day.tenant.clone(),
        class: day.class.clone(),
        day: day.day.to_string(),
        whole: amount(day.whole),
        touched: amount(day.touched),
        held: amount(day.held),
        holds: day.holds.clone(),
        exported: day.exported,
    });
    PurgeAnswer {
        dry_run: false,
        exact,
        purged: amount(run.taken(exact)),
        left: amount(run.left(exact)),
        in_memory: run.in_memory,
        days: days.collect(),
        archive: None,
        archive_error: None,
        confirm: None,
        confirm_within: None,
    }
}

fn body(answer: &PurgeAnswer) -> Outcome {
    Ok(json(serde_json::to_vec(answer).expect("plain values always serialize")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Behaviour;
    use logstrata_engine::io::SystemClock;
    use logstrata_engine::{Limits, Options};

    #[test]
    fn a_confirmation_serves_once_for_its_rule_and_in_time() {
        let all = Confirmations::default();
        let asked = PurgeQuery { level: Some("debug".to_owned()), ..PurgeQuery::default() };
        let exact = PurgeQuery { exact: true, ..asked.clone() };
        let counted = |confirm: &str| Confirmable {
            confirm: confirm.to_owned(),
            asked: asked.clone(),
            rule: PurgeRule::default(),
            through: Seq(1),
            counted: Counted { events: 1, holds: Vec::new() },
            since: Duration::ZERO,
        };
        all.add(counted("a"));
        assert!(all.take("b", &asked, Duration::ZERO).is_none());
        assert!(all.take("a", &exact, Duration::ZERO).is_none());
        assert!(all.take("a", &asked, Duration::from_secs(1)).is_some());
        assert!(all.take("a", &asked, Duration::from_secs(1)).is_none());
        all.add(counted("a"));
        assert!(all.take("a", &asked, CONFIRM_WITHIN).is_none());
    }

    /// A dry run over what is in the archive took the only place of the keeper for hours: nothing that was due
    /// was dropped meanwhile, and no room made.
    #[tokio::test]
    async fn a_dry_run_and_the_keeper_do_not_wait_for_each_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = Engine::open(Options::new(dir.path())).expect("opens");
        let clock = Arc::new(SystemClock::new());
        let state = State::new(engine, Limits::default(), clock, Behaviour::default());
        let asked = || PurgeQuery { level: Some("debug".to_owned()), ..PurgeQuery::default() };
        let soon = Duration::from_secs(20);
        let dropping = state.keeper.enter().await.expect("is free");
        let counted = tokio::time::timeout(soon, count(&state, asked())).await;
        counted.expect("it waits for nobody").expect("nothing is wrong");
        drop(dropping);
        let counting = state.purge_counts.enter().await.expect("is free");
        let mut other = Box::pin(count(&state, asked()));
        assert!(
            tokio::time::timeout(Duration::ZERO, other.as_mut()).await.is_err(),
            "one at a time"
        );
        let kept = tokio::time::timeout(soon, state.keeper.run(|| 7)).await;
        assert_eq!(kept.expect("it waits for nobody").expect("runs"), 7);
        drop(counting);
    }

    #[test]
    fn levels_are_names() {
        let rule = |level: &str| {
            let asked = PurgeQuery { level: Some(level.to_owned()), ..PurgeQuery::default() };
            rule_of(&asked, Timestamp(0)).map(|rule| rule.levels).ok()
        };
        assert_eq!(rule("debug, trace"), Some(vec![Level::Debug, Level::Trace]));
        assert_eq!(rule("loud"), None);
    }
}
