//! What one query may take: beyond it, the answer is of what had room, or an error that says what to do.

use super::*;
use crate::query::{
    Answer, FacetsRequest, PatternsRequest, QueryRequest, SearchRequest, parse_query,
};
use crate::scan::{GapKind, Tolerance};

const EVENTS: usize = 6_000;

/// Events with long texts that are all different, in files, in a store whose queries may take so much.
fn filled(query_bytes_max: usize) -> Engine {
    let mut options = options(&MemoryStorage::new());
    options.limits = Limits { query_bytes_max, scans_max: 1, ..Limits::default() };
    options.limits.compaction.is_automatic = false;
    options.limits.block_rows_max = 256;
    let engine = Engine::open(options).unwrap();
    for start in (0..EVENTS).step_by(1_000) {
        let mut builder = BatchBuilder::new(&Limits::default(), NOON);
        for number in start..start + 1_000 {
            let mut event = builder.event();
            event.timestamp = Timestamp(NOON.0 + number as i64);
            let text = format!("event number {number} {}", "x".repeat(400));
            event.field("message", Kind::String, text.as_bytes());
            event.finish().expect("small");
        }
        engine.append(builder.build()).unwrap();
    }
    engine.flush().unwrap();
    engine
}

fn tolerant(tolerance: Tolerance) -> Control {
    Control { tolerance, ..Control::default() }
}

fn rows(engine: &Engine, text: &str, control: &Control) -> Result<usize> {
    let request = QueryRequest {
        text: text.into(),
        query: parse_query(text).unwrap(),
        range: TimeRange::default(),
        limit: Some(10_000),
        order: Order::NewestFirst,
        cursor: None,
    };
    match engine.query_with(&request, control)? {
        Answer::Rows(rows) => Ok(rows.rows.len()),
        Answer::Events { page, .. } => Ok(page.events.len()),
    }
}

#[test]
fn a_query_that_needs_more_than_it_may_take_answers_what_had_room() {
    const MOST: usize = 2 << 20;
    let engine = filled(MOST);
    for text in ["| stats count() by message", "| stats uniq(message) by message", "| sort message"]
    {
        let control = tolerant(Tolerance::Nothing);
        let error = rows(&engine, text, &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory, "{text}: {error}");
        assert!(error.to_string().contains("limits.query_bytes"), "{error}");
        assert!(control.account.memory_peak() <= MOST);

        let control = tolerant(Tolerance::Limits);
        let count = rows(&engine, text, &control).unwrap();
        assert!(count > 100 && count < EVENTS, "{text}: {count}");
        let gaps = control.account.gaps();
        assert_eq!((gaps.len(), gaps[0].kind), (1, GapKind::Memory), "{text}: {gaps:?}");
        let peak = control.account.memory_peak();
        assert!(peak <= MOST + MOST / 4 && peak > MOST / 2, "{text}: {peak}");
        assert_eq!(engine.status().pool.queries, 0, "nothing is kept");
    }
    // What needs little has it.
    let control = tolerant(Tolerance::Nothing);
    assert_eq!(rows(&engine, "| stats count()", &control).unwrap(), 1);
    assert!(control.account.memory_peak() > 0);
    assert_eq!(engine.status().pool.refusals, [0; 3], "others did not have to do without");
}

/// All pages together have every event, however little one may take.
#[test]
fn pages_have_what_their_memory_is_enough_for() {
    let engine = filled(1 << 20);
    let mut request = SearchRequest { limit: 10_000, ..request("number", 10_000) };
    let mut times = Vec::new();
    loop {
        let page = engine.search_with(&request, &tolerant(Tolerance::Limits)).unwrap();
        times.extend(page.events.iter().map(|event| (event.timestamp.0 - NOON.0) as usize));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    assert!(times.iter().rev().copied().eq(0..EVENTS), "{} events", times.len());
}

#[test]
fn facets_and_patterns_keep_within_what_they_may_take() {
    const MOST: usize = 1 << 20;
    let engine = filled(MOST);
    for tolerance in [Tolerance::Nothing, Tolerance::Limits] {
        let control = tolerant(tolerance);
        let fields = Some(vec!["message".to_owned()]);
        let facets = FacetsRequest { fields, values: 10, ..FacetsRequest::default() };
        match engine.facets_with(&facets, &control) {
            Ok(facets) => {
                assert!(facets.events == EVENTS as u64 || !control.account.is_whole());
            }
            Err(error) => {
                assert_eq!((error.kind(), tolerance), (ErrorKind::Memory, Tolerance::Nothing))
            }
        }
        let control = tolerant(tolerance);
        let patterns = PatternsRequest { limit: 10, ..PatternsRequest::default() };
        let patterns = engine.patterns_with(&patterns, &control).unwrap();
        assert_eq!(patterns.events, EVENTS as u64);
        assert!(control.account.memory_peak() <= MOST);
    }
    assert_eq!(engine.status().pool.queries, 0);
}
