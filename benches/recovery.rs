//! How long a store takes to open whose process was killed, by the size of its log.
//!
//! ```text
//! cargo run --release -p logstrata-benches --bin recovery -- [--mib 64,256,1024] [--batch 5000]
//!     [--dir DIR]
//! ```
//! The log is made by the engine, without a flush, of so many MiB of records before compression (of those
//! that are written field by field: of what a reader takes for lanes and rows, twice as much an event); the
//! engine is dropped without being closed, and the store is opened with the default limits. The files
//! are in the system's cache: what is timed is reading them from there, checksums, decompression,
//! decoding, making blocks, and copying the last file.
#![expect(clippy::disallowed_methods, reason = "it measures the real disk and the real clock")]

use clap::Parser;
use logstrata_benches::Generator;
use logstrata_engine::testing::bench::Door;
use logstrata_engine::{Engine, Limits, Options};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const MIB: usize = 1 << 20;

/// Measures how long a store takes to open after a kill.
#[derive(Debug, Parser)]
struct Arguments {
    /// Sizes of the log in MiB of records before compression.
    #[arg(long, value_delimiter = ',', default_value = "64,256,1024")]
    mib: Vec<usize>,
    /// Events of a record.
    #[arg(long, default_value_t = 5_000)]
    batch: usize,
    /// Where the stores are made, and removed; the system's folder for temporary files by default.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What a log has.
#[derive(Debug, Default)]
struct Made {
    events: u64,
    raw_bytes: usize,
    log_bytes: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("records    events      log        opened in   records/s   CPU");
    for mib in &arguments.mib {
        let dir = match &arguments.dir {
            Some(dir) => tempfile::tempdir_in(dir)?,
            None => tempfile::tempdir()?,
        };
        let made = make(dir.path(), mib * MIB, arguments.batch)?;
        let cpu = cpu()?;
        let began = Instant::now();
        let engine = Engine::open(Options::new(dir.path()))?;
        let took = began.elapsed();
        let cpu = self::cpu()? - cpu;
        let recovered = engine.status().events_recovered;
        if recovered != made.events {
            return Err(format!("{recovered} events recovered of {}", made.events).into());
        }
        println!(
            "{:>5} MiB  {:>9}  {:>5} MiB  {:>6.2} s  {:>7.0} MB/s  {:>6.2} s",
            made.raw_bytes / MIB,
            made.events,
            made.log_bytes >> 20,
            took.as_secs_f64(),
            made.raw_bytes as f64 / 1e6 / took.as_secs_f64(),
            cpu.as_secs_f64()
        );
    }
    Ok(())
}

/// Appends until the log has so many bytes of records, none of which are in a file.
fn make(dir: &Path, raw_bytes: usize, batch: usize) -> Result<Made> {
    let mut options = Options::new(dir);
    // Nothing is cut before the log is as large as it shall be.
    options.limits = Limits {
        memtable_bytes_max: usize::MAX / 8,
        generation_bytes_max: u64::MAX / 8,
        generation_age_ms_max: u64::MAX / 8,
        wal_bytes_max: u64::MAX / 2,
        disk_reserve_bytes: Some(0),
        ..Limits::for_memory(16 << 30)
    };
    let engine = Engine::open(options)?;
    let door = Door::default();
    let mut events = Generator::default();
    let mut made = Made::default();
    while made.raw_bytes < raw_bytes {
        let batch = events.batch(batch);
        made.events += batch.len() as u64;
        made.raw_bytes += door.redact(batch.clone()).record_bytes_raw()?;
        engine.append(batch)?;
    }
    let status = engine.status();
    made.log_bytes = status.wal_bytes_written;
    if status.flushes > 0 {
        return Err("some events went to a file".into());
    }
    // Dropped, not closed: nothing is flushed.
    drop(engine);
    Ok(made)
}

/// The CPU time of this process, user and system.
fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold anything; fields 14 and 15 of proc(5) are the 12th and 13th
    // behind it.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}
