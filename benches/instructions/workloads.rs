//! What is counted. Each workload runs once in a process of its own.

use crate::stores::{self, StoreKind};
use logstrata_benches::{
    Generator, PHRASES, RARE_WORDS, SERVICES, START_NS, STEP_NS, Store, WORDS,
};
use logstrata_engine::query::{Aggregate, Function, StatsRequest, TimeRange};
use logstrata_engine::testing::bench::{BlockBytes, Door, run_digest};
use logstrata_engine::{Limits, Timestamp};
use logstrata_server::ingest::json::decode_ndjson;
use std::hint::black_box;
use std::path::Path;

/// What of a process is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// What runs within [`counted_by_callgrind`], on its thread.
    Marked,
    /// All of its threads, from beginning to end: for what other threads do.
    Process,
}

/// Something whose instructions are counted.
#[derive(Debug)]
pub(crate) struct Workload {
    /// What it does, and how often.
    pub(crate) name: &'static str,
    /// The store that it needs.
    pub(crate) store: StoreKind,
    /// What of its process is counted.
    pub(crate) counted: Counted,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// Anything, with the folder of its store.
    Plain(fn(&Path)),
    /// A query of the `k`-th parameters; tells how much it found.
    Query(fn(&Store, u64) -> u64),
    /// The same, each time of a store that was opened for it: what files have is read and inflated anew.
    FirstTouch(fn(&Store, u64) -> u64),
}

/// A query is asked so often, after a first time that opens files and fills caches.
const ASKED: u64 = 3;
const BATCH: usize = 5_000;
const BLOCK_ROWS: usize = 8_192;
const HOUR_NS: i64 = 3_600_000_000_000;
const LEVELS: [&str; 4] = ["error", "warn", "debug", "info"];

/// All of them.
pub(crate) const WORKLOADS: [Workload; 19] = [
    marked("decode JSON of 5,000 events", decode),
    marked("redact 5,000 events", redact),
    marked("encode the log of 5,000 events", encode_record),
    marked("seal a block of 8,192 events", seal),
    process("append, flush 20,000 events", StoreKind::Absent, append),
    process("merge 4 files of 65,536 events", StoreKind::Flushed, merge),
    query("needle", needle),
    query("absent needle", |store, k| 1 + page(store, &format!("trace_id:{:032x}", !k), 1_000)),
    query("rare word", rare_word),
    first_touch("needle, first touch", needle),
    first_touch("rare word, first touch", rare_word),
    query("latest 100", |store, _| page(store, "", 100)),
    query("latest 100 errors of a service", |store, k| {
        page(store, &format!("level:error service:{}", one_of(&SERVICES, k)), 100)
    }),
    query("count by hour and level", |store, k| store.count(&hours_and_levels(store, k))),
    query("word by service", |store, k| {
        store.count(&by("service", store.stats(one_of(&WORDS, k))))
    }),
    query("phrase", |store, k| store.count(&store.stats(&format!("\"{}\"", one_of(&PHRASES, k))))),
    query("regular expression", |store, k| {
        store.count(&store.stats(&format!("message:/blk_[0-9]+{:02}/", 10 + k)))
    }),
    query("top 10 users of a level", |store, k| {
        let request = store.stats(&format!("level:{}", one_of(&LEVELS, k)));
        store.count(&StatsRequest { top: Some(10), ..by("user_id", request) })
    }),
    query("95th percentile by service", |store, k| {
        let request = store.stats(&format!("duration_ms:>{}", 10 * k));
        let aggregates = vec![Aggregate {
            function: Function::Percentile(950_000),
            field: "duration_ms".into(),
        }];
        store.count(&StatsRequest { aggregates, ..by("service", request) })
    }),
];

const fn marked(name: &'static str, work: fn(&Path)) -> Workload {
    let (store, counted) = (StoreKind::Absent, Counted::Marked);
    Workload { name, store, counted, work: Work::Plain(work) }
}

const fn process(name: &'static str, store: StoreKind, work: fn(&Path)) -> Workload {
    Workload { name, store, counted: Counted::Process, work: Work::Plain(work) }
}

const fn query(name: &'static str, ask: fn(&Store, u64) -> u64) -> Workload {
    let (store, counted) = (StoreKind::Compacted, Counted::Marked);
    Workload { name, store, counted, work: Work::Query(ask) }
}

const fn first_touch(name: &'static str, ask: fn(&Store, u64) -> u64) -> Workload {
    let (store, counted) = (StoreKind::Compacted, Counted::Marked);
    Workload { name, store, counted, work: Work::FirstTouch(ask) }
}

impl Workload {
    /// Does it.
    pub(crate) fn run(&self, store: &Path) {
        match self.work {
            Work::Plain(work) => work(store),
            Work::Query(ask) => {
                let engine = stores::open(store).expect("a sound store opens");
                // Else the dictionaries that it brings in now and then take the place of those that are open.
                engine.settle();
                let store = Store::from(engine);
                assert!(ask(&store, ASKED) > 0, "{} finds nothing", self.name);
                counted_by_callgrind(&mut || {
                    (0..ASKED).for_each(|k| assert!(black_box(ask(&store, k)) > 0))
                });
            }
            Work::FirstTouch(ask) => {
                for k in 0..ASKED {
                    let engine = stores::open(store).expect("a sound store opens");
                    // What the store brings in before anyone asks is not what the query takes.
                    engine.settle();
                    let store = Store::from(engine);
                    counted_by_callgrind(&mut || assert!(black_box(ask(&store, k)) > 0));
                }
            }
        }
    }
}

/// Callgrind counts from the beginning of this function to its end: it knows it by its name.
#[inline(never)]
fn counted_by_callgrind(work: &mut dyn FnMut()) {
    work();
    // Without something behind it the call would be a jump, and this function would not end behind it.
    black_box(());
}

fn page(store: &Store, query: &str, limit: usize) -> u64 {
    store.search(query, limit) as u64
}

fn needle(store: &Store, k: u64) -> u64 {
    page(store, &format!("trace_id:{}", Generator::needle(k)), 1_000)
}

fn rare_word(store: &Store, k: u64) -> u64 {
    page(store, one_of(&RARE_WORDS, k), 1_000)
}

fn by(field: &str, request: StatsRequest) -> StatsRequest {
    StatsRequest { group_by: vec![field.into()], ..request }
}

fn hours_and_levels(store: &Store, k: u64) -> StatsRequest {
    let from = START_NS + (1 + k as i64) * HOUR_NS / 7;
    let to = from + 40_000 * STEP_NS;
    StatsRequest {
        range: TimeRange { from: Some(Timestamp(from)), to: Some(Timestamp(to)) },
        interval: Some(HOUR_NS),
        ..by("level", store.stats(""))
    }
}

fn one_of<'a>(texts: &[&'a str], k: u64) -> &'a str {
    texts[k as usize % texts.len()]
}

fn decode(_: &Path) {
    let body = Generator::default().ndjson(BATCH);
    let mut events = 0;
    counted_by_callgrind(&mut || {
        let decoded = decode_ndjson(&body, &Limits::default(), Timestamp(START_NS));
        events = black_box(decoded.batch).len();
    });
    assert_eq!(events, BATCH);
}

fn redact(_: &Path) {
    let (door, mut batch) = (Door::default(), Some(Generator::default().batch(BATCH)));
    counted_by_callgrind(&mut || drop(black_box(batch.take().map(|batch| door.redact(batch)))));
}

fn encode_record(_: &Path) {
    let batch = Door::default().redact(Generator::default().batch(BATCH));
    counted_by_callgrind(&mut || {
        black_box(batch.record_bytes().expect("the batch is small"));
    });
}

fn seal(_: &Path) {
    let batch = Generator::default().batch_of_info(BLOCK_ROWS);
    counted_by_callgrind(&mut || {
        black_box(BlockBytes::encode(&batch).bytes());
        black_box(run_digest(&batch));
    });
}

fn append(store: &Path) {
    let engine = stores::open(store).expect("an empty store opens");
    let mut events = Generator::default();
    for _ in 0..4 {
        engine.append(events.batch(BATCH)).expect("the disk has room");
    }
    engine.flush().expect("the disk has room");
    engine.stop_compaction();
    engine.close().expect("nothing failed");
}

fn merge(store: &Path) {
    let engine = stores::open(store).expect("a sound store opens");
    engine.compact_now().expect("the disk has room");
    engine.close().expect("nothing failed");
}
