use super::format::{HEADER_LEN, MAGIC};
use super::*;
use crate::batch::{RowColumn, Rows};
use crate::event::Kind;
use crate::index::Split;
use crate::index::term::TermKind;
use crate::index::terms;
use crate::index::testing::rows;
use crate::io::{FileStorage, Region, Storage};
use crate::limits::FRAME_ROWS_MAX;
use std::sync::Arc;

/// Of a column that was not cut.
fn uncut(_: &RowColumn) -> Option<Split> {
    None
}

fn build(blocks: &[Rows]) -> Vec<u8> {
    let mut builder = SegmentIndexBuilder::new();
    blocks.iter().for_each(|rows| builder.add_block(rows, uncut).expect("memory never fails"));
    builder.finish().expect("memory never fails")
}

fn open(bytes: Vec<u8>, blocks: usize) -> Result<SegmentIndex> {
    let path: Arc<Path> = Path::new("test").into();
    SegmentIndex::open(crate::io::Region::owned(bytes), blocks, &path, 0, &IndexCounts::default())
}

fn word(text: &str) -> Term {
    Term::new(TermKind::Word, text.as_bytes())
}

fn masks(index: &SegmentIndex, term: &Term, blocks: u32) -> Vec<FrameMask> {
    let hits = index.look_up([term]).unwrap();
    (0..blocks).map(|block| hits.of_block(term, block)).collect()
}

fn messages(texts: &[&str]) -> Rows {
    let fields: Vec<_> =
        texts.iter().map(|text| [("message", Kind::String, text.as_bytes())]).collect();
    let events: Vec<_> = fields.iter().map(|fields| &fields[..]).collect();
    rows(&events)
}

/// 1,300 rows: `first` in row 3, `late` in row 1,100, `common` in all, `id77` in row 3.
fn three_frames() -> Rows {
    let texts: Vec<&str> = (0..1_300)
        .map(|row| match row {
            3 => "first common id77",
            1_100 => "common late Conn4711",
            _ => "common words",
        })
        .collect();
    messages(&texts)
}

#[test]
fn words_name_their_frames_and_ids_their_blocks() {
    let blocks = [messages(&["alone"]), three_frames(), messages(&["common id77"])];
    let bytes = build(&blocks);
    let index = open(bytes.clone(), 3).expect("just written");
    let masks = |term: Term| masks(&index, &term, 3);
    assert_eq!(FRAME_ROWS_MAX, 512);
    assert_eq!(masks(word("first")), [0, 0b1, 0]);
    assert_eq!(masks(word("late")), [0, 0b100, 0]);
    assert_eq!(masks(word("common")), [0, 0b111, 1]);
    assert_eq!(masks(word("absent")), [0, 0, 0]);
    assert_eq!(masks(word("id77")), [0, EVERY_FRAME, EVERY_FRAME]);
    assert_eq!(masks(word("id78")), [0, 0, 0]);
    assert_eq!(masks(word("conn4711")), [0, EVERY_FRAME, 0]);
    assert_eq!(masks(Term::new(TermKind::LetterRun, b"conn")), [0, 0b100, 0]);
    assert_eq!(masks(word("conn")), [0, 0, 0]);
    assert_eq!(index.counts.faults(), 0);
    let sizes: usize = index.sizes().iter().map(|(_, len)| len).sum();
    assert_eq!((sizes, index.verify().expect("undamaged")), (bytes.len(), 6));
    let hits = index.look_up([&word("absent"), &word("late")]).unwrap();
    assert!(hits.lacks(&word("absent")) && !hits.lacks(&word("late")));
    assert!(!hits.lacks(&word("not asked for")));
}

/// Columns of sentences are not searched by frames: what is found there names blocks, what has no sentence
/// names frames.
#[test]
fn words_of_sentences_name_their_blocks() {
    let texts: Vec<String> = (0..1_300)
        .map(|row| match row {
            700 => format!("late {row} conn4711"),
            800 => "\u{1}bare words".to_owned(),
            _ => format!("common {row} words"),
        })
        .collect();
    let rows = messages(&texts.iter().map(|text| &**text).collect::<Vec<_>>());
    let mut builder = SegmentIndexBuilder::new();
    builder.add_block(&messages(&["alone", "common"]), uncut).expect("memory never fails");
    builder.add_block(&rows, |column| Some(Split::always(column))).expect("memory never fails");
    let bytes = builder.finish().expect("memory never fails");
    let index = open(bytes, 2).expect("just written");
    let masks = |term: Term| masks(&index, &term, 2);
    assert_eq!(masks(word("common")), [1, EVERY_FRAME]);
    assert_eq!(masks(word("late")), [0, EVERY_FRAME]);
    assert_eq!(masks(word("words")), [0, EVERY_FRAME]);
    assert_eq!(masks(word("bare")), [0, 0b10]);
    assert_eq!(masks(word("alone")), [1, 0]);
    assert_eq!(masks(Term::new(TermKind::LetterRun, b"conn")), [0, EVERY_FRAME]);
    assert_eq!(masks(word("absent")), [0, 0]);
    // A word is on a page of ids as well, which is to be fetched for it.
    assert_eq!(index.pages_of([&word("late")]).len(), 1);
    assert_eq!(SectionCheck::new(&index).missing(1, &rows).expect("in memory"), 0, "S1");
}

/// What is asked for ahead depends on it: pages that were touched before are not asked for again.
#[test]
fn a_page_is_new_once() {
    let mut builder = SegmentIndexBuilder::new();
    builder.add_block(&messages(&["id77 word"]), uncut).expect("memory never fails");
    let index = open(builder.finish().expect("memory never fails"), 1).expect("just written");
    let new_pages = |found: &str| {
        let before = index.counts.new_pages();
        index.will_need([&word(found)]);
        assert_eq!(index.counts.new_pages(), before, "to ask is not to touch");
        index.look_up([&word(found)]).expect("in memory");
        index.counts.new_pages() - before
    };
    assert_eq!((new_pages("id77"), new_pages("id77"), new_pages("id78")), (1, 0, 0));
    assert!(new_pages("word") > 0 && new_pages("word") == 0);
}

/// The filter of a block and the index of its section must be made of the same terms.
#[test]
fn every_term_of_a_filter_is_in_the_index() {
    let json = br#"{"k":["caf\u00e9 two",{"n":"10.0.0.7"}]}"#;
    let block = rows(&[
        &[
            ("message", Kind::String, b"Conn4711 closed user_id \xe6\x97\xa5\xe6\x9c\xac x\xff"),
            ("ip", Kind::Json, json),
        ],
        &[("status", Kind::Number, b"5e2"), ("ok", Kind::Bool, b"true")],
    ]);
    let mut seen = Vec::new();
    let mut values = terms::ValueTerms::new();
    for column in &block.columns {
        for index in 0..column.len() {
            values.each(column.value(index), terms::is_exact(column), |kind, bytes| {
                seen.push(Term::new(kind, bytes));
            });
        }
    }
    let index = open(build(std::slice::from_ref(&block)), 1).expect("just written");
    for term in &seen {
        assert_ne!(masks(&index, term, 1), [0], "{term:?}");
    }
    let mut hashes: Vec<u64> = seen.iter().map(Term::hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(terms::collect(&block, |_| None), hashes);
    assert!(seen.iter().any(|term| term.word_key().is_some_and(|key| key == b"\x01user_id")));
}

#[test]
fn the_same_blocks_give_the_same_bytes() {
    let blocks = [three_frames(), messages(&["other 1"])];
    assert!(build(&blocks) == build(&blocks), "W2");
}

#[test]
fn an_index_without_blocks_or_terms_opens() {
    let none = open(build(&[]), 0).expect("just written");
    assert!(none.look_up([&word("a")]).unwrap().lacks(&word("a")));
    let empty = open(build(&[messages(&["-"])]), 1).expect("just written");
    for term in [word("a"), word("a1")] {
        assert_eq!(masks(&empty, &term, 1), [0]);
    }
    assert_eq!(empty.verify().expect("just written"), 0);
}

#[test]
fn an_index_of_another_version_says_everything() {
    let bytes = build(&[messages(&["a b1"])]);
    for (offset, name) in [(8, "version"), (10, "tokenizer"), (12, "kind"), (14, "frames")] {
        let mut other = bytes.clone();
        other[offset] = 99;
        let crc = crc32fast::hash(&other[..HEADER_LEN - 4]);
        other[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
        let index = open(other, 1).expect(name);
        assert_eq!(masks(&index, &word("z"), 1), [EVERY_FRAME], "{name}");
        assert_eq!(masks(&index, &word("z1"), 1), [EVERY_FRAME], "{name}");
    }
    let mut other = bytes.clone();
    other[0] ^= 1;
    assert!(open(other, 1).unwrap_err().to_string().contains(&format!("{MAGIC:02x?}")));
    let error = open(bytes, 2).unwrap_err().to_string();
    assert!(error.contains("expected 2 blocks"), "{error}");
}

/// F6 of the review: tantivy itself loses hits of damaged bytes in silence.
#[test]
fn a_flipped_bit_loses_no_row() {
    let texts: Vec<String> = (0..600)
        .map(|n| format!("word{} {} id{n}", "xyz".repeat(n % 7), ["a", "b"][n % 2]))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let bytes = build(&[messages(&texts)]);
    let terms = [word("a"), word("b"), word("wordxyz"), word("id599"), word("id1")];
    let good = open(bytes.clone(), 1).expect("just written");
    let good: Vec<_> = terms.iter().map(|term| masks(&good, term, 1)[0]).collect();
    let (mut refused, mut noticed) = (0, 0);
    for at in (0..bytes.len()).step_by(61).chain(0..HEADER_LEN) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let Ok(index) = open(damaged, 1) else {
            refused += 1;
            continue;
        };
        for (term, good) in terms.iter().zip(&good) {
            let found = masks(&index, term, 1)[0];
            assert!(found & good == *good, "byte {at}: {term:?}");
        }
        noticed += usize::from(index.counts.faults() > 0);
        assert!(index.parts.is_none() || index.verify().is_err(), "byte {at}");
    }
    assert!(refused > HEADER_LEN / 2 && noticed > 10, "{refused} {noticed}");
}

/// Damage behind right checksums is no disk's doing. It may lose hits, but stays an error.
#[test]
fn what_makes_tantivy_panic_is_an_absent_index() {
    let mut words = vocabulary::Vocabulary::new();
    words.begin_block(0).expect("the first");
    for word in ["common", "words"] {
        let number = words.number(word.len() as u64, TermKind::Word, word.as_bytes());
        words.add(number, 1);
    }
    let files = words_write::write(words, FRAMES_PER_BLOCK as u32).expect("memory never fails");
    let mut ids = ids::IdsBuilder::default();
    ids.add_block(0, &mut Vec::new());
    let ids = ids.finish(1);
    let len: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut faults = 0;
    for at in (0..len).step_by(3) {
        let mut files = files.clone();
        let mut left = at;
        for (_, bytes) in &mut files {
            match bytes.get_mut(left) {
                Some(byte) => {
                    *byte ^= 0xff;
                    break;
                }
                None => left -= bytes.len(),
            }
        }
        let index = open(format::encode(1, &files, &ids), 1).expect("its head is right");
        index.look_up([&word("common"), &word("words"), &word("zzz")]).unwrap();
        faults += index.counts.faults();
    }
    assert!(faults > 30, "{faults}");
}

/// All of a mapped index was charged to the cache, as if it were on the heap: a store of a hundred million
/// events opened each of its indexes anew for each query.
#[test]
fn an_index_counts_what_it_has_on_the_heap() {
    let bytes = build(&[three_frames(), messages(&["common id77"])]);
    let len = bytes.len();
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::default();
    let file = storage.create(&dir.path().join("index")).unwrap();
    let counts = |region: Region, blocks| {
        let path: Arc<Path> = Path::new("test").into();
        let opened = SegmentIndex::open(region, blocks, &path, 0, &IndexCounts::default());
        opened.unwrap().heap_bytes()
    };
    assert!(counts(Region::owned(bytes.clone()), 2) > len);
    let many: Vec<Rows> = (0..40)
        .map(|block| {
            let ids: Vec<String> =
                (0..2_000).map(|id| format!("id{:x}9", id * 40 + block)).collect();
            messages(&ids.iter().map(|id| &**id).collect::<Vec<_>>())
        })
        .collect();
    let large = build(&many);
    assert!(large.len() > 100 << 10, "{}", large.len());
    file.write_all_at(&large, 0).unwrap();
    let mapped = file.region(0..large.len() as u64).unwrap();
    assert!(counts(mapped, many.len()) < large.len() / 10);
    assert!(counts(Region::owned(large.clone()), many.len()) > large.len());
}

#[test]
fn words_count_once_they_are_opened() {
    let index = open(build(&[three_frames()]), 1).unwrap();
    let closed = index.heap_bytes();
    index.look_up([&word("id77")]).unwrap();
    assert!(index.grown().is_none(), "an id opens no dictionary");
    index.look_up([&word("common")]).unwrap();
    assert_eq!(index.heap_bytes(), closed, "what a cache was told stays");
    let grown = index.grown().unwrap();
    assert!(grown.heap_bytes() > closed + 100, "{} {closed}", grown.heap_bytes());
    assert_eq!(masks(&grown, &word("late"), 1), masks(&index, &word("late"), 1));
    assert!(grown.grown().is_none());
}
