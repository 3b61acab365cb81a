use super::super::ast::Filter;
use super::super::parse;
use super::*;

const PAGE: &str = include_str!("../../../../docs/query.md");

/// The rows of all tables of the page under `<!-- test: kind -->`.
fn rows(kind: &str) -> Vec<Vec<&'static str>> {
    let marker = format!("<!-- test: {kind} -->\n");
    let tables = PAGE.split(&marker).skip(1);
    tables
        .flat_map(|table| table.lines().take_while(|line| line.starts_with('|')).skip(2))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// The pieces of a cell that are set as code.
fn codes(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|")).collect()
}

/// Whether an event with this one field passes.
fn passes(filter: &Filter, name: &str, value: Value<'_>) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(all) => all.iter().all(|filter| passes(filter, name, value)),
        Filter::Or(any) => any.iter().any(|filter| passes(filter, name, value)),
        Filter::Not(inner) => !passes(inner, name, value),
        Filter::Leaf(leaf) => {
            leaf.field.as_ref().is_none_or(|field| field.name == name)
                && Matcher::new(leaf).matches(value)
        }
    }
}

fn test_of(query: &str) -> Leaf {
    match parse(query) {
        Ok(Filter::Leaf(leaf)) => leaf,
        other => panic!("{query} is not one test: {other:?}"),
    }
}

fn scalar(kind: Kind, text: &str, check: impl FnOnce(Value<'_>)) {
    check(Value { kind, text: text.as_bytes() });
}

/// A JSON text as the value that it is stored as.
fn stored(json: &str, check: impl FnOnce(Value<'_>)) {
    let kind = match json.as_bytes()[0] {
        b'"' => {
            let text: String = serde_json::from_str(json).expect("a JSON string");
            return scalar(Kind::String, &text, check);
        }
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        b'[' | b'{' => Kind::Json,
        _ => Kind::Number,
    };
    scalar(kind, json, check);
}

#[test]
fn the_page_says_what_messages_are_found() {
    let rows = rows("message");
    assert!(rows.len() > 30, "the tables are there");
    for row in rows {
        let [query, finds, misses] = row[..] else { panic!("{row:?}") };
        let query = &codes(query)[0];
        let filter = parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        for (cell, expected) in [(finds, true), (misses, false)] {
            for text in codes(cell) {
                scalar(Kind::String, &text, |value| {
                    assert_eq!(passes(&filter, "message", value), expected, "{query} in {text}");
                });
            }
        }
    }
}

#[test]
fn the_page_says_what_values_are_found() {
    let rows = rows("value");
    assert!(rows.len() > 35, "the tables are there");
    for row in rows {
        let [query, finds, misses] = row[..] else { panic!("{row:?}") };
        let query = &codes(query)[0];
        let leaf = test_of(query);
        let name = leaf.field.as_ref().expect("a field").name.clone();
        let filter = Filter::Leaf(leaf);
        for (cell, expected) in [(finds, true), (misses, false)] {
            for json in codes(cell) {
                stored(&json, |value| {
                    assert_eq!(passes(&filter, &name, value), expected, "{query} in {json}");
                });
            }
        }
    }
}

#[test]
fn the_page_says_what_is_wrong() {
    let rows = rows("error");
    assert!(rows.len() > 5, "the table is there");
    for row in rows {
        let [query, message] = row[..] else { panic!("{row:?}") };
        assert_eq!(parse(&codes(query)[0]).expect_err(query).message, message);
    }
}

#[test]
fn a_bare_term_is_found_in_values_of_every_kind_by_its_tokens() {
    for (query, json, expected) in [
        ("500", "500", true),
        ("500", "500.0", true),
        ("500", "5e2", false),
        ("500", "1500", false),
        ("5", "5.3", true),
        ("true", "true", true),
        ("null", "null", true),
        ("red", r#"["dark red"]"#, true),
        ("color", r#"{"color":["red"]}"#, false),
        ("é", r#"["\u00e9"]"#, true),
    ] {
        let matcher = Matcher::new(&test_of(query));
        stored(json, |value| assert_eq!(matcher.matches(value), expected, "{query} in {json}"));
    }
    // Also in exact fields: people paste parts of ids.
    let filter = parse("checkout").expect("a term");
    scalar(Kind::String, "checkout-api", |value| assert!(passes(&filter, "service", value)));
}

#[test]
fn a_number_beyond_the_exponents_is_text() {
    for (query, json, expected) in [
        ("x:1e9999999999", "1e9999999999", true),
        ("x:1e9999999999", "1E9999999999", true),
        ("x:1e9999999999", "10e9999999998", false),
        ("x:>1e9999999999", "2", true),
    ] {
        let matcher = Matcher::new(&test_of(query));
        stored(json, |value| assert_eq!(matcher.matches(value), expected, "{query} in {json}"));
    }
}

#[test]
fn text_that_is_not_utf8_is_searched_as_bytes() {
    let value = Value { kind: Kind::String, text: b"caf\xe9 timeout \xff" };
    for (query, expected) in
        [("timeout", true), ("x:timeout", true), ("x:/out ./", false), ("x:/(?-u)out ./", true)]
    {
        assert_eq!(Matcher::new(&test_of(query)).matches(value), expected, "{query}");
    }
}

#[test]
fn levels_are_compared_by_severity() {
    let names = |query: &str| -> Vec<&str> {
        let mask = level_mask(&test_of(query).test);
        let passes = |level: &Level| mask & 1 << *level as u8 != 0;
        Level::ALL.into_iter().filter(passes).map(Level::name).collect()
    };
    let all = ["trace", "debug", "info", "warn", "error", "critical"];
    assert_eq!(names("level:*"), all);
    assert_eq!(names("level:ERROR"), ["error"]);
    assert_eq!(names("level:>=warn"), all[3..]);
    assert_eq!(names("level:>Warn"), all[4..]);
    assert_eq!(names("level:<info"), all[..2]);
    assert_eq!(names("level:<=info"), all[..3]);
    assert_eq!(names("level:/^(warn|error)$/"), all[3..5]);
    assert_eq!(names("level:~\"^.*r\""), ["trace", "warn", "error", "critical"]);
    assert_eq!(names("level:5"), [""; 0]);
    assert_eq!(names("level:>=7"), [""; 0]);
    assert_eq!(names("level:\"\""), [""; 0]);
}
