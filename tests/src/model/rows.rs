//! Tables of queries with stages, and what stages do with their rows.

use super::matcher::matches;
use super::stages::{Row, order_of};
use super::table::{figure_of, kind_of, number_of, value_of};
use logstrata_engine::query::ast::{Field, Figure, Filter, Group, SortKey, StageKind};
use logstrata_engine::query::{Aggregate, Cell, EventField, EventRecord, Function};
use logstrata_engine::{EventId, Kind, Level, Seq, Timestamp};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

/// What a cell must be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// This text, of one of these kinds; or none.
    Text(Option<(BTreeSet<Kind>, Vec<u8>)>),
    /// A number, off by so much at most; or none.
    Near(Option<(f64, f64)>),
}

/// A table.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Wanted>>,
}

/// What groups a row.
type Key = (Option<i64>, Vec<Option<Vec<u8>>>);

/// Where a row stands: by time, by the number of events, then by the texts of its group.
type Rank<'a> = (Option<i64>, Reverse<usize>, &'a Vec<Option<Vec<u8>>>);

fn number(value: impl ToString) -> Wanted {
    Wanted::Text(Some(([Kind::Number].into(), value.to_string().into_bytes())))
}

fn text_of(wanted: &Wanted) -> Option<&[u8]> {
    match wanted {
        Wanted::Text(text) => text.as_ref().map(|(_, text)| &**text),
        Wanted::Near(_) => panic!("figures that may be off are neither sorted nor filtered by"),
    }
}

impl Rows {
    /// `stats`.
    pub(super) fn stats(rows: &[Row], figures: &[Figure], by: &[Group]) -> Self {
        let count = Figure {
            function: "count".into(),
            field: None,
            argument: None,
            name: "count".into(),
            span: 0..0,
        };
        let figures = if figures.is_empty() { &[count][..] } else { figures };
        Self::table(rows, figures, by)
    }

    /// `top` and `uniq`: of events that have all fields.
    pub(super) fn values_of(rows: &[Row], fields: &[Field], top: Option<usize>) -> Self {
        let has = |row: &Row, field: &Field| match &*field.name {
            "level" => true,
            name => value_of(&row.event, name).is_some(),
        };
        let rows: Vec<Row> =
            rows.iter().filter(|row| fields.iter().all(|f| has(row, f))).cloned().collect();
        let by: Vec<Group> = fields.iter().cloned().map(Group::Field).collect();
        let mut all = Self::stats(&rows, &[], &by);
        if let Some(top) = top {
            // Of equal counts the values that come first by their text.
            let texts = |row: &[Wanted]| -> Vec<Option<Vec<u8>>> {
                row[..by.len()].iter().map(|cell| text_of(cell).map(<[u8]>::to_vec)).collect()
            };
            let mut best: Vec<_> =
                all.rows.iter().map(|row| (Reverse(count_of(row)), texts(row))).collect();
            best.sort();
            best.truncate(top);
            all.rows.retain(|row| best.iter().any(|(_, wanted)| *wanted == texts(row)));
        }
        all
    }

    fn table(rows: &[Row], figures: &[Figure], by: &[Group]) -> Self {
        let mut groups: BTreeMap<Key, Vec<&EventRecord>> = BTreeMap::new();
        for row in rows {
            let time = by.iter().find_map(|group| match group {
                Group::Time(width) => {
                    let bucket = row.event.timestamp.0.div_euclid(*width);
                    Some(bucket.saturating_mul(*width))
                }
                _ => None,
            });
            let values = by.iter().filter_map(|group| match group {
                Group::Time(_) => None,
                Group::Field(field) => Some(value_of(&row.event, &field.name).map(<[u8]>::to_vec)),
                Group::Bin(bin) => Some(binned(&row.event, &bin.field.name, bin.width)),
            });
            groups.entry((time, values.collect())).or_default().push(&row.event);
        }
        if groups.is_empty() && by.is_empty() {
            groups.insert((None, Vec::new()), Vec::new());
        }
        let mut rows: Vec<(Rank<'_>, Vec<Wanted>)> = groups
            .iter()
            .map(|((time, values), events)| {
                let mut left = values.iter();
                let mut row: Vec<Wanted> = by
                    .iter()
                    .map(|group| match group {
                        Group::Time(_) => {
                            let time = Timestamp(time.expect("is grouped by")).to_string();
                            Wanted::Text(Some(([Kind::String].into(), time.into_bytes())))
                        }
                        group => cell(group, left.next().expect("as many").as_deref(), events),
                    })
                    .collect();
                row.extend(figures.iter().map(|figure| wanted(figure, events)));
                ((*time, Reverse(events.len()), values), row)
            })
            .collect();
        rows.sort_by_key(|(rank, _)| *rank);
        let groups = by.iter().map(|group| match group {
            Group::Time(_) => "time".to_owned(),
            Group::Field(field) => field.name.clone(),
            Group::Bin(bin) => bin.name.clone(),
        });
        let columns = groups.chain(figures.iter().map(|figure| figure.name.clone())).collect();
        Self { columns, rows: rows.into_iter().map(|(_, row)| row).collect() }
    }

    /// What a stage makes of the rows.
    pub(super) fn stage(&mut self, stage: &StageKind) {
        match stage {
            StageKind::Where(filter) => self.keep(filter),
            StageKind::Sort(keys) => self.sort(keys),
            StageKind::Limit(limit) => self.rows.truncate(*limit),
            StageKind::Fields(fields) => {
                let places: Vec<usize> = fields.iter().map(|f| self.place(&f.name)).collect();
                for row in &mut self.rows {
                    *row = places.iter().map(|place| row[*place].clone()).collect();
                }
                self.columns = fields.iter().map(|field| field.name.clone()).collect();
            }
            other => panic!("{other:?} behind a table"),
        }
    }

    fn place(&self, name: &str) -> usize {
        let mut columns = self.columns.iter();
        columns.position(|column| column == name).expect("a column of the table")
    }

    /// A row is judged as an event with a field for each cell.
    fn keep(&mut self, filter: &Filter) {
        let columns = self.columns.clone();
        self.rows.retain(|row| {
            let cell = |(name, cell): (&String, &Wanted)| match cell {
                // What is compared here is text, or a number, whatever it was in JSON.
                Wanted::Text(Some((kinds, text))) => {
                    let kind = *kinds.first().expect("one kind at least");
                    Some(EventField { name: escaped(name).into(), kind, text: text.clone() })
                }
                _ => None,
            };
            let fields: Vec<EventField> = columns.iter().zip(row).filter_map(cell).collect();
            let level = fields.iter().find(|field| &*field.name == "level");
            let level = level.and_then(|field| {
                Level::ALL.into_iter().find(|l| l.name().as_bytes() == field.text)
            });
            let (timestamp, id) = (Timestamp(0), EventId::new(Timestamp(0), 0, Seq(1)));
            let level = level.unwrap_or(Level::Info);
            matches(filter, &EventRecord { id, timestamp, level, fields, as_sent: None })
        });
    }

    fn sort(&mut self, keys: &[SortKey]) {
        let keys: Vec<(usize, &SortKey)> =
            keys.iter().map(|key| (self.place(&key.field.name), key)).collect();
        self.rows.sort_by(|a, b| {
            let of_key = |(place, key): &(usize, &SortKey)| {
                let text = |row: &[Wanted]| {
                    text_of(&row[*place]).map(|text| sorted_as(&key.field.name, text))
                };
                order_of(text(a).as_deref(), text(b).as_deref(), key.descending)
            };
            keys.iter().map(of_key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
    }

    /// The number of rows.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Panics unless these are the rows.
    pub fn check(&self, columns: &[String], rows: &[Vec<Cell>]) {
        assert_eq!(columns, self.columns);
        for (at, (row, wanted)) in rows.iter().zip(&self.rows).enumerate() {
            let fits =
                row.len() == wanted.len() && row.iter().zip(wanted).all(|(a, b)| is_as(a, b));
            assert!(fits, "row {at}: {row:?}\nis not: {wanted:?}");
        }
        assert_eq!(rows.len(), self.rows.len(), "the number of rows");
    }
}

/// What a cell of a column is sorted as: a level as its rank, a time without the `Z` behind its digits.
fn sorted_as(column: &str, text: &[u8]) -> Vec<u8> {
    let rank = || Level::ALL.iter().position(|level| level.name().as_bytes() == text);
    match column {
        "level" => rank().map_or(text.to_vec(), |rank| rank.to_string().into_bytes()),
        "time" => text.strip_suffix(b"Z").unwrap_or(text).to_vec(),
        _ => text.to_vec(),
    }
}

/// A column's name as that of a field that people type like this.
fn escaped(name: &str) -> String {
    let name = if name == "id" { "_id" } else { name };
    let mut column = String::new();
    let keys: Vec<&str> = name.split('.').collect();
    for (at, key) in keys.iter().enumerate() {
        logstrata_engine::field::push_key(&mut column, key, at == 0);
    }
    column
}

fn count_of(row: &[Wanted]) -> u64 {
    let text = row.last().and_then(text_of).expect("a count");
    std::str::from_utf8(text).expect("digits").parse().expect("a number")
}

/// The greatest multiple of a width that is not above a number.
fn binned(event: &EventRecord, name: &str, width: f64) -> Option<Vec<u8>> {
    let number = number_of(value_of(event, name)?)?;
    let bin = (number / width).floor() * width;
    let text = if bin == 0.0 { "0".to_owned() } else { bin.to_string() };
    bin.is_finite().then(|| text.into_bytes())
}

/// The value of a group, and the kinds that it has in its events.
fn cell(group: &Group, value: Option<&[u8]>, events: &[&EventRecord]) -> Wanted {
    let kinds = match group {
        Group::Field(field) if field.name != "level" => {
            events.iter().filter_map(|event| kind_of(event, &field.name)).collect()
        }
        Group::Field(_) => [Kind::String].into(),
        _ => [Kind::Number].into(),
    };
    Wanted::Text(value.map(|text| (kinds, text.to_vec())))
}

fn wanted(figure: &Figure, events: &[&EventRecord]) -> Wanted {
    let Some(field) = &figure.field else { return number(events.len()) };
    let function = match &*figure.function {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "avg" | "mean" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        "uniq" | "distinct" | "count_distinct" => Function::Uniq,
        "median" => Function::Percentile(500_000),
        "quantile" => {
            let rank: f64 = figure.argument.as_ref().expect("a rank").parse().expect("a number");
            Function::Percentile((rank * 1e6).round() as u32)
        }
        other => {
            let rank: u32 = other.strip_prefix('p').expect("a rank").parse().expect("a number");
            Function::Percentile(rank * 10_000)
        }
    };
    let values = events.iter().filter_map(|event| value_of(event, &field.name)).collect();
    let near = figure_of(&Aggregate { function, field: field.name.clone() }, values);
    match function {
        Function::Count | Function::Uniq => number(near.expect("counted").0),
        // JSON has no word for what is not finite.
        _ => Wanted::Near(near.filter(|(value, _)| value.is_finite())),
    }
}

fn is_as(cell: &Cell, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::Text(None) => cell.is_none(),
        Wanted::Text(Some((kinds, wanted))) => {
            cell.as_ref().is_some_and(|(kind, text)| kinds.contains(kind) && text == wanted)
        }
        Wanted::Near(None) => cell.is_none(),
        Wanted::Near(Some((value, error))) => cell.as_ref().is_some_and(|(kind, text)| {
            let got = number_of(text);
            *kind == Kind::Number && got.is_some_and(|got| (got - value).abs() <= *error)
        }),
    }
}
