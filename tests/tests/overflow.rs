//! More names than a block has columns: what overflows is found by every operator, as if it had a
//! column of its own.

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{
    Aggregate, Function, Order, SearchRequest, StatsRequest, TimeRange, parse,
};
use logstrata_engine::{Engine, Kind, Limits, Options, Rules};
use logstrata_tests::dice::Dice;
use logstrata_tests::model::{Model, by_name};
use logstrata_tests::workload::{self, Draft, MARK, START};
use std::sync::Arc;

/// Different names, as of a sender that uses ids as keys.
const NAMES: usize = 5_000;
const EVENTS: usize = 4_000;
/// Names of one event, besides those that all have.
const NAMES_OF_EVENT: usize = 6;

fn limits() -> Limits {
    Limits {
        block_rows_max: 8_192,
        block_bytes_max: 4 << 20,
        memtable_bytes_max: 64 << 20,
        body_bytes_max: 8 << 20,
        ..Limits::tiny()
    }
}

fn name(number: usize) -> String {
    format!("labels.k{number:04}")
}

fn drafts(dice: &mut Dice) -> Vec<Draft> {
    const VALUES: &[(Kind, &str)] = &[
        (Kind::Number, "500"),
        (Kind::Number, "5e2"),
        (Kind::Number, "-1.50"),
        (Kind::String, "connection refused"),
        (Kind::String, "500"),
        (Kind::String, "Größe"),
        (Kind::Bool, "true"),
        (Kind::Null, "null"),
        (Kind::Json, r#"["red",{"deep":"dark blue"}]"#),
    ];
    let event = |mark: usize| {
        let mut fields = vec![
            (MARK.to_owned(), Kind::Number, mark.to_string().into_bytes()),
            ("service".to_owned(), Kind::String, b"pay".to_vec()),
        ];
        for _ in 0..NAMES_OF_EVENT {
            // The product of two draws: some names are common and get columns, most are rare.
            let (a, b) = (dice.below(NAMES), dice.below(NAMES));
            let (kind, text) = VALUES[dice.below(VALUES.len())];
            fields.push((name(a * b / NAMES), kind, text.as_bytes().to_vec()));
        }
        Draft { timestamp: None, level: None, fields }
    };
    (0..EVENTS).map(event).collect()
}

#[test]
fn five_thousand_names_are_found_by_every_operator() {
    let io = Io {
        storage: Arc::new(MemoryStorage::new()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let engine = Engine::open(Options {
        dir: "/store".into(),
        limits: limits(),
        redaction: Rules::default(),
        io,
    })
    .expect("opened");
    let mut dice = Dice::new(5_000);
    let mut model = Model::default();
    for drafts in drafts(&mut dice).chunks(500) {
        let appended = engine.append(workload::batch(drafts, &limits(), START)).expect("appended");
        model.append(drafts, START, appended.ids.expect("events").0);
    }
    check(&engine, &model, &mut dice);
    engine.flush().expect("flushed");
    check(&engine, &model, &mut dice);
}

fn check(engine: &Engine, model: &Model, dice: &mut Dice) {
    let mut found = 0;
    for round in 0..12 {
        // The commonest names have columns of their own; the later ones are in the rest.
        let number = if round % 4 == 0 { dice.below(20) } else { dice.below(NAMES) };
        let name = name(number);
        for query in [
            format!("{name}:*"),
            format!("{name}:500"),
            format!("{name}:>0"),
            format!("{name}:<\"d\""),
            format!("{name}:refused"),
            format!("{name}:\"connection refused\""),
            format!("{name}:GRÖSSE OR {name}:größe"),
            format!("{name}:~\"^con.*ed$\""),
            format!("{name}:true"),
            format!("{name}:\"dark blue\""),
            format!("-{name}:* service:pay"),
            format!("refused {name}:* -{name}:500"),
        ] {
            found += check_query(engine, model, &query);
        }
        check_stats(engine, model, &name);
    }
    assert!(found > 0, "no query has found anything: this test has seen nothing");
}

/// The number of events found; without those of negations, which are nearly all.
fn check_query(engine: &Engine, model: &Model, query: &str) -> usize {
    let filter = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let expected = model.search(&filter, TimeRange::default(), Order::NewestFirst, u64::MAX);
    let request = SearchRequest {
        query: query.to_owned(),
        filter,
        range: TimeRange::default(),
        limit: 100,
        order: Order::NewestFirst,
        cursor: None,
    };
    let page = engine.search(&request).expect("searched");
    let events: Vec<_> = page.events.into_iter().map(by_name).collect();
    assert!(events.iter().eq(expected.iter().copied().take(100)), "{query}");
    if query.starts_with('-') { 0 } else { events.len() }
}

fn check_stats(engine: &Engine, model: &Model, name: &str) {
    let aggregate = |function| Aggregate { function, field: name.to_owned() };
    for (query, group_by) in [("", vec![name.to_owned()]), ("service:pay", Vec::new())] {
        let request = StatsRequest {
            filter: parse(query).expect("a query"),
            range: TimeRange::default(),
            group_by,
            interval: None,
            aggregates: vec![aggregate(Function::Sum), aggregate(Function::Uniq)],
            top: None,
        };
        let table = engine.stats(&request).expect("computed");
        model.check_stats(&request, &table.rows);
    }
}
