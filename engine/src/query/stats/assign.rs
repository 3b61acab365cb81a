//! The groups of a table's rows.

use super::places::Places;
use super::{Part, column_of};
use crate::error::{Error, Result};
use crate::event::{Kind, Level};
use crate::query::request::TimeRange;
use crate::query::selection::Selection;
use crate::query::table::{Codes, Table};

/// Texts of groups whose bytes are not counted row by row.
const TEXTS_GUESSED_MAX: usize = 256 << 10;

impl Part<'_> {
    /// Counts the selected rows. Returns the group of each (meaningless for other rows). Without
    /// an interval there need be no timestamps.
    pub(super) fn assign_groups(
        &mut self,
        table: &dyn Table,
        timestamps: &[i64],
        selected: &Selection,
    ) -> Result<Vec<u32>> {
        let fields = self.pass.request.group_by.iter();
        let fields: Vec<Codes> =
            fields.map(|name| group_codes(table, name, selected)).collect::<Result<_>>()?;
        let buckets = Buckets::new(timestamps, self.pass.request.interval, selected);
        let combinations = fields
            .iter()
            .try_fold(1u64, |n, field| n.checked_mul(field.values.len() as u64 + 1))
            .ok_or_else(|| Error::invalid("group_by: too many combinations; group by less"))?;
        let most = combinations.saturating_mul(buckets.behind().saturating_add(1));
        let most = most.min(selected.count() as u64) as usize;
        let texts = fields.iter().map(|field| texts_of(field, most, selected)).sum();
        let all = &mut self.found.groups;
        all.make_room(most, fields.len(), texts)?;
        let mut places = Places::new(buckets.behind(), combinations);
        let mut groups = vec![0; table.rows()];
        selected.try_for_each(|row| {
            let combination = fields.iter().fold(0, |n, field| {
                n * (field.values.len() as u64 + 1) + u64::from(field.codes[row])
            });
            let local = (buckets.of_row(row), combination);
            let group = match places.get(local) {
                Some(group) => group,
                None => {
                    let key = fields.iter().map(|field| {
                        let index = field.codes[row].checked_sub(1)?;
                        Some(&field.values[index as usize])
                    });
                    let group = all.find(buckets.first.saturating_add_unsigned(local.0), key)?;
                    places.put(local, group);
                    group
                }
            };
            all.count(group as usize, 1);
            groups[row] = group;
            Ok::<_, Error>(())
        })?;
        Ok(groups)
    }
}

/// How many of the times in a range lie in each bucket that has some; `None` if they are too far apart to be
/// counted side by side.
pub(super) fn count_times(
    timestamps: &[i64],
    range: TimeRange,
    interval: Option<i64>,
) -> Option<Vec<(i64, u64)>> {
    /// Buckets at most.
    const BUCKETS_MAX: u64 = 1 << 12;
    let from = range.from.map_or(i64::MIN, |from| from.0);
    let Some(last) = range.to.map_or(Some(i64::MAX), |to| to.0.checked_sub(1)) else {
        return Some(Vec::new());
    };
    let in_range = |timestamp: i64| from <= timestamp && timestamp <= last;
    let (mut earliest, mut latest) = (i64::MAX, i64::MIN);
    for timestamp in timestamps.iter().filter(|timestamp| in_range(**timestamp)) {
        earliest = earliest.min(*timestamp);
        latest = latest.max(*timestamp);
    }
    if earliest > latest {
        return Some(Vec::new());
    }
    let buckets = Buckets::between((earliest, latest), timestamps, interval);
    if buckets.behind() >= BUCKETS_MAX {
        return None;
    }
    let mut counts = vec![0u64; buckets.behind() as usize + 1];
    for (row, timestamp) in timestamps.iter().enumerate() {
        if in_range(*timestamp) {
            counts[buckets.of_row(row) as usize] += 1;
        }
    }
    let counts = (0..).zip(counts).filter(|(_, events)| *events > 0);
    Some(counts.map(|(at, events)| (buckets.first.saturating_add_unsigned(at), events)).collect())
}

/// The time buckets in which the selected rows of a table lie.
struct Buckets<'t> {
    timestamps: &'t [i64],
    /// 0 if there is but one bucket.
    interval: i64,
    first: i64,
    last: i64,
    /// Where each bucket behind the first begins, if they are few: comparing costs less than dividing.
    starts: Vec<i64>,
}

impl<'t> Buckets<'t> {
    /// Buckets whose beginnings are known at most.
    const STARTS_MAX: u64 = 4;

    fn new(timestamps: &'t [i64], interval: Option<i64>, selected: &Selection) -> Self {
        let (mut earliest, mut latest) = (i64::MAX, i64::MIN);
        if interval.is_some() {
            selected.for_each(|row| {
                earliest = earliest.min(timestamps[row]);
                latest = latest.max(timestamps[row]);
            });
        }
        Self::between((earliest, latest), timestamps, interval)
    }

    /// Those of rows between these times; there is one if there are no rows.
    fn between(
        (earliest, latest): (i64, i64),
        timestamps: &'t [i64],
        interval: Option<i64>,
    ) -> Self {
        let one = Self { timestamps, interval: 0, first: 0, last: 0, starts: Vec::new() };
        let Some(interval) = interval.filter(|_| earliest <= latest) else { return one };
        let (first, last) = (earliest.div_euclid(interval), latest.div_euclid(interval));
        let starts = match last.abs_diff(first) {
            // They lie between the earliest and the latest row.
            behind @ 0..=Self::STARTS_MAX => {
                (1..=behind as i64).map(|nth| (first + nth) * interval).collect()
            }
            _ => Vec::new(),
        };
        Self { interval, first, last, starts, ..one }
    }

    /// How many buckets there are behind the first.
    fn behind(&self) -> u64 {
        self.last.abs_diff(self.first)
    }

    /// The bucket of a selected row, counted from the first.
    fn of_row(&self, row: usize) -> u64 {
        if self.first == self.last {
            return 0;
        }
        let timestamp = self.timestamps[row];
        match &*self.starts {
            [] => timestamp.div_euclid(self.interval).abs_diff(self.first),
            starts => starts.iter().map(|start| u64::from(timestamp >= *start)).sum(),
        }
    }
}

/// The bytes that the texts of so many groups have at most, about: each value in as many as any other.
/// If that is much, in as many as it has rows.
fn texts_of(field: &Codes, groups: usize, selected: &Selection) -> usize {
    let bytes: usize = field.values.iter().map(|(_, text)| text.len()).sum();
    let even = bytes.saturating_mul(groups.div_ceil(field.values.len().max(1)));
    if even <= TEXTS_GUESSED_MAX {
        return even;
    }
    // Of the code 0, no value, first.
    let mut rows = vec![0usize; field.values.len() + 1];
    selected.iter().for_each(|row| rows[field.codes[row] as usize] += 1);
    let texts = rows.iter().skip(1).zip(&field.values);
    texts.fold(0, |sum, (rows, (_, text))| sum.saturating_add(text.len() * (*rows).min(groups)))
}

/// The codes of a `group_by` field; `level` is no column.
fn group_codes(table: &dyn Table, name: &str, selected: &Selection) -> Result<Codes> {
    if name != "level" {
        return table.codes(column_of(name), selected);
    }
    let values = Level::ALL.map(|level| (Kind::String, level.name().as_bytes().to_vec()));
    let codes = table.levels()?.iter().map(|code| u32::from(*code)).collect();
    Ok(Codes { codes, values: values.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn buckets_are_those_of_division(
            start in prop_oneof![any::<i64>(), -50i64..50],
            steps in prop::collection::vec(0u64..40, 1..30),
            interval in prop_oneof![1i64..20, 1i64..i64::MAX],
        ) {
            let timestamps: Vec<i64> =
                steps.iter().map(|step| start.saturating_add_unsigned(*step)).collect();
            let selected = Selection::from_fn(timestamps.len(), |row| row == 0 || row % 3 != 1);
            let buckets = Buckets::new(&timestamps, Some(interval), &selected);
            for row in selected.iter() {
                let wanted = timestamps[row].div_euclid(interval);
                prop_assert_eq!(buckets.first.checked_add_unsigned(buckets.of_row(row)), Some(wanted));
            }
        }
    }
    proptest! {
        #[test]
        fn times_are_counted_as_one_by_one(
            timestamps in prop::collection::vec(prop_oneof![-90i64..90, any::<i64>()], 0..60),
            ends in (prop::option::of(prop_oneof![-99i64..99, Just(i64::MIN)]), prop::option::of(-99i64..99)),
            interval in prop::option::of(prop_oneof![1i64..60, 1i64..i64::MAX]),
        ) {
            let range = TimeRange { from: ends.0.map(Timestamp), to: ends.1.map(Timestamp) };
            let mut wanted = std::collections::BTreeMap::new();
            for timestamp in &timestamps {
                if range.from.is_none_or(|from| *timestamp >= from.0)
                    && range.to.is_none_or(|to| *timestamp < to.0)
                {
                    let bucket = interval.map_or(0, |interval| timestamp.div_euclid(interval));
                    *wanted.entry(bucket).or_insert(0u64) += 1;
                }
            }
            let apart = wanted.keys().next_back().zip(wanted.keys().next());
            let apart = apart.map_or(0, |(last, first)| last.abs_diff(*first));
            let counts = count_times(&timestamps, range, interval);
            prop_assert_eq!(counts, (apart < 1 << 12).then(|| wanted.into_iter().collect()));
        }
    }
}
