use super::*;
use crate::index::testing::rows;
use proptest::prelude::*;

fn all(rows: &Rows) -> Vec<u64> {
    collect(rows, |_| None)
}

fn has(rows: &Rows, kind: TermKind, text: &str) -> bool {
    all(rows).binary_search(&term(kind, text.as_bytes())).is_ok()
}

#[test]
fn words_runs_and_bigrams_of_every_column_are_terms() {
    let rows = rows(&[&[
        ("message", Kind::String, b"Conn4711 closed \xe6\x97\xa5\xe6\x9c\xac"),
        ("user_id", Kind::String, b"U-17"),
        ("ok", Kind::Bool, b"true"),
    ]]);
    for word in ["conn4711", "closed", "u", "17", "true"] {
        assert!(has(&rows, TermKind::Word, word), "{word}");
    }
    assert!(has(&rows, TermKind::LetterRun, "conn"));
    assert!(has(&rows, TermKind::Bigram, "日本"));
    assert!(has(&rows, TermKind::WholeValue, "u-17"));
    // A run that is a word of its own, a field's name and a single character are no terms.
    assert!(!has(&rows, TermKind::LetterRun, "closed"));
    assert!(!has(&rows, TermKind::Word, "message"));
    assert_eq!(all(&rows).len(), 8);
}

#[test]
fn only_numbers_in_odd_forms_are_number_terms() {
    let number = |kind, text: &[u8]| rows(&[&[("status", kind, text)]]);
    assert!(has(&number(Kind::Number, b"5e2"), TermKind::Number, "500"));
    assert!(has(&number(Kind::String, b"500.0"), TermKind::Number, "500"));
    assert!(!has(&number(Kind::Number, b"500"), TermKind::Number, "500"));
    assert!(!has(&number(Kind::String, b"500 ms"), TermKind::Number, "500"));
    assert!(has(&number(Kind::Json, b"[5e2]"), TermKind::Number, "500"));
}

#[test]
fn json_gives_the_terms_of_its_leaves() {
    let json = br#"{"k":["caf\u00e9 two",{"n":"10.0.0.7"}]}"#;
    let rows = rows(&[&[("ip", Kind::Json, json)]]);
    assert!(has(&rows, TermKind::Word, "café"));
    assert!(has(&rows, TermKind::WholeValue, "10.0.0.7"));
    assert!(has(&rows, TermKind::WholeValue, "café two"));
}

#[test]
fn a_value_that_comes_again_gives_nothing_new() {
    let message: &[_] = &[("message", Kind::String, &b"same words here"[..])];
    assert_eq!(all(&rows(&[message; 100])).len(), 3);
    assert_eq!(all(&Rows::default()), [0; 0]);
}

proptest! {
    #[test]
    fn decimals_have_the_terms_of_their_text(
        text in prop_oneof!["[0-9]{1,70}", "[0-9.]{0,25}", "[0-9]{1,40}[.][0-9]{0,30}", "[0-9e.-]{0,6}"],
        kind in prop::sample::select(vec![Kind::String, Kind::Number, Kind::Bool]),
        is_exact: bool,
    ) {
        let value = Value { kind, text: text.as_bytes() };
        let (mut any, mut as_text) = (Vec::new(), Vec::new());
        let mut values = ValueTerms::new();
        values.scalar(value, is_exact, &mut |kind, bytes: &[u8]| any.push(term(kind, bytes)));
        values.text(value, is_exact, &mut |kind, bytes: &[u8]| as_text.push(term(kind, bytes)));
        prop_assert_eq!(any, as_text);
    }
}

proptest! {
    #[test]
    fn ids_have_the_terms_of_their_text(
        id in prop_oneof!["[0-9a-f]{16}", "[0-9a-f]{32}", "[0-9a-f]{1,64}", "[0-9]{0,15}e?[0-9]{1,15}", "[a-f]{8,64}"],
        is_exact: bool,
    ) {
        let value = Value { kind: Kind::String, text: id.as_bytes() };
        let (mut as_id, mut as_text) = (Vec::new(), Vec::new());
        let mut values = ValueTerms::new();
        values.each_of_id(id.as_bytes(), |kind, bytes: &[u8]| as_id.push(term(kind, bytes)));
        values.text(value, is_exact, &mut |kind, bytes: &[u8]| as_text.push(term(kind, bytes)));
        prop_assert_eq!(as_id, as_text);
    }

    #[test]
    fn words_with_digits_have_the_terms_of_their_text(
        text in prop_oneof!["[0-9a-zA-Z_]{0,12}", "[0-9A-Fx]{60,68}", "[a-z0-9.é日-]{0,9}"],
    ) {
        let (mut as_word, mut as_text) = (Vec::new(), Vec::new());
        let mut each = |kind, bytes: &[u8]| as_word.push(term(kind, bytes));
        let is_one = each_of_word_with_digit(text.as_bytes(), &mut each);
        each_of_words(text.as_bytes(), |kind, bytes: &[u8]| as_text.push(term(kind, bytes)));
        prop_assert!(!is_one || as_word == as_text);
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
        prop_assert_eq!(is_one, is_word && has_digit && text.len() <= TOKEN_BYTES_MAX);
    }
}

/// Ids of users are exact, and templates when they hardly come again.
#[test]
fn a_column_of_single_words_is_known_by_its_variables() {
    let ids: Vec<String> = (0..500).map(|n| format!("U{n:05}")).chain(["a b".into()]).collect();
    let fields: Vec<_> = ids.iter().map(|id| [("user_id", Kind::String, id.as_bytes())]).collect();
    let events: Vec<_> = fields.iter().map(|fields| &fields[..]).collect();
    let rows = rows(&events);
    let of_split = |rows: &Rows| {
        let split = Split::always(&rows.columns[0]);
        collect(rows, |_| Some(Known::Split(&split)))
    };
    assert_eq!(of_split(&rows), all(&rows));
    let words = crate::index::testing::rows(&events[..500]);
    assert!(Split::always(&words.columns[0]).sentences().all(is_bare));
    assert_eq!(of_split(&words), all(&words));
}

/// The memory of values must compare the bytes and the kind.
#[test]
fn values_of_one_slot_are_told_apart() {
    let texts: Vec<String> = (0..5 * RECENT_VALUES).map(|n| format!("w{n}")).collect();
    let fields: Vec<_> =
        texts.iter().map(|text| [("message", Kind::String, text.as_bytes())]).collect();
    let events: Vec<_> = fields.iter().map(|fields| &fields[..]).collect();
    assert_eq!(all(&rows(&events)).len(), texts.len());
    let twice = rows(&[&[("a", Kind::Null, b"5e2")], &[("a", Kind::Number, b"5e2")]]);
    assert!(has(&twice, TermKind::Number, "500"));
}
