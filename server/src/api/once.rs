//! Batches that are stored once: what the header `Idempotency-Key` means, and what is kept of an
//! answer for those who send the batch again.

use super::Outcome;
use crate::serve::State;
use crate::status::{ApiError, json};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use logstrata_client::wire::RejectedLine;
use logstrata_client::wire::{ErrorKind, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, IngestAnswer};
use logstrata_engine::{ANSWER_BYTES_MAX, BatchKey, BodyHash, Claim, Stored, Ticket};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 128;
/// There are no others yet.
const TENANT: &str = "default";

/// How a batch is known.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// Not at all: it is stored as often as it is sent.
    None,
    /// By its sender's key.
    Key(Vec<u8>),
    /// By its body, if all its events have their own time: those of arrival differ.
    Body,
}

/// What a claim has led to.
pub(super) enum Attempt {
    /// The batch may be stored; the ticket, if it has an identity, is its right to be.
    Go(Option<Ticket>),
    /// It was stored before.
    Stored(Stored),
    /// It is on its way: try again when this resolves.
    Wait(oneshot::Receiver<()>),
}

/// What else than count and ids the sender of a batch was told.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Summary {
    rejected_count: u64,
    rejected: Vec<RejectedLine>,
    #[serde(default)]
    expired_on_arrival: u64,
}

impl Identity {
    /// The identity that the headers give; without a key, what the server is configured to do.
    pub(super) fn of(headers: &HeaderMap, dedup_bodies: bool) -> Result<Self, ApiError> {
        let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = match (keys.next(), keys.next()) {
            (None, _) => return Ok(if dedup_bodies { Self::Body } else { Self::None }),
            (Some(key), None) => key.as_bytes(),
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid("the header Idempotency-Key is there twice"));
            }
        };
        let is_visible = key.iter().all(u8::is_ascii_graphic);
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !is_visible {
            return Err(ApiError::invalid(format!(
                "an Idempotency-Key is 1 to {KEY_BYTES_MAX} visible ASCII characters without spaces"
            )));
        }
        Ok(Self::Key(key.to_vec()))
    }

    /// Claims the identity for what is made from this body in this way.
    pub(super) fn claim(
        &self,
        state: &State,
        way: &[u8],
        body: &[u8],
    ) -> Result<Attempt, ApiError> {
        if matches!(self, Self::None) {
            return Ok(Attempt::Go(None));
        }
        let hash = BodyHash::new(&[way, body]);
        let key = match self {
            Self::Key(name) => BatchKey::named(TENANT, name),
            Self::None | Self::Body => BatchKey::of_body(TENANT, hash),
        };
        let (wake, woken) = oneshot::channel();
        let wake = move || {
            // Whoever waits may have gone.
            let _ = wake.send(());
        };
        match state.engine.claim(key, hash, wake) {
            Claim::New(ticket) => Ok(Attempt::Go(Some(ticket))),
            Claim::Stored(stored) => Ok(Attempt::Stored(stored)),
            Claim::InFlight => Ok(Attempt::Wait(woken)),
            Claim::Busy => Err(ApiError::new(
                ErrorKind::Busy,
                "this batch is on its way, and many wait for it already; retry in a second",
            )),
            Claim::Conflict => Err(ApiError::new(
                ErrorKind::Conflict,
                "this Idempotency-Key is that of another batch: a key names one batch for 24 hours",
            )),
        }
    }
}

/// What is kept of an answer: nothing if all events were accepted and none was due, else as many of the
/// rejected lines as there is room for.
pub(super) fn summary(answer: &IngestAnswer) -> Vec<u8> {
    if answer.rejected_count == 0 && answer.expired_on_arrival == 0 {
        return Vec::new();
    }
    let mut summary = Summary {
        rejected_count: answer.rejected_count,
        rejected: answer.rejected.clone(),
        expired_on_arrival: answer.expired_on_arrival,
    };
    loop {
        let bytes = serde_json::to_vec(&summary).expect("plain values always serialize");
        if bytes.len() <= ANSWER_BYTES_MAX {
            return bytes;
        }
        summary.rejected.pop();
    }
}

/// The answer to a batch that was stored before.
pub(super) fn replay(stored: &Stored) -> Outcome {
    let summary = match &*stored.answer {
        [] => Summary::default(),
        bytes => serde_json::from_slice(bytes).unwrap_or_default(),
    };
    let (first, last) = stored.ids;
    let answer = IngestAnswer {
        accepted: stored.count as u64,
        rejected: summary.rejected,
        rejected_count: summary.rejected_count,
        expired_on_arrival: summary.expired_on_arrival,
        first_id: Some(first.to_string()),
        last_id: Some(last.to_string()),
    };
    let mut answer = json(serde_json::to_vec(&answer).expect("plain values always serialize"));
    let name = HeaderName::from_static(IDEMPOTENCY_REPLAYED);
    answer.headers_mut().insert(name, HeaderValue::from_static("true"));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(keys: &[&str]) -> Option<Vec<u8>> {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(IDEMPOTENCY_KEY, key.parse().expect("a header"));
        }
        match Identity::of(&headers, false).ok()? {
            Identity::Key(key) => Some(key),
            _ => Some(Vec::new()),
        }
    }

    #[test]
    fn keys_are_visible_and_short() {
        assert_eq!(identity(&[]), Some(Vec::new()));
        assert_eq!(identity(&["batch-7"]), Some(b"batch-7".to_vec()));
        assert!(identity(&[&"k".repeat(KEY_BYTES_MAX)]).is_some());
        assert!(identity(&[&"k".repeat(KEY_BYTES_MAX + 1)]).is_none());
        for bad in ["", "two words", "\t"] {
            assert_eq!(identity(&[bad]), None, "{bad:?}");
        }
        assert_eq!(identity(&["a", "b"]), None);
    }

    #[test]
    fn a_summary_keeps_what_fits() {
        let line = |line| RejectedLine { line, error: "what is wrong with it ".repeat(4) };
        let rejected: Vec<_> = (1..=20).map(line).collect();
        let answer = IngestAnswer { rejected, rejected_count: 40, ..IngestAnswer::default() };
        let bytes = summary(&answer);
        assert!(bytes.len() <= ANSWER_BYTES_MAX);
        let read: Summary = serde_json::from_slice(&bytes).expect("just written");
        assert!(
            !read.rejected.is_empty()
                && read.rejected[..] == answer.rejected[..read.rejected.len()]
        );
        assert_eq!(read.rejected_count, 40);
        assert_eq!(summary(&IngestAnswer::default()), [0; 0]);
    }
}
