//! The groups of a table, bounded in number and memory.

use super::figure::Figure;
use crate::error::{Error, Result};
use crate::event::Value;
use crate::limits::{DISTINCT_VALUES_MAX, GROUPS_MAX, STATS_BYTES_MAX};
use crate::pool::{Consumer, Pool, Reservation};
use crate::query::request::{Aggregate, Function, StatsRow};
use crate::query::table::OwnedValue;
use crate::timestamp::Timestamp;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a group takes besides its texts and figures: places in tables, allocations.
const GROUP_BYTES: usize = 128;
/// What a hash takes in a table that is half full.
const DISTINCT_BYTES: usize = 18;
/// Memory is reserved in steps of this.
const STEP_BYTES: usize = 256 << 10;

/// The groups of a table.
#[derive(Debug)]
pub(super) struct Groups {
    functions: Vec<Function>,
    /// By what [`write_key`] makes of the bucket and the lexemes.
    places: HashMap<Box<[u8]>, u32>,
    key: Vec<u8>,
    groups: Vec<Group>,
    distinct_values: usize,
    /// What keys and histograms take.
    bytes: usize,
    /// The source that is being scanned.
    source: usize,
    memory: Reservation,
}

#[derive(Debug)]
struct Group {
    bucket: i64,
    /// The source in which the group was first met.
    source: usize,
    /// A value groups by its lexeme; the first event of the group tells what it was in JSON.
    values: Vec<Option<OwnedValue>>,
    count: u64,
    figures: Vec<Figure>,
}

impl Groups {
    /// No groups; their memory will be of `pool`.
    pub(super) fn new(aggregates: &[Aggregate], pool: &Arc<Pool>) -> Result<Self> {
        Ok(Self {
            functions: aggregates.iter().map(|aggregate| aggregate.function).collect(),
            places: HashMap::new(),
            key: Vec::new(),
            groups: Vec::new(),
            distinct_values: 0,
            bytes: 0,
            source: 0,
            memory: pool.reserve(Consumer::Query, 0)?,
        })
    }

    /// What follows is of this source. Sources must come in rising order.
    pub(super) fn begin_source(&mut self, number: usize) {
        self.source = number;
    }

    /// The group of these values in this bucket.
    pub(super) fn find<'v>(
        &mut self,
        bucket: i64,
        values: impl Iterator<Item = Option<&'v OwnedValue>> + Clone,
    ) -> Result<u32> {
        write_key(bucket, values.clone(), &mut self.key);
        if let Some(group) = self.places.get(&*self.key) {
            return Ok(*group);
        }
        self.check_room()?;
        let next = self.groups.len() as u32;
        self.places.insert(self.key.as_slice().into(), next);
        let figures = self.functions.iter().map(|function| Figure::new(*function)).collect();
        let values: Vec<_> = values.map(Option::<&_>::cloned).collect();
        // The texts are there twice: in the key and in the group.
        self.bytes += 2 * values.iter().flatten().map(|(_, text)| text.len()).sum::<usize>();
        self.groups.push(Group { bucket, source: self.source, values, count: 0, figures });
        Ok(next)
    }

    fn check_room(&self) -> Result<()> {
        if self.groups.len() == GROUPS_MAX {
            return Err(Error::invalid(format!(
                "more than {GROUPS_MAX} groups; narrow the query, group by less or use a longer interval"
            )));
        }
        Ok(())
    }

    /// Takes in the groups of other sources of the same request.
    pub(super) fn merge(&mut self, mut other: Self) -> Result<()> {
        for (key, place) in std::mem::take(&mut other.places) {
            let group = &mut other.groups[place as usize];
            let Some(mine) = self.places.get(&key) else {
                self.check_room()?;
                let figures = std::mem::take(&mut group.figures);
                let values = std::mem::take(&mut group.values);
                self.bytes +=
                    2 * values.iter().flatten().map(|(_, text)| text.len()).sum::<usize>();
                for figure in &figures {
                    let (bytes, distinct) = figure.takes();
                    self.bytes += bytes;
                    self.distinct_values += distinct;
                }
                self.places.insert(key, self.groups.len() as u32);
                self.groups.push(Group { values, figures, ..*group });
                continue;
            };
            let mine = &mut self.groups[*mine as usize];
            mine.count += group.count;
            if group.source < mine.source {
                mine.source = group.source;
                mine.values = std::mem::take(&mut group.values);
            }
            for (mine, figure) in mine.figures.iter_mut().zip(group.figures.drain(..)) {
                let (bytes, distinct) = mine.merge(figure);
                self.bytes += bytes;
                self.distinct_values += distinct;
            }
        }
        self.memory.merge(other.memory);
        self.check_size()
    }

    pub(super) fn count(&mut self, group: usize, events: u64) {
        self.groups[group].count += events;
    }

    /// Whether an aggregate measures numbers; otherwise it counts values.
    pub(super) fn wants_numbers(&self, aggregate: usize) -> bool {
        self.functions[aggregate] != Function::Uniq
    }

    pub(super) fn add_number(&mut self, group: usize, aggregate: usize, number: f64) {
        self.bytes += self.groups[group].figures[aggregate].add_number(number);
    }

    pub(super) fn add_value(&mut self, group: usize, aggregate: usize, value: Value<'_>) {
        let new = self.groups[group].figures[aggregate].add_value(value);
        self.distinct_values += usize::from(new);
    }

    /// An error if the groups or their figures take too much memory, by their own bound or by the
    /// pool's.
    pub(super) fn check_size(&mut self) -> Result<()> {
        if self.bytes > STATS_BYTES_MAX {
            return Err(Error::invalid(format!(
                "the table takes more than {} MiB; narrow the query, group by less or use a longer \
                 interval",
                STATS_BYTES_MAX >> 20
            )));
        }
        if self.distinct_values <= DISTINCT_VALUES_MAX {
            self.memory.grow_to(self.takes(), STEP_BYTES)?;
            return Ok(());
        }
        Err(Error::invalid(format!(
            "uniq: more than {DISTINCT_VALUES_MAX} distinct values; narrow the query"
        )))
    }

    /// What all of it takes, about.
    fn takes(&self) -> usize {
        let figures = self.functions.len() * size_of::<Figure>();
        let group = size_of::<Group>() + GROUP_BYTES + figures;
        self.bytes + self.groups.len() * group + self.distinct_values * DISTINCT_BYTES
    }

    /// The table: by time, then by count, greatest first, then by value. With its memory.
    pub(super) fn into_rows(
        mut self,
        interval: Option<i64>,
        top: Option<usize>,
    ) -> (Vec<StatsRow>, Reservation) {
        if let Some(top) = top {
            self.keep_top(top);
        }
        self.groups.sort_by(|a, b| {
            let order = |group: &Group| (group.bucket, Reverse(group.count));
            order(a).cmp(&order(b)).then_with(|| a.values.cmp(&b.values))
        });
        let time = |bucket: i64| interval.map(|width| Timestamp(bucket.saturating_mul(width)));
        let row = |group: Group| StatsRow {
            time: time(group.bucket),
            values: group.figures.iter().map(Figure::result).collect(),
            count: group.count,
            group: group.values,
        };
        (self.groups.into_iter().map(row).collect(), self.memory)
    }

    /// Keeps the values with the most events over all buckets. As for groups, a value is its
    /// lexeme: `500` in one bucket and `"500"` in the next are one value.
    fn keep_top(&mut self, top: usize) {
        let mut totals: HashMap<Vec<Option<&[u8]>>, u64> = HashMap::new();
        for group in &self.groups {
            *totals.entry(lexemes(group)).or_default() += group.count;
        }
        let mut order: Vec<_> = totals.into_iter().map(|(v, count)| (Reverse(count), v)).collect();
        order.sort_unstable();
        let best: HashSet<_> = order.into_iter().take(top).map(|(_, values)| values).collect();
        let kept: Vec<bool> =
            self.groups.iter().map(|group| best.contains(&lexemes(group))).collect();
        let mut kept = kept.into_iter();
        self.groups.retain(|_| kept.next().unwrap_or(false));
    }
}

/// Writes a bucket and the lexemes of values so that no two groups have the same bytes.
fn write_key<'v>(
    bucket: i64,
    values: impl Iterator<Item = Option<&'v OwnedValue>>,
    key: &mut Vec<u8>,
) {
    key.clear();
    key.extend_from_slice(&bucket.to_le_bytes());
    for value in values {
        // Above every length where there is no value.
        let len = value.map_or(u64::MAX, |(_, text)| text.len() as u64);
        key.extend_from_slice(&len.to_le_bytes());
        key.extend_from_slice(value.map_or(&[], |(_, text)| text));
    }
}

fn lexemes(group: &Group) -> Vec<Option<&[u8]>> {
    group.values.iter().map(|value| value.as_ref().map(|(_, text)| &**text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    fn groups(function: Function) -> Groups {
        let pool = Pool::new(1 << 30);
        Groups::new(&[Aggregate { function, field: "f".into() }], &pool).unwrap()
    }

    fn key(text: &[u8]) -> Vec<Option<OwnedValue>> {
        vec![Some((Kind::String, text.to_vec()))]
    }

    /// The number of groups was bounded, not what each of them takes.
    #[test]
    fn percentiles_and_long_values_are_bounded() {
        let mut groups_by_number = groups(Function::Percentile(95));
        for group in 0..1_000 {
            let group = groups_by_number.find(group, key(b"a").iter().map(Option::as_ref)).unwrap();
            for exponent in -150..150 {
                groups_by_number.add_number(group as usize, 0, 2f64.powi(exponent));
            }
        }
        let error = groups_by_number.check_size().unwrap_err();
        assert!(error.to_string().contains("256 MiB"), "{error}");

        let mut groups_by_text = groups(Function::Sum);
        let text = vec![b'x'; 1 << 20];
        for group in 0..100 {
            groups_by_text.find(group, key(&text).iter().map(Option::as_ref)).unwrap();
        }
        groups_by_text.check_size().unwrap();
        for group in 100..129 {
            groups_by_text.find(group, key(&text).iter().map(Option::as_ref)).unwrap();
        }
        assert!(groups_by_text.check_size().is_err());
    }
}
