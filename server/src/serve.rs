//! The edge to the network: connections, shutdown, and the way of a request from its head to its
//! answer.
//!
//! I1: no engine call that may wait runs on a thread of the network (see [`Gate`]); debug builds
//! panic if one reads a file there.
//! I2: at the end, what is in flight is finished, then the engine is closed.

use crate::api::{BodyMemory, Call, Confirmations, Handler, Outcome, routes};
use crate::connections::{Busy, Connections, Place};
use crate::gate::Gate;
use crate::guard;
use crate::keeper::{self, Schedule};
use crate::metrics::Metrics;
use crate::router::Router;
use crate::slow::SlowQueries;
use crate::stalled::Unstalled;
use crate::status::{Answer, ApiError};
use crate::tails::Tails;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use logstrata_archive::{Archive, ColdStore, Opened, Pass};
use logstrata_engine::io::{Clock, Io, network_turn};
use logstrata_engine::{Engine, Limits, Result};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a request's head may take; also how long an idle connection is kept.
const HEAD_TIME_MAX: Duration = Duration::from_secs(60);
/// How long requests in flight have at the end.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a connection without a request in flight has at the end: for the rest of an answer, or
/// of a request's head.
const IDLE_DRAIN_TIME_MAX: Duration = Duration::from_secs(2);
/// Open connections at most. For a further one the one that is idle for longest is closed; it waits to
/// be accepted while all are busy.
const CONNECTIONS_MAX: usize = 1_024;
/// Bytes of a request's head at most: a URL, of which 64 KiB are understood, and headers. Every
/// connection may hold as much, and nothing counts it.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// The pause after a failed accept, most likely for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests that wait for a slot at most, of each kind.
const WAITING_MAX: usize = 512;
/// Queries at a time.
const QUERIES_MAX: u32 = 64;
/// Exports at a time: between two pieces each has a page of events, and for Parquet a group of rows.
const EXPORTS_MAX: usize = 8;
/// How long an answer may go unread before its connection is dropped.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(30);

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What all requests share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) engine: Arc<Engine>,
    /// Where sealed files are copied to, if they are.
    pub(crate) archive: Option<Arc<Archive>>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) connections: Arc<Connections>,
    /// Memory for bodies.
    pub(crate) bodies: BodyMemory,
    /// Searches and statistics.
    pub(crate) queries: Gate,
    /// Exports on their way.
    pub(crate) exports: Arc<Semaphore>,
    /// What a query may take at most.
    pub(crate) query_time_max: Duration,
    /// Queries that took long.
    pub(crate) slow: SlowQueries,
    /// Whether batches without a key are known by their bodies.
    pub(crate) dedup_bodies: bool,
    /// Bodies that become batches.
    pub(crate) decodes: Gate,
    /// Flushes that somebody asked for.
    pub(crate) flushes: Gate,
    /// Compactions that somebody asked for.
    pub(crate) compactions: Gate,
    /// What drops.
    pub(crate) keeper: Gate,
    /// What holds, and says how long what is kept: it waits for no drop.
    pub(crate) holds: Gate,
    /// Purges that are counted.
    pub(crate) purge_counts: Gate,
    /// Purges that wait to be confirmed.
    pub(crate) confirmations: Confirmations,
    /// Queries that are followed.
    pub(crate) tails: Tails,
    /// Readiness and figures: these must not wait behind queries.
    pub(crate) status: Gate,
    router: Router<Handler>,
}

impl State {
    /// Nobody has asked for anything yet.
    pub(crate) fn new(
        engine: Engine,
        limits: Limits,
        clock: Arc<dyn Clock>,
        behaviour: Behaviour,
    ) -> Self {
        let engine = Arc::new(engine);
        let mut metrics = Metrics::new(&engine);
        let archive = behaviour
            .archive
            .map(|place| Arc::new(Archive::new(place, Arc::clone(&engine), Io::system())));
        if let Some(archive) = &archive {
            metrics = metrics.with_archive(archive, behaviour.cold);
        }
        let asked_to_leave = metrics.connections_evicted.clone();
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get() as u32);
        Self {
            tails: Tails::new(&engine, &metrics),
            metrics,
            connections: Connections::new(CONNECTIONS_MAX, asked_to_leave),
            bodies: BodyMemory::new(engine.pool()),
            // Far more than there are cores: the engine lets them take turns, block by block, so
            // that a short one need not wait for the end of long ones.
            queries: Gate::new(QUERIES_MAX, WAITING_MAX),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            query_time_max: behaviour.query_time_max,
            slow: SlowQueries::new(behaviour.query_slow),
            dedup_bodies: behaviour.dedup_bodies,
            decodes: Gate::new(cores.max(2), WAITING_MAX),
            flushes: Gate::new(1, 16),
            compactions: Gate::new(1, 16),
            keeper: Gate::new(1, 64),
            holds: Gate::new(2, 64),
            purge_counts: Gate::new(1, 16),
            confirmations: Confirmations::default(),
            status: Gate::new(2, 64),
            router: Router::new(&routes()),
            engine,
            archive,
            limits,
            clock,
        }
    }

    async fn drained(&self) {
        self.compactions.drained().await;
        self.keeper.drained().await;
        self.holds.drained().await;
        self.purge_counts.drained().await;
        self.queries.drained().await;
        self.tails.reads.drained().await;
        self.decodes.drained().await;
        self.flushes.drained().await;
        self.status.drained().await;
        if let Some(archive) = &self.archive {
            archive.drained().await;
        }
    }
}

/// What a server does as it is told.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// What a query may take at most.
    pub query_time_max: Duration,
    /// From here on a query is slow, and told; `None` if none is.
    pub query_slow: Option<Duration>,
    /// Whether a batch without a key is stored once if the same body comes again within ten
    /// minutes.
    pub dedup_bodies: bool,
    /// When the keeper reports how each class of events stands.
    pub report: Schedule,
    /// Where sealed files are copied to, if they are.
    pub archive: Option<Opened>,
    /// When days are exported there, if they are.
    pub export: Option<Schedule>,
    /// What reads the files that left the disk for it.
    pub cold: Option<Arc<ColdStore>>,
}

/// Serves `engine` on `listener` until `shutdown`, then finishes what is in flight and closes the
/// engine. Only for listeners on loopback: nobody is asked who they are.
///
/// # Errors
/// The engine's, if it did not close well: something acknowledged may not be on the disk.
pub async fn run(
    listener: TcpListener,
    engine: Engine,
    limits: Limits,
    clock: Arc<dyn Clock>,
    behaviour: Behaviour,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let (report, export) = (behaviour.report.clone(), behaviour.export.clone());
    let state = Arc::new(State::new(engine, limits, clock, behaviour));
    let keeper = tokio::spawn(on_network(keeper::run(Arc::clone(&state), report)));
    let connections = &state.connections;
    let (stop, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let archiving = state
        .archive
        .clone()
        .map(|archive| tokio::spawn(async move { archive.run(tell_of_archive).await }));
    let exporting = state.archive.clone().zip(export).map(|(archive, schedule)| {
        tokio::spawn(on_network(keeper::exports::run(Arc::clone(&state), archive, schedule)))
    });
    loop {
        while tasks.try_join_next().is_some() {}
        let accepted = async {
            let stream = listener.accept().await;
            // Not before: nobody has to leave for nobody.
            (connections.place().await, stream)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (state, stopped) = (Arc::clone(&state), stopped.clone());
                let serving = async move {
                    connection(stream, Peer(peer), place, &state, stopped).await;
                };
                tasks.spawn(on_network(serving));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!(connections = tasks.len(), "shutting down");
    drop(stopped);
    let _ = stop.send(());
    keeper.abort();
    let _ = keeper.await;
    // What is on its way is found and gone on with by the next server.
    for task in [archiving, exporting].into_iter().flatten() {
        task.abort();
        let _ = task.await;
    }
    if let Some(archive) = &state.archive {
        // Whoever asked for a pass or a verification, which may take hours, is told.
        archive.stop();
    }
    state.tails.end();
    // It may have an hour of work, and somebody may wait for it: it is begun anew another time.
    state.engine.stop_compaction();
    state.engine.stop_drops();
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(DRAIN_TIME_MAX, all).await.is_err() {
        tracing::warn!(connections = tasks.len(), "giving up requests that do not end");
        tasks.shutdown().await;
    }
    state.drained().await;
    close(state).await
}

/// Runs `work` so that it reads no file of the store on a thread of the network (I1).
async fn on_network<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let _turn = network_turn();
        work.as_mut().poll(cx)
    })
    .await
}

async fn close(state: Arc<State>) -> Result<()> {
    let state = Arc::into_inner(state).expect("I2: the connections and their work have ended");
    drop(state.archive);
    let engine = Arc::into_inner(state.engine).expect("I2: only the state holds the engine");
    let closing = tokio::task::spawn_blocking(move || engine.close()).await;
    closing.unwrap_or_else(|_| Err(logstrata_engine::Error::closed("closing failed by a defect")))
}

/// Tells of a pass of the archive.
fn tell_of_archive(pass: &logstrata_archive::Result<Pass>) {
    match pass {
        Ok(Pass { files, bytes, deleted, evicted }) => {
            tracing::info!(target: "archive", files, bytes, deleted, evicted, "copied");
        }
        Err(error) => tracing::warn!(target: "archive", %error, "a pass failed"),
    }
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    place: Arc<Place>,
    state: &Arc<State>,
    mut stopped: watch::Receiver<()>,
) {
    state.metrics.connections.inc();
    // Answers are written whole: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|mut request| {
        request.extensions_mut().insert(peer);
        let (state, busy) = (Arc::clone(state), place.request());
        async move { Ok::<_, Infallible>(held(answer(state, request).await, busy)) }
    });
    let stream = TokioIo::new(Unstalled::new(stream, UNREAD_TIME_MAX));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(stream, service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        served = serving.as_mut() => Some(served),
        // Half of a first head at most: not worth waiting for.
        () = place.asked_to_leave() => place.is_unused().then_some(Ok(())),
        _ = stopped.changed() => None,
    };
    let served = match ended {
        Some(served) => served,
        None => {
            serving.as_mut().graceful_shutdown();
            loop {
                match timeout(IDLE_DRAIN_TIME_MAX, serving.as_mut()).await {
                    Ok(served) => break served,
                    // Half a head, or an answer that nobody reads: not worth waiting for.
                    Err(_) if !place.is_busy() => break Ok(()),
                    Err(_) => {}
                }
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
    state.metrics.connections.dec();
}

/// The answer, with its connection's place as long as it is being made.
fn held(answer: Answer, busy: Busy) -> Answer {
    if answer.body().size_hint().exact().is_some() {
        return answer;
    }
    busy.streams();
    answer.map(|body| {
        let hold = move |frame| {
            let _busy = &busy;
            frame
        };
        body.map_frame(hold).boxed_unsync()
    })
}

/// Answers a request, counts and logs it. The log has the path, never the query: it can hold what must
/// not be kept. Only slow queries are logged with their text, without secrets ([`crate::slow`]).
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Answer {
    let began = state.clock.monotonic();
    state.metrics.in_flight.inc();
    let _in_flight = InFlight(&state.metrics);
    let method = request.method().clone();
    let mut route = "none";
    let outcome = dispatch(Arc::clone(&state), request, &mut route).await;
    let error = outcome.as_ref().err().map(|error| error.detail().clone());
    let answer = outcome.unwrap_or_else(ApiError::into_answer);

    let took = state.clock.monotonic().saturating_sub(began);
    let status = answer.status().as_u16();
    let method = label(&method);
    state.metrics.answered(method, route, status, took);
    let took_ms = took.as_secs_f64() * 1e3;
    match error {
        None => tracing::debug!(target: "access", method, route, status, took_ms),
        Some(error) if status >= 500 => {
            tracing::warn!(target: "access", method, route, status, took_ms, error = error.message);
        }
        Some(error) => {
            tracing::info!(target: "access", method, route, status, took_ms, kind = ?error.kind);
        }
    }
    answer
}

async fn dispatch(
    state: Arc<State>,
    request: Request<Incoming>,
    route: &mut &'static str,
) -> Outcome {
    let (head, body) = request.into_parts();
    guard::check(head.version, &head.uri, &head.headers)?;
    let matched = state.router.find(&head.method, head.uri.path())?;
    *route = matched.path;
    (matched.handler)(Call { state, head, body, id: matched.id, operation: matched.operation })
        .await
}

/// Counts a request as long as it is answered, also if its connection breaks.
struct InFlight<'a>(&'a Metrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// The method as a label: senders must not be able to make as many as they like.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
