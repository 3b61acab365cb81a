//! What a daily export asks of a store: what exact purges took, how much there is, since when something waits.

use super::*;
use crate::event::Seq;
use crate::purge::PurgeRule;

fn purge(life: &Life, query: &str, exact: bool) {
    let rule = PurgeRule { query: Some(query.to_owned()), ..PurgeRule::default() };
    life.engine().purge(&rule, exact, Seq(u64::MAX >> 1), None).unwrap().unwrap();
}

/// What exact purges took of the day by class, and what else is gone.
fn lost(life: &Life) -> Vec<(String, u64, u64)> {
    let all = life.engine().losses_of_day("default", Day(20_000)).into_iter();
    all.map(|(class, of)| (class, of.erased, of.others)).collect()
}

#[test]
fn what_exact_purges_took_is_counted_by_partition_for_ever() {
    let mut life = Life::new(&[]);
    let of = |level, service| (at(0), level, service);
    life.flushed(&[of(Level::Info, "a"), of(Level::Info, "b"), of(Level::Error, "a")]);
    life.flushed(&[of(Level::Info, "c"), of(Level::Debug, "d")]);
    // Whole sections that go without a word of exactness are no erasure.
    purge(&life, "service:d", false);
    let [debug, info, error] = ["debug", "info", "error"].map(str::to_owned);
    assert_eq!((lost(&life), life.engine().erased_days()), (vec![(debug.clone(), 0, 1)], vec![]));
    purge(&life, "service:a", true);
    let debug = (debug, 0, 1);
    assert_eq!(lost(&life), [debug.clone(), (error.clone(), 1, 0), (info.clone(), 1, 0)]);
    assert_eq!(life.engine().erased_days(), [("default".into(), Day(20_000))]);
    assert!(life.engine().losses_of_day("default", Day(20_001)).is_empty());
    life.engine().compact_now().unwrap();
    purge(&life, "service:b", true);
    life.open();
    assert_eq!(lost(&life), [debug.clone(), (error.clone(), 1, 0), (info.clone(), 2, 0)]);
    purge(&life, "service:c", false);
    assert_eq!(lost(&life), [debug, (error, 1, 0), (info, 2, 1)]);
}

#[test]
fn the_events_up_to_a_number_are_counted_in_merged_files_too() {
    let life = Life::new(&[]);
    (0..3).for_each(|_| life.flushed(&[(at(0), Level::Info, "a"), (at(0), Level::Info, "b")]));
    let part = life.engine().sealed_partitions().remove(0);
    let (first, last) = part.seqs;
    let counts = || -> Vec<u64> {
        let upto = |seq| life.engine().sealed_count(&part.key, Seq(seq)).unwrap();
        [first - 1, first, first + 2, last, last + 7].map(upto).to_vec()
    };
    assert_eq!(counts(), [0, 1, 3, 6, 6]);
    life.engine().compact_now().unwrap();
    assert_eq!(counts(), [0, 1, 3, 6, 6]);
}

/// It was an alarm in a store that did all as it was told: rules that keep shorter than exports wait, events
/// of long ago that had just come, and what is held.
#[test]
fn something_waits_since_it_could_be_exported_and_not_while_it_is_held() {
    let mut rule = crate::retention::Rule::new("kept", "service:kept", Keep::days(1));
    rule.export = true;
    let life = Life::new(&[rule]);
    life.engine().wait_for_exports(DAY * 7);
    life.flushed(&[(at(0), Level::Info, "kept")]);
    let since = |life: &Life| {
        let waiting = life.engine().waiting_for_export(life.clock.now());
        waiting.into_iter().map(|of| (of.day.due, of.since)).collect::<Vec<_>>()
    };
    assert_eq!(since(&life), []);
    life.set(at(3));
    assert_eq!(since(&life), [(at(2), at(7))]);
    life.set(at(30));
    life.flushed(&[(at(1), Level::Info, "kept")]);
    assert_eq!(since(&life), [(at(2), at(7)), (at(3), at(30))]);
    let hold = |from, query: Option<&str>| {
        let query = query.map(str::to_owned);
        let scope = HoldScope { from: Some(from), to: Some(from), query, ..HoldScope::default() };
        let (owner, reason) = ("ann".to_owned(), "case".to_owned());
        life.engine().hold(HoldRequest { scope, owner, reason, review: None }).unwrap();
    };
    // What a query may hold or not is told all the same.
    hold(Day(20_000), Some("service:kept"));
    assert_eq!(since(&life).len(), 2);
    hold(Day(20_000), None);
    assert_eq!(since(&life), [(at(3), at(30))]);
}
