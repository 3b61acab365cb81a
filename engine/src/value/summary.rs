//! What some numbers come to, as far as figures need it: without the numbers.

use super::sketch::{PackedSketch, Sketch};
use super::sum::ExactSum;

/// What finite numbers come to. It does not depend on their order.
#[derive(Debug)]
pub(crate) struct Summary {
    /// How many there are.
    pub(crate) count: u64,
    pub(crate) sum: ExactSum,
    /// The least and the greatest, if there is one.
    pub(crate) extremes: Option<(f64, f64)>,
    pub(crate) sketch: PackedSketch,
}

/// A summary as it grows.
#[derive(Debug, Default)]
pub(crate) struct SummaryBuilder {
    count: u64,
    sum: ExactSum,
    sketch: Sketch,
}

impl SummaryBuilder {
    /// Takes in a number; those beyond a double's range are left out.
    pub(crate) fn add(&mut self, number: f64) {
        if number.is_finite() {
            self.count += 1;
            self.sum.add(number);
            self.sketch.add(number);
        }
    }

    pub(crate) fn build(self) -> Summary {
        let Self { count, sum, sketch } = self;
        Summary { count, sum, extremes: sketch.extremes(), sketch: sketch.packed() }
    }
}

impl Summary {
    /// The bytes that it has allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.sum.bytes() + self.sketch.heap_bytes()
    }
}
