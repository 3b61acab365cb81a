//! How many files the process may have open: connections and stored files share the number.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Handles of stored files at most, however many the process may have.
const STORED_MAX: u64 = 10_000;
/// And at least: a store with fewer would open a file for every read.
const STORED_MIN: u64 = 64;

/// Raises the limit of open files as far as the system allows it. Returns how many of them the
/// store may hold: half, the others are for connections, the log and whatever else.
pub(crate) fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // That it can't be raised is no reason not to start.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (now / 2).clamp(STORED_MIN, STORED_MAX) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let stored = raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!((STORED_MIN as usize..=STORED_MAX as usize).contains(&stored));
    }
}
