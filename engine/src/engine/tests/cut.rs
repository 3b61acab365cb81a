//! A file that someone cuts on a real disk, mapped and read: it is named, the others go on.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "damages a real file")]

use super::*;
use crate::io::FileStorage;
use crate::names;
use crate::segment::BlockPlace;
use std::fs;
use std::path::Path;

const DAY: i64 = 86_400_000_000_000;
const EVENTS: i64 = 3_000;

/// Events of one day; every one has words of its own, so that filters are large enough to be
/// mapped.
fn events_of(day: i64) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::default(), NOON);
    for number in 0..EVENTS {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 - day * DAY + number);
        let mut message = format!("day {day} event {number}");
        for word in 0..6 {
            message.push_str(&format!(" w{day}x{number}x{word}"));
        }
        event.field("message", Kind::String, message.as_bytes());
        // Ids by chance are read where they stand, each when it is wanted.
        let span = format!("{:016x}", (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        event.field("span_id", Kind::String, span.as_bytes());
        event.finish().expect("small");
    }
    builder.build()
}

fn open(dir: &Path, mmap: bool) -> Engine {
    let storage = Arc::new(FileStorage { mmap });
    let io = Io { storage, ..Io::system() };
    let mut limits = Limits::default();
    // The file that is cut must not be gone by then.
    limits.compaction.is_automatic = false;
    Engine::open(Options { dir: dir.into(), limits, redaction: Rules::none(), io }).unwrap()
}

/// Looks for a word of an event of `day`, in the events of that day only.
fn find(engine: &Engine, day: i64) -> Result<usize> {
    find_word(engine, day, &format!("w{day}x7x3"))
}

fn find_word(engine: &Engine, day: i64, word: &str) -> Result<usize> {
    let mut wanted = request(word, 10);
    let noon = NOON.0 - day * DAY;
    wanted.range = TimeRange { from: Some(Timestamp(noon)), to: Some(Timestamp(noon + EVENTS)) };
    engine.search(&wanted).map(|page| page.events.len())
}

#[test]
fn a_file_that_is_cut_is_named_and_the_others_serve() {
    for mmap in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path(), mmap);
        for day in 0..2 {
            engine.append(events_of(day)).unwrap();
            engine.flush().unwrap();
        }
        assert_eq!((find(&engine, 0).unwrap(), find(&engine, 1).unwrap()), (1, 1));
        let files = Arc::clone(&engine.shared.state().files);
        let place = files[0].file.sections(&engine.shared.cache).unwrap()[0].blocks[0].clone();
        let block = files[0].file.block(&place, &engine.shared.cache).unwrap();
        let (_, filter_bytes) = block.other_parts()[5];
        assert!(filter_bytes > 16 << 10, "{filter_bytes}");
        let path = names::level_zero(dir.path(), files[0].meta.id.number());
        let good = fs::read(&path).unwrap();
        engine.close().unwrap();

        // In the trailer, in the footer, in a block, behind its header; all of it.
        let len = good.len();
        for cut in [len - 1, len - 40, len / 2, 4_096, 0] {
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
            let engine = open(dir.path(), mmap);
            let error = find(&engine, 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(find(&engine, 1).unwrap(), 1);
            engine.close().unwrap();
            fs::write(&path, &good).unwrap();
        }
        let engine = open(dir.path(), mmap);
        assert_eq!((find_word(&engine, 0, "absent").unwrap(), find(&engine, 1).unwrap()), (0, 1));
        // Cut while the store is open, its directory in the cache, but no row: what was cut off is
        // missed when it is read.
        let cut = fs::OpenOptions::new().write(true).open(&path).unwrap();
        cut.set_len(4_096).unwrap();
        let error = engine.search(&request("event", 10_000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(find(&engine, 1).unwrap(), 1);
        engine.close().unwrap();
    }
}

/// What was decoded of a block, and stays in the cache, reads bytes of the file later.
#[test]
fn what_is_kept_of_a_block_is_not_believed_once_its_file_is_cut() {
    // Behind the first page, and within the last: the rest of that reads as zeros without a fault.
    believe_nothing(|_| 4_096);
    believe_nothing(|place| place.offset + u64::from(place.meta.len) - 10);
}

fn believe_nothing(cut: impl Fn(&BlockPlace) -> u64) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), true);
    for day in 0..2 {
        engine.append(events_of(day)).unwrap();
        engine.flush().unwrap();
    }
    let all = request("day event", 10_000);
    let found = engine.search(&all).unwrap().events;
    assert_eq!(found.len(), 2 * EVENTS as usize);
    engine.close().unwrap();
    let engine = open(dir.path(), true);
    assert_eq!(find(&engine, 0).unwrap(), 1);
    let file = engine.shared.state().files[0].clone();
    let path = names::level_zero(dir.path(), file.meta.id.number());
    let place = file.file.sections(&engine.shared.cache).unwrap()[0].blocks[0].clone();
    let block = file.file.block(&place, &engine.shared.cache).unwrap();
    block.read(|| block.column(0).map(drop)).unwrap();

    let good = fs::read(&path).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut(&place)).unwrap();
    let error = engine.search(&all).map(|page| page.events.len()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let text = error.to_string();
    assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text}");
    assert_eq!(find(&engine, 1).unwrap(), 1);
    // Code may rely on what it has verified, which zeros are not.
    let panics = || -> Result<()> { panic!("zeros where there were none") };
    let error = block.read(panics).unwrap_err();
    assert!(error.to_string().contains("a mapped page can't be read"), "{error}");

    // There again, nothing of the zeros is left.
    fs::write(&path, &good).unwrap();
    assert!(engine.search(&all).unwrap().events == found, "as before");
    let block = file.file.block(&place, &engine.shared.cache).unwrap();
    block.read(|| block.column(0).map(drop)).unwrap();
    let gone_on = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block.read(panics)));
    assert!(gone_on.is_err(), "a panic of sound bytes is one");
    engine.close().unwrap();
}
