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
}

/// Where the disk is full, what a thread finds free depends on how far the others are: such lives
/// are left out, and those that hurry. Which of several threads tells first why a step failed is not
/// decided by the seed.
#[test]
fn the_same_seed_is_the_same_life() {
    let mut compared = 0;
    for seed in (1..40).filter(|seed| seed % 8 != 7) {
        let (first, second) = (run(seed).1, run(seed).1);
        if first.iter().chain(&second).any(|line| line.contains("space")) {
            continue;
        }
        let outcome = |line: &str| line.split("Err(").next().unwrap_or_default().to_owned();
        for (number, (first, second)) in first.iter().zip(&second).enumerate() {
            assert_eq!(outcome(first), outcome(second), "line {number} of seed {seed}");
        }
        assert_eq!(first.len(), second.len());
        compared += 1;
        if compared == 4 {
            return;
        }
    }
    panic!("only {compared} lives have room");
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
