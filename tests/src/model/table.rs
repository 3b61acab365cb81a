//! Figures by group, each from the list of its events.

use super::{Model, contains, matches};
use logstrata_engine::query::{
    Aggregate, EventField, EventRecord, Function, StatsRequest, StatsRow,
};
use logstrata_engine::{Kind, Timestamp, field};
use std::collections::{BTreeMap, BTreeSet};

/// The bucket, and the lexeme of each field that groups.
type Key = (Option<Timestamp>, Vec<Option<Vec<u8>>>);

/// How far a quantile may be off: an engine's sketch has 128 steps between powers of two.
const QUANTILE_ERROR: f64 = 1.0 / 256.0;
/// How far a sum may be off, in parts of the sum of magnitudes.
const SUM_ERROR: f64 = 1e-9;

impl Model {
    /// Panics unless `rows` is what the request asks for.
    pub fn check_stats(&self, request: &StatsRequest, rows: &[StatsRow]) {
        let groups = self.groups(request);
        check_order(rows);
        let mut seen = BTreeSet::new();
        for row in rows {
            let key = key_of_row(row);
            let events = groups.get(&key).unwrap_or_else(|| panic!("no group {key:?}"));
            assert_eq!(row.count, events.len() as u64, "count of {key:?}");
            for (aggregate, value) in request.aggregates.iter().zip(&row.values) {
                let values = events.iter().filter_map(|event| value_of(event, &aggregate.field));
                check_figure(aggregate, values.collect(), *value, &key);
            }
            assert_eq!(row.values.len(), request.aggregates.len());
            assert!(seen.insert(key), "a group twice");
        }
        check_groups(request, &groups, &seen);
    }

    fn groups(&self, request: &StatsRequest) -> BTreeMap<Key, Vec<&EventRecord>> {
        let mut groups: BTreeMap<Key, Vec<&EventRecord>> = BTreeMap::new();
        for event in self.events() {
            if !contains(request.range, event.timestamp) || !matches(&request.filter, event) {
                continue;
            }
            let time = request
                .interval
                .map(|width| Timestamp(event.timestamp.0.div_euclid(width).saturating_mul(width)));
            let value = |name: &String| value_of(event, name).map(<[u8]>::to_vec);
            let fields = request.group_by.iter().map(value);
            groups.entry((time, fields.collect())).or_default().push(event);
        }
        groups
    }
}

fn key_of_row(row: &StatsRow) -> Key {
    (row.time, row.group.iter().map(|value| value.as_ref().map(|(_, text)| text.clone())).collect())
}

/// The first value of a field by the name that people type.
pub(super) fn value_of<'a>(event: &'a EventRecord, name: &str) -> Option<&'a [u8]> {
    match name {
        "level" => Some(event.level.name().as_bytes()),
        name => first_named(event, name).map(|field| &*field.text),
    }
}

/// What kind that value is of.
pub(super) fn kind_of(event: &EventRecord, name: &str) -> Option<Kind> {
    first_named(event, name).map(|field| field.kind)
}

/// Of several fields that people type alike, the first by column name.
pub(super) fn first_named<'a>(event: &'a EventRecord, name: &str) -> Option<&'a EventField> {
    let name = if name == "id" { "_id" } else { name };
    let named = event.fields.iter().filter(|f| field::display_name(&f.name) == name);
    named.min_by_key(|f| &f.name)
}

/// The nearest floating-point number of a number's text.
pub(super) fn number_of(text: &[u8]) -> Option<f64> {
    super::number::Decimal::parse(text)?;
    let text = std::str::from_utf8(text).expect("numbers are ASCII");
    Some(text.parse().expect("a decimal literal"))
}

/// By time, then by count, greatest first.
fn check_order(rows: &[StatsRow]) {
    for pair in rows.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert!((a.time, u64::MAX - a.count) <= (b.time, u64::MAX - b.count), "{a:?} before {b:?}");
    }
}

/// Every group is there; with `top`, those values of which no other has more events.
fn check_groups(
    request: &StatsRequest,
    groups: &BTreeMap<Key, Vec<&EventRecord>>,
    seen: &BTreeSet<Key>,
) {
    let Some(top) = request.top else {
        let missing: Vec<_> = groups.keys().filter(|key| !seen.contains(key)).collect();
        assert!(missing.is_empty(), "groups are missing: {missing:?}");
        return;
    };
    let mut totals: BTreeMap<&Vec<Option<Vec<u8>>>, usize> = BTreeMap::new();
    for ((_, values), events) in groups {
        *totals.entry(values).or_default() += events.len();
    }
    let kept: BTreeSet<_> = seen.iter().map(|(_, values)| values).collect();
    assert_eq!(kept.len(), top.min(totals.len()), "as many values as asked for");
    let least_kept = kept.iter().map(|values| totals[values]).min();
    let left_out = totals.iter().filter(|(values, _)| !kept.contains(*values));
    let most_left_out = left_out.map(|(_, total)| *total).max();
    assert!(least_kept >= most_left_out || kept.is_empty(), "{least_kept:?} {most_left_out:?}");
    let missing = groups.keys().find(|key| kept.contains(&key.1) && !seen.contains(key));
    assert_eq!(missing, None, "of a value that is kept, every bucket is");
}

fn check_figure(aggregate: &Aggregate, values: Vec<&[u8]>, got: Option<f64>, key: &Key) {
    match (figure_of(aggregate, values), got) {
        (None, None) => {}
        (Some((expected, error)), Some(got)) if (got - expected).abs() <= error => {}
        (expected, got) => panic!("{aggregate:?} of {key:?}: {got:?} for {expected:?}"),
    }
}

/// A figure of these values, and how far it may be off; `None` if none of them is a number.
pub(super) fn figure_of(aggregate: &Aggregate, values: Vec<&[u8]>) -> Option<(f64, f64)> {
    match aggregate.function {
        Function::Count => return Some((values.len() as f64, 0.0)),
        Function::Uniq => {
            let distinct: BTreeSet<&[u8]> = values.into_iter().collect();
            return Some((distinct.len() as f64, 0.0));
        }
        _ => {}
    }
    let numbers = values.into_iter().filter_map(number_of);
    let mut numbers: Vec<f64> = numbers.filter(|number| number.is_finite()).collect();
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1)?;
    let sum: f64 = numbers.iter().sum();
    let magnitude: f64 = numbers.iter().map(|number| number.abs()).sum();
    Some(match aggregate.function {
        Function::Sum => (sum, magnitude * SUM_ERROR),
        Function::Avg => (sum / numbers.len() as f64, magnitude * SUM_ERROR),
        Function::Min => (numbers[0], 0.0),
        Function::Max => (numbers[last], 0.0),
        Function::Percentile(rank) => {
            let exact = numbers[(f64::from(rank) / 1e6 * last as f64).floor() as usize];
            (exact, exact.abs() * QUANTILE_ERROR)
        }
        Function::Count | Function::Uniq => unreachable!("counted above"),
    })
}
