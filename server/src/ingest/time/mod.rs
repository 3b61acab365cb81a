//! Points in time as senders write them: RFC 3339 and its relatives, and numbers since the epoch.
//!
//! `T1`: text without a zone is UTC. `T2`: what can't be stored is clamped and flagged, never
//! refused. `T3`: no time goes through a float.

mod query;
#[cfg(test)]
mod tests;

pub use query::parse_query_time;

use super::cursor::Cursor;
use logstrata_engine::{Timestamp, days_from_civil};

const SECONDS_PER_DAY: i64 = 86_400;

/// A time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedTime {
    /// The point in time.
    pub timestamp: Timestamp,
    /// Whether it lies outside of what can be stored (1677 to 2262) and was moved to the border.
    pub clamped: bool,
}

/// A date and time of day, not yet tied to a zone. Made by parsers, so it may be nonsense until
/// [`Civil::at_offset`] has checked it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: u32,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    pub(crate) nanos: u32,
}

impl Civil {
    /// The point in time, `offset` seconds east of UTC. `None` if there is no such date or time of
    /// day. A leap second, `:60`, is the first moment of the next minute.
    pub(crate) fn at_offset(self, offset: i32) -> Option<ParsedTime> {
        let time_exists = self.hour < 24 && self.minute < 60 && self.second <= 60;
        if !self.date_exists() || !time_exists || self.nanos >= 1_000_000_000 {
            return None;
        }
        let days = days_from_civil(i64::from(self.year), self.month, self.day);
        let of_day = i64::from(self.hour * 3_600 + self.minute * 60 + self.second);
        let seconds = days * SECONDS_PER_DAY + of_day - i64::from(offset);
        let (timestamp, clamped) = Timestamp::from_parts_clamped(seconds, self.nanos);
        Some(ParsedTime { timestamp, clamped })
    }

    fn date_exists(self) -> bool {
        let leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let last = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            _ => return false,
        };
        self.year <= 9_999 && (1..=last).contains(&self.day)
    }
}

/// Reads one point in time: RFC 3339 with any offset, `T` or a space, any number of fractional
/// digits (nanoseconds are kept) behind `.` or `,`; without a zone it is UTC, without a time of
/// day midnight; or a number since the epoch, in seconds below 10^11, milliseconds below 10^14,
/// microseconds below 10^17, otherwise nanoseconds. `None` if it is none of these.
pub fn parse_timestamp(text: &[u8]) -> Option<ParsedTime> {
    parse_utc(text).or_else(|| parse_any(text))
}

fn parse_any(text: &[u8]) -> Option<ParsedTime> {
    let text = text.trim_ascii();
    let digits = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if digits == 4 && matches!(text.get(4), Some(b'-' | b'/')) {
        return parse_date_time(text);
    }
    parse_epoch(text)
}

/// What most senders write: `2026-11-21T10:20:30Z`, with up to nine digits behind a point. `None`
/// for everything else, also for what is no time.
fn parse_utc(text: &[u8]) -> Option<ParsedTime> {
    let (whole, rest) = text.split_first_chunk::<19>()?;
    let is_dashed = [whole[4], whole[7], whole[10], whole[13], whole[16]] == *b"--T::";
    let digits = match rest {
        b"Z" => &[],
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => digits,
        _ => return None,
    };
    let mut sound = is_dashed;
    let mut number = |digits: &[u8]| {
        digits.iter().fold(0, |number, byte| {
            let digit = byte.wrapping_sub(b'0');
            sound &= digit <= 9;
            // What is no number may be any.
            u32::wrapping_add(u32::wrapping_mul(number, 10), u32::from(digit))
        })
    };
    let civil = Civil {
        year: number(&whole[..4]),
        month: number(&whole[5..7]),
        day: number(&whole[8..10]),
        hour: number(&whole[11..13]),
        minute: number(&whole[14..16]),
        second: number(&whole[17..]),
        nanos: number(digits).wrapping_mul(10u32.pow(9 - digits.len() as u32)),
    };
    if sound { civil.at_offset(0) } else { None }
}

fn parse_date_time(text: &[u8]) -> Option<ParsedTime> {
    let mut cursor = Cursor::new(text);
    let mut civil = date(&mut cursor)?;
    if cursor.is_end() {
        return civil.at_offset(0);
    }
    cursor.eat_if(|byte| matches!(byte, b'T' | b't' | b' ' | b'_'))?;
    time_of_day(&mut cursor, &mut civil)?;
    let offset = zone(&mut cursor).unwrap_or(0);
    // Java writes the zone's name behind its offset: `+01:00[Europe/Paris]`.
    if cursor.eat(b'[') {
        cursor.take_while(|byte| byte != b']');
        cursor.eat(b']');
    }
    if cursor.is_end() { civil.at_offset(offset) } else { None }
}

/// `2026-11-21`, or with slashes.
pub(crate) fn date(cursor: &mut Cursor<'_>) -> Option<Civil> {
    let year = cursor.digits(4)?;
    let separator = cursor.eat_if(|byte| matches!(byte, b'-' | b'/'))?;
    let month = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == separator)?;
    let day = cursor.digits(2)?;
    Some(Civil { year, month, day, ..Civil::default() })
}

/// `15:04`, `15:04:05`, `15:04:05.123` and `15:04:05,123`.
pub(crate) fn time_of_day(cursor: &mut Cursor<'_>, civil: &mut Civil) -> Option<()> {
    civil.hour = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b':')?;
    civil.minute = cursor.digits(2)?;
    let mut seconds = *cursor;
    if seconds.eat(b':')
        && let Some(second) = seconds.digits(2)
    {
        civil.second = second;
        *cursor = seconds;
        civil.nanos = fraction(cursor).unwrap_or(0);
    }
    Some(())
}

/// The nanoseconds of `.123` or `,123`; digits behind the ninth are dropped.
pub(crate) fn fraction(cursor: &mut Cursor<'_>) -> Option<u32> {
    let mut ahead = *cursor;
    ahead.eat_if(|byte| matches!(byte, b'.' | b','))?;
    let digits = ahead.take_while(|byte| byte.is_ascii_digit());
    let nanos = nanos_of_fraction(digits)?;
    *cursor = ahead;
    Some(nanos)
}

/// The nanoseconds of the digits behind a decimal point.
fn nanos_of_fraction(digits: &[u8]) -> Option<u32> {
    let kept = digits.len().min(9);
    let value = Cursor::new(digits).digits_up_to(9)?;
    Some(value * 10u32.pow(9 - u32::try_from(kept).ok()?))
}

/// Seconds east of UTC of `Z`, `UTC`, `GMT`, `+01:00`, `+0100`, `+01`, also behind a space (then
/// with minutes, so that a number that merely follows is not taken for a zone).
pub(crate) fn zone(cursor: &mut Cursor<'_>) -> Option<i32> {
    let mut ahead = *cursor;
    let spaced = ahead.eat(b' ');
    let offset = if ahead.eat_word(b"UTC") || ahead.eat_word(b"GMT") || ahead.eat_word(b"Z") {
        if ahead.peek().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        0
    } else {
        let sign = ahead.eat_if(|byte| matches!(byte, b'+' | b'-'))?;
        let hours = ahead.digits(2)?;
        let mut minutes_ahead = ahead;
        minutes_ahead.eat(b':');
        let minutes = match minutes_ahead.digits(2) {
            Some(minutes) => {
                ahead = minutes_ahead;
                minutes
            }
            None if spaced => return None,
            None => 0,
        };
        if hours > 23 || minutes > 59 || ahead.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
        if sign == b'-' { -seconds } else { seconds }
    };
    *cursor = ahead;
    Some(offset)
}

/// A decimal number, `mantissa * 10^exponent`, of up to 37 significant digits; more are dropped.
struct Decimal {
    negative: bool,
    mantissa: u128,
    exponent: i64,
}

const MANTISSA_MAX: u128 = 10u128.pow(36);

impl Decimal {
    /// Reads the whole text, in JSON's grammar for numbers (leading zeros are let pass).
    fn parse(text: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(text);
        let negative = cursor.eat(b'-');
        let mut number = Self { negative, mantissa: 0, exponent: 0 };
        let whole = cursor.take_while(|byte| byte.is_ascii_digit());
        if whole.is_empty() {
            return None;
        }
        for byte in whole {
            number.exponent += i64::from(!number.push(*byte));
        }
        if cursor.eat(b'.') {
            let fraction = cursor.take_while(|byte| byte.is_ascii_digit());
            if fraction.is_empty() {
                return None;
            }
            for byte in fraction {
                number.exponent -= i64::from(number.push(*byte));
            }
        }
        if cursor.eat_if(|byte| matches!(byte, b'e' | b'E')).is_some() {
            let sign = cursor.eat_if(|byte| matches!(byte, b'+' | b'-'));
            let exponent = i64::from(cursor.digits_up_to(9)?);
            number.exponent += if sign == Some(b'-') { -exponent } else { exponent };
        }
        cursor.is_end().then_some(number)
    }

    /// Whether there was room for another digit.
    fn push(&mut self, digit: u8) -> bool {
        let room = self.mantissa < MANTISSA_MAX;
        if room {
            self.mantissa = self.mantissa * 10 + u128::from(digit - b'0');
        }
        room
    }

    /// The absolute value times `10^shift`, rounded down, or the largest number there is.
    fn scaled(&self, shift: i64) -> u128 {
        let exponent = self.exponent + shift;
        let power =
            |exponent: i64| u32::try_from(exponent).ok().and_then(|e| 10u128.checked_pow(e));
        match exponent {
            _ if self.mantissa == 0 => 0,
            0.. => power(exponent).and_then(|p| self.mantissa.checked_mul(p)).unwrap_or(u128::MAX),
            _ => power(-exponent).map_or(0, |p| self.mantissa / p),
        }
    }
}

/// The unit follows from the magnitude: a number of seconds stays below 10^11 until the year 5138.
fn parse_epoch(text: &[u8]) -> Option<ParsedTime> {
    let number = Decimal::parse(text)?;
    let shift = match number.scaled(0) {
        0..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    };
    let nanos = number.scaled(shift);
    let signed = i64::try_from(nanos).map(|nanos| if number.negative { -nanos } else { nanos });
    Some(match signed {
        Ok(nanos) => ParsedTime { timestamp: Timestamp(nanos), clamped: false },
        Err(_) if number.negative => ParsedTime {
            timestamp: Timestamp::MIN,
            clamped: nanos != u128::from(i64::MIN.unsigned_abs()),
        },
        Err(_) => ParsedTime { timestamp: Timestamp::MAX, clamped: true },
    })
}
