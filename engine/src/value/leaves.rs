//! The values inside a value of kind [`Kind::Json`], whatever its depth.
//!
//! Reads the text as it was stored, without recursion and without a tree, because an object may
//! be nested deeper than parsers allow. Text that is not JSON gives some values or none.

use super::json::{is_key, string_end, token_end, unescape};
use crate::event::{Kind, Value};

/// Calls `f` with every string (unescaped), number, boolean and null of a JSON text, in its order,
/// until one call returns true; says whether one did. The keys of objects are not values.
pub(crate) fn any_leaf(json: &[u8], mut f: impl FnMut(Value<'_>) -> bool) -> bool {
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                at = string_end(json, at);
                if !is_key(&json[at..])
                    && f(Value { kind: Kind::String, text: &unescape(&json[start..at]) })
                {
                    return true;
                }
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                at = token_end(json, at);
                let kind = match byte {
                    b't' | b'f' => Kind::Bool,
                    b'n' => Kind::Null,
                    _ => Kind::Number,
                };
                if f(Value { kind, text: &json[start..at] }) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Tree;

    fn leaves(json: &str) -> Vec<(Kind, String)> {
        let mut found = Vec::new();
        any_leaf(json.as_bytes(), |value| {
            found.push((value.kind, String::from_utf8_lossy(value.text).into_owned()));
            false
        });
        found
    }

    fn leaves_of_tree(tree: &Tree, found: &mut Vec<(Kind, String)>) {
        match tree {
            Tree::Null => found.push((Kind::Null, "null".into())),
            Tree::Bool(value) => found.push((Kind::Bool, value.to_string())),
            Tree::Number(value) => found.push((Kind::Number, value.to_string())),
            Tree::String(value) => found.push((Kind::String, value.clone())),
            Tree::Array(items) => items.iter().for_each(|item| leaves_of_tree(item, found)),
            Tree::Object(members) => members.values().for_each(|item| leaves_of_tree(item, found)),
        }
    }

    fn trees() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            Just(Tree::Null),
            any::<bool>().prop_map(Tree::from),
            any::<i64>().prop_map(Tree::from),
            "[a\"\\\\\n:,é{}\\[\\]]{0,5}".prop_map(Tree::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::from),
                prop::collection::btree_map("[a-c\"\\\\:]{0,3}", inner, 0..4)
                    .prop_map(|members| Tree::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn keys_are_not_values_and_strings_are_unescaped() {
        assert_eq!(leaves("[]"), []);
        assert_eq!(leaves("{ }"), []);
        assert_eq!(
            leaves(r#"{"k" : "a\"b\u00e9", "n":[-1.50e3,true , null], "t" :"null"}"#),
            [
                (Kind::String, "a\"bé".into()),
                (Kind::Number, "-1.50e3".into()),
                (Kind::Bool, "true".into()),
                (Kind::Null, "null".into()),
                (Kind::String, "null".into()),
            ]
        );
        assert_eq!(leaves(r#"["\ud800"]"#), [(Kind::String, r"\ud800".into())]);
    }

    #[test]
    fn depth_is_without_bound() {
        let json = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(leaves(&json), [(Kind::Number, "1".into())]);
    }

    proptest! {
        #[test]
        fn leaves_are_those_of_the_tree(tree in trees(), pretty: bool) {
            let json = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
            let mut expected = Vec::new();
            leaves_of_tree(&tree, &mut expected);
            prop_assert_eq!(leaves(&json.expect("a tree is JSON")), expected);
        }

        #[test]
        fn any_bytes_end(json: Vec<u8>) {
            let mut bytes = 0;
            any_leaf(&json, |value| { bytes += value.text.len(); false });
            prop_assert!(bytes <= json.len() * 3);
        }
    }
}
