//! Blocking work: the engine and the decoders run here, never on a thread of the network.
//!
//! I1: work that began is counted until it ends, also when its request is long gone.

use crate::status::ApiError;
use logstrata_client::wire::ErrorKind;
use logstrata_engine::Cancel;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets so many pieces of work run at once, and so many more wait.
#[derive(Debug)]
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    slots_max: u32,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// The right to run one piece of work.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// Counts a waiting request as long as it waits, also if it is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends work that nobody waits for any more: whoever waits holds it.
#[derive(Debug)]
pub(crate) struct CancelsWhenDropped(pub(crate) Cancel);

impl Drop for CancelsWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Gate {
    /// `slots` at once, `waiting_max` waiting.
    pub(crate) fn new(slots: u32, waiting_max: usize) -> Self {
        let semaphore = Arc::new(Semaphore::new(slots as usize));
        Self { slots: semaphore, slots_max: slots, waiting: AtomicUsize::new(0), waiting_max }
    }

    /// Runs `work` on a thread of its own, after those who came before.
    ///
    /// # Errors
    /// As [`Gate::enter`] and [`Slot::run`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.enter().await?.run(work).await
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// `Busy` if too many wait already.
    pub(crate) async fn enter(&self) -> Result<Slot, ApiError> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(Slot { _permit: slot });
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        if before >= self.waiting_max {
            return Err(ApiError::new(ErrorKind::Busy, "too many requests are waiting"));
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        drop(waiting);
        Ok(Slot { _permit: slot.expect("the semaphore is never closed") })
    }

    /// Returns when nothing runs any more; nothing may be started meanwhile.
    pub(crate) async fn drained(&self) {
        let all = self.slots.acquire_many(self.slots_max).await;
        drop(all.expect("the semaphore is never closed"));
    }
}

impl Slot {
    /// Runs `work` on a thread of its own: from now on, whether the future is polled or not.
    ///
    /// # Errors
    /// `Internal` if the work panicked.
    pub(crate) fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, ApiError>> + Send {
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(self);
            result
        });
        async move {
            // The panic itself is in the log already; its message may quote what was sent.
            done.await.map_err(|_| {
                tracing::error!("a request failed by a defect of the server");
                ApiError::new(ErrorKind::Internal, "a defect of the server: its log says more")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn beyond_slots_and_queue_is_busy_and_a_given_up_request_frees_its_place() {
        let gate = Arc::new(Gate::new(1, 1));
        let (release, blocked) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let running = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move {
                let work = move || {
                    began.send(()).expect("the test waits");
                    blocked.recv().expect("the test releases");
                    1
                };
                gate.run(work).await
            }
        });
        begun.await.expect("begins");

        for _ in 0..2 {
            // Polled once, it waits; dropped, it leaves its place to the next.
            let mut waiting = Box::pin(gate.run(|| 2));
            assert!(futures_poll(waiting.as_mut()).await.is_none());
            let refused = gate.run(|| 3).await.expect_err("the queue is full");
            assert_eq!(refused.detail().kind, ErrorKind::Busy);
        }
        release.send(()).expect("is waited for");
        assert_eq!(running.await.expect("no panic").expect("has run"), 1);
        gate.drained().await;
        assert_eq!(gate.run(|| 4).await.expect("free again"), 4);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_frees_the_slot() {
        let gate = Gate::new(1, 0);
        let error = gate.run(|| panic!("on purpose")).await.expect_err("panicked");
        assert_eq!(error.detail().kind, ErrorKind::Internal);
        assert_eq!(gate.run(|| 1).await.expect("free again"), 1);
    }

    async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut future).poll(cx) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
