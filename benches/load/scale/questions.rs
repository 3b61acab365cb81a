//! The queries of a store of many days: those that end early or ask for one day, which should take as
//! long whatever else is stored, and those over all that is stored, which tell how that grows.

use super::calendar;
use super::expected::Expected;
use crate::Result;
use crate::queries::{Question, ask, nth, search, stats};
use crate::report::{QueryTimes, Waits};
use crate::truth::{Counts, TOP, Truth};
use logstrata_client::Client;
use logstrata_client::wire::{SearchQuery, StatsQuery};
use std::time::Instant;

type Ask = fn(&Expected<'_>, usize) -> Question;

const KINDS: [(&str, Ask); 14] = [
    ("needle by trace id", |expected, k| needle(expected, k)),
    ("absent needle", |_, k| {
        Question::Page(search(&format!("trace_id:{:032x}", 0xfeed_0000 + k), 1_000), 0)
    }),
    ("rare word", |expected, k| {
        let (word, count) = expected.rare(k);
        Question::Page(search(&word, 1_000), count)
    }),
    ("latest 100", |expected, _| Question::Times(search("", 100), expected.latest.clone())),
    ("latest 100 errors of a service", |expected, k| {
        let (service, times) = nth(&expected.latest_errors, k);
        Question::Times(search(&format!("level:error service:{service}"), 100), times.clone())
    }),
    ("12 hours by hour and level", |expected, k| {
        let (from, to, counts) = &expected.windows[k % expected.windows.len()];
        let query = StatsQuery {
            from: Some(from.clone()),
            to: Some(to.clone()),
            interval: Some("1h".into()),
            group_by: Some("level".into()),
            ..StatsQuery::default()
        };
        Question::Counts(query, counts.clone())
    }),
    ("word by service, a day", |expected, k| {
        let (word, counts) = nth(&expected.truth.words, k);
        Question::Counts(day(expected, stats(word, "service")), times(counts, expected.in_day(1)))
    }),
    ("regular expression by service, a day", |expected, k| {
        let (regex, counts) = nth(&expected.regexes, k);
        let query = stats(&format!("message:/{regex}/"), "service");
        Question::Counts(day(expected, query), counts.clone())
    }),
    ("top users of a level, a day", |expected, k| {
        let (query, wanted) = top_users(expected.truth, k, expected.in_day(1));
        let (from, to) = whole_day(expected);
        Question::List(SearchQuery { from: Some(from), to: Some(to), ..query }, wanted)
    }),
    ("95th percentile by service, a day", |expected, _| {
        Question::Figures(day(expected, percentile()), expected.truth.p95.clone())
    }),
    ("word by service, all", |expected, k| {
        let (word, counts) = nth(&expected.truth.words, k);
        Question::Counts(stats(word, "service"), times(counts, expected.in_all(1)))
    }),
    ("count by level, all", |expected, _| everything(expected)),
    ("top users of a level, all", |expected, k| {
        let (query, wanted) = top_users(expected.truth, k, expected.in_all(1));
        Question::List(query, wanted)
    }),
    // So many copies of the same durations have the same percentile, but for a place of one copy's.
    ("95th percentile by service, all", |expected, _| {
        Question::Figures(percentile(), expected.truth.p95.clone())
    }),
];

/// A trace of some copy.
pub(super) fn needle(expected: &Expected<'_>, k: usize) -> Question {
    let (trace, count) = expected.needle(k);
    Question::Page(search(&format!("trace_id:{trace}"), 1_000), count)
}

/// All that is stored, by level.
pub(super) fn everything(expected: &Expected<'_>) -> Question {
    Question::Counts(stats("", "level"), times(&expected.levels(), expected.in_all(1)))
}

/// Asks each kind so many times, each time something else. The first time is not counted: after a load,
/// it reads what nobody read before.
pub(super) async fn measure(
    client: &Client,
    expected: &Expected<'_>,
    repetitions: usize,
) -> Result<Vec<QueryTimes>> {
    let mut measured = Vec::new();
    for (name, question) in KINDS {
        let mut times = QueryTimes { name, waits: Waits::default(), wrong: None };
        for k in 0..=repetitions {
            let question = question(expected, k);
            let started = Instant::now();
            let wrong = ask(client, &question).await?;
            if k > 0 {
                times.waits.add(started.elapsed());
            }
            times.wrong = times.wrong.or(wrong);
        }
        measured.push(times);
    }
    Ok(measured)
}

fn whole_day(expected: &Expected<'_>) -> (String, String) {
    (calendar::time(expected.day, 0), calendar::time(expected.day + 1, 0))
}

fn day(expected: &Expected<'_>, query: StatsQuery) -> StatsQuery {
    let (from, to) = whole_day(expected);
    StatsQuery { from: Some(from), to: Some(to), ..query }
}

fn times(counts: &Counts, times: u64) -> Counts {
    counts.iter().map(|(name, count)| (name.clone(), count * times)).collect()
}

fn top_users(truth: &Truth, k: usize, times: u64) -> (SearchQuery, Vec<(String, u64)>) {
    let (level, users) = nth(&truth.top_users, k);
    let wanted = users.iter().map(|(user, count)| (user.clone(), count * times)).collect();
    (search(&format!("level:{level} | top {TOP} user_id"), 100), wanted)
}

fn percentile() -> StatsQuery {
    let agg = Some("p95(duration_ms)".into());
    StatsQuery { agg, ..stats("duration_ms:*", "service") }
}
