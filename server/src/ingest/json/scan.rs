//! Finds the end of one JSON value without looking at what is behind it.

use super::lexeme::string_text;
use logstrata_engine::{Kind, Value};
use serde_json::value::RawValue;
use std::ops::Range;

/// Words of eight bytes that are looked at before a longer string is searched.
const SHORT_WORDS: usize = 4;

/// A value of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    kind: Kind,
    /// As sent, strings with their quotes.
    pub(super) raw: Range<usize>,
    /// The lexeme, in the text or the buffer of those that had escapes.
    lexeme: Range<usize>,
    is_unescaped: bool,
}

impl Span {
    /// The lexeme, from the text or the buffer that [`value`] was called with.
    pub(super) fn value<'v>(&self, text: &'v str, unescaped: &'v [u8]) -> Value<'v> {
        let from = if self.is_unescaped { unescaped } else { text.as_bytes() };
        Value { kind: self.kind, text: &from[self.lexeme.clone()] }
    }
}

/// The value that begins at `start`; a string's characters go to `unescaped` if it has escapes.
/// `None` if it is none, or an object. That a number or a word ends where it does is for the
/// caller to see; so are control characters, which no string may have.
// In its caller: through memory, what it gives would be written in halves and read as a whole, which
// the processor waits for.
#[inline(always)]
pub(super) fn value(text: &str, start: usize, unescaped: &mut Vec<u8>) -> Option<Span> {
    let rest = &text.as_bytes()[start..];
    let (kind, len) = match rest.first()? {
        b'"' => {
            let (len, has_escapes) = string_len(rest)?;
            let raw = start..start + len;
            let lexeme = if has_escapes {
                let from = unescaped.len();
                unescaped.extend_from_slice(&string_text(&text[raw.clone()]));
                from..unescaped.len()
            } else {
                raw.start + 1..raw.end - 1
            };
            return Some(Span { kind: Kind::String, raw, lexeme, is_unescaped: has_escapes });
        }
        b't' => (Kind::Bool, word_len(rest, b"true")?),
        b'f' => (Kind::Bool, word_len(rest, b"false")?),
        b'n' => (Kind::Null, word_len(rest, b"null")?),
        b'[' => (Kind::Json, array_len(&text[start..])?),
        _ => (Kind::Number, number_len(rest)?),
    };
    let raw = start..start + len;
    Some(Span { kind, lexeme: raw.clone(), raw, is_unescaped: false })
}

/// The bytes of a string with its quotes, and whether it has escapes.
fn string_len(rest: &[u8]) -> Option<(usize, bool)> {
    let mut at = 1;
    let mut has_escapes = false;
    loop {
        at += quote_or_backslash(rest.get(at..)?)?;
        if rest[at] == b'"' {
            return Some((at + 1, has_escapes));
        }
        has_escapes = true;
        at += match rest.get(at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if rest.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
    }
}

/// Where the first of the two stands. Most strings are short: a call would take longer than what it does.
#[inline]
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    // The highest bit of each byte that is 0, and perhaps of some behind the first of those.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (words, _) = text.as_chunks();
    for (at, word) in words.iter().take(SHORT_WORDS).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at * size_of::<u64>() + (found.trailing_zeros() / u8::BITS) as usize);
        }
    }
    let seen = words.len().min(SHORT_WORDS) * size_of::<u64>();
    memchr::memchr2(b'"', b'\\', &text[seen..]).map(|at| seen + at)
}

fn word_len(rest: &[u8], word: &[u8]) -> Option<usize> {
    rest.starts_with(word).then_some(word.len())
}

fn array_len(rest: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
    Some(values.next()?.ok()?.get().len())
}

/// The bytes of a number in JSON's grammar.
fn number_len(rest: &[u8]) -> Option<usize> {
    let digits = |at: usize| rest[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(rest[0] == b'-');
    let whole = digits(at);
    if whole == 0 || whole > 1 && rest[at] == b'0' {
        return None;
    }
    at += whole;
    if rest.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    if let Some(b'e' | b'E') = rest.get(at) {
        at += 1 + usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        at += exponent;
        if exponent == 0 {
            return None;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scanned(text: &str) -> Option<(&str, Kind, Vec<u8>)> {
        let mut unescaped = Vec::new();
        let span = value(text, 0, &mut unescaped)?;
        let found = span.value(text, &unescaped);
        Some((&text[span.raw.clone()], found.kind, found.text.to_vec()))
    }

    #[test]
    fn values_end_where_they_end() {
        for (text, raw, kind, lexeme) in [
            (r#""a","#, r#""a""#, Kind::String, "a"),
            (r#""a\"\u00e9","#, r#""a\"\u00e9""#, Kind::String, "a\"é"),
            ("12}", "12", Kind::Number, "12"),
            ("-0.50e+7,", "-0.50e+7", Kind::Number, "-0.50e+7"),
            ("true}", "true", Kind::Bool, "true"),
            ("null ", "null", Kind::Null, "null"),
            (r#"[1,"]"],"#, r#"[1,"]"]"#, Kind::Json, r#"[1,"]"]"#),
        ] {
            assert_eq!(scanned(text), Some((raw, kind, lexeme.into())), "{text}");
        }
        for text in
            ["", "{}", "\"a", "\"\\x\"", "\"\\u12", "01", "-", "1.", "1e", "+1", "tru", "[1", "é"]
        {
            assert_eq!(scanned(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_the_parser_finds(text in "[-+0-9.eE\"\\\\a-fu/\\[\\]{}tn, ]{0,12}") {
            let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
            let wanted = match values.next() {
                Some(Ok(value)) if text.starts_with(value.get()) => Some(value.get()),
                _ => None,
            };
            let found = scanned(&text).map(|(raw, ..)| raw);
            let behind = |raw: &str| text[raw.len()..].bytes().next();
            match (wanted, found) {
                (Some(wanted), None) => prop_assert!(wanted.starts_with('{'), "{}", wanted),
                // The parser of a stream wants a separator behind what is no string or array.
                (None, Some(found)) => prop_assert!(
                    behind(found).is_some_and(|byte| !matches!(byte, b',' | b'}' | b' ')), "{}", found
                ),
                (wanted, found) => prop_assert_eq!(wanted, found),
            }
        }
    }
}
