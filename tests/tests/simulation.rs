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

#[test]
fn the_same_seed_is_the_same_life() {
    for seed in [1, 2, 3, 6] {
        let (first, second) = (run(seed).1, run(seed).1);
        for (number, (first, second)) in first.iter().zip(&second).enumerate() {
            assert_eq!(first, second, "line {number} of seed {seed}");
        }
        assert_eq!(first.len(), second.len());
    }
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
