//! The groups of one block, where its rows find them.

use std::collections::HashMap;

/// Combinations of codes and buckets in one block up to which they index an array.
const DENSE_MAX: u64 = 1 << 16;

/// The groups met in a block, by their bucket (counted from the block's first) and the combination
/// of their codes.
pub(super) enum Places {
    /// One more than the group, 0 for none; so many combinations a bucket.
    Dense {
        groups: Vec<u32>,
        combinations: u64,
    },
    Sparse(HashMap<(u64, u64), u32>),
}

impl Places {
    /// Places for buckets from 0 to `last_bucket`, which may be any number: a store can hold
    /// events of 1677 and of 2262, and an interval can be a nanosecond.
    pub(super) fn new(last_bucket: u64, combinations: u64) -> Self {
        let places = last_bucket.checked_add(1).and_then(|n| n.checked_mul(combinations));
        match places {
            Some(places) if places <= DENSE_MAX => {
                Self::Dense { groups: vec![0; places as usize], combinations }
            }
            _ => Self::Sparse(HashMap::new()),
        }
    }

    pub(super) fn get(&self, (bucket, combination): (u64, u64)) -> Option<u32> {
        match self {
            Self::Dense { groups, combinations } => {
                groups[(bucket * combinations + combination) as usize].checked_sub(1)
            }
            Self::Sparse(groups) => groups.get(&(bucket, combination)).copied(),
        }
    }

    pub(super) fn put(&mut self, (bucket, combination): (u64, u64), group: u32) {
        match self {
            Self::Dense { groups, combinations } => {
                groups[(bucket * *combinations + combination) as usize] = group + 1;
            }
            Self::Sparse(groups) => drop(groups.insert((bucket, combination), group)),
        }
    }
}
