//! Text to tokens, as the index and the scan both see them. Owns [`TOKENIZER_VERSION`].
//!
//! 1. A *word* is a maximal run of letters, digits and `_`, folded by simple case folding.
//! 2. A character of a script without spaces joins nothing. Two of them in a row are a *bigram*;
//!    one alone is no token.
//! 3. Everything else separates, and so does each byte that is not part of valid UTF-8.
//! 4. A token is cut to the longest run of whole characters within [`TOKEN_BYTES_MAX`] bytes.
//!
//! `docs/format/filter.md` has the normative text. Any change here that makes one token different
//! is a new version: filters that were written before would lose rows.

use super::classes::{Class, class_of, fold};
use crate::limits::TOKEN_BYTES_MAX;

/// What filters are stored with, so that a reader knows whether it would ask for the same tokens.
pub(crate) const TOKENIZER_VERSION: u16 = 1;

/// Letters of a letter run at least, for it to be a term of its own.
pub(crate) const LETTER_RUN_MIN: usize = 4;

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A run of letters, digits and `_`.
    Word,
    /// Two characters of a script without spaces.
    Bigram,
}

/// A token of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// Folded and cut.
    pub(crate) bytes: &'a [u8],
    /// Where it begins in the text.
    pub(crate) start: usize,
    /// Where it ends in the text, uncut.
    pub(crate) end: usize,
    /// What it is made of.
    pub(crate) kind: TokenKind,
    /// The classes of its characters, or-ed.
    classes: u8,
}

impl Token<'_> {
    /// Whether it is a word, and all of the text that it is a token of.
    pub(super) fn is_whole_word(&self, text: &[u8]) -> bool {
        self.kind == TokenKind::Word && self.end - self.start == text.len()
    }

    /// Whether it is a word of letters and nothing else.
    pub(crate) fn is_letters(&self) -> bool {
        self.classes == Class::Letter as u8
    }
}

/// A valid character, or one byte that is not part of any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Char(char),
    Invalid(u8),
}

impl Unit {
    pub(super) fn class(self) -> Class {
        match self {
            Self::Char(c) => class_of(c),
            Self::Invalid(_) => Class::Separator,
        }
    }

    pub(super) fn folded(self) -> Self {
        match self {
            Self::Char(c) => Self::Char(fold(c)),
            Self::Invalid(byte) => Self::Invalid(byte),
        }
    }
}

/// The characters and invalid bytes of a text, with their lengths.
#[derive(Debug, Clone)]
pub(super) struct Units<'a> {
    text: &'a [u8],
}

impl<'a> Units<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// The next unit, which stays.
    pub(super) fn peek(&self) -> Option<(Unit, usize)> {
        let first = *self.text.first()?;
        let len = match first {
            0..0x80 => return Some((Unit::Char(char::from(first)), 1)),
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            _ => return Some((Unit::Invalid(first), 1)),
        };
        let c = self.text.get(..len).and_then(|bytes| std::str::from_utf8(bytes).ok());
        match c.and_then(|c| c.chars().next()) {
            Some(c) => Some((Unit::Char(c), len)),
            None => Some((Unit::Invalid(first), 1)),
        }
    }
}

impl Iterator for Units<'_> {
    type Item = (Unit, usize);

    fn next(&mut self) -> Option<(Unit, usize)> {
        let (unit, len) = self.peek()?;
        self.text = &self.text[len..];
        Some((unit, len))
    }
}

/// The class of an ASCII byte; [`NON_ASCII`] for all others.
static ASCII_CLASSES: [u8; 256] = {
    let mut classes = [NON_ASCII; 256];
    let mut byte = 0;
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter as u8,
            b'0'..=b'9' => Class::Digit as u8,
            b'_' => Class::Underscore as u8,
            _ => Class::Separator as u8,
        };
        byte += 1;
    }
    classes
};
const SEPARATOR: u8 = Class::Separator as u8;

const NON_ASCII: u8 = 0xff;

/// Gives every token of the text to `f`, in order.
pub(crate) fn for_each_token(text: &[u8], mut f: impl FnMut(Token<'_>)) {
    let mut buffer = Buffer::default();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let class = ASCII_CLASSES[usize::from(*byte)];
        if class == SEPARATOR {
            at += 1;
        } else if class != NON_ASCII {
            at = word(text, at, &mut buffer, &mut f);
        } else if let Some((unit, len)) = Units::new(&text[at..]).peek() {
            at = match unit.class() {
                Class::Separator => at + len,
                Class::Solo => solo_run(text, at, &mut buffer, &mut f),
                _ => word(text, at, &mut buffer, &mut f),
            };
        }
    }
}

/// Gives a text that is one word of ASCII with a digit, and not cut, to `f`, folded. Returns whether it is one:
/// the most common of variables, for which no token has to be looked for.
#[inline]
pub(super) fn as_word_with_digit(text: &[u8], f: impl FnOnce(&[u8])) -> bool {
    let class_of = |byte: &u8| ASCII_CLASSES[usize::from(*byte)];
    let is_word = |class: u8| class != SEPARATOR && class != NON_ASCII;
    if text.len() > TOKEN_BYTES_MAX || !text.iter().all(|byte| is_word(class_of(byte))) {
        return false;
    }
    if !text.iter().any(u8::is_ascii_digit) {
        return false;
    }
    if text.iter().any(u8::is_ascii_uppercase) {
        let mut buffer = Buffer::default();
        buffer.push_ascii(text, text.len());
        f(buffer.bytes());
    } else {
        f(text);
    }
    true
}

/// Bytes that are folded at once.
const PIECE: usize = 16;

/// A folded token under construction.
struct Buffer {
    bytes: [u8; TOKEN_BYTES_MAX],
    len: usize,
    /// Bytes that may be taken; falls to `len` when a character does not fit.
    max: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { bytes: [0; TOKEN_BYTES_MAX], len: 0, max: TOKEN_BYTES_MAX }
    }
}

impl Buffer {
    fn clear(&mut self) {
        self.len = 0;
        self.max = TOKEN_BYTES_MAX;
    }

    /// Appends the first `len` bytes of `text`, which are ASCII: as many as there is room for.
    #[inline]
    fn push_ascii(&mut self, text: &[u8], len: usize) {
        let taken = len.min(self.max - self.len);
        let mut done = 0;
        // Most runs are shorter than a piece: one load, one fold, one store. What is copied
        // beyond the run is written over or cut off.
        while done < taken
            && let Some(from) = text[done..].first_chunk::<PIECE>()
            && let Some(to) = self.bytes[self.len + done..].first_chunk_mut::<PIECE>()
        {
            *to = from.map(|byte| byte.to_ascii_lowercase());
            done += PIECE;
        }
        let places = &mut self.bytes[self.len..self.len + taken];
        for (to, from) in places.iter_mut().zip(text).skip(done) {
            *to = from.to_ascii_lowercase();
        }
        self.len += taken;
    }

    fn push(&mut self, c: char) {
        let folded = fold(c);
        let end = self.len + folded.len_utf8();
        if end <= self.max {
            folded.encode_utf8(&mut self.bytes[self.len..end]);
            self.len = end;
        } else {
            self.max = self.len;
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The word that begins at `start`; returns its end.
fn word(text: &[u8], start: usize, buffer: &mut Buffer, f: &mut impl FnMut(Token<'_>)) -> usize {
    buffer.clear();
    let mut classes = 0;
    let mut end = start;
    loop {
        let (ascii_end, ascii_classes, next) = ascii_word(text, end);
        classes |= ascii_classes;
        buffer.push_ascii(&text[end..], ascii_end - end);
        end = ascii_end;
        if next != NON_ASCII {
            break;
        }
        match Units::new(&text[end..]).peek() {
            Some((Unit::Char(c), len)) if class_of(c).joins() => {
                classes |= class_of(c) as u8;
                buffer.push(c);
                end += len;
            }
            _ => break,
        }
    }
    f(Token { bytes: buffer.bytes(), start, end, kind: TokenKind::Word, classes });
    end
}

/// Where the letters, digits and `_` of ASCII that begin at `start` end, their classes, or-ed, and
/// the class of what ends them.
fn ascii_word(text: &[u8], start: usize) -> (usize, u8, u8) {
    let mut classes = 0;
    for (index, byte) in text[start..].iter().enumerate() {
        let class = ASCII_CLASSES[usize::from(*byte)];
        if class == SEPARATOR || class == NON_ASCII {
            return (start + index, classes, class);
        }
        classes |= class;
    }
    (text.len(), classes, SEPARATOR)
}

/// The bigrams of the run of solo characters that begins at `start`; returns the run's end.
fn solo_run(
    text: &[u8],
    mut start: usize,
    buffer: &mut Buffer,
    f: &mut impl FnMut(Token<'_>),
) -> usize {
    let mut end = start;
    let mut previous = None;
    for (unit, len) in Units::new(&text[start..]) {
        let Unit::Char(c) = unit else { break };
        if class_of(c) != Class::Solo {
            break;
        }
        let previous_end = end;
        end += len;
        if let Some(previous) = previous.replace(c) {
            buffer.clear();
            buffer.push(previous);
            buffer.push(c);
            let classes = Class::Solo as u8;
            f(Token { bytes: buffer.bytes(), start, end, kind: TokenKind::Bigram, classes });
            start = previous_end;
        }
    }
    end
}

/// Gives every letter run of at least [`LETTER_RUN_MIN`] letters to `f`, folded and cut. A letter
/// run is maximal: what stands beside it is a digit, `_`, a separator or the text's edge.
pub(crate) fn for_each_letter_run(text: &[u8], mut f: impl FnMut(&[u8])) {
    if text.is_ascii() {
        return for_each_ascii_letter_run(text, f);
    }
    let mut buffer = Buffer::default();
    let mut at = 0;
    while at < text.len() {
        let (end, letters) = letters(text, at);
        if letters >= LETTER_RUN_MIN {
            buffer.clear();
            for (unit, _) in Units::new(&text[at..end]) {
                if let Unit::Char(c) = unit {
                    buffer.push(c);
                }
            }
            f(buffer.bytes());
        }
        // What ends the run is no letter, whatever it is.
        at = end + Units::new(&text[end..]).peek().map_or(1, |(_, len)| len);
    }
}

/// As [`for_each_letter_run`].
fn for_each_ascii_letter_run(text: &[u8], mut f: impl FnMut(&[u8])) {
    let is_letter = |byte: &u8| ASCII_CLASSES[usize::from(*byte)] == Class::Letter as u8;
    // The byte before `at` is no letter, so that no run reaches over it.
    let mut at = 0;
    while let Some(next) = text.get(at..at + LETTER_RUN_MIN) {
        // A run that begins among these bytes has the last of them.
        if let Some(other) = next.iter().rposition(|byte| !is_letter(byte)) {
            at += other + 1;
            continue;
        }
        let end = text[at..].iter().position(|byte| !is_letter(byte));
        let end = end.map_or(text.len(), |len| at + len);
        let mut buffer = Buffer::default();
        buffer.push_ascii(&text[at..], end - at);
        f(buffer.bytes());
        at = end + 1;
    }
}

/// Where the letters that begin at `start` end, and how many they are.
fn letters(text: &[u8], start: usize) -> (usize, usize) {
    let mut end = start;
    let mut letters = 0;
    while let Some(byte) = text.get(end) {
        let class = ASCII_CLASSES[usize::from(*byte)];
        if class == Class::Letter as u8 {
            end += 1;
        } else if class == NON_ASCII
            && let Some((unit, len)) = Units::new(&text[end..]).peek()
            && unit.class() == Class::Letter
        {
            end += len;
        } else {
            break;
        }
        letters += 1;
    }
    (end, letters)
}

/// Appends the text with every character folded; invalid bytes stay as they are.
pub(crate) fn fold_into(text: &[u8], out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend(text.iter().map(u8::to_ascii_lowercase));
        return;
    }
    for (unit, _) in Units::new(text) {
        match unit.folded() {
            Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unit::Invalid(byte) => out.push(byte),
        }
    }
}

/// Whether two texts are the same but for case.
pub(crate) fn fold_eq(a: &[u8], b: &[u8]) -> bool {
    let is_ascii = a.is_ascii() && b.is_ascii();
    if a == b || is_ascii {
        return a.eq_ignore_ascii_case(b);
    }
    let folded = |text| Units::new(text).map(|(unit, _)| unit.folded());
    folded(a).eq(folded(b))
}

#[cfg(test)]
mod tests;
