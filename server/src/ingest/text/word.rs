//! Level names in text: where they are a column, not a word of the message.

use crate::ingest::level;
use logstrata_engine::Level;

/// How many words behind the time may come before the level: process, thread, logger.
const WORDS_AHEAD_MAX: usize = 5;
/// Shorter names are words of many languages.
const NAME_BYTES_MIN: usize = 3;

/// Bytes that stand around a column.
fn is_decoration(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b'(' | b')' | b'<' | b'>' | b':' | b',' | b';' | b'|' | b'"')
}

/// Bytes between columns.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b',' | b';' | b'|' | b']' | b':') || byte == b'-'
}

/// The level in the columns behind a time. The first may be in any case; later ones stand in
/// capitals, in a bracket, or before a colon, so that ordinary words are not taken for levels. The
/// columns end at a word with a colon: the message begins there.
pub(super) fn column(rest: &[u8]) -> Option<Level> {
    let mut rest = rest;
    for index in 0..WORDS_AHEAD_MAX {
        let start = rest.iter().position(|byte| !is_separator(*byte))?;
        rest = rest.get(start..)?;
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'|'));
        let (token, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if let Some(level) = of_token(token, index == 0) {
            return Some(level);
        }
        if token.ends_with(b":") {
            return None;
        }
        rest = behind;
    }
    None
}

/// The level that a token is, decorations aside. `any_case`: its place alone says that it is one.
pub(super) fn of_token(token: &[u8], any_case: bool) -> Option<Level> {
    let bracketed = matches!(token.first(), Some(b'[' | b'(' | b'<'));
    let start = token.iter().position(|byte| !is_decoration(*byte))?;
    let word = token.get(start..)?;
    let end = word.iter().rposition(|byte| !is_decoration(*byte))? + 1;
    let (word, behind) = word.split_at(end);
    // Apache writes `[module:level]`.
    let word = match word.iter().rposition(|byte| *byte == b':') {
        Some(colon) if bracketed => word.get(colon + 1..)?,
        _ => word,
    };
    let capitals = word.iter().all(u8::is_ascii_uppercase);
    let marked = bracketed || capitals || behind.first() == Some(&b':');
    if marked || any_case { name(word) } else { None }
}

/// The level of a syslog message that begins with it: `host program[1]: error: …`.
pub(super) fn after_tag(rest: &[u8]) -> Option<Level> {
    let mut tokens = rest.split(|byte| *byte == b' ').filter(|token| !token.is_empty());
    let _host = tokens.next()?;
    tokens.next().filter(|tag| tag.ends_with(b":"))?;
    name(tokens.next()?.strip_suffix(b":")?)
}

/// Names that are used as levels in text, and hardly as anything else.
fn name(word: &[u8]) -> Option<Level> {
    const ORDINARY: [&[u8]; 8] =
        [b"all", b"note", b"default", b"failure", b"config", b"fine", b"silly", b"assert"];
    let ordinary = ORDINARY.iter().any(|other| other.eq_ignore_ascii_case(word));
    if word.len() < NAME_BYTES_MIN || ordinary {
        return None;
    }
    level::from_name(word).map(|(level, _)| level)
}

/// The value of `key=` at the line's start or behind a space, without its quotes.
pub(super) fn value_of<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    const LOOKED_THROUGH: usize = 512;
    let line = line.get(..LOOKED_THROUGH).unwrap_or(line);
    let mut start = 0;
    let behind = loop {
        let rest = line.get(start..)?;
        if let Some(behind) = rest.strip_prefix(key) {
            break behind;
        }
        start += rest.iter().position(|byte| *byte == b' ')? + 1;
    };
    match behind.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next(),
        None => behind.split(|byte| *byte == b' ').next(),
    }
}
