//! One figure of one group, as it grows.

use super::distinct::{Detail, Distinct, VALUE_BYTES};
use crate::event::Value;
use crate::query::request::Function;
use crate::value::{ExactSum, Sketch, Summary};
use xxhash_rust::xxh3::xxh3_64;

/// A figure as it grows.
#[derive(Debug, Clone)]
pub(super) enum Figure {
    Count(u64),
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
    /// The rank in millionths.
    Percentile(u32, Box<Sketch>),
    /// By the values' lexemes.
    Uniq(Distinct),
}

impl Figure {
    pub(super) fn new(function: Function) -> Self {
        match function {
            Function::Count => Self::Count(0),
            Function::Sum => Self::Sum { sum: ExactSum::default(), count: 0 },
            Function::Avg => Self::Avg { sum: ExactSum::default(), count: 0 },
            Function::Min => Self::Min(None),
            Function::Max => Self::Max(None),
            Function::Percentile(rank) => Self::Percentile(rank, Box::default()),
            Function::Uniq => Self::Uniq(Distinct::default()),
        }
    }

    /// What one takes before it has anything, with its allocations.
    pub(super) fn base(function: Function) -> usize {
        let own = match function {
            Function::Count | Function::Min | Function::Max => 0,
            Function::Sum | Function::Avg => 16,
            Function::Percentile(_) => size_of::<Sketch>() + 16,
            // The least table of hashes.
            Function::Uniq => 64,
        };
        size_of::<Self>() + own
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
            Self::Percentile(_, sketch) => return sketch.add(number),
            Self::Count(_) | Self::Uniq(_) => unreachable!("counts values, not numbers"),
        }
        0
    }

    /// Takes in what numbers come to. Returns the bytes that it took.
    pub(super) fn add_summary(&mut self, numbers: &Summary) -> usize {
        match self {
            Self::Sum { sum, count } | Self::Avg { sum, count } => {
                *count += numbers.count;
                return sum.merge(&numbers.sum);
            }
            Self::Min(min) => *min = least(*min, numbers.extremes.map(|(least, _)| least)),
            Self::Max(max) => *max = greatest(*max, numbers.extremes.map(|(_, most)| most)),
            Self::Percentile(_, sketch) => return sketch.merge_packed(&numbers.sketch),
            Self::Count(_) | Self::Uniq(_) => unreachable!("counts values, not numbers"),
        }
        0
    }

    /// Takes in a value. Returns whether it takes memory.
    pub(super) fn add_value(&mut self, value: Value<'_>, detail: Detail) -> bool {
        match self {
            Self::Count(count) => {
                *count += 1;
                false
            }
            Self::Uniq(distinct) => distinct.add(xxh3_64(value.text), detail),
            _ => unreachable!("measures numbers, not values"),
        }
    }

    /// The bytes that it has, and the values that it remembers.
    pub(super) fn takes(&self, detail: Detail) -> (usize, usize) {
        match self {
            Self::Sum { sum, .. } | Self::Avg { sum, .. } => (sum.bytes(), 0),
            Self::Count(_) | Self::Min(_) | Self::Max(_) => (0, 0),
            Self::Percentile(_, sketch) => (sketch.bytes(), 0),
            Self::Uniq(distinct) => (0, distinct.remembered(detail)),
        }
    }

    /// The bytes that it has, or would have in the least detail; without what depends on the order of
    /// its numbers.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Percentile(_, sketch) => sketch.bytes(),
            Self::Uniq(distinct) => distinct.weight() * VALUE_BYTES,
            _ => 0,
        }
    }

    /// Takes in what another one of the same function has. Returns the bytes that it took, and the
    /// values that it has more.
    pub(super) fn merge(&mut self, other: Self, detail: Detail) -> (usize, usize) {
        match (self, other) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (Self::Sum { sum, count }, Self::Sum { sum: more, count: n })
            | (Self::Avg { sum, count }, Self::Avg { sum: more, count: n }) => {
                *count += n;
                return (sum.merge(&more), 0);
            }
            (Self::Min(min), Self::Min(other)) => *min = least(*min, other),
            (Self::Max(max), Self::Max(other)) => *max = greatest(*max, other),
            (Self::Percentile(_, sketch), Self::Percentile(_, other)) => {
                return (sketch.merge(&other), 0);
            }
            (Self::Uniq(distinct), Self::Uniq(other)) => {
                let before = distinct.remembered(detail);
                distinct.merge(other, detail);
                return (0, distinct.remembered(detail).saturating_sub(before));
            }
            _ => unreachable!("the figures of one request have the same functions"),
        }
        (0, 0)
    }

    /// The figure; `None` if there was nothing to measure.
    pub(super) fn result(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Sum { sum, count } => (*count > 0).then(|| sum.value()),
            Self::Avg { sum, count } => (*count > 0).then(|| sum.value() / *count as f64),
            Self::Min(extreme) | Self::Max(extreme) => *extreme,
            Self::Percentile(rank, sketch) => sketch.quantile(f64::from(*rank) / 1e6),
            Self::Uniq(distinct) => Some(distinct.count()),
        }
    }

    /// Remembers no more than this detail has.
    pub(super) fn reduce(&mut self, detail: Detail) {
        if let Self::Uniq(distinct) = self {
            distinct.reduce(detail);
        }
    }

    /// Whether it is an estimate of a number of values.
    pub(super) fn is_estimate(&self) -> bool {
        matches!(self, Self::Uniq(distinct) if distinct.is_estimate())
    }
}

fn least(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    [one, other].into_iter().flatten().reduce(f64::min)
}

fn greatest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    [one, other].into_iter().flatten().reduce(f64::max)
}
