//! How a query is run: in its time, for as long as somebody waits for it.

use crate::gate::{Gate, Slot};
use crate::metrics::Metrics;
use crate::serve::State;
use crate::status::{Answer, ApiError, json_of};
use crate::units::parse_duration;
use bytes::Bytes;
use logstrata_client::wire::ErrorKind;
use logstrata_engine::io::Clock;
use logstrata_engine::{Cancel, Consumer, Control, Engine, Reservation};
use std::sync::Arc;
use std::time::Duration;

/// Smaller answers are not worth counting: they are written at once, as a rule.
const COUNTED_BYTES_MIN: usize = 64 << 10;

/// Runs a query on a thread of its own, with the time that it is given, of which waiting for a
/// place is a part. It is cancelled when the caller drops the future: hyper does so when the client
/// leaves.
pub(super) async fn run<T: Send + 'static>(
    state: &Arc<State>,
    timeout: Option<&str>,
    work: impl FnOnce(&State, &Control) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let cancel = Cancel::default();
    let time = deadline(timeout, state.query_time_max)?;
    let mut control =
        Control { deadline: Some(time), cancel: cancel.clone(), ..Control::default() };
    let mut guard = CancelsWhenDropped { cancel, metrics: &state.metrics, done: false };
    let engine_state = Arc::clone(state);
    let result = match enter(&state.queries, &*state.clock, time).await {
        Ok((slot, waited)) => {
            control.waited = waited;
            slot.run(move || work(&engine_state, &control)).await
        }
        Err(error) => Err(error),
    };
    guard.done = true;
    result?
}

/// A place for a query, and how long it waited for it.
async fn enter(
    gate: &Gate,
    clock: &dyn Clock,
    time: Duration,
) -> Result<(Slot, Duration), ApiError> {
    let came = clock.monotonic();
    let slot = tokio::time::timeout(time, gate.enter()).await.map_err(|_| {
        let message = format!(
            "the query waited for others for the {} ms that it was given; retry later, or give it \
             more",
            time.as_millis()
        );
        ApiError::new(ErrorKind::Deadline, message)
    })??;
    Ok((slot, clock.monotonic().saturating_sub(came)))
}

/// The time of a query: what it asks for, but not above `most`.
fn deadline(timeout: Option<&str>, most: Duration) -> Result<Duration, ApiError> {
    let Some(text) = timeout else { return Ok(most) };
    let asked = parse_duration(text).map_err(|why| ApiError::invalid(format!("timeout: {why}")))?;
    if asked.is_zero() {
        return Err(ApiError::invalid("timeout: must be above zero"));
    }
    Ok(asked.min(most))
}

struct CancelsWhenDropped<'a> {
    cancel: Cancel,
    metrics: &'a Metrics,
    done: bool,
}

impl Drop for CancelsWhenDropped<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.cancel.cancel();
            self.metrics.queries_cancelled.inc();
        }
    }
}

/// An answer, and its share of the memory until it is written.
struct Held {
    body: Vec<u8>,
    _memory: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// A success with this JSON, which counts as the memory of queries until it is written.
pub(super) fn answer(engine: &Engine, body: Vec<u8>) -> Result<Answer, ApiError> {
    if body.len() < COUNTED_BYTES_MIN {
        return Ok(json_of(Bytes::from(body)));
    }
    let memory = engine.pool().reserve(Consumer::Query, body.capacity());
    let memory = memory.map_err(logstrata_engine::Error::from)?;
    Ok(json_of(Bytes::from_owner(Held { body, _memory: memory })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::io::SystemClock;

    /// The time of a query began with its first block, so that it could wait as long again.
    #[tokio::test]
    async fn waiting_for_a_place_is_a_part_of_a_query_s_time() {
        let (gate, clock) = (Gate::new(1, 1), SystemClock::new());
        let held = gate.enter().await.expect("is free");
        let error = enter(&gate, &clock, Duration::from_millis(20)).await.expect_err("is taken");
        assert_eq!(error.detail().kind, ErrorKind::Deadline);
        let pause = Duration::from_millis(20);
        let freed = async {
            tokio::time::sleep(pause).await;
            drop(held);
        };
        let (entered, ()) = tokio::join!(enter(&gate, &clock, Duration::from_secs(60)), freed);
        assert!(entered.expect("is free again").1 >= pause);
    }

    #[test]
    fn a_query_may_ask_for_less_time_but_not_for_more() {
        let most = Duration::from_secs(60);
        let time = |text| deadline(text, most).map_err(|error| error.detail().message.clone());
        assert_eq!(time(None), Ok(most));
        assert_eq!(time(Some("5s")), Ok(Duration::from_secs(5)));
        assert_eq!(time(Some("1d")), Ok(most));
        for wrong in ["0s", "5", "soon"] {
            assert!(time(Some(wrong)).is_err_and(|why| why.starts_with("timeout: ")), "{wrong}");
        }
    }
}
