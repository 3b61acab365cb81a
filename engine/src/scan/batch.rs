//! Items of one query that any thread may run.

use super::control::Bounds;
use super::reader::{Reader, Reading};
use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Work in items of a few milliseconds, each run once, by any thread, in about rising order.
pub(crate) trait Items: Send + Sync {
    /// Runs one item.
    fn run(&self, item: usize) -> Result<()>;
}

/// Items that are being run.
pub(super) struct Batch {
    items: Arc<dyn Items>,
    len: usize,
    next: AtomicUsize,
    bounds: Bounds,
    reader: Arc<Reader>,
    failure: Mutex<Option<Failure>>,
}

/// What ended a batch before its last item.
enum Failure {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len).field("next", &self.next).finish()
    }
}

impl Batch {
    /// Items of the query that `reader` is.
    pub(super) fn new(
        items: Arc<dyn Items>,
        len: usize,
        bounds: Bounds,
        reader: Arc<Reader>,
    ) -> Self {
        Self { items, len, next: AtomicUsize::new(0), bounds, reader, failure: Mutex::new(None) }
    }

    /// Whether there are items that nobody has begun.
    pub(super) fn has_items(&self) -> bool {
        self.next.load(Relaxed) < self.len
    }

    /// Runs the next item; `false` if there is none. After a failure there is none.
    pub(super) fn run_next(&self) -> bool {
        let item = self.next.fetch_add(1, Relaxed);
        if item >= self.len {
            // Not further: a batch is asked more often than there are numbers, in theory.
            self.next.store(self.len, Relaxed);
            return false;
        }
        let _reading = Reading::begin(Arc::clone(&self.reader));
        let run = || self.bounds.check().and_then(|()| self.items.run(item));
        let failure = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => Failure::Error(error),
            Err(panic) => Failure::Panic(panic),
        };
        self.failure.lock().get_or_insert(failure);
        self.next.store(self.len, Relaxed);
        false
    }

    /// The outcome, once nobody runs an item any more. A panic goes on here.
    pub(super) fn outcome(&self) -> Result<()> {
        match self.failure.lock().take() {
            None => Ok(()),
            Some(Failure::Error(error)) => Err(error),
            Some(Failure::Panic(panic)) => resume_unwind(panic),
        }
    }
}
