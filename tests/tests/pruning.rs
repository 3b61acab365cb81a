//! An index only makes a query faster: with pruning switched off every answer is the same.

use logstrata_engine::query::SearchPage;
use logstrata_tests::dice::for_each_seed;
use logstrata_tests::model::by_name;
use logstrata_tests::workload;
use logstrata_tests::world::World;

const SEEDS: u64 = 4;
const QUERIES: usize = 40;

#[test]
fn pruning_changes_no_answer() {
    let pruned = std::sync::atomic::AtomicU64::new(0);
    for_each_seed("--test pruning", SEEDS, |seed| {
        let mut world = World::new(seed);
        for round in 0..10 {
            (0..5).for_each(|_| world.append_several());
            // Blocks in files, blocks in memory, and rows that are in none.
            if round % 3 == 1 {
                world.engine().flush().expect("flushed");
            }
        }
        for _ in 0..QUERIES {
            let blocks = check_search(&mut world);
            pruned.fetch_add(blocks, std::sync::atomic::Ordering::Relaxed);
            check_stats(&mut world);
        }
    });
    assert!(pruned.into_inner() > 0, "nothing was pruned: this test has seen nothing");
}

/// The blocks that were pruned.
fn check_search(world: &mut World) -> u64 {
    let request = workload::search(&mut world.dice, world.model.events());
    let search = |pruning| -> SearchPage {
        world.engine().set_pruning(pruning);
        world.engine().search(&request).expect("searched")
    };
    let (with, without) = (search(true), search(false));
    // Rows that become a block in between have their fields in another order there.
    let by_name = |page: SearchPage| -> Vec<_> { page.events.into_iter().map(by_name).collect() };
    assert_eq!(with.next_cursor, without.next_cursor, "{request:?}");
    let pruned = with.scanned.blocks_pruned;
    assert_eq!(by_name(with), by_name(without), "{request:?}");
    pruned
}

fn check_stats(world: &mut World) {
    let request = workload::stats(&mut world.dice, world.model.events());
    for pruning in [true, false] {
        world.engine().set_pruning(pruning);
        let table = world.engine().stats(&request).expect("computed");
        world.model.check_stats(&request, &table.rows);
    }
}
