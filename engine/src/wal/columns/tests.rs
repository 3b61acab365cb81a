use super::super::buffers;
use super::super::format::{COLUMNS_VERSION, RecordHeader};
use super::super::record::{self, EncodedRecord, Malformed};
use super::blanks::{self, Blanks, Digits};
use super::{as_stored, decode_up_to};
use crate::batch::{Batch, BatchBuilder};
use crate::codec::slice::Slice;
use crate::event::{Kind, Level};
use crate::idempotency::{BatchKey, BodyHash, ClaimRecord, Origin};
use crate::limits::{BLANKS_MAX, Limits, WAL_RECORD_BYTES_MAX};
use crate::timestamp::Timestamp;
use proptest::prelude::*;
use std::path::Path;

const NOW: i64 = 1_795_219_200_000_000_000;

/// The record of a batch field by field, however small it is.
fn record_of(batch: &Batch) -> EncodedRecord {
    let record = buffers::with(|buffers| EncodedRecord::of_columns(batch, buffers));
    record.unwrap().expect("a small batch")
}

fn header_and_payload(record: &EncodedRecord) -> (RecordHeader, Vec<u8>) {
    let mut bytes = Vec::new();
    record.write(7, &mut bytes);
    let mut slice = Slice::new(&bytes, 0, "wal record", Path::new("f"));
    let (header, payload) = RecordHeader::read(&mut slice).unwrap();
    slice.finish().unwrap();
    (header, payload.to_vec())
}

fn comes_back(batch: &Batch) {
    let (header, payload) = header_and_payload(&record_of(batch));
    assert_eq!(header.version, COLUMNS_VERSION);
    let mut numbered = batch.clone();
    numbered.number(7);
    let decoded = record::decode(&header, &payload).unwrap();
    decoded.check_invariants();
    assert!(decoded == numbered);
    let stored = as_stored(&payload, header.raw_len.into()).unwrap();
    assert!(record::decode(&header, &stored) == Ok(numbered));
}

/// One event: level, time, and fields.
type Event = (Level, i64, Vec<(String, Kind, Vec<u8>)>);

fn batch_of(events: &[Event]) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(NOW));
    for (level, shift, fields) in events {
        let mut event = builder.event();
        event.level = *level;
        event.timestamp = Timestamp(NOW + shift);
        for (name, kind, text) in fields {
            event.field(name, *kind, text);
        }
        event.finish().unwrap();
    }
    builder.build()
}

/// Values of each form, and such as are hard for it.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let text = |pattern: &'static str| pattern.prop_map(String::into_bytes);
    prop_oneof![
        text("(get|put) /orders/[0-9]{1,9} took [0-9]{1,4} ms"),
        text("[0-9a-f]{32}"),
        text("[0-9a-f]{16}"),
        text("[0-9a-fA-Fg]{16,18}"),
        text("node-[0-9]"),
        text("(0{1,3}|[0-9]{1,20}|\\PC{0,4}){0,9}"),
        prop::collection::vec(any::<u8>(), 0..200),
        Just(Vec::new()),
        Just(vec![b'0'; 300]),
    ]
}

/// Batches in which fields have values of one kind mostly, so that each form is taken.
fn batches() -> impl Strategy<Value = Batch> {
    let kinds = prop::sample::select(Kind::ALL.to_vec());
    let fields = prop::collection::vec(prop::collection::vec(value(), 1..40), 1..5);
    let events = prop::collection::vec((0..6usize, any::<i32>(), any::<u64>()), 1..150);
    (fields, kinds, events, 0..4u32).prop_map(|(fields, kind, events, scale)| {
        let event = |(level, shift, draw): (usize, i32, u64)| {
            let value = |(index, values): (usize, &Vec<Vec<u8>>)| {
                let draw = draw >> (index * 9);
                let text = values[(draw >> 3) as usize % values.len()].clone();
                let kind = if draw % 61 == 0 { kind } else { Kind::String };
                (draw % 8 != 0 || index == 0).then(|| (format!("field{index}"), kind, text))
            };
            let shift = i64::from(shift) * 1_000i64.pow(scale);
            let fields = fields.iter().enumerate().filter_map(value).collect();
            (Level::ALL[level % Level::ALL.len()], shift, fields)
        };
        batch_of(&events.into_iter().map(event).collect::<Vec<_>>())
    })
}

proptest! {
    #[test]
    fn any_batch_comes_back(batch in prop_oneof![batches(), super::super::tests::batches()]) {
        comes_back(&batch);
    }

    #[test]
    fn a_changed_byte_gives_an_error_or_a_sound_batch(
        batch in batches(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (header, payload) = header_and_payload(&record_of(&batch));
        let mut payload = as_stored(&payload, header.raw_len.into()).unwrap();
        for (at, value) in changes {
            let at = at.index(payload.len());
            payload[at] = value;
        }
        if let Ok(batch) = record::decode(&header, &payload) {
            batch.check_invariants();
        }
        if let Ok(batch) = decode_up_to(&payload, &mut (1 << 20)) {
            prop_assert!(batch.raw_bytes() <= 1 << 20);
        }
    }

    #[test]
    fn any_bytes_give_no_panic(bytes: Vec<u8>) {
        let _ = decode_up_to(&bytes, &mut (1 << 20));
    }

    #[test]
    fn digits_are_those_of_the_texts(texts in prop::collection::vec(value(), 1..20)) {
        let (mut blanks, mut digits, mut blank) =
            (Blanks::default(), Digits::default(), Vec::new());
        for text in &texts {
            blanks::without_digits(text, &mut blank);
            let (code, pieces) = blanks.code(&blank).unwrap();
            digits.push(text, 0..text.len(), pieces);
            prop_assert_eq!(blanks.texts.text(code), &blank);
        }
        let mut halves = Vec::new();
        digits.write(&mut halves);
        let expected: Vec<u8> = texts.concat().into_iter().filter(u8::is_ascii_digit).collect();
        let mut read = blanks::read_digits(&halves).unwrap();
        read.truncate(expected.len());
        prop_assert_eq!(read, expected);
    }
}

fn messages(count: usize, message: impl Fn(usize) -> String) -> Batch {
    let event = |n: usize| {
        let message = message(n).into_bytes();
        let id = format!("{:032x}", (n as u128 / 4 + 1) * 0x9e37_79b9_7f4a_7c15_f39c_0c1d);
        let fields = vec![
            ("service".to_owned(), Kind::String, b"checkout".to_vec()),
            ("message".to_owned(), Kind::String, message),
            ("trace".to_owned(), Kind::String, id.into_bytes()),
        ];
        (if n.is_multiple_of(5) { Level::Error } else { Level::Info }, n as i64 * 1_000_000, fields)
    };
    batch_of(&(0..count).map(event).collect::<Vec<_>>())
}

#[test]
fn what_comes_again_takes_few_bytes() {
    let batch =
        messages(2_000, |n| format!("order {} paid by u{:05} in {} ms", n * 7, n % 900, n % 83));
    comes_back(&batch);
    let (_, payload) = header_and_payload(&record_of(&batch));
    let bytes = payload.len() as f64 / 2_000.0;
    assert!(bytes < 24.0, "{bytes} bytes an event");
}

#[test]
fn more_blanks_than_there_may_be_come_back() {
    let word = |n: usize| -> String {
        (0..3).map(|at| char::from(b'a' + (n / 26usize.pow(at) % 26) as u8)).collect()
    };
    // Half of the texts have a blank of their own, and pay with the others.
    let batch = messages(4 * BLANKS_MAX, |n| match n % 2 {
        0 => format!("{} {n}", word(n / 2)),
        _ => format!("a text that comes again and again, only its number is not the same: {n}"),
    });
    comes_back(&batch);
}

#[test]
fn texts_whose_hashes_collide_come_back() {
    // The hash of a short text is zero if its beginning is this.
    let zero = 0x9e37_79b9_7f4a_7c15u64.to_le_bytes();
    let texts = |n: usize| [&zero[..], &(n as u64 % 200).to_le_bytes()].concat();
    let event = |n| (Level::Info, 0, vec![("x".to_owned(), Kind::String, texts(n))]);
    comes_back(&batch_of(&(0..1_000).map(event).collect::<Vec<_>>()));
}

#[test]
fn a_key_comes_back() {
    let mut batch = messages(40, |n| format!("{n}"));
    let key = BatchKey { hash: [3; 16], origin: Origin::Sent };
    let (body, answer) = (BodyHash([5; 16]), b"stored".as_slice().into());
    batch.claim = Some(Box::new(ClaimRecord { key, body, arrival_ms: 12, answer }));
    comes_back(&batch);
}

#[test]
fn no_more_is_allocated_than_the_record_names() {
    let (header, payload) = header_and_payload(&record_of(&messages(200, |n| format!("{n}"))));
    let mut left = u64::from(header.raw_len);
    decode_up_to(&payload, &mut left).unwrap();
    assert_eq!(left, 0);
    for less in [1, 100, header.raw_len / 2] {
        let mut left = u64::from(header.raw_len - less);
        assert!(decode_up_to(&payload, &mut left).is_err());
    }
    for raw_len in [header.raw_len + 1, WAL_RECORD_BYTES_MAX as u32 + 1, u32::MAX] {
        let header = RecordHeader { raw_len, ..header };
        assert!(matches!(record::decode(&header, &payload), Err(Malformed(_))));
    }
}
