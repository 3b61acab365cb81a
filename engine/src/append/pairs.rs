//! Pairs inside texts: `password=…`, `"token":"…"`, `pwd: …`, `Authorization: Bearer …`, `--secret …`,
//! `<password>…</password>`.
//!
//! An anchor tells where a key may be; the key is read to both sides, its segments decide
//! ([`super::keys`]), and only behind a separator there is a value.

use super::keys::KeyState;
use super::marker;
use super::rules::Rule;
use std::ops::Range;

/// Bytes of a key that are looked at before and behind its anchor.
const KEY_BYTES_MAX: usize = 64;
/// Spaces around a separator.
const SPACES_MAX: usize = 8;
/// A word behind `token: ` shorter than this is taken for prose.
const PROSE_BYTES_MAX: usize = 8;
/// So much of a value is looked at to tell prose: what is refused must not be read to its end, or a
/// text of many keys would be read many times.
const LOOK_BYTES_MAX: usize = 128;

/// How a value follows its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
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
    let (separator, start) = separator(text, &key)?;
    let value = value(text, start, separator, rule)?;
    (!says_nothing(&text[value.clone()])).then_some((value, rule))
}

/// The longest run of bytes of keys around an anchor, within bounds.
fn key_around(text: &[u8], anchor: Range<usize>) -> Range<usize> {
    let of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before = text[..anchor.start].iter().rev().take(KEY_BYTES_MAX);
    let behind = text[anchor.end..].iter().take(KEY_BYTES_MAX);
    let start = anchor.start - before.take_while(|byte| of_key(byte)).count();
    let end = anchor.end + behind.take_while(|byte| of_key(byte)).count();
    start..end
}

/// The separator behind a key, and where what follows it begins.
fn separator(text: &[u8], key: &Range<usize>) -> Option<(Separator, usize)> {
    let at = key.end;
    if text[key.clone()].starts_with(b"--") && text.get(at) == Some(&b' ') {
        return Some((Separator::Strong, at + 1));
    }
    if text.get(at) == Some(&b'>') && text[..key.start].ends_with(b"<") {
        return Some((Separator::Tag, at + 1));
    }
    let closing = [b"\\\"".as_slice(), b"\\'", b"\"", b"'", b"`", b"]"];
    let closing = closing.into_iter().find(|mark| text[at..].starts_with(mark));
    let at = skip_spaces(text, at + closing.map_or(0, <[u8]>::len));
    let rest = &text[at..];
    let (separator, len) = match rest {
        [b'=', b'=', ..] | [b':', b':', ..] => return None,
        [b'=', b'>', ..] | [b':', b'=', ..] => (Separator::Strong, 2),
        [b'=', ..] => (Separator::Strong, 1),
        [b':', ..] => (Separator::Colon, 1),
        _ => return None,
    };
    Some((separator, skip_spaces(text, at + len)))
}

fn skip_spaces(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default().iter().take(SPACES_MAX);
    at + rest.take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn value(text: &[u8], start: usize, separator: Separator, rule: Rule) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    if separator == Separator::Tag {
        let start = unmarked(text, start)?;
        let end = memchr::memchr(b'<', rest).unwrap_or(rest.len());
        return Some(start..start + end);
    }
    let quoted = [b"\\\"".as_slice(), b"\\'", b"\"", b"'", b"`"];
    if let Some(quote) = quoted.into_iter().find(|quote| rest.starts_with(quote)) {
        let start = start + quote.len();
        let value = behind_scheme(text, start, rule);
        let end = start + quoted_len(&text[start..], quote);
        return Some(unmarked(text, value)?.min(end)..end);
    }
    let start = unmarked(text, start)?;
    match rule {
        _ if matches!(rest.first(), Some(b'{' | b'[')) => None,
        Rule::Cookie => cookie(text, start, separator),
        Rule::Authorization => authorization(text, start, separator),
        _ => {
            let prose = separator == Separator::Colon && rule != Rule::Password && is_prose(rest);
            (!prose).then(|| start..start + word_len(rest))
        }
    }
}

/// The place, unless a marker stands there already.
fn unmarked(text: &[u8], at: usize) -> Option<usize> {
    (!marker::begins(text.get(at..)?)).then_some(at)
}

/// The bytes up to the closing quote, or to the end of what was cut off.
fn quoted_len(rest: &[u8], quote: &[u8]) -> usize {
    if let [mark] = quote {
        let mut at = 0;
        while let Some(found) = memchr::memchr2(*mark, b'\\', &rest[at..]) {
            at += found;
            if rest[at] == *mark {
                return at;
            }
            at = (at + 2).min(rest.len());
        }
        return rest.len();
    }
    memchr::memmem::find(rest, quote).unwrap_or(rest.len())
}

/// The bytes of a value without quotes, less the brackets that close what was opened before it.
fn word_len(rest: &[u8]) -> usize {
    let ends = |at: usize| match rest[at] {
        b'&' | b',' | b';' | b'"' | b'\'' | b'`' | b'<' => true,
        b'\\' => matches!(rest.get(at + 1), Some(b'n' | b'r' | b't' | b'"' | b'\'')),
        byte => byte.is_ascii_whitespace() || byte.is_ascii_control(),
    };
    let mut len = (0..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len());
    while len > 0 && matches!(rest[len - 1], b')' | b']' | b'}') {
        len -= 1;
    }
    len
}

/// Whether a word behind a colon is more likely prose than a secret: `unexpected token: comma`.
fn is_prose(rest: &[u8]) -> bool {
    let look = &rest[..rest.len().min(LOOK_BYTES_MAX)];
    let word = &look[..word_len(look)];
    word.len() < PROSE_BYTES_MAX || !word.iter().any(u8::is_ascii_digit)
}

/// The bytes of a header's value that is written out.
fn line_len(rest: &[u8]) -> usize {
    let ends = |at: usize| match rest[at] {
        b'\n' | b'\r' | b'"' | b'\'' | b'`' => true,
        b'\\' => matches!(rest.get(at + 1), Some(b'n' | b'r' | b'"' | b'\'')),
        _ => false,
    };
    (0..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len())
}

/// All cookies of a line: `Cookie: a=1; b=2`.
fn cookie(text: &[u8], start: usize, separator: Separator) -> Option<Range<usize>> {
    let rest = &text[start..];
    if separator == Separator::Strong {
        return Some(start..start + word_len(rest));
    }
    let look = &rest[..rest.len().min(LOOK_BYTES_MAX)];
    let is_pair = look[..line_len(look)].contains(&b'=');
    is_pair.then(|| start..start + line_len(rest))
}

/// What follows the scheme, or the only word.
fn authorization(text: &[u8], start: usize, separator: Separator) -> Option<Range<usize>> {
    let behind = unmarked(text, behind_scheme(text, start, Rule::Authorization))?;
    let rest = &text[behind..];
    if behind == start && separator == Separator::Colon && is_prose(rest) {
        return None;
    }
    let word = word_len(rest);
    // `Digest username=…, response=…` and the like have many parts.
    let has_parts = rest[..word].contains(&b'=') && rest.get(word) == Some(&b',');
    Some(behind..behind + if has_parts { line_len(rest) } else { word })
}

/// Where a value begins, for `Authorization` behind its scheme.
fn behind_scheme(text: &[u8], start: usize, rule: Rule) -> usize {
    if rule == Rule::Authorization { start + scheme_len(&text[start..]) } else { start }
}

/// The bytes of a scheme of `Authorization` with the spaces behind it.
fn scheme_len(value: &[u8]) -> usize {
    const SCHEMES: [&[u8]; 8] = [
        b"bearer",
        b"basic",
        b"digest",
        b"token",
        b"apikey",
        b"negotiate",
        b"oauth",
        b"aws4-hmac-sha256",
    ];
    let is = |scheme: &&&[u8]| {
        value.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme))
            && value.get(scheme.len()) == Some(&b' ')
    };
    SCHEMES.iter().find(is).map_or(0, |scheme| skip_spaces(value, scheme.len()))
}

/// Whether a value is none, or masked already.
fn says_nothing(value: &[u8]) -> bool {
    let nothing: [&[u8]; 6] = [b"null", b"nil", b"none", b"undefined", b"true", b"false"];
    value.is_empty()
        || nothing.iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.iter().all(|byte| matches!(byte, b'*' | b'.' | b'-'))
}
