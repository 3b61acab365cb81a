//! The rows of a table that was computed, and what stages do with them.

use crate::error::Result;
use crate::event::{Level, Value};
use crate::field;
use crate::index::BlockIndex;
use crate::query::ast::{Filter, SortKey};
use crate::query::filter::{FieldTest, Plan, fields_named};
use crate::query::matcher::Judge;
use crate::query::request::Cell;
use crate::query::selection::Selection;
use crate::query::table::{Codes, Table};
use crate::timestamp::Timestamp;
use crate::value::{Number, ValueSet};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Columns with names, and rows of as many cells.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The last row, of all groups that have none of their own: it takes part in nothing.
    pub(super) other: Option<Vec<Cell>>,
}

/// The column of times.
pub(super) const TIME: &str = "time";

fn time_of(value: Value<'_>) -> Option<Timestamp> {
    Timestamp::from_shown(std::str::from_utf8(value.text).ok()?)
}

impl Sheet {
    /// The rows that have a time.
    pub(super) fn timed(&self) -> Selection {
        let mut timed = Selection::none(self.rows.len());
        self.each(TIME, &Selection::all(self.rows.len()), &mut |row, value| {
            if time_of(value).is_some() {
                timed.insert(row);
            }
        });
        timed
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    pub(super) fn column_or_error(&self, name: &str) -> std::result::Result<usize, String> {
        self.column(name).ok_or_else(|| {
            let columns = self.columns.join("`, `");
            format!("the table has no column `{name}`; there are `{columns}`")
        })
    }

    /// An error if a filter names a column that is not there: of a table that is known before.
    pub(super) fn check_columns(&self, filter: &Filter) -> std::result::Result<(), String> {
        let mut names = fields_named(filter).into_iter();
        names.try_for_each(|name| self.column_or_error(name).map(drop))
    }

    /// Keeps the rows that pass.
    pub(super) fn keep(&mut self, plan: &Plan) -> Result<()> {
        let all = Selection::all(self.rows.len());
        let kept = plan.evaluate(self, &BlockIndex::Everything, all)?;
        let mut row = 0..;
        self.rows.retain(|_| row.next().is_some_and(|row| kept.contains(row)));
        Ok(())
    }

    /// Sorts by the keys, what is equal as it stood.
    pub(super) fn sort(&mut self, keys: &[SortKey]) -> std::result::Result<(), String> {
        let places = keys.iter().map(|key| self.column_or_error(&key.field.name));
        let places = places.collect::<std::result::Result<Vec<usize>, String>>()?;
        let by_key = |a: &Vec<Cell>, b: &Vec<Cell>| {
            let orders = places.iter().zip(keys);
            let order = |(place, key): (&usize, &SortKey)| order(&a[*place], &b[*place], key);
            orders.map(order).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        self.rows.sort_by(by_key);
        Ok(())
    }

    /// Keeps these columns, in this order.
    pub(super) fn select(&mut self, names: &[String]) -> std::result::Result<(), String> {
        let places = names.iter().map(|name| self.column_or_error(name));
        let places = places.collect::<std::result::Result<Vec<usize>, String>>()?;
        for row in self.rows.iter_mut().chain(&mut self.other) {
            *row = places.iter().map(|place| row[*place].clone()).collect();
        }
        self.columns = names.to_vec();
        Ok(())
    }

    fn each(&self, name: &str, selected: &Selection, visit: &mut dyn FnMut(usize, Value<'_>)) {
        // A test of `id` looks for it under the name by which it is stored.
        let of_id = || if name == "_id" { self.column("id") } else { None };
        let Some(place) = self.column(name).or_else(of_id) else { return };
        for row in selected.iter() {
            if let Some((kind, text)) = &self.rows[row][place] {
                visit(row, Value { kind: *kind, text });
            }
        }
    }
}

/// The order of two cells: numbers before texts; what is empty comes last, whatever the direction.
fn order(a: &Cell, b: &Cell, key: &SortKey) -> Ordering {
    let (a, b) = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Greater,
        (Some(_), None) => return Ordering::Less,
        (Some((_, a)), Some((_, b))) => (a, b),
    };
    let turned = |order: Ordering| if key.descending { order.reverse() } else { order };
    if let Some(order) = order_of_its_own(&key.field.name, a, b) {
        return turned(order);
    }
    match (Number::parse(a), Number::parse(b)) {
        (Some(a), Some(b)) => turned(a.cmp(&b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => turned(a.cmp(b)),
    }
}

/// The order of what looks like text and is none: times, of which fractions have as many digits as they
/// need, and levels.
fn order_of_its_own(name: &str, a: &[u8], b: &[u8]) -> Option<Ordering> {
    let (a, b) = (std::str::from_utf8(a).ok()?, std::str::from_utf8(b).ok()?);
    match name {
        TIME => Some(Timestamp::from_shown(a)?.0.cmp(&Timestamp::from_shown(b)?.0)),
        "level" => Some((Level::from_name(a)? as u8).cmp(&(Level::from_name(b)? as u8))),
        _ => None,
    }
}

impl Table for Sheet {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn timestamps(&self) -> Result<Cow<'_, [i64]>> {
        let mut timestamps = vec![0; self.rows.len()];
        self.each(TIME, &Selection::all(self.rows.len()), &mut |row, value| {
            timestamps[row] = time_of(value).map_or(0, |time| time.0);
        });
        Ok(Cow::Owned(timestamps))
    }

    fn seqs(&self) -> Result<Cow<'_, [u64]>> {
        Ok((0..self.rows.len() as u64).collect())
    }

    fn levels(&self) -> Result<Cow<'_, [u8]>> {
        let mut levels = vec![0; self.rows.len()];
        self.each("level", &Selection::all(self.rows.len()), &mut |row, value| {
            let name = std::str::from_utf8(value.text).ok();
            levels[row] = name.and_then(Level::from_name).map_or(0, |level| level as u8);
        });
        Ok(Cow::Owned(levels))
    }

    fn with_levels(&self, mask: u8, mut candidates: Selection) -> Result<Selection> {
        let levels = self.levels()?;
        candidates.intersect(&Selection::from_fn(levels.len(), |row| mask >> levels[row] & 1 == 1));
        Ok(candidates)
    }

    fn with_field(&self, test: &FieldTest, candidates: Selection) -> Result<Selection> {
        let mut found = Selection::none(candidates.rows());
        self.each(&test.name, &candidates, &mut |row, value| {
            if test.judge.matcher.matches(value) {
                found.insert(row);
            }
        });
        Ok(found)
    }

    fn with_any(&self, judge: &Judge, candidates: Selection) -> Result<Selection> {
        let mut found = Selection::none(candidates.rows());
        for name in &self.columns {
            self.each(name, &candidates, &mut |row, value| {
                if judge.matcher.matches(value) {
                    found.insert(row);
                }
            });
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
        self.each(name, selected, visit);
        Ok(())
    }

    fn codes(&self, name: &str, selected: &Selection) -> Result<Codes> {
        let mut codes = vec![0; self.rows.len()];
        let mut distinct = ValueSet::default();
        self.each(name, selected, &mut |row, value| codes[row] = distinct.code(value));
        Ok(Codes { codes, values: distinct.into_values() })
    }

    fn for_each_number(
        &self,
        name: &str,
        selected: &Selection,
        visit: &mut dyn FnMut(usize, f64),
    ) -> Result<()> {
        self.each(name, selected, &mut |row, value| {
            if let Some(number) = Number::parse(value.text) {
                visit(row, number.to_f64());
            }
        });
        Ok(())
    }

    fn for_each_field(
        &self,
        rows: &[usize],
        visit: &mut dyn FnMut(usize, &str, Value<'_>),
    ) -> Result<()> {
        for (name, place) in self.columns.iter().zip(0..) {
            let mut column = String::new();
            field::push_key(&mut column, name, true);
            for row in rows {
                if let Some((kind, text)) = &self.rows[*row][place] {
                    visit(*row, &column, Value { kind: *kind, text });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use crate::query::ast::{Bin, Field};
    use crate::query::request::Step;
    use crate::query::steps::Steps;

    /// Turned round, texts came before numbers; of events they never did.
    #[test]
    fn numbers_come_before_texts_in_both_directions() {
        let sorted = |descending| {
            let cell = |text: &str| vec![Some((Kind::String, text.as_bytes().to_vec()))];
            let mut rows: Vec<Vec<Cell>> = ["b", "10", "a", "9"].map(cell).to_vec();
            rows.insert(1, vec![None]);
            let mut sheet = Sheet { columns: vec!["x".into()], rows, other: None };
            let field = Field { name: "x".into(), span: 0..0 };
            sheet.sort(&[SortKey { field, descending }]).unwrap();
            let text = |row: &Vec<Cell>| match &row[0] {
                Some((_, text)) => String::from_utf8(text.clone()).unwrap(),
                None => "-".into(),
            };
            sheet.rows.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(sorted(false), "9 10 a b -");
        assert_eq!(sorted(true), "10 9 b a -");
    }

    #[test]
    fn times_and_levels_have_an_order_of_their_own() {
        let order = |name, a, b| order_of_its_own(name, a, b);
        assert_eq!(order("level", b"warn", b"critical"), Some(Ordering::Less));
        let (half, whole) = (b"2026-11-21T00:00:00.500Z", b"2026-11-21T00:00:00Z");
        assert_eq!(order("time", half, whole), Some(Ordering::Greater));
        assert_eq!(order("time", b"x", whole), None);
        assert_eq!(order("x", half, whole), None);
    }

    /// To tell, whole rows are looked at: those of a table were none that could be.
    #[test]
    fn what_a_bin_hides_is_found_in_no_column() {
        let cell = |text: &str| Some((Kind::Number, text.as_bytes().to_vec()));
        let rows = vec![vec![cell("12"), cell("5")], vec![cell("27"), cell("12")]];
        let sheet = Sheet { columns: vec!["n.x".into(), "m".into()], rows, other: None };
        let field = Field { name: "n.x".into(), span: 0..0 };
        let bin = Step::Bin(Bin { field, width: 10.0, name: "n.x".into() });
        let steps = Steps::new(&[bin]);
        let (table, _) = steps.run(&sheet, Selection::all(2)).unwrap();
        let found = |text: &str| {
            let plan = Plan::new(&crate::query::parse(text).unwrap());
            let found = plan.evaluate(&table, &BlockIndex::Everything, Selection::all(2)).unwrap();
            found.iter().collect::<Vec<_>>()
        };
        assert_eq!(found("12"), [1], "where it is not hidden");
        assert_eq!(found("10"), [0]);
        assert_eq!(found("20 12"), [1]);
        assert_eq!(found("27"), [0usize; 0]);
    }
}
