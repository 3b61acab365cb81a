//! What is kept of the archive makes way for what is to be stored.

use super::*;

/// Events were refused for seconds whenever a query filled the cache while room was made.
#[test]
fn nothing_is_refused_for_the_sake_of_what_is_cached() {
    let (mut life, engine) = Life::new();
    life.budget = Some(DiskBudget::Bytes(1 << 30));
    drop(engine);
    let engine = life.open();
    life.shelf.cached.store(1 << 30, Ordering::Relaxed);
    life.shelf.refills.store(true, Ordering::Relaxed);
    engine.evict().unwrap();
    let (taken, budget) = engine.disk_budget().unwrap();
    assert!(taken > budget);
    life.clock.advance(Duration::from_secs(10));
    engine.append(batch(0, 1)).unwrap();
}

/// Without a budget nothing ever freed it: a cache on a full disk stopped events for good.
#[test]
fn what_is_cached_makes_way_before_a_full_disk_refuses_anything() {
    let (life, engine) = Life::new();
    drop(engine);
    let mut options = life.options();
    options.limits.disk_reserve_bytes = Some(1 << 20);
    let engine = Engine::open_with(options, Arc::clone(&life.shelf) as _).unwrap();
    engine.settle();
    life.storage.overwrite(KEPT.as_ref(), vec![0; 8 << 20]);
    life.shelf.disk.set(life.storage.clone()).unwrap();
    let fill = || {
        engine.settle();
        life.storage.set_capacity(Some(life.storage.bytes() + (64 << 10)));
        life.clock.advance(Duration::from_secs(10));
    };
    fill();
    engine.append(batch(0, 1)).unwrap();
    assert!(life.storage.open(KEPT.as_ref()).is_err());
    fill();
    assert_eq!(engine.append(batch(1, 1)).unwrap_err().kind(), ErrorKind::Full);
}
