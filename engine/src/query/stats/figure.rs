//! One figure of one group, as it grows.

use super::histogram::Histogram;
use crate::event::Value;
use crate::query::request::Function;
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

/// A figure as it grows.
#[derive(Debug, Clone)]
pub(super) enum Figure {
    Sum {
        sum: f64,
        count: u64,
    },
    Avg {
        sum: f64,
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
            Function::Sum => Self::Sum { sum: 0.0, count: 0 },
            Function::Avg => Self::Avg { sum: 0.0, count: 0 },
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
                *sum += number;
                *count += 1;
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

    /// The figure; `None` if there was nothing to measure.
    pub(super) fn result(&self) -> Option<f64> {
        match self {
            Self::Sum { sum, count } => (*count > 0).then_some(*sum),
            Self::Avg { sum, count } => (*count > 0).then(|| sum / *count as f64),
            Self::Min(extreme) | Self::Max(extreme) => *extreme,
            Self::Percentile(rank, histogram) => histogram.quantile(f64::from(*rank) / 100.0),
            Self::Uniq(hashes) => Some(hashes.len() as f64),
        }
    }
}
