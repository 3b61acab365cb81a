//! Counts that are kept of several blocks at once.

use super::*;

/// Blocks of 300 rows, compacted.
fn store(batches: usize) -> (MemoryStorage, Engine) {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.limits.block_rows_max = 300;
    options.limits.block_bytes_max = 64 << 10;
    let engine = Engine::open(options).unwrap();
    for batch in 0..batches {
        engine.append(batch_of(batch * 100, 100)).unwrap();
        if batch % 30 == 29 {
            engine.flush().unwrap();
        }
    }
    engine.flush().unwrap();
    engine.compact_now().unwrap();
    (storage, engine)
}

#[test]
fn counts_of_whole_stretches_are_those_of_their_rows() {
    let (_storage, engine) = store(90);
    let after = |second: i64| Some(Timestamp(NOON.0 + second * 1_000_000_000));
    let ranges = [
        (None, None),
        (after(50), None),
        (None, after(6_950)),
        (after(150), after(6_420)),
        (after(3_000), after(3_010)),
    ];
    let ask = |request: &StatsRequest, prunes: bool| {
        engine.set_pruning(prunes);
        engine.stats(request).expect("counted").rows
    };
    for query in ["", "user:*", "service:*", "level:info", "level:error user:*", "code:* user:*"] {
        for group_by in ["user", "service", "code", "message"] {
            for (from, to) in ranges {
                for top in [None, Some(3)] {
                    let range = TimeRange { from, to };
                    let request = StatsRequest { range, ..count_by(query, group_by, top) };
                    let wanted = ask(&request, false);
                    for _ in 0..2 {
                        assert_eq!(ask(&request, true), wanted, "{query} by {group_by}, {range:?}");
                    }
                }
            }
        }
    }
    assert!(engine.shared.cache.value_sums_kept() > 1);
}

/// What is kept is not made anew.
#[test]
fn a_stretch_is_counted_once() {
    let (_storage, engine) = store(90);
    let request = count_by("user:*", "user", Some(5));
    let ask = || engine.stats(&request).expect("counted");
    let (first, kept) = (ask(), engine.shared.cache.value_sums_kept());
    assert!(kept > 0);
    let again = ask();
    assert_eq!(first.rows, again.rows);
    assert_eq!(first.scanned.rows, again.scanned.rows);
    assert_eq!(engine.shared.cache.value_sums_kept(), kept);
}
