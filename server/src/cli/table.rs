//! Tables of figures for people: aligned columns, numbers to the right.

use super::output::Style;
use super::show::{clean, plain};
use logstrata_client::wire::StatsRow;
use std::fmt::Write as _;

/// The table with a line for the names of the columns.
pub(super) fn render(columns: &[String], rows: &[StatsRow], style: Style) -> String {
    let cells: Vec<Vec<(String, bool)>> =
        rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    let width = |place: usize, name: &String| {
        let widest = cells.iter().map(|row| row[place].0.chars().count()).max();
        widest.unwrap_or(0).max(name.chars().count())
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(n, name)| width(n, name)).collect();
    // A column is of numbers if every value that is there is one.
    let right = |place: usize| cells.iter().all(|row| row[place].1 || row[place].0 == "-");
    let rights: Vec<bool> = (0..columns.len()).map(right).collect();

    let mut out = String::new();
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    style.paint(&mut out, "1", &line(&names, &widths, &rights));
    out.push('\n');
    for row in &cells {
        let row: Vec<&str> = row.iter().map(|(text, _)| text.as_str()).collect();
        out.push_str(&line(&row, &widths, &rights));
        out.push('\n');
    }
    out
}

/// A row as a line of JSON, its members in the order of the columns.
pub(super) fn push_json(out: &mut String, columns: &[String], row: &StatsRow) {
    let mut mark = '{';
    for column in columns {
        if let Some(value) = row.get(column) {
            let name = serde_json::Value::from(column.as_str());
            write!(out, "{mark}{name}:{}", value.get()).expect("a string takes everything");
            mark = ',';
        }
    }
    out.push_str("}\n");
}

/// A cell's text, and whether it is a number.
fn cell(row: &StatsRow, column: &str) -> (String, bool) {
    match row.get(column) {
        None => ("-".into(), false),
        Some(value) if value.get() == "null" => ("-".into(), false),
        Some(value) => {
            let number = value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
            (clean(&plain(value), false), number)
        }
    }
}

fn line(cells: &[&str], widths: &[usize], rights: &[bool]) -> String {
    let padded = cells.iter().zip(widths).zip(rights).map(|((cell, width), right)| {
        if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows: Vec<StatsRow> = [
            r#"{"service":"checkout","count":7,"p95(ms)":12.5}"#,
            r#"{"service":null,"count":1200,"p95(ms)":null}"#,
            r#"{"service":"é\n","count":3}"#,
        ]
        .map(|row| serde_json::from_str(row).expect("valid"))
        .into();
        let columns = ["service", "count", "p95(ms)"].map(String::from);
        let table = render(&columns, &rows, Style { colour: false, multiline: false });
        let expected = "service   count  p95(ms)\n\
                        checkout      7     12.5\n\
                        -          1200        -\n\
                        é\\n           3        -\n";
        assert_eq!(table, expected);
    }
}
