//! The index: tokens, terms, filters, and the search for a phrase.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::{Generator, PHRASES};
use logstrata_engine::testing::bench::{BlockTerms, count_tokens, messages, phrase_matches};
use std::hint::black_box;
use std::time::Duration;

/// A full block.
const ROWS: usize = 8_192;

fn writing(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    let batch = Generator::default().batch_of_info(ROWS);
    let texts = messages(&batch);
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("tokens of messages", |b| {
        b.iter(|| texts.iter().map(|text| count_tokens(text)).sum::<usize>());
    });
    group.bench_function("terms of a block", |b| b.iter(|| BlockTerms::collect(&batch).count()));
    let terms = BlockTerms::collect(&batch);
    group.throughput(Throughput::Elements(terms.count() as u64));
    group.bench_function("filter of a block", |b| b.iter(|| terms.filter()));
    group.finish();
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    let batch = Generator::default().batch_of_info(ROWS);
    let probe = BlockTerms::collect(&batch).filter();
    let mut term = 0u64;
    group.throughput(Throughput::Elements(1));
    group.bench_function("probe of an absent term", |b| {
        b.iter(|| {
            term = term.wrapping_add(0x9e37_79b9_7f4a_7c15);
            probe(black_box(term))
        });
    });
    let texts = messages(&batch);
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("phrase in messages", |b| {
        b.iter(|| phrase_matches(black_box(PHRASES[0]), &texts));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = writing, reading
}
criterion_main!(benches);
