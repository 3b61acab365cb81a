//! The value of a pair: in quotes, in brackets, or a word, and how far it goes.
//!
//! What is refused is read within bounds, so that a text of many keys is not read many times; what
//! is read further is replaced, and so read once.

use super::marker;
use super::pairs::{Separator, skip_spaces};
use super::quotes::{Quote, closes, percent};
use super::rules::Rule;
use std::ops::Range;

/// A word behind `token: ` shorter than this is taken for prose.
const PROSE_BYTES_MAX: usize = 8;
/// So much of a value is looked at to tell prose.
const LOOK_BYTES_MAX: usize = 128;
/// The name of a type before its value: `Some("…")`.
const WRAPPER_BYTES_MAX: usize = 32;
/// Wrappers in wrappers.
const WRAPPERS_MAX: usize = 3;
/// Backslashes before what they escape.
const SLASHES_MAX: usize = 15;
/// So many bytes without a digit behind an unknown scheme are no word.
const SURE_BYTES: usize = 24;
/// Names of the parameters of `Authorization`.
const NAME_BYTES_MAX: usize = 24;

/// What stands before a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) rule: Rule,
    pub(super) separator: Separator,
    pub(super) key_is_quoted: bool,
    /// The separator is `%3D` or `%3A`: what ends the value may be encoded as well.
    pub(super) encoded: bool,
}

/// The value that begins at `start`, if there is one that no rule has replaced.
pub(super) fn value(text: &[u8], start: usize, pair: Pair) -> Option<Range<usize>> {
    unmarked(text, start)?;
    if pair.separator == Separator::Tag {
        return of_tag(text, start);
    }
    let value = start + wrappers_len(&text[start..]);
    if let Some(quote) = Quote::at(&text[value..]) {
        return quoted(text, value + quote.len(), quote, pair);
    }
    let is_pem = text[start..].starts_with(b"-----BEGIN");
    match (text.get(start)?, pair.rule) {
        // Its own rule knows where it ends.
        _ if is_pem => None,
        (b'[' | b'{', _) => bracketed(text, start, pair),
        (_, Rule::Cookie) => cookie(text, start, pair),
        (_, Rule::Authorization) => authorization(text, start, pair),
        _ => word(text, start, pair),
    }
}

/// The place, unless a marker stands there already.
fn unmarked(text: &[u8], at: usize) -> Option<usize> {
    (!marker::begins(text.get(at..)?)).then_some(at)
}

/// The content of an element, which ends where a tag closes; of one that was cut off, a word.
fn of_tag(text: &[u8], start: usize) -> Option<Range<usize>> {
    const DATA: &[u8] = b"<![CDATA[";
    let rest = &text[start..];
    if let Some(data) = rest.strip_prefix(DATA) {
        let start = unmarked(text, start + DATA.len())?;
        let len = memchr::memmem::find(data, b"]]>").unwrap_or(data.len());
        return Some(start..start + len);
    }
    let open: &[u8] = if text[..start].ends_with(b";") { b"&lt;" } else { b"<" };
    let len = memchr::memmem::find(rest, open).unwrap_or(rest.len());
    let closed = rest.get(len + open.len()) == Some(&b'/');
    let len = match (closed, len == rest.len()) {
        (true, _) => len,
        (false, true) => word_len(rest, false),
        // The name of something: `<token> <file>`.
        (false, false) => 0,
    };
    (!rest[..len].trim_ascii().is_empty()).then(|| start..start + len)
}

/// The bytes before the quote of a value with a type: `b"…"`, `Some("…")`, `Secret(String("…"))`.
fn wrappers_len(rest: &[u8]) -> usize {
    let mut at = 0;
    for _ in 0..WRAPPERS_MAX {
        let name = rest[at..].iter().take(WRAPPER_BYTES_MAX);
        let name = name.take_while(|byte| byte.is_ascii_alphanumeric() || b"_:.".contains(byte));
        let name = name.count();
        if rest.get(at + name) != Some(&b'(') {
            break;
        }
        at += name + 1;
    }
    let of_prefix = |byte: &u8| b"bBuUrRfFlL$@".contains(byte);
    let prefix = rest[at..].iter().take(2).take_while(|byte| of_prefix(byte)).count();
    let is_typed = Quote::at(&rest[at + prefix..]).is_some();
    if is_typed { at + prefix } else { 0 }
}

fn quoted(text: &[u8], start: usize, quote: Quote, pair: Pair) -> Option<Range<usize>> {
    let scheme = match pair.rule {
        Rule::Authorization => scheme_len(&text[start..]),
        _ => 0,
    };
    let begin = unmarked(text, start)?.max(unmarked(text, start + scheme)?);
    let end = start + quote.content_len(&text[start..]);
    let value = begin.min(end)..end;
    // `Unexpected token: "}"`.
    let may_be_prose =
        pair.separator == Separator::Colon && pair.rule == Rule::Token && !pair.key_is_quoted;
    (!may_be_prose || !is_short(&text[value.clone()])).then_some(value)
}

/// What lies between brackets: `Cookie:[a=1 b=2]`, `"cookies":["a"]`, `"token":{"value":"a"}`.
fn bracketed(text: &[u8], start: usize, pair: Pair) -> Option<Range<usize>> {
    let rest = &text[start + 1..];
    let blank = rest.iter().take(LOOK_BYTES_MAX).take_while(|byte| byte.is_ascii_whitespace());
    let blank = blank.count();
    let first = rest.get(blank)?;
    let quote = Quote::at(&rest[blank..]);
    // The quotes of the first and the last value stay.
    let edge = quote.map_or(0, Quote::len);
    let inner = unmarked(text, start + 1 + blank + edge)?;
    let is_list = text[start] == b'[';
    let is_json = quote.is_some() || matches!(first, b'{' | b'[');
    // Prose has a space behind its colon, and may have code behind that.
    let is_strong = pair.separator == Separator::Strong;
    let is_sure = (is_json && (pair.key_is_quoted || is_strong))
        || (is_list && (is_strong || text[start - 1] == b':'));
    let bound = match (is_sure, is_json) {
        (true, true) => rest.len(),
        (true, false) => line_len(rest),
        (false, _) => rest.len().min(LOOK_BYTES_MAX),
    };
    let closed = balanced_len(&rest[..bound], quote);
    let len = closed.or(is_sure.then_some(bound))?;
    let inside = &rest[..len];
    let has = |bytes: &[u8]| memchr::memchr2(bytes[0], bytes[1], inside).is_some();
    let is_prose = !is_sure
        && pair.rule != Rule::Password
        && !inside.iter().any(|byte| byte.is_ascii_digit() || *byte == b'=');
    if is_prose || !(is_list || is_json || has(b"=:")) || inside.trim_ascii().is_empty() {
        return None;
    }
    let end = start + 1 + len;
    let closing = inner + edge <= end && closed.is_some();
    let end = if closing { end - edge } else { end };
    (inner < end).then_some(inner..end)
}

/// The bytes up to the bracket that closes what was opened before, past strings in quotes like the
/// first.
fn balanced_len(rest: &[u8], quote: Option<Quote>) -> Option<usize> {
    let (mark, slashes) = match quote {
        Some(Quote::Mark { mark, slashes }) => (Some(mark), slashes),
        _ => (None, 0),
    };
    let (mut depth, mut run, mut in_string) = (0usize, 0usize, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'\\' => {
                run += 1;
                continue;
            }
            byte if Some(*byte) == mark && closes(run, slashes) => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some(at),
            },
            _ => {}
        }
        run = 0;
    }
    None
}

fn word(text: &[u8], start: usize, pair: Pair) -> Option<Range<usize>> {
    // `token=Bearer abc`.
    let start = unmarked(text, start + scheme_len(&text[start..]))?;
    let rest = &text[start..];
    let colon = pair.separator == Separator::Colon;
    let prose = colon && pair.rule != Rule::Password && is_prose(rest);
    let shown = pair.rule == Rule::Token && is_identity(rest);
    (!prose && !shown).then(|| start..start + word_len(rest, pair.encoded))
}

/// Whether a value is the name and address of an object, as Java shows it: `Token{78af589 u0}`,
/// `android.os.BinderProxy@5e1c96b`.
fn is_identity(rest: &[u8]) -> bool {
    let look = &rest[..rest.len().min(LOOK_BYTES_MAX)];
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.$".contains(byte);
    let name = look.iter().take_while(|byte| of_name(byte)).count();
    let (name, behind) = look.split_at(name);
    let class = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let Some((mark, hash)) = behind.split_first() else { return false };
    let digits = hash.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let ends = hash.get(digits).is_none_or(|next| !next.is_ascii_alphanumeric());
    class.first().is_some_and(u8::is_ascii_uppercase)
        && (1..=8).contains(&digits)
        && ends
        && (*mark == b'{' || *mark == b'@' && class.len() < name.len())
}

/// The bytes of a value without quotes, less the brackets that close what was opened before it.
fn word_len(rest: &[u8], encoded: bool) -> usize {
    let ends = |at: usize| match rest[at] {
        b'&' | b',' | b';' | b'"' | b'\'' | b'`' | b'<' => true,
        b'\\' => {
            let slashes = rest[at..].iter().take(SLASHES_MAX).take_while(|byte| **byte == b'\\');
            let next = rest.get(at + slashes.count());
            matches!(next, Some(b'n' | b'r' | b't' | b'"' | b'\''))
        }
        b'%' => {
            encoded && percent(&rest[at..]).is_some_and(|byte| b"&,;\"'`<\n\r}".contains(&byte))
        }
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
    let word = &look[..word_len(look, false)];
    word.len() < PROSE_BYTES_MAX || !word.iter().any(u8::is_ascii_digit)
}

fn is_short(word: &[u8]) -> bool {
    word.len() < PROSE_BYTES_MAX && !word.iter().any(u8::is_ascii_digit)
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
fn cookie(text: &[u8], start: usize, pair: Pair) -> Option<Range<usize>> {
    let rest = &text[start..];
    if pair.separator == Separator::Strong {
        return Some(start..start + cookies_len(rest, pair.encoded));
    }
    let look = &rest[..rest.len().min(LOOK_BYTES_MAX)];
    let is_pair = look[..line_len(look)].contains(&b'=');
    is_pair.then(|| start..start + line_len(rest))
}

/// The bytes of the pairs of a cookie: the first word, and more if that is a pair.
fn cookies_len(rest: &[u8], encoded: bool) -> usize {
    let mut end = word_len(rest, encoded);
    let mut is_pair = rest[..end].contains(&b'=');
    while is_pair && rest[end..].starts_with(b"; ") {
        let next = end + 2;
        let len = word_len(&rest[next..], encoded);
        is_pair = rest[next..next + len].contains(&b'=');
        if is_pair {
            end = next + len;
        }
    }
    end
}

/// What follows the scheme, or the only word.
fn authorization(text: &[u8], start: usize, pair: Pair) -> Option<Range<usize>> {
    let known = scheme_len(&text[start..]);
    let scheme = if known > 0 { known } else { other_scheme_len(&text[start..]) };
    let behind = unmarked(text, start + scheme)?;
    let rest = &text[behind..];
    if scheme == 0 && pair.separator == Separator::Colon && is_prose(rest) {
        return None;
    }
    let is_one_word = [b"bearer".as_slice(), b"basic", b"negotiate"]
        .iter()
        .any(|name| text[start..behind].trim_ascii_end().eq_ignore_ascii_case(name));
    if let Some(quote) = Quote::at(rest) {
        let start = unmarked(text, behind + quote.len())?;
        return Some(start..start + quote.content_len(&text[start..]));
    }
    let word = word_len(rest, pair.encoded);
    let parameters = if is_one_word { 0 } else { parameters_len(rest) };
    Some(behind..behind + word.max(parameters))
}

/// The bytes of `username="…", response="…"`, of which `Digest` and the like have many.
fn parameters_len(rest: &[u8]) -> usize {
    let mut end = 0;
    let mut at = 0;
    loop {
        let of_name = |byte: &u8| byte.is_ascii_alphabetic() || b"_-".contains(byte);
        let name = rest[at..].iter().take(NAME_BYTES_MAX).take_while(|byte| of_name(byte)).count();
        if name == 0 || rest.get(at + name) != Some(&b'=') {
            return end;
        }
        at += name + 1;
        at += match Quote::at(&rest[at..]) {
            Some(quote) => {
                let start = at + quote.len();
                let len = quote.content_len(&rest[start..]);
                (quote.len() * 2 + len).min(rest.len() - at)
            }
            None => rest[at..]
                .iter()
                .position(|byte| matches!(byte, b',' | b'"' | b'\'') || byte.is_ascii_whitespace())
                .unwrap_or(rest.len() - at),
        };
        end = at;
        if rest.get(at) != Some(&b',') {
            return end;
        }
        at = skip_spaces(rest, at + 1);
    }
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
            && matches!(value.get(scheme.len()), Some(b' ' | b'\t'))
    };
    SCHEMES.iter().find(is).map_or(0, |scheme| skip_spaces(value, scheme.len()))
}

/// The same of a word that no one knows, if what follows is a secret and no word.
fn other_scheme_len(value: &[u8]) -> usize {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let name = value.iter().take(NAME_BYTES_MAX).take_while(|byte| of_name(byte)).count();
    if name == 0 || value.get(name) != Some(&b' ') {
        return 0;
    }
    let behind = skip_spaces(value, name);
    let look = &value[behind..value.len().min(behind + LOOK_BYTES_MAX)];
    let is_secret =
        !is_prose(look) || word_len(look, false) >= SURE_BYTES || parameters_len(look) > 0;
    if is_secret { behind } else { 0 }
}
