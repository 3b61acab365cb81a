use super::*;
use crate::batch::{Batch, BatchBuilder};
use crate::event::{Kind, Level};
use crate::io::ManualClock;
use crate::limits::Limits;
use crate::timestamp::{Day, NS_PER_DAY, Timestamp};
use std::time::Duration;

const NOON: Timestamp = Timestamp(1_795_262_400_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// The class of an event of this level with these fields, all of them strings.
fn class_of(policy: &Policy, level: Level, fields: &[(&str, &str)]) -> String {
    let batch = batch(policy, NOON, level, fields);
    batch.parts()[0].key.class.to_string()
}

fn batch(policy: &Policy, timestamp: Timestamp, level: Level, fields: &[(&str, &str)]) -> Batch {
    let limits = Limits { retention: policy.clone(), ..Limits::tiny() };
    let mut batch = BatchBuilder::new(&limits, NOON);
    let mut event = batch.event();
    (event.level, event.timestamp) = (level, timestamp);
    for (name, text) in fields {
        event.field(name, Kind::String, text.as_bytes());
    }
    event.finish().unwrap();
    batch.build()
}

fn policy(own: &[Rule]) -> Policy {
    Policy::new(Preset::Levels, own).unwrap()
}

fn kept(policy: &Policy, class: &str) -> Keep {
    policy.rules().iter().find(|rule| rule.name == class).unwrap().keep
}

#[test]
fn the_preset_of_levels() {
    let levels = Policy::default();
    for level in Level::ALL {
        assert_eq!(class_of(&levels, level, &[("message", "x")]), level.name());
        assert_eq!(class_of(&levels, level, &[("error.type", "Timeout")]), "exceptions");
        assert_eq!(class_of(&levels, level, &[("error\\.type", "Timeout")]), "exceptions");
        assert_eq!(class_of(&levels, level, &[("error.typed", "Timeout")]), level.name());
        assert_eq!(class_of(&levels, level, &[("other.type", "Timeout")]), level.name());
    }
    let days = ["exceptions", "critical", "error", "warn", "info", "debug", "trace"];
    let days = days.map(|class| kept(&levels, class));
    assert_eq!(days, [365, 365, 180, 90, 30, 7, 7].map(Keep::days));
}

#[test]
fn the_preset_for_audits_keeps_nothing_under_90_days() {
    let audit = Policy::new(Preset::Audit, &[]).unwrap();
    assert!(audit.rules().iter().all(|rule| rule.keep >= Keep::days(90)));
    let class = |level, fields: &[(&str, &str)]| kept(&audit, &class_of(&audit, level, fields));
    assert_eq!(class(Level::Trace, &[]), Keep::days(90));
    assert_eq!(class(Level::Error, &[]), Keep::days(90));
    assert_eq!(class(Level::Critical, &[]), Keep::days(365));
    assert_eq!(class(Level::Info, &[("error.type", "x")]), Keep::days(365));
    assert_eq!(class(Level::Info, &[("category", "Payment")]), Keep::days(365));
    assert_eq!(class(Level::Info, &[("category", "order")]), Keep::days(365));
    assert_eq!(class(Level::Info, &[("category", "orders")]), Keep::days(90));
}

#[test]
fn the_first_rule_that_matches_counts() {
    let policy = policy(&[
        Rule::new("noise", "service:probe -level:>=error", Keep::days(1)),
        Rule::new("payments", "category:(payment OR order) OR tenant:acme", Keep::days(365)),
        Rule::new("ours", "tenant:default level:critical", Keep::Forever),
        Rule::new("odd", "NOT category:* user_id:[10 TO 20]", Keep::days(3)),
    ]);
    let class = |level, fields: &[(&str, &str)]| class_of(&policy, level, fields);
    assert_eq!(class(Level::Info, &[("service", "probe"), ("category", "order")]), "noise");
    assert_eq!(class(Level::Error, &[("service", "probe"), ("category", "order")]), "payments");
    assert_eq!(class(Level::Error, &[("category", "ORDER"), ("error.type", "x")]), "payments");
    assert_eq!(class(Level::Critical, &[("error.type", "x")]), "ours");
    assert_eq!(class(Level::Warn, &[("user_id", "15")]), "odd");
    assert_eq!(class(Level::Warn, &[("user_id", "9")]), "warn");
    assert_eq!(class(Level::Warn, &[("user_id", "15"), ("category", "a")]), "warn");
    // A field that is there twice matches with either value.
    assert_eq!(class(Level::Warn, &[("category", "a"), ("category", "payment")]), "payments");
}

#[test]
fn a_rule_without_a_match_changes_a_class_of_the_preset() {
    let longer = Rule { matches: None, ..Rule::new("info", "", Keep::days(60)) };
    let policy = policy(&[longer]);
    assert_eq!(class_of(&policy, Level::Info, &[]), "info");
    assert_eq!(kept(&policy, "info"), Keep::days(60));
    assert_eq!(kept(&policy, "warn"), Keep::days(90));
}

#[test]
fn what_a_rule_may_not_say_is_refused_in_its_place() {
    let error = |rule: Rule| {
        let good = Rule::new("good", "service:a", Keep::days(5));
        let error = Policy::new(Preset::Levels, &[good, rule]).unwrap_err();
        assert_eq!(error.rule, 1);
        error
    };
    let of = |matches: &str| error(Rule::new("mine", matches, Keep::days(5)));
    for (matches, at) in [
        ("service:a message:b", 10),
        ("order.id:7", 0),
        ("service:a OR pay", 13),
        ("service:~\"a.*\"", 0),
        ("category:/x/", 0),
        ("service:a AND (level:info OR timestamp:>5)", 29),
        ("service:a )", 10),
        ("service:a | limit 5", 12),
    ] {
        let error = of(matches);
        assert_eq!(error.span.as_ref().map(|span| span.start), Some(at), "{matches}: {error}");
    }
    let named = |name: &str| error(Rule::new(name, "service:a", Keep::days(5))).message;
    assert!(named("Pay").contains("a-z"), "{}", named("Pay"));
    assert!(named("").contains("a-z"));
    assert!(named("info").contains("class of the preset"), "{}", named("info"));
    assert!(named("good").contains("two rules"));
    assert!(
        error(Rule { matches: None, ..Rule::new("mine", "", Keep::days(5)) })
            .message
            .contains("matches")
    );
    assert!(error(Rule::new("mine", "", Keep::For(5))).message.contains("kept"));
}

#[test]
fn a_class_by_arrival_has_the_day_of_arrival() {
    let backfill =
        Rule { clock: ClassClock::Arrival, ..Rule::new("old", "service:a", Keep::days(5)) };
    let policy = policy(&[backfill]);
    let long_ago = Timestamp(NOON.0 - 1_000 * NS_PER_DAY);
    let day = |service| {
        let batch = batch(&policy, long_ago, Level::Info, &[("service", service)]);
        batch.parts()[0].key.day
    };
    assert_eq!(day("a"), NOON.day());
    assert_eq!(day("b"), long_ago.day());
}

#[test]
fn due_is_the_end_of_the_day_and_what_is_kept() {
    let at = |ns| due(Day(ns), Keep::days(7));
    assert_eq!(at(0), Some(Timestamp(8 * NS_PER_DAY)));
    assert_eq!(at(-8), Some(Timestamp(0)));
    assert_eq!(due(Day(0), Keep::Forever), None);
    assert_eq!(due(Day(i32::MAX), Keep::MAX), None);
}

#[test]
fn a_keep_is_a_day_at_least() {
    assert_eq!(Keep::new(HOUR * 24), Some(Keep::days(1)));
    assert_eq!(Keep::new(HOUR * 24 - Duration::from_nanos(1)), None);
    assert_eq!(Keep::new(HOUR * 24 * 36_500), Some(Keep::MAX));
    assert_eq!(Keep::new(Duration::MAX), None);
}

#[test]
fn a_clock_that_jumps_ahead_is_not_trusted_for_a_day() {
    let clock = ManualClock::new(NOON);
    let guard = ClockGuard::new(&clock, NOON, Keep::days(7));
    let doubt = |clock: &ManualClock| guard.look(clock).1;
    let jump = |by: i64| clock.set(Timestamp(crate::io::Clock::now(&clock).0 + by));
    clock.advance(400 * 24 * HOUR);
    assert_eq!(doubt(&clock), None, "a year that passes is no jump");
    jump(HOUR.as_nanos() as i64);
    assert_eq!(doubt(&clock), None);
    clock.advance(25 * HOUR);
    assert_eq!(doubt(&clock), None);
    jump(HOUR.as_nanos() as i64 + 1);
    assert!(doubt(&clock).is_some_and(|why| why.contains("jumped")));
    clock.advance(24 * HOUR - Duration::from_nanos(1));
    assert!(doubt(&clock).is_some());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(doubt(&clock), None);
    // Back is no reason; ahead again is one.
    jump(-30 * NS_PER_DAY);
    assert_eq!(doubt(&clock), None);
    jump(30 * NS_PER_DAY);
    assert!(doubt(&clock).is_some());
    guard.trust(&clock);
    assert_eq!(doubt(&clock), None);
    // A further jump begins the day anew.
    jump(NS_PER_DAY);
    assert!(doubt(&clock).is_some());
    clock.advance(20 * HOUR);
    jump(NS_PER_DAY);
    assert!(doubt(&clock).is_some());
    clock.advance(20 * HOUR);
    assert!(doubt(&clock).is_some());
}

#[test]
fn a_store_that_was_closed_for_long_is_not_sure_of_the_time() {
    let opened = |days: i64, shortest| {
        let clock = ManualClock::new(Timestamp(NOON.0 + days * NS_PER_DAY));
        ClockGuard::new(&clock, NOON, shortest).look(&clock).1
    };
    assert_eq!(opened(2, Keep::days(7)), None);
    assert!(opened(3, Keep::days(7)).is_some_and(|why| why.contains("last open")));
    assert_eq!(opened(9, Keep::days(90)), None);
    assert!(opened(10, Keep::days(90)).is_some());
    assert!(opened(3, Keep::Forever).is_some());
    assert_eq!(opened(-1, Keep::days(7)), None);
    assert!(opened(-2, Keep::days(7)).is_some(), "the store knew a later time");
}
