//! A block, in memory or on disk: columns are decoded when a test needs them, once each, and text
//! frames only where a candidate lies.

mod known;

use super::opened::OpenedBlock;
use super::scan::{add_matching, visit};
use super::templates;
use super::{
    Codes, EachSentence, EventTable, NumberCounts, Summed, Table, TableColumn, for_each_field_of,
};
use crate::block::{
    Block, Column, ColumnData, ColumnEntry, Epoch, FieldValues, Levels, Numbered, Outline, Rest,
    SentenceTable,
};
use crate::error::Result;
use crate::event::{EventId, Seq, Value};
use crate::field;
use crate::limits::FRAME_ROWS_MAX;
use crate::query::filter::FieldTest;
use crate::query::matcher::{Judge, Matcher};
use crate::query::patterns::sentence_of;
use crate::query::request::{EventField, EventRecord};
use crate::query::selection::Selection;
use crate::segment::{BlockCache, Key};
use crate::timestamp::Timestamp;
use crate::value::{Number, ValueSet};
use std::borrow::Cow;
use std::sync::Arc;

/// Of so many rows the sentences are judged one by one: making the outline of a column, and judging
/// the sentences of other blocks with it, takes longer.
const FEW_ROWS_MAX: usize = 2 * FRAME_ROWS_MAX;

/// A sentence list says enough where less than this part of the rows passes: of more, the outline of a column is
/// made, since tables ask for it again.
const RARE_SHARE: u64 = 16;

/// A block, and what was decoded of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockTable<'a> {
    opened: &'a OpenedBlock,
    sentences: &'a SentenceTable,
    /// Where is kept what is found out of blocks of files.
    cache: Option<(&'a BlockCache, Key)>,
}

impl<'a> BlockTable<'a> {
    /// A block of a store with these sentences.
    pub(crate) fn new(opened: &'a OpenedBlock, sentences: &'a SentenceTable) -> Self {
        Self { opened, sentences, cache: None }
    }

    /// The same, that may find in a cache what it would have to find out, if it is of a file.
    pub(crate) fn kept_in(self, cache: &'a BlockCache) -> Self {
        Self { cache: self.opened.key().map(|key| (cache, key)), ..self }
    }

    fn block(&self) -> &'a Block {
        self.opened.block()
    }

    fn column(&self, index: usize) -> Result<&'a Column> {
        self.opened.column(index)
    }

    fn rest(&self) -> Result<Option<&'a Rest>> {
        self.opened.rest()
    }

    fn columns_named(&self, name: &str) -> impl Iterator<Item = (usize, &'a ColumnEntry)> {
        let columns = self.block().columns().iter().enumerate();
        columns.filter(move |(_, column)| field::is_called(&column.name, name))
    }

    /// The rest column if it has a field of this name.
    fn rest_with(&self, name: &str) -> Result<Option<&'a Rest>> {
        let has = |rest: &&Rest| rest.names().iter().any(|n| field::is_called(n, name));
        Ok(self.rest()?.filter(has))
    }

    /// Adds the candidates whose value in a column passes.
    fn test(
        &self,
        (index, entry): (usize, &ColumnEntry),
        judge: &Judge,
        from: &Selection,
        to: &mut Selection,
    ) -> Result<()> {
        let matcher = &judge.matcher;
        if entry.numbers.is_some_and(|range| !matcher.number_test().may_pass(&range)) {
            return Ok(());
        }
        if entry.is_ids() && matcher.passes_no_id() {
            return Ok(());
        }
        if self.is_known_to_fail(index, judge, from)? {
            return Ok(());
        }
        if entry.is_templates()
            && self.known_outline(index).is_none()
            && let Some(phrase) = matcher.phrase_of_literals()
        {
            let column = self.column(index)?;
            if let Some(judged) = templates::judge_listed(column, phrase, judge) {
                if judged.passing < self.rows() as u64 / RARE_SHARE {
                    return templates::add_matching(column, None, &judged, matcher, from, to);
                }
            } else if from.count() <= FEW_ROWS_MAX {
                return templates::add_matching_few(column, phrase, matcher, from, to);
            }
        }
        if !matches!(matcher, Matcher::Any)
            && let Some((outline, epoch)) = self.outline(index)?
        {
            let judged = judge.judge(&outline, &epoch);
            let fails = || matcher.in_words().is_some_and(|pattern| pattern.fails_in(&outline));
            if judged.passing == 0 && outline.raw() == 0 && (!judged.depends || fails()) {
                return Ok(());
            }
            let column = self.column(index)?;
            return templates::add_matching(column, Some(&outline), &judged, matcher, from, to);
        }
        add_matching(self.column(index)?, entry.kinds, matcher, from, to)
    }

    /// The sentences of a column of templates, and the epoch of their numbers. What the block keeps
    /// of them spares reading the column.
    fn outline(&self, index: usize) -> Result<Option<(Arc<Outline>, Arc<Epoch>)>> {
        if !self.block().columns()[index].is_templates() {
            return Ok(None);
        }
        if let Some(outline) = self.known_outline(index)
            && let Some(epoch) = outline.epoch()
        {
            return Ok(Some((outline, epoch)));
        }
        let column = self.column(index)?;
        let ColumnData::Templates(templates) = column.data() else { return Ok(None) };
        let (outline, epoch) = self.sentences.outline(templates)?;
        let outline = Arc::new(outline);
        match self.cache {
            Some((cache, key)) => cache.put_outline(key, index, &outline),
            None => self.block().keep_outline(index, &outline),
        }
        Ok(Some((outline, epoch)))
    }

    /// The outline of a column, if it was made before: of files they are bounded by the cache.
    fn known_outline(&self, index: usize) -> Option<Arc<Outline>> {
        match self.cache {
            Some((cache, key)) => cache.outline(key, index),
            None => self.block().outline(index),
        }
    }

    /// The columns that have a field, and the rest column if it has it too.
    fn places(&self, name: &str) -> Result<(Vec<&'a Column>, Option<&'a Rest>)> {
        let columns = self.columns_named(name).map(|(index, _)| self.column(index));
        Ok((columns.collect::<Result<_>>()?, self.rest_with(name)?))
    }
}

impl Table for BlockTable<'_> {
    fn rows(&self) -> usize {
        self.block().rows()
    }

    fn timestamps(&self) -> Result<Cow<'_, [i64]>> {
        Ok(Cow::Borrowed(self.opened.timestamps()?.all()?))
    }

    fn seqs(&self) -> Result<Cow<'_, [u64]>> {
        Ok(Cow::Borrowed(self.opened.seqs()?.all()?))
    }

    fn levels(&self) -> Result<Cow<'_, [u8]>> {
        Ok(Cow::Owned(self.opened.levels()?.codes(self.rows())?))
    }

    fn with_levels(&self, mask: u8, mut candidates: Selection) -> Result<Selection> {
        let passes = |level: crate::Level| mask >> level as u8 & 1 == 1;
        match self.opened.levels()? {
            Levels::Constant(level) if passes(*level) => {}
            Levels::Constant(_) => candidates = Selection::none(self.rows()),
            Levels::PerRow(levels) => {
                let (levels, rows) = (levels.all()?, self.rows());
                candidates.intersect(&Selection::from_fn(rows, |row| passes(levels[row])));
            }
        }
        Ok(candidates)
    }

    fn with_field(&self, test: &FieldTest, candidates: Selection) -> Result<Selection> {
        let mut found = Selection::none(self.rows());
        for column in self.columns_named(&test.name) {
            self.test(column, &test.judge, &candidates, &mut found)?;
        }
        if let Some(rest) = self.rest_with(&test.name)? {
            rest.for_each(|row, name, value| {
                if candidates.contains(row)
                    && field::is_called(&rest.names()[name], &test.name)
                    && test.judge.matcher.matches(value)
                {
                    found.insert(row);
                }
            })?;
        }
        Ok(found)
    }

    fn with_any(&self, judge: &Judge, candidates: Selection) -> Result<Selection> {
        let mut found = Selection::none(self.rows());
        let shown = |(_, entry): &(usize, &ColumnEntry)| !field::is_hidden(&entry.name);
        for column in self.block().columns().iter().enumerate().filter(shown) {
            self.test(column, judge, &candidates, &mut found)?;
        }
        if let Some(rest) = self.rest()? {
            rest.for_each(|row, name, value| {
                let hidden = || field::is_hidden(&rest.names()[name]);
                if candidates.contains(row) && judge.matcher.matches(value) && !hidden() {
                    found.insert(row);
                }
            })?;
        }
        Ok(found)
    }

    fn known_count(&self, name: Option<&str>, judge: &Judge) -> Result<Option<u64>> {
        self.count_passing(name, judge)
    }

    fn known_numbers(
        &self,
        name: Option<&str>,
        judge: &Judge,
        by: &str,
    ) -> Result<Option<NumberCounts>> {
        self.count_passing_by(name, judge, by)
    }

    fn numbered(
        &self,
        name: &str,
        rows: usize,
    ) -> Result<Option<(Arc<Numbered>, Arc<FieldValues>)>> {
        match self.only_column(name)? {
            Some(index) => self.numbered_column(index, rows),
            None => Ok(None),
        }
    }

    fn summed(&self, by: Option<&str>, measured: &str) -> Result<Option<Summed>> {
        self.summed_by(by, measured)
    }

    fn for_each_value(
        &self,
        name: &str,
        selected: &Selection,
        each: &mut dyn FnMut(usize, Value<'_>),
    ) -> Result<()> {
        let (columns, rest) = self.places(name)?;
        if let ([column], None) = (&*columns, rest) {
            return visit(column, selected, each);
        }
        let entries: Vec<_> = self.columns_named(name).map(|(_, entry)| entry).collect();
        let count = selected.count();
        columns.iter().try_for_each(|column| column.expect_reads(count))?;
        let mut scratch = Vec::new();
        for row in selected.iter() {
            let holder = columns.iter().position(|column| column.value_index(row).is_some());
            // The first by column name counts, wherever it is kept.
            let mut seen = false;
            if let Some(rest) = rest {
                rest.row(row, |other, value| {
                    let first = !seen && holder.is_none_or(|at| *other < *entries[at].name);
                    if first && field::is_called(other, name) {
                        seen = true;
                        each(row, value);
                    }
                })?;
            }
            if let Some(at) = holder.filter(|_| !seen)
                && let Some(value) = columns[at].get(row, &mut scratch)?
            {
                each(row, value);
            }
        }
        Ok(())
    }

    fn rows_with(&self, name: &str, selected: &Selection) -> Result<usize> {
        let (columns, rest) = self.places(name)?;
        if let ([column], None) = (&*columns, rest) {
            return Ok(column.presence().rows().filter(|row| selected.contains(*row)).count());
        }
        let mut rows = 0;
        self.for_each_value(name, selected, &mut |_, _| rows += 1)?;
        Ok(rows)
    }

    fn for_each_sentence(
        &self,
        name: &str,
        selected: &Selection,
        each: &mut EachSentence<'_>,
    ) -> Result<()> {
        let (columns, rest) = self.places(name)?;
        if let ([column], None) = (&*columns, rest)
            && let ColumnData::Templates(_) = column.data()
        {
            return templates::for_each_sentence(column, selected, each);
        }
        let mut sentence = Vec::new();
        self.for_each_value(name, selected, &mut |row, value| {
            sentence_of(value.text, &mut sentence);
            each(row, None, &sentence);
        })
    }

    fn codes(&self, name: &str, selected: &Selection) -> Result<Codes> {
        let mut out = Codes { codes: vec![0; self.rows()], values: Vec::new() };
        let (columns, rest) = self.places(name)?;
        if let ([column], None) = (&*columns, rest) {
            let rows = column.presence().rows();
            let owned = |value: Value<'_>| (value.kind, value.text.to_vec());
            match column.data() {
                ColumnData::Constant(values) => {
                    out.values = vec![owned(values.value(0))];
                    rows.for_each(|row| out.codes[row] = 1);
                    return Ok(out);
                }
                ColumnData::Dictionary { values, codes } => {
                    out.values = values.iter().map(owned).collect();
                    rows.zip(codes.get()?)
                        .for_each(|(row, code)| out.codes[row] = u32::from(*code) + 1);
                    return Ok(out);
                }
                ColumnData::Numbers(_)
                | ColumnData::Ids(_)
                | ColumnData::Text(_)
                | ColumnData::Templates(_) => {
                    if let Some((numbered, field)) = self.numbered(name, selected.count())? {
                        return Ok(codes_of(&numbered, &field, selected));
                    }
                }
            }
        }
        let mut set = ValueSet::default();
        self.for_each_value(name, selected, &mut |row, value| {
            out.codes[row] = set.code(value);
        })?;
        out.values = set.into_values();
        Ok(out)
    }

    fn for_each_number(
        &self,
        name: &str,
        selected: &Selection,
        each: &mut dyn FnMut(usize, f64),
    ) -> Result<()> {
        let (columns, rest) = self.places(name)?;
        if let ([column], None) = (&*columns, rest)
            && let ColumnData::Numbers(numbers) = column.data()
        {
            let unit = 10f64.powi(i32::from(numbers.scale));
            let mut exceptions = numbers.exceptions.iter().peekable();
            let values = column.presence().rows().zip(numbers.mantissas());
            for (index, (row, mantissa)) in values.enumerate() {
                let exception = exceptions.next_if(|exception| exception.index as usize == index);
                if !selected.contains(row) {
                    continue;
                }
                match exception {
                    Some(exception) => {
                        if let Some(number) = Number::parse(&exception.text) {
                            each(row, number.to_f64());
                        }
                    }
                    None => each(row, scaled_to_f64(*mantissa, numbers.scale, unit)),
                }
            }
            return Ok(());
        }
        self.for_each_value(name, selected, &mut |row, value| {
            if let Some(number) = Number::parse(value.text) {
                each(row, number.to_f64());
            }
        })
    }

    fn for_each_field(
        &self,
        rows: &[usize],
        visit: &mut dyn FnMut(usize, &str, Value<'_>),
    ) -> Result<()> {
        for_each_field_of(self, rows, visit)
    }
}

impl EventTable for BlockTable<'_> {
    fn columns(&self) -> Result<Vec<TableColumn>> {
        let shown = self.block().columns().iter().filter(|entry| !field::is_hidden(&entry.name));
        let column = |entry: &ColumnEntry| TableColumn {
            name: (&*entry.name).into(),
            rows: Some(entry.values.into()),
            kinds: entry.kinds,
        };
        let rest = self.rest()?.map(Rest::names).unwrap_or_default();
        let rest = rest.iter().map(|name| &**name).filter(|name| !field::is_hidden(name));
        let in_rest = |name: &str| TableColumn { name: name.into(), rows: None, kinds: 0 };
        Ok(shown.map(column).chain(rest.map(in_rest)).collect())
    }

    fn for_each_rest(&self, visit: &mut dyn FnMut(usize, &str, Value<'_>)) -> Result<()> {
        let Some(rest) = self.rest()? else { return Ok(()) };
        rest.for_each(|row, name, value| {
            let name = &rest.names()[name];
            if !field::is_hidden(name) {
                visit(row, name, value);
            }
        })
    }

    fn timestamp(&self, row: usize) -> Result<i64> {
        Ok(self.opened.timestamps()?.at(row)?)
    }

    fn seq(&self, row: usize) -> Result<u64> {
        Ok(self.opened.seqs()?.at(row)?)
    }

    fn fetch(&self, rows: &[usize], incarnation: u16) -> Result<Vec<EventRecord>> {
        self.block().will_need();
        let (timestamps, seqs, levels) =
            (self.opened.timestamps()?, self.opened.seqs()?, self.opened.levels()?);
        let record = |row: &usize| {
            let timestamp = Timestamp(timestamps.at(*row)?);
            let id = EventId::new(timestamp, incarnation, Seq(seqs.at(*row)?));
            let level = levels.at(*row)?;
            Ok(EventRecord { id, timestamp, level, fields: Vec::new(), as_sent: None })
        };
        let mut records: Vec<_> = rows.iter().map(record).collect::<Result<_>>()?;
        let mut scratch = Vec::new();
        for (index, entry) in self.block().columns().iter().enumerate() {
            let column = self.column(index)?;
            column.expect_reads(rows.len())?;
            let name: Arc<str> = (&*entry.name).into();
            for (record, row) in records.iter_mut().zip(rows) {
                if let Some(value) = column.get(*row, &mut scratch)? {
                    let (kind, text) = (value.kind, value.text.to_vec());
                    record.push(EventField { name: Arc::clone(&name), kind, text });
                }
            }
        }
        if let Some(rest) = self.rest()? {
            for (record, row) in records.iter_mut().zip(rows) {
                rest.row(*row, |name, value| {
                    let (kind, text) = (value.kind, value.text.to_vec());
                    record.push(EventField { name: name.into(), kind, text });
                })?;
            }
        }
        Ok(records)
    }
}

/// The numbers of the selected rows as codes.
fn codes_of(numbered: &Numbered, field: &FieldValues, selected: &Selection) -> Codes {
    let mut out = Codes { codes: vec![0; selected.rows()], values: Vec::new() };
    let mut codes = vec![0; numbered.greatest() as usize + 1];
    let known = field.known();
    selected.for_each(|row| {
        let number = numbered.rows().get(row);
        let code = &mut codes[number as usize];
        if *code == 0 && number > 0 {
            let value = known.value(number);
            out.values.push((value.kind, value.text.to_vec()));
            *code = out.values.len() as u32;
        }
        out.codes[row] = *code;
    });
    out
}

/// A scaled decimal as the nearest double; `unit` is ten to the power of `scale`.
fn scaled_to_f64(mantissa: i64, scale: u8, unit: f64) -> f64 {
    const EXACT_MAX: u64 = 1 << 53;
    if mantissa.unsigned_abs() <= EXACT_MAX {
        // Both are exact, so the quotient is the nearest double.
        return mantissa as f64 / unit;
    }
    Number::from_scaled(mantissa, scale).to_f64()
}
