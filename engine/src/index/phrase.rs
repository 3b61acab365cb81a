//! The search for a phrase in a text: the scan's side of the index contract.
//!
//! A phrase stands in a text where its characters do, but for case, with the same separators
//! between its tokens; an edge that is part of a token must be that token's border in the text
//! too. Nothing is allocated for a text, and the work is linear in its length: what the fast path
//! finds too dear goes to the exact one.

mod anywhere;

use super::tokens::{Unit, Units, fold_into};
use anywhere::Anywhere;
use memchr::{memchr2, memchr2_iter};

/// A phrase to search for, prepared.
#[derive(Debug, Clone)]
pub(crate) struct Phrase {
    /// Folded.
    bytes: Box<[u8]>,
    units: Box<[Unit]>,
    /// For each unit the length of the longest proper prefix that ends with it (Knuth, Morris,
    /// Pratt).
    borders: Box<[usize]>,
    /// Whether the first character joins, so that the one before must not.
    joins_left: bool,
    joins_right: bool,
    ascii: Option<Ascii>,
    anywhere: Anywhere,
}

/// How to search for a phrase that is ASCII when folded.
#[derive(Debug, Clone, Copy)]
struct Ascii {
    /// The place of the byte that is expected to be rarest in log text.
    rare_at: usize,
    rare: [u8; 2],
    /// Whether `K` (U+212A) or `ſ` (U+017F), which alone fold into ASCII, could be part of a hit.
    has_look_alike: bool,
}

/// Bytes from the most to the least frequent in log text; those not listed come at the end.
const FREQUENT: &[u8] = b" etaoinsrldcu10mp:.-/2=fhg534\"67b89_v,w()[]yk";

/// The characters beyond ASCII that fold into it.
const LOOK_ALIKES: [&str; 2] = ["\u{17f}", "\u{212a}"];
/// Bytes of the longer one.
const LOOK_ALIKE_LEN: usize = 3;

/// Bytes compared per byte of text on the fast path at most, before the exact one takes over.
const COMPARED_PER_BYTE_MAX: usize = 8;

impl Phrase {
    /// Prepares to search for `text`. An empty one stands in every text.
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len());
        fold_into(text.as_bytes(), &mut bytes);
        let units: Box<[Unit]> = Units::new(&bytes).map(|(unit, _)| unit).collect();
        let joins = |unit: Option<&Unit>| unit.is_some_and(|unit| unit.class().joins());
        Self {
            borders: borders(&units),
            joins_left: joins(units.first()),
            joins_right: joins(units.last()),
            ascii: Ascii::new(&bytes),
            units,
            bytes: bytes.into(),
            anywhere: Anywhere::default(),
        }
    }

    /// The phrase, folded.
    pub(crate) fn folded(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the phrase, folded, has only these bytes.
    pub(crate) fn is_made_of(&self, bytes: &[u8]) -> bool {
        self.bytes.iter().all(|byte| bytes.contains(byte))
    }

    /// Whether the phrase, folded, is ASCII, and not empty.
    pub(crate) fn is_ascii(&self) -> bool {
        self.ascii.is_some()
    }

    /// Where the phrase, which must be ASCII, first stands in `texts` in any case, with whatever
    /// beside it. In long texts much faster than [`Phrase::is_match`] in each of many short ones.
    pub(crate) fn find_ascii(&self, texts: &[u8]) -> Option<usize> {
        if self.anywhere.is_quick()
            && let Some(ascii) = self.ascii
            && let Some(found) = self.find_quickly(ascii, texts)
        {
            self.anywhere.searched(found.unwrap_or(texts.len()));
            return found;
        }
        self.anywhere.find(&self.bytes, texts)
    }

    /// The same byte by byte; `None` if that is too dear, or there is what folds to ASCII and is none.
    fn find_quickly(&self, ascii: Ascii, texts: &[u8]) -> Option<Option<usize>> {
        let len = self.bytes.len();
        let mut budget = texts.len().saturating_mul(COMPARED_PER_BYTE_MAX);
        let mut found = None;
        let searched = texts.get(ascii.rare_at..).unwrap_or_default();
        for start in memchr2_iter(ascii.rare[0], ascii.rare[1], searched) {
            let Some(candidate) = texts[start..].get(..len) else { break };
            if candidate[0].to_ascii_lowercase() == self.bytes[0] {
                if candidate.eq_ignore_ascii_case(&self.bytes) {
                    found = Some(start);
                    break;
                }
                budget = budget.checked_sub(len)?;
            }
        }
        // Something before it could end behind where it begins.
        let end =
            found.map_or(texts.len(), |start| (start + len * LOOK_ALIKE_LEN).min(texts.len()));
        (!ascii.has_look_alike || !has_look_alike(&texts[..end])).then_some(found)
    }

    /// Whether the phrase stands in `text`.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        if self.units.is_empty() {
            return true;
        }
        let Some(ascii) = self.ascii else {
            // Only a character that is not ASCII folds to one that is not.
            return !text.is_ascii() && self.is_match_exact(text);
        };
        match self.is_match_ascii(ascii, text) {
            Some(true) => true,
            Some(false) => {
                // The first bytes of the two look-alikes.
                ascii.has_look_alike
                    && memchr2(0xc5, 0xe2, text).is_some()
                    && self.is_match_exact(text)
            }
            None => self.is_match_exact(text),
        }
    }

    /// Whether the phrase's own bytes, in any case, stand in `text`; `None` if that is too dear
    /// to find out this way.
    fn is_match_ascii(&self, ascii: Ascii, text: &[u8]) -> Option<bool> {
        let len = self.bytes.len();
        let mut budget = text.len().saturating_mul(COMPARED_PER_BYTE_MAX);
        let Some(searched) = text.get(ascii.rare_at..) else { return Some(false) };
        for start in memchr2_iter(ascii.rare[0], ascii.rare[1], searched) {
            let Some(candidate) = text[start..].get(..len) else { break };
            if candidate[0].to_ascii_lowercase() != self.bytes[0] {
                continue;
            }
            if candidate.eq_ignore_ascii_case(&self.bytes)
                && !(self.joins_left && joins_before(&text[..start]))
                && !(self.joins_right && joins_after(&text[start + len..]))
            {
                return Some(true);
            }
            budget = budget.checked_sub(len)?;
        }
        Some(false)
    }

    /// Whether the phrase stands in `text`, character by character.
    fn is_match_exact(&self, text: &[u8]) -> bool {
        let mut ahead = Units::new(text);
        // Reads the character before the one where a match that ends at `ahead` begins.
        let mut behind = Units::new(text);
        let mut joins_behind = false;
        let mut read = 0;
        let mut matched = 0;
        while let Some((unit, _)) = ahead.next() {
            let unit = unit.folded();
            read += 1;
            if read > self.units.len() {
                joins_behind = joins_first(&mut behind);
            }
            while matched > 0 && self.units[matched] != unit {
                matched = self.borders[matched - 1];
            }
            matched += usize::from(self.units[matched] == unit);
            if matched == self.units.len() {
                let bad_left = self.joins_left && joins_behind;
                let bad_right = self.joins_right && joins_first(&mut ahead.clone());
                if !bad_left && !bad_right {
                    return true;
                }
                matched = self.borders[matched - 1];
            }
        }
        false
    }
}

impl Ascii {
    fn new(bytes: &[u8]) -> Option<Self> {
        if !bytes.is_ascii() {
            return None;
        }
        let rank = |byte: &u8| FREQUENT.iter().position(|b| b == byte).unwrap_or(FREQUENT.len());
        let (rare_at, byte) = bytes.iter().enumerate().max_by_key(|(_, byte)| rank(byte))?;
        Some(Self {
            rare_at,
            rare: [*byte, byte.to_ascii_uppercase()],
            has_look_alike: bytes.contains(&b'k') || bytes.contains(&b's'),
        })
    }
}

/// Whether `K` or `ſ` stands in a text.
fn has_look_alike(text: &[u8]) -> bool {
    let first = memchr2_iter(LOOK_ALIKES[0].as_bytes()[0], LOOK_ALIKES[1].as_bytes()[0], text);
    first
        .into_iter()
        .any(|at| LOOK_ALIKES.iter().any(|other| text[at..].starts_with(other.as_bytes())))
}

fn borders(units: &[Unit]) -> Box<[usize]> {
    let mut borders = vec![0; units.len()].into_boxed_slice();
    let mut matched = 0;
    for index in 1..units.len() {
        while matched > 0 && units[matched] != units[index] {
            matched = borders[matched - 1];
        }
        matched += usize::from(units[matched] == units[index]);
        borders[index] = matched;
    }
    borders
}

fn joins_first(units: &mut Units<'_>) -> bool {
    units.next().is_some_and(|(unit, _)| unit.class().joins())
}

/// Whether the first character joins.
pub(crate) fn joins_after(text: &[u8]) -> bool {
    joins_first(&mut Units::new(text))
}

/// Whether the last character joins. A character's first byte is never part of another one, so
/// that the few bytes before the end suffice.
pub(crate) fn joins_before(text: &[u8]) -> bool {
    match text.last() {
        None => false,
        Some(byte) if byte.is_ascii() => Unit::Char(char::from(*byte)).class().joins(),
        Some(_) => (2..=4.min(text.len())).any(|len| {
            let bytes = &text[text.len() - len..];
            let mut units = Units::new(bytes);
            matches!(units.next(), Some((unit @ Unit::Char(_), taken))
                if taken == len && unit.class().joins())
        }),
    }
}

#[cfg(test)]
mod tests;
