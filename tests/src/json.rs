//! JSON without loss: values stay the texts that they were, so that `1.0`, `1e400` and a key that
//! comes twice can be compared with what was sent.

/// A value by its way from the top: the keys of the objects around it, and its text.
pub type Leaf = (Vec<String>, String);

/// The members of an object in their order, each with its unescaped key and its value as written.
///
/// # Panics
/// If the text is no object.
pub fn members(object: &str) -> Vec<(String, &str)> {
    let mut rest = object.trim().strip_prefix('{').expect("an object").trim_start();
    let mut members = Vec::new();
    while !rest.starts_with('}') {
        let (key, behind) = split_value(rest);
        let behind = behind.trim_start().strip_prefix(':').expect("a colon").trim_start();
        let (value, behind) = split_value(behind);
        members.push((unquoted(key), value));
        let behind = behind.trim_start();
        rest = behind.strip_prefix(',').unwrap_or(behind).trim_start();
    }
    members
}

/// The elements of an array, as written.
///
/// # Panics
/// If the text is no array.
pub fn elements(array: &str) -> Vec<&str> {
    let mut rest = array.trim().strip_prefix('[').expect("an array").trim_start();
    let mut elements = Vec::new();
    while !rest.starts_with(']') {
        let (value, behind) = split_value(rest);
        elements.push(value);
        let behind = behind.trim_start();
        rest = behind.strip_prefix(',').unwrap_or(behind).trim_start();
    }
    elements
}

/// The value of a member, as written.
pub fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    members(object).into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// The content of a string.
///
/// # Panics
/// If the text is no JSON string.
pub fn unquoted(quoted: &str) -> String {
    serde_json::from_str(quoted).unwrap_or_else(|error| panic!("{quoted}: {error}"))
}

/// The text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// Every value of an object that is no object with members, by its way from the top and in the
/// order of the ways; those of one way in the order in which they come. Strings without their
/// escapes, everything else as written.
pub fn leaves(object: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(object, &mut Vec::new(), &mut found);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn collect(object: &str, way: &mut Vec<String>, found: &mut Vec<Leaf>) {
    for (key, value) in members(object) {
        way.push(key);
        if value.starts_with('{') && !members(value).is_empty() {
            collect(value, way, found);
        } else if value.starts_with('"') {
            found.push((way.clone(), quoted(&unquoted(value))));
        } else {
            found.push((way.clone(), value.to_owned()));
        }
        way.pop();
    }
}

/// The value that the text begins with, and what follows it.
fn split_value(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut depth = 0usize;
    loop {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                if depth == 0 {
                    return text.split_at(at);
                }
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return text.split_at(at),
            b']' | b'}' if depth == 1 => return text.split_at(at + 1),
            b']' | b'}' => depth -= 1,
            b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return text.split_at(at),
            _ => {}
        }
        at += 1;
        if at == bytes.len() {
            return text.split_at(at);
        }
    }
}

fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_as_they_were() {
        let object = r#" {"a" : 1.0, "b":{"c":[1, {"x":"]"}],"d":{}}, "a":"\u00e9\"}","" :null} "#;
        let expected = [
            (vec![""], "null"),
            (vec!["a"], "1.0"),
            (vec!["a"], "\"é\\\"}\""),
            (vec!["b", "c"], r#"[1, {"x":"]"}]"#),
            (vec!["b", "d"], "{}"),
        ];
        let expected = expected.map(|(way, text)| {
            (way.into_iter().map(str::to_owned).collect::<Vec<_>>(), text.to_owned())
        });
        assert_eq!(leaves(object), expected);
        assert_eq!(elements("[1 , [2,3],\"a,b\" ]"), ["1", "[2,3]", "\"a,b\""]);
        assert_eq!(elements("[]"), [""; 0]);
        assert_eq!(member(object, "b"), Some(r#"{"c":[1, {"x":"]"}],"d":{}}"#));
    }
}
