//! The log: encoding a record on the request's thread, and a whole append up to its sync.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::Generator;
use logstrata_engine::testing::bench::Door;
use logstrata_engine::{Engine, Options};
use std::time::Duration;

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("wal");
    let batch = Generator::default().batch(5_000);
    group.throughput(Throughput::Elements(batch.len() as u64));
    let batch = Door::default().redact(batch);
    group.bench_function("record of 5000 events", |b| {
        b.iter(|| batch.record_bytes().expect("the batch is small"));
    });
    group.finish();
}

/// What a sender waits for: encode, write, sync, make visible. One sender, so that a group is a
/// batch.
fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append and sync");
    group.sample_size(20);
    for count in [1, 100, 5_000] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = Engine::open(Options::new(dir.path())).expect("an empty store opens");
        let mut events = Generator::default();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} events"), |b| {
            let batch = || events.batch(count);
            let append = |batch| engine.append(batch).expect("the disk has room");
            b.iter_batched(batch, append, BatchSize::PerIteration);
        });
        engine.close().expect("nothing failed");
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = encode, append
}
criterion_main!(benches);
