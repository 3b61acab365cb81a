//! Load on the real binary: how many events a second it takes in, how long a sender waits, what an
//! event costs in CPU, memory and disk, and how fast queries are answered on what was stored.
//!
//! ```text
//! cargo run --release -p logstrata-benches --bin load -- --workload DIR [--events 1000000]
//!     [--connections 2] [--batch 5000] [--server target/release/logstrata] [--repetitions 8]
//! ```
//! `DIR` has events as `*.ndjson` and may have a `facts.json` that says what queries must find (see
//! facts.rs). Sender and server share the machine. The sending loop is closed: a connection sends
//! its next batch when the last one is acknowledged, so the waits are those of that many senders,
//! not of a fixed rate.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it measures the real disk, the real clock and a process"
)]

mod disk;
mod facts;
mod process;
mod queries;
mod report;
mod send;

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
    let report = runtime.block_on(run(&arguments))?;
    print!("{report}");
    let failed = report.queries.iter().any(|query| query.wrong.is_some());
    if failed { Err("an answer is wrong".into()) } else { Ok(()) }
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let binary = match &arguments.server {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("logstrata"),
    };
    let dir = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let fdatasync = disk::fdatasync(dir.path())?;
    let bodies = send::bodies(&arguments.workload, arguments.events, arguments.batch)?;
    let events: u64 = bodies.iter().map(|body| body.events).sum();
    if events == 0 {
        return Err(format!("no events in {}", arguments.workload.display()).into());
    }
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
    let facts = facts::Facts::read(&arguments.workload, events)?;
    let queries = match facts {
        Some(facts) => queries::measure(&client, &facts, arguments.repetitions).await?,
        None => Vec::new(),
    };
    let peak_after_queries = server.peak_anonymous_bytes();
    server.stop()?;
    Ok(Report { fdatasync, sent, searchable, sizes, cpu, memory, peak_after_queries, queries })
}
