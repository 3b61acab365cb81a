//! Days and times of a day as the workload writes them: `2026-11-20T00:21:36.070310Z`.

/// Characters of a date.
pub(super) const DATE: usize = 10;
pub(super) const DAY_MICROS: u64 = 86_400_000_000;

/// The date of a day, counted from 1970-01-01, in the Gregorian calendar.
pub(super) fn date(day: u64) -> String {
    // Years begin in March: the day that some years have more is the last.
    let day = day + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
}

/// The microseconds of `00:21:36.070310`.
pub(super) fn micros(clock: &[u8]) -> Option<u64> {
    let mut micros = 0;
    for (at, byte) in clock.iter().enumerate() {
        let (separator, unit) = match at {
            0 => (None, 36_000_000_000),
            1 => (None, 3_600_000_000),
            3 => (None, 600_000_000),
            4 => (None, 60_000_000),
            6 => (None, 10_000_000),
            7 => (None, 1_000_000),
            9..=14 => (None, 10u64.pow(14 - at as u32)),
            2 | 5 => (Some(b':'), 0),
            8 => (Some(b'.'), 0),
            _ => return None,
        };
        micros += match separator {
            Some(separator) if *byte == separator => 0,
            None if byte.is_ascii_digit() => u64::from(byte - b'0') * unit,
            _ => return None,
        };
    }
    (clock.len() == 15 && micros < DAY_MICROS).then_some(micros)
}

/// Writes microseconds of a day over the 15 characters of a time of day, whose colons stand.
pub(super) fn write(micros: u64, clock: &mut [u8]) {
    let (seconds, micros) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
    let pairs = [
        (0, seconds / 3_600),
        (3, seconds / 60 % 60),
        (6, seconds % 60),
        (9, micros / 10_000),
        (11, micros / 100 % 100),
        (13, micros % 100),
    ];
    for (at, value) in pairs {
        clock[at] = b'0' + (value / 10) as u8;
        clock[at + 1] = b'0' + (value % 10) as u8;
    }
}

/// A time of a day counted from 1970-01-01, as the workload writes it.
pub(super) fn time(day: u64, micros: u64) -> String {
    let mut clock = *b"00:00:00.000000";
    write(micros, &mut clock);
    format!("{}T{}Z", date(day), String::from_utf8_lossy(&clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let days = [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29")];
        let later = [(11_017, "2000-03-01"), (20_777, "2026-11-20"), (20_818, "2026-12-31")];
        for (day, wanted) in days.into_iter().chain(later) {
            assert_eq!(date(day), wanted);
        }
    }

    #[test]
    fn times_of_a_day_are_read_as_they_are_written() {
        for micros in [0, 1, 1_296_070_310, 43_199_999_999, DAY_MICROS - 1] {
            let text = time(20_777, micros);
            assert_eq!(self::micros(&text.as_bytes()[DATE + 1..DATE + 16]), Some(micros), "{text}");
        }
        assert_eq!(time(20_777, 1_296_070_310), "2026-11-20T00:21:36.070310Z");
        for wrong in ["24:00:00.000000", "00:00:00:000000", "00:00:00.00000", "00:00:00.00000x"] {
            assert_eq!(micros(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
