//! The index: tokens, terms, filters, and the search for a phrase.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::{Generator, PHRASES};
use logstrata_engine::testing::bench::{
    BlockBytes, BlockTerms, SectionIndex, count_tokens, messages, phrase_matches, section_index,
    section_index_of,
};
use std::hint::black_box;
use std::sync::Arc;
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

/// The index of a section of 30 blocks.
fn sections(c: &mut Criterion) {
    const BLOCKS: usize = 30;
    let mut group = c.benchmark_group("index of a section");
    let mut generator = Generator::default();
    let blocks: Vec<_> = (0..BLOCKS).map(|_| generator.batch_of_info(ROWS)).collect();
    let bytes: Arc<[u8]> = section_index(&blocks).expect("in memory").into();
    let open = || SectionIndex::open(bytes.clone(), BLOCKS).expect("just built");
    let rows = BLOCKS * ROWS;
    println!("{:.2} bytes an event", bytes.len() as f64 / rows as f64);
    for (name, len) in open().sizes() {
        println!("  {name}: {:.3}", len as f64 / rows as f64);
    }
    group.sample_size(10).throughput(Throughput::Elements(rows as u64));
    group.bench_function("build", |b| b.iter(|| section_index(&blocks).expect("in memory")));
    let stored: Vec<_> = blocks.iter().map(BlockBytes::encode).collect();
    group.bench_function("build from blocks that are copied", |b| {
        b.iter(|| section_index_of(&stored).expect("in memory"));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("open", |b| b.iter(open));
    group.bench_function("open and look up a word", |b| b.iter(|| open().may_hold("timeout")));
    let index = open();
    for (name, word) in
        [("word", "timeout"), ("absent word", "zzyzx"), ("absent id", "ffffffffffff0001")]
    {
        group.bench_function(name, |b| b.iter(|| index.may_hold(black_box(word))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = writing, reading, sections
}
criterion_main!(benches);
