//! Points in time as people write them in queries: everything that events may carry, and times
//! relative to now.

use super::parse_timestamp;
use crate::ingest::cursor::Cursor;
use logstrata_engine::Timestamp;

const EXPECTED: &str = "expected a time: RFC 3339, a date, a number since the epoch, \
     or `now` with steps like -15m or +1h (ms, s, m, h, d, w)";

/// Reads the time of a query's `from` or `to`: `now`, `now-15m`, `now-1d+2h` with the units ms, s,
/// m, h, d and w, or whatever [`parse_timestamp`] reads. Times outside of what can be stored are
/// moved to the border. A space where a `+` belongs is taken for one: that is what an unescaped
/// `+` becomes on its way through a URL.
///
/// # Errors
/// The text is no time; the message says what is, and quotes nothing.
pub fn parse_query_time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(steps) = text.strip_prefix("now") {
        return relative(steps, now).ok_or_else(|| EXPECTED.to_owned());
    }
    let read = parse_timestamp(text.as_bytes()).or_else(|| {
        let (time, offset) = text.rsplit_once(' ')?;
        let is_offset =
            offset.len() >= 4 && offset.bytes().all(|b| b.is_ascii_digit() || b == b':');
        // A time without its offset: otherwise the space is that between date and time.
        let has_time = time.contains(':');
        (is_offset && has_time).then(|| parse_timestamp(format!("{time}+{offset}").as_bytes()))?
    });
    read.map(|time| time.timestamp).ok_or_else(|| EXPECTED.to_owned())
}

fn relative(steps: &str, now: Timestamp) -> Option<Timestamp> {
    let mut cursor = Cursor::new(steps.as_bytes());
    let mut ns = i128::from(now.0);
    while !cursor.is_end() {
        let spaced = !cursor.take_while(|byte| byte == b' ').is_empty();
        let sign = cursor.eat_if(|byte| matches!(byte, b'-' | b'+'));
        if sign.is_none() && !spaced {
            return None;
        }
        cursor.skip_spaces();
        let count = i128::from(cursor.digits_up_to(9)?);
        let unit = cursor.take_while(|byte| byte.is_ascii_alphabetic());
        let step = count * ns_of_unit(unit)?;
        // Nine digits of weeks are below 2^90: a sum over any query's length stays below 2^127.
        ns += if sign == Some(b'-') { -step } else { step };
    }
    Some(Timestamp(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })))
}

fn ns_of_unit(unit: &[u8]) -> Option<i128> {
    let seconds = match unit {
        b"ms" => return Some(1_000_000),
        b"s" => 1,
        b"m" => 60,
        b"h" => 3_600,
        b"d" => 86_400,
        b"w" => 7 * 86_400,
        _ => return None,
    };
    Some(seconds * 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    #[test]
    fn times_of_queries() {
        for (text, wanted) in [
            ("now", "2023-11-14T22:13:20Z"),
            ("now-15m", "2023-11-14T21:58:20Z"),
            ("now+1h", "2023-11-14T23:13:20Z"),
            ("now 1h", "2023-11-14T23:13:20Z"),
            ("now - 1d", "2023-11-13T22:13:20Z"),
            ("now-1w+2d-500ms", "2023-11-09T22:13:19.500Z"),
            ("now-999999999w", "1677-09-21T00:12:43.145224192Z"),
            ("2023-11-14", "2023-11-14T00:00:00Z"),
            ("2023-11-14 10:20", "2023-11-14T10:20:00Z"),
            ("2023-11-14T10:20:30+02:00", "2023-11-14T08:20:30Z"),
            ("2023-11-14T10:20:30 02:00", "2023-11-14T08:20:30Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("9999-12-31", "2262-04-11T23:47:16.854775807Z"),
        ] {
            let read = parse_query_time(text, NOW).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_what_is() {
        for text in ["", "now-", "now-5", "now-5y", "now5m", "nowhere", "soon", "2023-11-14 1020x"]
        {
            assert_eq!(parse_query_time(text, NOW), Err(EXPECTED.to_owned()), "{text}");
        }
    }
}
