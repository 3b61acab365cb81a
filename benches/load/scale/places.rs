//! Where the lines of a body have what each copy of them has anew, found once.

use super::calendar;
use crate::Result;
use crate::send::Body;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Characters of a trace and of a span, in hexadecimal digits.
pub(super) const TRACE: usize = 32;
pub(super) const SPAN: usize = 16;
/// Characters of a time from its hour to its last digit: `00:21:36.070310`.
pub(super) const CLOCK: usize = 15;
/// Digits that stand together are drawn by the workload's generator if they are so many at least.
const DRAWN: usize = 2;

/// A body and the places in it.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: Vec<Line>,
    /// Digits of messages that are drawn.
    pub(super) digits: Vec<u32>,
    /// Rare words.
    pub(super) rare: Vec<u32>,
}

/// A line of a body.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) date_at: u32,
    pub(super) trace_at: u32,
    pub(super) span_at: u32,
    /// Its time, in microseconds of its day.
    pub(super) micros: u64,
    pub(super) trace: u128,
    pub(super) span: u64,
    /// Level and service, as places in the lists of [`Places`].
    pub(super) level: u8,
    pub(super) service: u16,
    /// Where the message ends, for who looks into it.
    pub(super) message: (u32, u32),
}

/// All bodies of a workload, whose lines are of one day, in order of time.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) bases: Vec<Base>,
    pub(super) levels: Vec<String>,
    pub(super) services: Vec<String>,
    pub(super) events: u64,
}

impl Places {
    /// # Errors
    /// A line that is none of the workload's.
    pub(super) fn find<'a>(bodies: &[Body], rare: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut places = Self::default();
        let rare: Vec<&[u8]> = rare.map(str::as_bytes).collect();
        let runs = Runs::count(bodies)?;
        let mut day = None;
        let mut last = 0;
        for body in bodies {
            let bytes = body.bytes.to_vec();
            let mut base = Base { bytes, lines: Vec::new(), digits: Vec::new(), rare: Vec::new() };
            for range in lines(&base.bytes) {
                let text = &base.bytes[range.clone()];
                let line = places.line(text, range.start).ok_or_else(|| {
                    format!("not a line of the workload: {}", String::from_utf8_lossy(text))
                })?;
                let date = &base.bytes[line.date_at as usize..][..calendar::DATE];
                if day.get_or_insert_with(|| date.to_vec()) != date || line.micros < last {
                    return Err("the workload's lines are not of one day, in order of time".into());
                }
                last = line.micros;
                let (from, to) = (line.message.0 as usize, line.message.1 as usize);
                let message = &base.bytes[from..to];
                runs.drawn(message, |at| base.digits.extend(at.map(|at| (from + at) as u32)));
                for word in &rare {
                    base.rare.extend(words(message, word).map(|at| (from + at) as u32));
                }
                base.lines.push(line);
            }
            places.events += base.lines.len() as u64;
            places.bases.push(base);
        }
        Ok(places)
    }

    fn line(&mut self, line: &[u8], start: usize) -> Option<Line> {
        let at = |offset: usize| (start + offset) as u32;
        let (date_at, date_end) = value(line, "timestamp")?;
        let time = &line[date_at..date_end];
        let clock = time.get(calendar::DATE + 1..calendar::DATE + 1 + CLOCK)?;
        if time.len() != calendar::DATE + 1 + CLOCK + 1 || time.last() != Some(&b'Z') {
            return None;
        }
        let (trace_at, trace_end) = value(line, "trace_id")?;
        let (span_at, span_end) = value(line, "span_id")?;
        let (level, service) = (value(line, "level")?, value(line, "service")?);
        let message = value(line, "message")?;
        let trace = hexadecimal(&line[trace_at..trace_end], TRACE)?;
        let span = u64::try_from(hexadecimal(&line[span_at..span_end], SPAN)?).ok()?;
        Some(Line {
            date_at: at(date_at),
            trace_at: at(trace_at),
            span_at: at(span_at),
            micros: calendar::micros(clock)?,
            trace,
            span,
            level: u8::try_from(number(&mut self.levels, &line[level.0..level.1])?).ok()?,
            service: u16::try_from(number(&mut self.services, &line[service.0..service.1])?)
                .ok()?,
            message: (at(message.0), at(message.1)),
        })
    }
}

/// The place of a name in a list, which gets it if it has it not.
fn number(names: &mut Vec<String>, name: &[u8]) -> Option<usize> {
    let name = std::str::from_utf8(name).ok()?;
    Some(names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    }))
}

/// Where lines with something in them are.
fn lines(bytes: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let len = line.strip_suffix(b"\n").unwrap_or(line).len();
        (len > 0).then_some(start..start + len)
    })
}

/// Where the text of a field is. The names of fields have their quotes here, which within a text have
/// backslashes.
fn value(line: &[u8], field: &str) -> Option<(usize, usize)> {
    let name = format!("\"{field}\":\"");
    let start = find(line, name.as_bytes())? + name.len();
    let mut end = start;
    loop {
        match line.get(end)? {
            b'"' => return Some((start, end)),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    let mut at = 0;
    loop {
        at += text[at..].iter().position(|byte| byte == first)?;
        if text[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
}

/// The places at which a word stands alone.
fn words<'a>(text: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + find(&text[from..], word)?;
        from = at + word.len();
        Some((at, from))
    })
    .filter(move |(at, end)| {
        !text[..*at].last().is_some_and(is_of_word) && !text.get(*end).is_some_and(is_of_word)
    })
    .map(|(at, _)| at)
}

fn hexadecimal(text: &[u8], len: usize) -> Option<u128> {
    // Small letters only: a copy writes such.
    let is_small = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = std::str::from_utf8(text).ok()?;
    (text.len() == len && text.bytes().all(|byte| is_small(&byte)))
        .then(|| u128::from_str_radix(text, 16).ok())?
}

/// Runs of digits, by the sentence they stand in: how often each has been seen.
///
/// The workload's generator draws some runs of a line anew each time and keeps the others, without telling
/// which. A run that comes again at its place more often than chance lets it is one that was kept.
#[derive(Debug, Default)]
struct Runs {
    hasher: RandomState,
    /// How often, by the hash of a sentence and the run's place in it, with the run's digits and without.
    seen: HashMap<u64, u32>,
}

impl Runs {
    fn count(bodies: &[Body]) -> Result<Self> {
        let mut runs = Self::default();
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        for body in bodies {
            for range in lines(&body.bytes) {
                let line = &body.bytes[range];
                let (from, to) = value(line, "message").ok_or("a line without a message")?;
                let message = &line[from..to];
                runs.keys(message, &mut keys, &mut places);
                for key in &keys {
                    *runs.seen.entry(key.run).or_default() += 1;
                    *runs.seen.entry(key.place).or_default() += 1;
                }
            }
        }
        Ok(runs)
    }

    /// Tells the places of digits that are drawn.
    fn drawn(&self, message: &[u8], mut tell: impl FnMut(std::ops::Range<usize>)) {
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        self.keys(message, &mut keys, &mut places);
        for (key, range) in keys.iter().zip(places) {
            let [run, place] = [key.run, key.place].map(|key| f64::from(self.seen[&key]));
            let by_chance = place / 10f64.powi(range.len() as i32);
            if run <= 3.0 + 2.0 * by_chance {
                tell(range);
            }
        }
    }

    fn keys(&self, message: &[u8], keys: &mut Vec<Key>, places: &mut Vec<std::ops::Range<usize>>) {
        keys.clear();
        places.clear();
        digits(message, places);
        // The sentence is what stands between the runs, and how long they are.
        let mut at = 0;
        let between = places.iter().map(|run| {
            let before = &message[at..run.start];
            at = run.end;
            (before, run.len())
        });
        let between: Vec<_> = between.collect();
        let sentence = self.hasher.hash_one((between, &message[at..]));
        keys.extend(places.iter().map(|run| Key {
            place: self.hasher.hash_one((sentence, run.start)),
            run: self.hasher.hash_one((sentence, run.start, &message[run.clone()])),
        }));
    }
}

/// A run and its place, as hashes.
#[derive(Debug)]
struct Key {
    place: u64,
    run: u64,
}

/// The runs of digits that may be drawn, in a text within quotes.
fn digits(text: &[u8], runs: &mut Vec<std::ops::Range<usize>>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let len = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len >= DRAWN {
            runs.push(at..at + len);
        }
        at += match byte {
            // \u001b has no digits that could change.
            b'\\' if text.get(at + 1) == Some(&b'u') => 6,
            b'\\' => 2,
            _ => len.max(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_digits_are_those_that_no_escape_has() {
        let mut runs = Vec::new();
        digits(br#"1 23 a456\u0012 \"78\\90 \n12"#, &mut runs);
        assert_eq!(runs, [2..4, 6..9, 18..20, 22..24, 27..29]);
    }

    #[test]
    fn a_run_that_comes_again_is_kept_and_others_are_drawn() {
        let line = |n: u32| {
            format!("{{\"message\":\"port {:05} of 2005, code 77\"}}\n", n * 7919 % 100_000)
        };
        let bytes = (0..50).map(line).collect::<String>();
        let runs = Runs::count(&[Body { events: 50, bytes: bytes.into() }]).unwrap();
        let mut drawn = Vec::new();
        runs.drawn(b"port 07919 of 2005, code 77", |run| drawn.push((run.start, run.end)));
        assert_eq!(drawn, [(5, 10)]);
    }

    #[test]
    fn words_stand_alone() {
        let found: Vec<_> = words(b"rare, rarest rare unrare rare", b"rare").collect();
        assert_eq!(found, [0, 13, 25]);
    }

    #[test]
    fn a_value_ends_at_its_own_quote() {
        let line = br#"{"a":"x\"b\":\"","b":"y"}"#;
        assert_eq!(value(line, "a"), Some((6, 15)));
        assert_eq!(value(line, "b").map(|(from, to)| &line[from..to]), Some(&b"y"[..]));
        assert_eq!(value(br#"{"a":"x"#, "a"), None);
    }
}
