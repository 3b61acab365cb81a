use super::*;
use proptest::prelude::*;

const MIB: usize = 1 << 20;

#[test]
fn a_class_has_its_share_whatever_the_others_take() {
    let pool = Pool::new(1_000 * MIB);
    let mut held = Vec::new();
    while let Ok(reservation) = pool.reserve(Consumer::Ingest, 10 * MIB) {
        held.push(reservation);
    }
    let (queries, compaction) = (250 * MIB, 64 * MIB);
    let ingest: usize = held.iter().map(Reservation::bytes).sum();
    assert_eq!(ingest, (1_000 * MIB - queries - compaction) / (10 * MIB) * (10 * MIB));
    let query = pool.reserve(Consumer::Query, queries).unwrap();
    let refused = pool.reserve(Consumer::Query, 7 * MIB).unwrap_err();
    assert_eq!((refused.consumer, refused.used), (Consumer::Query, queries));
    let error = Error::from(refused);
    assert_eq!(error.kind(), crate::ErrorKind::Busy);
    assert!(error.to_string().contains("queries"), "{error}");
    pool.reserve(Consumer::Compaction, compaction).unwrap();
    drop(held);
    pool.reserve(Consumer::Query, 250 * MIB).unwrap();
    drop(query);
    let status = pool.status();
    assert_eq!((status.ingest, status.queries, status.compaction), (0, 0, 0));
    assert_eq!(status.refusals, [1, 1, 0]);
}

#[test]
fn what_is_in_use_is_counted_beyond_the_budget_and_costs_no_other_share() {
    let pool = Pool::new(100 * MIB);
    let mut used = pool.reserve(Consumer::Ingest, 1).unwrap();
    used.hold(300 * MIB);
    assert!(pool.reserve(Consumer::Ingest, 1).is_err());
    let query = pool.reserve(Consumer::Query, 20 * MIB).unwrap();
    drop(used);
    drop(pool.reserve(Consumer::Ingest, 40 * MIB).unwrap());
    drop(query);
    assert_eq!(pool.status().ingest, 0);
}

#[test]
fn reservations_grow_in_steps_shrink_and_merge() {
    let pool = Pool::new(0);
    let mut first = pool.reserve(Consumer::Query, 0).unwrap();
    first.grow_to(10, 64).unwrap();
    first.grow_to(60, 64).unwrap();
    assert_eq!((first.bytes(), pool.status().queries), (64, 64));
    first.merge(pool.reserve(Consumer::Query, 6).unwrap());
    assert!(first.grow(usize::MAX).is_err());
    assert_eq!((first.bytes(), pool.status().queries), (70, 70));
    first.shrink_to(100);
    first.shrink_to(5);
    assert_eq!(pool.status().queries, 5);
}

#[test]
fn a_query_has_a_bound_of_its_own_over_all_of_its_parts() {
    let pool = Pool::new(1_000 * MIB);
    let usage = Arc::new(Usage::default());
    let [first, second] = [(), ()].map(|()| pool.of_query(&usage, 10 * MIB));
    assert_eq!(first.share(Consumer::Query), 10 * MIB);
    let mut held = first.reserve(Consumer::Query, 6 * MIB).unwrap();
    let other = second.reserve(Consumer::Query, 3 * MIB).unwrap();
    assert_eq!(pool.status().queries as usize, 9 * MIB);
    let refused = held.grow(2 * MIB).unwrap_err();
    assert_eq!((refused.used, refused.query_max), (9 * MIB, Some(10 * MIB)));
    let error = Error::from(refused);
    assert_eq!(error.kind(), crate::ErrorKind::Memory);
    assert!(error.to_string().contains("limits.query_bytes"), "{error}");
    held.grow(MIB).unwrap();
    assert_eq!((first.status().queries as usize, usage.peak()), (10 * MIB, 10 * MIB));
    drop(other);
    held.shrink_to(1);
    held.grow(5 * MIB).unwrap();
    assert_eq!(pool.status().refusals, [0; 3], "nobody else had to do without");

    let peak = usage.peak();
    assert_eq!(peak, 10 * MIB);
    usage.stop();
    held.grow_to(12 * MIB, 0).unwrap();
    assert!(held.grow(MIB).is_err(), "a quarter more, to end with");
    // What the common pool does not have is not charged.
    let wide = pool.of_query(&usage, usize::MAX);
    let refused = wide.reserve(Consumer::Query, 2_000 * MIB).unwrap_err();
    assert_eq!((refused.query_max, pool.status().refusals[1]), (None, 1));
    drop(held);
    assert_eq!((pool.status().queries, usage.peak()), (0, 12 * MIB));
}

proptest! {
    #[test]
    fn the_budget_holds_and_nothing_leaks(
        asked in prop::collection::vec((0usize..3, 0usize..60 * MIB, any::<bool>()), 1..80),
    ) {
        let budget = 128 * MIB;
        let pool = Pool::new(budget);
        let mut held = Vec::new();
        for (consumer, bytes, drop_one) in asked {
            if drop_one && !held.is_empty() {
                held.remove(bytes % held.len());
            }
            let consumer = Consumer::ALL[consumer];
            let of_consumer = |held: &[Reservation]| held.iter().filter(|r| r.consumer == consumer).map(|r| r.bytes).sum::<usize>();
            let before = of_consumer(&held);
            match pool.reserve(consumer, bytes) {
                Ok(reservation) => held.push(reservation),
                Err(_) => prop_assert!(before + bytes > Pool::guaranteed(consumer, budget), "I1"),
            }
            let status = pool.status();
            let sum = status.ingest + status.queries + status.compaction;
            prop_assert_eq!(sum, held.iter().map(|r| r.bytes as u64).sum::<u64>());
            prop_assert!(sum <= budget as u64);
        }
        drop(held);
        let status = pool.status();
        prop_assert_eq!(status.ingest + status.queries + status.compaction, 0);
    }
}
