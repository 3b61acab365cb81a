//! `POST /api/v1/logs`: events come in. Answered once every accepted event is synced and visible.
//!
//! Events that can't be read are listed in the answer, and the others stored. A body of which
//! nothing was stored is refused as a whole, so that its sender does not send it for ever; one
//! without any event is fine.

use super::body::{self, BodyMemory, Received};
use super::once::{self, Attempt, Identity};
use super::{Call, Outcome};
use crate::ingest::body::{BodyError, decompress_within};
use crate::ingest::json::{Decoded, JsonDecoder};
use crate::ingest::{Format, detect};
use crate::serve::State;
use crate::status::{ApiError, json};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use logstrata_client::wire::{ErrorKind, IngestAnswer, RejectedLine};
use logstrata_engine::{Appended, Arrival, Reservation, Result as EngineResult, Stored, Ticket};
use memchr::memchr_iter;
use tokio::sync::oneshot;

/// Enough of a body to tell its form.
const SNIFFED_BYTES: usize = 64 << 10;
/// Different names of fields of one body, about: an event has at most 1,024.
const NAMES_MAX: usize = 1 << 16;
/// What a name takes besides its values: a column is five allocations and an entry of a table.
const NAME_BYTES: usize = 400;
/// Bytes of a body that are counted at a time: they stay in the first-level cache.
const COUNTED_BYTES: usize = 16 << 10;
/// What a value takes besides its text.
const VALUE_BYTES: usize = 10;
/// What an event takes besides its values.
const EVENT_BYTES: usize = 64;

/// The form of a body. The numbers are a part of the hashes that tell a batch under a key from
/// another, which outlive the server: they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    /// One JSON object a line.
    Lines = 0,
    /// One JSON document.
    Document = 1,
}

/// How a body becomes a batch.
#[derive(Debug, Clone)]
struct Way {
    form: Option<Form>,
    encoding: Option<String>,
    atomic: bool,
    arrival: Arrival,
    identity: Identity,
}

/// What has become of a body.
enum Progress {
    /// Its events are on their way to the log.
    Submitted(IngestAnswer, oneshot::Receiver<EngineResult<Appended>>),
    /// It was stored before.
    Stored(Stored),
    /// The same batch is on its way: try again with the body when this resolves.
    Wait(oneshot::Receiver<()>, Received),
}

pub(super) async fn post(call: Call) -> Outcome {
    let params = call.params(&["atomic"])?;
    let state = call.state;
    let headers = &call.head.headers;
    let way = Way {
        form: declared_form(headers)?,
        encoding: single(headers, CONTENT_ENCODING)?.map(str::to_owned),
        atomic: params.switch("atomic")?,
        arrival: state.engine.arrival(),
        identity: Identity::of(headers, state.dedup_bodies)?,
    };
    let mut received = body::read(call.body, state.limits.body_bytes_max, &state.bodies).await?;
    let (mut answer, appended) = loop {
        let work = {
            let (state, way) = (state.clone(), way.clone());
            move || take(&state, &way, received)
        };
        match state.decodes.run(work).await?? {
            Progress::Submitted(answer, appended) => break (answer, appended),
            Progress::Stored(stored) => return once::replay(&stored),
            Progress::Wait(woken, body) => {
                // It also resolves when the other batch was given up.
                let _ = woken.await;
                received = body;
            }
        }
    };
    if answer.accepted > 0 {
        let appended = appended.await.map_err(|_| {
            ApiError::new(ErrorKind::Closed, "the store was closed before the events were synced")
        })??;
        if let Some((first, last)) = appended.ids {
            answer.first_id = Some(first.to_string());
            answer.last_id = Some(last.to_string());
        }
    }
    state.metrics.ingest_events.inc_by(answer.accepted);
    Ok(json(serde_json::to_vec(&answer).expect("plain values always serialize")))
}

/// Claims the batch's identity, decodes it and hands it to the engine.
fn take(state: &State, way: &Way, received: Received) -> Result<Progress, ApiError> {
    let max = state.limits.body_bytes_max;
    let mut memory = state.bodies.reserve(0)?;
    let mut reserve = |bytes: usize| memory.grow_to(bytes, 0).is_ok();
    let body = decompress_within(&received.bytes, way.encoding.as_deref(), max, &mut reserve);
    let body = body.map_err(|error| match error {
        BodyError::NoMemory => ApiError::new(ErrorKind::Busy, error.to_string()),
        BodyError::TooLarge { max } => body::too_large(max),
        BodyError::Unsupported => ApiError::new(ErrorKind::UnsupportedMediaType, error.to_string()),
        BodyError::Broken { .. } => ApiError::invalid(error.to_string()),
    })?;
    // What else decides how the body is understood.
    let form = way.form.unwrap_or_else(|| sniff(&body));
    let ticket = match way.identity.claim(state, &[form as u8, u8::from(way.atomic)], &body)? {
        Attempt::Go(ticket) => ticket,
        Attempt::Stored(stored) => return Ok(Progress::Stored(stored)),
        Attempt::Wait(woken) => {
            drop(body);
            return Ok(Progress::Wait(woken, received));
        }
    };
    state.metrics.ingest_bytes.inc_by(body.len() as u64);
    let decoder = JsonDecoder::new(&state.limits, way.arrival);
    let (decoded, decoding) = decode(decoder, form, &body, &state.bodies)?;
    // Of bodies with times of arrival, equal ones are not the same batch.
    let by_body = matches!(way.identity, Identity::Body);
    let ticket = ticket.filter(|_| !by_body || decoded.times_absent + decoded.times_unread == 0);
    drop(body);
    // The body's memory is free for others while the log is synced; the engine counts the batch.
    drop((memory, received, decoding));
    let (answered, appended) = oneshot::channel();
    let answer = submit(state, decoded, way.atomic, ticket, answered)?;
    Ok(Progress::Submitted(answer, appended))
}

/// Decodes a body, and reserves what its events take before they are known.
///
/// # Errors
/// `Busy` without that memory, `Invalid` for what is no document, `TooLarge` for too many names.
fn decode(
    decoder: JsonDecoder,
    form: Form,
    body: &[u8],
    memory: &BodyMemory,
) -> Result<(Decoded, Reservation), ApiError> {
    let mut decoder = decoder.with_names_max(NAMES_MAX);
    // At most: each value stands behind a colon, each event behind a brace.
    // Piece by piece: the second count then finds in the cache what the first has read.
    let (mut values, mut events) = (0usize, 0usize);
    for piece in body.chunks(COUNTED_BYTES) {
        values += memchr_iter(b':', piece).count();
        events += memchr_iter(b'{', piece).count();
    }
    let (values, events) = (values.saturating_mul(VALUE_BYTES), events.saturating_mul(EVENT_BYTES));
    let mut decoding = memory.reserve(body.len().saturating_add(values).saturating_add(events))?;
    match form {
        Form::Lines => decoder.push_lines(body),
        Form::Document => {
            decoder.push_document(body).map_err(|error| ApiError::invalid(error.to_string()))?;
        }
    }
    decoding.grow(decoder.names() * NAME_BYTES).map_err(logstrata_engine::Error::from)?;
    let decoded = decoder.finish();
    if decoded.names_exceeded {
        let message = format!(
            "the body has more than {NAMES_MAX} different names of fields: send it in parts, or use \
             what varies as values"
        );
        return Err(ApiError::new(ErrorKind::TooLarge, message));
    }
    Ok((decoded, decoding))
}

/// Hands a batch to the engine, unless there is nothing to store.
fn submit(
    state: &State,
    decoded: Decoded,
    atomic: bool,
    ticket: Option<Ticket>,
    answered: oneshot::Sender<EngineResult<Appended>>,
) -> Result<IngestAnswer, ApiError> {
    let rejected_count = decoded.rejected_count;
    let line =
        |line: crate::ingest::json::Rejected| RejectedLine { line: line.line, error: line.error };
    let mut answer = IngestAnswer {
        accepted: decoded.batch.len() as u64,
        rejected: decoded.rejected.into_iter().map(line).collect(),
        rejected_count,
        expired_on_arrival: state.engine.expired_on_arrival(&decoded.batch) as u64,
        ..IngestAnswer::default()
    };
    state.metrics.ingest_rejected.inc_by(rejected_count);
    let refused = rejected_count > 0 && (atomic || answer.accepted == 0);
    if refused {
        (answer.accepted, answer.expired_on_arrival) = (0, 0);
        let why = if atomic { " and all or none were wanted" } else { "" };
        let message = format!("no event was stored: {rejected_count} can't be read{why}");
        return Err(ApiError::invalid(message).with_lines(answer));
    }
    if answer.accepted > 0 {
        // A request that was given up has nobody to hear the answer.
        let done = move |result| drop(answered.send(result));
        match ticket {
            Some(ticket) => {
                let ticket = ticket.with_answer(&once::summary(&answer));
                state.engine.submit_once(decoded.batch, ticket, done);
            }
            None => state.engine.submit(decoded.batch, done),
        }
    }
    Ok(answer)
}

/// The form that the headers declare; `None` if they declare none.
fn declared_form(headers: &HeaderMap) -> Result<Option<Form>, ApiError> {
    let Some(declared) = single(headers, CONTENT_TYPE)? else { return Ok(None) };
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    match media_type.to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            Ok(Some(Form::Lines))
        }
        "application/json" => Ok(Some(Form::Document)),
        _ => Err(ApiError::new(
            ErrorKind::UnsupportedMediaType,
            "unknown Content-Type: application/x-ndjson (one JSON object a line) and \
             application/json are known",
        )),
    }
}

/// The value of a header that may be there once.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(ApiError::invalid(format!("the header {name} is not ASCII"))),
        },
        (Some(_), Some(_)) => Err(ApiError::invalid(format!("the header {name} is there twice"))),
    }
}

/// The form of a body that declares none.
fn sniff(body: &[u8]) -> Form {
    match detect(body.get(..SNIFFED_BYTES).unwrap_or(body)) {
        Format::Json => Form::Document,
        // Of text, every line is refused and its sender told so.
        Format::Ndjson | Format::Text => Form::Lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use logstrata_engine::{Limits, Pool, Timestamp};

    fn declared(content_type: &str) -> Result<Option<Form>, StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().expect("valid"));
        declared_form(&headers).map_err(|error| error.into_answer().status())
    }

    #[test]
    fn the_form_is_declared() {
        for text in ["application/x-ndjson", "Application/NDJSON; charset=utf-8"] {
            assert_eq!(declared(text), Ok(Some(Form::Lines)), "{text}");
        }
        assert_eq!(declared("application/json;charset=utf-8"), Ok(Some(Form::Document)));
        for text in ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx"] {
            assert_eq!(declared(text), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{text}");
        }
        assert_eq!(declared_form(&HeaderMap::new()).expect("absent is fine"), None);
    }

    fn decoded(body: &str, memory: &BodyMemory) -> Result<(Decoded, Reservation), ErrorKind> {
        let decoder = JsonDecoder::new(&Limits::default(), Timestamp::default());
        decode(decoder, Form::Lines, body.as_bytes(), memory).map_err(|error| error.detail().kind)
    }

    /// Events were counted once they were handed to the engine, however many decoders there were.
    #[test]
    fn events_are_counted_before_they_are_decoded() {
        let pool = Pool::new(64 << 20);
        let memory = BodyMemory::new(&pool);
        for line in ["{}\n", "{\"a\":1}\n", "{\"message\":\"some text of an event\",\"n\":7}\n"] {
            let (events, decoding) = decoded(&line.repeat(1_000), &memory).expect("fits");
            let takes = events.batch.raw_bytes();
            assert!(decoding.bytes() >= takes, "{line}: {takes} bytes, {decoding:?}");
        }
        assert_eq!(pool.status().ingest, 0);
        let mut others = memory.reserve(0).expect("nothing");
        while others.grow(4 << 10).is_ok() {}
        let body = "{\"a\":1}\n".repeat(1_000);
        assert_eq!(decoded(&body, &memory).err(), Some(ErrorKind::Busy));
    }

    /// Seven bytes of a name that no other event has took four hundred.
    #[test]
    fn a_body_of_names_without_end_is_to_be_sent_in_parts() {
        let memory = BodyMemory::new(&Pool::new(1 << 30));
        let event = |n: usize| {
            let names: Vec<_> = (0..500).map(|k| format!("\"{n}_{k}\":1")).collect();
            format!("{{{}}}\n", names.join(","))
        };
        let body: String = (0..130).map(event).collect();
        let (events, decoding) = decoded(&body, &memory).expect("fits");
        assert_eq!(events.batch.len(), 130);
        assert!(decoding.bytes() >= 130 * 500 * NAME_BYTES);
        let body: String = (0..140).map(event).collect();
        assert_eq!(decoded(&body, &memory).err(), Some(ErrorKind::TooLarge));
    }

    #[test]
    fn a_header_that_is_there_twice_is_refused() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_TYPE, "application/json".parse().expect("valid"));
        headers.append(CONTENT_TYPE, "text/html".parse().expect("valid"));
        let error = declared_form(&headers).expect_err("ambiguous");
        assert_eq!(error.into_answer().status(), StatusCode::BAD_REQUEST);
    }
}
