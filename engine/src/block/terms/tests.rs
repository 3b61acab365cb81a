use super::*;
use crate::batch::{RowColumn, Rows};
use crate::block::column::{Plan, ValuesWriter};
use crate::block::part::{Part, PartBytes, Shape};
use crate::block::tests::any_rows;
use crate::block::{Source, encode};
use crate::event::Kind;
use crate::index::{IndexCounts, SectionCheck, SegmentIndex, SegmentIndexBuilder, Split};
use crate::io::Region;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// The index of blocks from what they keep, without frames.
fn of_blocks<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> Vec<u8> {
    built(SegmentIndexBuilder::without_dictionary(), blocks)
}

fn built<'a>(
    mut index: SegmentIndexBuilder,
    blocks: impl IntoIterator<Item = &'a Block>,
) -> Vec<u8> {
    for block in blocks {
        let mut terms = index.begin_block().expect("few words");
        add_terms(block, &mut terms).expect("a sound block");
        terms.finish();
    }
    index.finish().expect("in memory")
}

/// The index of the same blocks from their rows, with columns cut or not.
fn of_rows<'a>(
    blocks: impl IntoIterator<Item = &'a Block>,
    split_of: impl Fn(&RowColumn) -> Option<Split>,
) -> Vec<u8> {
    let mut index = SegmentIndexBuilder::without_dictionary();
    for block in blocks {
        let rows = super::super::decode(block).expect("a sound block");
        index.add_block(&rows, &split_of).expect("few words");
    }
    index.finish().expect("in memory")
}

/// Asserts that the index of these blocks names the frames of all their terms.
#[track_caller]
fn check_frames(blocks: &[Block]) {
    let bytes = Region::owned(built(SegmentIndexBuilder::new(), blocks));
    let (path, counts) = (Path::new("test").into(), IndexCounts::default());
    let index = SegmentIndex::open(bytes, blocks.len(), &path, 0, &counts).expect("just written");
    let mut check = SectionCheck::new(&index);
    for (number, block) in (0..).zip(blocks) {
        let rows = super::super::decode(block).expect("a sound block");
        assert_eq!(check.missing(number, &rows).expect("in memory"), 0);
    }
    assert_eq!(counts.faults(), 0);
}

fn block_of(rows: &Rows) -> Block {
    let encoded = encode(rows, &[]);
    Block::open(Source::Memory(encoded.bytes.into()), &encoded.meta).expect("just encoded")
}

/// The names of columns that are not like others: exact, cut, hidden.
const NAMES: [&str; 6] = ["message", "service", "trace_id", "ip", field::AS_SENT, "a.b"];

fn renamed(mut rows: Rows, names: &[usize]) -> Rows {
    for (column, name) in rows.columns.iter_mut().zip(names) {
        column.name = NAMES[*name].into();
    }
    rows.columns.sort_by(|a, b| a.name.cmp(&b.name));
    rows.columns.dedup_by(|a, b| a.name == b.name);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_block_keeps_has_the_terms_of_its_rows(
        blocks in prop::collection::vec(any_rows(), 1..4),
        names in prop::collection::vec(0..NAMES.len(), 8),
    ) {
        let blocks: Vec<Block> =
            blocks.into_iter().map(|rows| block_of(&renamed(rows, &names))).collect();
        let expected = of_rows(&blocks, |_| None);
        prop_assert!(of_blocks(&blocks) == expected);
        prop_assert!(of_rows(&blocks, Split::of) == expected);
        check_frames(&blocks);
    }
}

/// Words of letters, others for each number.
fn letters(mut number: usize) -> String {
    let mut text = String::new();
    while number > 0 {
        text.push(char::from(b'a' + (number % 26) as u8));
        text.push_str(if number.is_multiple_of(5) { " " } else { "" });
        number /= 26;
    }
    text
}

/// A full block: frames, units of sentences and lists of ids have several parts only there.
fn full_rows(salt: usize) -> Rows {
    let rows = BLOCK_ROWS_MAX;
    let mix = |row: usize| (row + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let mut columns: Vec<RowColumn> = Vec::new();
    let mut push = |name: &str, value: &dyn Fn(usize) -> Option<(Kind, String)>| {
        let mut column = RowColumn::new(name.into());
        for row in 0..rows {
            if let Some((kind, text)) = value(row) {
                column.push(row as u32, Value { kind, text: text.as_bytes() });
            }
        }
        if column.len() == rows {
            column.rows = None;
        }
        columns.push(column);
    };
    let string = |text: String| Some((Kind::String, text));
    push("message", &|row| match mix(row) % 50 {
        0 => string(format!("Rare{} word_{} é{}", row / 600, mix(row) % 7, row)),
        1 => string(format!("{}.{:02}", mix(row) % 90, row % 100)),
        2 => Some((Kind::Null, "null".to_owned())),
        3 => string(format!("\u{1}raw{row} text")),
        _ => string(format!("conn{} closed after {row} ms by {:x}cafe", mix(row) % 999, mix(row))),
    });
    push("ip", &|row| string(format!("10.0.{}.{}", mix(row) % 250, mix(row * 7) % 250)));
    push("trace_id", &|row| string(format!("{:032x}", mix(row / 9) as u128 * 0xdead_beef_cafe)));
    push("span_id", &|row| string(format!("{:016x}", mix(row) as u64)));
    push("user_id", &|row| {
        (row % 3 == 1).then(|| (Kind::String, format!("U{}", mix(row) % 4_000)))
    });
    push("resource_id", &|row| string(format!("{}e{}", mix(row) % 100_000, row % 7)));
    push("took", &|row| match mix(row) % 400 {
        0 => Some((Kind::Number, "1e5".to_owned())),
        _ => (row > 5_000)
            .then(|| (Kind::Number, format!("{}.{:02}0", mix(row) % 3_000, mix(row * 3) % 100))),
    });
    push("status", &|row| Some((Kind::Number, (mix(row) % 5).to_string())));
    push("late", &|row| (row > 8_000).then(|| (Kind::String, "only at the end".to_owned())));
    push("note", &|row| string(letters(mix(row))));
    push(field::AS_SENT, &|row| (row == 77).then(|| (Kind::Json, "{\"hidden\":1}".to_owned())));
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = Rows {
        base_seq: (salt * BLOCK_ROWS_MAX) as u64,
        seq_offsets: (0..rows as u32).collect(),
        timestamps: (0..rows as i64).collect(),
        levels: vec![3; rows],
        columns,
    };
    rows.check_invariants();
    rows
}

#[test]
fn full_blocks_have_the_terms_of_their_rows() {
    let blocks: Vec<Block> = (0..2).map(|salt| block_of(&full_rows(salt))).collect();
    let encodings: Vec<&str> = blocks[0].columns().iter().map(|c| c.encoding_name()).collect();
    for encoding in ["constant", "decimals", "ids", "integers", "templates", "text"] {
        assert!(encodings.contains(&encoding), "{encoding}: {encodings:?}");
    }
    let expected = of_rows(&blocks, |_| None);
    assert!(of_blocks(&blocks) == expected);
    assert!(of_rows(&blocks, Split::of) == expected);
    check_frames(&blocks);
}

/// As many names as have no place among the columns.
#[test]
fn fields_of_the_rest_column_have_their_terms() {
    let column = |name: usize| {
        let mut column = RowColumn::new(format!("name{name:03}").into());
        for row in (name % 3..700).step_by(3) {
            let text = format!("Word{} {row} of {name}", row / 512);
            column.push(row as u32, Value { kind: Kind::String, text: text.as_bytes() });
        }
        column
    };
    let rows = Rows {
        base_seq: 1,
        seq_offsets: (0..700).collect(),
        timestamps: vec![0; 700],
        levels: vec![3; 700],
        columns: (0..300).map(column).collect(),
    };
    let block = block_of(&rows);
    assert!(block.rest().expect("sound").is_some());
    assert!(of_blocks([&block]) == of_rows([&block], |_| None));
}

/// A block whose checksums are right and whose texts were cut by no tokenizer: it has all words still.
#[test]
fn variables_that_are_no_words_hide_none() {
    let column_of = |text: &[u8]| {
        let mut column = RowColumn::new("message".into());
        (0..600).for_each(|row| column.push(row, Value { kind: Kind::String, text }));
        column.rows = None;
        column
    };
    let cut = column_of(b"a 123 z");
    let split = Split::of(&cut).expect("one sentence");
    let forged = column_of(b"a b 1 z");
    let mut bytes = Vec::new();
    let plan = Plan::Templates(split);
    let encoding = plan.encode(&forged, 600, &mut ValuesWriter::new(), &mut bytes);
    let shape = Shape { rows: 600, values: 600, raw_max: 1 << 20 };
    let file = Arc::from(Path::new(""));
    let part = Part {
        bytes: PartBytes::File(crate::io::FileBytes::Read(bytes)),
        offset: 0,
        file,
        what: "forged",
    };
    let column = Column::decode(part, encoding as u8, shape, None).expect("as the writer would");
    let mut index = SegmentIndexBuilder::without_dictionary();
    let mut terms = index.begin_block().expect("few words");
    let text_bytes = Walk::new("message", &column, &mut terms).column(&column).expect("sound");
    terms.finish();
    assert_eq!(text_bytes, 600 * 7);
    let rows = Rows {
        base_seq: 1,
        seq_offsets: (0..600).collect(),
        timestamps: vec![0; 600],
        levels: vec![3; 600],
        columns: vec![forged],
    };
    let mut expected = SegmentIndexBuilder::without_dictionary();
    expected.add_block(&rows, |_| None::<Split>).expect("few words");
    assert!(index.finish().expect("in memory") == expected.finish().expect("in memory"));
}
