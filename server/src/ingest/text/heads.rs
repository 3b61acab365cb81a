//! One reader for the beginning of each layout's lines. Each reads its layout or gives up: what it
//! has eaten by then does not matter.

use super::layout::{Clock, Head};
use super::word;
use crate::ingest::cursor::Cursor;
use crate::ingest::level;
use crate::ingest::time::{Civil, ParsedTime, date, fraction, parse_timestamp, time_of_day, zone};
use logstrata_engine::{Level, Timestamp};

const NS_PER_SECOND: i64 = 1_000_000_000;
/// Epochs of text logs lie between 2001-09-09 and 2096-10-02: ten digits of seconds.
const EPOCH_SECONDS: std::ops::Range<i64> = 1_000_000_000..4_000_000_000;

fn head(time: ParsedTime, level: Option<Level>) -> Option<Head> {
    Some(Head { time: time.timestamp, level })
}

/// A time that columns follow, the level among them.
pub(super) fn plain(time: ParsedTime, behind: &Cursor<'_>) -> Option<Head> {
    head(time, word::column(behind.rest()))
}

/// A date and time of RFC 3339, also in a bracket.
pub(super) fn iso(cursor: &mut Cursor<'_>, clock: Clock) -> Option<ParsedTime> {
    cursor.eat(b'[');
    let mut civil = date(cursor)?;
    cursor.eat_if(|byte| matches!(byte, b'T' | b't' | b' ' | b'_'))?;
    time_of_day(cursor, &mut civil)?;
    let offset = zone(cursor).unwrap_or(clock.offset);
    cursor.eat(b']');
    civil.at_offset(offset)
}

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

fn month_name(cursor: &mut Cursor<'_>) -> Option<u32> {
    (1..).zip(MONTHS).find_map(|(number, name)| cursor.eat_word(name).then_some(number))
}

/// The month and the day, `Jun 14` or `Jul  1`.
fn month_and_day(cursor: &mut Cursor<'_>) -> Option<Civil> {
    let month = month_name(cursor)?;
    cursor.eat_if(|byte| byte == b' ')?;
    cursor.skip_spaces();
    let day = cursor.digits_up_to(2)?;
    cursor.eat_if(|byte| byte == b' ')?;
    Some(Civil { month, day, ..Civil::default() })
}

pub(super) fn syslog(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    let severity = priority(cursor);
    if severity.is_some() {
        // RFC 5424 has its version here, and a time of RFC 3339.
        let mut versioned = *cursor;
        if versioned.digits_up_to(2).is_some() && versioned.eat(b' ') {
            return head(iso(&mut versioned, clock)?, severity);
        }
    }
    let mut civil = month_and_day(cursor)?;
    let mut with_year = *cursor;
    let time = match with_year.digits(4).filter(|_| with_year.eat(b' ')) {
        Some(year) => {
            civil.year = year;
            *cursor = with_year;
            time_of_day(cursor, &mut civil)?;
            civil.at_offset(clock.offset)?
        }
        None => {
            time_of_day(cursor, &mut civil)?;
            clock.latest(civil)?
        }
    };
    head(time, severity.or_else(|| word::after_tag(cursor.rest())))
}

/// The severity in `<34>`.
fn priority(cursor: &mut Cursor<'_>) -> Option<Level> {
    let mut ahead = *cursor;
    ahead.eat_if(|byte| byte == b'<')?;
    let priority = ahead.digits_up_to(3)?;
    ahead.eat_if(|byte| byte == b'>')?;
    *cursor = ahead;
    let severity = [b'0' + u8::try_from(priority % 8).ok()?];
    level::parse_level(&severity)
}

pub(super) fn bracketed(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    cursor.eat_if(|byte| byte == b'[')?;
    let weekday = cursor.take_while(|byte| byte.is_ascii_alphabetic());
    if weekday.len() != 3 || !cursor.eat(b' ') {
        return None;
    }
    let mut civil = month_and_day(cursor)?;
    time_of_day(cursor, &mut civil)?;
    cursor.eat_if(|byte| byte == b' ')?;
    civil.year = cursor.digits(4)?;
    cursor.eat_if(|byte| byte == b']')?;
    head(civil.at_offset(clock.offset)?, word::column(cursor.rest()))
}

pub(super) fn slashes(cursor: &mut Cursor<'_>, clock: Clock) -> Option<ParsedTime> {
    let year = two_digit_year(cursor.digits(2)?);
    cursor.eat_if(|byte| byte == b'/')?;
    let month = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b'/')?;
    let day = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b' ')?;
    let mut civil = Civil { year, month, day, ..Civil::default() };
    time_of_day(cursor, &mut civil)?;
    civil.at_offset(clock.offset)
}

/// As POSIX reads them: 69 to 99 are of the last century.
fn two_digit_year(year: u32) -> u32 {
    if year < 69 { 2_000 + year } else { 1_900 + year }
}

pub(super) fn compact(cursor: &mut Cursor<'_>, clock: Clock) -> Option<ParsedTime> {
    let year = two_digit_year(cursor.digits(2)?);
    let (month, day) = (cursor.digits(2)?, cursor.digits(2)?);
    cursor.eat_if(|byte| byte == b' ')?;
    let (hour, minute, second) = (cursor.digits(2)?, cursor.digits(2)?, cursor.digits(2)?);
    if !cursor.is_end() {
        cursor.eat_if(|byte| byte == b' ')?;
    }
    Civil { year, month, day, hour, minute, second, nanos: 0 }.at_offset(clock.offset)
}

/// `LABEL EPOCH YYYY.MM.DD NODE …`. Blue Gene goes on with a local time that has microseconds, the
/// node again, kind, component and level.
pub(super) fn supercomputer(cursor: &mut Cursor<'_>) -> Option<Head> {
    cursor.token();
    cursor.eat_if(|byte| byte == b' ')?;
    let mut time = epoch(cursor)?;
    cursor.eat_if(|byte| byte == b' ')?;
    cursor.digits(4).filter(|_| cursor.eat(b'.'))?;
    cursor.digits(2).filter(|_| cursor.eat(b'.'))?;
    cursor.digits(2).filter(|_| cursor.eat(b' '))?;
    let node = cursor.token();
    cursor.skip_spaces();
    let Some(local) = dotted_time(cursor) else { return head(time, None) };
    // The epoch says the instant, the local time its fraction, if they mean the same second.
    let seconds = time.timestamp.0.div_euclid(NS_PER_SECOND);
    if seconds.rem_euclid(3_600) == i64::from(local.minute * 60 + local.second) {
        time.timestamp.0 += i64::from(local.nanos);
    }
    cursor.skip_spaces();
    if cursor.token() != node {
        return head(time, None);
    }
    for _kind_and_component in 0..2 {
        cursor.skip_spaces();
        cursor.token();
    }
    cursor.skip_spaces();
    head(time, level::from_name(cursor.token()).map(|(level, _)| level))
}

/// `2005-06-03-15.42.50.675872`.
fn dotted_time(cursor: &mut Cursor<'_>) -> Option<Civil> {
    let mut ahead = *cursor;
    let mut civil = date(&mut ahead)?;
    ahead.eat_if(|byte| byte == b'-')?;
    civil.hour = ahead.digits(2)?;
    ahead.eat_if(|byte| byte == b'.')?;
    civil.minute = ahead.digits(2)?;
    ahead.eat_if(|byte| byte == b'.')?;
    civil.second = ahead.digits(2)?;
    civil.nanos = fraction(&mut ahead)?;
    *cursor = ahead;
    Some(civil)
}

/// `20171224-1:2:35:789`.
pub(super) fn colons(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    let (year, month, day) = (cursor.digits(4)?, cursor.digits(2)?, cursor.digits(2)?);
    cursor.eat_if(|byte| byte == b'-')?;
    let hour = cursor.digits_up_to(2)?;
    cursor.eat_if(|byte| byte == b':')?;
    let minute = cursor.digits_up_to(2)?;
    cursor.eat_if(|byte| byte == b':')?;
    let second = cursor.digits_up_to(2)?;
    cursor.eat_if(|byte| byte == b':')?;
    // Milliseconds, without leading zeros.
    let nanos = cursor.digits_up_to(3)? * 1_000_000;
    let civil = Civil { year, month, day, hour, minute, second, nanos };
    head(civil.at_offset(clock.offset)?, None)
}

pub(super) fn logcat(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    let month = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b'-')?;
    let day = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b' ')?;
    let mut civil = Civil { month, day, ..Civil::default() };
    time_of_day(cursor, &mut civil)?;
    let time = clock.latest(civil)?;
    cursor.skip_spaces();
    let ids = cursor.digits_up_to(9).is_some() && {
        cursor.skip_spaces();
        cursor.digits_up_to(9).is_some()
    };
    cursor.skip_spaces();
    let letter = cursor.token();
    if !ids || letter.len() != 1 {
        return head(time, None);
    }
    head(time, level::from_name(letter).map(|(level, _)| level))
}

pub(super) fn dotted(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    cursor.eat_if(|byte| byte == b'[')?;
    let month = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b'.')?;
    let day = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b' ')?;
    let mut civil = Civil { month, day, ..Civil::default() };
    time_of_day(cursor, &mut civil)?;
    cursor.eat_if(|byte| byte == b']')?;
    head(clock.latest(civil)?, None)
}

pub(super) fn fifth_column(cursor: &mut Cursor<'_>) -> Option<Head> {
    cursor.digits_up_to(9)?;
    for _node_component_state in 0..3 {
        cursor.eat_if(|byte| byte == b' ')?;
        if cursor.token().is_empty() {
            return None;
        }
    }
    cursor.eat_if(|byte| byte == b' ')?;
    let time = epoch(cursor)?;
    cursor.eat_if(|byte| byte == b' ')?;
    cursor.eat_if(|byte| byte.is_ascii_digit())?;
    head(time, None)
}

pub(super) fn glog(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    let letter = cursor.eat_if(|byte| matches!(byte, b'I' | b'W' | b'E' | b'F' | b'D'))?;
    let (month, day) = (cursor.digits(2)?, cursor.digits(2)?);
    cursor.eat_if(|byte| byte == b' ')?;
    let mut civil = Civil { month, day, ..Civil::default() };
    time_of_day(cursor, &mut civil)?;
    head(clock.latest(civil)?, level::parse_level(&[letter]))
}

/// The time of web servers' access logs: `[10/Oct/2000:13:55:36 -0700]` behind three words.
pub(super) fn access(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    for _host_ident_user in 0..3 {
        if cursor.token().is_empty() || !cursor.eat(b' ') {
            return None;
        }
    }
    cursor.eat_if(|byte| byte == b'[')?;
    let day = cursor.digits(2)?;
    cursor.eat_if(|byte| byte == b'/')?;
    let month = month_name(cursor)?;
    cursor.eat_if(|byte| byte == b'/')?;
    let year = cursor.digits(4)?;
    cursor.eat_if(|byte| byte == b':')?;
    let mut civil = Civil { year, month, day, ..Civil::default() };
    time_of_day(cursor, &mut civil)?;
    head(civil.at_offset(zone(cursor).unwrap_or(clock.offset))?, None)
}

/// Ten digits of seconds with or without a fraction, or thirteen of milliseconds.
pub(super) fn epoch(cursor: &mut Cursor<'_>) -> Option<ParsedTime> {
    let digits = cursor.take_while(|byte| byte.is_ascii_digit());
    let (seconds, rest) = digits.split_at_checked(10)?;
    let mut seconds = Cursor::new(seconds);
    let seconds = i64::from(seconds.digits(5)?) * 100_000 + i64::from(seconds.digits(5)?);
    let nanos = match rest.len() {
        0 => fraction(cursor).unwrap_or(0),
        3 => Cursor::new(rest).digits(3)? * 1_000_000,
        _ => return None,
    };
    if !EPOCH_SECONDS.contains(&seconds) {
        return None;
    }
    let (timestamp, clamped) = Timestamp::from_parts_clamped(seconds, nanos);
    Some(ParsedTime { timestamp, clamped })
}

pub(super) fn logfmt(line: &[u8]) -> Option<Head> {
    let first = line.split(|byte| *byte == b' ').next()?;
    if !first.contains(&b'=') {
        return None;
    }
    let time = [b"time=".as_slice(), b"ts=", b"timestamp=", b"t="]
        .into_iter()
        .find_map(|key| word::value_of(line, key))?;
    let level = [b"level=".as_slice(), b"lvl=", b"severity="]
        .into_iter()
        .find_map(|key| word::value_of(line, key))
        .and_then(level::parse_level);
    head(parse_timestamp(time)?, level)
}

pub(super) fn prefixed(cursor: &mut Cursor<'_>, clock: Clock) -> Option<Head> {
    const PREFIX_BYTES_MAX: usize = 96;
    let first = cursor.token();
    let own_level = word::of_token(first, true);
    for before in [first, b""] {
        if before.len() > PREFIX_BYTES_MAX {
            return None;
        }
        cursor.skip_spaces();
        let mut ahead = *cursor;
        if let Some(time) = iso(&mut ahead, clock) {
            return head(time, own_level.or_else(|| word::column(ahead.rest())));
        }
        cursor.token();
    }
    None
}
