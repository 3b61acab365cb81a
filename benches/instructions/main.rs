//! A guard against getting slower: the instructions that fixed small workloads take, held against those
//! that the repository has in `counts.txt`.
//!
//! ```text
//! cargo run --release --bin instructions -- [--renew | --repeat 5] [NAME...]
//! ```
//! Without `--renew` it fails if a workload takes more than it did by [`TOLERANCE`]. `NAME` is a part of the
//! names of those that are wanted.
//!
//! What keeps the counts the same from run to run: callgrind counts, not the clock; each workload is a process
//! of its own, in an empty environment, with the same events, and queries have one thread. What is left are the
//! seeds of hash tables and how threads take turns: 0.2 %, of words 2.3 %; `--repeat` shows it. Counts depend on the
//! compiler, the C library, and the processor's features as valgrind shows them: the file names these, and
//! where they are others a difference is told and fails nothing.

#![expect(clippy::disallowed_methods, reason = "it runs programs and reads their files")]

mod callgrind;
mod counts;
mod machine;
mod stores;
mod workloads;

use clap::Parser;
use counts::{Counts, Verdict};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use workloads::{WORKLOADS, Workload};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// A workload may take so much more than it did.
const TOLERANCE: f64 = 0.03;
/// Not with `-p`: the crates would have other features than in `tests/run`.
const RENEW: &str = "cargo run --release --bin instructions -- --renew";

/// Counts the instructions of fixed workloads and compares them with what is stored.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stores what is found instead of comparing it.
    #[arg(long)]
    renew: bool,
    /// Counts so often, and shows how far the counts are apart.
    #[arg(long, default_value_t = 1, conflicts_with = "renew")]
    repeat: usize,
    /// Runs one workload, as the process whose instructions are counted.
    #[arg(long, hide = true, requires = "store")]
    run: Option<String>,
    /// The store of that workload.
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
    /// Parts of the names of workloads; all of them by default.
    names: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let (Some(name), Some(store)) = (&arguments.run, &arguments.store) {
        let workload = WORKLOADS.iter().find(|workload| workload.name == *name);
        workload.ok_or_else(|| format!("no workload {name:?}"))?.run(store);
        return Ok(ExitCode::SUCCESS);
    }
    let wanted: Vec<_> = WORKLOADS.iter().filter(|workload| arguments.wants(workload)).collect();
    if wanted.is_empty() {
        return Err("no workload has such a name".into());
    }
    if arguments.repeat > 1 {
        spread(&wanted, arguments.repeat)?;
        return Ok(ExitCode::SUCCESS);
    }
    let stored = Counts::read(&counts_file())?;
    let found = Counts { with: machine::describe()?, counts: count(&wanted)? };
    let verdict = Verdict::of(&stored, &found, TOLERANCE);
    println!("{verdict}");
    if arguments.renew {
        // With all of them counted, nothing is left of workloads that there are no more.
        let counts = if arguments.names.is_empty() { found } else { stored.renewed(found) };
        counts.write(&counts_file())?;
        println!("stored in benches/instructions/counts.txt");
    } else if verdict.fails() {
        println!(
            "If the change is worth this, store the counts anew and say why in its commit:\n  {RENEW}"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn wants(&self, workload: &Workload) -> bool {
        let has = |name: &String| workload.name.contains(name.as_str());
        self.names.is_empty() || self.names.iter().any(has)
    }
}

fn counts_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions/counts.txt")
}

/// The counts of these workloads, in their order; as many are counted at a time as there are cores.
fn count(workloads: &[&Workload]) -> Result<Vec<(String, u64)>> {
    let dir = tempfile::tempdir()?;
    let stores = stores::Stores::make(dir.path())?;
    let next = Mutex::new(workloads.iter().enumerate());
    let counted = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let Some((place, workload)) = next.lock().expect("nobody panics").next() else {
                    return Ok(());
                };
                let folder = dir.path().join(format!("run-{place}"));
                let count = callgrind::count(workload, &stores, &folder)?;
                counted.lock().expect("nobody panics").push((place, workload.name, count));
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("nobody panics"))
    })?;
    let mut counted = counted.into_inner().expect("nobody panics");
    counted.sort_unstable();
    Ok(counted.into_iter().map(|(_, name, count)| (name.to_owned(), count)).collect())
}

/// Prints the least and the greatest count of each workload in so many runs.
fn spread(workloads: &[&Workload], runs: usize) -> Result<()> {
    let runs = (0..runs).map(|_| count(workloads)).collect::<Result<Vec<_>>>()?;
    println!("{:<40} {:>16} {:>16} {:>8}", "", "least", "greatest", "apart");
    for (place, workload) in workloads.iter().enumerate() {
        let counts = || runs.iter().map(|run| run[place].1);
        let (least, greatest) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        let apart = 100.0 * (greatest - least) as f64 / least as f64;
        let (low, high) = (counts::grouped(least), counts::grouped(greatest));
        println!("{:<40} {low:>16} {high:>16} {apart:>6.2} %", workload.name);
    }
    Ok(())
}
