//! Files of keys: written, forgotten, damaged, left over.

use super::*;

#[test]
fn keys_and_their_files_go_when_their_time_is_over() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "old", "one");
    engine.flush().expect("flushed");
    let old = names::keys(Path::new(DIR), 1);
    assert!(world.disk.read(&old).is_some());
    world.clock.advance(DAY);
    assert!(matches!(claim(&engine, "old", "two"), Claim::New(_)), "24 hours are over");
    send(&engine, "new", "one");
    engine.flush().expect("flushed");
    // The file goes behind the flush.
    drop(engine);
    let engine = world.open();
    assert_eq!(world.disk.read(&old), None);
    assert_eq!(engine.status().keys, 1);
}

#[test]
fn a_damaged_file_costs_its_keys_only() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "a", "one");
    engine.flush().expect("flushed");
    send(&engine, "b", "one");
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    let path = names::keys(Path::new(DIR), 1);
    let mut bytes = world.disk.read(&path).expect("written");
    bytes[40] ^= 1;
    world.disk.overwrite(&path, bytes);
    let engine = world.open();
    let status = engine.status();
    assert_eq!((status.key_files_damaged, status.keys, status.events), (1, 1, 2));
    let told: Vec<String> = engine.keys_lost().iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("0000000000000001.keys"), "{told:?}");
    assert!(matches!(claim(&engine, "b", "one"), Claim::Stored(_)));
    assert!(matches!(claim(&engine, "a", "one"), Claim::New(_)));
    world.clock.advance(2 * DAY);
    send(&engine, "c", "one");
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    assert!(world.disk.read(&path).is_some(), "it is there for whoever repairs it");
    assert_eq!(world.disk.read(&names::keys(Path::new(DIR), 2)), None);
}

/// Only keys told the time: where none came any more, each restart made those of before younger.
#[test]
fn flushes_without_keys_note_the_time() {
    let mut world = World::new();
    // One generation a life.
    world.limits.generation_age_ms_max = 1_000_000_000;
    let mut engine = world.open();
    let ids = send(&engine, "a", "one");
    for life in 1..=4 {
        assert_eq!(send(&engine, "a", "one"), ids);
        world.clock.advance(DAY / 4);
        let mut batch = BatchBuilder::new(&Limits::tiny(), START);
        batch.event().finish().expect("small");
        engine.append(batch.build()).expect("appended");
        engine.flush().expect("flushed");
        let note = names::keys(Path::new(DIR), life);
        // The last flush has forgotten the key.
        assert_eq!(world.disk.read(&note).is_some(), life < 4, "{life}");
        engine.close().expect("closed");
        world.reboot(0);
        engine = world.open();
    }
    assert_eq!(engine.status().keys, 0);
    assert_ne!(send(&engine, "a", "one"), ids);
}

/// A file of keys was removed as a leftover before the log was read that has its keys.
#[test]
fn a_store_that_is_refused_keeps_its_files_of_keys() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "a", "one");
    engine.close().expect("closed");
    let orphan = names::keys(Path::new(DIR), 1);
    let leftover = names::temporary(&orphan);
    for path in [&orphan, &leftover] {
        world.disk.create(path).expect("created");
    }
    let wal = names::wal(Path::new(DIR), names::WalFileId { generation: 1, index: 0 });
    let sound = world.disk.read(&wal).expect("written");
    let mut damaged = sound.clone();
    damaged[20] ^= 1;
    world.disk.overwrite(&wal, damaged);
    let storage = || Arc::new(world.disk.clone());
    let error = world.open_on(storage()).expect_err("the log is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(world.disk.read(&orphan).is_some() && world.disk.read(&leftover).is_some());
    world.disk.overwrite(&wal, sound);
    let engine = world.open();
    assert!(world.disk.read(&orphan).is_none() && world.disk.read(&leftover).is_none());
    assert!(matches!(claim(&engine, "a", "one"), Claim::Stored(_)));
}

/// It was passed over like a damaged one, so an older program stored batches twice.
#[test]
fn a_file_of_a_later_version_is_not_passed_over() {
    let world = World::new();
    let engine = world.open();
    send(&engine, "a", "one");
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    let path = names::keys(Path::new(DIR), 1);
    let mut bytes = world.disk.read(&path).expect("written");
    bytes[8] = 9;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&crc.to_le_bytes());
    world.disk.overwrite(&path, bytes);
    let error = world.open_on(Arc::new(world.disk.clone())).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("0000000000000001.keys"), "{error}");
}

/// Between the sync of the log and the end of the flush: whatever is done last, and whatever of it
/// the disk keeps.
#[test]
fn a_flush_that_is_cut_off_anywhere_costs_no_key() {
    let mut flushed = false;
    for step in 0.. {
        if flushed {
            assert!(step > 10, "a flush has more steps than {step}");
            break;
        }
        let mut world = World::new();
        let engine = world.open();
        let ids = send(&engine, "a", "one");
        engine.flush().expect("flushed");
        let ids = [ids, send(&engine, "b", "one")];
        engine.close().expect("closed");
        let disk = FaultyStorage::new(world.disk.clone());
        let engine = world.open_on(Arc::new(disk.clone())).expect("opened");
        disk.fail(step, Fault::Halt);
        flushed = engine.flush().is_ok();
        let left = world.disk.clone();
        for crashed in [left.power_cut(), left.crash(|| true)] {
            world.disk = crashed;
            let engine = world.open();
            assert_eq!([send(&engine, "a", "one"), send(&engine, "b", "one")], ids, "{step}");
            assert_eq!(engine.status().events, 2, "{step}");
            engine.flush().expect("flushed");
            engine.close().expect("closed");
            let engine = world.open();
            assert_eq!([send(&engine, "a", "one"), send(&engine, "b", "one")], ids, "{step}");
        }
    }
}
