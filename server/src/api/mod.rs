//! The API: one handler a file. A handler decodes the request, calls the engine, encodes the
//! answer.

pub(crate) mod aggregate;
mod archive;
mod body;
mod compact;
pub(crate) mod context;
mod docs;
mod encryption;
mod event;
mod export;
pub(crate) mod facets;
pub(crate) mod fields;
mod flush;
pub(crate) mod fuzzing;
mod health;
mod help;
mod hints;
pub(crate) mod histogram;
mod inexact;
mod ingest;
mod metrics;
mod once;
mod operations;
mod params;
pub(crate) mod patterns;
mod plan;
mod purge;
pub(crate) mod query;
mod querying;
mod retention;
pub(crate) mod search;
mod slow_queries;
pub(crate) mod stats;
mod tail;
pub(crate) mod timeline;

pub(crate) use body::BodyMemory;
pub(crate) use purge::Confirmations;
pub(crate) use querying::{Written, is_hot};

use crate::openapi::Operation;
use crate::router::Route;
use crate::serve::State;
use crate::status::{Answer, ApiError};
use hyper::Method;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use logstrata_client::decode_segment;
use logstrata_client::wire::{
    ARCHIVE_EXPORT_PATH, ARCHIVE_PATH, ARCHIVE_RUN_PATH, ARCHIVE_VERIFY_PATH, COMPACT_PATH,
    CONTEXT_PATH, CORRELATION_PATH, EXPORT_PATH, FACETS_PATH, FIELDS_PATH, FLUSH_PATH,
    HISTOGRAM_PATH, LOGS_PATH, PATTERNS_PATH, READY_PATH, RESOURCE_PATH, SEARCH_PATH,
    SLOW_QUERIES_PATH, STATS_PATH, TAIL_PATH, TRACE_PATH, VALUES_PATH,
};
use logstrata_client::wire::{
    HOLD_PATH, HOLDS_PATH, PURGE_PATH, RETENTION_PATH, RETENTION_RESUME_PATH, RETENTION_RUN_PATH,
};
use params::Params;
use std::pin::Pin;
use std::sync::Arc;

/// A request on its way through a handler.
pub(crate) struct Call {
    /// What all requests share.
    pub(crate) state: Arc<State>,
    /// The request without its body.
    pub(crate) head: Parts,
    /// The body, unread.
    pub(crate) body: Incoming,
    /// What stands for the segment in braces of the path.
    pub(crate) id: Option<String>,
    /// What is asked for, as the document has it.
    pub(crate) operation: &'static Operation,
}

impl Call {
    /// The text of the segment that stands for the one in braces.
    fn segment(&self) -> Result<String, ApiError> {
        decode_segment(self.id.as_deref().unwrap_or_default())
            .map_err(|error| ApiError::invalid(error.to_string()))
    }

    /// The query string's parameters, of which only `known` may be there.
    fn params(&self, known: &'static [&'static str]) -> Result<Params, ApiError> {
        let params = Params::parse(self.head.uri.query(), known)?;
        Ok(params.of_request(&self.head))
    }

    /// The same of a request that has no body: parameters in one would not count.
    fn params_alone(&self, known: &'static [&'static str]) -> Result<Params, ApiError> {
        if !self.body.is_end_stream() {
            let message = "the parameters of this request are in its URL; it has no body";
            return Err(ApiError::invalid(message));
        }
        self.params(known)
    }

    /// The parameters of a query: of the query string, or of the body, which has room for longer ones.
    async fn params_of_query(
        self,
        known: &'static [&'static str],
    ) -> Result<(Arc<State>, Params), ApiError> {
        let Self { state, head, body, operation, .. } = self;
        if head.method != Method::POST {
            let params = Params::parse(head.uri.query(), known)?;
            return Ok((state, params.of_request(&head)));
        }
        if head.uri.query().is_some_and(|query| !query.is_empty()) {
            let message = "the parameters of a POST are in its body, not in the URL";
            return Err(ApiError::invalid(message));
        }
        let received = body::read(body, QUERY_BODY_BYTES_MAX, &state.bodies).await?;
        let declared = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let params =
            Params::of_body(declared, &received.bytes, known, |name| operation.takes(name))?;
        Ok((state, params.of_request(&head)))
    }
}

/// The body of a query: a text of 64 KiB with every byte escaped, and the other parameters.
const QUERY_BODY_BYTES_MAX: usize = 512 << 10;

/// What a handler comes to.
pub(crate) type Outcome = Result<Answer, ApiError>;
/// A handler.
pub(crate) type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The API's table: what answers, and what it is.
#[rustfmt::skip]
pub(crate) fn routes() -> Vec<Route<Handler>> {
    const fn route(
        method: &'static str,
        path: &'static str,
        handler: Handler,
        operation: &'static Operation,
    ) -> Route<Handler> {
        Route { method, path, handler, operation }
    }
    vec![
        route("POST", LOGS_PATH, |call| Box::pin(ingest::post(call)), &operations::INGEST),
        route("GET", LOGS_PATH, |call| Box::pin(search::get(call)), &operations::SEARCH),
        route("GET", STATS_PATH, |call| Box::pin(stats::get(call)), &operations::STATS),
        route("POST", SEARCH_PATH, |call| Box::pin(search::get(call)), &operations::SEARCH),
        route("POST", STATS_PATH, |call| Box::pin(stats::get(call)), &operations::STATS),
        route("GET", PATTERNS_PATH, |call| Box::pin(patterns::get(call)), &operations::PATTERNS),
        route("POST", PATTERNS_PATH, |call| Box::pin(patterns::get(call)), &operations::PATTERNS),
        route("GET", "/api/v1/query/help", |call| Box::pin(help::get(call)), &operations::HELP),
        route("GET", TAIL_PATH, |call| Box::pin(tail::get(call)), &operations::TAIL),
        route("POST", TAIL_PATH, |call| Box::pin(tail::get(call)), &operations::TAIL),
        route("GET", "/api/v1/logs/{id}", |call| Box::pin(event::get(call)), &operations::EVENT),
        route("GET", EXPORT_PATH, |call| Box::pin(export::get(call)), &operations::EXPORT),
        route("POST", EXPORT_PATH, |call| Box::pin(export::get(call)), &operations::EXPORT),
        route("POST", FLUSH_PATH, |call| Box::pin(flush::post(call)), &operations::FLUSH),
        route("POST", COMPACT_PATH, |call| Box::pin(compact::post(call)), &operations::COMPACT),
        route("GET", logstrata_client::wire::ENCRYPTION_PATH, |call| Box::pin(encryption::get(call)), &operations::ENCRYPTION),
        route("GET", SLOW_QUERIES_PATH, |call| Box::pin(slow_queries::get(call)), &operations::SLOW_QUERIES),
        route("GET", "/healthz", |call| Box::pin(health::live(call)), &operations::LIVE),
        route("GET", READY_PATH, |call| Box::pin(health::ready(call)), &operations::READY),
        route("GET", "/metrics", |call| Box::pin(metrics::get(call)), &operations::METRICS),
        route("GET", HISTOGRAM_PATH, |call| Box::pin(histogram::get(call)), &operations::HISTOGRAM),
        route("POST", HISTOGRAM_PATH, |call| Box::pin(histogram::get(call)), &operations::HISTOGRAM),
        route("GET", FACETS_PATH, |call| Box::pin(facets::get(call)), &operations::FACETS),
        route("POST", FACETS_PATH, |call| Box::pin(facets::get(call)), &operations::FACETS),
        route("GET", FIELDS_PATH, |call| Box::pin(fields::get(call)), &operations::FIELDS),
        route("POST", FIELDS_PATH, |call| Box::pin(fields::get(call)), &operations::FIELDS),
        route("GET", VALUES_PATH, |call| Box::pin(fields::values(call)), &operations::VALUES),
        route("POST", VALUES_PATH, |call| Box::pin(fields::values(call)), &operations::VALUES),
        route("GET", CONTEXT_PATH, |call| Box::pin(context::get(call)), &operations::CONTEXT),
        route("GET", TRACE_PATH, |call| Box::pin(timeline::trace(call)), &operations::TRACE),
        route("GET", CORRELATION_PATH, |call| Box::pin(timeline::correlation(call)), &operations::CORRELATION),
        route("GET", RESOURCE_PATH, |call| Box::pin(timeline::resource(call)), &operations::RESOURCE),
        route("GET", RETENTION_PATH, |call| Box::pin(retention::get(call)), &operations::RETENTION),
        route("POST", RETENTION_RUN_PATH, |call| Box::pin(retention::run(call)), &operations::RETENTION_RUN),
        route("POST", RETENTION_RESUME_PATH, |call| Box::pin(retention::resume(call)), &operations::RETENTION_RESUME),
        route("GET", HOLDS_PATH, |call| Box::pin(retention::holds(call)), &operations::HOLDS),
        route("POST", HOLDS_PATH, |call| Box::pin(retention::hold(call)), &operations::HOLD),
        route("DELETE", HOLD_PATH, |call| Box::pin(retention::release(call)), &operations::RELEASE),
        route("DELETE", PURGE_PATH, |call| Box::pin(purge::purge(call)), &operations::PURGE),
        route("GET", ARCHIVE_PATH, |call| Box::pin(archive::get(call)), &operations::ARCHIVE),
        route("POST", ARCHIVE_RUN_PATH, |call| Box::pin(archive::run(call)), &operations::ARCHIVE_RUN),
        route("POST", ARCHIVE_EXPORT_PATH, |call| Box::pin(archive::export(call)), &operations::ARCHIVE_EXPORT),
        route("POST", ARCHIVE_VERIFY_PATH, |call| Box::pin(archive::verify(call)), &operations::ARCHIVE_VERIFY),
        route("GET", "/api/v1/openapi.json", |call| Box::pin(docs::openapi(call)), &operations::OPENAPI),
        route("GET", "/docs", |call| Box::pin(docs::docs(call)), &operations::DOCS),
        route("GET", "/docs/style.css", |call| Box::pin(docs::style(call)), &operations::DOCS_STYLE),
    ]
}
