//! The queries: each repetition asks with another parameter, so that no memory of an answer helps,
//! and every answer is compared with what was counted from the workload.

use crate::Result;
use crate::facts::Facts;
use crate::report::{QueryTimes, Waits};
use crate::truth::{Counts, TOP, Truth};
use logstrata_client::Client;
use logstrata_client::wire::{SearchQuery, StatsQuery, StatsRow};
use std::collections::BTreeMap;
use std::time::Instant;

/// A quantile may be off by this share, as `docs/api.md` says.
const QUANTILE_ERROR: f64 = 1.0 / 256.0;

/// A question and the right answer.
pub(crate) enum Question {
    /// A page has so many events.
    Page(SearchQuery, u64),
    /// A page has events of these times, in this order.
    Times(SearchQuery, Vec<String>),
    /// The groups have these counts, and there is no other; a group's name is its values with blanks
    /// between them, of a time as far as the hour.
    Counts(StatsQuery, Counts),
    /// The rows of a query with stages, in this order: a value and its count.
    List(SearchQuery, Vec<(String, u64)>),
    /// A figure of each service.
    Figures(StatsQuery, BTreeMap<String, f64>),
}

/// Asks every kind of query `repetitions` times, and further times if there are more parameters: those
/// are not timed.
pub(crate) async fn measure(
    client: &Client,
    facts: &Facts,
    truth: &Truth,
    repetitions: usize,
) -> Result<Vec<QueryTimes>> {
    let mut measured = Vec::new();
    for (name, parameters, question) in KINDS {
        let mut times = QueryTimes { name, waits: Waits::default(), wrong: None };
        for k in 0..repetitions.max(parameters(facts, truth)) {
            let question = question(facts, truth, k);
            let started = Instant::now();
            let wrong = ask(client, &question).await?;
            if k < repetitions {
                times.waits.add(started.elapsed());
            }
            times.wrong = times.wrong.or(wrong);
        }
        measured.push(times);
    }
    Ok(measured)
}

/// The question of a repetition.
type Ask = fn(&Facts, &Truth, usize) -> Question;

/// The number of different parameters that a kind has.
type Parameters = fn(&Facts, &Truth) -> usize;

const KINDS: [(&str, Parameters, Ask); 11] = [
    (
        "needle by trace id",
        |facts, _| facts.needles.len(),
        |_, truth, k| {
            let (trace, count) = nth(&truth.needles, k);
            Question::Page(search(&format!("trace_id:{trace}"), 1_000), *count)
        },
    ),
    (
        "absent needle",
        |_, _| 1,
        |_, _, k| Question::Page(search(&format!("trace_id:{:032x}", 0xfeed_0000 + k), 1_000), 0),
    ),
    (
        "rare word",
        |facts, _| facts.rare.len(),
        |_, truth, k| {
            let (word, count) = nth(&truth.rare, k);
            Question::Page(search(word, 1_000), *count)
        },
    ),
    ("latest 100", |_, _| 1, |_, truth, _| Question::Times(search("", 100), truth.latest.clone())),
    (
        "latest 100 errors of a service",
        |_, truth| truth.latest_errors.len(),
        |_, truth, k| {
            let (service, times) = nth(&truth.latest_errors, k);
            Question::Times(search(&format!("level:error service:{service}"), 100), times.clone())
        },
    ),
    (
        "count by hour and level",
        |facts, _| facts.windows.len(),
        |facts, truth, k| {
            let window = k % facts.windows.len();
            let query = StatsQuery {
                from: Some(facts.windows[window].from.clone()),
                to: Some(facts.windows[window].to.clone()),
                interval: Some("1h".into()),
                group_by: Some("level".into()),
                ..StatsQuery::default()
            };
            Question::Counts(query, truth.windows[window].clone())
        },
    ),
    (
        "common word by service",
        |facts, _| facts.words.len(),
        |facts, truth, k| {
            let word = nth(&facts.words, k).0;
            by_service(word.clone(), truth.words.get(word))
        },
    ),
    (
        "phrase by service",
        |facts, _| facts.phrases.len(),
        |facts, truth, k| {
            let phrase = nth(&facts.phrases, k).0;
            by_service(format!("\"{phrase}\""), truth.phrases.get(phrase))
        },
    ),
    (
        "regular expression by service",
        |facts, _| facts.regexes.len(),
        |facts, truth, k| {
            let regex = nth(&facts.regexes, k).0;
            by_service(format!("message:/{regex}/"), truth.regexes.get(regex))
        },
    ),
    (
        "top users of a level",
        |_, truth| truth.top_users.len(),
        |_, truth, k| {
            let (level, users) = nth(&truth.top_users, k);
            let wanted = users.iter().map(|(user, count)| (user.clone(), *count)).collect();
            Question::List(search(&format!("level:{level} | top {TOP} user_id"), 100), wanted)
        },
    ),
    (
        "95th percentile by service",
        |_, _| 1,
        |_, truth, _| {
            let agg = Some("p95(duration_ms)".into());
            let query = StatsQuery { agg, ..stats("duration_ms:*", "service") };
            Question::Figures(query, truth.p95.clone())
        },
    ),
];

pub(crate) fn nth<K, V>(map: &BTreeMap<K, V>, k: usize) -> (&K, &V) {
    map.iter().nth(k % map.len()).expect("facts are not empty")
}

pub(crate) fn search(q: &str, limit: usize) -> SearchQuery {
    SearchQuery { q: q.to_owned(), limit: Some(limit), ..SearchQuery::default() }
}

pub(crate) fn stats(q: &str, group_by: &str) -> StatsQuery {
    StatsQuery { q: q.to_owned(), group_by: Some(group_by.into()), ..StatsQuery::default() }
}

fn by_service(q: String, counts: Option<&Counts>) -> Question {
    Question::Counts(stats(&q, "service"), counts.cloned().unwrap_or_default())
}

/// How the answer is wrong, if it is.
pub(crate) async fn ask(client: &Client, question: &Question) -> Result<Option<String>> {
    Ok(match question {
        Question::Page(query, wanted) => {
            differ(&query.q, &(client.search(query).await?.logs.len() as u64), wanted)
        }
        Question::Times(query, wanted) => {
            let logs = client.search(query).await?.logs;
            let times = logs.iter().map(|event| time_of(event.get()));
            differ(&query.q, &times.collect::<Result<Vec<_>>>()?, &trimmed(wanted))
        }
        Question::Counts(query, wanted) => {
            let table = client.stats(query).await?;
            let found: Vec<(String, u64)> = table.rows.iter().map(group_and_count).collect();
            let counts: Counts = found.iter().cloned().collect();
            let twice = (found.len() != counts.len()).then(|| format!("a group twice: {found:?}"));
            twice.or_else(|| differ(&query.q, &counts, wanted))
        }
        Question::List(query, wanted) => {
            let rows = client.search(query).await?.rows.unwrap_or_default();
            differ(&query.q, &rows.iter().map(group_and_count).collect(), wanted)
        }
        Question::Figures(query, wanted) => {
            figures_differ(&client.stats(query).await?.rows, wanted)
        }
    })
}

fn differ<T: PartialEq + std::fmt::Debug>(query: &str, found: &T, wanted: &T) -> Option<String> {
    (found != wanted).then(|| format!("{query}: {found:?}, not {wanted:?}"))
}

/// The time of an event without zeros at its end.
fn time_of(event: &str) -> Result<String> {
    #[derive(serde::Deserialize)]
    struct Timed {
        timestamp: String,
    }
    let Timed { timestamp } = serde_json::from_str(event)?;
    Ok(trimmed(&[timestamp]).swap_remove(0))
}

fn trimmed(times: &[String]) -> Vec<String> {
    let trim = |time: &String| {
        let time = time.trim_end_matches('Z');
        match time.contains('.') {
            true => time.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => time.to_owned(),
        }
    };
    times.iter().map(trim).collect()
}

/// The values of a row that are not its count, with blanks between them, and the count.
fn group_and_count(row: &StatsRow) -> (String, u64) {
    let values = row.0.iter().filter(|(column, _)| column != "count").map(|(column, value)| {
        let text = value.get().trim_matches('"');
        if column == "time" { text.get(..13).unwrap_or(text) } else { text }
    });
    // 0, which no group has, for what is not understood.
    let count = row.get("count").and_then(|value| value.get().parse().ok()).unwrap_or(0);
    (values.collect::<Vec<_>>().join(" "), count)
}

fn figures_differ(rows: &[StatsRow], wanted: &BTreeMap<String, f64>) -> Option<String> {
    let text = |row: &StatsRow, column: &str| {
        row.get(column).map(|value| value.get().trim_matches('"').to_owned())
    };
    if rows.len() != wanted.len() {
        return Some(format!("{} services, not {}", rows.len(), wanted.len()));
    }
    wanted.iter().find_map(|(service, wanted)| {
        let row = rows.iter().find(|row| text(row, "service").as_ref() == Some(service));
        let found: Option<f64> = row.and_then(|row| text(row, "p95(duration_ms)")?.parse().ok());
        let near = found.is_some_and(|found| (found - wanted).abs() <= QUANTILE_ERROR * wanted);
        (!near).then(|| format!("{service}: {found:?}, not {wanted}"))
    })
}
