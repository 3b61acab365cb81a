//! What searches read first of files is in the cache before anyone asks.

use super::*;
use crate::engine::state::LiveFile;
use crate::engine::warm::Warmed;
use std::cell::Cell;

/// What the cache has of a file.
#[derive(Debug, PartialEq, Eq)]
enum Has {
    Nothing,
    /// The directory, and of so many sections index and list, of so many that have them.
    Sections(usize, usize),
}

fn kept(engine: &Engine, LiveFile { file, meta }: &LiveFile) -> Has {
    let cache = &engine.shared.cache;
    let Some(sections) = cache.sections(meta.id) else { return Has::Nothing };
    let with: Vec<_> = sections.iter().filter_map(|s| Some((s.index.as_ref()?, s.list?))).collect();
    let is_kept = |list: u64, index: u64| {
        cache.index(file.key(index)).is_some()
            && cache.list(file.key(list)).is_some_and(|list| list.is_read())
    };
    let kept = with.iter().filter(|(index, list)| is_kept(list.offset, index.offset)).count();
    Has::Sections(kept, with.len())
}

fn files(engine: &Engine) -> Arc<Vec<LiveFile>> {
    Arc::clone(&engine.shared.state().files)
}

/// The files from the newest on, as they are brought in.
fn newest_first(engine: &Engine) -> Vec<LiveFile> {
    let mut files = files(engine).to_vec();
    files.sort_by_key(|file| std::cmp::Reverse(file.meta.seqs.end));
    files
}

/// Options of a store that compacts by itself.
fn automatic(storage: &MemoryStorage) -> Options {
    let mut options = options(storage);
    // Blocks whose sections get lists.
    options.limits.block_rows_max = 128;
    options.limits.block_bytes_max = 64 << 10;
    options.limits.compaction.is_automatic = true;
    // Indexes of files in memory are copied, and count whole.
    options.limits.cache_bytes_max = 16 << 20;
    options
}

/// Events of several sentences: where there is but one, blocks share none.
fn various(first: usize, count: usize) -> Batch {
    const SORTS: [&str; 5] = [
        "the keeper of the hall",
        "a clerk passing through",
        "nobody in particular",
        "whoever happened to come first",
        "some body dressed in grey",
    ];
    let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
    for number in first..first + count {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 + number as i64);
        let (sort, after) = (SORTS[number / 2 % SORTS.len()], number * 7_919 % 1_000);
        let text = format!("event number {number} was asked for by {sort} after {after} ms");
        event.field("message", Kind::String, text.as_bytes());
        event.finish().expect("small");
    }
    builder.build()
}

#[test]
fn what_is_merged_and_what_is_opened_is_there_before_anyone_asks() {
    let storage = MemoryStorage::new();
    // Merged while the store is open.
    let engine = Engine::open(automatic(&storage)).unwrap();
    for number in 0..3 {
        engine.append(various(number * 1_000, 1_000)).unwrap();
        engine.flush().unwrap();
    }
    engine.compact_now().unwrap();
    engine.settle();
    let all_kept = |engine: &Engine| {
        let mut sections = 0;
        for file in files(engine).iter() {
            let Has::Sections(kept, all) = kept(engine, file) else { panic!("{}", file.meta.id) };
            assert_eq!(kept, all, "{}", file.meta.id);
            sections += all;
        }
        assert!(sections > 0, "no section has a list");
    };
    all_kept(&engine);
    check(&engine, 3_000);
    engine.close().unwrap();
    // When it is opened again.
    let engine = Engine::open(automatic(&storage)).unwrap();
    engine.settle();
    all_kept(&engine);
    check(&engine, 3_000);
    engine.close().unwrap();
    // Who does not compact by itself reads nothing by itself.
    let engine = Engine::open(options(&storage)).unwrap();
    engine.settle();
    assert!(files(&engine).iter().all(|file| kept(&engine, file) == Has::Nothing));
}

/// A store of several merged files that nobody has read.
fn unread(storage: &MemoryStorage) -> Engine {
    let engine = Engine::open(options(storage)).unwrap();
    for number in 0..3 {
        engine.append(batch(number * 30, 30)).unwrap();
        engine.flush().unwrap();
        engine.compact_now().unwrap();
    }
    engine.close().unwrap();
    Engine::open(options(storage)).unwrap()
}

#[test]
fn the_newest_come_first_and_the_bound_holds() {
    let storage = MemoryStorage::new();
    let mut engine = unread(&storage);
    let count = files(&engine).len();
    assert!(count >= 3, "{count} files");
    let there = |engine: &Engine| -> Vec<bool> {
        let files = newest_first(engine);
        files.iter().map(|file| kept(engine, file) != Has::Nothing).collect()
    };
    Warmed::default().warm_files(&engine.shared, || false);
    assert!(there(&engine).iter().skip(1).all(|there| !there), "it was ended");
    engine.close().unwrap();
    // Of a cache of one byte there is no part.
    let mut few = options(&storage);
    few.limits.cache_bytes_max = crate::limits::WARMED_SHARE - 1;
    engine = Engine::open(few.clone()).unwrap();
    Warmed::default().warm_files(&engine.shared, || true);
    assert!(!there(&engine).contains(&true));
    engine.close().unwrap();
    // Of a small one the newest file takes it all.
    let mut one = options(&storage);
    one.limits.cache_bytes_max = 1 << 20;
    engine = Engine::open(one).unwrap();
    let mut warmed = Warmed::default();
    warmed.warm_at_most(&engine.shared, 1, || true);
    assert_eq!(there(&engine).iter().filter(|there| **there).count(), 1);
    assert!(there(&engine)[0], "the newest");
    // What was let go of the cache does not come again, and counts as it did.
    let newest = newest_first(&engine)[0].meta.id;
    engine.shared.cache.forget(|id| id == newest);
    warmed.warm_at_most(&engine.shared, 1, || true);
    assert!(!there(&engine).contains(&true));
    // There is room for the others.
    warmed.warm_at_most(&engine.shared, 1 << 20, || true);
    assert_eq!(there(&engine).iter().filter(|there| **there).count(), count - 1);
}

#[test]
fn nothing_is_kept_of_a_file_that_is_merged_meanwhile() {
    let storage = MemoryStorage::new();
    let engine = unread(&storage);
    let before: Vec<FileId> = files(&engine).iter().map(|file| file.meta.id).collect();
    let is_merged = Cell::new(false);
    Warmed::default().warm_files(&engine.shared, || {
        // The directory of the first is read, and it goes now, with all others.
        if !is_merged.replace(true) {
            for number in 3..20 {
                engine.append(batch(number * 30, 30)).unwrap();
                engine.flush().unwrap();
                engine.compact_now().unwrap();
            }
        }
        true
    });
    let after: Vec<FileId> = files(&engine).iter().map(|file| file.meta.id).collect();
    let gone: Vec<&FileId> = before.iter().filter(|id| !after.contains(id)).collect();
    assert!(!gone.is_empty(), "nothing was merged");
    for id in gone {
        assert!(engine.shared.cache.sections(*id).is_none(), "{id}");
    }
    check(&engine, 600);
}

#[test]
fn appends_that_wait_come_first_and_damage_is_told_to_who_reads() {
    let storage = MemoryStorage::new();
    let engine = unread(&storage);
    engine.shared.state().ingest_waits = true;
    Warmed::default().warm_files(&engine.shared, || true);
    let first = newest_first(&engine).remove(0);
    assert!(matches!(kept(&engine, &first), Has::Nothing | Has::Sections(0, _)));
    engine.shared.state().ingest_waits = false;
    let path = first.file.path().to_path_buf();
    engine.close().unwrap();
    let sound = storage.read(&path).unwrap();
    let mut bytes = sound.clone();
    let end = bytes.len();
    bytes[end - 40..].iter_mut().for_each(|byte| *byte ^= 0x55);
    storage.overwrite(&path, bytes);
    let engine = Engine::open(options(&storage)).unwrap();
    Warmed::default().warm_files(&engine.shared, || true);
    let others = &newest_first(&engine)[1..];
    assert!(others.iter().all(|file| kept(&engine, file) != Has::Nothing));
    let error = engine.search(&request("", 10_000)).map(|page| page.events.len()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    engine.close().unwrap();
    storage.overwrite(&path, sound);
    check(&Engine::open(options(&storage)).unwrap(), 90);
}
