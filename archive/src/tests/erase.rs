//! Purges of a store that is archived: the object store has nothing of what went.

use super::faulty::When;
use super::*;
use futures_util::StreamExt;
use logstrata_engine::{PurgeRule, Seq};
use object_store::{ObjectMeta, ObjectStore};
use std::collections::BTreeSet;

/// Takes one event out of the store.
fn purge(machine: &Machine, number: usize) {
    let query = Some(format!("\"event {number} came\""));
    let rule = PurgeRule { query, ..PurgeRule::default() };
    let run = machine.engine.purge(&rule, true, Seq(u64::MAX >> 1), None).unwrap().unwrap();
    assert_eq!(run.taken(true).events, 1);
}

/// The hashes that objects of files are named by.
async fn objects(store: &FaultyStore, machine: &Machine) -> BTreeSet<String> {
    let uuid = crate::catalog::folder_of(&machine.engine.store_uuid());
    let folder = object_store::path::Path::from(format!("{uuid}/seg"));
    let listed: Vec<_> = store.list(Some(&folder)).collect().await;
    listed.into_iter().map(|meta| meta.unwrap().location.filename().unwrap().to_owned()).collect()
}

/// The numbers of the catalog's objects.
async fn catalog_numbers(store: &FaultyStore, machine: &Machine) -> Vec<u64> {
    let uuid = crate::catalog::folder_of(&machine.engine.store_uuid());
    let folder = object_store::path::Path::from(format!("{uuid}/cat"));
    let listed: Vec<_> = store.list(Some(&folder)).collect().await;
    let number = |meta: ObjectMeta| meta.location.filename().unwrap().parse().unwrap();
    let mut numbers: Vec<u64> = listed.into_iter().map(|meta| number(meta.unwrap())).collect();
    numbers.sort_unstable();
    numbers
}

/// The hashes of the store's files.
fn live(machine: &Machine) -> BTreeSet<String> {
    let checkpoint = machine.engine.checkpoint().unwrap();
    let hash = |file: &logstrata_engine::SealedFile| {
        let mut bytes = vec![0; file.len as usize];
        file.read_at(&mut bytes, 0).unwrap();
        blake3::hash(&bytes).to_hex().to_string()
    };
    checkpoint.files.iter().map(hash).collect()
}

/// Files of before, files that a merge replaced before, and uploads that were cut off.
#[tokio::test]
async fn behind_a_purge_there_are_objects_of_the_files_of_now_only() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    (0..3).for_each(|_| machine.file(30));
    machine.archive.run_now(false).await.unwrap();
    machine.engine.compact_now().unwrap();
    machine.file(30);
    machine.archive.run_now(false).await.unwrap();
    let uuid = crate::catalog::folder_of(&machine.engine.store_uuid());
    let orphan = object_store::path::Path::from(format!("{uuid}/seg/{}", "ab".repeat(32)));
    store.put_opts(&orphan, "half a copy".into(), Default::default()).await.unwrap();
    assert!(machine.archive.status().unwrap().removed.0 >= 3);

    purge(&machine, 7);
    let before = objects(&store, &machine).await;
    let pass = machine.archive.erase().await.unwrap();
    assert!(pass.files > 0 && pass.deleted >= 5, "{pass:?}");
    let after = objects(&store, &machine).await;
    assert_eq!(after, live(&machine));
    assert!(!after.is_superset(&before));
    assert_eq!(machine.archive.status().unwrap().removed.0, 0);
    let verified = verified(&store, &machine).await;
    assert_eq!((verified.damage, verified.orphans), (vec![], 0));
    assert_eq!(restored(&store).await.0.events, 119);
    // Of the catalog there is what it comes to, and nothing of how.
    let numbers = catalog_numbers(&store, &machine).await;
    assert!(numbers.len() == 1 && numbers[0] > 5, "{numbers:?}");
    assert_eq!(verified.edits, 1);
    assert_eq!(machine.archive.erase().await.unwrap().deleted, 0);
    assert_eq!(catalog_numbers(&store, &machine).await, numbers);
}

/// What could not be erased at once is erased by the next pass that works, and by whoever asks again.
#[tokio::test]
async fn a_store_that_is_away_is_erased_later() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    machine.archive.run_now(false).await.unwrap();
    purge(&machine, 7);
    store.go_down();
    machine.archive.erase().await.unwrap_err();
    store.heal();
    assert!(!objects(&store, &machine).await.is_subset(&live(&machine)));
    // Nobody asks again, and another process comes.
    machine.restart(&store, 2);
    assert!(machine.engine.owes_erasure() > 0);
    machine.archive.pass(false).await.unwrap();
    assert_eq!(objects(&store, &machine).await, live(&machine));
    assert_eq!(catalog_numbers(&store, &machine).await.len(), 1);
    assert_eq!(machine.engine.owes_erasure(), 0);
    purge(&machine, 8);
    store.go_down();
    machine.archive.erase().await.unwrap_err();
    store.heal();
    machine.archive.erase().await.unwrap();
    assert_eq!(objects(&store, &machine).await, live(&machine));
    assert_eq!(restored(&store).await.0.events, 28);
}

/// A crash anywhere in it leaves an archive of which everything comes back, and that can be erased.
#[tokio::test]
async fn an_erasure_that_is_cut_off_is_run_again() {
    for write in 0.. {
        let clock = clock();
        let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
        let mut machine = Machine::new(&store, &storage, &clock, 1);
        (0..2).for_each(|_| machine.file(30));
        machine.archive.run_now(false).await.unwrap();
        purge(&machine, 7);
        store.die_at(write, When::After);
        let done = machine.archive.erase().await;
        let has_died = store.has_died();
        store.heal();
        if !has_died {
            assert_eq!(done.unwrap().deleted, 1);
            return;
        }
        machine.restart(&store, 2);
        let events = restored(&store).await.0.events;
        assert!(events == 60 || events == 59, "write {write}: {events}");
        machine.archive.erase().await.unwrap();
        assert_eq!(objects(&store, &machine).await, live(&machine), "write {write}");
        assert_eq!(restored(&store).await.0.events, 59, "write {write}");
        let numbers = catalog_numbers(&store, &machine).await;
        assert_eq!(numbers.len(), 1, "write {write}: {numbers:?}");
        machine.file(3);
        machine.archive.run_now(false).await.unwrap();
        assert_eq!(restored(&store).await.0.events, 62, "write {write}");
        assert_eq!(verified(&store, &machine).await.damage, [""; 0], "write {write}");
    }
}
