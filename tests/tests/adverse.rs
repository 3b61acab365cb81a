//! Every answer about texts that were made to mislead is that of a look at each event: in memory, in
//! level-0 files, compacted with an index of the section, compacted again; as a page, as pages, as a
//! count, as counts by time, by level and within a range that cuts blocks.

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{EventRecord, Order, SearchRequest, StatsRequest, TimeRange, parse};
use logstrata_engine::{Engine, EventId, Options, Rules};
use logstrata_tests::adverse::{self, Sender};
use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::model::{Model, by_name, matches};
use logstrata_tests::workload::{self, START};
use std::collections::BTreeSet;
use std::sync::Arc;

const SEEDS: u64 = 3;
const ROUNDS: usize = 4;
const QUERIES: usize = 20;

#[test]
fn answers_are_those_of_a_look_at_each_event() {
    for_each_seed("--test adverse", SEEDS, |seed| {
        let mut dice = Dice::new(seed);
        let mut store = Store::new(&mut dice);
        for _ in 0..ROUNDS {
            store.append(&mut dice);
            match dice.below(5) {
                0 => {}
                1 => store.engine.flush().expect("flushed"),
                _ => {
                    store.engine.flush().expect("flushed");
                    store.engine.compact_now().expect("compacted");
                }
            }
            for _ in 0..QUERIES {
                store.check(&mut dice);
            }
        }
    });
}

/// A store and what it must have.
struct Store {
    engine: Engine,
    limits: logstrata_engine::Limits,
    model: Model,
    sender: Sender,
}

impl Store {
    fn new(dice: &mut Dice) -> Self {
        let limits = adverse::limits(dice);
        let io = Io {
            storage: Arc::new(MemoryStorage::new()),
            clock: Arc::new(ManualClock::new(START)),
            entropy: Arc::new(SeededEntropy::new(dice.roll())),
        };
        let options =
            Options { dir: "/store".into(), limits: limits.clone(), io, redaction: Rules::none() };
        let engine = Engine::open(options).expect("opened");
        Self { engine, limits, model: Model::default(), sender: Sender::new(dice) }
    }

    /// Some blocks' worth of events.
    fn append(&mut self, dice: &mut Dice) {
        let rows = self.limits.block_rows_max;
        // A section has an index from four full blocks on.
        let blocks = [1, 2, 6, 8][dice.below(4)];
        for _ in 0..blocks {
            let count = dice.within(1..rows * 3 / 2);
            let drafts: Vec<_> = (0..count).map(|_| self.sender.event(dice)).collect();
            for drafts in drafts.chunks(80) {
                let batch = workload::batch(drafts, &self.limits, START);
                let appended = self.engine.append(batch).expect("appended");
                let (first, _) = appended.ids.expect("events");
                self.model.append(drafts, START, first);
            }
        }
    }

    fn check(&self, dice: &mut Dice) {
        let query = adverse::filter_text(dice, self.model.events());
        let filter = parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let says = Says(&query);
        let range = adverse::range(dice, self.model.events());
        let in_range = |event: &&EventRecord| {
            range.from.is_none_or(|from| event.timestamp >= from)
                && range.to.is_none_or(|to| event.timestamp < to)
        };
        let all: Vec<_> = self.model.events().iter().filter(|e| matches(&filter, e)).collect();
        let expected: Vec<_> = all.iter().copied().filter(in_range).collect();
        let order = [Order::NewestFirst, Order::OldestFirst, Order::Arrival][dice.below(3)];
        let limit = [10_000, 10_000, 7, 50][dice.below(4)];
        let search = SearchRequest {
            query: query.clone(),
            filter: filter.clone(),
            range,
            limit,
            order,
            cursor: None,
        };
        self.check_search(search, &expected);
        let stats = StatsRequest {
            filter,
            range: TimeRange::default(),
            group_by: Vec::new(),
            interval: None,
            aggregates: Vec::new(),
            top: None,
        };
        self.check_stats(stats.clone(), all.len());
        self.check_stats(StatsRequest { range, ..stats.clone() }, expected.len());
        let interval = Some([60, 3_600, 86_400][dice.below(3)] * 1_000_000_000);
        self.check_stats(StatsRequest { interval, ..stats.clone() }, all.len());
        let group_by = vec![["level", "service", "note"][dice.below(3)].to_owned()];
        self.check_stats(StatsRequest { group_by, range, ..stats }, expected.len());
        drop(says);
    }

    fn check_search(&self, mut request: SearchRequest, expected: &[&EventRecord]) {
        let mut expected = expected.to_vec();
        match request.order {
            Order::Arrival => expected.sort_by_key(|event| event.id.seq()),
            _ => expected.sort_by_key(|event| (event.timestamp, event.id.seq())),
        }
        if request.order == Order::NewestFirst {
            expected.reverse();
        }
        let mut found = Vec::new();
        loop {
            let page = self.engine.search(&request).expect("searched");
            found.extend(page.events.into_iter().map(by_name));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() || found.len() > 200 && request.limit < 10 {
                break;
            }
        }
        let limit = if request.cursor.is_some() { found.len() } else { expected.len() };
        expected.truncate(limit);
        let ids_found: Vec<EventId> = found.iter().map(|event| event.id).collect();
        let ids_expected: Vec<EventId> = expected.iter().map(|event| event.id).collect();
        let (a, b): (BTreeSet<_>, BTreeSet<_>) =
            (ids_found.iter().collect(), ids_expected.iter().collect());
        let missing = expected.iter().find(|event| !a.contains(&event.id));
        let wrong = found.iter().find(|event| !b.contains(&event.id));
        assert!(missing.is_none() && wrong.is_none(), "missing {missing:?}, wrong {wrong:?}");
        assert_eq!(ids_found, ids_expected, "the order");
        assert!(found.iter().eq(expected), "the events are what was sent");
    }

    fn check_stats(&self, request: StatsRequest, expected: usize) {
        let table = self.engine.stats(&request).expect("computed");
        let count: u64 = table.rows.iter().map(|row| row.count).sum();
        assert_eq!(count, expected as u64, "{request:?}");
    }
}

/// Tells the query if it is dropped by a panic.
struct Says<'a>(&'a str);

impl Drop for Says<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
