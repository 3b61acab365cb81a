//! The file whose dump ends `docs/format/wal.md`, read and made again byte for byte.

use super::recover;
use super::tests::record_of;
use crate::batch::{Batch, BatchBuilder};
use crate::codec::dump;
use crate::event::{Kind, Level};
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names::{self, WalFileId};
use crate::timestamp::Timestamp;
use std::path::Path;
use std::sync::Arc;

const PAGE: &str = include_str!("../../../docs/format/wal.md");
const DIR: &str = "/store";
const UUID: [u8; 16] = *b"0123456789abcdef";
const FILE: WalFileId = WalFileId { generation: 1, index: 0 };

fn setup() -> (MemoryStorage, Io, Limits) {
    let disk = MemoryStorage::new();
    disk.create_dir_all(&names::wal_dir(Path::new(DIR))).unwrap();
    let io = Io {
        storage: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::new(Timestamp(0))),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    (disk, io, Limits { wal_file_bytes: 20_480, ..Limits::tiny() })
}

/// An event of level info and, a second later, one of level error.
fn batch() -> Batch {
    let start = Timestamp(1_795_219_200_000_000_000);
    let mut builder = BatchBuilder::new(&Limits::tiny(), start);
    let mut event = builder.event();
    event.field("service", Kind::String, b"checkout");
    event.field("message", Kind::String, b"order 7 paid");
    event.finish().unwrap();
    let mut event = builder.event();
    event.level = Level::Error;
    event.timestamp = Timestamp(start.0 + 1_000_000_000);
    event.field("message", Kind::String, b"order 8 failed");
    event.field("amount", Kind::Number, b"12.50");
    event.finish().unwrap();
    builder.build()
}

#[test]
fn the_dump_of_the_format_page_is_read() {
    let (disk, io, limits) = setup();
    disk.overwrite(&names::wal(Path::new(DIR), FILE), dump::from_page(PAGE));
    let mut found = Vec::new();
    let each = |_, batch| {
        found.push(batch);
        Ok(())
    };
    let recovered = recover(&io, Path::new(DIR), &limits, UUID, None, 1, each).unwrap();
    let mut expected = batch();
    expected.number(1);
    assert_eq!(found, [expected]);
    assert_eq!((recovered.report.groups, recovered.report.torn), (3, None));
    assert_eq!(recovered.wal.next_seq(), 3);
}

#[test]
fn the_dump_of_the_format_page_is_what_is_written() {
    let (disk, io, limits) = setup();
    let each = |_, _| unreachable!("the log is empty");
    let mut wal = recover(&io, Path::new(DIR), &limits, UUID, None, 1, each).unwrap().wal;
    let record = record_of(&batch());
    wal.append_group([(&record, 1)]).unwrap();
    wal.append_empty_group().unwrap();
    let bytes = disk.read(&names::wal(Path::new(DIR), FILE)).unwrap();
    assert!(dump::from_page(PAGE) == bytes, "the page has to end in\n{}", dump::to_text(&bytes));
}
