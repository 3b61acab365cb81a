//! The number of different values: counted one by one while they are few, then estimated.
//!
//! The estimate is that of HyperLogLog (Flajolet and others, 2007) as Apache DataSketches computes it
//! from the registers alone.
//!
//! - `D1` What is told depends on the values alone: not on their order, nor on who met which, nor on
//!   when they became too many. [`Detail`] only ever falls, and falls by what all figures of a table
//!   remember together; the registers of less detail can be had from those of more.
//! - `D2` A sketch takes no more than the hashes in whose place it stands (asserted below), so that what
//!   is reserved for these is enough.

use datasketches::hll::{HllSketch, HllType, HllUnion};
use std::collections::HashSet;

/// What a hash takes in a table that is half full.
pub(super) const VALUE_BYTES: usize = 18;
/// What a sketch takes beside its registers, of a byte each.
const SKETCH_BYTES: usize = 192;

/// How exactly the figures of a table count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// Every value is remembered.
    Exact,
    /// What has many values is estimated.
    Fine,
    /// What has more than a few values is estimated, and not as well: there are many figures.
    Coarse,
}

impl Detail {
    /// Values that one figure remembers at most.
    const fn values_max(self) -> usize {
        match self {
            Self::Exact => usize::MAX - 1,
            Self::Fine => 1_024,
            Self::Coarse => 128,
        }
    }

    /// The number of registers, as a power of two.
    const fn registers(self) -> u8 {
        match self {
            Self::Exact | Self::Fine => 14,
            Self::Coarse => 11,
        }
    }

    /// What all figures of a table remember at most, in units of what it may remember exactly.
    pub(super) fn budget(self, exact_max: usize) -> usize {
        match self {
            Self::Exact => exact_max,
            Self::Fine => 4 * exact_max,
            Self::Coarse => usize::MAX,
        }
    }

    /// Less of it.
    pub(super) fn less(self) -> Self {
        match self {
            Self::Exact => Self::Fine,
            Self::Fine | Self::Coarse => Self::Coarse,
        }
    }

    /// The standard error of an estimate, as a part of it.
    pub(super) fn standard_error(self) -> f64 {
        1.04 / f64::from(1u32 << self.registers()).sqrt()
    }
}

const fn sketch_bytes(detail: Detail) -> usize {
    (1 << detail.registers()) + SKETCH_BYTES
}

const _: () = {
    let (fine, coarse) = (Detail::Fine, Detail::Coarse);
    assert!(sketch_bytes(fine) <= (fine.values_max() + 1) * VALUE_BYTES, "D2");
    assert!(sketch_bytes(coarse) <= (coarse.values_max() + 1) * VALUE_BYTES, "D2");
};

/// Different values, by their hashes.
#[derive(Debug, Clone)]
pub(super) enum Distinct {
    Exact(HashSet<u64>),
    Estimate(Box<HllSketch>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(HashSet::new())
    }
}

impl Distinct {
    /// Takes in a value. Returns whether one more is remembered.
    pub(super) fn add(&mut self, hash: u64, detail: Detail) -> bool {
        match self {
            Self::Exact(hashes) => {
                let is_new = hashes.insert(hash);
                if hashes.len() > detail.values_max() {
                    self.reduce(detail);
                }
                is_new
            }
            Self::Estimate(sketch) => {
                sketch.update(hash);
                false
            }
        }
    }

    /// The number of values that are remembered; of an estimate, one more than there may be.
    pub(super) fn remembered(&self, detail: Detail) -> usize {
        match self {
            Self::Exact(hashes) => hashes.len(),
            Self::Estimate(_) => detail.values_max() + 1,
        }
    }

    /// The number of values that would be remembered in the least detail.
    pub(super) fn weight(&self) -> usize {
        self.remembered(Detail::Coarse).min(Detail::Coarse.values_max() + 1)
    }

    /// Remembers no more than this detail has.
    pub(super) fn reduce(&mut self, detail: Detail) {
        match self {
            Self::Exact(hashes) if hashes.len() > detail.values_max() => {
                let mut sketch = HllSketch::new(detail.registers(), HllType::Hll8).expect(SIZE);
                hashes.iter().for_each(|hash| sketch.update(hash));
                *self = Self::Estimate(sketch.into());
            }
            Self::Estimate(sketch) if sketch.lg_config_k() > detail.registers() => {
                **sketch = merged(detail.registers(), &[sketch]).to_sketch(HllType::Hll8);
            }
            _ => {}
        }
    }

    /// Takes in the values of another one of the same detail.
    pub(super) fn merge(&mut self, other: Self, detail: Detail) {
        match (&mut *self, other) {
            (Self::Exact(mine), Self::Exact(mut other)) => {
                if mine.len() < other.len() {
                    std::mem::swap(mine, &mut other);
                }
                mine.extend(other);
                self.reduce(detail);
            }
            (Self::Exact(mine), Self::Estimate(mut sketch)) => {
                mine.iter().for_each(|hash| sketch.update(hash));
                *self = Self::Estimate(sketch);
            }
            (Self::Estimate(sketch), Self::Exact(hashes)) => {
                hashes.iter().for_each(|hash| sketch.update(hash));
            }
            (Self::Estimate(mine), Self::Estimate(other)) => {
                **mine = merged(detail.registers(), &[mine, &other]).to_sketch(HllType::Hll8);
            }
        }
    }

    /// The number of values.
    pub(super) fn count(&self) -> f64 {
        match self {
            Self::Exact(hashes) => hashes.len() as f64,
            // A sketch that was merged is estimated by its registers, one that was not by the order of
            // its values, too (`D1`): so it is merged with itself.
            Self::Estimate(sketch) => {
                merged(sketch.lg_config_k(), &[sketch, sketch]).estimate().round()
            }
        }
    }

    /// Whether the number is an estimate.
    pub(super) fn is_estimate(&self) -> bool {
        matches!(self, Self::Estimate(_))
    }
}

const SIZE: &str = "the number of registers is one that there can be";

fn merged(registers: u8, sketches: &[&HllSketch]) -> HllUnion {
    let mut union = HllUnion::new(registers).expect(SIZE);
    sketches.iter().for_each(|sketch| union.update(sketch));
    union
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn hash(value: u64) -> u64 {
        xxh3_64(&value.to_le_bytes())
    }

    fn of(values: impl IntoIterator<Item = u64>, detail: Detail) -> Distinct {
        let mut distinct = Distinct::default();
        for value in values {
            distinct.add(hash(value), detail);
        }
        distinct
    }

    #[test]
    fn estimates_are_as_near_as_is_told() {
        for detail in [Detail::Fine, Detail::Coarse] {
            for count in [2_000u64, 20_000, 300_000] {
                // The mean of the squares of ten errors is the square of the standard error, nearly.
                let error = |round: u64| {
                    let distinct = of((0..count).map(|n| n + round * 1_000_000), detail);
                    (distinct.count() / count as f64 - 1.0).powi(2)
                };
                let mean = (0..10).map(error).sum::<f64>() / 10.0;
                assert!(mean.sqrt() < 1.6 * detail.standard_error(), "{detail:?} {count} {mean}");
            }
        }
    }

    #[test]
    fn few_values_are_exact_in_every_detail() {
        for detail in [Detail::Exact, Detail::Fine, Detail::Coarse] {
            let count = detail.values_max().min(5_000) as u64;
            let distinct = of((0..count).chain(0..count), detail);
            assert_eq!((distinct.count(), distinct.is_estimate()), (count as f64, false));
        }
        assert!(of(0..1_025, Detail::Fine).is_estimate());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// Estimates depended on the order of the values.
        #[test]
        fn who_met_which_values_makes_no_difference(
            count in 1u64..6_000,
            reduced_at in prop::collection::vec(any::<bool>(), 1..6),
            detail in prop_oneof![Just(Detail::Fine), Just(Detail::Coarse)],
        ) {
            let whole = of((0..count).rev(), detail);
            let mut all = Distinct::default();
            let parts = reduced_at.len() as u64;
            for (part, reduced) in (0..).zip(reduced_at) {
                let values = (0..count).filter(|n| n % parts == part || n % 7 == 0);
                let first = if reduced { Detail::Fine } else { Detail::Exact };
                let mut found = of(values, first);
                found.reduce(detail);
                all.merge(found, detail);
            }
            prop_assert_eq!(all.count(), whole.count());
            prop_assert_eq!(all.is_estimate(), whole.is_estimate());
            prop_assert_eq!(all.remembered(detail), whole.remembered(detail));
        }
    }
}
