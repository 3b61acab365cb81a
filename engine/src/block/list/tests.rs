use super::*;
use crate::batch::{RowColumn, Rows};
use crate::block::tests::any_rows;
use crate::block::{Block, ColumnEntry, EncodedBlock, Source, decode, encode};
use crate::codec::dump;
use crate::event::Value;
use crate::io::{MemoryStorage, Storage as _};
use proptest::prelude::*;

const PATH: &str = "/some.seg";

fn open(encoded: &EncodedBlock, list: Option<Arc<SharedSentences>>) -> Block {
    let source = Source::Memory(encoded.bytes.as_slice().into());
    Block::open(source, &encoded.meta).expect("just encoded").with_list(list)
}

fn shared(
    encoded: &EncodedBlock,
    from: Option<Arc<SharedSentences>>,
    to: &mut SentenceListBuilder,
) -> EncodedBlock {
    share(&encoded.bytes, &open(encoded, from), &[], to).expect("sound")
}

/// A file of the two copies of a list with `between` bytes between them, and `before` in front.
fn file_of(bytes: &[u8], before: usize, between: usize) -> (MemoryStorage, ListPlace) {
    let mut file = vec![b'x'; before];
    file.extend_from_slice(bytes);
    file.resize(file.len() + between, b'y');
    file.extend_from_slice(bytes);
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new("/")).expect("memory never fails");
    disk.overwrite(Path::new(PATH), file);
    let (offset, copy) = (before as u64, (before + bytes.len() + between) as u64);
    (disk, ListPlace { offset, copy, len: bytes.len() as u32, memory: 0 })
}

fn opened(disk: &MemoryStorage, place: ListPlace) -> Arc<SharedSentences> {
    let file = disk.open(Path::new(PATH)).expect("it is there");
    Arc::new(SharedSentences::new(file, Path::new(PATH).into(), place))
}

fn list_of(builder: &SentenceListBuilder) -> Option<Arc<SharedSentences>> {
    let part = builder.finish()?;
    let (disk, place) = file_of(&part.bytes, 0, 0);
    Some(opened(&disk, place))
}

/// The blocks with one list.
pub(crate) fn in_one_section(blocks: &[EncodedBlock]) -> Vec<Block> {
    let mut list = SentenceListBuilder::default();
    let shared: Vec<_> = blocks.iter().map(|block| shared(block, None, &mut list)).collect();
    let list = list_of(&list);
    shared.iter().map(|block| open(block, list.clone())).collect()
}

/// Messages of many sentences; those of one `kind` share theirs.
fn log_rows(count: u32, kind: &str) -> Rows {
    let mut column = RowColumn::new("message".into());
    for row in 0..count {
        let number = row * 7_919 % 1_000;
        let text = match row % 11 {
            10 => "no sentence of any other".to_owned() + &"!".repeat(row as usize % 50),
            of => {
                format!("{kind} request of sort {} took {number} ms", char::from(b'a' + of as u8))
            }
        };
        column.push(row, Value { kind: Kind::String, text: text.as_bytes() });
    }
    column.rows = None;
    Rows {
        base_seq: 1,
        seq_offsets: (0..count).collect(),
        timestamps: (0..i64::from(count)).collect(),
        levels: vec![3; count as usize],
        columns: vec![column],
    }
}

/// A list into which nothing more goes.
fn full() -> SentenceListBuilder {
    SentenceListBuilder { ends: vec![0; SENTENCE_LIST_MAX], ..SentenceListBuilder::default() }
}

fn normal(rows: &Rows) -> Rows {
    decode(&open(&encode(rows, &[]), None)).expect("just encoded")
}

fn message(block: &Block) -> &ColumnEntry {
    block.columns().iter().find(|column| &*column.name == "message").expect("all rows have one")
}

proptest! {
    #[test]
    fn a_shared_block_has_its_rows_and_the_same_other_bytes(
        rows in any_rows(), others in any_rows(), filter: Vec<u8>, log in any::<bool>(),
    ) {
        let rows = if log { log_rows(600, "get") } else { rows };
        let mut list = SentenceListBuilder::default();
        shared(&encode(&others, &[]), None, &mut list);
        let original = encode(&rows, &filter);
        let first = shared(&original, None, &mut list);
        let lists = list_of(&list);
        let block = open(&first, lists.clone());
        prop_assert!(block.filter(|bytes| Ok(bytes.is_empty())).expect("sound"));
        prop_assert_eq!(decode(&block).expect("sound"), normal(&rows));
        let parts = |encoded: &EncodedBlock| -> Vec<Vec<u8>> {
            let block = open(encoded, None);
            let columns = block.columns().iter().map(|column| (column.is_templates(), column.part));
            let columns = columns.filter(|(is_templates, _)| !is_templates).map(|(_, part)| part);
            let header = block.header();
            let fixed = [header.timestamps, header.seqs, header.levels, header.rest];
            fixed.into_iter().chain(columns).map(|part| encoded.bytes[part.range()].to_vec()).collect()
        };
        prop_assert_eq!(parts(&first), parts(&original));

        // To the list of another section, which has others already.
        let mut other = SentenceListBuilder::default();
        shared(&encode(&log_rows(300, "put"), &[]), None, &mut other);
        let second = shared(&first, lists, &mut other);
        let block = open(&second, list_of(&other));
        prop_assert_eq!(decode(&block).expect("sound"), normal(&rows));

        // To none: it is what it was.
        let third = shared(&second, list_of(&other), &mut full());
        prop_assert_eq!(third, encode(&rows, &[]));
    }

    #[test]
    fn any_bytes_give_no_panic(bytes: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
        let path = Path::new("");
        let _ = SentenceList::decode(&mut Slice::new(&bytes, 0, WHAT, path));
        let mut list = SentenceListBuilder::default();
        shared(&encode(&log_rows(100, "get"), &[]), None, &mut list);
        let mut bytes = list.finish().expect("it has some").bytes;
        prop_assert!(SentenceList::decode(&mut Slice::new(&bytes, 0, WHAT, path)).is_ok());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let error = SentenceList::decode(&mut Slice::new(&bytes, 0, WHAT, path));
        let kind = error.expect_err("a bit is another").kind();
        prop_assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Unsupported));
    }
}

#[test]
fn blocks_of_the_same_sentences_keep_them_once() {
    let mut list = SentenceListBuilder::default();
    let block = encode(&log_rows(600, "get"), &[]);
    let first = shared(&block, None, &mut list);
    let (sentences, bytes) = (list.ends.len(), list.texts.len());
    assert_eq!(shared(&block, None, &mut list), first);
    assert_eq!((list.ends.len(), list.texts.len()), (sentences, bytes));
    assert!(sentences >= 10 && first.bytes.len() + 100 < block.bytes.len());
    let read = list_of(&list).expect("it has some");
    assert_eq!(message(&open(&first, Some(read))).encoding_name(), "shared templates");
}

#[test]
fn what_would_hardly_come_again_stays_in_its_block() {
    let mut list = SentenceListBuilder::default();
    let long = "x".repeat(PICKY_TEXT);
    let texts: Vec<String> = (0..40).map(|n| format!("{n} {long}")).collect();
    let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    let known = list.numbers_of(&texts).expect("the first ones go in");
    assert_eq!(known, (0..40).collect::<Vec<_>>());
    let new: &[u8] = b"a new one";
    assert_eq!(list.numbers_of(&[new]), None);
    // Beside known ones it does.
    assert_eq!(list.numbers_of(&[new, texts[7]]), Some(vec![40, 7]));
    assert_eq!(list.numbers_of(&[new]), Some(vec![40]));
}

/// So many bytes that forty of them are enough to make a list picky, and fit.
const PICKY_TEXT: usize = SENTENCE_LIST_BYTES_MAX / 4 / 40 + 1;

#[test]
fn no_more_goes_in_than_may_be_read() {
    assert_eq!(full().numbers_of(&[b"one"]), None);
    let mut list = SentenceListBuilder::default();
    let long = vec![b'x'; SENTENCE_LIST_BYTES_MAX];
    assert_eq!(list.numbers_of(&[&long]), Some(vec![0]));
    assert_eq!(list.numbers_of(&[&long, b"y"]), None);
    let read = list_of(&list).expect("it has one").get().expect("sound");
    assert_eq!((read.len(), read.get(0)), (1, &*long));
}

/// `L2`: damage to one copy costs nothing but a finding.
#[test]
fn one_of_two_copies_is_enough() {
    let mut list = SentenceListBuilder::default();
    list.numbers_of(&[b"up", b"id \x01"]).expect("a few");
    let bytes = list.finish().expect("it has some").bytes;
    let (disk, place) = file_of(&bytes, 100, 50);
    let read = |disk: &MemoryStorage| opened(disk, place).get().map(|list| list.get(1).to_vec());
    assert_eq!(read(&disk).expect("sound"), b"id \x01");
    opened(&disk, place).verify().expect("both are sound");
    let damage = |at: u64| {
        let mut bytes = disk.read(Path::new(PATH)).expect("it is there");
        bytes[at as usize + 30] ^= 1;
        disk.overwrite(Path::new(PATH), bytes);
    };
    damage(place.copy);
    assert_eq!(read(&disk).expect("the first is sound"), b"id \x01");
    let error = opened(&disk, place).verify().expect_err("the copy is damaged");
    let found = error.corruption().expect("corrupt");
    assert!((place.copy..place.copy + u64::from(place.len)).contains(&found.offset), "{error}");
    damage(place.copy);
    damage(place.offset);
    assert_eq!(read(&disk).expect("the copy is sound"), b"id \x01");
    damage(place.copy);
    let error = read(&disk).expect_err("both are damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("sentence list"), "{error}");
}

/// `L3`
#[test]
fn a_list_is_found_without_a_directory() {
    let mut list = SentenceListBuilder::default();
    list.numbers_of(&[b"up", b"id \x01"]).expect("a few");
    let bytes = list.finish().expect("it has some").bytes;
    let (disk, place) = file_of(&bytes, 100, 50);
    let file = disk.open(Path::new(PATH)).expect("it is there");
    let end = place.copy + u64::from(place.len);
    let find = |blocks_end| ListPlace::find(&*file, Path::new(PATH), blocks_end, end);
    let found = find(Some(100)).expect("both");
    assert_eq!((found.offset, found.copy, found.len), (place.offset, place.copy, place.len));
    let found = find(None).expect("the second");
    assert_eq!((found.offset, found.copy, found.len), (place.copy, place.copy, place.len));
    assert_eq!(opened(&disk, found).get().expect("sound").get(0), b"up");
    let found = ListPlace::find(&*file, Path::new(PATH), Some(100), 120).expect("the first");
    assert_eq!((found.offset, found.copy), (place.offset, place.offset));
    assert_eq!(ListPlace::find(&*file, Path::new(PATH), Some(90), 120), None);
}

#[test]
fn a_block_without_its_list_is_not_read() {
    let mut list = SentenceListBuilder::default();
    let block = shared(&encode(&log_rows(600, "get"), &[]), None, &mut list);
    let error = decode(&open(&block, None)).expect_err("no list");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // Nor with that of another section, which has fewer.
    let mut other = SentenceListBuilder::default();
    other.numbers_of(&[b"up"]).expect("one");
    let error = decode(&open(&block, list_of(&other))).expect_err("another list");
    assert!(error.to_string().contains("different sentences of 1"), "{error}");
}

#[test]
fn the_page_shows_a_list() {
    const PAGE: &str = include_str!("../../../../docs/format/sentence-list.md");
    let mut list = SentenceListBuilder::default();
    list.numbers_of(&[b"conn \x01 of \x01.\x01.\x01.\x01 closed", b"up"]).expect("two");
    let bytes = list.finish().expect("it has two").bytes;
    assert!(dump::from_page(PAGE) == bytes, "written now:\n{}", dump::to_text(&bytes));
}
