//! Tests of numbers for values.

use super::*;
use proptest::prelude::*;

fn value(kind: Kind, text: &str) -> Value<'_> {
    Value { kind, text: text.as_bytes() }
}

#[test]
fn a_value_has_one_number_and_a_kind_its_own() {
    let table = ValueTable::default();
    let field = table.of_field("status");
    let wanted = [(Kind::Number, "200"), (Kind::String, "a"), (Kind::Number, "200")];
    let numbers = field.numbers_of(wanted.iter().map(|(kind, text)| value(*kind, text)));
    assert_eq!(numbers, Some(vec![1, 2, 1]));
    assert!(!field.known().is_ambiguous());
    assert_eq!(field.numbers_of([value(Kind::String, "200")].into_iter()), Some(vec![3]));
    let known = field.known();
    assert!(known.is_ambiguous());
    assert_eq!(known.len(), 3);
    assert_eq!((known.value(3).kind, known.value(3).text), (Kind::String, &b"200"[..]));
    assert_eq!(known.texts_behind(1), b"a\x00200\0");
    assert_eq!(known.texts_behind(3), b"");
    assert_eq!(known.kinds(), 1 << Kind::Number as u8 | 1 << Kind::String as u8);
}

#[test]
fn what_is_full_begins_anew_with_the_next_query() {
    let table = ValueTable::default();
    let field = table.of_field("user");
    let text = |n: usize| format!("u{n}").into_bytes();
    let texts: Vec<_> = (0..=FIELD_VALUES_MAX).map(text).collect();
    let values = texts.iter().map(|text| Value { kind: Kind::String, text });
    assert_eq!(field.numbers_of(values), None, "one too many");
    assert!(Arc::ptr_eq(&field, &table.of_field("user")), "in the same query");
    let known = [Value { kind: Kind::String, text: &texts[7] }];
    assert_eq!(field.numbers_of(known.into_iter()), Some(vec![8]));
    table.begin_query();
    let anew = table.of_field("user");
    assert!(!Arc::ptr_eq(&field, &anew));
    assert_eq!(anew.numbers_of(known.into_iter()), Some(vec![1]));
    table.begin_query();
    assert!(Arc::ptr_eq(&anew, &table.of_field("user")));
}

/// One of the ways in which columns have their values numbered.
#[derive(Debug, Clone)]
enum Way {
    Values(Vec<String>),
    Words(Vec<String>),
    Records(String, usize, Vec<u32>),
}

fn ways() -> impl Strategy<Value = Way> {
    let text = || "(u|v|u0|user-number-)?[0-9]{1,3}|x";
    let texts = || prop::collection::vec(text(), 1..9);
    let numbers = prop::collection::vec(prop_oneof![0u32..40, 0u32..1_000, 0u32..1 << 20], 1..9);
    prop_oneof![
        texts().prop_map(Way::Values),
        texts().prop_map(Way::Words),
        ("(u|v|u0|user-number-)?", 1usize..4, numbers).prop_map(|(prefix, digits, mut numbers)| {
            let end = 10u32.pow(digits as u32);
            numbers.iter_mut().for_each(|number| *number %= end);
            Way::Records(prefix, digits, numbers)
        }),
    ]
}

proptest! {
    /// Whichever way a value comes, it has the number that it had before, and nothing else has (`U1`).
    #[test]
    fn a_string_has_one_number_whichever_way_it_comes(ways in prop::collection::vec(ways(), 1..20)) {
        let field = FieldValues::default();
        let mut all: HashMap<String, u32> = HashMap::new();
        for way in ways {
            let (texts, numbers) = match way {
                Way::Values(texts) => {
                    let numbers = field.numbers_of(texts.iter().map(|text| value(Kind::String, text)));
                    (texts, numbers)
                }
                Way::Words(mut texts) => {
                    texts.retain(|text| text.len() <= Word::LEN_MAX);
                    let word = |text: &String| Word::of(value(Kind::String, text)).expect("short");
                    let words: Vec<_> = texts.iter().map(word).collect();
                    prop_assert!(field.known_words(&words) <= words.len());
                    (texts, field.numbers_of_words(&words))
                }
                Way::Records(prefix, digits, numbers) => {
                    let records = Records::of(prefix.as_bytes(), digits, &numbers);
                    let texts: Vec<_> =
                        numbers.iter().map(|number| format!("{prefix}{number:0digits$}")).collect();
                    if !field.has_room_for(&records) {
                        continue;
                    }
                    let were_known = texts.iter().filter(|text| all.contains_key(*text)).count();
                    prop_assert_eq!(field.known_records(&numbers), were_known);
                    (texts, field.numbers_of_records(&records))
                }
            };
            let numbers = numbers.expect("there is room");
            prop_assert_eq!(numbers.len(), texts.len());
            for (text, number) in texts.into_iter().zip(numbers) {
                let known = field.known();
                prop_assert_eq!(known.value(number).text, text.as_bytes());
                prop_assert_eq!(known.look_up(value(Kind::String, &text)), Some(number));
                prop_assert_eq!(known.look_up(value(Kind::Number, &text)), Some(0));
                prop_assert_eq!(*all.entry(text).or_insert(number), number);
            }
            prop_assert_eq!(field.known().len(), all.len());
        }
    }
}

/// Digits that say more than the array has room for are looked up as any other strings.
#[test]
fn records_of_great_numbers_are_left_to_others() {
    let field = FieldValues::default();
    assert!(!field.has_room_for(&Records::of(b"u", 6, &[3, 1 << 17])));
    assert_eq!(field.known().records.heap_bytes(), 0);
    let records = Records::of(b"u", 6, &[3, (1 << 17) - 1]);
    assert!(field.has_room_for(&records));
    assert!(!field.has_room_for(&Records::of(b"v", 6, &[3])), "another prefix");
    assert!(!field.has_room_for(&Records::of(b"u", 5, &[3])), "other digits");
    assert_eq!(field.numbers_of_records(&records), Some(vec![1, 2]));
    assert_eq!(field.known().records.heap_bytes(), records::BYTES_MAX);
    let far = [value(Kind::String, "u131072"), value(Kind::String, "u000003")];
    assert_eq!(field.numbers_of(far.into_iter()), Some(vec![3, 1]));
}
