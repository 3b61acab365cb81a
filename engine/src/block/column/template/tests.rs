use super::*;
use crate::batch::RowColumn;
use crate::block::SentenceTable;
use crate::block::column::values::ValuesWriter;
use crate::block::part::PartBytes;
use crate::block::sentences::Slot;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

type Cell = (Kind, Vec<u8>);

fn column_of(values: &[Cell]) -> RowColumn {
    let mut column = RowColumn::new("message".into());
    for (row, (kind, text)) in values.iter().enumerate() {
        column.push(row as u32, Value { kind: *kind, text });
    }
    column
}

fn encoded(values: &[Cell]) -> Vec<u8> {
    let column = column_of(values);
    let mut bytes = Vec::new();
    encode(&column, &Split::always(&column), &mut ValuesWriter::new(), &mut bytes);
    bytes
}

fn open(bytes: Vec<u8>, values: usize, raw_max: usize) -> Result<Templates> {
    let shape = Shape { rows: values, values, raw_max };
    let bytes = PartBytes::File(crate::io::FileBytes::Read(bytes));
    let part = Part { bytes, offset: 0, file: Arc::from(Path::new("")), what: "templates" };
    Templates::decode(part.into(), 0, shape, None)
}

/// What [`crate::batch::Rows::raw_bytes`] counts at least.
fn raw_bytes(values: &[Cell]) -> usize {
    values.iter().map(|(_, text)| text.len() + 22).sum()
}

/// Every value, by each of the three ways to read it.
fn read(templates: &Templates) -> Result<Vec<Cell>> {
    let count = templates.codes()?.len();
    let mut found = vec![None; count];
    let mut scratch = Vec::new();
    for code in 0..templates.counts().len() as u16 {
        let mut of_sentence = 0;
        templates.for_each_of(code, |index, text| {
            assert_eq!(found[index].replace((Kind::String, text.to_vec())), None);
            of_sentence += 1;
        })?;
        assert_eq!(templates.counts()[usize::from(code)], of_sentence);
    }
    templates.for_each_raw(|index, value| {
        assert_eq!(found[index].replace((value.kind, value.text.to_vec())), None);
    })?;
    for (index, found) in found.iter().enumerate() {
        let value = templates.value(index, &mut scratch)?;
        assert_eq!(found, &Some((value.kind, value.text.to_vec())));
    }
    Ok(found.into_iter().flatten().collect())
}

fn round_trip(values: &[Cell]) -> Templates {
    let templates = open(encoded(values), values.len(), raw_bytes(values)).expect("just encoded");
    assert_eq!(read(&templates).expect("just encoded"), values);
    templates
}

fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Cell> {
    texts.into_iter().map(|text| (Kind::String, text.as_bytes().to_vec())).collect()
}

/// Values as programs log them, and as nobody does; one at least has a sentence.
fn values() -> impl Strategy<Value = Vec<Cell>> {
    let log = prop_oneof![
        "conn[0-9]{1,6} closed after [0-9]{1,4}(\\.[0-9]{2})? ms",
        "GET /api/v[12]/(orders|users)/[0-9]{1,9} (200|404) [0-9a-f]{8}-[0-9a-f]{4}",
        "(blk_-?[0-9]{5,19} |user=[a-z]{1,3}[0-9]{0,3} ){0,4}",
        "[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}",
        "(naïve|日本|[0-9]|é[0-9]|_|²| ){0,6}",
    ];
    let log = log.prop_map(|text| (Kind::String, text.into_bytes()));
    let bytes = prop::collection::vec(any::<u8>(), 0..30).prop_map(|text| (Kind::String, text));
    let others = prop::sample::select(vec![
        (Kind::Null, b"null".to_vec()),
        (Kind::Number, b"17".to_vec()),
        (Kind::String, Vec::new()),
        (Kind::String, b"\0\x01\x02 7".to_vec()),
        (Kind::Json, b"[1,2]".to_vec()),
        (Kind::String, b"7".repeat(300)),
    ]);
    let value = prop_oneof![20 => log, 2 => bytes, 1 => others];
    (1usize..400, prop::collection::vec(value, 0..400)).prop_map(|(at, mut values)| {
        let at = at.min(values.len());
        values.insert(at, (Kind::String, b"at least 1 sentence".to_vec()));
        values
    })
}

proptest! {
    #[test]
    fn any_values_come_back(values in values()) {
        round_trip(&values);
    }

    /// What is found in frames is what each value's variables have.
    #[test]
    fn variables_are_found_as_one_by_one(
        values in values(),
        numbers in prop::collection::vec("[a-f]?[0-9]{2}", 0..200),
        wanted in "[0-9]{1,3}|[a-z_]{1,2}|[0-9]\\[a-f0-9]\\*[0-9]|[a-z0-9]\\+",
        classes in 1usize..8,
        of_some in prop::option::of(2usize..5),
    ) {
        let mut values = values;
        // Of equal length, without anything between them.
        let numbers: Vec<_> = numbers.iter().map(|n| format!("at {n} of {n}")).collect();
        values.extend(strings(numbers.iter().map(String::as_str)));
        let regex = regex::bytes::Regex::new(&format!("(?-u){wanted}")).expect("a pattern");
        let slots = |slot: Slot| classes >> slot as usize & 1 == 1;
        let find = |bytes: &[u8]| regex.find(bytes).map(|found| found.range());
        let is_text = wanted.len() > 1 && wanted.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let texts = [Box::from(wanted.as_bytes())];
        let begins = is_text.then_some(&texts[..]);
        let some = |code: usize| of_some.is_none_or(|some| code.is_multiple_of(some));
        let of_sentences: Option<&dyn Fn(usize) -> bool> = of_some.is_some().then_some(&some);
        let templates = open(encoded(&values), values.len(), raw_bytes(&values)).expect("encoded");
        let (outline, _) = SentenceTable::default().outline(&templates).expect("sound");
        // The second column is read anew, knowing which pairs its frames have.
        for round in 0..3 {
            let again = open(encoded(&values), values.len(), raw_bytes(&values)).expect("encoded");
            let templates = if round < 2 { &templates } else { &again };
            let found = templates.find_variables(&outline, slots, of_sentences, begins, find);
            let found = found.expect("sound");
            let found = found.unwrap_or_else(|| vec![false; values.len()]);
            for (index, code) in templates.codes().expect("sound").iter().enumerate() {
                if *code == Templates::RAW {
                    prop_assert!(!found[index]);
                } else if some(usize::from(*code)) {
                    let one = templates.has_variable(index, slots, |text| regex.is_match(text));
                    prop_assert_eq!(found[index], one.expect("sound"), "{}", index);
                }
            }
        }
    }

    #[test]
    fn damaged_bytes_give_values_or_an_error(
        values in values(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = encoded(&values);
        for (at, bits) in hits {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let raw_max = raw_bytes(&values);
        let found = open(bytes.clone(), values.len(), raw_max).and_then(|templates| {
            let find = |bytes: &[u8]| bytes.iter().position(|byte| *byte > b'0').map(|at| at..at + 1);
            let (outline, _) = SentenceTable::default().outline(&templates)?;
            templates.find_variables(&outline, |_| true, None, None, find)
        });
        if let Ok(Some(found)) = found {
            prop_assert_eq!(found.len(), values.len());
        }
        if let Ok(read) = open(bytes, values.len(), raw_max).and_then(|templates| read(&templates)) {
            prop_assert_eq!(read.len(), values.len());
        }
    }
}

#[test]
fn a_sentence_of_many_values_has_several_units_and_frames() {
    let texts: Vec<String> =
        (0..5_000).map(|n| format!("task {n} of {:064x} ended", n * 7_919)).collect();
    let templates = round_trip(&strings(texts.iter().map(String::as_str)));
    assert_eq!(templates.counts(), [5_000]);
    assert_eq!(templates.sentences().expect("sound").get(0), b"task \x01 of \x01 ended");
    let lens: Vec<_> = templates.frames.iter().map(|frame| frame.place.stored.raw_len).collect();
    assert_eq!(templates.digit_frames, 3);
    assert!(lens.len() == 8 && lens.iter().all(|len| *len <= 66_560), "{lens:?}");
}

#[test]
fn only_the_frames_of_a_value_are_inflated() {
    let texts: Vec<String> = (0..6_000)
        .map(|n| format!("{} took {:032x}", ["get", "put", "post"][n % 3], n * 104_729))
        .collect();
    let values = strings(texts.iter().map(String::as_str));
    let templates = open(encoded(&values), values.len(), raw_bytes(&values)).expect("encoded");
    let inflated = || templates.inflated.iter().filter(|frame| frame.get().is_some()).count();
    assert!(templates.frames.len() > 2 && inflated() == 0);
    let mut scratch = Vec::new();
    assert_eq!(templates.value(3, &mut scratch).expect("sound").text, texts[3].as_bytes());
    assert_eq!(inflated(), 1);
}

#[test]
fn values_that_can_have_no_sentence_are_kept_as_they_are() {
    let mut values = strings(["a 1", "b\x081", "a 2", "tab\t3"]);
    values.push((Kind::Json, b"[1]".to_vec()));
    let templates = round_trip(&values);
    let raw = Templates::RAW;
    assert_eq!(templates.codes().expect("sound"), [0, raw, 0, 1, raw]);
    assert_eq!(templates.counts(), [2, 1]);
}

/// Sentences that stand for far more than the block's rows have are refused, however few they are.
#[test]
fn forged_sentences_are_not_copied_beyond_the_blocks_raw_bytes() {
    let values = strings(std::iter::repeat_n("a long sentence without end, 1", 1_000));
    let bytes = encoded(&values);
    assert!(read(&open(bytes.clone(), 1_000, 30_000).expect("sound")).is_ok());
    let templates = open(bytes, 1_000, 20_000).expect("nothing inflated yet");
    let error = templates.sentences().expect_err("30,000 bytes");
    assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
}

/// The values that the format page names.
fn sample() -> Vec<Cell> {
    let mut values =
        strings(["conn 17 of 10.0.0.7 closed", "conn 4 of 10.0.0.12 closed", "up", "id 7f21"]);
    values.push((Kind::Json, b"[1]".to_vec()));
    values
}

#[test]
fn the_page_shows_a_column() {
    check_page("## A tiny column of templates", &sample());
}

#[test]
fn the_page_shows_a_packed_column() {
    let texts: Vec<String> = (0..64).map(|n| format!("u{:03}", n * 37 % 300)).collect();
    check_page("## A tiny packed column", &strings(texts.iter().map(String::as_str)));
}

/// Asserts that the dump behind a heading of the page is this column, as it is written and read.
#[track_caller]
fn check_page(heading: &str, values: &[Cell]) {
    let page = include_str!("../../../../../docs/format/block.md");
    let (_, page) = page.split_once(heading).expect("the heading");
    let dump = page.split("```hex\n").nth(1).and_then(|rest| rest.split("```").next());
    let dump = dump.expect("a dump");
    let bytes = encoded(values);
    let line = |(at, bytes): (usize, &[u8])| {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", at * 16, hex.join(" "))
    };
    let written = bytes.chunks(16).enumerate().map(line).collect::<String>();
    assert_eq!(written, dump, "written now:\n{written}");

    let digits = dump.lines().flat_map(|line| line.split_whitespace().skip(1));
    let bytes = digits.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect();
    let templates = open(bytes, values.len(), 2_000).expect("a column");
    assert_eq!(read(&templates).expect("a column"), values);
}

#[test]
fn values_of_one_slot_are_given_in_pieces() {
    let pieces = |values: &[Cell]| {
        let templates = open(encoded(values), values.len(), raw_bytes(values)).expect("encoded");
        let mut found = Vec::new();
        let push = |text: &[&[u8]]| found.push((Kind::String, text.concat()));
        templates.for_each_of_only_slot(push).expect("sound").then_some(found)
    };
    let texts: Vec<String> = (0..3_000).map(|n| format!("user {} left", n * 7_919 % 977)).collect();
    let mut values = strings(texts.iter().map(String::as_str));
    assert_eq!(pieces(&values).as_ref(), Some(&values));
    values.push((Kind::Json, b"[1]".to_vec()));
    assert_eq!(pieces(&values), None, "one has no sentence");
    assert_eq!(pieces(&strings(["a 1", "b 1"])), None, "two sentences");
    assert_eq!(pieces(&strings(["a 1 1", "a 1 2"])), None, "two slots");
}

#[test]
fn short_variables_that_are_all_of_a_value_are_words() {
    let texts_of = |values: &[Cell]| {
        let templates = open(encoded(values), values.len(), raw_bytes(values)).expect("encoded");
        let words = templates.words_of_only_slot().expect("sound")?;
        Some(words.into_iter().map(|word| (Kind::String, word.to_text())).collect::<Vec<_>>())
    };
    for digits in 1..=7 {
        let text = |n: u64| format!("u{}", n * 7_919 % 10u64.pow(digits));
        let values = strings((0..3_000).map(text).collect::<Vec<_>>().iter().map(String::as_str));
        assert_eq!(texts_of(&values), Some(values), "{digits}");
    }
    let long: Vec<String> = (0..3_000).map(|n| format!("u{}", 100_000_000 + n % 7)).collect();
    assert_eq!(texts_of(&strings(long.iter().map(String::as_str))), None, "nine bytes");
    assert_eq!(texts_of(&strings(["u-1", "u-2"])), None, "a literal");
    assert_eq!(texts_of(&strings(["u1 1", "u1 2"])), None, "two slots");
    let mut values = strings(["u1", "u2"]);
    values.push((Kind::Json, b"[1]".to_vec()));
    assert_eq!(texts_of(&values), None, "one has no sentence");
}

#[test]
fn a_prefix_with_digits_that_is_all_of_a_value_is_a_record() {
    let texts_of = |values: &[Cell]| {
        let templates = open(encoded(values), values.len(), raw_bytes(values)).expect("encoded");
        let records = templates.records_of_only_slot().expect("sound")?;
        let (prefix, digits) = (String::from_utf8_lossy(records.prefix()), records.digits());
        let texts = records.numbers().iter().map(|number| format!("{prefix}{number:0digits$}"));
        Some(texts.map(|text| (Kind::String, text.into_bytes())).collect::<Vec<_>>())
    };
    for digits in [1, 2, 5, 9] {
        let text = |n: u64| format!("u{:0digits$}", n * 7_919 % 10u64.pow(digits as u32));
        // Of several units and frames.
        let texts: Vec<String> = (0..7_000).map(text).collect();
        let values = strings(texts.iter().map(String::as_str));
        assert_eq!(texts_of(&values), Some(values), "{digits}");
    }
    let others = |text: fn(u64) -> String| {
        let texts: Vec<String> = (0..3_000).map(text).collect();
        texts_of(&strings(texts.iter().map(String::as_str)))
    };
    assert_eq!(others(|n| format!("u{}", n % 977)), None, "of several lengths");
    assert_eq!(others(|n| format!("u{:012}", n << 33)), None, "greater numbers");
    assert_eq!(others(|n| format!("{}{:05}", ['u', 'v'][n as usize / 2_900], n % 977)), None);
    assert_eq!(others(|n| format!("u-{:05}", n % 977)), None, "a literal");
}
