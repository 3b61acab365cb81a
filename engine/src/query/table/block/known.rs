//! What is known of a block without reading it, because queries before have found it out: it is sealed.

use super::{BlockTable, FEW_ROWS_MAX};
use crate::block::{ColumnEntry, FieldValues, Numbered, Numbering, Pairs, Summaries};
use crate::error::Result;
use crate::field;
use crate::query::matcher::{Judge, Verdict};
use crate::query::selection::Selection;
use crate::query::table::{NumberCounts, Summed, Table};
use std::sync::Arc;

/// The part of a block's rows that is looked at at least where values are numbered that no column lists: it
/// takes as long as looking at them all.
const NUMBERED_ROWS_SHARE: usize = 8;
/// By fields with more values, rows are counted one by one.
const PAIRED_VALUES_MAX: usize = 1_024;

impl BlockTable<'_> {
    /// The column of a field, if nothing else of the block has it.
    pub(super) fn only_column(&self, name: &str) -> Result<Option<usize>> {
        let mut columns = self.columns_named(name);
        match (columns.next(), columns.next()) {
            (Some((index, _)), None) => Ok(self.rest_with(name)?.is_none().then_some(index)),
            _ => Ok(None),
        }
    }

    /// The values of a column by numbers that blocks share, of a block of a file. Values that no column lists
    /// are numbered only if many of the rows are looked at.
    pub(super) fn numbered_column(
        &self,
        index: usize,
        rows: usize,
    ) -> Result<Option<(Arc<Numbered>, Arc<FieldValues>)>> {
        let Some((cache, key)) = self.cache else { return Ok(None) };
        let entry = &self.block().columns()[index];
        let field = cache.values().of_field(&entry.name);
        match cache.numbered(key, index) {
            Some(None) => return Ok(None),
            Some(Some(numbered)) if numbered.is_of(&field) => return Ok(Some((numbered, field))),
            Some(Some(_)) | None => {}
        }
        let pays = || field.takes_unlisted() && rows >= self.block().rows() / NUMBERED_ROWS_SHARE;
        if !entry.is_listed() && !pays() {
            return Ok(None);
        }
        match Numbering::of(&field, self.column(index)?, self.block().rows())? {
            Numbering::Rows(numbered) => {
                let numbered = Arc::new(numbered);
                if entry.is_listed() {
                    self.block().set_among(index, &field);
                }
                cache.put_numbered(key, index, Some(&numbered));
                Ok(Some((numbered, field)))
            }
            Numbering::Unique => {
                cache.put_numbered(key, index, None);
                Ok(None)
            }
            Numbering::NoRoom => Ok(None),
        }
    }

    /// Whether no value of a column that lists its values passes, as is known of all values of the field.
    /// For few rows nothing is found out: to number thousands of values takes longer than to search them.
    pub(super) fn is_known_to_fail(
        &self,
        index: usize,
        judge: &Judge,
        rows: &Selection,
    ) -> Result<bool> {
        let entry = &self.block().columns()[index];
        let Some((cache, _)) = self.cache.filter(|_| entry.is_listed()) else { return Ok(false) };
        let field = cache.values().of_field(&entry.name);
        if !self.block().is_among(index, &field) {
            if self.opened.is_for_few() || rows.count() <= FEW_ROWS_MAX {
                return Ok(false);
            }
            let Some(values) = self.column(index)?.listed() else { return Ok(false) };
            if field.numbers_of(values.iter()).is_none() {
                return Ok(false);
            }
            self.block().set_among(index, &field);
        }
        Ok(judge.fails_all(&field))
    }

    /// The columns of templates among those that a test looks at, and the others.
    fn columns_tested(&self, name: Option<&str>) -> (Vec<usize>, Vec<(usize, &ColumnEntry)>) {
        let columns = self.block().columns().iter().enumerate();
        let (templates, others): (Vec<_>, Vec<_>) = columns
            .filter(|(_, entry)| match name {
                Some(name) => field::is_called(&entry.name, name),
                None => !field::is_hidden(&entry.name),
            })
            .partition(|(_, entry)| entry.is_templates());
        (templates.into_iter().map(|(index, _)| index).collect(), others)
    }

    /// The rows that have a value which passes that is in no column of templates.
    fn passing_elsewhere(
        &self,
        name: Option<&str>,
        judge: &Judge,
        others: Vec<(usize, &ColumnEntry)>,
    ) -> Result<Selection> {
        let mut elsewhere = Selection::none(self.block().rows());
        let all = Selection::all(self.block().rows());
        for column in others {
            self.test(column, judge, &all, &mut elsewhere)?;
        }
        let rest = match name {
            Some(name) => self.rest_with(name)?,
            None => self.rest()?,
        };
        if let Some(rest) = rest {
            rest.for_each(|row, other, value| {
                let other = &rest.names()[other];
                let counts = match name {
                    Some(name) => field::is_called(other, name),
                    None => !field::is_hidden(other),
                };
                if counts && judge.matcher.matches(value) {
                    elsewhere.insert(row);
                }
            })?;
        }
        Ok(elsewhere)
    }

    /// How many values of a column pass, if the sentences alone tell.
    fn known_passing(&self, index: usize, judge: &Judge) -> Result<Option<u64>> {
        let Some((outline, epoch)) = self.outline(index)? else { return Ok(None) };
        let judged = judge.judge(&outline, &epoch);
        Ok((outline.raw() == 0 && !judged.depends).then_some(judged.passing))
    }

    /// The number of rows that pass, where sentences tell: a row may pass twice only if values of several
    /// columns do.
    pub(super) fn count_passing(&self, name: Option<&str>, judge: &Judge) -> Result<Option<u64>> {
        let (templates, others) = self.columns_tested(name);
        let mut passing = Vec::new();
        for index in templates {
            match self.known_passing(index, judge)? {
                Some(0) => {}
                Some(count) => passing.push(count),
                None => return Ok(None),
            }
        }
        let count = match passing[..] {
            [] => 0,
            [count] => count,
            _ => return Ok(None),
        };
        let elsewhere = self.passing_elsewhere(name, judge, others)?;
        Ok(match count {
            0 => Some(elsewhere.count() as u64),
            _ => elsewhere.is_empty().then_some(count),
        })
    }

    /// The same by the value of a field, if only the sentences of one column tell, and that field lists its
    /// values.
    pub(super) fn count_passing_by(
        &self,
        name: Option<&str>,
        judge: &Judge,
        by: &str,
    ) -> Result<Option<NumberCounts>> {
        let (templates, others) = self.columns_tested(name);
        let Some(by) = self.only_column(by)? else { return Ok(None) };
        let mut passing = None;
        for index in templates {
            let Some((outline, epoch)) = self.outline(index)? else { return Ok(None) };
            let judged = judge.judge(&outline, &epoch);
            if outline.raw() > 0 || judged.depends {
                return Ok(None);
            }
            if judged.passing > 0 && passing.replace((index, judged)).is_some() {
                return Ok(None);
            }
        }
        if !self.passing_elsewhere(name, judge, others)?.is_empty() {
            return Ok(None);
        }
        let Some((index, judged)) = passing else {
            let Some((cache, _)) = self.cache else { return Ok(None) };
            let field = cache.values().of_field(&self.block().columns()[by].name);
            return Ok(Some(NumberCounts { field, counts: Vec::new() }));
        };
        let Some((pairs, field)) = self.pairs(index, by)? else { return Ok(None) };
        let passing = pairs
            .counts()
            .iter()
            .filter(|pair| judged.verdicts[usize::from(pair.sentence)] == Verdict::Always);
        let counts = passing.map(|pair| (pair.number, pair.rows.into())).collect();
        Ok(Some(NumberCounts { field, counts }))
    }

    /// How many rows have each sentence of a column and each value of another.
    fn pairs(&self, index: usize, by: usize) -> Result<Option<(Arc<Pairs>, Arc<FieldValues>)>> {
        let entry = &self.block().columns()[by];
        let Some((cache, key)) = self.cache.filter(|_| entry.is_listed()) else { return Ok(None) };
        let field = cache.values().of_field(&entry.name);
        if let Some(pairs) = cache.pairs(key, (index, by))
            && pairs.is_of(&field)
        {
            return Ok(Some((pairs, field)));
        }
        let Some((numbered, field)) = self.numbered_column(by, self.block().rows())? else {
            return Ok(None);
        };
        if field.known().len() > PAIRED_VALUES_MAX {
            return Ok(None);
        }
        let pairs = Pairs::new(self.column(index)?, &numbered, &field)?.map(Arc::new);
        let Some(pairs) = pairs else { return Ok(None) };
        cache.put_pairs(key, (index, by), &pairs);
        Ok(Some((pairs, field)))
    }

    /// What the numbers of a field come to by the value of another one, if each has a column.
    pub(super) fn summed_by(&self, by: Option<&str>, measured: &str) -> Result<Option<Summed>> {
        let Some((cache, key)) = self.cache else { return Ok(None) };
        let Some(index) = self.only_column(measured)? else { return Ok(None) };
        let by = match by.map(|by| self.only_column(by)).transpose()? {
            None => None,
            Some(Some(by)) => Some(by),
            Some(None) => return Ok(None),
        };
        let columns = self.block().columns();
        let field = by.map(|by| cache.values().of_field(&columns[by].name));
        if let Some(summaries) = cache.summaries(key, (by, index))
            && summaries.is_of(field.as_ref())
        {
            return Ok(Some(Summed { summaries, field }));
        }
        // Of what has no range some values are no numbers.
        if columns[index].numbers.is_none() {
            return Ok(None);
        }
        let rows = self.block().rows();
        let numbered = match by {
            None => None,
            Some(by) => match self.numbered_column(by, rows)? {
                None => return Ok(None),
                Some(numbered) => Some(numbered),
            },
        };
        let by_number = numbered.as_ref().map(|(numbered, field)| (&**numbered, field));
        let summaries = Summaries::new(self.column(index)?, rows, by_number, |each| {
            self.for_each_number(measured, &Selection::all(rows), each)
        })?;
        let Some(summaries) = summaries.map(Arc::new) else { return Ok(None) };
        cache.put_summaries(key, (by, index), &summaries);
        let field = numbered.map(|(_, field)| field);
        Ok(Some(Summed { summaries, field }))
    }
}
