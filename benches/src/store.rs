//! A store of synthetic events, for benches that ask.

use crate::Generator;
use logstrata_engine::query::{
    Answer, Order, QueryRequest, SearchRequest, StatsRequest, TimeRange, parse, parse_query,
};
use logstrata_engine::{Control, Engine, Options};

/// Events of a store.
pub const EVENTS: usize = 200_000;
const BATCH: usize = 5_000;

/// A store that can be asked.
#[derive(Debug)]
pub struct Store {
    /// The store, open.
    pub engine: Engine,
    _dir: Option<tempfile::TempDir>,
}

impl Default for Store {
    /// A new one of [`EVENTS`] flushed events. It goes when it is dropped.
    fn default() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = Engine::open(Options::new(dir.path())).expect("an empty store opens");
        let mut events = Generator::default();
        for _ in 0..EVENTS / BATCH {
            engine.append(events.batch(BATCH)).expect("the disk has room");
        }
        engine.flush().expect("the disk has room");
        Self { engine, _dir: Some(dir) }
    }
}

impl From<Engine> for Store {
    /// One that stays where it is.
    fn from(engine: Engine) -> Self {
        Self { engine, _dir: None }
    }
}

impl Store {
    /// The number of events of a page, the newest first.
    pub fn search(&self, query: &str, limit: usize) -> usize {
        let filter = parse(query).expect("a query");
        let request = SearchRequest {
            query: query.to_owned(),
            filter,
            range: TimeRange::default(),
            limit,
            order: Order::NewestFirst,
            cursor: None,
        };
        self.engine.search(&request).expect("a sound store answers").events.len()
    }

    /// A table of one row, to be changed.
    pub fn stats(&self, query: &str) -> StatsRequest {
        StatsRequest {
            filter: parse(query).expect("a query"),
            range: TimeRange::default(),
            group_by: Vec::new(),
            interval: None,
            aggregates: Vec::new(),
            top: None,
        }
    }

    /// The number of events in the rows of a table.
    pub fn count(&self, request: &StatsRequest) -> u64 {
        let table = self.engine.stats(request).expect("a sound store answers");
        table.rows.iter().map(|row| row.count).sum()
    }

    /// The number of events or rows that a query with stages answers.
    pub fn query(&self, text: &str) -> usize {
        let request = QueryRequest {
            text: text.to_owned(),
            query: parse_query(text).expect("a query"),
            range: TimeRange::default(),
            limit: None,
            order: Order::NewestFirst,
            cursor: None,
        };
        let answer = self.engine.query_with(&request, &Control::default());
        match answer.expect("a sound store answers") {
            Answer::Events { page, .. } => page.events.len(),
            Answer::Rows(table) => table.rows.len(),
        }
    }
}
