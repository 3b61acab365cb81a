//! A term: what a filter holds, 64 bits for a thing that a query can ask for.
//!
//! Terms carry no field name, so that one probe serves a bare term and a fielded one; which field
//! it was in, the scan finds out.

use super::tokens::{TokenKind, for_each_token};
use crate::limits::TOKEN_BYTES_MAX;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a folded value up to which it is a term as a whole.
pub(super) const WHOLE_VALUE_BYTES_MAX: usize = TOKEN_BYTES_MAX;

/// Simple folding makes a text at most this many times shorter (`K`, U+212A, becomes `k`).
const FOLDING_SHRINKS_MAX: usize = 3;

/// What a term is the hash of. The code is the seed of the hash, and part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum TermKind {
    /// A word, folded and cut.
    Word = 1,
    /// A run of at least four letters within a word that has others too, folded and cut.
    LetterRun = 2,
    /// Two neighbours of a script without spaces.
    Bigram = 3,
    /// A value of an exact field, folded, that is not one word.
    WholeValue = 4,
    /// The canonical lexeme of a number that was written in another form.
    Number = 5,
}

/// The term of `bytes`: XXH3, 64 bits, seeded with the kind.
#[inline]
pub(super) fn term(kind: TermKind, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, kind as u64)
}

/// The term of a token.
#[inline]
pub(super) fn token_term(kind: TokenKind, bytes: &[u8]) -> u64 {
    match kind {
        TokenKind::Word => term(TermKind::Word, bytes),
        TokenKind::Bigram => term(TermKind::Bigram, bytes),
    }
}

/// The term of a value of an exact field as a whole. None for an empty or long value, nor for one
/// word: that is a term already. `folded` is scratch space.
pub(super) fn whole_value_term(value: &[u8], folded: &mut Vec<u8>) -> Option<u64> {
    if value.len() > WHOLE_VALUE_BYTES_MAX * FOLDING_SHRINKS_MAX {
        return None;
    }
    folded.clear();
    super::tokens::fold_into(value, folded);
    if folded.is_empty() || folded.len() > WHOLE_VALUE_BYTES_MAX || is_one_word(folded) {
        return None;
    }
    Some(term(TermKind::WholeValue, folded))
}

fn is_one_word(text: &[u8]) -> bool {
    let mut is_one = false;
    for_each_token(text, |token| {
        is_one |= token.kind == TokenKind::Word && token.start == 0 && token.end == text.len();
    });
    is_one
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters hold these hashes for years: neither the crate nor the codes may change them.
    #[test]
    fn hashes_are_those_of_the_specification() {
        assert_eq!(xxh3_64_with_seed(b"", 0), 0x2d06_8005_38d3_94c2);
        assert_eq!(term(TermKind::Word, b"timeout"), 0xf926_f049_cd87_94c9);
        assert_eq!(term(TermKind::LetterRun, b"timeout"), 0xb4d5_10e3_4c6b_8e5f);
        assert_eq!(term(TermKind::Bigram, "日本".as_bytes()), 0x33b5_1224_2cb9_ae11);
        assert_eq!(term(TermKind::WholeValue, b"10.0.0.7"), 0xd307_435b_2c39_96c9);
        assert_eq!(term(TermKind::Number, b"500"), 0x34c6_839d_ef7b_3ede);
    }

    #[test]
    fn only_values_of_other_than_one_word_are_whole_terms() {
        let mut scratch = Vec::new();
        let mut has = |value: &str| whole_value_term(value.as_bytes(), &mut scratch).is_some();
        assert!(has("10.0.0.7") && has("-") && has("日本語") && has("日") && has(" a"));
        assert!(!has("") && !has("checkout") && !has("user_17"));
        assert!(has(&"a-".repeat(32)) && !has(&"a-".repeat(33)));
        // Folding makes these short enough.
        assert!(has(&format!("-{}", "\u{212a}".repeat(63))));
        assert!(!has(&format!("-{}", "\u{212a}".repeat(64))));
    }

    #[test]
    fn case_does_not_matter() {
        let mut scratch = Vec::new();
        let mut whole = |value: &str| whole_value_term(value.as_bytes(), &mut scratch);
        assert_eq!(whole("É-\u{212a}"), whole("é-k"));
        assert_ne!(whole("é-k"), whole("e-k"));
    }
}
