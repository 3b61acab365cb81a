//! Server-Sent Events, as a browser's `EventSource` reads them.

use std::fmt::Display;

/// The type of a stream of them.
pub(crate) const CONTENT_TYPE: &str = "text/event-stream";

/// Appends an event: its kind if it is no plain message, its id, its data.
pub(crate) fn push_event(out: &mut Vec<u8>, kind: Option<&str>, id: impl Display, data: &[u8]) {
    if let Some(kind) = kind {
        push_field(out, "event", kind.as_bytes());
    }
    push_field(out, "id", id.to_string().as_bytes());
    // A line break would end the field. The reader puts one where the next field of data begins.
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        push_field(out, "data", line);
    }
    out.push(b'\n');
}

/// Appends an id without an event: the reader goes on behind it, if it has to come again. It also
/// tells both sides that the other is there.
pub(crate) fn push_position(out: &mut Vec<u8>, id: impl Display) {
    out.extend_from_slice(b": \n");
    push_field(out, "id", id.to_string().as_bytes());
    out.push(b'\n');
}

/// Appends how long a reader should wait before it comes again.
pub(crate) fn push_retry(out: &mut Vec<u8>, millis: u32) {
    push_field(out, "retry", millis.to_string().as_bytes());
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn an_event_ends_with_an_empty_line_and_no_line_of_data_ends_it_early() {
        assert_eq!(text(|out| push_event(out, None, 7, b"{}")), "id: 7\ndata: {}\n\n");
        assert_eq!(
            text(|out| push_event(out, Some("missed"), 7, b"[1,\n\r\n2]")),
            "event: missed\nid: 7\ndata: [1,\ndata: \ndata: \ndata: 2]\n\n"
        );
        assert_eq!(text(|out| push_position(out, 7)), ": \nid: 7\n\n");
        assert_eq!(text(|out| push_retry(out, 500)), "retry: 500\n");
    }
}
