//! What ends a query before its time: a deadline, or whoever asked is gone.

use crate::error::{Error, Result};
use crate::io::Clock;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Cancels the queries that were given a clone of it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// The queries end with [`crate::ErrorKind::Cancelled`] at their next block.
    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// What a query may take, and for whom it is. Without a deadline by default.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// The time that the query may take from its start. Looked at before each block.
    pub deadline: Option<Duration>,
    /// How much of that time was over before it began.
    pub waited: Duration,
    /// Ends the query.
    pub cancel: Cancel,
    /// Whose query it is: tenants take turns, then the queries of each. `None` is the tenant of a
    /// store that is not shared.
    pub tenant: Option<Arc<str>>,
}

/// A [`Control`] of a query that has begun.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    clock: Arc<dyn Clock>,
    /// The limit as it was given, and the moment at which it is reached.
    deadline: Option<(Duration, Duration)>,
    cancel: Cancel,
}

impl Bounds {
    pub(super) fn new(clock: Arc<dyn Clock>, control: &Control) -> Self {
        let now = clock.monotonic();
        let deadline = control
            .deadline
            .map(|time| (time, now.saturating_add(time.saturating_sub(control.waited))));
        Self { clock, deadline, cancel: control.cancel.clone() }
    }

    /// An error if the query is to end.
    pub(super) fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled("the query was cancelled"));
        }
        match self.deadline {
            Some((time, end)) if self.clock.monotonic() >= end => Err(Error::deadline(format!(
                "the query took longer than the {} ms that it was given; narrow it, or give it more",
                time.as_millis()
            ))),
            _ => Ok(()),
        }
    }
}
