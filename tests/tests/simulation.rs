//! Stores that live on disks that fail, are killed and lose power, as seeds decide.
//!
//! `SEED=7 cargo test -p logstrata-tests --test simulation` lives one life again;
//! `SEEDS=1000` or `SECONDS_TO_RUN=600` live more of them, `FIRST_SEED=5000` others.

use logstrata_tests::simulation::{Tally, run};

/// Lives in a suite.
const SEEDS: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

#[test]
fn lives() {
    if let Some(seed) = number("SEED") {
        let (_, transcript) = run(seed);
        return transcript.iter().for_each(|line| println!("{line}"));
    }
    let clock = logstrata_engine::io::Io::system().clock;
    let first = number("FIRST_SEED").unwrap_or(0);
    let seconds = number("SECONDS_TO_RUN");
    let count = number("SEEDS").unwrap_or(if seconds.is_some() { u64::MAX } else { SEEDS });
    let mut tally = Tally::default();
    let mut lived = 0;
    while lived < count && seconds.is_none_or(|limit| clock.monotonic().as_secs() < limit) {
        let says = SaysSeed(first + lived);
        tally.add(&run(first + lived).0);
        drop(says);
        lived += 1;
    }
    println!("{lived} lives: {tally:#?}");
    assert!(lived < SEEDS || tally.dropped > 0, "nothing was ever due");
}

/// Of several threads at work in one step, a seed does not decide how far each has come when one of them
/// ends the process, nor what each finds free on a full disk, nor which tells first why a step failed.
/// So lives on full disks are left out, and those that hurry; of the others, what comes before the
/// first death is compared.
#[test]
fn the_same_seed_is_the_same_life() {
    let mut compared = 0;
    for seed in (1..80).filter(|seed| seed % 8 != 7) {
        let (first, second) = (run(seed).1, run(seed).1);
        if first.iter().chain(&second).any(|line| line.contains("space")) {
            continue;
        }
        let alive = lines_before_a_death(&first).min(lines_before_a_death(&second));
        let outcome = |line: &str| line.split("Err(").next().unwrap_or_default().to_owned();
        for (number, (first, second)) in first.iter().zip(&second).take(alive).enumerate() {
            assert_eq!(outcome(first), outcome(second), "line {number} of seed {seed}");
        }
        assert!(alive < usize::MAX || first.len() == second.len(), "seed {seed} lives longer");
        compared += alive.min(first.len());
        if compared >= 300 {
            return;
        }
    }
    panic!("only {compared} lines have been compared");
}

/// The lines of a transcript before the step in which the process died; all if it never did.
fn lines_before_a_death(transcript: &[String]) -> usize {
    // "crash:", and also "crash with batches in flight:", of which any number may have been written.
    let death = |line: &String| line.contains("the process is dead") || line.starts_with("  crash");
    let Some(death) = transcript.iter().position(death) else { return usize::MAX };
    transcript[..death].iter().rposition(|line| !line.starts_with(' ')).unwrap_or(0)
}

/// Tells the seed if it is dropped by a panic.
struct SaysSeed(u64);

impl Drop for SaysSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "again: SEED={} cargo test -p logstrata-tests --test simulation lives",
                self.0
            );
        }
    }
}
