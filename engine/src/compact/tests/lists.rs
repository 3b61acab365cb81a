//! Sentence lists: what blocks of a section share, over merges.

use super::*;
use crate::block::SharedSentences;
use std::collections::BTreeSet;

const ROWS: u64 = 128;
const SORTS: [&str; 5] = [
    "the keeper of the hall",
    "a clerk passing through",
    "nobody in particular",
    "whoever happened to come first",
    "some body dressed in grey",
];

/// Blocks whose texts can have sentences.
fn limits() -> Limits {
    Limits { block_rows_max: ROWS as usize, block_bytes_max: 64 << 10, ..Limits::tiny() }
}

/// A block of messages of ten sentences, which have these words.
fn worded(first: u64, words: &[&str]) -> Rows {
    let mut rows = rows(&seqs(first..first + ROWS));
    let mut column = RowColumn::new("message".into());
    for row in 0..ROWS {
        let word = words[row as usize % words.len()];
        let sort = SORTS[row as usize / 2 % SORTS.len()];
        let text =
            format!("{word} was asked for by {sort} after {} ms", (first + row) * 7_919 % 1_000);
        column.push(row as u32, Value { kind: Kind::String, text: text.as_bytes() });
    }
    column.rows = None;
    rows.columns = vec![column];
    rows
}

/// A level-0 file of four blocks.
fn young(io: &Io, number: u64, words: &[&str]) -> (SourceSection, Vec<Rows>) {
    let first = number * 10_000;
    let blocks: Vec<Rows> = (0..4).map(|block| worded(first + block * ROWS, words)).collect();
    (source_of(io, number, &blocks), blocks)
}

fn opened(io: &Io, meta: &FileMeta) -> SourceSection {
    let handles = Arc::new(Handles::new(Arc::clone(&io.storage), 4));
    let path = meta.id.path(Path::new("store"));
    let file = Arc::new(SegmentFile::new(&handles, &path, [7; 16], meta));
    SourceSection { file, meta: meta.sections[0].clone() }
}

fn merge(io: &Io, limits: &Limits, number: u64, sources: &[SourceSection]) -> FileMeta {
    let cache = BlockCache::new(1 << 20);
    let place = place(io, limits, &cache, number);
    execute(&place, &JOB, sources, &mut memory(), &mut || Ok(())).unwrap()
}

/// The words of the sentences in the list of the output, if it has one.
fn words_of(io: &Io, meta: &FileMeta) -> Option<BTreeSet<String>> {
    let path = meta.id.path(Path::new("store"));
    let file = io.storage.open(&path).unwrap();
    let directory = segment::read_directory(&*file, &path).unwrap();
    let place = directory.sections[0].list?;
    let list = SharedSentences::new(file, path.into(), place);
    list.verify().unwrap();
    let list = list.get().unwrap();
    let word = |sentence: &[u8]| {
        let word: Vec<u8> = sentence.iter().copied().take_while(|byte| *byte != b' ').collect();
        String::from_utf8(word).unwrap()
    };
    Some((0..list.len()).map(|number| word(list.get(number))).collect())
}

fn all_rows(blocks: &[&Vec<Rows>]) -> Rows {
    gather(blocks.iter().flat_map(|blocks| blocks.iter()).map(|rows| (rows, 0..rows.len())))
}

#[test]
fn sections_share_their_sentences_over_merges() {
    let (_, io) = io();
    let limits = limits();
    let (one, rows_one) = young(&io, 1, &["one", "both"]);
    let (two, rows_two) = young(&io, 2, &["two", "both"]);
    let own: u64 = one.meta.len;
    let first = merge(&io, &limits, 4, &[one]);
    let second = merge(&io, &limits, 5, &[two]);
    let set = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(words_of(&io, &first), set(&["one", "both"]));
    assert_eq!(words_of(&io, &second), set(&["two", "both"]));
    let (metas, _, found) = output(&io, &first);
    assert_eq!(found, all_rows(&[&rows_one]));
    let shared: u64 = metas.iter().map(|meta| u64::from(meta.len)).sum();
    assert!(shared + 4 * 100 < own, "{shared} of {own} bytes");

    // Of two lists one is made, with other numbers.
    let both = merge(&io, &limits, 6, &[opened(&io, &first), opened(&io, &second)]);
    assert_eq!(words_of(&io, &both), set(&["one", "two", "both"]));
    let (metas, _, found) = output(&io, &both);
    assert_eq!((metas.len(), found), (8, all_rows(&[&rows_one, &rows_two])));

    // Without an index each block has its own again.
    let mut few = limits.clone();
    few.compaction.blocks_max = 7;
    let apart = merge(&io, &few, 7, &[opened(&io, &both)]);
    assert_eq!(words_of(&io, &apart), None);
    assert_eq!(output(&io, &apart).2, all_rows(&[&rows_one, &rows_two]));
}

/// What is left of a block has the sentences of what is left, and nothing tells of the others.
#[test]
fn a_list_has_no_sentence_of_events_that_are_gone() {
    let (_, io) = io();
    let limits = limits();
    let (source, blocks) = young(&io, 1, &["kept", "gone"]);
    let indexed = merge(&io, &limits, 4, &[source]);
    let cache = BlockCache::new(1 << 20);
    let source = opened(&io, &indexed);
    let mut inputs = blocks_of(&source, &cache).unwrap();
    for input in &mut inputs {
        // Every second row.
        let seqs = input.place.meta.min_seq..input.place.meta.max_seq + 1;
        let kept = seqs.step_by(2).map(|seq| crate::manifest::Range64 { start: seq, end: seq + 1 });
        input.takes = Some(kept.collect());
    }
    let part = Part { partition: key("a", DAY), inputs, runs: source.meta.runs.clone() };
    let place = place(&io, &limits, &cache, 5);
    let written = rewrite(&place, (false, 3), vec![part], &mut memory(), &mut || Ok(())).unwrap();
    let kept = gather(
        blocks
            .iter()
            .flat_map(|rows| (0..rows.len()).step_by(2).map(move |row| (rows, row..row + 1))),
    );
    assert_eq!(output(&io, &written).2, kept);
    let words = words_of(&io, &written);
    assert!(words.is_none_or(|words| !words.contains("gone")));
}
