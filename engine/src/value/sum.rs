//! The exact sum of doubles: rounded once, at the end, so that it does not depend on their order.
//!
//! Shewchuk's growing expansions ("Adaptive Precision Floating-Point Arithmetic", 1997), as in
//! Python's `math.fsum`: the sum is kept as doubles whose bits do not overlap. Mostly there are one
//! or two of them.

/// From here on a few sums could leave the range of doubles: such numbers are summed scaled down.
const HUGE: f64 = f64::MAX / (1u64 << 63) as f64 / 4.0;
/// 2^-80.
const SCALE: f64 = 1.0 / (1u128 << 80) as f64;

/// A sum of finite doubles.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExactSum {
    parts: Expansion,
    /// Of numbers from [`HUGE`] on, times [`SCALE`].
    huge: Option<Box<Expansion>>,
}

/// Doubles of rising magnitude whose bits do not overlap; their sum is meant.
#[derive(Debug, Clone, Default)]
struct Expansion(Vec<f64>);

impl ExactSum {
    /// Adds a finite number. Returns the bytes that it took.
    pub(crate) fn add(&mut self, number: f64) -> usize {
        debug_assert!(number.is_finite());
        if number.abs() < HUGE {
            self.parts.add(number)
        } else {
            self.huge.get_or_insert_default().add(number * SCALE)
        }
    }

    /// The bytes of its parts.
    pub(crate) fn bytes(&self) -> usize {
        let huge = self.huge.as_ref().map_or(0, |huge| huge.0.capacity());
        (self.parts.0.capacity() + huge) * size_of::<f64>()
    }

    /// Adds another sum. Returns the bytes that it took.
    pub(crate) fn merge(&mut self, other: &Self) -> usize {
        let more: usize = other.parts.0.iter().map(|part| self.parts.add(*part)).sum();
        let Some(huge) = &other.huge else { return more };
        let mine = self.huge.get_or_insert_default();
        more + huge.0.iter().map(|part| mine.add(*part)).sum::<usize>()
    }

    /// The double that is nearest to the sum; infinite if none is.
    pub(crate) fn value(&self) -> f64 {
        let Some(huge) = &self.huge else { return self.parts.value() };
        let mut sum = Expansion::clone(huge);
        // What is lost below 2^-1074 is far below the last bit of what is huge, unless that
        // cancelled out.
        match huge.value() {
            0.0 => self.parts.value(),
            _ => {
                for part in &self.parts.0 {
                    sum.add(part * SCALE);
                }
                sum.value() / SCALE
            }
        }
    }
}

impl Expansion {
    fn add(&mut self, mut number: f64) -> usize {
        let before = self.0.capacity();
        let mut kept = 0;
        for at in 0..self.0.len() {
            let (high, low) = two_sum(self.0[at], number);
            if low != 0.0 {
                self.0[kept] = low;
                kept += 1;
            }
            number = high;
        }
        self.0.truncate(kept);
        if number != 0.0 {
            self.0.push(number);
        }
        (self.0.capacity() - before) * size_of::<f64>()
    }

    fn value(&self) -> f64 {
        let mut rest = self.0.iter().rev();
        let Some(mut high) = rest.next().copied() else { return 0.0 };
        let mut low = 0.0;
        for part in rest.by_ref() {
            (high, low) = two_sum(high, *part);
            if low != 0.0 {
                break;
            }
        }
        // Half of a last bit was rounded to even: what follows tells which way it had to go.
        if let Some(next) = rest.next()
            && (low > 0.0) == (*next > 0.0)
        {
            let twice = low * 2.0;
            if (high + twice) - high == twice {
                return high + twice;
            }
        }
        high
    }
}

/// The rounded sum, and what rounding lost.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_rounded = sum - a;
    let a_rounded = sum - b_rounded;
    (sum, (a - a_rounded) + (b - b_rounded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum_of(numbers: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        for number in numbers {
            sum.add(*number);
        }
        sum.value()
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum_of(&[]), 0.0);
        assert_eq!(sum_of(&[0.1; 10]), 1.0);
        assert_eq!(sum_of(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum_of(&[1e16, 1.0, 1e-16]), 1e16 + 2.0, "half a last bit, and a little more");
        assert_eq!(sum_of(&[1e16, 1.0]), 1e16);
        assert_eq!(sum_of(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(sum_of(&[f64::MAX, 1.0, -f64::MAX]), 1.0);
        assert_eq!(sum_of(&[f64::MAX, f64::MAX]), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn whole_numbers_add_up(numbers in prop::collection::vec(any::<i64>(), 0..100)) {
            let doubles: Vec<f64> = numbers.iter().map(|number| *number as f64).collect();
            let exact: i128 = doubles.iter().map(|number| *number as i128).sum();
            prop_assert_eq!(sum_of(&doubles), exact as f64);
        }

        #[test]
        fn no_order_and_no_split_changes_the_sum(
            numbers in prop::collection::vec(any::<f64>(), 0..60),
            splits in prop::collection::vec(0usize..4, 60),
            turn in 0usize..60,
        ) {
            let mut numbers: Vec<f64> = numbers.into_iter().filter(|n| n.is_finite()).collect();
            let sum = sum_of(&numbers);
            let mut parts = vec![ExactSum::default(); 4];
            for (number, part) in numbers.iter().zip(splits) {
                parts[part].add(*number);
            }
            let merged = parts.iter().skip(1).fold(parts[0].clone(), |mut sum, part| {
                sum.merge(part);
                sum
            });
            prop_assert_eq!(merged.value().to_bits(), sum.to_bits());
            let turn = turn.min(numbers.len());
            numbers.rotate_left(turn);
            prop_assert_eq!(sum_of(&numbers).to_bits(), sum.to_bits());
        }
    }
}
