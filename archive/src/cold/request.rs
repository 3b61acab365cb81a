//! Requests for ranges of objects, how long they are waited for, and whether the store answers at all.
//!
//! - `Q1` the clock of a read begins when the first of its requests is sent, not while it waits for others'; all
//!   of its requests have one limit.
//! - `Q2` a store counts as away if it says so, or if for [`SILENT_MIN`] somebody has waited for an answer and
//!   nobody got one within [`WAIT_MAX`]: one that is slow answers somebody.

use super::ColdStore;
use crate::error::{Error, ErrorKind, Result as ArchiveResult};
use bytes::Bytes;
use logstrata_engine::io::Clock;
use logstrata_engine::{ColdAway, Patience};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::AbortHandle;

/// How long a read may take once it is sent, the retries of its requests included.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How long nobody has to have got an answer until there is none.
const SILENT_MIN: Duration = Duration::from_secs(3);
/// How often it is looked whether the answer is still needed.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// How long nobody tries again after the store could not be reached.
const AWAY_FOR: Duration = Duration::from_secs(5);

/// Whether the store answers.
#[derive(Debug)]
pub(super) struct Outlook {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

/// By the monotonic clock.
#[derive(Debug, Default)]
struct Seen {
    /// Until when it is not tried again, and why.
    away: Option<(Duration, ColdAway)>,
    /// When somebody last got an answer.
    answered: Option<Duration>,
    /// Since then: how long somebody waited for one that did not come, and the end of that.
    silent: (Duration, Duration),
}

impl Outlook {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// An error for a while after the store could not be reached: others need not find out.
    pub(super) fn check(&self) -> Result<(), ColdAway> {
        match &self.seen.lock().away {
            Some((until, away)) if self.clock.monotonic() < *until => Err(away.clone()),
            _ => Ok(()),
        }
    }

    pub(super) fn answered(&self) {
        let now = self.clock.monotonic();
        let mut seen = self.seen.lock();
        seen.answered = Some(now);
        seen.silent = (Duration::ZERO, now);
    }

    /// Why an answer was given up that was waited for since then.
    pub(super) fn given_up(&self, since: Option<Duration>) -> ColdAway {
        let now = self.clock.monotonic();
        let mut seen = self.seen.lock();
        // Several may have waited at the same time.
        let since = since.map_or(now, |since| since.max(seen.silent.1));
        let silent = seen.silent.0.saturating_add(now.saturating_sub(since));
        seen.silent = (silent, now);
        if silent < SILENT_MIN || self.is_slow(&seen) {
            return ColdAway::new("the archive did not answer in time");
        }
        let what = format!("it did not answer for {} s", silent.as_secs());
        self.set_away(&mut seen, &what)
    }

    /// Whether somebody got an answer not long ago.
    fn is_slow(&self, seen: &Seen) -> bool {
        let answered = seen.answered.map(|answered| answered.saturating_add(WAIT_MAX));
        answered.is_some_and(|until| self.clock.monotonic() < until)
    }

    /// Why something failed.
    pub(super) fn failed(&self, error: &Error) -> ColdAway {
        let mut seen = self.seen.lock();
        match error.kind() {
            ErrorKind::Unreachable => self.set_away(&mut seen, &error.to_string()),
            // It may be one object that is refused.
            ErrorKind::Refused if !self.is_slow(&seen) => {
                self.set_away(&mut seen, &error.to_string())
            }
            _ => ColdAway::new(error.to_string()),
        }
    }

    fn set_away(&self, seen: &mut Seen, reason: &str) -> ColdAway {
        let now = self.clock.monotonic();
        let away = ColdAway::new(format!("the archive can't be read: {reason}"));
        seen.away = Some((now.saturating_add(AWAY_FOR), away.clone()));
        seen.silent = (Duration::ZERO, now);
        away
    }
}

/// The requests of one read.
pub(super) struct Requests<'a> {
    cold: &'a ColdStore,
    patience: &'a Patience,
    /// When the first of them was sent.
    sent: Arc<OnceLock<Duration>>,
}

/// A request that ends with whoever waits for it.
pub(super) struct Request {
    task: AbortHandle,
    receiver: Receiver<ArchiveResult<Bytes>>,
    wanted: u64,
}

impl<'a> Requests<'a> {
    /// None yet.
    ///
    /// # Errors
    /// If the store is away, or nobody would wait for it.
    pub(super) fn begin(cold: &'a ColdStore, patience: &'a Patience) -> Result<Self, ColdAway> {
        cold.outlook.check()?;
        let requests = Self { cold, patience, sent: Arc::default() };
        match patience.is_over() {
            true => Err(requests.over()),
            false => Ok(requests),
        }
    }

    /// Asks for a range of an object.
    pub(super) fn ask(&self, object: String, range: Range<u64>) -> Request {
        let (sender, receiver) = channel();
        let (store, slots) = (self.cold.store.clone(), Arc::clone(&self.cold.slots));
        let (clock, sent) = (Arc::clone(&self.cold.clock), Arc::clone(&self.sent));
        let wanted = range.end.saturating_sub(range.start);
        let task = self.cold.runtime.spawn(async move {
            // It is never closed.
            let _slot = slots.acquire_owned().await;
            sent.get_or_init(|| clock.monotonic());
            // Whoever asked may have given up.
            let _ = sender.send(store.range(&object, range).await);
        });
        Request { task: task.abort_handle(), receiver, wanted }
    }

    /// What was asked for, as soon as the store gives it.
    pub(super) fn wait(&self, request: &Request) -> Result<Bytes, ColdAway> {
        let outlook = &self.cold.outlook;
        let got = loop {
            match request.receiver.recv_timeout(LOOK) {
                Ok(got) => break got,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ColdAway::new("the server is being stopped"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            outlook.check()?;
            let now = self.cold.clock.monotonic();
            let took = self.sent.get().map(|sent| now.saturating_sub(*sent));
            if self.patience.is_over() || took.is_some_and(|took| took >= WAIT_MAX) {
                return Err(self.over());
            }
        };
        let got = got.map_err(|error| outlook.failed(&error))?;
        let found = got.len() as u64;
        if found != request.wanted {
            let what = format!("the archive gave {found} bytes of {}", request.wanted);
            return Err(ColdAway::new(what));
        }
        outlook.answered();
        self.cold.fetched.add(found);
        Ok(got)
    }

    /// Why it is not waited any longer.
    fn over(&self) -> ColdAway {
        match self.patience.is_cancelled() {
            true => ColdAway::new("nobody waits for the archive any more"),
            false => self.cold.outlook.given_up(self.sent.get().copied()),
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.task.abort();
    }
}
