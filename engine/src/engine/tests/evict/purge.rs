//! Purges of what is in the archive only.

use super::*;
use crate::event::Seq;
use crate::purge::PurgeRule;

/// A purge of what the archive has: read from there, written here; or, while it is away, not at all.
#[test]
fn an_exact_purge_reads_what_left_the_disk() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    let left = engine.evict_local(Some(Keep::days(0))).unwrap();
    assert!(left.files >= 1);
    let query = Some("\"event number 7 came\"".to_owned());
    let rule = PurgeRule { query, ..Default::default() };
    life.shelf.is_away.store(true, Ordering::Relaxed);
    drop(engine);
    let engine = life.open();
    // Files of the log are made ahead meanwhile.
    let stored = || {
        let files = life.storage.list("store/segments".as_ref()).unwrap();
        (files, engine.shared.manifest().state().clone())
    };
    let before = stored();
    let through = Seq(u64::MAX >> 1);
    assert_eq!(engine.purge_plan(&rule, &Cancel::default()).unwrap_err().kind(), ErrorKind::Away);
    assert_eq!(engine.purge(&rule, true, through, None).unwrap_err().kind(), ErrorKind::Away);
    assert_eq!(stored(), before);
    life.shelf.is_away.store(false, Ordering::Relaxed);
    let planned = engine.purge_plan(&rule, &Cancel::default()).unwrap();
    assert_eq!(planned.taken(true).events, 1);
    let run = engine.purge(&rule, true, through, Some(&planned.counted())).unwrap().unwrap();
    assert_eq!(run.taken(true), planned.taken(true));
    let rest: Vec<usize> = all().into_iter().filter(|number| *number != 7).collect();
    assert_eq!(found(&engine, ""), rest);
    assert_eq!(engine.status().archive_files, left.files - 1, "the rest of it is here now");
    engine.settle();
    drop(engine);
    assert_eq!(life.verified(), (0, left.files - 1));
    assert_eq!(found(&life.open(), ""), rest);
}

/// Nothing has to be read of sections that go whole.
#[test]
fn a_purge_of_whole_sections_needs_no_archive() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    engine.evict_local(Some(Keep::days(0))).unwrap();
    life.shelf.is_away.store(true, Ordering::Relaxed);
    let before = Some(Timestamp(NOON.0 + 86_400_000_000_000 / 2));
    let rule = PurgeRule { before, ..Default::default() };
    let planned = engine.purge_plan(&rule, &Cancel::default()).unwrap();
    assert_eq!(planned.taken(false).events, EACH as u64);
    engine.purge(&rule, false, planned.through, Some(&planned.counted())).unwrap().unwrap();
    life.shelf.is_away.store(false, Ordering::Relaxed);
    assert_eq!(found(&engine, ""), all()[..(DAYS - 1) * EACH]);
}

/// A purge over what is in the archive could not be ended: a server that was told to stop waited for it without
/// limit.
#[test]
fn a_purge_ends_within_a_block_when_the_store_is_closed() {
    let (life, engine) = Life::new();
    life.archive(&engine);
    engine.evict_local(Some(Keep::days(0))).unwrap();
    drop(engine);
    let query = Some("\"event number 7 came\"".to_owned());
    let rule = PurgeRule { query, ..Default::default() };
    let through = Seq(u64::MAX >> 1);
    let (mut step, mut given_up) = (0, [0, 0]);
    loop {
        let engine = life.open();
        let stored = || {
            let files = life.storage.list("store/segments".as_ref()).unwrap();
            (files, engine.shared.manifest().state().files.clone())
        };
        engine.settle();
        let before = stored();
        let is_plan = step % 2 == 0;
        life.shelf.reads.store(0, Ordering::Relaxed);
        life.shelf.stops_at.store(step / 2, Ordering::Relaxed);
        *life.shelf.stops.lock() = Some(engine.shared.retention.cancel.clone());
        let done = match is_plan {
            true => engine.purge_plan(&rule, &Cancel::default()).map(drop),
            false => engine.purge(&rule, true, through, None).map(drop),
        };
        *life.shelf.stops.lock() = None;
        let was_told = life.shelf.reads.load(Ordering::Relaxed) > step / 2;
        match done {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Closed, "{step}: {error}");
                assert!(was_told && stored() == before, "{step}");
                given_up[usize::from(is_plan)] += 1;
            }
            Ok(()) if !is_plan => break,
            Ok(()) => assert!(!was_told, "{step}: it went on to its end"),
        }
        step += 1;
    }
    assert!(
        given_up[0] > given_up[1] && given_up[1] > 1,
        "also while files are written: {given_up:?}"
    );
    // Nobody is left who waits for it.
    let engine = life.open();
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(engine.purge_plan(&rule, &cancel).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(engine.purge_plan(&rule, &Cancel::default()).unwrap().taken(true).events, 0);
}
