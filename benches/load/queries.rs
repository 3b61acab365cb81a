//! The queries: each repetition asks with another parameter, so that no memory of an answer helps,
//! and every answer is compared with the facts.

use crate::Result;
use crate::facts::Facts;
use crate::report::{QueryTimes, Waits};
use logstrata_client::Client;
use logstrata_client::wire::{SearchQuery, StatsAnswer, StatsQuery, StatsRow};
use std::collections::BTreeMap;
use std::time::Instant;

/// A quantile may be off by this share.
const QUANTILE_ERROR: f64 = 0.03;

/// A question and the right answer.
enum Question {
    /// A page has so many events.
    Page(SearchQuery, u64),
    /// The groups' counts add up to this.
    Sum(StatsQuery, u64),
    /// The groups' counts are these, in order.
    Counts(StatsQuery, Vec<u64>),
    /// A figure of each service.
    Figures(StatsQuery, BTreeMap<String, f64>),
}

/// Asks every kind of query `repetitions` times.
pub(crate) async fn measure(
    client: &Client,
    facts: &Facts,
    repetitions: usize,
) -> Result<Vec<QueryTimes>> {
    let mut measured = Vec::new();
    for (name, question) in KINDS {
        let mut times = QueryTimes { name, waits: Waits::default(), wrong: None };
        for k in 0..repetitions {
            let question = question(facts, k);
            let started = Instant::now();
            let wrong = ask(client, &question).await?;
            times.waits.add(started.elapsed());
            times.wrong = times.wrong.or(wrong.filter(|_| facts.whole));
        }
        measured.push(times);
    }
    Ok(measured)
}

/// The question of a repetition.
type Ask = fn(&Facts, usize) -> Question;

const KINDS: [(&str, Ask); 11] = [
    ("needle by trace id", |facts, k| {
        let (trace, count) = &facts.needles[k % facts.needles.len()];
        Question::Page(search(&format!("trace_id:{trace}"), 1_000), *count)
    }),
    ("absent needle", |_, k| {
        Question::Page(search(&format!("trace_id:{:032x}", 0xfeed_0000 + k), 1_000), 0)
    }),
    ("rare word", |facts, k| {
        let (word, count) = nth(&facts.rare, k);
        Question::Page(search(word, 1_000), *count)
    }),
    ("latest 100", |facts, _| Question::Page(search("", 100), facts.events.min(100))),
    ("latest 100 errors of a service", |facts, k| {
        let service = nth(&facts.by_service, k).0;
        let count = facts.level_service.get(&format!("error {service}")).copied().unwrap_or(0);
        Question::Page(search(&format!("level:error service:{service}"), 100), count.min(100))
    }),
    ("count by hour and level", |facts, k| {
        let window = &facts.windows[k % facts.windows.len()];
        let query = StatsQuery {
            from: Some(window.from.clone()),
            to: Some(window.to.clone()),
            interval: Some("1h".into()),
            group_by: Some("level".into()),
            ..StatsQuery::default()
        };
        Question::Sum(query, window.count)
    }),
    ("common word by service", |facts, k| {
        let (word, services) = nth(&facts.words, k);
        Question::Sum(stats(word, Some("service")), services.values().sum())
    }),
    ("phrase count", |facts, k| {
        let (phrase, count) = nth(&facts.phrases, k);
        Question::Sum(stats(&format!("\"{phrase}\""), None), *count)
    }),
    ("regular expression count", |facts, k| {
        let (regex, count) = nth(&facts.regexes, k);
        Question::Sum(stats(&format!("message:/{regex}/"), None), *count)
    }),
    ("top users of a level", |facts, k| {
        let (level, counts) = nth(&facts.top_users, k);
        let query =
            StatsQuery { top: Some(10), ..stats(&format!("level:{level}"), Some("user_id")) };
        Question::Counts(query, counts.clone())
    }),
    ("95th percentile by service", |facts, _| {
        let agg = Some("p95(duration_ms)".into());
        let query = StatsQuery { agg, ..stats("duration_ms:*", Some("service")) };
        Question::Figures(query, facts.p95.clone())
    }),
];

fn nth<K, V>(map: &BTreeMap<K, V>, k: usize) -> (&K, &V) {
    map.iter().nth(k % map.len()).expect("facts are not empty")
}

fn search(q: &str, limit: usize) -> SearchQuery {
    SearchQuery { q: q.to_owned(), limit: Some(limit), ..SearchQuery::default() }
}

fn stats(q: &str, group_by: Option<&str>) -> StatsQuery {
    StatsQuery { q: q.to_owned(), group_by: group_by.map(Into::into), ..StatsQuery::default() }
}

/// How the answer is wrong, if it is.
async fn ask(client: &Client, question: &Question) -> Result<Option<String>> {
    let differ =
        |found: u64, wanted: u64| (found != wanted).then(|| format!("{found}, not {wanted}"));
    Ok(match question {
        Question::Page(query, wanted) => {
            differ(client.search(query).await?.logs.len() as u64, *wanted)
        }
        Question::Sum(query, wanted) => {
            let table = client.stats(query).await?;
            differ(table.rows.iter().map(count).sum(), *wanted)
        }
        Question::Counts(query, wanted) => {
            let table = client.stats(query).await?;
            let found: Vec<u64> = table.rows.iter().map(count).collect();
            (found != *wanted).then(|| format!("{found:?}, not {wanted:?}"))
        }
        Question::Figures(query, wanted) => figures_differ(&client.stats(query).await?, wanted),
    })
}

/// The count of a group; 0, which no group has, for what is not understood.
fn count(row: &StatsRow) -> u64 {
    row.get("count").and_then(|value| value.get().parse().ok()).unwrap_or(0)
}

fn figures_differ(table: &StatsAnswer, wanted: &BTreeMap<String, f64>) -> Option<String> {
    wanted.iter().find_map(|(service, wanted)| {
        let row = table.rows.iter().find(|row| {
            row.get("service").is_some_and(|value| value.get().trim_matches('"') == service)
        });
        let figure = row.and_then(|row| row.get("p95(duration_ms)"));
        let found: Option<f64> = figure.and_then(|value| value.get().parse().ok());
        let near = found.is_some_and(|found| (found - wanted).abs() <= QUANTILE_ERROR * wanted);
        (!near).then(|| format!("{service}: {found:?}, not {wanted}"))
    })
}
