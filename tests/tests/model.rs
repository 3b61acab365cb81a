//! The engine against a `Vec` that is searched from end to end, under random workloads: batches,
//! batches with keys that are sent again, flushes, compactions, reopenings, power cuts, a clock that
//! jumps, searches, pages, tables, lookups by id.

use logstrata_engine::query::{EventRecord, SearchRequest};
use logstrata_engine::{EventId, Seq};
use logstrata_tests::dice::for_each_seed;
use logstrata_tests::model::by_name;
use logstrata_tests::workload;
use logstrata_tests::world::World;

const SEEDS: u64 = 40;
const STEPS: usize = 80;

#[test]
fn model() {
    for_each_seed("--test model", SEEDS, |seed| {
        let mut world = World::new(seed);
        let mut pages = Vec::new();
        for step in 0..STEPS {
            let says = SaysStep(step);
            run_step(&mut world, &mut pages);
            drop(says);
        }
        world.check_all();
    });
}

fn run_step(world: &mut World, pages: &mut Vec<Paging>) {
    match world.dice.weighted(&[25, 8, 5, 5, 3, 3, 3, 20, 5, 15, 10, 5, 4, 4]) {
        0 => world.append(),
        1 => world.append_several(),
        2 => world.clock(),
        3 => world.engine().flush().expect("flushed"),
        4 => world.reopen(),
        5 => world.power_cut(),
        6 => world.power_cut_in_flight(),
        7 => {
            let mut paging = Paging::begin(world);
            paging.next(world);
        }
        8 => pages.push(Paging::begin(world)),
        9 => {
            pages.iter_mut().for_each(|paging| paging.next(world));
            pages.retain(|paging| !paging.done);
        }
        10 => stats(world),
        11 => get(world),
        12 => world.check_keys(),
        _ => world.engine().compact_now().expect("compacted"),
    }
}

/// A search in pages: all of them are of the store as it was at the first.
struct Paging {
    request: SearchRequest,
    expected: Vec<EventRecord>,
    seen: usize,
    first: bool,
    done: bool,
}

impl Paging {
    fn begin(world: &mut World) -> Self {
        let request = workload::search(&mut world.dice, world.model.events());
        Self { request, expected: Vec::new(), seen: 0, first: true, done: false }
    }

    fn next(&mut self, world: &World) {
        let request = &mut self.request;
        if std::mem::take(&mut self.first) {
            let as_of = world.model.last_seq();
            let found = world.model.search(&request.filter, request.range, request.order, as_of);
            self.expected = found.into_iter().cloned().collect();
        }
        let page = world.engine().search(request).expect("searched");
        let end = (self.seen + request.limit).min(self.expected.len());
        let expected = &self.expected[self.seen..end];
        let events: Vec<_> = page.events.into_iter().map(by_name).collect();
        let ids = |events: &[EventRecord]| -> Vec<_> { events.iter().map(|e| e.id).collect() };
        assert_eq!(ids(&events), ids(expected), "the events that {request:?} finds");
        assert_eq!(events, expected, "the contents of what {request:?} finds");
        self.seen = end;
        self.done = end == self.expected.len();
        assert_eq!(page.next_cursor.is_none(), self.done, "{request:?} has a page more");
        request.cursor = page.next_cursor;
    }
}

fn stats(world: &mut World) {
    let request = workload::stats(&mut world.dice, world.model.events());
    let table = world.engine().stats(&request).expect("computed");
    let says = SaysRequest(&request);
    world.model.check_stats(&request, &table.rows);
    drop(says);
}

fn get(world: &mut World) {
    let engine_get = |world: &World, id| world.engine().get(id).expect("looked up").map(by_name);
    if !world.model.events().is_empty() {
        let event = &world.model.events()[world.dice.below(world.model.events().len())];
        assert_eq!(engine_get(world, event.id).as_ref(), Some(event));
        let id = event.id;
        for other in [
            EventId::new(event.timestamp, id.incarnation() ^ 1, id.seq()),
            EventId::new(event.timestamp, id.incarnation(), Seq(u64::MAX)),
            // Of the millisecond before or after.
            EventId(id.0 ^ 1 << 80),
        ] {
            assert_eq!(engine_get(world, other), None, "{other} is not {id}");
        }
    }
    let id = EventId(u128::from(world.dice.roll()) << 64 | u128::from(world.dice.roll()));
    assert_eq!(engine_get(world, id).as_ref(), world.model.get(id));
}

/// Tells the step if it is dropped by a panic.
struct SaysStep(usize);

impl Drop for SaysStep {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in step {}", self.0);
        }
    }
}

/// Tells the request if it is dropped by a panic.
struct SaysRequest<'a>(&'a logstrata_engine::query::StatsRequest);

impl Drop for SaysRequest<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}
