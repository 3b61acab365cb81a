//! Retention as the life of a store: what goes and what stays, by the clock door.

mod budget;
mod exports;
mod faults;
mod holds;
mod purge;
mod purge_guards;

use super::*;
use crate::event::Seq;
use crate::io::Clock;
use crate::retention::*;
use crate::timestamp::{Day, NS_PER_DAY};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// 00:00 of a day.
const MIDNIGHT: Timestamp = Timestamp(20_000 * NS_PER_DAY);

/// A store on a disk of its own, whose clock is set by the test.
pub(super) struct Life {
    pub(super) storage: MemoryStorage,
    pub(super) clock: Arc<ManualClock>,
    pub(super) policy: Policy,
    pub(super) budget: Option<crate::limits::DiskBudget>,
    pub(super) evict: bool,
    /// What holds what the disk has.
    pub(super) engine: Option<Engine>,
}

impl Life {
    pub(super) fn new(own: &[crate::retention::Rule]) -> Self {
        let policy = Policy::new(Preset::Levels, own).unwrap();
        let clock = Arc::new(ManualClock::new(MIDNIGHT));
        let storage = MemoryStorage::new();
        let mut life = Self { storage, clock, policy, budget: None, evict: false, engine: None };
        life.open();
        life
    }

    pub(super) fn options(&self) -> Options {
        let mut options = options(&self.storage);
        options.io.clock = Arc::clone(&self.clock) as _;
        options.limits.retention = self.policy.clone();
        (options.limits.disk_budget, options.limits.evict) = (self.budget, self.evict);
        options
    }

    pub(super) fn open(&mut self) {
        self.engine = None;
        self.engine = Some(Engine::open(self.options()).unwrap());
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Stores events of these times and levels; the message of each is its number.
    pub(super) fn append(&self, events: &[(Timestamp, Level, &str)]) {
        let limits = Limits { retention: self.policy.clone(), ..Limits::tiny() };
        let mut batch = BatchBuilder::new(&limits, self.engine().arrival());
        for (number, (timestamp, level, service)) in events.iter().enumerate() {
            let mut event = batch.event();
            (event.timestamp, event.level) = (*timestamp, *level);
            event.field("message", Kind::String, format!("event number {number}").as_bytes());
            event.field("service", Kind::String, service.as_bytes());
            event.finish().unwrap();
        }
        self.engine().append(batch.build()).unwrap();
    }

    fn flushed(&self, events: &[(Timestamp, Level, &str)]) {
        self.append(events);
        self.engine().flush().unwrap();
    }

    /// How many events match.
    pub(super) fn count(&self, query: &str) -> usize {
        self.engine().search(&request(query, 10_000)).unwrap().events.len()
    }

    fn set(&self, now: Timestamp) {
        let by = u64::try_from(now.0 - self.clock.now().0).unwrap();
        self.clock.advance(Duration::from_nanos(by));
    }

    fn dropped(&self, kind: RunKind) -> u64 {
        self.engine().drop_due(kind).unwrap().dropped().events
    }
}

fn at(days: i64) -> Timestamp {
    Timestamp(MIDNIGHT.0 + days * NS_PER_DAY)
}

/// `G1`: a day that is kept for seven is there until its last event is seven days old.
#[test]
fn nothing_goes_a_nanosecond_before_it_is_due() {
    let life = Life::new(&[]);
    life.flushed(&[(at(0), Level::Debug, "a"), (Timestamp(at(1).0 - 1), Level::Debug, "a")]);
    let due = at(8);
    life.set(Timestamp(due.0 - 1));
    assert_eq!(life.dropped(RunKind::Requested), 0);
    assert_eq!(life.engine().retention_plan(due, RunKind::Requested).unwrap().dropped().events, 2);
    assert_eq!(life.count(""), 2);
    life.set(due);
    assert_eq!(life.dropped(RunKind::Scheduled), 2);
    assert_eq!(life.count(""), 0);
    let gone = life.engine().shared.manifest().state().tombstones.clone();
    assert!(gone.iter().all(|gone| gone.reason == "expired"), "{gone:?}");
    assert_eq!(life.storage.list("store/segments".as_ref()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_file_stays_until_its_last_section_goes() {
    let mut life = Life::new(&[]);
    life.flushed(&[
        (at(0), Level::Debug, "a"),
        (at(0), Level::Info, "b"),
        (at(0), Level::Warn, "c"),
    ]);
    life.set(at(8));
    let run = life.engine().drop_due(RunKind::Scheduled).unwrap();
    assert_eq!(run.days.len(), 1);
    assert_eq!(
        (&*run.days[0].class, run.days[0].day, run.days[0].due),
        ("debug", at(0).day(), at(8))
    );
    assert_eq!((life.count(""), life.count("level:debug")), (2, 0));
    assert_eq!(life.engine().status().segment_files, 1);
    life.open();
    assert_eq!(life.count(""), 2);
    life.engine().compact_now().unwrap();
    life.set(at(31));
    assert_eq!(life.dropped(RunKind::Scheduled), 1);
    life.set(at(91));
    assert_eq!(life.dropped(RunKind::Scheduled), 1);
    assert_eq!(life.count(""), 0);
    assert_eq!(life.engine().status().segment_files, 0);
    assert_eq!(life.engine().status().events_dropped, 2);
}

/// A reader that has begun sees what it began with.
#[test]
fn a_snapshot_reads_what_was_dropped() {
    let life = Life::new(&[]);
    life.flushed(&[(at(0), Level::Debug, "a")]);
    let snapshot = life.engine().shared.snapshot();
    life.set(at(9));
    assert_eq!(life.dropped(RunKind::Requested), 1);
    assert_eq!(life.storage.list("store/segments".as_ref()).unwrap().len(), 1);
    snapshot.files[0].file.sections(&life.engine().shared.cache).unwrap();
    drop(snapshot);
    assert_eq!(life.storage.list("store/segments".as_ref()).unwrap().len(), 0);
}

/// `H1`: it is accepted, counted, found, and goes an hour later by itself or at once on request.
#[test]
fn what_is_due_when_it_comes_has_an_hour() {
    let life = Life::new(&[]);
    life.set(at(100));
    life.append(&[
        (at(0), Level::Debug, "a"),
        (at(0), Level::Warn, "a"),
        (at(99), Level::Debug, "b"),
    ]);
    assert_eq!(life.engine().status().expired_on_arrival, 2);
    assert_eq!(life.dropped(RunKind::Scheduled), 0);
    life.engine().flush().unwrap();
    assert_eq!(life.count(""), 3);
    life.clock.advance(HOUR - Duration::from_nanos(1));
    let run = life.engine().drop_due(RunKind::Scheduled).unwrap();
    assert_eq!((run.dropped().events, run.waiting().events), (0, 2));
    life.clock.advance(Duration::from_nanos(1));
    assert_eq!(life.dropped(RunKind::Scheduled), 2);
    // What is in memory is flushed for somebody who asks.
    life.append(&[(at(0), Level::Debug, "a")]);
    assert_eq!(life.dropped(RunKind::Requested), 1);
    assert_eq!(life.count(""), 1);
}

/// `A4`: a crash behind a drop does not bring back what the log still had.
#[test]
fn what_was_dropped_does_not_come_back() {
    let mut life = Life::new(&[]);
    life.set(at(100));
    life.append(&[(at(0), Level::Debug, "a"), (at(100), Level::Info, "b")]);
    assert_eq!(life.dropped(RunKind::Requested), 1);
    life.append(&[(at(100), Level::Info, "b")]);
    life.storage = life.storage.power_cut();
    life.open();
    assert_eq!((life.count("service:a"), life.count("service:b")), (0, 2));
    life.engine().flush().unwrap();
    assert_eq!(life.count(""), 2);
}

#[test]
fn times_apply_to_what_is_stored_and_matches_to_what_comes() {
    let pay = |days| crate::retention::Rule::new("pay", "service:pay", Keep::days(days));
    let mut life = Life::new(&[pay(400)]);
    life.flushed(&[(at(0), Level::Debug, "pay"), (at(0), Level::Debug, "web")]);
    // Shorter, and of other events from now on.
    let other = crate::retention::Rule { matches: Some("service:web".into()), ..pay(3) };
    life.policy = Policy::new(Preset::Levels, &[other]).unwrap();
    life.open();
    life.set(at(4));
    assert_eq!(life.dropped(RunKind::Requested), 1);
    assert_eq!((life.count("service:pay"), life.count("service:web")), (0, 1));
    life.set(at(8));
    assert_eq!(life.dropped(RunKind::Requested), 1);
}

/// `R3`, also over restarts; `R4` once it has no events, its rule goes.
#[test]
fn a_class_that_is_removed_keeps_its_last_rule() {
    let pay = crate::retention::Rule::new("pay", "service:pay", Keep::days(20));
    let mut life = Life::new(&[pay]);
    life.append(&[(at(0), Level::Debug, "pay")]);
    life.policy = Policy::new(Preset::Levels, &[]).unwrap();
    for _ in 0..3 {
        // In the log, in memory, in a file.
        life.open();
        let status = life.engine().retention_status();
        let class = status.classes.iter().find(|class| class.name == "pay").unwrap();
        assert!(!class.is_configured);
        assert_eq!(class.rule.as_ref().unwrap().keep, Keep::days(20));
        assert_eq!(class.stored.events + class.events_in_memory, 1);
        life.engine().flush().unwrap();
    }
    life.set(at(20));
    assert_eq!(life.dropped(RunKind::Requested), 0);
    life.set(at(21));
    assert_eq!(life.dropped(RunKind::Requested), 1);
    life.open();
    let classes = |life: &Life| life.engine().shared.manifest().state().retention.classes.len();
    assert_eq!(classes(&life), Policy::default().rules().len());
    assert_eq!(life.engine().retention_status().classes.len(), classes(&life));
}

/// Whoever opens a store without its configuration, to look at it, changes no rule of it.
#[test]
fn rules_stay_when_nobody_says_others() {
    let rule = crate::retention::Rule::new;
    let longer = crate::retention::Rule { matches: None, ..rule("debug", "", Keep::days(50)) };
    let mut life = Life::new(&[longer, rule("pay", "service:pay", Keep::days(9))]);
    life.flushed(&[(at(0), Level::Debug, "a")]);
    let rules = |life: &Life| life.engine().shared.manifest().state().retention.clone();
    let before = rules(&life);
    life.policy = Policy::default();
    life.open();
    assert_eq!(rules(&life), before);
    life.set(at(50));
    assert_eq!(life.dropped(RunKind::Requested), 0);
    life.set(at(51));
    assert_eq!(life.dropped(RunKind::Requested), 1);
}

/// `H2`: also when the store is opened again, and whatever is flushed meanwhile.
#[test]
fn a_clock_that_jumps_drops_nothing_until_somebody_says_so() {
    let mut life = Life::new(&[]);
    life.flushed(&[(at(0), Level::Critical, "a")]);
    life.clock.set(at(27_000));
    let suspended = |life: &Life, kind| {
        let run = life.engine().drop_due(kind).unwrap();
        (run.suspended.is_some(), run.dropped().events)
    };
    assert_eq!(suspended(&life, RunKind::Scheduled), (true, 0));
    assert!(life.engine().status().drops_suspended.is_some());
    assert!(
        life.engine().retention_plan(at(27_000), RunKind::Requested).unwrap().suspended.is_some()
    );
    life.flushed(&[(at(27_000), Level::Info, "b")]);
    life.open();
    assert_eq!(suspended(&life, RunKind::Requested), (true, 0));
    life.clock.advance(DAY - Duration::from_nanos(1));
    assert_eq!(suspended(&life, RunKind::Scheduled), (true, 0));
    assert_eq!(life.count("service:a"), 1);
    // The clock is set right: nothing was lost, and nothing is doubted.
    life.clock.set(at(1));
    life.open();
    assert_eq!(suspended(&life, RunKind::Scheduled), (false, 0));
    life.clock.set(at(400));
    assert_eq!(suspended(&life, RunKind::Scheduled), (true, 0));
    life.engine().resume_drops().unwrap();
    assert_eq!(suspended(&life, RunKind::Scheduled), (false, 1));
    life.open();
    assert_eq!(suspended(&life, RunKind::Scheduled), (false, 0));
}

/// A dry run did not count what the run flushed first, and then dropped.
#[test]
fn a_dry_run_tells_what_is_due_in_memory() {
    let life = Life::new(&[]);
    life.set(at(100));
    let events =
        [(at(0), Level::Debug, "a"), (at(0), Level::Warn, "a"), (at(99), Level::Debug, "b")];
    life.append(&events);
    let plan = || life.engine().retention_plan(at(100), RunKind::Requested).unwrap();
    assert_eq!((plan().in_memory, plan().dropped().events), (2, 0));
    let run = life.engine().drop_due(RunKind::Scheduled).unwrap();
    assert_eq!((run.in_memory, run.dropped().events), (2, 0), "nobody asked for a flush");
    let run = life.engine().drop_due(RunKind::Requested).unwrap();
    assert_eq!((run.in_memory, run.dropped().events), (0, 2));
    assert_eq!(plan(), RetentionRun::default());
}

/// A dry run listed as dropped what no run drops while the clock is in doubt.
#[test]
fn while_the_clock_is_in_doubt_all_that_is_due_waits() {
    let life = Life::new(&[]);
    life.flushed(&[(at(0), Level::Debug, "a"), (at(0), Level::Info, "b")]);
    let scope = HoldScope { class: Some("info".into()), ..HoldScope::default() };
    let request = HoldRequest { scope, owner: "ann".into(), reason: "case".into(), review: None };
    life.engine().hold(request).unwrap();
    life.append(&[(at(0), Level::Debug, "c")]);
    life.clock.set(at(27_000));
    for kind in [RunKind::Requested, RunKind::Forced] {
        let planned = life.engine().retention_plan(at(27_000), kind).unwrap();
        assert_eq!(life.engine().drop_due(kind).unwrap(), planned);
        let amounts = [planned.dropped(), planned.waiting(), planned.held()];
        assert_eq!(amounts.map(|amount| amount.events), [0, 1, 1]);
        assert!(planned.suspended.is_some());
        assert_eq!(planned.in_memory, 1);
    }
    assert_eq!(life.count(""), 3);
    life.engine().resume_drops().unwrap();
    let run = life.engine().drop_due(RunKind::Requested).unwrap();
    assert_eq!((run.dropped().events, run.held().events, run.in_memory), (2, 1, 0));
}

/// What was stored under a clock of 1970 or 2015 is not due as soon as the clock is right.
#[test]
fn a_clock_that_is_set_back_makes_nothing_due() {
    let mut life = Life::new(&[]);
    for (set_back, reopened) in [(-19_999, false), (-3_000, false), (-19_998, true)] {
        life.clock.set(at(set_back));
        if reopened {
            life.open();
        }
        life.flushed(&[(life.clock.now(), Level::Debug, "a")]);
        life.clock.set(Timestamp(at(0).0 + 5 * i64::from(reopened)));
        assert_eq!(life.dropped(RunKind::Requested), 0);
    }
    assert_eq!(life.count(""), 3);
    life.clock.advance(8 * DAY);
    life.engine().resume_drops().unwrap();
    assert_eq!(life.dropped(RunKind::Requested), 3);
}

/// What is written under a clock that is years ahead does not wait for that year.
#[test]
fn what_a_clock_ahead_has_written_is_dropped_when_it_is_due() {
    let life = Life::new(&[]);
    life.append(&[(at(0), Level::Debug, "a")]);
    life.clock.set(at(27_000));
    life.engine().flush().unwrap();
    life.clock.set(at(1));
    life.engine().resume_drops().unwrap();
    life.clock.set(at(8));
    life.engine().resume_drops().unwrap();
    assert_eq!(life.dropped(RunKind::Scheduled), 1);
}

/// Who says that the time is right is believed, also if the store knew a later one.
#[test]
fn a_later_time_that_was_wrong_can_be_taken_back() {
    let mut life = Life::new(&[]);
    life.clock.set(at(27_000));
    life.engine().resume_drops().unwrap();
    assert_eq!(life.engine().arrival().day, at(27_000).day());
    life.clock.set(at(1));
    assert_eq!(life.engine().arrival().day, at(27_000).day());
    life.open();
    assert!(life.engine().retention_status().suspended.is_some(), "the clock lies behind");
    life.engine().resume_drops().unwrap();
    for _ in 0..2 {
        assert_eq!(life.engine().arrival().day, at(1).day());
        assert_eq!(life.engine().retention_status().suspended, None);
        life.open();
    }
    // And from here on a clock that is ahead is doubted again.
    life.clock.set(at(26_000));
    life.open();
    assert!(life.engine().retention_status().suspended.is_some());
}

#[test]
fn an_idle_store_tells_the_time() {
    let mut life = Life::new(&[]);
    for _ in 0..20 {
        life.clock.advance(DAY);
        life.engine().drop_due(RunKind::Scheduled).unwrap();
    }
    life.clock.advance(DAY);
    life.open();
    assert_eq!(life.engine().status().drops_suspended, None);
    life.clock.advance(3 * DAY);
    life.open();
    assert!(life.engine().status().drops_suspended.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// For any events, rules and days, what is left is exactly what the rules say, and everything that
    /// was dropped was due.
    #[test]
    fn what_is_left_is_what_the_rules_say(
        keeps in prop::collection::vec(1u32..30, 3),
        steps in prop::collection::vec((0u8..8, 0i64..40, 0usize..3, 0usize..6, 1u64..72), 1..40),
    ) {
        let rules = |keeps: &[u32]| {
            let rule = |(service, keep): (&&str, &u32)| {
                crate::retention::Rule::new(service, &format!("service:{service}"), Keep::days(*keep))
            };
            SERVICES.iter().zip(keeps).map(rule).collect::<Vec<_>>()
        };
        let mut keeps = keeps;
        let mut life = Life::new(&rules(&keeps));
        // Events by service and day.
        let mut left: BTreeMap<(usize, Day), usize> = BTreeMap::new();
        for (step, back, service, level, hours) in steps {
            let now = life.clock.now();
            match step {
                0..=2 => {
                    let timestamp = Timestamp(now.0 - back * NS_PER_DAY / 2);
                    life.append(&[(timestamp, Level::ALL[level], SERVICES[service])]);
                    *left.entry((service, timestamp.day())).or_default() += 1;
                }
                3 => life.clock.advance(HOUR * hours as u32),
                4 => life.engine().flush().unwrap(),
                5 => life.engine().compact_now().unwrap(),
                6 => {
                    keeps[service] = 1 + back as u32;
                    life.policy = Policy::new(Preset::Levels, &rules(&keeps)).unwrap();
                    life.storage = life.storage.power_cut();
                    life.open();
                    // Nobody doubts the time of a store that is not open for long.
                    life.engine().resume_drops().unwrap();
                }
                _ => {
                    life.engine().drop_due(RunKind::Requested).unwrap();
                    left.retain(|(service, day), _| {
                        i64::from(day.0) + 1 + i64::from(keeps[*service]) > now.0.div_euclid(NS_PER_DAY)
                    });
                }
            }
            for (number, service) in SERVICES.iter().enumerate() {
                let wanted: usize =
                    left.iter().filter(|((of, _), _)| *of == number).map(|(_, count)| count).sum();
                prop_assert_eq!(life.count(&format!("service:{service}")), wanted);
            }
        }
        life.engine().shared.manifest().state().check().unwrap();
    }
}

const SERVICES: [&str; 3] = ["a", "b", "c"];
