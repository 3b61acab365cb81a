//! Queries that are right and yet not what was meant: level names of other systems are understood,
//! and what finds nothing for a reason that can be told is answered with a warning.

use crate::ingest::{canonical_name, level_of_name};
use logstrata_engine::query::ast::{Filter, Leaf, Test};
use logstrata_engine::{EventId, Level};

/// Gives the level names of other systems (`warning`, `fatal`) their meaning, as for events.
pub(super) fn translate_levels(filter: &mut Filter) {
    for_each_leaf(filter, &mut |leaf| {
        if let Some(name) = level_name(leaf)
            && let Some(level) = level_of_name(name)
        {
            level.name().clone_into(name);
        }
    });
}

/// What the caller may not know of this query. `empty`: it found nothing.
pub(super) fn hints(filter: &Filter, empty: bool) -> Vec<String> {
    let mut hints = Vec::new();
    for_each_leaf(&mut filter.clone(), &mut |leaf| {
        if let Some(name) = level_name(leaf)
            && Level::from_name(name).is_none()
        {
            let known = Level::ALL.map(Level::name).join(", ");
            hints.push(format!("no level is called `{name}`; there are {known}"));
        } else if empty {
            hints.extend(of_nothing_found(leaf));
        }
    });
    hints.dedup();
    hints
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
    if text.len() > 1 && text.contains('*') {
        let field = name.unwrap_or("message");
        return Some(format!(
            "`*` in a word is that character; for words that begin alike there is {field}:/\\bword/"
        ));
    }
    let named = text.split_once(['=', '<', '>']).map(|(before, _)| before.trim_end_matches('!'));
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    if name.is_none() && named.is_some_and(|name| !name.is_empty() && name.chars().all(is_name)) {
        return Some("fields are asked for with a colon: name:value, name:>5".into());
    }
    None
}

/// The name that a test compares the level with.
fn level_name(leaf: &mut Leaf) -> Option<&mut String> {
    let is_level = leaf.field.as_ref().is_some_and(|field| field.name == "level");
    match &mut leaf.test {
        Test::Text(name) | Test::Compare(_, name) if is_level => Some(name),
        _ => None,
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
        hints(&parsed(query), true).join("; ")
    }

    #[test]
    fn level_names_of_other_systems_are_understood() {
        let level = |query: &str| match parsed(query) {
            Filter::Leaf(mut leaf) => level_name(&mut leaf).expect("a level").clone(),
            other => panic!("{other:?}"),
        };
        for (query, expected) in [
            ("level:warning", "warn"),
            ("level:>=FATAL", "critical"),
            ("level:\"err\"", "error"),
            ("level:Info", "info"),
            ("level:30", "30"),
        ] {
            assert_eq!(level(query), expected, "{query}");
        }
        assert!(hints(&parsed("x OR -level:(warning OR fatal)"), false).is_empty());
    }

    #[test]
    fn a_level_that_is_none_is_always_named() {
        let hints = hints(&parsed("level:bad timeout"), false);
        assert_eq!(
            hints,
            ["no level is called `bad`; there are trace, debug, info, warn, error, critical"]
        );
    }

    #[test]
    fn what_found_nothing_is_explained_if_it_can_be() {
        for (query, part) in [
            ("msg:declined", "`message`"),
            ("declin*", "message:/\\bword/"),
            ("path:/api/*", "path:/\\bword/"),
            ("status>=500", "with a colon"),
            ("id:41M7Y2P7SWET700000000001Q4", "/api/v1/logs/{id}"),
            ("41M7Y2P7SWET700000000001Q4", "/api/v1/logs/{id}"),
        ] {
            assert!(shown(query).contains(part), "{query}: {:?}", shown(query));
            assert!(hints(&parsed(query), false).is_empty(), "{query}");
        }
        for query in ["", "timeout", "service:pay", "*", "->", "user_id:*", "=="] {
            assert_eq!(shown(query), "", "{query}");
        }
    }
}
