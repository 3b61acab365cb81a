//! What looks at every event that matches, in a store of 200,000 flushed events: stages, what is told
//! around a result, exports. Each iteration asks for something else than the one before.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use logstrata_benches::{EVENTS, Generator, SERVICES, Store};
use logstrata_client::wire::ExportQuery;
use logstrata_engine::Control;
use logstrata_engine::query::ast::Filter;
use logstrata_engine::query::{
    ContextRequest, FacetsRequest, HistogramRequest, Order, PatternsRequest, SearchRequest,
    TimeRange, parse,
};
use std::time::Duration;

/// A bench of something that finds something.
fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, work: &dyn Fn(u64) -> usize) {
    assert!(work(1) > 0, "{name} finds nothing");
    let mut k = 0;
    group.bench_function(name, |b| {
        b.iter(|| {
            k += 1;
            work(k)
        });
    });
}

fn stages(c: &mut Criterion) {
    let store = Store::default();
    let mut group = group(c, "stages");
    let extract = "| extract \"after <ms:int> ms\"";
    let mut query = |name: &str, text: &dyn Fn(u64) -> String| {
        bench(&mut group, name, &|k| store.query(&text(k)));
    };
    query("where", &|k| format!("| where duration_ms:>{} | stats count()", k % 100));
    query("extract", &|k| format!("connection {extract} | stats max(ms), p{}(ms)", 1 + k % 99));
    query("extract and where", &|k| {
        format!("connection {extract} | where ms:>{} | stats count()", k % 500)
    });
    query("stats by bin", &|k| format!("| stats count() by bin(duration_ms, {})", 5 + k % 50));
    query("top", &|k| format!("| top {} user_id", 5 + k % 20));
    query("uniq", &|k| format!("duration_ms:>{} | uniq host, service", k % 50));
    query("sort", &|k| format!("| sort -duration_ms, service | limit {}", 50 + k % 50));
    query("table, where and sort", &|k| {
        format!("| uniq user_id | where count:>{} | sort user_id | limit 20", k % 5)
    });
    group.finish();
}

fn tells(c: &mut Criterion) {
    let store = Store::default();
    let engine = &store.engine;
    let control = Control::default();
    let mut group = group(c, "passes");
    let service = |k: u64| {
        let service = SERVICES[k as usize % SERVICES.len()];
        parse(&format!("service:{service}")).expect("a query")
    };
    let facets = |request: &FacetsRequest| {
        let found = engine.facets_with(request, &control).expect("a sound store answers");
        found.fields.iter().filter(|field| field.events > 0).count()
    };
    bench(&mut group, "facets", &|k| {
        facets(&FacetsRequest {
            steps: Vec::new(),
            filter: service(k),
            values: 10,
            ..FacetsRequest::default()
        })
    });
    bench(&mut group, "facets of a field", &|k| {
        let fields = Some(vec!["user_id".to_owned()]);
        facets(&FacetsRequest {
            steps: Vec::new(),
            filter: service(k),
            fields,
            values: 10,
            ..FacetsRequest::default()
        })
    });
    bench(&mut group, "fields", &|k| {
        facets(&FacetsRequest { steps: Vec::new(), filter: service(k), ..FacetsRequest::default() })
    });
    bench(&mut group, "values", &|k| {
        let (fields, value_prefix) = (Some(vec!["host".to_owned()]), format!("node-{}", k % 4));
        facets(&FacetsRequest {
            steps: Vec::new(),
            fields,
            value_prefix,
            values: 20,
            ..FacetsRequest::default()
        })
    });
    let histogram = |filter: Filter, buckets: usize| {
        let (range, interval) = (TimeRange::default(), None);
        let request = HistogramRequest { steps: Vec::new(), filter, range, interval, buckets };
        engine.histogram_with(&request, &control).expect("a sound store answers").buckets.len()
    };
    bench(&mut group, "histogram", &|k| histogram(Filter::All, 50 + k as usize % 50));
    bench(&mut group, "histogram of a service", &|k| histogram(service(k), 60));
    let patterns = |filter: Filter| {
        let request =
            PatternsRequest { steps: Vec::new(), filter, limit: 100, ..PatternsRequest::default() };
        engine.patterns_with(&request, &control).expect("a sound store answers").patterns.len()
    };
    bench(&mut group, "patterns", &|_| patterns(Filter::All));
    bench(&mut group, "patterns of a service", &|k| patterns(service(k)));
    let trace = |k: u64| {
        let query = format!("trace_id:{}", Generator::needle(k));
        let filter = parse(&query).expect("a query");
        let (range, order) = (TimeRange::default(), Order::OldestFirst);
        let request = SearchRequest { query, filter, range, limit: 1_000, order, cursor: None };
        engine.trace_with(&request, &control).expect("a sound store answers")
    };
    bench(&mut group, "trace with spans", &|k| trace(k).spans.map_or(0, |spans| spans.spans.len()));
    let ids: Vec<_> =
        (0..64).filter_map(|k| trace(k).page.events.first().map(|event| event.id)).collect();
    bench(&mut group, "context", &|k| {
        let id = ids[k as usize % ids.len()];
        let same = vec!["service".to_owned()];
        let request = ContextRequest { id, before: 20, after: 20, same };
        let found = engine.context_with(&request, &control).expect("a sound store answers");
        found.map_or(0, |found| found.before.len() + found.after.len())
    });
    group.finish();
}

fn exports(c: &mut Criterion) {
    const FEW: u64 = 20_000;
    let store = Store::default();
    let mut group = group(c, "export");
    group.throughput(Throughput::Elements(FEW));
    let kinds = ["ndjson", "json", "csv", "txt", "parquet"].map(|format| (format, None));
    for (format, compress) in
        kinds.into_iter().chain([("ndjson", Some("gzip")), ("ndjson", Some("zstd"))])
    {
        let name = compress.map_or(format.to_owned(), |compress| format!("{format} {compress}"));
        bench(&mut group, &name, &|k| {
            let query = ExportQuery {
                q: format!("| limit {}", FEW - k % 100),
                format: Some(format.into()),
                compress: compress.map(Into::into),
                ..ExportQuery::default()
            };
            let bytes = logstrata_server::exported_bytes(&store.engine, &query);
            bytes.expect("a sound store answers") as usize
        });
    }
    group.finish();
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
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
    targets = stages, tells, exports
}
criterion_main!(benches);
