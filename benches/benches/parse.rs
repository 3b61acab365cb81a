//! The query parser.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logstrata_engine::query::parse;
use std::hint::black_box;
use std::time::Duration;

const QUERIES: [(&str, &str); 5] = [
    ("word", "connection"),
    ("fields", "level:error service:checkout"),
    ("phrase", "\"authentication failure\" -service:auth"),
    ("nested", "(level:>=warn OR status:[500 TO 599]) AND NOT (path:/health OR user_id:u00017)"),
    ("regex", "message:/blk_[0-9]+77/"),
];

fn queries(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    for (name, query) in QUERIES {
        if parse(query).is_err() {
            panic!("{query} is not a query");
        }
        group.bench_function(name, |b| b.iter(|| parse(black_box(query))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = queries
}
criterion_main!(benches);
