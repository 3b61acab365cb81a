use super::*;
use crate::index::testing::text;
use crate::index::{terms, tokens};
use proptest::prelude::*;

fn column_of(texts: &[Vec<u8>]) -> RowColumn {
    let mut column = RowColumn::new("message".into());
    for (row, text) in texts.iter().enumerate() {
        column.push(row as u32, Value { kind: Kind::String, text });
    }
    column
}

fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    tokens::for_each_token(text, |token| {
        if token.kind == TokenKind::Word {
            words.push(text[token.start..token.end].to_vec());
        }
    });
    words
}

fn rebuilt(sentence: &[u8], split: &Split, column: &RowColumn, index: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut slot = 0;
    for byte in sentence {
        if *byte == SLOT {
            text.extend_from_slice(split.variables_of(index)[slot].text(column));
            slot += 1;
        } else {
            text.push(*byte);
        }
    }
    assert_eq!(slot, split.variables_of(index).len());
    text
}

/// Texts that meet every rule of the tokenizer, with bytes of the control range now and then.
fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let control = (text(), 0u8..12, text()).prop_map(|(a, byte, b)| [a, vec![byte], b].concat());
    let long = (text(), 60usize..70).prop_map(|(text, times)| [text, b"x1".repeat(times)].concat());
    let number = "-?[0-9]{1,3}(\\.[0-9]{1,3})?([eE][-+]?[0-9])?".prop_map(String::into_bytes);
    // Words that lie across the bounds of masks, and fill them.
    let ascii =
        prop_oneof!["([a-z]{1,70}|[0-9]{1,70}|[ _.]){0,8}", "[0-9a]{60,130}", "[0-9 ]{120,200}"];
    let ascii = ascii.prop_map(String::into_bytes);
    let one = prop_oneof![6 => text(), 1 => control, 1 => long, 2 => number, 2 => ascii];
    prop::collection::vec(one, 1..40)
}

proptest! {
    #[test]
    fn every_text_is_its_sentence_and_variables(texts in texts()) {
        let column = column_of(&texts);
        let split = Split::always(&column);
        let mut counts = vec![0; split.counts().len()];
        for (index, text) in texts.iter().enumerate() {
            let code = split.codes()[index];
            if code == Split::RAW {
                prop_assert!(text.iter().any(|byte| *byte < LEGAL_MIN));
                prop_assert!(split.variables_of(index).is_empty());
                continue;
            }
            counts[usize::from(code)] += 1;
            let sentence = split.sentence(usize::from(code));
            prop_assert_eq!(&rebuilt(sentence, &split, &column, index), text);
            // S1: the words are those of both parts.
            let variables = split.variables_of(index);
            for variable in variables {
                let text = variable.text(&column);
                prop_assert_eq!(variable.is_digits(), text.iter().all(u8::is_ascii_digit));
            }
            let variables: Vec<_> =
                variables.iter().map(|variable| variable.text(&column).to_vec()).collect();
            let has_digit = |word: &Vec<u8>| word.iter().any(u8::is_ascii_digit);
            let (with, without): (Vec<_>, Vec<_>) = words(text).into_iter().partition(has_digit);
            prop_assert_eq!(variables, with);
            prop_assert_eq!(words(sentence), without);
        }
        prop_assert_eq!(counts, split.counts());
    }

    #[test]
    fn terms_of_the_parts_are_those_of_the_texts(texts in texts(), is_exact: bool) {
        let mut column = column_of(&texts);
        column.rows = None;
        if is_exact {
            column.name = "path".into();
        }
        let split = Split::always(&column);
        let rows = crate::batch::Rows { columns: vec![column], ..Default::default() };
        prop_assert_eq!(terms::collect(&rows, |_| Some(terms::Known::Split(&split))), terms::collect(&rows, |_| None));
    }
}

#[test]
fn only_columns_whose_sentences_come_again_are_split() {
    let texts = |of: &dyn Fn(usize) -> String| (0..2_000).map(|n| of(n).into_bytes()).collect();
    let split = |texts: Vec<Vec<u8>>| Split::of(&column_of(&texts));
    let word = |n: usize| char::from(b'a' + (n % 26) as u8).to_string().repeat(n / 26 + 1);
    assert!(split(texts(&|n| format!("user u{n} logged in from 10.0.0.{}", n % 256))).is_some());
    assert!(split(texts(&|n| format!("said {}", word(n)))).is_none());
    assert!(split(texts(&|n| format!("{n}\0"))).is_none());
    let few: Vec<Vec<u8>> = (0..VALUES_MIN - 1).map(|n| format!("n {n}").into_bytes()).collect();
    assert!(split(few).is_none());
}

#[test]
fn sentences_are_bounded() {
    let letters = |mut n: usize| {
        let mut word = String::new();
        while n > 0 {
            word.push(char::from(b'a' + (n % 26) as u8));
            n /= 26;
        }
        word
    };
    let mut texts: Vec<_> = (0..5_000).map(|n| format!("{} 1", letters(n)).into_bytes()).collect();
    let split = Split::always(&column_of(&texts));
    assert_eq!(split.counts().len(), SENTENCES_MAX);
    assert_eq!(
        split.codes()[SENTENCES_MAX - 1..=SENTENCES_MAX],
        [SENTENCES_MAX as u16 - 1, Split::RAW]
    );
    texts.truncate(3);
    texts.insert(1, [&b"x ".repeat(SENTENCE_BYTES_MAX / 2)[..], b"1"].concat());
    assert_eq!(Split::always(&column_of(&texts)).codes(), [0, Split::RAW, 1, 2]);
}

#[test]
fn a_slot_beside_what_joins_is_no_whole_word() {
    for sentence in ["\u{1}", "a \u{1} b", "日\u{1}本", "\u{1}.\u{1}", "-\u{1}-", ""] {
        assert!(has_whole_slots(sentence.as_bytes()), "{sentence:?}");
    }
    for sentence in ["a\u{1}", "\u{1}b", "\u{1}\u{1}", "é\u{1}", "a \u{1}_", "²\u{1}"] {
        assert!(!has_whole_slots(sentence.as_bytes()), "{sentence:?}");
    }
    assert!(is_whole_word(b"blk_17") && is_whole_word("é5".as_bytes()));
    for text in ["", "a 1", " a1", "a1 ", "日", "日本"] {
        assert!(!is_whole_word(text.as_bytes()), "{text:?}");
    }
}

#[test]
fn a_thread_keeps_the_memory_of_few_splits_that_take_little() {
    let split_of = |codes: usize| {
        let mut split = Split::default();
        split.codes.reserve(codes);
        split
    };
    KEPT.with_borrow_mut(Vec::clear);
    drop(Split::default());
    drop(split_of(BLOCK_SCRATCH_BYTES_MAX));
    assert_eq!(KEPT.with_borrow(Vec::len), 0, "nothing, and too much");
    drop((0..SPLITS_KEPT_MAX + 2).map(|_| split_of(99)).collect::<Vec<_>>());
    assert_eq!(KEPT.with_borrow(Vec::len), SPLITS_KEPT_MAX);
    let again = Split::empty();
    assert!(again.memory() > 0 && again.codes.is_empty() && again.counts().is_empty());
}
