//! The values within a JSON text.

use crate::json;
use logstrata_engine::Kind;

/// Every string (unescaped), number, boolean and null in a JSON text; keys are not values.
pub(super) fn leaves(text: &[u8]) -> Vec<(Kind, Vec<u8>)> {
    let text = std::str::from_utf8(text).expect("workloads make JSON of characters");
    let mut found = Vec::new();
    collect(text.trim(), &mut found);
    found
}

fn collect(text: &str, found: &mut Vec<(Kind, Vec<u8>)>) {
    let kind = match text.as_bytes()[0] {
        b'[' => return json::elements(text).into_iter().for_each(|text| collect(text, found)),
        b'{' => {
            return json::members(text).into_iter().for_each(|(_, text)| collect(text, found));
        }
        b'"' => return found.push((Kind::String, json::unquoted(text).into_bytes())),
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        _ => Kind::Number,
    };
    found.push((kind, text.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_no_keys() {
        let found = leaves(br#"[1.0, {"k": ["a\"b\u00e9", []], "n":{}} ,null,true]"#);
        let expected: [(Kind, &str); 4] = [
            (Kind::Number, "1.0"),
            (Kind::String, "a\"bé"),
            (Kind::Null, "null"),
            (Kind::Bool, "true"),
        ];
        assert_eq!(found, expected.map(|(kind, text)| (kind, text.as_bytes().to_vec())));
    }
}
