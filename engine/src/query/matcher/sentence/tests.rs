use super::*;
use crate::query::ast::{Filter, Leaf};
use crate::query::parse;
use proptest::prelude::*;

const DIGITS: char = '\u{1}';
const HEX: char = '\u{2}';
const ANY: char = '\u{3}';

fn leaf(query: &str) -> Option<Leaf> {
    match parse(query).ok()? {
        Filter::Leaf(leaf) => Some(leaf),
        _ => None,
    }
}

fn matcher(query: &str) -> Matcher {
    Matcher::new(&leaf(query).unwrap_or_else(|| panic!("{query} is one test")))
}

fn verdict(matcher: &Matcher, sentence: &str) -> Verdict {
    let mut sentences = Sentences::default();
    sentences.push(sentence.as_bytes());
    matcher.verdicts(&sentences)[0]
}

/// Cuts a text as blocks do; a slot says as much of its variable as `exact` allows.
fn cut(text: &str, exact: bool) -> (String, Vec<&str>) {
    let (mut sentence, mut variables, mut literal) = (String::new(), Vec::new(), 0);
    crate::index::for_each_token(text.as_bytes(), |token| {
        let variable = &text[token.start..token.end];
        if !variable.contains(|c: char| c.is_ascii_digit()) {
            return;
        }
        let is_hex = |c| matches!(c, '0'..='9' | 'a'..='f');
        sentence.push_str(&text[literal..token.start]);
        sentence.push(match variable {
            _ if exact && variable.bytes().all(|byte| byte.is_ascii_digit()) => DIGITS,
            _ if exact && variable.chars().all(is_hex) => HEX,
            _ => ANY,
        });
        variables.push(variable);
        literal = token.end;
    });
    sentence.push_str(&text[literal..]);
    (sentence, variables)
}

/// The text with other variables, which the slots can have too.
fn fill(sentence: &str, mut pick: impl FnMut(char) -> String) -> String {
    let slot = |c: char| match c {
        DIGITS | HEX | ANY => pick(c),
        c => c.into(),
    };
    sentence.chars().map(slot).collect()
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ae]{1,2}",
        2 => "[1-3]{1,2}",
        1 => "[ae1]{1,3}",
        1 => "[aK_\u{17f}1\u{212a}]{1,2}",
        1 => "[é1日\u{130}]{1,2}",
        4 => "[ .=+-]",
        1 => "[\r\n]",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// A test of the message or the service, or of every field.
pub(crate) fn query() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        "[ae1]{1,3}",
        "[1-3a]\\+",
        Just("[0-9]+".to_owned()),
        Just("[0-9]{2}".to_owned()),
        Just("[a-z]*".to_owned()),
        Just(".*".to_owned()),
        Just("(?-u:.)+".to_owned()),
        Just("\\s".to_owned()),
        Just("\\w+".to_owned()),
        Just("(a|e1?)".to_owned()),
        Just("(?i:K)".to_owned()),
        Just("[^a]".to_owned()),
        "[\\^$]",
        Just("\\b".to_owned()),
        Just("\\B".to_owned()),
        Just("(?-u:\\b)".to_owned()),
        Just("(?-u:\\B)".to_owned()),
        Just("(?m:^)".to_owned()),
        Just("(?m:$)".to_owned()),
        Just("(?Rm:^)".to_owned()),
        Just("(?Rm:$)".to_owned()),
        Just("\\b{start}".to_owned()),
        Just("\\b{end-half}".to_owned()),
        "[ =.]",
    ];
    let pattern = prop::collection::vec(atom, 1..5).prop_map(|atoms| atoms.concat());
    // Patterns of parts of words: these are looked for in many variables at once.
    let part = prop_oneof![
        3 => "[ae1]{1,3}",
        1 => "[0-3]{1,2}",
        2 => "\\[(a1|0-9|a-e|a-z0-9_)\\](\\+|\\{2\\}|\\?|\\*|\\+\\?)?",
        1 => "\\((a|e1?|[0-9])\\|(1a|ae|[0-9])\\)\\+?",
        1 => Just("(?i:E1)".to_owned()),
    ];
    let of_words = prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat());
    let quoted = |text: String| format!("\"{}\"", text.replace('\\', "\\\\"));
    prop_oneof![
        3 => text().prop_map(quoted),
        2 => text().prop_map(move |text| format!("message:{}", quoted(text))),
        2 => text().prop_map(move |text| format!("service:{}", quoted(text))),
        1 => "-?[1-3]{1,2}(\\.[1-3])?(e[1-3])?".prop_map(|text| format!("message:{text}")),
        1 => "[<>]=?-?[1-3]{1,2}(\\.[1-3])?".prop_map(|text| format!("message:{text}")),
        1 => "[<>]=?[ae1]{1,2}".prop_map(|text| format!("message:{text}")),
        4 => pattern.prop_map(move |text| format!("message:~{}", quoted(text))),
        3 => of_words.prop_map(move |text| format!("message:~{}", quoted(text))),
        2 => "(message:|service:|)[ae1.=-]{0,2}\\*[ae1é.=]{0,2}(\\*[ae1K]{0,1})?",
        1 => "(message|service)==[ae1.=]{1,4}",
        1 => "message:\\[[1-3]{1,2} TO [1-3]{1,2}\\}",
        1 => "message:[<>]=?[1-3]{1,2}(s|ms|kB)",
        1 => Just("message:1.1.1.1/1".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// S1.
    #[test]
    fn a_verdict_is_true_of_every_text_of_the_sentence(
        query in query(),
        text in text(),
        exact in any::<bool>(),
        digits in prop::collection::vec("[1-3]{1,2}", 4),
        hex in prop::collection::vec("[1-3ae]{0,2}[1-3]", 4),
        any in prop::collection::vec("[a_é\u{17f}]{0,1}[1-3][Ke]{0,1}", 4),
    ) {
        let Some(leaf) = leaf(&query) else { return Ok(()) };
        let matcher = Matcher::new(&leaf);
        let (sentence, _) = cut(&text, exact);
        let verdict = verdict(&matcher, &sentence);
        let filled = (0..4).map(|round| fill(&sentence, |slot| match slot {
            DIGITS => digits[round].clone(),
            HEX => hex[round].clone(),
            _ => any[round].clone(),
        }));
        for text in filled.chain([text.clone()]) {
            let value = Value { kind: Kind::String, text: text.as_bytes() };
            let passes = matcher.matches(value);
            let right = match verdict {
                Verdict::Always => passes,
                Verdict::Never => !passes,
                Verdict::Depends => true,
            };
            prop_assert!(right, "{query:?} in {text:?} of {sentence:?}: {verdict:?}");
        }
    }
}

/// `#`, `%` and `@` stand for slots of digits, of hexadecimal digits and of any words.
#[track_caller]
fn check(query: &str, cases: &[(&str, Verdict)]) {
    let matcher = matcher(query);
    for (sentence, expected) in cases {
        let sentence = sentence.replace('#', "\u{1}").replace('%', "\u{2}").replace('@', "\u{3}");
        assert_eq!(verdict(&matcher, &sentence), *expected, "{query} in {sentence:?}");
    }
}

#[test]
fn a_phrase_without_digits_is_decided_by_the_sentence() {
    use Verdict::{Always, Never};
    check(
        r#""Connection refused""#,
        &[
            ("connection refused by @", Always),
            ("@: CONNECTION REFUSED", Always),
            ("@ connection refuseds, connection refused", Always),
            ("connection @ refused", Never),
            ("xconnection refused @", Never),
            ("connection refused_", Never),
            ("@", Never),
        ],
    );
    check("blk_", &[("blk_-# @", Always), ("@", Never), ("-@blk_", Never), ("Blk_", Always)]);
    check("a=b", &[("a=b @", Always), ("a= b @", Never), ("a=@", Never), ("aa=b, A=B", Always)]);
    check(r#""--""#, &[("a--@", Always), ("@--", Always), ("-@-", Never)]);
    check(r#"message:"""#, &[("", Always), ("@", Never), ("a", Never)]);
    check(r#"" ""#, &[("@ a", Always), ("@", Never)]);
    check("é", &[("É @", Always), ("@é", Never), ("é.@", Always), ("e @", Never)]);
    check("straße", &[("STRAẞE @", Always), ("strasse @", Never)]);
    check("İ", &[("@ İ", Always), ("@ i", Never), ("@ i\u{307}", Never)]);
    check("ask", &[("@ a\u{17f}\u{212a}", Always), ("as\u{212a}a @", Never)]);
    check("日本", &[("日本語 @", Always), ("日 本 @", Never)]);
    check("\"a\u{1}b\"", &[("a#b", Never), ("a\u{1}b", Never)]);
    check("\"a a\"", &[("xa a a @", Always), ("xa a ax @", Never)]);
}

#[test]
fn a_phrase_with_digits_depends_where_it_fits() {
    use Verdict::{Depends, Never};
    check(
        "12.5",
        &[
            ("took #.# ms", Depends),
            ("#.@", Depends),
            ("took # ms", Never),
            ("took #. #", Never),
            ("#", Never),
        ],
    );
    check("user12", &[("@", Depends), ("# %", Never), ("user #", Never)]);
    check("ab12", &[("%", Depends), ("#", Never), ("a @", Depends)]);
    check(
        "\"from 10.0.0.1\"",
        &[
            ("from #.#.#.#:#", Depends),
            ("From #.#.#.#", Depends),
            ("to #.#.#.#", Never),
            ("from #.#.#", Never),
        ],
    );
    check("é1", &[("@", Depends), ("#", Never)]);
    check(r#""1 1""#, &[("# #", Depends), ("#  #", Never)]);
}

#[test]
fn a_number_is_looked_for_as_a_number_in_texts_that_may_be_one() {
    use Verdict::{Depends, Never};
    check("message:12.5", &[("#", Depends), ("-#.#", Depends), ("@", Depends), ("a #", Never)]);
    check("message:12.5", &[("a #.#", Depends), ("+", Never), ("-", Never)]);
    check("service:100", &[("#", Depends), ("%", Depends), ("-@", Depends), ("x#", Never)]);
    check("service:a-1", &[("a-#", Depends), ("A-@", Depends), ("a-# ", Never), ("a#", Never)]);
    check("service:a", &[("a", Verdict::Always), ("#", Never), ("", Never)]);
    check("message:>5", &[("#", Depends), ("a #", Verdict::Always), ("! #", Never)]);
}

#[test]
fn an_order_is_decided_by_what_precedes_the_variables() {
    use Verdict::{Always, Depends, Never};
    check(
        "message:>=abc",
        &[
            ("abd@", Always),
            ("abc@", Always),
            ("abc", Always),
            ("abb@", Never),
            ("ab@", Depends),
            ("ab", Never),
            ("@", Depends),
        ],
    );
    check("message:>abc", &[("abc", Never), ("abc@", Always)]);
    check("message:<abc", &[("abc", Never), ("abc@", Never), ("", Always), ("b@", Never)]);
}

#[test]
fn a_pattern_is_followed_through_literals_and_variables() {
    use Verdict::{Always, Depends, Never};
    check(
        "message:/blk_[0-9]+77/",
        &[
            ("block @ from #", Depends),
            ("block blk_-# from #.#", Never),
            ("served block blk_-#", Never),
            ("no such thing", Never),
            ("# %", Never),
        ],
    );
    check(
        "message:/refused.*port/",
        &[
            ("refused # port", Always),
            ("refused, port @", Always),
            ("port # refused", Never),
            ("refused @", Depends),
            ("refused %", Never),
        ],
    );
    check("message:/took [0-9]+ ms/", &[("took # ms", Always), ("took % ms", Depends)]);
    check("message:/took [0-9]/", &[("took # ms", Always), ("took %", Depends)]);
    check("message:/id=[a-f0-9]+;/", &[("id=%;", Always), ("id=#;", Always), ("id=-#;", Never)]);
    check("message:/^[0-9]+$/", &[("#", Always), ("#.#", Never), ("@", Depends)]);
    check("message:/^a/", &[("a #", Always), ("ba #", Never), ("%", Depends), ("#a", Never)]);
    check("message:/(?i)ERROR/", &[("an error #", Always), ("# %", Never), ("@", Depends)]);
    check("message:/[0-9]{3}/", &[("#", Depends), ("@", Depends), ("a-b", Never)]);
    check("message:/\\bport\\b/", &[("port #", Always), ("ports #", Never), ("@", Depends)]);
    check("message:/(?-u)\\xff/", &[("#", Never), ("a", Never)]);
}

/// Nothing of a scan may depend on how large a pattern is.
#[test]
fn what_is_too_dear_depends() {
    check("message:/(a{1,50}[b-z]){80}0/", &[("@", Verdict::Depends), ("a", Verdict::Never)]);
    let many = "a".repeat(5_000);
    check("message:/(a|b|ab)*c.*(d|e).*0/", &[(&format!("{many}@"), Verdict::Depends)]);
}
