//! What queries must find in the copies that were sent so far. What a copy has as often as the workload is
//! counted there once (see truth.rs); what depends on times or on drawn digits is counted in the copies' own
//! bytes, which are made again for that.

use super::calendar::{self, DATE};
use super::copies::{self, Copies};
use super::places::CLOCK;
use crate::Result;
use crate::facts::Facts;
use crate::truth::{Counts, LATEST, Truth, has_block};
use bytes::BytesMut;
use std::collections::BTreeMap;

/// Hours of a window, and how far its beginning is from a full hour.
const WINDOW_HOURS: f64 = 12.24;
const OFF_HOUR: f64 = 0.37;
const WINDOWS: u64 = 8;
const HOUR_MICROS: f64 = 3.6e9;

/// The answers as of so many copies.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) copies: &'a Copies,
    /// Copies that were sent.
    pub(super) sent: u64,
    /// Of the workload itself.
    pub(super) truth: &'a Truth,
    /// The day that is asked for, counted from 1970-01-01.
    pub(super) day: u64,
    /// Ranges of that day, and their events by hour and level.
    pub(super) windows: Vec<(String, String, Counts)>,
    /// Of that day, by pattern and service.
    pub(super) regexes: BTreeMap<String, Counts>,
    /// The times of the latest events, the latest first: of all, and of the errors of each service.
    pub(super) latest: Vec<String>,
    pub(super) latest_errors: BTreeMap<String, Vec<String>>,
}

impl<'a> Expected<'a> {
    /// Counts what there is in the first `sent` copies, and in one of their whole days.
    pub(super) fn count(
        copies: &'a Copies,
        sent: u64,
        facts: &Facts,
        truth: &'a Truth,
    ) -> Result<Self> {
        let days = sent / copies.per_day;
        if days == 0 {
            return Err("not even a day was sent".into());
        }
        let day = copies.first_day + days / 2;
        let mut expected = Self {
            copies,
            sent,
            truth,
            day,
            windows: Vec::new(),
            regexes: BTreeMap::new(),
            latest: Vec::new(),
            latest_errors: BTreeMap::new(),
        };
        expected.windows = (0..WINDOWS).map(|k| expected.window(k)).collect();
        expected.count_regexes(facts);
        expected.find_latest();
        Ok(expected)
    }

    /// The copies of the day.
    fn of_day(&self) -> std::ops::Range<u64> {
        let first = (self.day - self.copies.first_day) * self.copies.per_day;
        first..first + self.copies.per_day
    }

    /// A count of the workload, in all copies of the day.
    pub(super) fn in_day(&self, count: u64) -> u64 {
        count * self.copies.per_day
    }

    /// A count of the workload, in all copies that were sent.
    pub(super) fn in_all(&self, count: u64) -> u64 {
        count * self.sent
    }

    /// The workload's events by level.
    pub(super) fn levels(&self) -> Counts {
        let mut counts = Counts::new();
        let places = &self.copies.places;
        for line in places.bases.iter().flat_map(|base| &base.lines) {
            *counts.entry(places.levels[usize::from(line.level)].clone()).or_default() += 1;
        }
        counts
    }

    fn window(&self, k: u64) -> (String, String, Counts) {
        let from = ((k as f64 + OFF_HOUR) * HOUR_MICROS) as u64;
        let to = from + (WINDOW_HOURS * HOUR_MICROS) as u64;
        let places = &self.copies.places;
        // By hour and level, as numbers.
        let mut counts = vec![[0u64; 24]; places.levels.len()];
        for copy in self.of_day() {
            for line in places.bases.iter().flat_map(|base| &base.lines) {
                let micros = self.copies.micros(copy, line.micros);
                if (from..to).contains(&micros) {
                    counts[usize::from(line.level)][(micros / 3_600_000_000) as usize] += 1;
                }
            }
        }
        let date = calendar::date(self.day);
        let mut named = Counts::new();
        for (level, hours) in places.levels.iter().zip(counts) {
            let hours = hours.into_iter().enumerate().filter(|(_, count)| *count > 0);
            named.extend(hours.map(|(hour, count)| (format!("{date}T{hour:02} {level}"), count)));
        }
        (calendar::time(self.day, from), calendar::time(self.day, to), named)
    }

    fn count_regexes(&mut self, facts: &Facts) {
        self.regexes = facts.regexes.keys().map(|regex| (regex.clone(), Counts::new())).collect();
        let places = &self.copies.places;
        let mut made = BytesMut::new();
        for copy in self.of_day() {
            for (number, base) in places.bases.iter().enumerate() {
                self.copies.make(copy, number, &mut made);
                for line in &base.lines {
                    let message = &made[line.message.0 as usize..line.message.1 as usize];
                    // What has to be found has no backslash: a message is looked at as it was sent.
                    let message = std::str::from_utf8(message).expect("the workload is text");
                    if !message.contains("blk_") {
                        continue;
                    }
                    for (regex, counts) in &mut self.regexes {
                        if has_block(message, regex) {
                            let service = &places.services[usize::from(line.service)];
                            *counts.entry(service.clone()).or_default() += 1;
                        }
                    }
                }
            }
        }
    }

    /// Goes back from the last line until there are enough of all.
    fn find_latest(&mut self) {
        let places = &self.copies.places;
        let error = places.levels.iter().position(|level| level == "error");
        let mut errors: Vec<Vec<String>> = vec![Vec::new(); places.services.len()];
        let mut made = BytesMut::new();
        'all: for copy in (0..self.sent).rev() {
            for (number, base) in places.bases.iter().enumerate().rev() {
                if self.latest.len() == LATEST && errors.iter().all(|times| times.len() == LATEST) {
                    break 'all;
                }
                self.copies.make(copy, number, &mut made);
                for line in base.lines.iter().rev() {
                    let of_service = &mut errors[usize::from(line.service)];
                    let is_error = Some(usize::from(line.level)) == error;
                    let lists = [Some(&mut self.latest), is_error.then_some(of_service)];
                    for list in lists.into_iter().flatten().filter(|list| list.len() < LATEST) {
                        let time = &made[line.date_at as usize..][..DATE + 1 + CLOCK + 1];
                        list.push(String::from_utf8_lossy(time).into_owned());
                    }
                }
            }
        }
        self.latest_errors = places.services.iter().cloned().zip(errors).collect();
    }

    /// A trace of some copy, and how many events have it. Copies take turns.
    pub(super) fn needle(&self, k: usize) -> (String, u64) {
        let copy = self.some_copy(k);
        let (trace, count) =
            self.truth.needles.iter().nth(k % self.truth.needles.len()).expect("k");
        let number = u128::from_str_radix(trace, 16).expect("the lines with it were read");
        (copies::trace(copy, number), *count)
    }

    /// A rare word of some copy, and how many events have it.
    pub(super) fn rare(&self, k: usize) -> (String, u64) {
        let (word, count) = self.truth.rare.iter().nth(k % self.truth.rare.len()).expect("k");
        (copies::rare(self.some_copy(k), word), *count)
    }

    /// The copies in an order in which the next one is far away.
    fn some_copy(&self, k: usize) -> u64 {
        (self.sent - 1).saturating_sub(k as u64 * (self.sent * 5 / 13).max(1) % self.sent)
    }
}
