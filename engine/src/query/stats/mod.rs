//! A table of figures: events counted and measured by group and time bucket.

mod figure;
mod groups;
mod histogram;
mod sum;
mod workers;

use super::filter::Plan;
use super::names;
use super::request::{Aggregate, Function, Scanned, StatsRequest, StatsTable, TimeRange};
use super::selection::Selection;
use super::table::{Codes, Source, Table, sources};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::event::{Kind, Level, Value};
use crate::index::BlockIndex;
use crate::pool::Consumer;
use crate::scan::Control;
use crate::timestamp::Timestamp;
use groups::Groups;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Combinations of codes and buckets in one block up to which they index an array.
const DENSE_MAX: u64 = 1 << 16;

/// The memory of lists of sources is reserved in steps of this.
pub(super) const LIST_STEP_BYTES: usize = 64 << 10;

/// What is asked of each source.
#[derive(Debug)]
struct Pass {
    shared: Arc<Shared>,
    request: StatsRequest,
    plan: Plan,
}

/// The groups of the sources that one worker at a time has scanned.
#[derive(Debug)]
struct Part<'a> {
    pass: &'a Pass,
    found: Found,
}

/// Groups, and what they took.
#[derive(Debug)]
struct Found {
    groups: Groups,
    scanned: Scanned,
}

/// A table of figures.
pub(crate) fn stats(
    shared: &Arc<Shared>,
    request: &StatsRequest,
    control: &Control,
) -> Result<StatsTable> {
    if request.interval.is_some_and(|interval| interval <= 0) {
        return Err(Error::invalid("interval: must be above zero"));
    }
    check_fields(request)?;
    let snapshot = shared.snapshot();
    let mut scan = shared.scans.enter(control);
    scan.item()?;
    let plan = Plan::new(&request.filter);
    let mut listed = shared.pool.reserve(Consumer::Query, 0)?;
    let mut pruned = 0;
    let mut before = |count| {
        listed.grow_to(count * size_of::<Source>(), LIST_STEP_BYTES)?;
        scan.item()
    };
    let (range, plan_ref) = (request.range, Some(&plan));
    let sources = sources(shared, &snapshot, range, plan_ref, &mut pruned, &mut before)?;
    let pass = Pass { shared: Arc::clone(shared), request: request.clone(), plan };
    let Found { groups, mut scanned } = workers::run(&mut scan, pass, sources)?;
    scanned.blocks_pruned += pruned;
    let grouped = request.group_by.iter().map(String::as_str);
    let measured = request.aggregates.iter().map(|aggregate| &*aggregate.field);
    let others: Vec<&str> = grouped.chain(measured).collect();
    let (rows, memory) = groups.into_rows(request.interval, request.top);
    Ok(StatsTable {
        warnings: names::warnings(&snapshot, &request.filter, &others),
        scanned,
        rows,
        _memory: Some(Arc::new(memory)),
    })
}

/// Level and time are no columns: what can't be computed of them is said, not answered with nothing.
fn check_fields(request: &StatsRequest) -> Result<()> {
    if request.group_by.iter().any(|name| name == "timestamp") {
        return Err(Error::invalid("group_by: events are grouped by time with `interval`"));
    }
    let is_none = |aggregate: &&Aggregate| match &*aggregate.field {
        "timestamp" => true,
        "level" => aggregate.function != Function::Uniq,
        _ => false,
    };
    match request.aggregates.iter().find(is_none) {
        Some(Aggregate { field, .. }) => {
            Err(Error::invalid(format!("agg: there is no such figure of `{field}`")))
        }
        None => Ok(()),
    }
}

impl Pass {
    /// The bucket and the level of all events of a source, if its header tells all there is to
    /// know: every event matches, in one bucket, and nothing but its level is asked for.
    fn known_from_header(&self, source: &Source) -> Option<(i64, Option<Level>)> {
        let request = &self.request;
        let levels = source.levels;
        let one_level = levels.is_power_of_two();
        let all_match = self.plan.matches_all()
            || self.plan.decided_by_level() && levels & !self.plan.levels == 0;
        let known = all_match
            && self.shared.prunes()
            && request.aggregates.is_empty()
            && request.group_by.iter().all(|name| name == "level" && one_level)
            && contains(request.range, source.times);
        if !known {
            return None;
        }
        let bucket = self.bucket(source.times.0.0);
        let level = Level::from_code(levels.trailing_zeros() as u8).filter(|_| one_level);
        (bucket == self.bucket(source.times.1.0)).then_some((bucket, level))
    }

    fn bucket(&self, timestamp: i64) -> i64 {
        self.request.interval.map_or(0, |interval| timestamp.div_euclid(interval))
    }
}

impl Part<'_> {
    /// Takes in a source, which is the `number`-th of the snapshot.
    fn scan(&mut self, number: usize, source: &Source) -> Result<()> {
        let pass = self.pass;
        let Some(known) = source.admit(&pass.plan, &pass.shared)? else {
            self.found.scanned.blocks_pruned += 1;
            return Ok(());
        };
        self.found.groups.begin_source(number);
        if let Some((bucket, level)) = pass.known_from_header(source) {
            self.found.scanned.blocks_pruned += 1;
            let level = level.map(|level| (Kind::String, level.name().as_bytes().to_vec()));
            let key = pass.request.group_by.iter().map(|_| level.as_ref());
            let group = self.found.groups.find(bucket, key)?;
            self.found.groups.count(group as usize, source.rows as u64);
            return Ok(());
        }
        let _memory = pass.shared.pool.reserve(Consumer::Query, source.bytes)?;
        source
            .open(&pass.shared)?
            .with_table(&pass.shared, |table| self.scan_table(table, &known, source.times))
    }

    /// Counts the rows of a table that match, all of which are in range, if nothing else is asked
    /// for and the table knows; `false` if not.
    fn count_known(
        &mut self,
        table: &dyn Table,
        known: &BlockIndex,
        times: (Timestamp, Timestamp),
    ) -> Result<bool> {
        let bucket = self.pass.bucket(times.0.0);
        let only_counts = self.pass.request.aggregates.is_empty()
            && self.pass.request.group_by.is_empty()
            && bucket == self.pass.bucket(times.1.0);
        if !only_counts || !self.pass.shared.prunes() {
            return Ok(false);
        }
        let Some(count) = self.pass.plan.known_count(table, known)? else { return Ok(false) };
        self.found.scanned.blocks += 1;
        self.found.scanned.rows += table.rows() as u64;
        if count > 0 {
            let group = self.found.groups.find(bucket, std::iter::empty())?;
            self.found.groups.count(group as usize, count);
        }
        Ok(true)
    }

    /// Takes in the rows of a table whose timestamps are not before `times.0` nor after `times.1`.
    fn scan_table(
        &mut self,
        table: &dyn Table,
        known: &BlockIndex,
        times: (Timestamp, Timestamp),
    ) -> Result<()> {
        let range = self.pass.request.range;
        let all_in_range = contains(range, times);
        if all_in_range && self.count_known(table, known, times)? {
            return Ok(());
        }
        let timestamps = match all_in_range && self.pass.request.interval.is_none() {
            true => Cow::default(),
            false => table.timestamps()?,
        };
        let candidates = match all_in_range {
            true => Selection::all(table.rows()),
            false => Selection::from_fn(table.rows(), |row| {
                contains(range, (Timestamp(timestamps[row]), Timestamp(timestamps[row])))
            }),
        };
        self.found.scanned.blocks += 1;
        self.found.scanned.rows += candidates.count() as u64;
        let selected = self.pass.plan.evaluate(table, known, candidates)?;
        if selected.is_empty() {
            return Ok(());
        }
        let groups = self.assign_groups(table, &timestamps, &selected)?;
        for (index, aggregate) in self.pass.request.aggregates.iter().enumerate() {
            let all = &mut self.found.groups;
            if aggregate.field == "level" && !all.wants_numbers(index) {
                // The level is no column.
                let levels = table.levels()?;
                for row in selected.iter() {
                    let Some(level) = Level::from_code(levels[row]) else { continue };
                    let value = Value { kind: Kind::String, text: level.name().as_bytes() };
                    all.add_value(groups[row] as usize, index, value);
                }
            } else if all.wants_numbers(index) {
                table.for_each_number(
                    column_of(&aggregate.field),
                    &selected,
                    &mut |row, number| {
                        all.add_number(groups[row] as usize, index, number);
                    },
                )?;
            } else {
                table.for_each_value(
                    column_of(&aggregate.field),
                    &selected,
                    &mut |row, value| {
                        all.add_value(groups[row] as usize, index, value);
                    },
                )?;
            }
        }
        self.found.groups.check_size()
    }

    /// Counts the selected rows. Returns the group of each (meaningless for other rows). Without
    /// an interval there need be no timestamps.
    fn assign_groups(
        &mut self,
        table: &dyn Table,
        timestamps: &[i64],
        selected: &Selection,
    ) -> Result<Vec<u32>> {
        let fields = self.pass.request.group_by.iter();
        let fields: Vec<Codes> =
            fields.map(|name| group_codes(table, name, selected)).collect::<Result<_>>()?;
        let request = &self.pass.request;
        let bucket_of = |row: usize| {
            request.interval.map_or(0, |interval| timestamps[row].div_euclid(interval))
        };
        let first_bucket = selected.iter().map(bucket_of).min().unwrap_or(0);
        let last_bucket = selected.iter().map(bucket_of).max().unwrap_or(0);
        let combinations = fields
            .iter()
            .try_fold(1u64, |n, field| n.checked_mul(field.values.len() as u64 + 1))
            .ok_or_else(|| Error::invalid("group_by: too many combinations; group by less"))?;
        let mut places = Places::new(last_bucket.abs_diff(first_bucket), combinations);
        let mut groups = vec![0; table.rows()];
        for row in selected.iter() {
            let bucket = bucket_of(row);
            let combination = fields.iter().fold(0, |n, field| {
                n * (field.values.len() as u64 + 1) + u64::from(field.codes[row])
            });
            let local = (bucket.abs_diff(first_bucket), combination);
            let group = match places.get(local) {
                Some(group) => group,
                None => {
                    let key = fields.iter().map(|field| {
                        let index = field.codes[row].checked_sub(1)?;
                        Some(&field.values[index as usize])
                    });
                    let group = self.found.groups.find(bucket, key)?;
                    places.put(local, group);
                    group
                }
            };
            self.found.groups.count(group as usize, 1);
            groups[row] = group;
        }
        Ok(groups)
    }
}

fn contains(range: TimeRange, times: (Timestamp, Timestamp)) -> bool {
    range.from.is_none_or(|from| times.0 >= from) && range.to.is_none_or(|to| times.1 < to)
}

/// An attribute that was sent as `id` is kept as `_id`: `id` is the event's own.
fn column_of(name: &str) -> &str {
    if name == "id" { "_id" } else { name }
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

/// The groups met in a block, by their bucket (counted from the block's first) and the combination
/// of their codes.
enum Places {
    /// One more than the group, 0 for none; so many combinations a bucket.
    Dense {
        groups: Vec<u32>,
        combinations: u64,
    },
    Sparse(HashMap<(u64, u64), u32>),
}

impl Places {
    /// Places for buckets from 0 to `last_bucket`, which may be any number: a store can hold
    /// events of 1677 and of 2262, and an interval can be a nanosecond.
    fn new(last_bucket: u64, combinations: u64) -> Self {
        let places = last_bucket.checked_add(1).and_then(|n| n.checked_mul(combinations));
        match places {
            Some(places) if places <= DENSE_MAX => {
                Self::Dense { groups: vec![0; places as usize], combinations }
            }
            _ => Self::Sparse(HashMap::new()),
        }
    }

    fn get(&self, (bucket, combination): (u64, u64)) -> Option<u32> {
        match self {
            Self::Dense { groups, combinations } => {
                groups[(bucket * combinations + combination) as usize].checked_sub(1)
            }
            Self::Sparse(groups) => groups.get(&(bucket, combination)).copied(),
        }
    }

    fn put(&mut self, (bucket, combination): (u64, u64), group: u32) {
        match self {
            Self::Dense { groups, combinations } => {
                groups[(bucket * *combinations + combination) as usize] = group + 1;
            }
            Self::Sparse(groups) => drop(groups.insert((bucket, combination), group)),
        }
    }
}
