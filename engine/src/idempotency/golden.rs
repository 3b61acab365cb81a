//! The file whose dump ends `docs/format/keys.md`, read and made again byte for byte; and one that
//! version 1 wrote.

use super::format::{chunk, decode, end, header};
use super::{BatchKey, BodyHash, ClaimRecord, Entry};
use crate::codec::dump;
use crate::error::ErrorKind;
use crate::event::{EventId, Seq};
use crate::timestamp::Timestamp;
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/format/keys.md");
const VERSION_1: &str = "\
```text
length 216
00000000  4c 53 4b 45 59 53 00 01 01 00 00 00 74 68 65 20  LSKEYS......the.
00000010  73 74 6f 72 65 27 73 20 75 75 69 64 05 00 00 00  store's.uuid....
00000020  00 00 00 00 02 00 00 00 4e 99 c5 20 72 d6 82 1d  ........N...r...
00000030  63 33 40 94 14 f8 d7 53 80 51 01 00 23 96 6a cf  c3@....S.Q..#.j.
00000040  40 5e 95 1f 85 8f bb ca 3d 42 b7 47 00 18 67 fb  @^......=B.G..g.
00000050  a1 01 00 00 00 01 00 00 00 00 00 00 00 07 00 00  ................
00000060  18 67 fb a1 81 02 00 00 00 00 00 00 00 07 00 00  .g..............
00000070  18 67 fb a1 81 02 00 00 00 cc 07 b1 0d 47 37 e6  .g...........G7.
00000080  b0 b8 9b 8a 5d c7 d1 17 b4 58 02 00 00 23 96 6a  ....]....X...#.j
00000090  cf 40 5e 95 1f 85 8f bb ca 3d 42 b7 47 00 18 67  .@^......=B.G..g
000000a0  fb a1 01 00 00 0a 31 20 72 65 6a 65 63 74 65 64  ......1.rejected
000000b0  03 00 00 00 00 00 00 00 07 00 00 18 67 fb a1 81  ............g...
000000c0  03 00 00 00 00 00 00 00 07 00 00 18 67 fb a1 81  ............g...
000000d0  01 00 00 00 f3 4b 28 d1  .....K(.
```
";
const STORE: [u8; 16] = *b"the store's uuid";
const NOW: Timestamp = Timestamp(1_795_219_200_000_000_000);

fn entries() -> Vec<Entry> {
    let body = BodyHash::new(&[b"a body"]);
    let entry = |key, seq, count: u32, answer: &[u8]| Entry {
        claim: ClaimRecord { key, body, arrival_ms: NOW.millis(), answer: answer.into() },
        first: EventId::new(NOW, 7, Seq(seq)),
        last: EventId::new(NOW, 7, Seq(seq + u64::from(count) - 1)),
        count,
    };
    vec![
        entry(BatchKey::named("default", b"batch-1"), 1, 2, b""),
        entry(BatchKey::of_body("default", body), 3, 1, b"1 rejected"),
    ]
}

fn file() -> Vec<u8> {
    let entries = entries();
    // A file has more than one chunk from the 1,025th entry on.
    let chunks = entries.chunks(1).flat_map(chunk);
    header(STORE, 5, NOW.millis() + 60_000).into_iter().chain(chunks).chain(end(2)).collect()
}

#[test]
fn the_dump_of_the_format_page_is_read() {
    let read = decode(&dump::from_page(PAGE), Some(STORE), 5, Path::new("keys")).expect("sound");
    assert_eq!((read.entries, read.damage), (entries(), None));
    assert_eq!(read.clock_ms, Some(NOW.millis() + 60_000));
}

#[test]
fn the_dump_of_the_format_page_is_what_is_written() {
    let bytes = file();
    assert!(dump::from_page(PAGE) == bytes, "the page has to end in\n{}", dump::to_text(&bytes));
}

#[test]
fn version_1_is_read() {
    let read = decode(&dump::from_page(VERSION_1), Some(STORE), 5, Path::new("keys"));
    let read = read.expect("sound");
    assert_eq!((read.entries, read.clock_ms, read.damage), (entries(), None, None));
}

/// What is before the damage is kept, and the error names its place.
#[test]
fn damage_costs_what_is_behind_it() {
    let sound = file();
    let chunks = header(STORE, 5, 0).len() as u64;
    let second = chunks + chunk(&entries()[..1]).len() as u64;
    let last = second + chunk(&entries()[1..]).len() as u64;
    let path = Path::new("keys");
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x40;
        let read = decode(&bytes, Some(STORE), 5, path);
        let at = at as u64;
        if at < chunks {
            let error = read.expect_err("damaged");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            continue;
        }
        let read = read.expect("the header is sound");
        let damage = read.damage.expect("damaged");
        let place = [chunks, second, last].into_iter().rev().find(|place| *place <= at);
        assert_eq!(Some(damage.offset), place, "{damage:?}");
        let kept = [chunks, second, last].iter().filter(|place| **place < damage.offset).count();
        assert_eq!(read.entries, entries()[..kept]);
    }
    for len in 0..sound.len() {
        let read = decode(&sound[..len], Some(STORE), 5, path);
        assert!(read.is_ok_and(|read| read.damage.is_some()) == (len as u64 >= chunks), "{len}");
    }
}

#[test]
fn another_store_generation_or_version_is_refused() {
    let sound = file();
    let path = Path::new("keys");
    let kind = |store, generation, bytes: &[u8]| {
        decode(bytes, Some(store), generation, path).expect_err("refused").kind()
    };
    assert_eq!(kind([0; 16], 5, &sound), ErrorKind::Corrupt);
    assert_eq!(kind(STORE, 6, &sound), ErrorKind::Corrupt);
    for at in [8, 10] {
        let mut later = sound.clone();
        later[at] = 9;
        assert_eq!(kind(STORE, 5, &later), ErrorKind::Corrupt, "its checksum is wrong");
        let crc = crc32fast::hash(&later[..44]);
        later[44..48].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(kind(STORE, 5, &later), ErrorKind::Unsupported);
    }
}
