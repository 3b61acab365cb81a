//! Fields of a result, and pages of what came in at one moment.

use super::*;
use crate::query::{Facets, FacetsRequest};
use crate::scan::Control;

/// Events of these times, each with a number; the first one with a field of its own, too.
fn of_times(times: impl IntoIterator<Item = i64>, own: Option<&str>) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for (number, time) in times.into_iter().enumerate() {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 + time);
        event.field("n", Kind::Number, number.to_string().as_bytes());
        if let Some(name) = own.filter(|_| number == 0) {
            event.field(name, Kind::Number, b"1");
        }
        event.finish().expect("small");
    }
    builder.build()
}

fn fields(engine: &Engine) -> Facets {
    engine.facets_with(&FacetsRequest::default(), &Control::default()).expect("told")
}

fn events_of(facets: &Facets, name: &str) -> Option<u64> {
    facets.fields.iter().find(|field| field.name == name).map(|field| field.events)
}

/// Names were added from files alone, so one that only the memory had was not told.
#[test]
fn a_name_that_only_memory_has_is_told_although_nobody_looked_at_its_events() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for first in (0..9_600).step_by(320) {
        engine.append(of_times(first..first + 320, None)).unwrap();
    }
    engine.flush().unwrap();
    engine.append(of_times([-5], Some("own.x\\.y"))).unwrap();
    let told = fields(&engine);
    assert!(told.events_left_out > 0, "there are more blocks than are looked at");
    assert_eq!(told.events + told.events_left_out, 9_601);
    assert_eq!(events_of(&told, "own.x.y"), Some(0));
    assert_eq!(events_of(&told, "n"), Some(told.events));
    assert!(!told.is_cut);
}

/// Every file was opened, and then the newest blocks were picked.
#[test]
fn the_fields_of_all_events_are_told_without_opening_every_file() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for file in 0..4 {
        for first in (0..4_800).step_by(320) {
            let first = file * 10_000 + first;
            let own = format!("file_{file}");
            engine.append(of_times(first..first + 320, Some(&own))).unwrap();
        }
        engine.flush().unwrap();
    }
    engine.close().unwrap();
    let engine = Engine::open(options(&storage)).unwrap();
    let told = fields(&engine);
    let snapshot = engine.shared.snapshot();
    let files = snapshot.files.iter();
    let opened = files.filter(|file| engine.shared.cache.sections(file.meta.id).is_some()).count();
    assert!((2..snapshot.files.len()).contains(&opened), "{opened} of {}", snapshot.files.len());
    assert_eq!(told.events + told.events_left_out, 4 * 4_800);
    assert_eq!(events_of(&told, "file_3"), Some(15), "of the newest file");
    assert_eq!(events_of(&told, "file_0"), Some(0), "the manifest knows the name");
}

/// Of equal times, the numbers did not count: each page went through all blocks of a burst.
#[test]
fn the_pages_of_one_moment_look_at_each_block_about_once() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for _ in 0..20 {
        engine.append(of_times([0; 160], None)).unwrap();
    }
    engine.flush().unwrap();
    let pages = 32;
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut page = SearchRequest { order, ..request("", 100) };
        let (mut ids, mut blocks) = (Vec::new(), 0);
        for _ in 0..pages {
            let found = engine.search(&page).unwrap();
            ids.extend(found.events.iter().map(|event| event.id.seq()));
            blocks += found.scanned.blocks;
            page.cursor = found.next_cursor;
        }
        assert!(page.cursor.is_none());
        assert_eq!(ids.len(), 3_200);
        let rises =
            |pair: &[crate::event::Seq]| (pair[0] < pair[1]) == (order == Order::OldestFirst);
        assert!(ids.windows(2).all(rises), "{order:?}");
        // 16 events are a block. Some are looked at once more than needed.
        assert!(blocks < 200 + pages * 10, "{order:?}: {blocks} of {pages} pages");
    }
}
