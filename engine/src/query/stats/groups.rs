//! The groups of a table, bounded in number and memory.

use super::distinct::{Detail, VALUE_BYTES};
use super::excess::{Excess, Mode, OTHER};
use super::figure::Figure;
use crate::error::Result;
use crate::event::{Kind, Value};
use crate::pool::{Consumer, Pool, Reservation};
use crate::query::request::{
    Aggregate, ErrorBound, Function, OtherGroups, Scanned, StatsRow, StatsTable,
};
use crate::query::table::OwnedValue;
use crate::timestamp::Timestamp;
use crate::value::{QUANTILE_ERROR, Summary};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a group takes besides its columns and figures: places in tables, allocations.
const GROUP_BYTES: usize = 128;
/// What a column of a group takes besides its text: the value, an allocation, its length in the key, its
/// place in the key by which the greatest are found.
pub(super) const COLUMN_BYTES: usize = size_of::<Option<OwnedValue>>() + 16 + 8 + 16;
/// Memory is reserved in steps of this.
const STEP_BYTES: usize = 256 << 10;

/// So many groups are merged or put in order as one item of the query.
const ITEM_GROUPS: usize = 1_024;

/// Called before each item: an error ends the query.
pub(super) type Before<'a> = &'a mut dyn FnMut() -> Result<()>;

/// The groups of a table.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) functions: Vec<Function>,
    /// By what [`write_key`] makes of the bucket and the lexemes.
    pub(super) places: HashMap<Box<[u8]>, u32>,
    pub(super) key: Vec<u8>,
    pub(super) groups: Vec<Group>,
    /// Values that figures remember, of which there is room for more or less by the detail.
    pub(super) distinct_values: usize,
    pub(super) detail: Detail,
    /// What columns, their keys and sketches take.
    pub(super) bytes: usize,
    /// The source that is being scanned.
    source: usize,
    pub(super) mode: Mode,
    pub(super) excess: Arc<Excess>,
    pub(super) memory: Reservation,
}

#[derive(Debug)]
pub(super) struct Group {
    bucket: i64,
    /// The source in which the group was first met.
    source: usize,
    /// A value groups by its lexeme; the first event of the group tells what it was in JSON.
    pub(super) values: Vec<Option<OwnedValue>>,
    pub(super) count: u64,
    pub(super) figures: Vec<Figure>,
}

/// A table's rows.
#[derive(Debug)]
pub(super) struct Rows {
    /// By time, then by count, greatest first, then by value.
    pub(super) rows: Vec<StatsRow>,
    pub(super) other: Option<OtherGroups>,
    /// Of the rows with the highest counts: a group that is not among them may have so many events,
    /// which is more than the last of them has.
    pub(super) left_out_max: Option<u64>,
    pub(super) error_bounds: Vec<Option<ErrorBound>>,
    pub(super) memory: Reservation,
}

impl Rows {
    pub(super) fn into_table(self, warnings: Vec<String>, scanned: Scanned) -> StatsTable {
        let Self { rows, other, left_out_max, error_bounds, memory } = self;
        let _memory = Some(Arc::new(memory));
        StatsTable { rows, other, left_out_max, error_bounds, warnings, scanned, _memory }
    }
}

impl Groups {
    /// No groups; their memory will be of `pool`. `greatest`: there are more than there may be, and they
    /// were weighed.
    pub(super) fn new(
        aggregates: &[Aggregate],
        pool: &Arc<Pool>,
        excess: &Arc<Excess>,
        greatest: bool,
    ) -> Result<Self> {
        let mut groups = Self {
            functions: aggregates.iter().map(|aggregate| aggregate.function).collect(),
            places: HashMap::new(),
            key: Vec::new(),
            groups: Vec::new(),
            distinct_values: 0,
            // What is dropped would count: so the detail is the same from the start (`E1`).
            detail: if greatest { Detail::Coarse } else { Detail::Exact },
            bytes: 0,
            source: 0,
            mode: if greatest { Mode::Greatest(None) } else { Mode::All },
            excess: Arc::clone(excess),
            memory: pool.reserve(Consumer::Query, 0)?,
        };
        if greatest {
            debug_assert_eq!(groups.groups.len(), OTHER as usize);
            groups.push(0, Vec::new());
        }
        Ok(groups)
    }

    /// What follows is of this source.
    pub(super) fn begin_source(&mut self, number: usize) -> Result<()> {
        self.source = number;
        match self.mode {
            Mode::All if self.excess.is_there() => self.weigh(),
            _ => Ok(()),
        }
    }

    /// Whether there is none yet.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && matches!(self.mode, Mode::All)
    }

    /// Groups at most.
    pub(super) fn groups_max(&self) -> usize {
        self.excess.bounds.groups_max
    }

    /// Whether every group is kept, with its figures.
    pub(super) fn keeps_all(&self) -> bool {
        matches!(self.mode, Mode::All) && !self.excess.is_there()
    }

    /// Counts events of a group without buckets that were first met in a source.
    pub(super) fn count_of<'v>(
        &mut self,
        source: usize,
        values: impl Iterator<Item = Option<&'v OwnedValue>> + Clone,
        events: u64,
    ) -> Result<()> {
        let before = std::mem::replace(&mut self.source, source);
        let place = self.find(0, values);
        self.source = before;
        self.groups[place? as usize].count += events;
        Ok(())
    }

    /// Whether groups are only counted: there are more than there may be.
    pub(super) fn are_weighed(&self) -> bool {
        matches!(self.mode, Mode::Weigh)
    }

    /// The group of these values in this bucket.
    pub(super) fn find<'v>(
        &mut self,
        bucket: i64,
        values: impl Iterator<Item = Option<&'v OwnedValue>> + Clone,
    ) -> Result<u32> {
        write_key(bucket, values.clone(), &mut self.key);
        if let Some(place) = self.places.get(&*self.key).copied() {
            let group = &mut self.groups[place as usize];
            // A thread may come to an earlier source with what another has found of a later one.
            if self.source < group.source {
                group.source = self.source;
                group.values = values.map(Option::<&_>::cloned).collect();
            }
            return Ok(place);
        }
        if self.is_dropped()? {
            return Ok(OTHER);
        }
        let next = self.groups.len() as u32;
        self.places.insert(self.key.as_slice().into(), next);
        self.push(bucket, values.map(Option::<&_>::cloned).collect());
        Ok(next)
    }

    fn push(&mut self, bucket: i64, values: Vec<Option<OwnedValue>>) {
        let figures = self.functions.iter().map(|function| Figure::new(*function)).collect();
        let group = Group { bucket, source: self.source, values, count: 0, figures };
        self.bytes += group.columns();
        self.groups.push(group);
    }

    /// Takes in the groups of other sources of the same request.
    pub(super) fn merge(&mut self, mut other: Self, before: Before<'_>) -> Result<()> {
        if self.are_weighed() || other.are_weighed() {
            self.weigh()?;
            return other.weigh();
        }
        self.reduce(other.detail);
        other.reduce(self.detail);
        if let Mode::Greatest(_) = self.mode {
            let dropped = &mut other.groups[OTHER as usize];
            self.merge_into(OTHER, dropped);
        }
        for (number, (key, place)) in std::mem::take(&mut other.places).into_iter().enumerate() {
            before_item(number, before)?;
            let group = &mut other.groups[place as usize];
            if let Some(mine) = self.places.get(&key).copied() {
                self.merge_into(mine, group);
                continue;
            }
            let figures = std::mem::take(&mut group.figures);
            let values = std::mem::take(&mut group.values);
            let group = Group { values, figures, ..*group };
            let (bytes, distinct) = group.takes(self.detail);
            self.bytes += bytes;
            self.distinct_values += distinct;
            self.places.insert(key, self.groups.len() as u32);
            self.groups.push(group);
        }
        self.raise_floor(other.mode);
        self.memory.merge(other.memory);
        self.bound()
    }

    /// Takes in the events of a group of another part.
    fn merge_into(&mut self, mine: u32, group: &mut Group) {
        let mine = &mut self.groups[mine as usize];
        mine.count += group.count;
        if group.source < mine.source {
            mine.source = group.source;
            mine.values = std::mem::take(&mut group.values);
        }
        for (mine, figure) in mine.figures.iter_mut().zip(group.figures.drain(..)) {
            let (bytes, distinct) = mine.merge(figure, self.detail);
            self.bytes += bytes;
            self.distinct_values += distinct;
        }
    }

    pub(super) fn count(&mut self, group: usize, events: u64) {
        self.groups[group].count += events;
    }

    /// Whether an aggregate measures numbers; otherwise it counts values.
    pub(super) fn wants_numbers(&self, aggregate: usize) -> bool {
        !matches!(self.functions[aggregate], Function::Count | Function::Uniq)
    }

    pub(super) fn add_number(&mut self, group: usize, aggregate: usize, number: f64) {
        self.bytes += self.groups[group].figures[aggregate].add_number(number);
    }

    pub(super) fn add_summary(&mut self, group: usize, aggregate: usize, numbers: &Summary) {
        self.bytes += self.groups[group].figures[aggregate].add_summary(numbers);
    }

    pub(super) fn add_value(&mut self, group: usize, aggregate: usize, value: Value<'_>) {
        let new = self.groups[group].figures[aggregate].add_value(value, self.detail);
        self.distinct_values += usize::from(new);
    }

    /// Reserves what groups and figures take, after values were forgotten of which there are too many.
    pub(super) fn reserve(&mut self) -> Result<()> {
        while self.distinct_values > self.detail.budget(self.excess.bounds.distinct_max) {
            self.reduce(self.detail.less());
        }
        let takes = self.takes();
        self.memory.grow_to(takes, STEP_BYTES)?;
        // There was room for more groups than there are.
        if self.memory.bytes() > takes + 2 * STEP_BYTES {
            self.memory.shrink_to(takes + STEP_BYTES);
        }
        Ok(())
    }

    /// Reserves what a further table may take before any of it is counted: so many new groups with so
    /// many columns, whose texts have so many bytes. Of a table that has no room nothing is counted, so
    /// that what was found before has its memory, and can be answered.
    pub(super) fn make_room(&mut self, groups: usize, columns: usize, texts: usize) -> Result<()> {
        if matches!(self.mode, Mode::All) {
            self.memory.grow_to(self.takes() + self.room_of(groups, columns, texts), 0)?;
        }
        Ok(())
    }

    /// What that takes.
    pub(super) fn room_of(&self, groups: usize, columns: usize, texts: usize) -> usize {
        groups * (self.base() + columns * COLUMN_BYTES) + 2 * texts
    }

    /// Takes over memory that was reserved for further groups.
    pub(super) fn take_room(&mut self, room: Reservation) {
        self.memory.merge(room);
    }

    /// Counts with this detail from here on, if that is less.
    fn reduce(&mut self, detail: Detail) {
        if detail <= self.detail {
            return;
        }
        self.detail = detail;
        self.groups.iter_mut().flat_map(|group| &mut group.figures).for_each(|figure| {
            figure.reduce(detail);
        });
        self.distinct_values = self.groups.iter().map(|group| group.takes(detail).1).sum();
    }

    /// What all of it takes, about.
    fn takes(&self) -> usize {
        self.bytes + self.groups.len() * self.base() + self.distinct_values * VALUE_BYTES
    }

    /// What a group takes without its columns and what its figures hold.
    fn base(&self) -> usize {
        let figures: usize = self.functions.iter().map(|function| Figure::base(*function)).sum();
        // The row stands beside the group while rows are made.
        let row = size_of::<StatsRow>() + self.functions.len() * size_of::<Option<f64>>();
        size_of::<Group>() + GROUP_BYTES + figures + row
    }

    /// The table, and its memory.
    pub(super) fn into_rows(
        mut self,
        interval: Option<i64>,
        top: Option<usize>,
        before: Before<'_>,
    ) -> Result<Rows> {
        let mut other = self.take_other()?;
        let group_events_max = self.floor().unwrap_or_default();
        let mut left_out_max = None;
        if let Some(top) = top
            && let Some(least) = self.keep_top(top, before)?
        {
            left_out_max = Some(group_events_max).filter(|most| *most > least);
            other = None;
        }
        let error_bounds = self.error_bounds(other.as_ref());
        before()?;
        self.groups.sort_by(|a, b| {
            let order = |group: &Group| (group.bucket, Reverse(group.count));
            // By text alone: which of several kinds is told depends on where events are stored.
            order(a).cmp(&order(b)).then_with(|| texts(a).cmp(texts(b)))
        });
        let time = |bucket: i64| interval.map(|width| Timestamp(bucket.saturating_mul(width)));
        let row = |group: Group| StatsRow { time: time(group.bucket), ..group.into_row() };
        let groups = self.groups.into_iter().enumerate();
        let rows = groups.map(|(number, group)| before_item(number, before).map(|()| row(group)));
        let rows: Vec<StatsRow> = rows.collect::<Result<_>>()?;
        let other = other.map(|group| {
            let name = (Kind::String, OtherGroups::NAME.as_bytes().to_vec());
            let names = rows.first().map_or(0, |row| row.group.len());
            let row = StatsRow { group: vec![Some(name); names], ..group.into_row() };
            OtherGroups { row, group_events_max }
        });
        Ok(Rows { rows, other, left_out_max, error_bounds, memory: self.memory })
    }

    fn error_bounds(&self, other: Option<&Group>) -> Vec<Option<ErrorBound>> {
        let groups = || self.groups.iter().chain(other);
        let is_estimate = |place: usize| {
            groups().any(|group| group.figures.get(place).is_some_and(Figure::is_estimate))
        };
        let bound = |(place, function): (usize, &Function)| match function {
            Function::Percentile(_) => Some(ErrorBound::Relative(QUANTILE_ERROR)),
            Function::Uniq if is_estimate(place) => {
                Some(ErrorBound::Standard(self.detail.standard_error()))
            }
            _ => None,
        };
        self.functions.iter().enumerate().map(bound).collect()
    }

    /// Keeps the values with the most events over all buckets. As for groups, a value is its
    /// lexeme: `500` in one bucket and `"500"` in the next are one value. Returns the events of the last
    /// value that is kept, unless all are.
    fn keep_top(&mut self, top: usize, before: Before<'_>) -> Result<Option<u64>> {
        let mut totals: HashMap<Vec<Option<&[u8]>>, u64> = HashMap::new();
        for (number, group) in self.groups.iter().enumerate() {
            before_item(number, before)?;
            *totals.entry(lexemes(group)).or_default() += group.count;
        }
        let mut order: Vec<_> = totals.into_iter().map(|(v, count)| (Reverse(count), v)).collect();
        order.sort_unstable();
        let last = order.get(..top).and_then(|best| best.last());
        let least = last.map(|(Reverse(count), _)| *count);
        let best: HashSet<_> = order.into_iter().take(top).map(|(_, values)| values).collect();
        let kept: Vec<bool> =
            self.groups.iter().map(|group| best.contains(&lexemes(group))).collect();
        let mut kept = kept.into_iter();
        self.groups.retain(|_| kept.next().unwrap_or(false));
        Ok(least)
    }
}

impl Group {
    /// Without its time.
    fn into_row(self) -> StatsRow {
        StatsRow {
            time: None,
            values: self.figures.iter().map(Figure::result).collect(),
            count: self.count,
            group: self.values,
        }
    }
}

fn before_item(number: usize, before: Before<'_>) -> Result<()> {
    if number.is_multiple_of(ITEM_GROUPS) { before() } else { Ok(()) }
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
    texts(group).collect()
}

fn texts(group: &Group) -> impl Iterator<Item = Option<&[u8]>> {
    group.values.iter().map(|value| value.as_ref().map(|(_, text)| &**text))
}

#[cfg(test)]
mod tests;
