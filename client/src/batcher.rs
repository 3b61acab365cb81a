//! Collects events into bodies until there are enough of them, or the first has waited long
//! enough.

use crate::client::Client;
use crate::error::Result;
use crate::retry::Retry;
use crate::wire::IngestAnswer;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};

/// When a body is complete.
#[derive(Debug, Clone, Copy)]
pub struct BatcherLimits {
    /// Events of a body at most.
    pub events_max: usize,
    /// Bytes after which a body is complete; one event alone may exceed it.
    pub bytes_max: usize,
    /// How long the first event of a body waits at most; used by [`run`] only.
    pub age_max: Duration,
}

impl Default for BatcherLimits {
    fn default() -> Self {
        Self { events_max: 5_000, bytes_max: 4 << 20, age_max: Duration::from_secs(1) }
    }
}

/// Collects events into bodies.
#[derive(Debug)]
pub struct Batcher {
    limits: BatcherLimits,
    lines: Vec<u8>,
    events: usize,
}

/// A body of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// One JSON object a line.
    pub lines: Bytes,
    /// The number of lines.
    pub events: usize,
}

impl Batcher {
    /// An empty one.
    pub fn new(limits: BatcherLimits) -> Self {
        Self { limits, lines: Vec::new(), events: 0 }
    }

    /// Adds an event: one JSON object without line breaks. Returns the body that is complete
    /// because of it, if one is.
    pub fn push(&mut self, event: &[u8]) -> Option<Body> {
        let full = self.events > 0 && self.lines.len() + event.len() >= self.limits.bytes_max;
        let complete = if full { self.take() } else { None };
        self.lines.extend_from_slice(event);
        self.lines.push(b'\n');
        self.events += 1;
        if complete.is_none() && self.events >= self.limits.events_max {
            return self.take();
        }
        complete
    }

    /// What was added since the last complete body; `None` if nothing was.
    pub fn take(&mut self) -> Option<Body> {
        if self.events == 0 {
            return None;
        }
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        Some(Body { lines, events: std::mem::take(&mut self.events) })
    }
}

/// Sends what arrives on `events` (one JSON object each), body by body, until all its senders are
/// gone. `answered` hears of every body, in order.
pub async fn run(
    client: Client,
    limits: BatcherLimits,
    retry: Retry,
    mut events: Receiver<Vec<u8>>,
    mut answered: impl FnMut(&Body, Result<IngestAnswer>),
) {
    let mut batcher = Batcher::new(limits);
    let mut due = None;
    loop {
        let event = match due {
            None => Ok(events.recv().await),
            Some(due) => timeout_at(due, events.recv()).await,
        };
        let ended = matches!(event, Ok(None));
        let body = match event {
            Ok(Some(event)) => {
                due = due.or_else(|| Some(Instant::now() + limits.age_max));
                batcher.push(&event)
            }
            Ok(None) | Err(_) => batcher.take(),
        };
        if let Some(body) = body {
            let answer = retry.run(|| client.ingest_ndjson(body.lines.clone())).await;
            answered(&body, answer);
            // The event that did not fit into this body waits in the next.
            due = (batcher.events > 0).then(|| Instant::now() + limits.age_max);
        }
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(events_max: usize, bytes_max: usize) -> BatcherLimits {
        BatcherLimits { events_max, bytes_max, ..BatcherLimits::default() }
    }

    #[test]
    fn a_body_is_complete_at_its_last_event() {
        let mut batcher = Batcher::new(limits(2, 1_000));
        assert_eq!(batcher.push(b"{}"), None);
        let body = batcher.push(b"{\"a\":1}").expect("two events");
        assert_eq!((body.lines.as_ref(), body.events), (&b"{}\n{\"a\":1}\n"[..], 2));
        assert_eq!(batcher.take(), None);
    }

    #[test]
    fn an_event_that_does_not_fit_opens_the_next_body() {
        let mut batcher = Batcher::new(limits(100, 10));
        assert_eq!(batcher.push(&[b'x'; 50]), None, "one event alone may be too large");
        assert_eq!(batcher.push(b"{}").expect("the large one").events, 1);
        assert_eq!(batcher.push(b"{}"), None);
        assert_eq!(batcher.take().expect("the small ones").events, 2);
    }
}
