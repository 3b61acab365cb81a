//! Random texts that meet every rule of the tokenizer, and rows for tests.

use crate::batch::{BatchBuilder, Rows};
use crate::event::Kind;
use crate::limits::Limits;
use crate::timestamp::Timestamp;
use proptest::prelude::*;

/// One character, or a few bytes that are not.
#[rustfmt::skip]
const PIECES: [&[u8]; 40] = [
    b"a", b"b", b"k", b"K", b"s", b"S", b"i", b"I", b"ab", b"word", b"WORD", b"0", b"1", b"5",
    b"500", b"_", b"-", b".", b"/", b":", b"@", b"%", b" ", "é".as_bytes(), "É".as_bytes(),
    "ß".as_bytes(), "ẞ".as_bytes(), "İ".as_bytes(), "ı".as_bytes(), "\u{212a}".as_bytes(),
    "ſ".as_bytes(), "²".as_bytes(), "日".as_bytes(), "本".as_bytes(), "語".as_bytes(), "ท".as_bytes(),
    "😀".as_bytes(), b"\xff", b"\xc3", b"\xe2\x84",
];

/// Words and what may stand beside them. `²` is a digit here, but not a word's character to patterns.
const WORDS: [&[u8]; 7] = [b"word", b"Word", b"5", b"_", b" ", b"-", "²".as_bytes()];

/// Pieces in any order. Few different ones, so that texts have parts in common.
pub(crate) fn text() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12);
    let narrow = prop::collection::vec(prop::sample::select(&PIECES[..6]), 0..12);
    let words = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..8);
    prop_oneof![3 => pieces, 1 => narrow, 2 => words].prop_map(|pieces| pieces.concat())
}

/// The same, without invalid bytes: what people can type.
pub(crate) fn query() -> impl Strategy<Value = String> {
    text()
        .prop_map(|text| text.utf8_chunks().map(|chunk| chunk.valid()).collect::<Vec<_>>().concat())
}

/// A field of an event: its column name, its kind, its lexeme.
pub(crate) type Field<'a> = (&'a str, Kind, &'a [u8]);

/// Events of these fields, all of one partition.
pub(crate) fn rows(events: &[&[Field<'_>]]) -> Rows {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(1_700_000_000_000_000_000));
    for fields in events {
        let mut event = builder.event();
        for (name, kind, text) in *fields {
            event.field(name, *kind, text);
        }
        event.finish().expect("a small event");
    }
    builder.build().parts.into_iter().next().map(|part| part.rows).unwrap_or_default()
}
