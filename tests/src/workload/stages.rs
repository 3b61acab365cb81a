//! Random queries with stages: every stage, wherever it may stand.

use super::queries::{expression, field_name, filter_text, some_field, time_range};
use crate::dice::Dice;
use crate::spelling::quoted;
use logstrata_engine::query::{EventRecord, Order, QueryRequest, parse_query};

/// Names of what is extracted: some are stored, too.
const PLACES: &[&str] = &["x", "y", "ms", "user", "status", "service", "a.b"];

/// A query with stages.
pub fn query(dice: &mut Dice, events: &[EventRecord]) -> QueryRequest {
    let text = staged_text(dice, events);
    let query = parse_query(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let order = if dice.chance(50) { Order::NewestFirst } else { Order::OldestFirst };
    let limit = [None, Some(1), Some(3), Some(10), Some(100), Some(10_000)][dice.below(6)];
    QueryRequest { text, query, range: time_range(dice, events), limit, order, cursor: None }
}

/// A query that can be followed: with stages that look at one event at a time.
pub fn followed_text(dice: &mut Dice, events: &[EventRecord]) -> String {
    let (mut text, mut names) = (filter_text(dice, events), Vec::new());
    for _ in 0..dice.below(4) {
        event_stage(dice, events, &mut names, &mut text);
    }
    text
}

/// The text of a query with stages.
pub fn staged_text(dice: &mut Dice, events: &[EventRecord]) -> String {
    let mut text = if dice.chance(50) { String::new() } else { filter_text(dice, events) };
    let mut names = Vec::new();
    for _ in 0..dice.below(4) {
        event_stage(dice, events, &mut names, &mut text);
    }
    if dice.chance(55) {
        let exact = table(dice, &names, &mut text);
        rows(dice, exact, &mut text);
        return text;
    }
    let is_sorted = dice.chance(50);
    if is_sorted {
        let keys = each_once((0..dice.within(1..4)).map(|_| key(dice, &names)).collect());
        text += &format!(" | sort {}", keys.join(","));
    }
    match dice.chance(20) {
        true if is_sorted => text += &format!(" | where {}", expression(dice, events, 2)),
        true => event_stage(dice, events, &mut names, &mut text),
        false => {}
    }
    for _ in 0..dice.weighted(&[40, 50, 10]) {
        text += &format!(" | limit {}", [1, 2, 7, 50, 1_000][dice.below(5)]);
    }
    text
}

/// Adds a stage that looks at one event at a time.
fn event_stage(
    dice: &mut Dice,
    events: &[EventRecord],
    names: &mut Vec<String>,
    text: &mut String,
) {
    match dice.below(5) {
        0 | 1 => {
            let source = extraction(dice, events, names);
            *text += &format!(" | extract {source}");
        }
        2 => {
            let fields =
                each_once((0..dice.within(1..4)).map(|_| quoted(&name(dice, names))).collect());
            *text += &format!(" |fields {}", fields.join(", "));
        }
        _ => {
            let filter = match dice.chance(40) {
                true => of_extracted(dice, names),
                false => expression(dice, events, 2),
            };
            *text += &format!(" |where {filter} ");
        }
    }
}

/// A test of a field that may have been extracted.
fn of_extracted(dice: &mut Dice, names: &[String]) -> String {
    let name = quoted(&name(dice, names));
    match dice.below(6) {
        0 => format!("{name}:*"),
        1 => format!("NOT {name}:*"),
        2 => format!("{name}:>={}", dice.below(600)),
        3 => format!("{name}:(4* OR {})", dice.below(30)),
        4 => format!("-{name}:/^[0-9]+$/"),
        _ => format!("{}", dice.below(100)),
    }
}

/// The name of a field, one that was extracted as often as not.
fn name(dice: &mut Dice, names: &[String]) -> String {
    let stored = match field_name(dice) {
        name if name.is_empty() => "status".to_owned(),
        name => name,
    };
    match names.is_empty() || dice.chance(50) {
        true => stored,
        false => names[dice.below(names.len())].clone(),
    }
}

fn key(dice: &mut Dice, names: &[String]) -> String {
    let sign = dice.pick(&["", "-", "- "]);
    match dice.below(6) {
        0 => format!("{sign}timestamp"),
        1 => format!("{sign}level"),
        _ => format!("{sign}{}", quoted(&name(dice, names))),
    }
}

/// Without what names the same field again.
fn each_once(mut keys: Vec<String>) -> Vec<String> {
    let mut said = std::collections::BTreeSet::new();
    keys.retain(|key| said.insert(key.trim_matches(['-', ' ', '"']).to_owned()));
    keys
}

/// A text with places that some event has, and where it is looked for.
fn extraction(dice: &mut Dice, events: &[EventRecord], names: &mut Vec<String>) -> String {
    let field = some_field(dice, events).filter(|(.., text)| !text.is_empty());
    let (from, text) = match field {
        Some((name, _, text)) => (Some(name), text),
        None => (None, "took 15 ms".to_owned()),
    };
    let source = with_places(dice, &text, names);
    match from {
        Some(from) if from != "message" || dice.chance(20) => {
            format!("{} from {}", quoted(&source), quoted(&from))
        }
        _ => quoted(&source),
    }
}

/// The text with places in it, one at least that is kept.
fn with_places(dice: &mut Dice, text: &str, names: &mut Vec<String>) -> String {
    let chars: Vec<char> = text.chars().take(60).collect();
    let mut cuts: Vec<usize> = (0..4).map(|_| dice.below(chars.len() + 1)).collect();
    cuts.sort_unstable();
    let literal = |from: usize, to: usize| -> String {
        chars[from..to].iter().collect::<String>().replace('<', "<<")
    };
    let mut used: Vec<&str> = Vec::new();
    let mut place = |dice: &mut Dice, text: &str| {
        let left: Vec<&&str> = PLACES.iter().filter(|name| !used.contains(*name)).collect();
        let name = *left[dice.below(left.len())];
        used.push(name);
        let kind = match text.parse::<f64>().is_ok() {
            true => dice.pick(&[":int", ":float", ":word", ""]),
            false => dice.pick(&[":word", "", "", ":int"]),
        };
        names.push(name.to_owned());
        format!("<{name}{kind}>")
    };
    let before = literal(cuts[0].saturating_sub(dice.below(6)), cuts[0]);
    let first = place(dice, &chars[cuts[0]..cuts[1]].iter().collect::<String>());
    let mut source = before + &first;
    if dice.chance(50) {
        let between = literal(cuts[1], cuts[2]);
        source += if between.is_empty() { " " } else { &between };
        let taken: String = chars[cuts[2]..cuts[3]].iter().collect();
        source += &if dice.chance(20) { "<_>".to_owned() } else { place(dice, &taken) };
        cuts[1] = cuts[3];
    }
    let end = (cuts[1] + dice.below(5)).min(chars.len());
    source + &literal(cuts[1], end)
}

/// Adds a table. Returns its columns, if each of them tells one value exactly.
fn table(dice: &mut Dice, names: &[String], text: &mut String) -> Option<Vec<String>> {
    let fields: Vec<String> = {
        let mut fields: Vec<String> = (0..dice.within(1..4)).map(|_| name(dice, names)).collect();
        fields.sort();
        fields.dedup();
        fields
    };
    let list = fields.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",");
    match dice.below(4) {
        0 => *text += &format!(" | top {list}"),
        1 => *text += &format!(" | top {} {list}", dice.within(1..6)),
        2 => *text += &format!(" | uniq {list} "),
        _ => return stats(dice, names, fields, text),
    }
    Some(fields.into_iter().chain(["count".to_owned()]).collect())
}

fn stats(
    dice: &mut Dice,
    names: &[String],
    mut fields: Vec<String>,
    text: &mut String,
) -> Option<Vec<String>> {
    const EXACT: &[&str] = &["count()", "COUNT", "uniq", "distinct", "count_distinct"];
    const NEAR: &[&str] =
        &["sum", "avg", "mean", "min", "max", "median", "p1", "P95", "p99", "quantile"];
    let (mut figures, mut columns) = (Vec::new(), Vec::new());
    let mut is_exact = true;
    for at in 0..dice.below(4) {
        let is_near = dice.chance(40);
        is_exact &= !is_near;
        let function = dice.pick(if is_near { NEAR } else { EXACT });
        let field = loop {
            let field = name(dice, names);
            if field != "level" {
                break quoted(&field);
            }
        };
        let figure = match function {
            "count()" => "count( )".to_owned(),
            "quantile" => {
                let rank = dice.pick(&["0", "0.25", "0.999", "1"]);
                format!("quantile({field} , {rank})")
            }
            function => format!("{function}( {field})"),
        };
        figures.push(format!("{figure} as f{at}"));
        columns.push(format!("f{at}"));
    }
    if columns.is_empty() {
        columns.push("count".to_owned());
    }
    let mut by: Vec<String> = fields.iter().map(|name| quoted(name)).collect();
    if dice.chance(20) {
        (by, fields) = (Vec::new(), Vec::new());
    }
    if dice.chance(30) {
        let width = dice.pick(&["1ns", "5s", "1m", "2h", "1d", "1h30m"]);
        by.push(format!("bin({width})"));
        fields.push("time".to_owned());
    }
    if dice.chance(30) {
        let field = dice.pick(&["status", "duration_ms", "a", "user_id", "order.id", "ms"]);
        let width = dice.pick(&["1", "100", "0.25", "1e3"]);
        by.push(format!("bin( {field}, {width} )"));
        fields.push(format!("bin({field},{width})"));
    }
    let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(" , ")) };
    *text += &format!(" |stats {}{by}", figures.join(", "));
    fields.extend(columns);
    is_exact.then_some(fields)
}

/// Adds what may stand behind a table.
fn rows(dice: &mut Dice, exact: Option<Vec<String>>, text: &mut String) {
    let Some(mut columns) = exact else { return };
    for _ in 0..dice.below(4) {
        let column = columns[dice.below(columns.len())].clone();
        let name = quoted(&column);
        match dice.below(6) {
            0 => *text += &format!(" | where {name}:*"),
            1 if column == "level" => *text += " | where level:>=warn",
            1 => *text += &format!(" | where {name}:>{} OR -{name}:5*", dice.below(3)),
            2 => *text += &format!(" | where NOT ({} OR error)", dice.below(4)),
            3 => *text += &format!(" | sort {}{name}", dice.pick(&["-", ""])),
            4 => *text += &format!(" | limit {}", dice.within(1..20)),
            _ => {
                columns.retain(|_| dice.chance(70));
                if columns.is_empty() {
                    columns.push(column);
                }
                let list: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
                *text += &format!(" | fields {}", list.join(","));
            }
        }
    }
}
