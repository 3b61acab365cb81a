//! The words of a sentence as patterns see them: what varies by its looks is a hole already.
//!
//! - `W1` A text and the sentence that a column of templates stores for it give the same shape.
//! - `W2` Words of a shape have no blanks and none is empty; there is one blank between two.

use crate::block::Slot;
use crate::index::{TokenKind, for_each_token};

/// Stands in a shape for what varies. No text has it: [`shape_of`] makes holes of such bytes.
pub(super) const HOLE: u8 = 1;
/// Words of a shape at most; what comes behind them is one hole.
const WORDS_MAX: usize = 64;
/// Bytes of a sentence that are looked at; what comes behind them is one hole.
const SENTENCE_BYTES_MAX: usize = 2_048;
/// Bytes of a text that are cut into words at once, and what is left of the last word.
const PIECE_BYTES: usize = 4_096;
/// Letters of a word of hexadecimal digits without any other, from which on it is no word of people.
const HEX_LEN_MIN: usize = 12;

/// Writes the sentence of a text: a hole for each word with an ASCII digit. Of a long one, so much that
/// [`shape_of`] sees that it is long.
pub(crate) fn sentence_of(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while !rest.is_empty() && out.len() <= SENTENCE_BYTES_MAX {
        let (piece, others) = rest.split_at(piece_len(rest));
        push_sentence(piece, out);
        rest = others;
    }
}

/// How much of a text can be cut into words on its own: what is behind it begins with an ASCII
/// separator.
fn piece_len(text: &[u8]) -> usize {
    let head = text.len().min(PIECE_BYTES);
    let separates = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'_';
    text[head..].iter().position(separates).map_or(text.len(), |len| head + len)
}

fn push_sentence(text: &[u8], out: &mut Vec<u8>) {
    let mut done = 0;
    for_each_token(text, |token| {
        let is_word = token.kind == TokenKind::Word;
        if is_word && text[token.start..token.end].iter().any(u8::is_ascii_digit) {
            out.extend_from_slice(&text[done..token.start]);
            out.push(HOLE);
            done = token.end;
        }
    });
    out.extend_from_slice(&text[done..]);
}

/// Writes the shape of a sentence: its words with one blank between two, each with its holes. A list of
/// what varies is one hole.
pub(super) fn shape_of(sentence: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let seen = seen(sentence);
    let unquoted = without_quoted(seen);
    let mut words = unquoted.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    // The words so far, and where the last begins.
    let (mut count, mut last) = (0, 0);
    let has_more = loop {
        let Some(word) = words.next() else { break false };
        if count == WORDS_MAX {
            break true;
        }
        let end = out.len();
        if end > 0 {
            out.push(b' ');
        }
        let start = out.len();
        push_word(word, out);
        if goes_on(&out[last..end], &out[start..]) {
            out.drain(last..start);
        } else {
            last = start;
            count += 1;
        }
    };
    let is_cut = has_more || seen.len() < sentence.len();
    if is_cut && out.last() != Some(&HOLE) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(HOLE);
    }
}

/// What is looked at of a sentence: all, or whole words of it.
fn seen(sentence: &[u8]) -> &[u8] {
    if sentence.len() <= SENTENCE_BYTES_MAX {
        return sentence;
    }
    let head = &sentence[..SENTENCE_BYTES_MAX];
    match head.iter().rposition(u8::is_ascii_whitespace) {
        Some(blank) if !head[..blank].trim_ascii().is_empty() => &head[..blank],
        // A word without an end is cut between two characters.
        _ => {
            let goes_on = |byte: &&u8| **byte & 0xc0 == 0x80;
            let lost = sentence[..=head.len()].iter().rev().take_while(goes_on).take(3).count();
            &head[..head.len() - lost]
        }
    }
}

/// Whether a word and the one before it are of a list of what varies.
fn goes_on(before: &[u8], word: &[u8]) -> bool {
    let bare = |word: &[u8]| word.strip_suffix(b",").unwrap_or(word) == [HOLE];
    bare(before) && bare(word) || before == word && word.contains(&HOLE)
}

/// The sentence with a hole for what stands between two quotes, and for each slot.
fn without_quoted(sentence: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first == b'"'
            && let Some(len) = quoted_len(others)
            && len > 0
        {
            let (quoted, behind) = others.split_at(len);
            out.push(b'"');
            push_quoted(quoted, behind.get(1) == Some(&b':'), &mut out);
            out.push(b'"');
            rest = &behind[1..];
        } else if Slot::of(*first).is_some() {
            out.push(HOLE);
        } else {
            out.push(*first);
        }
    }
    out
}

/// The bytes before the next quote that no backslash takes back.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })
}

/// Appends what is left of a quoted text: the name of a value (`"user":`), a name of what is done
/// (`"GET /health"`).
fn push_quoted(quoted: &[u8], has_value: bool, out: &mut Vec<u8>) {
    let is_name = |byte: &u8| !byte.is_ascii_whitespace() && Slot::of(*byte).is_none();
    if has_value && quoted.iter().all(is_name) {
        out.extend_from_slice(quoted);
        return;
    }
    let verb = quoted.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if verb > 1 && quoted.get(verb) == Some(&b' ') {
        out.extend_from_slice(&quoted[..=verb]);
    }
    out.push(HOLE);
}

/// Appends a word: numbers joined by points and their like are one hole, and so are paths.
fn push_word(word: &[u8], out: &mut Vec<u8>) {
    let ends = |byte: &u8| matches!(byte, b',' | b';' | b'.' | b':' | b')' | b']' | b'\'' | b'"');
    let tail = word.iter().rev().take_while(|byte| ends(byte)).count();
    let (core, tail) = word.split_at(word.len() - tail);
    let is_path = core.len() > 1 && core[0] == b'/' && core[1..].iter().any(|byte| *byte != b'/');
    let is_hex = core.len() >= HEX_LEN_MIN && core.iter().all(u8::is_ascii_hexdigit);
    if is_path || is_hex {
        out.push(HOLE);
    } else {
        push_joined(core, out);
    }
    out.extend_from_slice(tail);
}

/// Appends a word, its holes joined with those beside them.
fn push_joined(word: &[u8], out: &mut Vec<u8>) {
    let joins = |byte: u8| matches!(byte, b'.' | b':' | b'-' | b'/' | b',' | b'+' | b'_' | b'@');
    let start = out.len();
    let mut at = 0;
    while at < word.len() {
        if word[at] != HOLE {
            out.push(word[at]);
            at += 1;
            continue;
        }
        if out.len() > start && matches!(out.last(), Some(b'-' | b'+')) {
            // A sign belongs to its number, and both to `blk_`: without the sign it's one word.
            out.pop();
            let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
            if out[start..].last() == Some(&b'_') {
                let name = out[start..].iter().rev().take_while(is_name).count();
                out.truncate(out.len() - name);
            }
        }
        out.push(HOLE);
        at += 1;
        loop {
            // Of an id in groups, some have letters alone.
            let is_between = |byte: &&u8| joins(**byte) || matches!(**byte, b'a'..=b'f');
            let between = word[at..].iter().take_while(is_between).count();
            let ends = |place: Option<&u8>| place.is_some_and(|byte| joins(*byte));
            let is_joined = ends(word.get(at)) && ends(word[..at + between].last()) || between == 0;
            match word.get(at + between) {
                Some(&HOLE) if is_joined => at += between + 1,
                _ => break,
            }
        }
    }
}

/// The shape as people read it.
pub(super) fn shown(shape: &[u8]) -> String {
    let mut out = Vec::with_capacity(shape.len() + 16);
    for byte in shape {
        match *byte {
            HOLE => out.extend_from_slice(b"<*>"),
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
