//! [`Client`]: one method for each thing that a server can be asked.

mod encryption;
mod purge;
mod retention;

use crate::error::{Error, Refusal, Result};
use crate::query_string::encode_segment;
use crate::tail::Tail;
use crate::wire::{
    COMPACT_PATH, EXPORT_PATH, ErrorBody, ErrorDetail, ErrorKind, ExportQuery, FLUSH_PATH,
    IDEMPOTENCY_KEY, IngestAnswer, LOGS_PATH, NDJSON, PATTERNS_PATH, PatternsAnswer, PatternsQuery,
    READY_PATH, STATS_PATH, SearchAnswer, SearchQuery, StatsAnswer, StatsQuery, TAIL_PATH,
    TailQuery, WARNINGS,
};
use crate::wire::{
    CONTEXT_PATH, ContextAnswer, ContextQuery, FACETS_PATH, FIELDS_PATH, FacetsAnswer, FacetsQuery,
    FieldsAnswer, FieldsQuery, HISTOGRAM_PATH, HistogramAnswer, HistogramQuery, TRACE_PATH,
    TimelineQuery, TraceAnswer, VALUES_PATH, ValuesAnswer,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
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
    pub(crate) base: String,
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

    /// Follows a query: the events that pass it, as they are stored.
    ///
    /// # Errors
    /// [`Error::Server`] for a query that can't be followed, an id that is not of this store, and if
    /// there are too many tails.
    pub async fn tail(&self, query: &TailQuery) -> Result<Tail> {
        let answer = self.answer(self.request(Method::GET, TAIL_PATH, &query.encode())?).await?;
        if answer.status().is_success() {
            return Ok(Tail::new(answer.into_body(), query.after.clone()));
        }
        let (head, body) = answer.into_parts();
        let body = self.collected(body).await?;
        Err(refused(&Response::from_parts(head, ()), &body))
    }

    /// A table of figures.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn stats(&self, query: &StatsQuery) -> Result<StatsAnswer> {
        decode(&self.call(Method::GET, STATS_PATH, &query.encode()).await?)
    }

    /// Events counted by level and time.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn histogram(&self, query: &HistogramQuery) -> Result<HistogramAnswer> {
        decode(&self.call(Method::GET, HISTOGRAM_PATH, &query.encode()).await?)
    }

    /// The fields of a result and their commonest values.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn facets(&self, query: &FacetsQuery) -> Result<FacetsAnswer> {
        decode(&self.call(Method::GET, FACETS_PATH, &query.encode()).await?)
    }

    /// Names of fields.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn fields(&self, query: &FieldsQuery) -> Result<FieldsAnswer> {
        decode(&self.call(Method::GET, FIELDS_PATH, &query.encode()).await?)
    }

    /// Values of a field.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn values(&self, field: &str, query: &FieldsQuery) -> Result<ValuesAnswer> {
        let path = path_of(VALUES_PATH, field)?;
        decode(&self.call(Method::GET, &path, &query.encode()).await?)
    }

    /// What stood around the event of this id.
    ///
    /// # Errors
    /// [`Error::Server`] for an id of no event, among others.
    pub async fn context(&self, id: &str, query: &ContextQuery) -> Result<ContextAnswer> {
        let path = path_of(CONTEXT_PATH, id)?;
        decode(&self.call(Method::GET, &path, &query.encode()).await?)
    }

    /// A page of the events of a trace.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn trace(&self, trace_id: &str, query: &TimelineQuery) -> Result<TraceAnswer> {
        let path = path_of(TRACE_PATH, trace_id)?;
        decode(&self.call(Method::GET, &path, &query.encode()).await?)
    }

    /// The sentences with holes behind a result.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn patterns(&self, query: &PatternsQuery) -> Result<PatternsAnswer> {
        decode(&self.call(Method::GET, PATTERNS_PATH, &query.encode()).await?)
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

    pub(crate) async fn call(&self, method: Method, path: &str, query: &str) -> Result<Bytes> {
        self.send(self.request(method, path, query)?).await
    }

    fn request(&self, method: Method, path: &str, query: &str) -> Result<Request<Full<Bytes>>> {
        let mark = if query.is_empty() { "" } else { "?" };
        Request::builder()
            .method(method)
            .uri(format!("{}{path}{mark}{query}", self.base))
            .body(Full::default())
            .map_err(|error| Error::Address(error.to_string()))
    }

    /// All that a query answers, as a file, piece by piece. The query may be as long as a server
    /// takes it: it is sent as a body.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn export(&self, query: &ExportQuery) -> Result<Download> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{EXPORT_PATH}", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(query.encode().into()))
            .map_err(|error| Error::Address(error.to_string()))?;
        let response = self.answer(request).await?;
        let base = self.base.clone();
        if response.status().is_success() {
            let warnings = response.headers().get(WARNINGS);
            let warnings = warnings.and_then(|list| serde_json::from_slice(list.as_bytes()).ok());
            let warnings = warnings.unwrap_or_default();
            return Ok(Download { base, warnings, body: response.into_body() });
        }
        let (head, body) = response.into_parts();
        let body = self.collected(body).await?;
        Err(refused(&Response::from_parts(head, ()), &body))
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        let (head, body) = self.answer(request).await?.into_parts();
        let body = self.collected(body).await?;
        if head.status.is_success() {
            return Ok(body);
        }
        Err(refused(&Response::from_parts(head, ()), &body))
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        self.pool.request(request).await.map_err(|error| match error.is_connect() {
            true => Error::Transport {
                connecting: true,
                message: format!("cannot reach {}: {}", self.base, innermost(&error)),
            },
            false => lost(&self.base, &error),
        })
    }

    async fn collected(&self, body: Incoming) -> Result<Bytes> {
        let body = body.collect().await.map_err(|error| lost(&self.base, &error))?;
        Ok(body.to_bytes())
    }
}

/// A file on its way from the server.
#[derive(Debug)]
pub struct Download {
    base: String,
    warnings: Vec<String>,
    body: Incoming,
}

impl Download {
    /// What may surprise, for people.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The next piece; `None` behind the last.
    ///
    /// # Errors
    /// [`Error::Transport`] if the connection broke before the end of the file: what came is a part.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| lost(&self.base, &error))?;
            if let Ok(piece) = frame.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

fn lost(base: &str, error: &dyn std::error::Error) -> Error {
    let message = format!("lost the connection to {base}: {}", innermost(error));
    Error::Transport { connecting: false, message }
}

/// The path with a text in the place of what it has in braces.
fn path_of(template: &str, text: &str) -> Result<String> {
    // What is a step of a path to others would end at another path.
    if matches!(text, "" | "." | "..") {
        return Err(Error::Address(format!("{text:?} can't be a part of a path")));
    }
    let (before, rest) = template.split_once('{').unwrap_or((template, ""));
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    Ok(format!("{before}{}{after}", encode_segment(text)))
}

pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
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
    fn texts_become_parts_of_paths() {
        let path = path_of(VALUES_PATH, "a/b c").expect("a path");
        assert_eq!(path, "/api/v1/fields/a%2Fb%20c/values");
        assert_eq!(path_of(TRACE_PATH, "7").expect("a path"), "/api/v1/logs/trace/7");
        assert!(path_of(TRACE_PATH, "..").is_err());
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
