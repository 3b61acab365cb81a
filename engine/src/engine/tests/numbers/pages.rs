//! Pages of events: what was decoded for others before gives the same rows.

use super::*;

/// Every event of a query, page after page.
fn pages(engine: &Engine, request: &SearchRequest) -> Vec<EventRecord> {
    let mut request = request.clone();
    let mut events = Vec::new();
    loop {
        let page = engine.search(&request).expect("a page");
        events.extend(page.events);
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return events,
        }
    }
}

/// Blocks of which something decoded is kept.
fn kept(engine: &Engine) -> usize {
    let shared = &engine.shared;
    let mut kept = 0;
    for live in shared.snapshot().files.iter() {
        for section in live.file.sections(&shared.cache).expect("sound").iter() {
            let keys = section.blocks.iter().map(|block| live.file.key(block.offset));
            kept += keys.filter(|key| shared.cache.decoded(*key).is_some()).count();
        }
    }
    kept
}

fn check(engine: &Engine) {
    let all = TimeRange::default();
    let at = |second: i64| Some(Timestamp(NOON.0 + second * 1_000_000_000));
    let within = TimeRange { from: at(77), to: at(777) };
    let queries =
        ["", "level:error", "refused", "u7", "level:info service:web", "code:>5", "absent"];
    for query in queries {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            for (range, limit) in [(all, 1_000), (all, 60), (within, 90)] {
                let filter = parse(query).expect("a query");
                let asked = SearchRequest { filter, order, range, ..request(query, limit) };
                let ask = |prunes: bool| {
                    engine.set_pruning(prunes);
                    pages(engine, &asked)
                };
                let wanted = ask(false);
                assert_eq!(ask(true), wanted, "{query} {order:?} {range:?} {limit}");
                assert_eq!(ask(true), wanted, "{query} {order:?} {range:?} {limit}");
            }
        }
    }
    engine.set_pruning(true);
}

#[test]
fn pages_of_decoded_blocks_are_those_of_their_files() {
    // Where no block has room, none is kept.
    for (cache_bytes_max, keeps) in [(64 << 20, true), (32 << 10, false)] {
        let storage = MemoryStorage::new();
        let mut options = options(&storage);
        options.limits.block_rows_max = 400;
        options.limits.block_bytes_max = 64 << 10;
        options.limits.cache_bytes_max = cache_bytes_max;
        let engine = Engine::open(options).unwrap();
        for first in (0..900).step_by(300) {
            for first in (first..first + 300).step_by(100) {
                engine.append(batch_of(first, 100)).unwrap();
            }
            engine.flush().unwrap();
        }
        check(&engine);
        assert_eq!(kept(&engine) > 0, keeps);
        engine.append(batch_of(900, 130)).unwrap();
        engine.compact_now().unwrap();
        check(&engine);
        assert_eq!(kept(&engine) > 0, keeps);
    }
}
