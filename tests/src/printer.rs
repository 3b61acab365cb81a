//! Writes a query's syntax as text that means the same, and forgets where its parts stood.

use crate::spelling::{escaped, quoted};
use logstrata_engine::query::ast::{
    Bin, Bound, Extract, Field, Figure, Filter, Group, Leaf, Query, Range, SortKey, StageKind, Test,
};

/// The text of a query: every group in parentheses, every name and text in quotes.
pub fn printed(query: &Query) -> String {
    let mut text = filter(&query.filter);
    for stage in &query.stages {
        text += " | ";
        text += &match &stage.kind {
            StageKind::Where(inner) => format!("where {}", filter(inner)),
            StageKind::Extract(inner) => extract(inner),
            StageKind::Stats { figures, by } => stats(figures, by),
            StageKind::Top { limit, fields } => format!("top {limit} {}", names(fields)),
            StageKind::Uniq(fields) => format!("uniq {}", names(fields)),
            StageKind::Sort(keys) => {
                let key = |key: &SortKey| {
                    format!("{}{}", if key.descending { "-" } else { "" }, quoted(&key.field.name))
                };
                format!("sort {}", joined(keys.iter().map(key)))
            }
            StageKind::Fields(fields) => format!("fields {}", names(fields)),
            StageKind::Limit(limit) => format!("limit {limit}"),
        };
    }
    text
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn names(fields: &[Field]) -> String {
    joined(fields.iter().map(|field| quoted(&field.name)))
}

fn filter(wanted: &Filter) -> String {
    let all = |parts: &[Filter], between: &str| {
        let parts: Vec<String> = parts.iter().map(|part| format!("({})", filter(part))).collect();
        parts.join(between)
    };
    match wanted {
        Filter::All => "*".to_owned(),
        Filter::And(parts) => all(parts, " AND "),
        Filter::Or(parts) => all(parts, " OR "),
        Filter::Not(inner) => format!("NOT ({})", filter(inner)),
        Filter::Leaf(leaf) => test(leaf),
    }
}

fn test(leaf: &Leaf) -> String {
    let name = leaf.field.as_ref().map(|field| quoted(&field.name)).unwrap_or_default();
    let colon = if leaf.field.is_some() { ":" } else { "" };
    match &leaf.test {
        Test::Text(text) => format!("{name}{colon}{}", quoted(text)),
        Test::Same(text) => format!("{name}{colon}=={}", quoted(text)),
        Test::Wildcard(wildcard) => {
            let pieces: Vec<String> = wildcard.pieces.iter().map(|piece| escaped(piece)).collect();
            format!("{name}{colon}{}", pieces.join("*"))
        }
        Test::Range(Range { lower, upper }) => {
            let text = |bound: &Option<Bound>| {
                bound.as_ref().map_or_else(|| "*".to_owned(), |bound| quoted(&bound.text))
            };
            let is_open = |bound: &Option<Bound>| bound.as_ref().is_some_and(|b| !b.inclusive);
            let (open, close) =
                (if is_open(lower) { "{" } else { "[" }, if is_open(upper) { "}" } else { "]" });
            format!("{name}{colon}{open}{} TO {}{close}", text(lower), text(upper))
        }
        Test::Network(_, text) => format!("{name}{colon}{text}"),
        Test::Exists => format!("{name}{colon}*"),
        Test::Regex(pattern) => format!("{name}{colon}~{}", quoted(&pattern.source)),
    }
}

fn extract(extract: &Extract) -> String {
    let from = extract.from.as_ref().map(|field| format!(" from {}", quoted(&field.name)));
    format!("extract {}{}", quoted(&extract.source), from.unwrap_or_default())
}

fn stats(figures: &[Figure], by: &[Group]) -> String {
    let figure = |figure: &Figure| {
        let field = figure.field.as_ref().map(|field| quoted(&field.name)).unwrap_or_default();
        let argument = figure.argument.as_ref().map(|argument| format!(", {argument}"));
        let argument = argument.unwrap_or_default();
        format!("{}({field}{argument}) as {}", figure.function, quoted(&figure.name))
    };
    let group = |group: &Group| match group {
        Group::Field(field) => quoted(&field.name),
        Group::Time(width) => format!("bin({width}ns)"),
        Group::Bin(Bin { field, width, name }) => {
            format!("bin({}, {width}) as {}", quoted(&field.name), quoted(name))
        }
    };
    let by = match by {
        [] => String::new(),
        by => format!(" by {}", joined(by.iter().map(group))),
    };
    format!("stats {}{by}", joined(figures.iter().map(figure)))
}

/// The query as if all its parts stood nowhere.
pub fn without_places(mut query: Query) -> Query {
    forget_in_filter(&mut query.filter);
    for stage in &mut query.stages {
        stage.span = 0..0;
        match &mut stage.kind {
            StageKind::Where(filter) => forget_in_filter(filter),
            StageKind::Extract(extract) => extract.from.iter_mut().for_each(forget),
            StageKind::Stats { figures, by } => {
                for figure in figures {
                    figure.span = 0..0;
                    figure.field.iter_mut().for_each(forget);
                }
                by.iter_mut().for_each(|group| match group {
                    Group::Field(field) | Group::Bin(Bin { field, .. }) => forget(field),
                    Group::Time(_) => {}
                });
            }
            StageKind::Top { fields, .. } | StageKind::Uniq(fields) | StageKind::Fields(fields) => {
                fields.iter_mut().for_each(forget);
            }
            StageKind::Sort(keys) => keys.iter_mut().for_each(|key| forget(&mut key.field)),
            StageKind::Limit(_) => {}
        }
    }
    query
}

fn forget(field: &mut Field) {
    field.span = 0..0;
}

fn forget_in_filter(filter: &mut Filter) {
    match filter {
        Filter::All => {}
        Filter::And(parts) | Filter::Or(parts) => parts.iter_mut().for_each(forget_in_filter),
        Filter::Not(inner) => forget_in_filter(inner),
        Filter::Leaf(leaf) => {
            leaf.span = 0..0;
            leaf.field.iter_mut().for_each(forget);
        }
    }
}
