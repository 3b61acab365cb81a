//! An archive that gives no answer, or a slow one: what is on this machine comes in any case.

use super::*;
use crate::query::ast::Filter;
use crate::query::{
    Answer, FacetsRequest, HistogramRequest, Order, PatternsRequest, QueryRequest, TimeRange,
    parse_query,
};

/// A store of which one day is here and all else left the disk, with a query's time, and the number of events
/// that are here.
fn mostly_evicted() -> (Life, Engine, usize) {
    let (life, engine) = Life::new();
    life.archive(&engine);
    assert!(engine.evict_local(Some(Keep::days(1))).unwrap().files >= 2);
    life.shelf.clock.set(Arc::clone(&life.clock)).unwrap();
    let (here, gaps) = lacking(&engine, &Control { is_hot: true, ..Control::default() });
    assert!(0 < here && here < DAYS * EACH && gaps.is_empty());
    drop(engine);
    let engine = life.open();
    (life, engine, here)
}

const TIME: Duration = Duration::from_secs(2);

fn partial() -> Control {
    Control { deadline: Some(TIME), tolerance: Tolerance::Limits, ..Control::default() }
}

fn staged(engine: &Engine, text: &str, control: &Control) -> crate::error::Result<u64> {
    let query = QueryRequest {
        text: text.into(),
        query: parse_query(text).unwrap(),
        range: TimeRange::default(),
        limit: Some(10_000),
        order: Order::NewestFirst,
        cursor: None,
    };
    let number = |cell: &crate::query::Cell| {
        String::from_utf8(cell.as_ref().unwrap().1.clone()).unwrap().parse::<u64>().unwrap()
    };
    Ok(match engine.query_with(&query, control)? {
        Answer::Events { page, .. } => page.events.len() as u64,
        Answer::Rows(rows) => rows.rows.iter().map(|row| number(row.last().unwrap())).sum(),
    })
}

/// A kind of answer, and how many events one is of.
type Asked = (&'static str, fn(&Engine, &Control) -> crate::error::Result<u64>);

const ASKED: [Asked; 8] = [
    ("newest", |engine, control| staged(engine, "", control)),
    ("oldest", |engine, control| {
        let request =
            crate::query::SearchRequest { order: Order::OldestFirst, ..request("", 10_000) };
        Ok(engine.search_with(&request, control)?.events.len() as u64)
    }),
    ("table", |engine, control| staged(engine, "| stats count() by message", control)),
    ("sort", |engine, control| staged(engine, "| sort -message", control)),
    ("histogram", |engine, control| {
        let (filter, steps, range) = (Filter::All, Vec::new(), TimeRange::default());
        let request = HistogramRequest { filter, steps, range, interval: None, buckets: 60 };
        let found = engine.histogram_with(&request, control)?;
        Ok(found.buckets.iter().map(|bucket| bucket.count()).sum())
    }),
    ("facets", |engine, control| {
        let request = FacetsRequest { values: 10, ..FacetsRequest::default() };
        Ok(engine.facets_with(&request, control)?.events)
    }),
    ("fields", |engine, control| {
        Ok(engine.facets_with(&FacetsRequest::default(), control)?.events)
    }),
    ("patterns", |engine, control| {
        let request = PatternsRequest { limit: 10, ..PatternsRequest::default() };
        Ok(engine.patterns_with(&request, control)?.events)
    }),
];

/// With an archive that gave no answer tables, facets and patterns waited for all of their time before they
/// had looked at anything, and were an error.
#[test]
fn what_is_here_comes_although_the_archive_is_silent() {
    let (life, engine, here) = mostly_evicted();
    life.shelf.is_silent.store(true, Ordering::Relaxed);
    for (name, ask) in ASKED {
        let (control, began) = (partial(), life.clock.monotonic());
        let events = ask(&engine, &control).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(events, here as u64, "{name}");
        let gaps = control.account.gaps();
        let kinds: Vec<GapKind> = gaps.iter().map(|gap| gap.kind).collect();
        assert_eq!(kinds, [GapKind::Archive], "{name}: {gaps:?}");
        let took = life.clock.monotonic() - began;
        assert!(took <= TIME * 3 / 4, "{name}: {took:?}");
    }
    life.shelf.is_silent.store(false, Ordering::Relaxed);
    for (name, ask) in ASKED {
        let (all, control) = ((DAYS * EACH) as u64, partial());
        assert_eq!(ask(&engine, &control).unwrap(), all, "{name}");
        assert!(control.account.is_whole(), "{name}");
    }
}

/// One that answers, but not fast enough for all that a query has to read.
#[test]
fn what_is_here_comes_although_the_archive_is_slow() {
    for delay in [100, 300, 700, 1_500] {
        for (name, ask) in ASKED {
            let (life, engine, here) = mostly_evicted();
            life.shelf.delay.store(delay, Ordering::Relaxed);
            let control = partial();
            let events = ask(&engine, &control)
                .unwrap_or_else(|error| panic!("{name} by {delay} ms: {error}"));
            let all = DAYS * EACH;
            assert!((here..=all).contains(&(events as usize)), "{name}: {events} by {delay} ms");
            assert_eq!(control.account.is_whole(), events as usize == all, "{name}: {delay} ms");
        }
    }
}

/// A query whose answer has to be whole waits as long as it may. It was kept for as long as a request may take.
#[test]
fn nobody_waits_for_the_archive_beyond_the_query_s_time() {
    let (life, engine, _) = mostly_evicted();
    life.shelf.is_silent.store(true, Ordering::Relaxed);
    let control = Control { deadline: Some(TIME), ..Control::default() };
    let began = life.clock.monotonic();
    let error = engine.search_with(&request("", 10_000), &control).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.to_string().contains("waiting for the archive"), "{error}");
    let took = life.clock.monotonic() - began;
    assert!(TIME <= took && took <= TIME * 2, "{took:?}");
    let control = Control::default();
    control.cancel.cancel();
    let error = engine.search_with(&request("", 10_000), &control).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
