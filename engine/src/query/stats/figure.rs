//! One figure of one group, as it grows.

use super::histogram::Histogram;
use super::sum::ExactSum;
use crate::event::Value;
use crate::query::request::Function;
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

/// A figure as it grows.
#[derive(Debug, Clone)]
pub(super) enum Figure {
    Sum {
        sum: ExactSum,
        count: u64,
    },
    Avg {
        sum: ExactSum,
        count: u64,
    },
    Min(Option<f64>),
    Max(Option<f64>),
    Percentile(u8, Box<Histogram>),
    /// Hashes of the values' lexemes.
    Uniq(HashSet<u64>),
}

impl Figure {
    pub(super) fn new(function: Function) -> Self {
        match function {
            Function::Sum => Self::Sum { sum: ExactSum::default(), count: 0 },
            Function::Avg => Self::Avg { sum: ExactSum::default(), count: 0 },
            Function::Min => Self::Min(None),
            Function::Max => Self::Max(None),
            Function::Percentile(rank) => Self::Percentile(rank, Box::default()),
            Function::Uniq => Self::Uniq(HashSet::new()),
        }
    }

    /// Takes in a number; those beyond a double's range are left out. Returns the bytes that it
    /// took.
    pub(super) fn add_number(&mut self, number: f64) -> usize {
        if !number.is_finite() {
            return 0;
        }
        match self {
            Self::Sum { sum, count } | Self::Avg { sum, count } => {
                *count += 1;
                return sum.add(number);
            }
            Self::Min(min) => *min = Some(min.map_or(number, |min| min.min(number))),
            Self::Max(max) => *max = Some(max.map_or(number, |max| max.max(number))),
            Self::Percentile(_, histogram) => return histogram.add(number),
            Self::Uniq(_) => unreachable!("counts values, not numbers"),
        }
        0
    }

    /// Takes in a value. Returns whether it takes memory.
    pub(super) fn add_value(&mut self, value: Value<'_>) -> bool {
        match self {
            Self::Uniq(hashes) => hashes.insert(xxh3_64(value.text)),
            _ => unreachable!("measures numbers, not values"),
        }
    }

    /// The bytes that it has, and the values that it remembers.
    pub(super) fn takes(&self) -> (usize, usize) {
        match self {
            Self::Sum { sum, .. } | Self::Avg { sum, .. } => (sum.bytes(), 0),
            Self::Min(_) | Self::Max(_) => (0, 0),
            Self::Percentile(_, histogram) => (histogram.bytes(), 0),
            Self::Uniq(hashes) => (0, hashes.len()),
        }
    }

    /// Takes in what another one of the same function has. Returns the bytes that it took, and the
    /// values that it has more.
    pub(super) fn merge(&mut self, other: Self) -> (usize, usize) {
        match (self, other) {
            (Self::Sum { sum, count }, Self::Sum { sum: more, count: n })
            | (Self::Avg { sum, count }, Self::Avg { sum: more, count: n }) => {
                *count += n;
                return (sum.merge(&more), 0);
            }
            (Self::Min(min), Self::Min(other)) => {
                *min = [*min, other].into_iter().flatten().reduce(f64::min);
            }
            (Self::Max(max), Self::Max(other)) => {
                *max = [*max, other].into_iter().flatten().reduce(f64::max);
            }
            (Self::Percentile(_, histogram), Self::Percentile(_, other)) => {
                return (histogram.merge(&other), 0);
            }
            (Self::Uniq(hashes), Self::Uniq(other)) => {
                let before = hashes.len();
                hashes.extend(other);
                return (0, hashes.len() - before);
            }
            _ => unreachable!("the figures of one request have the same functions"),
        }
        (0, 0)
    }

    /// The figure; `None` if there was nothing to measure.
    pub(super) fn result(&self) -> Option<f64> {
        match self {
            Self::Sum { sum, count } => (*count > 0).then(|| sum.value()),
            Self::Avg { sum, count } => (*count > 0).then(|| sum.value() / *count as f64),
            Self::Min(extreme) | Self::Max(extreme) => *extreme,
            Self::Percentile(rank, histogram) => histogram.quantile(f64::from(*rank) / 100.0),
            Self::Uniq(hashes) => Some(hashes.len() as f64),
        }
    }
}
