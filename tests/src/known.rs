//! Events of which all is known by their numbers, a store of them, and short forms of its answers.

use crate::dice::Dice;
use crate::workload::START;
use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{
    Answer, Cell, EventRecord, Order, QueryRequest, TimeRange, parse_query,
};
use logstrata_engine::{
    BatchBuilder, Control, Engine, Kind, Level, Limits, Options, Rules, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// In nanoseconds.
pub const SECOND: i64 = 1_000_000_000;
/// The services of all events.
pub const SERVICES: [&str; 3] = ["checkout", "pay", "search"];

/// An event that the tests know: its number tells all of it.
#[derive(Debug, Clone)]
pub struct Known {
    /// Tells it from others.
    pub number: i64,
    /// One of three.
    pub service: &'static str,
    /// Of some.
    pub user: Option<String>,
    /// Below 500.
    pub took_ms: i64,
    /// Of a fifth.
    pub is_error: bool,
}

/// So many events, always the same.
pub fn known(count: i64) -> Vec<Known> {
    let mut dice = Dice::new(11);
    let one = |number| Known {
        number,
        service: SERVICES[dice.below(3)],
        user: dice.chance(70).then(|| format!("u{}", dice.below(7))),
        took_ms: dice.below(500) as i64,
        is_error: dice.chance(20),
    };
    (0..count).map(one).collect()
}

/// The time of an event.
pub fn time(known: &Known) -> Timestamp {
    Timestamp(START.0 + known.number * 7 * SECOND)
}

/// A store that has the first half in a file, and the rest in memory.
pub fn store(events: &[Known]) -> Engine {
    let io = Io {
        storage: Arc::new(MemoryStorage::new()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let limits = Limits::tiny();
    let (dir, redaction) = ("/store".into(), Rules::default());
    let engine = Engine::open(Options { dir, limits, io, redaction }).expect("opened");
    for (index, half) in events.chunks(events.len() / 2 + 1).enumerate() {
        for some in half.chunks(40) {
            let mut batch = BatchBuilder::new(&Limits::tiny(), START);
            for known in some {
                let mut event = batch.event();
                event.timestamp = time(known);
                event.level = if known.is_error { Level::Error } else { Level::Info };
                let message = format!(
                    "request {} of user={} took {}ms",
                    known.number,
                    known.user.as_deref().unwrap_or("-"),
                    known.took_ms
                );
                event.field("message", Kind::String, message.as_bytes());
                event.field("service", Kind::String, known.service.as_bytes());
                if let Some(user) = &known.user {
                    event.field("user_id", Kind::String, user.as_bytes());
                }
                event.field("n", Kind::Number, known.number.to_string().as_bytes());
                event.field("took_ms", Kind::Number, known.took_ms.to_string().as_bytes());
                // What was sent as `id`.
                event.field("_id", Kind::String, format!("id{}", known.number % 5).as_bytes());
                let even = known.number % 2 == 0;
                let (kind, text) = if even { (Kind::String, "1") } else { (Kind::Number, "0") };
                event.field("parity", kind, text.as_bytes());
                event.finish().expect("small");
            }
            engine.append(batch.build()).expect("appended");
        }
        if index == 0 {
            engine.flush().expect("flushed");
        }
    }
    engine
}

/// What a query answers, or its error as text.
pub fn ask(engine: &Engine, text: &str, limit: Option<usize>) -> Result<Answer, String> {
    let query = parse_query(text).map_err(|e| e.to_string())?;
    let request = QueryRequest {
        text: text.to_owned(),
        query,
        range: TimeRange::default(),
        limit,
        order: Order::NewestFirst,
        cursor: None,
    };
    engine.query_with(&request, &Control::default()).map_err(|e| e.to_string())
}

/// The rows of an answer, in a short form.
pub fn rows(engine: &Engine, text: &str) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        None => "-".to_owned(),
        Some((_, text)) => String::from_utf8(text.clone()).expect("UTF-8"),
    };
    match ask(engine, text, None) {
        Ok(Answer::Rows(answer)) => {
            let line = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
            let mut lines = vec![answer.columns.join(" ")];
            lines.extend(answer.rows.iter().map(line));
            lines
        }
        other => panic!("{text}: {other:?}"),
    }
}

/// The events that a query answers.
pub fn events(engine: &Engine, text: &str, limit: Option<usize>) -> Vec<EventRecord> {
    match ask(engine, text, limit) {
        Ok(Answer::Events { page, .. }) => page.events,
        other => panic!("{text}: {other:?}"),
    }
}

/// Which events these are.
pub fn numbers(events: &[EventRecord]) -> Vec<i64> {
    let number = |event: &EventRecord| {
        let text = event.get("n").expect("every event has one").text.to_vec();
        String::from_utf8(text).expect("ASCII").parse().expect("a number")
    };
    events.iter().map(number).collect()
}

/// What is wrong with a query.
pub fn error(engine: &Engine, text: &str) -> String {
    match ask(engine, text, None) {
        Err(error) => error,
        Ok(answer) => panic!("{text}: {answer:?}"),
    }
}

/// By count, greatest first, then by value.
pub fn counted(values: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
