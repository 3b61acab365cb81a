//! Every stage and every operator of the language, and all that is told around events, held against a
//! list of events that is looked at from end to end: in memory, in level-0 files, in segments and in
//! segments of segments, with an index and without.

use logstrata_engine::query::ast::{Filter, Query, StageKind, Test};
use logstrata_engine::query::{
    Answer, ContextRequest, EventRecord, FacetsRequest, HistogramRequest, Order, PatternsRequest,
    QueryRequest, SearchRequest, TailQuery, TimeRange, parse, parse_query,
};
use logstrata_engine::{Control, Engine, EventId, Seq};
use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::model::{Expected, by_name};
use logstrata_tests::workload::{self, followed_text, time_range};
use logstrata_tests::world::World;
use std::collections::BTreeMap;
use std::sync::Mutex;

const SEEDS: u64 = 16;
const STEPS: usize = 90;
/// Pages of a query that are looked at.
const PAGES_MAX: usize = 12;

/// What was asked, by kind, and how often something was found.
type Seen = Mutex<BTreeMap<String, (u64, u64)>>;

/// A way to ask.
type Ask = fn(&mut World, &Seen);

const ASKS: [(&str, usize, Ask); 8] = [
    ("query", 40, query),
    ("export", 8, export),
    ("tail", 10, tail),
    ("facets", 12, facets),
    ("histogram", 8, histogram),
    ("context", 8, context),
    ("spans", 6, spans),
    ("patterns", 8, patterns),
];

#[test]
fn every_answer_is_that_of_a_list() {
    let seen = Seen::default();
    for_each_seed("--test language", SEEDS, |seed| {
        let mut world = World::new(seed);
        for step in 0..STEPS {
            let says = Says(format!("in step {step}"));
            match world.dice.weighted(&[22, 5, 5, 4, 2, 60]) {
                0 => world.append(),
                1 => world.append_several(),
                2 => world.engine().flush().expect("flushed"),
                3 => world.engine().compact_now().expect("compacted"),
                4 => world.reopen(),
                _ => {
                    let (name, _, ask) =
                        ASKS[world.dice.weighted(&ASKS.map(|(_, often, _)| often))];
                    let says = Says(name.to_owned());
                    ask(&mut world, &seen);
                    drop(says);
                }
            }
            drop(says);
        }
    });
    check_seen(seen.into_inner().expect("not poisoned"));
}

/// Every production of the grammar was there, and found something.
fn check_seen(seen: BTreeMap<String, (u64, u64)>) {
    let wanted = [
        "all",
        "and",
        "or",
        "not",
        "text",
        "text in a field",
        "same",
        "wildcard",
        "wildcard in a field",
        "range",
        "half-open range",
        "network",
        "exists",
        "regex",
        "where",
        "extract",
        "stats",
        "top",
        "uniq",
        "sort",
        "fields",
        "limit",
        "facets",
        "histogram",
        "context",
        "spans",
        "patterns",
        "tail",
        "export",
    ];
    for name in wanted {
        let (asked, found) = seen.get(name).copied().unwrap_or_default();
        println!("{name}: asked {asked} times, found something {found} times");
        let is_one_seed = std::env::var_os("LOGSTRATA_SEED").is_some();
        assert!(found >= 5 || is_one_seed, "{name}: {found} of {asked} found something");
    }
}

fn note(seen: &Seen, name: &str, found: bool) {
    let mut seen = seen.lock().expect("not poisoned");
    let (asked, successes) = seen.entry(name.to_owned()).or_default();
    *asked += 1;
    *successes += u64::from(found);
}

fn note_filter(seen: &Seen, filter: &Filter, found: bool) {
    match filter {
        Filter::All => note(seen, "all", found),
        Filter::And(parts) | Filter::Or(parts) => {
            let is_and = matches!(filter, Filter::And(_));
            note(seen, if is_and { "and" } else { "or" }, found);
            parts.iter().for_each(|part| note_filter(seen, part, found));
        }
        Filter::Not(inner) => {
            note(seen, "not", found);
            note_filter(seen, inner, found);
        }
        Filter::Leaf(leaf) => {
            let name = match (&leaf.test, &leaf.field) {
                (Test::Text(_), None) => "text",
                (Test::Text(_), Some(_)) => "text in a field",
                (Test::Same(_), _) => "same",
                (Test::Wildcard(_), None) => "wildcard",
                (Test::Wildcard(_), Some(_)) => "wildcard in a field",
                (Test::Range(range), _) if range.lower.is_some() && range.upper.is_some() => {
                    "range"
                }
                (Test::Range(_), _) => "half-open range",
                (Test::Network(..), _) => "network",
                (Test::Exists, _) => "exists",
                (Test::Regex(_), _) => "regex",
            };
            note(seen, name, found);
        }
    }
}

fn note_query(seen: &Seen, query: &Query, found: bool) {
    note_filter(seen, &query.filter, found);
    for stage in &query.stages {
        let name = match &stage.kind {
            StageKind::Where(filter) => {
                note_filter(seen, filter, found);
                "where"
            }
            StageKind::Extract(_) => "extract",
            StageKind::Stats { .. } => "stats",
            StageKind::Top { .. } => "top",
            StageKind::Uniq(_) => "uniq",
            StageKind::Sort(_) => "sort",
            StageKind::Fields(_) => "fields",
            StageKind::Limit(_) => "limit",
        };
        note(seen, name, found);
    }
}

/// Does it with an index and without.
fn in_both_ways(world: &World, mut ask: impl FnMut(&Engine)) {
    for pruning in [true, false] {
        let says = Says(format!("pruning {pruning}"));
        world.engine().set_pruning(pruning);
        ask(world.engine());
        drop(says);
    }
    world.engine().set_pruning(true);
}

fn expected(world: &World, request: &QueryRequest) -> Expected {
    let as_of = world.model.last_seq();
    world.model.run(&request.query, request.range, request.order, as_of)
}

fn query(world: &mut World, seen: &Seen) {
    let request = workload::query(&mut world.dice, world.model.events());
    let says = Says(format!("{request:?}"));
    let expected = expected(world, &request);
    let found = match &expected {
        Expected::Events(events, _) => !events.is_empty(),
        Expected::Rows(rows) => rows.count() > 0,
    };
    note_query(seen, &request.query, found);
    in_both_ways(world, |engine| match &expected {
        Expected::Rows(rows) => {
            let answer = engine.query_with(&request, &Control::default()).expect("answered");
            let Answer::Rows(answer) = answer else { panic!("{answer:?} is no table") };
            rows.check(&answer.columns, &answer.rows);
        }
        Expected::Events(events, fields) => check_pages(engine, &request, events, fields.as_ref()),
    });
    drop(says);
}

/// All pages together are these events. What is sorted has one page.
fn check_pages(
    engine: &Engine,
    request: &QueryRequest,
    expected: &[EventRecord],
    fields: Option<&Vec<String>>,
) {
    let is_sorted = request.query.stages.iter().any(|s| matches!(s.kind, StageKind::Sort(_)));
    let stages = request.query.stages.iter().filter_map(|stage| match stage.kind {
        StageKind::Limit(limit) => Some(limit),
        _ => None,
    });
    let page_max = stages.chain(request.limit).min().unwrap_or(100);
    let mut request = request.clone();
    let mut left = expected;
    for page in 0..PAGES_MAX {
        let says = Says(format!("page {page}"));
        let answer = engine.query_with(&request, &Control::default()).expect("answered");
        let Answer::Events { page, fields: shown } = answer else { panic!("{answer:?}: rows") };
        assert_eq!(shown.as_ref(), fields);
        let (wanted, others) = left.split_at(left.len().min(page_max));
        check_events(page.events, wanted);
        left = if is_sorted { &[] } else { others };
        assert_eq!(page.next_cursor.is_none(), left.is_empty(), "{} are left", left.len());
        request.cursor = page.next_cursor;
        drop(says);
        if left.is_empty() {
            return;
        }
    }
}

fn check_events(found: Vec<EventRecord>, wanted: &[EventRecord]) {
    let ids = |events: &[EventRecord]| -> Vec<_> { events.iter().map(|event| event.id).collect() };
    let found: Vec<_> = found.into_iter().map(by_name).collect();
    assert_eq!(ids(&found), ids(wanted));
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(found, wanted);
    }
}

fn export(world: &mut World, seen: &Seen) {
    let request = workload::query(&mut world.dice, world.model.events());
    let request = QueryRequest { limit: None, ..request };
    let says = Says(format!("{request:?}"));
    let expected = expected(world, &request);
    in_both_ways(world, |engine| {
        let mut export = match engine.export(&request) {
            Ok(export) => export,
            Err(error) => return assert!(error.to_string().contains("| limit"), "{error}"),
        };
        let mut events = Vec::new();
        while let Some(answer) =
            engine.export_page(&mut export, &Control::default()).expect("a page")
        {
            match (answer, &expected) {
                (Answer::Events { page, .. }, _) => events.extend(page.events),
                (Answer::Rows(answer), Expected::Rows(rows)) => {
                    rows.check(&answer.columns, &answer.rows);
                }
                (answer, _) => panic!("{answer:?}"),
            }
        }
        note(seen, "export", !events.is_empty());
        if let Expected::Events(wanted, _) = &expected {
            check_events(events, wanted);
        }
    });
    drop(says);
}

fn tail(world: &mut World, seen: &Seen) {
    let text = followed_text(&mut world.dice, world.model.events());
    let query = parse_query(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let last = world.model.last_seq();
    let after = Seq(if last == 0 { 0 } else { world.dice.below(last as usize) as u64 });
    let says = Says(format!("{text:?} behind {after:?}"));
    let everything = world.model.run(&query, TimeRange::default(), Order::Arrival, last);
    let Expected::Events(mut wanted, _) = everything else { panic!("{text}: rows") };
    wanted.retain(|event| event.id.seq() > after);
    note(seen, "tail", !wanted.is_empty());
    let query = TailQuery::new(&query).expect("can be followed");
    in_both_ways(world, |engine| {
        let (mut at, mut events) = (after, Vec::new());
        let control = Control::default();
        loop {
            let piece = engine.tail_with(&query, at, &control).expect("read");
            events.extend(piece.events);
            at = piece.through;
            if at >= piece.visible {
                break;
            }
        }
        check_events(events, &wanted);
        let count = engine.tail_count_with(&query, after, at, &control).expect("counted");
        assert_eq!(count, wanted.len() as u64);
    });
    drop(says);
}

/// A filter that finds many events, as a rule.
fn filter(dice: &mut Dice, events: &[EventRecord]) -> Filter {
    match dice.chance(50) {
        true => Filter::All,
        false => {
            let text = workload::filter_text(dice, events);
            parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
        }
    }
}

/// The name of a field that some event has.
fn name(dice: &mut Dice, events: &[EventRecord]) -> String {
    if events.is_empty() || dice.chance(20) {
        return dice.pick(&["level", "id", "nowhere", "service"]).to_owned();
    }
    let fields = &events[dice.below(events.len())].fields;
    let name = logstrata_engine::field::display_name(&fields[dice.below(fields.len())].name);
    name.into_owned()
}

fn facets(world: &mut World, seen: &Seen) {
    let (dice, events) = (&mut world.dice, world.model.events());
    let fields =
        dice.chance(40).then(|| (0..dice.within(1..5)).map(|_| name(dice, events)).collect());
    let name_prefix = match fields.is_none() && dice.chance(30) {
        true => name(dice, events).chars().take(dice.below(4)).collect(),
        false => String::new(),
    };
    let value_prefix = dice.pick(&["", "", "", "5", "E", "grö", "1"]).to_owned();
    let request = FacetsRequest {
        steps: Vec::new(),
        filter: filter(dice, events),
        range: time_range(dice, events),
        fields,
        name_prefix,
        value_prefix,
        values: [0, 1, 10, 1_000][dice.below(4)],
    };
    let says = Says(format!("{request:?}"));
    in_both_ways(world, |engine| {
        let found = engine.facets_with(&request, &Control::default()).expect("counted");
        let is_whole = world.model.check_facets(&request, &found);
        note(seen, "facets", is_whole && !found.fields.is_empty());
    });
    drop(says);
}

fn histogram(world: &mut World, seen: &Seen) {
    const SECOND: i64 = 1_000_000_000;
    let (dice, events) = (&mut world.dice, world.model.events());
    let request = HistogramRequest {
        steps: Vec::new(),
        filter: filter(dice, events),
        range: time_range(dice, events),
        interval: dice.chance(50).then(|| [SECOND, 60 * SECOND, 3_600 * SECOND, 7][dice.below(4)]),
        buckets: [1, 10, 60, 1_000][dice.below(4)],
    };
    let says = Says(format!("{request:?}"));
    in_both_ways(world, |engine| {
        let found = engine.histogram_with(&request, &Control::default());
        note(seen, "histogram", found.as_ref().is_ok_and(|found| found.buckets.len() > 1));
        world.model.check_histogram(&request, found.map_err(|error| error.to_string()));
    });
    drop(says);
}

fn context(world: &mut World, seen: &Seen) {
    let (dice, events) = (&mut world.dice, world.model.events());
    let id = match events.is_empty() || dice.chance(5) {
        true => EventId(7),
        false => events[dice.below(events.len())].id,
    };
    let same = (0..dice.weighted(&[40, 40, 20])).map(|_| name(dice, events)).collect();
    let (before, after) = (dice.below(30), dice.below(30));
    let request = ContextRequest { id, before, after, same };
    let says = Says(format!("{request:?}"));
    in_both_ways(world, |engine| {
        let found = engine.context_with(&request, &Control::default());
        let neighbours = found.as_ref().ok().and_then(Option::as_ref);
        note(seen, "context", neighbours.is_some_and(|n| n.before.len() + n.after.len() > 0));
        world.model.check_context(&request, found.map_err(|error| error.to_string()));
    });
    drop(says);
}

fn spans(world: &mut World, seen: &Seen) {
    let (dice, events) = (&mut world.dice, world.model.events());
    let query = match dice.chance(60) {
        true => "trace_id:* OR span_id:*".to_owned(),
        false => workload::filter_text(dice, events),
    };
    let filter = parse(&query).expect("a query");
    let (range, order, limit) = (time_range(dice, events), Order::OldestFirst, 20);
    let request = SearchRequest { query, filter, range, limit, order, cursor: None };
    let says = Says(format!("{request:?}"));
    in_both_ways(world, |engine| {
        let found = engine.trace_with(&request, &Control::default()).expect("read");
        let spans = found.spans.expect("are told with the first page");
        note(seen, "spans", !spans.spans.is_empty());
        let is_cut = found.page.warnings.iter().any(|warning| warning.contains("not all"));
        if !is_cut {
            world.model.check_spans(&request, &spans);
        }
    });
    drop(says);
}

fn patterns(world: &mut World, seen: &Seen) {
    let (dice, events) = (&mut world.dice, world.model.events());
    let request = PatternsRequest {
        steps: Vec::new(),
        filter: filter(dice, events),
        range: time_range(dice, events),
        compare: None,
        limit: [0, 3, 1_000][dice.below(3)],
    };
    let says = Says(format!("{request:?}"));
    let mut before = None;
    in_both_ways(world, |engine| {
        let found = engine.patterns_with(&request, &Control::default()).expect("counted");
        note(seen, "patterns", found.patterns.len() > 1);
        world.model.check_patterns(&request, &found);
        let told = (found.patterns, found.other);
        assert_eq!(*before.get_or_insert_with(|| told.clone()), told, "the same in both ways");
    });
    drop(says);
}

/// Says it if it is dropped by a panic.
struct Says(String);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
