//! Load on the real binary: how many events a second it takes in, how long a sender waits, what an
//! event costs in CPU, memory and disk, and how fast queries are answered on what was stored.
//!
//! ```text
//! cargo run --release -p logstrata-benches --bin load -- --workload DIR [--events 1000000]
//!     [--connections 2] [--batch 5000] [--server target/release/logstrata] [--repetitions 8]
//!     [--overload-seconds 60 [--memory-mib 256]]
//!     [--tail-rate 50000] [--exports] [--copies 10] [--latency-seconds 20]
//!     [--scale 100000000 [--scale-day 4000000]]
//! ```
//! `DIR` has events as `*.ndjson` and may have a `facts.json` that says what queries must find (see
//! facts.rs). Sender and server share the machine. The sending loop is closed: a connection sends
//! its next batch when the last one is acknowledged, so the waits are those of that many senders,
//! not of a fixed rate. With `--overload-seconds` nothing but overload is measured (see overload.rs).
//! With `--scale` nothing is measured but a store of so many events, made of copies of the workload that
//! have other times, ids and numbers each (scale/mod.rs); 100 million take 5 to 8 GB of disk and about ten
//! minutes. The workload should have a million lines of one day, so that it tells which numbers vary.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it measures the real disk, the real clock and a process"
)]

mod disk;
mod export;
mod facts;
mod latency;
mod overload;
mod process;
mod queries;
mod report;
mod scale;
mod send;
mod tail;
mod truth;

use clap::Parser;
use process::Server;
use report::Report;
use std::path::PathBuf;
use std::time::{Duration, Instant};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Puts load on a Logstrata server and measures it.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder with the workload: *.ndjson and facts.json.
    #[arg(long)]
    workload: PathBuf,
    /// Events to send; all of the workload if it has fewer.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    events: u64,
    /// Connections that send at the same time.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Events of a request.
    #[arg(long, default_value_t = 5_000)]
    batch: usize,
    /// The server's binary; beside this one by default.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where the store is made, and removed; the system's folder for temporary files by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How often each query is asked, with another parameter each time.
    #[arg(long, default_value_t = 8)]
    repetitions: usize,
    /// Measures too many producers for so long, and nothing else.
    #[arg(long)]
    overload_seconds: Option<u64>,
    /// The server's memory then, in MiB.
    #[arg(long, default_value_t = 256)]
    memory_mib: u64,
    /// Events a second that are sent while they are followed; 0 for none.
    #[arg(long, default_value_t = 50_000)]
    tail_rate: u64,
    /// Measures for so long each how long batches of 1, 50 and 5,000 events wait at half of the full rate, and
    /// what queries take meanwhile.
    #[arg(long)]
    latency_seconds: Option<u64>,
    /// Exports all that is stored, as each kind of file.
    #[arg(long)]
    exports: bool,
    /// How often the workload is sent.
    #[arg(long, default_value_t = 1)]
    copies: usize,
    /// Sends so many events, as copies of the workload that are other data each, and measures nothing else.
    #[arg(long)]
    scale: Option<u64>,
    /// Events of a day then, at least.
    #[arg(long, default_value_t = 4_000_000)]
    scale_day: u64,
    /// More arguments for `logstrata serve`.
    #[arg(last = true)]
    serve: Vec<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.connections == 0 || arguments.batch == 0 || arguments.repetitions == 0 {
        return Err("connections, batch and repetitions are at least 1".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(seconds) = arguments.overload_seconds {
        let report = runtime.block_on(overload(&arguments, Duration::from_secs(seconds)))?;
        print!("{report}");
        return if report.is_fine() { Ok(()) } else { Err("a promise was broken".into()) };
    }
    if let Some(events) = arguments.scale {
        let report = runtime.block_on(scale(&arguments, events))?;
        print!("{report}");
        return match report.wrong() {
            None => Ok(()),
            Some(wrong) => Err(format!("an answer is wrong: {wrong}").into()),
        };
    }
    let report = runtime.block_on(run(&arguments))?;
    print!("{report}");
    let failed = report.queries.iter().any(|query| query.wrong.is_some())
        || report.exports.iter().any(|export| export.wrong.is_some());
    if failed { Err("an answer is wrong".into()) } else { Ok(()) }
}

fn binary(arguments: &Arguments) -> Result<PathBuf> {
    match &arguments.server {
        Some(binary) => Ok(binary.clone()),
        None => Ok(std::env::current_exe()?.with_file_name("logstrata")),
    }
}

fn folder(arguments: &Arguments) -> Result<tempfile::TempDir> {
    match &arguments.dir {
        Some(dir) => Ok(tempfile::tempdir_in(dir)?),
        None => Ok(tempfile::tempdir()?),
    }
}

fn bodies(arguments: &Arguments) -> Result<Vec<send::Body>> {
    let bodies = send::bodies(&arguments.workload, arguments.events, arguments.batch)?;
    match bodies.is_empty() {
        true => Err(format!("no events in {}", arguments.workload.display()).into()),
        false => Ok(std::iter::repeat_n(bodies, arguments.copies).flatten().collect()),
    }
}

async fn overload(arguments: &Arguments, time: Duration) -> Result<overload::Report> {
    let (binary, dir) = (binary(arguments)?, folder(arguments)?);
    let plan = overload::Plan {
        binary: &binary,
        store: &dir.path().join("store"),
        serve: &arguments.serve,
        memory: arguments.memory_mib,
        time,
    };
    overload::run(&plan, &bodies(arguments)?).await
}

async fn scale(arguments: &Arguments, events: u64) -> Result<scale::Report> {
    let (binary, dir) = (binary(arguments)?, folder(arguments)?);
    let facts = facts::Facts::read(&arguments.workload)?.ok_or("the workload has no facts.json")?;
    let plan = scale::Plan {
        binary: &binary,
        dir: dir.path(),
        serve: &arguments.serve,
        events,
        day_events: arguments.scale_day,
        connections: arguments.connections,
        repetitions: arguments.repetitions,
    };
    scale::run(&plan, &bodies(arguments)?, &facts).await
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let (binary, dir) = (binary(arguments)?, folder(arguments)?);
    let fdatasync = disk::fdatasync(dir.path())?;
    let bodies = bodies(arguments)?;
    let known = match facts::Facts::read(&arguments.workload)? {
        Some(facts) => {
            let truth = truth::Truth::count(&bodies, &facts)?;
            Some((facts, truth))
        }
        None => None,
    };
    let mut server = Server::start(&binary, &dir.path().join("store"), &arguments.serve)?;
    let client = logstrata_client::Client::new(server.url())?;
    let idle = server.cpu()?;
    // The disk's slope is taken between half of the events and all: fixed costs fall out.
    let middle = bodies.len().div_ceil(2);
    let mut sent = send::Sent::default();
    let mut searchable = Duration::ZERO;
    let mut sizes = Vec::new();
    for half in [&bodies[..middle], &bodies[middle..]] {
        sent.add(send::send(&client, half, arguments.connections).await?);
        let started = Instant::now();
        client.flush().await?;
        searchable += started.elapsed();
        sizes.push((sent.events, server.settled_bytes().await?));
    }
    let cpu = server.cpu()? - idle;
    let memory = server.peak_anonymous_bytes();
    let queries = match &known {
        Some((facts, truth)) => {
            queries::measure(&client, facts, truth, arguments.repetitions).await?
        }
        None => Vec::new(),
    };
    let peak_after_queries = server.peak_anonymous_bytes();
    let exports = match arguments.exports {
        true => export::measure(&client, &server, sent.events, arguments.repetitions).await?,
        false => Vec::new(),
    };
    let followed = match arguments.tail_rate {
        0 => None,
        rate => {
            let events = arguments.events.min(20 * rate);
            let bodies = send::bodies(&arguments.workload, events, tail::BATCH)?;
            Some(tail::measure(&client, &bodies, rate).await?)
        }
    };
    let latency = match arguments.latency_seconds {
        None => None,
        Some(seconds) => {
            let time = Duration::from_secs(seconds);
            let (paths, known) = ((&*arguments.workload, dir.path()), known.as_ref());
            Some(latency::measure(&client, paths, known, time, arguments.repetitions).await?)
        }
    };
    server.stop()?;
    Ok(Report {
        fdatasync,
        sent,
        searchable,
        sizes,
        cpu,
        memory,
        peak_after_queries,
        queries,
        exports,
        followed,
        latency,
    })
}
