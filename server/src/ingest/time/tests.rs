use super::*;
use proptest::prelude::*;

fn shown(text: &str) -> String {
    match parse_timestamp(text.as_bytes()) {
        None => "none".to_owned(),
        Some(ParsedTime { timestamp, clamped: false }) => timestamp.to_string(),
        Some(ParsedTime { timestamp, clamped: true }) => format!("clamped {timestamp}"),
    }
}

#[test]
fn forms_of_rfc_3339() {
    for (text, wanted) in [
        ("2026-11-21T10:20:30Z", "2026-11-21T10:20:30Z"),
        ("2026-11-21 10:20:30", "2026-11-21T10:20:30Z"),
        ("2026-11-21t10:20:30z", "2026-11-21T10:20:30Z"),
        ("2026-11-21T10:20Z", "2026-11-21T10:20:00Z"),
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026/11/21 10:20:30.5", "2026-11-21T10:20:30.500Z"),
        ("2026-11-21T10:20:30,123", "2026-11-21T10:20:30.123Z"),
        ("2026-11-21T10:20:30.1234567891234Z", "2026-11-21T10:20:30.123456789Z"),
        ("2026-11-21T10:20:30+02:00", "2026-11-21T08:20:30Z"),
        ("2026-11-21T10:20:30-0730", "2026-11-21T17:50:30Z"),
        ("2026-11-21T10:20:30+05", "2026-11-21T05:20:30Z"),
        ("2026-11-21 10:20:30 +0100", "2026-11-21T09:20:30Z"),
        ("2026-11-21 10:20:30 UTC", "2026-11-21T10:20:30Z"),
        ("2026-11-21T10:20:30+01:00[Europe/Paris]", "2026-11-21T09:20:30Z"),
        (" 2026-11-21T10:20:30Z\n", "2026-11-21T10:20:30Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "clamped 1677-09-21T00:12:43.145224192Z"),
        ("9999-12-31T23:59:59.9999999Z", "clamped 2262-04-11T23:47:16.854775807Z"),
        ("2023-02-29T00:00:00Z", "none"),
        ("2026-13-01T00:00:00Z", "none"),
        ("2026-11-21T24:00:00Z", "none"),
        ("2026-11-21T10:20:30+25:00", "none"),
        ("2026-11-21T10:20:30Zulu", "none"),
        ("2026-11-21T", "none"),
        ("2026-11/21", "none"),
        ("26-11-21", "none"),
        ("yesterday", "none"),
        ("", "none"),
    ] {
        assert_eq!(shown(text), wanted, "{text}");
    }
}

#[test]
fn numbers_since_the_epoch() {
    for (text, wanted) in [
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("1700000000.123456", "2023-11-14T22:13:20.123456Z"),
        ("1700000000.123456789123", "2023-11-14T22:13:20.123456789Z"),
        ("1700000000123", "2023-11-14T22:13:20.123Z"),
        ("1700000000123.5", "2023-11-14T22:13:20.123500Z"),
        ("1700000000123456", "2023-11-14T22:13:20.123456Z"),
        ("1700000000123456789", "2023-11-14T22:13:20.123456789Z"),
        ("1.7e9", "2023-11-14T22:13:20Z"),
        ("1.700000000123E+12", "2023-11-14T22:13:20.123Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("-1700000000123", "1916-02-18T01:46:39.877Z"),
        ("99999999999", "clamped 2262-04-11T23:47:16.854775807Z"),
        ("100000000000", "1973-03-03T09:46:40Z"),
        ("-9223372036854775808", "1677-09-21T00:12:43.145224192Z"),
        ("9223372036854775808", "clamped 2262-04-11T23:47:16.854775807Z"),
        ("1e400", "clamped 2262-04-11T23:47:16.854775807Z"),
        ("-1e400", "clamped 1677-09-21T00:12:43.145224192Z"),
        ("1e-400", "1970-01-01T00:00:00Z"),
        ("0e999999999", "1970-01-01T00:00:00Z"),
        ("1e9999999999", "none"),
        ("1.", "none"),
        (".5", "none"),
        ("1e", "none"),
        ("--1", "none"),
        ("12:30", "none"),
    ] {
        assert_eq!(shown(text), wanted, "{text}");
    }
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), 1_000_000_000_000_000_000..2_000_000_000_000_000_000i64]
}

proptest! {
    #[test]
    fn the_short_way_reads_what_the_long_one_does(
        text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?Z",
        at: prop::sample::Index,
        byte in prop::option::of(any::<u8>()),
    ) {
        let mut text = text.into_bytes();
        if let Some(byte) = byte {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Some(time) = parse_utc(&text) {
            prop_assert_eq!(Some(time), parse_any(&text));
        }
        prop_assert_eq!(parse_timestamp(&text), parse_any(&text));
    }
}

proptest! {
    #[test]
    fn what_the_engine_shows_is_read_back(ns in any_time(), whole in any::<bool>()) {
        let ns = if whole { ns - ns.rem_euclid(1_000_000_000).min(ns.saturating_sub(i64::MIN)) } else { ns };
        let read = parse_timestamp(Timestamp(ns).to_string().as_bytes());
        prop_assert_eq!(read, Some(ParsedTime { timestamp: Timestamp(ns), clamped: false }));
    }

    #[test]
    fn an_offset_moves_the_time(ns in 0..4_000_000_000_000_000_000i64, minutes in -1_439..1_440i64) {
        let local = Timestamp(ns + minutes * 60_000_000_000).to_string();
        let sign = if minutes < 0 { '-' } else { '+' };
        let (h, m) = (minutes.abs() / 60, minutes.abs() % 60);
        let text = format!("{}{sign}{h:02}:{m:02}", local.trim_end_matches('Z'));
        prop_assert_eq!(parse_timestamp(text.as_bytes()).map(|t| t.timestamp), Some(Timestamp(ns)));
    }

    #[test]
    fn nanoseconds_since_the_epoch_are_exact(ns in 100_000_000_000_000_000..i64::MAX) {
        for signed in [ns, -ns] {
            let read = parse_timestamp(signed.to_string().as_bytes());
            prop_assert_eq!(read.map(|t| t.timestamp), Some(Timestamp(signed)));
        }
    }

    #[test]
    fn decimals_of_seconds_are_exact(seconds in 0..9_000_000_000i64, nanos in 0..1_000_000_000i64) {
        let read = parse_timestamp(format!("{seconds}.{nanos:09}").as_bytes());
        prop_assert_eq!(read.map(|t| t.timestamp), Some(Timestamp(seconds * 1_000_000_000 + nanos)));
    }

    #[test]
    fn no_text_panics(text in "[-0-9TZ:.,+eE/ ]{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        parse_timestamp(text.as_bytes());
        parse_timestamp(&bytes);
    }
}
