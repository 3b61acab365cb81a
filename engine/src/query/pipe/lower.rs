//! Stages become a search or a table, and what does not fit is an error with its place.

use crate::error::{Error, Result};
use crate::query::ast::{
    Field, Figure, Filter, Group, Leaf, Query, SortKey, Span, Stage, StageKind, Test,
};
use crate::query::request::{Aggregate, Function, StatsRequest, Step, TimeRange};
use crate::query::steps::both;
use std::collections::BTreeSet;

const FIGURES: &str = "count, sum, avg, min, max, median, p1 to p99, quantile, uniq";

pub(super) enum Lowered {
    Events(Events),
    Table(Table),
}

/// A search.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) filter: Filter,
    pub(super) steps: Vec<Step>,
    pub(super) sort: Vec<SortKey>,
    pub(super) limit: Option<usize>,
    pub(super) fields: Option<Vec<String>>,
}

/// A table, and what is done with its rows.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) filter: Filter,
    pub(super) steps: Vec<Step>,
    pub(super) interval: Option<i64>,
    /// The columns that group, in the order of the answer; `None` for the time.
    pub(super) groups: Vec<Option<String>>,
    pub(super) figures: Vec<Column>,
    top: Option<usize>,
    /// What stands behind it.
    pub(super) rows: Vec<Stage>,
}

/// A figure's column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// `None` for the number of events.
    pub(super) aggregate: Option<Aggregate>,
}

/// A search or a table; `limit` may ask for up to `limit_max` events.
pub(super) fn lower(query: &Query, limit_max: usize) -> Result<Lowered> {
    let mut events = Events { filter: query.filter.clone(), ..Events::default() };
    let mut stages = query.stages.iter();
    while let Some(stage) = stages.next() {
        if is_table(&stage.kind) {
            return Table::of(events, stage)?.with_rows(stages.as_slice()).map(Lowered::Table);
        }
        events.take(&stage.kind, &stage.span, limit_max)?;
    }
    Ok(Lowered::Events(events))
}

/// Whether a stage makes a table of what stands before it.
pub(super) fn is_table(stage: &StageKind) -> bool {
    matches!(stage, StageKind::Stats { .. } | StageKind::Top { .. } | StageKind::Uniq(_))
}

pub(super) fn error(span: &Span, message: impl std::fmt::Display) -> Error {
    Error::invalid(message.to_string()).at(span.clone())
}

impl Events {
    fn take(&mut self, stage: &StageKind, span: &Span, limit_max: usize) -> Result<()> {
        match stage {
            StageKind::Where(_) if self.limit.is_some() => {
                return Err(error(span, "`where` behind `limit`: put it before"));
            }
            StageKind::Where(filter) if self.steps.is_empty() => {
                self.filter = both(std::mem::take(&mut self.filter), filter.clone());
            }
            StageKind::Where(filter) => self.steps.push(Step::Where(filter.clone())),
            StageKind::Extract(extract) => {
                let is_key = |name: &&String| self.sort.iter().any(|key| key.field.name == **name);
                if let Some(name) = extract.names.iter().find(is_key) {
                    let message =
                        format!("`extract` of `{name}` behind a sort by it: put it before");
                    return Err(error(span, message));
                }
                self.steps.push(Step::Extract(extract.clone()));
            }
            StageKind::Sort(_) if self.limit.is_some() => {
                return Err(error(span, "`sort` behind `limit`: put it before"));
            }
            StageKind::Sort(keys) => self.sort = keys.clone(),
            StageKind::Limit(limit) if *limit > limit_max => {
                let message = format!("limit: at most {limit_max} events");
                return Err(error(span, message));
            }
            StageKind::Limit(limit) => {
                self.limit = Some(self.limit.map_or(*limit, |before| before.min(*limit)));
            }
            StageKind::Fields(fields) => self.fields = Some(names(fields)),
            StageKind::Stats { .. } | StageKind::Top { .. } | StageKind::Uniq(_) => {
                unreachable!("begins a table")
            }
        }
        Ok(())
    }
}

pub(super) fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.name.clone()).collect()
}

impl Table {
    /// The table that a stage makes of events, or of rows as if they were events.
    pub(super) fn of(events: Events, stage: &Stage) -> Result<Self> {
        if events.limit.is_some() {
            return Err(error(&stage.span, "a table of all events can't stand behind `limit`"));
        }
        let Events { filter, steps, .. } = events;
        let (groups, figures, rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut table = Self { filter, steps, interval: None, groups, figures, top: None, rows };
        match &stage.kind {
            StageKind::Stats { figures, by } => {
                table.group(by, &stage.span)?;
                table.measure(figures, &stage.span)?;
            }
            StageKind::Top { limit, fields } => {
                table.values_of(fields);
                table.top = Some(*limit);
            }
            StageKind::Uniq(fields) => table.values_of(fields),
            _ => unreachable!("makes no table"),
        }
        Ok(table)
    }

    fn group(&mut self, by: &[Group], span: &Span) -> Result<()> {
        for group in by {
            match group {
                Group::Time(width) if self.interval.is_none() => {
                    self.interval = Some(*width);
                    self.groups.push(None);
                }
                Group::Time(_) => return Err(error(span, "there are two bins of the time")),
                Group::Field(field) if field.name == "timestamp" => {
                    return Err(error(&field.span, "events are grouped by time with bin(5m)"));
                }
                Group::Field(field) => self.groups.push(Some(field.name.clone())),
                Group::Bin(bin) => {
                    self.steps.push(Step::Bin(bin.clone()));
                    self.groups.push(Some(bin.name.clone()));
                }
            }
        }
        Ok(())
    }

    fn measure(&mut self, figures: &[Figure], span: &Span) -> Result<()> {
        self.figures = figures.iter().map(column).collect::<Result<_>>()?;
        if self.figures.is_empty() {
            self.count();
        }
        let groups = self.groups.iter().map(|name| (name.as_deref().unwrap_or("time"), span));
        let places = figures.iter().map(|figure| &figure.span).chain(std::iter::repeat(span));
        let names = self.figures.iter().map(|figure| &*figure.name);
        let mut columns = BTreeSet::new();
        match groups.chain(names.zip(places)).find(|(name, _)| !columns.insert(*name)) {
            Some((name, span)) => {
                let message =
                    format!("two columns are called `{name}`; name one of them with `as`");
                Err(error(span, message))
            }
            None => Ok(()),
        }
    }

    fn count(&mut self) {
        self.figures.push(Column { name: "count".into(), aggregate: None });
    }

    /// Of events that have all of these.
    fn values_of(&mut self, fields: &[Field]) {
        for field in fields {
            let leaf =
                Leaf { field: Some(field.clone()), test: Test::Exists, span: field.span.clone() };
            match self.steps.is_empty() {
                true => {
                    self.filter = both(std::mem::take(&mut self.filter), Filter::Leaf(leaf));
                }
                false => self.steps.push(Step::Where(Filter::Leaf(leaf))),
            }
            self.groups.push(Some(field.name.clone()));
        }
        self.count();
        if fields.iter().any(|field| field.name == "count") {
            self.figures.iter_mut().for_each(|figure| figure.name = "count()".into());
        }
    }

    fn with_rows(mut self, stages: &[Stage]) -> Result<Self> {
        for stage in stages {
            match &stage.kind {
                kind if is_table(kind) => drop(Self::of(Events::default(), stage)?),
                StageKind::Extract(_) => {
                    return Err(error(&stage.span, "`extract` can't stand behind a table"));
                }
                _ => {}
            }
        }
        self.rows = stages.to_vec();
        Ok(self)
    }

    pub(super) fn request(&self, range: TimeRange) -> StatsRequest {
        StatsRequest {
            filter: self.filter.clone(),
            range,
            group_by: self.groups.iter().flatten().cloned().collect(),
            interval: self.interval,
            aggregates: self.figures.iter().filter_map(|f| f.aggregate.clone()).collect(),
            top: self.top,
        }
    }
}

/// A figure as people write it: whole numbers without a fraction.
pub(super) fn lexeme(value: f64) -> String {
    if value == 0.0 {
        "0".into()
    } else {
        serde_json::Number::from_f64(value).map_or_else(String::new, |n| {
            let text = n.to_string();
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        })
    }
}

fn column(figure: &Figure) -> Result<Column> {
    let wrong = |why: String| error(&figure.span, why);
    let name = figure.name.clone();
    let Some(field) = &figure.field else {
        return match &*figure.function {
            "count" => Ok(Column { name, aggregate: None }),
            other => Err(wrong(format!("{other}() needs a field; figures are {FIGURES}"))),
        };
    };
    let percent = |text: &str| text.parse::<u8>().ok().filter(|rank| (1..=99).contains(rank));
    let function = match &*figure.function {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "avg" | "mean" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        "uniq" | "distinct" | "count_distinct" => Function::Uniq,
        "median" => Function::Percentile(500_000),
        "quantile" => {
            let rank = figure.argument.as_deref().and_then(|text| text.parse::<f64>().ok());
            let in_range = rank.filter(|rank| (0.0..=1.0).contains(rank)).map(|rank| rank * 1e6);
            match in_range.map(|rank| (rank, rank.round())) {
                // Written in decimals it may be off by a rounding.
                Some((rank, whole)) if (rank - whole).abs() < 1e-6 => {
                    Function::Percentile(whole as u32)
                }
                Some(_) => {
                    return Err(wrong(
                        "quantile: a rank has up to six digits behind the point".into(),
                    ));
                }
                None => {
                    return Err(wrong(
                        "quantile needs a rank from 0 to 1: quantile(a, 0.99)".into(),
                    ));
                }
            }
        }
        other => match other.strip_prefix('p').and_then(percent) {
            Some(rank) => Function::Percentile(u32::from(rank) * 10_000),
            None => {
                return Err(wrong(format!("no figure is called `{other}`; there are {FIGURES}")));
            }
        },
    };
    if figure.argument.is_some() && figure.function != "quantile" {
        return Err(wrong(format!("{} takes a field and nothing else", figure.function)));
    }
    let of_values = matches!(function, Function::Count | Function::Uniq);
    if field.name == "timestamp" || field.name == "level" && !of_values {
        return Err(wrong(format!("there is no such figure of `{}`", field.name)));
    }
    Ok(Column { name, aggregate: Some(Aggregate { function, field: field.name.clone() }) })
}
