//! The times of one body have the same minute as the one before, mostly: then only what is behind it is
//! read.

use super::sent::{Form, form_of_time, shown_digits};
use super::slots::time_of;
use logstrata_engine::Timestamp;

/// The bytes of `2026-11-20T00:00:`.
const HEAD_BYTES: usize = 17;
const MINUTE_NS: i64 = 60_000_000_000;

/// The minute of the last time that was read, unless it was written in another way than here.
#[derive(Debug, Default)]
pub(super) struct Minute {
    head: [u8; HEAD_BYTES],
    ns: i64,
}

impl Minute {
    /// The time that a value says, and how it was sent; `None` of one that can't be read or stored, and of
    /// one that can only be told by quoting it.
    pub(super) fn time(&mut self, raw: &str) -> Option<(Timestamp, Form<'static>)> {
        if let Some(known) = self.within(raw) {
            return Some(known);
        }
        let time = time_of(raw).filter(|time| !time.clamped)?;
        let form = form_of_time(Some(time), raw).constant()?;
        self.learn(raw, time.timestamp, form);
        Some((time.timestamp, form))
    }

    /// The same of a value that has this minute.
    fn within(&self, raw: &str) -> Option<(Timestamp, Form<'static>)> {
        let (head, rest) = raw.as_bytes().strip_prefix(b"\"")?.split_first_chunk()?;
        if *head != self.head {
            return None;
        }
        let (second, rest) = rest.split_first_chunk::<2>()?;
        let digits = match rest {
            b"Z\"" => &[],
            [b'.', digits @ .., b'Z', b'"'] if (1..=9).contains(&digits.len()) => digits,
            _ => return None,
        };
        let mut sound = true;
        let mut number = |digits: &[u8]| {
            digits.iter().fold(0, |number, byte| {
                let digit = byte.wrapping_sub(b'0');
                sound &= digit <= 9;
                // Of nine bytes at most; what is no number may be any.
                u64::wrapping_add(number * 10, u64::from(digit))
            })
        };
        let second = number(second);
        let nanos = number(digits) * 10u64.pow(9 - digits.len() as u32);
        // A leap second is of the next minute.
        if !sound || second >= 60 {
            return None;
        }
        let ns = self.ns.checked_add(second as i64 * 1_000_000_000 + nanos as i64)?;
        let is_shown = digits.len() == shown_digits(nanos as i64);
        let form = if is_shown { Form::Shown } else { Form::Digits(digits.len()) };
        Some((Timestamp(ns), form))
    }

    /// Remembers the minute of a time, if it is RFC 3339 in UTC.
    fn learn(&mut self, raw: &str, Timestamp(ns): Timestamp, form: Form<'static>) {
        let head = raw.as_bytes().get(1..).and_then(|text| text.first_chunk::<HEAD_BYTES>());
        let (Some(head), Form::Shown | Form::Digits(_)) = (head, form) else { return };
        let is_plain = head.iter().zip(b"0000-00-00T00:00:").all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            mark => byte == mark,
        });
        if let Some(minute) = ns.checked_sub(ns.rem_euclid(MINUTE_NS)).filter(|_| is_plain) {
            (self.head, self.ns) = (*head, minute);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn afresh(raw: &str) -> Option<(Timestamp, Form<'static>)> {
        let time = time_of(raw).filter(|time| !time.clamped)?;
        Some((time.timestamp, form_of_time(Some(time), raw).constant()?))
    }

    proptest! {
        #[test]
        fn every_time_is_read_as_if_it_were_the_first(
            times in prop::collection::vec(
                prop_oneof![
                    8 => "\"(2026-11-20|1969-12-31)T(00:00|23:59):[0-6][0-9](\\.[0-9]{1,10}|\\.|)Z\"",
                    2 => "\"(1677-09-21T00:12|2262-04-11T23:47):[0-5][0-9](\\.[0-9]{1,9})?Z\"",
                    1 => "\"2026-11-20[T ]00:00:[0-9:.Zx]{0,6}(Z|\\+01:00)?\"",
                    1 => "[0-9]{9,13}",
                    1 => "\"2026-11-20T\\\\u00300:00:01Z\"",
                    1 => "\"[0-9]{1,12}\"",
                ],
                1..20,
            ),
        ) {
            let mut minute = Minute::default();
            for raw in times {
                prop_assert_eq!(minute.time(&raw), afresh(&raw), "{}", raw);
            }
        }
    }

    #[test]
    fn a_known_minute_is_enough() {
        let mut minute = Minute::default();
        assert!(minute.within("\"2026-11-20T00:00:00.063177Z\"").is_none());
        assert!(minute.time("\"2026-11-20T00:00:00.063177Z\"").is_some());
        for (raw, form) in [
            ("\"2026-11-20T00:00:59.5Z\"", Form::Digits(1)),
            ("\"2026-11-20T00:00:07Z\"", Form::Shown),
            ("\"2026-11-20T00:00:07.000001Z\"", Form::Shown),
        ] {
            assert_eq!(minute.within(raw), afresh(raw), "{raw}");
            assert_eq!(minute.within(raw).map(|(_, form)| form), Some(form), "{raw}");
        }
        assert!(minute.within("\"2026-11-20T00:00:60Z\"").is_none());
    }
}
