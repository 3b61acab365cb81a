//! How many keys are remembered, and what they take.

use super::super::table::{Range, Table};
use super::*;

/// Those made of bodies had the same bound, and pushed out those that senders gave.
#[test]
fn keys_made_of_bodies_push_out_their_own_kind_only() {
    let world = World::new();
    let engine = world.open();
    let ids = send(&engine, "sent", "one");
    let of_body = |n: usize| BatchKey::of_body("default", body(&n.to_string()));
    let claim_body = |n| engine.claim(of_body(n), body(&n.to_string()), || {});
    for n in 0..world.limits.keys_max + 1 {
        let Claim::New(ticket) = claim_body(n) else { panic!("new") };
        store(&engine, ticket, "x").expect("stored");
    }
    assert_eq!(send(&engine, "sent", "one"), ids);
    assert_eq!(engine.status().keys, 1 + world.limits.body_keys_max as u64);
    assert!(matches!(claim_body(world.limits.keys_max), Claim::Stored(_)));
    assert!(matches!(claim_body(0), Claim::New(_)));
}

/// Answers were bounded each, but not together, and the pool knew nothing of the table.
#[test]
fn the_memory_of_keys_is_bounded_and_accounted() {
    let mut world = World::new();
    world.limits.keys_max = 1_000;
    let engine = world.open();
    let long = "x".repeat(ANSWER_BYTES_MAX);
    let fit = world.limits.key_answer_bytes_max / ANSWER_BYTES_MAX;
    for n in 0..fit + 3 {
        let Claim::New(ticket) = claim(&engine, &format!("k{n}"), "one") else { panic!("new") };
        store(&engine, ticket.with_answer(long.as_bytes()), "one").expect("stored");
    }
    let status = engine.status();
    assert_eq!(status.keys, fit as u64);
    assert!(matches!(claim(&engine, "k2", "one"), Claim::New(_)));
    assert!(matches!(claim(&engine, "k3", "one"), Claim::Stored(_)));
    engine.flush().expect("flushed");
    let status = engine.status();
    assert!(status.key_bytes > (fit * ANSWER_BYTES_MAX) as u64);
    assert_eq!(status.pool.ingest, status.key_bytes + status.memtable_bytes);
    world.clock.advance(DAY);
    assert!(send(&engine, "new", "one").0 > EventId(0));
    assert!(engine.status().key_bytes < status.key_bytes, "what is forgotten is given back");
}

/// What a million keys take is in proportion to the memory of the store.
#[test]
fn keys_take_their_part_of_the_memory() {
    for bytes in [64 << 20, 1 << 30] {
        let bounds = Limits::for_memory(bytes).key_bounds();
        let most_of = |keys: usize| {
            // Queue and map grow by doubling; a place of the map has 21 bytes.
            keys.next_power_of_two() * Table::SLOT_BYTES + (keys * 8 / 7).next_power_of_two() * 21
        };
        let most = most_of(bounds.keys_max) + most_of(bounds.body_keys_max);
        let most = most + 2 * bounds.answer_bytes_max;
        assert!(most < bytes / 5, "{most} of {bytes}");
    }
    assert_eq!(Limits::default().keys_max, 1_000_000);
}

#[test]
fn the_oldest_go_beyond_the_number() {
    let world = World::new();
    let engine = world.open();
    for n in 0..world.limits.keys_max + 3 {
        send(&engine, &format!("k{n}"), "one");
    }
    assert_eq!(engine.status().keys, world.limits.keys_max as u64);
    assert!(matches!(claim(&engine, "k2", "one"), Claim::New(_)));
    assert!(matches!(claim(&engine, "k3", "one"), Claim::Stored(_)));
}

proptest! {
    /// Against a list that is searched from its end.
    #[test]
    fn the_table_is_two_bounded_maps(
        steps in prop::collection::vec(
            (0u8..12, any::<bool>(), 0usize..20, prop_oneof![0i64..60_000, 0i64..20_000_000]),
            1..200,
        ),
    ) {
        const BOUNDS: Bounds = Bounds { keys_max: 8, body_keys_max: 5, answer_bytes_max: 60 };
        let mut table = Table::new(BOUNDS);
        let mut lists: [Vec<Entry>; 2] = Default::default();
        let mut all = Range::default();
        let mut now = START.millis();
        for (seq, (name, is_body, answer, step)) in steps.into_iter().enumerate() {
            now += step;
            let origin = if is_body { Origin::Body } else { Origin::Sent };
            let key = BatchKey { origin, ..key(&name.to_string()) };
            let is_over = |e: &Entry| e.claim.arrival_ms + origin.window_ms() <= now;
            let list = &mut lists[usize::from(is_body)];
            let expected = list.iter().rev().find(|e| e.claim.key == key).filter(|e| !is_over(e));
            prop_assert_eq!(table.get(&key, now), expected.cloned());
            let id = |seq| EventId::new(START, 1, Seq(seq));
            let answer = vec![7; answer].into();
            let claim = ClaimRecord { key, body: body("x"), arrival_ms: now, answer };
            let (first, last) = (id(seq as u64 * 3), id(seq as u64 * 3 + 2));
            let entry = Entry { claim, first, last, count: 3 };
            table.push(entry.clone(), now);
            list.push(entry);
            for (list, max) in lists.iter_mut().zip([BOUNDS.keys_max, BOUNDS.body_keys_max]) {
                let answers = |list: &[Entry]| list.iter().map(|e| e.claim.answer.len()).sum::<usize>();
                while list.len() > max
                    || answers(list) > BOUNDS.answer_bytes_max
                    || list.first().is_some_and(|e| {
                        e.claim.arrival_ms + e.claim.key.origin.window_ms() <= now
                    })
                {
                    list.remove(0);
                }
            }
            prop_assert_eq!(table.len(), lists[0].len() + lists[1].len());
            all.to = table.end();
            let (mut left, mut taken) = (all, Vec::new());
            loop {
                let some = table.take(&mut left, 3);
                prop_assert!(some.len() <= 3);
                if some.is_empty() {
                    break;
                }
                taken.extend(some);
            }
            prop_assert_eq!(taken, lists.concat());
            prop_assert_eq!(table.has_forgotten(all.to), lists.concat().is_empty());
        }
    }
}
