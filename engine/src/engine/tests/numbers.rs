//! What is found out of sealed blocks and kept tells the same as looking at every row.

mod pages;
mod stretches;

use super::*;
use crate::query::{Aggregate, Function, StatsRequest, StatsRow};

/// Events of few sentences, with a value that is a number in some and a string in others, and in some
/// missing. Each is sent by one of three services, and one of them has no service.
fn batch_of(first: usize, count: usize) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for number in first..first + count {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 + number as i64 * 1_000_000_000);
        event.level = if number % 5 == 0 { Level::Error } else { Level::Info };
        let message = match number % 4 {
            0 => format!("connection {number} was refused"),
            1 => format!("user u{} came in", number % 13),
            2 => "nothing to say".to_owned(),
            _ => format!("{number} Refused"),
        };
        event.field("message", Kind::String, message.as_bytes());
        let kind = if number % 3 == 0 { Kind::Number } else { Kind::String };
        if number % 11 != 0 {
            event.field("code", kind, (number * number % 23).to_string().as_bytes());
        }
        // Of a block's values two thirds are distinct: too many to be listed.
        event.field("user", Kind::String, format!("u{:05}", number * 7 % 270).as_bytes());
        let took = format!("{}.{}", number * 37 % 2_003, number % 10);
        match number % 29 {
            0 => event.field("took", Kind::String, b"n/a"),
            1..4 => {}
            _ => event.field("took", Kind::Number, took.as_bytes()),
        }
        if number % 7 != 0 {
            event.field("service", Kind::String, ["pay", "web", "refused"][number % 3].as_bytes());
        }
        event.finish().expect("small");
    }
    builder.build()
}

fn count_by(query: &str, group_by: &str, top: Option<usize>) -> StatsRequest {
    StatsRequest {
        filter: parse(query).expect("a query"),
        range: TimeRange::default(),
        group_by: vec![group_by.into()],
        interval: None,
        aggregates: Vec::new(),
        top,
    }
}

fn check(engine: &Engine) {
    let queries = [
        "",
        "level:error",
        "refused",
        "message:refused",
        "\"to say\"",
        "u7",
        "level:info refused",
        "code:>5",
        "service:web",
        "message:/re.used/",
        "absent",
        "NOT refused",
        "5",
    ];
    for query in queries {
        for group_by in ["code", "service", "message", "user", "none"] {
            for top in [None, Some(1), Some(3), Some(100)] {
                let request = count_by(query, group_by, top);
                let ask = |prunes: bool| -> Vec<StatsRow> {
                    engine.set_pruning(prunes);
                    engine.stats(&request).expect("counted").rows
                };
                let wanted = ask(false);
                // The first time it is found out, the second time it is known.
                assert_eq!(ask(true), wanted, "{query} by {group_by}, {top:?}");
                assert_eq!(ask(true), wanted, "{query} by {group_by}, {top:?}");
            }
        }
    }
}

/// Figures out of what the numbers of blocks come to.
fn check_figures(engine: &Engine) {
    use Function::{Avg, Max, Min, Percentile, Sum};
    let of = |field: &str, functions: &[Function]| -> Vec<Aggregate> {
        let aggregate =
            |function: &Function| Aggregate { function: *function, field: field.into() };
        functions.iter().map(aggregate).collect()
    };
    let figures = [
        of("took", &[Percentile(950_000), Avg, Max]),
        of("took", &[Sum, Min, Percentile(0), Percentile(1_000_000)]),
        of("code", &[Avg]),
        [of("took", &[Max]), of("code", &[Max])].concat(),
        [of("took", &[Max]), of("took", &[Function::Uniq])].concat(),
        of("absent", &[Max]),
    ];
    let groups: [&[&str]; 5] = [&[], &["service"], &["user"], &["level"], &["service", "code"]];
    for query in ["", "took:*", "level:error", "refused"] {
        for (group_by, aggregates) in
            groups.iter().flat_map(|by| figures.iter().map(move |f| (by, f)))
        {
            for interval in [None, Some(150_000_000_000), Some(i64::MAX)] {
                let request = StatsRequest {
                    group_by: group_by.iter().map(|name| (*name).into()).collect(),
                    aggregates: aggregates.clone(),
                    interval,
                    ..count_by(query, "none", None)
                };
                let ask = |prunes: bool| -> Vec<StatsRow> {
                    engine.set_pruning(prunes);
                    engine.stats(&request).expect("measured").rows
                };
                let wanted = ask(false);
                let says = || format!("{query} by {group_by:?}, {aggregates:?}, {interval:?}");
                assert_eq!(ask(true), wanted, "{}", says());
                assert_eq!(ask(true), wanted, "{}", says());
            }
        }
    }
}

#[test]
fn what_is_known_of_sealed_blocks_tells_what_their_rows_tell() {
    for (scans_max, block_rows_max) in [(1, 150), (3, 400)] {
        let storage = MemoryStorage::new();
        let mut options = options(&storage);
        options.limits.scans_max = scans_max;
        options.limits.block_rows_max = block_rows_max;
        options.limits.block_bytes_max = 64 << 10;
        let engine = Engine::open(options).unwrap();
        let mut first = 0;
        for _ in 0..4 {
            for _ in 0..3 {
                engine.append(batch_of(first, 100)).unwrap();
                first += 100;
            }
            engine.flush().unwrap();
        }
        check(&engine);
        let services = engine.shared.cache.values().of_field("service");
        assert_eq!(services.known().len(), 3, "numbers were used");
        let users = engine.shared.cache.values().of_field("user");
        assert!(users.known().len() > 0, "numbers were used where no column lists values");
        // Also with events that have no numbers.
        engine.append(batch_of(first, 130)).unwrap();
        check(&engine);
        check_figures(&engine);
        engine.compact_now().unwrap();
        check(&engine);
        check_figures(&engine);
    }
}

/// There were more values than there may be groups: they are weighed, as if nothing were known.
#[test]
fn too_many_values_are_weighed_as_ever() {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.limits.groups_max = 9;
    let engine = Engine::open(options).unwrap();
    for first in (0..900).step_by(100) {
        engine.append(batch_of(first, 100)).unwrap();
    }
    engine.flush().unwrap();
    for top in [None, Some(2), Some(100)] {
        let request = count_by("", "code", top);
        let ask = |prunes: bool| {
            engine.set_pruning(prunes);
            let table = engine.stats(&request).expect("counted");
            (table.rows, table.other.map(|other| other.row), table.left_out_max)
        };
        let wanted = ask(false);
        assert_eq!(ask(true), wanted, "{top:?}");
        assert_eq!(ask(true), wanted, "{top:?}");
    }
}
