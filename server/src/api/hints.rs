//! Queries that are right and yet not what was meant: level names of other systems are understood,
//! and what finds nothing for a reason that can be told is answered with a warning.

use crate::ingest::{canonical_name, level_of_name};
use logstrata_engine::query::ast::{Filter, Leaf, Range, Test};
use logstrata_engine::{EventId, Level};
use std::collections::BTreeMap;

/// Gives the level names of other systems (`warning`, `fatal`) their meaning, as for events.
pub(super) fn translate_levels(filter: &mut Filter) {
    for_each_leaf(filter, &mut |leaf| {
        for name in level_names(leaf) {
            if let Some(level) = level_of_name(name) {
                level.name().clone_into(name);
            }
        }
    });
}

/// What the caller may not know of the filter of this query. `empty`: it found nothing.
pub(super) fn hints(text: &str, filter: &Filter, empty: bool) -> Vec<String> {
    let mut foreign = BTreeMap::new();
    find_foreign(text, filter, &mut foreign);
    let mut hints: Vec<String> = foreign.into_values().collect();
    for_each_leaf(&mut filter.clone(), &mut |leaf| {
        let is_unknown = |name: &&mut String| Level::from_name(name).is_none();
        let unknown = level_names(leaf).into_iter().find(is_unknown).cloned();
        if let Some(name) = unknown {
            let known = Level::ALL.map(Level::name).join(", ");
            hints.push(format!("no level is called `{name}`; there are {known}"));
        } else if empty {
            hints.extend(of_nothing_found(leaf));
        }
    });
    hints.dedup();
    hints
}

/// What is an operator in other languages and is none here, by the operator: the first of each.
fn find_foreign(text: &str, filter: &Filter, found: &mut BTreeMap<&'static str, String>) {
    match filter {
        Filter::All => {}
        Filter::Or(parts) => parts.iter().for_each(|part| find_foreign(text, part, found)),
        Filter::And(parts) => {
            for (place, part) in parts.iter().enumerate() {
                let follows = place + 1 < parts.len();
                let joins = place > 0 && follows;
                let (word, ours) = match bare(text, part).map(str::to_ascii_lowercase).as_deref() {
                    Some("or") if joins => ("or", "OR joins"),
                    Some("and") if joins => ("and", "AND joins"),
                    Some("&&") if joins => ("&&", "AND joins"),
                    Some("not") if follows => ("not", "NOT negates"),
                    Some("!") if follows => ("!", "NOT negates"),
                    _ => {
                        find_foreign(text, part, found);
                        continue;
                    }
                };
                let hint =
                    || format!("`{word}` is searched for; {ours} terms, quotes are for words");
                found.entry(word).or_insert_with(hint);
            }
        }
        Filter::Not(inner) => {
            if let Some(number) = negated_number(text, inner) {
                let hint = || {
                    format!(
                        "`-{number}` in parentheses is NOT {number}; a number below 0 is quoted"
                    )
                };
                found.entry("-").or_insert_with(hint);
            }
            find_foreign(text, inner, found);
        }
        Filter::Leaf(_) => {
            let negated = bare(text, filter).and_then(|word| word.strip_prefix('!'));
            let is_term = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '"');
            if let Some(term) = negated.filter(|term| term.starts_with(is_term)) {
                let hint =
                    || format!("`!{term}` is searched for as it is; NOT or - negates a term");
                found.entry("!").or_insert_with(hint);
            }
        }
    }
}

/// A word without a field or quotes.
fn bare<'t>(text: &'t str, filter: &Filter) -> Option<&'t str> {
    let Filter::Leaf(Leaf { field: None, test: Test::Text(word), span }) = filter else {
        return None;
    };
    text.get(span.clone()).filter(|written| written == word)
}

/// The number of `field:(-5)`, which `-` negates.
fn negated_number<'t>(text: &'t str, inner: &Filter) -> Option<&'t str> {
    let Filter::Leaf(Leaf { field: Some(_), test: Test::Text(number), span }) = inner else {
        return None;
    };
    let is_negated = text.get(..span.start)?.ends_with('-');
    let written = text.get(span.clone()).filter(|written| written == number)?;
    (is_negated && written.parse::<f64>().is_ok()).then_some(written)
}

/// Why this test alone may have found nothing.
fn of_nothing_found(leaf: &Leaf) -> Option<String> {
    let name = leaf.field.as_ref().map(|field| field.name.as_str());
    if let Some(known) = name.and_then(canonical_name) {
        let name = name.unwrap_or_default();
        return Some(format!("events that were sent with `{name}` may have it as `{known}`"));
    }
    let Test::Text(text) = &leaf.test else { return None };
    if matches!(name, None | Some("id")) && text.parse::<EventId>().is_ok() {
        let path = logstrata_client::wire::LOGS_PATH;
        return Some(format!("the event of an id is at {path}/{{id}}; it is no field"));
    }
    let named = text.split_once(['=', '<', '>']).map(|(before, _)| before.trim_end_matches('!'));
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    if name.is_none() && named.is_some_and(|name| !name.is_empty() && name.chars().all(is_name)) {
        return Some("fields are asked for with a colon: name:value, name:>5".into());
    }
    None
}

/// The names that a test compares the level with.
fn level_names(leaf: &mut Leaf) -> Vec<&mut String> {
    let is_level = leaf.field.as_ref().is_some_and(|field| field.name == "level");
    match &mut leaf.test {
        Test::Text(name) | Test::Same(name) if is_level => vec![name],
        Test::Range(Range { lower, upper }) if is_level => {
            lower.iter_mut().chain(upper).map(|bound| &mut bound.text).collect()
        }
        _ => Vec::new(),
    }
}

fn for_each_leaf(filter: &mut Filter, visit: &mut impl FnMut(&mut Leaf)) {
    match filter {
        Filter::All => {}
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter_mut().for_each(|part| for_each_leaf(part, visit));
        }
        Filter::Not(inner) => for_each_leaf(inner, visit),
        Filter::Leaf(leaf) => visit(leaf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::query::parse;

    fn parsed(query: &str) -> Filter {
        let mut filter = parse(query).expect("a query");
        translate_levels(&mut filter);
        filter
    }

    fn shown(query: &str) -> String {
        hints(query, &parsed(query), true).join("; ")
    }

    #[test]
    fn level_names_of_other_systems_are_understood() {
        let level = |query: &str| match parsed(query) {
            Filter::Leaf(mut leaf) => level_names(&mut leaf).pop().expect("a level").clone(),
            other => panic!("{other:?}"),
        };
        for (query, expected) in [
            ("level:warning", "warn"),
            ("level:>=FATAL", "critical"),
            ("level:\"err\"", "error"),
            ("level:Info", "info"),
            ("level:[debug TO warning]", "warn"),
            ("level:30", "30"),
        ] {
            assert_eq!(level(query), expected, "{query}");
        }
        let query = "x OR -level:(warning OR fatal)";
        assert!(hints(query, &parsed(query), false).is_empty());
    }

    #[test]
    fn a_level_that_is_none_is_always_named() {
        let query = "level:bad timeout";
        let hints = hints(query, &parsed(query), false);
        assert_eq!(
            hints,
            ["no level is called `bad`; there are trace, debug, info, warn, error, critical"]
        );
    }

    #[test]
    fn what_found_nothing_is_explained_if_it_can_be() {
        for (query, part) in [
            ("msg:declined", "`message`"),
            ("status>=500", "with a colon"),
            ("id:41M7Y2P7SWET700000000001Q4", "/api/v1/logs/{id}"),
            ("41M7Y2P7SWET700000000001Q4", "/api/v1/logs/{id}"),
        ] {
            assert!(shown(query).contains(part), "{query}: {:?}", shown(query));
            assert!(hints(query, &parsed(query), false).is_empty(), "{query}");
        }
        for query in ["", "a -b", "timeout", "service:pay", "*", "->", "user_id:*", "=="] {
            assert_eq!(shown(query), "", "{query}");
        }
    }

    #[test]
    fn operators_of_other_languages_are_named_whatever_was_found() {
        for (query, part) in [
            ("a or b", "`or` is searched for; OR joins"),
            ("a Or (b OR c)", "OR joins"),
            ("x OR (a and b)", "AND joins"),
            ("a not b", "NOT negates"),
            ("not a", "NOT negates"),
            ("a && b", "`&&` is searched for; AND joins"),
            ("!a", "`!a` is searched for as it is"),
            ("a !service:b", "`!service:b` is"),
            ("!(a b)", "NOT negates"),
            ("!\"a b\"", "NOT or - negates"),
            ("delta:(-5)", "`-5` in parentheses is NOT 5"),
            ("delta:(7 OR -5.5)", "`-5.5`"),
        ] {
            let hints = hints(query, &parsed(query), false);
            assert!(hints.len() == 1 && hints[0].contains(part), "{query}: {hints:?}");
        }
        for query in [
            "a \"or\" b",
            "or",
            "a or",
            "and b",
            "not",
            "a OR b",
            "a:or b",
            "wow! b",
            "! ",
            "delta:-5",
            "delta:(\"-5\")",
            "delta:(NOT 5)",
            "delta:(-a)",
            "-5",
            "a != b",
            "x&&y",
        ] {
            let hints = hints(query, &parsed(query), false);
            assert!(hints.is_empty(), "{query}: {hints:?}");
        }
        let many: String = (0..500).map(|n| format!("!x{n} or ")).collect();
        assert_eq!(hints(&many, &parsed(&many), false).len(), 2, "one of each");
    }
}
