//! Errors as answers carry them.

use super::IngestAnswer;
use serde::{Deserialize, Serialize};

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request is wrong: fix it, do not retry it.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// The path does not know this method.
    MethodNotAllowed,
    /// The batch's key is that of another batch, or a purge was confirmed and another count is true now.
    Conflict,
    /// The body is larger than the server takes.
    TooLarge,
    /// The body is of a type or in an encoding that the server does not know.
    UnsupportedMediaType,
    /// The request comes from where it must not.
    Forbidden,
    /// The body did not arrive in time.
    Timeout,
    /// Too much at once: retry later.
    Busy,
    /// The query took longer than it was given: narrow it, or give it more time.
    Deadline,
    /// The query would take more memory than one may: narrow it.
    Memory,
    /// No space on the server's disk: retry when there is.
    Full,
    /// Written by a version that this one does not know.
    Unsupported,
    /// Stored bytes are not what was written.
    Corrupt,
    /// The server's operating system refused a file operation.
    Io,
    /// The store accepts nothing more until the server is started again.
    Closed,
    /// A defect of the server: report it.
    Internal,
    /// A kind that this client does not know.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// A part of the query text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Position {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorDetail {
    /// What the caller can do about it.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
    /// Where in the query text, if a part of it is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The line of the query and a line of carets below it, if a part of it is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl ErrorDetail {
    /// An error without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), position: None, excerpt: None }
    }
}

/// The body of every answer that is not a success. Refused ingests add the refused lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorDetail,
    /// What became of an ingest's lines.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub ingest: Option<IngestAnswer>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RejectedLine;

    #[test]
    fn errors_read_back_with_and_without_refused_lines() {
        let plain = ErrorBody { error: ErrorDetail::new(ErrorKind::Busy, "later"), ingest: None };
        let text = serde_json::to_string(&plain).expect("serializes");
        assert_eq!(text, r#"{"error":{"kind":"busy","message":"later"}}"#);
        let read: ErrorBody = serde_json::from_str(&text).expect("own encoding");
        assert_eq!((read.error, read.ingest), (plain.error, None));

        let ingest = IngestAnswer {
            rejected: vec![RejectedLine { line: 1, error: "no object".into() }],
            rejected_count: 1,
            ..IngestAnswer::default()
        };
        let error = ErrorDetail::new(ErrorKind::Invalid, "nothing was stored");
        let text = serde_json::to_string(&ErrorBody { error, ingest: Some(ingest.clone()) });
        let read: ErrorBody = serde_json::from_str(&text.expect("serializes")).expect("own");
        assert_eq!(read.ingest, Some(ingest));
    }

    #[test]
    fn a_kind_of_a_later_version_is_unknown() {
        assert_eq!(serde_json::from_str::<ErrorKind>("\"haunted\"").ok(), Some(ErrorKind::Unknown));
    }
}
