//! JSON: one object a line, or documents. Both end in `event::JsonEvent`.
//!
//! `D1`: a line or element that is refused leaves nothing in the batch, the others are stored.
//! `D2`: messages name the position and quote nothing of the input.

mod document;
mod event;
mod lexeme;
mod minute;
mod out;
mod scan;
mod sent;
mod shapes;
mod slots;
#[cfg(test)]
mod tests;
mod trace;

pub use document::DocumentError;
pub use sent::write_as_sent;

use event::{JsonEvent, Refusal, Scratch, TimeRead};
use logstrata_engine::{Arrival, Batch, BatchBuilder, Limits};
use out::Fields;
use serde_json::value::RawValue;
use shapes::Shapes;

/// Rejected lines that are listed; the others are only counted.
pub const REJECTED_LISTED_MAX: usize = 100;

/// Events that tell what the others of a body will be like.
const SAMPLED_EVENTS: usize = 64;

/// What became of a body.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The events that were understood.
    pub batch: Batch,
    /// The first [`REJECTED_LISTED_MAX`] lines or elements that were not.
    pub rejected: Vec<Rejected>,
    /// How many were not.
    pub rejected_count: u64,
    /// Events without a time; they have that of arrival.
    pub times_absent: u64,
    /// Events whose time could not be read; they have the time of arrival.
    pub times_unread: u64,
    /// Events whose time can't be stored; it was moved to the border.
    pub times_clamped: u64,
    /// There were more names than the decoder may take in: events are missing.
    pub(crate) names_exceeded: bool,
}

/// A line or element that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The line of the body, or the element of the array, from 1.
    pub line: u64,
    /// Why; quotes nothing of the input.
    pub error: String,
}

/// Decodes a body of one JSON object a line, events that name no time are of `arrival`.
pub fn decode_ndjson(body: &[u8], limits: &Limits, arrival: impl Into<Arrival>) -> Decoded {
    let mut decoder = JsonDecoder::new(limits, arrival);
    decoder.push_lines(body);
    decoder.finish()
}

/// Decodes a body that is one JSON document: an object, an array of objects, or
/// `{"logs":[…]}`.
///
/// # Errors
/// The body is no such document; then nothing of it is an event.
pub fn decode_json(
    body: &[u8],
    limits: &Limits,
    arrival: impl Into<Arrival>,
) -> Result<Decoded, DocumentError> {
    let mut decoder = JsonDecoder::new(limits, arrival);
    decoder.push_document(body)?;
    Ok(decoder.finish())
}

/// Decodes JSON into one batch, piece by piece.
#[derive(Debug)]
pub struct JsonDecoder {
    builder: BatchBuilder,
    event_bytes_max: usize,
    service: Option<String>,
    names_max: usize,
    scratch: Scratch,
    shapes: Shapes,
    lines: u64,
    decoded: Decoded,
}

impl JsonDecoder {
    /// A decoder of events that came in at `arrival`.
    pub fn new(limits: &Limits, arrival: impl Into<Arrival>) -> Self {
        Self {
            builder: BatchBuilder::new(limits, arrival),
            event_bytes_max: limits.event_bytes_max,
            service: None,
            names_max: usize::MAX,
            scratch: Scratch::default(),
            shapes: Shapes::default(),
            lines: 0,
            decoded: Decoded::default(),
        }
    }

    /// Gives events that name no service this one.
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Takes in about so many different names of fields, counted by partition. Beyond them every
    /// event is left out, and [`Decoded`] says so.
    pub(crate) fn with_names_max(mut self, names: usize) -> Self {
        self.names_max = names;
        self
    }

    /// The different names of fields so far, counted by partition.
    pub(crate) fn names(&self) -> usize {
        self.builder.columns()
    }

    /// Counts lines from `lines + 1` on: for a file that is read in pieces.
    pub fn after_line(mut self, lines: u64) -> Self {
        self.lines = lines;
        self
    }

    /// The number of lines read so far, blank ones included.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The bytes that the events so far take in memory.
    pub fn raw_bytes(&self) -> usize {
        self.builder.raw_bytes()
    }

    /// The events so far and what was rejected.
    pub fn finish(self) -> Decoded {
        Decoded { batch: self.builder.build(), ..self.decoded }
    }

    /// Reads whole lines, each one JSON object (or several, side by side). Blank lines are
    /// skipped; a byte order mark before the first line too.
    pub fn push_lines(&mut self, body: &[u8]) {
        let body = if self.lines == 0 { without_bom(body) } else { body };
        if body.is_empty() {
            return;
        }
        // A body that ends in a line end has no line behind it.
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        // UTF-8 is checked for all lines at once; only if one is broken, line by line.
        let text = std::str::from_utf8(body).ok();
        let mut start = 0;
        let mut is_new = self.builder.is_empty();
        for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
            let checked = match text {
                Some(text) => Ok(&text[start..end]),
                None => std::str::from_utf8(&body[start..end]),
            };
            match checked {
                Ok(line) => self.push_line(line),
                Err(error) => {
                    self.lines += 1;
                    let column = error.valid_up_to() + 1;
                    self.reject(
                        self.lines,
                        &Refusal::Syntax { what: "invalid UTF-8".into(), column },
                    );
                }
            }
            start = end + 1;
            if is_new && self.builder.len() >= SAMPLED_EVENTS {
                is_new = false;
                self.builder.expect(end, body.len());
            }
        }
    }

    fn push_line(&mut self, line: &str) {
        self.lines += 1;
        if line.trim_ascii().is_empty() {
            return;
        }
        match self.push_object(line) {
            Ok(true) => {}
            Ok(false) => self.push_many(line),
            Err(refusal) => self.reject(self.lines, &refusal),
        }
    }

    /// Stores one object, unless something follows it: then nothing is stored and `false` returned.
    fn push_object(&mut self, text: &str) -> Result<bool, Refusal> {
        let start = text.len() - text.trim_ascii_start().len();
        if !text[start..].starts_with('{') {
            let what = "expected a JSON object".to_owned();
            return Err(Refusal::Syntax { what, column: start + 1 });
        }
        if self.builder.columns() > self.names_max {
            self.decoded.names_exceeded = true;
            return Ok(true);
        }
        if let Some(time) = self.shapes.push(text, &mut self.builder) {
            self.count(time);
            return Ok(true);
        }
        // Of the only event of a body nothing is to be learned.
        let trace = if self.builder.is_empty() { None } else { self.shapes.trace() };
        let is_traced = trace.is_some();
        let out = Fields::new(self.builder.event(), trace, self.event_bytes_max);
        let mut event = JsonEvent::new(out, &mut self.scratch);
        if !event.read(text)? {
            return Ok(false);
        }
        let time = event.finish(self.service.as_deref())?;
        if is_traced {
            self.shapes.learn(text, &mut self.builder);
        }
        self.count(time);
        Ok(true)
    }

    fn count(&mut self, time: TimeRead) {
        match time {
            TimeRead::Plain => {}
            TimeRead::Absent => self.decoded.times_absent += 1,
            TimeRead::Clamped => self.decoded.times_clamped += 1,
            TimeRead::Unread => self.decoded.times_unread += 1,
        }
    }

    /// A line of several objects. It is read to its end before any is stored, so that a line which
    /// is no JSON is rejected whole.
    fn push_many(&mut self, line: &str) {
        let values = serde_json::Deserializer::from_str(line).into_iter::<&RawValue>();
        let values: Vec<&RawValue> = match values.collect::<Result<_, _>>() {
            Ok(values) => values,
            Err(error) => return self.reject(self.lines, &Refusal::from(error)),
        };
        for value in values {
            if let Err(refusal) = self.push_object(value.get()) {
                self.reject(self.lines, &refusal);
            }
        }
    }

    fn reject(&mut self, line: u64, refusal: &Refusal) {
        self.decoded.rejected_count += 1;
        if self.decoded.rejected.len() < REJECTED_LISTED_MAX {
            self.decoded.rejected.push(Rejected { line, error: refusal.to_string() });
        }
    }
}

fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}
