//! Pages and tails while producers append, generations are cut and files are merged: every event once,
//! in order, and nothing that came later among the pages of what was there before.

use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::query::{
    EventRecord, Order, SearchRequest, TailQuery, TimeRange, parse, parse_query,
};
use logstrata_engine::{
    BatchBuilder, Control, Engine, Kind, Level, Limits, Options, Rules, Seq, Timestamp,
};
use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::workload::START;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

const PRODUCERS: usize = 3;
/// Batches of a producer.
const BATCHES: usize = 150;
const SECOND: i64 = 1_000_000_000;

/// What was appended: by sequence number the time and the number of each event.
type Log = Mutex<BTreeMap<u64, (i64, u64)>>;

struct World {
    engine: Engine,
    log: Log,
    /// The number of the next event.
    numbers: AtomicU64,
    is_over: AtomicBool,
}

impl World {
    fn new(seed: u64) -> Self {
        let io = Io {
            storage: Arc::new(MemoryStorage::new()),
            clock: Arc::new(ManualClock::new(START)),
            entropy: Arc::new(SeededEntropy::new(seed)),
        };
        let mut limits = Limits { block_rows_max: 96, ..Limits::tiny() };
        limits.compaction.fan_in = 2;
        let (dir, redaction) = ("/store".into(), Rules::none());
        let engine = Engine::open(Options { dir, limits, io, redaction }).expect("opened");
        let (log, numbers) = (Log::default(), AtomicU64::new(0));
        Self { engine, log, numbers, is_over: AtomicBool::new(false) }
    }

    /// Appends a batch of events whose times are all over the same hour: they come among those that are
    /// there, several at one moment.
    fn append(&self, dice: &mut Dice) {
        let mut batch = BatchBuilder::new(&Limits::tiny(), START);
        let count = dice.within(1..40) as u64;
        let first_number = self.numbers.fetch_add(count, SeqCst);
        let mut times = Vec::new();
        for number in first_number..first_number + count {
            let time = START.0 + dice.below(3_600) as i64 * SECOND;
            times.push((time, number));
            let mut event = batch.event();
            event.timestamp = Timestamp(time);
            event.level = if number.is_multiple_of(5) { Level::Error } else { Level::Info };
            event.field("n", Kind::Number, number.to_string().as_bytes());
            let message = format!("event {number} of many, checked {} times", number % 7);
            event.field("message", Kind::String, message.as_bytes());
            event.finish().expect("small");
        }
        let appended = self.engine.append(batch.build()).expect("appended");
        let (first, _) = appended.ids.expect("events");
        let mut log = self.log.lock().expect("not poisoned");
        for (at, event) in times.into_iter().enumerate() {
            log.insert(first.seq().0 + at as u64, event);
        }
    }

    fn disturb(&self, dice: &mut Dice) {
        loop {
            for _ in 0..dice.within(2..4) {
                self.engine.flush().expect("flushed");
            }
            self.engine.compact_now().expect("compacted");
            if self.is_over.load(SeqCst) {
                return;
            }
        }
    }

    /// Reads all pages of a query once, and holds them against the log.
    fn page_through(&self, dice: &mut Dice) {
        let (text, wants): (&str, fn(u64) -> bool) = match dice.below(4) {
            0 => ("level:error", |number| number.is_multiple_of(5)),
            1 => ("\"checked 3 times\"", |number| number % 7 == 3),
            2 => ("NOT n:[100 TO 2000]", |number| !(100..=2_000).contains(&number)),
            _ => ("", |_| true),
        };
        let order = [Order::NewestFirst, Order::OldestFirst][dice.below(2)];
        let before = self.engine.visible().0;
        let mut request = SearchRequest {
            query: text.to_owned(),
            filter: parse(text).expect("a query"),
            range: TimeRange::default(),
            limit: dice.within(20..400),
            order,
            cursor: None,
        };
        let mut events: Vec<EventRecord> = Vec::new();
        let mut visible = None;
        loop {
            let page = self.engine.search(&request).expect("searched");
            visible.get_or_insert_with(|| self.engine.visible().0);
            assert!(page.next_cursor.is_none() || page.events.len() == request.limit);
            events.extend(page.events);
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        let rank = |event: &EventRecord| (event.timestamp.0, event.id.seq().0);
        let in_order = |pair: &[EventRecord]| match order {
            Order::NewestFirst => rank(&pair[0]) > rank(&pair[1]),
            _ => rank(&pair[0]) < rank(&pair[1]),
        };
        assert!(events.windows(2).all(in_order), "{text}: in order, and each once");
        let mut found: Vec<(u64, u64)> = events.iter().map(|e| (e.id.seq().0, number(e))).collect();
        found.sort_unstable();
        let last = found.last().map_or(0, |(seq, _)| *seq);
        assert!(Some(last) <= visible, "{text}: {last} came behind the first page");
        // Whoever was told of an event finds it, and of what came later there is a beginning.
        let end = last.max(before);
        let log = self.log.lock().expect("not poisoned");
        let known: Vec<(u64, u64)> = log
            .range(..=end)
            .map(|(seq, (_, number))| (*seq, *number))
            .filter(|(_, number)| wants(*number))
            .collect();
        // A batch that is visible may not have been written down yet.
        let is_known = |seq: &u64| log.contains_key(seq);
        let all_known: Vec<_> = found.iter().filter(|(seq, _)| is_known(seq)).copied().collect();
        assert_eq!(all_known, known, "{text} up to {end}, {order:?}");
        let unknown = found.iter().filter(|(seq, _)| !is_known(seq));
        assert!(unknown.into_iter().all(|(_, number)| wants(*number)), "{text}");
    }

    /// Follows a query to the end of the log. Returns what it was told.
    fn follow(&self, text: &str) -> Vec<(u64, u64)> {
        let query = TailQuery::new(&parse_query(text).expect("a query")).expect("is followed");
        let (mut at, mut told) = (Seq(0), Vec::new());
        loop {
            // Before it reads: what is over then, it has read behind.
            let was_over = self.is_over.load(SeqCst);
            let piece = self.engine.tail_with(&query, at, &Control::default()).expect("read");
            told.extend(piece.events.iter().map(|event| (event.id.seq().0, number(event))));
            at = piece.through;
            if was_over && at == piece.visible {
                return told;
            }
        }
    }
}

fn number(event: &EventRecord) -> u64 {
    let text = event.get("n").expect("every event has one").text;
    std::str::from_utf8(text).expect("digits").parse().expect("a number")
}

#[test]
fn pages_and_tails_have_every_event_once_whatever_happens_meanwhile() {
    for_each_seed("--test paging", 4, |seed| {
        let world = World::new(seed);
        let dice = |of: u64| Dice::new(seed * 100 + of);
        let followed = ["", "level:error", "| extract \"event <x:int>\" | where x:>500"];
        let told: Vec<Vec<(u64, u64)>> = std::thread::scope(|scope| {
            let world = &world;
            let tails: Vec<_> =
                followed.iter().map(|text| scope.spawn(|| world.follow(text))).collect();
            let readers: Vec<_> = (0..2)
                .map(|of| {
                    scope.spawn(move || {
                        let mut dice = dice(10 + of);
                        while !world.is_over.load(SeqCst) {
                            world.page_through(&mut dice);
                        }
                        world.page_through(&mut dice);
                    })
                })
                .collect();
            let disturber = scope.spawn(move || world.disturb(&mut dice(20)));
            let producers: Vec<_> = (0..PRODUCERS as u64)
                .map(|of| {
                    scope.spawn(move || {
                        let mut dice = dice(of);
                        (0..BATCHES).for_each(|_| world.append(&mut dice));
                    })
                })
                .collect();
            let all_well = producers.into_iter().all(|producer| producer.join().is_ok());
            world.is_over.store(true, SeqCst);
            assert!(all_well, "producers append");
            disturber.join().expect("flushed and compacted");
            readers.into_iter().for_each(|reader| reader.join().expect("paged"));
            tails.into_iter().map(|tail| tail.join().expect("followed")).collect()
        });
        let log = world.log.lock().expect("not poisoned");
        let wants: [fn(u64) -> bool; 3] =
            [|_| true, |number| number.is_multiple_of(5), |number| number > 500];
        for ((text, told), wants) in followed.iter().zip(&told).zip(wants) {
            let in_log = log.iter().map(|(seq, (_, number))| (*seq, *number));
            let wanted: Vec<_> = in_log.filter(|(_, number)| wants(*number)).collect();
            assert!(wanted.len() > 100);
            assert_eq!(*told, wanted, "the tail of {text:?} is the log");
        }
        let status = world.engine.status();
        assert!(status.flushes > 1 && status.compactions > 0, "{status:?}");
    });
}
