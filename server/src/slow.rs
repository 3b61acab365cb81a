//! Queries that took long: counted, logged, and kept for whoever asks.
//!
//! - `S1` what is kept and logged of a query is bounded, and without what redaction takes out of events:
//!   its text may hold a secret that somebody looked for.
//! - `S2` many slow queries make few lines: what is not logged is counted, and the next line tells how many.

use logstrata_client::wire::{Scanned, SlowQueriesAnswer, SlowQuery};
use logstrata_engine::Engine;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Queries that are kept: the latest.
const KEPT_MAX: usize = 100;
/// Bytes of a query's text that are kept.
const TEXT_BYTES_MAX: usize = 2 << 10;
/// Lines of the log at most in each [`WINDOW`].
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// The slow queries of a server.
#[derive(Debug)]
pub(crate) struct SlowQueries {
    /// From here on a query is slow; `None` if none is.
    threshold: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The latest first.
    kept: VecDeque<SlowQuery>,
    total: u64,
    /// When the window began, and the lines in it.
    window: Duration,
    lines: u32,
    /// Queries that were not logged since the last that was.
    suppressed: u64,
}

/// Where a request came from, and what it asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) peer: Option<SocketAddr>,
}

/// What became of a query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// With what it waited for a place.
    pub(crate) took: Duration,
    pub(crate) scanned: Scanned,
    /// Events, or rows of a table, or whatever it answers a list of.
    pub(crate) rows: u64,
    /// The kinds of what the answer lacks.
    pub(crate) partial: Vec<String>,
    /// The kind of the error that it ended with.
    pub(crate) error: Option<String>,
    /// The most memory that it had at a time, in bytes.
    pub(crate) memory: u64,
}

impl SlowQueries {
    /// Queries that take so long are slow.
    pub(crate) fn new(threshold: Option<Duration>) -> Self {
        Self { threshold, state: Mutex::default() }
    }

    /// Whether a query that took so long is slow.
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        self.threshold.is_some_and(|threshold| took >= threshold)
    }

    /// Tells of a slow query; `now` is monotonic.
    pub(crate) fn tell(
        &self,
        engine: &Engine,
        now: Duration,
        time: String,
        asked: &Asked,
        outcome: Outcome,
    ) {
        let clean = |text: &str| shortened(&engine.redact_text(text));
        let slow = SlowQuery {
            time,
            method: asked.method.to_owned(),
            path: clean(&asked.path),
            query: shortened(&engine.redact_query(&asked.query)),
            from: asked.from.as_deref().map(clean),
            to: asked.to.as_deref().map(clean),
            took_ms: (outcome.took.as_secs_f64() * 1e6).round() / 1e3,
            scanned: outcome.scanned,
            rows: outcome.rows,
            memory_bytes: outcome.memory,
            partial: outcome.partial,
            error: outcome.error,
            peer: asked.peer.map(|peer| peer.to_string()),
        };
        let suppressed = self.keep(now, slow.clone());
        if let Some(suppressed) = suppressed {
            log(&slow, suppressed);
        }
    }

    /// Keeps a query. Returns how many were not logged before it, if it is to be logged.
    fn keep(&self, now: Duration, slow: SlowQuery) -> Option<u64> {
        let mut state = self.state.lock();
        state.total += 1;
        state.kept.truncate(KEPT_MAX - 1);
        state.kept.push_front(slow);
        if now.saturating_sub(state.window) >= WINDOW {
            (state.window, state.lines) = (now, 0);
        }
        if state.lines == LINES_MAX {
            state.suppressed += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.suppressed))
    }

    /// The latest, the newest first.
    pub(crate) fn answer(&self) -> SlowQueriesAnswer {
        let state = self.state.lock();
        SlowQueriesAnswer {
            slow_queries: state.kept.iter().cloned().collect(),
            total: state.total,
            threshold_ms: self.threshold.map(|threshold| threshold.as_secs_f64() * 1e3),
        }
    }
}

fn log(slow: &SlowQuery, suppressed: u64) {
    let shown = |text: &Option<String>| text.clone().unwrap_or_default();
    tracing::warn!(
        target: "slow_query",
        method = slow.method,
        path = slow.path,
        query = slow.query,
        from = shown(&slow.from),
        to = shown(&slow.to),
        took_ms = slow.took_ms,
        blocks = slow.scanned.blocks,
        blocks_pruned = slow.scanned.blocks_pruned,
        rows_scanned = slow.scanned.rows,
        rows = slow.rows,
        memory_bytes = slow.memory_bytes,
        partial = slow.partial.join(","),
        error = shown(&slow.error),
        peer = shown(&slow.peer),
        suppressed,
    );
}

/// The beginning of a text on one line.
fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let mut clean = String::with_capacity(end);
    crate::clean::push_clean(&mut clean, &text[..end], false);
    if end < text.len() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::Options;

    fn query(text: &str) -> Asked {
        Asked { method: "GET", path: "/api/v1/logs".into(), query: text.into(), ..Asked::default() }
    }

    #[test]
    fn what_is_kept_is_bounded_and_without_secrets() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = Engine::open(Options::new(dir.path())).expect("opens");
        let slow = SlowQueries::new(Some(Duration::from_secs(1)));
        assert!(slow.is_slow(Duration::from_secs(1)) && !slow.is_slow(Duration::from_millis(999)));
        assert!(!SlowQueries::new(None).is_slow(Duration::MAX));
        let tell = |text: &str| {
            slow.tell(&engine, Duration::ZERO, "now".into(), &query(text), Outcome::default());
        };
        for secret in [
            "password:hunter2",
            "user.password:\"hunter2\"",
            "password==hunter2",
            "a | where api_key:[hunter2 TO *]",
            "token:(hunter2 OR /hunter2+/)",
            "password==hunter2 AND (",
            "(password:(hunter1 OR hunter2",
            "token:hunter2 AND (",
            "\"password=hunter2\"",
            "msg:\"Authorization: Bearer hunter2\"",
            "https://me:hunter2@example.org/",
        ] {
            tell(secret);
            let shown = &slow.answer().slow_queries[0].query;
            assert!(!shown.contains("hunter2") && shown.contains("[redacted:"), "{shown}");
        }
        tell(&"ä\n".repeat(5_000));
        let shown = slow.answer().slow_queries[0].query.clone();
        assert!(shown.len() < 2 * TEXT_BYTES_MAX && shown.ends_with('…') && !shown.contains('\n'));
        (0..500).for_each(|n| tell(&format!("n{n}")));
        let answer = slow.answer();
        assert_eq!((answer.slow_queries.len(), answer.total), (KEPT_MAX, 512));
        let texts: Vec<&str> = answer.slow_queries.iter().map(|slow| &*slow.query).collect();
        assert_eq!((texts[0], texts[KEPT_MAX - 1]), ("n499", "n400"));
    }

    #[test]
    fn many_slow_queries_make_few_lines() {
        let slow = SlowQueries::new(Some(Duration::ZERO));
        let at = |seconds| slow.keep(Duration::from_secs(seconds), SlowQuery::default());
        let logged = (0..50).filter(|_| at(1).is_some()).count();
        assert_eq!(logged as u32, LINES_MAX);
        assert_eq!(at(8), None);
        assert_eq!((at(11), at(12)), (Some(41), Some(0)));
    }
}
