//! The budget of the disk: what is refused, and what goes before it is due.

use super::*;
use crate::limits::DiskBudget;
use crate::retention::Rule;

/// A store that takes a byte more than its budget, of three classes and four days.
fn full(evict: bool) -> Life {
    let forever = Rule::new("ever", "service:ever", Keep::Forever);
    let mut life = Life::new(&[forever]);
    life.evict = evict;
    for day in 0..4 {
        let events = [("short", Level::Debug), ("long", Level::Info), ("ever", Level::Info)];
        life.append(&events.map(|(service, level)| (at(day), level, service)));
        life.engine().flush().unwrap();
        life.clock.advance(DAY);
    }
    // A store that was opened again has fewer files of the log.
    life.open();
    life.budget = Some(DiskBudget::Bytes(life.taken() - 1));
    life.open();
    life
}

impl Life {
    fn taken(&self) -> u64 {
        let files = Arc::clone(&self.engine().shared.state().files);
        let sections = files.iter().flat_map(|file| &file.meta.sections);
        let stored: u64 = sections.map(|section| section.len).sum();
        stored + self.engine().status().wal_bytes
    }
}

#[test]
fn what_passes_the_budget_is_refused_and_nothing_dropped() {
    let mut life = full(false);
    let refused = life.engine().append(batch(0, 1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    assert!(refused.to_string().contains("disk.budget"), "{refused}");
    assert!(life.engine().status().not_writable.is_some_and(|why| why.kind() == ErrorKind::Full));
    assert_eq!(life.engine().evict().unwrap(), RetentionRun::default());
    assert_eq!(life.count(""), 12);
    // What is given up by retention makes room again.
    life.set(at(30));
    assert!(life.dropped(RunKind::Requested) > 0);
    life.engine().append(batch(0, 1)).unwrap();
    life.budget = Some(DiskBudget::Percent(100));
    life.open();
    life.engine().append(batch(0, 1)).unwrap();
}

#[test]
fn the_oldest_of_what_is_kept_shortest_goes_first() {
    let life = full(true);
    let scope = HoldScope { to: Some(at(0).day()), ..HoldScope::default() };
    let request = HoldRequest { scope, owner: "ann".into(), reason: "case".into(), review: None };
    life.engine().hold(request).unwrap();
    let days = |run: &RetentionRun| -> Vec<(String, Day)> {
        let gone = run.days.iter().filter(|day| day.dropped.sections > 0);
        gone.map(|day| (day.class.clone(), day.day)).collect()
    };
    let run = life.engine().evict().unwrap();
    assert!(run.held().events >= 1, "{run:?}");
    let gone = days(&run);
    assert!(!gone.is_empty());
    let mut order: Vec<_> = (1..4).map(|day| ("debug".to_owned(), at(day).day())).collect();
    order.extend((1..4).map(|day| ("info".to_owned(), at(day).day())));
    assert_eq!(gone, order[..gone.len()]);
    let tombstones = life.engine().shared.manifest().state().tombstones.clone();
    assert!(tombstones.iter().all(|gone| gone.reason == "budget"), "{tombstones:?}");
    assert_eq!(life.count("service:ever"), 4);
    // Now it fits, and nothing more goes.
    assert_eq!(days(&life.engine().evict().unwrap()), []);
}

/// What is kept for ever, and what is held, stays; then events are refused after all.
#[test]
fn a_store_that_may_drop_nothing_more_is_full() {
    let mut life = full(true);
    life.budget = Some(DiskBudget::Bytes(1));
    life.open();
    assert_eq!(life.engine().evict().unwrap().dropped().events, 8);
    assert_eq!((life.count(""), life.count("service:ever")), (4, 4));
    life.clock.advance(Duration::from_secs(2));
    assert_eq!(life.engine().append(batch(0, 1)).unwrap_err().kind(), ErrorKind::Full);
}

/// `B2`: a log that is full is given up before anything that is stored goes.
#[test]
fn a_full_log_is_flushed_before_anything_goes() {
    let mut life = full(true);
    life.budget = None;
    life.open();
    // Each takes some sectors of the log, and all of them one section.
    for _ in 0..60 {
        life.append(&[(at(4), Level::Info, "a")]);
    }
    let sections = |life: &Life| life.taken() - life.engine().status().wal_bytes;
    let (stored, budget) = (sections(&life), life.taken() - 1);
    // What is in memory and in the log stays there when the store is opened again.
    life.budget = Some(DiskBudget::Bytes(budget));
    life.open();
    assert!(life.taken() > budget);
    for _ in 0..3 {
        let run = life.engine().evict().unwrap();
        assert_eq!(run.dropped().sections, 0, "{run:?}");
        life.engine().settle();
        assert!(sections(&life) > stored && life.taken() <= budget);
    }
    assert_eq!(life.count(""), 72);
}
