//! The query language as `docs/query.md` says it, word by word and without any cleverness. Of the
//! engine it uses the syntax tree only.

use super::leaves::leaves;
use super::number::Decimal;
use logstrata_engine::query::EventRecord;
use logstrata_engine::query::ast::{Comparison, Filter, Leaf, Test};
use logstrata_engine::{Kind, Level, field};
use std::cmp::Ordering;

/// "Exact fields" of the language.
const EXACT: [&str; 12] = [
    "service",
    "category",
    "action",
    "trace_id",
    "span_id",
    "parent_span_id",
    "correlation_id",
    "user_id",
    "resource_type",
    "resource_id",
    "ip",
    "error.type",
];

/// Whether the filter wants the event.
pub fn matches(filter: &Filter, event: &EventRecord) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(parts) => parts.iter().all(|part| matches(part, event)),
        Filter::Or(parts) => parts.iter().any(|part| matches(part, event)),
        Filter::Not(inner) => !matches(inner, event),
        Filter::Leaf(leaf) => leaf_matches(leaf, event),
    }
}

fn leaf_matches(leaf: &Leaf, event: &EventRecord) -> bool {
    let Some(wanted) = &leaf.field else {
        return event.fields.iter().any(|f| passes(&leaf.test, Scope::Anywhere, f.kind, &f.text));
    };
    if wanted.name == "level" {
        return level_passes(&leaf.test, event.level);
    }
    let name = if wanted.name == "id" { "_id" } else { &wanted.name };
    let scope = if EXACT.contains(&name) { Scope::ExactField } else { Scope::Field };
    let mut named = event.fields.iter().filter(|f| field::display_name(&f.name) == name);
    named.any(|f| passes(&leaf.test, scope, f.kind, &f.text))
}

/// Where a test looks.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Anywhere,
    Field,
    ExactField,
}

/// A JSON value passes if one of the values in it does.
fn passes(test: &Test, scope: Scope, kind: Kind, text: &[u8]) -> bool {
    if matches!(test, Test::Exists) {
        return true;
    }
    match kind {
        Kind::Json => leaves(text).iter().any(|(kind, text)| passes(test, scope, *kind, text)),
        _ => scalar_passes(test, scope, kind, text),
    }
}

fn scalar_passes(test: &Test, scope: Scope, kind: Kind, text: &[u8]) -> bool {
    match test {
        Test::Exists => true,
        Test::Text(wanted) => {
            let wanted = wanted.as_bytes();
            match as_numbers(text, wanted) {
                Some(order) if scope != Scope::Anywhere => order.is_eq(),
                _ if scope == Scope::ExactField => folded(text) == folded(wanted),
                _ if scope == Scope::Field && wanted.is_empty() => text.is_empty(),
                _ => has_words(text, wanted),
            }
        }
        Test::Compare(..) if matches!(kind, Kind::Bool | Kind::Null) => false,
        Test::Compare(comparison, wanted) => {
            let wanted = wanted.as_bytes();
            holds(*comparison, as_numbers(text, wanted).unwrap_or_else(|| text.cmp(wanted)))
        }
        Test::Regex(_) if kind == Kind::Null => false,
        Test::Regex(pattern) => pattern.regex.is_match(text),
    }
}

/// The order of two texts that are both numbers.
fn as_numbers(text: &[u8], wanted: &[u8]) -> Option<Ordering> {
    Some(Decimal::parse(text)?.cmp(&Decimal::parse(wanted)?))
}

fn holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
    }
}

fn level_passes(test: &Test, level: Level) -> bool {
    let named = |text: &str| Level::ALL.into_iter().find(|l| l.name().eq_ignore_ascii_case(text));
    match test {
        Test::Exists => true,
        Test::Text(text) => named(text) == Some(level),
        Test::Compare(comparison, text) => {
            named(text).is_some_and(|wanted| holds(*comparison, level.cmp(&wanted)))
        }
        Test::Regex(pattern) => pattern.regex.is_match(level.name().as_bytes()),
    }
}

/// A character, or a byte that is part of none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Char(char),
    Byte(u8),
}

/// The characters of a text, small ones for capitals.
fn folded(text: &[u8]) -> Vec<Sign> {
    let mut signs = Vec::new();
    for chunk in text.utf8_chunks() {
        signs.extend(chunk.valid().chars().map(|c| Sign::Char(fold(c))));
        signs.extend(chunk.invalid().iter().map(|byte| Sign::Byte(*byte)));
    }
    signs
}

/// Simple case folding, for the characters that workloads are made of.
fn fold(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (c, lower.next(), lower.next()) {
        ('ς', ..) => 'σ',
        ('ſ', ..) => 's',
        ('µ', ..) => 'μ',
        (_, Some(lower), None) => lower,
        _ => c,
    }
}

/// Letters, digits and `_` make tokens; signs of scripts without spaces stand for themselves.
fn is_of_token(sign: Sign) -> bool {
    match sign {
        Sign::Char(
            '\u{e01}'..='\u{e30}'
            | '\u{e40}'..='\u{e46}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{4e00}'..='\u{9fff}',
        ) => false,
        Sign::Char(c) => c.is_alphanumeric() || c == '_',
        Sign::Byte(_) => false,
    }
}

/// Whether the wanted characters stand in the text, beginning and ending at a token's border.
fn has_words(text: &[u8], wanted: &[u8]) -> bool {
    let (text, wanted) = (folded(text), folded(wanted));
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return true };
    let is_border = |inside: Sign, outside: Option<&Sign>| {
        !(is_of_token(inside) && outside.is_some_and(|sign| is_of_token(*sign)))
    };
    text.windows(wanted.len()).enumerate().any(|(at, window)| {
        window == wanted
            && is_border(*first, at.checked_sub(1).map(|before| &text[before]))
            && is_border(*last, text.get(at + wanted.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::query::{EventField, parse};
    use logstrata_engine::{EventId, Seq, Timestamp};

    fn finds(query: &str, kind: Kind, text: &str) -> bool {
        let fields = vec![EventField { name: "f".into(), kind, text: text.into() }];
        let id = EventId::new(Timestamp(0), 0, Seq(1));
        let event =
            EventRecord { id, timestamp: Timestamp(0), level: Level::Warn, fields, as_sent: None };
        matches(&parse(query).expect("a query"), &event)
    }

    #[test]
    fn a_sample_of_each_operator() {
        for (query, kind, text) in [
            ("refused", Kind::String, "Connection REFUSED."),
            ("\"connection refused\"", Kind::String, "a connection refused"),
            ("f:500", Kind::Number, "5e2"),
            ("f:red", Kind::Json, r#"["dark red"]"#),
            ("f:>5", Kind::String, "10"),
            ("f:~\"^a+$\"", Kind::String, "aaa"),
            ("f:* -g:*", Kind::Null, "null"),
            ("level:>=warn level:<error", Kind::Null, "null"),
            ("日本", Kind::String, "東日本語"),
        ] {
            assert!(finds(query, kind, text), "{query} in {text}");
        }
        for (query, kind, text) in [
            ("connection", Kind::String, "connections"),
            ("5", Kind::String, "55"),
            ("f:500", Kind::String, "500.5"),
            ("f:>5", Kind::Bool, "true"),
            ("f:/n/", Kind::Null, "null"),
            ("level:error", Kind::Null, "null"),
        ] {
            assert!(!finds(query, kind, text), "{query} in {text}");
        }
    }
}
