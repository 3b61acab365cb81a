//! The examples of tables in `docs/query.md`, asked of a store that has the events of the page.

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{Answer, Cell, Order, QueryRequest, TimeRange, parse_query};
use logstrata_engine::{BatchBuilder, Control, Engine, Kind, Limits, Options, Rules};
use logstrata_tests::workload::START;
use serde_json::Value;
use std::sync::Arc;

const PAGE: &str = include_str!("../../docs/query.md");

/// What stands behind a mark, up to the next empty line.
fn behind(mark: &str) -> impl Iterator<Item = &'static str> {
    let (_, rest) = PAGE.split_once(mark).expect("the mark is there");
    rest.lines().skip(1).take_while(|line| !line.is_empty())
}

/// The pieces of a cell that are set as code.
fn codes(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|")).collect()
}

fn store() -> Engine {
    let io = Io {
        storage: Arc::new(MemoryStorage::new()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let (dir, redaction) = ("/store".into(), Rules::none());
    let engine =
        Engine::open(Options { dir, limits: Limits::tiny(), io, redaction }).expect("opened");
    let mut batch = BatchBuilder::new(&Limits::tiny(), START);
    for line in behind("<!-- test: events -->").filter(|line| line.starts_with('{')) {
        let members: serde_json::Map<String, Value> =
            serde_json::from_str(line).expect("an object");
        let mut event = batch.event();
        for (name, value) in members {
            match value {
                Value::String(text) => event.field(&name, Kind::String, text.as_bytes()),
                other => event.field(&name, Kind::Number, other.to_string().as_bytes()),
            }
        }
        event.finish().expect("small");
    }
    engine.append(batch.build()).expect("appended");
    engine
}

#[test]
fn the_page_says_what_tables_answer() {
    let engine = store();
    let lines: Vec<&str> = behind("<!-- test: rows -->").skip(2).collect();
    assert!(lines.len() > 5, "the table is there");
    for line in lines {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [query, columns, rows] = cells[..] else { panic!("{line}") };
        let text = codes(query).remove(0);
        let request = QueryRequest {
            query: parse_query(&text).unwrap_or_else(|why| panic!("{text}: {why}")),
            text: text.clone(),
            range: TimeRange::default(),
            limit: None,
            order: Order::NewestFirst,
            cursor: None,
        };
        let answer = engine.query_with(&request, &Control::default());
        let Ok(Answer::Rows(answer)) = answer else { panic!("{text}: {answer:?}") };
        let cell = |cell: &Cell| {
            let (_, text) = cell.as_ref().expect("no cell is empty");
            String::from_utf8(text.clone()).expect("ASCII")
        };
        let row = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
        assert_eq!(answer.columns.join(" "), codes(columns)[0], "{text}");
        assert_eq!(answer.rows.iter().map(row).collect::<Vec<_>>(), codes(rows), "{text}");
    }
}
