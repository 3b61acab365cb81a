use super::group::groups;
use super::words::{sentence_of, shape_of, shown};
use super::{BUCKETS, Span};
use crate::batch::RowColumn;
use crate::event::{Kind, Value};
use crate::index::Split;
use proptest::prelude::*;

fn shape(text: &str) -> Vec<u8> {
    let (mut sentence, mut shape) = (Vec::new(), Vec::new());
    sentence_of(text.as_bytes(), &mut sentence);
    shape_of(&sentence, &mut shape);
    shape
}

#[test]
fn what_varies_by_its_looks_is_a_hole() {
    for (text, expected) in [
        ("user 17 logged  in", "user <*> logged in"),
        ("from 10.0.0.1:8080, port 22", "from <*>, port <*>"),
        ("took 12.5ms (-3 more)", "took <*> (<*> more)"),
        ("read /etc/passwd: denied", "read <*>: denied"),
        ("\"GET /a b\" ok", "\"GET <*>\" ok"),
        ("say \"good night\" to x", "say \"<*>\" to x"),
        ("uid=0 id 8f14e45f-ceea-467a", "uid=<*> id <*>"),
        ("deadbeefcafe is hex", "<*> is hex"),
        ("delete blk_-7 of blk_7", "delete <*> of <*>"),
        ("delete blk_7 blk_-8 9", "delete <*>"),
        ("channels 1, 2, 3 are up", "channels <*> are up"),
        ("nodes n[1] n[2] n[3]", "nodes n[<*>]"),
        (r#"{"user":"anna","n":5}"#, r#"{"user":"<*>","n":<*>}"#),
        (r#"say "a \" b" again"#, r#"say "<*>" again"#),
        ("say \"good night", "say \"good night"),
        ("at x\n  by y\n", "at x by y"),
        ("größe 5 über 日本7語", "größe <*> über 日本<*>語"),
        ("null\0byte", "null<*>byte"),
        ("", ""),
    ] {
        assert_eq!(shown(&shape(text)), expected, "{text}");
    }
}

fn patterns_of_counted(texts: &[(&str, u64)]) -> Vec<String> {
    let shapes: Vec<_> = texts.iter().map(|(text, count)| (shape(text), *count)).collect();
    let counted: Vec<(&[u8], u64)> = shapes.iter().map(|(shape, n)| (&**shape, *n)).collect();
    let found = groups(&counted, &mut || Ok(())).expect("no deadline");
    let mut found: Vec<_> = found.iter().map(|group| shown(&group.pattern)).collect();
    found.sort();
    found
}

fn patterns_of(texts: &[&str]) -> Vec<String> {
    patterns_of_counted(&texts.iter().map(|text| (*text, 1)).collect::<Vec<_>>())
}

#[test]
fn many_different_words_are_a_hole_and_few_are_not() {
    let users = ["session opened for user anna", "session opened for user bert"];
    assert_eq!(patterns_of(&users), users, "two words may be what is said");
    let users =
        ["anna", "bert", "carl", "dora", "eve"].map(|name| format!("session of user={name} ends"));
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    assert_eq!(patterns_of(&users), ["session of user=<*> ends"]);
    assert_eq!(patterns_of(&["connection closed", "connection opened"]).len(), 2);
    assert_eq!(patterns_of(&["one word", "one more word"]).len(), 2);
}

#[test]
fn quantities_and_dates_are_one_hole_whatever_their_words() {
    assert_eq!(patterns_of(&["free 5 KB now", "free 93.0 B now"]), ["free <*> now"]);
    assert_eq!(patterns_of(&["took 5 ms", "took 7 ms"]), ["took <*> ms"], "what all have stays");
    let restated = ["sent 5 bytes, done", "sent 5000 bytes (4.9 KB), done"];
    assert_eq!(patterns_of(&restated), ["sent <*>, done"]);
    let dates = ["up since Mon Jun 1 07:00 by x", "up since Fri Jul 3 08:30 2026 by x"];
    assert_eq!(patterns_of(&dates), ["up since <*> by x"]);
    assert_eq!(patterns_of(&["it may fail", "it did fail"]).len(), 2, "no date");
}

#[test]
fn few_values_of_a_key_are_what_is_said() {
    let both = ["set force=false, done", "set force=true, done"];
    assert_eq!(patterns_of(&both), both);
    let many = ["a", "b", "c", "d", "e"].map(|value| format!("set force={value}, done"));
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(patterns_of(&many), ["set force=<*>, done"]);
}

#[test]
fn a_word_among_holes_is_what_is_said_if_it_is_common() {
    let common = [("opened via SOCKS5", 2), ("opened via HTTPS", 900)];
    assert_eq!(patterns_of_counted(&common), ["opened via <*>", "opened via HTTPS"]);
    let rare = [("opened session k3x9", 900), ("opened session abcd", 3)];
    assert_eq!(patterns_of_counted(&rare), ["opened session <*>"]);
}

#[test]
fn sentences_that_begin_with_a_name_are_compared() {
    let jobs =
        ["com.example.Sync: job was told to run", "com.example.a.Clean: job was told to run"];
    assert_eq!(patterns_of(&jobs), ["<*>: job was told to run"]);
}

#[test]
fn parts_of_a_span_are_equal_and_none_is_outside() {
    let part_of = |first, last, at| Span::new(first, last).part_of(at);
    let all: Vec<usize> = (0..40).map(|at| part_of(0, 39, at)).collect();
    assert_eq!(all, (0..40).map(|at| at / 2).collect::<Vec<_>>());
    assert_eq!(part_of(i64::MIN, i64::MAX, i64::MAX), BUCKETS - 1);
    assert_eq!(part_of(i64::MIN, i64::MAX, i64::MIN), 0);
    assert_eq!((part_of(5, 5, 5), part_of(5, 4, 5)), (0, 0));
    assert_eq!((part_of(10, 19, 0), part_of(10, 19, 30)), (0, BUCKETS - 1));
}

#[test]
fn long_messages_have_a_shape_of_their_beginning() {
    let words = "word ".repeat(200);
    assert_eq!(shown(&shape(&words)).split(' ').count(), 65);
    assert!(shown(&shape(&words)).ends_with(" word <*>"));
    assert_eq!(shown(&shape(&" ".repeat(5_000))), "<*>");
    let endless = "ä".repeat(5_000);
    let shape = shape(&endless);
    assert!(shape.len() < 2_100 && shown(&shape).ends_with("ä <*>"), "whole characters");
}

/// Messages whose sentences are about as long as what is looked at, or longer.
fn long() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![
        "[a-d]{1,9}",
        "[0-9a-z]{1,900}",
        Just("\"a b\"".to_owned()),
        "[ äß日]{1,9}",
        "[a-z]{900}",
        "ß{1,700}"
    ];
    let text = prop::collection::vec(word, 0..30).prop_map(|words| words.join(" "));
    prop::collection::vec(text, 1..6)
}

/// Holds the shapes of stored sentences against those of their texts.
fn check_stored(texts: &[String]) -> Result<(), TestCaseError> {
    let mut column = RowColumn::new("message".into());
    for (row, text) in texts.iter().enumerate() {
        column.push(row as u32, Value { kind: Kind::String, text: text.as_bytes() });
    }
    let split = Split::always(&column);
    for (index, text) in texts.iter().enumerate() {
        let code = split.codes()[index];
        if code != Split::RAW {
            let mut stored = Vec::new();
            shape_of(split.sentence(usize::from(code)), &mut stored);
            prop_assert_eq!(shown(&stored), shown(&shape(text)));
        }
    }
    Ok(())
}

fn words() -> impl Strategy<Value = Vec<String>> {
    let word =
        prop_oneof!["[a-d]{1,2}", "[a-d]=[e-i]{1,2}", "[0-9]{1,3}", "/[a-c]/[0-9]", "é[0-9]"];
    let text = prop::collection::vec(word, 0..6).prop_map(|words| words.join(" "));
    prop::collection::vec(text, 1..80)
}

proptest! {
    /// Each shape is in one group, so that counts add up; and the order does not matter.
    #[test]
    fn groups_are_a_partition_whatever_the_order(texts in words(), seed in any::<u64>()) {
        let mut shapes: Vec<Vec<u8>> = texts.iter().map(|text| shape(text)).collect();
        shapes.sort();
        shapes.dedup();
        let mut counted: Vec<(&[u8], u64)> =
            shapes.iter().map(|shape| (&**shape, shape.len() as u64 % 3)).collect();
        let named = |counted: &[(&[u8], u64)]| {
            let found = groups(counted, &mut || Ok(())).expect("no deadline");
            let mut all: Vec<(Vec<u8>, Vec<Vec<u8>>)> = found
                .into_iter()
                .map(|group| {
                    let members = group.shapes.iter().map(|shape| counted[*shape].0.to_vec());
                    let mut members: Vec<_> = members.collect();
                    members.sort();
                    (group.pattern, members)
                })
                .collect();
            all.sort();
            all
        };
        let expected = named(&counted);
        let mut members: Vec<_> = expected.iter().flat_map(|(_, members)| members.clone()).collect();
        members.sort();
        prop_assert_eq!(&members, &shapes);
        counted.sort_by_key(|(shape, _)| xxhash_rust::xxh3::xxh3_64_with_seed(shape, seed));
        prop_assert_eq!(named(&counted), expected);
    }

    #[test]
    fn a_point_in_time_is_in_its_part(first in -900i64..900, len in 1i64..900, at in 0i64..900) {
        let at = at % len;
        let part = Span::new(first, first + len - 1).part_of(first + at);
        prop_assert_eq!(part as i64, at * BUCKETS as i64 / len);
    }

    /// `W1`: the sentence that templates store and that of the text have one shape.
    #[test]
    fn stored_sentences_have_the_shape_of_their_texts(texts in words(), others in long()) {
        check_stored(&texts)?;
        check_stored(&others)?;
    }

    /// `W2`
    #[test]
    fn words_of_shapes_are_not_empty(texts in words(), others in long()) {
        for text in texts.iter().chain(&others) {
            let shape = shape(text);
            prop_assert!(shape.is_empty() || shape.split(|byte| *byte == b' ').all(|word| !word.is_empty()));
        }
    }
}
