//! What is on its way from thread to thread, so that a test can wait until all is quiet and its
//! next step finds the same store every time.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// How much there is to do for the threads of an engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity {
    inner: Arc<(Mutex<usize>, Condvar)>,
}

/// Something that is to be done, or being done. Whoever hands over work makes it first, and whoever
/// takes the work drops it once it has handed over what follows.
#[derive(Debug)]
pub(crate) struct Busy(Activity);

impl Activity {
    pub(crate) fn begin(&self) -> Busy {
        *self.inner.0.lock() += 1;
        Busy(self.clone())
    }

    /// Waits until nothing is to be done.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn settle(&self) {
        let mut count = self.inner.0.lock();
        while *count > 0 {
            self.inner.1.wait(&mut count);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut count = self.0.inner.0.lock();
        *count -= 1;
        if *count == 0 {
            self.0.inner.1.notify_all();
        }
    }
}
