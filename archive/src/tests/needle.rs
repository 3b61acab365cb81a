//! How much of what left the disk a query fetches that looks for one event, and how often it waits.

use super::*;
use crate::cold::{ColdFigures, ColdStore};
use logstrata_engine::Control;
use logstrata_engine::crypt::Keyring;
use logstrata_engine::io::KeyedStorage;
use logstrata_engine::query::{Order, SearchRequest, StatsRequest, TimeRange, parse_query};
use object_store::memory::InMemory;

/// Rows of a day: about 9 MB of them are stored.
const ROWS: usize = 36_000;

/// A store of so many days, of which all that is in files has left the disk.
struct Cold {
    engine: Arc<Engine>,
    reads: Arc<ColdStore>,
    bytes: u64,
}

/// Numbers without an order, the same each time.
fn mixed(number: usize) -> u128 {
    (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ 0x5a5a << 64
}

fn trace(number: usize) -> String {
    format!("{:032x}", mixed(number))
}

fn append_day(engine: &Engine, now: Timestamp, day: usize) {
    for first in (0..ROWS).step_by(4_000) {
        let mut batch = BatchBuilder::new(&Limits::default(), now);
        for number in first..first + 4_000 {
            let number = day * ROWS + number;
            let mut event = batch.event();
            event.timestamp = Timestamp(now.0 + number as i64);
            event.field("trace_id", Kind::String, trace(number).as_bytes());
            let text: String =
                (1..13).map(|part| format!("{:x}", mixed(number * 13 + part))).collect();
            event.field("body", Kind::String, text.as_bytes());
            event.finish().unwrap();
        }
        engine.append(batch.build()).unwrap();
    }
    engine.flush().unwrap();
    engine.compact_now().unwrap();
}

async fn cold(days: usize, keys: Option<Arc<Keyring>>) -> Cold {
    let (storage, clock) = (MemoryStorage::new(), clock());
    let mut io = io_of(&storage, &clock, 1);
    if let Some(keys) = &keys {
        io.storage = Arc::new(KeyedStorage::new(io.storage, Arc::clone(keys)));
    }
    let settings = Settings { local_keep: Some(Duration::from_secs(86_400)), keys, ..settings() };
    let store = Store::of(Arc::new(InMemory::new()), &settings);
    let handle = tokio::runtime::Handle::current();
    let reads = ColdStore::new(store.clone(), handle, &io, Path::new("store"), 1 << 30);
    let reads = Arc::new(reads);
    let options = Options { limits: Limits::default(), ..options(&io) };
    let opened = Engine::open_with(options, Arc::clone(&reads) as _).unwrap();
    let engine = Arc::new(opened);
    let archive = Archive::with_store(store, settings, Arc::clone(&engine), io);
    for day in 0..days {
        let (engine, now) = (Arc::clone(&engine), logstrata_engine::io::Clock::now(&*clock));
        tokio::task::spawn_blocking(move || append_day(&engine, now, day)).await.unwrap();
        clock.advance(24 * HOUR);
        archive.run_now(false).await.unwrap();
    }
    clock.advance(48 * HOUR);
    archive.run_now(false).await.unwrap();
    let status = engine.status();
    assert_eq!(status.archive_files, status.segment_files, "everything left the disk");
    Cold { reads, bytes: status.archive_bytes, engine }
}

/// Looks for a trace; the bytes that are fetched for it, and the requests.
async fn fetched(cold: &Cold, trace: String, expected: usize) -> (u64, u64) {
    let before = cold.reads.figures();
    let engine = Arc::clone(&cold.engine);
    let found = tokio::task::spawn_blocking(move || {
        let request = SearchRequest {
            filter: parse_query(&format!("trace_id:{trace}")).unwrap().filter,
            query: String::new(),
            range: TimeRange::default(),
            limit: 100,
            order: Order::NewestFirst,
            cursor: None,
        };
        engine.search_with(&request, &Control::default()).unwrap().events.len()
    });
    assert_eq!(found.await.unwrap(), expected);
    let after = cold.reads.figures();
    (after.fetched_bytes - before.fetched_bytes, after.requests - before.requests)
}

/// A query read the whole index of each section. What it costs is so much for each day, and a block for each
/// event that is found; of a year the test has some days.
#[tokio::test(flavor = "multi_thread")]
async fn a_needle_over_a_year_fetches_less_than_a_hundredth_of_it() {
    look_for_needles(None, 100).await;
}

/// Frames are read whole: of each day some that a few bytes are wanted of.
#[tokio::test(flavor = "multi_thread")]
async fn a_needle_over_an_encrypted_year_fetches_less_than_a_fiftieth_of_it() {
    let key = "one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    look_for_needles(Some(Arc::new(Keyring::parse(key).unwrap())), 50).await;
}

async fn look_for_needles(keys: Option<Arc<Keyring>>, part: u64) {
    const YEAR: u64 = 365;
    let days = std::env::var("NEEDLE_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(2);
    let cold = cold(days, keys).await;
    let (of_days, days) = (cold.bytes, days as u64);
    let (looked, requests) = fetched(&cold, trace(usize::MAX / 32), 0).await;
    println!("{days} days of {of_days} bytes: {looked} by {requests} requests to find nothing");
    let (found, requests) = fetched(&cold, trace(ROWS / 2), 1).await;
    println!("then {found} by {requests} requests to find an event");
    let (again, _) = fetched(&cold, trace(ROWS / 2), 1).await;
    assert_eq!(again, 0, "it is kept");
    let (a_year, of_a_year) = (looked * YEAR / days + found, of_days * YEAR / days);
    println!("a year: {a_year} of {of_a_year}, {:.5}", a_year as f64 / of_a_year as f64);
    assert!(a_year < of_a_year / part, "{a_year} of {of_a_year}");
}

/// A query waited for one answer after the other, about four for each section: over a year of days it took longer
/// than it had.
#[tokio::test(flavor = "multi_thread")]
async fn a_needle_in_many_files_waits_for_many_answers_at_a_time() {
    const DAYS: u64 = 3;
    let cold = cold(DAYS as usize, None).await;
    let waits = |before: ColdFigures| {
        let after = cold.reads.figures();
        let ahead = after.requests_ahead - before.requests_ahead;
        let all = after.requests - before.requests;
        assert!(ahead > DAYS, "{ahead} of {all}");
        all - ahead
    };
    let before = cold.reads.figures();
    let engine = Arc::clone(&cold.engine);
    let counted = tokio::task::spawn_blocking(move || {
        let request = StatsRequest {
            filter: parse_query(&format!("trace_id:{}", trace(usize::MAX / 32))).unwrap().filter,
            range: TimeRange::default(),
            group_by: Vec::new(),
            interval: None,
            aggregates: Vec::new(),
            top: None,
        };
        engine.stats_with(&request, &Control::default()).unwrap().rows.len()
    });
    assert!(counted.await.unwrap() <= 1);
    // A footer that does not end with its file's last piece takes one more.
    let of_table = waits(before);
    assert!(of_table <= DAYS, "{of_table}");
}
