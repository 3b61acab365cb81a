use super::*;
use crate::index::testing;
use proptest::prelude::*;

fn is_match(phrase: &str, text: impl AsRef<[u8]>) -> bool {
    Phrase::new(phrase).is_match(text.as_ref())
}

#[test]
fn words_match_whole_and_in_any_case() {
    assert!(is_match("connection", "Connection reset"));
    assert!(is_match("CONNECTION", "lost connection"));
    assert!(!is_match("connection", "connections"));
    assert!(!is_match("connection", "connection_id"));
    assert!(!is_match("connection", "reconnection"));
    assert!(is_match("connection", "reconnection, connection"));
    assert!(is_match("authentication failure", "pam: Authentication failure;"));
    assert!(!is_match("authentication failure", "authentication  failure"));
    assert!(!is_match("authentication failure", "authentication-failure"));
}

#[test]
fn numbers_addresses_paths_and_ids_are_phrases() {
    assert!(is_match("12.5", "took 12.5 ms"));
    assert!(!is_match("12.5", "took 112.5 ms"));
    assert!(!is_match("12.5", "took 12.55 ms"));
    assert!(is_match("10.0.2.5", "from 10.0.2.5:22"));
    // Dots separate: the address is part of the longer one, border for border.
    assert!(is_match("10.0.2.5", "from 10.0.2.5.7"));
    assert!(is_match("user-id", "no user-id given"));
    assert!(is_match("a=b", "x?a=b&c=d"));
    assert!(is_match("don't", "we DON'T know"));
    assert!(is_match("foo@bar.com", "<Foo@Bar.com>"));
    assert!(is_match("/var/log", "in /var/log/messages"));
    assert!(is_match("/var/log", "in /srv/var/log"));
    assert!(!is_match("/var/log", "in /var/logs"));
    assert!(is_match("4bf92f35-77b3", "trace=4BF92F35-77B3"));
}

#[test]
fn separators_at_the_edges_match_literally() {
    assert!(is_match("-x", "a-x"));
    assert!(!is_match("-x", "a x"));
    assert!(is_match("x.", "max. x."));
    assert!(!is_match("x.", "x"));
    assert!(is_match(": ", "a: b"));
    assert!(is_match("", ""));
    assert!(is_match("", "a"));
    assert!(!is_match("a", ""));
}

#[test]
fn borders_of_other_scripts() {
    assert!(is_match("本", "日本語"));
    assert!(is_match("err", "err日本"));
    assert!(!is_match("err", "erré"));
    assert!(!is_match("err", "éerr"));
    assert!(!is_match("err", "𝕬err"));
    assert!(is_match("err", b"\xa9err\xc3"));
    assert!(is_match("err", "😀err😀"));
    assert!(!is_match("日本", "日 本"));
}

#[test]
fn folding_changes_lengths() {
    assert!(is_match("kelvin", "\u{212a}ELVIN"));
    assert!(is_match("\u{212a}elvin", "kelvin"));
    assert!(is_match("fuse", "fu\u{17f}e"));
    assert!(is_match("STRAẞE", "straße"));
    assert!(!is_match("strasse", "straße"));
    assert!(!is_match("i", "İ"));
    assert!(!is_match("i", "ı"));
    assert!(is_match("a é", "A É"));
}

/// What each test of the fast path costs is bounded, so this ends although every dash is a
/// candidate that agrees for long.
#[test]
fn a_hostile_phrase_costs_no_more_than_linear_work() {
    let phrase = "-".repeat(4_000) + "x";
    let text = "-".repeat(1 << 20);
    assert!(!is_match(&phrase, &text));
    assert!(!is_match(&"a-".repeat(2_000), ("a-".repeat(1_999) + "b").repeat(100)));
    let overlapping = "a-a".repeat(2_000) + "a";
    assert!(!is_match(&overlapping, "b".to_owned() + &"a-a".repeat(300_000)));
}

/// The definition: try every place.
fn reference(phrase: &str, text: &[u8]) -> bool {
    let folded =
        |text: &[u8]| -> Vec<Unit> { Units::new(text).map(|(unit, _)| unit.folded()).collect() };
    let (phrase, text) = (folded(phrase.as_bytes()), folded(text));
    let joins = |unit: Option<&Unit>| unit.is_some_and(|unit| unit.class().joins());
    (0..=text.len()).any(|start| {
        let before = text[..start].last();
        let after = text.get(start + phrase.len());
        text[start..].starts_with(&phrase)
            && !(joins(phrase.first()) && joins(before))
            && !(joins(phrase.last()) && joins(after))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Also of what looks like `k` and `s`, and also once the expression is made.
    #[test]
    fn a_phrase_is_found_where_its_expression_finds_it(
        phrase in "[aks1 -]{1,4}",
        texts in "[aksAKS1 \u{17f}\u{212a}-]{0,40}",
    ) {
        let phrase = Phrase::new(&phrase);
        let wanted = Anywhere::default().find(phrase.folded(), texts.as_bytes());
        prop_assert_eq!(phrase.find_ascii(texts.as_bytes()), wanted);
        phrase.anywhere.searched(1 << 30);
        prop_assert!(!phrase.anywhere.is_quick());
        prop_assert_eq!(phrase.find_ascii(texts.as_bytes()), wanted);
    }

    #[test]
    fn any_phrase_matches_where_the_definition_says(
        phrase in testing::query(),
        text in testing::text(),
    ) {
        prop_assert_eq!(is_match(&phrase, &text), reference(&phrase, &text));
    }

    #[test]
    fn a_part_of_a_text_matches_where_the_definition_says(
        text in testing::text(),
        from in 0usize..12,
        len in 0usize..8,
    ) {
        let units: Vec<char> = String::from_utf8_lossy(&text).chars().skip(from).take(len).collect();
        let phrase: String = units.into_iter().collect();
        prop_assert_eq!(is_match(&phrase, &text), reference(&phrase, &text));
        let prepared = Phrase::new(&phrase);
        prop_assert_eq!(
            prepared.units.is_empty() || prepared.is_match_exact(&text),
            reference(&phrase, &text)
        );
    }
}
