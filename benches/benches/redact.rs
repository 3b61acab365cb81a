//! The rules of redaction over a batch as most are: with hardly a secret in it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::Generator;
use logstrata_engine::testing::bench::Door;
use std::time::Duration;

fn redact(c: &mut Criterion) {
    let mut group = c.benchmark_group("redact");
    let batch = Generator::default().batch(5_000);
    let door = Door::default();
    group.throughput(Throughput::Elements(batch.len() as u64));
    group.bench_function("all rules", |b| {
        b.iter_batched(|| batch.clone(), |batch| door.redact(batch), BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = redact
}
criterion_main!(benches);
