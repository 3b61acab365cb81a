//! What stands behind a table: stages that work on its rows, of which there are few.
//!
//! `T1` The row of all other groups takes part in nothing: it stays the last while rows are sorted or
//! columns picked, and every other stage leaves it out, which is said.

use super::lower::{Table, error, is_table, lexeme, names};
use super::sheet::{Sheet, TIME};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::event::Kind;
use crate::index::BlockIndex;
use crate::pool::{Consumer, Pool, Reservation};
use crate::query::ast::{Span, Stage, StageKind};
use crate::query::filter::Plan;
use crate::query::request::{
    Approximate, Cell, ErrorBound, Function, RowsAnswer, StatsRow, StatsTable, Step, TimeRange,
};
use crate::query::selection::Selection;
use crate::query::stats;
use crate::query::steps::Steps;
use crate::query::table::Table as _;
use crate::scan::{Control, Interrupt};
use std::sync::Arc;

/// What a cell takes, with the text of a number.
const CELL_BYTES: usize = size_of::<Cell>() + 16;

/// What stages behind a table may take, and how long.
pub(super) struct Behind<'a> {
    shared: &'a Arc<Shared>,
    pool: Arc<Pool>,
    interrupt: Interrupt,
}

impl<'a> Behind<'a> {
    /// Those of a query that begins now.
    pub(super) fn new(shared: &'a Arc<Shared>, control: &Control) -> Self {
        let interrupt = shared.scans.last_interrupt(control);
        Self { shared, pool: shared.pool_of(control), interrupt }
    }
}

/// A table on its way through the stages.
struct Rows {
    sheet: Sheet,
    /// That of its rows.
    memory: Reservation,
    approximate: Vec<Approximate>,
    warnings: Vec<String>,
}

impl Table {
    /// The rows of the table that was computed, with what stands behind it done to them.
    pub(super) fn finish(&self, table: StatsTable, on: &Behind<'_>) -> Result<RowsAnswer> {
        let mut other = table.other.clone();
        let scanned = table.scanned;
        let mut rows = self.rows_of(table, &on.pool)?;
        for stage in &self.rows {
            rows.go_through(stage, on)?;
        }
        let Rows { sheet, memory, approximate, mut warnings } = rows;
        let _memory = Some(Arc::new(memory));
        let Sheet { columns, mut rows, other: last } = sheet;
        if last.is_none() && other.take().is_some() {
            warnings.push("the row `other` is left out by the stages behind the table".into());
        }
        rows.extend(last);
        let is_there = |one: &Approximate| columns.contains(&one.column);
        let approximate = approximate.into_iter().filter(is_there).collect();
        Ok(RowsAnswer { columns, rows, other, approximate, warnings, scanned, _memory })
    }

    /// The table that was computed, before any stage.
    fn rows_of(&self, table: StatsTable, pool: &Arc<Pool>) -> Result<Rows> {
        let approximate = self.approximate(&table);
        let mut memory = match table._memory.map(Arc::try_unwrap) {
            Some(Ok(memory)) => memory,
            _ => pool.reserve(Consumer::Query, 0)?,
        };
        memory.grow_to(self.bytes_of(&table.rows), 0)?;
        let groups = self.groups.iter().map(|name| name.clone().unwrap_or_else(|| TIME.into()));
        let columns = groups.chain(self.figures.iter().map(|figure| figure.name.clone())).collect();
        let mut rows: Vec<Vec<Cell>> = table.rows.into_iter().map(|row| self.cells(row)).collect();
        if rows.is_empty() && self.groups.is_empty() {
            rows.push(self.cells(StatsRow::of_nothing(&self.request(TimeRange::default()))));
        }
        let other = table.other.map(|other| self.cells(other.row));
        let sheet = Sheet { columns, rows, other };
        Ok(Rows { sheet, memory, approximate, warnings: table.warnings })
    }

    /// What the rows of the answer take, about.
    fn bytes_of(&self, rows: &[StatsRow]) -> usize {
        let cells = (self.groups.len() + self.figures.len()) * CELL_BYTES;
        let texts = |row: &StatsRow| -> usize {
            row.group.iter().flatten().map(|(_, text)| text.len()).sum()
        };
        rows.iter().map(|row| size_of::<Vec<Cell>>() + cells + texts(row)).sum()
    }

    /// The columns of a table whose figures are not exact.
    fn approximate(&self, table: &StatsTable) -> Vec<Approximate> {
        let mut bounds = table.error_bounds.iter().copied();
        let mut approximate = Vec::new();
        for figure in &self.figures {
            let bound = match figure.aggregate {
                None => table.left_out_max.map(ErrorBound::LeftOut),
                Some(_) => bounds.next().flatten(),
            };
            let column = || figure.name.clone();
            approximate.extend(bound.map(|bound| Approximate { column: column(), bound }));
        }
        approximate
    }

    fn cells(&self, row: StatsRow) -> Vec<Cell> {
        let number = |lexeme: String| Some((Kind::Number, lexeme.into_bytes()));
        let mut group = row.group.into_iter();
        let groups = self.groups.iter().map(|name| match name {
            Some(_) => group.next().flatten(),
            None => row.time.map(|time| (Kind::String, time.to_string().into_bytes())),
        });
        let mut values = row.values.into_iter();
        let mut cells: Vec<Cell> = groups.collect();
        cells.extend(self.figures.iter().map(|figure| match figure.aggregate {
            None => number(row.count.to_string()),
            // JSON has no word for what is not finite.
            Some(_) => {
                values.next().flatten().filter(|v| v.is_finite()).and_then(|v| number(lexeme(v)))
            }
        }));
        cells
    }

    /// The table of the rows of another.
    fn of_rows(&self, rows: Rows, span: &Span, on: &Behind<'_>) -> Result<Rows> {
        let Rows { sheet, memory: _memory, approximate, mut warnings } = rows;
        self.check_columns(&sheet).map_err(|why| error(span, why))?;
        let candidates = match self.interval {
            Some(_) => sheet.timed(),
            None => Selection::all(sheet.rows()),
        };
        let known = &BlockIndex::Everything;
        let plan = Plan::of_query(&self.filter, None, on.interrupt.clone());
        let selected = plan.evaluate(&sheet, known, candidates)?;
        let request = self.request(TimeRange::default());
        let steps = Steps::new(&self.steps).of_query(None, &on.interrupt);
        let table = stats::of_table((on.shared, &on.pool), request, steps, &sheet, selected)?;
        let mut all = self.rows_of(table, &on.pool)?;
        all.approximate.extend(self.inherited(&approximate));
        warnings.append(&mut all.warnings);
        Ok(Rows { warnings, ..all })
    }

    /// What is asked for has to be there: in a table it is no accident if a column is missing.
    fn check_columns(&self, sheet: &Sheet) -> std::result::Result<(), String> {
        let bins = || {
            self.steps.iter().filter_map(|step| match step {
                Step::Bin(bin) => Some(bin),
                _ => None,
            })
        };
        let is_bin = |name: &&String| bins().any(|bin| bin.name == **name);
        let groups = self.groups.iter().flatten().filter(|name| !is_bin(name));
        let measured = self.figures.iter().filter_map(|figure| figure.aggregate.as_ref());
        let names = groups.chain(measured.map(|aggregate| &aggregate.field));
        let names = names.chain(bins().map(|bin| &bin.field.name)).map(String::as_str);
        sheet.check_columns(&self.filter)?;
        names
            .chain(self.interval.map(|_| TIME))
            .try_for_each(|name| sheet.column_or_error(name).map(drop))
    }

    /// The columns that are computed of some that are not exact, as far as a bound holds on.
    fn inherited(&self, of: &[Approximate]) -> Vec<Approximate> {
        let mut inherited = Vec::new();
        for figure in &self.figures {
            let Some(aggregate) = &figure.aggregate else { continue };
            let measures = !matches!(aggregate.function, Function::Count | Function::Uniq);
            let of = of.iter().find(|one| measures && one.column == aggregate.field);
            inherited.extend(of.map(|one| Approximate { column: figure.name.clone(), ..*one }));
        }
        inherited
    }
}

impl Rows {
    fn go_through(&mut self, stage: &Stage, on: &Behind<'_>) -> Result<()> {
        let wrong = |why: String| -> Error { error(&stage.span, why) };
        match &stage.kind {
            StageKind::Where(filter) => {
                self.sheet.check_columns(filter).map_err(wrong)?;
                self.sheet.keep(&Plan::of_query(filter, None, on.interrupt.clone()))?;
            }
            StageKind::Sort(keys) => return self.sheet.sort(keys).map_err(wrong),
            StageKind::Limit(limit) => self.sheet.rows.truncate(*limit),
            StageKind::Fields(fields) => return self.sheet.select(&names(fields)).map_err(wrong),
            kind if is_table(kind) => {
                let table = Table::of(super::lower::Events::default(), stage)?;
                let empty = Self {
                    sheet: Sheet { columns: Vec::new(), rows: Vec::new(), other: None },
                    memory: on.pool.reserve(Consumer::Query, 0)?,
                    approximate: Vec::new(),
                    warnings: Vec::new(),
                };
                let rows = std::mem::replace(self, empty);
                *self = table.of_rows(rows, &stage.span, on)?;
            }
            _ => unreachable!("others were refused"),
        }
        self.sheet.other = None;
        Ok(())
    }
}
