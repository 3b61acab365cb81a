//! One JSON value as sent: its kind, its text, its depth. The values were validated by the parser
//! that cut them out.

use logstrata_engine::Kind;
use serde::Deserializer as _;
use serde::de::{Error, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What a value is, by its first byte. Objects are [`Kind::Json`], with members or without.
pub(super) fn kind_of(raw: &str) -> Kind {
    match raw.as_bytes().first() {
        Some(b'"') => Kind::String,
        Some(b'{' | b'[') => Kind::Json,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

/// Whether a value is an object that has members.
pub(super) fn is_filled_object(raw: &str) -> bool {
    raw.strip_prefix('{').is_some_and(|rest| rest.trim_ascii_start() != "}")
}

/// The characters of a string, unescaped. A lone surrogate becomes its three bytes of WTF-8.
pub(super) fn string_text(raw: &str) -> Cow<'_, [u8]> {
    let inner = raw.as_bytes().get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let text = serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes);
    // The escapes were checked when the value was cut out.
    text.unwrap_or(Cow::Borrowed(inner))
}

/// How many arrays and objects lie inside each other; 1 for `[]`, 0 for a scalar.
pub(super) fn nesting(raw: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// The bytes of a string or key, borrowed where nothing was escaped.
pub(super) struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_unescaped_to_bytes() {
        assert_eq!(
            &*string_text(r#""a\"\\\/\n\u0000\u00e9\ud83d\ude00""#),
            "a\"\\/\n\0é😀".as_bytes()
        );
        assert_eq!(&*string_text(r#""\ud800x""#), b"\xed\xa0\x80x");
        assert_eq!(&*string_text(r#""""#), b"");
    }

    #[test]
    fn nesting_looks_over_strings() {
        assert_eq!(nesting(r#"[{"a":[1],"b":{}},"[[[[\"{{"]"#), 3);
        assert_eq!(nesting("[]"), 1);
        assert_eq!(nesting(r#""[[""#), 0);
        assert!(
            is_filled_object(r#"{ "a":1}"#)
                && !is_filled_object("{ \n}")
                && !is_filled_object("[1]")
        );
    }
}
