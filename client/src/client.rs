//! [`Client`]: one method for each thing that a server can be asked.

use crate::error::{Error, Refusal, Result};
use crate::wire::{
    COMPACT_PATH, ErrorBody, ErrorDetail, ErrorKind, FLUSH_PATH, IDEMPOTENCY_KEY, IngestAnswer,
    LOGS_PATH, NDJSON, READY_PATH, STATS_PATH, SearchAnswer, SearchQuery, StatsAnswer, StatsQuery,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A server, and the connections to it. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// A client of the server at `url`, for example `http://127.0.0.1:7600`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Address`] for anything but `http://host[:port][/prefix]`.
    pub fn new(url: &str) -> Result<Self> {
        let bad = |why: &str| Error::Address(format!("{url:?} is no server address: {why}"));
        let base = url.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|error| bad(&format!("{error}")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(bad("https is not supported yet")),
            _ => return Err(bad("it has to begin with http://")),
        }
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(bad("http://host:port is wanted"));
        }
        Ok(Self { base: base.to_owned(), pool: Pool::builder(TokioExecutor::new()).build_http() })
    }

    /// Sends events, one JSON object a line. Returns once those that the server accepted are
    /// synced and visible; the answer lists the lines that it did not accept.
    ///
    /// # Errors
    /// [`Error::Server`] if none was accepted, with the refused lines if that is why.
    pub async fn ingest_ndjson(&self, lines: impl Into<Bytes>) -> Result<IngestAnswer> {
        self.ingest(lines, NDJSON, None).await
    }

    /// Sends a body of events of any type and encoding that the server knows.
    ///
    /// # Errors
    /// As [`Client::ingest_ndjson`].
    pub async fn ingest(
        &self,
        body: impl Into<Bytes>,
        content_type: &str,
        content_encoding: Option<&str>,
    ) -> Result<IngestAnswer> {
        self.post(body, content_type, content_encoding, None).await
    }

    /// As [`Client::ingest_ndjson`] under a key of 1 to 128 visible ASCII characters: sent again with
    /// the same key, also after a broken connection, the events are stored once.
    ///
    /// # Errors
    /// As [`Client::ingest_ndjson`]; [`ErrorKind::Conflict`] if the key is that of other events.
    pub async fn ingest_once(&self, lines: impl Into<Bytes>, key: &str) -> Result<IngestAnswer> {
        self.post(lines, NDJSON, None, Some(key)).await
    }

    async fn post(
        &self,
        body: impl Into<Bytes>,
        content_type: &str,
        content_encoding: Option<&str>,
        key: Option<&str>,
    ) -> Result<IngestAnswer> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{LOGS_PATH}", self.base))
            .header(CONTENT_TYPE, content_type);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(encoding) = content_encoding {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        let request = request.body(Full::new(body.into()));
        let request = request.map_err(|error| Error::Address(error.to_string()))?;
        decode(&self.send(request).await?)
    }

    /// A page of events.
    ///
    /// # Errors
    /// [`Error::Server`] for a query that does not parse, among others.
    pub async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer> {
        decode(&self.call(Method::GET, LOGS_PATH, &query.encode()).await?)
    }

    /// The event of this id as JSON; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Server`] for text that is not an id, among others.
    pub async fn event(&self, id: &str) -> Result<Option<Bytes>> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::Address("an event id is letters and digits".into()));
        }
        match self.call(Method::GET, &format!("{LOGS_PATH}/{id}"), "").await {
            Err(Error::Server(refusal)) if refusal.error.kind == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// A table of figures.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn stats(&self, query: &StatsQuery) -> Result<StatsAnswer> {
        decode(&self.call(Method::GET, STATS_PATH, &query.encode()).await?)
    }

    /// Makes the server write everything that it has in memory to files.
    ///
    /// # Errors
    /// [`Error::Server`] if it could not.
    pub async fn flush(&self) -> Result<()> {
        self.call(Method::POST, FLUSH_PATH, "").await.map(drop)
    }

    /// Makes the server compact all files, whatever their age.
    ///
    /// # Errors
    /// [`Error::Server`] if it could not.
    pub async fn compact(&self) -> Result<()> {
        self.call(Method::POST, COMPACT_PATH, "").await.map(drop)
    }

    /// Asks whether the server takes events.
    ///
    /// # Errors
    /// [`Error::Server`] with its reason if it does not.
    pub async fn ready(&self) -> Result<()> {
        self.call(Method::GET, READY_PATH, "").await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, query: &str) -> Result<Bytes> {
        let mark = if query.is_empty() { "" } else { "?" };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}{mark}{query}", self.base))
            .body(Full::default())
            .map_err(|error| Error::Address(error.to_string()))?;
        self.send(request).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        let response = self.pool.request(request).await.map_err(|error| {
            let connecting = error.is_connect();
            let what = if connecting { "cannot reach" } else { "lost the connection to" };
            Error::Transport {
                connecting,
                message: format!("{what} {}: {}", self.base, innermost(&error)),
            }
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| Error::Transport {
            connecting: false,
            message: format!("lost the connection to {}: {}", self.base, innermost(&error)),
        })?;
        let body = body.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        Err(refused(&Response::from_parts(head, ()), &body))
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| Error::Protocol(format!("the server's answer is not understood: {error}")))
}

fn refused(response: &Response<()>, body: &[u8]) -> Error {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after =
        retry_after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let body = serde_json::from_slice(body).unwrap_or_else(|_| ErrorBody {
        error: ErrorDetail::new(kind_of(status), format!("the server answered {status}")),
        ingest: None,
    });
    Error::Server(Box::new(Refusal {
        status: status.as_u16(),
        error: body.error,
        ingest: body.ingest,
        retry_after,
    }))
}

/// The kind of an answer that does not name it: one of a proxy in between.
fn kind_of(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Busy,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::TooLarge,
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ErrorKind::Forbidden,
        _ => ErrorKind::Unknown,
    }
}

/// The cause at the bottom: `connection refused` says more than `client error`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_with_a_host() {
        for good in ["http://127.0.0.1:7600", "http://localhost/", "http://[::1]:7600/logs/"] {
            assert!(Client::new(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost:7600", "https://localhost", "http://", "http://h/?q=1", "/x"] {
            assert!(matches!(Client::new(bad), Err(Error::Address(_))), "{bad}");
        }
    }

    #[test]
    fn refusals_of_a_proxy_have_a_kind_too() {
        let response = Response::builder().status(503).header(RETRY_AFTER, "2").body(());
        let error = refused(&response.expect("valid"), b"<html>");
        assert_eq!(error.kind(), Some(ErrorKind::Busy));
        let Error::Server(refusal) = error else { panic!("{error:?}") };
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(2)));
    }
}
