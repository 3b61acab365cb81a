//! The same for stores with keys: a bit costs a frame instead of a page, and nothing more.

use super::*;
use crate::crypt;
use crate::io::Entropy as _;
use crate::segment;

const KEYS: &str = "one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Where the frames of a file begin, and how far they are apart (`docs/format/encryption.md`).
const FRAMES: (u64, u64) = (64, 8_208);
/// The plain bytes of a frame.
const FRAME_BYTES: u64 = 8_192;
/// Words of an event that no other has: files get several frames, and with many the index has some of its
/// own.
const WORDS: usize = 20;
const MANY_WORDS: usize = 60;

/// A store with files of several frames: a segment with an index, packs, level-0 files, keys and a log.
fn keyed_store(words: usize) -> MemoryStorage {
    let storage = MemoryStorage::new();
    storage.overwrite(Path::new(KEY_FILE), KEYS.into());
    let mut options = options(&storage);
    // Batches with many words fill a generation soon.
    options.limits.generation_bytes_max = 2 << 20;
    options.limits.memtable_bytes_max = 4 << 20;
    options.limits.compaction.segment_bytes_max = 4 << 20;
    let entropy = SeededEntropy::new(17);
    let engine = Engine::open(options).expect("a sound store");
    let append = |first: usize| {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for number in first..first + BATCH {
            let mut event = builder.event();
            let text = (0..words).map(|_| format!("{:x} ", entropy.next_u64() >> 24));
            let text = format!("event {number} {}", text.collect::<String>());
            event.timestamp = Timestamp(NOON.0 + number as i64);
            event.level = Level::Info;
            event.field("message", Kind::String, text.as_bytes());
            event.finish().expect("small");
        }
        engine.append(builder.build()).expect("durable");
    };
    for round in 0..2 {
        (0..10).for_each(|number| append((round * 10 + number) * BATCH));
        engine.append(batch(10_000 + round * BATCH, Level::Error)).expect("durable");
        engine.flush().expect("flushed");
    }
    engine.compact_now().expect("compacted");
    assert!(append_once(&engine, "first", 20_000));
    (0..5).for_each(|number| append(900 + number * BATCH));
    engine.flush().expect("flushed");
    append(1_200);
    assert!(append_once(&engine, "second", 20_100));
    append(1_300);
    engine.close().expect("closed");
    storage
}

fn opened(storage: &MemoryStorage, path: &Path) -> Arc<dyn crate::io::File> {
    crypt::open_file(&*options(storage).io.storage, path).expect("is there")
}

/// Where a plain byte is stored.
fn stored_at(plain: u64) -> usize {
    let (frames, step) = FRAMES;
    (frames + plain / FRAME_BYTES * step + plain % FRAME_BYTES) as usize
}

/// The index of a segment, if it has one.
fn index_of(storage: &MemoryStorage, path: &Path) -> Option<std::ops::Range<u64>> {
    let directory = segment::read_directory(&*opened(storage, path), path).expect("sound");
    let index = directory.sections.first()?.index?;
    Some(index.offset..index.offset + index.len)
}

/// The bit of an index of an encrypted file was an error of the whole repair.
#[test]
fn a_bit_of_an_encrypted_index_costs_nothing() {
    let storage = keyed_store(MANY_WORDS);
    let before = events(&copy_of(&storage)).expect("sound");
    let paths = named(&storage, ".seg").into_iter();
    let mut indexes = paths.filter_map(|path| Some((index_of(&storage, &path)?, path)));
    let (index, path) = indexes.next().expect("an index");
    // In a frame that has nothing else.
    let frame = index.start.next_multiple_of(FRAME_BYTES);
    assert!(frame + FRAME_BYTES <= index.end, "{index:?}: a frame of its own");
    let harm = Harm::Flipped(stored_at(frame + 100));
    let damaged = super::harm(&storage, &path, harm);
    assert_eq!(events(&copy_of(&damaged)).expect("served").len(), before.len());
    let outcome = check(&damaged, &before, "an index");
    assert_eq!((outcome.done.damages.len(), outcome.missing.len()), (1, 0));
    check_told(&outcome, "an index");
}

#[test]
fn whatever_of_an_encrypted_file_is_damaged_the_rest_serves() {
    let storage = keyed_store(WORDS);
    let before = events(&copy_of(&storage)).expect("sound");
    let (mut parts, mut wholes) = (0, 0);
    for part in [".l0", ".seg", ".pack", ".keys"] {
        let paths = named(&storage, part);
        assert!(!paths.is_empty(), "{part}");
        for path in paths {
            for harm in harms(&storage, &path, 3) {
                let what = format!("{} {harm:?}", path.display());
                let is_keys = part == ".keys";
                if is_keys && matches!(harm, Harm::Removed) {
                    continue;
                }
                let outcome = check(&super::harm(&storage, &path, harm), &before, &what);
                check_told(&outcome, &what);
                assert!(!outcome.done.damages.is_empty(), "{what}");
                match outcome.missing.len() {
                    0 => {}
                    _ if is_keys => panic!("{what}"),
                    missing if outcome.done.damages[0].remedy.contains("written") => {
                        let is_cut = matches!(harm, Harm::Cut(_));
                        assert!(is_cut || missing < before.len() / 2, "{what}: {missing}");
                        parts += 1;
                    }
                    _ => wholes += 1,
                }
            }
        }
    }
    assert!(parts > 2 && wholes > 2, "{parts} files lost a part, {wholes} all");
}

#[test]
fn what_is_sound_behind_damage_of_an_encrypted_log_stays() {
    let storage = keyed_store(WORDS);
    let before = events(&copy_of(&storage)).expect("sound");
    for path in named(&storage, ".wal") {
        for harm in harms(&storage, &path, 5) {
            let what = format!("{} {harm:?}", path.display());
            let outcome = check(&super::harm(&storage, &path, harm), &before, &what);
            if !outcome.done.damages.is_empty() {
                check_told(&outcome, &what);
            }
            if let Harm::Flipped(_) = harm {
                assert!(outcome.missing.len() <= BATCH, "{what}: {}", outcome.missing.len());
            }
        }
    }
}

#[test]
fn a_damaged_encrypted_manifest_costs_no_event() {
    let storage = keyed_store(WORDS);
    let before = events(&copy_of(&storage)).expect("sound");
    let [path] = &named(&storage, "MANIFEST")[..] else { panic!("one manifest") };
    let mut harms = harms(&storage, path, 2);
    // The header of the first edit, its encryption header, its body; the body of a later one.
    harms.extend([10, 90, 150, 8_192 + 150].map(|at| Harm::Flipped(4_096 + at)));
    for harm in harms {
        let what = format!("{harm:?}");
        let outcome = check(&super::harm(&storage, path, harm), &before, &what);
        assert_eq!(outcome.missing, [] as [u64; 0], "{what}");
    }
}

/// The damaged header of one file was the end of a repair that others could have told enough for.
#[test]
fn a_lost_manifest_is_written_anew_though_a_file_can_not_be_decrypted() {
    let storage = keyed_store(WORDS);
    let before = events(&copy_of(&storage)).expect("sound");
    let [manifest] = &named(&storage, "MANIFEST")[..] else { panic!("one manifest") };
    let first = named(&storage, ".l0").into_iter().next().expect("a file");
    // The encryption header, and the frame that has the header of the format.
    for at in [40, stored_at(20)] {
        let damaged = harm(&storage, manifest, Harm::Removed);
        let damaged = harm(&damaged, &first, Harm::Flipped(at));
        let outcome = check(&damaged, &before, &format!("flipped at {at}"));
        assert!(outcome.after.len() * 2 > before.len(), "{}", outcome.after.len());
    }
}

#[test]
fn any_bytes_in_several_encrypted_files_are_mended() {
    let storage = keyed_store(WORDS);
    let before = events(&copy_of(&storage)).expect("sound");
    let kinds = ["MANIFEST", ".l0", ".seg", ".pack", ".keys", ".wal"];
    let paths: Vec<PathBuf> = kinds.iter().flat_map(|kind| named(&storage, kind)).collect();
    for round in 0..6 {
        let entropy = SeededEntropy::new(round);
        let below = |bound: usize| (entropy.next_u64() % bound as u64) as usize;
        let damaged = copy_of(&storage);
        let mut what = format!("round {round}:");
        for _ in 0..1 + round % 3 {
            let path = &paths[below(paths.len())];
            let mut bytes = damaged.read(path).expect("is there");
            let at = below(used(&storage, path));
            bytes[at] ^= 1 << below(8);
            damaged.overwrite(path, bytes);
            what += &format!(" {} {at}", path.display());
        }
        check(&damaged, &before, &what);
    }
}
