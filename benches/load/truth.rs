//! What queries must find in a workload, counted from its lines: one pass with plain code that shares
//! nothing with the server. Where `facts.json` has an answer of its own, both have to agree.
//!
//! It knows the lines that `docs/performance.md` tells of: an object with fields of one level, times of
//! one length in UTC.

use crate::Result;
use crate::facts::Facts;
use crate::send::Body;
use serde::Deserialize;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Events of a page of the latest.
pub(crate) const LATEST: usize = 100;
/// Users that are told of a level.
pub(crate) const TOP: usize = 10;

/// A line of the workload, as far as it is asked for.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'a str,
    service: &'a str,
    #[serde(borrow)]
    message: Cow<'a, str>,
    host: &'a str,
    trace_id: &'a str,
    span_id: &'a str,
    user_id: &'a str,
    category: &'a str,
    path: Option<&'a str>,
    duration_ms: Option<f64>,
}

/// Counts by the value of a field.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The answers.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) events: u64,
    /// By the trace of each needle.
    pub(crate) needles: Counts,
    pub(crate) rare: Counts,
    /// By word, phrase or pattern, the events of each service.
    pub(crate) words: BTreeMap<String, Counts>,
    pub(crate) phrases: BTreeMap<String, Counts>,
    pub(crate) regexes: BTreeMap<String, Counts>,
    /// The times of the latest events, the latest first: of all, and of the errors of each service.
    pub(crate) latest: Vec<String>,
    pub(crate) latest_errors: BTreeMap<String, Vec<String>>,
    /// For each window of the facts, by hour and level: `2026-11-20T07 error`.
    pub(crate) windows: Vec<Counts>,
    /// The users with the most events of each level, the busiest first, then by name.
    pub(crate) top_users: BTreeMap<String, Vec<(String, u64)>>,
    /// The 95th percentile of each service's durations.
    pub(crate) p95: BTreeMap<String, f64>,
}

/// What is counted on the way.
#[derive(Debug, Default)]
struct Pass {
    truth: Truth,
    latest: Latest,
    latest_errors: BTreeMap<String, Latest>,
    users: BTreeMap<String, Counts>,
    durations: BTreeMap<String, Vec<f64>>,
}

/// The greatest texts.
#[derive(Debug, Default)]
struct Latest(BinaryHeap<Reverse<String>>);

impl Latest {
    fn add(&mut self, time: &str) {
        if self.0.len() == LATEST {
            match self.0.peek() {
                Some(Reverse(least)) if least.as_str() >= time => return,
                _ => drop(self.0.pop()),
            }
        }
        self.0.push(Reverse(time.to_owned()));
    }

    fn into_vec(self) -> Vec<String> {
        self.0.into_sorted_vec().into_iter().map(|Reverse(time)| time).collect()
    }
}

impl Truth {
    /// Counts what the lines of these bodies have of what the facts ask for.
    ///
    /// # Errors
    /// A line that is none of the workload's, or a fact that is another.
    pub(crate) fn count(bodies: &[Body], facts: &Facts) -> Result<Self> {
        let mut pass = Pass::default();
        let truth = &mut pass.truth;
        truth.needles = facts.needles.iter().map(|(trace, _)| (trace.clone(), 0)).collect();
        truth.rare = facts.rare.keys().map(|word| (word.clone(), 0)).collect();
        truth.windows = vec![Counts::new(); facts.windows.len()];
        for body in bodies {
            for line in body.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line: Line<'_> = serde_json::from_slice(line)
                    .map_err(|error| format!("{}: {error}", String::from_utf8_lossy(line)))?;
                pass.add(&line, facts);
            }
        }
        let truth = pass.finish();
        if truth.events == facts.events {
            truth.agrees_with(facts)?;
        }
        Ok(truth)
    }

    /// The facts have the same answers.
    fn agrees_with(&self, facts: &Facts) -> Result<()> {
        let total = |counts: &BTreeMap<String, Counts>, name: &String| -> u64 {
            counts.get(name).map_or(0, |counts| counts.values().sum())
        };
        let mut differ = Vec::new();
        let mut same = |what: &str, found: String, fact: String| {
            if found != fact {
                differ.push(format!("{what}: {found} were counted, facts.json says {fact}"));
            }
        };
        for (trace, count) in &facts.needles {
            same(trace, self.needles[trace].to_string(), count.to_string());
        }
        same("rare words", format!("{:?}", self.rare), format!("{:?}", facts.rare));
        for (word, counts) in &facts.words {
            let found = self.words.get(word).cloned().unwrap_or_default();
            same(word, format!("{found:?}"), format!("{counts:?}"));
        }
        for (phrase, count) in &facts.phrases {
            same(phrase, total(&self.phrases, phrase).to_string(), count.to_string());
        }
        for (regex, count) in &facts.regexes {
            same(regex, total(&self.regexes, regex).to_string(), count.to_string());
        }
        for (counts, window) in self.windows.iter().zip(&facts.windows) {
            same(&window.from, counts.values().sum::<u64>().to_string(), window.count.to_string());
        }
        for (level, counts) in &facts.top_users {
            let found: Vec<u64> = self.top_users[level].iter().map(|(_, count)| *count).collect();
            same(level, format!("{found:?}"), format!("{counts:?}"));
        }
        same("percentiles", format!("{:?}", self.p95), format!("{:?}", facts.p95));
        if differ.is_empty() { Ok(()) } else { Err(differ.join("\n").into()) }
    }
}

impl Pass {
    fn add(&mut self, line: &Line<'_>, facts: &Facts) {
        let Self { truth, latest, latest_errors, users, durations } = self;
        truth.events += 1;
        if let Some(count) = truth.needles.get_mut(line.trace_id) {
            *count += 1;
        }
        let add = |counts: &mut BTreeMap<String, Counts>, name: &str| {
            let counts = counts.entry(name.to_owned()).or_default();
            *counts.entry(line.service.to_owned()).or_default() += 1;
        };
        // A bare term is looked for in every field but time and level.
        let fields = [
            Some(&*line.message),
            Some(line.service),
            Some(line.host),
            Some(line.trace_id),
            Some(line.span_id),
            Some(line.user_id),
            Some(line.category),
            line.path,
        ];
        let folded: Vec<String> =
            fields.into_iter().flatten().map(str::to_ascii_lowercase).collect();
        let any = |wanted: &str| {
            let wanted = wanted.to_ascii_lowercase();
            folded.iter().any(|text| has_words(text, &wanted))
        };
        facts.words.keys().filter(|word| any(word)).for_each(|word| add(&mut truth.words, word));
        let phrases = facts.phrases.keys().filter(|phrase| any(phrase));
        phrases.for_each(|phrase| add(&mut truth.phrases, phrase));
        let regexes = facts.regexes.keys().filter(|regex| has_block(&line.message, regex));
        regexes.for_each(|regex| add(&mut truth.regexes, regex));
        for (word, count) in &mut truth.rare {
            *count += u64::from(any(word));
        }
        for (window, counts) in facts.windows.iter().zip(&mut truth.windows) {
            if (window.from.as_str()..window.to.as_str()).contains(&line.timestamp) {
                let key = format!("{} {}", &line.timestamp[..13], line.level);
                *counts.entry(key).or_default() += 1;
            }
        }
        latest.add(line.timestamp);
        if line.level == "error" {
            latest_errors.entry(line.service.to_owned()).or_default().add(line.timestamp);
        }
        let of_level = users.entry(line.level.to_owned()).or_default();
        *of_level.entry(line.user_id.to_owned()).or_default() += 1;
        if let Some(duration) = line.duration_ms {
            durations.entry(line.service.to_owned()).or_default().push(duration);
        }
    }

    fn finish(self) -> Truth {
        let Self { mut truth, latest, latest_errors, users, durations } = self;
        truth.latest = latest.into_vec();
        let latest =
            latest_errors.into_iter().map(|(service, latest)| (service, latest.into_vec()));
        truth.latest_errors = latest.collect();
        for (level, users) in users {
            let mut users: Vec<_> = users.into_iter().collect();
            users.sort_by(|(a_user, a), (b_user, b)| (b, a_user).cmp(&(a, b_user)));
            users.truncate(TOP);
            truth.top_users.insert(level, users);
        }
        for (service, mut durations) in durations {
            durations.sort_by(f64::total_cmp);
            let rank = (0.95 * (durations.len() - 1) as f64) as usize;
            truth.p95.insert(service, durations[rank]);
        }
        truth
    }
}

/// Whether the words stand in a text, both in small letters, beginning and ending where a word does.
fn has_words(text: &str, wanted: &str) -> bool {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(wanted).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_of_word)
            && !text[at + wanted.len()..].chars().next().is_some_and(is_of_word)
    })
}

/// Whether a text has what `blk_[0-9]+77` finds: digits of which the two last of some beginning are these,
/// with one at least before them.
pub(crate) fn has_block(text: &str, regex: &str) -> bool {
    let end = regex.strip_prefix("blk_[0-9]+").expect("all patterns of workloads are like this");
    text.match_indices("blk_").any(|(at, found)| {
        let digits = &text[at + found.len()..];
        let len = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        (1..len).any(|at| digits[at..len].starts_with(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_blocks_are_found_where_they_are() {
        assert!(has_words("a connection, refused", "connection"));
        assert!(!has_words("connections of connection_id", "connection"));
        assert!(has_words("user", "user") && !has_words("éuser", "user"));
        assert!(has_block("blk_177 x", "blk_[0-9]+77") && has_block("blk_777", "blk_[0-9]+77"));
        assert!(has_block("blk_-1 blk_9778", "blk_[0-9]+77"));
        assert!(!has_block("blk_77 blk_-177 blk_1787", "blk_[0-9]+77"));
    }

    #[test]
    fn the_latest_are_kept_in_order() {
        let mut latest = Latest::default();
        (0..500).for_each(|n: u32| latest.add(&format!("{:03}", n * 7 % 500)));
        let wanted: Vec<String> = (400..500).rev().map(|n| format!("{n:03}")).collect();
        assert_eq!(latest.into_vec(), wanted);
    }
}
