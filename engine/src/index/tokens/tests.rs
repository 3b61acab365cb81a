use super::*;
use proptest::prelude::*;

fn tokens(text: impl AsRef<[u8]>) -> Vec<String> {
    let mut tokens = Vec::new();
    for_each_token(text.as_ref(), |token| {
        tokens.push(String::from_utf8(token.bytes.to_vec()).expect("tokens are UTF-8"));
    });
    tokens
}

fn letter_runs(text: impl AsRef<[u8]>) -> Vec<String> {
    let mut runs = Vec::new();
    for_each_letter_run(text.as_ref(), |run| {
        runs.push(String::from_utf8(run.to_vec()).expect("runs are UTF-8"));
    });
    runs
}

#[test]
fn separators_cut_numbers_paths_and_addresses() {
    assert_eq!(tokens("authentication failure"), ["authentication", "failure"]);
    assert_eq!(tokens("connection_id Connections"), ["connection_id", "connections"]);
    assert_eq!(tokens("12.5 10.0.2.5"), ["12", "5", "10", "0", "2", "5"]);
    assert_eq!(tokens("user-id a=b don't"), ["user", "id", "a", "b", "don", "t"]);
    assert_eq!(tokens("foo@bar.com /var/log"), ["foo", "bar", "com", "var", "log"]);
    assert_eq!(tokens("4bf92f35-77b3"), ["4bf92f35", "77b3"]);
    assert_eq!(tokens(""), [""; 0]);
    assert_eq!(tokens("-- \n."), [""; 0]);
}

#[test]
fn folding_is_one_to_one() {
    assert_eq!(tokens("CAFÉ Straße STRAẞE"), ["café", "straße", "straße"]);
    assert_eq!(tokens("\u{212a}elvin fu\u{17f}e"), ["kelvin", "fuse"]);
    assert_eq!(tokens("İI ıi"), ["İi", "ıi"]);
}

#[test]
fn scripts_without_spaces_are_bigrams_and_border_words() {
    assert_eq!(tokens("日本語"), ["日本", "本語"]);
    assert_eq!(tokens("日"), [""; 0]);
    assert_eq!(tokens("日 本"), [""; 0]);
    assert_eq!(tokens("err日本x"), ["err", "日本", "x"]);
    assert_eq!(tokens("ไทย 50 ไท"), ["ไท", "ทย", "50", "ไท"]);
    assert_eq!(tokens("한국어 텍스트"), ["한국어", "텍스트"]);
}

#[test]
fn an_invalid_byte_separates() {
    assert_eq!(tokens(b"ab\xffcd"), ["ab", "cd"]);
    assert_eq!(tokens(b"ab\xc3"), ["ab"]);
    assert_eq!(tokens(b"\xe2\x84ab\xa9"), ["ab"]);
    assert_eq!(tokens(b"\xed\xa0\x80ab"), ["ab"]);
    assert_eq!(tokens(b"\xe6\x97\xa5\xff\xe6\x9c\xac"), [""; 0]);
}

#[test]
fn long_tokens_are_cut_at_a_character() {
    assert_eq!(tokens("A".repeat(65)), ["a".repeat(64)]);
    assert_eq!(tokens("a".repeat(64)), ["a".repeat(64)]);
    // The é does not fit, and what comes behind it must not slip into its place.
    let text = format!("{}éa", "a".repeat(63));
    assert_eq!(tokens(text), ["a".repeat(63)]);
    assert_eq!(tokens("é".repeat(40)), ["é".repeat(32)]);
}

#[test]
fn places_and_shapes() {
    let mut seen = Vec::new();
    for_each_token("É1 abc 日本語 a_b".as_bytes(), |token| {
        seen.push((token.start..token.end, token.kind, token.is_letters()));
    });
    assert_eq!(
        seen,
        [
            (0..3, TokenKind::Word, false),
            (4..7, TokenKind::Word, true),
            (8..14, TokenKind::Bigram, false),
            (11..17, TokenKind::Bigram, false),
            (18..21, TokenKind::Word, false),
        ]
    );
}

#[test]
fn letter_runs_are_maximal() {
    assert_eq!(letter_runs("Conn4711_timeOut_abc"), ["conn", "timeout"]);
    assert_eq!(letter_runs("abc1ab"), [""; 0]);
    assert_eq!(letter_runs("x".repeat(99)), ["x".repeat(64)]);
}

#[test]
fn texts_are_equal_but_for_case() {
    assert!(fold_eq("Straße\u{212a}".as_bytes(), "STRAẞEk".as_bytes()));
    assert!(fold_eq(b"a\xff", b"A\xff"));
    assert!(!fold_eq(b"a\xff", b"A\xfe"));
    assert!(!fold_eq("ß".as_bytes(), b"ss"));
    assert!(!fold_eq(b"a", b"ab"));
}

/// The definition, character by character, without buffers and fast paths.
fn reference(text: &[u8]) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut solo = None;
    let finish = |word: &mut String, tokens: &mut Vec<String>| {
        if !word.is_empty() {
            let mut end = word.len().min(TOKEN_BYTES_MAX);
            while !word.is_char_boundary(end) {
                end -= 1;
            }
            tokens.push(word[..end].to_owned());
            word.clear();
        }
    };
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            let class = class_of(c);
            if class.joins() {
                word.push(fold(c));
                solo = None;
                continue;
            }
            finish(&mut word, &mut tokens);
            let previous = std::mem::replace(&mut solo, (class == Class::Solo).then_some(c));
            if let (Some(previous), Some(c)) = (previous, solo) {
                tokens.push(format!("{previous}{c}"));
            }
        }
        if !chunk.invalid().is_empty() {
            finish(&mut word, &mut tokens);
            solo = None;
        }
    }
    finish(&mut word, &mut tokens);
    tokens
}

proptest! {
    #[test]
    fn tokens_are_those_of_the_definition(text in crate::index::testing::text()) {
        prop_assert_eq!(tokens(&text), reference(&text));
    }

    #[test]
    fn tokens_of_any_bytes_are_those_of_the_definition(text: Vec<u8>) {
        prop_assert_eq!(tokens(&text), reference(&text));
    }

    #[test]
    fn letter_runs_are_those_of_the_definition(text in crate::index::testing::text()) {
        let text = [&text[..], &text].concat();
        let lossy = String::from_utf8_lossy(&text);
        let runs = lossy
            .split(|c| class_of(c) != Class::Letter)
            .filter(|run| run.chars().count() >= LETTER_RUN_MIN)
            .map(|run| reference(run.as_bytes()).concat());
        prop_assert_eq!(letter_runs(&text), runs.collect::<Vec<_>>());
    }

    #[test]
    fn equal_but_for_case_is_folded_equal(
        a in crate::index::testing::text(),
        b in crate::index::testing::text(),
        same: bool,
    ) {
        let mut folded = (Vec::new(), Vec::new());
        fold_into(&a, &mut folded.0);
        fold_into(if same { &a } else { &b }, &mut folded.1);
        prop_assert_eq!(fold_eq(&a, if same { &folded.1 } else { &b }), folded.0 == folded.1);
    }
}
