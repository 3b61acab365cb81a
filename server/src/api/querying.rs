//! How a query is run: in its time, for as long as somebody waits for it.

use super::params::Params;
use crate::gate::{Gate, Slot};
use crate::metrics::Metrics;
use crate::serve::State;
use crate::slow::{Asked, Outcome};
use crate::status::{Answer, ApiError, json_of};
use crate::units::parse_duration;
use bytes::Bytes;
use logstrata_client::wire::{ErrorKind, Scanned};
use logstrata_engine::io::Clock;
use logstrata_engine::{
    Account, Cancel, Consumer, Control, Effort, Engine, Refused, Reservation, Tolerance,
};
use std::sync::Arc;
use std::time::Duration;

/// Smaller answers are not worth counting: they are written at once, as a rule.
const COUNTED_BYTES_MIN: usize = 64 << 10;

/// Runs a query on a thread of its own, with the time that it is given, of which waiting for a
/// place is a part. Of its parameters `timeout`, `partial`, `tier` and `explain` are
/// heeded here. It is cancelled when the
/// caller drops the future: hyper does so when the client leaves.
pub(super) async fn run<T: Send + 'static>(
    state: &Arc<State>,
    params: &Params,
    work: impl FnOnce(&State, &Control) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let time = deadline(params.get("timeout"), state.query_time_max)?;
    let explain = params.flag("explain")?;
    let (tolerance, is_hot) = (tolerance(params)?, is_hot(params.get("tier"))?);
    let control = Control { tolerance, is_hot, explain, ..Control::default() };
    let (account, began) = (control.account.clone(), state.clock.monotonic());
    let mut watched = Watched { state, params, account, began, error: Some(CANCELLED.to_owned()) };
    let done = run_for(state, time, control, work).await;
    let name = |kind: ErrorKind| serde_json::to_string(&kind).unwrap_or_default();
    let error = done.as_ref().err().map(|error| name(error.detail().kind));
    watched.error = error.map(|name| name.trim_matches('"').to_owned());
    done
}

/// What became of a query whose client has left.
const CANCELLED: &str = "cancelled";

/// Tells how long a query took when it ends, also if that is because its client has left.
struct Watched<'a> {
    state: &'a Arc<State>,
    params: &'a Params,
    account: Account,
    began: Duration,
    error: Option<String>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let took = self.state.clock.monotonic().saturating_sub(self.began);
        self.state.metrics.query_took(took);
        if self.state.slow.is_slow(took) {
            self.state.metrics.queries_slow.inc();
            tell_slow(self.state, self.params, &self.account, took, self.error.take());
        }
    }
}

/// Tells of a slow query.
fn tell_slow(
    state: &Arc<State>,
    params: &Params,
    account: &Account,
    took: Duration,
    error: Option<String>,
) {
    let text = |name: &str| params.get(name).map(str::to_owned);
    let origin = params.origin.clone();
    let asked = Asked {
        method: origin.method,
        path: origin.path,
        query: text("q").unwrap_or_default(),
        from: text("from"),
        to: text("to"),
        peer: origin.peer,
    };
    let Effort { blocks, blocks_pruned, rows, answered } = account.effort();
    let outcome = Outcome {
        took,
        scanned: Scanned { blocks, blocks_pruned, rows },
        rows: answered,
        partial: account.gaps().iter().map(|gap| gap.kind.name().to_owned()).collect(),
        error,
        memory: account.memory_peak() as u64,
    };
    let (now, time) = (state.clock.monotonic(), state.clock.now().to_string());
    state.slow.tell(&state.engine, now, time, &asked, outcome);
}

/// What the answer may lack, by the parameter `partial`.
fn tolerance(params: &Params) -> Result<Tolerance, ApiError> {
    Ok(match (params.get("partial"), params.switch("partial")?) {
        (None, _) => Tolerance::Limits,
        (Some(_), true) => Tolerance::Damage,
        (Some(_), false) => Tolerance::Nothing,
    })
}

/// Whether the parameter `tier` wants only what is on this machine.
pub(crate) fn is_hot(tier: Option<&str>) -> Result<bool, ApiError> {
    match tier {
        None | Some("" | "all") => Ok(false),
        Some("hot") => Ok(true),
        Some(_) => Err(ApiError::invalid("tier has to be all or hot")),
    }
}

/// The same for one of many steps, which together have until a moment of the server's clock, or as long
/// as they take; each has the time of a query at most.
pub(super) async fn run_until<T: Send + 'static>(
    state: &Arc<State>,
    end: Option<Duration>,
    work: impl FnOnce(&State, &Control) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let left = end.map_or(Duration::MAX, |end| end.saturating_sub(state.clock.monotonic()));
    run_for(state, left.min(state.query_time_max), Control::default(), work).await
}

/// The moment at which what was given `timeout` has to be over; none if it was given none.
pub(super) fn deadline_of(
    state: &State,
    timeout: Option<&str>,
) -> Result<Option<Duration>, ApiError> {
    let Some(text) = timeout else { return Ok(None) };
    let time = deadline(Some(text), Duration::MAX)?;
    Ok(Some(state.clock.monotonic().saturating_add(time)))
}

async fn run_for<T: Send + 'static>(
    state: &Arc<State>,
    time: Duration,
    mut control: Control,
    work: impl FnOnce(&State, &Control) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    // Without a tenant: requests carry none yet, so turns go round queries alone.
    control.deadline = Some(time);
    let cancel = control.cancel.clone();
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

/// The memory of an answer while it is written: its JSON can be six times its events.
pub(crate) struct Writing {
    memory: Reservation,
    refused: Option<Refused>,
}

/// An answer in JSON, which counts as the memory of queries until it is sent.
pub(crate) struct Written {
    body: Vec<u8>,
    _memory: Reservation,
}

impl Writing {
    /// Nothing is written yet.
    pub(crate) fn new(engine: &Engine) -> Result<Self, ApiError> {
        let memory = engine.pool().reserve(Consumer::Query, 0);
        let memory = memory.map_err(logstrata_engine::Error::from)?;
        Ok(Self { memory, refused: None })
    }

    /// Appends one item, unless there was no memory for those before.
    pub(crate) fn item(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.refused.is_some() {
            return;
        }
        write(out);
        if let Err(refused) = self.hold(out) {
            self.refused = Some(refused);
            *out = Vec::new();
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// `Busy` if there was no memory for it.
    pub(crate) fn end(mut self, body: Vec<u8>) -> Result<Written, ApiError> {
        let held = self.refused.take().map_or_else(|| self.hold(&body), Err);
        held.map_err(logstrata_engine::Error::from)?;
        Ok(Written { body, _memory: self.memory })
    }

    fn hold(&mut self, out: &Vec<u8>) -> Result<(), Refused> {
        match out.capacity() < COUNTED_BYTES_MIN {
            true => Ok(()),
            false => self.memory.grow_to(out.capacity(), 0),
        }
    }
}

impl Written {
    /// As a success.
    pub(super) fn into_answer(self) -> Answer {
        json_of(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::Options;
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

    /// An answer was counted when it was whole, and one event not at all.
    #[test]
    fn an_answer_is_counted_while_it_is_written_and_until_it_is_sent() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = Engine::open(Options::new(dir.path())).expect("opens");
        let held = || engine.status().pool.queries;
        let event = |out: &mut Vec<u8>| out.extend_from_slice(&[b' '; 100 << 10]);
        let mut writing = Writing::new(&engine).expect("nothing is wanted");
        let mut body = Vec::new();
        writing.item(&mut body, |out| out.push(b'{'));
        assert_eq!(held(), 0, "too small to count");
        writing.item(&mut body, event);
        assert_eq!(held(), body.capacity() as u64);
        let answer = writing.end(body).expect("there is room").into_answer();
        assert!(held() >= 100 << 10);
        drop(answer);
        assert_eq!(held(), 0);

        let mut others = engine.pool().reserve(Consumer::Query, 0).expect("nothing");
        while others.grow(64 << 10).is_ok() {}
        let mut writing = Writing::new(&engine).expect("nothing is wanted");
        let mut body = Vec::new();
        for _ in 0..1_000 {
            writing.item(&mut body, event);
            assert!(body.len() <= 100 << 10, "what there is no room for is dropped");
        }
        let error = writing.end(body).err().expect("is refused");
        assert_eq!(error.detail().kind, ErrorKind::Busy);
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
