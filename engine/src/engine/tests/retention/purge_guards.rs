//! What keeps a purge from doing harm: confirmations, the clock, memory, damage.

use super::purge::{life, purge, rule, verified};
use super::*;
use crate::error::ErrorKind;
use crate::purge::PurgeRule;
use crate::scan::Cancel;

/// A hold that was released since would let go what nobody has counted as going.
#[test]
fn holds_that_have_changed_since_the_count_take_the_confirmation_back() {
    let life = life();
    let scope = HoldScope { class: Some("info".into()), ..HoldScope::default() };
    let request = HoldRequest { scope, owner: "ann".into(), reason: "case".into(), review: None };
    let hold = life.engine().hold(request).unwrap();
    let rule = rule("service:gone");
    for exact in [true, false] {
        let planned = life.engine().purge_plan(&rule, &Cancel::default()).unwrap();
        assert_eq!((planned.taken(true).events, planned.left(true).events), (0, 40));
        let mut counted = planned.counted();
        assert_eq!(counted.holds, [hold.id]);
        counted.holds.clear();
        let run = life.engine().purge(&rule, exact, planned.through, Some(&counted)).unwrap();
        assert_eq!((run, life.count("service:gone")), (None, 40));
    }
}

#[test]
fn a_clock_in_doubt_is_told() {
    let life = life();
    assert_eq!(life.engine().clock_doubt(), None);
    life.clock.set(at_day(400));
    assert!(life.engine().clock_doubt().unwrap().contains("jumped"));
}

/// Of a count nothing is kept but the count; a purge asks for what it has to remember.
#[test]
fn what_matches_takes_memory_of_the_pool() {
    let mut life = Life::new(&[]);
    let events: Vec<_> = (0..20_000)
        .map(|number| (at_day(0), Level::Info, if number % 2 == 0 { "gone" } else { "kept" }))
        .collect();
    events.chunks(1_000).for_each(|events| life.append(events));
    life.engine().flush().unwrap();
    life.engine = None;
    let mut options = life.options();
    options.limits.memory_bytes_max = options.limits.cache_bytes_max as usize + (2 << 20);
    let engine = Engine::open(options).unwrap();
    let mut taken = engine.shared.pool.reserve(crate::pool::Consumer::Query, 0).unwrap();
    while taken.grow(64 << 10).is_ok() {}
    taken.shrink_to(taken.bytes() - (512 << 10));
    let error = engine.purge_plan(&rule("service:gone"), &Cancel::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    drop(taken);
    assert_eq!(
        engine.purge_plan(&rule("service:gone"), &Cancel::default()).unwrap().matching(),
        10_000
    );
}

/// What a purge before left is held against its scar: a page that was changed since must not become what the
/// next purge found. And of a purge that fails no file is left.
#[test]
fn a_page_that_was_changed_after_a_purge_is_not_made_sound_by_the_next() {
    let mut life = life();
    purge(life.engine(), &rule("message:\"event number 3\""), true);
    verified(&life);
    let state = life.engine().shared.manifest().state().clone();
    assert_eq!(state.scars.len(), 2);
    let number = life.engine().checkpoint().unwrap().place().manifest;
    life.engine = None;
    let mut forged = state.clone();
    // Of the file that is written last.
    forged.scars.values_mut().last().unwrap().pages[0].after = Some([7; 32]);
    let edit = crate::manifest::Edit::Snapshot(forged);
    let bytes = crate::manifest::forge(state.store_uuid, number, [0; 32], &[edit]);
    life.storage.overwrite(&crate::names::manifest("store".as_ref(), number), bytes);
    life.open();
    let files = || life.storage.list("store/segments".as_ref()).unwrap();
    let before = files();
    let rule = rule("message:\"event number 5\"");
    let through = Seq(u64::MAX >> 1);
    let error = life.engine().purge(&rule, true, through, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(files(), before, "nothing is left of what was written");
    assert_eq!(life.count("\"event number 5\""), 2);
}

/// What an exact purge took is owed by the archive until somebody says that it was given up.
#[test]
fn an_exact_purge_is_remembered_until_the_archive_has_heard_of_it() {
    let mut life = life();
    purge(life.engine(), &PurgeRule { levels: vec![Level::Debug], ..PurgeRule::default() }, true);
    assert_eq!(life.engine().owes_erasure(), 0, "it took nothing");
    purge(life.engine(), &rule("message:\"event number 3\""), true);
    let first = life.engine().owes_erasure();
    assert_ne!(first, 0);
    purge(life.engine(), &rule("message:\"event number 4\""), true);
    life.engine().was_erased(first).unwrap();
    assert_ne!(life.engine().owes_erasure(), 0, "there was another since");
    life.storage = life.storage.power_cut();
    life.open();
    let owed = life.engine().owes_erasure();
    assert_ne!(owed, 0);
    life.engine().was_erased(owed).unwrap();
    assert_eq!(life.engine().owes_erasure(), 0);
    // Who is late with a word about a purge before says nothing of this one.
    purge(life.engine(), &rule("message:\"event number 6\""), true);
    life.engine().was_erased(owed).unwrap();
    let last = life.engine().owes_erasure();
    assert_ne!(last, 0);
    life.engine().was_erased(last).unwrap();
    life.open();
    assert_eq!(life.engine().owes_erasure(), 0);
}

fn at_day(day: i64) -> Timestamp {
    Timestamp(MIDNIGHT.0 + day * crate::timestamp::NS_PER_DAY + 1)
}
