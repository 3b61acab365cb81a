use crate::batch::Rows;
use crate::block::{
    Block, ColumnData, EncodedBlock, SentenceTable, Source, encode, in_one_section,
};
use crate::event::Kind;
use crate::index::BlockIndex;
use crate::index::testing::rows;
use crate::query::filter::Plan;
use crate::query::matcher::sentence::tests::{query, text};
use crate::query::parse;
use crate::query::selection::Selection;
use crate::query::table::{BlockTable, OpenedBlock, RowsTable};
use proptest::prelude::*;
use std::sync::Arc;

/// Enough for templates.
const ROWS: usize = 200;

/// A block of these messages, some rows without one, and the same rows.
fn block_of(messages: &[Vec<u8>], service: &str) -> (Block, Rows) {
    let (encoded, rows) = encoded(messages, service);
    let source = Source::Memory(encoded.bytes.as_slice().into());
    (Block::open(source, &encoded.meta).expect("just encoded"), rows)
}

/// The same as blocks of a section with a list.
fn listed(columns: &[(&[Vec<u8>], &str)]) -> Vec<(Block, Rows)> {
    let all = columns.iter().map(|(messages, service)| encoded(messages, service));
    let (blocks, rows): (Vec<_>, Vec<_>) = all.unzip();
    in_one_section(&blocks).into_iter().zip(rows).collect()
}

fn encoded(messages: &[Vec<u8>], service: &str) -> (EncodedBlock, Rows) {
    let fields: Vec<Vec<_>> = (0..ROWS)
        .map(|row| {
            let mut fields = vec![("service", Kind::String, service.as_bytes())];
            if row % 7 != 3 || service == "all have one" {
                fields.push(("message", Kind::String, &messages[row % messages.len()][..]));
            }
            fields
        })
        .collect();
    let events: Vec<&[_]> = fields.iter().map(Vec::as_slice).collect();
    let rows = rows(&events);
    (encode(&rows, b""), rows)
}

/// Messages of few sentences, so that they become templates: the parts of `texts` that are numbers
/// differ from row to row. Some have no sentence.
fn messages(texts: &[String], raw: bool) -> Vec<Vec<u8>> {
    let message = |row: usize| {
        let text = texts[row % texts.len()].replace('1', &(row % 13).to_string());
        let mut message = format!("{text} padded with words that stand in all of them {row}");
        if raw && row % 31 == 5 {
            message.push('\u{2}');
        }
        message.into_bytes()
    };
    (0..ROWS).map(message).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A block of templates has the answers of its rows, also when its sentences are known already.
    #[test]
    fn templates_change_no_answer(
        texts in prop::collection::vec(text(), 2..6),
        queries in prop::collection::vec(query(), 1..6),
        step in 1usize..5,
        raw in any::<bool>(),
    ) {
        let sentences = SentenceTable::default();
        let blocks = [
            block_of(&messages(&texts, raw), "a1"),
            block_of(&messages(&texts[..1], raw), "e"),
            block_of(&messages(&texts, raw), "all have one"),
        ];
        let listed = listed(&[
            (&messages(&texts, raw), "a1"),
            (&messages(&texts[1..], raw), "e"),
            (&messages(&texts, false), "all have one"),
        ]);
        prop_assert!(blocks[0].0.columns().iter().any(|column| column.is_templates()));
        let plans = queries.iter().filter_map(|query| Some((query, Plan::new(&parse(query).ok()?))));
        for (query, plan) in plans {
            for (block, rows) in blocks.iter().chain(&listed).chain(&blocks).chain(&listed) {
                let opened = OpenedBlock::new(Arc::new(block.clone()));
                let block = BlockTable::new(&opened, &sentences);
                let rows = RowsTable::new(rows, 0..ROWS);
                let everything = BlockIndex::Everything;
                let from = Selection::from_fn(ROWS, |row| row % step == 0);
                let found = plan.evaluate(&block, &everything, from.clone()).expect("sound");
                let expected = plan.evaluate(&rows, &everything, from).expect("sound");
                prop_assert_eq!(&found, &expected, "{}", query);
                if let Some(count) = plan.known_count(&block, &everything).expect("sound") {
                    let all = plan.evaluate(&rows, &everything, Selection::all(ROWS));
                    prop_assert_eq!(count, all.expect("sound").count() as u64, "{}", query);
                }
            }
        }
    }
}

#[test]
fn a_count_is_known_where_sentences_tell() {
    let messages = |texts: &[&str], raw| {
        messages(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), raw)
    };
    let sentences = SentenceTable::default();
    let (block, _) = block_of(&messages(&["connection 1 refused", "session 1 opened"], false), "x");
    let known = |block: &Block, query: &str| {
        let plan = Plan::new(&parse(query).expect("a query"));
        let opened = OpenedBlock::new(Arc::new(block.clone()));
        let table = BlockTable::new(&opened, &sentences);
        plan.known_count(&table, &BlockIndex::Everything).expect("sound")
    };
    // Of 200 rows, 29 have no message.
    let connections = known(&block, "connection").expect("sentences tell");
    let sessions = known(&block, r#"message:"session""#).expect("sentences tell");
    assert_eq!((connections + sessions, connections.abs_diff(sessions)), (171, 1));
    assert_eq!(known(&block, "message:/con.*refused/"), Some(connections));
    assert_eq!(known(&block, "absent"), Some(0));
    assert_eq!(known(&block, "message:\"connection 7\""), None);
    assert_eq!(known(&block, "x"), Some(200), "no sentence has it");
    assert_eq!(known(&block, "service:x"), Some(200));
    let (block, _) = block_of(&messages(&["connection 1 refused"], false), "connection");
    assert_eq!(known(&block, "connection"), None, "a row can have it twice");
    let (block, _) = block_of(&messages(&["connection 1 refused"], true), "x");
    assert_eq!(known(&block, "connection"), None, "some have no sentence");
}

#[test]
fn a_rare_word_is_found_by_the_list_of_a_section() {
    let word = |number: usize| -> String {
        let letters = xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes()).to_le_bytes();
        letters.iter().map(|letter| char::from(b'a' + letter % 26)).collect()
    };
    let message = |row: usize| match row {
        77 => format!("a zephyr of {row} among them"),
        _ => format!("requests of {} and {} took {row} ms", word(row % 20), word(row % 20 + 99)),
    };
    let messages: Vec<Vec<u8>> = (0..ROWS).map(|row| message(row).into_bytes()).collect();
    let others: Vec<Vec<u8>> = messages.iter().map(|text| text.to_ascii_uppercase()).collect();
    let blocks = listed(&[(&messages, "x"), (&others, "y"), (&messages, "all have one")]);
    let sentences = SentenceTable::default();
    let (rare, all) = ("zephyr", "took");
    for (query, outlines) in [(rare, 0), (all, 3)] {
        let plan = Plan::new(&parse(query).expect("a query"));
        for (block, rows) in &blocks {
            let opened = OpenedBlock::new(Arc::new(block.clone()));
            let table = BlockTable::new(&opened, &sentences);
            let find = |table: &dyn crate::query::table::Table| {
                plan.evaluate(table, &BlockIndex::Everything, Selection::all(ROWS)).expect("sound")
            };
            let found = find(&table);
            assert_eq!(found, find(&RowsTable::new(rows, 0..ROWS)));
            assert!(found.count() >= usize::from(query == all));
            let message = block.column_index("message").expect("nearly all rows have one");
            let column = block.column(message).expect("sound");
            let ColumnData::Templates(templates) = column.data() else { panic!("no templates") };
            assert!(templates.listed().is_some());
        }
        let made = blocks.iter().filter(|(block, _)| {
            block.outline(block.column_index("message").expect("as before")).is_some()
        });
        assert_eq!(made.count(), outlines, "{query}");
    }
}
