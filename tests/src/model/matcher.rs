//! The query language as `docs/query.md` says it, word by word and without any cleverness. Of the
//! engine it uses the syntax tree only.

use super::leaves::leaves;
use super::number::Decimal;
use super::ranges::{is_in_network, is_within};
use logstrata_engine::query::ast::{Bound, Filter, Leaf, Range, Test};
use logstrata_engine::query::{EventField, EventRecord};
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
        let any = |f: &EventField| passes(&leaf.test, Scope::Anywhere, f.kind, &f.text);
        return event.fields.iter().any(any);
    };
    if wanted.name == "level" {
        return level_passes(&leaf.test, event.level);
    }
    let name = if wanted.name == "id" { "_id" } else { &wanted.name };
    let scope = if EXACT.contains(&name) { Scope::ExactField(name) } else { Scope::Field(name) };
    let mut named = event.fields.iter().filter(|f| field::display_name(&f.name) == name);
    named.any(|f| passes(&leaf.test, scope, f.kind, &f.text))
}

/// Where a test looks.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Anywhere,
    Field(&'a str),
    ExactField(&'a str),
}

/// A JSON value passes if one of the values in it does.
fn passes(test: &Test, scope: Scope<'_>, kind: Kind, text: &[u8]) -> bool {
    if matches!(test, Test::Exists) {
        return true;
    }
    match kind {
        Kind::Json => leaves(text).iter().any(|(kind, text)| passes(test, scope, *kind, text)),
        _ => scalar_passes(test, scope, kind, text),
    }
}

fn scalar_passes(test: &Test, scope: Scope<'_>, kind: Kind, text: &[u8]) -> bool {
    match test {
        Test::Exists => true,
        Test::Text(wanted) => {
            let wanted = wanted.as_bytes();
            match as_numbers(text, wanted) {
                Some(order) if !matches!(scope, Scope::Anywhere) => order.is_eq(),
                _ if matches!(scope, Scope::ExactField(_)) => folded(text) == folded(wanted),
                _ if matches!(scope, Scope::Field(_)) && wanted.is_empty() => text.is_empty(),
                _ => has_words(text, wanted),
            }
        }
        Test::Same(wanted) => text == wanted.as_bytes(),
        Test::Wildcard(_) if kind == Kind::Null => false,
        Test::Wildcard(wildcard) => {
            let pieces: Vec<_> = wildcard.pieces.iter().map(|p| folded(p.as_bytes())).collect();
            has_gapped(&folded(text), &pieces, matches!(scope, Scope::ExactField(_)))
        }
        Test::Network(_, network) => {
            is_in_network(text, network)
                || scalar_passes(&Test::Text(network.clone()), scope, kind, text)
        }
        Test::Range(_) if matches!(kind, Kind::Bool | Kind::Null) => false,
        Test::Range(range) => match scope {
            Scope::Anywhere => is_within(range, "", text),
            Scope::Field(name) | Scope::ExactField(name) => is_within(range, name, text),
        },
        Test::Regex(_) if kind == Kind::Null => false,
        Test::Regex(pattern) => pattern.regex.is_match(text),
    }
}

/// The order of two texts that are both numbers.
fn as_numbers(text: &[u8], wanted: &[u8]) -> Option<Ordering> {
    Some(Decimal::parse(text)?.cmp(&Decimal::parse(wanted)?))
}

fn level_passes(test: &Test, level: Level) -> bool {
    let named = |text: &str| Level::ALL.into_iter().find(|l| l.name().eq_ignore_ascii_case(text));
    match test {
        Test::Exists => true,
        Test::Text(text) | Test::Network(_, text) => named(text) == Some(level),
        Test::Same(text) => level.name() == text,
        Test::Wildcard(wildcard) => {
            let pieces: Vec<_> = wildcard.pieces.iter().map(|p| folded(p.as_bytes())).collect();
            has_gapped(&folded(level.name().as_bytes()), &pieces, true)
        }
        Test::Range(Range { lower, upper }) => {
            let holds = |bound: &Option<Bound>, inside: Ordering| {
                bound.as_ref().is_none_or(|bound| {
                    let order = named(&bound.text).map(|wanted| level.cmp(&wanted));
                    order == Some(inside) || bound.inclusive && order == Some(Ordering::Equal)
                })
            };
            holds(lower, Ordering::Greater) && holds(upper, Ordering::Less)
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

/// Whether one of these places is inside a token.
fn is_inside(text: &[Sign], at: usize) -> bool {
    at > 0 && at < text.len() && is_of_token(text[at - 1]) && is_of_token(text[at])
}

/// Whether the pieces stand in the text with something or nothing in the gaps between them: no blanks in
/// words, anything if they are to be the whole value.
fn has_gapped(text: &[Sign], pieces: &[Vec<Sign>], is_whole: bool) -> bool {
    let is_blank = |sign: &Sign| matches!(sign, Sign::Char(c) if c.is_ascii_whitespace());
    let (first, others) = pieces.split_first().expect("pieces beside gaps");
    let ends_at =
        |at: usize, piece: &[Sign]| text[at..].starts_with(piece).then(|| at + piece.len());
    let mut ends: Vec<usize> = match first.is_empty() {
        true => (0..=text.len()).collect(),
        false => (0..=text.len())
            .filter(|at| if is_whole { *at == 0 } else { !is_inside(text, *at) })
            .filter_map(|at| ends_at(at, first))
            .collect(),
    };
    for piece in others {
        let mut next = Vec::new();
        for at in ends {
            let gap = text[at..].iter().position(|sign| !is_whole && is_blank(sign));
            let gap_end = gap.map_or(text.len(), |len| at + len);
            next.extend((at..=gap_end).filter_map(|at| ends_at(at, piece)));
        }
        next.sort_unstable();
        next.dedup();
        ends = next;
    }
    let closes = pieces.last().is_some_and(|piece| !piece.is_empty());
    ends.iter().any(|at| match is_whole {
        true => !closes || *at == text.len(),
        false => !closes || !is_inside(text, *at),
    })
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
            ("conn*used", Kind::String, "a Conn-reFused b"),
            ("f:[5 TO 7}", Kind::Number, "6.9"),
            ("duration_ms:*  OR f:>1s", Kind::String, "1.5s"),
            ("f:10.0.0.0/8", Kind::String, "10.1.2.3"),
            ("f==aB", Kind::String, "aB"),
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
            ("conn*used", Kind::String, "a conn is refused"),
            ("conn*used", Kind::String, "xconn-used"),
            ("f:[5 TO 7}", Kind::Number, "7"),
            ("f:>1s", Kind::Number, "2"),
            ("f:10.0.0.0/8", Kind::String, "11.1.2.3"),
            ("f==aB", Kind::String, "ab"),
        ] {
            assert!(!finds(query, kind, text), "{query} in {text}");
        }
    }
}
