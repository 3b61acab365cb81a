//! Secrets that are known by their own shape, whatever stands around them.

use super::anchors::Shape;
use super::marker;
use super::pairs::scheme_gap;
use super::rules::Rule;
use std::ops::Range;

/// Bytes of a token behind `Bearer ` at least: fewer are prose.
const BEARER_BYTES_MIN: usize = 8;
/// So many are no word, also without a digit.
const BEARER_BYTES_SURE: usize = 24;
/// The armour's first line behind `-----BEGIN` at most.
const PEM_HEAD_BYTES_MAX: usize = 48;

/// What earlier places of one text have shown, so that no byte is read more often than a few times.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// No token begins before this: what follows the run of characters there is wrong.
    jwt_from: usize,
}

/// The secret of a shape whose anchor lies at `anchor`.
pub(super) fn find(
    text: &[u8],
    anchor: Range<usize>,
    shape: Shape,
    memory: &mut Memory,
) -> Option<(Range<usize>, Rule)> {
    let Range { start, end } = anchor;
    match shape {
        Shape::Pair => super::pairs::find(text, anchor),
        Shape::Bearer => bearer(text, end).map(|found| (found, Rule::Authorization)),
        Shape::Basic => basic(text, end).map(|found| (found, Rule::Authorization)),
        Shape::Uri => uri_password(text, anchor).map(|found| (found, Rule::UriPassword)),
        Shape::Jwt => jwt(text, start, memory).map(|found| (found, Rule::Jwt)),
        Shape::Pem => pem(text, anchor).map(|found| (found, Rule::PrivateKey)),
        Shape::AwsKey => {
            let of_id = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let exact = [b"AKIA".as_slice(), b"ASIA"].contains(&&text[start..end]);
            let found = exact.then(|| prefixed(text, start, end, 16, of_id)).flatten()?;
            (found.len() == 20).then_some((found, Rule::AwsKey))
        }
        Shape::Github | Shape::GithubLong => {
            let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            prefixed(text, start, end, 20, of_token).map(|found| (found, Rule::GithubToken))
        }
        Shape::Slack => slack(text, start, end).map(|found| (found, Rule::SlackToken)),
        Shape::Google => {
            let exact = text[start..end] == *b"AIza";
            let found = exact.then(|| prefixed(text, start, end, 30, of_base64_url)).flatten()?;
            Some((found, Rule::GoogleKey))
        }
        Shape::Stripe => stripe(text, start, end).map(|found| (found, Rule::StripeKey)),
    }
}

fn of_base64_url(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The number of bytes at the beginning that are of a kind.
fn run(text: &[u8], of: impl Fn(&u8) -> bool) -> usize {
    text.iter().position(|byte| !of(byte)).unwrap_or(text.len())
}

/// A token that begins at `start`, with `min` bytes of a kind from `behind` on, unless it is within
/// a longer word.
fn prefixed(
    text: &[u8],
    start: usize,
    behind: usize,
    min: usize,
    of: impl Fn(&u8) -> bool,
) -> Option<Range<usize>> {
    if start > 0 && text[start - 1].is_ascii_alphanumeric() {
        return None;
    }
    let len = run(&text[behind..], of);
    (len >= min).then_some(start..behind + len)
}

fn slack(text: &[u8], start: usize, behind: usize) -> Option<Range<usize>> {
    let kind = matches!(text.get(behind..)?, [b'a'..=b'z', b'-', ..]);
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    kind.then(|| prefixed(text, start, behind + 2, 10, of_token)).flatten()
}

fn stripe(text: &[u8], anchor: usize, behind: usize) -> Option<Range<usize>> {
    let start = anchor.checked_sub(2)?;
    let secret = [b"sk".as_slice(), b"rk"].contains(&&text[start..anchor]);
    secret.then(|| prefixed(text, start, behind, 10, u8::is_ascii_alphanumeric)).flatten()
}

fn bearer(text: &[u8], start: usize) -> Option<Range<usize>> {
    let gap = scheme_gap(&text[start..]);
    if gap == 0 {
        return None;
    }
    let start = start + gap;
    let of_token = |byte: &u8| of_base64_url(byte) || b"._~+/=".contains(byte);
    let len = run(&text[start..], of_token);
    let token = &text[start..start + len];
    let sure = len >= BEARER_BYTES_SURE || token.iter().any(u8::is_ascii_digit);
    (len >= BEARER_BYTES_MIN && sure).then_some(start..start + len)
}

/// The base64 of `user:password`, with spaces before it.
fn basic(text: &[u8], start: usize) -> Option<Range<usize>> {
    let start = start + scheme_gap(&text[start..]);
    let of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    let len = run(&text[start..], of_base64);
    let token = &text[start..start + len];
    (len >= 4 && holds_colon(token)).then_some(start..start + len)
}

/// Whether base64 stands for printable text with a colon in it.
fn holds_colon(base64: &[u8]) -> bool {
    let mut bits = 0u32;
    let mut count = 0;
    let mut colon = false;
    for byte in base64 {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            let plain = (bits >> count) as u8;
            if plain < b' ' || plain == 0x7f {
                return false;
            }
            colon |= plain == b':';
        }
    }
    colon
}

/// Three parts of base64url, joined by dots; only the first must not be empty.
fn jwt(text: &[u8], start: usize, memory: &mut Memory) -> Option<Range<usize>> {
    if start < memory.jwt_from || !text[start..].starts_with(b"eyJ") {
        return None;
    }
    let mut at = start;
    let mut first_end = None;
    for (part, min) in [(0, 10), (1, 0), (2, 0)] {
        let len = run(&text[at..], of_base64_url);
        first_end.get_or_insert(at + len);
        let dotted = part == 2 || text.get(at + len) == Some(&b'.');
        if len < min || !dotted {
            // Whatever begins later in the first part has the same behind it, and less of it.
            memory.jwt_from = first_end.unwrap_or(at);
            return None;
        }
        at += len + usize::from(part < 2);
    }
    Some(start..at)
}

/// A block of a private key, to its end or that of the text.
fn pem(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    const DASHES: &[u8] = b"-----";
    let start = (anchor.start + 1).checked_sub(DASHES.len())?;
    if !text[start..].starts_with(b"-----BEGIN ") {
        return None;
    }
    let head_end = text.len().min(anchor.end + PEM_HEAD_BYTES_MAX);
    let head = &text[anchor.end..head_end];
    let head = &head[..memchr::memmem::find(head, DASHES)?];
    memchr::memmem::find(head, b"PRIVATE KEY")?;
    let rest = &text[anchor.end..];
    let Some(last) = memchr::memmem::find(rest, b"-----END ") else {
        return Some(start..text.len());
    };
    let tail = &rest[last + DASHES.len()..];
    let tail = &tail[..tail.len().min(PEM_HEAD_BYTES_MAX)];
    let end = memchr::memmem::find(tail, DASHES).map_or(tail.len(), |dashes| dashes + DASHES.len());
    Some(start..anchor.end + last + DASHES.len() + end)
}

/// The password of `scheme://user:password@host`.
fn uri_password(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    if anchor.start == 0 || !text[anchor.start - 1].is_ascii_alphanumeric() {
        return None;
    }
    let rest = &text[anchor.end..];
    let ends_word = |byte: &u8| {
        byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'<>`\\".contains(byte)
    };
    let ends_host = |byte: &u8| ends_word(byte) || b"/?#".contains(byte);
    let authority = &rest[..run(rest, |byte| !ends_host(byte))];
    let colon = memchr::memchr(b':', authority)?;
    let at = match memchr::memrchr(b'@', authority) {
        Some(at) => at,
        None => {
            // A password may hold what it should have escaped; a port may not.
            let port = &authority[colon + 1..];
            if port.iter().all(u8::is_ascii_digit) {
                return None;
            }
            // No further than to the next anchor: A3.
            let next = memchr::memmem::find(rest, b"://").unwrap_or(rest.len());
            memchr::memrchr(b'@', &rest[..run(&rest[..next], |byte| !ends_word(byte))])?
        }
    };
    let password = rest.get(colon + 1..at)?;
    // A marker that stands for the user has a colon too.
    let kept = password.is_empty() || marker::begins(password) || marker::begins(rest);
    (!kept).then(|| anchor.end + colon + 1..anchor.end + at)
}
