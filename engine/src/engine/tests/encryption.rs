//! Stores with keys: what is on their disk, and what becomes of them with other keys.

use super::*;
use crate::cold::{Came, ColdAway, ColdFile, ColdFiles, Patience};
use crate::crypt::{KeyId, Keyring};
use crate::idempotency::{BatchKey, BodyHash, Claim};
use crate::io::KeyedStorage;
use crate::repair::repair;
use crate::retention::{HoldRequest, HoldScope, Keep};
use crate::verify::{Finding, Severity, VerifyOptions, verify};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;

const ONE: &str = "one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const TWO: &str = "two:1102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
/// In a message, in a name of a field, in a key of a batch, in a hold.
const CANARY: &str = "canary4711";

fn keyed(storage: &MemoryStorage, keys: &str) -> Options {
    let mut options = options(storage);
    let keys = Arc::new(Keyring::parse(keys).unwrap());
    options.io.storage = Arc::new(KeyedStorage::new(options.io.storage, keys));
    options
}

fn key(name: &str) -> Option<KeyId> {
    KeyId::new(name)
}

/// Appends events with the canary; a batch of them has it as its key.
fn append(engine: &Engine, first: usize) {
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for number in first..first + 20 {
        let mut event = builder.event();
        let text = format!("event number {number} of {CANARY} came");
        event.field("message", Kind::String, text.as_bytes());
        event.field(CANARY, Kind::String, b"x");
        event.field("service", Kind::String, CANARY.as_bytes());
        event.finish().unwrap();
    }
    engine.append(builder.build()).unwrap();
}

/// The files of the store that have the canary, also compressed ones as far as it stands in them.
fn with_canary(storage: &MemoryStorage) -> Vec<String> {
    let has = |bytes: &[u8]| memchr::memmem::find(bytes, CANARY.as_bytes()).is_some();
    let paths = storage.paths().into_iter();
    let found = paths.filter(|path| storage.read(path).is_some_and(|bytes| has(&bytes)));
    found.map(|path| path.display().to_string()).collect()
}

fn all(engine: &Engine) -> usize {
    engine.search(&request("", 10_000)).unwrap().events.len()
}

fn hold() -> HoldRequest {
    HoldRequest {
        scope: HoldScope { query: Some(format!("service:{CANARY}")), ..HoldScope::default() },
        owner: CANARY.to_owned(),
        reason: "asked".to_owned(),
        review: None,
    }
}

fn deep(io: &Io) -> usize {
    let deep = VerifyOptions { deep: true, since: None };
    let report = verify(io, Path::new("store"), &deep, &mut |_| {}).unwrap();
    // What a process that ended at once has left, verify notes.
    let damage = report.findings.iter().filter(|finding| finding.severity != Severity::Note);
    assert_eq!(damage.collect::<Vec<_>>(), Vec::<&Finding>::new());
    report.checked.decoded as usize
}

#[test]
fn nothing_of_an_event_is_in_any_file() {
    let plain = MemoryStorage::new();
    let engine = Engine::open(options(&plain)).unwrap();
    append(&engine, 0);
    engine.flush().unwrap();
    assert!(!with_canary(&plain).is_empty(), "the canary is seen where it is");
    drop(engine);

    let storage = MemoryStorage::new();
    let mut options = keyed(&storage, ONE);
    // Several manifests.
    options.limits.manifest_bytes_max = 16 << 10;
    let engine = Engine::open(options.clone()).unwrap();
    engine.hold(hold()).unwrap();
    for round in 0..6 {
        append(&engine, round * 20);
        assert_eq!(with_canary(&storage), [""; 0], "after an append");
        engine.flush().unwrap();
        assert_eq!(with_canary(&storage), [""; 0], "after a flush");
    }
    engine.compact_now().unwrap();
    append(&engine, 120);
    assert_eq!(with_canary(&storage), [""; 0]);
    assert_eq!(all(&engine), 140);
    assert_eq!(numbers(&engine.search(&request("\"number 7\"", 10)).unwrap()), [7]);
    drop(engine);
    let storage = storage.power_cut();
    let options = keyed(&storage, ONE);
    assert_eq!(deep(&options.io), 120);
    let engine = Engine::open(options).unwrap();
    assert_eq!(all(&engine), 140);
    let status = engine.encryption().unwrap();
    assert_eq!(status.files.keys().collect::<Vec<_>>(), [&key("one")]);
    assert_eq!(with_canary(&storage), [""; 0]);
}

#[test]
fn without_its_key_a_store_is_left_as_it_is() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(keyed(&storage, ONE)).unwrap();
    append(&engine, 0);
    engine.flush().unwrap();
    append(&engine, 20);
    drop(engine);
    let contents = |storage: &MemoryStorage| {
        let paths = storage.paths();
        paths.iter().map(|path| (path.clone(), storage.read(path))).collect::<Vec<_>>()
    };
    let before = contents(&storage);
    let other = TWO.replace("two", "one");
    for given in [None, Some(TWO), Some(&*other)] {
        let options = given.map_or_else(|| options(&storage), |keys| keyed(&storage, keys));
        let error = Engine::open(options.clone()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert!(error.to_string().contains("\"one\""), "{error}");
        let dir = Path::new("store");
        let error = repair(&options.io, dir, &Limits::tiny(), false).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        let asked = VerifyOptions { deep: false, since: None };
        let report = verify(&options.io, dir, &asked, &mut |_| {}).unwrap();
        assert_eq!(report.severity(), Some(Severity::Unread), "not damage: {:?}", report.findings);
    }
    let locks = |(path, _): &(std::path::PathBuf, _)| !path.ends_with("LOCK");
    let after: Vec<_> = contents(&storage).into_iter().filter(locks).collect();
    assert!(after == before.into_iter().filter(locks).collect::<Vec<_>>(), "nothing was changed");
    assert_eq!(all(&Engine::open(keyed(&storage, ONE)).unwrap()), 40);
}

#[test]
fn keys_come_to_a_plain_store_and_change_and_go() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    append(&engine, 0);
    engine.flush().unwrap();
    engine.compact_now().unwrap();
    append(&engine, 20);
    drop(engine);
    // The first key.
    let engine = Engine::open(keyed(&storage, ONE)).unwrap();
    assert_eq!(all(&engine), 40);
    append(&engine, 40);
    engine.flush().unwrap();
    let status = engine.encryption().unwrap();
    assert_eq!(status.files.keys().collect::<Vec<_>>(), [&None, &key("one")]);
    engine.compact_now().unwrap();
    let status = engine.encryption().unwrap();
    assert_eq!(status.files.keys().collect::<Vec<_>>(), [&key("one")]);
    assert_eq!(with_canary(&storage), [""; 0], "nothing plain is left, nor in recycled logs");
    drop(engine);
    // Another one: the old one is needed until all is written again.
    let engine = Engine::open(keyed(&storage, &format!("{TWO}\n{ONE}"))).unwrap();
    assert_eq!(all(&engine), 60);
    append(&engine, 60);
    drop(engine);
    let error = Engine::open(keyed(&storage, TWO)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    let engine = Engine::open(keyed(&storage, &format!("{TWO}\n{ONE}"))).unwrap();
    engine.flush().unwrap();
    engine.compact_now().unwrap();
    let status = engine.encryption().unwrap();
    assert_eq!(status.keys, [key("two").unwrap(), key("one").unwrap()]);
    assert_eq!(status.files.keys().collect::<Vec<_>>(), [&key("two")]);
    engine.close().unwrap();
    let options = keyed(&storage, TWO);
    assert_eq!(deep(&options.io), 80);
    let engine = Engine::open(options).unwrap();
    assert_eq!(all(&engine), 80);
}

/// A batch that its sender has named.
fn append_named(engine: &Engine, name: &str) {
    let key = BatchKey::named("default", name.as_bytes());
    let Claim::New(ticket) = engine.claim(key, BodyHash::new(&[name.as_bytes()]), || {}) else {
        panic!("{name} is not new");
    };
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    builder.event().finish().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    engine.submit_once(builder.build(), ticket, move |stored| sender.send(stored.is_ok()).unwrap());
    assert!(receiver.recv().unwrap());
}

/// The manifest was written anew under the first key before the log was read, so that the keys with which
/// the store would have opened did not fit any more.
#[test]
fn a_start_that_lacks_a_key_for_the_log_or_a_key_file_changes_no_manifest() {
    for flushed in [false, true] {
        let storage = MemoryStorage::new();
        let engine = Engine::open(keyed(&storage, ONE)).unwrap();
        match flushed {
            // A file of keys, and no file of sections under that key.
            true => {
                append_named(&engine, "first");
                engine.flush().unwrap();
                drop(engine);
                let engine = Engine::open(keyed(&storage, &format!("{TWO}\n{ONE}"))).unwrap();
                engine.compact_now().unwrap();
                engine.close().unwrap();
                storage.paths().iter().for_each(|path| {
                    let is_file = path.to_string_lossy().ends_with(".l0");
                    assert!(!is_file, "written again: {}", path.display());
                });
            }
            false => {
                append(&engine, 0);
                drop(engine);
                drop(Engine::open(keyed(&storage, &format!("{TWO}\n{ONE}"))).unwrap());
            }
        }
        let three = TWO.replace("two", "three").replace("1f20", "1f21");
        let given = format!("{three}\n{TWO}");
        let error = Engine::open(keyed(&storage, &given)).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert!(error.to_string().contains("\"one\""), "{error}");
        let engine = Engine::open(keyed(&storage, &format!("{TWO}\n{ONE}"))).unwrap();
        assert_eq!(all(&engine), if flushed { 1 } else { 20 });
    }
}

#[test]
fn a_torn_tail_of_an_encrypted_log_is_cut_and_a_flipped_bit_is_refused() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(keyed(&storage, ONE)).unwrap();
    append(&engine, 0);
    append(&engine, 20);
    append(&engine, 40);
    drop(engine);
    let mut logs = storage.paths();
    logs.retain(|path| path.to_string_lossy().ends_with("-00000000.wal"));
    let path = logs.pop().expect("a log");
    let bytes = storage.read(&path).unwrap();
    let groups = memchr::memmem::find_iter(&bytes, b"LSGROUP\0").collect::<Vec<_>>();
    let damaged = |at: usize| {
        let storage = storage.copy();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        storage.overwrite(&path, bytes);
        Engine::open(keyed(&storage, ONE)).map(|engine| all(&engine))
    };
    // Of the first, the group behind it says that it was synced.
    let error = damaged(groups[1] + 200).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // Of the last nothing does, but for the empty group of a log that was closed.
    let last = groups.iter().rev().find(|at| bytes[**at + 44] == 1).expect("an encrypted group");
    let is_closed = groups.last() != Some(last);
    match damaged(last + 200) {
        Ok(count) => assert_eq!((count, is_closed), (40, false)),
        Err(error) => assert_eq!((error.kind(), is_closed), (ErrorKind::Corrupt, true)),
    }
}

/// Appends events with 60 words each that no other event has.
fn append_words(engine: &Engine, events: std::ops::Range<usize>) {
    for first in events.step_by(40) {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for number in first..first + 40 {
            let mut event = builder.event();
            let word =
                |at: usize| format!("{:x} ", ((number * 60 + at + 1) * 0x9e37_79b9_7f4a) >> 8);
            let text = (0..60).map(word).collect::<String>();
            event.field("message", Kind::String, format!("number{number} {text}").as_bytes());
            event.finish().unwrap();
        }
        engine.append(builder.build()).unwrap();
    }
}

/// The whole index was decrypted when it was opened, and a bit of it was an error of every query.
#[test]
fn a_damaged_index_of_an_encrypted_file_costs_no_answer() {
    const FRAME: u64 = 8_192;
    let storage = MemoryStorage::new();
    let mut options = keyed(&storage, ONE);
    options.limits.generation_bytes_max = 2 << 20;
    options.limits.memtable_bytes_max = 4 << 20;
    options.limits.compaction.segment_bytes_max = 4 << 20;
    let engine = Engine::open(options.clone()).unwrap();
    append_words(&engine, 0..800);
    engine.flush().unwrap();
    engine.compact_now().unwrap();
    drop(engine);
    let mut paths = storage.paths();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "seg"));
    let [path] = &paths[..] else { panic!("{paths:?}") };
    let file = crate::crypt::open_file(&*options.io.storage, path).unwrap();
    let directory = crate::segment::read_directory(&*file, path).unwrap();
    let index = directory.sections[0].index.expect("an index");
    let first = index.offset.div_ceil(FRAME);
    let frames = first..(index.offset + index.len) / FRAME;
    assert!(!frames.is_empty(), "{index:?} has a frame of its own");
    for frame in frames {
        let damaged = storage.copy();
        let mut bytes = storage.read(path).unwrap();
        bytes[(64 + frame * (FRAME + 16) + 1_000) as usize] ^= 1;
        damaged.overwrite(path, bytes);
        let engine = Engine::open(keyed(&damaged, ONE)).unwrap();
        for number in [7, 791] {
            let page = engine.search(&request(&format!("number{number}"), 10)).unwrap();
            assert_eq!(page.events.len(), 1, "frame {frame}");
        }
    }
}

#[test]
fn what_is_archived_is_what_is_stored() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(keyed(&storage, ONE)).unwrap();
    append(&engine, 0);
    engine.flush().unwrap();
    let checkpoint = engine.checkpoint().unwrap();
    for file in &checkpoint.files {
        let stored = storage.read(&Path::new("store").join(&file.name)).unwrap();
        let mut copy = vec![0; file.len as usize];
        file.read_at(&mut copy, 0).unwrap();
        assert!(copy == stored, "the same bytes on the disk and elsewhere");
        assert!(file.blake3.is_none_or(|hash| hash == *blake3::hash(&stored).as_bytes()));
    }
    assert!(crate::crypt::is_encrypted(&{
        let mut bytes = vec![0; 64];
        checkpoint.files[0].read_at(&mut bytes, 0).unwrap();
        bytes
    }));
}

/// An archive of what was copied, as it was.
#[derive(Debug, Default)]
struct Shelf(Mutex<BTreeMap<String, Vec<u8>>>);

impl ColdFiles for Shelf {
    fn read_at(
        &self,
        file: &ColdFile,
        offset: u64,
        buf: &mut [u8],
        _patience: &Patience,
    ) -> Result<Came, ColdAway> {
        let files = self.0.lock();
        let bytes = &files[&file.name];
        assert_eq!((bytes.len() as u64, *blake3::hash(bytes).as_bytes()), (file.len, file.blake3));
        buf.copy_from_slice(&bytes[offset as usize..][..buf.len()]);
        Ok(Came::default())
    }
}

#[test]
fn what_left_the_disk_is_decrypted_where_it_is_read() {
    let (storage, shelf) = (MemoryStorage::new(), Arc::new(Shelf::default()));
    let mut options = keyed(&storage, ONE);
    let clock = Arc::new(ManualClock::new(NOON));
    options.io.clock = Arc::clone(&clock) as _;
    let engine = Engine::open_with(options.clone(), Arc::clone(&shelf) as _).unwrap();
    append(&engine, 0);
    engine.flush().unwrap();
    clock.advance(std::time::Duration::from_secs(3 * 86_400));
    engine.compact_now().unwrap();
    let mut told = Vec::new();
    for file in &engine.checkpoint().unwrap().files {
        let Some(blake3) = file.blake3 else { continue };
        let mut bytes = vec![0; file.len as usize];
        file.read_at(&mut bytes, 0).unwrap();
        assert!(crate::crypt::is_encrypted(&bytes));
        shelf.0.lock().insert(file.name.clone(), bytes);
        told.push(ArchivedFile { name: file.name.clone(), blake3 });
    }
    engine.archived(&told);
    let left = engine.evict_local(Some(Keep::days(0))).unwrap();
    assert!(left.files > 0);
    assert_eq!(engine.encryption().unwrap().away[&key("one")].files, left.files);
    drop(engine);
    let engine = Engine::open_with(options, shelf).unwrap();
    assert_eq!(all(&engine), 20);
    assert_eq!(numbers(&engine.search(&request("\"number 7\"", 10)).unwrap()), [7]);
    let away = engine.encryption().unwrap().away;
    assert_eq!(away.keys().collect::<Vec<_>>(), [&key("one")], "also if it is asked from afar");
}

/// What is told of a store whose keys change: every part, and a damaged header is no end of it.
#[test]
fn the_key_of_every_part_is_told() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    append_named(&engine, "first");
    engine.flush().unwrap();
    append(&engine, 20);
    drop(engine);
    let names = |of: &BTreeMap<Option<KeyId>, KeyUse>| of.keys().copied().collect::<Vec<_>>();
    let engine = Engine::open(keyed(&storage, ONE)).unwrap();
    assert!(engine.was_plain());
    let status = engine.encryption().unwrap();
    assert_eq!((names(&status.files), names(&status.key_files)), (vec![None], vec![None]));
    assert_eq!(status.manifest, key("one"));
    assert_eq!(status.log.iter().copied().collect::<Vec<_>>(), [None, key("one")]);
    append_named(&engine, "second");
    engine.flush().unwrap();
    let status = engine.encryption().unwrap();
    assert_eq!(status.log.iter().copied().collect::<Vec<_>>(), [key("one")], "it was flushed");
    assert_eq!(names(&status.key_files), [None, key("one")]);
    assert_eq!(status.unreadable, KeyUse::default());
    engine.close().unwrap();

    let mut paths = storage.paths();
    paths.retain(|path| path.to_string_lossy().ends_with(".l0"));
    let path = paths.last().expect("a file");
    let mut bytes = storage.read(path).unwrap();
    bytes[40] ^= 1;
    storage.overwrite(path, bytes);
    let engine = Engine::open(keyed(&storage, &format!("{TWO}\n{ONE}"))).unwrap();
    assert!(!engine.was_plain());
    let status = engine.encryption().unwrap();
    assert_eq!((status.unreadable.files, names(&status.files)), (1, vec![None]));
    assert_eq!(status.manifest, key("two"));
}

fn requiring(storage: &MemoryStorage) -> Options {
    let mut options = options(storage);
    let keys = Arc::new(Keyring::parse(ONE).unwrap().requiring());
    options.io.storage = Arc::new(KeyedStorage::new(options.io.storage, keys));
    options
}

/// Plain bytes were taken for those of a store from before its keys, wherever they stood.
#[test]
fn nothing_plain_is_read_where_encryption_is_required() {
    let refused = |storage: &MemoryStorage, what: &str| {
        let error = Engine::open(requiring(storage)).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{what}: {error}");
        let text = error.to_string();
        assert!(text.contains("encryption.require") && text.contains(what), "{what}: {text}");
        Engine::open(keyed(storage, ONE)).map(drop).unwrap();
    };
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    append_named(&engine, "first");
    drop(engine);
    // The manifest; it is encrypted by the first start with keys, then the log is plain.
    refused(&storage, "MANIFEST");
    refused(&storage, ".wal");
    let engine = Engine::open(keyed(&storage, ONE)).unwrap();
    engine.flush().unwrap();
    engine.close().unwrap();
    let sound = Engine::open(requiring(&storage)).unwrap();
    append(&sound, 0);
    sound.flush().unwrap();
    assert_eq!(all(&sound), 21);
    sound.close().unwrap();
    // A file of sections, and one of keys.
    let plain = MemoryStorage::new();
    let engine = Engine::open(options(&plain)).unwrap();
    append_named(&engine, "first");
    engine.flush().unwrap();
    engine.close().unwrap();
    drop(Engine::open(keyed(&plain, ONE)).unwrap());
    refused(&plain, ".l0");
    Engine::open(keyed(&plain, ONE)).unwrap().compact_now().unwrap();
    refused(&plain, ".keys");
}

/// It was passed over, and who gave another key was told that all was written again.
#[test]
fn a_compaction_tells_of_a_file_whose_key_can_not_be_read() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(keyed(&storage, ONE)).unwrap();
    append(&engine, 0);
    engine.flush().unwrap();
    engine.compact_now().unwrap();
    engine.close().unwrap();
    let mut paths = storage.paths();
    paths.retain(|path| path.to_string_lossy().contains("segments/"));
    let [path] = &paths[..] else { panic!("{paths:?}") };
    let mut bytes = storage.read(path).unwrap();
    bytes[40] ^= 1;
    storage.overwrite(path, bytes);
    let engine = Engine::open(keyed(&storage, &format!("{TWO}\n{ONE}"))).unwrap();
    let error = engine.compact_now().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}
