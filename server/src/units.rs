//! Sizes and durations as people write them: `64MiB`, `5m`.

use std::time::Duration;

const BYTE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

const DURATION_UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Bytes of `64MiB`, `10 MB`, `4096`. Units in any case.
///
/// # Errors
/// Says what is expected.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    parse(text, &BYTE_UNITS, Some(1)).ok_or_else(|| {
        format!("{text:?} is no size: a whole number and KiB, MiB or GiB is wanted, like 64MiB")
    })
}

/// The shortest exact way to write a size.
pub(crate) fn format_bytes(bytes: u64) -> String {
    let whole = |(_, factor): &&(&str, u64)| bytes >= *factor && bytes.is_multiple_of(*factor);
    match BYTE_UNITS[..4].iter().find(whole) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// The duration of `5m`, `30s`, `250ms`, `1h`, `1d`, `2w`.
///
/// # Errors
/// Says what is expected.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(text, &DURATION_UNITS, None).map(Duration::from_millis).ok_or_else(|| {
        format!(
            "{text:?} is no duration: a whole number and ms, s, m, h, d or w is wanted, like 5m"
        )
    })
}

/// The shortest exact way to write a duration of whole milliseconds.
pub(crate) fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // Weeks read worse than days.
    let whole = |(_, factor): &&(&str, u64)| millis >= *factor && millis.is_multiple_of(*factor);
    match DURATION_UNITS[1..].iter().find(whole) {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => format!("{millis}ms"),
    }
}

fn parse(text: &str, units: &[(&str, u64)], without_unit: Option<u64>) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let factor = match unit {
        "" => without_unit?,
        unit => units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_write() {
        for (text, bytes, written) in [
            ("64MiB", 64 << 20, "64MiB"),
            ("1 gib", 1 << 30, "1GiB"),
            ("1536KiB", 1_536 << 10, "1536KiB"),
            ("4096", 4_096, "4KiB"),
            ("10MB", 10_000_000, "10000000B"),
            ("0", 0, "0B"),
            ("7B", 7, "7B"),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
            assert_eq!(format_bytes(bytes), written);
            assert_eq!(parse_bytes(written), Ok(bytes));
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1 mebi", "99999999999TiB", "1MiB2"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_read_and_write() {
        for (text, millis, written) in [
            ("5m", 300_000, "5m"),
            ("90s", 90_000, "90s"),
            ("24h", 86_400_000, "1d"),
            ("2w", 1_209_600_000, "14d"),
            ("1500ms", 1_500, "1500ms"),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(format_duration(Duration::from_millis(millis)), written);
        }
        for text in ["", "5", "m", "1h30m", "5 minutes", "1.5h", "99999999999999w"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
