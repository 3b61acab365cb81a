//! The file whose dump ends `docs/format/keys.md`, read and made again byte for byte.

use super::file::{decode, encode};
use super::{BatchKey, BodyHash, ClaimRecord, Entry};
use crate::codec::dump;
use crate::event::{EventId, Seq};
use crate::timestamp::Timestamp;
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/format/keys.md");
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

#[test]
fn the_dump_of_the_format_page_is_read() {
    let read = decode(&dump::from_page(PAGE), STORE, 5, Path::new("keys"));
    assert_eq!(read.expect("sound"), entries());
}

#[test]
fn the_dump_of_the_format_page_is_what_is_written() {
    let bytes = encode(STORE, 5, &entries());
    assert!(dump::from_page(PAGE) == bytes, "the page has to end in\n{}", dump::to_text(&bytes));
}
