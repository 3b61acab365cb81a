use super::*;
use crate::api::routes;
use logstrata_client::wire::schema::KNOWN_MEMBERS;
use logstrata_engine::Level;
use logstrata_engine::field::KNOWN_FIELDS;
use serde_json::Value;
use std::collections::BTreeSet;

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_route_has_an_operation_of_its_own() {
    let document = document(&routes());
    let mut ids = BTreeSet::new();
    for route in routes() {
        let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
        let id = operation["operationId"].as_str().expect("has a name");
        assert!(
            !id.is_empty() && ids.insert(id.to_owned()),
            "{} {}: {id}",
            route.method,
            route.path
        );
        let summary = operation["summary"].as_str().expect("is summed up");
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{id}: {summary:?}");
        assert!(
            operation["responses"]["200"]["content"].as_object().is_some_and(|all| !all.is_empty())
        );
        assert_eq!(route.path.contains('{'), route.operation.segment.is_some(), "{id}");
        for (name, _) in route.operation.example {
            assert!(route.operation.parameters.contains(name), "{id}: {name}");
        }
        for row in route.operation.special {
            assert!(route.operation.parameters.contains(&row.name), "{id}: {}", row.name);
        }
    }
    assert!(ids.len() > 20, "{ids:?}");
}

#[test]
fn the_segment_in_braces_is_the_one_that_is_described() {
    for route in routes() {
        let braces = route.path.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        let described = route.operation.segment.map(|segment| segment.name);
        assert_eq!(braces.map(|(name, _)| name), described, "{}", route.path);
    }
}

#[test]
fn all_that_is_referred_to_is_there() {
    let document = document(&routes());
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 15, "{found:?}");
    for reference in found {
        let target = reference.strip_prefix('#').and_then(|path| document.pointer(path));
        assert!(target.is_some(), "{reference}");
    }
}

#[test]
fn an_event_has_the_fields_that_the_engine_knows() {
    assert_eq!(KNOWN_MEMBERS.map(|(name, _)| name), KNOWN_FIELDS);
    let document = document(&routes());
    let levels = &document["components"]["schemas"]["Event"]["properties"]["level"]["enum"];
    assert_eq!(*levels, serde_json::json!(Level::ALL.map(Level::name)));
}

#[test]
fn no_word_of_rust_is_left() {
    let text = document(&routes()).to_string();
    for word in ["`None`", "Vec<", "[`"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn the_page_has_an_anchor_for_every_operation_and_what_it_links_to() {
    let document = document(&routes());
    let page = page(&document);
    for item in document["paths"].as_object().expect("an object").values() {
        for operation in item.as_object().expect("an object").values() {
            let id = operation["operationId"].as_str().expect("a name");
            assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        }
    }
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
    for forbidden in ["<script", "style=", "http-equiv", "onclick", "src="] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}
