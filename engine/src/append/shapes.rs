//! Secrets that are known by their own shape, whatever stands around them.

use super::anchors::Shape;
use super::marker;
use super::pairs::skip_spaces;
use super::quotes::{Quote, percent};
use super::rules::Rule;
use std::ops::Range;

/// Bytes of a token behind `Bearer ` at least: fewer are prose.
const BEARER_BYTES_MIN: usize = 8;
/// So many are no word, also without a digit.
const BEARER_BYTES_SURE: usize = 24;
/// The armour's first line behind `-----BEGIN` at most.
const PEM_HEAD_BYTES_MAX: usize = 48;

/// Of an encoded URL, behind its scheme.
const URI_BYTES_MAX: usize = 256;

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
        Shape::Pem64 => pem_in_base64(text, anchor).map(|found| (found, Rule::PrivateKey)),
        Shape::UriEncoded => {
            uri_password_encoded(text, anchor).map(|found| (found, Rule::UriPassword))
        }
        Shape::Bearer => bearer(text, end).map(|found| (found, Rule::Authorization)),
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

/// The token behind `Bearer `, `Bearer%20`, `bearer: ` or `bearer="`.
fn bearer(text: &[u8], behind: usize) -> Option<Range<usize>> {
    let start = match text.get(behind..)? {
        [b' ' | b'\t', ..] => skip_spaces(text, behind),
        [b':' | b'=', ..] => skip_spaces(text, behind + 1),
        [b'+', ..] => behind + 1,
        rest => behind + (percent(rest)? == b' ').then_some(3)?,
    };
    let start = start + Quote::at(&text[start..]).map_or(0, Quote::len);
    let of_token = |byte: &u8| of_base64_url(byte) || b"._~+/=".contains(byte);
    let len = run(&text[start..], of_token);
    let token = &text[start..start + len];
    let sure = len >= BEARER_BYTES_SURE || token.iter().any(u8::is_ascii_digit);
    (len >= BEARER_BYTES_MIN && sure).then_some(start..start + len)
}

/// Three parts of base64url, joined by dots; or five, of which the second may be empty.
fn jwt(text: &[u8], start: usize, memory: &mut Memory) -> Option<Range<usize>> {
    if start < memory.jwt_from || !text[start..].starts_with(b"eyJ") {
        return None;
    }
    let mut at = start;
    let mut first_end = None;
    for (part, min) in [(0, 10), (1, 0), (2, 1)] {
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
    let mut end = at;
    for part in 0..2 {
        let len = text[end..].strip_prefix(b".").map_or(0, |rest| run(rest, of_base64_url));
        if len == 0 {
            break;
        }
        end += 1 + len;
        if part == 1 {
            at = end;
        }
    }
    Some(start..at)
}

/// A block of a private key, to its end or that of the text.
fn pem(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    const DASHES: &[u8] = b"-----";
    let start = (anchor.start + 1).checked_sub(DASHES.len())?;
    if !text[start..].starts_with(b"-----BEGIN") {
        return None;
    }
    let head_end = text.len().min(anchor.end + PEM_HEAD_BYTES_MAX);
    let head = &text[anchor.end..head_end];
    let head = &head[..memchr::memmem::find(head, DASHES)?];
    // Between them is a space, or what stands for one in a URL.
    let private = memchr::memmem::find(head, b"PRIVATE")?;
    memchr::memmem::find(&head[private..], b"KEY")?;
    let rest = &text[anchor.end..];
    let Some(last) = memchr::memmem::find(rest, b"-----END") else {
        return Some(start..text.len());
    };
    let tail = &rest[last + DASHES.len()..];
    let tail = &tail[..tail.len().min(PEM_HEAD_BYTES_MAX)];
    // Not within a character.
    let cut = || tail.iter().position(|byte| *byte >= 0x80).unwrap_or(tail.len());
    let end = memchr::memmem::find(tail, DASHES).map_or_else(cut, |dashes| dashes + DASHES.len());
    Some(start..anchor.end + last + DASHES.len() + end)
}

/// The same in base64, as configurations of Kubernetes have it.
fn pem_in_base64(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    /// `PRIVATE KEY`, by where it begins.
    const PRIVATE: [&[u8]; 3] = [b"UFJJVkFURSBLRVk", b"QUklWQVRFIEtFW", b"BSSVZBVEUgS0VZ"];
    let head = &text[anchor.end..text.len().min(anchor.end + PEM_HEAD_BYTES_MAX)];
    PRIVATE.iter().find(|private| memchr::memmem::find(head, private).is_some())?;
    let of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    Some(anchor.start..anchor.end + run(&text[anchor.end..], of_base64))
}

/// The password of `scheme%3A%2F%2Fuser%3Apassword%40host`.
fn uri_password_encoded(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let rest = &text[anchor.end..];
    let rest = &rest[..rest.len().min(URI_BYTES_MAX)];
    let (mut colon, mut at) = (None, None);
    for (place, byte) in rest.iter().enumerate() {
        match byte {
            b'%' => match percent(&rest[place..]) {
                Some(b':') => colon = colon.or(Some(place + 3)),
                Some(b'@') => at = Some(place),
                Some(b'/' | b'?' | b'#' | b' ' | b'"') => break,
                _ => {}
            },
            byte if byte.is_ascii_whitespace() || b"&\"'<>`\\".contains(byte) => break,
            _ => {}
        }
    }
    let (colon, at) = (colon?, at?);
    let kept = colon >= at || marker::begins(&rest[colon..]);
    (!kept).then(|| anchor.end + colon..anchor.end + at)
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
    let kept = password.is_empty() || marker::begins(password);
    (!kept).then(|| anchor.end + colon + 1..anchor.end + at)
}
