//! How long a store takes to drop many sections that are due, and what senders notice of it.
//!
//! ```text
//! cargo run --release -p logstrata-benches --bin drops -- [--sections 100000] [--per-file 50] [--dir DIR]
//! ```
//! Each file is a flush of one event on each of so many days of long ago. While all of it is dropped
//! another thread sends batches of 100 events of today, one after the other; the waits of its senders are
//! told beside those of the same time without a drop.
#![expect(clippy::disallowed_methods, reason = "it measures the real disk and the real clock")]

use clap::Parser;
use logstrata_benches::Generator;
use logstrata_engine::{
    BatchBuilder, Engine, Kind, Level, Options, RunKind, Timestamp, days_from_civil,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const NS_PER_DAY: i64 = 86_400_000_000_000;
/// Events of a batch that is sent meanwhile.
const BATCH: usize = 100;

/// Measures how long many sections take to drop.
#[derive(Debug, Parser)]
struct Arguments {
    /// Sections that are due.
    #[arg(long, default_value_t = 100_000)]
    sections: usize,
    /// Sections of a file, at most 500.
    #[arg(long, default_value_t = 50)]
    per_file: usize,
    /// Where the store is made, and removed; the system's folder for temporary files by default.
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let base = arguments.dir.unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::tempdir_in(base)?;
    let mut options = Options::new(dir.path());
    options.limits.compaction.is_automatic = false;
    let engine = Engine::open(options.clone())?;
    let files = arguments.sections.div_ceil(arguments.per_file.clamp(1, 500));
    let began = Instant::now();
    for file in 0..files {
        engine.append(old(&options, file, arguments.per_file)?)?;
        engine.flush()?;
    }
    let status = engine.status();
    println!(
        "{} sections in {} files, {} MiB, made in {:.1} s",
        status.sections,
        status.segment_files,
        status.segment_bytes >> 20,
        began.elapsed().as_secs_f64()
    );

    let quiet = waits(&engine, |_| std::thread::sleep(Duration::from_secs(3)));
    let mut took = Duration::ZERO;
    let busy = waits(&engine, |engine| {
        let began = Instant::now();
        let run = engine.drop_due(RunKind::Requested).expect("nothing fails");
        took = began.elapsed();
        println!("{} sections dropped in {:.2} s", run.dropped().sections, took.as_secs_f64());
    });
    tell("without a drop", quiet);
    tell("while it drops", busy);
    let left = std::fs::read_dir(dir.path().join("segments"))?.count();
    println!("{left} files are left");
    engine.close()?;
    Ok(())
}

/// An event on each of so many days.
fn old(options: &Options, file: usize, days: usize) -> Result<logstrata_engine::Batch> {
    let now = options.io.clock.now();
    let mut batch = BatchBuilder::new(&options.limits, now);
    for day in 0..days {
        let mut event = batch.event();
        let date = days_from_civil(2001, 1, 1) + ((file * days + day) % 7_000) as i64;
        event.timestamp = Timestamp(date * NS_PER_DAY);
        event.level = Level::Debug;
        event.field("message", Kind::String, format!("event {file} of a day").as_bytes());
        event.finish()?;
    }
    Ok(batch.build())
}

/// What senders wait while something is done.
fn waits(engine: &Engine, work: impl FnOnce(&Engine)) -> Vec<Duration> {
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut events = Generator::default();
            let mut waits = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let batch = events.batch(BATCH);
                let began = Instant::now();
                engine.append(batch).expect("there is room");
                waits.push(began.elapsed());
            }
            waits
        });
        work(engine);
        ends.store(true, Ordering::Relaxed);
        sender.join().expect("does not panic")
    })
}

fn tell(what: &str, mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let at = |part: f64| {
        let place = ((waits.len() as f64 * part) as usize).min(waits.len().saturating_sub(1));
        waits.get(place).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    };
    println!(
        "{what}: {} batches, ack p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
        waits.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
