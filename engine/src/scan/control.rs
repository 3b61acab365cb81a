//! What ends a query before its time: a deadline, or whoever asked is gone.

use super::account::{Account, Excuses, Tolerance};
use crate::error::{Error, Result};
use crate::io::Clock;
use crate::trace::Trace;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Cancels the queries that were given a clone of it.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    own: Arc<AtomicBool>,
    /// Of somebody who cancels more than this.
    other: Option<Arc<AtomicBool>>,
}

impl Cancel {
    /// The queries end with [`crate::ErrorKind::Cancelled`] at their next item, a block or a thousand
    /// groups of a table, or within it: before the next test of the filter, and before the next long value
    /// that a pattern is looked for in.
    pub fn cancel(&self) {
        self.own.store(true, Relaxed);
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.own.load(Relaxed) || self.other.as_ref().is_some_and(|other| other.load(Relaxed))
    }

    /// The same, cancelled with `other` as well.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self { own: Arc::clone(&self.own), other: Some(Arc::clone(&other.own)) }
    }
}

/// What a query may take, what its answer may lack, and for whom it is. Without a deadline, and whole,
/// by default.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// The time that the query may take from its start. Looked at where [`Cancel::cancel`] is.
    pub deadline: Option<Duration>,
    /// How much of that time was over before it began.
    pub waited: Duration,
    /// Ends the query.
    pub cancel: Cancel,
    /// Whose query it is: tenants take turns, then the queries of each. `None` is the tenant of a
    /// store that is not shared.
    pub tenant: Option<Arc<str>>,
    /// What the answer may lack: it is an error unless it is tolerated.
    pub tolerance: Tolerance,
    /// Whether only what is on this machine is looked at: the archive is left alone, and not missed.
    pub is_hot: bool,
    /// Whether the account tells what the query did.
    pub explain: bool,
    /// What became of the query. Each query has its own.
    pub account: Account,
}

impl Control {
    /// The same for the next part of a query that has run for `took` so far: all parts together have
    /// one deadline.
    pub(crate) fn after(&self, took: Duration) -> Self {
        Self { waited: self.waited.saturating_add(took), ..self.clone() }
    }

    /// The same for a part without which there is no answer.
    pub(crate) fn whole(&self) -> Self {
        Self { tolerance: Tolerance::Nothing, ..self.clone() }
    }

    /// Where the query tells what it does, if somebody asks.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.explain.then(|| self.account.trace())
    }

    /// What decides which errors the query goes on after.
    pub(crate) fn excuses(&self) -> Excuses {
        Excuses { tolerance: self.tolerance, account: self.account.clone() }
    }
}

/// The least and the most time that a query has to end in once its own is over, if its answer may be
/// partial; otherwise half of its own.
const GRACE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A [`Control`] of a query that has begun.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    clock: Arc<dyn Clock>,
    /// The limit as it was given, and the moment at which it is reached.
    deadline: Option<(Duration, Duration)>,
    /// Whether the query has more time than that.
    winds_up: bool,
    cancel: Cancel,
}

impl Bounds {
    pub(super) fn new(clock: Arc<dyn Clock>, control: &Control) -> Self {
        let now = clock.monotonic();
        let deadline = control
            .deadline
            .map(|time| (time, now.saturating_add(time.saturating_sub(control.waited))));
        Self { clock, deadline, winds_up: false, cancel: control.cancel.clone() }
    }

    /// More time, to make an answer of what was found.
    pub(super) fn grace(&mut self) {
        self.winds_up = true;
    }

    /// That time is for later; `false` if it was not given.
    pub(super) fn take_grace_back(&mut self) -> bool {
        std::mem::take(&mut self.winds_up)
    }

    /// The monotonic time at which the query ends, if it has a limit.
    fn end(&self) -> Option<Duration> {
        let (time, end) = self.deadline?;
        let more = match self.winds_up {
            true => (time / 2).clamp(GRACE.0, GRACE.1),
            false => Duration::ZERO,
        };
        Some(end.saturating_add(more))
    }

    /// What is left of the query's time, if it has a limit.
    pub(super) fn left(&self) -> Option<Duration> {
        Some(self.end()?.saturating_sub(self.clock.monotonic()))
    }

    /// An error if the query is to end.
    pub(super) fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled("the query was cancelled"));
        }
        match self.deadline.zip(self.end()) {
            Some(((time, _), end)) if self.clock.monotonic() >= end => {
                Err(Error::deadline(format!(
                    "the query took longer than the {} ms that it was given; narrow it, or give it more",
                    time.as_millis()
                )))
            }
            _ => Ok(()),
        }
    }
}
