//! A table with columns that were computed for a query: they hide stored ones of the same name.
//!
//! `E1`: a computed column has the stored value (the first, of several) in the rows where nothing was
//! computed, so that it stands for the stored one in every row.

use super::{Codes, EachSentence, EventTable, Table, TableColumn};
use crate::error::Result;
use crate::event::{Kind, Value};
use crate::field;
use crate::query::ast::{Bin, Extract};
use crate::query::bins::{bin_lexeme, whole_bin};
use crate::query::filter::FieldTest;
use crate::query::matcher::Judge;
use crate::query::patterns::sentence_of;
use crate::query::request::EventRecord;
use crate::query::selection::Selection;
use crate::scan::Interrupt;
use crate::value::{Number, ValueSet};
use std::borrow::Cow;
use std::collections::HashMap;

/// Events that are looked at as a whole at a time.
const FETCHED_AT_ONCE: usize = 64;

/// A table and computed columns.
pub(crate) struct ExtendedTable<'t, T: ?Sized> {
    inner: &'t T,
    columns: Vec<Computed<'t>>,
}

struct Computed<'t> {
    name: &'t str,
    codes: Codes,
    /// The rows in which it hides what is stored.
    hides: Selection,
}

/// The name of the stored field that a text is extracted from.
pub(crate) fn extracted_from(extract: &Extract) -> &str {
    match extract.from.as_ref().map_or("message", |field| &field.name) {
        // An attribute that was sent as `id` is kept as `_id`: `id` is the event's own.
        "id" => "_id",
        name => name,
    }
}

/// What the kind of an extracted text is: a number if JSON would call it one.
pub(crate) fn extracted_kind(text: &[u8]) -> Kind {
    if Number::parse(text).is_some() { Kind::Number } else { Kind::String }
}

impl<'t, T: Table + ?Sized> ExtendedTable<'t, T> {
    /// The table, without further columns yet.
    pub(crate) fn new(inner: &'t T) -> Self {
        Self { inner, columns: Vec::new() }
    }

    /// Adds the fields that are extracted from the selected rows, of a query that may end in between.
    pub(crate) fn extract(
        &mut self,
        extract: &'t Extract,
        selected: &Selection,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let from = extracted_from(extract);
        let rows = self.rows();
        let mut new: Vec<(Vec<u32>, ValueSet)> =
            extract.names.iter().map(|_| (vec![0; rows], ValueSet::default())).collect();
        let mut places = extract.regex.capture_locations();
        self.for_each_value(from, selected, &mut |row, value| {
            if interrupt.leaves_out(value.text)
                || extract.regex.captures_read(&mut places, value.text).is_none()
            {
                return;
            }
            for (index, (codes, distinct)) in new.iter_mut().enumerate() {
                let Some((start, end)) = places.get(index + 1) else { continue };
                let text = &value.text[start..end];
                codes[row] = distinct.code(Value { kind: extracted_kind(text), text });
            }
        })?;
        interrupt.outcome()?;
        for (name, (mut codes, mut distinct)) in extract.names.iter().zip(new) {
            let hides = Selection::from_fn(rows, |row| codes[row] != 0);
            let mut others = selected.clone();
            others.subtract(&hides);
            self.for_each_value(name, &others, &mut |row, value| {
                codes[row] = distinct.code(value);
            })?;
            self.add(name, Codes { codes, values: distinct.into_values() }, hides);
        }
        Ok(())
    }

    /// Adds the steps in which a field's numbers lie, of the selected rows.
    pub(crate) fn bin(&mut self, bin: &'t Bin, selected: &Selection) -> Result<()> {
        let mut codes = vec![0; self.rows()];
        let mut distinct = ValueSet::default();
        let mut of_whole: HashMap<i64, u32> = HashMap::new();
        let mut code =
            |lexeme: &str| distinct.code(Value { kind: Kind::Number, text: lexeme.as_bytes() });
        self.for_each_number(&bin.field.name, selected, &mut |row, number| {
            codes[row] = match whole_bin(number, bin.width) {
                Some(whole) => *of_whole.entry(whole).or_insert_with(|| code(&whole.to_string())),
                None => bin_lexeme(number, bin.width).map_or(0, |lexeme| code(&lexeme)),
            };
        })?;
        let hides = Selection::all(self.rows());
        self.add(&bin.name, Codes { codes, values: distinct.into_values() }, hides);
        Ok(())
    }

    fn add(&mut self, name: &'t str, codes: Codes, mut hides: Selection) {
        if let Some(before) = self.columns.iter().position(|column| column.name == name) {
            hides.union(&self.columns.swap_remove(before).hides);
        }
        self.columns.push(Computed { name, codes, hides });
    }

    fn column(&self, name: &str) -> Option<&Computed<'t>> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn computed(&self, name: &str) -> Option<&Codes> {
        self.column(name).map(|column| &column.codes)
    }

    /// Whether a stored field of a row is hidden.
    fn hides(&self, row: usize, column: &str) -> bool {
        let named = |computed: &Computed<'_>| field::is_called(column, computed.name);
        self.columns.iter().any(|computed| computed.hides.contains(row) && named(computed))
    }

    /// Of rows that pass somewhere, those that pass only by a value that is hidden.
    fn passing_by_what_is_hidden(&self, judge: &Judge, found: &Selection) -> Result<Selection> {
        let mut doubtful = Selection::none(found.rows());
        for Computed { name, hides, .. } in &self.columns {
            let mut hidden = found.clone();
            hidden.intersect(hides);
            if hidden.is_empty() {
                continue;
            }
            self.inner.for_each_value(name, &hidden, &mut |row, _| doubtful.insert(row))?;
        }
        for column in &self.columns {
            let mut passing = Selection::none(found.rows());
            Self::add_passing(&column.codes, judge, &doubtful, &mut passing);
            doubtful.subtract(&passing);
        }
        let rows: Vec<usize> = doubtful.iter().collect();
        let mut shown_too = Selection::none(found.rows());
        // Few at a time: whole rows are looked at, and their memory is not reserved.
        for rows in rows.chunks(FETCHED_AT_ONCE) {
            self.inner.for_each_field(rows, &mut |row, column, value| {
                if !self.hides(row, column) && judge.matcher.matches(value) {
                    shown_too.insert(row);
                }
            })?;
        }
        doubtful.subtract(&shown_too);
        Ok(doubtful)
    }

    fn add_passing(codes: &Codes, judge: &Judge, from: &Selection, to: &mut Selection) {
        let passes =
            |(kind, text): &(Kind, Vec<u8>)| judge.matcher.matches(Value { kind: *kind, text });
        let passing: Vec<bool> = codes.values.iter().map(passes).collect();
        for row in from.iter() {
            if let Some(code) = codes.codes[row].checked_sub(1)
                && passing[code as usize]
            {
                to.insert(row);
            }
        }
    }
}

impl<T: Table + ?Sized> Table for ExtendedTable<'_, T> {
    fn rows(&self) -> usize {
        self.inner.rows()
    }

    fn timestamps(&self) -> Result<Cow<'_, [i64]>> {
        self.inner.timestamps()
    }

    fn seqs(&self) -> Result<Cow<'_, [u64]>> {
        self.inner.seqs()
    }

    fn levels(&self) -> Result<Cow<'_, [u8]>> {
        self.inner.levels()
    }

    fn with_levels(&self, mask: u8, candidates: Selection) -> Result<Selection> {
        self.inner.with_levels(mask, candidates)
    }

    fn with_field(&self, test: &FieldTest, candidates: Selection) -> Result<Selection> {
        let Some(column) = self.column(&test.name) else {
            return self.inner.with_field(test, candidates);
        };
        // Of several stored values any may pass, not only the first.
        let mut others = candidates.clone();
        others.subtract(&column.hides);
        let mut found = match others.is_empty() {
            true => others,
            false => self.inner.with_field(test, others)?,
        };
        let mut computed = candidates;
        computed.intersect(&column.hides);
        Self::add_passing(&column.codes, &test.judge, &computed, &mut found);
        Ok(found)
    }

    fn with_any(&self, judge: &Judge, candidates: Selection) -> Result<Selection> {
        let mut found = self.inner.with_any(judge, candidates.clone())?;
        found.subtract(&self.passing_by_what_is_hidden(judge, &found)?);
        for column in &self.columns {
            Self::add_passing(&column.codes, judge, &candidates, &mut found);
        }
        Ok(found)
    }

    fn known_count(&self, _: Option<&str>, _: &Judge) -> Result<Option<u64>> {
        Ok(None)
    }

    fn for_each_value(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, Value<'_>),
    ) -> Result<()> {
        let Some(codes) = self.computed(name) else {
            return self.inner.for_each_value(name, selected, visit);
        };
        for row in selected.iter() {
            if let Some(code) = codes.codes[row].checked_sub(1) {
                let (kind, text) = &codes.values[code as usize];
                visit(row, Value { kind: *kind, text });
            }
        }
        Ok(())
    }

    fn for_each_sentence(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut EachSentence<'_>,
    ) -> Result<()> {
        let Some(codes) = self.computed(name) else {
            return self.inner.for_each_sentence(name, selected, visit);
        };
        let mut sentence = Vec::new();
        for row in selected.iter() {
            if let Some(code) = codes.codes[row].checked_sub(1) {
                sentence_of(&codes.values[code as usize].1, &mut sentence);
                visit(row, None, &sentence);
            }
        }
        Ok(())
    }

    fn codes(&self, name: &str, selected: &Selection) -> Result<Codes> {
        match self.computed(name) {
            Some(codes) => Ok(codes.clone()),
            None => self.inner.codes(name, selected),
        }
    }

    fn for_each_number(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, f64),
    ) -> Result<()> {
        let Some(codes) = self.computed(name) else {
            return self.inner.for_each_number(name, selected, visit);
        };
        let number = |(_, text): &(Kind, Vec<u8>)| Number::parse(text).map(|n| n.to_f64());
        let numbers: Vec<Option<f64>> = codes.values.iter().map(number).collect();
        for row in selected.iter() {
            if let Some(code) = codes.codes[row].checked_sub(1)
                && let Some(number) = numbers[code as usize]
            {
                visit(row, number);
            }
        }
        Ok(())
    }

    fn for_each_field(
        &self,
        rows: &[usize],
        visit: &mut dyn FnMut(usize, &str, Value<'_>),
    ) -> Result<()> {
        self.inner.for_each_field(rows, &mut |row, column, value| {
            if !self.hides(row, column) {
                visit(row, column, value);
            }
        })?;
        for Computed { name, codes, .. } in &self.columns {
            let mut column = String::new();
            field::push_key(&mut column, name, true);
            for row in rows {
                if let Some(code) = codes.codes[*row].checked_sub(1) {
                    let (kind, text) = &codes.values[code as usize];
                    visit(*row, &column, Value { kind: *kind, text });
                }
            }
        }
        Ok(())
    }
}

impl<T: EventTable + ?Sized> EventTable for ExtendedTable<'_, T> {
    fn columns(&self) -> Result<Vec<TableColumn>> {
        let mut columns = self.inner.columns()?;
        columns.retain(|column| self.computed(&field::display_name(&column.name)).is_none());
        let computed = self.columns.iter().map(|Computed { name, codes, .. }| {
            let mut column = String::new();
            field::push_key(&mut column, name, true);
            let kinds = codes.values.iter().fold(0, |bits, (kind, _)| bits | 1 << *kind as u8);
            let rows = codes.codes.iter().filter(|code| **code > 0).count() as u64;
            TableColumn { name: column.into(), rows: Some(rows), kinds }
        });
        columns.extend(computed.filter(|column| column.kinds != 0));
        Ok(columns)
    }

    fn for_each_rest(&self, visit: &mut dyn FnMut(usize, &str, Value<'_>)) -> Result<()> {
        self.inner.for_each_rest(&mut |row, column, value| {
            if self.computed(&field::display_name(column)).is_none() {
                visit(row, column, value);
            }
        })
    }

    fn timestamp(&self, row: usize) -> Result<i64> {
        self.inner.timestamp(row)
    }

    fn seq(&self, row: usize) -> Result<u64> {
        self.inner.seq(row)
    }

    fn fetch(&self, rows: &[usize], incarnation: u16) -> Result<Vec<EventRecord>> {
        self.inner.fetch(rows, incarnation)
    }
}
