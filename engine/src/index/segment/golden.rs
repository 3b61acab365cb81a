//! The dump at the end of `docs/format/segment-index.md` is an index part of this version, byte for
//! byte, with a stand-in for tantivy's files; the fixtures have them, one for each kind. If a test fails
//! here, indexes that are already stored would be read differently: a new version is needed.

use super::format::HEADER_LEN;
use super::ids::IdsBuilder;
use super::{EVERY_FRAME, IndexCounts, SegmentIndex, SegmentIndexBuilder, format};
use crate::batch::{RowColumn, Rows};
use crate::codec::dump;
use crate::event::Kind;
use crate::index::Split;
use crate::index::term::{Term, TermKind};
use crate::index::testing::rows;
use crate::io::Region;
use std::path::Path;

const PAGE: &str = include_str!("../../../../docs/format/segment-index.md");
/// A section of two blocks: 600 rows of `common id<row>`, the last with `late`; one row `common`.
const KIND_1: &[u8] = include_bytes!("fixtures/version-1.index");
/// The same with a third block, whose texts were cut: `words of late <row>`, 600 times.
const KIND_2: &[u8] = include_bytes!("fixtures/kind-2.index");

/// The blocks of the page's example: `500` is in all six, `conn4711` in the third, and so are the words of
/// the sentence it is of.
fn example() -> Vec<u8> {
    let mut ids = IdsBuilder::default();
    for block in 0..6 {
        let words: &[&[u8]] =
            if block == 2 { &[b"500", b"conn4711", b"is", b"closed"] } else { &[b"500"] };
        let terms = words.iter().map(|word| Term::new(TermKind::Word, word).hash());
        ids.add_block(block, &mut terms.collect());
    }
    format::encode(6, &[("term".to_owned(), b"tantivy's bytes".to_vec())], &ids.finish(6))
}

fn open(bytes: &[u8], blocks: usize) -> SegmentIndex {
    let path = Path::new("golden").into();
    SegmentIndex::open(Region::owned(bytes), blocks, &path, 0, &IndexCounts::default())
        .expect("a good head")
}

#[track_caller]
fn check(index: &SegmentIndex, kind: TermKind, word: &str, expected: &[u16]) {
    let term = Term::new(kind, word.as_bytes());
    let hits = index.look_up([&term]).unwrap();
    let found: Vec<u16> = (0..expected.len() as u32).map(|b| hits.of_block(&term, b)).collect();
    assert_eq!(found, expected, "{word}");
}

#[test]
fn the_dump_of_the_format_page_is_what_is_written() {
    let written = example();
    assert!(dump::from_page(PAGE) == written, "written now:\n{}", dump::to_text(&written));
}

#[test]
fn the_dump_of_the_format_page_is_read() {
    let index = open(&dump::from_page(PAGE), 6);
    check(&index, TermKind::Word, "500", &[EVERY_FRAME; 6]);
    check(&index, TermKind::Word, "conn4711", &[0, 0, EVERY_FRAME, 0, 0, 0]);
    check(&index, TermKind::Word, "conn4712", &[0; 6]);
    // It is asked for in the dictionary as well, and tantivy does not know this one: nothing is ruled out.
    check(&index, TermKind::Word, "closed", &[EVERY_FRAME; 6]);
}

/// Whatever tantivy is linked must read what 0.27 wrote, or the index must be taken as absent by
/// its version.
#[test]
fn the_fixtures_are_read() {
    let index = open(KIND_1, 2);
    check(&index, TermKind::Word, "common", &[0b11, 0b1]);
    check(&index, TermKind::Word, "late", &[0b10, 0]);
    check(&index, TermKind::Word, "absent", &[0, 0]);
    check(&index, TermKind::Word, "id599", &[EVERY_FRAME, 0]);
    check(&index, TermKind::Word, "id600", &[0, 0]);
    assert_eq!(index.verify().expect("undamaged"), 2);
    let index = open(KIND_2, 3);
    check(&index, TermKind::Word, "common", &[0b11, 0b1, 0]);
    check(&index, TermKind::Word, "late", &[0b10, 0, EVERY_FRAME]);
    check(&index, TermKind::Word, "words", &[0, 0, EVERY_FRAME]);
    check(&index, TermKind::Word, "absent", &[0, 0, 0]);
    check(&index, TermKind::Word, "id599", &[EVERY_FRAME, 0, 0]);
    check(&index, TermKind::Word, "599", &[0, 0, EVERY_FRAME]);
    assert_eq!(index.verify().expect("undamaged"), 2);
}

/// The files of the first were written by tantivy's own writer: what its serializer is given straight
/// becomes the same bytes.
#[test]
fn the_fixtures_are_written() {
    let two = two_blocks().finish().expect("in memory");
    assert!(two[HEADER_LEN..] == KIND_1[HEADER_LEN..], "only the head tells the kind");
    let mut three = two_blocks();
    let texts: Vec<String> = (0..600).map(|row| format!("words of late {row}")).collect();
    let always = |column: &RowColumn| Some(Split::always(column));
    three.add_block(&of_texts(&texts), always).expect("few words");
    assert!(three.finish().expect("in memory") == KIND_2);
}

fn of_texts(texts: &[String]) -> Rows {
    let fields: Vec<_> =
        texts.iter().map(|text| [("message", Kind::String, text.as_bytes())]).collect();
    rows(&fields.iter().map(|fields| &fields[..]).collect::<Vec<_>>())
}

/// What the first fixture is of.
fn two_blocks() -> SegmentIndexBuilder {
    let mut index = SegmentIndexBuilder::new();
    for count in [600, 1] {
        let text = |row: usize| match (count, row) {
            (600, 599) => "common late id599".to_owned(),
            (600, _) => format!("common id{row}"),
            _ => "common".to_owned(),
        };
        let texts: Vec<String> = (0..count).map(text).collect();
        index.add_block(&of_texts(&texts), |_: &RowColumn| None::<Split>).expect("few words");
    }
    index
}
