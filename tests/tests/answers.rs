//! Texts that are kept as sentences and variables answer as the texts themselves would: with an index
//! and without, in the tail, in blocks, in level-0 files and in segments that were compacted again.

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{
    Aggregate, Function, Order, SearchRequest, StatsRequest, TimeRange, parse,
};
use logstrata_engine::{Engine, Limits, Options, Rules, Timestamp};
use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::model::{Model, by_name};
use logstrata_tests::workload::{self, START, Shapes};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SEEDS: u64 = 4;
const QUERIES: usize = 8;

struct Store {
    dice: Dice,
    shapes: Shapes,
    model: Model,
    limits: Limits,
    clock: Arc<ManualClock>,
    engine: Engine,
}

impl Store {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let shapes = Shapes::new(&mut dice);
        let limits = Limits {
            // Above 64 values there are templates, above 512 frames, above 1,024 units of a sentence.
            block_rows_max: [80, 200, 700, 1_300][dice.below(4)],
            block_bytes_max: 1 << 20,
            event_bytes_max: 64 << 10,
            body_bytes_max: 1 << 20,
            group_bytes_max: 1 << 20,
            wal_file_bytes: 4 << 20,
            wal_bytes_max: 32 << 20,
            generation_bytes_max: 16 << 20,
            generation_age_ms_max: 3_600_000,
            memtable_bytes_max: 32 << 20,
            queue_bytes_max: 4 << 20,
            unsealed_bytes_max: 16 << 20,
            ..Limits::tiny()
        };
        let clock = Arc::new(ManualClock::new(START));
        let io = Io {
            storage: Arc::new(MemoryStorage::new()),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SeededEntropy::new(dice.roll())),
        };
        let options =
            Options { dir: "/store".into(), limits: limits.clone(), io, redaction: Rules::none() };
        let engine = Engine::open(options).expect("the store opens");
        Self { dice, shapes, model: Model::default(), limits, clock, engine }
    }

    fn append(&mut self, rows: usize) {
        let mut left = rows;
        while left > 0 {
            let count = self.dice.within(1..100).min(left);
            left -= count;
            self.clock.advance(Duration::from_millis(self.dice.roll() % 50));
            let now = Timestamp(START.0 + self.model.events().len() as i64 * 1_000_000);
            let drafts: Vec<_> =
                (0..count).map(|_| self.shapes.draft(&mut self.dice, now)).collect();
            let batch = workload::batch(&drafts, &self.limits, now);
            let appended = self.engine.append(batch).expect("appended");
            let (first, _) = appended.ids.expect("events");
            self.model.append(&drafts, now, first);
        }
    }

    fn range(&mut self) -> TimeRange {
        let events = self.model.events();
        let mut bound = |percent| {
            self.dice.chance(percent).then(|| events[self.dice.below(events.len())].timestamp)
        };
        TimeRange { from: bound(30), to: bound(30) }
    }

    /// Asks one question in every way. Returns the blocks that were pruned, and whether something
    /// was found.
    fn ask(&mut self, place: &str) -> (u64, bool) {
        let query = workload::sentence_filter(&mut self.dice, self.model.events());
        let filter = parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let range = self.range();
        let order = [Order::NewestFirst, Order::OldestFirst, Order::Arrival][self.dice.below(3)];
        let limit = [3, 10, 1_000_000][self.dice.below(3)];
        let expected = self.model.search(&filter, range, order, u64::MAX);
        let request = SearchRequest {
            query: query.clone(),
            filter: filter.clone(),
            range,
            limit,
            order,
            cursor: None,
        };
        let mut pruned = 0;
        for pruning in [true, false] {
            self.engine.set_pruning(pruning);
            let page = self.engine.search(&request).expect("searched");
            pruned += page.scanned.blocks_pruned;
            let found: Vec<_> = page.events.into_iter().map(by_name).collect();
            let ids: Vec<_> = found.iter().map(|event| event.id).collect();
            let wanted = &expected[..limit.min(expected.len())];
            let wanted_ids: Vec<_> = wanted.iter().map(|event| event.id).collect();
            if ids != wanted_ids {
                let odd = expected.iter().find(|event| !ids.contains(&event.id));
                let extra = found.iter().find(|e| !expected.iter().any(|event| event.id == e.id));
                panic!(
                    "{place}, pruning {pruning}: {} for {} of {query:?} {filter:?} in {range:?}, \
                     e.g. missing {odd:#?} or too many {extra:#?}",
                    ids.len(),
                    wanted.len(),
                );
            }
            assert!(found.iter().eq(wanted.iter().copied()), "{place}: the contents of {query:?}");
        }
        let is_found = !expected.is_empty();
        let group_by: &[&str] =
            [&[][..], &["level"], &["note"], &["n", "level"], &["user_id"]][self.dice.below(5)];
        let aggregates = match self.dice.below(3) {
            0 => vec![
                Aggregate { function: Function::Uniq, field: "message".to_owned() },
                Aggregate { function: Function::Sum, field: "n".to_owned() },
            ],
            _ => Vec::new(),
        };
        let request = StatsRequest {
            filter,
            range,
            group_by: group_by.iter().map(|name| (*name).to_owned()).collect(),
            interval: self.dice.chance(20).then_some(100_000_000),
            aggregates,
            top: None,
        };
        for pruning in [true, false] {
            self.engine.set_pruning(pruning);
            let table = self.engine.stats(&request).expect("computed");
            let says = Says(format!("{place}, pruning {pruning}: {query:?} {request:?}"));
            self.model.check_stats(&request, &table.rows);
            drop(says);
        }
        (pruned, is_found)
    }
}

#[test]
fn sentences_answer_as_their_texts() {
    let (pruned, found, asked) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    for_each_seed("--test answers", SEEDS, |seed| {
        let mut store = Store::new(seed);
        let ask = |store: &mut Store, place: &str| {
            for _ in 0..QUERIES {
                let (blocks, is_found) = store.ask(place);
                pruned.fetch_add(blocks, Relaxed);
                found.fetch_add(u64::from(is_found), Relaxed);
                asked.fetch_add(1, Relaxed);
            }
        };
        let rows = store.limits.block_rows_max;
        store.append(rows * 2 + rows / 2);
        ask(&mut store, "in memory");
        store.engine.flush().expect("flushed");
        ask(&mut store, "in a level-0 file");
        store.append(rows * 3 + rows / 3);
        store.engine.flush().expect("flushed");
        store.engine.compact_now().expect("compacted");
        ask(&mut store, "in a segment");
        // Other sentences, and blocks that are gathered anew.
        store.shapes = Shapes::new(&mut store.dice);
        store.append(rows + rows / 3);
        store.engine.flush().expect("flushed");
        store.append(rows / 4 + 1);
        ask(&mut store, "in all of them");
        store.engine.flush().expect("flushed");
        store.engine.compact_now().expect("compacted");
        ask(&mut store, "in segments");
    });
    let (pruned, found, asked) = (pruned.into_inner(), found.into_inner(), asked.into_inner());
    println!("{asked} questions, {found} with answers, {pruned} blocks pruned");
    assert!(pruned > 0, "nothing was pruned: this test has seen nothing");
    assert!(found * 4 > asked, "few questions have answers: {found} of {asked}");
}

#[test]
fn blocks_that_the_index_of_a_section_rules_out_are_counted() {
    let mut store = Store::new(1);
    store.append(store.limits.block_rows_max * 6);
    store.engine.flush().expect("flushed");
    store.engine.compact_now().expect("compacted");
    let query = "zzyzx".to_owned();
    let filter = parse(&query).expect("a query");
    let (range, order) = (TimeRange::default(), Order::NewestFirst);
    let search =
        SearchRequest { query, filter: filter.clone(), range, limit: 5, order, cursor: None };
    let (group_by, aggregates) = (Vec::new(), Vec::new());
    let stats = StatsRequest { filter, range, group_by, interval: None, aggregates, top: None };
    let scanned = |pruning| {
        store.engine.set_pruning(pruning);
        let page = store.engine.search(&search).expect("searched");
        let table = store.engine.stats(&stats).expect("computed");
        [page.scanned, table.scanned].map(|scanned| (scanned.blocks, scanned.blocks_pruned))
    };
    let [(blocks, _), _] = scanned(false);
    assert!(blocks >= 4, "a section of {blocks} blocks has an index");
    assert_eq!(scanned(false), [(blocks, 0); 2]);
    assert_eq!(scanned(true), [(0, blocks); 2]);
}

/// Says it if it is dropped by a panic.
struct Says(String);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
