//! Pairs inside texts: `password=…`, `"token":"…"`, `pwd: …`, `Authorization: Bearer …`, `--secret …`,
//! `<password>…</password>`.
//!
//! An anchor tells where a key may be; the key is read to both sides, its segments decide
//! ([`super::keys`]), and only behind a separator there is a value.

use super::groups;
use super::keys::KeyState;
use super::marker;
use super::quotes::{Quote, escape_len, percent};
use super::rules::Rule;
use std::ops::Range;

/// Bytes of a key that are looked at before and behind its anchor.
const KEY_BYTES_MAX: usize = 64;
/// Spaces around a separator.
const SPACES_MAX: usize = 8;
/// A word behind `token: ` shorter than this is taken for prose.
const PROSE_BYTES_MAX: usize = 8;
/// A word behind `token: ` as long as this is no prose, also without a digit.
const WORD_BYTES_MAX: usize = 24;
/// Digits of an object's address or hash at most.
const IDENTITY_DIGITS_MAX: usize = 8;
/// So much of a value is looked at to tell prose: what is refused must not be read to its end, or a
/// text of many keys would be read many times.
const LOOK_BYTES_MAX: usize = 128;

/// How a value follows its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// `=`, `=>`, `:=`, a space behind `--key`, or a colon behind a key in quotes or of a header.
    Strong,
    /// A colon, which prose has as well.
    Colon,
    /// `>` of `<key>`.
    Tag,
    /// `%3D` or `%3A`: what follows is encoded as well.
    Encoded,
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
    let escape = escape_len(&text[..start], &text[start..]);
    anchor.start.min(start + escape)..end
}

/// The separator behind a key, and where what follows it begins.
fn separator(text: &[u8], key: &Range<usize>) -> Option<(Separator, usize)> {
    let at = key.end;
    let name = &text[key.clone()];
    if name.starts_with(b"-") && text.get(at) == Some(&b' ') {
        let start = skip_spaces(text, at);
        return (text.get(start) != Some(&b'-')).then_some((Separator::Strong, start));
    }
    if let Some(start) = behind_tag(text, key) {
        return Some((Separator::Tag, start));
    }
    let quote = Quote::begins(&text[at..]);
    let at = at + quote.map_or(0, |(_, len)| len);
    let at = at + usize::from(text.get(at) == Some(&b']'));
    if let Some((b'=' | b':', len)) = percent(&text[at..]) {
        return Some((Separator::Encoded, at + len));
    }
    let at = match quote {
        Some((quote, _)) => beside(text, at, quote).unwrap_or(at),
        None => at,
    };
    let at = skip_spaces(text, at);
    let is_header = name.get(..2).is_some_and(|head| head.eq_ignore_ascii_case(b"x-"));
    let (separator, len) = match &text[at..] {
        [b'=', b'=', ..] | [b':', b':', ..] => return None,
        [b'=', b'>', ..] | [b':', b'=', ..] => (Separator::Strong, 2),
        [b'=', ..] => (Separator::Strong, 1),
        [b':', ..] if is_header || quote.is_some() => (Separator::Strong, 1),
        [b':', ..] => (Separator::Colon, 1),
        _ => return None,
    };
    Some((separator, skip_spaces(text, at + len)))
}

/// Where the content of `<key>`, `<ns:key>` or `<key a="b">` begins.
fn behind_tag(text: &[u8], key: &Range<usize>) -> Option<usize> {
    let mut before = &text[..key.start];
    if let [space @ .., b':'] = before {
        let name = space.iter().rev().take(LOOK_BYTES_MAX);
        before = &space[..space.len() - name.take_while(|b| b.is_ascii_alphanumeric()).count()];
    }
    if !before.ends_with(b"<") {
        return None;
    }
    let rest = &text[key.end..text.len().min(key.end + LOOK_BYTES_MAX)];
    let end = match rest.first()? {
        b'>' => 0,
        byte if byte.is_ascii_whitespace() => memchr::memchr2(b'>', b'<', rest)?,
        _ => return None,
    };
    (rest[end] == b'>' && rest[..end].last() != Some(&b'/')).then_some(key.end + end + 1)
}

/// The end of the word `value` behind a name in quotes: `"name":"password","value":"…"`,
/// `key="Password" value="…"`.
fn beside(text: &[u8], at: usize, quote: Quote<'_>) -> Option<usize> {
    let rest = text.get(at..)?;
    let rest = rest.strip_prefix(b",").unwrap_or(rest);
    let rest = &rest[skip_spaces(rest, 0)..];
    let quoted = Quote::begins(rest).filter(|(other, _)| *other == quote);
    let rest = &rest[quoted.map_or(0, |(_, len)| len)..];
    let is_value = rest.get(..5)?.eq_ignore_ascii_case(b"value");
    let rest = &rest[5..];
    let rest = &rest[Quote::begins(rest).filter(|_| quoted.is_some()).map_or(0, |(_, len)| len)..];
    is_value.then_some(text.len() - rest.len())
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
    if let Some((quote, len)) = Quote::begins(rest) {
        let start = start + len;
        let value = unmarked(text, behind_scheme(text, start, rule))?;
        let end = start + quote.content_len(&text[start..]);
        return Some(value.min(end)..end);
    }
    let start = unmarked(text, start)?;
    match rule {
        _ if separator == Separator::Encoded => Some(start..start + encoded_len(rest)),
        _ if matches!(rest.first(), Some(b'{' | b'[')) => {
            let sure = separator != Separator::Colon || groups::begins_with_quote(rest);
            let len = sure.then(|| groups::len(rest))?;
            (!groups::is_empty(&rest[..len])).then_some(start..start + len)
        }
        Rule::Cookie => cookie(text, start, separator),
        Rule::Authorization => authorization(text, start, separator),
        _ => {
            let start = unmarked(text, behind_scheme(text, start, rule))?;
            let rest = &text[start..];
            let prose = match (separator, rule) {
                (Separator::Colon, Rule::Password) => is_verdict(rest),
                (Separator::Colon, _) => is_prose(rest),
                _ => rule != Rule::Password && is_identity(rest),
            };
            (!prose).then(|| start..start + word_len(rest))
        }
    }
}

/// The place, unless a marker stands there already.
fn unmarked(text: &[u8], at: usize) -> Option<usize> {
    (!marker::begins(text.get(at..)?)).then_some(at)
}

/// The bytes of a value behind an encoded separator.
fn encoded_len(rest: &[u8]) -> usize {
    let ends = |at: usize| match rest[at] {
        b'%' => matches!(
            percent(&rest[at..]),
            Some((b'&' | b',' | b';' | b'"' | b'\'' | b'<' | b'}' | b' ' | b'\n' | b'\r', _))
        ),
        byte => byte.is_ascii_whitespace() || b"&,;\"'`<".contains(&byte),
    };
    (0..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len())
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

/// The word at the beginning, as far as it is looked at.
fn first_word(rest: &[u8]) -> &[u8] {
    let look = &rest[..rest.len().min(LOOK_BYTES_MAX)];
    &look[..word_len(look)]
}

/// Whether a word behind a colon is more likely prose than a secret: `unexpected token: comma`.
fn is_prose(rest: &[u8]) -> bool {
    let word = first_word(rest);
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+/=".contains(byte);
    let sure = word.len() >= WORD_BYTES_MAX && word.iter().all(of_token);
    word.len() < PROSE_BYTES_MAX || !(sure || word.iter().any(u8::is_ascii_digit))
}

/// Whether a word behind `password:` tells about it: `password: must be longer`.
fn is_verdict(rest: &[u8]) -> bool {
    const WORDS: [&[u8]; 16] = [
        b"cannot",
        b"does",
        b"expired",
        b"incorrect",
        b"invalid",
        b"is",
        b"mismatch",
        b"missing",
        b"must",
        b"not",
        b"required",
        b"should",
        b"too",
        b"unchanged",
        b"was",
        b"wrong",
    ];
    let word = first_word(rest);
    WORDS.iter().any(|verdict| word.eq_ignore_ascii_case(verdict))
}

/// Whether a value names an object in memory, as Java and Android do:
/// `token=Token{78af589 ActivityRecord{…}}`, `token=android.os.BinderProxy@a1b2c3d`.
fn is_identity(rest: &[u8]) -> bool {
    let look = &rest[..rest.len().min(LOOK_BYTES_MAX)];
    let of_class = |byte: &u8| byte.is_ascii_alphanumeric() || b"._$".contains(byte);
    let class = look.iter().take_while(|byte| of_class(byte)).count();
    let (name, behind) = look.split_at(class);
    let last_part = name.rsplit(|byte| matches!(byte, b'.' | b'$')).next().unwrap_or_default();
    let is_class = last_part.first().is_some_and(u8::is_ascii_uppercase)
        && last_part.iter().any(u8::is_ascii_lowercase);
    let [b'{' | b'@', hash @ ..] = behind else { return false };
    let digits = hash.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let ends = hash.get(digits).is_none_or(|byte| b" \t\r\n,;})]\"'".contains(byte));
    is_class && (1..=IDENTITY_DIGITS_MAX).contains(&digits) && ends
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
        let word = word_len(rest);
        // `cookie=a=1; b=2`.
        let has_parts = rest[..word].contains(&b'=') && rest[word..].starts_with(b"; ");
        return Some(start..start + if has_parts { line_len(rest) } else { word });
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

/// Where a value begins behind its scheme, if it has one.
fn behind_scheme(text: &[u8], start: usize, rule: Rule) -> usize {
    let schemes = match rule {
        Rule::Password => &[],
        Rule::Authorization => &SCHEMES[..],
        // `token=Bearer …`.
        _ => &SCHEMES[..2],
    };
    let value = &text[start..];
    let len = scheme_len(value, schemes);
    let unknown = || if rule == Rule::Authorization { unknown_scheme_len(value) } else { 0 };
    start + if len == 0 { unknown() } else { len }
}

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

/// The bytes of a scheme of `Authorization` with what stands between it and the secret.
fn scheme_len(value: &[u8], schemes: &[&[u8]]) -> usize {
    let len = |scheme: &&[u8]| {
        let head = value.get(..scheme.len())?;
        let gap = scheme_gap(&value[scheme.len()..]);
        (head.eq_ignore_ascii_case(scheme) && gap > 0).then_some(scheme.len() + gap)
    };
    schemes.iter().find_map(len).unwrap_or(0)
}

/// The bytes between a scheme and the secret: spaces, also encoded, and a stray colon.
pub(super) fn scheme_gap(rest: &[u8]) -> usize {
    if let Some((b' ', len)) = percent(rest) {
        return len;
    }
    if rest.starts_with(b"\\t") {
        return 2;
    }
    let gap = rest.iter().take(SPACES_MAX);
    gap.take_while(|byte| matches!(byte, b' ' | b'\t' | b':' | b'=')).count()
}

/// The bytes of a scheme that is not in the list, if what follows it is no prose.
fn unknown_scheme_len(value: &[u8]) -> usize {
    let of_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let scheme = value.iter().take(WORD_BYTES_MAX).take_while(of_scheme).count();
    let behind = skip_spaces(value, scheme);
    let follows = value.get(behind..).is_some_and(|rest| !is_prose(rest));
    if scheme > 0 && behind > scheme && follows { behind } else { 0 }
}

/// Whether a value is none, or masked already.
fn says_nothing(value: &[u8]) -> bool {
    let nothing: [&[u8]; 6] = [b"null", b"nil", b"none", b"undefined", b"true", b"false"];
    value.is_empty()
        || nothing.iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.iter().all(|byte| matches!(byte, b'*' | b'.' | b'-'))
}
