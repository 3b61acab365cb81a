//! What a checkpoint pins, and the store that is made of it elsewhere.

use super::compaction::flushed;
use super::*;
use crate::io::{Fault, FaultyStorage};
use crate::restore::Restore;
use crate::verify::{Root, VerifyOptions, current_root, verify};
use std::path::Path;

/// The bytes of a file of a checkpoint.
fn bytes(file: &SealedFile) -> Vec<u8> {
    let mut bytes = vec![0; file.len as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn restore_into(io: &Io, checkpoint: &Checkpoint) -> Restore {
    let (number, manifest) = (checkpoint.place().manifest, checkpoint.manifest_bytes(0).unwrap());
    Restore::begin(io, Path::new("store"), &Limits::tiny(), number, &manifest).unwrap()
}

fn copy(restore: &Restore, file: &SealedFile) {
    let bytes = bytes(file);
    let hash = *blake3::hash(&bytes).as_bytes();
    assert!(file.blake3.is_none_or(|known| known == hash), "{}", file.name);
    if restore.has(&file.name, file.len, &hash).unwrap() {
        return;
    }
    let mut out = restore.create(&file.name, file.len, hash).unwrap();
    bytes.chunks(1_000).for_each(|piece| out.write(piece).unwrap());
    out.finish().unwrap();
}

fn check_deep(io: &Io, since: &Root) {
    let options = VerifyOptions { deep: true, since: Some(since.clone()) };
    let report = verify(io, Path::new("store"), &options, &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// Another machine.
fn elsewhere() -> (MemoryStorage, Options) {
    let storage = MemoryStorage::new();
    let mut options = options(&storage);
    options.io.entropy = Arc::new(SeededEntropy::new(77));
    (storage, options)
}

#[test]
fn a_store_comes_back_from_its_checkpoint_with_its_whole_chain() {
    let storage = MemoryStorage::new();
    let mut small = options(&storage);
    // Several manifests, so that there are links to bring along.
    small.limits.manifest_bytes_max = 16 << 10;
    let engine = flushed(small.clone(), 3);
    let root = current_root(&small.io, Path::new("store")).unwrap();
    engine.compact_now().unwrap();
    engine.append(batch(90, 30)).unwrap();
    engine.flush().unwrap();
    let checkpoint = engine.checkpoint().unwrap();
    assert!(checkpoint.place().manifest > 1, "one manifest only");
    assert!(checkpoint.files.iter().any(|file| file.name.starts_with("CHAIN-")));
    let rows = checkpoint.files.iter().flat_map(|file| &file.sections).map(|s| s.rows).sum::<u64>();
    assert_eq!((rows, checkpoint.next_seq), (120, 121));
    // What comes later is not in it, and what goes is pinned.
    let (first, _) = engine.append(batch(120, 10)).unwrap().ids.unwrap();
    engine.compact_now().unwrap();

    let (_, there) = elsewhere();
    let restore = restore_into(&there.io, &checkpoint);
    checkpoint.files.iter().take(2).for_each(|file| copy(&restore, file));
    drop(restore);
    // An attempt that was cut off is gone on with, and a store it is only at the end.
    assert!(Engine::open(there.clone()).is_err());
    let restore = restore_into(&there.io, &checkpoint);
    checkpoint.files.iter().for_each(|file| copy(&restore, file));
    assert_eq!(restore.files().iter().map(|file| file.events).sum::<u64>(), 120);
    assert_eq!(restore.finish().unwrap(), 120);
    check_deep(&there.io, &root);

    let restored = Engine::open(there.clone()).unwrap();
    super::compaction::check(&restored, 120);
    assert!(restored.has_edit(&checkpoint.place()).unwrap());
    let (again, _) = restored.append(batch(120, 10)).unwrap().ids.unwrap();
    assert_ne!(first, again, "an id of an event that the copy lacked");
    restored.flush().unwrap();
    super::compaction::check(&restored, 130);
    drop(restored);
    check_deep(&there.io, &root);
}

#[test]
fn histories_that_part_are_told_apart() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 2);
    let before = engine.checkpoint().unwrap().place();
    let clone = storage.power_cut();
    engine.append(batch(60, 30)).unwrap();
    engine.flush().unwrap();
    let after = engine.checkpoint().unwrap().place();
    assert!(engine.has_edit(&before).unwrap() && engine.has_edit(&after).unwrap());
    let other = Engine::open(options(&clone)).unwrap();
    other.append(batch(60, 7)).unwrap();
    other.flush().unwrap();
    assert!(other.has_edit(&before).unwrap());
    assert!(!other.has_edit(&after).unwrap());
    assert!(!other.has_edit(&ChainPlace { manifest: after.manifest + 1, ..after }).unwrap());
    assert!(!other.has_edit(&ChainPlace { edit: 0, ..after }).unwrap());
}

#[test]
fn a_file_that_was_replaced_stays_while_it_is_pinned() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 3);
    let listed = || storage.list("store/segments".as_ref()).unwrap().len();
    let checkpoint = engine.checkpoint().unwrap();
    engine.compact_now().unwrap();
    assert!(listed() > 3);
    for file in &checkpoint.files {
        assert_eq!(file.blake3.unwrap(), *blake3::hash(&bytes(file)).as_bytes());
    }
    let with_pins = listed();
    drop(checkpoint);
    assert_eq!(listed(), with_pins - 3);
}

#[test]
fn a_restore_takes_no_foreign_name_no_other_bytes_and_no_full_directory() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 1);
    let checkpoint = engine.checkpoint().unwrap();
    let (_, there) = elsewhere();
    let restore = restore_into(&there.io, &checkpoint);
    for name in [
        "LOCK",
        "../x",
        "segments/../LOCK",
        "0000000000000001.l0",
        "segments/CHAIN-0000000001",
        "CHAIN-0000000001",
        "",
    ] {
        assert_eq!(
            restore.create(name, 1, [0; 32]).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{name}"
        );
    }
    let file = &checkpoint.files[0];
    let mut out = restore.create(&file.name, file.len, file.blake3.unwrap()).unwrap();
    out.write(&bytes(file)[1..]).unwrap();
    assert_eq!(out.finish().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(restore.finish().unwrap_err().kind(), ErrorKind::Corrupt);
    let manifest = checkpoint.manifest_bytes(0).unwrap();
    let refused =
        Restore::begin(&options(&storage).io, Path::new("store"), &Limits::tiny(), 1, &manifest);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Busy);
    drop(engine);
    let refused =
        Restore::begin(&options(&storage).io, Path::new("store"), &Limits::tiny(), 1, &manifest);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_restore_that_dies_at_any_step_of_its_end_can_be_begun_again() {
    let storage = MemoryStorage::new();
    let mut small = options(&storage);
    small.limits.manifest_bytes_max = 16 << 10;
    let engine = flushed(small, 4);
    let checkpoint = engine.checkpoint().unwrap();
    let attempt = |io: &Io, ends: &dyn Fn()| {
        let restore = restore_into(io, &checkpoint);
        checkpoint.files.iter().for_each(|file| copy(&restore, file));
        ends();
        restore.finish()
    };
    for step in 0.. {
        for cut in [false, true] {
            let (storage, mut there) = elsewhere();
            let disk = FaultyStorage::new(storage.clone());
            there.io.storage = Arc::new(disk.clone());
            let died = attempt(&there.io, &|| disk.fail(step, Fault::Halt)).is_err();
            let left = if cut { storage.power_cut() } else { storage.crash(|| true) };
            there.io.storage = Arc::new(left.clone());
            let is_manifest =
                |name: &String| name.starts_with("MANIFEST") && !name.ends_with(".tmp");
            if !left.list("store".as_ref()).unwrap().iter().any(is_manifest) {
                assert!(died, "step {step}");
                assert_eq!(attempt(&there.io, &|| ()).unwrap(), 120);
            }
            super::compaction::check(&Engine::open(there).unwrap(), 120);
            let names = left.list("store".as_ref()).unwrap();
            assert!(!names.contains(&"RESTORING".to_owned()), "{names:?}");
            if cut && !died {
                assert!(step > 8, "too few steps: {step}");
                return;
            }
        }
    }
}

#[test]
fn a_restore_replaces_no_file_of_a_store_whose_manifest_is_lost() {
    let storage = MemoryStorage::new();
    let engine = flushed(options(&storage), 2);
    let checkpoint = engine.checkpoint().unwrap();
    let (other, there) = elsewhere();
    other.create_dir_all("store/segments".as_ref()).unwrap();
    let theirs = Path::new("store").join(&checkpoint.files[0].name);
    other.overwrite(&theirs, b"the last copy".to_vec());
    let manifest = checkpoint.manifest_bytes(0).unwrap();
    let begin = || Restore::begin(&there.io, Path::new("store"), &Limits::tiny(), 1, &manifest);
    assert_eq!(begin().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(other.read(&theirs).unwrap(), b"the last copy");
    other.remove(&theirs).unwrap();
    begin().unwrap();
}
