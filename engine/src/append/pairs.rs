//! Pairs inside texts: `password=…`, `"token":"…"`, `pwd: …`, `Authorization: Bearer …`, `--secret …`,
//! `<password>…</password>`, `name="password" value="…"`.
//!
//! An anchor tells where a key may be; the key is read to both sides, its segments decide
//! ([`super::keys`]), and only behind a separator there is a value ([`super::values`]).

use super::keys::KeyState;
use super::marker;
use super::quotes::{Quote, percent};
use super::rules::Rule;
use super::values::{self, Pair};
use std::ops::Range;

/// Bytes of a key that are looked at before and behind its anchor.
const KEY_BYTES_MAX: usize = 64;
/// Spaces around a separator.
const SPACES_MAX: usize = 8;
/// White space between `"password"` and `"value"`.
const BREAK_BYTES_MAX: usize = 64;
/// Bytes of a tag's attributes.
const ATTRIBUTES_BYTES_MAX: usize = 256;
/// Digits of an index behind a key.
const INDEX_BYTES_MAX: usize = 8;

/// How a value follows its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// `=`, `=>`, `:=`, or a space behind `--key`.
    Strong,
    /// A colon, which prose has as well.
    Colon,
    /// `>` of `<key>`.
    Tag,
}

/// The value of the pair whose key holds `anchor`, and the rule of its key.
pub(super) fn find(text: &[u8], anchor: Range<usize>) -> Option<(Range<usize>, Rule)> {
    let key = key_around(text, anchor);
    if marker::is_inside(&text[..key.start]) {
        return None;
    }
    let rule = KeyState::of(&text[key.clone()]).rule()?;
    let (pair, start) = separator(text, &key, rule)?;
    let value = values::value(text, start, pair)?;
    (!says_nothing(&text[value.clone()])).then_some((value, rule))
}

/// The longest run of bytes of keys around an anchor, within bounds.
fn key_around(text: &[u8], anchor: Range<usize>) -> Range<usize> {
    let of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before = text[..anchor.start].iter().rev().take(KEY_BYTES_MAX);
    let behind = text[anchor.end..].iter().take(KEY_BYTES_MAX);
    let start = anchor.start - before.take_while(|byte| of_key(byte)).count();
    let end = anchor.end + behind.take_while(|byte| of_key(byte)).count();
    // The end of an escape before the key is not its beginning: `%5Bpassword`, `\npassword`.
    let escape = match text[..start].last() {
        Some(b'%') if percent(&text[start - 1..]).is_some() => 2,
        Some(b'\\') if text[start..].starts_with(b"u00") => 5,
        Some(b'\\') if matches!(text.get(start), Some(b'n' | b'r' | b't')) => 1,
        _ => 0,
    };
    (start + escape).min(anchor.start)..end
}

/// The separator behind a key, and where what follows it begins.
fn separator(text: &[u8], key: &Range<usize>, rule: Rule) -> Option<(Pair, usize)> {
    let end = key.end;
    let pair = |separator| Pair { rule, separator, key_is_quoted: false, encoded: false };
    if text[key.clone()].starts_with(b"--") && text.get(end) == Some(&b' ') {
        return Some((pair(Separator::Strong), skip_spaces(text, end)));
    }
    if let Some(start) = tag_end(text, key) {
        return Some((pair(Separator::Tag), start));
    }
    let quote = Quote::at(&text[end..]);
    let closing = quote.map(Quote::len).or_else(|| closing_len(&text[end..])).unwrap_or(0);
    let mut at = skip_spaces(text, end + closing);
    if quote.is_some()
        && let Some(behind) = value_member(text, end + closing)
    {
        at = skip_spaces(text, behind);
    }
    let (separator, len, encoded) = match text.get(at..)? {
        [b'=', b'=', ..] | [b':', b':', ..] => return None,
        [b'=', b'>', ..] | [b':', b'=', ..] => (Separator::Strong, 2, false),
        [b'=', ..] => (Separator::Strong, 1, false),
        [b':', ..] => (Separator::Colon, 1, false),
        rest => match percent(rest)? {
            b'=' => (Separator::Strong, 3, true),
            b':' => (Separator::Colon, 3, true),
            _ => return None,
        },
    };
    let key_is_quoted = quote.is_some();
    Some((Pair { rule, separator, key_is_quoted, encoded }, skip_spaces(text, at + len)))
}

pub(super) fn skip_spaces(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default().iter().take(SPACES_MAX);
    at + rest.take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The bytes of what may close a key without quotes: `]`, also encoded, and an index.
fn closing_len(rest: &[u8]) -> Option<usize> {
    match rest {
        [b']', ..] => Some(1),
        [b'[', rest @ ..] => {
            let digits = rest.iter().take(INDEX_BYTES_MAX);
            let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
            (rest.get(digits) == Some(&b']')).then_some(digits + 2)
        }
        _ => (percent(rest)? == b']').then_some(3),
    }
}

/// Where the member `value` ends that follows a quoted key: `"password","value"`,
/// `"password" value`.
fn value_member(text: &[u8], at: usize) -> Option<usize> {
    let skip = |at: usize| {
        let rest = text.get(at..).unwrap_or_default().iter().take(BREAK_BYTES_MAX);
        at + rest.take_while(|byte| byte.is_ascii_whitespace()).count()
    };
    let mut at = skip(at);
    if text.get(at) == Some(&b',') {
        at = skip(at + 1);
    }
    let quote_len = |at: usize| text.get(at..).and_then(Quote::at).map_or(0, Quote::len);
    at += quote_len(at);
    let word = text.get(at..at + b"value".len())?;
    let end = at + word.len();
    word.eq_ignore_ascii_case(b"value").then(|| end + quote_len(end))
}

/// Where the tag of this name ends, if the key is one: `<key>`, `<ns:key type="…">`, `&lt;key&gt;`.
fn tag_end(text: &[u8], key: &Range<usize>) -> Option<usize> {
    let before = &text[..key.start];
    let before = match before.strip_suffix(b":") {
        Some(before) => {
            let letters = before.iter().rev().take(KEY_BYTES_MAX);
            let space = letters.take_while(|byte| byte.is_ascii_alphanumeric()).count();
            &before[..before.len() - space]
        }
        None => before,
    };
    let rest = &text[key.end..];
    if before.ends_with(b"&lt;") {
        return rest.starts_with(b"&gt;").then_some(key.end + b"&gt;".len());
    }
    if !before.ends_with(b"<") {
        return None;
    }
    if rest.starts_with(b">") {
        return Some(key.end + 1);
    }
    let head = &rest[..rest.len().min(ATTRIBUTES_BYTES_MAX)];
    let end = memchr::memchr2(b'<', b'>', head)?;
    let has_content = head[0].is_ascii_whitespace() && head[end] == b'>' && head[end - 1] != b'/';
    has_content.then_some(key.end + end + 1)
}

/// Whether a value is none, or masked already.
fn says_nothing(value: &[u8]) -> bool {
    let nothing: [&[u8]; 6] = [b"null", b"nil", b"none", b"undefined", b"true", b"false"];
    value.is_empty()
        || nothing.iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.iter().all(|byte| matches!(byte, b'*' | b'.' | b'-'))
}
