//! What form a file has, told by its beginning.

use serde::de::IgnoredAny;

/// The forms of files that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// One JSON document: an object over several lines, an array of objects, `{"logs":[…]}`.
    Json,
    /// Lines of text.
    Text,
}

/// The form of a file that begins with `head`: a few kilobytes, or the whole of a shorter file.
pub fn detect(head: &[u8]) -> Format {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    match head.first() {
        Some(b'[') => {
            let inner = head.get(1..).unwrap_or_default().trim_ascii_start();
            // Lines of text begin with `[2026-11-21`, `[error]`; arrays of events with an object.
            if inner.starts_with(b"{") || inner == b"]" { Format::Json } else { Format::Text }
        }
        Some(b'{') => of_object(head),
        _ => Format::Text,
    }
}

fn of_object(head: &[u8]) -> Format {
    let (line, more) = match head.iter().position(|byte| *byte == b'\n') {
        Some(end) => (head.get(..end).unwrap_or(head), true),
        None => (head, false),
    };
    let mut values = serde_json::Deserializer::from_slice(line).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) if is_envelope(line) => Format::Json,
        Some(Ok(_)) => Format::Ndjson,
        // The line goes on beyond what is known of the file, or the object on the next line.
        Some(Err(error)) if error.is_eof() && (more || is_envelope(line)) => Format::Json,
        Some(Err(error)) if error.is_eof() => Format::Ndjson,
        _ => Format::Text,
    }
}

fn is_envelope(line: &[u8]) -> bool {
    let inner = line.get(1..).unwrap_or_default().trim_ascii_start();
    inner.strip_prefix(b"\"logs\"").is_some_and(|behind| {
        let behind = behind.trim_ascii_start().strip_prefix(b":").unwrap_or_default();
        behind.trim_ascii_start().starts_with(b"[")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_beginning() {
        for (head, format) in [
            ("{\"a\":1}\n{\"b\":2}\n", Format::Ndjson),
            ("\u{feff}{\"a\":1}", Format::Ndjson),
            ("\n\n{\"a\":1}\r\n", Format::Ndjson),
            ("{\"a\":\"a line that is longer than what is kn", Format::Ndjson),
            ("{\n  \"a\": 1\n}\n", Format::Json),
            ("{\"a\": 1,\n\"b\": 2}\n", Format::Json),
            ("{\"logs\":[{\"a\":1}]}", Format::Json),
            ("{ \"logs\": [{\"a\":1},{\"a\":", Format::Json),
            ("[{\"a\":1}]", Format::Json),
            ("[\n  {\"a\":1}", Format::Json),
            ("[]", Format::Json),
            ("[Sun Dec 04 04:47:44 2005] [notice] x", Format::Text),
            ("[1, 2]", Format::Text),
            ("{braces} of a template", Format::Text),
            ("2026-11-21 10:20:30 {\"a\":1}", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(detect(head.as_bytes()), format, "{head}");
        }
    }
}
