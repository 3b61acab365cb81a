//! Queries of a store of 200,000 flushed events, through the engine. Each iteration asks for
//! something else than the one before, so that nothing can answer from memory of the answer.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::{Generator, PHRASES, RARE_WORDS, SERVICES, START_NS, STEP_NS, WORDS};
use logstrata_engine::query::{
    Aggregate, Function, Order, SearchRequest, StatsRequest, TimeRange, parse,
};
use logstrata_engine::{Engine, Options, Timestamp};
use std::time::Duration;

const EVENTS: usize = 200_000;
const BATCH: usize = 5_000;
const HOUR_NS: i64 = 3_600_000_000_000;
const LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "critical"];

struct Store {
    engine: Engine,
    _dir: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = Engine::open(Options::new(dir.path())).expect("an empty store opens");
        let mut events = Generator::default();
        for _ in 0..EVENTS / BATCH {
            engine.append(events.batch(BATCH)).expect("the disk has room");
        }
        engine.flush().expect("the disk has room");
        Self { engine, _dir: dir }
    }

    /// The number of events of a page.
    fn search(&self, query: &str, limit: usize) -> usize {
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

    fn stats(&self, query: &str) -> StatsRequest {
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
    fn count(&self, request: &StatsRequest) -> u64 {
        let table = self.engine.stats(request).expect("a sound store answers");
        table.rows.iter().map(|row| row.count).sum()
    }
}

fn one_of<'a>(texts: &[&'a str], k: u64) -> &'a str {
    texts[k as usize % texts.len()]
}

fn searches(c: &mut Criterion) {
    let store = Store::new();
    let mut group = group(c, "search");
    let mut bench = |name: &str, found: bool, search: &dyn Fn(u64) -> usize| {
        assert_eq!(search(1) > 0, found, "{name}");
        let mut k = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                k += 1;
                search(k)
            });
        });
    };
    bench("needle", true, &|k| store.search(&format!("trace_id:{}", Generator::needle(k)), 1_000));
    bench("absent needle", false, &|k| store.search(&format!("trace_id:{:032x}", !k), 1_000));
    bench("rare word", true, &|k| store.search(one_of(&RARE_WORDS, k), 1_000));
    bench("latest 100", true, &|_| store.search("", 100));
    bench("latest 100 errors of a service", true, &|k| {
        store.search(&format!("level:error service:{}", one_of(&SERVICES, k)), 100)
    });
    group.finish();
}

fn tables(c: &mut Criterion) {
    let store = Store::new();
    let mut group = group(c, "stats");
    let mut bench = |name: &str, request: &dyn Fn(u64) -> StatsRequest| {
        assert!(store.count(&request(1)) > 0, "{name}");
        let mut k = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                k += 1;
                store.count(&request(k))
            });
        });
    };
    bench("hour and level", &|k| {
        let from = START_NS + (k as i64 % 997) * HOUR_NS / 997;
        let to = from + EVENTS as i64 / 2 * STEP_NS;
        StatsRequest {
            range: TimeRange { from: Some(Timestamp(from)), to: Some(Timestamp(to)) },
            group_by: vec!["level".into()],
            interval: Some(HOUR_NS),
            ..store.stats("")
        }
    });
    bench("word by service", &|k| StatsRequest {
        group_by: vec!["service".into()],
        ..store.stats(one_of(&WORDS, k))
    });
    bench("phrase count", &|k| store.stats(&format!("\"{}\"", one_of(&PHRASES, k))));
    bench("regex count", &|k| store.stats(&format!("message:/blk_[0-9]+{:02}/", k % 100)));
    bench("top 10 users of a level", &|k| StatsRequest {
        group_by: vec!["user_id".into()],
        top: Some(10),
        ..store.stats(&format!("level:{}", one_of(&LEVELS, k)))
    });
    bench("95th percentile by service", &|k| StatsRequest {
        group_by: vec!["service".into()],
        aggregates: vec![Aggregate {
            function: Function::Percentile(95),
            field: "duration_ms".into(),
        }],
        ..store.stats(&format!("duration_ms:>{}", k % 50))
    });
    group.finish();
}

fn group<'a>(
    c: &'a mut Criterion,
    name: &str,
) -> criterion::BenchmarkGroup<'a, criterion::measurement::WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.sample_size(20);
    group
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = searches, tables
}
criterion_main!(benches);
