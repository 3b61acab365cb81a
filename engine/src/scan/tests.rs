use super::*;
use crate::error::{Error, ErrorKind};
use crate::io::ManualClock;
use crate::timestamp::Timestamp;
use std::sync::atomic::AtomicUsize;

const LONG: Duration = Duration::from_millis(20);

struct Nothing;

impl Items for Nothing {
    fn run(&self, _: usize) -> Result<()> {
        Ok(())
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp(0)))
}

fn batch(len: usize) -> Arc<Batch> {
    let control = Control::default();
    let bounds = Bounds::new(clock(), &control);
    let scans = Arc::new(Scans::new(1, clock()));
    let reader = Arc::new(Reader::new(&scans, bounds.clone(), &control));
    Arc::new(Batch::new(Arc::new(Nothing), len, bounds, reader))
}

fn enter(schedule: &mut Schedule, tenant: &str) -> u64 {
    schedule.enter(&Arc::from(tenant), &Arc::new(Condvar::new()))
}

/// A query that is not young any more, without a turn.
fn old(schedule: &mut Schedule, tenant: &str) -> u64 {
    let id = enter(schedule, tenant);
    schedule.want(id);
    schedule.dispatch();
    assert!(!schedule.is_waiting(id), "there is room");
    schedule.end_turn(id, LONG, false);
    id
}

/// A query with a batch without end that has both turns of two: its own and a helper's.
fn full_scan(schedule: &mut Schedule) -> u64 {
    let scan = old(schedule, "a");
    schedule.idle = 1;
    schedule.want(scan);
    schedule.offer(scan, Some(batch(usize::MAX - 1)));
    assert_eq!(schedule.dispatch(), 1, "the helper has an order");
    assert_eq!((schedule.orders.pop_front().unwrap().query, schedule.idle), (scan, 0));
    schedule.given.clear();
    scan
}

#[test]
fn a_needle_waits_for_one_item_of_a_full_scan_and_then_for_none() {
    let mut schedule = Schedule::new(2);
    let scan = full_scan(&mut schedule);
    let needle = {
        let id = enter(&mut schedule, "a");
        schedule.want(id);
        schedule.dispatch();
        assert!(!schedule.is_waiting(id), "I3: a young query has a turn at once");
        schedule.end_turn(id, LONG, false);
        id
    };
    schedule.given.clear();
    schedule.want(needle);
    schedule.dispatch();
    assert!(schedule.is_waiting(needle) && schedule.is_pressed());
    // The helper's item ends.
    schedule.end_turn(scan, LONG, true);
    schedule.idle += 1;
    schedule.dispatch();
    for _ in 0..10 {
        assert!(!schedule.is_waiting(needle));
        schedule.end_turn(needle, LONG, false);
        schedule.want(needle);
        schedule.dispatch();
    }
    assert_eq!(schedule.given, [needle; 11], "I2: the scan keeps half of the turns");
    schedule.end_turn(needle, LONG, false);
    schedule.leave(needle);
    schedule.dispatch();
    assert_eq!(schedule.given.last(), Some(&scan), "all of them once it is alone");
    assert!(!schedule.is_pressed());
}

#[test]
fn with_one_slot_two_queries_alternate() {
    let mut schedule = Schedule::new(1);
    let (a, b) = (old(&mut schedule, "a"), old(&mut schedule, "a"));
    schedule.given.clear();
    for query in [a, b] {
        schedule.want(query);
        schedule.dispatch();
    }
    for turn in 0..10 {
        let running = if turn % 2 == 0 { a } else { b };
        assert!(!schedule.is_waiting(running));
        schedule.end_turn(running, LONG, false);
        schedule.want(running);
        schedule.dispatch();
    }
    assert_eq!(schedule.given, [a, b, a, b, a, b, a, b, a, b, a]);
}

#[test]
fn turns_go_round_tenants_first() {
    let mut schedule = Schedule::new(1);
    let many: Vec<u64> = (0..3).map(|_| old(&mut schedule, "many")).collect();
    let few = old(&mut schedule, "few");
    schedule.given.clear();
    for query in many.iter().chain([&few]) {
        schedule.want(*query);
    }
    schedule.dispatch();
    for _ in 0..7 {
        let running = *schedule.given.last().unwrap();
        schedule.end_turn(running, LONG, false);
        schedule.want(running);
        schedule.dispatch();
    }
    let of_few = schedule.given.iter().filter(|query| **query == few).count();
    assert_eq!((schedule.given.len(), of_few), (8, 4), "{:?}", schedule.given);
    for query in many {
        assert!(schedule.given.contains(&query), "each of a tenant's has its turn");
    }
}

#[test]
fn young_queries_have_few_turns_of_their_own() {
    let mut schedule = Schedule::new(4);
    for _ in 0..4 {
        let query = old(&mut schedule, "a");
        schedule.want(query);
        schedule.dispatch();
    }
    let young: Vec<u64> = (0..3).map(|_| enter(&mut schedule, "a")).collect();
    for query in &young {
        schedule.want(*query);
    }
    schedule.dispatch();
    let waiting = young.iter().filter(|query| schedule.is_waiting(**query)).count();
    assert_eq!(waiting, 1);
}

/// Counts the runs of each item.
#[derive(Default)]
struct Counted {
    runs: Vec<AtomicUsize>,
    fails_at: Option<usize>,
    panics_at: Option<usize>,
}

impl Counted {
    fn new(len: usize) -> Self {
        Self { runs: (0..len).map(|_| AtomicUsize::new(0)).collect(), ..Self::default() }
    }

    fn count(&self) -> usize {
        self.runs.iter().map(|runs| runs.load(Relaxed)).sum()
    }
}

impl Items for Counted {
    fn run(&self, item: usize) -> Result<()> {
        assert_ne!(self.panics_at, Some(item), "on purpose");
        if self.fails_at == Some(item) {
            return Err(Error::invalid("on purpose"));
        }
        self.runs[item].fetch_add(1, Relaxed);
        Ok(())
    }
}

/// Runs `work` on turns with helpers, of which `slots` are there at a time.
fn with_scans<T>(slots: usize, work: impl FnOnce(&Arc<Scans>) -> T) -> T {
    let scans = Arc::new(Scans::new(slots, clock()));
    let helpers = scans.start_helpers();
    assert_eq!(helpers.len(), slots - 1);
    let result = work(&scans);
    scans.close();
    for helper in helpers {
        helper.join().expect("no panic");
    }
    let schedule = scans.schedule.lock();
    assert!(!schedule.is_pressed() && schedule.idle == 0 && schedule.orders.is_empty());
    drop(schedule);
    result
}

#[test]
fn each_item_is_run_once_however_many_queries_there_are() {
    for slots in 1..4 {
        with_scans(slots, |scans| {
            std::thread::scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(|| {
                        let mut scan = scans.enter(&Control::default());
                        for len in [0, 1, 100, 1_000] {
                            scan.item().unwrap();
                            let items = Arc::new(Counted::new(len));
                            scan.run_all(Arc::clone(&items) as _, len).unwrap();
                            assert!(items.runs.iter().all(|runs| runs.load(Relaxed) == 1));
                        }
                    });
                }
            });
        });
    }
}

#[test]
fn a_failure_ends_the_batch_and_a_panic_goes_on_in_the_query() {
    with_scans(2, |scans| {
        let mut scan = scans.enter(&Control::default());
        let items = Arc::new(Counted { fails_at: Some(3), ..Counted::new(100_000) });
        let error = scan.run_all(Arc::clone(&items) as _, 100_000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(items.count() < 99_999, "the others are given up");
        let items = Arc::new(Counted { panics_at: Some(0), ..Counted::new(10) });
        let run = std::panic::AssertUnwindSafe(|| scan.run_all(items, 10));
        assert!(std::panic::catch_unwind(run).is_err());
        // Threads and turns are as before.
        let items = Arc::new(Counted::new(10));
        scan.run_all(Arc::clone(&items) as _, 10).unwrap();
        assert_eq!(items.count(), 10);
    });
}

#[test]
fn cancelled_and_late_queries_end_at_the_next_item() {
    let clock = clock();
    let scans = Arc::new(Scans::new(1, Arc::clone(&clock) as _));
    let control = Control { deadline: Some(Duration::from_millis(50)), ..Control::default() };
    let mut scan = scans.enter(&control);
    scan.item().unwrap();
    clock.advance(Duration::from_millis(49));
    scan.item().unwrap();
    clock.advance(Duration::from_millis(1));
    let error = scan.item().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.to_string().contains("50 ms"), "{error}");
    let items = Arc::new(Counted::new(5));
    assert_eq!(scan.run_all(Arc::clone(&items) as _, 5).unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(items.count(), 0);
    drop(scan);

    let control = Control::default();
    let mut scan = scans.enter(&control);
    scan.item().unwrap();
    control.cancel.cancel();
    assert_eq!(scan.item().unwrap_err().kind(), ErrorKind::Cancelled);
    drop(scan);
    scans.enter(&Control::default()).item().unwrap();
}

#[test]
fn the_time_before_a_query_began_counts() {
    let clock = clock();
    let scans = Arc::new(Scans::new(1, Arc::clone(&clock) as _));
    let (deadline, waited) = (Some(Duration::from_millis(50)), Duration::from_millis(30));
    let mut scan = scans.enter(&Control { deadline, waited, ..Control::default() });
    clock.advance(Duration::from_millis(19));
    scan.item().unwrap();
    clock.advance(Duration::from_millis(1));
    let error = scan.item().unwrap_err();
    assert!(error.to_string().contains("50 ms"), "{error}");
}

/// Who waits for the archive kept its turn, so that two such queries kept all others from the cores.
#[test]
fn others_have_the_turn_of_who_waits_for_the_archive() {
    let scans = Arc::new(Scans::new(1, clock()));
    let running = || scans.schedule.lock().running;
    let mut scan = scans.enter(&Control::default());
    let own = reader().expect("this thread runs it");
    assert!(own.pause().is_none(), "it has no turn yet");
    scan.item().unwrap();
    assert_eq!(running(), 1);
    let paused = own.pause();
    assert!(paused.is_some() && own.pause().is_none());
    assert_eq!(running(), 0);
    let mut other = scans.enter(&Control::default());
    other.item().unwrap();
    assert!(!Arc::ptr_eq(&reader().expect("the other"), &own));
    assert_eq!(running(), 1);
    drop(other);
    assert!(Arc::ptr_eq(&reader().expect("the first"), &own));
    drop(paused);
    assert_eq!(running(), 1);
    drop(scan);
    assert!(reader().is_none());
    assert_eq!(running(), 0);
}

#[test]
fn a_core_is_left_to_the_sealer_where_there_are_more_than_two() {
    assert_eq!([0, 1, 2, 3, 8].map(slots_of), [1, 1, 2, 2, 7]);
}
