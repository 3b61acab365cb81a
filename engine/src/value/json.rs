//! The pieces of JSON texts as they were stored: strings, keys, numbers and words. Text that is not
//! JSON ends somewhere, and nothing panics.

use std::borrow::Cow;

/// Where the string ends whose first character is at `at`: behind its closing quote.
pub(crate) fn string_end(json: &[u8], mut at: usize) -> usize {
    while let Some(offset) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += offset + 1;
        if json[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    json.len()
}

/// Whether a string is a key, by what stands behind it.
pub(crate) fn is_key(behind: &[u8]) -> bool {
    behind.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Where the number or word ends that has begun before `at`.
pub(crate) fn token_end(json: &[u8], at: usize) -> usize {
    let rest = json.get(at..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b'"');
    let len = rest.iter().position(|byte| ends(byte) || byte.is_ascii_whitespace());
    at + len.unwrap_or(rest.len())
}

/// The characters of a string in its quotes; as they are if they can't be unescaped.
pub(crate) fn unescape(quoted: &[u8]) -> Cow<'_, [u8]> {
    let inner = &quoted[1..];
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    serde_json::from_slice::<String>(quoted)
        .map_or(Cow::Borrowed(inner), |text| Cow::Owned(text.into_bytes()))
}
