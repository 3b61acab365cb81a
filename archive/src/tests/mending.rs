//! What goes wrong outside a pass, and what becomes of it: files that can't be read, stores that fail
//! half-way, objects that are gone.

use super::*;
use crate::catalog::{Catalog, Committed, Edit, Hash, Op, folder_of};
use crate::error::ErrorKind;
use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;

/// Changes a byte of a file on the disk, or changes it back.
fn flip(machine: &Machine, name: &str) {
    let file = machine.io.storage.open(&Path::new("store").join(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 1_000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 1_000).unwrap();
}

fn segments(machine: &Machine) -> Vec<String> {
    let files = machine.archive.status().unwrap().files.into_iter();
    files.map(|file| file.name).filter(|name| name.starts_with("segments/")).collect()
}

async fn catalog_of(store: &FaultyStore, machine: &Machine) -> Catalog {
    Catalog::load(&plain(store), machine.engine.store_uuid()).await.unwrap()
}

#[tokio::test]
async fn a_damaged_file_keeps_no_other_from_being_copied() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    machine.archive.run_now(false).await.unwrap();
    (0..5).for_each(|_| machine.file(60));
    let status = machine.archive.status().unwrap();
    let waiting = status.files.iter().filter(|file| file.copied.is_none());
    let waiting: Vec<_> = waiting.filter(|file| file.name.starts_with("segments/")).collect();
    assert_eq!(waiting.len(), 5);
    let bad = waiting[1].name.clone();
    flip(&machine, &bad);
    for _ in 0..2 {
        let error = machine.archive.run_now(false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(&bad), "{error}");
        let catalog = catalog_of(&store, &machine).await;
        assert_eq!(catalog.state().files.len(), status.files.len() - 1, "all but the damaged one");
        // The manifest waits: what it names would not all be there.
        assert_eq!(restored(&store).await.0.events, 30);
    }
    flip(&machine, &bad);
    machine.archive.run_now(false).await.unwrap();
    assert_eq!(restored(&store).await.0.events, 330);
}

#[tokio::test]
async fn what_was_copied_before_the_store_failed_is_in_the_catalog() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    (0..2).for_each(|_| machine.file(30));
    store.refuse_object(1);
    let error = machine.archive.run_now(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(catalog_of(&store, &machine).await.state().files.len(), 1);
    store.heal();
    assert_eq!(machine.archive.run_now(false).await.unwrap().files, 1);
}

#[tokio::test]
async fn adopting_keeps_what_could_be_restored_until_there_is_something_new() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    let copy = storage.power_cut();
    machine.file(10);
    machine.archive.run_now(false).await.unwrap();
    // The same store goes another way, with files of the same names.
    let mut other = Machine::new(&store, &copy, &clock, 2);
    (0..4).for_each(|_| other.file(20));
    assert_eq!(other.archive.run_now(false).await.unwrap_err().kind(), ErrorKind::Conflict);
    let bad = segments(&other).pop().unwrap();
    flip(&other, &bad);
    other.archive.run_now(true).await.unwrap_err();
    assert_eq!(restored(&store).await.0.events, 40, "the old history");
    flip(&other, &bad);
    // It goes on by itself.
    other.archive.pass(false).await.unwrap().unwrap();
    assert_eq!(restored(&store).await.0.events, other.events as u64);
    assert_eq!(verified(&store, &other).await.damage, [""; 0]);
}

#[tokio::test]
async fn a_checkpoint_is_not_held_for_long() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    (0..5).for_each(|_| machine.file(30));
    // Each object takes eleven minutes.
    store.take(Duration::from_secs(660));
    let files = machine.archive.status().unwrap().files.len() as u64;
    assert_eq!(machine.archive.run_now(false).await.unwrap().files, files);
    assert!(catalog_of(&store, &machine).await.number() > files, "an edit for each");
    assert_eq!(verified(&store, &machine).await.damage, [""; 0]);
    assert_eq!(restored(&store).await.0.events, 150);
}

/// The names below a folder of the store.
async fn keys(store: &FaultyStore, machine: &Machine, folder: &str) -> Vec<Key> {
    let folder = Key::from(format!("{}/{folder}", folder_of(&machine.engine.store_uuid())));
    let listed = object_store::ObjectStore::list(&*store.inner, Some(&folder));
    listed.map(|meta| meta.unwrap().location).collect().await
}

/// A machine with an archive of several edits.
async fn archived(store: &FaultyStore, clock: &Arc<ManualClock>) -> Machine {
    let mut machine = Machine::new(store, &MemoryStorage::new(), clock, 1);
    for _ in 0..4 {
        machine.file(30);
        machine.archive.run_now(false).await.unwrap();
    }
    machine
}

async fn goes_on_once_adopted(store: &FaultyStore, machine: &mut Machine) {
    for _ in 0..2 {
        machine.file(3);
        let error = machine.archive.run_now(false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("--adopt"), "{error}");
        assert!(!machine.archive.verify(true).await.unwrap().damage.is_empty());
    }
    machine.archive.run_now(true).await.unwrap();
    assert_eq!(machine.archive.verify(true).await.unwrap().damage, [""; 0]);
    assert_eq!(restored(store).await.0.events, machine.events as u64);
    machine.file(3);
    machine.archive.run_now(false).await.unwrap();
    assert_eq!(restored(store).await.0.events, machine.events as u64);
}

#[tokio::test]
async fn an_archive_that_was_emptied_is_noticed_and_begun_anew() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let mut machine = archived(&store, &clock).await;
    for folder in ["cat", "seg"] {
        for key in keys(&store, &machine, folder).await {
            store.inner.delete(&key).await.unwrap();
        }
    }
    goes_on_once_adopted(&store, &mut machine).await;
}

#[tokio::test]
async fn a_catalog_that_lost_its_end_is_noticed_and_gone_on_with() {
    for lost in 1..4 {
        let clock = clock();
        let store = FaultyStore::new(&clock);
        let mut machine = archived(&store, &clock).await;
        let mut edits = keys(&store, &machine, "cat").await;
        edits.sort();
        for key in edits.iter().rev().take(lost) {
            store.inner.delete(key).await.unwrap();
        }
        goes_on_once_adopted(&store, &mut machine).await;
    }
}

#[tokio::test]
async fn a_catalog_with_a_hole_is_gone_on_with_once_somebody_says_so() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let mut machine = archived(&store, &clock).await;
    let mut edits = keys(&store, &machine, "cat").await;
    edits.sort();
    let behind = edits.len() - 3;
    store.inner.delete(&edits[2]).await.unwrap();
    // A process that knows of nothing.
    machine.restart(&store, 9);
    goes_on_once_adopted(&store, &mut machine).await;
    assert_eq!(keys(&store, &machine, "lost").await.len(), behind, "nothing is thrown away");
}

#[tokio::test]
async fn an_edit_is_not_written_behind_one_that_is_gone() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let machine = archived(&store, &clock).await;
    let mut catalog = catalog_of(&store, &machine).await;
    let mut edits = keys(&store, &machine, "cat").await;
    edits.sort();
    store.inner.delete(edits.last().unwrap()).await.unwrap();
    let edit = Edit { writer: [1; 16], time: NOON, ops: vec![Op::Claim] };
    assert_eq!(catalog.commit(edit).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(keys(&store, &machine, "cat").await.len(), edits.len() - 1);
}

#[tokio::test]
async fn what_others_write_meanwhile_and_foreign_names_are_no_hole() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let machine = archived(&store, &clock).await;
    let cat = format!("{}/cat", folder_of(&machine.engine.store_uuid()));
    store.inner.put(&Key::from(format!("{cat}/README")), "by hand".into()).await.unwrap();
    let mut edits = keys(&store, &machine, "cat").await;
    edits.retain(|key| !key.as_ref().ends_with("README"));
    edits.sort();
    let mut meanwhile = Vec::new();
    for key in edits.split_off(edits.len() - 2) {
        let bytes = store.inner.get(&key).await.unwrap().bytes().await.unwrap();
        store.inner.delete(&key).await.unwrap();
        meanwhile.push((key, bytes));
    }
    store.write_meanwhile(meanwhile);
    assert_eq!(catalog_of(&store, &machine).await.number(), edits.len() as u64 + 2);
}

#[tokio::test]
async fn damaged_objects_are_told_all_at_once_and_written_again() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let machine = archived(&store, &clock).await;
    let objects = keys(&store, &machine, "seg").await;
    let bytes = store.inner.get(&objects[1]).await.unwrap().bytes().await.unwrap();
    let mut bytes = bytes.to_vec();
    bytes[7] ^= 1;
    store.inner.put(&objects[1], bytes.into()).await.unwrap();
    store.inner.delete(&objects[2]).await.unwrap();

    let io = io_of(&MemoryStorage::new(), &clock, 1);
    let asked = RestoreOptions { store: None, limits: options(&io).limits };
    let dir = Path::new("there");
    let error = restore_from(&plain(&store), &io, dir, &asked, &mut |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().starts_with("2 files"), "{error}");

    // A pass that knows of nothing does nothing.
    assert_eq!(machine.archive.run_now(false).await.unwrap().files, 0);
    assert_eq!(machine.archive.verify(true).await.unwrap().damage.len(), 2);
    let number = machine.archive.status().unwrap().catalog;
    assert_eq!(machine.archive.pass(false).await.unwrap().unwrap().files, 2);
    assert_eq!(machine.archive.status().unwrap().catalog, number, "the catalog was right");
    assert_eq!(machine.archive.verify(true).await.unwrap().damage, [""; 0]);
    assert_eq!(restored(&store).await.0.events, machine.events as u64);
    assert_eq!(machine.archive.pass(false).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_with_files_and_no_manifest_is_not_called_sound() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    assert_eq!(machine.archive.verify(true).await.unwrap().damage, [""; 0]);
    machine.file(30);
    assert_eq!(machine.archive.verify(true).await.unwrap().damage.len(), 1);
}

/// Lets another process claim the catalog and announce that an object is deleted.
async fn dooms(catalog: &mut Catalog, writer: [u8; 16], hash: Hash) {
    let ops = vec![Op::Claim, Op::Doom(hash)];
    let edit = Edit { writer, time: NOON, ops };
    assert_eq!(catalog.commit(edit).await.unwrap(), Committed::Done);
}

#[tokio::test]
async fn a_file_whose_object_somebody_else_was_deleting_is_copied() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    let checkpoint = machine.engine.checkpoint().unwrap();
    let hash = checkpoint.files.iter().find_map(|file| file.blake3).unwrap();
    dooms(&mut catalog_of(&store, &machine).await, [9; 16], hash).await;
    machine.archive.run_now(false).await.unwrap();
    assert_eq!(verified(&store, &machine).await.damage, [""; 0]);
    assert_eq!(restored(&store).await.0.events, 30);
}

#[tokio::test]
async fn who_has_lost_the_claim_deletes_nothing() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let machine = archived(&store, &clock).await;
    let orphan =
        Key::from(format!("{}/seg/{}", folder_of(&machine.engine.store_uuid()), "ab".repeat(32)));
    store.inner.put(&orphan, "announced".into()).await.unwrap();
    let mut catalog = catalog_of(&store, &machine).await;
    let doom = machine.archive.edit(vec![Op::Doom([0xab; 32])]);
    assert_eq!(catalog.commit(doom).await.unwrap(), Committed::Done);
    // Between the announcement and the deletion.
    let claim = Edit { writer: [9; 16], time: NOON, ops: vec![Op::Claim] };
    let mut theirs = catalog_of(&store, &machine).await;
    assert_eq!(theirs.commit(claim).await.unwrap(), Committed::Done);
    let deleted = machine.archive.delete_doomed(&mut catalog, &[[0xab; 32]]).await;
    assert_eq!(deleted.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(keys(&store, &machine, "seg").await.contains(&orphan));
}

#[tokio::test]
async fn a_pass_that_is_given_up_half_way_leaves_nothing_behind() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    tokio::select! {
        biased;
        () = store.hang() => {}
        done = machine.archive.run_now(false) => panic!("{done:?}"),
    }
    assert_eq!(machine.archive.status().unwrap().copying, None);
    // Whoever waits is told when the server is shut down.
    let stopping = async {
        store.hang().await;
        assert!(machine.archive.status().unwrap().copying.is_some());
        machine.archive.stop();
    };
    let (done, waiting, ()) =
        tokio::join!(machine.archive.run_now(false), machine.archive.verify(true), stopping);
    assert_eq!(done.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(waiting.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(machine.archive.status().unwrap().copying, None);
    store.heal();
    assert_eq!(machine.archive.run_now(false).await.unwrap_err().kind(), ErrorKind::Busy);
    machine.restart(&store, 2);
    machine.archive.run_now(false).await.unwrap();
    assert_eq!(restored(&store).await.0.events, 30);
}
