//! Blocks: encoding, reading each kind of column, fetching events.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::Generator;
use logstrata_engine::testing::bench::{
    BlockBytes, BlockTerms, MessageColumn, filter_of_split, run_digest,
};
use std::hint::black_box;
use std::time::Duration;

/// A full block.
const ROWS: usize = 8_192;

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("block");
    let batch = Generator::default().batch_of_info(ROWS);
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("encode", |b| b.iter(|| BlockBytes::encode_with(&batch, &[]).bytes()));
    group.bench_function("run digest", |b| b.iter(|| run_digest(&batch)));
    group.finish();
}

/// The messages alone, as templates and as the text that they would be otherwise.
fn templates(c: &mut Criterion) {
    let mut group = c.benchmark_group("messages");
    let batch = Generator::default().batch_of_info(ROWS);
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, as_templates) in [("text", false), ("templates", true)] {
        let column = MessageColumn::encode(&batch, as_templates);
        group.bench_function(format!("encode as {name} ({} bytes)", column.bytes()), |b| {
            b.iter(|| MessageColumn::encode(black_box(&batch), as_templates).bytes());
        });
        group.bench_function(format!("read all of {name}"), |b| b.iter(|| column.read()));
        group.bench_function(format!("fetch one of {name}"), |b| {
            b.iter(|| column.fetch(black_box([4_711])));
        });
    }
    group.bench_function("filter of every text", |b| {
        b.iter(|| BlockTerms::collect(black_box(&batch)).filter());
    });
    group.bench_function("split and filter of its parts", |b| {
        b.iter(|| filter_of_split(black_box(&batch)));
    });
    group.finish();
}

fn columns(c: &mut Criterion) {
    let mut group = c.benchmark_group("column");
    let block = BlockBytes::encode(&Generator::default().batch_of_info(ROWS));
    let opened = block.open().expect("what was encoded can be read");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (index, (name, encoding)) in opened.columns().into_iter().enumerate() {
        group.bench_function(format!("open and read {name} ({encoding})"), |b| {
            b.iter(|| block.open().and_then(|block| block.read_column(black_box(index))));
        });
    }
    group.finish();
}

fn fetch(c: &mut Criterion) {
    let mut group = c.benchmark_group("fetch");
    let block = BlockBytes::encode(&Generator::default().batch_of_info(ROWS));
    let opened = block.open().expect("what was encoded can be read");
    group.throughput(Throughput::Elements(100));
    for (name, rows) in [
        ("100 neighbours", (4_000..4_100).collect::<Vec<usize>>()),
        ("100 rows all over", (0..ROWS).step_by(82).collect()),
    ] {
        assert_eq!(rows.len(), 100);
        group.bench_function(name, |b| b.iter(|| opened.fetch(black_box(&rows))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = encode, templates, columns, fetch
}
criterion_main!(benches);
