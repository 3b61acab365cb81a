//! Queries about texts that are nearly, or exactly, what some event has.

use super::texts::{LITERALS, NUMBERS};
use crate::dice::Dice;
use crate::spelling::{gapped, quoted, range as value_range};
use logstrata_engine::query::{EventRecord, TimeRange};
use logstrata_engine::{Level, Timestamp};

const FIELDS: &[&str] = &[
    "message",
    "message",
    "message",
    "note",
    "note",
    "service",
    "error.message",
    "tags",
    "n",
    "user_id",
];

/// The text of a query about events, of which there is at least one.
pub fn filter_text(dice: &mut Dice, events: &[EventRecord]) -> String {
    match dice.weighted(&[55, 45]) {
        0 => leaf(dice, events),
        _ => expression(dice, events, 3),
    }
}

/// Mostly no bounds; else such as cut blocks.
pub fn range(dice: &mut Dice, events: &[EventRecord]) -> TimeRange {
    let mut bound = |percent| {
        dice.chance(percent).then(|| {
            let nudge = dice.below(3) as i64 - 1;
            Timestamp(events[dice.below(events.len())].timestamp.0.saturating_add(nudge))
        })
    };
    TimeRange { from: bound(30), to: bound(30) }
}

fn expression(dice: &mut Dice, events: &[EventRecord], depth: usize) -> String {
    if depth == 0 || dice.chance(35) {
        return leaf(dice, events);
    }
    let (a, b) = (expression(dice, events, depth - 1), expression(dice, events, depth - 1));
    match dice.below(6) {
        0 | 1 => format!("{a} {b}"),
        2 => format!("({a}) OR ({b})"),
        3 => format!("{a} -({b})"),
        4 => format!("NOT ({a})"),
        _ => format!("({a}) OR NOT ({b})"),
    }
}

fn leaf(dice: &mut Dice, events: &[EventRecord]) -> String {
    let field = dice.pick(FIELDS);
    match dice.weighted(&[25, 30, 8, 4, 28, 5, 25, 6, 6]) {
        0 => match phrase(dice, events) {
            text if text.is_empty() => quoted(dice.pick(LITERALS)),
            text => quoted(&text),
        },
        1 => format!("{field}:{}", quoted(&phrase(dice, events))),
        2 => {
            let operator = dice.pick(&[">", ">=", "<", "<="]);
            let value =
                if dice.chance(50) { dice.pick(NUMBERS).into() } else { phrase(dice, events) };
            format!("{field}:{operator}{}", quoted(&value))
        }
        3 => format!("{field}:*"),
        4 => format!("{field}:~{}", quoted(&pattern(dice, events))),
        6 => {
            let text = text_of(dice, events);
            let gapped = gapped(dice, &text);
            if dice.chance(40) { gapped } else { format!("{field}:{gapped}") }
        }
        7 => {
            let (a, b) = (phrase(dice, events), dice.pick(NUMBERS).to_owned());
            format!("{field}:{}", value_range(dice, &a, &b))
        }
        8 => format!("{field}=={}", quoted(&text_of(dice, events))),
        _ => format!(
            "level:{}{}",
            dice.pick(&["", ">=", "<"]),
            dice.pick(&Level::ALL.map(Level::name))
        ),
    }
}

/// A piece of a text that some event has, perhaps changed a little.
fn phrase(dice: &mut Dice, events: &[EventRecord]) -> String {
    match dice.weighted(&[75, 15, 10]) {
        0 => {
            let piece = piece(dice, events);
            changed(dice, piece)
        }
        1 => format!("{}{}", dice.pick(LITERALS), dice.pick(&["", " ", "=", "1", "-1", "_"])),
        _ => dice.pick(NUMBERS).to_owned(),
    }
}

fn text_of(dice: &mut Dice, events: &[EventRecord]) -> String {
    let fields = &events[dice.below(events.len())].fields;
    let field = &fields[dice.below(fields.len())];
    String::from_utf8_lossy(&field.text).into_owned()
}

/// A piece of a text: all of it, between borders, or between any characters.
fn piece(dice: &mut Dice, events: &[EventRecord]) -> String {
    let text = text_of(dice, events);
    let anywhere = match dice.weighted(&[25, 50, 25]) {
        0 => return text,
        1 => false,
        _ => true,
    };
    let mut ends = vec![0, text.len()];
    let mut was_word = None;
    for (at, c) in text.char_indices() {
        let is_word = c.is_alphanumeric() || c == '_';
        if anywhere || was_word != Some(is_word) || !is_word {
            ends.push(at);
        }
        was_word = Some(is_word);
    }
    let (a, b) = (ends[dice.below(ends.len())], ends[dice.below(ends.len())]);
    text[a.min(b)..a.max(b)].to_owned()
}

/// The same number, or the same text, in another form.
fn changed(dice: &mut Dice, text: String) -> String {
    if text.parse::<f64>().is_ok() && dice.chance(60) {
        let shorter = text.trim_end_matches('0').trim_end_matches('.').to_owned();
        let end = dice.pick(&["", "0", ".0", "e0", "00"]);
        return if dice.chance(50) && !shorter.is_empty() { shorter } else { text + end };
    }
    match dice.below(12) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => text.replace('k', "\u{212a}").replace('s', "\u{17f}"),
        3 => text.replace('\u{212a}', "k").replace('\u{17f}', "S"),
        // Other digits of the same sentence.
        4 => text
            .chars()
            .map(|c| if c.is_ascii_digit() && dice.chance(30) { '7' } else { c })
            .collect(),
        5 => format!("{text}{}", dice.pick(&["1", "a", " ", "_", "\u{1}", "é"])),
        _ => text,
    }
}

fn pattern(dice: &mut Dice, events: &[EventRecord]) -> String {
    loop {
        let pattern = any_pattern(dice, events);
        let compiles = regex_of(&pattern);
        if compiles {
            return pattern;
        }
    }
}

fn regex_of(pattern: &str) -> bool {
    logstrata_engine::query::parse(&format!("message:~{}", quoted(pattern))).is_ok()
}

fn any_pattern(dice: &mut Dice, events: &[EventRecord]) -> String {
    let piece = piece(dice, events);
    let piece: String = piece.chars().take(60).collect();
    match dice.below(14) {
        0 => escape(&piece),
        1 => format!("(?i){}", escape(&piece)),
        2 => format!("^{}", escape(&piece)),
        3 => format!("{}$", escape(&piece)),
        4 => format!("^{}$", loosened(dice, &piece)),
        5 | 6 => loosened(dice, &piece),
        7 => format!(r"\b{}\b", escape(&piece)),
        8 => {
            let edge = dice.pick(&[
                r"\B",
                r"(?-u:\b)",
                r"(?-u:\B)",
                "(?m:^)",
                "(?Rm:^)",
                r"\b{start}",
                r"\b{start-half}",
                r"\W",
                r"\s",
                r"\d",
                "[^a-z]",
            ]);
            let end = dice.pick(&[
                "",
                r"\b",
                r"\B",
                "(?m:$)",
                "(?Rm:$)",
                r"\b{end-half}",
                r"\W",
                r"\s*",
                r"\d",
                "[^0-9]",
                r"(?-u:.)",
            ]);
            format!("{edge}{}{end}", escape(&piece))
        }
        9 => format!("{}.*{}", escape(dice.pick(LITERALS)), escape(dice.pick(LITERALS))),
        10 => format!("({}|{})", loosened(dice, &piece), escape(dice.pick(LITERALS))),
        11 => format!("(?:{})+{}", escape(&piece), dice.pick(&["", r"\w", " ", "[0-9]"])),
        12 => format!("(?:{})?{}", escape(&piece), escape(dice.pick(LITERALS))),
        _ => dice
            .pick(&[
                "",
                "^$",
                r"^\d+$",
                r"^\w+$",
                r"^[0-9.]+",
                r"[a-f0-9]{5}",
                r"\d{3}\b",
                r"(?s-u:.)\d",
                r"[[:xdigit:]]+$",
                r"conn\d",
                r"blk_\d+7",
                r"\pL\d",
                r"^-?\d",
                r"\bid=\w+",
                r"[^\s\S]",
                r"(?i)k\d|MASK",
                r"^.$",
                r"(?s)^.{3}$",
                r"a{60}",
                r"\b[a-z]{4,}\b",
                r"^(\w+ ){2}",
            ])
            .to_owned(),
    }
}

/// The pattern of a text, in which words stand for others.
fn loosened(dice: &mut Dice, text: &str) -> String {
    let mut pattern = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = rest.find(|c: char| c.is_ascii_digit() != first.is_ascii_digit());
        let (part, behind) = rest.split_at(len.unwrap_or(rest.len()));
        rest = behind;
        match first.is_ascii_digit() && dice.chance(60) {
            true => pattern.push_str(dice.pick(&[
                r"\d+",
                "[0-9]+",
                "[0-9a-f]+",
                r"\w+",
                r"\w*",
                ".",
                "[0-9]",
                "[^ ]*",
                r"\S+?",
            ])),
            false if dice.chance(10) => {
                pattern.push_str(dice.pick(&[".*", r"\s*", r"[a-z]+", r"\W+", r"[^0-9]*"]))
            }
            false => pattern.push_str(&escape(part)),
        }
    }
    pattern
}

fn escape(text: &str) -> String {
    let escaped = |c: char| [c.is_ascii_punctuation().then_some('\\'), Some(c)];
    text.chars().flat_map(escaped).flatten().collect()
}
