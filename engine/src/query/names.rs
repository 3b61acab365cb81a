//! Warns of field names that no stored event has, and of those that don't tell their unit.

use super::ast::{Filter, Leaf, Test};
use super::filter::{fields_named, for_each_leaf};
use crate::engine::Snapshot;
use crate::field::{self, KNOWN_FIELDS};
use crate::limits::MEMTABLE_NAMES_MAX;
use crate::value::{Quantity, Unit};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Fields that every event has, whatever columns there are.
const BUILT_IN: [&str; 3] = ["id", "timestamp", "level"];
/// Fields of a query that are looked for among those stored, and told of at most: looking for what is
/// nowhere goes through all names.
const LOOKED_FOR_MAX: usize = 64;
const WARNED_OF_MAX: usize = 8;
/// Members of an object that are named at most, if the object itself is asked for.
const INSIDE_MAX: usize = 8;

/// A warning for each field of a query that no stored event has, with the nearest that exists; and for
/// each that is compared with a quantity in vain.
pub(crate) fn warnings(snapshot: &Snapshot, filter: &Filter, others: &[&str]) -> Vec<String> {
    let mut warnings = of_names(snapshot, filter, others);
    for_each_leaf(filter, &mut |leaf| warnings.extend(of_unit(leaf)));
    warnings
}

/// A warning, if a field is compared with a quantity that its numbers can't be compared with.
fn of_unit(leaf: &Leaf) -> Option<String> {
    let (Some(field), Test::Range(range)) = (&leaf.field, &leaf.test) else { return None };
    let unit = Unit::of_field(&field.name);
    let is_vain = |text: &&str| {
        let quantity = Quantity::parse(text.as_bytes());
        quantity.is_some_and(|quantity| unit.is_none_or(|unit| quantity.number_in(unit).is_none()))
    };
    let bounds = range.lower.iter().chain(&range.upper).map(|bound| bound.text.as_str());
    let text = bounds.into_iter().find(is_vain)?;
    let name = &field.name;
    Some(format!(
        "the name of `{name}` does not tell a unit like that of `{text}`: its numbers are not compared \
         with it; write the number alone"
    ))
}

fn of_names(snapshot: &Snapshot, filter: &Filter, others: &[&str]) -> Vec<String> {
    let mut named: BTreeSet<&str> = fields_named(filter).into_iter().collect();
    named.extend(others);
    named.retain(|name| !BUILT_IN.contains(name) && !KNOWN_FIELDS.contains(name));
    let unknown: Vec<&str> = named
        .into_iter()
        .take(LOOKED_FOR_MAX)
        .filter(|name| !may_be_stored(snapshot, name))
        .collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    let known = stored_names(snapshot);
    unknown.into_iter().take(WARNED_OF_MAX).map(|name| warning(name, &known)).collect()
}

/// Whether an event may have a field of this name. Copies nothing: most names are right.
fn may_be_stored(snapshot: &Snapshot, name: &str) -> bool {
    let in_memory = |names: &Arc<BTreeSet<Arc<str>>>| {
        // A full list may lack the name.
        names.len() >= MEMTABLE_NAMES_MAX
            || names.contains(name)
            || names.iter().any(|stored| field::display_name(stored) == name)
    };
    snapshot.memtable_names.iter().any(in_memory)
        || snapshot.files.iter().rev().any(|file| file.meta.may_have_column(name))
}

fn stored_names(snapshot: &Snapshot) -> BTreeSet<String> {
    let in_files = snapshot.files.iter().flat_map(|file| file.meta.columns.iter().cloned());
    let in_memory = snapshot.memtable_names.iter().flat_map(|names| names.iter());
    in_files.chain(in_memory.map(|name| field::display_name(name).into_owned())).collect()
}

fn warning(name: &str, known: &BTreeSet<String>) -> String {
    let candidates = || known.iter().map(String::as_str).chain(KNOWN_FIELDS).chain(BUILT_IN);
    let is_inside =
        |other: &&str| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let inside: BTreeSet<String> =
        candidates().filter(is_inside).take(INSIDE_MAX).map(|other| format!("`{other}`")).collect();
    if !inside.is_empty() {
        let inside = inside.into_iter().collect::<Vec<_>>().join(", ");
        return format!("no event has a value at `{name}` itself; there may be {inside}");
    }
    match nearest(name, candidates()) {
        Some(other) => format!("no event has a field `{name}`; did you mean `{other}`?"),
        None => format!("no event has a field `{name}`"),
    }
}

/// The one of the known names that `name` may have been meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A short name is near to any other short name: that says nothing.
    let length = name.chars().count();
    let near = (length * 2 / 5).min(2);
    if near == 0 {
        return None;
    }
    let is_as_long = |other: &&str| other.chars().count().abs_diff(length) <= near;
    let nearest = known.filter(is_as_long).map(|other| (distance(name, other), other)).min();
    nearest.filter(|(distance, _)| *distance <= near).map(|(_, other)| other)
}

/// The number of characters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_no_name_tells_are_said() {
        let warned = |query: &str| {
            let mut warnings = Vec::new();
            let filter = crate::query::parse(query).unwrap();
            for_each_leaf(&filter, &mut |leaf| warnings.extend(of_unit(leaf)));
            warnings.len()
        };
        assert_eq!(warned("duration:>1s"), 1);
        assert_eq!(warned("a OR -(took_ms:[1MB TO 5])"), 1);
        assert_eq!(warned("took_ms:>1s took:>5 name:>b body_bytes:<1MB x:1s"), 0);
    }

    #[test]
    fn an_object_is_answered_with_its_members() {
        let known: BTreeSet<String> = ["order.id".to_owned(), "orders".to_owned()].into();
        assert_eq!(
            warning("order", &known),
            "no event has a value at `order` itself; there may be `order.id`"
        );
        assert_eq!(
            warning("error", &known),
            "no event has a value at `error` itself; there may be `error.message`, `error.stack`, \
             `error.type`"
        );
    }

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        let known: BTreeSet<String> = ["duration_ms".to_owned(), "host".to_owned()].into();
        assert_eq!(
            warning("duration_m", &known),
            "no event has a field `duration_m`; did you mean `duration_ms`?"
        );
        assert!(warning("levl", &known).contains("`level`"));
        assert_eq!(warning("elephant", &known), "no event has a field `elephant`");
        assert_eq!(warning("msg", &["psp".to_owned()].into()), "no event has a field `msg`");
        assert_eq!(warning("a", &known), "no event has a field `a`");
        assert_eq!(
            (distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")),
            (3, 0, 3)
        );
    }
}
