//! Sorts hashes. Those are spread evenly, so that their first bits tell nearly where they belong: one pass
//! shares them out, and what remains is near its place.
//!
//! Hashes that were made to lie together cost what a comparison sort costs, no more.

/// Fewer are sorted by comparison.
const SHARED_MIN: usize = 128;
/// Hashes of a bucket, as a power of two, that are expected.
const BUCKET_BITS: u32 = 3;
/// Buckets at most, as a power of two: more would miss the first-level cache.
const BUCKETS_BITS_MAX: u32 = 12;
/// Longer buckets than this are sorted by comparison.
const INSERTION_MAX: usize = 32;

/// Sorts hashes, with buffers that are kept.
#[derive(Debug, Default)]
pub(super) struct HashSorter {
    /// Where the next hash of each bucket belongs.
    places: Vec<u32>,
    shared: Vec<u64>,
}

impl HashSorter {
    /// Sorts `hashes` and leaves each once. `common` of their first bits are the same in all of them.
    pub(super) fn sort_dedup(&mut self, hashes: &mut Vec<u64>, common: u32) {
        if hashes.len() < SHARED_MIN {
            hashes.sort_unstable();
            hashes.dedup();
            return;
        }
        let bits = (hashes.len().ilog2() - BUCKET_BITS).min(BUCKETS_BITS_MAX);
        let bucket_of = |hash: u64| (hash << common >> (u64::BITS - bits)) as usize;
        self.places.clear();
        self.places.resize(1 << bits, 0);
        for hash in &*hashes {
            self.places[bucket_of(*hash)] += 1;
        }
        let mut total = 0;
        for place in &mut self.places {
            (*place, total) = (total, total + *place);
        }
        self.shared.resize(hashes.len().max(self.shared.len()), 0);
        for hash in &*hashes {
            let place = &mut self.places[bucket_of(*hash)];
            self.shared[*place as usize] = *hash;
            *place += 1;
        }
        // Now each place is its bucket's end.
        let (mut start, mut kept) = (0, 0);
        for end in &self.places {
            let bucket = &mut self.shared[start..*end as usize];
            start = *end as usize;
            sort(bucket);
            let mut last = None;
            for hash in bucket {
                if last != Some(*hash) {
                    hashes[kept] = *hash;
                    kept += 1;
                }
                last = Some(*hash);
            }
        }
        hashes.truncate(kept);
    }

    /// The bytes that it keeps.
    pub(super) fn memory(&self) -> usize {
        self.shared.capacity() * size_of::<u64>() + self.places.capacity() * size_of::<u32>()
    }
}

fn sort(bucket: &mut [u64]) {
    if bucket.len() > INSERTION_MAX {
        return bucket.sort_unstable();
    }
    for end in 1..bucket.len() {
        let hash = bucket[end];
        let mut place = end;
        while place > 0 && bucket[place - 1] > hash {
            bucket[place] = bucket[place - 1];
            place -= 1;
        }
        bucket[place] = hash;
    }
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
