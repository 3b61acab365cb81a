//! What passes do, who may write, what is deleted, what is refused.

use super::*;
use crate::catalog::{Catalog, Committed, Edit, Op};
use crate::error::ErrorKind;
use bytes::Bytes;
use futures_util::StreamExt;
use logstrata_engine::io::Clock;
use object_store::{ObjectStore, ObjectStoreExt};

#[tokio::test]
async fn all_that_is_sealed_is_copied_and_comes_back() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    for round in 0..6 {
        machine.file(30 + round);
        if round == 3 {
            machine.engine.compact_now().unwrap();
        }
        let waiting = machine.archive.status().unwrap();
        assert!(waiting.files.iter().any(|file| file.copied.is_none()));
        let pass = machine.archive.run_now(false).await.unwrap();
        assert!(pass.files > 0 && pass.bytes > 0);
        let status = machine.archive.status().unwrap();
        assert!(status.files.iter().all(|file| file.copied == Some(clock.now())), "{status:?}");
        let [day] = &status.days[..] else { panic!("{:?}", status.days) };
        assert_eq!((day.events, day.events_copied), (machine.events as u64, machine.events as u64));
        assert_eq!(day.bytes, day.bytes_copied);
        assert!(status.error.is_none() && status.lag_seconds == 0);
        assert_eq!(status.restorable.unwrap().2, machine.events as u64 + 1);
        // A second pass has nothing to do.
        let number = status.catalog;
        assert_eq!(machine.archive.run_now(false).await.unwrap().files, 0);
        assert_eq!(machine.archive.status().unwrap().catalog, number);
        let (report, engine) = restored(&store).await;
        assert_eq!(report.events, machine.events as u64);
        assert_eq!(engine.status().events, machine.events as u64);
    }
    assert!(machine.archive.status().unwrap().files.iter().any(|f| f.name.starts_with("CHAIN-")));
    let verified = verified(&store, &machine).await;
    assert_eq!((verified.damage, verified.orphans), (vec![], 0));
}

#[tokio::test]
async fn the_restored_store_goes_on_with_the_same_archive() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(40);
    machine.archive.run_now(false).await.unwrap();
    let elsewhere = MemoryStorage::new();
    let io = io_of(&elsewhere, &clock, 9);
    let asked = RestoreOptions { store: None, limits: options(&io).limits };
    let dir = Path::new("store");
    restore_from(&plain(&store), &io, dir, &asked, &mut |_| {}).await.unwrap();
    let mut other = Machine::new(&store, &elsewhere, &clock, 9);
    other.file(10);
    other.archive.run_now(false).await.unwrap();
    assert_eq!(restored(&store).await.0.events, 50);

    // The one that was thought dead wrote on: it is kept out.
    machine.file(5);
    let error = machine.archive.run_now(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("taken over"), "{error}");
    machine.restart(&store, 77);
    let error = machine.archive.run_now(false).await.unwrap_err();
    assert!(error.to_string().contains("another history"), "{error}");
    assert_eq!(restored(&store).await.0.events, 50);
    let shown = machine.archive.status().unwrap();
    assert!(shown.error.is_some() && shown.failures == 1);

    // Unless somebody says so.
    machine.archive.run_now(true).await.unwrap();
    assert_eq!(restored(&store).await.0.events, 45);
    assert!(other.archive.run_now(false).await.is_err());
    assert_eq!(verified(&store, &machine).await.damage, [""; 0]);
}

#[tokio::test]
async fn of_two_that_archive_the_same_store_one_goes_on() {
    for seed in 0..8 {
        let clock = clock();
        let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
        let mut one = Machine::new(&store, &storage, &clock, seed);
        one.file(30);
        let copy = storage.power_cut();
        let other = Machine::new(&store, &copy, &clock, 100 + seed);
        let (first, second) =
            tokio::join!(one.archive.run_now(false), other.archive.run_now(false));
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        for lost in [first, second].iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(lost.kind(), ErrorKind::Conflict);
        }
        assert_eq!(verified(&store, &one).await.damage, [""; 0]);
        assert_eq!(restored(&store).await.0.events, 30);
    }
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused_unless_it_is_not_shared() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    store.ignore_conditions();
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    let error = machine.archive.run_now(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("archive.shared = false"), "{error}");
    let left: Vec<_> = store.list(None).collect::<Vec<_>>().await;
    assert!(left.is_empty(), "{left:?}");

    let alone = Settings { shared: false, ..settings() };
    machine.archive = archive_of(&store, &machine.engine, &machine.io, alone);
    machine.archive.run_now(false).await.unwrap();
    machine.file(3);
    machine.archive.run_now(false).await.unwrap();
    assert!(machine.archive.status().unwrap().warnings[0].contains("shared"));
    assert_eq!(verified(&store, &machine).await.damage, [""; 0]);
    assert_eq!(restored(&store).await.0.events, 33);
}

#[tokio::test]
async fn a_store_that_is_away_is_told_and_used_again() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    machine.archive.run_now(false).await.unwrap();
    store.go_down();
    machine.file(30);
    let error = machine.archive.run_now(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    clock.advance(HOUR);
    let status = machine.archive.status().unwrap();
    assert_eq!(status.lag_seconds, 3_000);
    assert!(status.error.unwrap().1.to_string().contains("connection reset"));
    store.heal();
    machine.archive.run_now(false).await.unwrap();
    let status = machine.archive.status().unwrap();
    assert!(status.error.is_none() && status.lag_seconds == 0);
    assert_eq!(restored(&store).await.0.events, 60);
}

#[tokio::test]
async fn a_pass_comes_when_a_file_is_old_enough() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    machine.archive.run_now(false).await.unwrap();
    machine.file(30);
    let state = machine.archive.status().unwrap();
    assert_eq!(state.files.iter().filter(|file| file.copied.is_none()).count(), 1);
    // What `run` asks for each time that it looks.
    assert_eq!(machine.archive.pass(false).await.unwrap(), None, "too young");
    clock.advance(Duration::from_secs(601));
    assert_eq!(machine.archive.pass(false).await.unwrap().unwrap().files, 1);
    assert_eq!(machine.archive.pass(false).await.unwrap(), None);
    assert_eq!(restored(&store).await.0.events, 60);
}

#[tokio::test]
async fn objects_go_a_day_after_their_files_and_orphans_after_two() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    (0..3).for_each(|_| machine.file(30));
    machine.archive.run_now(false).await.unwrap();
    let uuid = crate::catalog::folder_of(&machine.engine.store_uuid());
    let orphan = object_store::path::Path::from(format!("{uuid}/seg/{}", "ab".repeat(32)));
    store.put(&orphan, Bytes::from_static(b"half an upload").into()).await.unwrap();
    machine.engine.compact_now().unwrap();
    machine.archive.run_now(false).await.unwrap();
    let objects = async || {
        let folder = object_store::path::Path::from(format!("{uuid}/seg"));
        store.list(Some(&folder)).collect::<Vec<_>>().await.len()
    };
    let live = machine.archive.status().unwrap().files.len();
    assert_eq!(objects().await, live + 3 + 1);
    assert_eq!(machine.archive.status().unwrap().removed.0, 3);
    clock.advance(23 * HOUR);
    machine.archive.run_now(false).await.unwrap();
    assert_eq!(objects().await, live + 3 + 1);
    clock.advance(2 * HOUR);
    assert_eq!(machine.archive.run_now(false).await.unwrap().deleted, 3);
    assert_eq!(objects().await, live + 1);
    clock.advance(24 * HOUR);
    assert_eq!(machine.archive.run_now(false).await.unwrap().deleted, 1);
    assert_eq!(objects().await, live);
    assert_eq!(verified(&store, &machine).await.damage, [""; 0]);
}

#[tokio::test]
async fn nothing_is_deleted_while_clocks_are_apart() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    (0..3).for_each(|_| machine.file(30));
    machine.archive.run_now(false).await.unwrap();
    machine.engine.compact_now().unwrap();
    machine.archive.run_now(false).await.unwrap();
    // Ours jumps; the store's stays.
    let ours = Arc::new(ManualClock::new(Timestamp(NOON.0 + 1_000 * 3_600_000_000_000)));
    machine.io.clock = ours;
    machine.archive = archive_of(&store, &machine.engine, &machine.io, settings());
    assert_eq!(machine.archive.run_now(false).await.unwrap().deleted, 0);
    let status = machine.archive.status().unwrap();
    assert_eq!(status.removed.0, 3);
    assert!(status.warnings.iter().any(|warning| warning.contains("clocks")), "{status:?}");
}

#[tokio::test]
async fn bytes_that_change_on_the_way_are_never_named() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(3);
    let uuid = machine.engine.store_uuid();
    machine.archive.run_now(false).await.unwrap();
    machine.file(3);
    store.change_bytes(true);
    let error = machine.archive.run_now(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    store.change_bytes(false);
    let catalog = Catalog::load(&plain(&store), uuid).await.unwrap();
    assert_eq!(catalog.state().files.len(), 1);
    // The object with other bytes is not taken for the file's.
    machine.archive.run_now(false).await.unwrap();
    assert_eq!(verified(&store, &machine).await.damage, [""; 0]);
}

#[tokio::test]
async fn a_damaged_file_of_this_disk_is_not_copied() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(60);
    let name = machine.archive.status().unwrap().files[0].name.clone();
    let path = Path::new("store").join(name);
    let mut bytes = storage.read(&path).unwrap();
    bytes[1_000] ^= 1;
    storage.overwrite(&path, bytes);
    let error = machine.archive.run_now(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("local disk"), "{error}");
    let uuid = crate::catalog::folder_of(&machine.engine.store_uuid());
    let folder = object_store::path::Path::from(format!("{uuid}/seg"));
    assert_eq!(store.list(Some(&folder)).collect::<Vec<_>>().await.len(), 0);
}

#[tokio::test]
async fn the_log_is_read_from_its_last_snapshot_and_has_no_holes() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let mut catalog = Catalog::load(&plain(&store), [7; 16]).await.unwrap();
    for number in 0..700_i64 {
        let edit = Edit { writer: [1; 16], time: Timestamp(number), ops: vec![Op::Claim] };
        assert_eq!(catalog.commit(edit).await.unwrap(), Committed::Done);
    }
    assert_eq!(catalog.number(), 702);
    let loaded = Catalog::load(&plain(&store), [7; 16]).await.unwrap();
    let walked = Catalog::walk(&plain(&store), [7; 16]).await.unwrap();
    for found in [&loaded, &walked] {
        assert_eq!(found.number(), 702);
        assert_eq!(found.state(), catalog.state());
    }
    let name = |number: u64| {
        let folder = crate::catalog::folder_of(&[7; 16]);
        object_store::path::Path::from(format!("{folder}/cat/{number:020}"))
    };
    // Who lags behind loses, and then knows.
    let mut late = loaded;
    let edit = |time| Edit { writer: [2; 16], time: Timestamp(time), ops: vec![Op::Claim] };
    assert_eq!(catalog.commit(edit(1)).await.unwrap(), Committed::Done);
    assert_eq!(late.commit(edit(2)).await.unwrap(), Committed::Lost);
    assert_eq!((late.number(), late.state()), (703, catalog.state()));
    assert_eq!(late.commit(edit(2)).await.unwrap(), Committed::Done);

    let kept = store.inner.get(&name(600)).await.unwrap().bytes().await.unwrap();
    store.delete(&name(600)).await.unwrap();
    let error = Catalog::load(&plain(&store), [7; 16]).await.unwrap_err();
    assert!(error.to_string().contains("hole"), "{error}");
    // One that is there and not the right one.
    let other = store.inner.get(&name(601)).await.unwrap().bytes().await.unwrap();
    for wrong in [other.clone(), kept.slice(..kept.len() - 1)] {
        store.put(&name(600), wrong.into()).await.unwrap();
        let error = Catalog::load(&plain(&store), [7; 16]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

/// A log that begins with a snapshot is a log: it is read, walked, written, cut, and begun anew.
#[tokio::test]
async fn a_log_whose_past_is_erased_goes_on() {
    let clock = clock();
    let store = FaultyStore::new(&clock);
    let uuid = [7; 16];
    let mut catalog = Catalog::load(&plain(&store), uuid).await.unwrap();
    let edit = |time| Edit { writer: [1; 16], time: Timestamp(time), ops: vec![Op::Claim] };
    let name = |number: u64| {
        let folder = crate::catalog::folder_of(&uuid);
        object_store::path::Path::from(format!("{folder}/cat/{number:020}"))
    };
    for (edits, begin) in [(10, 11), (300, 313), (198, 512), (254, 767), (1, 770)] {
        for time in 0..edits {
            assert_eq!(catalog.commit(edit(time)).await.unwrap(), Committed::Done);
        }
        // 512 is a snapshot anyway; 768 is one before the edit.
        assert!(catalog.forget_past().await.unwrap() > 0);
        assert_eq!((catalog.number(), catalog.len()), (begin, 1));
        assert_eq!(catalog.forget_past().await.unwrap(), 0);
        for found in [
            Catalog::load(&plain(&store), uuid).await.unwrap(),
            Catalog::walk(&plain(&store), uuid).await.unwrap(),
        ] {
            assert_eq!((found.number(), found.state()), (begin, catalog.state()));
            found.check_seen(Some((begin - 1, [3; 32]))).await.unwrap();
            found.check_seen(Some((begin, [3; 32]))).await.unwrap_err();
        }
    }
    for time in 0..5 {
        catalog.commit(edit(time)).await.unwrap();
    }
    let cut = Catalog::cut(&plain(&store), uuid).await.unwrap();
    assert_eq!((cut.number(), cut.state()), (775, catalog.state()));
    // Edits behind a hole are given up, and all if it is the first that is gone.
    store.delete(&name(774)).await.unwrap();
    Catalog::load(&plain(&store), uuid).await.unwrap_err();
    assert_eq!(Catalog::cut(&plain(&store), uuid).await.unwrap().number(), 773);
    store.delete(&name(770)).await.unwrap();
    let error = Catalog::load(&plain(&store), uuid).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let mut cut = Catalog::cut(&plain(&store), uuid).await.unwrap();
    assert_eq!(cut.number(), 0);
    assert_eq!(cut.commit(edit(9)).await.unwrap(), Committed::Done);
    assert_eq!(Catalog::load(&plain(&store), uuid).await.unwrap().number(), 1);
}

#[tokio::test]
async fn what_is_not_there_to_restore_is_told() {
    let clock = clock();
    let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
    let io = io_of(&MemoryStorage::new(), &clock, 1);
    let limits = options(&io).limits;
    let restore = async |named: Option<&str>| {
        let asked = RestoreOptions { store: named.map(str::to_owned), limits: limits.clone() };
        restore_from(&plain(&store), &io, Path::new("there"), &asked, &mut |_| {}).await
    };
    assert_eq!(restore(None).await.unwrap_err().kind(), ErrorKind::Missing);
    assert_eq!(restore(Some("xyz")).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(restore(Some(&"0".repeat(32))).await.unwrap_err().kind(), ErrorKind::Missing);
    let mut machine = Machine::new(&store, &storage, &clock, 1);
    machine.file(30);
    machine.archive.run_now(false).await.unwrap();
    let second = MemoryStorage::new();
    let mut other = Machine::new(&store, &second, &clock, 2);
    other.file(3);
    other.archive.run_now(false).await.unwrap();
    let error = restore(None).await.unwrap_err();
    assert!(error.to_string().contains("several"), "{error}");
    let uuid = crate::catalog::folder_of(&other.engine.store_uuid());
    assert_eq!(restore(Some(&uuid)).await.unwrap().events, 3);
    // An object that is gone is told before anything is a store.
    let uuid = crate::catalog::folder_of(&machine.engine.store_uuid());
    let folder = object_store::path::Path::from(format!("{uuid}/seg"));
    let listed: Vec<_> = store.list(Some(&folder)).collect::<Vec<_>>().await;
    store.delete(&listed[0].as_ref().unwrap().location).await.unwrap();
    let asked = RestoreOptions { store: Some(uuid), limits: limits.clone() };
    let dir = Path::new("third");
    let error = restore_from(&plain(&store), &io, dir, &asked, &mut |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(verified(&store, &machine).await.damage.len(), 1);
}
