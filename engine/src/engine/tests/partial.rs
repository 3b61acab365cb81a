//! Answers of what was found in time, or is not damaged: in order, without gap or double, and marked.

mod excess;
mod explain;
mod interrupt;
mod memory;

use super::*;
use crate::io::Clock;
use crate::manifest::FileId;
use crate::query::ast::Filter;
use crate::query::{
    Answer, ContextRequest, FacetsRequest, HistogramRequest, PatternsRequest, QueryRequest,
    parse_query,
};
use crate::scan::{Control, Gap, GapKind, Tolerance};
use std::time::Duration;

/// A clock by which every look at it takes a second.
#[derive(Debug)]
struct HastyClock(ManualClock);

impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.advance(Duration::from_secs(1));
        self.0.monotonic()
    }
}

const EVENTS: usize = 480;

/// A store whose events' times go to and fro, three events at each: in segments, a level-0 file and in
/// memory.
fn scattered(storage: &MemoryStorage, scans_max: usize) -> Engine {
    scattered_with(storage, |limits| limits.scans_max = scans_max)
}

/// The same, opened with other limits.
fn scattered_with(storage: &MemoryStorage, set: impl FnOnce(&mut Limits)) -> Engine {
    let options = options(storage);
    let engine = Engine::open(options.clone()).unwrap();
    for part in 0..12 {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for n in 0..40 {
            let number = n * 12 + part;
            let mut event = builder.event();
            event.timestamp = Timestamp(NOON.0 + (number / 3) as i64 * 1_000_000_000);
            event.level = if number % 2 == 0 { Level::Info } else { Level::Error };
            event.field("message", Kind::String, format!("event number {number} came").as_bytes());
            event.field("service", Kind::String, if number % 3 == 0 { b"pay" } else { b"web" });
            event.finish().expect("small");
        }
        engine.append(builder.build()).unwrap();
        match part {
            4 => {
                engine.flush().unwrap();
                engine.compact_now().unwrap();
            }
            8 => engine.flush().unwrap(),
            _ => {}
        }
    }
    engine.close().unwrap();
    let mut options = options;
    options.io.clock = Arc::new(HastyClock(ManualClock::new(NOON)));
    set(&mut options.limits);
    Engine::open(options).unwrap()
}

fn within(seconds: u64, tolerance: Tolerance) -> Control {
    let deadline = Some(Duration::from_secs(seconds));
    Control { deadline, tolerance, ..Control::default() }
}

fn kinds(control: &Control) -> Vec<GapKind> {
    control.account.gaps().iter().map(|gap: &Gap| gap.kind).collect()
}

fn ordered(order: Order) -> SearchRequest {
    SearchRequest { order, ..request("came", 25) }
}

/// All pages of a request, each within as few seconds as get it further. Returns the events' ids, and
/// how many pages were partial.
fn pages(engine: &Engine, mut request: SearchRequest) -> (Vec<EventId>, usize) {
    let (mut ids, mut partial) = (Vec::new(), 0);
    loop {
        let mut seconds = 2;
        let page = loop {
            let control = within(seconds, Tolerance::Limits);
            match engine.search_with(&request, &control) {
                Ok(page) if control.account.is_whole() => break page,
                Ok(page) => {
                    assert_eq!(kinds(&control), [GapKind::Deadline]);
                    assert!(page.next_cursor.is_some(), "what is partial goes on");
                    partial += 1;
                    break page;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Deadline, "{error}"),
            }
            seconds += 1;
        };
        ids.extend(page.events.iter().map(|event| event.id));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return (ids, partial);
        }
    }
}

#[test]
fn pages_that_end_with_their_time_have_each_event_once_and_in_order() {
    for scans_max in [1, 3] {
        let engine = scattered(&MemoryStorage::new(), scans_max);
        for order in [Order::NewestFirst, Order::OldestFirst, Order::Arrival] {
            let whole = SearchRequest { limit: 10_000, ..ordered(order) };
            let whole = engine.search(&whole).unwrap();
            let whole: Vec<EventId> = whole.events.iter().map(|event| event.id).collect();
            assert_eq!(whole.len(), EVENTS);
            let (ids, partial) = pages(&engine, ordered(order));
            assert_eq!(ids, whole, "{order:?}");
            assert!(partial > 3, "{order:?}: {partial}");
            // In a part of the time, too.
            let range = TimeRange {
                from: Some(Timestamp(NOON.0 + 20_000_000_000)),
                to: Some(Timestamp(NOON.0 + 90_000_000_000)),
            };
            let (ids, _) = pages(&engine, SearchRequest { range, ..ordered(order) });
            assert_eq!(ids.len(), 70 * 3, "{order:?}");
        }
        assert_eq!(engine.status().pool.queries, 0, "nothing is kept");
    }
}

/// A page that got nowhere would be asked for again for ever.
#[test]
fn a_page_that_gets_nowhere_is_an_error() {
    let engine = scattered(&MemoryStorage::new(), 1);
    let error = engine.search_with(&request("", 10), &within(1, Tolerance::Damage)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
}

#[test]
fn nothing_is_partial_that_must_be_whole() {
    let engine = scattered(&MemoryStorage::new(), 1);
    let control = within(8, Tolerance::Nothing);
    let error = engine.search_with(&request("", 10_000), &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(control.account.is_whole());
    let query = QueryRequest { limit: None, ..staged("") };
    let mut export = engine.export(&query).unwrap();
    let error = engine.export_page(&mut export, &within(8, Tolerance::Damage)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "half a file must not look like a whole one");
}

fn staged(text: &str) -> QueryRequest {
    QueryRequest {
        text: text.into(),
        query: parse_query(text).unwrap(),
        range: TimeRange::default(),
        limit: Some(10_000),
        order: Order::NewestFirst,
        cursor: None,
    }
}

/// The number of events that each kind of answer is of.
fn counted(engine: &Engine, control: &Control) -> Vec<(&'static str, Result<u64>)> {
    let table = |text: &str| {
        let answer = engine.query_with(&staged(text), control)?;
        let Answer::Rows(rows) = answer else { panic!("a table") };
        let number = |cell: &crate::query::Cell| {
            String::from_utf8(cell.as_ref().unwrap().1.clone()).unwrap().parse::<u64>().unwrap()
        };
        Ok(rows.rows.iter().map(|row| number(row.last().unwrap())).sum())
    };
    let sorted = || match engine.query_with(&staged("| sort service, -message"), control)? {
        Answer::Events { page, .. } => Ok(page.events.len() as u64),
        Answer::Rows(_) => panic!("events"),
    };
    let histogram = || {
        let request = HistogramRequest {
            filter: Filter::All,
            steps: Vec::new(),
            range: TimeRange { from: Some(NOON), to: Some(Timestamp(NOON.0 + 200_000_000_000)) },
            interval: None,
            buckets: 60,
        };
        let found = engine.histogram_with(&request, control)?;
        Ok(found.buckets.iter().map(|bucket| bucket.count()).sum())
    };
    let facets = || {
        let request = FacetsRequest { values: 10, ..FacetsRequest::default() };
        Ok(engine.facets_with(&request, control)?.events)
    };
    let patterns = || {
        let request = PatternsRequest { limit: 10, ..PatternsRequest::default() };
        let found = engine.patterns_with(&request, control)?;
        let counts = found.patterns.iter().chain(&found.other).map(|pattern| pattern.count);
        assert_eq!(counts.sum::<u64>() + found.without_message, found.events);
        Ok(found.events)
    };
    vec![
        ("table", table("| stats count() by message")),
        ("top", table("| top 1000 message")),
        ("sort", sorted()),
        ("histogram", histogram()),
        ("facets", facets()),
        ("patterns", patterns()),
    ]
}

#[test]
fn figures_that_end_with_their_time_are_those_so_far() {
    for scans_max in [1, 3] {
        let engine = scattered(&MemoryStorage::new(), scans_max);
        for (name, count) in counted(&engine, &Control::default()) {
            assert_eq!(count.unwrap(), EVENTS as u64, "{name}");
        }
        let mut partial = std::collections::BTreeMap::<_, usize>::new();
        for seconds in 2..60 {
            let control = within(seconds, Tolerance::Limits);
            for (name, count) in counted(&engine, &control) {
                match count {
                    Ok(count) if count < EVENTS as u64 => {
                        assert!(!control.account.is_whole(), "{name}");
                        *partial.entry(name).or_default() += 1;
                    }
                    Ok(count) => assert_eq!(count, EVENTS as u64),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Deadline, "{error}"),
                }
            }
            let control = within(seconds, Tolerance::Nothing);
            for (name, count) in counted(&engine, &control) {
                match count {
                    Ok(count) => assert_eq!(count, EVENTS as u64, "{name}"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Deadline, "{error}"),
                }
            }
            assert!(control.account.is_whole());
        }
        // By this clock several threads have used up what is left to end in before they hear of it.
        assert!(partial.len() == 6 || scans_max > 1, "{partial:?}");
    }
}

#[test]
fn neighbours_that_end_with_their_time_are_the_next_ones() {
    let engine = scattered(&MemoryStorage::new(), 1);
    let all = engine.search(&SearchRequest { limit: 10_000, ..ordered(Order::OldestFirst) });
    let all: Vec<EventId> = all.unwrap().events.iter().map(|event| event.id).collect();
    let place = EVENTS / 2;
    let request = ContextRequest { id: all[place], before: 100, after: 100, same: Vec::new() };
    let mut partial = 0;
    for seconds in 3..60 {
        let control = within(seconds, Tolerance::Limits);
        let Ok(context) = engine.context_with(&request, &control) else { continue };
        let context = context.expect("the event is there");
        let ids = |events: &[EventRecord]| events.iter().map(|event| event.id).collect::<Vec<_>>();
        let (before, after) = (ids(&context.before), ids(&context.after));
        assert!(all[..place].ends_with(&before) && all[place + 1..].starts_with(&after));
        assert_eq!(control.account.is_whole(), before.len() + after.len() == 200);
        partial += usize::from(!control.account.is_whole());
    }
    assert!(partial > 3);
}

/// Damages the block at the start of the first section of a file.
fn damage(storage: &MemoryStorage, engine: &Engine, id: FileId) -> u64 {
    let files = Arc::clone(&engine.shared.state().files);
    let file = files.iter().find(|file| file.meta.id == id).expect("is live");
    let block = file.file.sections(&engine.shared.cache).unwrap()[0].blocks[0].clone();
    let path = id.path("store".as_ref());
    let mut bytes = storage.read(&path).unwrap();
    let columns = (block.offset + u64::from(block.meta.header_len)) as usize;
    let end = (block.offset + u64::from(block.meta.len)) as usize;
    bytes[columns..end].iter_mut().for_each(|byte| *byte ^= 0x55);
    storage.overwrite(&path, bytes);
    u64::from(block.meta.rows)
}

#[test]
fn what_is_damaged_is_left_out_only_if_that_is_asked_for() {
    let storage = MemoryStorage::new();
    let engine = scattered(&storage, 1);
    let files = Arc::clone(&engine.shared.state().files);
    let mut ids = files.iter().map(|file| file.meta.id);
    let id = ids.find(|id| id.is_level_zero()).expect("there is one");
    let lost = damage(&storage, &engine, id);
    // What is open already is read as it was.
    drop(files);
    drop(engine);
    let engine = Engine::open(options(&storage)).unwrap();
    for tolerance in [Tolerance::Nothing, Tolerance::Limits] {
        let control = Control { tolerance, ..Control::default() };
        for (name, count) in counted(&engine, &control) {
            match count {
                // Headers tell.
                Ok(count) => assert_eq!((name, count), ("histogram", EVENTS as u64)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}"),
            }
        }
        assert!(control.account.is_whole());
    }
    let whole = EVENTS as u64;
    for (name, count) in counted(&engine, &tolerant()) {
        let count = count.unwrap();
        assert!(
            count == whole - lost || (name == "histogram" && count == whole),
            "{name}: {count}"
        );
    }
    let control = tolerant();
    let page = engine.search_with(&request("came", 10_000), &control).unwrap();
    assert_eq!((page.events.len() as u64, page.next_cursor), (whole - lost, None));
    let gaps = control.account.gaps();
    assert_eq!((gaps.len(), gaps[0].kind), (1, GapKind::Damaged), "{gaps:?}");
    assert!(gaps[0].message.contains(".l0") && gaps[0].message.contains("damaged"), "{gaps:?}");
    // What is found before its columns are read: no text is needed to find it.
    let mut request = request("", 7);
    let mut found = 0;
    loop {
        let page = engine.search_with(&request, &tolerant()).unwrap();
        found += page.events.len() as u64;
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, whole - lost);
}

fn tolerant() -> Control {
    Control { tolerance: Tolerance::Damage, ..Control::default() }
}

#[test]
fn a_file_whose_directory_is_damaged_is_left_out_as_a_whole() {
    let storage = MemoryStorage::new();
    drop(scattered(&storage, 1));
    let path = storage.paths().into_iter().find(|path| path.to_string_lossy().ends_with(".l0"));
    let path = path.expect("there is one");
    let mut bytes = storage.read(&path).unwrap();
    let len = bytes.len();
    bytes[len - 40..].fill(0xff);
    storage.overwrite(&path, bytes);
    let engine = Engine::open(options(&storage)).unwrap();
    assert!(engine.search(&request("", 10_000)).is_err());
    let control = tolerant();
    let page = engine.search_with(&request("", 10_000), &control).unwrap();
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let gaps = control.account.gaps();
    assert!(gaps.len() == 1 && gaps[0].message.contains(&file), "{gaps:?}");
    for (name, count) in counted(&engine, &tolerant()) {
        assert_eq!(count.unwrap(), page.events.len() as u64, "{name}");
    }
    assert_eq!(EVENTS - page.events.len(), 4 * 40);
}
