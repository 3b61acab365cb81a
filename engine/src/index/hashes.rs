//! Sorts hashes. Those are spread evenly, so that their first bits tell nearly where they belong: two passes
//! put them in the order of these, and few remain beside their place.
//!
//! Hashes that were made to lie together cost what a comparison sort costs beside the two passes, no more.

/// Fewer are sorted by comparison: measured, from here on two passes take less.
const PASSES_MIN: usize = 512;
/// Bits that a pass looks at: its counts fit the first-level cache.
const PASS_BITS: u32 = 11;
const PASS_COUNTS: usize = 1 << PASS_BITS;
/// How far a hash is moved to its place at the end, before comparison takes over.
const STEPS_MAX: usize = 64;

/// Sorts hashes, with buffers that are kept. Measured on 45,000 hashes of which a sixth comes again: 3.9 ns a
/// hash, and 11 by comparison.
#[derive(Debug, Default)]
pub(super) struct HashSorter {
    /// For both passes: where the next hash of each value belongs.
    places: Vec<u32>,
    passed: Vec<u64>,
}

impl HashSorter {
    /// Sorts `hashes` and leaves each once. `common` of their first bits are the same in all of them.
    pub(super) fn sort_dedup(&mut self, hashes: &mut Vec<u64>, common: u32) {
        let left = (u64::BITS - common).checked_sub(2 * PASS_BITS);
        match left.filter(|_| hashes.len() >= PASSES_MIN) {
            Some(left) => {
                self.pass_twice(hashes, left);
                if !put_right(hashes) {
                    hashes.sort_unstable();
                }
            }
            None => hashes.sort_unstable(),
        }
        hashes.dedup();
    }

    /// Sorts by the bits that stand above `left` others, twice [`PASS_BITS`] of them.
    fn pass_twice(&mut self, hashes: &mut [u64], left: u32) {
        let low = |hash: u64| (hash >> left) as usize % PASS_COUNTS;
        let high = |hash: u64| (hash >> (left + PASS_BITS)) as usize % PASS_COUNTS;
        self.places.clear();
        self.places.resize(2 * PASS_COUNTS, 0);
        let (lows, highs) = self.places.split_at_mut(PASS_COUNTS);
        for hash in &*hashes {
            lows[low(*hash)] += 1;
            highs[high(*hash)] += 1;
        }
        for places in [&mut *lows, &mut *highs] {
            let mut total = 0;
            for place in places {
                (*place, total) = (total, total + *place);
            }
        }
        self.passed.resize(hashes.len().max(self.passed.len()), 0);
        let passed = &mut self.passed[..hashes.len()];
        for hash in &*hashes {
            let place = &mut lows[low(*hash)];
            passed[*place as usize] = *hash;
            *place += 1;
        }
        for hash in passed {
            let place = &mut highs[high(*hash)];
            hashes[*place as usize] = *hash;
            *place += 1;
        }
    }

    /// The bytes that it keeps.
    pub(super) fn memory(&self) -> usize {
        self.passed.capacity() * size_of::<u64>() + self.places.capacity() * size_of::<u32>()
    }
}

/// Sorts hashes that are nearly sorted; `false` if they are not.
fn put_right(hashes: &mut [u64]) -> bool {
    for at in 1..hashes.len() {
        let hash = hashes[at];
        let mut place = at;
        while place > 0 && hashes[place - 1] > hash {
            hashes[place] = hashes[place - 1];
            place -= 1;
            if at - place > STEPS_MAX {
                hashes[place] = hash;
                return false;
            }
        }
        hashes[place] = hash;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(sorter: &mut HashSorter, hashes: &[u64], common: u32) {
        let mut expected = hashes.to_vec();
        expected.sort_unstable();
        expected.dedup();
        let mut sorted = hashes.to_vec();
        sorter.sort_dedup(&mut sorted, common);
        assert_eq!(sorted, expected);
    }

    proptest! {
        #[test]
        fn any_hashes_are_sorted_and_there_once(
            hashes in prop::collection::vec(any::<u64>(), 0..1_500),
            others in prop::collection::vec(0u64..200, 0..1_500),
            common in 0u32..64,
        ) {
            let mut sorter = HashSorter::default();
            check(&mut sorter, &hashes, 0);
            // Many come again, and all of them lie together.
            check(&mut sorter, &others, 0);
            let mixed = [&hashes[..], &others, &hashes].concat();
            check(&mut sorter, &mixed, 0);
            let same: Vec<u64> = mixed.iter().map(|hash| hash >> common).collect();
            check(&mut sorter, &same, common);
            let of_top = mixed.iter().map(|hash| hash >> common | !(u64::MAX >> common));
            check(&mut sorter, &of_top.collect::<Vec<_>>(), common);
        }
    }
}
