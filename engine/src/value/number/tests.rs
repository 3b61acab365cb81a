use super::*;
use proptest::prelude::*;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

fn number(text: &str) -> Number {
    Number::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
}

#[test]
fn only_json_numbers_are_numbers() {
    for text in [
        "",
        "-",
        "+1",
        "007",
        "00",
        "-01",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1e1.5",
        "0x10",
        "inf",
        "nan",
        "NaN",
        "-inf",
        " 1",
        "1 ",
        "1_000",
        "1,5",
        "--1",
        "1e1000000001",
        "1e-1000000001",
        "1e99999999999999999999999999",
        "1e-99999999999999999999999999",
        "１",
    ] {
        assert_eq!(Number::parse(text.as_bytes()), None, "{text}");
        assert!(!Number::is_canonical(text.as_bytes()), "{text}");
    }
}

#[test]
fn one_value_has_one_canonical_lexeme() {
    for (canonical, others) in [
        ("0", &["-0", "0.0", "-0.000", "0e5", "0e99999999999999999999", "0E-0"] as &[_]),
        ("1", &["1.0", "1e0", "1E+0", "10e-1", "0.1e1", "1.000000000000000000000000000"]),
        ("500", &["5e2", "500.00", "50000e-2", "500.0000000000000000000000"]),
        ("12.5", &["12.50", "125e-1", "1.25E1", "0.0125e+3"]),
        ("-0.25", &["-2.5e-1", "-0.250", "-25e-2"]),
        ("0.000001", &["1e-6", "0.0000010"]),
        ("1e-7", &["0.0000001", "10e-8"]),
        ("1.5e-7", &["0.00000015"]),
        ("100000000000000000000", &["1e20", "0.1e21"]),
        ("1e21", &["1000000000000000000000", "10e20"]),
        ("1e400", &["1.0E400", "100e398"]),
        ("-1.25e1000", &["-125e998"]),
        ("9223372036854775807", &["9223372036854775807.0"]),
        ("-9223372036854775808", &["-9223372036854775808e0"]),
        ("9223372036854775808", &["92233720368547758080e-1"]),
        ("18446744073709551616", &["18446744073709551616.000"]),
        (
            "1234567890123456789012345678901234567890",
            &["1234567890123456789012345678901234567890.0"],
        ),
        ("1e1000000000", &["10e999999999"]),
    ] {
        let value = number(canonical);
        assert_eq!(value.canonical(), canonical);
        assert!(Number::is_canonical(canonical.as_bytes()), "{canonical}");
        for other in others {
            assert_eq!(number(other), value, "{other}");
            assert!(!Number::is_canonical(other.as_bytes()), "{other}");
        }
    }
}

#[test]
fn ordered_by_value_and_nothing_else() {
    let rising = [
        "-1e1000000000",
        "-1e400",
        "-18446744073709551617",
        "-18446744073709551616",
        "-9223372036854775808",
        "-10",
        "-9",
        "-1",
        "-0.1",
        "-1e-400",
        "0",
        "1e-1000000000",
        "1e-400",
        "0.0999999999999999999999999999",
        "0.1",
        "0.10000000000000000000000000001",
        "0.5",
        "1",
        "1.5",
        "2",
        "9.99",
        "10",
        "99.9",
        "100",
        "9007199254740992",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901234567890",
        "123456789012345678901234567890.5",
        "123456789012345678901234567891",
        "1e400",
        "1.0000000000000000000000000000001e400",
        "1e1000000000",
    ];
    for (left_place, left) in rising.iter().enumerate() {
        for (right_place, right) in rising.iter().enumerate() {
            let expected = left_place.cmp(&right_place);
            assert_eq!(number(left).cmp(&number(right)), expected, "{left} {right}");
            assert_eq!(number(left) == number(right), expected.is_eq(), "{left} {right}");
        }
    }
}

#[test]
fn binary_numbers_are_the_nearest() {
    for text in [
        "0",
        "1",
        "-1",
        "0.1",
        "0.3",
        "1e22",
        "1e23",
        "9007199254740993",
        "123456789.123456789",
        "1e400",
        "-1e400",
        "1e-400",
        "5e-324",
        "1.7976931348623157e308",
        "2.2250738585072014e-308",
        "123456789012345678901234567890",
        "9223372036854775807",
        "0.000001",
    ] {
        assert_eq!(number(text).to_f64(), text.parse::<f64>().expect("a literal"), "{text}");
    }
}

fn lexemes() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,4})?([eE][-+]?[0-9]{1,2})?",
        "-?(0|[1-9][0-9]{15,45})(\\.[0-9]{1,40})?(e[-+]?[0-9]{1,4})?",
    ]
}

fn hash(number: &Number) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(number)
}

proptest! {
    #[test]
    fn any_text_parses_or_does_not(text: Vec<u8>) {
        if let Some(number) = Number::parse(&text) {
            prop_assert_eq!(Number::parse(number.canonical().as_bytes()), Some(number));
        }
    }

    #[test]
    fn canonical_is_the_same_value_and_a_fixed_point(text in lexemes()) {
        let value = number(&text);
        let canonical = value.canonical();
        prop_assert_eq!(&number(&canonical), &value);
        prop_assert_eq!(number(&canonical).canonical(), canonical.clone());
        prop_assert_eq!(Number::is_canonical(text.as_bytes()), text == canonical);
        prop_assert_eq!(value.to_f64(), text.parse::<f64>().expect("a literal"));
    }

    #[test]
    fn compares_like_128_bit_arithmetic(
        a in -10i128.pow(24)..10i128.pow(24), b in -10i128.pow(24)..10i128.pow(24),
        shrink in 0u32..24, scale_a in 0u32..12, scale_b in 0u32..12,
    ) {
        let (a, b) = (a / 10i128.pow(shrink), b / 10i128.pow(shrink));
        let text = |mantissa: i128, scale: u32| number(&format!("{mantissa}e-{scale}"));
        let expected = (a * 10i128.pow(scale_b)).cmp(&(b * 10i128.pow(scale_a)));
        let (a, b) = (text(a, scale_a), text(b, scale_b));
        prop_assert_eq!(a.cmp(&b), expected);
        prop_assert_eq!(a == b, expected.is_eq());
        if expected.is_eq() {
            prop_assert_eq!(hash(&a), hash(&b));
            prop_assert_eq!(a.canonical(), b.canonical());
        }
    }

    #[test]
    fn compares_like_binary_numbers_where_these_differ(a in lexemes(), b in lexemes()) {
        let (left, right) = (a.parse::<f64>().expect("a literal"), b.parse::<f64>().expect("a literal"));
        if left != right {
            prop_assert_eq!(number(&a).partial_cmp(&number(&b)), left.partial_cmp(&right));
        }
    }

    #[test]
    fn order_is_total(a in lexemes(), b in lexemes(), c in lexemes()) {
        let mut sorted = [number(&a), number(&b), number(&c)];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2]);
        prop_assert_eq!(sorted[0].cmp(&sorted[2]), sorted[2].cmp(&sorted[0]).reverse());
    }

    #[test]
    fn scaled_integers_are_their_decimal(mantissa: i64, scale in 0u8..30, shrink in 0u32..63) {
        let mantissa = mantissa >> shrink;
        let scaled = Number::from_scaled(mantissa, scale);
        prop_assert_eq!(&scaled, &number(&format!("{mantissa}e-{scale}")));
    }
}
