//! The API: one handler a file. A handler decodes the request, calls the engine, encodes the
//! answer.

pub(crate) mod aggregate;
mod body;
mod compact;
mod event;
mod flush;
mod health;
mod hints;
mod ingest;
mod metrics;
mod once;
mod params;
mod query;
mod querying;
pub(crate) mod search;
pub(crate) mod stats;

pub(crate) use body::BodyMemory;

use crate::router::Route;
use crate::serve::State;
use crate::status::{Answer, ApiError};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use logstrata_client::wire::{COMPACT_PATH, FLUSH_PATH, LOGS_PATH, READY_PATH, STATS_PATH};
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
    /// What stands for `{id}` in the path.
    pub(crate) id: Option<String>,
}

impl Call {
    /// The query string's parameters, of which only `known` may be there.
    fn params(&self, known: &'static [&'static str]) -> Result<Params, ApiError> {
        Params::parse(self.head.uri.query(), known)
    }
}

/// What a handler comes to.
pub(crate) type Outcome = Result<Answer, ApiError>;
/// A handler.
pub(crate) type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The API's table.
pub(crate) fn routes() -> [Route<Handler>; 9] {
    const fn route(method: &'static str, path: &'static str, handler: Handler) -> Route<Handler> {
        Route { method, path, handler }
    }
    [
        route("POST", LOGS_PATH, |call| Box::pin(ingest::post(call))),
        route("GET", LOGS_PATH, |call| Box::pin(search::get(call))),
        route("GET", STATS_PATH, |call| Box::pin(stats::get(call))),
        route("GET", "/api/v1/logs/{id}", |call| Box::pin(event::get(call))),
        route("POST", FLUSH_PATH, |call| Box::pin(flush::post(call))),
        route("POST", COMPACT_PATH, |call| Box::pin(compact::post(call))),
        route("GET", "/healthz", |call| Box::pin(health::live(call))),
        route("GET", READY_PATH, |call| Box::pin(health::ready(call))),
        route("GET", "/metrics", |call| Box::pin(metrics::get(call))),
    ]
}
