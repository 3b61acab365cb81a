//! Queries that are followed.

use super::*;
use crate::event::Seq;
use crate::query::{TailQuery, parse_query};
use crate::scan::Control;
use std::sync::Mutex;

fn query(text: &str) -> TailQuery {
    TailQuery::new(&parse_query(text).expect("a query")).expect("can be followed")
}

/// The numbers of all events behind a position, piece by piece.
fn followed(engine: &Engine, query: &TailQuery, after: Seq) -> Vec<usize> {
    let (mut found, mut position) = (Vec::new(), after);
    loop {
        let piece = engine.tail_with(query, position, &Control::default()).expect("read");
        assert!(piece.through > position || piece.through == piece.visible, "it gets further");
        position = piece.through;
        let page = SearchPage { events: piece.events, ..SearchPage::default() };
        found.extend(numbers(&page));
        if position == piece.visible {
            return found;
        }
    }
}

#[test]
fn a_tail_has_every_event_behind_its_position_in_the_order_of_the_log() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let before_all = engine.visible();
    let (all, errors) = (query(""), query("level:error service:pay"));
    let computed = query("| extract \"number <n:int> came\" | where n:>=40");
    let mut count = 0;
    // The times fall from batch to batch: the order is that of the log.
    let mut check = |engine: &Engine, sizes: &[usize]| {
        for size in sizes {
            engine.append(batch(count, *size)).unwrap();
            count += size;
        }
        engine.settle();
        for skipped in [0, 1, count / 2, count - 1, count] {
            let after = Seq(before_all.0 + skipped as u64);
            let expected: Vec<usize> = (skipped..count).collect();
            assert_eq!(followed(engine, &all, after), expected);
            let control = Control::default();
            let counted = engine.tail_count_with(&all, after, engine.visible(), &control).unwrap();
            assert_eq!(counted, expected.len() as u64);
            let some = |passes: fn(usize) -> bool| {
                expected.iter().copied().filter(|n| passes(*n)).collect::<Vec<_>>()
            };
            let pays = some(|n| n % 2 == 1 && n % 3 == 0);
            assert_eq!(followed(engine, &errors, after), pays);
            let counted = engine.tail_count_with(&errors, after, engine.visible(), &control);
            assert_eq!(counted.unwrap(), pays.len() as u64);
            assert_eq!(followed(engine, &computed, after), some(|n| n >= 40));
            let counted = engine.tail_count_with(&computed, after, engine.visible(), &control);
            assert_eq!(counted.unwrap(), some(|n| n >= 40).len() as u64);
        }
    };
    check(&engine, &[1, 30, 1, 100]);
    engine.flush().unwrap();
    check(&engine, &[3, 80]);
    engine.flush().unwrap();
    engine.compact_now().unwrap();
    check(&engine, &[2_500, 1]);
    engine.flush().unwrap();
    check(&engine, &[1]);
}

#[test]
fn what_was_read_once_is_all_that_there_ever_is() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    engine.append(batch(0, 10)).unwrap();
    let now = engine.visible();
    let piece = engine.tail_with(&query(""), now, &Control::default()).unwrap();
    assert!(piece.events.is_empty() && piece.through == now && piece.visible == now);
    let beyond = Seq(now.0 + 5);
    let piece = engine.tail_with(&query(""), beyond, &Control::default()).unwrap();
    assert!(piece.events.is_empty() && piece.through == beyond);
    assert_eq!(engine.tail_count_with(&query(""), now, now, &Control::default()).unwrap(), 0);
}

#[test]
fn a_piece_is_bounded_and_says_where_the_next_begins() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let before = engine.visible();
    for first in (0..4_500).step_by(500) {
        engine.append(batch(first, 500)).unwrap();
    }
    let piece = engine.tail_with(&query(""), before, &Control::default()).unwrap();
    assert_eq!(piece.events.len(), 2_000);
    assert_eq!(piece.through, piece.events[1_999].id.seq());
    assert_eq!(piece.visible, engine.visible());
    assert!(engine.status().pool.queries > 0, "a piece counts as long as it is there");
    drop(piece);
    assert_eq!(engine.status().pool.queries, 0);
}

#[test]
fn further_events_are_told_when_they_can_be_read() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    engine.on_visible(move |last| hears.lock().unwrap().push(last));
    let mut expected = Vec::new();
    for count in [1, 7, 100] {
        let (_, last) = engine.append(batch(0, count)).unwrap().ids.unwrap();
        assert_eq!(engine.visible(), last.seq());
        expected.push(last.seq());
    }
    engine.settle();
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn what_needs_all_events_is_not_followed() {
    for (text, at) in [
        ("a | stats count()", 4),
        ("| top 3 service", 2),
        ("| uniq service", 2),
        ("| where a:1 | sort -a", 14),
        ("| limit 5", 2),
    ] {
        let error = TailQuery::new(&parse_query(text).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.place().map(|place| place.start), Some(at), "{text}: {error}");
    }
    let fields = query("a | fields service, took.ms");
    assert_eq!(fields.fields(), Some(&["service".to_owned(), "took.ms".to_owned()][..]));
}
