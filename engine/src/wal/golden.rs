//! The file whose dump ends `docs/format/wal.md`, read and made again byte for byte.

use super::buffers;
use super::format::RecordHeader;
use super::record::{EncodedRecord, decode};
use super::recover;
use super::tests::record_of;
use crate::batch::{Batch, BatchBuilder};
use crate::codec::dump;
use crate::codec::slice::Slice;
use crate::event::{Kind, Level};
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names::{self, WalFileId};
use crate::timestamp::Timestamp;
use std::path::Path;
use std::sync::Arc;

const PAGE: &str = include_str!("../../../docs/format/wal.md");
const FIELDS_PAGE: &str = include_str!("../../../docs/format/wal-fields.md");
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

/// 40 events whose fields take every form, with every presence.
fn batch_of_fields() -> Batch {
    let start = Timestamp(1_795_219_200_000_000_000);
    let mut builder = BatchBuilder::new(&Limits::tiny(), start);
    for n in 0..40u64 {
        let mut event = builder.event();
        if n % 9 == 4 {
            event.level = Level::Error;
        }
        event.timestamp = Timestamp(start.0 + n as i64 * 250_000);
        let id = format!("{:016x}", (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        event.field("service", Kind::String, [&b"checkout"[..], b"mailer"][(n % 3 / 2) as usize]);
        event.field("message", Kind::String, format!("order {} paid", 95 + n).as_bytes());
        event.field("span", Kind::String, id.as_bytes());
        if n % 2 == 0 {
            let (kind, text) =
                [(Kind::Number, "12.50"), (Kind::Null, "null")][(n % 4 / 2) as usize];
            event.field("amount", kind, text.as_bytes());
            event.field("currency", Kind::String, b"EUR");
        }
        if n == 29 {
            event.field("error", Kind::String, b"none");
        }
        event.finish().unwrap();
    }
    builder.build()
}

#[test]
fn the_dump_of_the_page_of_fields_is_read() {
    let bytes = dump::from_page(FIELDS_PAGE);
    let mut slice = Slice::new(&bytes, 0, "wal record", Path::new("f"));
    let (header, payload) = RecordHeader::read(&mut slice).unwrap();
    slice.finish().unwrap();
    let mut expected = batch_of_fields();
    expected.number(1);
    assert_eq!(decode(&header, payload), Ok(expected));
}

#[test]
fn the_dump_of_the_page_of_fields_is_what_is_written() {
    let batch = batch_of_fields();
    let record = buffers::with(|buffers| EncodedRecord::of_columns(&batch, buffers));
    let mut bytes = Vec::new();
    record.unwrap().unwrap().write(1, &mut bytes);
    let dump = dump::to_text(&bytes);
    assert!(dump::from_page(FIELDS_PAGE) == bytes, "the page has to end in\n{dump}");
}
