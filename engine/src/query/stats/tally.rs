//! Events counted by the numbers that blocks share for the values of a field, so that a group is looked for
//! once a value, and not once a block.
//!
//! - `C1` What is tallied becomes groups before anyone looks at the groups of the whole table: they are those
//!   that there would be without.
//! - `C2` In a source that is tallied each lexeme has one kind: of a field that was found to have several for
//!   one, rows are looked at, for the first of a group tells its kind.
//! - `C3` Where the values with the highest counts are wanted, and nothing else was counted, only those
//!   become groups: no other could be among them.
//! - `C4` A tally has the memory of the groups that it becomes before it counts: where there is none, rows are
//!   looked at, and what was counted before is not lost.

use super::groups::Groups;
use super::summed::Matching;
use super::{Found, Part, Pass, column_of};
use crate::block::{FieldValues, Numbered, RowNumbers, ValueSums};
use crate::error::{ErrorKind, Result};
use crate::index::BlockIndex;
use crate::pool::{Consumer, Pool, Reservation};
use crate::query::selection::Selection;
use crate::query::table::{NumberCounts, OwnedValue, Table};
use std::cmp::Reverse;
use std::sync::Arc;

/// Memory is reserved in steps of this.
const STEP_BYTES: usize = 64 << 10;

impl Pass {
    /// The field by whose values events are only counted, if they are.
    pub(super) fn tallied_field(&self) -> Option<&str> {
        let request = &self.request;
        let [name] = &*request.group_by else { return None };
        let is_tallied = name != "level"
            && request.interval.is_none()
            && request.aggregates.is_empty()
            && self.steps.is_empty()
            && self.shared.prunes();
        is_tallied.then(|| column_of(name))
    }

    /// Which events of a level that can match do, if no more than a field decides.
    pub(super) fn matching_of(&self, field: &str) -> Option<Matching> {
        let wants = self.plan.wants_at_most_field(field)?;
        Some(if wants { Matching::WithField } else { Matching::All })
    }

    /// Whether events of all of these levels can match.
    pub(super) fn wants_levels(&self, levels: u8) -> bool {
        levels & !self.plan.levels == 0
    }
}

impl<'a> Part<'a> {
    /// The field by whose values events are only counted, if they are and there are not too many groups.
    pub(super) fn tallied_field(&self) -> Option<&'a str> {
        self.pass.tallied_field().filter(|_| self.found.groups.keeps_all())
    }

    /// Counts the rows of a table with these levels that match by a field, if it is known how many have which
    /// value; `false` if not.
    pub(super) fn tally_known(
        &mut self,
        number: usize,
        table: &dyn Table,
        known: &BlockIndex,
        levels: u8,
    ) -> Result<bool> {
        let Some(by) = self.tallied_field() else { return Ok(false) };
        if let Some(matching) = self.pass.matching_of(by).filter(|_| self.pass.wants_levels(levels))
        {
            return self.tally_all(number, table, by, matching);
        }
        if !self.pass.keeps {
            return Ok(false);
        }
        let Some(known) = self.pass.plan.known_numbers(table, known, by)? else {
            return Ok(false);
        };
        if known.as_ref().is_some_and(|known| known.field.known().is_ambiguous()) {
            return Ok(false);
        }
        if let Some(NumberCounts { field, counts }) = known {
            let greatest = counts.iter().map(|(number, _)| *number).max().unwrap_or(0);
            let Some(tally) = self.tally_of(field, greatest)? else { return Ok(false) };
            tally.add_counts(&counts, number);
        }
        self.found.scanned.blocks += 1;
        self.found.scanned.rows += table.rows() as u64;
        Ok(true)
    }

    /// Counts the selected rows of a table by a field, if that is all and its values have numbers; `false`
    /// if not.
    pub(super) fn tally_rows(
        &mut self,
        number: usize,
        table: &dyn Table,
        selected: &Selection,
    ) -> Result<bool> {
        let Some(by) = self.tallied_field() else { return Ok(false) };
        let Some((numbered, field)) = table.numbered(by, selected.count())? else {
            return Ok(false);
        };
        if field.known().is_ambiguous() {
            return Ok(false);
        }
        let Some(tally) = self.tally_of(field, numbered.greatest())? else { return Ok(false) };
        tally.add(&numbered, selected, number);
        Ok(true)
    }

    /// Counts all rows of a table by a field, or those that have it, if its values have numbers; `false` if
    /// not. No row is looked at whose numbers are known.
    fn tally_all(
        &mut self,
        number: usize,
        table: &dyn Table,
        by: &str,
        matching: Matching,
    ) -> Result<bool> {
        let rows = table.rows();
        let Some((numbered, field)) = table.numbered(by, rows)? else { return Ok(false) };
        if field.known().is_ambiguous() {
            return Ok(false);
        }
        let Some(tally) = self.tally_of(Arc::clone(&field), numbered.greatest())? else {
            return Ok(false);
        };
        let without = tally.counts[0];
        tally.add(&numbered, &Selection::all(rows), number);
        if matching == Matching::WithField {
            tally.counts[0] = without;
        }
        self.pass.stretches.add(number, (&numbered, &field), rows);
        self.found.scanned.blocks += 1;
        self.found.scanned.rows += rows as u64;
        Ok(true)
    }

    /// Counts all rows of sources from this number on, or those that have the field, by what is known of them
    /// together; `false` if that can't be.
    pub(super) fn tally_sums(&mut self, number: usize, sums: &ValueSums) -> Result<bool> {
        let Some(by) = self.tallied_field() else { return Ok(false) };
        let Some(matching) = self.pass.matching_of(by) else { return Ok(false) };
        let Some(field) = sums.field() else { return Ok(false) };
        if field.known().is_ambiguous() {
            return Ok(false);
        }
        let greatest = sums.counts().len().saturating_sub(1) as u32;
        let Some(tally) = self.tally_of(field, greatest)? else { return Ok(false) };
        let numbers = tally.counts.iter_mut().zip(sums.counts());
        for (count, events) in numbers.skip(usize::from(matching == Matching::WithField)) {
            if *events > 0 {
                count.add((*events).into(), number);
            }
        }
        Ok(true)
    }

    /// Where events are counted by the values of a field up to the one with this number; `None` if there is no
    /// room for so many.
    fn tally_of(&mut self, field: Arc<FieldValues>, greatest: u32) -> Result<Option<&mut Tally>> {
        if self.found.tally.as_ref().is_some_and(|tally| !tally.is_of(&field)) {
            self.found.settle(None)?;
        }
        let Found { tally, groups, .. } = &mut self.found;
        let tally = match tally {
            Some(tally) => tally,
            none => none.insert(Tally::new(field, &self.pass.pool)?),
        };
        match tally.make_room(greatest, groups) {
            Ok(()) => Ok(Some(tally)),
            Err(error) if error.kind() == ErrorKind::Memory => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Counts by number.
#[derive(Debug)]
pub(super) struct Tally {
    field: Arc<FieldValues>,
    counts: Vec<Count>,
    memory: Reservation,
}

/// The events of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    events: u64,
    /// The source in which it was first met.
    source: usize,
}

impl Count {
    #[inline]
    fn add(&mut self, events: u64, source: usize) {
        if self.events == 0 {
            self.source = source;
        }
        self.events += events;
    }

    fn merge(&mut self, other: Self) {
        if other.events > 0 {
            let source = if self.events == 0 { other.source } else { self.source };
            self.source = source.min(other.source);
            self.events += other.events;
        }
    }
}

impl Tally {
    /// Nothing is counted yet; the memory will be of `pool`.
    pub(super) fn new(field: Arc<FieldValues>, pool: &Arc<Pool>) -> Result<Self> {
        let memory = pool.reserve(Consumer::Query, 0)?;
        Ok(Self { field, counts: Vec::new(), memory })
    }

    /// Whether it counts by these numbers.
    pub(super) fn is_of(&self, field: &Arc<FieldValues>) -> bool {
        Arc::ptr_eq(&self.field, field)
    }

    /// Whether both count by the same numbers.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_of(&other.field)
    }

    /// Counts the selected rows of a source. Sources must come in rising order.
    fn add(&mut self, numbered: &Numbered, selected: &Selection, source: usize) {
        match numbered.rows() {
            RowNumbers::Same(number) => {
                self.counts[*number as usize].add(selected.count() as u64, source);
            }
            RowNumbers::Bytes(numbers) => self.add_rows(numbers, selected, source),
            RowNumbers::Shorts(numbers) => self.add_rows(numbers, selected, source),
            RowNumbers::Longs(numbers) => self.add_rows(numbers, selected, source),
        }
    }

    fn add_rows<N: Copy + Into<u32>>(
        &mut self,
        numbers: &[N],
        selected: &Selection,
        source: usize,
    ) {
        if selected.count() == numbers.len() {
            for number in numbers {
                self.counts[(*number).into() as usize].add(1, source);
            }
            return;
        }
        selected.for_each(|row| self.counts[numbers[row].into() as usize].add(1, source));
    }

    /// Counts events by number.
    fn add_counts(&mut self, counts: &[(u32, u64)], source: usize) {
        for (number, events) in counts {
            self.counts[*number as usize].add(*events, source);
        }
    }

    /// Makes room for all numbers up to this one, and for the groups of their values (`C4`).
    fn make_room(&mut self, greatest: u32, groups: &Groups) -> Result<()> {
        let count = greatest as usize + 1;
        if count > self.counts.len() {
            let texts = self.field.known().texts_len(greatest);
            let bytes = count * size_of::<Count>() + groups.room_of(count, 1, texts);
            self.memory.grow_to(bytes, STEP_BYTES)?;
            self.counts.resize(count, Count::default());
        }
        Ok(())
    }

    /// Takes in what another one of the same field has.
    pub(super) fn merge(&mut self, other: Self) {
        self.memory.merge(other.memory);
        let count = self.counts.len().max(other.counts.len());
        self.counts.resize(count, Count::default());
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, other)| mine.merge(other));
    }

    /// Makes groups of what was counted; of the `top` highest counts at least, if no more is wanted.
    pub(super) fn settle(self, groups: &mut Groups, top: Option<usize>) -> Result<()> {
        let known = self.field.known();
        let met = self.counts.iter().filter(|count| count.events > 0).count();
        let is_all = groups.is_empty() && !known.is_ambiguous() && met <= groups.groups_max();
        let least = top.filter(|_| is_all).map_or(1, |top| self.least_of(top));
        let mut wanted: Vec<(usize, u32, u64)> = Vec::new();
        for (number, count) in (0..).zip(&self.counts) {
            if count.events >= least {
                wanted.push((count.source, number, count.events));
            }
        }
        let texts = wanted.iter().filter(|(_, number, _)| *number > 0);
        let texts = texts.map(|(_, number, _)| known.value(*number).text.len()).sum();
        groups.take_room(self.memory);
        groups.make_room(wanted.len(), 1, texts)?;
        // Sources must come in rising order.
        wanted.sort_unstable();
        for (source, number, events) in wanted {
            let value: Option<OwnedValue> = (number > 0).then(|| {
                let value = known.value(number);
                (value.kind, value.text.to_vec())
            });
            groups.count_of(source, std::iter::once(value.as_ref()), events)?;
        }
        drop(known);
        groups.bound()
    }

    /// The events of the last of the `top` values with the most; 1 if there are fewer values.
    fn least_of(&self, top: usize) -> u64 {
        let Some(last) = top.checked_sub(1) else { return 1 };
        let mut events: Vec<u64> = self.counts.iter().map(|count| count.events).collect();
        if last >= events.len() {
            return 1;
        }
        let (_, least, _) = events.select_nth_unstable_by_key(last, |events| Reverse(*events));
        (*least).max(1)
    }
}
