use super::*;
use crate::index::need::need;
use crate::index::term::Term;
use crate::query;

fn pattern(source: &str) -> Need {
    let quoted = source.replace('\\', "\\\\").replace('"', "\\\"");
    need(&query::parse(&format!("message:~\"{quoted}\"")).expect("a good pattern"))
}

fn word(text: &str) -> Need {
    Need::Term(Term::new(TermKind::Word, text.as_bytes()))
}

fn run(text: &str) -> Need {
    Need::Term(Term::new(TermKind::LetterRun, text.as_bytes()))
}

fn bigram(text: &str) -> Need {
    Need::Term(Term::new(TermKind::Bigram, text.as_bytes()))
}

#[test]
fn words_between_borders_are_needed() {
    assert_eq!(pattern(" timeout "), word("timeout"));
    assert_eq!(pattern("^Timeout:"), word("timeout"));
    assert_eq!(pattern(r"\sconn17$"), word("conn17"));
    assert_eq!(pattern("a=b=c"), word("b"));
    assert_eq!(
        pattern(r"took \d+ ms after [0-9.]+ tries,"),
        Need::all(["ms", "after", "tries"].map(word))
    );
    assert_eq!(pattern(r"\[ERR\]\s*=\s*up;"), Need::all(["err", "up"].map(word)));
    assert_eq!(pattern("(?m)^up$"), word("up"));
    assert_eq!(pattern("(?i)(^FAILED) "), word("failed"));
    assert_eq!(pattern("日本語"), Need::all([bigram("日本"), bigram("本語")]));
    assert_eq!(pattern(" err日"), word("err"));
}

#[test]
fn parts_of_words_are_not_needed() {
    for source in [
        "timeout",
        "timeout ",
        "^timeout",
        ".timeout.",
        "[a-z]timeout ",
        "( timeout )*",
        "日",
        "",
        ".*",
        r"\d+",
        r"\Btimeout\B",
        r"(?-u:\b)timeout(?-u:\b)",
        r" timeout\s*s",
        " time.*out ",
        r"(?s-u:.)x(?s-u:.)",
        r"(?-u:\xc3)timeout(?-u:\xff)",
        r"\b500\b",
        r"\bGET\b",
        " a|b",
        "[tT]imeouT",
        "日?本",
        "日+本",
    ] {
        assert_eq!(pattern(source), Need::Nothing, "{source}");
    }
}

#[test]
fn letter_runs_inside_words_are_needed() {
    assert_eq!(pattern("_connection_"), run("connection"));
    assert_eq!(pattern("4Conn7"), run("conn"));
    assert_eq!(pattern(r" conn\d"), Need::any([run("conn"), word("conn")]));
    assert_eq!(pattern(r" conn_\d"), run("conn"));
    assert_eq!(pattern("_abc_"), Need::Nothing);
}

#[test]
fn a_words_border_is_a_border_or_a_digit_that_patterns_ignore() {
    assert_eq!(pattern(r"\btimeout\b"), Need::any([run("timeout"), word("timeout")]));
    assert_eq!(pattern(r"\btimeout "), Need::any([run("timeout"), word("timeout")]));
    assert_eq!(pattern(r"\<timeout\>"), Need::any([run("timeout"), word("timeout")]));
    assert_eq!(pattern(r"\Wtimeout\W"), Need::any([run("timeout"), word("timeout")]));
}

/// A gap may be empty or not, so that `conn9` and `conn 9` both match.
#[test]
fn a_digit_behind_a_gap_may_be_no_neighbour() {
    assert_eq!(pattern(r" conn\s*9"), Need::any([run("conn"), word("conn")]));
    assert_eq!(pattern(r" conn\s*\b9"), Need::any([run("conn"), word("conn")]));
}

#[test]
fn alternatives_are_needed_one_or_the_other() {
    assert_eq!(pattern(" (up|down) "), Need::any([word("up"), word("down")]));
    assert_eq!(pattern("^(?:up|down)$"), Need::any([word("up"), word("down")]));
    assert_eq!(pattern("^up |^down "), Need::any([word("up"), word("down")]));
    assert_eq!(pattern("^https?:"), Need::any([word("http"), word("https")]));
    assert_eq!(pattern(" (up|down)+ x "), word("x"));
    assert_eq!(pattern("^up |down"), Need::Nothing);
}

#[test]
fn what_never_matches_needs_more_than_any_block_has() {
    assert_eq!(pattern(r"a[^\s\S]"), Need::Never);
    assert_eq!(pattern(r"^up |[^\s\S]"), word("up"));
}

#[test]
fn sizes_are_bounded() {
    // Sixteen sequences; the third group would make 64 and becomes unknown.
    let pairs = ["aa", "bb", "cc", "dd"]
        .map(|a| Need::any(["ee", "ff", "gg", "hh"].map(|b| Need::all([a, b, "up"].map(word)))));
    let source = "(aa|bb|cc|dd) (ee|ff|gg|hh) (ii|jj|kk|ll) up ";
    assert_eq!(pattern(&format!("^{source}")), Need::any(pairs));
    let long = format!(" {} up ", "x".repeat(2 * PIECES_MAX));
    assert_eq!(pattern(&long), Need::Nothing);
}

/// A newer regex crate may know more letters; the ones that tokens have must stay.
#[test]
fn every_letter_is_a_words_character_to_patterns() {
    let class = ParserBuilder::new().build().parse(r"\w").expect("a class");
    let HirKind::Class(hir::Class::Unicode(class)) = class.kind() else {
        panic!("not a class: {class:?}");
    };
    let ranges: Vec<(u32, u32)> =
        class.iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect();
    let letters = LETTERS.iter().flat_map(|(first, last)| *first..=*last);
    assert_eq!(letters.filter(|code| !overlaps(&ranges, *code, *code)).count(), 0);
}
