//! What is fetched ahead: many ranges at a time, each once, no more than the cache has room for, and given up with
//! whoever wanted it.

use super::gated::Gated;
use super::*;

/// Every other piece of the object.
fn every_other(world: &World) -> Vec<(&ColdFile, Range<u64>)> {
    let pieces = (0..LEN as u64 / PIECE).step_by(2);
    pieces.map(|piece| (&world.file, piece * PIECE..piece * PIECE + 1)).collect()
}

#[test]
fn ranges_are_fetched_at_the_same_time_and_once() {
    let gated = Gated::new();
    let world = World::of(Arc::new(gated.clone()));
    let cold = world.cold(CACHE);
    gated.open(false);
    let ranges = every_other(&world);
    let ahead = cold.prefetch(&ranges);
    gated.wait_for(ranges.len());
    // What is on its way already is not asked for again.
    let again = cold.prefetch(&ranges);
    drop(again);
    gated.wait_for(ranges.len());
    drop(ahead);
    gated.wait_for(0);
    // By another, because the first may not have put away what it gave up.
    let cold = world.cold(CACHE);
    let ahead = cold.prefetch(&ranges);
    gated.wait_for(ranges.len());
    gated.open(true);
    for (_, range) in &ranges {
        assert_eq!(world.read(&cold, range.start as usize..range.end as usize).requests, 0);
    }
    drop(ahead);
    let figures = cold.figures();
    let count = ranges.len() as u64;
    assert_eq!((figures.requests, figures.requests_ahead), (count, count));
    assert_eq!(figures.fetched_bytes, count * PIECE);
    drop(cold.prefetch(&ranges));
    assert_eq!(gated.waited_max(), ranges.len());
}

#[test]
fn nothing_is_fetched_ahead_that_is_not_kept() {
    let gated = Gated::new();
    let world = World::of(Arc::new(gated.clone()));
    gated.open(false);
    let ranges = every_other(&world);
    // With room for eight pieces, and without any.
    for (cache_bytes, count) in [(8 * (PIECE + 8), 2), (PIECE, 0), (0, 0)] {
        let cold = world.cold(cache_bytes);
        let ahead = cold.prefetch(&ranges);
        gated.wait_for(count);
        assert_eq!(gated.waited_max(), 2);
        drop(ahead);
        gated.wait_for(0);
    }
}

/// A fetch ahead that fails tells nobody: whoever wants the range asks again, and finds out.
#[test]
fn what_fails_ahead_is_found_out_by_who_reads() {
    let world = World::new();
    let cold = world.cold(CACHE);
    let object = object_of(&world.file.store, &world.file.blake3);
    world.runtime.block_on(world.store.delete(&object)).unwrap();
    let _ahead = cold.prefetch(&every_other(&world));
    let away = cold.read_at(&world.file, 0, &mut [0; 10], &Patience::endless()).unwrap_err();
    assert!(away.to_string().contains("seg/"), "{away}");
}
