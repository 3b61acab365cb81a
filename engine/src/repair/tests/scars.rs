//! Repairs of stores that lost events to an exact purge: those stay gone, and the rest is proven.

use super::*;
use crate::event::Seq;
use crate::purge::PurgeRule;

/// A store of which an exact purge took events out of segments, packs and level-0 files.
fn scarred() -> MemoryStorage {
    let storage = store();
    let engine = open(&storage);
    // Of every batch one event: so every file is touched.
    let query = "message:~\"event [0-9]*7 of\"".to_owned();
    let rule = PurgeRule { query: Some(query), ..PurgeRule::default() };
    let run = engine.purge(&rule, true, Seq(u64::MAX >> 1), None).expect("purged").expect("all");
    assert!(run.taken(true).events > 100, "{run:?}");
    engine.settle();
    append(&engine, 50_000..50_000 + BATCH);
    engine.close().expect("closed");
    storage
}

#[test]
fn a_sound_store_with_scars_needs_no_repair() {
    let storage = scarred();
    let before = events(&copy_of(&storage)).expect("sound");
    let outcome = check(&storage, &before, "nothing");
    assert!(outcome.done.damages.is_empty(), "{:?}", outcome.done.damages);
    assert_eq!(outcome.after, before);
}

/// What was purged does not come back, also when nothing of the manifest is left.
#[test]
fn a_damaged_manifest_with_scars_is_written_anew() {
    let storage = scarred();
    let before = events(&copy_of(&storage)).expect("sound");
    let [path] = &named(&storage, "MANIFEST")[..] else { panic!("one manifest") };
    let mut harms = harms(&storage, path, 8);
    harms.extend((4_096..used(&storage, path)).step_by(4_096).map(Harm::Flipped));
    for harm in harms {
        let what = format!("{harm:?}");
        let damaged = super::harm(&storage, path, harm);
        let outcome = check(&damaged, &before, &what);
        assert_eq!(outcome.after, before, "{what}");
        assert_eq!(faults(&damaged, None), [] as [&str; 0], "{what}");
    }
}

/// A damaged file costs what is damaged in it, and nothing else.
#[test]
fn a_damaged_file_with_scars_loses_what_is_damaged_only() {
    let storage = scarred();
    let before = events(&copy_of(&storage)).expect("sound");
    for path in [".seg", ".pack"].iter().flat_map(|kind| named(&storage, kind)) {
        for harm in [Harm::Flipped(used(&storage, &path) / 2), Harm::Removed] {
            let what = format!("{} {harm:?}", path.display());
            let damaged = super::harm(&storage, &path, harm);
            let outcome = check(&damaged, &before, &what);
            assert!(outcome.after.keys().all(|id| before.contains_key(id)), "{what}");
            assert!(!outcome.after.is_empty(), "{what}");
        }
    }
}
