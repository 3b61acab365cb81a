//! Queries of a store of 200,000 flushed events, through the engine. Each iteration asks for
//! something else than the one before, so that nothing can answer from memory of the answer.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::{
    EVENTS, Generator, PHRASES, RARE_WORDS, SERVICES, START_NS, STEP_NS, Store, WORDS,
};
use logstrata_engine::Timestamp;
use logstrata_engine::query::{Aggregate, Function, StatsRequest, TimeRange};
use std::time::Duration;

const HOUR_NS: i64 = 3_600_000_000_000;
const LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "critical"];

fn one_of<'a>(texts: &[&'a str], k: u64) -> &'a str {
    texts[k as usize % texts.len()]
}

fn searches(c: &mut Criterion) {
    let store = Store::default();
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
    let store = Store::default();
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
    bench("words that begin alike", &|k| store.stats(&format!("{}*", &one_of(&WORDS, k)[..4])));
    bench("word with a gap", &|k| store.stats(&format!("message:blk_*{:02}", k % 100)));
    bench("range of a number", &|k| store.stats(&format!("duration_ms:[{} TO 80}}", k % 50)));
    bench("range with units", &|k| store.stats(&format!("duration_ms:>{}us", k % 50_000)));
    bench("exact text", &|k| store.stats(&format!("service=={}", one_of(&SERVICES, k))));
    bench("network", &|k| store.stats(&format!("ip:10.{}.0.0/12", k % 16)));
    bench("top 10 users of a level", &|k| StatsRequest {
        group_by: vec!["user_id".into()],
        top: Some(10),
        ..store.stats(&format!("level:{}", one_of(&LEVELS, k)))
    });
    bench("95th percentile by service", &|k| StatsRequest {
        group_by: vec!["service".into()],
        aggregates: vec![Aggregate {
            function: Function::Percentile(950_000),
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
