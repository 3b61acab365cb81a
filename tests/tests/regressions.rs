//! One short test for each bug that the model or a user has found, by its name.

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{Aggregate, Function, StatsRequest, TimeRange, parse};
use logstrata_engine::{BatchBuilder, Engine, Kind, Limits, Options, Rules, Timestamp};
use logstrata_tests::workload::START;
use std::sync::Arc;

/// A store in memory.
fn store() -> Engine {
    let io = Io {
        storage: Arc::new(MemoryStorage::new()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    Engine::open(Options {
        dir: "/store".into(),
        limits: Limits::tiny(),
        io,
        redaction: Rules::default(),
    })
    .expect("opened")
}

/// A field: its column name, its kind, its lexeme.
type Field = (&'static str, Kind, &'static str);

/// Stores events, each of a time and the fields given.
fn append(engine: &Engine, events: &[(i64, &[Field])]) {
    let mut batch = BatchBuilder::new(&Limits::tiny(), START);
    for (time, fields) in events {
        let mut event = batch.event();
        event.timestamp = Timestamp(*time);
        for (name, kind, text) in *fields {
            event.field(name, *kind, text.as_bytes());
        }
        event.finish().expect("small");
    }
    engine.append(batch.build()).expect("appended");
}

fn stats(query: &str) -> StatsRequest {
    StatsRequest {
        filter: parse(query).expect("a query"),
        range: TimeRange::default(),
        group_by: Vec::new(),
        interval: None,
        aggregates: Vec::new(),
        top: None,
    }
}

/// The number of buckets between the first and the last was counted, and did not fit.
#[test]
fn stats_by_the_nanosecond_over_six_centuries() {
    let engine = store();
    let field: &[Field] = &[("a", Kind::Number, "1")];
    append(&engine, &[(i64::MIN, field), (i64::MAX, field), (0, &[])]);
    let request = StatsRequest { interval: Some(1), group_by: vec!["a".to_owned()], ..stats("") };
    let rows = engine.stats(&request).expect("computed").rows;
    let counts: Vec<_> = rows.iter().map(|row| (row.time.map(|time| time.0), row.count)).collect();
    assert_eq!(counts, [(Some(i64::MIN), 1), (Some(0), 1), (Some(i64::MAX), 1)]);
}

/// `id` named the attribute in filters and groups, but nothing in figures.
#[test]
fn figures_of_the_attribute_id() {
    let engine = store();
    append(&engine, &[(0, &[("_id", Kind::Number, "7")]), (0, &[("_id", Kind::Number, "9")])]);
    let aggregate = |function| Aggregate { function, field: "id".to_owned() };
    let aggregates = vec![aggregate(Function::Max), aggregate(Function::Uniq)];
    let table = engine.stats(&StatsRequest { aggregates, ..stats("id:>=7") }).expect("computed");
    assert_eq!(table.rows[0].values, [Some(9.0), Some(2.0)]);
}

/// A value that was a number in one bucket and a string in another was counted as two.
#[test]
fn the_top_values_are_told_apart_by_their_text_alone() {
    let engine = store();
    let number: &[Field] = &[("a", Kind::Number, "5")];
    let string: &[Field] = &[("a", Kind::String, "5")];
    let other: &[Field] = &[("a", Kind::Number, "6")];
    append(&engine, &[(0, number), (0, other), (0, other), (9, string), (9, string)]);
    let request = StatsRequest {
        group_by: vec!["a".to_owned()],
        interval: Some(5),
        top: Some(1),
        ..stats("")
    };
    let rows = engine.stats(&request).expect("computed").rows;
    let kept: Vec<_> = rows.iter().map(|row| (row.time.map(|t| t.0), row.count)).collect();
    assert_eq!(kept, [(Some(0), 1), (Some(5), 2)], "both buckets of `5`, three events in all");
}
