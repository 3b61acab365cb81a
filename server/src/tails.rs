//! What all tails share: places, the news that there are further events, and the end.

use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::status::ApiError;
use logstrata_client::wire::ErrorKind;
use logstrata_engine::{Engine, Seq};
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Tails at a time.
const TAILS_MAX: usize = 64;
/// Pieces that are read at a time. Each is short, or gives way block by block.
const READS_MAX: u32 = 8;

/// The longest silence of a tail: clients take three times as much for the end.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// What all tails share.
#[derive(Debug)]
pub(crate) struct Tails {
    places: Arc<Semaphore>,
    readers: Gauge,
    visible: watch::Receiver<Seq>,
    ending: watch::Sender<bool>,
    /// The longest silence of a tail.
    pub(crate) silence_max: Duration,
    /// Reads what the tails tell; none of them is refused.
    pub(crate) reads: Gate,
}

/// The right to follow.
#[derive(Debug)]
pub(crate) struct TailPlace {
    readers: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for TailPlace {
    fn drop(&mut self) {
        self.readers.dec();
    }
}

impl Tails {
    /// Nobody follows yet.
    pub(crate) fn new(engine: &Engine, metrics: &Metrics) -> Self {
        let (advanced, visible) = watch::channel(Seq::default());
        // Wakes at most as many as there are places, and stores a number if there is nobody.
        engine.on_visible(move |last| {
            advanced.send_replace(last);
        });
        Self {
            places: Arc::new(Semaphore::new(TAILS_MAX)),
            readers: metrics.tail_readers.clone(),
            visible,
            ending: watch::channel(false).0,
            silence_max: SILENCE_MAX,
            reads: Gate::new(READS_MAX, TAILS_MAX),
        }
    }

    /// A place for one more.
    ///
    /// # Errors
    /// `Busy` if there is none.
    pub(crate) fn enter(&self) -> Result<TailPlace, ApiError> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message =
                format!("{TAILS_MAX} tails are being followed, which is the most at a time");
            ApiError::new(ErrorKind::Busy, message)
        })?;
        self.readers.inc();
        Ok(TailPlace { readers: self.readers.clone(), _permit: permit })
    }

    /// The last visible event, as far as it was told since.
    pub(crate) fn visible(&self) -> watch::Receiver<Seq> {
        self.visible.clone()
    }

    /// Whether tails are to end.
    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    /// Ends all tails.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }
}
