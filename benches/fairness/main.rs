//! What queries do to each other: how long a needle takes alone, and beside scans of the whole
//! store, and what a second turn at a time does for one scan. Through the engine, without a network.
//!
//! ```text
//! cargo run --release -p logstrata-benches --bin fairness -- [--store DIR] [--needles 400]
//! ```
//! Without `--store` a store of a million synthetic events is made. The store is flushed and
//! compacted before it is asked. Needles are traces of its own events, another one each time. The
//! goal: a scan of everything does not delay a needle by more than twice its own time.

#![expect(clippy::disallowed_methods, reason = "it measures with the real clock")]

use clap::Parser;
use logstrata_benches::Generator;
use logstrata_engine::query::{Order, SearchRequest, StatsRequest, TimeRange, parse};
use logstrata_engine::{Control, Engine, Options};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const EVENTS: usize = 1_000_000;
const BATCH: usize = 5_000;
/// Reads every message, and no index rules out a block.
const SCAN: &str = r"message:/[0-9][02468][a-z0-9.]*[ :=][13579]+x?[0-9]+[^ ]*7/";
/// How often one scan is timed.
const SCANS_TIMED: usize = 5;
/// The pause between needles: people don't ask without one, and without it needles are one long
/// query.
const PAUSE: Duration = Duration::from_millis(2);

/// Measures how queries share the cores.
#[derive(Debug, Parser)]
struct Arguments {
    /// An existing store with traces; it is flushed and compacted.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Needles of each row.
    #[arg(long, default_value_t = 400)]
    needles: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let made = tempfile::tempdir()?;
    let dir = match &arguments.store {
        Some(dir) => dir.clone(),
        None => {
            fill(made.path())?;
            made.path().to_owned()
        }
    };
    compact(&dir)?;
    let cores = std::thread::available_parallelism()?.get();
    println!("{cores} cores");
    for turns in 1..=cores.min(2) {
        let engine = open(&dir, Some(turns))?;
        let times = sorted((0..=SCANS_TIMED).map(|_| scan(&engine, &Control::default())))?;
        let events = engine.status().events;
        println!(
            "one scan of {events} events, {turns} turns at a time: median {:.1} ms",
            ms(median(&times))
        );
        engine.close()?;
    }
    let engine = open(&dir, None)?;
    let traces = traces(&engine, arguments.needles)?;
    println!("a needle among {} traces, beside n scans:", traces.len());
    println!(
        "{:>6} {:>10} {:>10} {:>10} {:>10}",
        "scans", "median ms", "p90 ms", "p99 ms", "scans/s"
    );
    for scans in [0, 1, 4] {
        let (times, rate) = beside(&engine, &traces, scans)?;
        let at = |share: usize| ms(times[(times.len() * share / 100).min(times.len() - 1)]);
        println!("{scans:>6} {:>10.2} {:>10.2} {:>10.2} {rate:>10.1}", at(50), at(90), at(99));
    }
    engine.close()?;
    Ok(())
}

fn fill(dir: &Path) -> Result<()> {
    let engine = Engine::open(Options::new(dir))?;
    let mut events = Generator::default();
    for _ in 0..EVENTS / BATCH {
        engine.append(events.batch(BATCH))?;
    }
    Ok(engine.close()?)
}

fn compact(dir: &Path) -> Result<()> {
    let engine = open(dir, None)?;
    engine.flush()?;
    engine.compact_now()?;
    Ok(engine.close()?)
}

fn open(dir: &Path, turns: Option<usize>) -> Result<Engine> {
    let mut options = Options::new(dir);
    options.limits.compaction.is_automatic = false;
    options.limits.scans_max = turns.unwrap_or(options.limits.scans_max);
    Ok(Engine::open(options)?)
}

/// How long it takes to look at every message.
fn scan(engine: &Engine, control: &Control) -> Result<Duration> {
    let request = StatsRequest {
        filter: parse(SCAN).map_err(|error| error.message)?,
        range: TimeRange::default(),
        group_by: Vec::new(),
        interval: None,
        aggregates: Vec::new(),
        top: None,
    };
    let started = Instant::now();
    engine.stats_with(&request, control)?;
    Ok(started.elapsed())
}

/// A page of events of this query, and how long it took.
fn search(engine: &Engine, query: &str, limit: usize) -> Result<(Vec<String>, Duration)> {
    let request = SearchRequest {
        query: query.to_owned(),
        filter: parse(query).map_err(|error| error.message)?,
        range: TimeRange::default(),
        limit,
        order: Order::NewestFirst,
        cursor: None,
    };
    let started = Instant::now();
    let page = engine.search(&request)?;
    let took = started.elapsed();
    let fields = page.events.iter().flat_map(|event| &event.fields);
    let traces = fields.filter(|field| &*field.name == "trace_id");
    Ok((traces.map(|field| String::from_utf8_lossy(&field.text).into_owned()).collect(), took))
}

/// Traces from all over the store, at most `count`.
fn traces(engine: &Engine, count: usize) -> Result<Vec<String>> {
    let mut traces = Vec::new();
    for level in ["critical", "error", "warn"] {
        traces.extend(search(engine, &format!("level:{level} trace_id:*"), 10_000)?.0);
    }
    traces.sort();
    traces.dedup();
    // Sorted by their random digits, they are in no order of time.
    traces.truncate(count);
    if traces.is_empty() { Err("the store has no traces".into()) } else { Ok(traces) }
}

/// The times of a needle each, in order, while so many threads scan, and the rate of their scans.
fn beside(engine: &Engine, traces: &[String], scans: usize) -> Result<(Vec<Duration>, f64)> {
    let (control, done) = (Control::default(), AtomicUsize::new(0));
    let started = Instant::now();
    let times = std::thread::scope(|scope| {
        for _ in 0..scans {
            scope.spawn(|| {
                while scan(engine, &control).is_ok() {
                    done.fetch_add(1, Relaxed);
                }
            });
        }
        std::thread::sleep(PAUSE * 50);
        let needles = traces.iter().map(|trace| {
            std::thread::sleep(PAUSE);
            let (found, took) = search(engine, &format!("trace_id:{trace}"), 1_000)?;
            if found.is_empty() { Err(format!("{trace} is lost").into()) } else { Ok(took) }
        });
        let times = sorted(needles);
        control.cancel.cancel();
        times
    })?;
    Ok((times, done.into_inner() as f64 / started.elapsed().as_secs_f64()))
}

fn sorted(times: impl Iterator<Item = Result<Duration>>) -> Result<Vec<Duration>> {
    let mut times = times.collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times)
}

fn median(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
