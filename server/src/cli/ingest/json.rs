//! JSON files: lines go out as they are, documents become lines.

use super::source::Source;
use super::{Payload, Piece, Stop};
use crate::cli::Failure;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io;

/// Bytes of a piece of lines.
const PIECE_BYTES: usize = 2 << 20;
/// A JSON document is held in memory whole.
const DOCUMENT_BYTES_MAX: usize = 1 << 30;

/// Reads one object a line.
pub(super) fn read_lines(
    source: &mut Source,
    service: Option<String>,
    send: &mut dyn FnMut(Piece) -> Result<(), Failure>,
) -> Result<(), Stop> {
    let mut lines_before = 0;
    loop {
        let bytes = source.lines(PIECE_BYTES)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let payload = Payload::Lines { bytes, lines_before };
        send(Piece { payload, file: source.name().to_owned(), service: service.clone() })?;
        lines_before += lines;
    }
}

/// Reads an object, an array of objects, or `{"logs":[…]}`.
pub(super) fn read_document(
    source: &mut Source,
    service: Option<String>,
    send: &mut dyn FnMut(Piece) -> Result<(), Failure>,
) -> Result<(), Stop> {
    let document = source.rest(DOCUMENT_BYTES_MAX)?;
    let events = events_of(&document).map_err(io::Error::from)?;
    let mut bytes = Vec::new();
    let mut lines_before = 0;
    let mut lines = 0;
    let count = events.len();
    for (number, event) in events.into_iter().enumerate() {
        push_line(&mut bytes, event);
        lines += 1;
        if bytes.len() >= PIECE_BYTES || number + 1 == count {
            let payload = Payload::Lines { bytes: std::mem::take(&mut bytes), lines_before };
            send(Piece { payload, file: source.name().to_owned(), service: service.clone() })?;
            lines_before += lines;
            lines = 0;
        }
    }
    Ok(())
}

/// The events of a document, each as it stands there.
fn events_of(document: &[u8]) -> serde_json::Result<Vec<&RawValue>> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        logs: Vec<&'a RawValue>,
    }
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    if document.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(document);
    }
    match serde_json::from_slice::<Wrapped<'_>>(document) {
        Ok(wrapped) => Ok(wrapped.logs),
        Err(_) => Ok(vec![serde_json::from_slice(document)?]),
    }
}

/// Appends a value on one line. Line breaks of valid JSON stand between its tokens only, where a
/// space means the same.
fn push_line(out: &mut Vec<u8>, value: &RawValue) {
    let spaced = value.get().bytes().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { b });
    out.extend(spaced);
    out.push(b'\n');
}

/// Gives an object without any of the names that mean the service this one, by an edit of its
/// text.
pub(super) fn with_service(line: &str, service: &str) -> Option<String> {
    let inside = line.trim_ascii().strip_prefix('{')?;
    let comma = if inside.trim_ascii_start().starts_with('}') { "" } else { "," };
    let service = serde_json::Value::from(service);
    Some(format!("{{\"service\":{service}{comma}{inside}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(document: &str) -> Option<String> {
        let mut out = Vec::new();
        events_of(document.as_bytes()).ok()?.into_iter().for_each(|e| push_line(&mut out, e));
        String::from_utf8(out).ok()
    }

    #[test]
    fn documents_become_lines() {
        let array = "[ {\"a\" :\n 1e400} ,\r\n{\"m\":\"x\\ny\"}\n]";
        assert_eq!(lines_of(array).as_deref(), Some("{\"a\" :  1e400}\n{\"m\":\"x\\ny\"}\n"));
        assert_eq!(lines_of("{\"logs\":[{},{}]}").as_deref(), Some("{}\n{}\n"));
        assert_eq!(lines_of("\u{feff}{\n\"a\":1}").as_deref(), Some("{ \"a\":1}\n"));
        let logs_are_no_array = "{\"logs\":\"text\"}\n";
        assert_eq!(lines_of(logs_are_no_array).as_deref(), Some("{\"logs\":\"text\"}\n"));
        assert_eq!(lines_of("[]").as_deref(), Some(""));
        assert_eq!(lines_of("[{}"), None);
        assert_eq!(lines_of("{} {}"), None);
    }

    #[test]
    fn a_service_is_put_in_front() {
        let given = |line| with_service(line, "a\"b");
        assert_eq!(given(" {\"x\":1}").as_deref(), Some("{\"service\":\"a\\\"b\",\"x\":1}"));
        assert_eq!(given("{ }").as_deref(), Some("{\"service\":\"a\\\"b\" }"));
        assert_eq!(given("[1]"), None);
    }
}
