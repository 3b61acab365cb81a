//! A sketch of numbers, a log-linear histogram: each power of two in 128 equal steps, so a quantile
//! is off by at most 1/256 of its value. Adding is a shift and an increment; sketches merge by adding.

/// Steps between a power of two and the next, as a power of two.
const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;
/// A quantile is off by at most this part of its value: half a step.
pub(crate) const QUANTILE_ERROR: f64 = 1.0 / (2 * STEPS) as f64;
/// Bits of a double below its exponent.
const MANTISSA_BITS: u32 = 52;

/// What a page takes: its counts, its place, an allocation.
const PAGE_BYTES: usize = size_of::<[u64; STEPS]>() + size_of::<(u16, Box<[u64; STEPS]>)>() + 16;

/// Places of pages that are remembered.
const RECENT: usize = 16;

/// Counts of numbers, by their nearness.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sketch {
    /// By sign and exponent, rising; each the counts of its steps.
    pages: Vec<(u16, Box<[u64; STEPS]>)>,
    /// Where pages were last found, by their last bits: numbers of one field lie in few of them.
    recent: [u16; RECENT],
    count: u64,
    min: f64,
    max: f64,
}

/// A sketch that grows no more: the steps that have counts.
#[derive(Debug)]
pub(crate) struct PackedSketch {
    steps: Box<[PackedStep]>,
    count: u64,
    min: f64,
    max: f64,
}

/// From the highest bits down: the page (12), the step of it (7), one less than the count (13).
#[derive(Debug, Clone, Copy)]
struct PackedStep(u32);

impl PackedStep {
    const COUNT_BITS: u32 = 13;
    const COUNT_MAX: u64 = 1 << Self::COUNT_BITS;

    /// The steps that say that one has so many: mostly one.
    fn of(page: u16, step: usize, count: u64) -> impl Iterator<Item = Self> {
        let place = (u32::from(page) << STEP_BITS | step as u32) << Self::COUNT_BITS;
        let whole = count / Self::COUNT_MAX;
        let counts = (0..whole).map(|_| Self::COUNT_MAX).chain([count % Self::COUNT_MAX]);
        counts.filter(|count| *count > 0).map(move |count| Self(place | (count - 1) as u32))
    }

    fn page(self) -> u16 {
        (self.0 >> (Self::COUNT_BITS + STEP_BITS)) as u16
    }

    fn step(self) -> usize {
        (self.0 >> Self::COUNT_BITS) as usize & (STEPS - 1)
    }

    fn count(self) -> u64 {
        u64::from(self.0 & (Self::COUNT_MAX as u32 - 1)) + 1
    }
}

impl PackedSketch {
    /// The bytes that it has allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.steps)
    }
}

impl Sketch {
    /// Counts a number, which must be finite. Returns the bytes that it took.
    pub(crate) fn add(&mut self, number: f64) -> usize {
        if self.count == 0 {
            (self.min, self.max) = (number, number);
        }
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.count += 1;
        let ordered = ordered_bits(number) >> (MANTISSA_BITS - STEP_BITS);
        let page = (ordered >> STEP_BITS) as u16;
        let step = ordered as usize & (STEPS - 1);
        let pages = self.pages.len();
        let at = usize::from(self.recent[usize::from(page) % RECENT]);
        match self.pages.get_mut(at) {
            Some((recent, counts)) if *recent == page => counts[step] += 1,
            _ => self.page(page)[step] += 1,
        }
        (self.pages.len() - pages) * PAGE_BYTES
    }

    /// The counts of a page, found by search.
    fn page(&mut self, page: u16) -> &mut [u64; STEPS] {
        let at = self.pages.binary_search_by_key(&page, |(page, _)| *page).unwrap_or_else(|at| {
            self.pages.insert(at, (page, Box::new([0; STEPS])));
            at
        });
        // There are 2^12 pages.
        self.recent[usize::from(page) % RECENT] = at as u16;
        &mut self.pages[at].1
    }

    /// What its counts take.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.len() * PAGE_BYTES
    }

    /// Counts what another sketch has. Returns the bytes that it took.
    pub(crate) fn merge(&mut self, other: &Self) -> usize {
        self.take_in(other.count, other.min, other.max);
        let pages = self.pages.len();
        for (page, counts) in &other.pages {
            let mine = self.page(*page).iter_mut().zip(&**counts);
            mine.for_each(|(mine, count)| *mine += count);
        }
        (self.pages.len() - pages) * PAGE_BYTES
    }

    /// Takes in so many numbers between these, without their steps.
    fn take_in(&mut self, count: u64, min: f64, max: f64) {
        if count == 0 {
            return;
        }
        if self.count == 0 {
            (self.min, self.max) = (min, max);
        }
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.count += count;
    }

    /// The least and the greatest number, if there is one.
    pub(crate) fn extremes(&self) -> Option<(f64, f64)> {
        (self.count > 0).then_some((self.min, self.max))
    }

    /// The same as it is kept.
    pub(crate) fn packed(&self) -> PackedSketch {
        let steps = self.pages.iter().flat_map(|(page, counts)| {
            let counts = counts.iter().enumerate();
            counts.flat_map(|(step, count)| PackedStep::of(*page, step, *count))
        });
        let steps = steps.collect();
        PackedSketch { steps, count: self.count, min: self.min, max: self.max }
    }

    /// Counts what a packed sketch has. Returns the bytes that it took.
    pub(crate) fn merge_packed(&mut self, other: &PackedSketch) -> usize {
        self.take_in(other.count, other.min, other.max);
        let pages = self.pages.len();
        for steps in other.steps.chunk_by(|a, b| a.page() == b.page()) {
            let counts = self.page(steps[0].page());
            steps.iter().for_each(|step| counts[step.step()] += step.count());
        }
        (self.pages.len() - pages) * PAGE_BYTES
    }

    /// The number of rank `floor(quantile * (count - 1))`, nearly; `None` without numbers.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = (quantile * self.count.checked_sub(1)? as f64).floor() as u64;
        let mut below = 0;
        for (page, counts) in &self.pages {
            for (step, count) in counts.iter().enumerate() {
                below += count;
                if below > rank {
                    return Some(middle(*page, step).clamp(self.min, self.max));
                }
            }
        }
        Some(self.max)
    }
}

/// The bits of a double so that integers are in the order of the numbers.
fn ordered_bits(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn number_of(ordered: u64) -> f64 {
    f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
}

fn middle(page: u16, step: usize) -> f64 {
    let shift = MANTISSA_BITS - STEP_BITS;
    let low = (u64::from(page) << STEP_BITS | step as u64) << shift;
    let (low, high) = (number_of(low), number_of(low | ((1 << shift) - 1)));
    let middle = low + (high - low) / 2.0;
    // Zero has no neighbours at its own scale: what is nearer to it than that is zero.
    if middle.abs() < f64::MIN_POSITIVE { 0.0 } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_near_the_exact_ones(
            numbers in prop::collection::vec(-1e6f64..1e6, 1..300),
            quantile in 0.0f64..=1.0,
        ) {
            let mut sketch = Sketch::default();
            for number in &numbers {
                sketch.add(*number);
            }
            let mut sorted = numbers;
            sorted.sort_by(f64::total_cmp);
            let exact = sorted[(quantile * (sorted.len() - 1) as f64).floor() as usize];
            let got = sketch.quantile(quantile).unwrap();
            prop_assert!((got - exact).abs() <= exact.abs() / 256.0, "{got} for {exact}");
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_merges_as_it_was(
            parts in prop::collection::vec(prop::collection::vec(any::<f64>(), 0..40), 0..5),
        ) {
            let (mut one, mut packed, mut merged) =
                (Sketch::default(), Sketch::default(), Sketch::default());
            for part in &parts {
                let mut sketch = Sketch::default();
                for number in part.iter().filter(|number| number.is_finite()) {
                    one.add(*number);
                    sketch.add(*number);
                }
                let before = packed.bytes();
                prop_assert_eq!(packed.merge_packed(&sketch.packed()), packed.bytes() - before);
                merged.merge(&sketch);
            }
            prop_assert_eq!(packed.extremes(), one.extremes());
            let mut once_more = Sketch::default();
            once_more.merge_packed(&packed.packed());
            for sketch in [&packed, &merged, &once_more] {
                prop_assert_eq!(&sketch.pages, &one.pages);
                for quantile in [0.0, 0.3, 0.5, 0.95, 1.0] {
                    prop_assert_eq!(sketch.quantile(quantile), one.quantile(quantile));
                }
            }
        }
    }

    #[test]
    fn a_step_of_many_is_packed() {
        for count in [1, 8_191, 8_192, 8_193, 20_000] {
            let mut sketch = Sketch::default();
            (0..count).for_each(|_| _ = sketch.add(1.5));
            sketch.add(-2e9);
            let mut packed = Sketch::default();
            packed.merge_packed(&sketch.packed());
            assert_eq!(packed.pages, sketch.pages, "{count}");
        }
    }

    /// The step of zero reaches to the least doubles, and its middle was shown: `8.7e-311`.
    #[test]
    fn the_median_of_numbers_around_zero_is_zero() {
        for zero in [0.0, -0.0] {
            let mut sketch = Sketch::default();
            for number in [-2.0, -1.0, zero, 1.0, 2.0] {
                sketch.add(number);
            }
            assert_eq!(sketch.quantile(0.5), Some(0.0));
        }
    }

    #[test]
    fn empty_and_single() {
        assert_eq!(Sketch::default().quantile(0.5), None);
        for number in [0.0, -0.0, 1e-300, -3.5, f64::MAX, f64::MIN] {
            let mut sketch = Sketch::default();
            sketch.add(number);
            assert_eq!(sketch.quantile(0.99), Some(number));
        }
    }
}
