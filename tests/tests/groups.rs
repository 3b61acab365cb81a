//! Tables with more groups than there may be: what is kept is exact, what is not is in `other`, and
//! the answer is the same whoever scans what.

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{
    Aggregate, ErrorBound, Function, StatsRequest, StatsRow, StatsTable, TimeRange, parse,
};
use logstrata_engine::{BatchBuilder, Engine, Kind, Limits, Options, Rules, Timestamp};
use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::workload::START;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SEEDS: u64 = 24;
const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const FUNCTIONS: [Function; 5] =
    [Function::Sum, Function::Max, Function::Count, Function::Uniq, Function::Percentile(500_000)];

/// An event: its user, its service, its number.
type Event = (u32, u8, i32);
/// The time bucket and the values that group.
type Key = (Option<i64>, Vec<String>);

/// Few users have most events, as in life.
fn random_events(dice: &mut Dice) -> Vec<Event> {
    let count = dice.within(1..700);
    let one = |_| {
        let users = [0..6, 6..60, 60..2_000][[0, 0, 0, 1, 1, 2, 2][dice.below(7)]].clone();
        (dice.within(users) as u32, dice.below(3) as u8, dice.below(100) as i32 - 50)
    };
    (0..count).map(one).collect()
}

fn time(place: usize) -> Timestamp {
    Timestamp(START.0 + place as i64 * 7 * SECOND)
}

fn store(events: &[Event], bounds: (usize, usize), scans_max: usize) -> Engine {
    let io = Io {
        storage: Arc::new(MemoryStorage::new()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let (groups_max, distinct_max) = bounds;
    let limits = Limits { groups_max, distinct_max, scans_max, ..Limits::tiny() };
    let (dir, redaction) = ("/store".into(), Rules::default());
    let engine = Engine::open(Options { dir, limits, io, redaction }).expect("opened");
    for (number, some) in events.chunks(37).enumerate() {
        let mut batch = BatchBuilder::new(&Limits::tiny(), START);
        for (place, (user, service, n)) in some.iter().enumerate() {
            let mut event = batch.event();
            event.timestamp = time(number * 37 + place);
            event.field("user", Kind::String, format!("u{user}").as_bytes());
            event.field("service", Kind::String, format!("s{service}").as_bytes());
            event.field("n", Kind::Number, n.to_string().as_bytes());
            event.finish().expect("small");
        }
        engine.append(batch.build()).expect("appended");
    }
    engine
}

fn request(group_by: &[&str], interval: Option<i64>, top: Option<usize>) -> StatsRequest {
    StatsRequest {
        filter: parse("").expect("all"),
        range: TimeRange::default(),
        group_by: group_by.iter().map(|name| (*name).to_owned()).collect(),
        interval,
        aggregates: FUNCTIONS.map(|function| Aggregate { function, field: "n".into() }).into(),
        top,
    }
}

/// The places of the events of each group.
fn grouped(events: &[Event], request: &StatsRequest) -> BTreeMap<Key, Vec<usize>> {
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (place, (user, service, _)) in events.iter().enumerate() {
        let bucket =
            request.interval.map(|width| time(place).0.div_euclid(width).saturating_mul(width));
        let value = |name: &String| match &**name {
            "user" => format!("u{user}"),
            _ => format!("s{service}"),
        };
        let values = request.group_by.iter().map(value).collect();
        groups.entry((bucket, values)).or_default().push(place);
    }
    groups
}

fn key(row: &StatsRow) -> Key {
    let text = |value: &Option<(Kind, Vec<u8>)>| {
        let (_, text) = value.as_ref().expect("every event has it");
        String::from_utf8(text.clone()).expect("ASCII")
    };
    (row.time.map(|time| time.0), row.group.iter().map(text).collect())
}

/// Panics unless the row is of exactly these events.
fn check_row(row: &StatsRow, events: &[Event], places: &[usize]) {
    assert_eq!(row.count, places.len() as u64, "{row:?}");
    let mut numbers: Vec<f64> = places.iter().map(|place| f64::from(events[*place].2)).collect();
    numbers.sort_by(f64::total_cmp);
    let distinct: BTreeSet<i32> = places.iter().map(|place| events[*place].2).collect();
    let expected = [
        numbers.iter().sum(),
        numbers[numbers.len() - 1],
        numbers.len() as f64,
        distinct.len() as f64,
    ];
    assert_eq!(row.values[..4], expected.map(Some), "{row:?}");
    let (median, exact) = (row.values[4].expect("numbers"), numbers[(numbers.len() - 1) / 2]);
    assert!((median - exact).abs() <= exact.abs() / 256.0, "{median} for {exact}");
}

/// Panics unless the table is right, with as many groups as there may be.
fn check(events: &[Event], groups_max: usize, request: &StatsRequest, table: &StatsTable) {
    let groups = grouped(events, request);
    let mut left = groups.clone();
    for row in &table.rows {
        let places = left.remove(&key(row)).unwrap_or_else(|| panic!("{row:?} is no group"));
        check_row(row, events, &places);
    }
    assert!(table.rows.len() <= groups_max);
    if groups.len() <= groups_max {
        assert!(left.is_empty() && table.other.is_none() && table.warnings.is_empty());
        return;
    }
    let other = table.other.as_ref().expect("there are more");
    let places: Vec<usize> = left.values().flatten().copied().collect();
    check_row(&other.row, events, &places);
    assert!(other.row.group.iter().flatten().all(|(_, text)| text == b"other"));
    let most = left.values().map(Vec::len).max().unwrap_or_default() as u64;
    assert!(most <= other.group_events_max, "{most} is above {}", other.group_events_max);
    let mut counts: Vec<usize> = groups.values().map(Vec::len).collect();
    counts.sort_unstable();
    let first_beyond = counts[counts.len() - 1 - groups_max];
    let loose = first_beyond + 3 * events.len() / groups_max;
    assert!(other.group_events_max <= loose as u64, "{} says little", other.group_events_max);
    assert_eq!(table.rows.len(), groups_max, "as many as there may be");
    assert!(table.warnings.iter().any(|warning| warning.contains("`other`")));
}

/// Panics unless the rows are values with the most events, as far as is told.
fn check_top(events: &[Event], request: &StatsRequest, table: &StatsTable) {
    let groups = grouped(events, request);
    let mut totals: BTreeMap<&Vec<String>, usize> = BTreeMap::new();
    groups.iter().for_each(|((_, values), places)| {
        *totals.entry(values).or_default() += places.len();
    });
    let kept: BTreeSet<Vec<String>> = table.rows.iter().map(|row| key(row).1).collect();
    for (key, places) in groups.iter().filter(|((_, values), _)| kept.contains(values)) {
        let row = table.rows.iter().find(|row| self::key(row) == *key);
        check_row(row.expect("of a value that is kept, every bucket is"), events, places);
    }
    let least = kept.iter().map(|values| totals[values]).min().unwrap_or_default();
    let left_out = totals.iter().filter(|(values, _)| !kept.contains(**values));
    let most = left_out.map(|(_, total)| *total).max().unwrap_or_default();
    let told = table.left_out_max.unwrap_or(least as u64);
    assert!(most as u64 <= told, "{most} is left out, {least} kept, {told} told");
}

/// The same table, however the events are stored and whoever scans them.
fn tables(events: &[Event], groups_max: usize, request: &StatsRequest) -> StatsTable {
    tables_within(events, (groups_max, 1_000_000), request)
}

fn tables_within(events: &[Event], bounds: (usize, usize), request: &StatsRequest) -> StatsTable {
    let mut first: Option<StatsTable> = None;
    for scans_max in [1, 4] {
        let engine = store(events, bounds, scans_max);
        for flushed in [false, true] {
            if flushed {
                engine.flush().expect("flushed");
            }
            let table = engine.stats(request).expect("answered");
            let first = first.get_or_insert_with(|| table.clone());
            assert_eq!(
                (&first.rows, &first.other, first.left_out_max, &first.error_bounds),
                (&table.rows, &table.other, table.left_out_max, &table.error_bounds),
            );
        }
        let held = engine.status().pool.queries;
        assert!(held == 0 || scans_max == 1, "only the first table still has its {held} bytes");
    }
    first.expect("there were some")
}

#[test]
fn what_has_no_row_is_in_other() {
    for_each_seed("groups", SEEDS, |seed| {
        let mut dice = Dice::new(seed);
        let (events, groups_max) = (random_events(&mut dice), dice.within(4..60));
        let fields: &[&str] = if dice.chance(50) { &["user", "service"] } else { &["user"] };
        let request = request(fields, dice.chance(50).then_some(20 * MINUTE), None);
        let table = tables(&events, groups_max, &request);
        check(&events, groups_max, &request, &table);
    });
}

#[test]
fn the_most_frequent_are_found_among_too_many() {
    for_each_seed("groups", SEEDS, |seed| {
        let mut dice = Dice::new(seed);
        let events = random_events(&mut dice);
        let interval = dice.chance(50).then_some(20 * MINUTE);
        let request = request(&["user"], interval, Some(dice.within(1..8)));
        let table = tables(&events, 50, &request);
        check_top(&events, &request, &table);
    });
}

/// A table with more groups than there may be was an error.
#[test]
fn the_greatest_groups_are_kept() {
    // Ten users have a hundred events each, all others one.
    let events: Vec<Event> = (0..3_000u32)
        .map(|n| if n % 3 == 0 { (n / 3 % 10, 0, 1) } else { (100 + n, 1, 1) })
        .collect();
    let request = request(&["user"], None, None);
    let table = tables(&events, 100, &request);
    check(&events, 100, &request, &table);
    let great = table.rows.iter().filter(|row| row.count == 100).count();
    assert_eq!((great, table.rows.len()), (10, 100));
    let other = table.other.expect("there are more");
    assert_eq!(other.row.count, 3_000 - 1_000 - 90);

    let top = tables(&events, 100, &self::request(&["user"], None, Some(10)));
    assert!(top.rows.iter().all(|row| row.count == 100) && top.rows.len() == 10);
    assert_eq!((top.other, top.left_out_max), (None, None), "these are the ten for certain");
}

/// More than 4,000,000 different values were an error.
#[test]
fn values_beyond_those_that_are_remembered_are_estimated() {
    // The services have 4,500, 3,000 and 1,500 numbers, each of them twice.
    let one = |n: u32| (n % 5, (n % 6 / 3 + u32::from(n % 6 == 5)) as u8, (n % 9_000) as i32);
    let events: Vec<Event> = (0..18_000).map(one).collect();
    let request = StatsRequest {
        aggregates: vec![Aggregate { function: Function::Uniq, field: "n".into() }],
        ..request(&["service"], None, None)
    };
    let mut exact: BTreeMap<u8, BTreeSet<i32>> = BTreeMap::new();
    for (_, service, n) in &events {
        exact.entry(*service).or_default().insert(*n);
    }
    for (distinct_max, registers) in
        [(1_000_000, None), (4_000, Some(1 << 14)), (400, Some(1 << 11))]
    {
        let table = tables_within(&events, (1_000, distinct_max), &request);
        let error = registers.map(|registers| 1.04 / f64::from(registers).sqrt());
        assert_eq!(table.error_bounds, [error.map(ErrorBound::Standard)]);
        for row in &table.rows {
            let service = key(row).1[0].trim_start_matches('s').parse::<u8>().expect("a number");
            let exact = exact[&service].len() as f64;
            let off = (row.values[0].expect("a number") / exact - 1.0).abs();
            assert!(off <= 3.0 * error.unwrap_or_default(), "{off} of {exact}, {distinct_max}");
        }
    }
}
