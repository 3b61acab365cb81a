//! Random queries, of every operator, about values that the store has, has nearly, or has not.

use super::values::{ATTRIBUTES, NUMBERS, WORDS};
use super::{MARK, START};
use crate::dice::Dice;
use crate::spelling::{gapped, quoted, range as value_range};
use logstrata_engine::query::{
    Aggregate, EventRecord, Function, Order, SearchRequest, StatsRequest, TimeRange, parse,
};
use logstrata_engine::{Kind, Level, Timestamp, field};

/// A search without a cursor.
pub fn search(dice: &mut Dice, events: &[EventRecord]) -> SearchRequest {
    let query = filter_text(dice, events);
    let filter = parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let order = if dice.chance(60) { Order::NewestFirst } else { Order::OldestFirst };
    let limit = [1, 2, 5, 10, 100, 10_000][dice.below(6)];
    let range = time_range(dice, events);
    SearchRequest { query, filter, range, limit, order, cursor: None }
}

/// A table.
pub fn stats(dice: &mut Dice, events: &[EventRecord]) -> StatsRequest {
    const SECOND: i64 = 1_000_000_000;
    let query = if dice.chance(50) { String::new() } else { filter_text(dice, events) };
    let filter = parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let group_by = (0..dice.weighted(&[30, 45, 20, 5])).map(|_| field_name(dice)).collect();
    let functions = [
        Function::Sum,
        Function::Avg,
        Function::Min,
        Function::Max,
        Function::Percentile(500_000),
        Function::Percentile(950_000),
        Function::Percentile(990_000),
        Function::Uniq,
        Function::Count,
    ];
    let aggregates = (0..dice.weighted(&[40, 30, 20, 10])).map(|_| {
        let function = functions[dice.below(functions.len())];
        let numeric = dice.pick(&["duration_ms", "status", "user_id", "a", MARK]).to_owned();
        let field = if dice.chance(60) { numeric } else { field_name(dice) };
        // Of the level there is no other figure.
        let function = if field == "level" { Function::Uniq } else { function };
        Aggregate { function, field }
    });
    let aggregates = aggregates.collect();
    let interval = dice.chance(40).then(|| {
        [1, SECOND, 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND, 7 * SECOND + 1][dice.below(6)]
    });
    let top = dice.chance(30).then(|| dice.within(1..6));
    StatsRequest { filter, range: time_range(dice, events), group_by, interval, aggregates, top }
}

/// Mostly no bounds; else such as events stand at.
pub fn time_range(dice: &mut Dice, events: &[EventRecord]) -> TimeRange {
    let mut bound = |percent| {
        let near = |dice: &mut Dice| match events.len() {
            0 => START,
            count => events[dice.below(count)].timestamp,
        };
        dice.chance(percent).then(|| {
            let nudge = dice.below(3) as i64 - 1;
            Timestamp(near(dice).0.saturating_add(nudge))
        })
    };
    TimeRange { from: bound(30), to: bound(30) }
}

/// The name of a field as people type it.
pub(super) fn field_name(dice: &mut Dice) -> String {
    const KNOWN: &[&str] = &["level", "service", "message", "user_id", "ip", "error.type", "id"];
    match dice.weighted(&[50, 48, 2]) {
        0 => dice.pick(KNOWN).to_owned(),
        1 => field::display_name(dice.pick(ATTRIBUTES)).into_owned(),
        _ => "nowhere".to_owned(),
    }
}

/// The text of a query.
pub fn filter_text(dice: &mut Dice, events: &[EventRecord]) -> String {
    if dice.chance(5) {
        return dice.pick(&["", "*"]).to_owned();
    }
    expression(dice, events, 3)
}

pub(super) fn expression(dice: &mut Dice, events: &[EventRecord], depth: usize) -> String {
    if depth == 0 || dice.chance(45) {
        return leaf(dice, events);
    }
    let mut part = || expression(dice, events, depth - 1);
    let (a, b) = (part(), part());
    match dice.below(6) {
        0 => format!("{a} {b}"),
        1 => format!("{a} AND {b}"),
        2 => format!("({a}) OR {b}"),
        3 => format!("{a} OR ({b})"),
        4 => format!("{a} -({b})"),
        _ => format!("NOT ({a})"),
    }
}

fn leaf(dice: &mut Dice, events: &[EventRecord]) -> String {
    match dice.weighted(&[25, 40, 15, 8, 12, 8, 14, 10, 5, 5, 5, 10, 5]) {
        0 => match text_like(dice, events) {
            // An empty term is an error.
            text if text.is_empty() => quoted(dice.pick(WORDS)),
            text => quoted(&text),
        },
        1 => of_a_field(dice, events),
        2 => {
            let operator = dice.pick(&[">", ">=", "<", "<="]);
            let value = match dice.chance(70) {
                true => dice.pick(NUMBERS).to_owned(),
                false => text_like(dice, events),
            };
            format!("{}:{operator}{}", name(dice), quoted(&value))
        }
        3 => format!("{}:*", name(dice)),
        4 => format!("{}:~{}", name(dice), quoted(&pattern(dice, events))),
        5 => level(dice),
        6 => {
            let text = text_like(dice, events);
            let gapped = gapped(dice, &text);
            if dice.chance(40) { gapped } else { format!("{}:{gapped}", name(dice)) }
        }
        7 => {
            let (a, b) = (dice.pick(NUMBERS).to_owned(), text_like(dice, events));
            let c = if dice.chance(70) { dice.pick(NUMBERS).to_owned() } else { b };
            format!("{}:{}", name(dice), value_range(dice, &a, &c))
        }
        8 => match some_field(dice, events) {
            Some((name, _, text)) => format!("{}=={}", quoted(&name), quoted(&text)),
            None => format!("service=={}", quoted(dice.pick(WORDS))),
        },
        9 => {
            let networks = ["10.0.0.0/8", "0.0.0.0/0", "::/0", "10.1.2.3/31", "fe80::/10"];
            format!("{}:{}", dice.pick(&["ip", "message", "a"]), dice.pick(&networks))
        }
        10 => {
            let operator = dice.pick(&[">", ">=", "<", "<="]);
            let field = dice.pick(&["duration_ms", "body_bytes", "message", "status"]);
            let bound = dice.pick(&["1s", "250ms", "0.5us", "1KiB", "2kB", "-1h"]);
            format!("{field}:{operator}{bound}")
        }
        11 => format!("{}:({})", name(dice), group(dice, events)),
        _ => format!("{}:/{}/", name(dice), dice.pick(&["^5", "[0-9]+$", "o.*r", r"a\/b|\/api"])),
    }
}

/// What may stand in the parentheses behind a field's name.
fn group(dice: &mut Dice, events: &[EventRecord]) -> String {
    let value = |dice: &mut Dice| match dice.below(8) {
        0 => format!(">{}", dice.pick(NUMBERS)),
        1 => value_range(dice, "5", "x"),
        2 => "*".to_owned(),
        3 => format!("==\"{}\"", dice.pick(WORDS)),
        4 => "10.0.0.0/8".to_owned(),
        5 => format!("message:{}", quoted(dice.pick(WORDS))),
        6 => "/[a-f]/".to_owned(),
        _ => quoted(&text_like(dice, events)),
    };
    let (a, b, c) = (value(dice), value(dice), value(dice));
    match dice.below(5) {
        0 => a,
        1 => format!("{a} OR {b}"),
        2 => format!("{a} AND NOT {b}"),
        3 => format!("{a} ({b} OR -{c})"),
        _ => format!("NOT ({a} {b}) OR NOT NOT {c}"),
    }
}

fn level(dice: &mut Dice) -> String {
    let name = dice.pick(&Level::ALL.map(Level::name));
    match dice.below(6) {
        4 => format!("level:[info TO {name}}}"),
        5 => format!("level:*{}*", &name[1..3]),
        0 => format!("level:{}", name.to_uppercase()),
        1 => format!("level:{}{name}", dice.pick(&[">", ">=", "<", "<="])),
        2 => "level:/r/".to_owned(),
        _ => format!("level:({name} OR critical OR nonsense)"),
    }
}

/// A name as it stands before a colon.
fn name(dice: &mut Dice) -> String {
    match field_name(dice) {
        name if name.is_empty() => "status".to_owned(),
        name => quoted(&name),
    }
}

/// A field and its value in some event, sometimes another's.
fn of_a_field(dice: &mut Dice, events: &[EventRecord]) -> String {
    let field = some_field(dice, events);
    let Some((name, _, text)) = field.filter(|_| dice.chance(80)) else {
        let word = dice.pick(WORDS);
        return format!("{}:{}", name(dice), quoted(word));
    };
    let value = if dice.chance(70) { text } else { piece(dice, &text) };
    format!("{}:{}", quoted(&name), quoted(&value))
}

/// A field of some event: the name that people type, its kind, its text if that is UTF-8.
pub(super) fn some_field(
    dice: &mut Dice,
    events: &[EventRecord],
) -> Option<(String, Kind, String)> {
    if events.is_empty() {
        return None;
    }
    let fields = &events[dice.below(events.len())].fields;
    let field = &fields[dice.below(fields.len())];
    let text = String::from_utf8(field.text.clone()).ok()?;
    let name = field::display_name(&field.name);
    let name = if name == "_id" { "id".to_owned() } else { name.into_owned() };
    (text.len() < 1_000 && !name.is_empty()).then_some((name, field.kind, text))
}

/// A word, or a piece of a text that some event has.
fn text_like(dice: &mut Dice, events: &[EventRecord]) -> String {
    match some_field(dice, events).filter(|_| dice.chance(60)) {
        Some((_, _, text)) => piece(dice, &text),
        None => dice.pick(WORDS).to_owned(),
    }
}

/// A piece of a text: between words mostly, sometimes between any characters; sometimes in
/// capitals.
fn piece(dice: &mut Dice, text: &str) -> String {
    let anywhere = dice.chance(30);
    let ends: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| anywhere || !c.is_alphanumeric())
        .map(|(at, _)| at)
        .chain([0, text.len()])
        .collect();
    let (a, b) = (ends[dice.below(ends.len())], ends[dice.below(ends.len())]);
    let piece = &text[a.min(b)..a.max(b)];
    if dice.chance(15) { piece.to_uppercase() } else { piece.to_owned() }
}

fn pattern(dice: &mut Dice, events: &[EventRecord]) -> String {
    let escape = |text: &str| -> String {
        text.chars()
            .flat_map(|c| {
                let special = c.is_ascii_punctuation();
                special.then_some('\\').into_iter().chain([c])
            })
            .collect()
    };
    match dice.below(5) {
        0 => dice.pick(&["^5", "[0-9]+$", "(?i)error|refused", "^$", "o.*r", "\\bconn", ""]).into(),
        1 => format!("^{}", escape(&text_like(dice, events))),
        2 => format!("(?i){}", escape(&text_like(dice, events))),
        3 => format!("{}.*{}", escape(dice.pick(WORDS)), escape(dice.pick(WORDS))),
        _ => escape(&text_like(dice, events)),
    }
}
