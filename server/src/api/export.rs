//! `GET|POST /api/v1/logs/export`: all that a query answers, as a file.
//!
//! I1: a piece is begun when the connection has room for it and polls for it until it is there. So a
//! slow reader holds one piece; one that reads nothing has no place among the queries and none in their
//! queue, where a freed place would be handed to it and kept by nobody; one that leaves ends the work
//! by dropping the body.
//! I2: an error behind the first piece breaks the connection before the end of the body: half a file
//! never looks like a whole one. HTTP/1.0 can't tell, so it gets none.

use super::querying::{self, deadline_of};
use super::{Call, Outcome};
use crate::export::{Exporter, FileType, Piece};
use crate::serve::State;
use crate::status::{ApiError, Body, answer_of, with_type};
use bytes::Bytes;
use hyper::Version;
use hyper::body::Frame;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use logstrata_client::wire::{ErrorKind, ExportQuery, WARNINGS};
use logstrata_engine::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How long an export waits for memory or a place, once it is on its way.
const BUSY_TIME_MAX: Duration = Duration::from_secs(60);
/// The header of warnings: proxies take heads of 4 or 8 KiB.
const WARNINGS_BYTES_MAX: usize = 2 << 10;
/// The pause between two tries.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// The next piece, and whether it is the last.
type Made = Result<(Option<Piece>, bool), ApiError>;

pub(super) async fn get(call: Call) -> Outcome {
    if call.head.version < Version::HTTP_11 {
        let message = "an export needs HTTP/1.1: before it the end of the connection is that of the \
                       file, so half a file looks whole (for nginx: `proxy_http_version 1.1`)";
        return Err(ApiError::invalid(message));
    }
    let (state, params) = call.params_of_query(ExportQuery::PARAMETERS).await?;
    let query = ExportQuery::of_texts(|name| params.text(name));
    let file = FileType::of(&query)?;
    let place = Arc::clone(&state.exports).try_acquire_owned().map_err(|_| {
        let message = "as many exports are on their way as may be; retry when one has ended";
        ApiError::new(ErrorKind::Busy, message)
    })?;
    let end = deadline_of(&state, params.get("timeout"))?;
    // The first piece tells most of what can be wrong while there is an answer to tell it in.
    let (exporter, first) = querying::run_until(&state, end, move |state, control| {
        let mut exporter = Exporter::new(&state.engine, &*state.clock, &query)?;
        let first = exporter.next(&state.engine, control)?;
        Ok((exporter, first))
    })
    .await?;
    let warnings = warnings_header(exporter.warnings());
    let name = format!("logstrata-{}{}", compact(state.clock.now()), file.extension());
    let first = first.map_or_else(Bytes::new, Bytes::from_owner);
    let mut answer = match exporter.is_over() {
        true => with_type(file.media_type(), first),
        false => {
            let exporter = Arc::new(Mutex::new(exporter));
            let (first, next) = (Some(first), Next::Unasked);
            let _in_flight = InFlight::new(&state.metrics.exports_in_flight);
            let body = Exporting { state, exporter, end, first, next, _place: place, _in_flight };
            answer_of(file.media_type(), Body::new(body))
        }
    };
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.expect("digits and letters");
    answer.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    if let Some(warnings) = warnings {
        answer.headers_mut().insert(WARNINGS, warnings);
    }
    Ok(answer)
}

/// Warnings as the value of a header: JSON in ASCII, so that no name of a field begins another header.
fn warnings_header(warnings: &[String]) -> Option<HeaderValue> {
    let mut list = String::from("[");
    for (told, warning) in warnings.iter().enumerate() {
        let left = warnings.len() - told;
        let mut item = ascii_json(warning);
        let is_last = list.len() + item.len() > WARNINGS_BYTES_MAX;
        if is_last {
            item = ascii_json(&format!("{left} more warnings, which a search of the query tells"));
        }
        if told > 0 {
            list.push(',');
        }
        list.push_str(&item);
        if is_last {
            break;
        }
    }
    list.push(']');
    let list = (!warnings.is_empty()).then_some(list)?;
    Some(HeaderValue::try_from(list).expect("visible ASCII"))
}

/// A text as a JSON string of visible ASCII.
fn ascii_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a string is JSON");
    let mut ascii = String::with_capacity(quoted.len());
    for unit in quoted.encode_utf16() {
        match u8::try_from(unit).ok().filter(|byte| matches!(byte, b' '..=b'~')) {
            Some(byte) => ascii.push(char::from(byte)),
            None => ascii.push_str(&format!("\\u{unit:04x}")),
        }
    }
    ascii
}

/// `20261121T140509Z`.
fn compact(now: Timestamp) -> String {
    let text = now.to_string();
    let seconds = text.split(['.', 'Z']).next().unwrap_or_default();
    let plain = seconds.chars().filter(|c| c.is_ascii_digit() || *c == 'T');
    plain.chain(['Z']).collect()
}

/// The rest of an export.
struct Exporting {
    state: Arc<State>,
    exporter: Arc<Mutex<Exporter>>,
    /// When it has to be over.
    end: Option<Duration>,
    first: Option<Bytes>,
    next: Next,
    _place: OwnedSemaphorePermit,
    _in_flight: InFlight,
}

/// Counts as long as it is there.
struct InFlight(Gauge);

impl InFlight {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

enum Next {
    Unasked,
    Making(Pin<Box<dyn Future<Output = Made> + Send>>),
    Over,
}

/// The next piece that has any bytes; waits where the server is busy.
async fn make(state: Arc<State>, exporter: Arc<Mutex<Exporter>>, end: Option<Duration>) -> Made {
    let mut since = None;
    loop {
        let exporter = Arc::clone(&exporter);
        let made = querying::run_until(&state, end, move |state, control| {
            let mut exporter = exporter.lock();
            Ok((exporter.next(&state.engine, control)?, exporter.is_over()))
        });
        match made.await {
            Ok((Some(piece), false)) if piece.as_ref().is_empty() => since = None,
            Err(error) if error.detail().kind == ErrorKind::Busy => {
                let now = state.clock.monotonic();
                if now.saturating_sub(*since.get_or_insert(now)) > BUSY_TIME_MAX {
                    return Err(error);
                }
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            made => return made,
        }
    }
}

impl hyper::body::Body for Exporting {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(piece) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let mut making = match std::mem::replace(&mut self.next, Next::Over) {
            Next::Over => return Poll::Ready(None),
            Next::Making(making) => making,
            Next::Unasked => {
                let (state, exporter) = (Arc::clone(&self.state), Arc::clone(&self.exporter));
                Box::pin(make(state, exporter, self.end))
            }
        };
        let Poll::Ready(made) = making.as_mut().poll(cx) else {
            self.next = Next::Making(making);
            return Poll::Pending;
        };
        match made {
            Ok((piece, is_last)) => {
                if !is_last {
                    self.next = Next::Unasked;
                }
                let piece = piece.map(Bytes::from_owner);
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            Err(error) => {
                let error = error.detail().message.clone();
                tracing::warn!(error, "an export breaks off");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::serve::Behaviour;
    use http_body_util::BodyExt as _;
    use logstrata_engine::io::Clock;
    use logstrata_engine::io::SystemClock;
    use logstrata_engine::{Engine, Limits, Options};

    fn state(dir: &std::path::Path) -> State {
        let engine = Engine::open(Options::new(dir)).expect("opens");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let behaviour = Behaviour {
            query_time_max: BUSY_TIME_MAX,
            dedup_bodies: false,
            query_slow: None,
            ..Behaviour::default()
        };
        let mut state = State::new(engine, Limits::default(), clock, behaviour);
        state.queries = Gate::new(1, 8);
        state
    }

    /// The rest of an export stood in the queue of the queries while nobody polled it: a place that
    /// became free was handed to it, and so many slow readers stopped every query.
    #[tokio::test]
    async fn an_export_that_nobody_reads_takes_no_place_among_the_queries() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = Arc::new(state(dir.path()));
        let query = ExportQuery::default();
        let mut bodies = Vec::new();
        let busy = state.queries.enter().await.expect("is free");
        for _ in 0..4 {
            let exporter = Exporter::new(&state.engine, &*state.clock, &query).expect("a query");
            let mut body = Exporting {
                state: Arc::clone(&state),
                exporter: Arc::new(Mutex::new(exporter)),
                end: None,
                first: Some(Bytes::from_static(b"first")),
                next: Next::Unasked,
                _place: Arc::clone(&state.exports).try_acquire_owned().expect("is free"),
                _in_flight: InFlight::new(&state.metrics.exports_in_flight),
            };
            let frame = body.frame().await.expect("there is a piece").expect("no error");
            assert_eq!(frame.into_data().expect("data"), "first");
            bodies.push(body);
        }
        drop(busy);
        let place = tokio::time::timeout(Duration::from_secs(5), state.queries.enter()).await;
        drop(place.expect("nobody else waits").expect("is free"));
        // Who reads on gets the rest.
        for mut body in bodies {
            while let Some(frame) = body.frame().await {
                frame.expect("no error");
            }
        }
    }

    #[test]
    fn warnings_begin_no_header_of_their_own() {
        let header = |warnings: &[String]| {
            let value = warnings_header(warnings)?.to_str().expect("ASCII").to_owned();
            Some((serde_json::from_str::<Vec<String>>(&value).expect("a list"), value.len()))
        };
        assert_eq!(header(&[]), None);
        let odd = ["a\r\nset-cookie: x".to_owned(), "\u{7f}\0é\u{1f600}\"\\".to_owned()];
        assert_eq!(header(&odd).expect("told").0, odd);
        let many: Vec<String> = (0..1_000).map(|n| format!("no event has a field `{n}`")).collect();
        let (told, length) = header(&many).expect("told");
        assert!(length < WARNINGS_BYTES_MAX + 200 && told[0] == many[0], "{length}");
        let left = many.len() + 1 - told.len();
        assert!(told[told.len() - 1].starts_with(&format!("{left} more")), "{told:?}");
        let (told, _) = header(&["x".repeat(WARNINGS_BYTES_MAX)]).expect("told");
        assert_eq!(told.len(), 1);
    }

    /// A table, or a filter that nothing passes, ran on for as long as its client stayed.
    #[tokio::test]
    async fn each_step_of_an_export_has_the_time_of_a_query_at_most() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut state = state(dir.path());
        state.query_time_max = Duration::from_secs(3);
        let state = Arc::new(state);
        let given = async |end| {
            let step = querying::run_until(&state, end, |_, control| Ok(control.deadline));
            step.await.expect("runs").expect("is bounded")
        };
        assert_eq!(given(None).await, Duration::from_secs(3));
        assert_eq!(given(Some(Duration::MAX)).await, Duration::from_secs(3));
        let soon = state.clock.monotonic() + Duration::from_secs(2);
        assert!(given(Some(soon)).await <= Duration::from_secs(2));
    }
}
