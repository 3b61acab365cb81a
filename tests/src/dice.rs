//! Chance from a seed, and the seeds that a test runs with.

use logstrata_engine::io::{Entropy, SeededEntropy};

/// Random choices that are the same for the same seed.
#[derive(Debug)]
pub struct Dice {
    entropy: SeededEntropy,
}

impl Dice {
    /// The choices of this seed.
    pub fn new(seed: u64) -> Self {
        Self { entropy: SeededEntropy::new(seed) }
    }

    /// A number from all that there are.
    pub fn roll(&mut self) -> u64 {
        self.entropy.next_u64()
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    /// A number from `range`, which is not empty.
    pub fn within(&mut self, range: std::ops::Range<usize>) -> usize {
        range.start + self.below(range.len())
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items, of which there is at least one.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// An index, each with a chance in proportion to its weight.
    pub fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut at = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if at < *weight {
                return index;
            }
            at -= weight;
        }
        unreachable!("`at` lies below the sum of the weights")
    }
}

/// Runs `test` for each of `count` seeds; for `LOGSTRATA_SEEDS` many if that is set; for the one
/// seed of `LOGSTRATA_SEED` if that is. A failure names its seed.
pub fn for_each_seed(name: &str, count: u64, test: impl Fn(u64) + Sync) {
    let number = |variable: &str| -> Option<u64> {
        let text = std::env::var(variable).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
    };
    if let Some(seed) = number("LOGSTRATA_SEED") {
        return test(seed);
    }
    for seed in 0..number("LOGSTRATA_SEEDS").unwrap_or(count) {
        let says = SaysSeed { name, seed };
        test(seed);
        drop(says);
    }
}

/// Tells the seed if it is dropped by a panic.
struct SaysSeed<'a> {
    name: &'a str,
    seed: u64,
}

impl Drop for SaysSeed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { name, seed } = self;
            eprintln!("again: LOGSTRATA_SEED={seed} cargo test -p logstrata-tests {name}");
        }
    }
}
