//! What `/metrics` tells. Counters are since the process began.

mod archive;

use logstrata_archive::{Archive, ColdStore};
use logstrata_engine::{Engine, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The type of [`Metrics::encode`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of latency in seconds: a needle takes 0.2 ms, a cold scan seconds.
const SECONDS: [f64; 14] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The same without its parameters.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text";

/// The labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// The figures of the server; the engine's are read when asked for.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RequestLabels, Histogram, fn() -> Histogram>,
    /// Requests that are being answered.
    pub(crate) in_flight: Gauge,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Idle connections that were closed to make room.
    pub(crate) connections_evicted: Counter,
    /// Events acknowledged.
    pub(crate) ingest_events: Counter,
    /// Events refused.
    pub(crate) ingest_rejected: Counter,
    /// Bytes of ingested bodies after decompression.
    pub(crate) ingest_bytes: Counter,
    /// Queries whose client left before they were answered.
    pub(crate) queries_cancelled: Counter,
    /// Exports that are on their way, behind the request's answer.
    pub(crate) exports_in_flight: Gauge,
    query_durations: Histogram,
    /// Queries that took long.
    pub(crate) queries_slow: Counter,
    /// Tails that are being followed.
    pub(crate) tail_readers: Gauge,
    /// Events that tails have told.
    pub(crate) tail_events: Counter,
    /// Events that tails have left out because their readers were slow.
    pub(crate) tail_missed: Counter,
}

impl Metrics {
    /// Figures of the server around this engine.
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            registry: Registry::with_prefix("logstrata"),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_evicted: Counter::default(),
            ingest_events: Counter::default(),
            ingest_rejected: Counter::default(),
            ingest_bytes: Counter::default(),
            queries_cancelled: Counter::default(),
            exports_in_flight: Gauge::default(),
            query_durations: Histogram::new(SECONDS),
            queries_slow: Counter::default(),
            tail_readers: Gauge::default(),
            tail_events: Counter::default(),
            tail_missed: Counter::default(),
        };
        metrics.registered(engine)
    }

    fn registered(mut self, engine: &Arc<Engine>) -> Self {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests answered.", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer.",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests being answered.",
            self.in_flight.clone(),
        );
        registry.register("http_connections", "Open connections.", self.connections.clone());
        registry.register(
            "http_connections_evicted",
            "Idle connections closed to make room for others.",
            self.connections_evicted.clone(),
        );
        registry.register("ingest_events", "Events acknowledged.", self.ingest_events.clone());
        registry.register(
            "ingest_rejected_events",
            "Events refused.",
            self.ingest_rejected.clone(),
        );
        registry.register(
            "queries_cancelled",
            "Queries whose client left before they were answered.",
            self.queries_cancelled.clone(),
        );
        registry.register(
            "exports_in_flight",
            "Exports being sent, whose requests are answered.",
            self.exports_in_flight.clone(),
        );
        registry.register_with_unit(
            "query_duration",
            "Time of queries, with what they wait for others.",
            Unit::Seconds,
            self.query_durations.clone(),
        );
        registry.register(
            "queries_slow",
            "Queries that took longer than query.slow.",
            self.queries_slow.clone(),
        );
        registry.register("tail_readers", "Tails being followed.", self.tail_readers.clone());
        registry.register("tail_events", "Events sent to tails.", self.tail_events.clone());
        registry.register(
            "tail_missed_events",
            "Events that tails left out because their readers were slow.",
            self.tail_missed.clone(),
        );
        registry.register_with_unit(
            "ingest_body",
            "Bytes of ingested bodies after decompression.",
            Unit::Bytes,
            self.ingest_bytes.clone(),
        );
        // Weak: the registry must not keep the engine from being closed.
        registry.register_collector(Box::new(EngineCollector(Arc::downgrade(engine))));
        self
    }

    /// Tells of an archive, too.
    pub(crate) fn with_archive(
        mut self,
        archive: &Arc<Archive>,
        cold: Option<Arc<ColdStore>>,
    ) -> Self {
        let archive = Arc::downgrade(archive);
        let collector = archive::ArchiveCollector { archive, cold };
        self.registry.register_collector(Box::new(collector));
        self
    }

    /// Counts an answer. `route` is the table's path, not the request's.
    pub(crate) fn answered(
        &self,
        method: &'static str,
        route: &'static str,
        status: u16,
        took: Duration,
    ) {
        let labels = RequestLabels { method, route, status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a query, whatever it came to.
    pub(crate) fn query_took(&self, took: Duration) {
        self.query_durations.observe(took.as_secs_f64());
    }

    /// All figures as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a string takes everything");
        out
    }
}

#[derive(Debug)]
struct EngineCollector(Weak<Engine>);

impl Collector for EngineCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        match self.0.upgrade() {
            Some(engine) => encode_status(encoder, &engine.status()),
            None => Ok(()),
        }
    }
}

fn encode_status(mut encoder: DescriptorEncoder<'_>, status: &Status) -> fmt::Result {
    let [refused_ingest, refused_queries, _] = status.pool.refusals;
    let pool = status.pool;
    let bytes = || Some(Unit::Bytes);
    let counters = [
        ("engine_events_appended", "Events appended.", None, status.events_appended),
        ("wal_groups", "Groups synced to the write-ahead log.", None, status.wal_groups),
        (
            "wal_written",
            "Bytes written to the write-ahead log.",
            Some(Unit::Bytes),
            status.wal_bytes_written,
        ),
        ("engine_flushes", "Generations written to files.", None, status.flushes),
        (
            "engine_flushed",
            "Bytes of the level-0 files that generations became.",
            Some(Unit::Bytes),
            status.flushed_bytes,
        ),
        ("compactions", "Segments and packs written.", None, status.compactions),
        ("compactions_failed", "Compactions that failed.", None, status.compactions_failed),
        (
            "compaction_in",
            "Bytes of sections that compactions replaced.",
            Some(Unit::Bytes),
            status.compacted_bytes_in,
        ),
        (
            "compaction_out",
            "Bytes of segments and packs written.",
            Some(Unit::Bytes),
            status.compacted_bytes_out,
        ),
        ("replays", "Batches that were stored before, and so not again.", None, status.replays),
        (
            "key_conflicts",
            "Batches refused because their key is another's.",
            None,
            status.key_conflicts,
        ),
        (
            "index_faults",
            "Lookups for which an index was damaged, and so taken as absent.",
            None,
            status.index_faults,
        ),
        (
            "expired_on_arrival",
            "Events that were due when they came.",
            None,
            status.expired_on_arrival,
        ),
        ("sections_dropped", "Sections dropped by retention.", None, status.sections_dropped),
        ("events_dropped", "Events dropped by retention.", None, status.events_dropped),
        ("dropped", "Bytes of files dropped by retention.", bytes(), status.bytes_dropped),
        ("memory_refused_ingest", "Batches refused for want of memory.", None, refused_ingest),
        ("memory_refused_queries", "Queries refused for want of memory.", None, refused_queries),
    ];
    for (name, help, unit, value) in counters {
        let counter = ConstCounter::new(value);
        let metric = encoder.encode_descriptor(name, help, unit.as_ref(), counter.metric_type())?;
        counter.encode(metric)?;
    }
    let help = "Secrets replaced before events were stored, by rule.";
    let mut family = encoder.encode_descriptor("redactions", help, None, MetricType::Counter)?;
    for (rule, hits) in &status.redactions {
        ConstCounter::new(*hits).encode(family.encode_family(&[("rule", rule.name())])?)?;
    }
    let writable = u64::from(status.not_writable.is_none());
    let compaction_failing = u64::from(status.compaction_failing.is_some());
    let failing = u64::from(status.flush_failing.is_some());
    let gauges = [
        ("engine_flush_failing", "1 if the last flush failed, else 0.", None, failing),
        (
            "compaction_failing",
            "1 if the last compaction failed or a partition is damaged, else 0.",
            None,
            compaction_failing,
        ),
        ("engine_writable", "1 if events can be appended, else 0.", None, writable),
        (
            "drops_suspended",
            "1 if nothing is dropped because the clock is not trusted, else 0.",
            None,
            u64::from(status.drops_suspended.is_some()),
        ),
        ("holds", "Legal holds.", None, status.holds),
        ("wal_size", "Bytes of the log's files.", Some(Unit::Bytes), status.wal_bytes),
        ("segment_size", "Bytes of segment files.", Some(Unit::Bytes), status.segment_bytes),
        ("segment_files", "Level-0 files, segments and packs.", None, status.segment_files),
        (
            "evicted_files",
            "Those of them that are in the archive only.",
            None,
            status.archive_files,
        ),
        ("level_zero_files", "Level-0 files.", None, status.level_zero_files),
        ("pack_files", "Packs.", None, status.pack_files),
        ("sections", "Live sections.", None, status.sections),
        ("engine_events", "Events stored.", None, status.events),
        ("memtable_size", "Bytes in memtables.", Some(Unit::Bytes), status.memtable_bytes),
        ("keys", "Idempotency keys that are remembered.", None, status.keys),
        ("keys_size", "Memory that they take.", bytes(), status.key_bytes),
        (
            "idempotency_oldest",
            "Age of the oldest of them.",
            Some(Unit::Seconds),
            status.oldest_key_seconds,
        ),
        (
            "key_files_damaged",
            "Files of keys that were damaged when the store was opened.",
            None,
            status.key_files_damaged,
        ),
        ("memory_budget", "Memory that may be reserved.", bytes(), pool.budget),
        ("memory_ingest", "Memory reserved by ingest.", bytes(), pool.ingest),
        ("memory_queries", "Memory reserved by queries.", bytes(), pool.queries),
        ("memory_compaction", "Memory reserved by compaction.", bytes(), pool.compaction),
    ];
    for (name, help, unit, value) in gauges {
        let gauge = ConstGauge::new(value);
        let metric = encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?;
        gauge.encode(metric)?;
    }
    let amplification = ConstGauge::new(status.write_amplification());
    let metric = encoder.encode_descriptor(
        "write_amplification",
        "How often a byte was written after the log, since the process began; 0 before a flush.",
        None,
        amplification.metric_type(),
    )?;
    amplification.encode(metric)?;
    Ok(())
}
