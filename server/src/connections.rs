//! Places for connections. When all are taken, the one that has been idle for longest makes room:
//! whoever opens many and sends nothing keeps nobody out.
//!
//! I1: a connection with a request in flight is never asked to leave.

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long one that was asked to leave may take before the next is asked.
const LEAVE_TIME_MAX: Duration = Duration::from_millis(100);

/// All places.
#[derive(Debug)]
pub(crate) struct Connections {
    places: Arc<Semaphore>,
    idle: Mutex<Idle>,
    asked_to_leave: Counter,
}

/// Idle connections, by the order in which they became so.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    bells: BTreeMap<u64, Arc<Notify>>,
}

/// The place of one connection. It is idle at first.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<Connections>,
    bell: Arc<Notify>,
    /// Its number among the idle ones.
    idle: Mutex<Option<u64>>,
    requests: AtomicU64,
    /// Whether an answer is sent that is still being made.
    streams: AtomicBool,
    _permit: OwnedSemaphorePermit,
}

/// A request in flight, or an answer that is still being made.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Place>);

impl Connections {
    /// So many places. Counts the connections that had to leave.
    pub(crate) fn new(places: usize, asked_to_leave: Counter) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places)),
            idle: Mutex::default(),
            asked_to_leave,
        })
    }

    /// A place, as soon as there is one.
    pub(crate) async fn place(self: &Arc<Self>) -> Arc<Place> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
                break permit;
            }
            let longest = self.idle.lock().bells.pop_first();
            if let Some((_, bell)) = longest {
                self.asked_to_leave.inc();
                bell.notify_one();
            }
            let free = Arc::clone(&self.places).acquire_owned();
            if let Ok(permit) = timeout(LEAVE_TIME_MAX, free).await {
                break permit.expect("the semaphore is never closed");
            }
        };
        let place = Arc::new(Place {
            all: Arc::clone(self),
            bell: Arc::default(),
            idle: Mutex::default(),
            requests: AtomicU64::new(0),
            streams: AtomicBool::new(false),
            _permit: permit,
        });
        place.becomes_idle();
        place
    }
}

impl Place {
    /// Returns when the connection has to leave.
    pub(crate) async fn asked_to_leave(&self) {
        self.bell.notified().await;
    }

    /// The connection is not idle as long as this lives.
    pub(crate) fn request(self: &Arc<Self>) -> Busy {
        if let Some(number) = self.idle.lock().take() {
            self.all.idle.lock().bells.remove(&number);
        }
        self.requests.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Whether a request is in flight that has no answer yet.
    pub(crate) fn is_busy(&self) -> bool {
        self.idle.lock().is_none() && !self.streams.load(Relaxed)
    }

    /// Whether there never was a request.
    pub(crate) fn is_unused(&self) -> bool {
        self.requests.load(Relaxed) == 0
    }

    fn becomes_idle(&self) {
        let mut own = self.idle.lock();
        let mut idle = self.all.idle.lock();
        let number = idle.next;
        idle.next += 1;
        idle.bells.insert(number, Arc::clone(&self.bell));
        *own = Some(number);
    }
}

impl Busy {
    /// There is an answer, which is still being made: the connection need not make room, but it keeps
    /// nobody from leaving at the end.
    pub(crate) fn streams(&self) {
        self.0.streams.store(true, Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.streams.store(false, Relaxed);
        self.0.becomes_idle();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(number) = self.idle.get_mut().take() {
            self.all.idle.lock().bells.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_asked(place: &Arc<Place>) -> bool {
        timeout(Duration::from_millis(1), place.asked_to_leave()).await.is_ok()
    }

    #[tokio::test]
    async fn the_one_that_is_idle_for_longest_makes_room() {
        let connections = Connections::new(3, Counter::default());
        let (first, second) = (connections.place().await, connections.place().await);
        let third = connections.place().await;
        // The first has spoken last.
        drop(first.request());
        let busy = second.request();
        assert!(second.is_busy() && !first.is_busy());
        assert!(!first.is_unused() && third.is_unused());

        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.place().await }
        });
        third.asked_to_leave().await;
        drop(third);
        let fourth = waiting.await.expect("no panic");
        assert!(!is_asked(&first).await && !is_asked(&second).await);
        drop(busy);
        assert_eq!(connections.idle.lock().bells.len(), 3);
        drop((first, second, fourth));
        assert_eq!(connections.idle.lock().bells.len(), 0, "nothing is left behind");
        assert_eq!(connections.asked_to_leave.get(), 1);
    }

    #[tokio::test]
    async fn nobody_is_asked_while_all_are_busy() {
        let connections = Connections::new(1, Counter::default());
        let only = connections.place().await;
        let busy = only.request();
        let waiting = timeout(LEAVE_TIME_MAX * 3, connections.place());
        assert!(waiting.await.is_err());
        assert!(!is_asked(&only).await);
        drop(busy);
        let (_, place) = tokio::join!(
            async {
                only.asked_to_leave().await;
                drop(only);
            },
            connections.place()
        );
        assert!(place.is_unused());
    }
}
