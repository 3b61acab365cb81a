//! The places of a shape: words, and quantities and dates of several words.
//!
//! `took <*> ms`, `took <*> sec`, `lifetime <*>` say the same of different numbers, and so do
//! `at Mon Jun <*>` and `at Tue Jul <*>`. A number with its units, or with the day and the month that
//! make it a date, is one place, whatever its words are.

use super::words::HOLE;

/// A place of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// What is compared: a word, or a hole for a quantity.
    pub(super) word: &'a [u8],
    /// What stands there.
    pub(super) text: &'a [u8],
}

/// Words that only measure the number before them, in any case.
const UNITS: [&str; 34] = [
    "b", "byte", "bytes", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib", "ns", "us", "ms",
    "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute", "minutes", "h", "hr",
    "hrs", "hour", "hours", "d", "day", "days", "am", "pm",
];

/// Words that make a date of the number behind them; three letters of them do, too.
const DAYS_AND_MONTHS: [&str; 19] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The places of a shape, at least one.
pub(super) fn places(shape: &[u8]) -> Vec<Place<'_>> {
    let words: Vec<&[u8]> = shape.split(|byte| *byte == b' ').collect();
    let mut places = Vec::with_capacity(words.len());
    let (mut rest, mut start) = (&words[..], 0);
    while !rest.is_empty() {
        let quantity = quantity(rest);
        let (mine, others) = rest.split_at(quantity.max(1));
        let end = start + mine.iter().map(|word| word.len() + 1).sum::<usize>() - 1;
        let text = &shape[start..end];
        places.push(Place { word: if quantity > 0 { &[HOLE] } else { text }, text });
        (rest, start) = (others, end + 1);
    }
    places
}

/// How many of the first words are a quantity or a date.
fn quantity(words: &[&[u8]]) -> usize {
    let mut len = 0;
    loop {
        let rest = &words[len..];
        let dates = rest.iter().take_while(|word| is_of_date(core(word))).count();
        match rest.get(dates) {
            Some(word) if core(word) == [HOLE] => len += dates + 1,
            Some(word) if len > 0 && dates == 0 && is_unit(core(word)) => len += 1,
            _ => return len,
        }
    }
}

/// A word without the marks around it.
pub(super) fn core(word: &[u8]) -> &[u8] {
    let marks = |byte: &&u8| byte.is_ascii_punctuation();
    let head = word.iter().take_while(marks).count();
    let tail = word[head..].iter().rev().take_while(marks).count();
    &word[head..word.len() - tail]
}

fn is_unit(word: &[u8]) -> bool {
    UNITS.iter().any(|unit| word.eq_ignore_ascii_case(unit.as_bytes()))
}

fn is_of_date(word: &[u8]) -> bool {
    let names = DAYS_AND_MONTHS.iter().map(|name| name.as_bytes());
    if word.len() == 3 {
        names.map(|name| &name[..3]).any(|name| name == word)
    } else {
        names.into_iter().any(|name| name == word)
    }
}
