//! Errors become HTTP answers here, and nowhere else.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use logstrata_client::wire::{ErrorBody, ErrorDetail, ErrorKind, IngestAnswer, JSON, Position};
use std::convert::Infallible;

/// The body of an answer: whole, or made while it is sent. An error ends the connection before the
/// end of the body, so that the receiver can tell.
pub(crate) type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;
/// An answer.
pub(crate) type Answer = Response<Body>;

/// Why a request is refused.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    body: Box<ErrorBody>,
    allow: Option<String>,
    /// 503, whatever the kind says.
    unavailable: bool,
}

impl ApiError {
    /// A refusal of this kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let error = ErrorDetail::new(kind, message);
        Self { body: Box::new(ErrorBody { error, ingest: None }), allow: None, unavailable: false }
    }

    /// The request is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The path knows only the methods `allow`.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let message = format!("this path knows only {allow}");
        Self { allow: Some(allow), ..Self::new(ErrorKind::MethodNotAllowed, message) }
    }

    /// A part of the query text is wrong.
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.body.error.position = Some(position);
        self
    }

    /// Shows the part of this query that is wrong, if it is one.
    pub(crate) fn in_query(mut self, text: &str) -> Self {
        let error = &mut self.body.error;
        error.excerpt = error.position.map(|position| excerpt(text, position));
        self
    }

    /// The refused lines are why.
    pub(crate) fn with_lines(mut self, ingest: IngestAnswer) -> Self {
        self.body.ingest = Some(ingest);
        self
    }

    /// Says that it is the server which can't, not the request.
    pub(crate) fn unavailable(mut self) -> Self {
        self.unavailable = true;
        self
    }

    /// What is wrong.
    pub(crate) fn detail(&self) -> &ErrorDetail {
        &self.body.error
    }

    /// The answer.
    pub(crate) fn into_answer(self) -> Answer {
        let kind = self.body.error.kind;
        let body = serde_json::to_vec(&self.body).expect("plain values always serialize");
        let mut answer = json(body);
        let status =
            if self.unavailable { StatusCode::SERVICE_UNAVAILABLE } else { status_of(kind) };
        *answer.status_mut() = status;
        if let Some(seconds) = retry_after(kind, status) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            answer.headers_mut().insert(ALLOW, allow);
        }
        answer
    }
}

/// The line of the error, and below it carets under the error.
fn excerpt(text: &str, position: Position) -> String {
    let at = |offset: usize| text.floor_char_boundary(offset.min(text.len()));
    let (start, end) = (at(position.start), at(position.end));
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let line: String =
        text[line_start..line_end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let before = text[line_start..start].chars().count();
    let carets = text[start..end.clamp(start, line_end)].chars().count().max(1);
    format!("{line}\n{}{}", " ".repeat(before), "^".repeat(carets))
}

impl From<logstrata_engine::Error> for ApiError {
    fn from(error: logstrata_engine::Error) -> Self {
        let mut refused = Self::new(kind_of(error.kind()), error.message());
        if error.kind() == logstrata_engine::ErrorKind::Away {
            // Neither the request nor this server is wrong, and a later try may work.
            refused = refused.unavailable();
        }
        let place = error.place().map(|place| Position { start: place.start, end: place.end });
        refused.body.error.position = place;
        refused
    }
}

/// Seconds after which another try makes sense, for what may pass: a queue empties at once, a disk
/// when somebody frees space, a closed store when it is started again.
pub(crate) fn retry_after(kind: ErrorKind, status: StatusCode) -> Option<&'static str> {
    match (kind, status) {
        (ErrorKind::Busy, _) => Some("1"),
        (ErrorKind::Full, _) => Some("5"),
        (_, StatusCode::SERVICE_UNAVAILABLE) => Some("30"),
        _ => None,
    }
}

/// A success with this JSON.
pub(crate) fn json(body: Vec<u8>) -> Answer {
    json_of(Bytes::from(body))
}

/// The same of bytes that somebody owns.
pub(crate) fn json_of(body: Bytes) -> Answer {
    with_type(JSON, body)
}

/// A success with a body of this type.
pub(crate) fn with_type(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let whole = Full::new(body.into()).map_err(|never| match never {});
    answer_of(content_type, whole.boxed_unsync())
}

/// The same with a body that may not be there yet, and never fails.
pub(crate) fn streamed<B>(content_type: &'static str, body: B) -> Answer
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    answer_of(content_type, body.map_err(|never| match never {}).boxed_unsync())
}

/// A success with a body of this type that is made while it is sent.
pub(crate) fn answer_of(content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Logs are nothing for caches, and never a page.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    answer
}

fn kind_of(kind: logstrata_engine::ErrorKind) -> ErrorKind {
    use logstrata_engine::ErrorKind as Engine;
    match kind {
        Engine::Invalid => ErrorKind::Invalid,
        Engine::Busy => ErrorKind::Busy,
        Engine::Full => ErrorKind::Full,
        Engine::Unsupported => ErrorKind::Unsupported,
        Engine::Corrupt => ErrorKind::Corrupt,
        Engine::Io | Engine::Away | Engine::Locked => ErrorKind::Io,
        Engine::Closed => ErrorKind::Closed,
        Engine::Deadline => ErrorKind::Deadline,
        Engine::Memory => ErrorKind::Memory,
        // Only for those who have gone.
        Engine::Cancelled => ErrorKind::Timeout,
    }
}

/// The status of a refusal.
pub(crate) fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid | ErrorKind::Memory => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::Conflict => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Timeout => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Deadline => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Full | ErrorKind::Closed => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Unsupported
        | ErrorKind::Corrupt
        | ErrorKind::Io
        | ErrorKind::Internal
        | ErrorKind::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::Error;

    #[test]
    fn every_engine_error_has_its_status() {
        for (error, status) in [
            (Error::invalid("x"), 400),
            (Error::busy("x"), 429),
            (Error::full("x"), 503),
            (Error::unsupported("x"), 500),
            (Error::closed("x"), 503),
            (Error::deadline("x"), 504),
            (Error::memory("x"), 400),
            (Error::cancelled("x"), 408),
            (Error::io("read", "f".as_ref(), std::io::Error::other("x")), 500),
        ] {
            let what = format!("{error:?}");
            let answer = ApiError::from(error).into_answer();
            assert_eq!(answer.status().as_u16(), status, "{what}");
            let retry = answer.headers().contains_key(RETRY_AFTER);
            assert_eq!(retry, matches!(status, 429 | 503), "{what}");
        }
    }

    #[test]
    fn refused_methods_name_the_known_ones() {
        let answer = ApiError::method_not_allowed("GET, HEAD".into()).into_answer();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()[ALLOW], "GET, HEAD");
    }

    fn shown(text: &str, span: std::ops::Range<usize>) -> String {
        excerpt(text, Position { start: span.start, end: span.end })
    }

    #[test]
    fn carets_stand_under_the_error() {
        assert_eq!(shown("level:(", 6..7), "level:(\n      ^");
        assert_eq!(shown("größe:> x", 8..9), "größe:> x\n      ^", "characters, not bytes");
        assert_eq!(shown("abc", 3..3), "abc\n   ^", "the end of the text has a caret, too");
        assert_eq!(shown("a\nb\tcc d\ne", 4..6), "b cc d\n  ^^", "only its own line");
        assert_eq!(shown("ab\ncd", 1..4), "ab\n ^");
    }

    #[test]
    fn spans_outside_the_text_do_no_harm() {
        assert_eq!(shown("é", 1..9), "é\n^");
        assert_eq!(shown("", 5..9), "\n^");
    }
}
